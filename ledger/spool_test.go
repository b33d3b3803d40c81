package ledger_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/ledger"
	"github.com/uptally/uptally/ledger/ledgertest"
)

// shelf is a spool and the instant that its clock shows.
type shelf struct {
	*ledger.Spool
	t   *testing.T
	now int64
}

func openShelf(t *testing.T, dir string, o ledger.SpoolOptions) *shelf {
	t.Helper()
	s := &shelf{t: t, now: ledgertest.Start}
	o.Now = func() int64 { return s.now }
	var err error
	if s.Spool, err = ledger.OpenSpool(dir, o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// frame makes a batch of n failures, some 70 bytes each, and keeps its bytes.
func frame(n int, kept map[ledger.Number][]byte) func(ledger.Number) []byte {
	return func(number ledger.Number) []byte {
		b := uptally.Batch{Agent: 1, Epoch: number.Epoch, Seq: number.Seq, Site: ledgertest.Site, Day: ledgertest.Day}
		for i := range int64(n) {
			text := fmt.Sprintf("503 Service Unavailable, batch %d of an epoch and result %d", number.Seq, i)
			b.Results = append(b.Results, ledgertest.Down(int64(number.Seq)*1000%80_000_000+i, uptally.Status, text))
		}
		data, err := b.AppendBinary(nil)
		if err != nil {
			panic(err)
		}
		if kept != nil {
			kept[number] = data
		}
		return data
	}
}

func (s *shelf) append(n int, kept map[ledger.Number][]byte) ledger.Spooled {
	s.t.Helper()
	b, err := s.Append(context.Background(), frame(n, kept))
	if err != nil {
		s.t.Fatal(err)
	}
	return b
}

func numbers(bs []ledger.Spooled) []ledger.Number {
	var ns []ledger.Number
	for _, b := range bs {
		ns = append(ns, b.Number)
	}
	return ns
}

// wantPending compares what waits by number.
func (s *shelf) wantPending(want ...ledger.Number) {
	s.t.Helper()
	if diff := cmp.Diff(want, numbers(s.Pending(ledger.Number{}, 1<<20))); diff != "" {
		s.t.Error("pending: " + diff)
	}
}

func (s *shelf) trim() {
	s.t.Helper()
	if err := s.Trim(context.Background(), s.now); err != nil {
		s.t.Fatal(err)
	}
}

// Numbers count from 1 in the epoch of each start, the order is that of appending, and the bytes come back.
func TestSpoolStory(t *testing.T) {
	dir, kept := t.TempDir(), map[ledger.Number][]byte{}
	s := openShelf(t, dir, ledger.SpoolOptions{})
	a := s.append(1, kept)
	s.now += 1000
	b := s.append(2, kept)
	if a.Seq != 1 || b.Seq != 2 || a.Epoch != b.Epoch || b.At != ledgertest.Start+1000 || b.Bytes != len(kept[b.Number]) {
		t.Errorf("got %+v and %+v", a, b)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openShelf(t, dir, ledger.SpoolOptions{})
	c := s.append(1, kept)
	s.BeginEpoch()
	d := s.append(1, kept)
	if c.Seq != 1 || d.Seq != 1 || c.Epoch == b.Epoch || c.Epoch == d.Epoch {
		t.Errorf("got %+v and %+v after %+v, want new epochs", c, d, b)
	}
	s.wantPending(a.Number, b.Number, c.Number, d.Number)
	if got := s.Pending(b.Number, 1); len(got) != 1 || got[0] != c {
		t.Errorf("got %v, want %v", got, c)
	}
	foreign := ledger.Number{Epoch: 7, Seq: 7}
	got, unreadable, err := s.Read(context.Background(), []ledger.Number{d.Number, foreign, a.Number})
	if err != nil || !slices.Equal(unreadable, []ledger.Number{foreign}) {
		t.Fatalf("got %v unreadable, %v", unreadable, err)
	}
	if diff := cmp.Diff([][]byte{kept[d.Number], kept[a.Number]}, got); diff != "" {
		t.Error(diff)
	}
	want := []ledger.SpoolEpoch{{Epoch: a.Epoch, First: 1, Last: 2}, {Epoch: c.Epoch, First: 1, Last: 1}, {Epoch: d.Epoch, First: 1, Last: 1}}
	if diff := cmp.Diff(want, s.Epochs()); diff != "" {
		t.Error(diff)
	}
	st := s.Stats()
	if st.Batches != 4 || st.Waiting != 4 || st.Oldest != ledgertest.Start || st.Replaced != 0 || st.Bytes <= 0 {
		t.Errorf("got %+v", st)
	}
}

// What was acknowledged stays for the keeping time after its acknowledgement, also over a restart; what was not stays for ever.
func TestSpoolKeeping(t *testing.T) {
	dir, kept := t.TempDir(), map[ledger.Number][]byte{}
	s := openShelf(t, dir, ledger.SpoolOptions{})
	a, b, c := s.append(1, kept), s.append(1, kept), s.append(1, kept)
	s.Mark([]ledger.Number{a.Number, c.Number}, s.now)
	s.wantPending(b.Number)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openShelf(t, dir, ledger.SpoolOptions{})
	s.wantPending(b.Number)
	s.now += 72*3_600_000 - 1
	s.trim()
	if got := s.Stats().Batches; got != 3 {
		t.Errorf("a moment before: got %d batches, want 3", got)
	}
	s.now++
	s.trim()
	if got := s.Stats(); got.Batches != 1 || got.Waiting != 1 {
		t.Errorf("got %+v, want one batch, which waits", got)
	}
	s.wantPending(b.Number)
	s.now += 400 * 24 * 3_600_000
	s.trim()
	s.wantPending(b.Number)
}

// What lies there twice is dropped, acknowledged or not, and stays away; nothing else goes with it.
func TestSpoolDrop(t *testing.T) {
	dir := t.TempDir()
	s := openShelf(t, dir, ledger.SpoolOptions{})
	var ns []ledger.Number
	for range 4 {
		ns = append(ns, s.append(1, nil).Number)
	}
	s.Mark(ns[:1], s.now)
	if err := s.Drop(t.Context(), []ledger.Number{ns[0], ns[2], {Epoch: ns[0].Epoch, Seq: 99}}); err != nil {
		t.Fatal(err)
	}
	s.wantPending(ns[1], ns[3])
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openShelf(t, dir, ledger.SpoolOptions{})
	s.wantPending(ns[1], ns[3])
	if st := s.Stats(); st.Batches != 2 || st.Lost != 0 {
		t.Errorf("got %+v, want two batches and none lost", st)
	}
}

// A server whose ledger comes from a backup has taken less: what it lacks waits again.
func TestSpoolUnmark(t *testing.T) {
	dir, kept := t.TempDir(), map[ledger.Number][]byte{}
	s := openShelf(t, dir, ledger.SpoolOptions{})
	var all []ledger.Number
	for range 6 {
		all = append(all, s.append(1, kept).Number)
	}
	s.Mark(all[:5], s.now)
	s.wantPending(all[5])
	again := s.Unmark(all[0].Epoch, [][2]uint64{{1, 1}, {4, 4}, {9, 12}})
	if diff := cmp.Diff([]ledger.Number{all[1], all[2], all[4]}, numbers(again)); diff != "" {
		t.Error(diff)
	}
	s.wantPending(all[1], all[2], all[4], all[5])
	s.trim() // writes the marks
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	openShelf(t, dir, ledger.SpoolOptions{}).wantPending(all[1], all[2], all[4], all[5])
}

// A restored ledger that has a batch starts its keeping time anew, whether or not the process starts again.
func TestSpoolConfirm(t *testing.T) {
	dir := t.TempDir()
	s := openShelf(t, dir, ledger.SpoolOptions{Keep: time.Hour})
	s.Mark([]ledger.Number{s.append(1, nil).Number}, s.now)
	waits := s.append(1, nil)
	s.now += 59 * 60_000
	s.Confirm(waits.Epoch, s.now)
	s.trim()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openShelf(t, dir, ledger.SpoolOptions{Keep: time.Hour})
	for _, c := range []struct {
		after int64
		want  uint64
	}{{59 * 60_000, 1}, {60*60_000 + 60_000, 2}} {
		s.now = ledgertest.Start + 59*60_000 + c.after
		s.trim()
		if got := s.Epochs()[0].First; got != c.want {
			t.Errorf("%d ms after the confirmation: got first batch %d, want %d", c.after, got, c.want)
		}
	}
	s.wantPending(waits.Number)
}

// The server's incarnation is kept.
func TestSpoolIncarnation(t *testing.T) {
	dir := t.TempDir()
	s := openShelf(t, dir, ledger.SpoolOptions{})
	if err := s.SetIncarnation(context.Background(), 1<<63+5); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got := openShelf(t, dir, ledger.SpoolOptions{}).Incarnation(); got != 1<<63+5 {
		t.Errorf("got %x", got)
	}
}

func TestOpenSpoolRefuses(t *testing.T) {
	dir := t.TempDir()
	openShelf(t, dir, ledger.SpoolOptions{})
	want := fmt.Sprintf("open spool %q: process %d writes it already: stop that one, or read beside it", dir, os.Getpid())
	if _, err := ledger.OpenSpool(dir, ledger.SpoolOptions{}); err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	want = `open spool "x": got a bound of 4096 bytes, want at least 2097152`
	if _, err := ledger.OpenSpool("x", ledger.SpoolOptions{Bound: 4096}); err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

// At its bound a spool gives up the oldest acknowledged batches, then takes no more but in its reserve, and goes on when
// batches are acknowledged.
func TestSpoolBound(t *testing.T) {
	const bound = 3 << 20
	dir := t.TempDir()
	s := openShelf(t, dir, ledger.SpoolOptions{Bound: bound})
	var acked, waiting []ledger.Number
	for range 10 {
		acked = append(acked, s.append(100, nil).Number)
	}
	s.Mark(acked, s.now)
	for {
		b, err := s.Append(context.Background(), frame(100, nil))
		if errors.Is(err, ledger.ErrSpoolFull) {
			break
		}
		if err != nil || len(waiting) > 1000 {
			t.Fatalf("after %d batches: %v", len(waiting), err)
		}
		waiting = append(waiting, b.Number)
	}
	if st := s.Stats(); st.Batches != len(waiting) || st.Waiting != len(waiting) {
		t.Errorf("got %+v, want only the %d batches that wait", st, len(waiting))
	}
	s.wantPending(waiting...)
	reserve := 0
	for ; reserve < 1000; reserve++ {
		if _, err := s.AppendReserve(context.Background(), frame(100, nil)); errors.Is(err, ledger.ErrSpoolFull) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if used := s.Stats(); used.Left != 0 {
		t.Errorf("got %v left, want nothing", used.Left)
	}
	if info, err := os.Stat(filepath.Join(dir, "spool.db")); err != nil || info.Size() > bound {
		t.Errorf("got a file of %d bytes, %v, want at most %d", info.Size(), err, bound)
	}
	if reserve < 50 { // a MiB of batches of 7 to 8 KiB, less what pages leave empty
		t.Errorf("got %d batches into the reserve, want a MiB of them", reserve)
	}
	// the reserve is filled first when room comes back: it takes more than its MiB to append again
	s.Mark(waiting[:200], s.now)
	if _, err := s.Append(context.Background(), frame(100, nil)); err != nil {
		t.Errorf("with room again: %v", err)
	}
	t.Logf("%d batches, then %d in the reserve", len(waiting), reserve)
}

// At one batch of 10 kB a second, a bound of 11 MiB is full 10 MiB ÷ 10 kB/s, some 17 minutes, after its first.
func TestSpoolLeft(t *testing.T) {
	s := openShelf(t, t.TempDir(), ledger.SpoolOptions{Bound: 11 << 20})
	if got := s.Stats().Left; got >= 0 {
		t.Errorf("got %v left of an empty spool, want nothing said", got)
	}
	bytes := 0
	for range 60 {
		s.now += 1000
		bytes += s.append(140, nil).Bytes
	}
	want := time.Duration(float64(10<<20-bytes) / (float64(bytes) / 60) * float64(time.Second))
	if got := s.Stats().Left; got < want*9/10 || got > want {
		t.Errorf("got %v left, want at most a tenth less than %v", got, want)
	}
}

// A file that is no spool is moved aside untouched, and a new one begun.
func TestSpoolNotASpool(t *testing.T) {
	dir := t.TempDir()
	junk := []byte(strings.Repeat("no database, but long enough for one. ", 300))
	if err := os.WriteFile(filepath.Join(dir, "spool.db"), junk, 0o600); err != nil {
		t.Fatal(err)
	}
	s := openShelf(t, dir, ledger.SpoolOptions{})
	s.append(1, nil)
	if st := s.Stats(); st.Replaced != 1 || st.Aside != 1 || st.Cause == nil || st.Lost != 0 {
		t.Errorf("got %+v", st)
	}
	got, err := os.ReadFile(filepath.Join(dir, "spool-aside-20251201T000000.000Z.db"))
	if err != nil || !slices.Equal(got, junk) {
		files, _ := os.ReadDir(dir)
		t.Errorf("got %v and %v, want the file as it was", err, files)
	}
}

// Bytes that are others than those stored are not sent but named, also after the next start, until a server was told. The spool goes
// on in a new file then.
func TestSpoolLostBatch(t *testing.T) {
	dir, kept := t.TempDir(), map[ledger.Number][]byte{}
	s := openShelf(t, dir, ledger.SpoolOptions{})
	a, b, c := s.append(1, kept), s.append(1, kept), s.append(1, kept)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "spool.db")
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := strings.Index(string(file), string(kept[b.Number]))
	file[at+30] ^= 1
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		s = openShelf(t, dir, ledger.SpoolOptions{})
		s.wantPending(a.Number, c.Number)
		epochs := s.Epochs()
		want := ledger.SpoolEpoch{Epoch: a.Epoch, First: 1, Last: 3, Lost: [][2]uint64{{2, 2}}}
		if diff := cmp.Diff(want, epochs[0]); diff != "" {
			t.Error(diff)
		}
		if _, unreadable, err := s.Read(context.Background(), []ledger.Number{b.Number}); err != nil || len(unreadable) != 1 {
			t.Errorf("got %v unreadable, %v", unreadable, err)
		}
		if st := s.Stats(); st.Lost != 1 || st.Aside != 1 {
			t.Errorf("got %+v", st)
		}
		s.Close()
	}
	s = openShelf(t, dir, ledger.SpoolOptions{})
	if err := s.Told(context.Background(), s.Epochs()); err != nil {
		t.Fatal(err)
	}
	s.Close()
	s = openShelf(t, dir, ledger.SpoolOptions{})
	if st := s.Stats(); st.Lost != 0 || st.Waiting != 2 {
		t.Errorf("got %+v, want nothing to tell", st)
	}
}

// Nothing of a file can be read any more while it is in use: not even what was in it. The numbers that were in memory are told as lost.
func TestSpoolLostAllOfAFile(t *testing.T) {
	dir := t.TempDir()
	s := openShelf(t, dir, ledger.SpoolOptions{})
	var ns []ledger.Number
	for range 60 { // more than SQLite keeps in memory
		ns = append(ns, s.append(1_000, nil).Number)
	}
	f, err := os.OpenFile(filepath.Join(dir, "spool.db"), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(bytes.Repeat([]byte{0xff}, int(info.Size()))); err != nil {
		t.Fatal(err)
	}
	if _, unreadable, err := s.Read(t.Context(), ns[:1]); err != nil || len(unreadable) != 1 {
		t.Fatalf("got %v unreadable, %v, want the first", unreadable, err)
	}
	for range 2 {
		if st := s.Stats(); st.Waiting+int(st.Lost) != len(ns) || st.Lost == 0 {
			t.Errorf("got %+v, want each of %d batches waiting or lost", st, len(ns))
		}
		s.Close()
		s = openShelf(t, dir, ledger.SpoolOptions{})
	}
}
