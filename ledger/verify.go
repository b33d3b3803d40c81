package ledger

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math"

	"github.com/uptally/uptally"
)

// Verify reads all that a ledger says through every checksum that it has, folds each day anew from its response times, and
// returns the inventory. It calls problem with each thing that is not what was written, and goes on: the inventory is
// then that of the rest. The error is that of ctx.
//
// With a SQLite ledger the engine's own check of its file is part of it. Of a ledger that is written meanwhile s has to be a
// Snapshot: head and response times of a day are two readings, and a day that grew between them would be called damaged.
func Verify(ctx context.Context, s Carrier, problem func(error)) (Inventory, error) {
	v := verifier{ctx: ctx, s: s, problem: once(problem)}
	if c, ok := s.(interface {
		check(ctx context.Context, problem func(error))
	}); ok {
		c.check(ctx, problem)
	}
	v.facts()
	v.log()
	v.past()
	v.results()
	return v.inventory, ctx.Err()
}

// verifier is one reading of a whole ledger.
type verifier struct {
	ctx       context.Context
	s         Carrier
	problem   func(error)
	inventory Inventory
}

// once passes over an error whose text was told before: what is wrong with a site is met again with each of its series.
func once(problem func(error)) func(error) {
	told := map[string]bool{}
	return func(err error) {
		if text := err.Error(); !told[text] {
			told[text] = true
			problem(err)
		}
	}
}

// failed reports an error and whether there was one.
func (v *verifier) failed(err error) bool {
	if err != nil && v.ctx.Err() == nil {
		v.problem(err)
	}
	return err != nil || v.ctx.Err() != nil
}

// facts reads plans, names and entries. Plans are found by the names of checks, which they bring with them.
func (v *verifier) facts() {
	plans, names, entries := newCounter(), newCounter(), newCounter()
	for _, kind := range kinds {
		texts, err := v.s.Names(v.ctx, kind)
		v.failed(err)
		for _, text := range texts {
			names.add([]byte(kind + "\x00" + text))
			if kind != "check" {
				continue
			}
			ps, err := v.s.Plans(v.ctx, text)
			v.failed(err)
			for _, p := range ps {
				plans.add(uptally.AppendPlan(nil, p))
			}
		}
	}
	if a, ok := v.s.(Admitter); ok {
		_, err := AllAdmissions(v.ctx, a)
		v.failed(err)
		_, err = a.Incarnation(v.ctx)
		v.failed(err)
	}
	es, err := v.s.Entries(v.ctx, math.MaxInt64)
	v.failed(err)
	for _, e := range es {
		entries.add(appendEntry(nil, e))
	}
	v.inventory.Plans, v.inventory.Names, v.inventory.Entries = plans.part(), names.part(), entries.part()
}

// kinds are those of names.
var kinds = [...]string{"agent", "check", "site"}

func appendEntry(dst []byte, e uptally.Entry) []byte {
	dst = binary.AppendVarint(dst, e.ID)
	dst = binary.AppendVarint(dst, e.RecordedAt)
	for _, text := range []string{e.By, e.Kind, string(e.Data)} {
		dst = binary.AppendUvarint(dst, uint64(len(text)))
		dst = append(dst, text...)
	}
	return dst
}

func (v *verifier) log() {
	batches := newCounter()
	v.failed(v.s.Batches(v.ctx, func(in Incoming) error {
		batches.add(append(binary.AppendUvarint(nil, uint64(len(in.Data))), in.Data...))
		batches.add([]byte(in.Held))
		return nil
	}))
	v.inventory.Batches = batches.part()
	v.inventory.Batches.N /= 2
}

// past reads what was done to days, and the numbers of batches.
func (v *verifier) past() {
	p, err := v.s.Past(v.ctx)
	v.failed(err)
	reseals, drops, taken := newCounter(), newCounter(), newCounter()
	for _, r := range p.Reseals {
		reseals.add(fmt.Appendf(nil, "%v %v %d %d %x %x %d %d", r.Check, r.Site, r.Day, r.At, r.Was, r.Is, r.Results, r.Downs))
	}
	for _, d := range p.Drops {
		drops.add(fmt.Appendf(nil, "%d %t %d %q %q", d.Before, d.BodiesOnly, d.At, d.By, d.Why))
	}
	for _, e := range p.Taken {
		taken.add(fmt.Appendf(nil, "%x %x %d", e.Agent, e.Epoch, e.Ranges))
	}
	v.inventory.Reseals, v.inventory.Drops, v.inventory.Taken = reseals.part(), drops.part(), taken.part()
}

