package ledger

import (
	"context"
	"fmt"

	"github.com/uptally/uptally"
)

// SealDay folds what the log holds of a site's day into the sealed day, at an instant. It reports whether there was anything
// to do. Where another process seals the same day first the error wraps ErrStale, nothing was changed, and
// the caller tries again.
func SealDay(ctx context.Context, s Store, d SiteDay, at int64, final bool) (done bool, err error) {
	u, err := s.Unsealed(ctx, d)
	if err != nil {
		return false, err
	}
	if len(u.Batches) == 0 && (u.Final || !final) {
		return false, nil
	}
	// A batch that comes meanwhile is read with the others, stays in the log, and is folded again by the next seal.
	chunk := func(ctx context.Context, check uptally.ID) (Chunk, error) { return chunkOf(ctx, s, check, d) }
	err = s.Seal(ctx, Seal{SiteDay: d, From: u, At: at, Final: final, Chunk: chunk})
	if err != nil {
		return false, fmt.Errorf("seal day %d of site %v: %w", d.Day, d.Site, err)
	}
	return true, nil
}

// chunkOf reads a whole day of a series, sealed or not.
func chunkOf(ctx context.Context, s Store, check uptally.ID, d SiteDay) (Chunk, error) {
	days, err := s.Days(ctx, check, d.Site, d.Day, d.Day+1)
	if err != nil {
		return Chunk{}, err
	}
	if len(days) != 1 {
		return Chunk{}, fmt.Errorf("read check %v: got %d days, want one", check, len(days))
	}
	c := Chunk{Day: days[0]}
	for _, r := range c.Day.Runs {
		if r.Reason != uptally.Conflict {
			continue
		}
		from := int64(d.Day) * uptally.DayMillis
		c.Failures, err = s.Failures(ctx, check, d.Site, from, from+uptally.DayMillis)
		return c, err
	}
	return c, nil
}
