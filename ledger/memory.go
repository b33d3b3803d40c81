package ledger

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/uptally/uptally"
)

// Memory is a Store that keeps everything in memory and loses it at the end: the oracle that other engines are compared
// with, and a store for tests and simulations. The zero value is ready.
type Memory struct {
	mu      sync.Mutex
	log     map[BatchKey]Incoming
	folded  map[SiteDay][]uptally.Result // of sealed batches and chunks, as they came
	revs    map[SiteDay]int64
	final   map[SiteDay]bool
	taken   map[[2]uint64]map[uint64]bool // agent and epoch, number
	reseals []Reseal
	drops   []Drop
	plans   []uptally.Plan
	names   map[[2]string]bool // kind, text
	entries []uptally.Entry

	admissions  []Admission // sorted
	incarnation uint64
}

// Clone returns a store that holds the same, such as a backup does. What both hold is shared, which neither changes.
func (m *Memory) Clone() *Memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := &Memory{
		log: maps.Clone(m.log), folded: maps.Clone(m.folded), revs: maps.Clone(m.revs), final: maps.Clone(m.final), taken: maps.Clone(m.taken),
		reseals: slices.Clone(m.reseals), drops: slices.Clone(m.drops), plans: slices.Clone(m.plans), names: maps.Clone(m.names), entries: slices.Clone(m.entries),
		admissions: slices.Clone(m.admissions), incarnation: m.incarnation,
	}
	for k, numbers := range c.taken {
		c.taken[k] = maps.Clone(numbers)
	}
	for k, rs := range c.folded {
		c.folded[k] = slices.Clip(rs)
	}
	return c
}

func keyOf(in Incoming) BatchKey {
	b := in.Batch
	crc, _ := uptally.CRC(in.Data)
	return BatchKey{SiteDay{b.Site, b.Day}, b.Agent, b.Epoch, b.Seq, crc}
}

// Append keeps batches that are not in the log.
func (m *Memory) Append(ctx context.Context, in []Incoming) ([]bool, error) {
	if err := checkSound(in); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("append batches: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.log == nil {
		m.log, m.taken = map[BatchKey]Incoming{}, map[[2]uint64]map[uint64]bool{}
	}
	dup := make([]bool, len(in))
	for i, b := range in {
		k := keyOf(b)
		if _, dup[i] = m.log[k]; dup[i] {
			continue
		}
		b.Data = slices.Clone(b.Data)
		b.Batch.Results = slices.Clone(b.Batch.Results)
		m.log[k] = b
		epoch := [2]uint64{k.Agent, k.Epoch}
		if m.taken[epoch] == nil {
			m.taken[epoch] = map[uint64]bool{}
		}
		m.taken[epoch][k.Seq] = true
	}
	return dup, nil
}

// results returns every result of a series that counts and lies in days from ≤ day < to.
func (m *Memory) results(s Series, from, to int32) []uptally.Result {
	var rs []uptally.Result
	take := func(d SiteDay, of []uptally.Result) {
		if d.Site != s.Site || d.Day < from || d.Day >= to {
			return
		}
		for _, r := range of {
			if r.Check == s.Check {
				rs = append(rs, r)
			}
		}
	}
	for d, of := range m.folded {
		take(d, of)
	}
	for k, b := range m.log {
		if b.Held == "" {
			take(k.SiteDay, b.Batch.Results)
		}
	}
	return rs
}

// Days folds all results of the series.
func (m *Memory) Days(_ context.Context, check, site uptally.ID, from, to int32) ([]uptally.Day, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.days(Series{check, site}, from, to), nil
}

func (m *Memory) days(s Series, from, to int32) []uptally.Day {
	byDay := map[int32][]uptally.Result{}
	for _, r := range m.results(s, from, to) {
		byDay[uptally.DayOf(r.At)] = append(byDay[uptally.DayOf(r.At)], r)
	}
	var days []uptally.Day
	for _, day := range slices.Sorted(maps.Keys(byDay)) {
		days = append(days, uptally.FoldDay(s.Check, s.Site, day, byDay[day]))
	}
	return days
}

// Runs folds all results and forgets the response times.
func (m *Memory) Runs(ctx context.Context, check, site uptally.ID, from, to int32, f func(Outcomes) error) error {
	days, err := m.Days(ctx, check, site, from, to)
	for i := 0; i < len(days) && err == nil; i++ {
		days[i].RTT = nil
		err = f(Outcomes{Day: days[i]})
	}
	return err
}

