package agent

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/ledger"
	"pgregory.net/rapid"
)

// Details of 512 bytes of two bytes a letter fill a batch long before a thousand results do, and every batch can be encoded.
func TestLongDetailsMakeShorterBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{t: t}
		c := newCommitter(start(t, Options{Append: s.append, Probe: always(up(0))}).opts)
		for i := range 1_000 {
			c.add(uptally.Result{Slot: uptally.Slot{Check: uptally.ID(i), Site: c.site, At: int64(i)}, Reason: uptally.Status,
				RTT: 1 << 40, Detail: strings.Repeat("ä", 256)})
		}
		close(c.closing)
		c.run(t.Context())
		var got []int
		for _, b := range s.batches {
			got = append(got, len(b.Results))
		}
		// (262,144 - 1,024) / (64 + 512) = 453 a batch
		if want := []int{453, 453, 94}; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

// Beyond half of the limit the text of failures is left out, that of voids is kept.
func TestTextGoesBeforeResults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{t: t}
		c := newCommitter(start(t, Options{Append: s.append, Probe: always(up(0)), Waiting: 4}).opts)
		for i, r := range []uptally.Reason{uptally.Status, uptally.Status, uptally.Status, uptally.AgentDelay, uptally.Status} {
			c.add(uptally.Result{Slot: uptally.Slot{Check: 1, Site: c.site, At: int64(i)}, Reason: r, Detail: "text"})
		}
		close(c.closing)
		c.run(t.Context())
		var got []string
		for _, b := range s.batches {
			for _, r := range b.Results {
				got = append(got, r.Reason.String()+" "+r.Detail)
			}
		}
		slices.Sort(got)
		if want := []string{"agent_delay text", "spool_full ", "status ", "status text", "status text"}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// An hour of a check each second is one stretch; a reason of its own is kept.
func TestStretchesAreShort(t *testing.T) {
	var s stretches
	for at := int64(0); at < 3_600_000; at += 1_000 {
		s.add(uptally.Result{Slot: uptally.Slot{Check: 1, At: at}})
		s.add(uptally.Result{Slot: uptally.Slot{Check: 2, At: at}, Reason: uptally.Paused})
	}
	if len(s.list) != 2 || s.n != 7_200 {
		t.Errorf("got %d stretches of %d slots, want 2 of 7200", len(s.list), s.n)
	}
}

// What goes into stretches comes out, each slot once with its reason, at most so many at a time and of one day.
func TestStretchesLoseNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s stretches
		var in, out []uptally.Result
		at := int64(uptally.DayMillis) - 20_000
		take := func() {
			n := rapid.IntRange(1, 30).Draw(t, "n")
			rs := s.take(n, 9)
			if len(rs) > n {
				t.Fatalf("got %d, want at most %d", len(rs), n)
			}
			for _, r := range rs {
				if uptally.DayOf(r.At) != uptally.DayOf(rs[0].At) {
					t.Fatalf("got two days in %v", rs)
				}
			}
			out = append(out, rs...)
		}
		for range rapid.IntRange(0, 60).Draw(t, "slots") {
			at += rapid.SampledFrom([]int64{1, 1_000, 1_000, 1_000}).Draw(t, "step")
			r := uptally.Result{Slot: uptally.Slot{Check: uptally.ID(rapid.IntRange(1, 3).Draw(t, "check")), Site: 9, At: at}}
			r.Reason = rapid.SampledFrom([]uptally.Reason{uptally.OK, uptally.Status, uptally.Paused}).Draw(t, "reason")
			s.add(r)
			if r.Outcome() != uptally.Missed {
				r.Reason = uptally.SpoolFull
			}
			in = append(in, r)
			if rapid.IntRange(0, 9).Draw(t, "take?") == 0 {
				take()
			}
		}
		for s.n > 0 {
			take()
		}
		slices.SortFunc(in, uptally.Result.Compare)
		slices.SortFunc(out, uptally.Result.Compare)
		if !slices.Equal(in, out) || len(s.list) != 0 || len(s.last) != 0 {
			t.Fatalf("got  %v\nwant %v", out, in)
		}
	})
}

