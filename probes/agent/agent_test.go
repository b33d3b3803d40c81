package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/probes"
	"github.com/uptally/uptally/probes/schedule"
)

func plan(check string, every time.Duration) uptally.Plan {
	ms := every.Milliseconds()
	return uptally.Plan{Check: check, Sites: []string{"fra1"}, Every: ms, Timeout: max(1, ms/2), Quorum: 1, Confirm: 1, Recover: 1,
		Gap: 2 * ms, Kind: "tcp", Target: "192.0.2.1:443"}
}

// onGrid returns a plan whose slots are the multiples of every; the name that gives this phase begins with name.
func onGrid(name string, every time.Duration) uptally.Plan {
	for i := 0; ; i++ {
		if p := plan(fmt.Sprintf("%s-%d", name, i), every); p.Phase(0) == 0 {
			return p
		}
	}
}

// shelf is an Append that keeps batches as a ledger does: the same number with the same bytes changes nothing.
type shelf struct {
	t       *testing.T
	fail    func() error // asked before each call; nil is success
	after   func() error // asked after the batch is stored
	mu      sync.Mutex
	bytes   map[uint64]string
	batches []uptally.Batch
	at      []time.Time
	results map[uptally.Slot]uptally.Result
}

func (s *shelf) append(ctx context.Context, data []byte) error {
	if s.fail != nil {
		if err := s.fail(); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := uptally.DecodeBatch(data)
	if err != nil {
		s.t.Errorf("batch: %v", err)
	}
	if s.bytes == nil {
		s.bytes, s.results = map[uint64]string{}, map[uptally.Slot]uptally.Result{}
	}
	if old, known := s.bytes[b.Seq]; !known {
		s.bytes[b.Seq] = string(data)
		s.batches, s.at = append(s.batches, b), append(s.at, time.Now())
		for _, r := range b.Results {
			if _, twice := s.results[r.Slot]; twice {
				s.t.Errorf("slot %v left two results", r.Slot)
			}
			s.results[r.Slot] = r
		}
	} else if old != string(data) {
		s.t.Errorf("number %d stands for two batches", b.Seq)
	}
	if s.after != nil {
		return s.after()
	}
	return nil
}

// want compares the slots that left a result with those of the plans after start and up to end, and returns how many there
// are for each reason.
func (s *shelf) want(start, end time.Time, plans ...uptally.Plan) map[string]int {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	n, reasons := 0, map[string]int{}
	for _, p := range plans {
		slots, err := schedule.NewSlots(p, "fra1")
		if err != nil {
			s.t.Fatal(err)
		}
		for at := slots.Next(start.UnixMilli()); at <= end.UnixMilli(); at = slots.Next(at) {
			r, ok := s.results[uptally.Slot{Check: uptally.IDOf(p.Check), Site: uptally.IDOf("fra1"), At: at}]
			if !ok {
				s.t.Errorf("slot %s of %s left nothing", time.UnixMilli(at).UTC().Format("15:04:05.000"), p.Check)
			}
			n++
			reasons[r.Reason.String()]++
		}
	}
	if len(s.results) != n {
		s.t.Errorf("got %d results, want %d, one a slot", len(s.results), n)
	}
	return reasons
}

// up is a probe that takes a while and is up.
func up(took time.Duration) func(context.Context) probes.Observation {
	return func(ctx context.Context) probes.Observation {
		sent := time.Now()
		select {
		case <-time.After(took):
			return probes.Observation{SentAt: sent, RTT: took}
		case <-ctx.Done():
			return probes.Observation{SentAt: sent, Reason: uptally.ConnectTimeout, Detail: "no answer"}
		}
	}
}

func always(probe func(context.Context) probes.Observation) func(*uptally.Plan) func(context.Context) probes.Observation {
	return func(*uptally.Plan) func(context.Context) probes.Observation { return probe }
}

func start(t *testing.T, o Options) *Agent {
	t.Helper()
	o.Site, o.Agent, o.Epoch = "fra1", 7, 8
	a, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// runFor runs the agent for a while of virtual time, and returns when it began and when it was told to stop.
func runFor(t *testing.T, a *Agent, d time.Duration) (from, to time.Time) {
	t.Helper()
	from = time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	if err := a.Run(ctx); err != nil {
		t.Fatal(err)
	}
	return from, time.Now()
}

// An hour with slow probes, probes that run into their deadline, two workers for what needs more, an Append that fails for
// five minutes and then takes 40 s a call: 3,600 + 514 + 116 + 12 slots or so, each once.
func TestEveryDueSlotLeavesOneResult(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var a *Agent
		s := &shelf{t: t, fail: func() error {
			if time.Since(began) < 5*time.Minute {
				return errors.New("disk full")
			}
			select {
			case <-time.After(40 * time.Second):
			case <-a.gone: // the last appends are in time
			}
			return nil
		}}
		cron := plan("cron", time.Minute)
		cron.Every, cron.Cron, cron.Spread = 0, "*/5 * * * *", 1_500
		plans := []uptally.Plan{plan("fast", time.Second), plan("slow", 7*time.Second), plan("dead", 31*time.Second), cron}
		a = start(t, Options{Plans: plans, Append: s.append, Workers: map[string]int{"tcp": 2},
			Probe: func(p *uptally.Plan) func(context.Context) probes.Observation {
				return up(map[string]time.Duration{"fast": 300 * time.Millisecond, "slow": 3 * time.Second, "dead": time.Hour, "cron": time.Second}[p.Check])
			}})
		from, to := runFor(t, a, time.Hour)
		reasons := s.want(from, to, plans...)
		for _, r := range []string{"ok", "connect_timeout", "no_worker"} {
			if reasons[r] == 0 {
				t.Errorf("got %v, want some %s: the story does not do what it says", reasons, r)
			}
		}
	})
}

