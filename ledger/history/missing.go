package history

import (
	"context"
	"fmt"
	"slices"

	"github.com/uptally/uptally"
)

// Days is what is read of a ledger to see what it lacks; ledger.Store has it.
type Days interface {
	Days(ctx context.Context, check, site uptally.ID, from, to int32) ([]uptally.Day, error)
	Failures(ctx context.Context, check, site uptally.ID, from, to int64) ([]uptally.Result, error)
}

// Missing returns the batches of which the ledger lacks a result, so that what is there already is not stored again. A slot in
// conflict has what is one of its sides.
func (im *Import) Missing(ctx context.Context, in Days) ([][]byte, error) {
	var missing [][]byte
	for _, data := range im.Batches {
		b, err := uptally.DecodeBatch(data)
		if err != nil {
			return nil, err
		}
		has, err := hasAll(ctx, in, b)
		if err != nil {
			return nil, err
		}
		if !has {
			missing = append(missing, data)
		}
	}
	return missing, nil
}

func hasAll(ctx context.Context, in Days, b uptally.Batch) (bool, error) {
	for rest := b.Results; len(rest) > 0; {
		n := 1
		for n < len(rest) && rest[n].Check == rest[0].Check {
			n++
		}
		has, err := hasCheck(ctx, in, b.Day, rest[:n])
		if err != nil || !has {
			return false, err
		}
		rest = rest[n:]
	}
	return true, nil
}

// hasCheck looks for results of one check, sorted by instant, in a day of the ledger.
func hasCheck(ctx context.Context, in Days, day int32, rs []uptally.Result) (bool, error) {
	check, site := rs[0].Check, rs[0].Site
	days, err := in.Days(ctx, check, site, day, day+1)
	if err != nil {
		return false, fmt.Errorf("read what is stored: %w", err)
	}
	var sides []uptally.Result
	for _, d := range days {
		for have := range d.Results() {
			for len(rs) > 0 && rs[0].At == have.At {
				r := rs[0]
				if have.Reason == uptally.Conflict {
					if sides == nil {
						if sides, err = in.Failures(ctx, check, site, int64(day)*uptally.DayMillis, int64(day+1)*uptally.DayMillis); err != nil {
							return false, fmt.Errorf("read what is stored: %w", err)
						}
					}
					if !slices.Contains(sides, r) {
						return false, nil
					}
				} else if r.Late != have.Late || r.Reason != have.Reason || r.RTT != have.RTT {
					return false, nil
				}
				rs = rs[1:]
			}
		}
	}
	return len(rs) == 0, nil
}
