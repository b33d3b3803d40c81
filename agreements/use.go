package agreements

import "math/big"

// PartUse is what an agreement does with a service that was in use for a part of the period only, which people record
// as entries of the kind in_service. Downtime beside the use never counts. Contracts disagree on the rest.
type PartUse uint8

const (
	// UseDeployed divides by the time in use.
	UseDeployed PartUse = iota + 1
	// UseDays counts every local day with some use as a whole day of use.
	UseDays
	// UsePeriod divides by the whole period.
	UsePeriod
	// UseNotJudged judges no such period at all.
	UseNotJudged
	// UseScaled judges the time in use and scales its downtime up to the whole period.
	UseScaled
	// UseUpBefore counts the time before the first use as up.
	UseUpBefore
)

// The rules under which time without use is excluded.
const (
	RuleNotInService = "not in service"
	RuleNotJudged    = "not judged: in service for a part of the period"
)

// use is when the services of an account were in use.
type use struct {
	entry int64 // the only entry that says so, or 0
	// unused is the window in which none of them was; kept is the part of it that the denominator keeps.
	unused, kept Set
	// without is the time without use of each service, inside the period.
	without map[string]Set
	// scale is the whole window over the part in use, where the downtime is scaled up; otherwise nil.
	scale *big.Rat
}

// findUse reads the entries and takes what lies beside the use out of the window. The error is a *TermsError when a
// service was in use for a part of the period and the version does not say what then.
func (c *computation) findUse() error {
	whole := NewSet(c.period)
	var used Set
	c.use.without = map[string]Set{}
	for _, s := range c.services {
		u, err := c.usedOf(s)
		if err != nil {
			return err
		}
		c.use.without[s] = whole.Subtract(u)
		used = Union(used, u)
	}
	c.use.unused = c.calendar.Subtract(used)
	c.window = c.calendar.Intersect(used)
	switch c.terms.PartUse {
	case UsePeriod:
		c.use.kept = c.use.unused
	case UseUpBefore:
		first := c.period.To
		if len(used) > 0 {
			first = used[0].From
		}
		c.use.kept = c.use.unused.Clip(Interval{c.period.From, first})
	case UseScaled:
		if n := c.window.Millis(); n > 0 && len(c.use.unused) > 0 {
			c.use.scale = share(c.calendar.Millis(), n)
		}
	}
	return nil
}

// usedOf is when a service was in use inside the period: what the entries say, or all of it where none speaks of it.
func (c *computation) usedOf(service string) (Set, error) {
	whole := NewSet(c.period)
	var said []Interval
	for _, r := range c.entries {
		if r.Kind != KindInService || !r.concerns(c.agreement.Name, []string{service}) {
			continue
		}
		if c.use.entry = r.ID; len(said) > 0 {
			c.use.entry = 0
		}
		said = append(said, r.interval())
	}
	used := NewSet(said...).Clip(c.period)
	if said == nil || whole.Within(used) {
		return whole, nil
	}
	switch c.terms.PartUse {
	case 0:
		return nil, &TermsError{c.agreement.Name, c.period, "service " + service + " was in use for a part of the period, and the version from " +
			c.terms.From.String() + " has no part_use"}
	case UseDays:
		return c.wholeDays(used), nil
	case UseNotJudged:
		return nil, nil
	}
	return used, nil
}

// wholeDays widens every stretch to the local days that it touches.
func (c *computation) wholeDays(s Set) Set {
	zone := c.agreement.Zone
	var days []Interval
	for _, i := range s {
		days = append(days, Interval{localDate(i.From, zone).Start(zone), localDate(i.To-1, zone).next().Start(zone)})
	}
	return NewSet(days...).Clip(c.period)
}

// excludeUnused puts the time without use under its rule and tells what became of it.
func (c *computation) excludeUnused() []Applied {
	if len(c.use.unused) == 0 {
		return nil
	}
	rule := RuleNotInService
	if c.terms.PartUse == UseNotJudged {
		rule = RuleNotJudged
	}
	c.excluded = append(c.excluded, ruled{rule: rule, use: true, set: c.use.unused})
	why := ""
	if n := c.use.kept.Millis(); n > 0 {
		why = "stays in what the agreement divides by"
		if n < c.use.unused.Millis() {
			why = "before the first use it " + why
		}
	}
	var applied []Applied
	for _, i := range c.use.unused {
		applied = append(applied, Applied{EntryID: c.use.entry, Rule: rule, At: i, Counted: i.Len(), Why: why})
	}
	return applied
}
