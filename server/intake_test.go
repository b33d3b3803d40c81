package server_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/ledger"
	"github.com/uptally/uptally/ledger/ledgertest"
	"github.com/uptally/uptally/server"
)

// appender is a function that appends.
type appender func(in []ledger.Incoming) ([]bool, error)

func (f appender) Append(_ context.Context, in []ledger.Incoming) ([]bool, error) { return f(in) }

// start returns an intake over a store that knows the series of ledgertest, at the start of its day.
func start(t *testing.T, store server.Appender) *server.Intake {
	return server.New(server.Options{
		Store: store,
		Known: func(check, site uptally.ID) bool { return check == ledgertest.Check && site == ledgertest.Site },
		Now:   func() int64 { return ledgertest.Start },
		Log:   slog.New(slog.DiscardHandler),
	})
}

func TestAccept(t *testing.T) {
	up := ledgertest.Up(0, 10)
	stranger := up
	stranger.Check = 7
	elsewhere := up
	elsewhere.Site = 8
	late := up
	late.Late = server.MaxAhead + 1
	for _, c := range []struct {
		name string
		in   ledger.Incoming
		held string
	}{
		{"counts", ledgertest.Batch(t, 1, 1, up), ""},
		{"old", ledgertest.Batch(t, 1, 1, ledgertest.Up(-400*uptally.DayMillis, 10)), ""},
		{"10 min ahead", ledgertest.Batch(t, 1, 1, ledgertest.Up(600_000, 10)), ""},
		{"more than 10 min ahead", ledgertest.Batch(t, 1, 1, up, ledgertest.Up(600_001, 10)), "result of 2025-12-01T00:10:00.001Z is more than 10m ahead of the server's clock"},
		{"sent ahead", ledgertest.Batch(t, 1, 1, late), "result of 2025-12-01T00:10:00.001Z is more than 10m ahead of the server's clock"},
		{"unknown check", ledgertest.Batch(t, 1, 1, up, stranger), "check 0000000000000007 at site 68bdb695919ddcfa was never planned here"},
		{"unknown site", ledgertest.Batch(t, 1, 1, elsewhere), "check 91391e26af788579 at site 0000000000000008 was never planned here"},
	} {
		synctest.Test(t, func(t *testing.T) {
			store := &ledger.Memory{}
			in := start(t, store)
			for _, dup := range []bool{false, true} {
				got, err := in.Accept(t.Context(), c.in.Data)
				if diff := cmp.Diff(server.Receipt{Dup: dup, Held: c.held}, got); err != nil || diff != "" {
					t.Errorf("%s: %v %s", c.name, err, diff)
				}
			}
			in.Close()
			days, err := store.Days(t.Context(), ledgertest.Check, ledgertest.Site, ledgertest.Day-500, ledgertest.Day+1)
			if counted := len(days) == 1; err != nil || counted != (c.held == "") {
				t.Errorf("%s: got days %v, %v, want held %q", c.name, days, err, c.held)
			}
		})
	}
}

func TestAcceptRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := start(t, appender(func([]ledger.Incoming) ([]bool, error) {
			t.Error("got a batch appended, want none")
			return nil, errors.New("never")
		}))
		good := ledgertest.Batch(t, 1, 1, ledgertest.Up(0, 10)).Data
		bad := slices.Clone(good)
		bad[20] ^= 1
		for _, data := range [][]byte{nil, good[:len(good)-1], bad} {
			if _, err := in.Accept(t.Context(), data); !errors.Is(err, uptally.ErrDamaged) || err.Error() != "accept batch: decode batch: checksum differs" {
				t.Errorf("got %v, want %v", err, uptally.ErrDamaged)
			}
		}
		long := make([]byte, uptally.MaxBatch+1)
		if _, err := in.Accept(t.Context(), long); err == nil || err.Error() != "accept batch: decode batch: got 262145 bytes, want at most 262144" {
			t.Errorf("got %v", err)
		}
		if diff := cmp.Diff(server.Stats{Refused: 4}, in.Stats()); diff != "" {
			t.Error(diff)
		}
		in.Close()
	})
}

