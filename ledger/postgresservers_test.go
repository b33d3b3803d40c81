package ledger_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/ledger"
	"github.com/uptally/uptally/ledger/ledgertest"
)

// The environment that makes this test binary a server over a database: it appends and seals until it is killed, or told
// to end by the end of its input.
const (
	serverDSN   = "UPTALLY_TEST_SERVER_DSN"
	serverEpoch = "UPTALLY_TEST_SERVER_EPOCH"
)

// serve appends batches 1, 2, 3… of an epoch, each again and again until it is acknowledged, and prints its number then.
// Meanwhile it seals whatever is open, for good or not.
func serve(dsn, epochText string) error {
	epoch, err := strconv.ParseUint(epochText, 10, 64)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	p, err := ledger.OpenPostgres(ctx, dsn, ledger.Options{})
	if err != nil {
		return err
	}
	var sealing sync.WaitGroup
	sealing.Go(func() { sealOpen(ctx, p) })
	for seq := uint64(1); ctx.Err() == nil; {
		if _, err := p.Append(ctx, []ledger.Incoming{serverBatch(epoch, seq)}); err != nil {
			fmt.Println("error:", err)
			<-time.After(50 * time.Millisecond)
			continue
		}
		fmt.Println(seq)
		seq++
	}
	sealing.Wait()
	return p.Close()
}

// sealOpen seals days, every other time for good, until ctx ends. What fails is tried again: another server may have been first.
func sealOpen(ctx context.Context, p *ledger.Postgres) {
	for n := 0; ctx.Err() == nil; n++ {
		open, err := p.Open(ctx)
		if err != nil {
			fmt.Println("error:", err)
		}
		for _, o := range open {
			if _, err := ledger.SealDay(ctx, p, o.SiteDay, time.Now().UnixMilli(), n%2 == 1); err != nil {
				fmt.Println("error:", err)
			}
		}
		<-time.After(20 * time.Millisecond)
	}
}

// serverSites are where serverBatch comes from.
var serverSites = []uptally.ID{uptally.IDOf("fra1"), uptally.IDOf("ams1")}

// serverBatch is the batch of a number: ten results of three checks, one of them down, at instants that no other batch has.
func serverBatch(epoch, seq uint64) ledger.Incoming {
	b := uptally.Batch{Agent: 1, Epoch: epoch, Seq: seq, Site: serverSites[seq/3%2], Day: ledgertest.Day + int32(seq%3)}
	for i := range int64(10) {
		r := ledgertest.Up(int64(seq%3)*uptally.DayMillis+int64(epoch)*200_000+int64(seq)*20+i, 1_000+i)
		if i == 7 {
			r = ledgertest.Down(r.At-ledgertest.Start, uptally.Status, "503")
		}
		r.Check, r.Site = r.Check+uptally.ID(i%3), b.Site
		b.Results = append(b.Results, r)
	}
	slices.SortFunc(b.Results, uptally.Result.Compare)
	data, err := b.AppendBinary(nil)
	if err != nil {
		panic(err)
	}
	return ledger.Incoming{Batch: b, Data: data}
}

// serverProcess is a running server and what it acknowledged.
type serverProcess struct {
	epoch int
	cmd   *exec.Cmd
	input io.Closer
	done  chan struct{} // closed at the end of its output

	mu     sync.Mutex
	last   int
	errors []string
	more   chan struct{} // has one when last has grown
}

func startServer(t *testing.T, dsn string, epoch int) *serverProcess {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s := &serverProcess{epoch: epoch, cmd: exec.Command(self), done: make(chan struct{}), more: make(chan struct{}, 1)}
	s.cmd.Env = append(os.Environ(), serverDSN+"="+dsn, serverEpoch+"="+strconv.Itoa(epoch))
	s.cmd.Stderr = os.Stderr
	in, errIn := s.cmd.StdinPipe()
	out, errOut := s.cmd.StdoutPipe()
	if errIn != nil || errOut != nil {
		t.Fatal(errIn, errOut)
	}
	s.input = in
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.kill)
	go s.read(out)
	return s
}

// read notes acknowledgements; a line without its end was none.
func (s *serverProcess) read(out io.Reader) {
	defer close(s.done)
	for lines := bufio.NewReader(out); ; {
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimSpace(line)
		n, err := strconv.Atoi(line)
		s.mu.Lock()
		if err != nil {
			s.errors = append(s.errors, line)
		} else {
			s.last = n
			select {
			case s.more <- struct{}{}:
			default:
			}
		}
		s.mu.Unlock()
	}
}

