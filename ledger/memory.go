package ledger

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/uptally/uptally"
)

// Memory is a Store that keeps everything in memory and loses it at the end: the oracle that other engines are compared
// with, and a store for tests and simulations. The zero value is ready.
type Memory struct {
	mu      sync.Mutex
	seen    map[batchKey]bool
	results []uptally.Result // of batches that are not held, as they came
	plans   []uptally.Plan
	names   map[[2]string]bool // kind, text
	entries []uptally.Entry
}

// batchKey is number and CRC, at one site and day.
type batchKey struct {
	site              uptally.ID
	day               int32
	agent, epoch, seq uint64
	crc               uint32
}

func keyOf(in Incoming) batchKey {
	b := in.Batch
	crc, _ := uptally.CRC(in.Data)
	return batchKey{b.Site, b.Day, b.Agent, b.Epoch, b.Seq, crc}
}

// Append keeps the results of batches that are new and not held.
func (m *Memory) Append(ctx context.Context, in []Incoming) ([]bool, error) {
	if err := checkSound(in); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("append batches: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.seen == nil {
		m.seen = map[batchKey]bool{}
	}
	dup := make([]bool, len(in))
	for i, b := range in {
		k := keyOf(b)
		if dup[i] = m.seen[k]; !dup[i] && b.Held == "" {
			m.results = append(m.results, b.Batch.Results...)
		}
		m.seen[k] = true
	}
	return dup, nil
}

// Days folds all results of the series.
func (m *Memory) Days(_ context.Context, check, site uptally.ID, from, to int32) ([]uptally.Day, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	byDay := map[int32][]uptally.Result{}
	for _, r := range m.results {
		if day := uptally.DayOf(r.At); r.Check == check && r.Site == site && day >= from && day < to {
			byDay[day] = append(byDay[day], r)
		}
	}
	var days []uptally.Day
	for day, rs := range byDay {
		days = append(days, uptally.FoldDay(check, site, day, rs))
	}
	slices.SortFunc(days, func(a, b uptally.Day) int { return int(a.Day) - int(b.Day) })
	return days, nil
}

// Failures returns what is not up or stands beside another result of its slot.
func (m *Memory) Failures(_ context.Context, check, site uptally.ID, from, to int64) ([]uptally.Result, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []uptally.Result
	for _, r := range m.results {
		if r.Check == check && r.Site == site && r.At >= from && r.At < to {
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

// AddPlans keeps plans, and the names that they hold.
func (m *Memory) AddPlans(_ context.Context, ps ...uptally.Plan) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	plans := slices.Clone(m.plans)
	for _, p := range ps {
		i := slices.IndexFunc(plans, func(old uptally.Plan) bool { return old.Check == p.Check && old.From == p.From })
		if i < 0 {
			plans = append(plans, p)
			continue
		}
		if err := samePlan(plans[i].Digest(), p.Digest()); err != nil {
			return fmt.Errorf("add plan of check %q from %d: %w", p.Check, p.From, err)
		}
	}
	m.plans = plans
	for _, p := range ps {
		m.name("check", p.Check)
		for _, site := range p.Sites {
			m.name("site", site)
		}
	}
	return nil
}

// Plans returns the plans of a check in order of From.
func (m *Memory) Plans(_ context.Context, check string) ([]uptally.Plan, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var ps []uptally.Plan
	for _, p := range m.plans {
		if p.Check == check {
			ps = append(ps, p)
		}
	}
	slices.SortFunc(ps, func(a, b uptally.Plan) int {
		if a.From < b.From {
			return -1
		}
		return 1
	})
	return ps, nil
}

// AddName keeps a name.
func (m *Memory) AddName(_ context.Context, kind, name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := checkKind(kind, name); err != nil {
		return err
	}
	m.name(kind, name)
	return nil
}

func (m *Memory) name(kind, name string) {
	if m.names == nil {
		m.names = map[[2]string]bool{}
	}
	m.names[[2]string{kind, name}] = true
}

// Names returns all names of a kind, sorted.
func (m *Memory) Names(_ context.Context, kind string) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var names []string
	for k := range m.names {
		if k[0] == kind {
			names = append(names, k[1])
		}
	}
	slices.Sort(names)
	return names, nil
}

// Record keeps an entry.
func (m *Memory) Record(_ context.Context, e uptally.Entry) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e.ID = int64(len(m.entries) + 1)
	e.Data = slices.Clone(e.Data)
	m.entries = append(m.entries, e)
	return e.ID, nil
}

// Entries returns what had been recorded at or before an instant.
func (m *Memory) Entries(_ context.Context, asOf int64) ([]uptally.Entry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var es []uptally.Entry
	for _, e := range m.entries {
		if e.RecordedAt <= asOf {
			e.Data = slices.Clone(e.Data)
			es = append(es, e)
		}
	}
	return es, nil
}

// Close does nothing.
func (m *Memory) Close() error { return nil }
