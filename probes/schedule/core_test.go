package schedule

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/uptally/uptally"
)

// on returns a plan of one site whose slots are the multiples of interval, by the name that it gives the check.
func on(name string, interval int64) uptally.Plan {
	p := every(name, interval)
	for i := 0; ; i++ {
		p.Check = fmt.Sprintf("%s-%d", name, i)
		if p.Sites, p.Quorum = []string{"a"}, 1; p.Phase(0) == 0 {
			return p
		}
	}
}

// story drives a Core and keeps what it said as words, one a slot: "web 30s begins", "web 60s overtaken".
type story struct {
	t    *testing.T
	core *Core
	said []string
}

func begin(t *testing.T, start int64, workers map[string]int, plans ...uptally.Plan) *story {
	s := &story{t: t, core: New(start, workers)}
	s.plans(start, Never, plans...)
	return s
}

func (s *story) step(now int64, ev Event) {
	s.t.Helper()
	for _, a := range s.core.Step(now, ev, nil) {
		word := "begins"
		if a.Reason != uptally.OK {
			word = a.Reason.String()
		}
		name, _, _ := strings.Cut(a.Plan.Check, "-")
		s.said = append(s.said, fmt.Sprintf("%s %gs %s", name, float64(a.Slot.At)/1000, word))
	}
}

func (s *story) tick(now int64) { s.t.Helper(); s.step(now, Tick()) }

func (s *story) plans(now, end int64, plans ...uptally.Plan) {
	s.t.Helper()
	var set []Slots
	for _, p := range plans {
		set = append(set, slotsOf(s.t, p, "a"))
	}
	s.step(now, SetPlans(set, end))
}

// want compares what was said since the last want.
func (s *story) want(words ...string) {
	s.t.Helper()
	if !slices.Equal(s.said, words) {
		s.t.Errorf("got  %q\nwant %q", s.said, words)
	}
	s.said = nil
}

func TestFirstSlotIsTheFirstAfterStart(t *testing.T) {
	s := begin(t, 30_000, nil, on("web", 30_000))
	s.tick(59_999)
	s.want() // the slot at 30 s is not after the start: a restart derives nothing
	if got := s.core.Next(); got != 60_000 {
		t.Errorf("got next %d, want 60000", got)
	}
	s.tick(60_000)
	s.want("web 60s begins")
}

func TestLateWakeWithinHalfTheIntervalStillBegins(t *testing.T) {
	s := begin(t, 0, nil, on("web", 30_000), on("fast", 10_000))
	s.tick(15_000) // fast: 5,000 ms late is exactly half
	s.want("fast 10s begins")
	s.step(15_100, Finished(1))
	s.tick(45_001) // web: 15,001 ms late; fast: 20 s and 30 s too, 40 s by 5,001 ms
	s.want("fast 20s overtaken", "web 30s overtaken", "fast 30s overtaken", "fast 40s overtaken")
	s.tick(60_000)
	s.want("fast 50s overtaken", "web 60s begins", "fast 60s begins")
}

func TestSlotWhileTheOneBeforeRunsIsStillRunning(t *testing.T) {
	s := begin(t, 0, nil, on("web", 1_000))
	s.tick(1_000)
	s.tick(2_000)
	s.tick(3_000)
	s.step(3_500, Finished(0))
	s.tick(4_000)
	s.want("web 1s begins", "web 2s still_running", "web 3s still_running", "web 4s begins")
}

// Three checks on one instant share one worker. The first begins; the second waits until the worker is free, the third until
// it is too late: 30 s + 15 s.
func TestWaitingForAWorkerCountsAsLateness(t *testing.T) {
	s := begin(t, 0, map[string]int{"tcp": 1}, on("one", 30_000), on("two", 30_000), on("three", 30_000))
	s.tick(30_000)
	s.want("one 30s begins")
	if got := s.core.Next(); got != 45_001 {
		t.Errorf("got next %d, want 45001, when waiting ends", got)
	}
	s.step(32_000, Finished(0))
	s.want("two 30s begins")
	s.tick(45_000)
	s.want()
	s.tick(45_001)
	s.want("three 30s no_worker")
	s.step(50_000, Finished(1))
	s.tick(60_000)
	s.want("one 60s begins")
}

func TestWorkerThatComesTooLateBeginsNothing(t *testing.T) {
	s := begin(t, 0, map[string]int{"tcp": 1}, on("one", 30_000), on("two", 30_000))
	s.tick(30_000)
	s.step(45_001, Finished(0)) // the end of the wait and the end of the probe are seen at once
	s.want("one 30s begins", "two 30s no_worker")
}

