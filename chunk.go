package uptally

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"slices"
)

// Head is a sealed day without its response times: what a month is judged and drawn from.
type Head struct {
	// Day has no RTT.
	Day Day
	// Latency counts the response times of the results that are up.
	Latency Sketch
	// Digest is SHA-256 of the canonical chunk: the head's bytes up to the digest, then the body's payload.
	Digest [sha256.Size]byte
}

const (
	headVersion = 1
	bodyVersion = 2
	varVersion  = 1 // of a body that is its payload: read, and written no more
)

// Head returns the head of a whole day, made by FoldDay or Head.DecodeBody. A day that was read from its head alone, or
// whose runs are not canonical, is an error.
func (d Day) Head() (Head, error) {
	if err := d.check(); err != nil {
		return Head{}, fmt.Errorf("encode head: %w", err)
	}
	if n := d.Len(); n != len(d.RTT) {
		return Head{}, fmt.Errorf("encode head: got %d response times, want %d", len(d.RTT), n)
	}
	h := Head{Day: d}
	h.Day.RTT = nil
	var err error
	if h.Latency, err = d.latency(); err != nil {
		return Head{}, fmt.Errorf("encode head: %w", err)
	}
	h.Digest = d.digest(h.appendChunk(nil))
	return h, nil
}

// latency counts the response times of what is up, and finds those that no result has.
func (d Day) latency() (Sketch, error) {
	var counts [lastBucket + 1]uint32
	least, most := lastBucket, 0 // response times of a day are near each other
	i := 0
	for _, run := range d.Runs {
		for range run.N {
			v := d.RTT[i]
			if v < 0 || v > 0 && run.Reason == Conflict {
				return Sketch{}, fmt.Errorf("got response time %d of result %d (%v), want 0 or, where it has one, more", v, i, run.Reason)
			}
			if run.Reason == OK {
				b := int(bucketOf(v))
				counts[b]++
				least, most = min(least, b), max(most, b)
			}
			i++
		}
	}
	return sketchOf(counts[min(least, most):most+1], min(least, most)), nil
}

// check demands runs as FoldDay makes them.
func (d Day) check() error {
	if len(d.Runs) == 0 {
		return errors.New("got no result, want at least one")
	}
	for i, r := range d.Runs {
		switch {
		case r.N < 1 || (r.N == 1) != (r.Step == 0) || r.Step < 0 || DayOf(r.At) != d.Day || DayOf(r.End()) != d.Day:
			return fmt.Errorf("run %d: got %d results at %d, step %d, want results of day %d", i, r.N, r.At, r.Step, d.Day)
		case r.Late < 0 || r.Reason == Conflict && r.Late != 0:
			return fmt.Errorf("run %d: got late %d of %v, want 0 or, but for a conflict, more", i, r.Late, r.Reason)
		case i > 0 && !d.Runs[i-1].ends(r):
			return fmt.Errorf("run %d: got it at %d, want it after run %d and no part of it", i, r.At, i-1)
		}
		if r.Reason != Conflict {
			if err := checkReason(r.Reason); err != nil {
				return fmt.Errorf("run %d: %w", i, err)
			}
		}
	}
	return nil
}

// ends reports whether next lies after r and its first result could not be taken into r.
func (r Run) ends(next Run) bool {
	step := next.At - r.End()
	return step > 0 && !(r.Late == next.Late && r.Reason == next.Reason && (r.N == 1 || int64(r.Step) == step))
}

// AppendHead appends the canonical bytes of d.Head().
func (d Day) AppendHead(dst []byte) ([]byte, error) {
	h, err := d.Head()
	if err != nil {
		return dst, err
	}
	return h.AppendBinary(dst)
}

// AppendBinary appends the canonical bytes of h:
//
//	version 1 | check, site: 8 bytes each | day: zigzag | number of results | first instant, in ms from the start of the day
//	runs (delta, count) of the later instants | runs (late, count) | runs (reason, count)
//	sketch of the response times that are up: number of buckets, then each: indices passed over, count
//	SHA-256 of the canonical chunk, that is all before it and the body's payload
//	CRC-32C of all before it, 4 bytes
func (h Head) AppendBinary(dst []byte) ([]byte, error) {
	if err := h.Day.check(); err != nil {
		return dst, fmt.Errorf("encode head: %w", err)
	}
	w := h.appendChunk(dst)
	w = append(w, h.Digest[:]...)
	return AppendCRC(w, len(dst)), nil
}

