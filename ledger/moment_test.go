package ledger_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/ledger"
	"github.com/uptally/uptally/ledger/ledgertest"
)

// momentary is a ledger that can be read as of one moment.
type momentary interface {
	ledger.Carrier
	Snapshot(ctx context.Context, f func(ledger.Carrier) error) error
}

// Somebody appends to a day and somebody else seals it, again and again: a ledger that is verified as of one moment has no problem, ever,
// and is what it is at one moment: each batch has a result of every check.
func TestVerifyBesideWriters(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { verifyBesideWriters(t, open(t, t.TempDir())) })
	t.Run("postgres", func(t *testing.T) { verifyBesideWriters(t, openPostgres(t, postgres(t).Fresh(t))) })
}

func verifyBesideWriters(t *testing.T, s momentary) {
	w := writers{t: t, s: s, more: make(chan struct{}, 1)}
	stop := w.start()
	defer stop()
	for met := 0; met < 20 && !t.Failed(); {
		err := s.Snapshot(t.Context(), func(at ledger.Carrier) error {
			appended, sealed := w.appended.Load(), w.sealed.Load()
			v, err := ledger.Verify(t.Context(), at, func(err error) { t.Error(err) })
			if v.Results%writtenChecks != 0 {
				t.Errorf("got %d results of %d checks, want as many of each", v.Results, writtenChecks)
			}
			if w.appended.Load() > appended && w.sealed.Load() > sealed {
				met++
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d batches appended, %d times sealed", w.appended.Load(), w.sealed.Load())
}

// writtenChecks is how many checks have a result in each batch.
const writtenChecks = 8

// writers are one that appends to a day and one that seals it.
type writers struct {
	t                testing.TB
	s                ledger.Store
	appended, sealed atomic.Int64
	more             chan struct{} // something was appended
}

// start returns what ends them.
func (w *writers) start() (stop func()) {
	ctx, cancel := context.WithCancel(w.t.Context())
	var all sync.WaitGroup
	for _, work := range []func(context.Context) error{w.append, w.seal} {
		all.Go(func() {
			for ctx.Err() == nil {
				if err := work(ctx); err != nil && ctx.Err() == nil {
					w.t.Error(err)
					return
				}
			}
		})
	}
	return func() { cancel(); all.Wait() }
}

// append brings the next second's results.
func (w *writers) append(ctx context.Context) error {
	n := w.appended.Load()
	var rs []uptally.Result
	for check := range uptally.ID(writtenChecks) {
		r := ledgertest.Up(n*1_000, 5+n%7)
		if n%5 == 0 {
			r = ledgertest.Down(n*1_000, uptally.Status, "503")
		}
		r.Check += check
		rs = append(rs, r)
	}
	_, err := w.s.Append(ctx, []ledger.Incoming{ledgertest.Batch(w.t, 1, uint64(n+1), rs...)})
	if err == nil {
		w.appended.Add(1)
		select {
		case w.more <- struct{}{}:
		default: // the sealer is behind
		}
	}
	return err
}

// seal seals the day as it is.
func (w *writers) seal(ctx context.Context) error {
	select {
	case <-w.more:
	case <-ctx.Done():
	}
	done, err := ledger.SealDay(ctx, w.s, ledger.SiteDay{Site: ledgertest.Site, Day: ledgertest.Day}, 7, false)
	if done {
		w.sealed.Add(1)
	}
	return err
}