func (s *serverProcess) acknowledged() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last
}

// until waits for so many acknowledgements.
func (s *serverProcess) until(t *testing.T, n int, within time.Duration) {
	t.Helper()
	deadline := time.After(within)
	for s.acknowledged() < n {
		select {
		case <-s.more:
		case <-s.done:
			t.Fatalf("server %d ended after %d acknowledgements, want %d", s.epoch, s.acknowledged(), n)
		case <-deadline:
			s.mu.Lock()
			t.Fatalf("server %d: got %d acknowledgements within %v, want %d; errors: %q", s.epoch, s.last, within, n, s.errors)
		}
	}
}

// kill ends the process as kill -9 does.
func (s *serverProcess) kill() {
	s.cmd.Process.Kill()
	<-s.done
	s.cmd.Wait()
}

// end lets it end in order.
func (s *serverProcess) end(t *testing.T) {
	t.Helper()
	s.input.Close()
	<-s.done
	if err := s.cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// wantServed demands every acknowledged batch of the servers. Then it sends again what was acknowledged and the one batch of each
// that was not, seals what is open, and demands the heads, days and failures of one server that nobody disturbed.
func wantServed(t *testing.T, dsn string, servers ...*serverProcess) {
	t.Helper()
	p, oracle := openPostgres(t, dsn), &ledger.Memory{}
	have, total := storedSlots(t, p), 0
	for _, s := range servers {
		for seq := 1; seq <= s.acknowledged()+1; seq++ {
			in := serverBatch(uint64(s.epoch), uint64(seq))
			for _, r := range in.Batch.Results {
				if seq <= s.acknowledged() && !have[r.Slot] {
					t.Fatalf("server %d: batch %d was acknowledged and is not there", s.epoch, seq)
				}
			}
			for _, store := range []ledger.Store{p, oracle} {
				if _, err := store.Append(t.Context(), []ledger.Incoming{in}); err != nil {
					t.Fatal(err)
				}
			}
		}
		total += s.acknowledged()
	}
	if total == 0 {
		t.Fatal("got no acknowledgement at all")
	}
	open, err := p.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range open {
		if _, err := ledger.SealDay(t.Context(), p, o.SiteDay, ledgertest.Start, true); err != nil {
			t.Fatal(err)
		}
	}
	sameDays(t, oracle, p)
	t.Logf("%d batches acknowledged, all there", total)
}

// storedSlots are the slots that have a result.
func storedSlots(t *testing.T, p *ledger.Postgres) map[uptally.Slot]bool {
	t.Helper()
	slots := map[uptally.Slot]bool{}
	all, err := p.Series(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, of := range all {
		days, err := p.Days(t.Context(), of.Check, of.Site, ledgertest.Day, ledgertest.Day+9)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range days {
			for r := range d.Results() {
				slots[r.Slot] = true
			}
		}
	}
	return slots
}

// sameDays demands the same bytes of heads and bodies, and the same failures, of every series.
func sameDays(t *testing.T, want, got ledger.Store) {
	t.Helper()
	all, err := want.Series(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	have, err := got.Series(t.Context())
	if diff := cmp.Diff(all, have); err != nil || diff != "" {
		t.Fatalf("series: %v %s", err, diff)
	}
	for _, of := range all {
		if !bytes.Equal(dayBytes(t, want, of), dayBytes(t, got, of)) {
			t.Errorf("check %v at site %v: got other days or failures than of one server", of.Check, of.Site)
		}
	}
}

func dayBytes(t *testing.T, s ledger.Store, of ledger.Series) []byte {
	t.Helper()
	var all []byte
	days, err := s.Days(t.Context(), of.Check, of.Site, ledgertest.Day-9, ledgertest.Day+9)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range days {
		if all, err = d.AppendHead(all); err != nil {
			t.Fatal(err)
		}
		all = d.AppendBody(all)
	}
	heads, err := ledgertest.Heads(t.Context(), s, of.Check, of.Site, ledgertest.Day-9, ledgertest.Day+9)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range heads {
		all = append(all, h.Digest[:]...)
	}
	failures, err := s.Failures(t.Context(), of.Check, of.Site, ledgertest.Start, ledgertest.Start+9*uptally.DayMillis)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Appendf(all, "%v", failures)
}
