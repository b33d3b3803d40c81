package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/ledger"
	"github.com/uptally/uptally/ledger/ledgertest"
)

// slowLedger is a ledger in memory whose Seal calls during between reading and comparing, as one that takes its time.
type slowLedger struct {
	*ledger.Memory
	during func(context.Context, ledger.Seal) error
}

func (l slowLedger) Seal(ctx context.Context, s ledger.Seal) error {
	read := s.Chunk
	chunks := map[uptally.ID]ledger.Chunk{}
	for _, check := range s.From.Checks {
		c, err := read(ctx, check)
		if err != nil {
			return err
		}
		chunks[check] = c
	}
	if err := l.during(ctx, s); err != nil {
		return err
	}
	s.Chunk = func(_ context.Context, check uptally.ID) (ledger.Chunk, error) { return chunks[check], nil }
	return l.Memory.Seal(ctx, s)
}

// pass lets the bubble's clock run.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// today is the day of the bubble's clock, which begins with 2000.
func today() int32 { return uptally.DayOf(time.Now().UnixMilli()) }

// upAt is a result of the check of the stories at an instant.
func upAt(at time.Time, rtt int64) uptally.Result {
	return uptally.Result{Slot: uptally.Slot{Check: ledgertest.Check, Site: ledgertest.Site, At: at.UnixMilli()}, RTT: rtt}
}

// diary is what a sealer reports, each with the instant.
type diary struct {
	mu    sync.Mutex
	lines []string
}

func (d *diary) observe(r ledger.SealReport) {
	line := fmt.Sprintf("%s day %d, %d results", time.Now().UTC().Format("02 15:04:05"), r.Day-10_957, r.Results)
	for flag, on := range map[string]bool{"final": r.Final && !r.Again, "again": r.Again, "provisional": !r.Final} {
		if on {
			line += ", " + flag
		}
	}
	for _, l := range r.Late {
		line += fmt.Sprintf(", late %+d results %+d downs", l.Results, l.Downs)
	}
	if r.Err != nil {
		line += ", " + r.Err.Error()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, line)
}

func (d *diary) want(t *testing.T, want ...string) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	if diff := cmp.Diff(want, d.lines); diff != "" {
		t.Errorf("reports (-want +got):\n%s", diff)
	}
	d.lines = nil
}

// A day is sealed at 00:10, stays sealed, and is sealed again five minutes after late results were first listed; the same
// results once more are no change.
func TestSealerSeals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, d, noon := &ledger.Memory{}, &diary{}, time.Now().Add(12*time.Hour)
		ledgertest.Append(t, store, []ledger.Incoming{ledgertest.Batch(t, 1, 1, upAt(noon, 5_000))}, false)
		s := ledger.NewSealer(ledger.SealerOptions{Store: store, Observe: d.observe})
		defer s.Close(t.Context())
		pass(24*time.Hour + 9*time.Minute)
		d.want(t)
		if st := s.Stats(); st.Waiting != 1 || st.Since != time.Now().Add(-9*time.Minute).UnixMilli() {
			t.Errorf("nine minutes after the day: got %+v, want it waiting since its end", st)
		}
		pass(24 * time.Hour)
		d.want(t, "02 00:10:00 day 0, 1 results, final")

		down := upAt(noon.Add(31*time.Second), 0)
		down.Reason = uptally.ConnectRefused
		ledgertest.Append(t, store, []ledger.Incoming{ledgertest.Batch(t, 1, 2, down, upAt(noon.Add(62*time.Second), 7_000))}, false)
		pass(30 * time.Minute) // it is 00:09 at first, the list of 00:10 sees them
		d.want(t, "03 00:15:00 day 0, 2 results, again, late +2 results +1 downs")
		ledgertest.Append(t, store, []ledger.Incoming{ledgertest.Batch(t, 1, 3, down)}, false)
		s.Ask()
		pass(time.Second)
		d.want(t, "03 00:39:00 day 0, 1 results, again")
		st := s.Stats()
		want := ledger.SealerStats{Final: 1, Again: 2, Results: 4, Late: 1}
		if diff := cmp.Diff(want, st); diff != "" {
			t.Errorf("stats (-want +got):\n%s", diff)
		}
	})
}

// What fails is tried again, later and later, and is told each time; a day that another sealed meanwhile at once.
func TestSealerTriesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		errs := []error{errors.New("disk full"), errors.New("disk full"), ledger.ErrStale, nil}
		store, d := slowLedger{Memory: &ledger.Memory{}}, &diary{}
		store.during = func(context.Context, ledger.Seal) error {
			err := errs[0]
			errs = errs[1:]
			return err
		}
		ledgertest.Append(t, store, []ledger.Incoming{ledgertest.Batch(t, 1, 1, upAt(time.Now(), 5_000))}, false)
		s := ledger.NewSealer(ledger.SealerOptions{Store: store, Observe: d.observe})
		defer s.Close(t.Context())
		pass(25 * time.Hour)
		site := ledgertest.Site.String()
		d.want(t,
			"02 00:10:00 day 0, 1 results, final, seal day 10957 of site "+site+": disk full",
			"02 00:10:10 day 0, 1 results, final, seal day 10957 of site "+site+": disk full",
			"02 00:10:30 day 0, 1 results, final, seal day 10957 of site "+site+": the day was sealed meanwhile",
			"02 00:10:30 day 0, 1 results, final")
		if st := s.Stats(); st.Failed != 2 || st.Stale != 1 || st.Final != 1 || st.Waiting != 0 || !strings.HasSuffix(st.LastError.Error(), "disk full") {
			t.Errorf("got %+v", st)
		}
	})
}

