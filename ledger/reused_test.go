package ledger_test

import (
	"context"
	"slices"
	"testing"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/ledger"
	"github.com/uptally/uptally/ledger/ledgertest"
)

func TestReused(t *testing.T) {
	admitters(t, func(t *testing.T, s ledger.Admitter) {
		store := s.(interface {
			ledger.Store
			Reused(ctx context.Context, d ledger.SiteDay, agent, epoch, from, to uint64) ([]uint64, error)
		})
		batch := func(epoch, seq uint64, at int64) ledger.Incoming {
			return ledgertest.Batch(t, epoch, seq, ledgertest.Up(at, 10))
		}
		ledgertest.Append(t, store, []ledger.Incoming{
			batch(1, 1, 0), batch(1, 1, 0), batch(1, 2, 0), batch(1, 2, 31_000), batch(1, 3, 0), batch(1, 3, uptally.DayMillis), batch(1, 9, 0), batch(1, 9, 31_000),
			batch(1<<63, 2, 0),
		}, false, true, false, false, false, false, false, false, false)
		for _, c := range []struct {
			epoch, from, to uint64
			want            []uint64
		}{
			{1, 1, 9, []uint64{2, 9}}, // 1 came twice, 3 lies in two days
			{1, 2, 8, []uint64{2}},
			{1, 3, 8, nil},
			{1 << 63, 1, 9, nil},
			{7, 1, 9, nil},
		} {
			got, err := store.Reused(t.Context(), ledger.SiteDay{Site: ledgertest.Site, Day: ledgertest.Day}, 1, c.epoch, c.from, c.to)
			if err != nil || !slices.Equal(got, c.want) {
				t.Errorf("epoch %x, %d to %d: got %d, %v, want %d", c.epoch, c.from, c.to, got, err, c.want)
			}
		}
	})
}
