package agreements

import (
	"fmt"
	"time"

	"github.com/uptally/uptally"
)

// limitYear lets maintenance through up to the cap of each calendar year of the zone. Earlier periods of the year consume
// it too, each by its own version and rules, which is why the entries of the whole year decide.
func (c *computation) limitYear(es []excuse) {
	limit := c.terms.CapYear
	if limit <= 0 {
		return
	}
	zone := c.agreement.Zone
	for y := localDate(c.period.From, zone).Year; y <= localDate(c.period.To-1, zone).Year; y++ {
		year := Interval{Date{y, time.January, 1}.Start(zone), Date{y + 1, time.January, 1}.Start(zone)}
		used := c.usedSince(year.From).Clip(year)
		all := used
		for _, e := range es {
			all = Union(all, e.set.Clip(year))
		}
		allowed := Union(all.first(int64(limit)), NewSet(c.period).Subtract(Set{year}))
		why := fmt.Sprintf("over the cap of %s in the year %d", limit, y)
		if n := used.Millis(); n > 0 {
			why += ", of which " + uptally.Duration(min(n, int64(limit))).String() + " had been used before"
		}
		for i := range es {
			es[i].lose(allowed, why)
		}
	}
}

// usedSince is what maintenance excluded from an instant until the period, within its caps of earlier periods.
func (c *computation) usedSince(from int64) Set {
	var used Set
	zone := c.agreement.Zone
	for at := from; at < c.period.From; {
		p, err := c.agreement.PeriodOf(localDate(at, zone))
		if err != nil || p.To <= at {
			at = localDate(at, zone).next().Start(zone) // no version was in force
			continue
		}
		parts, err := c.agreement.Parts(p)
		if err != nil {
			parts = nil
		}
		for _, part := range parts {
			used = Union(used, c.plannedBy(part))
		}
		at = p.To
	}
	return used.Clip(Interval{from, max(from, c.period.From)})
}

// plannedBy is what maintenance excludes in another period, but for the cap of the year.
func (c *computation) plannedBy(part VersionPart) Set {
	terms := *part.terms()
	terms.CapYear = 0
	o := computation{agreement: c.agreement, terms: &terms, period: part.At, services: c.services, entries: c.entries}
	o.calendar = terms.Window.Open(c.agreement.Zone, part.At)
	if err := o.findUse(); err != nil {
		o.window = o.calendar // that period has no account; what was planned in it was planned all the same
	}
	var used Set
	for _, e := range o.excuses() {
		if !e.cause {
			used = Union(used, e.set)
		}
	}
	return used
}
