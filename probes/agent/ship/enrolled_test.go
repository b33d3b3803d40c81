package ship_test

import (
	"testing"
	"time"

	"github.com/uptally/uptally/ledger"
	"github.com/uptally/uptally/probes/agent/ship"
)

// keeps is a spool that keeps what was acknowledged for a time of its own.
func keeps(dir string, keep time.Duration) func(*ship.Options) {
	return func(o *ship.Options) {
		o.Open = func() (*ledger.Spool, error) { return ledger.OpenSpool(dir, ledger.SpoolOptions{Keep: keep}) }
	}
}

// An agent had delivered for longer than its keeping time, so that the first of its batches are gone from the spool, and was enrolled
// again. Nothing is lost, and nobody is told that it was.
func TestEnrolledAgainAfterTrimming(t *testing.T) {
	in(t, func(t *testing.T, m *member) {
		dir := t.TempDir()
		s := begin(t, m, dir, keeps(dir, 10*time.Minute))
		for range 4 {
			s.append()
			pass(6 * time.Minute)
		}
		if st := s.Stats().Spool; st.Batches >= 4 {
			t.Fatalf("got %d batches, want the first of them trimmed", st.Batches)
		}
		s.end()
		again := m.enrol()
		s = begin(t, again, dir, keeps(dir, 10*time.Minute))
		s.append()
		pass(time.Minute)
		if got := again.slots(); got != 5 {
			t.Errorf("got %d results, want all five", got)
		}
		s.end()
		for _, a := range m.agents.Stats().Agents {
			if a.Gone != 0 {
				t.Errorf("agent %x: got %d batches gone, want none", a.ID, a.Gone)
			}
		}
		if n := m.log.count("batches are lost"); n != 0 {
			t.Errorf("got %d words of lost batches, want none", n)
		}
	})
}

// What an agent took over of the one before it delivers once, however often it is started while it keeps it.
func TestEnrolledAgainAndStartedAgain(t *testing.T) {
	in(t, func(t *testing.T, m *member) {
		dir := t.TempDir()
		s := begin(t, m, dir)
		for range 3 {
			s.append()
			pass(time.Second)
		}
		s.end()
		again := m.enrol()
		for range 3 {
			s = begin(t, again, dir)
			pass(2 * time.Minute)
			if st := s.Stats().Spool; st.Batches != 3 || st.Waiting != 0 {
				t.Errorf("got %d batches in the spool, %d waiting, want the three taken over and no copies", st.Batches, st.Waiting)
			}
			s.end()
		}
		if got := len(again.batches()); got != 6 {
			t.Errorf("got %d batches in the ledger, want three of each agent", got)
		}
	})
}
