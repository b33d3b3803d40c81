package server

import (
	"context"
	"fmt"

	"github.com/uptally/uptally"
)

// PlanReader is what DatePlans reads; ledger.Store has it.
type PlanReader interface {
	Plans(ctx context.Context, check string) ([]uptally.Plan, error)
}

// DatePlans dates the plans that a configuration wants, whose From is ignored, and returns them in the order of want. A plan
// whose terms are those of the check's newest stored plan is that one. A changed or new one begins at the first instant
// of its own grid, over all sites, that is strictly after the one that after names for it (milliseconds UTC) and after the start of
// the newest; a cron plan, which has no grid, one millisecond after. Those are fresh, and in force once the caller has stored them.
//
// The error names the first plan that is not valid.
func DatePlans(ctx context.Context, store PlanReader, after func(uptally.Plan) int64, want []uptally.Plan) (dated, fresh []uptally.Plan, err error) {
	for _, p := range want {
		p, isNew, err := datePlan(ctx, store, after(p), p)
		if err != nil {
			return nil, nil, fmt.Errorf("plan check %q: %w", p.Check, err)
		}
		dated = append(dated, p)
		if isNew {
			fresh = append(fresh, p)
		}
	}
	return dated, fresh, nil
}

func datePlan(ctx context.Context, store PlanReader, after int64, p uptally.Plan) (dated uptally.Plan, fresh bool, err error) {
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
