package agent

import (
	"context"
	"math"
	"time"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/probes/focus"
	"github.com/uptally/uptally/probes/schedule"
)

const (
	// heartbeat is the longest the loop sleeps, so that a turn that comes late is known as such.
	heartbeat = time.Second
	// pauseAfter is the time between two turns from which on the process is said not to have run, in milliseconds.
	pauseAfter = 5_000
)

// loop is what belongs to the one goroutine that drives the core.
type loop struct {
	now      int64
	pausedTo int64 // the end of the last pause
	acts     []schedule.Action
	flights  []flight // by Action.Check
	extras   extras
	watchers []watcher       // by Action.Check
	usual    []int32         // by Action.Check, about the longest response time lately in milliseconds
	active   []int32         // the watchers that wait for something
	beaten   int64           // when they were looked at last
	live     map[string]bool // the other sites that can be heard
	open     int             // flights without a result
	swept    int64           // when overdue was last called
	stopping bool
	astray   bool // the wall clock is too far away to be followed
	noted    int  // the version of the isolation that was counted and logged last
	surveyed bool // the references' first answers were logged
	cutOff   bool // no reference answers, as logged
	namesOff bool // the site's resolver does not answer, as logged
}

// flight is a probe that was begun and has not ended.
type flight struct {
	act       schedule.Action
	begun     int64
	flying    bool
	extra     bool // it is no slot's
	left      bool // its result was recorded without waiting for it any longer
	suspected bool // it takes long, and the references were asked
}

// ending is a probe that ended, and what its slot left.
type ending struct {
	check  int32
	extra  int32 // its place among the extras, or ordinary
	result uptally.Result
}

// ordinary is the place of a probe that is a slot's.
const ordinary = -1

// runLoop returns when ctx is cancelled and no result is outstanding.
func (a *Agent) runLoop(ctx context.Context) {
	l := &a.loop
	a.clock.begin()
	l.now = a.clock.read()
	a.core = schedule.New(l.now, a.opts.Workers)
	a.step(schedule.SetPlans(a.plans, schedule.Never))
	timer := time.NewTimer(a.sleep())
	defer timer.Stop()
	for cancelled := ctx.Done(); !l.stopping || l.open > 0 || a.core.Next() <= l.now; timer.Reset(a.sleep()) {
		select {
		case <-timer.C:
			a.turn()
		case e := <-a.ended:
			a.turn()
			a.endAll(e)
		case h := <-a.heard:
			a.turn()
			if h.of == a.isolation { // else of references that are gone
				h.of.heard(a.loop.now, h.ref, h.round, h.observation)
			}
		case o := <-a.others:
			a.turn()
			a.hearAll(o)
		case <-a.changed:
			a.turn()
			a.change()
		case <-cancelled:
			a.turn()
			cancelled, l.stopping = nil, true
			a.step(schedule.Stop())
		}
		a.step(schedule.Tick())
		a.overdue()
		a.isolate()
		a.flyExtras()
		a.lookAround()
	}
}

// sleep is how long until the next turn is due.
func (a *Agent) sleep() time.Duration {
	next := min(a.core.Next(), a.loop.extras.next(), a.loop.nextBeat(), a.loop.now+heartbeat.Milliseconds())
	if a.isolation != nil {
		next = min(next, a.isolation.next())
	}
	return max(0, a.clock.until(next))
}

// turn reads the clock, and finds out whether the process has run since the last turn.
func (a *Agent) turn() {
	l := &a.loop
	last := l.now
	l.now = a.clock.read()
	if l.now-last >= pauseAfter {
		l.pausedTo = l.now
		a.opts.Log.Warn("paused", "site", a.opts.Site, "from_ms", last, "to_ms", l.now)
		a.counts.pause(l.now - last)
		a.committer.paused.Store(true)
		a.step(schedule.Paused(last))
		if a.isolation != nil {
			a.isolation.paused(l.now)
		}
	}
	if astray := a.clock.off.Abs() > mostFollowed; astray != l.astray {
		l.astray = astray
		a.opts.Log.Error("wall clock stepped", "site", a.opts.Site, "astray", astray, "off_ms", a.clock.off.Milliseconds())
	}
	a.counts.clock(a.clock.off)
}

// step tells the core and does what it says.
func (a *Agent) step(ev schedule.Event) {
	l := &a.loop
	l.acts = a.core.Step(l.now, ev, l.acts[:0])
	for i := range l.acts {
		act := &l.acts[i]
		if act.Reason == uptally.OK {
			a.begin(*act)
		} else {
			a.record(uptally.Result{Slot: act.Slot, Reason: act.Reason})
		}
	}
}

