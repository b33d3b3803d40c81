package ship_test

import (
	"context"
	"sync/atomic"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/ledger"
)

// depot is a ledger that is set back under the server that uses it, as a database is by its own means.
type depot struct{ at atomic.Pointer[ledger.Memory] }

func (d *depot) Append(ctx context.Context, in []ledger.Incoming) ([]bool, error) {
	return d.at.Load().Append(ctx, in)
}

func (d *depot) Admit(ctx context.Context, as ...ledger.Admission) error {
	return d.at.Load().Admit(ctx, as...)
}

func (d *depot) Admissions(ctx context.Context, agent uint64) ([]ledger.Admission, error) {
	return d.at.Load().Admissions(ctx, agent)
}

func (d *depot) Incarnation(ctx context.Context) (uint64, error) {
	return d.at.Load().Incarnation(ctx)
}

func (d *depot) Reincarnate(ctx context.Context, was uint64, why string) (uint64, error) {
	return d.at.Load().Reincarnate(ctx, was, why)
}

func (d *depot) Taken(ctx context.Context, agent, epoch uint64) ([][2]uint64, error) {
	return d.at.Load().Taken(ctx, agent, epoch)
}

func (d *depot) Holds(ctx context.Context, site uptally.ID, agent uint64, numbers []ledger.Number) (bool, error) {
	return d.at.Load().Holds(ctx, site, agent, numbers)
}

func (d *depot) Reused(ctx context.Context, s ledger.SiteDay, agent, epoch, from, to uint64) ([]uint64, error) {
	return d.at.Load().Reused(ctx, s, agent, epoch, from, to)
}
