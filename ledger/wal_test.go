package ledger_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/uptally/uptally/ledger"
	"github.com/uptally/uptally/ledger/ledgertest"
)

// image is the files of a ledger as a crash leaves them.
type image struct{ file, wal []byte }

// write puts an image into a folder of its own.
func (i image) write(t *testing.T, dir string) {
	t.Helper()
	if err := os.RemoveAll(filepath.Join(dir, "ledger.db-shm")); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"ledger.db": i.file, "ledger.db-wal": i.wal} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// crashImage is a ledger with batches 1 to n of an epoch, none of them out of the WAL yet, and what it says after each.
func crashImage(t *testing.T, n int) (i image, said []ledger.Inventory) {
	t.Helper()
	dir := t.TempDir()
	if err := openFor(t, dir).Close(); err != nil { // the tables are in the file
		t.Fatal(err)
	}
	s := open(t, dir)
	said = append(said, verified(t, s))
	for seq := 1; seq <= n; seq++ {
		ledgertest.Append(t, s, []ledger.Incoming{ledgertest.Batch(t, 1, uint64(seq), ledgertest.Up(int64(seq)*31_000, 12), ledgertest.Up(int64(seq)*31_000+1_000, 13))}, false)
		said = append(said, verified(t, s))
	}
	var err error
	if i.file, err = os.ReadFile(filepath.Join(dir, "ledger.db")); err != nil {
		t.Fatal(err)
	}
	if i.wal, err = os.ReadFile(filepath.Join(dir, "ledger.db-wal")); err != nil {
		t.Fatal(err)
	}
	return i, said
}

// A copy of both files as a crash leaves them has every batch that was acknowledged, read-only and for writing.
func TestCrashImage(t *testing.T) {
	i, said := crashImage(t, 8)
	if alone := (image{i.file, nil}); len(i.wal) == 0 || slices.Contains(said[1:], inventoryOf(t, alone)) {
		t.Fatal("got the batches in the file, want them in the WAL alone")
	}
	if got := inventoryOf(t, i); got != said[8] {
		t.Errorf("read-only: %v", got.Compare(said[8]))
	}
	dir := t.TempDir()
	i.write(t, dir)
	if got := verified(t, open(t, dir)); got != said[8] {
		t.Errorf("for writing: %v", got.Compare(said[8]))
	}
}

// inventoryOf opens an image and demands that all in it is sound.
func inventoryOf(t *testing.T, i image) ledger.Inventory {
	t.Helper()
	dir := t.TempDir()
	i.write(t, dir)
	s, err := ledger.OpenReadOnly(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	return verified(t, s)
}

// Damage in the WAL cuts off what was committed after it, and alters nothing: what is left is what the ledger said after some of the
// commits. Nobody notices here; the numbers of the batches tell.
func TestDamagedWALIsCut(t *testing.T) {
	i, said := crashImage(t, 8)
	stride := 4_999 // a page and its header are 16,408 bytes
	if os.Getenv("UPTALLY_SOAK") != "" {
		stride = 97
	}
	after := map[int]int{}
	for at := 0; at < len(i.wal); at += stride {
		damaged := image{i.file, bytes.Clone(i.wal)}
		damaged.wal[at] ^= 0xff
		got := inventoryOf(t, damaged)
		n := slices.Index(said, got)
		if n < 0 {
			t.Fatalf("byte %d of the WAL: got %+v, want what the ledger said after one of its commits", at, got)
		}
		after[n]++
	}
	if after[0] == 0 || len(after) < 5 {
		t.Errorf("got what was said after commits %v, want the cut at many of them", after)
	}
}