// The machine that runs this test has slept some time or none, and the two clocks tell the same twice.
func TestAsleepIsSteady(t *testing.T) {
	a, b := asleep(), asleep()
	if a < -time.Millisecond || (b-a).Abs() >= leastSleep {
		t.Errorf("got %v and then %v, want one span", a, b)
	}
}

// pass lets virtual time pass, and what becomes due in it be done.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// narrow is a spool that takes no batch until it is told to, but in its reserve; room is what that takes.
type narrow struct {
	mu      sync.Mutex
	full    bool
	room    int
	epoch   uint64 // 8 and on
	seq     uint64
	batches []uptally.Batch
}

func (s *narrow) BeginEpoch() { s.epoch, s.seq = s.epoch+1, 0 }

func (s *narrow) Append(_ context.Context, frame func(ledger.Number) []byte) (ledger.Spooled, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.full {
		return ledger.Spooled{}, fmt.Errorf("append: %w", ledger.ErrSpoolFull)
	}
	return s.take(frame)
}

func (s *narrow) AppendReserve(_ context.Context, frame func(ledger.Number) []byte) (ledger.Spooled, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.room == 0 {
		return ledger.Spooled{}, ledger.ErrSpoolFull
	}
	s.room--
	return s.take(frame)
}

func (s *narrow) take(frame func(ledger.Number) []byte) (ledger.Spooled, error) {
	s.seq++
	b, err := uptally.DecodeBatch(frame(ledger.Number{Epoch: 8 + s.epoch, Seq: s.seq}))
	s.batches = append(s.batches, b)
	return ledger.Spooled{}, err
}

// got returns what was taken so far.
func (s *narrow) got() []uptally.Batch {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.batches)
}

// widen lets the spool take batches again.
func (s *narrow) widen() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.full = false
}

// While the spool is full, results wait in memory; beyond that slots are missed(spool_full), and every ten minutes they go into
// the reserve as one batch. When there is room again everything else follows.
func TestMissedGoIntoTheReserve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &narrow{full: true, room: 1}
		c := newCommitter(start(t, Options{Spool: s, Probe: always(up(0)), Waiting: 10}).opts)
		ctx := t.Context()
		go c.run(ctx)
		at := int64(0)
		probe := func(n int) {
			for range n {
				c.add(uptally.Result{Slot: uptally.Slot{Check: 1, Site: c.site, At: at}})
				at += 31_000
			}
		}
		probe(10)
		pass(2 * time.Second)
		probe(30) // while the ten wait
		pass(9 * time.Minute)
		if len(s.got()) != 0 {
			t.Fatalf("got %d batches after nine minutes, want none", len(s.got()))
		}
		pass(2 * time.Minute)
		if len(s.got()) != 1 || len(s.got()[0].Results) != 30 || s.got()[0].Results[0].Reason != uptally.SpoolFull || s.got()[0].Results[0].At != 310_000 {
			t.Fatalf("got %+v, want the 30 slots without room", s.got())
		}
		probe(5)
		pass(11 * time.Minute) // there is no second batch in the reserve
		if len(s.got()) != 1 {
			t.Fatalf("got %d batches, want one", len(s.got()))
		}
		s.widen()
		pass(time.Minute)
		close(c.closing)
		<-c.done
		reasons := map[uptally.Reason]int{}
		for _, b := range s.got() {
			for _, r := range b.Results {
				reasons[r.Reason]++
			}
		}
		if n, _ := c.left(); n != 0 || reasons[uptally.OK] != 10 || reasons[uptally.SpoolFull] != 35 {
			t.Errorf("got %v and %d left, want 10 up and 35 without room", reasons, n)
		}
	})
}
