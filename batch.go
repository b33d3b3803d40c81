package uptally

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"unicode/utf8"
)

// Batch is the results that an agent appended together. Its canonical bytes are the same in the spool, on the wire and
// in the ledger.
type Batch struct {
	// Agent is the identity given at enrolment, or 64 random bits; Epoch 64 random bits drawn at each start; Seq counts
	// 1, 2, 3… within the epoch, taken in the transaction that appends the batch.
	Agent, Epoch, Seq uint64
	// Site is the site of every result; Day the UTC day of every scheduled instant.
	Site ID
	Day  int32
	// ClockOffset is agent clock − server clock in microseconds, ClockBound how far it may be wrong; both 0 in one process.
	ClockOffset, ClockBound int64
	// Results are sorted by Result.Compare.
	Results []Result
}

// MaxBatch is the longest batch in bytes. Every server takes one of that size.
const MaxBatch = 256 << 10

const (
	batchVersion = 1
	leastCheck   = 8 + 1 + 1 + 2 + 2 + 1 + 1 // the bytes of a check with one result
)

// AppendBinary appends the canonical bytes of b:
//
//	version 1 | agent, epoch: 8 bytes each | seq | site: 8 bytes | day, offset: zigzag | bound | number of checks
//	per check, ascending:
//	  id: 8 bytes | number of results | first instant, in ms from the start of the day
//	  runs (delta, count) of the later instants | runs (late, count) | runs (reason, count)
//	  response times: zigzag differences in µs, the first to 0
//	  number of details | each: results passed over since the one before, length, text
//	CRC-32C of all before it, 4 bytes
//
// Numbers are varints in their shortest form, fixed bytes big endian, runs as long as they can be, so one batch has one
// form. It is an error, and dst is returned as it was, when the results are not sorted or not each different, are none,
// lie at another site or day, have a reason that no agent writes, a negative late or response time, an up result a
// detail, a detail more than MaxDetail bytes or invalid UTF-8, or the whole more than MaxBatch bytes.
func (b Batch) AppendBinary(dst []byte) ([]byte, error) {
	if err := b.check(); err != nil {
		return dst, fmt.Errorf("encode batch: %w", err)
	}
	w := append(dst, batchVersion)
	w = binary.BigEndian.AppendUint64(w, b.Agent)
	w = binary.BigEndian.AppendUint64(w, b.Epoch)
	w = binary.AppendUvarint(w, b.Seq)
	w = binary.BigEndian.AppendUint64(w, uint64(b.Site))
	w = binary.AppendVarint(w, int64(b.Day))
	w = binary.AppendVarint(w, b.ClockOffset)
	w = binary.AppendUvarint(w, uint64(b.ClockBound))
	w = binary.AppendUvarint(w, uint64(countChecks(b.Results)))
	for rest := b.Results; len(rest) > 0; {
		n := 1
		for n < len(rest) && rest[n].Check == rest[0].Check {
			n++
		}
		w = appendCheck(w, b.Day, rest[:n])
		rest = rest[n:]
	}
	w = AppendCRC(w, len(dst))
	if n := len(w) - len(dst); n > MaxBatch {
		return dst, fmt.Errorf("encode batch: got %d bytes, want at most %d", n, MaxBatch)
	}
	return w, nil
}

// check finds what the bytes cannot carry.
func (b Batch) check() error {
	switch {
	case b.Seq == 0:
		return errors.New("got seq 0, want 1 or more")
	case b.ClockBound < 0:
		return fmt.Errorf("got clock bound %d, want 0 or more", b.ClockBound)
	case len(b.Results) == 0:
		return errors.New("got no result, want at least one")
	}
	for i := range b.Results {
		r := &b.Results[i]
		if err := b.checkResult(r); err != nil {
			return fmt.Errorf("result %d: %w", i, err)
		}
		if i > 0 && compareResults(&b.Results[i-1], r) >= 0 {
			return fmt.Errorf("result %d: got it not after the one before, want all sorted and different", i)
		}
	}
	return nil
}