// appendChunk appends the part of the head that the digest covers.
func (h Head) appendChunk(dst []byte) []byte {
	d := h.Day
	dst = append(dst, headVersion)
	dst = binary.BigEndian.AppendUint64(dst, uint64(d.Check))
	dst = binary.BigEndian.AppendUint64(dst, uint64(d.Site))
	dst = binary.AppendVarint(dst, int64(d.Day))
	dst = binary.AppendUvarint(dst, uint64(d.Len()))
	dst = binary.AppendUvarint(dst, uint64(d.Runs[0].At-int64(d.Day)*DayMillis))
	w := runWriter{dst: dst}
	for i, r := range d.Runs {
		if i > 0 {
			w.add(uint64(r.At-d.Runs[i-1].End()), 1)
		}
		if r.N > 1 {
			w.add(uint64(r.Step), uint64(r.N-1))
		}
	}
	w.flush()
	for _, r := range d.Runs {
		w.add(uint64(r.Late), uint64(r.N))
	}
	w.flush()
	for _, r := range d.Runs {
		w.add(uint64(r.Reason), uint64(r.N))
	}
	w.flush()
	return h.Latency.append(w.dst)
}

// AppendBody appends the canonical bytes of the response times: version 2, bits, CRC-32C of all before it.
//
// The bits are those of each response time's distance in µs from the expected one, in zigzag form u: ⌊u / 2^k⌋ zeros, a one, the k
// low bits of u. Where that would be twelve zeros or more it is twelve zeros, the length of u in bits less one in six bits, u. Bits of a byte
// count from the highest; the last byte is filled with zeros.
//
// Time and apart are integers of sixteenths, from 0 and 16,000. Before each, expected = ⌊time/16⌋ and k = the length in bits of
// ⌊apart/32⌋, at most 40. After it, time grows by twice the distance, or 2^k where it was further, and apart by u, or 8·2^k
// where that is less, less ⌊apart/16⌋. After the first, instead, time is 16 times it and apart stays.
func (d Day) AppendBody(dst []byte) []byte {
	from := len(dst)
	dst = append(dst, bodyVersion)
	return AppendCRC(d.appendTimes(dst), from)
}

// appendPayload appends what the digest covers of the response times, however a body codes them: each as the zigzag difference in µs
// to the one before, the first to 0.
func (d Day) appendPayload(dst []byte) []byte {
	prev := int64(0)
	for _, v := range d.RTT {
		u := zigzag(v - prev)
		prev = v
		if n := len(dst); u < 1<<28 && cap(dst)-n >= 4 { // the usual case: at once
			more := (bits.Len64(u|1) - 1) / 7 // bytes after the first
			w := u&0x7f | u<<1&(0x7f<<8) | u<<2&(0x7f<<16) | u<<3&(0x7f<<24) | 0x80808080&(1<<(8*more)-1)
			binary.LittleEndian.PutUint32(dst[n:n+4], uint32(w))
			dst = dst[:n+more+1]
		} else {
			dst = binary.AppendUvarint(dst, u)
		}
	}
	return dst
}

// HeadDecoder decodes heads, one after the other. The zero value is ready. Unless it is Passing, what it returns is not changed by what it
// decodes later, but the runs of some days share an array.
type HeadDecoder struct {
	// Checked says that HeadDigest found the checksum of each head right, so that it is not computed again.
	Checked bool
	// Passing says that the runs and latencies of a day are of use until the next one is decoded, which takes their place.
	Passing bool

	deltas, lates, reasons []valueRun
	kept, passing          decoded // apart: what is kept is nobody's to write again
}

// decoded is where days lie that were decoded.
type decoded struct {
	runs    []Run    // its spare capacity is for days to come
	buckets []bucket // likewise, of their latencies
}

// room is where the next day goes.
func (h *HeadDecoder) room() *decoded {
	if !h.Passing {
		return &h.kept
	}
	return &h.passing
}

// mostRoom is how many runs have an array in common, mostBuckets how many buckets: 32 kB, some twelve days of the first; a little
// more would be a large object.
const (
	mostRoom    = 1360
	mostBuckets = 4080
)

// DecodeHead is the inverse of AppendHead. It accepts canonical bytes only and allocates in proportion to len(data),
// however many results the head speaks of. What only the body can show, Head.DecodeBody checks.
func DecodeHead(data []byte) (Head, error) { return new(HeadDecoder).Head(data) }

