package ledger_test

import (
	"context"
	"testing"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/ledger"
	"github.com/uptally/uptally/ledger/ledgertest"
)

// What was taken is held, in the log as well as sealed, of whatever day; nothing else is.
func TestHolds(t *testing.T) {
	admitters(t, func(t *testing.T, s ledger.Admitter) {
		store := s.(interface {
			ledger.Store
			Holds(ctx context.Context, site uptally.ID, agent uint64, numbers []ledger.Number) (bool, error)
		})
		batch := func(epoch, seq uint64, at int64) ledger.Incoming {
			return ledgertest.Batch(t, epoch, seq, ledgertest.Up(at, 10))
		}
		ledgertest.Append(t, store, []ledger.Incoming{batch(1, 1, 0), batch(1, 3, uptally.DayMillis), batch(1<<63, 7, 0)}, false, false, false)
		holds := func(agent uint64, want bool, numbers ...ledger.Number) {
			t.Helper()
			if got, err := store.Holds(t.Context(), ledgertest.Site, agent, numbers); err != nil || got != want {
				t.Errorf("agent %d, %v: got %v, %v, want %v", agent, numbers, got, err, want)
			}
		}
		for range 2 {
			holds(1, true)
			holds(1, true, ledger.Number{Epoch: 1, Seq: 1}, ledger.Number{Epoch: 1, Seq: 3}, ledger.Number{Epoch: 1 << 63, Seq: 7})
			holds(1, false, ledger.Number{Epoch: 1, Seq: 1}, ledger.Number{Epoch: 1, Seq: 2})
			holds(1, false, ledger.Number{Epoch: 2, Seq: 1})
			holds(2, false, ledger.Number{Epoch: 1, Seq: 1})
			d := ledger.SiteDay{Site: ledgertest.Site, Day: ledgertest.Day}
			if _, err := ledger.SealDay(t.Context(), store, d, (int64(d.Day)+1)*uptally.DayMillis+600_000, true); err != nil {
				t.Fatal(err)
			}
		}
	})
}