func (b Batch) checkResult(r *Result) error {
	switch {
	case r.Site != b.Site:
		return fmt.Errorf("got site %v, want %v", r.Site, b.Site)
	case DayOf(r.At) != b.Day:
		return fmt.Errorf("got instant %d of day %d, want day %d", r.At, DayOf(r.At), b.Day)
	case r.Late < 0 || r.RTT < 0:
		return fmt.Errorf("got late %d and response time %d, want 0 or more", r.Late, r.RTT)
	}
	if err := checkReason(r.Reason); err != nil {
		return err
	}
	return checkDetail(r.Reason, r.Detail)
}

// checkReason refuses what no agent writes.
func checkReason(r Reason) error {
	if o := r.Outcome(); o == 0 || o == Unknown {
		return fmt.Errorf("got %v, want a reason of up, down, void or missed", r)
	}
	return nil
}

func checkDetail(r Reason, detail string) error {
	switch {
	case detail != "" && r == OK:
		return fmt.Errorf("got detail %q of a result that is up, want none", detail)
	case len(detail) > MaxDetail:
		return fmt.Errorf("got a detail of %d bytes, want at most %d", len(detail), MaxDetail)
	case !utf8.ValidString(detail):
		return fmt.Errorf("got detail %q, want UTF-8", detail)
	}
	return nil
}

func countChecks(rs []Result) int {
	n := 0
	for i := range rs {
		if i == 0 || rs[i].Check != rs[i-1].Check {
			n++
		}
	}
	return n
}

// appendCheck appends the results of one check.
func appendCheck(dst []byte, day int32, rs []Result) []byte {
	dst = binary.BigEndian.AppendUint64(dst, uint64(rs[0].Check))
	dst = binary.AppendUvarint(dst, uint64(len(rs)))
	dst = binary.AppendUvarint(dst, uint64(rs[0].At-int64(day)*DayMillis))
	w := runWriter{dst: dst}
	for i := 1; i < len(rs); i++ {
		w.add(uint64(rs[i].At-rs[i-1].At), 1)
	}
	w.flush()
	for _, r := range rs {
		w.add(uint64(r.Late), 1)
	}
	w.flush()
	details := 0
	for _, r := range rs {
		w.add(uint64(r.Reason), 1)
		if r.Detail != "" {
			details++
		}
	}
	w.flush()
	dst = w.dst
	prev := int64(0)
	for _, r := range rs {
		dst = appendRTT(dst, prev, r.RTT)
		prev = r.RTT
	}
	dst = binary.AppendUvarint(dst, uint64(details))
	passed := uint64(0)
	for _, r := range rs {
		if r.Detail == "" {
			passed++
			continue
		}
		dst = binary.AppendUvarint(dst, passed)
		dst = binary.AppendUvarint(dst, uint64(len(r.Detail)))
		dst = append(dst, r.Detail...)
		passed = 0
	}
	return dst
}

// DecodeBatch is the inverse of AppendBinary. It accepts canonical bytes only: what it accepts encodes to the same bytes.
// It allocates in proportion to len(data). The error wraps ErrDamaged when the checksum differs; nothing of the
// batch is returned then, because not even its number can be believed.
func DecodeBatch(data []byte) (Batch, error) {
	if len(data) > MaxBatch {
		return Batch{}, fmt.Errorf("decode batch: got %d bytes, want at most %d", len(data), MaxBatch)
	}
	wire := openWire(data, batchVersion)
	r := batchReader{wireReader: &wire}
	b := Batch{Agent: r.fixed64(), Epoch: r.fixed64(), Seq: r.uvarint("a seq", math.MaxUint64), Site: ID(r.fixed64())}
	day := r.varint("a day")
	b.Day = int32(day)
	if int64(b.Day) != day {
		r.fail("got day %d, want 32 bits", day)
	}
	b.ClockOffset = r.varint("a clock offset")
	b.ClockBound = int64(r.uvarint("a clock bound", math.MaxInt64))
	r.batch = &b
	n := r.uvarint("a number of checks", uint64(len(r.data)))
	b.Results = make([]Result, 0, min(int(n), len(r.data)/leastCheck))
	for ; n > 0 && r.err == nil; n-- {
		r.check()
	}
	if r.err == nil && (b.Seq == 0 || len(b.Results) == 0) {
		r.fail("got seq %d with %d results, want at least 1 of each", b.Seq, len(b.Results))
	}
	if err := r.close(); err != nil {
		return Batch{}, fmt.Errorf("decode batch: %w", err)
	}
	return b, nil
}

