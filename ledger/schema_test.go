package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/ledger"
	"github.com/uptally/uptally/ledger/ledgertest"
)

// schema1Ledger makes a ledger as the first schema had it, with the batches, a plan, names and an entry.
func schema1Ledger(t *testing.T, in ...ledger.Incoming) (dir string) {
	t.Helper()
	dir = t.TempDir()
	ddl, err := os.ReadFile(filepath.Join("testdata", "schema1.sql"))
	if err != nil {
		t.Fatal(err)
	}
	db := raw(t, dir)
	db.SetMaxOpenConns(1) // the page size is that of the connection that makes the file
	execute(t, db, "PRAGMA page_size = 16384")
	execute(t, db, "PRAGMA journal_mode = WAL")
	execute(t, db, string(ddl))
	execute(t, db, "PRAGMA user_version = 1")
	insert := func(query string, args ...any) {
		if _, err := db.Exec(query, args...); err != nil {
			t.Fatal(err)
		}
	}
	insert(`INSERT INTO name VALUES ('series', 0, ?)`, fmt.Sprintf("%v %v", ledgertest.Check, ledgertest.Site))
	for _, b := range in {
		crc, _ := uptally.CRC(b.Data)
		var held any
		if b.Held != "" {
			held = b.Held
		}
		insert(`INSERT INTO log VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, int64(b.Batch.Site), b.Batch.Day, int64(b.Batch.Agent), int64(b.Batch.Epoch),
			int64(b.Batch.Seq), crc, ledgertest.Start, len(b.Batch.Results), held, b.Data)
		for _, r := range b.Batch.Results {
			if r.Reason != uptally.OK && held == nil {
				insert(`INSERT INTO fail VALUES (0, ?, ?, ?, ?, ?, ?)`, r.At, int64(r.Digest()), r.Late, uint8(r.Reason), r.RTT, r.Detail)
			}
		}
	}
	p := ledgertest.Plan(5)
	insert(`INSERT INTO plan VALUES (?, 5, ?, ?)`, int64(uptally.IDOf(p.Check)), int64(p.Digest()), uptally.AppendPlan(nil, p))
	insert(`INSERT INTO name VALUES ('check', ?, ?)`, int64(uptally.IDOf(p.Check)), p.Check)
	insert(`INSERT INTO entry (recorded_at, by, kind, data) VALUES (7, 'ana', 'cause', '{}')`)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// A ledger of the first schema is carried over: what it holds is read, counted and sealed.
func TestOldLedger(t *testing.T) {
	held := ledgertest.Batch(t, 1, 3, ledgertest.Up(93_000, 1))
	held.Held = "check is not known here"
	in := []ledger.Incoming{
		ledgertest.Batch(t, 1, 1, ledgertest.Up(0, 10), ledgertest.Down(31_000, uptally.Status, "503")),
		ledgertest.Batch(t, 1, 2, ledgertest.Up(62_000, 11)), held,
	}
	dir, want := schema1Ledger(t, in...), &ledger.Memory{}
	if _, err := ledger.OpenReadOnly(dir); err == nil || !strings.HasSuffix(err.Error(), "got schema 1, want 3: open it for writing once") {
		t.Errorf("read-only: got %v", err)
	}
	ledgertest.Append(t, want, in, false, false, false)
	s := open(t, dir)
	ledgertest.SameSeries(t, want, s, ledgertest.Series(), ledgertest.Day, ledgertest.Day+1)
	ledgertest.Append(t, s, in, true, true, true)
	ledgertest.SealDay(t, s, 9, true)
	ledgertest.SameSeries(t, want, s, ledgertest.Series(), ledgertest.Day, ledgertest.Day+1)
	ctx := context.Background()
	ps, err := s.Plans(ctx, "portal-home")
	if diff := cmp.Diff([]uptally.Plan{ledgertest.Plan(5)}, ps); err != nil || diff != "" {
		t.Errorf("plans: %v %s", err, diff)
	}
	names, err := s.Names(ctx, "check")
	if diff := cmp.Diff([]string{"portal-home"}, names); err != nil || diff != "" {
		t.Errorf("names: %v %s", err, diff)
	}
	es, err := s.Entries(ctx, 7)
	if diff := cmp.Diff([]uptally.Entry{{ID: 1, RecordedAt: 7, By: "ana", Kind: "cause", Data: []byte("{}")}}, es); err != nil || diff != "" {
		t.Errorf("entries: %v %s", err, diff)
	}
	left := 0
	if err := s.Batches(ctx, func(ledger.Incoming) error { left++; return nil }); err != nil || left != 1 {
		t.Errorf("got %d batches in the log, %v, want the one that is held", left, err)
	}
}

// A table under another declaration than it was made with is not read.
func TestForgedSchema(t *testing.T) {
	dir := t.TempDir()
	if err := open(t, dir).Close(); err != nil {
		t.Fatal(err)
	}
	db := raw(t, dir)
	execute(t, db, `DROP TABLE reseal`)
	execute(t, db, `CREATE TABLE reseal (site INTEGER)`)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	for name, open := range map[string]func() (*ledger.SQLite, error){
		"write": func() (*ledger.SQLite, error) { return ledger.Open(dir, ledger.Options{}) },
		"read":  func() (*ledger.SQLite, error) { return ledger.OpenReadOnly(dir) },
	} {
		want := fmt.Sprintf("open ledger %q: read schema: got other tables than were made", dir)
		if _, err := open(); err == nil || err.Error() != want || !errors.Is(err, uptally.ErrDamaged) {
			t.Errorf("%s: got  %v\nwant %s", name, err, want)
		}
	}
}
