package schedule

import (
	"cmp"
	"slices"
)

// leg is a stretch of a check's life under one plan: from the plan's From until the next leg begins. Without slots the
// check is not measured.
type leg struct {
	from  int64
	slots *Slots
	pool  *pool
}

func (l leg) next(after int64) int64 {
	if l.slots == nil {
		return Never
	}
	return l.slots.Next(after)
}

// turn makes the first slot after an instant the one due; next is that slot as the current leg has it. A leg without a slot
// before the next leg is over.
func (ch *check) turn(after, next int64) {
	for len(ch.legs) > 1 && next >= ch.legs[1].from {
		ch.legs = ch.legs[1:]
		next = ch.legs[0].next(after)
	}
	ch.due = next
}

// begin adds a leg and drops those that would have begun later.
func (ch *check) begin(l leg) {
	i := slices.IndexFunc(ch.legs, func(old leg) bool { return old.from >= l.from })
	if i < 0 {
		i = len(ch.legs)
	}
	ch.legs = append(ch.legs[:i], l)
}

// setPlans is called with every slot up to now decided, so that no slot changes hands: those up to now were the old
// plans', those after are the new ones' from their From on.
func (c *Core) setPlans(plans []Slots, end int64) {
	named := make([]bool, len(c.checks))
	plans = slices.Clone(plans)
	slices.SortStableFunc(plans, func(a, b Slots) int { return cmp.Compare(a.plan.From, b.plan.From) })
	for k := range plans {
		s := &plans[k]
		i, known := c.index[s.check]
		if !known {
			i = int32(len(c.checks))
			c.index[s.check] = i
			c.checks = append(c.checks, check{})
			named = append(named, false)
		}
		named[i] = true
		c.checks[i].begin(leg{from: s.plan.From, slots: s, pool: c.pool(s.plan.Kind)})
	}
	c.due = c.due[:0]
	for i := range c.checks {
		ch := &c.checks[i]
		if last := ch.legs[len(ch.legs)-1]; !named[i] && (last.slots != nil || last.from > end) {
			ch.begin(leg{from: end})
		}
		ch.turn(c.now, ch.legs[0].next(c.now))
		c.due = append(c.due, entry{ch.wake(), int32(i)})
	}
	c.due.order()
}