// batchReader reads checks into batch; runs is kept to save allocations.
type batchReader struct {
	*wireReader
	batch *Batch
	runs  []valueRun
}

// check reads what appendCheck wrote and appends its results.
func (r *batchReader) check() {
	b := r.batch
	check := ID(r.fixed64())
	if k := len(b.Results); k > 0 && b.Results[k-1].Check >= check {
		r.fail("got check %v after %v, want ascending", check, b.Results[k-1].Check)
		return
	}
	n := r.uvarint("a number of results", uint64(len(r.data))) // each takes at least the byte of its response time
	if r.err == nil && n == 0 {
		r.fail("got no result of check %v, want at least one", check)
	}
	if r.err != nil {
		return
	}
	first := len(b.Results)
	b.Results = append(b.Results, make([]Result, n)...)
	rs := b.Results[first:]
	for i := range rs {
		rs[i].Check, rs[i].Site = check, b.Site
	}
	r.instants(rs)
	r.each("late", rs, math.MaxInt32, func(q *Result, v uint64) { q.Late = int32(v) })
	r.each("reason", rs, math.MaxUint8, func(q *Result, v uint64) { q.Reason = Reason(v) })
	prev := int64(0)
	for i := range rs {
		prev = r.rtt(prev)
		rs[i].RTT = prev
	}
	r.details(rs)
	for i := range rs {
		if r.err != nil {
			return
		}
		if err := checkReason(rs[i].Reason); err != nil {
			r.fail("%w", err)
		} else if i > 0 && rs[i-1].At == rs[i].At && compareResults(&rs[i-1], &rs[i]) >= 0 {
			r.fail("got two results at %d in the wrong order or equal, want them sorted and different", rs[i].At)
		}
	}
}

// each reads runs over all of rs and gives every result its value.
func (r *batchReader) each(what string, rs []Result, limit uint64, set func(*Result, uint64)) {
	r.runs = r.wireReader.runs(r.runs[:0], what, uint64(len(rs)), limit)
	if r.err != nil {
		return
	}
	i := 0
	for _, run := range r.runs {
		for end := i + int(run.count); i < end; i++ {
			set(&rs[i], run.value)
		}
	}
}

// instants reads the first instant and the deltas; all lie in the batch's day.
func (r *batchReader) instants(rs []Result) {
	at := r.uvarint("an instant of the day", DayMillis-1)
	start := int64(r.batch.Day) * DayMillis
	rs[0].At = start + int64(at)
	r.each("delta", rs[1:], DayMillis-1, func(q *Result, delta uint64) {
		at += delta
		q.At = start + int64(at)
	})
	if r.err == nil && at >= DayMillis {
		r.fail("got an instant %d ms into the day, want less than %d", at, DayMillis)
	}
}

func (r *batchReader) details(rs []Result) {
	i := uint64(0)
	for n := r.uvarint("a number of details", uint64(len(rs))); n > 0 && r.err == nil; n-- {
		i += r.uvarint("an index of a detail", uint64(len(rs)))
		text := r.wireReader.bytes(r.uvarint("a length of a detail", MaxDetail))
		if r.err != nil {
			return
		}
		if i >= uint64(len(rs)) || len(text) == 0 {
			r.fail("got a detail of %d bytes of result %d of %d, want a text of one of them", len(text), i, len(rs))
			return
		}
		rs[i].Detail = string(text)
		if err := checkDetail(rs[i].Reason, rs[i].Detail); err != nil {
			r.fail("%w", err)
		}
		i++
	}
}
