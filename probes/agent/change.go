package agent

import (
	"github.com/uptally/uptally"
	"github.com/uptally/uptally/probes/schedule"
)

// SetPlans changes what is measured, whole or, with an error, not at all. Each plan applies from its From on, and a check
// that plans does not name has no slot at or after end; neither reaches back to what has passed.
func (a *Agent) SetPlans(plans []uptally.Plan, end int64) error {
	all, err := read(plans, a.opts.Site)
	if err != nil {
		return err
	}
	a.later(func() { a.step(schedule.SetPlans(all, end)) })
	return nil
}

// SetWorkers changes the most probes at once of each kind, as in Options. What runs goes on.
func (a *Agent) SetWorkers(workers map[string]int) {
	a.later(func() { a.step(schedule.SetWorkers(workers)) })
}

// SetReferences changes what is asked beside a failure, as in Options. A failure that waits for the old ones waits for the new
// ones; where there are none it is believed.
func (a *Agent) SetReferences(refs []Reference) {
	a.later(func() {
		old := a.isolation
		a.opts.References, a.isolation = refs, old.with(refs)
		a.loop.noted, a.loop.surveyed = -1, false
		if a.isolation == nil && old != nil {
			for _, h := range old.held { // there is nobody to ask
				a.settle(&h.f, h.result)
			}
			a.counts.isolation(IsolationStats{})
			a.loop.cutOff, a.loop.namesOff = false, false
		}
	})
}

// later has something done on the loop, in the order of the calls.
func (a *Agent) later(do func()) {
	a.mu.Lock()
	a.changes = append(a.changes, do)
	a.mu.Unlock()
	select {
	case a.changed <- struct{}{}:
	default:
	}
}

func (a *Agent) change() {
	a.mu.Lock()
	changes := a.changes
	a.changes = nil
	a.mu.Unlock()
	for _, do := range changes {
		do()
	}
}

// with returns an isolation by other references that goes on where s is: what waits waits on, and a site that is cut off is so until
// one of the new ones answers. Of a reference that stays it is known what it said.
func (s *isolation) with(refs []Reference) *isolation {
	next := newIsolation(refs)
	switch {
	case s == nil:
		return next
	case next == nil:
		return nil
	}
	next.network, next.names, next.proven, next.times, next.held = s.network, s.names, s.proven, s.times, s.held
	next.network.state, next.names.state = pending, pending
	next.version = s.version + 1
	for i := range next.refs {
		for _, old := range s.refs {
			if r := &next.refs[i]; old.name == r.name && old.part == r.part {
				r.ever, r.known, r.up, r.reason = old.ever, old.known, old.up, old.reason
			}
		}
	}
	return next
}
