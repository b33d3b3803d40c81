package schedule

import "github.com/uptally/uptally"

// lentShare is the part of the workers of a kind, one in lentShare and at least one, that probes beside the slots may have.
const lentShare = 4

// IsSlot reports whether an instant is a slot of check i: the one that was decided last, maybe the last of its plan, or a later one.
func (c *Core) IsSlot(i int32, at int64) bool {
	ch := &c.checks[i]
	return ch.last == at || ch.legs[0].next(at-1) == at
}

// Lend takes a worker for a probe of check i that is no slot and whose result is dated at an instant. It does not wait: false
// says that there is none, because a slot needs it, the share of such probes is used up, the check is not measured now, or
// no more probes begin. Returned gives it back.
func (c *Core) Lend(i int32, at, latest int64) (Action, bool) {
	l := c.checks[i].legs[0]
	if l.slots == nil || !l.slots.here || c.stopping || l.pool.free <= 0 || l.pool.lent >= max(1, l.pool.size/lentShare) {
		return Action{}, false
	}
	l.pool.free--
	l.pool.lent++
	return Action{Check: i, Slot: uptally.Slot{Check: l.slots.check, Site: l.slots.site, At: at}, Latest: latest, Plan: &l.slots.plan}, true
}

// Returned is the end of a probe that Lend gave a worker of this kind; the worker is free again.
func Returned(kind string) Event { return Event{kind: returned, pool: kind} }

// takeBack frees a lent worker.
func (c *Core) takeBack(kind string, acts []Action) []Action {
	p := c.pool(kind)
	if p.lent == 0 {
		panic("BUG: a worker came back that was not lent")
	}
	p.lent--
	return c.release(p, acts)
}