func TestWorkersAreCountedByKind(t *testing.T) {
	ping := on("ping", 30_000)
	ping.Kind = "icmp"
	s := begin(t, 0, map[string]int{"tcp": 1, "icmp": 1}, on("web", 30_000), ping)
	s.tick(30_000)
	s.want("web 30s begins", "ping 30s begins")
}

// The process did not run from 61 s to 210 s. What came due in between is paused, what came due before is judged by its
// lateness, and the slot at 210 s itself begins.
func TestPauseMarksItsSlots(t *testing.T) {
	s := begin(t, 0, nil, on("web", 30_000))
	s.tick(30_000)
	s.step(31_000, Finished(0))
	s.step(210_000, Paused(61_000))
	s.want("web 30s begins", "web 60s overtaken", "web 90s paused", "web 120s paused", "web 150s paused", "web 180s paused", "web 210s begins")
}

func TestPauseEndsAWaitAsPaused(t *testing.T) {
	s := begin(t, 0, map[string]int{"tcp": 1}, on("one", 30_000), on("two", 30_000))
	s.tick(30_000)
	s.step(50_000, Paused(40_000)) // the wait of two would have ended at 45 s
	s.want("one 30s begins", "two 30s paused")
}

// A pause of ten days at one second is 864,000 slots. They come in steps of about 4,096, each once, and the probe of the
// slot after it begins in time.
func TestLongPauseComesInParts(t *testing.T) {
	const end = 864_000_001
	core := New(0, nil)
	core.Step(0, SetPlans([]Slots{slotsOf(t, on("web", 1_000), "a")}, Never), nil)
	at, steps := int64(0), 0
	for ev := Paused(0); core.Next() <= end; ev = Tick() {
		acts := core.Step(end, ev, nil)
		if steps++; len(acts) > most {
			t.Fatalf("got %d actions in one step, want at most %d", len(acts), most)
		}
		for _, a := range acts {
			if at += 1_000; a.Slot.At != at || a.Reason != uptally.Paused {
				t.Fatalf("got %v at %d, want paused at %d", a.Reason, a.Slot.At, at)
			}
		}
	}
	if acts := core.Step(end+999, Tick(), nil); at != end-1 || len(acts) != 1 || acts[0].Reason != uptally.OK {
		t.Errorf("got slots up to %d and then %v, want up to %d and one that begins", at, acts, end-1)
	}
}

func TestNowNeverGoesBack(t *testing.T) {
	s := begin(t, 0, nil, on("web", 1_000))
	s.tick(1_000)
	s.step(500, Finished(0))
	s.tick(900)
	s.tick(2_000)
	s.want("web 1s begins", "web 2s begins")
}

// From 75 s on the check is measured each 20 s instead of each 30 s: 30, 60 by the old plan, 80, 100 by the new one.
func TestNewPlanBeginsAtItsSlot(t *testing.T) {
	before := on("web", 30_000)
	after := before
	after.From, after.Every = 75_000, 20_000
	after.Check = before.Check
	if after.Phase(0) != 0 {
		t.Skip("the name has another phase at 20 s")
	}
	s := begin(t, 0, nil, before)
	s.plans(10_000, Never, after)
	for _, now := range []int64{30_000, 60_000, 75_000, 80_000, 90_000, 100_000} {
		s.tick(now)
		if len(s.said) > 0 && strings.HasSuffix(s.said[len(s.said)-1], "begins") {
			s.step(now+1, Finished(0))
		}
	}
	s.want("web 30s begins", "web 60s begins", "web 80s begins", "web 100s begins")
}

// A slot that is exactly From belongs to the new plan, once.
func TestBorderSlotBelongsToTheNewPlanOnce(t *testing.T) {
	before := on("web", 30_000)
	after := before
	after.From, after.Kind = 60_000, "http"
	core := New(0, nil)
	core.Step(0, SetPlans([]Slots{slotsOf(t, before, "a"), slotsOf(t, after, "a")}, Never), nil)
	var kinds []string
	for now := int64(30_000); now <= 90_000; now += 30_000 {
		for _, a := range core.Step(now, Tick(), nil) {
			kinds = append(kinds, a.Plan.Kind)
			core.Step(now, Finished(a.Check), nil)
		}
	}
	if want := []string{"tcp", "http", "http"}; !slices.Equal(kinds, want) {
		t.Errorf("got %q, want %q", kinds, want)
	}
}

// A late plan does not reach back: slots up to the instant at which it came are the old plan's.
func TestPlanThatComesLateDoesNotReachBack(t *testing.T) {
	s := begin(t, 0, nil, on("web", 30_000))
	s.plans(61_000, 0, on("new", 10_000)) // web ended, and new began, "at 0"
	s.tick(70_000)
	s.want("web 30s overtaken", "web 60s begins", "new 70s begins")
}

