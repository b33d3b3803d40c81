package ledger_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/uptally/uptally/ledger"
)

// The environment that makes this test binary a process that does nothing but append to a spool.
const (
	spoolDir   = "UPTALLY_TEST_SPOOL_DIR"
	spoolCount = "UPTALLY_TEST_SPOOL_COUNT" // empty: until it is killed
)

// spoolForever appends batches and prints the number of each once Append has returned. Some are acknowledged, and old ones
// go. An error is printed and the next batch tried.
func spoolForever(dir, countText string) error {
	runtime.LockOSThread() // strace counts system calls by thread
	count, err := strconv.Atoi(countText)
	if err != nil {
		count = 1 << 40
	}
	s, err := ledger.OpenSpool(dir, ledger.SpoolOptions{Keep: time.Hour})
	if err != nil {
		return err
	}
	for i := range count {
		b, err := s.Append(context.Background(), frame(1+i%40, nil))
		if err != nil {
			fmt.Println("error:", err)
			continue
		}
		fmt.Println(b.Number)
		if i%7 == 0 {
			s.Mark([]ledger.Number{b.Number}, b.At)
		}
	}
	return s.Close()
}

func spoolCommand(t *testing.T, dir, count string, wrap ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	args := append(wrap, self)
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), spoolDir+"="+dir, spoolCount+"="+count)
	cmd.Stderr = os.Stderr
	return cmd
}

// acknowledgedBy reads the numbers that a process printed, and calls first after the first of them.
func acknowledgedBy(t *testing.T, out io.Reader, first func()) (ns []ledger.Number, errs []string) {
	t.Helper()
	for lines := bufio.NewReader(out); ; {
		line, err := lines.ReadString('\n')
		if err != nil { // a line without its end was no acknowledgement
			return ns, errs
		}
		if text, ok := strings.CutPrefix(line, "error: "); ok {
			errs = append(errs, strings.TrimSpace(text))
			continue
		}
		var n ledger.Number
		if _, err := fmt.Sscanf(line, "%x/%d\n", &n.Epoch, &n.Seq); err != nil {
			t.Fatalf("got %q: %v", line, err)
		}
		if ns = append(ns, n); len(ns) == 1 && first != nil {
			first()
		}
	}
}

// wantAll opens a spool and demands that it reads every batch, and returns how often it says that it was replaced.
func wantAll(t *testing.T, dir string, ns []ledger.Number) *ledger.Spool {
	t.Helper()
	s, err := ledger.OpenSpool(dir, ledger.SpoolOptions{})
	if err != nil {
		t.Fatal(err)
	}
	_, unreadable, err := s.Read(context.Background(), ns)
	if err != nil || len(unreadable) > 0 {
		t.Fatalf("of %d batches whose append had returned %v cannot be read: %v", len(ns), unreadable, err)
	}
	return s
}

// Every batch whose Append returned is there after kill -9 at any moment, and no file was taken for damaged.
func TestSpoolKillLoop(t *testing.T) {
	runs := 20
	switch {
	case testing.Short():
		runs = 5
	case soaking():
		runs = 200
	}
	dir := t.TempDir()
	var all []ledger.Number
	for run := range runs {
		cmd := spoolCommand(t, dir, "")
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ns, errs := acknowledgedBy(t, out, func() {
			time.AfterFunc(time.Duration(rand.IntN(50_000))*time.Microsecond, func() { cmd.Process.Kill() })
		})
		var exit *exec.ExitError
		if err := cmd.Wait(); !errors.As(err, &exit) || exit.Exited() || len(errs) > 0 {
			t.Fatalf("run %d: got %v, %q, want an end by SIGKILL", run, err, errs)
		}
		all = append(all, ns...)
		s := wantAll(t, dir, all)
		if st := s.Stats(); st.Replaced+st.Aside > 0 || st.Lost > 0 {
			t.Fatalf("run %d: got %+v, want nothing damaged", run, st)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d kills, %d appends had returned, all found", runs, len(all))
}

// Between one return of Append and the next the process has had an fsync or fdatasync succeed.
func TestSpoolSyncs(t *testing.T) {
	trace := filepath.Join(t.TempDir(), "trace")
	cmd := spoolCommand(t, t.TempDir(), "60", strace(t), "-f", "-qq", "-e", "trace=fsync,fdatasync,write", "-e", "signal=none", "-o", trace)
	out, err := cmd.Output()
	if err != nil || strings.Count(string(out), "\n") != 60 {
		t.Fatalf("got %q, %v, want 60 acknowledgements", out, err)
	}
	wantSyncedWrites(t, trace, 60)
}

// After a failed fsync the file is left as it is: the batch goes into a new one, with all that the old one had, and work goes on
// under a new epoch.
func TestSpoolFailedSync(t *testing.T) {
	for _, when := range []string{"12", "20", "31"} { // single failures: the next fsync would succeed
		dir := t.TempDir()
		fault := "inject=fsync,fdatasync:error=EIO:when=" + when
		cmd := spoolCommand(t, dir, "40", strace(t), "-f", "-qq", "-e", "trace=fsync,fdatasync", "-e", fault, "-o", os.DevNull)
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		ns, errs := acknowledgedBy(t, strings.NewReader(string(out)), nil)
		if len(ns) != 40 || len(errs) > 0 || ns[0].Epoch == ns[39].Epoch {
			t.Fatalf("when=%s: got %v and %q, want 40 numbers of two epochs", when, ns, errs)
		}
		s := wantAll(t, dir, ns)
		if st := s.Stats(); st.Aside != 1 || st.Lost > 0 {
			t.Errorf("when=%s: got %+v, want one file moved aside and nothing lost", when, st)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// While every fsync fails no append returns, and what had been stored before is there.
func TestSpoolDeadDisk(t *testing.T) {
	dir := t.TempDir()
	cmd := spoolCommand(t, dir, "30", strace(t), "-f", "-qq", "-e", "trace=fsync,fdatasync", "-e", "inject=fsync,fdatasync:error=EIO:when=20+", "-o", os.DevNull)
	out, _ := cmd.Output() // closing fails too
	ns, errs := acknowledgedBy(t, strings.NewReader(string(out)), nil)
	if len(ns) == 0 || len(errs) == 0 || len(ns)+len(errs) != 30 {
		t.Fatalf("got %v and %q, want numbers, then errors", ns, errs)
	}
	want := fmt.Sprintf("append to spool %q: replace the file, of which disk I/O error", dir)
	if !strings.HasPrefix(errs[0], want) {
		t.Errorf("got  %s\nwant %s…", errs[0], want)
	}
	wantAll(t, dir, ns).Close()
}
