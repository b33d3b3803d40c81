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
	// sent is the send instant of the newest result, by Action.Check, and lately those of the newest results of checks that
	// have had extras: no two results of a check are ever dated alike, however slowly their goroutines ran. An account takes two
	// results of one instant for one.
	sent   []int64
	lately map[int32]*recent
	newest map[int32]int64 // the scheduled instant of a check's newest extra
}

// wish is an extra that is to begin at a whole second.
type wish struct {
	check int32
	at    int64
}

// recent is a ring of send instants.
type recent struct {
	sent []int64
	n    int
}

// fewest is the least number of results that a check with extras remembers. Besides there is room for those that may be
// recorded between another's send instant and its result: two a second for twice its timeout.
const fewest = 64

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
		x.lately, x.newest = map[int32]*recent{}, map[int32]int64{}
	}
	if room := fewest + 4*int(act.Plan.Timeout/1_000); x.lately[act.Check] == nil || len(x.lately[act.Check].sent) < room {
		c := &recent{sent: make([]int64, room)}
		if old := x.lately[act.Check]; old != nil {
			c.n = copy(c.sent, old.sent)
		} else if int(act.Check) < len(x.sent) {
			c.n, c.sent[0] = 1, x.sent[act.Check] // of the slot before
		}
		x.lately[act.Check] = c
	}
	x.newest[act.Check] = act.Slot.At
}

// apart moves a result by a millisecond where another one of its check was sent in the same.
func (x *extras) apart(check int32, r uptally.Result) uptally.Result {
	if r.Outcome() == uptally.Missed {
		return r
	}
	for int(check) >= len(x.sent) {
		x.sent = append(x.sent, 0)
	}
	c := x.lately[check]
	// Slots of a check follow one another, so that without extras a result can meet the one before it alone.
	for r.SentAt() == x.sent[check] || c != nil && slices.Contains(c.sent, r.SentAt()) {
		r.Late++
	}
	x.sent[check] = r.SentAt()
	if c != nil {
		c.sent[c.n%len(c.sent)] = r.SentAt()
		c.n++
	}
	return r
}