// Three probes are in the air when the agent stops at 10.2 s: two end by themselves, one meets its deadline of 5 s. A check of
// one second comes due five times more before that, and those slots are agent_down.
func TestStopInTheMiddleLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{t: t}
		plans := []uptally.Plan{onGrid("second", time.Second), onGrid("one", 10*time.Second), onGrid("two", 10*time.Second), onGrid("dead", 10*time.Second)}
		a := start(t, Options{Plans: plans, Append: s.append, Probe: func(p *uptally.Plan) func(context.Context) probes.Observation {
			if strings.HasPrefix(p.Check, "dead") {
				return up(time.Hour)
			}
			return up(300 * time.Millisecond)
		}})
		from, to := runFor(t, a, 10*time.Second+200*time.Millisecond)
		if took := to.Sub(from); took != 15*time.Second {
			t.Errorf("got %v, want 15s: the timeout of the probe in flight and not more", took)
		}
		got := s.want(from, to, plans...)
		// second: 10 up, 11 to 15 s agent_down
		if want := map[string]int{"ok": 10 + 2, "connect_timeout": 1, "agent_down": 5}; !equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		if st := a.Stats(); st.InFlight != 0 || st.Waiting != 0 || st.Missed[uptally.AgentDown] != 5 || st.Fires != 13 {
			t.Errorf("got %+v, want nothing in flight or waiting, 5 agent_down, 13 fires", st)
		}
	})
}

func equal(a, b map[string]int) bool { return fmt.Sprint(a) == fmt.Sprint(b) }

// The oldest result waits one second, a thousand do not wait; numbers count from 1.
func TestCommitInterval(t *testing.T) {
	if racing {
		t.Skip("1,500 goroutines of one virtual instant break a check of the detector's own (tsan_rtl.cpp:346) in one of five runs")
	}
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{t: t}
		var plans []uptally.Plan
		for i := range 1_500 {
			p := plan(fmt.Sprintf("check-%d", i), time.Minute)
			p.Every, p.Cron = 0, "* * * * *"
			plans = append(plans, p)
		}
		a := start(t, Options{Plans: plans, Append: s.append, Probe: always(up(0)), Workers: map[string]int{"tcp": 2_000}})
		from, to := runFor(t, a, 90*time.Second)
		s.want(from, to, plans...)
		var got []string
		for i, b := range s.batches {
			got = append(got, fmt.Sprintf("%d: %d at %v", b.Seq, len(b.Results), s.at[i].Sub(from)))
		}
		want := []string{"1: 1000 at 1m0s", "2: 500 at 1m1s"}
		if !slices.Equal(got, want) || s.batches[0].Agent != 7 || s.batches[0].Epoch != 8 {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	})
}

// Results of before and after midnight wait at the same time and become batches of two days.
func TestMidnightSplitsBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{t: t}
		p := onGrid("often", 300*time.Millisecond)
		a := start(t, Options{Plans: []uptally.Plan{p}, Append: s.append, Probe: always(up(100 * time.Millisecond))})
		ahead := 23*time.Hour + 59*time.Minute + 55*time.Second + 500*time.Millisecond
		a.clock.wall = func() time.Time { return time.Now().Add(ahead) }
		from, to := runFor(t, a, 10*time.Second)
		s.want(from.Add(ahead), to.Add(ahead), p)
		days := map[int32]int{}
		for _, b := range s.batches {
			days[b.Day] += len(b.Results)
		}
		// 23:59:55.8 to 59.7 are 14, 00:00:00.0 to 05.4 are 19.
		if day := uptally.DayOf(from.UnixMilli()); days[day] != 14 || days[day+1] != 19 {
			t.Errorf("got %v, want 14 results on day %d and 19 on the next", days, day)
		}
	})
}

