package server

import (
	"context"
	"fmt"

	"github.com/uptally/uptally"
)

// PlanStore is what Plans reads and writes; ledger.Store has it.
type PlanStore interface {
	Plans(ctx context.Context, check string) ([]uptally.Plan, error)
	AddPlans(ctx context.Context, ps ...uptally.Plan) error
}

// Plans dates the plans that a configuration wants, whose From is ignored, and returns them in the order of want. A plan
// whose terms are those of the check's newest stored plan is that one. A changed or new one begins at the first instant
// of its own grid, over all sites, that is strictly after the one that after names for it (milliseconds UTC) and after the start of
// the newest; a cron plan, which has no grid, one millisecond after. It is stored before Plans returns, and so are the names of
// its check and sites. Called again with the same plans, it changes nothing.
//
// The error names the first plan that is not valid or cannot be stored; none of them is stored then.
func Plans(ctx context.Context, store PlanStore, after func(uptally.Plan) int64, want []uptally.Plan) ([]uptally.Plan, error) {
	dated, fresh := make([]uptally.Plan, 0, len(want)), []uptally.Plan(nil)
	for _, p := range want {
		p, isNew, err := datePlan(ctx, store, after(p), p)
		if err != nil {
			return nil, fmt.Errorf("plan check %q: %w", p.Check, err)
		}
		dated = append(dated, p)
		if isNew {
			fresh = append(fresh, p)
		}
	}
	if len(fresh) == 0 {
		return dated, nil
	}
	return dated, store.AddPlans(ctx, fresh...)
}

func datePlan(ctx context.Context, store PlanStore, after int64, p uptally.Plan) (dated uptally.Plan, fresh bool, err error) {
	if ps := p.Validate(); len(ps) > 0 {
		return p, false, fmt.Errorf("%v", ps[0])
	}
	stored, err := store.Plans(ctx, p.Check)
	if err != nil {
		return p, false, err
	}
	if n := len(stored); n > 0 {
		newest := stored[n-1]
		if newest.SameTerms(p) {
			return newest, false, nil
		}
		after = max(after, newest.From)
	}
	p.From = firstSlot(p, after)
	return p, true, nil
}

// firstSlot returns the first instant of the grid of any site strictly after an instant.
func firstSlot(p uptally.Plan, after int64) int64 {
	if p.Every == 0 {
		return after + 1
	}
	first := int64(0)
	for rank := range p.Sites {
		phase := p.Phase(rank)
		past := (after - phase) % p.Every
		if past < 0 {
			past += p.Every
		}
		if next := after - past + p.Every; rank == 0 || next < first {
			first = next
		}
	}
	return first
}