// Head is DecodeHead.
func (h *HeadDecoder) Head(data []byte) (Head, error) {
	r := h.open(data)
	var head Head
	ups := h.day(&r, &head.Day)
	head.Latency = h.sketch(&r, ups)
	copy(head.Digest[:], r.bytes(sha256.Size))
	if err := r.close(); err != nil {
		return Head{}, fmt.Errorf("decode head: %w", err)
	}
	return head, nil
}

func (h *HeadDecoder) open(head []byte) wireReader {
	if h.Checked && len(head) >= crcLen {
		return openSound(head, headVersion)
	}
	return openWire(head, headVersion)
}

// day reads the series, the day and its runs, and returns how many results are up.
func (h *HeadDecoder) day(r *wireReader, d *Day) (ups uint64) {
	d.Check, d.Site = ID(r.fixed64()), ID(r.fixed64())
	day := r.varint("a day")
	if d.Day = int32(day); int64(d.Day) != day {
		r.fail("got day %d, want 32 bits", day)
	}
	n := r.uvarint("a number of results", DayMillis)
	first := r.uvarint("an instant of the day", DayMillis-1)
	if r.err == nil && n == 0 {
		r.fail("got no result, want at least one")
	}
	if r.err != nil {
		return 0
	}
	h.deltas = r.runs(h.deltas[:0], "delta", n-1, DayMillis-1)
	h.lates = r.runs(h.lates[:0], "late", n, 1<<31-1)
	h.reasons = r.runs(h.reasons[:0], "reason", n, 1<<8-1)
	ups, conflicts := h.checkReasons(r)
	h.checkInstants(r, first)
	if r.err != nil {
		return 0
	}
	d.Runs = h.join(int64(d.Day)*DayMillis + int64(first))
	if conflicts {
		for _, q := range d.Runs {
			if q.Reason == Conflict && q.Late != 0 {
				r.fail("got late %d of a conflict, want 0", q.Late)
			}
		}
	}
	return ups
}

// checkReasons demands reasons of a day, and returns how many of them are up and whether there is a conflict.
func (h *HeadDecoder) checkReasons(r *wireReader) (ups uint64, conflicts bool) {
	for _, q := range h.reasons {
		if q.value == uint64(OK) {
			ups += q.count
		} else if q.value == uint64(Conflict) {
			conflicts = true
		} else if err := checkReason(Reason(q.value)); err != nil {
			r.fail("%w", err)
		}
	}
	return ups, conflicts
}

// checkInstants demands ascending ones of one day.
func (h *HeadDecoder) checkInstants(r *wireReader, first uint64) {
	end := first
	for _, q := range h.deltas { // each product is below 2⁵⁴, and the sum is compared before it can grow
		if end += q.value * q.count; end >= DayMillis || q.value == 0 {
			r.fail("got instants %d ms apart up to %d ms into the day, want them ascending and less than %d", q.value, end, DayMillis)
			return
		}
	}
}

// join makes the runs of a day from the lists, stretch by stretch, so its cost is that of the lists and not of the results.
func (h *HeadDecoder) join(at int64) []Run {
	deltas, lates, reasons := h.deltas, h.lates, h.reasons
	most := len(deltas) + len(lates) + len(reasons) // with each run, one of these comes to its end
	room := &h.room().runs
	if h.Passing {
		*room = (*room)[:0]
	}
	if most > cap(*room)-len(*room) {
		*room = make([]Run, 0, max(most, min(2*cap(*room), mostRoom)))
	}
	runs := (*room)[len(*room):len(*room)]
	var delta, late, reason valueRun // what is left of the first of each list
	for {
		if late.count == 0 {
			if len(lates) == 0 {
				*room = (*room)[:len(*room)+len(runs)]
				return slices.Clip(runs)
			}
			late, lates = lates[0], lates[1:]
		}
		if reason.count == 0 {
			reason, reasons = reasons[0], reasons[1:]
		}
		for late.count <= min(reason.count, delta.count) { // the usual case: both go on behind the lateness
			runs = appendRun(runs, at, delta.value, late, Reason(reason.value))
			at += int64(late.count * delta.value)
			reason.count -= late.count
			delta.count -= late.count
			if late.count = 0; len(lates) == 0 || reason.count == 0 {
				break
			}
			late, lates = lates[0], lates[1:]
		}
		same := min(late.count, reason.count)
		late.count -= same
		reason.count -= same
		for left := same; left > 0; {
			if delta.count == 0 && len(deltas) > 0 {
				delta, deltas = deltas[0], deltas[1:]
			}
			n := min(left, delta.count+1)
			if left == same { // another lateness or reason than before
				runs = appendRun(runs, at, delta.value, valueRun{late.value, n}, Reason(reason.value))
			} else {
				s := Run{At: at, N: int32(n), Late: int32(late.value), Reason: Reason(reason.value)}
				if n > 1 {
					s.Step = int32(delta.value)
				}
				runs = addRun(runs, s)
			}
			left -= n
			at += int64((n - 1) * delta.value)
			delta.count -= n - 1
			if delta.count == 0 && len(deltas) > 0 {
				delta, deltas = deltas[0], deltas[1:]
			}
			if delta.count > 0 {
				at += int64(delta.value)
				delta.count--
			}
		}
	}
}

