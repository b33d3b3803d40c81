package ledger

import (
	"context"
	"fmt"
	"slices"

	"github.com/uptally/uptally"
)

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
	e.ID = 1
	if n := len(m.entries); n > 0 {
		e.ID = m.entries[n-1].ID + 1
	}
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
