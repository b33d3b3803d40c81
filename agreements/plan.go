package agreements

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"

	"github.com/uptally/uptally"
)

// datedPlans returns plans in order of From, checked. The same plan twice is one; two different ones from the same
// instant are an error, and so is a plan that cannot judge.
func datedPlans(plans []uptally.Plan) ([]uptally.Plan, error) {
	plans = slices.Clone(plans)
	slices.SortFunc(plans, func(a, b uptally.Plan) int { return cmp.Compare(a.From, b.From) })
	plans = slices.CompactFunc(plans, func(a, b uptally.Plan) bool { return reflect.DeepEqual(a, b) })
	for k, p := range plans {
		if err := checkPlan(p); err != nil {
			return nil, fmt.Errorf("plan from %s: %w", instant(p.From), err)
		}
		if k > 0 && p.From == plans[k-1].From {
			return nil, fmt.Errorf("plan from %s: got two different plans, want one", instant(p.From))
		}
	}
	return plans, nil
}

// checkPlan reports what keeps p from judging samples.
func checkPlan(p uptally.Plan) error {
	switch {
	case len(p.Sites) == 0:
		return fmt.Errorf("got no sites, want at least one")
	case p.Quorum < 1 || p.Quorum > len(p.Sites):
		return fmt.Errorf("got quorum %d, want 1 to %d", p.Quorum, len(p.Sites))
	case p.Confirm < 1 || p.Recover < 1:
		return fmt.Errorf("got confirm %d and recover %d, want at least 1", p.Confirm, p.Recover)
	case p.Gap < 1:
		return fmt.Errorf("got gap %d ms, want at least 1", p.Gap)
	}
	for k, s := range p.Sites {
		if slices.Contains(p.Sites[:k], s) {
			return fmt.Errorf("got site %q twice, want each once", s)
		}
	}
	return nil
}

// inForceUntil returns the instant at which the plan after k takes over, or Forever.
func inForceUntil(plans []uptally.Plan, k int) int64 {
	if k+1 < len(plans) {
		return plans[k+1].From
	}
	return Forever
}

// blind returns D_blind under p: an outage shorter than I/n + (m−1)·1 s + 2 s may fall between the probes of all sites.
// A cron plan has no interval of its own; its gap is 2.5 intervals. Source: docs/measuring.md, "Periodic sampling".
func blind(p uptally.Plan) int64 {
	every := p.Every
	if every == 0 {
		every = p.Gap * 2 / 5
	}
	n := int64(len(p.Sites))
	return (every+n-1)/n + int64(p.Confirm-1)*1000 + 2000
}
