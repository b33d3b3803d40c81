package agent

import (
	"slices"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/probes/focus"
	"github.com/uptally/uptally/probes/schedule"
)

// extras are the probes beside the slots: of focus, and the repeat of a probe that the agent itself spoiled. They begin on
// whole seconds of the agent's count, each leaves a result of its own, and none takes a worker that a slot needs: one that finds
// none is dropped, which loses no evidence, since no slot was due.
type extras struct {
	flights []flight
	free    []int32
	wished  []wish
	// lately are the send instants of the newest results of checks that have had extras, by check: no two results of a check
	// are ever dated alike, however slowly their goroutines ran.
	lately map[uptally.ID]*recent
	newest map[int32]int64 // the scheduled instant of a check's newest extra
}

// wish is an extra that is to begin at a whole second.
type wish struct {
	check int32
	at    int64
}

// recent is a ring of send instants.
type recent struct {
	sent [64]int64
	n    int
}

// want asks for an extra of a check on the next whole second.
func (x *extras) want(check int32, now int64) {
	x.wantAt(check, now-now%1_000+1_000)
}

func (x *extras) wantAt(check int32, at int64) {
	if w := (wish{check, at}); !slices.Contains(x.wished, w) {
		x.wished = append(x.wished, w)
	}
}

// next is the instant of the first wish, or never.
func (x *extras) next() int64 {
	at := int64(schedule.Never)
	for _, w := range x.wished {
		at = min(at, w.at)
	}
	return at
}

// due takes the wishes of up to now.
func (x *extras) due(now int64) []wish {
	var due []wish
	x.wished = slices.DeleteFunc(x.wished, func(w wish) bool {
		if w.at <= now {
			due = append(due, w)
		}
		return w.at <= now
	})
	return due
}

// add keeps a flight and returns its place.
func (x *extras) add(f flight) int32 {
	if n := len(x.free); n > 0 {
		i := x.free[n-1]
		x.free = x.free[:n-1]
		x.flights[i] = f
		return i
	}
	x.flights = append(x.flights, f)
	return int32(len(x.flights) - 1)
}

func (x *extras) drop(i int32) {
	x.flights[i] = flight{}
	x.free = append(x.free, i)
}

// mostLate is how late an extra may begin, in milliseconds: by then the next one is near.
const mostLate = 499

// flyExtras begins the repeats that are due.
func (a *Agent) flyExtras() {
	for _, w := range a.loop.extras.due(a.loop.now) {
		a.extra(w.check, w.at)
	}
}

// extra begins a probe beside the slots, dated at a whole second that has come, unless a slot falls on it or it has been begun.
func (a *Agent) extra(check int32, at int64) {
	l := &a.loop
	if l.stopping || l.extras.newest[check] >= at || a.core.IsSlot(check, at) {
		return // by focus and as a repeat; or the slot is the probe
	}
	l.make(check)
	act, ok := schedule.Action{}, false
	if l.now <= at+mostLate && l.flights[check].begun != l.now {
		act, ok = a.core.Lend(check, at, at+mostLate)
	}
	if !ok {
		a.counts.dropExtra()
		return
	}
	l.extras.expect(act)
	f := flight{act: act, begun: l.now, flying: true, extra: true}
	i := l.extras.add(f)
	l.open++
	a.counts.begin(l.open)
	a.counts.extra()
	go a.fly(act, i, a.clock.zero())
	a.told(&f, focus.Begun)
}

// expect makes room for what is to be remembered of a check that has extras.
func (x *extras) expect(act schedule.Action) {
	if x.lately == nil {
		x.lately, x.newest = map[uptally.ID]*recent{}, map[int32]int64{}
	}
	if x.lately[act.Slot.Check] == nil {
		x.lately[act.Slot.Check] = &recent{}
	}
	x.newest[act.Check] = act.Slot.At
}

// apart moves a result by a millisecond where another one of its check was sent in the same.
func (x *extras) apart(r uptally.Result) uptally.Result {
	c := x.lately[r.Check]
	if c == nil || r.Outcome() == uptally.Missed {
		return r
	}
	for slices.Contains(c.sent[:], r.SentAt()) {
		r.Late++
	}
	c.sent[c.n%len(c.sent)] = r.SentAt()
	c.n++
	return r
}