// Fifty agents at once cost one transaction, after 20 ms.
func TestJoin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := start(t, &ledger.Memory{})
		began := time.Now()
		var wg sync.WaitGroup
		for seq := range uint64(50) {
			wg.Go(func() {
				if _, err := in.Accept(t.Context(), ledgertest.Batch(t, 1, seq+1, ledgertest.Up(int64(seq), 10)).Data); err != nil {
					t.Error(err)
				}
				if waited := time.Since(began); waited != 20*time.Millisecond {
					t.Errorf("waited %v, want 20ms", waited)
				}
			})
		}
		wg.Wait()
		if diff := cmp.Diff(server.Stats{Batches: 50, Results: 50, Commits: 1, LastAt: ledgertest.Start}, in.Stats()); diff != "" {
			t.Error(diff)
		}
		in.Close()
	})
}

// Five batches of 1,000 results fill a transaction: it does not wait.
func TestJoinIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := start(t, &ledger.Memory{})
		began := time.Now()
		var wg sync.WaitGroup
		for seq := range uint64(5) {
			var rs []uptally.Result
			for i := range int64(1_000) {
				rs = append(rs, ledgertest.Up(i*31_000+int64(seq), 10))
			}
			data := bigBatch(t, seq+1, rs)
			wg.Go(func() {
				if _, err := in.Accept(t.Context(), data); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if waited := time.Since(began); waited != 0 {
			t.Errorf("waited %v, want 0", waited)
		}
		in.Close()
	})
}

// bigBatch is a batch of results that reach past ten minutes, sent by an agent of yesterday.
func bigBatch(t *testing.T, seq uint64, rs []uptally.Result) []byte {
	for i := range rs {
		rs[i].At -= uptally.DayMillis
	}
	return ledgertest.Batch(t, 1, seq, rs...).Data
}

// The acknowledgement is the return of the store: not a moment before it.
func TestAcceptWaitsForCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		durable := make(chan bool)
		in := start(t, appender(func(in []ledger.Incoming) ([]bool, error) {
			<-durable
			return make([]bool, len(in)), nil
		}))
		returned := make(chan bool, 1)
		go func() {
			_, err := in.Accept(t.Context(), ledgertest.Batch(t, 1, 1, ledgertest.Up(0, 10)).Data)
			returned <- err == nil
		}()
		<-time.After(time.Hour) // of the bubble
		select {
		case <-returned:
			t.Error("acknowledged before the commit returned")
		default:
		}
		close(durable)
		if !<-returned {
			t.Error("got an error, want an acknowledgement")
		}
		in.Close()
	})
}

func TestStoreFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full := true
		var m ledger.Memory
		in := start(t, appender(func(in []ledger.Incoming) ([]bool, error) {
			if full {
				return nil, errors.New("append batches: no space left")
			}
			return m.Append(context.Background(), in)
		}))
		data := ledgertest.Batch(t, 1, 1, ledgertest.Up(0, 10)).Data
		if _, err := in.Accept(t.Context(), data); err == nil || err.Error() != "accept batch: append batches: no space left" {
			t.Errorf("got %v", err)
		}
		full = false
		if got, err := in.Accept(t.Context(), data); err != nil || got != (server.Receipt{}) {
			t.Errorf("with room again: got %+v, %v", got, err)
		}
		if diff := cmp.Diff(server.Stats{Batches: 1, Results: 1, Commits: 1, LastAt: ledgertest.Start, Failed: 1}, in.Stats()); diff != "" {
			t.Error(diff)
		}
		in.Close()
	})
}

func TestAcceptEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan bool)
		in := start(t, appender(func(in []ledger.Incoming) ([]bool, error) {
			<-release
			return make([]bool, len(in)), nil
		}))
		data := ledgertest.Batch(t, 1, 1, ledgertest.Up(0, 10)).Data
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		// the first waits for its commit, the second for the writer: both end with their context
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				if _, err := in.Accept(ctx, data); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %v, want %v", err, context.DeadlineExceeded)
				}
			})
			<-time.After(30 * time.Millisecond) // of the bubble
		}
		wg.Wait()
		close(release)
		in.Close()
		if _, err := in.Accept(t.Context(), data); !errors.Is(err, server.ErrClosed) {
			t.Errorf("after Close: got %v, want %v", err, server.ErrClosed)
		}
	})
}

