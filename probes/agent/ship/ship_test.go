package ship_test

import (
	"testing"
	"testing/synctest"
	"time"
)

// What is appended is in the ledger a moment later, once, and acknowledged in the spool.
func TestShip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newCenter(t).enrol()
		s := begin(t, m, t.TempDir())
		for range 3 {
			s.append()
		}
		time.Sleep(time.Second)
		if got := m.batches(); len(got) != 3 {
			t.Errorf("got %v, want 3 batches", got)
		}
		st := s.Stats()
		if st.Spool.Waiting != 0 || st.Acknowledged != 3 || st.Spool.Batches != 3 {
			t.Errorf("got %+v", st)
		}
		s.end()
	})
}
