package ledger_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/uptally/uptally/ledger"
	"github.com/uptally/uptally/ledger/ledgertest"
)

// shelved is a batch of the model: what a spool must have.
type shelved struct {
	ledger.Number
	data  []byte
	acked int64 // 0: not
}

// spoolModel is a spool as its docstrings have it, without a file.
type spoolModel struct {
	all       []shelved
	unwritten map[ledger.Number]int64 // the acknowledgements as they stand in the file, of batches that have another
}

// mark sets the acknowledgement of a batch, to be forgotten by a kill until it is written.
func (m *spoolModel) mark(i int, at int64) {
	b := &m.all[i]
	if _, known := m.unwritten[b.Number]; !known {
		m.unwritten[b.Number] = b.acked
	}
	b.acked = at
}

func (m *spoolModel) forget() {
	for i, b := range m.all {
		if was, known := m.unwritten[b.Number]; known {
			m.all[i].acked = was
		}
	}
	clear(m.unwritten)
}

func (m *spoolModel) trim(now int64) {
	const keep = 72 * 3_600_000
	kept := m.all[:0]
	for _, b := range m.all {
		if b.acked == 0 || b.acked > now-keep {
			kept = append(kept, b)
		}
	}
	m.all = kept
}

// check compares a spool with the model.
func (m *spoolModel) check(t *rapid.T, s *ledger.Spool) {
	var ns, order []ledger.Number
	var want [][]byte
	for _, b := range m.all {
		if b.acked == 0 {
			order = append(order, b.Number)
		}
		ns, want = append(ns, b.Number), append(want, b.data)
	}
	if diff := cmp.Diff(order, numbers(s.Pending(ledger.Number{}, 1<<20))); diff != "" {
		t.Fatalf("pending: %s", diff)
	}
	got, unreadable, err := s.Read(context.Background(), ns)
	if err != nil || len(unreadable) > 0 {
		t.Fatalf("got %v unreadable, %v", unreadable, err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatal(diff)
	}
	st := s.Stats()
	if st.Batches != len(m.all) || st.Waiting != len(order) || st.Replaced+st.Aside > 0 || st.Lost > 0 {
		t.Fatalf("got %+v, want %d batches, %d of which wait", st, len(m.all), len(order))
	}
}

// Whatever is appended, acknowledged, unmarked, trimmed, closed and killed in whatever order, a spool has what the model has.
func TestSpoolModel(t *testing.T) {
	if testing.Short() {
		t.Skip("hundreds of openings")
	}
	root := swift(t)
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp(root, "")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		now := int64(ledgertest.Start)
		o := ledger.SpoolOptions{Now: func() int64 { return now }}
		s, err := ledger.OpenSpool(dir, o)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { s.Close() }()
		m := &spoolModel{unwritten: map[ledger.Number]int64{}}
		some := func(t *rapid.T) int { return rapid.IntRange(0, max(0, len(m.all)-1)).Draw(t, "which") }
		reopen := func(t *rapid.T, in string) {
			var err error
			if s, err = ledger.OpenSpool(in, o); err != nil {
				t.Fatal(err)
			}
			m.check(t, s)
		}
		t.Repeat(map[string]func(*rapid.T){
			"append": func(t *rapid.T) {
				kept := map[ledger.Number][]byte{}
				b, err := s.Append(context.Background(), frame(rapid.IntRange(1, 60).Draw(t, "results"), kept))
				if err != nil {
					t.Fatal(err)
				}
				m.all = append(m.all, shelved{Number: b.Number, data: kept[b.Number]})
				clear(m.unwritten)
			},
			"wait":  func(t *rapid.T) { now += rapid.Int64Range(1, 40*3_600_000).Draw(t, "ms") },
			"epoch": func(*rapid.T) { s.BeginEpoch() },
			"mark": func(t *rapid.T) {
				from := some(t)
				var ns []ledger.Number
				for i := from; i < min(len(m.all), from+3); i++ {
					if ns = append(ns, m.all[i].Number); m.all[i].acked == 0 {
						m.mark(i, now)
					}
				}
				s.Mark(ns, now)
			},
			"unmark": func(t *rapid.T) {
				if len(m.all) == 0 {
					return
				}
				epoch, upTo := m.all[some(t)].Epoch, rapid.Uint64Range(1, 3).Draw(t, "taken up to")
				s.Unmark(epoch, [][2]uint64{{1, upTo}})
				for i, b := range m.all {
					if b.Epoch == epoch && b.Seq > upTo && b.acked != 0 {
						m.mark(i, 0)
					}
				}
			},
			"trim": func(t *rapid.T) {
				if err := s.Trim(context.Background(), now); err != nil {
					t.Fatal(err)
				}
				m.trim(now)
				clear(m.unwritten)
			},
			"close": func(t *rapid.T) {
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				clear(m.unwritten)
				reopen(t, dir)
			},
			"kill": func(t *rapid.T) { // its files as they are now, under another process
				killed, err := os.MkdirTemp(root, "")
				if err != nil {
					t.Fatal(err)
				}
				for _, name := range []string{"spool.db", "spool.db-wal"} {
					data, err := os.ReadFile(filepath.Join(dir, name))
					if err == nil {
						err = os.WriteFile(filepath.Join(killed, name), data, 0o600)
					}
					if err != nil {
						t.Fatal(err)
					}
				}
				s.Close()
				os.RemoveAll(dir)
				dir = killed
				m.forget()
				reopen(t, dir)
			},
		})
		m.check(t, s)
	})
}