// appendRun appends to runs, which have room, in place: to copy what was just written waits for it.
func appendRun(runs []Run, at int64, step uint64, late valueRun, reason Reason) []Run {
	runs = runs[:len(runs)+1]
	s := &runs[len(runs)-1]
	if late.count == 1 {
		step = 0
	}
	s.At, s.Step, s.N, s.Late, s.Reason = at, int32(step), int32(late.count), int32(late.value), reason
	return runs
}

// HeadDigest returns the digest in the bytes of a head, and whether their checksum is right; it decodes nothing else.
func HeadDigest(head []byte) (digest [sha256.Size]byte, sound bool) {
	if _, sound = CRC(head); !sound || len(head) < sha256.Size+crcLen {
		return digest, false
	}
	copy(digest[:], head[len(head)-crcLen-sha256.Size:])
	return digest, true
}

// DecodeRuns returns what accounts are made of out of the bytes of a head: the day without response times, and its digest. It passes over the
// latencies, which DecodeHead reads.
func DecodeRuns(head []byte) (d Day, digest [sha256.Size]byte, err error) {
	return new(HeadDecoder).Runs(head)
}

// Runs is DecodeRuns.
func (h *HeadDecoder) Runs(head []byte) (d Day, digest [sha256.Size]byte, err error) {
	r := h.open(head)
	h.day(&r, &d)
	if r.err == nil && len(r.data) < sha256.Size {
		r.fail("got %d bytes, want a digest", len(r.data))
	}
	if r.err != nil {
		return Day{}, digest, fmt.Errorf("decode head: %w", r.err)
	}
	copy(digest[:], r.data[len(r.data)-sha256.Size:])
	return d, digest, nil
}

// digest returns SHA-256 of the canonical chunk, given the head's bytes up to it.
func (d Day) digest(chunk []byte) [sha256.Size]byte {
	room := make([]byte, 0, len(chunk)+3*len(d.RTT))
	return sha256.Sum256(d.appendPayload(append(room, chunk...)))
}

// DecodeBody returns the whole day of a head, of which it reads Day and Digest, from the bytes of AppendBody. It accepts only the
// body whose digest the head carries, and only where the head is the one of that day, down to its latencies: it makes the head again,
// which is cheaper than it sounds, a fifth of the whole.
func (h Head) DecodeBody(data []byte) (Day, error) {
	d := h.Day
	if err := d.decodeTimes(data); err != nil {
		return Day{}, err
	}
	whole, err := d.Head()
	if err != nil {
		return Day{}, fmt.Errorf("decode body: %w", err)
	}
	if whole.Digest != h.Digest {
		return Day{}, fmt.Errorf("decode body: got digest %x, want %x", whole.Digest, h.Digest)
	}
	return d, nil
}

// decodeTimes reads a body into d.RTT. It allocates in proportion to len(data): each response time takes a bit or more.
func (d *Day) decodeTimes(data []byte) error {
	version, read := byte(bodyVersion), (*wireReader).bitTimes
	if len(data) > 0 && data[0] == varVersion {
		version, read = varVersion, (*wireReader).varTimes
	}
	r := openWire(data, version)
	if n := d.Len(); r.err == nil && n > 8*len(r.data) {
		r.fail("got %d bytes, want %d response times", len(r.data), n)
	} else if r.err == nil {
		d.RTT = make([]int64, n)
		read(&r, d.RTT)
	}
	if err := r.close(); err != nil {
		return fmt.Errorf("decode body: %w", err)
	}
	return nil
}