// Heads folds all results.
func (m *Memory) Heads(ctx context.Context, check, site uptally.ID, from, to int32, f func(uptally.Head) error) error {
	days, err := m.Days(ctx, check, site, from, to)
	for i := 0; i < len(days) && err == nil; i++ {
		var h uptally.Head
		if h, err = days[i].Head(); err == nil {
			err = f(h)
		}
	}
	return err
}

// Failures returns what is not up or stands beside another result of its slot.
func (m *Memory) Failures(_ context.Context, check, site uptally.ID, from, to int64) ([]uptally.Result, error) {
	if from >= to {
		return nil, nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []uptally.Result
	first, last := daysOf(from, to)
	for _, r := range m.results(Series{check, site}, first, last) {
		if r.At >= from && r.At < to {
			all = append(all, r)
		}
	}
	sides := conflicts(all)
	for _, r := range all {
		if r.Reason != uptally.OK {
			sides = append(sides, r)
		}
	}
	slices.SortFunc(sides, uptally.Result.Compare)
	return slices.Compact(sides), nil
}

// Series returns every series with a result.
func (m *Memory) Series(context.Context) ([]Series, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	found := map[Series]bool{}
	for _, rs := range m.folded {
		for _, r := range rs {
			found[Series{r.Check, r.Site}] = true
		}
	}
	for _, b := range m.log {
		for _, r := range b.Batch.Results {
			if b.Held == "" {
				found[Series{r.Check, r.Site}] = true
			}
		}
	}
	return slices.SortedFunc(maps.Keys(found), func(a, b Series) int {
		return cmp.Or(cmp.Compare(a.Site, b.Site), cmp.Compare(a.Check, b.Check))
	}), nil
}

// Open counts the batches that are not held, and lists what has no final seal.
func (m *Memory) Open(context.Context) ([]OpenDay, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	open := map[SiteDay]OpenDay{}
	for k, b := range m.log {
		if b.Held == "" {
			o := open[k.SiteDay]
			open[k.SiteDay] = OpenDay{k.SiteDay, o.Batches + 1, o.Results + len(b.Batch.Results), m.revs[k.SiteDay], m.final[k.SiteDay]}
		}
	}
	for d, rev := range m.revs {
		if _, listed := open[d]; !listed && !m.final[d] {
			open[d] = OpenDay{SiteDay: d, Rev: rev}
		}
	}
	return slices.SortedFunc(maps.Values(open), func(a, b OpenDay) int {
		return cmp.Or(cmp.Compare(a.Day, b.Day), cmp.Compare(a.Site, b.Site))
	}), nil
}

// Unsealed returns what is in the log and not held.
func (m *Memory) Unsealed(_ context.Context, d SiteDay) (Unsealed, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	u := Unsealed{Rev: m.revs[d], Final: m.final[d]}
	for k, b := range m.log {
		if k.SiteDay != d || b.Held != "" {
			continue
		}
		u.Batches = append(u.Batches, k)
		for _, r := range b.Batch.Results {
			u.Checks = append(u.Checks, r.Check)
		}
	}
	slices.Sort(u.Checks)
	u.Checks = slices.Compact(u.Checks)
	slices.SortFunc(u.Batches, compareKeys)
	return u, nil
}

func compareKeys(a, b BatchKey) int {
	return cmp.Or(cmp.Compare(a.Site, b.Site), cmp.Compare(a.Day, b.Day), cmp.Compare(a.Agent, b.Agent),
		cmp.Compare(a.Epoch, b.Epoch), cmp.Compare(a.Seq, b.Seq), cmp.Compare(a.CRC, b.CRC))
}

// Seal moves batches, and what chunks hold besides, from the log to what is folded.
func (m *Memory) Seal(ctx context.Context, s Seal) error {
	var more []uptally.Result
	for _, check := range s.From.Checks {
		c, err := s.Chunk(ctx, check)
		if err != nil {
			return fmt.Errorf("seal day %d of site %v: %w", s.Day, s.Site, err)
		}
		for r := range c.Day.Results() {
			if r.Reason == uptally.OK {
				more = append(more, r)
			}
		}
		more = append(more, c.Failures...)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.revs[s.SiteDay] != s.From.Rev {
		return ErrStale
	}
	if m.folded == nil {
		m.folded, m.revs, m.final = map[SiteDay][]uptally.Result{}, map[SiteDay]int64{}, map[SiteDay]bool{}
	}
	before := m.sealedHeads(s)
	for _, k := range s.From.Batches {
		more = append(more, m.log[k].Batch.Results...)
		delete(m.log, k)
	}
	m.folded[s.SiteDay] = append(m.folded[s.SiteDay], more...)
	changed := m.resealed(s, before)
	if len(s.From.Batches) > 0 || changed || s.Final && !m.final[s.SiteDay] {
		m.revs[s.SiteDay]++
	}
	m.final[s.SiteDay] = m.final[s.SiteDay] || s.Final
	return nil
}

// sealedHeads are the heads of what is folded already.
func (m *Memory) sealedHeads(s Seal) map[uptally.ID]uptally.Head {
	heads := map[uptally.ID]uptally.Head{}
	for _, check := range s.From.Checks {
		d := uptally.FoldDay(check, s.Site, s.Day, m.folded[s.SiteDay])
		if len(d.Runs) > 0 {
			heads[check], _ = d.Head()
		}
	}
	return heads
}

// resealed notes what changed on a day that was sealed for good.
func (m *Memory) resealed(s Seal, before map[uptally.ID]uptally.Head) (changed bool) {
	after := m.sealedHeads(s)
	for _, check := range slices.Sorted(maps.Keys(after)) {
		was, is := before[check], after[check]
		if was.Digest == is.Digest {
			continue
		}
		changed = true
		if m.final[s.SiteDay] {
			m.reseals = append(m.reseals, newReseal(s, Series{check, s.Site}, was, is))
		}
	}
	return changed
}

// newReseal compares two heads of a day.
func newReseal(s Seal, of Series, was, is uptally.Head) Reseal {
	downs := func(d uptally.Day) (n int) {
		for _, r := range d.Runs {
			if r.Reason.Outcome() == uptally.Down {
				n += int(r.N)
			}
		}
		return n
	}
	return Reseal{
		Series: of, Day: s.Day, At: s.At, Rev: s.From.Rev + 1, Was: was.Digest, Is: is.Digest,
		Results: is.Day.Len() - was.Day.Len(), Downs: downs(is.Day) - downs(was.Day),
	}
}

// Reseals returns what late results changed.
func (m *Memory) Reseals(_ context.Context, from, to int32) ([]Reseal, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var rs []Reseal
	for _, r := range m.reseals {
		if r.Day >= from && r.Day < to {
			rs = append(rs, r)
		}
	}
	return rs, nil
}

// Batches calls f with the log.
func (m *Memory) Batches(_ context.Context, f func(Incoming) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, k := range slices.SortedFunc(maps.Keys(m.log), compareKeys) {
		if err := f(m.log[k]); err != nil {
			return err
		}
	}
	return nil
}

// Taken returns the numbers of an epoch.
func (m *Memory) Taken(_ context.Context, agent, epoch uint64) ([][2]uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return rangesOf(m.taken[[2]uint64{agent, epoch}]), nil
}

// rangesOf joins numbers to ascending ranges.
func rangesOf(numbers map[uint64]bool) [][2]uint64 {
	var ranges [][2]uint64
	for _, seq := range slices.Sorted(maps.Keys(numbers)) {
		if n := len(ranges); n > 0 && ranges[n-1][1]+1 == seq {
			ranges[n-1][1] = seq
		} else {
			ranges = append(ranges, [2]uint64{seq, seq})
		}
	}
	return ranges
}

// Drop forgets sealed days.
func (m *Memory) Drop(_ context.Context, d Drop) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for k, b := range m.log {
		if k.Day < d.Before && b.Held == "" {
			return fmt.Errorf("drop days before %d: got batches of day %d that are not sealed: seal it first", d.Before, k.Day)
		}
	}
	if d.BodiesOnly {
		return errors.New("drop response times: memory keeps them with the outcomes")
	}
	for k := range m.log {
		if k.Day < d.Before {
			delete(m.log, k)
		}
	}
	for k := range m.folded {
		if k.Day < d.Before {
			delete(m.folded, k)
			delete(m.revs, k)
			delete(m.final, k)
		}
	}
	m.reseals = slices.DeleteFunc(m.reseals, func(r Reseal) bool { return r.Day < d.Before })
	m.drops = append(m.drops, d)
	return nil
}

// Drops returns what was removed.
func (m *Memory) Drops(context.Context) ([]Drop, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.drops), nil
}

// Close does nothing.
func (m *Memory) Close() error { return nil }
