package statements

import (
	"fmt"
	"slices"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/agreements"
)

// ordinary returns, of the days of one check, what slots of its plans left. The probes of a focus say when an outage began
// and ended; measures of response times and losses that weighed them too would mostly be of the worst minutes. Without slots
// they cannot be told apart and the days are returned as they are.
func ordinary(days []uptally.Day, plans []uptally.Plan, slots SlotsFunc) ([]uptally.Day, error) {
	if slots == nil || !slices.ContainsFunc(plans, func(p uptally.Plan) bool { return p.Focus }) {
		return days, nil
	}
	names := map[uptally.ID]string{}
	for _, site := range sitesOf(plans) {
		names[uptally.IDOf(site)] = site
	}
	kept := make([]uptally.Day, len(days))
	for i, d := range days {
		results, err := slotResults(d, names[d.Site], plans, slots)
		if err != nil {
			return nil, fmt.Errorf("tell slots from focus at %q: %w", names[d.Site], err)
		}
		kept[i] = uptally.FoldDay(d.Check, d.Site, d.Day, results)
	}
	return kept, nil
}

// slotResults returns the results of a day that lie on slots of the plan in force, and all of those of plans without focus.
func slotResults(d uptally.Day, site string, plans []uptally.Plan, slots SlotsFunc) ([]uptally.Result, error) {
	from := int64(d.Day) * uptally.DayMillis
	all := slices.Collect(d.Results())
	kept := make([]uptally.Result, 0, len(all))
	for _, s := range inForce(plans, agreements.Interval{From: from, To: from + uptally.DayMillis}) {
		next, err := slots(s.Plan, site)
		if err != nil {
			return nil, err
		}
		due := next(s.at.From - 1)
		for _, r := range all {
			if r.At < s.at.From || r.At >= s.at.To {
				continue
			}
			for s.Focus && due < r.At {
				due = next(due)
			}
			if !s.Focus || due == r.At {
				kept = append(kept, r)
			}
		}
	}
	return kept, nil
}
