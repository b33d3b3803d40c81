package ledger_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/ledger"
	"github.com/uptally/uptally/ledger/ledgertest"
)

// openFor opens a ledger that a test closes itself.
func openFor(t *testing.T, dir string) *ledger.SQLite {
	t.Helper()
	s, err := ledger.Open(dir, ledger.Options{Now: func() int64 { return ledgertest.Start }})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A ledger goes from memory to SQLite, from there into another folder, into PostgreSQL and back into memory, and says the same
// everywhere.
func TestCopyBetweenEngines(t *testing.T) {
	oracle := &ledger.Memory{}
	ledgertest.Small(t, oracle)
	want := verified(t, oracle)
	from := ledger.Carrier(oracle)
	database := openPostgres(t, postgres(t).Fresh(t))
	for i, to := range []ledger.Carrier{open(t, t.TempDir()), open(t, t.TempDir()), database, &ledger.Memory{}} {
		got, err := ledger.Copy(context.Background(), from, to, ledger.CopyOptions{At: 7})
		if err != nil {
			t.Fatalf("copy %d: %v", i, err)
		}
		if err := got.Compare(want); err != nil {
			t.Errorf("copy %d: %v", i, err)
		}
		from = to
	}
	// What comes next in the database has numbers of its own.
	if id, err := database.Record(context.Background(), uptally.Entry{By: "ana", Kind: "cause", Data: []byte(`{"from":1,"to":2,"reason":"x"}`)}); err != nil || id != 3 {
		t.Errorf("record in the copy: got number %d, %v, want 3", id, err)
	}
	sizes, err := database.Tables(context.Background())
	if err != nil || len(sizes) != 17 || sizes[0].Bytes == 0 {
		t.Errorf("tables: got %+v, %v, want 17 with their sizes", sizes, err)
	}
}

// A backup beside a process that goes on writing is the ledger of one moment, and comes back as that.
func TestBackupAndRestore(t *testing.T) {
	ctx := context.Background()
	dir, shelf := t.TempDir(), t.TempDir()
	writer := open(t, dir)
	ledgertest.Small(t, writer)
	want := verified(t, writer)

	reader, err := ledger.OpenReadOnly(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	file := filepath.Join(shelf, "ledger.db")
	b, err := reader.Backup(ctx, file, 77)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Inventory.Compare(want); err != nil {
		t.Error(err)
	}
	ledgertest.Append(t, writer, []ledger.Incoming{ledgertest.Batch(t, 5, 1, ledgertest.Up(7, 1))}, false)

	last, found, err := ledger.LastBackup(dir)
	if err != nil || !found || last != b || last.At != 77 || last.File != file {
		t.Errorf("the newest backup: got %+v, %t, %v, want %+v", last, found, err, b)
	}
	if left, _ := os.ReadDir(shelf); len(left) != 1 {
		t.Errorf("got %v in the folder of the backup, want it alone", left)
	}
	again := fmt.Sprintf("back up ledger %q: got %q, want a file that is not there yet", dir, file)
	if _, err := reader.Backup(ctx, file, 78); err == nil || err.Error() != again {
		t.Errorf("got  %v\nwant %s", err, again)
	}

	back := filepath.Join(t.TempDir(), "data")
	v, err := ledger.Restore(ctx, file, back)
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Compare(want); err != nil {
		t.Error(err)
	}
	restored := open(t, back)
	if err := verified(t, restored).Compare(want); err != nil {
		t.Error(err)
	}
	ledgertest.Append(t, restored, []ledger.Incoming{ledgertest.Batch(t, 5, 1, ledgertest.Up(7, 1))}, false)
	if _, err := ledger.Restore(ctx, file, back); err == nil || !strings.Contains(err.Error(), "writes it already") {
		t.Errorf("restore over a ledger in use: got %v", err)
	}
	kept := fmt.Sprintf("restore ledger from %q: got a folder %q that has ledger.db, want one without a ledger", file, shelf)
	if _, err := ledger.Restore(ctx, file, shelf); err == nil || err.Error() != kept {
		t.Errorf("got  %v\nwant %s", err, kept)
	}
}

// A damaged ledger gives no backup, and a damaged backup no ledger; either names what is damaged and leaves nothing behind.
func TestDamagedBackup(t *testing.T) {
	dir, shelf := t.TempDir(), t.TempDir()
	s := openFor(t, dir)
	ledgertest.Small(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(filepath.Join(dir, "ledger.db"))
	if err != nil {
		t.Fatal(err)
	}
	bad := strings.Replace(string(good), "request", "reqvest", 1)
	if bad == string(good) {
		t.Fatal("got no detail of a failure in the file, want one to damage")
	}
	if err := os.WriteFile(filepath.Join(dir, "ledger.db"), []byte(bad), 0o600); err != nil {
		t.Fatal(err)
	}
	reader, err := ledger.OpenReadOnly(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if _, err := reader.Backup(context.Background(), filepath.Join(shelf, "b.db"), 1); err == nil || !strings.Contains(err.Error(), "table log, site db5fd79b8452baad, day 20425, agent 1") {
		t.Errorf("backup: got %v, want it to name the batch", err)
	}
	if _, found, err := ledger.LastBackup(dir); found || err != nil {
		t.Errorf("the newest backup: got %t, %v, want none", found, err)
	}
	if left, _ := os.ReadDir(shelf); len(left) > 0 {
		t.Errorf("got %v in the folder of the backup, want nothing", left)
	}
	file, back := filepath.Join(shelf, "damaged.db"), filepath.Join(t.TempDir(), "data")
	if err := os.WriteFile(file, []byte(bad), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ledger.Restore(context.Background(), file, back); err == nil || !strings.Contains(err.Error(), "table log, site db5fd79b8452baad, day 20425, agent 1") {
		t.Errorf("restore: got %v, want it to name the batch", err)
	}
	if left, _ := filepath.Glob(filepath.Join(back, "*ledger*")); len(left) > 0 {
		t.Errorf("got %v restored, want nothing", left)
	}
}
