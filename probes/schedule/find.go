package schedule

import "github.com/uptally/uptally"

// Find returns the number of a check and the plan under which it is measured here now; false where it is not.
func (c *Core) Find(check uptally.ID) (int32, *uptally.Plan, bool) {
	i, known := c.index[check]
	if !known {
		return 0, nil, false
	}
	l := c.checks[i].legs[0]
	if l.slots == nil || !l.slots.here || l.slots.plan.From > c.now {
		return 0, nil, false
	}
	return i, &l.slots.plan, true
}
