package agent

import (
	"slices"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/probes/focus"
)

// watcher is the focus of one check.
type watcher struct {
	plan   *uptally.Plan // whose terms core has; nil before the first probe
	core   *focus.Core
	rank   int
	active bool // it is among those looked at each beat
}

// beat is how often, in milliseconds, the cores that wait for something are looked at. Focus probes begin on whole seconds, which
// are beats, and a suspicion may be noticed a second late.
const beat = 250

// told tells the focus of a check what became of one of its probes, and does what it says. Flights are told by the instant at
// which they began, whatever their send instant turns out to be.
func (a *Agent) told(f *flight, event func(site int, sentAt int64) focus.Event) {
	if !f.act.Plan.Focus {
		return
	}
	w := a.watcher(f.act.Check, f.act.Plan)
	a.watch(f.act.Check, w, event(w.rank, f.begun))
}

// verdict is the event of a final result.
func verdict(r *uptally.Result) func(int, int64) focus.Event {
	return func(site int, sentAt int64) focus.Event { return focus.Verdict(site, sentAt, r.Outcome(), r.RTT) }
}

// watcher returns the focus of a check, begun anew where its plan has.
func (a *Agent) watcher(check int32, plan *uptally.Plan) *watcher {
	l := &a.loop
	for int(check) >= len(l.watchers) {
		l.watchers = append(l.watchers, watcher{})
	}
	w := &l.watchers[check]
	switch {
	case w.plan == plan:
	case w.plan != nil && w.plan.SameTerms(*plan):
		w.plan = plan
	default:
		if w.core != nil {
			a.counts.focus(w.core.State(), focus.Cruise)
		}
		t := focus.TermsOf(plan, a.opts.Site)
		w.plan, w.core, w.rank = plan, a.newCore(t, plan), t.Rank
	}
	return w
}

func (a *Agent) watch(check int32, w *watcher, ev focus.Event) {
	l := &a.loop
	before := w.core.State()
	var room [4]focus.Action
	for _, act := range w.core.Step(l.now, ev, room[:0]) {
		switch act.Kind {
		case focus.Probe:
			a.extra(check, act.At)
		case focus.Tell:
			if a.opts.Tell != nil {
				a.opts.Tell(w.plan, act.Message)
			}
		case focus.Changed:
			a.opts.Log.Info("focus", "check", w.plan.Check, "site", a.opts.Site, "state", act.State.String(), "since_ms", act.At)
		}
	}
	w = &l.watchers[check] // a probe that began may have moved them
	if now := w.core.State(); now != before {
		a.counts.focus(before, now)
	}
	if !w.active && w.core.Next() != focus.Never {
		w.active = true
		l.active = append(l.active, check)
	}
}

// nextBeat is the instant at which a core is to be looked at, or never.
func (l *loop) nextBeat() int64 {
	if len(l.active) == 0 || l.stopping {
		return never
	}
	return l.beaten - l.beaten%beat + beat
}

// lookAround gives each focus that waits for something its tick, once a beat.
func (a *Agent) lookAround() {
	l := &a.loop
	if l.now < l.nextBeat() {
		return
	}
	l.beaten = l.now
	for _, check := range slices.Clone(l.active) {
		if w := &l.watchers[check]; w.core.Next() <= l.now {
			a.watch(check, w, focus.Tick())
		}
	}
	l.active = slices.DeleteFunc(l.active, func(check int32) bool {
		w := &l.watchers[check]
		w.active = w.core.Next() != focus.Never
		return !w.active
	})
}
