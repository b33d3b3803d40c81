package ledger_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/uptally/uptally/ledger"
)

// soaking says that the long loops are wanted.
func soaking() bool { return os.Getenv("UPTALLY_SOAK") != "" }

// swift returns a folder in memory where there is one: thousands of openings, none of them about fsync.
func swift(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "uptally")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// small is a spool of a few pages, closed or as a killed process leaves it: three epochs, one of them only in the WAL, batches that were acknowledged, one that takes
// pages of its own, and free pages.
type small struct {
	files   map[string][]byte // spool.db and, where it was not closed, spool.db-wal
	kept    map[ledger.Number][]byte
	waiting []ledger.Number
	trimmed map[ledger.Number]bool
}

func makeSmall(t *testing.T, closed bool) small {
	t.Helper()
	dir := t.TempDir()
	f := small{files: map[string][]byte{}, kept: map[ledger.Number][]byte{}, trimmed: map[ledger.Number]bool{}}
	s := openShelf(t, dir, ledger.SpoolOptions{})
	big := s.append(60, f.kept)
	s.Mark([]ledger.Number{big.Number}, s.now)
	for range 6 {
		s.append(1, f.kept)
	}
	s.now += 73 * 3_600_000
	s.trim()
	delete(f.kept, big.Number)
	f.trimmed[big.Number] = true
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openShelf(t, dir, ledger.SpoolOptions{})
	a, b := s.append(1, f.kept), s.append(50, f.kept)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openShelf(t, dir, ledger.SpoolOptions{})
	s.Mark([]ledger.Number{a.Number, b.Number}, s.now)
	for range 3 {
		s.append(1, f.kept)
	}
	f.waiting = numbers(s.Pending(ledger.Number{}, 100))
	if closed {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"spool.db", "spool.db-wal"} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if closed && os.IsNotExist(err) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		f.files[name] = data
	}
	return f
}

// fault is what happened to one of the files.
type fault struct {
	name string
	at   int
	cut  bool // else the byte is another
}

func (f fault) String() string {
	if f.cut {
		return fmt.Sprintf("%s cut off at %d", f.name, f.at)
	}
	return fmt.Sprintf("%s flipped at %d", f.name, f.at)
}

// faults are every byte and every length of both files, or one in step of them.
func (f small) faults(step int) []fault {
	var all []fault
	for name, data := range f.files {
		for at := 0; at < len(data); at++ {
			if at%step == 0 || at < 100 || at%(1<<12) < 12 && step < 1000 {
				all = append(all, fault{name, at, false})
			}
			if at%step == step/2 {
				all = append(all, fault{name, at, true})
			}
		}
	}
	return all
}

// outcome is what a fault did.
type outcome struct {
	replaced bool
	lost     int // numbers reported
	tail     int // batches that nobody knows of: the last ones of an epoch
}

// suffer opens a spool with the fault and checks what it says.
func (f small) suffer(dir string, x fault) (o outcome, err error) {
	if err := os.RemoveAll(dir); err != nil {
		return o, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return o, err
	}
	for name, data := range f.files {
		if name == x.name && x.cut {
			data = data[:x.at]
		} else if name == x.name {
			data = append([]byte(nil), data...)
			data[x.at] ^= byte(1 + x.at*37%255)
		}
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			return o, err
		}
	}
	s, err := ledger.OpenSpool(dir, ledger.SpoolOptions{})
	if err != nil {
		return o, err
	}
	defer s.Close()
	o, err = f.judge(s, x)
	if err != nil {
		return o, err
	}
	if _, err := s.Append(context.Background(), frame(40, nil)); err != nil {
		return o, err
	}
	return o, nil
}

// judge demands that each batch is read as it was, or reported as lost, or was the last of its epoch, in the WAL or a part that was cut off;
// that what waited waits; and that nothing is reported that is there.
func (f small) judge(s *ledger.Spool, x fault) (o outcome, err error) {
	last, lost := map[uint64]uint64{}, map[ledger.Number]bool{}
	for _, e := range s.Epochs() {
		last[e.Epoch] = e.Last
		for _, r := range e.Lost {
			for seq := r[0]; seq <= r[1]; seq++ {
				n := ledger.Number{Epoch: e.Epoch, Seq: seq}
				if _, known := f.kept[n]; !known && !f.trimmed[n] {
					return o, fmt.Errorf("batch %v is reported as lost and never was", n)
				}
				lost[n] = true
			}
		}
	}
	pending := map[ledger.Number]bool{}
	for _, b := range s.Pending(ledger.Number{}, 1000) {
		pending[b.Number] = true
	}
	readable := map[ledger.Number]bool{}
	for n, want := range f.kept {
		got, _, err := s.Read(context.Background(), []ledger.Number{n})
		switch {
		case err != nil:
			return o, err
		case len(got) == 1 && string(got[0]) != string(want):
			return o, fmt.Errorf("batch %v reads as other bytes", n)
		case len(got) == 1 && lost[n]:
			return o, fmt.Errorf("batch %v is there and reported as lost", n)
		case len(got) == 1:
			readable[n] = true
		case lost[n]:
			o.lost++
		case n.Seq > last[n.Epoch] && (x.cut || x.name == "spool.db-wal"):
			o.tail++
		default:
			return o, fmt.Errorf("batch %v is gone and nobody says so", n)
		}
	}
	for _, n := range f.waiting {
		if readable[n] && !pending[n] {
			return o, fmt.Errorf("batch %v does not wait any more", n)
		}
	}
	o.replaced = s.Stats().Replaced > 0
	return o, nil
}

// Whatever byte of a small spool is another, and wherever either of its files is cut off, it opens; what can be read is what
// was stored; what is lost is reported.
func TestSpoolByteFaults(t *testing.T) {
	step := 197
	if testing.Short() {
		step = 1999
	}
	if soaking() {
		step = 1
	}
	for _, c := range []struct {
		name   string
		closed bool
	}{{"closed", true}, {"killed", false}} {
		t.Run(c.name, func(t *testing.T) { sufferAll(t, makeSmall(t, c.closed), step) })
	}
}

func sufferAll(t *testing.T, f small, step int) {
	root, faults := swift(t), f.faults(step)
	var next atomic.Int64
	var wg sync.WaitGroup
	var mu sync.Mutex
	var replaced, lost, most, tails, cuts int
	for w := range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(faults)) && !t.Failed(); i = next.Add(1) - 1 {
				o, err := f.suffer(filepath.Join(root, fmt.Sprint(w)), faults[i])
				if err != nil {
					t.Errorf("%v: %v", faults[i], err)
				}
				mu.Lock()
				if o.replaced {
					replaced++
				}
				if lost += o.lost; faults[i].cut {
					cuts += o.tail
				} else {
					tails += o.tail
					most = max(most, o.lost+o.tail)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if most > 3 { // a page's
		t.Errorf("got %d batches lost by one flipped byte, want at most those of a page", most)
	}
	t.Logf("%d faults in files of %d and %d bytes with %d batches: replaced %d times; %d batches lost and reported, at most %d by a byte; "+
		"nobody knew of %d that flips and %d that cuts took off the end",
		len(faults), len(f.files["spool.db"]), len(f.files["spool.db-wal"]), len(f.kept), replaced, lost, most, tails, cuts)
}
