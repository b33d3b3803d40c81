package history

import (
	"context"
	"fmt"
	"slices"
)

// Numbers is what is asked of a ledger to see what it lacks; ledger.Store has it.
type Numbers interface {
	Taken(ctx context.Context, agent, epoch uint64) ([][2]uint64, error)
}

// Missing returns the batches that the ledger never took. The epoch of a batch follows from the results of its site's day, so
// that a number in it stands for the same results wherever it is met. What was dropped from the ledger was taken, and is not
// missing.
func (im *Import) Missing(ctx context.Context, in Numbers) ([][]byte, error) {
	var missing [][]byte
	var taken [][2]uint64
	for i, b := range im.Batches {
		if i == 0 || im.Batches[i-1].Epoch != b.Epoch {
			var err error
			if taken, err = in.Taken(ctx, im.Agent, b.Epoch); err != nil {
				return nil, fmt.Errorf("read what is stored: %w", err)
			}
		}
		if !slices.ContainsFunc(taken, func(r [2]uint64) bool { return r[0] <= b.Seq && b.Seq <= r[1] }) {
			missing = append(missing, b.Data)
		}
	}
	return missing, nil
}