func (a *Agent) begin(act schedule.Action) {
	l := &a.loop
	l.make(act.Check)
	f := &l.flights[act.Check]
	*f = flight{act: act, begun: l.now, flying: true}
	l.open++
	a.counts.begin(l.open)
	go a.fly(act, ordinary, a.clock.zero())
	a.told(f, focus.Begun)
}

// make has room for a check's flights: what other sites say may have it probed before its first slot.
func (l *loop) make(check int32) {
	for int(check) >= len(l.flights) {
		l.flights, l.usual = append(l.flights, flight{}), append(l.usual, 0)
	}
}

// endAll takes one ending and those that wait behind it, but not for ever: what comes due must have its turn.
func (a *Agent) endAll(e ending) {
	a.end(e)
	for range cap(a.ended) {
		select {
		case e := <-a.ended:
			a.end(e)
		default:
			return
		}
	}
}

func (a *Agent) end(e ending) {
	f, done := a.loop.flight(e), schedule.Finished(e.check)
	f.flying = false
	if !f.left {
		a.leave(f, e.result)
	}
	if e.extra != ordinary {
		done = schedule.Returned(f.act.Plan.Kind)
		a.loop.extras.drop(e.extra)
	}
	a.step(done)
}

func (l *loop) flight(e ending) *flight {
	if e.extra != ordinary {
		return &l.extras.flights[e.extra]
	}
	return &l.flights[e.check]
}

// leave decides what a flight has shown. A failure that may be the site's own waits for the references.
func (a *Agent) leave(f *flight, r uptally.Result) {
	l := &a.loop
	if l.pausedTo > f.begun && r.Outcome() == uptally.Down {
		r = voided(r, uptally.AgentDelay, "the agent was suspended meanwhile")
	}
	if o := r.Outcome(); a.clock.off.Abs().Milliseconds() > f.act.Latest-f.act.Slot.At && (o == uptally.Up || o == uptally.Down) {
		r = voided(r, uptally.Clock, "the wall clock differs by "+a.clock.off.Round(time.Millisecond).String())
	}
	f.left = true
	if r.Reason == uptally.AgentDelay && !f.extra && !f.flying {
		l.extras.want(f.act.Check, l.now) // what the agent spoiled is looked at again
	}
	uplink, resolver := a.depends(f.act.Plan)
	switch {
	case uplink && r.Outcome() == uptally.Down:
		named := resolver && r.Reason >= uptally.ResolveNXDomain && r.Reason <= uptally.ResolveTimeout
		a.isolation.fail(held{f: *f, result: r, ended: l.now, named: named})
		a.told(f, focus.Failing)
		return
	case uplink && r.Outcome() == uptally.Up:
		a.isolation.prove()
		l.answered(f.act.Check, r.RTT)
	}
	a.settle(f, r)
}

// answered remembers a response time in microseconds; what was longer fades.
func (l *loop) answered(check int32, rtt int64) {
	u := &l.usual[check]
	*u = max(*u-*u/8, int32(min(rtt/1_000, math.MaxInt32)))
}

// settle records the one result of a flight.
func (a *Agent) settle(f *flight, r uptally.Result) {
	a.loop.open--
	a.counts.end(a.loop.open)
	if f.extra && r.Outcome() == uptally.Missed {
		a.counts.dropExtra() // no slot was due
	} else {
		a.record(a.loop.extras.apart(f.act.Check, r))
	}
	a.told(f, verdict(&r))
}

// overdue leaves a result, once a heartbeat, for probes that have not returned although their deadline is long over. Such a
// probe keeps its worker, and its check is still_running, until it does return: what hangs cannot pile up.
func (a *Agent) overdue() {
	l := &a.loop
	if l.now < l.swept+heartbeat.Milliseconds() {
		return
	}
	l.swept = l.now
	for i := range l.flights {
		a.overdueFlight(&l.flights[i])
	}
	for i := range l.extras.flights {
		a.overdueFlight(&l.extras.flights[i])
	}
}

func (a *Agent) overdueFlight(f *flight) {
	if !f.flying || f.left {
		return
	}
	ran := a.loop.now - max(f.begun, a.loop.pausedTo) // deadlines stand still while the machine sleeps
	if !f.suspected && ran >= max(suspicious, 4*int64(a.loop.usual[f.act.Check])) {
		f.suspected = true
		a.suspect(f)
	}
	if ran > f.act.Plan.Timeout+grace(f.act.Plan.Timeout) {
		a.leave(f, uptally.Result{Slot: f.act.Slot, Late: int32(f.begun - f.act.Slot.At), Reason: uptally.AgentDelay,
			Detail: "the probe did not return by its deadline"})
	}
}

func (a *Agent) record(r uptally.Result) {
	a.counts.result(r)
	if a.opts.Observe != nil {
		a.opts.Observe(r)
	}
	a.committer.add(r)
}