// What is fresh goes before what is made up for: it waits for the transaction under way and for its own.
func TestFreshGoesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := start(t, appender(func(in []ledger.Incoming) ([]bool, error) {
			<-time.After(time.Second) // of the bubble
			return make([]bool, len(in)), nil
		}))
		begun := time.Now()
		var wg sync.WaitGroup
		accept := func(b ledger.Incoming) {
			if _, err := in.Accept(t.Context(), b.Data); err != nil {
				t.Error(err)
			}
		}
		for seq := range uint64(20) {
			var old []uptally.Result
			for i := range int64(1_000) {
				old = append(old, ledgertest.Up(-uptally.DayMillis+int64(seq)*1_000_000+i*1_000, 10))
			}
			wg.Go(func() { accept(ledgertest.Batch(t, 1, seq+1, old...)) })
		}
		<-time.After(100 * time.Millisecond) // of the bubble
		accept(ledgertest.Batch(t, 1, 100, ledgertest.Up(-1_000, 10)))
		if took := time.Since(begun); took != 2*time.Second {
			t.Errorf("got an acknowledgement after %v, want 2s", took)
		}
		wg.Wait()
		if took := time.Since(begun); took < 4*time.Second || took > 5*time.Second+100*time.Millisecond { // 20,000 results, 5,000 in a transaction
			t.Errorf("got the others after %v, want 4 to 5 s", took)
		}
		in.Close()
	})
}

// Close does not lose what it has begun.
func TestCloseCommits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &ledger.Memory{}
		in := start(t, store)
		go in.Accept(t.Context(), ledgertest.Batch(t, 1, 1, ledgertest.Up(0, 10)).Data)
		synctest.Wait() // it is joined, and its 20 ms run
		in.Close()
		if days, err := store.Days(t.Context(), ledgertest.Check, ledgertest.Site, ledgertest.Day, ledgertest.Day+1); err != nil || len(days) != 1 {
			t.Errorf("got %v, %v, want one day", days, err)
		}
	})
}

// A foreign agent that sends the same for hours leaves one line.
func TestHeldIsLoggedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var text bytes.Buffer
		in := server.New(server.Options{
			Store: &ledger.Memory{}, Known: func(uptally.ID, uptally.ID) bool { return false }, Now: func() int64 { return ledgertest.Start },
			Log: slog.New(slog.NewTextHandler(&text, nil)),
		})
		for seq := range uint64(5) {
			if _, err := in.Accept(t.Context(), ledgertest.Batch(t, 1, seq+1, ledgertest.Up(0, 10)).Data); err != nil {
				t.Fatal(err)
			}
		}
		in.Close()
		_, got, _ := strings.Cut(text.String(), " ")
		want := `level=WARN msg="batch held" agent=0000000000000001 site=68bdb695919ddcfa held="check 91391e26af788579 at site 68bdb695919ddcfa was never planned here"` + "\n"
		if got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	})
}

// Many agents into the real ledger: every acknowledged batch is there, in fewer transactions than batches.
func TestIntakeIntoSQLite(t *testing.T) {
	store, err := ledger.Open(t.TempDir(), ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	in := start(t, store)
	var wg sync.WaitGroup
	for agent := range int64(20) {
		wg.Go(func() {
			for seq := range uint64(5) {
				b := ledgertest.Batch(t, uint64(agent), seq+1, ledgertest.Up(agent*10+int64(seq), 10))
				if got, err := in.Accept(t.Context(), b.Data); err != nil || got != (server.Receipt{}) {
					t.Errorf("got %+v, %v", got, err)
				}
			}
		})
	}
	wg.Wait()
	in.Close()
	days, err := store.Days(t.Context(), ledgertest.Check, ledgertest.Site, ledgertest.Day, ledgertest.Day+1)
	if err != nil || len(days) != 1 || days[0].Len() != 100 {
		t.Errorf("got %v, %v, want 100 results", days, err)
	}
	if s := in.Stats(); s.Batches != 100 || s.Commits >= 100 {
		t.Errorf("got %+v, want 100 batches in fewer commits", s)
	}
	fmt.Fprintf(t.Output(), "%d batches in %d commits\n", in.Stats().Batches, in.Stats().Commits)
}
