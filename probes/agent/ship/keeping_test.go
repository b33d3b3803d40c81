package ship_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/uptally/uptally/ledger"
	"github.com/uptally/uptally/probes/agent/ship"
)

// An agent's clock is wrong by more than the keeping time, while it runs or at a start, and the ledger is restored afterwards from a
// backup of before: all that was acknowledged within the keeping time is still there to be sent again.
func TestKeepingWithWrongClocks(t *testing.T) {
	const wrong = 73 * time.Hour
	for _, c := range []struct {
		name              string
		first, then, jump time.Duration // the agent's clock less the server's: of the start that delivers, of the one after it, and what its spool's does while it runs
		confirmed         bool          // a ledger that has all was restored once before, and said so to the first start
	}{
		{"right", 0, 0, 0, false},
		{"jumps ahead", 0, 0, wrong, false},
		{"ahead at the next start", 0, wrong, 0, false},
		{"ahead at both", wrong, wrong, 0, false},
		{"was behind when it delivered", -wrong, 0, 0, false},
		{"was behind when a restored ledger confirmed it", -wrong, 0, 0, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			in(t, func(t *testing.T, m *member) {
				dir := t.TempDir()
				var off, jump atomic.Int64 // in ns
				off.Store(int64(c.first))
				now := func() time.Time { return time.Now().Add(time.Duration(off.Load())) }
				wall := func(o *ship.Options) {
					o.Now = now
					o.Open = func() (*ledger.Spool, error) {
						return ledger.OpenSpool(dir, ledger.SpoolOptions{Now: func() int64 { return now().Add(time.Duration(jump.Load())).UnixMilli() }})
					}
				}
				backup := m.store.at.Load().Clone()
				s := begin(t, m, dir, wall)
				for range 3 {
					s.append()
					pass(time.Second)
				}
				jump.Store(int64(c.jump))
				pass(2 * time.Minute)
				s.delivered(3)
				if c.confirmed {
					again := m.store.at.Load().Clone()
					if _, err := again.Reincarnate(t.Context(), incarnation(t, again), "restored"); err != nil {
						t.Fatal(err)
					}
					m.store.at.Store(again)
					pass(2 * time.Minute)
				}
				s.end()
				off.Store(int64(c.then))
				s = begin(t, m, dir, wall)
				defer s.end()
				pass(2 * time.Minute)
				if _, err := backup.Reincarnate(t.Context(), incarnation(t, backup), "restored"); err != nil {
					t.Fatal(err)
				}
				m.store.at.Store(backup)
				pass(2 * time.Minute)
				s.delivered(3)
			})
		})
	}
}

// What was acknowledged goes when the keeping time is over, also where the agent's clock is wrong, if later.
func TestKeepingEnds(t *testing.T) {
	for _, off := range []time.Duration{0, time.Hour, -time.Hour} {
		in(t, func(t *testing.T, m *member) {
			dir := t.TempDir()
			s := begin(t, m, dir, keeps(dir, 6*time.Hour), func(o *ship.Options) { o.Now = func() time.Time { return time.Now().Add(off) } })
			defer s.end()
			pass(time.Second)
			s.append()
			pass(6*time.Hour - time.Minute)
			if st := s.Stats().Spool; st.Batches != 1 {
				t.Errorf("clock off by %v: got %d batches within the keeping time, want one", off, st.Batches)
			}
			pass(off.Abs() + 2*time.Minute)
			if st := s.Stats().Spool; st.Batches != 0 {
				t.Errorf("clock off by %v: got %d batches after the keeping time, want none", off, st.Batches)
			}
		})
	}
}
