package uptally

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
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
	bodyVersion = 1
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
	i := 0
	for _, run := range d.Runs {
		for range run.N {
			if v := d.RTT[i]; v < 0 || v > 0 && run.Reason == Conflict {
				return Head{}, fmt.Errorf("encode head: got response time %d of result %d (%v), want 0 or, where it has one, more", v, i, run.Reason)
			} else if run.Reason == OK {
				h.Latency.Add(v)
			}
			i++
		}
	}
	h.Digest = sha256.Sum256(d.appendTimes(h.appendChunk(nil)))
	return h, nil
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
	return step > 0 && !(r.Late == next.Late && r.Reason == next.Reason && (r.N == 1 || r.Step == step))
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

// AppendBody appends the canonical bytes of the response times: version 1, each as the zigzag difference in µs to the one
// before (the first to 0), CRC-32C of all before it.
func (d Day) AppendBody(dst []byte) []byte {
	from := len(dst)
	dst = append(dst, bodyVersion)
	return AppendCRC(d.appendTimes(dst), from)
}

// appendTimes appends the payload of the body.
func (d Day) appendTimes(dst []byte) []byte {
	prev := int64(0)
	for _, v := range d.RTT {
		dst = appendRTT(dst, prev, v)
		prev = v
	}
	return dst
}

// DecodeHead is the inverse of AppendHead. It accepts canonical bytes only and allocates in proportion to len(data),
// however many results the head speaks of. What only the body can show, DecodeBody checks.
func DecodeHead(data []byte) (Head, error) {
	r := openWire(data, headVersion)
	h := Head{Day: Day{Check: ID(r.fixed64()), Site: ID(r.fixed64())}}
	day := r.varint("a day")
	if h.Day.Day = int32(day); int64(h.Day.Day) != day {
		r.fail("got day %d, want 32 bits", day)
	}
	ups := r.dayRuns(&h.Day)
	h.Latency = r.sketch(ups)
	copy(h.Digest[:], r.bytes(sha256.Size))
	if err := r.close(); err != nil {
		return Head{}, fmt.Errorf("decode head: %w", err)
	}
	return h, nil
}

// dayRuns reads the three lists of runs, joins them to those of d, and returns how many results are up.
func (r *wireReader) dayRuns(d *Day) (ups uint64) {
	n := r.uvarint("a number of results", DayMillis)
	first := r.uvarint("an instant of the day", DayMillis-1)
	if r.err == nil && n == 0 {
		r.fail("got no result, want at least one")
	}
	if r.err != nil {
		return 0
	}
	deltas := r.runs(nil, "delta", n-1, DayMillis-1)
	lates := r.runs(nil, "late", n, 1<<31-1)
	reasons := r.runs(nil, "reason", n, 1<<8-1)
	for _, q := range reasons {
		if q.value == uint64(OK) {
			ups += q.count
		}
	}
	if r.err != nil {
		return 0
	}
	end := first
	for _, q := range deltas { // each product is below 2⁵⁴, and the sum is compared before it can grow
		if end += q.value * q.count; end >= DayMillis || q.value == 0 {
			r.fail("got instants %d ms apart up to %d ms into the day, want them ascending and less than %d", q.value, end, DayMillis)
			return 0
		}
	}
	joinRuns(d, int64(d.Day)*DayMillis+int64(first), deltas, lates, reasons)
	if err := d.check(); err != nil {
		r.fail("%w", err)
	}
	return ups
}

// joinRuns makes the runs of d from the lists, stretch by stretch, so its cost is that of the lists and not of the results.
func joinRuns(d *Day, at int64, deltas, lates, reasons []valueRun) {
	b := dayBuilder{runs: &d.Runs}
	take := func(list *[]valueRun, n uint64) {
		if (*list)[0].count -= n; (*list)[0].count == 0 {
			*list = (*list)[1:]
		}
	}
	for len(lates) > 0 {
		n := min(lates[0].count, reasons[0].count)
		s := Run{At: at, Late: int32(lates[0].value), Reason: Reason(reasons[0].value)}
		if len(deltas) == 0 {
			n = 1
		} else {
			n = min(n, deltas[0].count+1)
			s.Step = int64(deltas[0].value)
		}
		s.N = int32(n)
		at = s.End()
		b.add(s)
		take(&lates, n)
		take(&reasons, n)
		if n > 1 {
			take(&deltas, n-1)
		}
		if len(deltas) > 0 {
			at += int64(deltas[0].value)
			take(&deltas, 1)
		}
	}
}

// DecodeBody returns the whole day of a head from the bytes of AppendBody. It accepts only the body whose digest the head
// carries, and only where the head is the one of that day.
func (h Head) DecodeBody(data []byte) (Day, error) {
	d := h.Day
	r := openWire(data, bodyVersion)
	n := d.Len()
	if n > len(r.data) { // each response time takes a byte or more
		r.fail("got %d bytes, want %d response times", len(r.data), n)
	} else {
		d.RTT = make([]int64, n)
	}
	prev := int64(0)
	for i := range d.RTT {
		prev = r.rtt(prev)
		d.RTT[i] = prev
	}
	if err := r.close(); err != nil {
		return Day{}, fmt.Errorf("decode body: %w", err)
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