// results reads every series. Its parts go through one counter each, in the order of Series.
func (v *verifier) results() {
	all, err := v.s.Series(v.ctx)
	v.failed(err)
	first := v.timesFrom()
	days, times, failures := newCounter(), newCounter(), newCounter()
	for _, of := range all {
		if v.ctx.Err() != nil {
			return
		}
		v.inventory.Series++
		r := seriesReader{verifier: v, Series: of, timesFrom: first, days: days, times: times, failures: failures}
		r.sweep(math.MinInt32, math.MaxInt32, r.heads)
	}
	v.inventory.Days, v.inventory.Times, v.inventory.Failures = days.part(), times.part(), failures.part()
}

// timesFrom is the first day whose response times were not dropped.
func (v *verifier) timesFrom() int32 {
	first := int32(math.MinInt32)
	drops, err := v.s.Drops(v.ctx)
	v.failed(err)
	for _, d := range drops {
		if d.BodiesOnly {
			first = max(first, d.Before)
		}
	}
	return first
}

// seriesReader reads one series.
type seriesReader struct {
	*verifier
	Series
	timesFrom             int32
	days, times, failures *counter
	problems              int
}

const (
	// daysAtOnce bounds the days whose response times are in memory at once.
	daysAtOnce = 31
	// mostProblems bounds what is told of one series.
	mostProblems = 50
)

// sweep reads days from ≤ day < to. Where that fails it reads the halves, so that each day at fault is named and those
// beside it are read; unless not even days without results can be read.
func (r *seriesReader) sweep(from, to int32, read func(from, to int32) error) {
	err := read(from, to)
	if err == nil || r.ctx.Err() != nil || r.problems >= mostProblems {
		return
	}
	middle := int32((int64(from) + int64(to)) >> 1)
	if always := r.s.Heads(r.ctx, r.Check, r.Site, math.MinInt32, math.MinInt32+1, func(uptally.Head) error { return nil }); middle == from || always != nil {
		r.problems++
		r.failed(fmt.Errorf("read check %v at site %v: %w", r.Check, r.Site, err))
		return
	}
	r.sweep(from, middle, read)
	r.sweep(middle, to, read)
}

// storedHead is a head in its canonical bytes.
type storedHead struct {
	day     int32
	results int
	data    []byte
}

// heads reads the heads of some days, and then what belongs to them.
func (r *seriesReader) heads(from, to int32) error {
	var heads []storedHead
	err := r.s.Heads(r.ctx, r.Check, r.Site, from, to, func(h uptally.Head) error {
		data, err := h.AppendBinary(nil)
		heads = append(heads, storedHead{h.Day.Day, h.Day.Len(), data})
		return err
	})
	if err != nil {
		return err
	}
	for _, h := range heads {
		r.days.add(h.data)
		r.inventory.Results += h.results
	}
	for len(heads) > 0 {
		n := min(daysAtOnce, len(heads))
		first, last := heads[0].day, heads[n-1].day
		r.sweep(first, last+1, r.readFailures)
		if first = max(first, r.timesFrom); first <= last {
			r.sweep(first, last+1, func(from, to int32) error { return r.readTimes(from, to, heads[:n]) })
		}
		heads = heads[n:]
	}
	return nil
}

// readTimes reads whole days and demands that each makes the very head that is kept of it.
func (r *seriesReader) readTimes(from, to int32, heads []storedHead) error {
	days, err := r.s.Days(r.ctx, r.Check, r.Site, from, to)
	if err != nil {
		return err
	}
	for _, d := range days {
		whole, err := d.AppendHead(nil)
		if err != nil {
			return fmt.Errorf("day %d: %w", d.Day, err)
		}
		for _, h := range heads {
			if h.day == d.Day && !bytes.Equal(h.data, whole) {
				r.problem(fmt.Errorf("check %v at site %v, day %d: got another head than that of its response times: %w", r.Check, r.Site, d.Day, uptally.ErrDamaged))
			}
		}
		r.times.add(d.AppendBody(nil))
	}
	return nil
}

func (r *seriesReader) readFailures(from, to int32) error {
	rs, err := r.s.Failures(r.ctx, r.Check, r.Site, int64(from)*uptally.DayMillis, int64(to)*uptally.DayMillis)
	if err != nil {
		return err
	}
	for _, f := range rs {
		r.failures.add(fmt.Appendf(nil, "%v %v %d %d %d %d %q", f.Check, f.Site, f.At, f.Late, f.Reason, f.RTT, f.Detail))
	}
	return nil
}
