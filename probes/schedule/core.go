package schedule

import (
	"github.com/uptally/uptally"
)

// DefaultWorkers is the number of probes of one kind at once where New is not told another.
const DefaultWorkers = 500

// most is how many actions one Step returns about. After a long sleep the rest follows in further steps, so that memory
// stays bounded however many slots the sleep has cost.
const most = 4096

// Core decides what becomes of every due slot. It is a plain value for one goroutine; make it with New.
type Core struct {
	now      int64
	checks   []check
	index    map[uptally.ID]int32
	due      heap
	pools    []*pool
	workers  map[string]int
	stopping bool
	// Slots after pausedFrom and up to pausedTo came due, and waits ended, while the process did not run.
	pausedFrom, pausedTo int64
}

// New returns a Core without plans that begins at an instant: its first slots are those after it. workers are the most
// probes at once for each kind.
func New(start int64, workers map[string]int) *Core {
	return &Core{now: start, index: map[uptally.ID]int32{}, workers: workers, pausedFrom: Never, pausedTo: start}
}

// state is that of a check's slot before the one due next.
type state uint8

const (
	idle    state = iota
	waiting       // for a worker
	running
)

type check struct {
	legs  []leg
	due   int64 // the next slot, of legs[0]
	last  int64 // the slot before it
	state state
	pool  *pool  // of the slot that waits or runs
	held  Action // the slot that waits
}

// Next returns the instant at which Step wants to be called again, or Never. It lies in the past while there is more to
// return than one Step did.
func (c *Core) Next() int64 {
	if len(c.due) == 0 {
		return Never
	}
	return c.due[0].at
}

// Step takes one event at the instant now and appends to acts what becomes of the slots that are due by then, those that
// come due in the order of their instants. An earlier now than the last counts as the last.
//
// Of each slot the first that holds is its fate: it came due in a pause → missed(paused); after Stop →
// missed(agent_down); this Step comes after its Latest → missed(overtaken); the check's slot before still waits or runs →
// missed(still_running); a worker of its kind is free → the probe begins. Else it waits, first come first served, and is
// missed(no_worker) when Latest passes.
func (c *Core) Step(now int64, ev Event, acts []Action) []Action {
	c.now = max(c.now, now)
	switch ev.kind {
	case finished:
		acts = c.finish(ev.check, acts)
	case setPlans:
		for c.Next() <= c.now {
			acts = c.advance(acts)
		}
		c.setPlans(ev.plans, ev.at)
	case paused:
		if c.Next() > c.pausedTo {
			c.pausedFrom = ev.at
		}
		c.pausedFrom, c.pausedTo = min(c.pausedFrom, ev.at), c.now-1
	case stop:
		acts = c.stop(acts)
	case returned:
		acts = c.takeBack(ev.pool, acts)
	case setWorkers:
		acts = c.setWorkers(ev.workers, acts)
	}
	return c.advance(acts)
}

// advance decides what is due, up to about most slots.
func (c *Core) advance(acts []Action) []Action {
	for end := len(acts) + most; len(c.due) > 0 && c.due[0].at <= c.now && len(acts) < end; {
		top := c.due[0]
		ch := &c.checks[top.check]
		if ch.state == waiting && c.now > ch.held.Latest {
			acts = c.giveUp(ch, acts)
		}
		if top.at == ch.due {
			acts = c.decide(top.check, acts)
		}
		c.due[0].at = ch.wake()
		c.due.sink(0)
	}
	return acts
}

// wake is the instant at which the check is looked at next. One whose wait ended early is looked at once in vain.
func (ch *check) wake() int64 {
	if ch.state == waiting {
		return min(ch.due, ch.held.Latest+1)
	}
	return ch.due
}

// decide settles the slot that check i has due, and turns the check to its next slot.
func (c *Core) decide(i int32, acts []Action) []Action {
	ch := &c.checks[i]
	l, at := ch.legs[0], ch.due
	next := l.slots.Next(at)
	a := Action{
		Check:  i,
		Slot:   uptally.Slot{Check: l.slots.check, Site: l.slots.site, At: at},
		Latest: at + min((next-at)/2, MaxWait),
		Plan:   &l.slots.plan,
	}
	ch.last = at
	ch.turn(at, next)
	switch {
	case a.Slot.At > c.pausedFrom && a.Slot.At <= c.pausedTo:
		a.Reason = uptally.Paused
	case c.stopping:
		a.Reason = uptally.AgentDown
	case c.now > a.Latest:
		a.Reason = uptally.Overtaken
	case ch.state != idle:
		a.Reason = uptally.StillRunning
	case l.pool.free <= 0:
		ch.state, ch.pool, ch.held = waiting, l.pool, a
		l.pool.push(i, a.Slot.At)
		return acts
	default:
		l.pool.free--
		ch.state, ch.pool = running, l.pool
	}
	return append(acts, a)
}

// giveUp misses a slot for which no worker came.
func (c *Core) giveUp(ch *check, acts []Action) []Action {
	ch.state = idle
	ch.held.Reason = uptally.NoWorker
	if ch.held.Latest >= c.pausedFrom && ch.held.Latest <= c.pausedTo {
		ch.held.Reason = uptally.Paused // a worker might have come, had we run
	}
	ch.pool.trim(c.checks)
	return append(acts, ch.held)
}

// finish ends the probe of check i.
func (c *Core) finish(i int32, acts []Action) []Action {
	ch := &c.checks[i]
	if ch.state != running {
		panic("BUG: the end of a probe that does not run")
	}
	ch.state = idle
	return c.release(ch.pool, acts)
}

// release frees a worker.
func (c *Core) release(p *pool, acts []Action) []Action {
	p.free++
	return c.hand(p, acts)
}

// hand gives what is free to the slots that wait longest.
func (c *Core) hand(p *pool, acts []Action) []Action {
	for p.free > 0 && p.trim(c.checks) {
		next := &c.checks[p.pop()]
		if c.now > next.held.Latest {
			acts = c.giveUp(next, acts)
			continue
		}
		next.state = running
		p.free--
		acts = append(acts, next.held)
	}
	return acts
}

// stop misses everything that waits.
func (c *Core) stop(acts []Action) []Action {
	c.stopping = true
	for _, p := range c.pools {
		for p.trim(c.checks) {
			ch := &c.checks[p.pop()]
			ch.state = idle
			ch.held.Reason = uptally.AgentDown
			acts = append(acts, ch.held)
		}
	}
	return acts
}