// An Append that stores and then fails to say so is asked again with the same bytes under the same number.
func TestLostAcknowledgementIsNoSecondBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{t: t}
		calls := 0
		s.after = func() error {
			if calls++; calls%3 != 0 {
				return errors.New("reply lost")
			}
			return nil
		}
		p := onGrid("second", time.Second)
		a := start(t, Options{Plans: []uptally.Plan{p}, Append: s.append, Probe: always(up(0))})
		from, to := runFor(t, a, 10*time.Minute)
		s.want(from, to, p)
		for i, b := range s.batches {
			if b.Seq != uint64(i+1) {
				t.Fatalf("got number %d at place %d, want 1, 2, 3…", b.Seq, i)
			}
		}
		if st := a.Stats(); int(st.Batches) != len(s.batches) || st.AppendErrors != 2*st.Batches {
			t.Errorf("got %d batches and %d errors, want %d and twice as many", st.Batches, st.AppendErrors, len(s.batches))
		}
	})
}

// timeless is a log without instants.
func timeless(text *strings.Builder) *slog.Logger {
	return slog.New(slog.NewTextHandler(text, &slog.HandlerOptions{ReplaceAttr: func(_ []string, at slog.Attr) slog.Attr {
		if at.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return at
	}}))
}

// Ten results fit; Append fails for a minute. Of the sixty and some slots of the minute ten keep their result; all others are
// missed(spool_full), none is lost, and afterwards all is as before.
func TestFullMemoryIsRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		s := &shelf{t: t, fail: func() error {
			<-time.After(10 * time.Millisecond)
			if time.Since(began) < time.Minute {
				return errors.New("disk full")
			}
			return nil
		}}
		var seen int
		var log strings.Builder
		p := onGrid("second", time.Second)
		a := start(t, Options{Plans: []uptally.Plan{p}, Append: s.append, Probe: always(up(0)), Waiting: 10,
			Observe: func(r uptally.Result) {
				if r.Reason == uptally.OK {
					seen++
				}
			},
			Log: timeless(&log)})
		from, to := runFor(t, a, 2*time.Minute)
		got := s.want(from, to, p)
		// Results 1 to 10 fit. Append is tried after 2, 3, 5, 9, 17, 33 and 63 s and a little, and then works: 11 to 63 are
		// full.
		if want := map[string]int{"ok": 120 - 53, "spool_full": 53}; !equal(got, want) || seen != 120 {
			t.Errorf("got %v and %d up seen, want %v and 120", got, seen, want)
		}
		want := `level=WARN msg=append site=fra1 waiting=2 err="disk full"
level=ERROR msg="no room for results" site=fra1 waiting=10 err="disk full"
level=WARN msg=append site=fra1 waiting=10 err=<nil>
`
		if log.String() != want {
			t.Errorf("got\n%swant\n%s", log.String(), want)
		}
	})
}

// A batch that cannot be appended within the bound is an error, and Run returns all the same.
func TestStopWithoutAcknowledgementSaysSo(t *testing.T) {
	for name, broken := range map[string]func(context.Context, []byte) error{
		"fails": func(context.Context, []byte) error { return errors.New("disk full") },
		"waits": func(ctx context.Context, _ []byte) error { <-ctx.Done(); return errors.New("disk full") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := start(t, Options{Plans: []uptally.Plan{onGrid("second", time.Second)}, Append: broken, Probe: always(up(0))})
				ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second+time.Millisecond)
				defer cancel()
				from := time.Now()
				err := a.Run(ctx)
				if want := "append the last 3 results: disk full"; err == nil || err.Error() != want {
					t.Errorf("got %v, want %s", err, want)
				}
				if took := time.Since(from); took > 9*time.Second+time.Millisecond {
					t.Errorf("got %v, want 3 s and the bound of 6 s", took)
				}
			})
		})
	}
}

// A probe that ignores its deadline leaves void(agent_delay), and keeps its worker: its check is still_running, and nothing piles
// up. Stopping does not wait for it.
func TestHangingProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{t: t}
		release := make(chan struct{})
		defer close(release)
		var hanging atomic.Int32
		p := onGrid("hang", 10*time.Second)
		a := start(t, Options{Plans: []uptally.Plan{p}, Append: s.append, Probe: always(func(context.Context) probes.Observation {
			hanging.Add(1)
			<-release
			return probes.Observation{}
		})})
		from, to := runFor(t, a, 45*time.Second)
		got := s.want(from, to, p)
		if want := map[string]int{"agent_delay": 1, "still_running": 3}; !equal(got, want) || hanging.Load() != 1 {
			t.Errorf("got %v with %d goroutines, want %v with 1", got, hanging.Load(), want)
		}
		if took := to.Sub(from); took > 46*time.Second {
			t.Errorf("got %v, want a stop without waiting for it", took)
		}
	})
}

func TestPanicIsTheAgentsFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{t: t}
		p := onGrid("bad", 10*time.Second)
		a := start(t, Options{Plans: []uptally.Plan{p}, Append: s.append, Probe: always(func(context.Context) probes.Observation { panic("index out of range") })})
		runFor(t, a, 15*time.Second)
		r := s.batches[0].Results[0]
		if r.Reason != uptally.Resource || r.Detail != "the probe panicked: index out of range" {
			t.Errorf("got %v %q, want void(resource) with the panic", r.Reason, r.Detail)
		}
	})
}

func TestProbeIsGivenItsDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{t: t}
		p := onGrid("web", 10*time.Second)
		p.Timeout = 1_234
		a := start(t, Options{Plans: []uptally.Plan{p}, Append: s.append, Probe: always(func(ctx context.Context) probes.Observation {
			if at, ok := ctx.Deadline(); !ok || time.Until(at) != 1_234*time.Millisecond {
				t.Errorf("got a deadline in %v, want 1.234s after the send", time.Until(at))
			}
			return probes.Observation{SentAt: time.Now()}
		})})
		runFor(t, a, 15*time.Second)
	})
}

// The goroutine of a probe that comes too late itself does not begin it.
func TestProbeIsNotBegunTooLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := false
		a := start(t, Options{Append: (&shelf{t: t}).append, Probe: always(func(context.Context) probes.Observation {
			began = true
			return probes.Observation{}
		})})
		a.clock.begin()
		p, now := plan("web", 10*time.Second), a.clock.read()
		slot := uptally.Slot{Check: 1, Site: 2, At: now - 5_001}
		a.fly(schedule.Action{Slot: slot, Latest: now - 1, Plan: &p}, ordinary, a.clock.zero())
		if e := <-a.ended; began || e.result != (uptally.Result{Slot: slot, Reason: uptally.Overtaken}) {
			t.Errorf("got %+v, begun %v, want overtaken and not begun", e.result, began)
		}
	})
}

// A wait for a worker is lateness and not response time: the second probe begins when the first ends, 2 s late.
func TestWaitingIsLateness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{t: t}
		plans := []uptally.Plan{onGrid("one", 10*time.Second), onGrid("two", 10*time.Second)}
		a := start(t, Options{Plans: plans, Append: s.append, Probe: always(up(2 * time.Second)), Workers: map[string]int{"tcp": 1}})
		runFor(t, a, 15*time.Second)
		var late []int32
		for _, r := range s.results {
			late = append(late, r.Late)
			if r.RTT != 2_000_000 {
				t.Errorf("got a response time of %d µs, want 2000000", r.RTT)
			}
		}
		slices.Sort(late)
		if !slices.Equal(late, []int32{0, 2_000}) {
			t.Errorf("got lateness %v, want 0 and 2000 ms", late)
		}
		st := a.Stats()
		if st.LateMillis != 2_000 || st.Lateness[0] != (Bucket{1, 1}) || st.Lateness[10] != (Bucket{2_500, 2}) || st.Lateness[9] != (Bucket{1_000, 1}) {
			t.Errorf("got %+v, want one at most 1 ms late and two at most 2500", st)
		}
	})
}

// A faulty set of plans changes nothing; a good one begins at its slot.
func TestSetPlans(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{t: t}
		before := onGrid("web", 10*time.Second)
		a := start(t, Options{Plans: []uptally.Plan{before}, Append: s.append, Probe: always(up(0))})
		from := time.Now()
		after := before
		after.Every, after.From = 60_000, from.Add(40*time.Second).UnixMilli()
		after.Cron, after.Gap = "* * * * *", 120_000
		wrong := after
		after.Every = 0
		time.AfterFunc(15*time.Second, func() {
			want := fmt.Sprintf("schedule check %q: every_ms: got \"60000\", want either an interval or a cron expression", before.Check)
			if err := a.SetPlans([]uptally.Plan{wrong}, 0); err == nil || err.Error() != want {
				t.Errorf("got %v, want %s", err, want)
			}
		})
		time.AfterFunc(25*time.Second, func() {
			if err := a.SetPlans([]uptally.Plan{after}, 0); err != nil {
				t.Error(err)
			}
		})
		runFor(t, a, 130*time.Second)
		var ats []int64
		for slot := range s.results {
			ats = append(ats, (slot.At-from.UnixMilli())/1_000)
		}
		slices.Sort(ats)
		if want := []int64{10, 20, 30, 60, 120}; !slices.Equal(ats, want) {
			t.Errorf("got slots at %v s, want %v", ats, want)
		}
	})
}
