package ledger_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/ledger"
	"github.com/uptally/uptally/ledger/ledgertest"
)

// raw opens the file of a ledger behind its back.
func raw(t *testing.T, dir string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(dir, "ledger.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func execute(t *testing.T, db *sql.DB, query string) {
	t.Helper()
	if _, err := db.Exec(query); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

// column returns a query's one column as text.
func column(t *testing.T, db *sql.DB, query string) []string {
	t.Helper()
	rows, err := db.Query(query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	var texts []string
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			t.Fatal(err)
		}
		texts = append(texts, text)
	}
	return texts
}

func TestSchema(t *testing.T) {
	dir := t.TempDir()
	open(t, dir)
	db := raw(t, dir)
	want := []string{"admission", "body", "dropped", "entry", "fail", "head", "incarnation", "log", "name", "open", "plan", "reseal", "seal", "seen", "statement", "tally"}
	if diff := cmp.Diff(want, column(t, db, `SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name`)); diff != "" {
		t.Errorf("tables: %s", diff)
	}
	for query, want := range map[string]string{"PRAGMA page_size": "16384", "PRAGMA journal_mode": "wal", "PRAGMA user_version": "3"} {
		if got := column(t, db, query)[0]; got != want {
			t.Errorf("%s: got %s, want %s", query, got, want)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Run("second writer", func(t *testing.T) {
		dir := t.TempDir()
		open(t, dir)
		want := fmt.Sprintf("open ledger %q: process %d writes it already: stop that one, or read beside it", dir, os.Getpid())
		if _, err := ledger.Open(dir, ledger.Options{}); err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	})
	t.Run("newer schema", func(t *testing.T) {
		dir := t.TempDir()
		if err := open(t, dir).Close(); err != nil {
			t.Fatal(err)
		}
		execute(t, raw(t, dir), "PRAGMA user_version = 7")
		want := fmt.Sprintf("open ledger %q: got schema 7, want at most 3: a newer uptally wrote it", dir)
		if _, err := ledger.Open(dir, ledger.Options{}); err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
		if _, err := ledger.OpenReadOnly(dir); err == nil || err.Error() != want {
			t.Errorf("read-only: got  %v\nwant %s", err, want)
		}
	})
	t.Run("migration that fails halfway", func(t *testing.T) {
		dir := t.TempDir()
		db := raw(t, dir)
		execute(t, db, "PRAGMA page_size = 16384")
		execute(t, db, "CREATE TABLE plan (other INTEGER)") // the sixth of nine tables
		if _, err := ledger.Open(dir, ledger.Options{}); err == nil || !strings.Contains(err.Error(), "migrate to schema 1: ") {
			t.Errorf("got %v", err)
		}
		if diff := cmp.Diff([]string{"plan"}, column(t, db, `SELECT name FROM sqlite_master ORDER BY name`)); diff != "" {
			t.Errorf("tables: %s", diff)
		}
		if got := column(t, db, "PRAGMA user_version"); got[0] != "0" {
			t.Errorf("got schema %s, want 0", got[0])
		}
	})
	t.Run("not a ledger", func(t *testing.T) {
		dir := t.TempDir()
		junk := []byte(strings.Repeat("no database, but long enough for one. ", 100))
		if err := os.WriteFile(filepath.Join(dir, "ledger.db"), junk, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ledger.Open(dir, ledger.Options{}); err == nil {
			t.Error("got no error, want one")
		}
		if got, err := os.ReadFile(filepath.Join(dir, "ledger.db")); err != nil || !slices.Equal(got, junk) {
			t.Errorf("the file was changed: %v", err)
		}
	})
	t.Run("nothing to read", func(t *testing.T) {
		dir := t.TempDir()
		if _, err := ledger.OpenReadOnly(dir); err == nil {
			t.Error("got no error, want one")
		}
		if files, _ := os.ReadDir(dir); len(files) > 0 {
			t.Errorf("got %v made, want nothing", files)
		}
	})
}

// The folder is free again after Close, and odd letters in its name are just letters.
func TestOpenAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "a ?mode=memory&b%41#c")
	b := ledgertest.Batch(t, 1, 1, ledgertest.Up(0, 10))
	for _, dup := range []bool{false, true} {
		s, err := ledger.Open(dir, ledger.Options{})
		if err != nil {
			t.Fatal(err)
		}
		ledgertest.Append(t, s, []ledger.Incoming{b}, dup)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 2 { // ledger.db and lock: a clean end leaves no WAL
		t.Errorf("got %v, %v, want ledger.db and lock", files, err)
	}
}

func TestReaderBesideWriter(t *testing.T) {
	dir := t.TempDir()
	w := open(t, dir)
	r, err := ledger.OpenReadOnly(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	ctx := context.Background()
	for seq := range uint64(200) { // past several checkpoints
		ledgertest.Append(t, w, []ledger.Incoming{ledgertest.Batch(t, 1, seq+1, ledgertest.Down(int64(seq), uptally.Status, "503"))}, false)
		days, err := r.Days(ctx, ledgertest.Check, ledgertest.Site, ledgertest.Day, ledgertest.Day+1)
		if err != nil || len(days) != 1 || days[0].Len() != int(seq)+1 {
			t.Fatalf("after %d batches: got %v, %v", seq+1, days, err)
		}
	}
	if fs, err := r.Failures(ctx, ledgertest.Check, ledgertest.Site, ledgertest.Start, ledgertest.Start+200); err != nil || len(fs) != 200 {
		t.Errorf("got %d failures, %v, want 200", len(fs), err)
	}
	want := fmt.Sprintf("append batches: the ledger %q is not open for writing", dir)
	if _, err := r.Append(ctx, nil); err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

// `uptally statement` reads the ledger of a process that has ended.
func TestReaderAlone(t *testing.T) {
	dir := t.TempDir()
	w := open(t, dir)
	ledgertest.Append(t, w, []ledger.Incoming{ledgertest.Batch(t, 1, 1, ledgertest.Up(0, 10))}, false)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := ledger.OpenReadOnly(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	days, err := r.Days(context.Background(), ledgertest.Check, ledgertest.Site, ledgertest.Day, ledgertest.Day+1)
	if err != nil || len(days) != 1 {
		t.Errorf("got %v, %v, want one day", days, err)
	}
	open(t, dir) // a reader is not in the way of a writer
}

// Three flipped bytes in the file pass SQLite's own check: the batch's CRC finds them, and nothing is counted.
func TestDamagedRow(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	ledgertest.Append(t, s, []ledger.Incoming{ledgertest.Batch(t, 1, 1, ledgertest.Up(0, 10))}, false)
	execute(t, raw(t, dir), `UPDATE log SET data = CAST(substr(data, 1, 20) || x'ffffff' || substr(data, 24) AS BLOB)`)
	_, err := s.Days(context.Background(), ledgertest.Check, ledgertest.Site, ledgertest.Day, ledgertest.Day+1)
	want := fmt.Sprintf("read check %v at site %v: read table log, site %[2]v, day 20423, agent 1, epoch 1, seq 1: decode batch: checksum differs",
		ledgertest.Check, ledgertest.Site)
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestHeldIsKept(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	b := ledgertest.Batch(t, 1, 1, ledgertest.Up(0, 10))
	b.Held = "check is not known here"
	ledgertest.Append(t, s, []ledger.Incoming{b}, false)
	got := column(t, raw(t, dir), `SELECT held || ' ' || n || ' ' || received || ' ' || hex(data) FROM log`)
	want := fmt.Sprintf("check is not known here 1 %d %X", ledgertest.Start, b.Data)
	if len(got) != 1 || got[0] != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A transaction that fails halfway leaves nothing: no row but the number of the series, which is given before.
func TestFailedAppendLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	db := raw(t, dir)
	execute(t, db, `CREATE TRIGGER refuse BEFORE INSERT ON log WHEN NEW.seq = 2 BEGIN SELECT RAISE(ABORT, 'refused by the test'); END`)
	a := ledgertest.Batch(t, 1, 1, ledgertest.Down(0, uptally.Status, "503"))
	b := ledgertest.Batch(t, 1, 2, ledgertest.Up(31_000, 10))
	if _, err := s.Append(context.Background(), []ledger.Incoming{a, b}); err == nil || !strings.Contains(err.Error(), "refused by the test") {
		t.Fatalf("got %v", err)
	}
	for _, table := range []string{"log", "fail", "open"} {
		if got := column(t, db, "SELECT count(*) FROM "+table); got[0] != "0" {
			t.Errorf("%s: got %s rows, want 0", table, got[0])
		}
	}
	execute(t, db, `DROP TRIGGER refuse`)
	ledgertest.Append(t, s, []ledger.Incoming{a, b}, false, false)
	fs, err := s.Failures(context.Background(), ledgertest.Check, ledgertest.Site, ledgertest.Start, ledgertest.Start+1)
	if diff := cmp.Diff(a.Batch.Results, fs); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
}

// Blocks of sixteen numbers belong to one site each, also after the ledger was opened again.
func TestSeriesBlocks(t *testing.T) {
	dir := t.TempDir()
	for i := range 60 {
		s, err := ledger.Open(dir, ledger.Options{})
		if err != nil {
			t.Fatal(err)
		}
		r := ledgertest.Down(int64(i), uptally.Status, "")
		r.Site = uptally.ID(i%3 + 1)
		r.Check = uptally.ID(i)
		ledgertest.Append(t, s, []ledger.Incoming{ledgertest.Batch(t, 1, uint64(i+1), r)}, false)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	// 20 checks at each of 3 sites: 2 blocks a site, the second begun when the first was full
	got := column(t, raw(t, dir), `SELECT (id / 16) || ' site ' || CAST(substr(text, 33) AS INTEGER) || ' holds ' || count(*)
		FROM name WHERE kind = 'series' GROUP BY id / 16, substr(text, 33) ORDER BY id / 16`)
	want := []string{"0 site 1 holds 16", "1 site 2 holds 16", "2 site 3 holds 16", "3 site 1 holds 4", "4 site 2 holds 4", "5 site 3 holds 4"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Two names with one ID cannot be made in a lifetime, so the older one is forged.
func TestNameOfKnownID(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	execute(t, raw(t, dir), fmt.Sprintf(`INSERT INTO name VALUES ('check', %d, 'other')`, int64(ledgertest.Check)))
	want := `record check name "portal-home": its ID stands for "other" already`
	if err := s.AddName(context.Background(), "check", "portal-home"); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// A reading sees every batch that was acknowledged before it began, however many days are kept in memory.
func TestDaysWhileAppending(t *testing.T) {
	s := open(t, t.TempDir())
	var acknowledged atomic.Int64
	var wg sync.WaitGroup
	wg.Go(func() {
		for seq := range uint64(100) {
			ledgertest.Append(t, s, []ledger.Incoming{ledgertest.Batch(t, 1, seq+1, ledgertest.Up(int64(seq), 10))}, false)
			acknowledged.Add(1)
		}
	})
	for range 3 {
		wg.Go(func() {
			for least := int64(0); least < 100; {
				least = acknowledged.Load()
				days, err := s.Days(context.Background(), ledgertest.Check, ledgertest.Site, ledgertest.Day, ledgertest.Day+1)
				if err != nil || least > 0 && int64(days[0].Len()) < least {
					t.Errorf("got %v, %v, want at least %d results", days, err, least)
					return
				}
			}
		})
	}
	wg.Wait()
}