// Close waits for the seal under way; where it may not wait, the seal is given up and has changed nothing.
func TestSealerCloses(t *testing.T) {
	for name, patience := range map[string]time.Duration{"patient": time.Minute, "impatient": time.Second} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := slowLedger{&ledger.Memory{}, func(ctx context.Context, _ ledger.Seal) error {
					select {
					case <-time.After(30 * time.Second):
						return nil
					case <-ctx.Done():
						return ctx.Err()
					}
				}}
				ledgertest.Append(t, store, []ledger.Incoming{ledgertest.Batch(t, 1, 1, upAt(time.Now(), 5_000))}, false)
				s := ledger.NewSealer(ledger.SealerOptions{Store: store})
				pass(24*time.Hour + 10*time.Minute + time.Second) // the seal began a second ago
				begin := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				s.Close(ctx)
				open, _ := store.Open(t.Context())
				wantOpen, wantTook := 0, 29*time.Second
				if patience < wantTook {
					wantOpen, wantTook = 1, patience
				}
				if len(open) != wantOpen || time.Since(begin) != wantTook {
					t.Errorf("got %d days open after %v, want %d after %v", len(open), time.Since(begin), wantOpen, wantTook)
				}
			})
		})
	}
}

// Two servers seal one ledger while results arrive, late ones too; one of them dies every few hours and comes back. No result is
// lost, and heads are those of a ledger that nobody sealed.
func TestTwoServersSealOneLedger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := slowLedger{&ledger.Memory{}, func(ctx context.Context, _ ledger.Seal) error {
			select {
			case <-time.After(20 * time.Second):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}}
		a := ledger.NewSealer(ledger.SealerOptions{Store: store, Server: 1})
		b := ledger.NewSealer(ledger.SealerOptions{Store: store, Server: 2})
		oracle, first, random := &ledger.Memory{}, today(), rand.New(rand.NewPCG(5, 6))
		var stale, sealed uint64
		for seq := range uint64(6 * 24) { // a batch each half hour for three days, of today or of a day before
			at := time.Now().Add(-time.Duration(random.IntN(36)) * time.Hour)
			in := ledgertest.Batch(t, 1, seq+1, upAt(at, 5_000), upAt(at.Add(time.Second), 6_000))
			ledgertest.Append(t, store, []ledger.Incoming{in}, false)
			ledgertest.Append(t, oracle, []ledger.Incoming{in}, false)
			if seq%7 == 0 {
				a.Ask() // at once, and so does the other
				b.Ask()
			}
			pass(30*time.Minute + time.Duration(random.IntN(30))*time.Second)
			if seq%11 == 0 {
				st := a.Stats()
				stale, sealed = stale+st.Stale, sealed+st.Final+st.Again
				dead, cancel := context.WithCancel(t.Context())
				cancel()
				a.Close(dead) // whatever it was doing
				a = ledger.NewSealer(ledger.SealerOptions{Store: store, Server: 1})
			}
		}
		pass(26 * time.Hour)
		for _, s := range []*ledger.Sealer{a, b} {
			st := s.Stats()
			stale, sealed = stale+st.Stale, sealed+st.Final+st.Again
			s.Close(t.Context())
		}
		if stale == 0 || sealed < 20 {
			t.Errorf("got %d seals and %d lost races, want the servers to meet", sealed, stale)
		}
		open, err := store.Open(t.Context())
		if len(open) > 0 || err != nil {
			t.Errorf("got %v, %v, want nothing unsealed", open, err)
		}
		got, want := heads(t, store, first-2, first+9), heads(t, oracle, first-2, first+9)
		if diff := cmp.Diff(want, got); diff != "" || len(got) < 4 {
			t.Errorf("%d heads (-want +got):\n%s", len(got), diff)
		}
	})
}

// heads are the canonical bytes of the heads of the series of the stories.
func heads(t *testing.T, s ledger.Store, from, to int32) [][]byte {
	t.Helper()
	var all [][]byte
	err := s.Heads(t.Context(), ledgertest.Check, ledgertest.Site, from, to, func(h uptally.Head) error {
		data, err := h.AppendBinary(nil)
		all = append(all, data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// The same with real time and goroutines, on each engine that one process can share.
func TestSealersRace(t *testing.T) {
	t.Run("memory", func(t *testing.T) {
		m := &ledger.Memory{}
		ledgertest.RaceSealers(t, m, m)
	})
	t.Run("sqlite", func(t *testing.T) {
		s := open(t, t.TempDir())
		ledgertest.RaceSealers(t, s, s)
	})
	t.Run("postgres", func(t *testing.T) {
		dsn := postgres(t).Fresh(t)
		ledgertest.RaceSealers(t, openPostgres(t, dsn), openPostgres(t, dsn))
	})
}
