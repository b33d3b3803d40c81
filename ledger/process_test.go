package ledger_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/ledger"
	"github.com/uptally/uptally/ledger/ledgertest"
)

// The environment that makes this test binary a process that does nothing but append.
const (
	ingestDir   = "UPTALLY_TEST_INGEST_DIR"
	ingestEpoch = "UPTALLY_TEST_INGEST_EPOCH"
	ingestCount = "UPTALLY_TEST_INGEST_COUNT" // empty: until it is killed
	ingestSeal  = "UPTALLY_TEST_INGEST_SEAL"  // not empty: seal all the while
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(ingestDir); dir != "" {
		if err := ingest(dir, os.Getenv(ingestEpoch), os.Getenv(ingestCount)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if dsn := os.Getenv(serverDSN); dsn != "" {
		if err := serve(dsn, os.Getenv(serverEpoch)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if dir := os.Getenv(spoolDir); dir != "" {
		if err := spoolForever(dir, os.Getenv(spoolCount)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	code := m.Run()
	stopPostgres()
	os.Exit(code)
}

// ingest appends batches 1, 2, 3… of an epoch and prints each number once it is acknowledged. An error of Append is
// printed and the next batch tried.
func ingest(dir, epochText, countText string) error {
	runtime.LockOSThread() // strace counts system calls by thread
	epoch, err := strconv.ParseUint(epochText, 10, 64)
	if err != nil {
		return err
	}
	count, err := strconv.ParseUint(countText, 10, 64)
	if err != nil {
		count = 1 << 40
	}
	s, err := ledger.Open(dir, ledger.Options{})
	if err != nil {
		return err
	}
	if os.Getenv(ingestSeal) != "" {
		go sealAll(s)
	}
	for seq := uint64(1); seq <= count; seq++ {
		if _, err := s.Append(context.Background(), []ledger.Incoming{numbered(epoch, seq)}); err != nil {
			fmt.Println("error:", err)
			continue
		}
		fmt.Println(seq)
	}
	if err := s.Close(); err != nil {
		fmt.Println("error:", err)
	}
	return nil
}

// sealAll seals the day of the batches over and over, sometimes for good.
func sealAll(s *ledger.SQLite) {
	day := ledger.SiteDay{Site: ledgertest.Site, Day: ledgertest.Day}
	for at := int64(1); ; at++ {
		if _, err := ledger.SealDay(context.Background(), s, day, at, at%5 == 0); err != nil {
			fmt.Println("error:", err)
		}
	}
}

// numbered is the batch of a number: one failure at an instant that tells the number.
func numbered(epoch, seq uint64) ledger.Incoming {
	b := uptally.Batch{
		Agent: 1, Epoch: epoch, Seq: seq, Site: ledgertest.Site, Day: ledgertest.Day,
		Results: []uptally.Result{ledgertest.Down(int64(epoch*100_000+seq), uptally.Status, "503")},
	}
	data, err := b.AppendBinary(nil)
	if err != nil {
		panic(err)
	}
	return ledger.Incoming{Batch: b, Data: data}
}

func ingestCommand(t *testing.T, dir string, epoch int, count string, wrap ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	args := append(wrap, self)
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), ingestDir+"="+dir, ingestEpoch+"="+strconv.Itoa(epoch), ingestCount+"="+count)
	cmd.Stderr = os.Stderr
	return cmd
}

// Every batch whose Append returned is there after kill -9 at any moment, sealed or not, and the ledger opens clean. (A kill does not
// test fsync: TestSyncBeforeAcknowledgement does.)
func TestKillLoop(t *testing.T) {
	runs := 100
	if testing.Short() {
		runs = 10
	}
	dir, total := t.TempDir(), 0
	acknowledged := map[int64]bool{}
	t.Setenv(ingestSeal, "1")
	for run := range runs {
		n := killOnce(t, dir, run)
		total += n
		for seq := 1; seq <= n; seq++ {
			acknowledged[ledgertest.Start+int64(run*100_000+seq)] = true
		}
		for _, at := range storedInstants(t, dir) {
			acknowledged[at] = false
		}
		for at, missing := range acknowledged {
			if missing {
				t.Fatalf("run %d: the batch of %d was acknowledged and is not there", run, at)
			}
		}
	}
	rev := wantSealedAsOnce(t, dir)
	if rev < int64(runs*9/10) { // a kill may come before the first
		t.Errorf("got revision %d, want seals in nearly all of %d runs", rev, runs)
	}
	t.Logf("%d runs, %d batches acknowledged, all found, sealed %d times", runs, total, rev)
}

// wantSealedAsOnce demands that the day is the one that all its results make that were never sealed, and returns
// its revision.
func wantSealedAsOnce(t *testing.T, dir string) (rev int64) {
	t.Helper()
	s, want := open(t, dir), &ledger.Memory{}
	fs, err := s.Failures(t.Context(), ledgertest.Check, ledgertest.Site, ledgertest.Start, ledgertest.Start+uptally.DayMillis)
	if err != nil {
		t.Fatal(err)
	}
	for seq, stretch := range slices.Collect(slices.Chunk(fs, 1000)) {
		ledgertest.Append(t, want, []ledger.Incoming{ledgertest.Batch(t, 9, uint64(seq+1), stretch...)}, false)
	}
	ledgertest.SameSeries(t, want, s, ledgertest.Series(), ledgertest.Day, ledgertest.Day+1)
	day := ledger.SiteDay{Site: ledgertest.Site, Day: ledgertest.Day}
	if _, err := ledger.SealDay(t.Context(), s, day, 1, true); err != nil {
		t.Fatal(err)
	}
	ledgertest.SameSeries(t, want, s, ledgertest.Series(), ledgertest.Day, ledgertest.Day+1)
	u, err := s.Unsealed(t.Context(), day)
	if err != nil {
		t.Fatal(err)
	}
	return u.Rev
}

// killOnce runs a process that appends, kills it at a random moment and returns the last number it acknowledged.
func killOnce(t *testing.T, dir string, epoch int) int {
	cmd := ingestCommand(t, dir, epoch, "")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	last, lines := 0, bufio.NewReader(out)
	for {
		line, err := lines.ReadString('\n')
		if err != nil { // a line without its end was no acknowledgement
			break
		}
		if last == 0 {
			time.AfterFunc(time.Duration(rand.IntN(30_000))*time.Microsecond, func() { cmd.Process.Kill() })
		}
		if last, err = strconv.Atoi(strings.TrimSpace(line)); err != nil {
			t.Fatalf("run %d: %v", epoch, err)
		}
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.Exited() {
		t.Fatalf("run %d: got %v, want an end by SIGKILL", epoch, err)
	}
	return last
}

// storedInstants opens the ledger for writing, as a restart does, and reads what it holds.
func storedInstants(t *testing.T, dir string) []int64 {
	t.Helper()
	s, err := ledger.Open(dir, ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	days, err := s.Days(context.Background(), ledgertest.Check, ledgertest.Site, ledgertest.Day, ledgertest.Day+1)
	if err != nil {
		t.Fatal(err)
	}
	var ats []int64
	for _, d := range days {
		for r := range d.Results() {
			ats = append(ats, r.At)
		}
	}
	fs, err := s.Failures(context.Background(), ledgertest.Check, ledgertest.Site, ledgertest.Start, ledgertest.Start+uptally.DayMillis)
	if err != nil || len(fs) != len(ats) {
		t.Fatalf("got %d failures, %v, want %d, as many as results", len(fs), err, len(ats))
	}
	return ats
}

// strace returns the path of strace, or skips.
func strace(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("strace")
	if err != nil && os.Getenv("UPTALLY_REQUIRE_PEERS") == "" {
		t.Skip("strace is not installed")
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// Between one acknowledgement and the next the process has had an fsync or fdatasync succeed: what is acknowledged is on
// stable storage.
func TestSyncBeforeAcknowledgement(t *testing.T) {
	trace := filepath.Join(t.TempDir(), "trace")
	cmd := ingestCommand(t, t.TempDir(), 1, "50", strace(t), "-f", "-qq", "-e", "trace=fsync,fdatasync,write", "-e", "signal=none", "-o", trace)
	out, err := cmd.Output()
	if err != nil || strings.Count(string(out), "\n") != 50 {
		t.Fatalf("got %q, %v, want 50 acknowledgements", out, err)
	}
	wantSyncedWrites(t, trace, 50)
}

// wantSyncedWrites demands of a trace that a sync succeeded before each of so many writes to the standard output.
func wantSyncedWrites(t *testing.T, trace string, want int) {
	t.Helper()
	text, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	synced := regexp.MustCompile(`(fsync|fdatasync).*= 0$`) // whole, or the line where it resumed and ended
	syncs, all, acknowledged := 0, 0, 0
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		switch {
		case synced.MatchString(line):
			syncs++
			all++
		case strings.Contains(line, " write(1, "):
			acknowledged++
			if syncs == 0 {
				t.Errorf("acknowledgement %d: got no fsync since the one before, want at least one", acknowledged)
			}
			syncs = 0
		}
	}
	if acknowledged != want {
		t.Errorf("got %d acknowledgements in the trace, want %d", acknowledged, want)
	}
	t.Logf("%d syncs, opening and closing included, for %d commits", all, acknowledged)
}

// After a failed fsync nothing is acknowledged any more, and what was acknowledged before is there.
func TestFailedSyncStopsWriting(t *testing.T) {
	for _, when := range []string{"15", "20", "31"} { // single failures: the next fsync would succeed
		dir := t.TempDir()
		fault := "inject=fsync,fdatasync:error=EIO:when=" + when
		cmd := ingestCommand(t, dir, 1, "30", strace(t), "-f", "-qq", "-e", "trace=fsync,fdatasync", "-e", fault, "-o", os.DevNull)
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		acknowledged := 0
		for i, line := range lines {
			if n, err := strconv.Atoi(line); err == nil && n == i+1 {
				acknowledged = n
			}
		}
		if acknowledged == 0 || acknowledged == 30 || acknowledged != strings.Count(string(out), "\n")-strings.Count(string(out), "error:") {
			t.Fatalf("when=%s: got %q, want numbers, then errors only", when, out)
		}
		want := fmt.Sprintf("error: append batches: the ledger %q takes nothing more since a write failed: ", dir)
		if got := lines[acknowledged+1]; !strings.HasPrefix(got, want) {
			t.Errorf("when=%s: got %q, want %q", when, got, want)
		}
		if got := len(storedInstants(t, dir)); got < acknowledged {
			t.Errorf("when=%s: %d acknowledged, %d found", when, acknowledged, got)
		}
	}
}
