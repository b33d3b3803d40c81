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

// blind returns D_blind under p: an outage that is shorter may fall between the probes, so that no quorum confirms it.
//
// With focus the first site to see it looks no later than I/n after it began, is suspicious within 1 s, and all sites look
// from the next whole second on, m times: I/n + (m−1)·1 s + 2 s. Without focus each site of the quorum must see it in m of its
// slots: (m−1)·I + q·I/n. The sites of a cron plan probe together, so that there I stands for I/n and for q·I/n; it has no
// interval of its own, and its gap is 2.5 of them. How the sites of an imported plan were staggered nobody knows: they too may
// have probed together. Source: docs/measuring.md, "What the bounds assume".
func blind(p uptally.Plan) int64 {
	every, n, m := p.Every, int64(len(p.Sites)), int64(p.Confirm)
	if every == 0 {
		every, n = p.Gap*2/5, 1
	}
	if p.Imported {
		n = 1
	}
	if p.Focus {
		return (every+n-1)/n + (m-1)*1000 + 2000
	}
	return (m-1)*every + (min(int64(p.Quorum), n)*every+n-1)/n
}