func TestRemovedCheckEndsAtItsInstant(t *testing.T) {
	web, other := on("web", 30_000), on("other", 60_000)
	s := begin(t, 0, nil, web, other)
	s.plans(1_000, 60_000, other) // no slot at or after 60 s
	s.plans(2_000, 60_000, other) // the same again changes nothing
	s.tick(30_000)
	s.step(30_001, Finished(0))
	s.tick(60_000)
	s.step(60_001, Finished(1))
	s.tick(90_000)
	s.want("web 30s begins", "other 60s begins")
	s.plans(91_000, 60_000, web, other) // and back again
	s.tick(120_000)
	s.want("web 120s begins", "other 120s begins")
}

func TestSamePlansAgainChangeNothing(t *testing.T) {
	web := on("web", 30_000)
	s := begin(t, 0, map[string]int{"tcp": 1}, web, on("two", 30_000))
	s.tick(30_000)
	s.plans(31_000, Never, web, on("two", 30_000)) // two waits, and goes on waiting
	s.step(32_000, Finished(0))
	s.tick(60_000)
	s.want("web 30s begins", "two 30s begins", "two 60s still_running")
	s.step(61_000, Finished(1))
	s.want("web 60s begins")
}

func TestStopMissesWhatWaitsAndWhatComes(t *testing.T) {
	s := begin(t, 0, map[string]int{"tcp": 1}, on("one", 30_000), on("two", 30_000))
	s.tick(30_000)
	s.step(31_000, Stop())
	s.want("one 30s begins", "two 30s agent_down")
	s.step(40_000, Finished(0))
	s.tick(60_000)
	s.want("one 60s agent_down", "two 60s agent_down")
}

func TestFinishedWithoutBeginningIsABug(t *testing.T) {
	defer func() {
		if got := recover(); got != "BUG: the end of a probe that does not run" {
			t.Errorf("got %v, want the panic of a programmer's mistake", got)
		}
	}()
	s := begin(t, 0, nil, on("web", 1_000))
	s.step(500, Finished(0))
}

// Half the interval, at most 15 s; for cron the spacing to the next slot: Friday 09:00 to Monday 09:00, and each second
// minute.
func TestLatestIsHalfTheIntervalAtMost15s(t *testing.T) {
	for _, c := range []struct {
		plan uptally.Plan
		want int64
	}{
		{every("web", 1_000), 500}, {every("web", 1_001), 500}, {every("web", 29_998), 14_999}, {every("web", 30_000), 15_000},
		{every("web", 31_000), 15_000}, {every("web", 86_400_000), 15_000},
		{byCron("web", "0 9 * * 1-5"), 15_000}, {byCron("web", "*/2 * * * *"), 15_000},
	} {
		core := New(0, nil)
		core.Step(0, SetPlans([]Slots{slotsOf(t, c.plan, "a")}, Never), nil)
		at := core.Next()
		if acts := core.Step(at, Tick(), nil); len(acts) != 1 || acts[0].Latest-at != c.want {
			t.Errorf("%d %q: got %+v, want one action with %d ms", c.plan.Every, c.plan.Cron, acts, c.want)
		}
	}
}

// At 30.4 s two stopped waiting, which leaves its wake of 45 s in vain: its slot at 60 s still comes after all of fast's.
func TestLateSlotsComeInOrder(t *testing.T) {
	s := begin(t, 29_500, map[string]int{"tcp": 1}, on("one", 30_000), on("two", 30_000), on("fast", 10_000))
	s.tick(30_000)
	s.step(30_400, Stop())
	s.said = nil
	s.tick(60_000)
	s.want("fast 40s agent_down", "fast 50s agent_down", "one 60s agent_down", "two 60s agent_down", "fast 60s agent_down")
}

func TestActionCarriesThePlanAndItsDeadline(t *testing.T) {
	p := on("web", 30_000)
	core := New(0, nil)
	core.Step(0, SetPlans([]Slots{slotsOf(t, p, "a")}, Never), nil)
	acts := core.Step(30_002, Tick(), nil)
	want := Action{Check: 0, Slot: uptally.Slot{Check: uptally.IDOf(p.Check), Site: uptally.IDOf("a"), At: 30_000}, Latest: 45_000}
	if len(acts) != 1 || acts[0].Plan == nil || acts[0].Plan.Check != p.Check {
		t.Fatalf("got %+v, want one action with its plan", acts)
	}
	if acts[0].Plan = nil; acts[0] != want {
		t.Errorf("got  %+v\nwant %+v", acts[0], want)
	}
}
