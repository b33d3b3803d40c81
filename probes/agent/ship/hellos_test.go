package ship_test

import (
	"database/sql"
	"encoding/json"
	"path/filepath"
	"testing"
	"time"

	"github.com/uptally/uptally"
)

// loses makes a spool that nobody has open know of so many numbers of an epoch that it lost, each apart from the next: 3, 5, 7 and so on.
func loses(t *testing.T, dir string, epoch uint64, n uint64) {
	t.Helper()
	var lost [][2]uint64
	for i := range n {
		lost = append(lost, [2]uint64{2*i + 3, 2*i + 3})
	}
	memo, err := json.Marshal(map[string]any{"lost": map[uint64][][2]uint64{epoch: lost}})
	if err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", filepath.Join(dir, "spool.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(`INSERT OR REPLACE INTO memo (id, data) VALUES (1, ?)`, uptally.AppendCRC(memo, 0)); err != nil {
		t.Fatal(err)
	}
}

// A spool lost every second batch for a day. What it lost takes more than one hello may hold: all of it is told, and what waits is delivered.
func TestHelloOfManyLosses(t *testing.T) {
	const many = 43_200
	in(t, func(t *testing.T, m *member) {
		dir := t.TempDir()
		s := begin(t, m, dir)
		first := s.append()
		pass(time.Second)
		s.end()
		loses(t, dir, first.Epoch, many)
		s = begin(t, m, dir)
		defer s.end()
		s.append()
		pass(time.Minute)
		s.delivered(2)
		if st := s.Stats(); st.Spool.Lost != 0 || st.Failures.TooLarge != 0 {
			t.Errorf("got %+v, want nothing that is not told, and no request that was too large", st)
		}
		if got := m.agents.Stats().Agents[0].Gone; got != many {
			t.Errorf("got %d batches gone, want %d", got, many)
		}
	})
}
