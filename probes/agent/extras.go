package agent

import (
	"slices"

	"github.com/uptally/uptally"
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

// flyExtras begins the extras that are due.
func (a *Agent) flyExtras() {
	l := &a.loop
	for _, w := range l.extras.due(l.now) {
		if a.core.IsSlot(w.check, w.at) {
			continue // the slot is the probe
		}
		if l.now > w.at+mostLate || int(w.check) < len(l.flights) && l.flights[w.check].begun == l.now {
			a.counts.dropExtra()
			continue
		}
		act, ok := a.core.Lend(w.check, w.at, w.at+mostLate)
		if !ok {
			a.counts.dropExtra()
			continue
		}
		a.beginExtra(act)
	}
}

func (a *Agent) beginExtra(act schedule.Action) {
	l := &a.loop
	if l.extras.lately == nil {
		l.extras.lately = map[uptally.ID]*recent{}
	}
	if l.extras.lately[act.Slot.Check] == nil {
		l.extras.lately[act.Slot.Check] = &recent{}
	}
	at := l.extras.add(flight{act: act, begun: l.now, flying: true, extra: true})
	l.open++
	a.counts.begin(l.open)
	a.counts.extra()
	go a.fly(act, at, a.clock.zero())
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
