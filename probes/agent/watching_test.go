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
	"github.com/uptally/uptally/probes"
	"github.com/uptally/uptally/probes/focus"
)

// offGrid returns a plan with focus whose slots are 300 ms after the multiples of every.
func offGrid(name string, every time.Duration) uptally.Plan {
	for i := 0; ; i++ {
		p := plan(fmt.Sprintf("%s-%d", name, i), every)
		if p.Focus, p.Confirm, p.Recover = true, 3, 3; p.Phase(0) == 300 {
			return p
		}
	}
}

// outage is a probe that is refused from one instant of the run until another and up otherwise.
func outage(from, to time.Duration) func(context.Context) probes.Observation {
	down := between(from, to, 1)
	return func(context.Context) probes.Observation {
		o := probes.Observation{SentAt: time.Now(), RTT: time.Millisecond}
		if down() != 0 {
			o.Reason = uptally.ConnectRefused
		}
		return o
	}
}

// sent lists when the results of a check were dated, in seconds of the run, with their outcomes.
func (s *shelf) sent(from time.Time, p uptally.Plan) string {
	var rs []uptally.Result
	for _, r := range s.results {
		if r.Check == uptally.IDOf(p.Check) {
			rs = append(rs, r)
		}
	}
	slices.SortFunc(rs, uptally.Result.Compare)
	var words []string
	for _, r := range rs {
		mark := map[uptally.Outcome]string{uptally.Up: "+", uptally.Down: "-", uptally.Void: "?"}[r.Outcome()]
		words = append(words, fmt.Sprintf("%g%s", float64(r.SentAt()-from.UnixMilli())/1_000, mark))
	}
	return strings.Join(words, " ")
}

// A check of ten seconds with focus, refused from 20 s to 24.5 s of the run. Its slot at 20.3 s fails; from 21 s on it is probed each second, three
// failures in a row are down, and after three successes in a row (25, 26, 27 s) the slots alone are enough again.
func TestFocusSharpensAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{t: t}
		p := offGrid("web", 10*time.Second)
		a := start(t, Options{Plans: []uptally.Plan{p}, Append: s.append, Probe: always(outage(20*time.Second, 24500*time.Millisecond))})
		from, _ := runFor(t, a, 45*time.Second)
		if got, want := s.sent(from, p), "0.3+ 10.3+ 20.3- 21- 22- 23- 24- 25+ 26+ 27+ 30.3+ 40.3+"; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		if st := a.Stats(); st.Extras != 7 || st.DroppedExtras != 0 || st.Focus != 0 || st.Down != 0 {
			t.Errorf("got %+v, want 7 probes beside the slots and no check in focus", st)
		}
	})
}

// The same with slots on whole seconds: the focus tick at 30 s is the slot, and no second is probed twice.
func TestFocusTickOnASlotIsThatSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{t: t}
		p := onGrid("web", 10*time.Second)
		p.Focus, p.Confirm, p.Recover = true, 3, 3
		a := start(t, Options{Plans: []uptally.Plan{p}, Append: s.append, Probe: always(outage(20*time.Second, 31500*time.Millisecond))})
		from, _ := runFor(t, a, 45*time.Second)
		want := "10+ 20- 21- 22- 23- 24- 25- 26- 27- 28- 29- 30- 31- 32+ 33+ 34+ 40+"
		if got := s.sent(from, p); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	})
}

// A swallowed probe is suspicious after a second: the focus begins long before its timeout of five, and does not wait for its own
// probes either. The slots at 20.3 and 30.3 s are not still_running.
func TestSilenceIsSuspicious(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{t: t}
		p := offGrid("web", 10*time.Second)
		down := between(20*time.Second, 28500*time.Millisecond, 1)
		a := start(t, Options{Plans: []uptally.Plan{p}, Append: s.append, Probe: always(func(ctx context.Context) probes.Observation {
			if down() == 0 {
				return up(time.Millisecond)(ctx)
			}
			return up(time.Hour)(ctx)
		})})
		from, _ := runFor(t, a, 45*time.Second)
		want := "0.3+ 10.3+ 20.3- 22- 23- 24- 25- 26- 27- 28- 29+ 30+"
		if got := s.sent(from, p); !strings.HasPrefix(got, want) || !strings.Contains(got, " 30.3+ ") || !strings.HasSuffix(got, " 40.3+") {
			t.Errorf("got  %s\nwant %s, then slots at 30.3 and 40.3 s", got, want)
		}
	})
}

// Forty checks fail together and there are eight workers: two of them at most probe beside the slots, and every slot has its result.
func TestFocusTakesNoWorkerFromSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{t: t}
		var plans []uptally.Plan
		for i := range 40 {
			p := plan(fmt.Sprintf("web-%d", i), 10*time.Second)
			p.Focus, p.Confirm, p.Recover = true, 3, 3
			plans = append(plans, p)
		}
		var mu sync.Mutex
		beside, most := 0, 0
		a := start(t, Options{Plans: plans, Append: s.append, Workers: map[string]int{"tcp": 8},
			Probe: always(func(context.Context) probes.Observation {
				mu.Lock()
				beside++
				most = max(most, beside)
				mu.Unlock()
				<-time.After(900 * time.Millisecond)
				mu.Lock()
				beside--
				mu.Unlock()
				return probes.Observation{SentAt: time.Now().Add(-900 * time.Millisecond), Reason: uptally.ConnectReset}
			})})
		runFor(t, a, 60*time.Second)
		st := a.Stats()
		if most > 8 || st.Extras > 2*60 || st.Extras < 60 || st.DroppedExtras < 1_000 {
			t.Errorf("got %d at once, %d probes beside the slots and %d dropped, want at most 8, at most two a second, and the rest dropped", most, st.Extras, st.DroppedExtras)
		}
		// The stop waits for probes in flight, and what comes due meanwhile is agent_down.
		if got := len(s.results) - int(st.Extras) - int(st.Missed[uptally.AgentDown]); got != 240 {
			t.Errorf("got %d results of slots, want 40 × 6", got)
		}
	})
}

// Cut off from 20 s to 30 s: the failures are void with the references' answers, the focus leaves the check alone while nobody
// knows, and what failed is not down.
func TestCutOffIsNoOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{t: t}
		p := offGrid("web", 5*time.Second)
		p.Timeout = 1_000
		cut := between(20*time.Second, 30*time.Second, 1)
		road := func(ctx context.Context) probes.Observation {
			if cut() != 0 {
				return up(time.Hour)(ctx)
			}
			return up(20 * time.Millisecond)(ctx)
		}
		var told []focus.Kind
		a := start(t, Options{Plans: []uptally.Plan{p}, Append: s.append, Probe: always(road),
			References: []Reference{{Name: "one", Votes: true, Probe: road}, {Name: "two", Votes: true, Probe: road}},
			Tell:       func(_ *uptally.Plan, m focus.Message) { told = append(told, m.Kind) }})
		from, _ := runFor(t, a, 60*time.Second)
		got := s.sent(from, p)
		if strings.Contains(got, "-") || !strings.Contains(got, "20.3?") || !strings.Contains(got, "25.3?") || !strings.HasSuffix(got, "55.3+") {
			t.Errorf("got %s, want nothing down, and void what was sent from 20 s to 30 s", got)
		}
		st := a.Stats()
		if st.Isolation.CutOff || st.Isolation.Times[Uplink] != 1 || st.Void[uptally.Local] == 0 || len(told) != 0 {
			t.Errorf("got %+v and told %v, want one isolation that is over, and nobody else to tell", st, told)
		}
	})
}

// A reference that is silent at the start is logged, and one that is late, since where all are every failure is void.
func TestSurveyIsLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		a := start(t, Options{Plans: []uptally.Plan{offGrid("web", 5*time.Second)}, Append: (&shelf{t: t}).append, Probe: always(up(0)), Log: timeless(&log),
			References: []Reference{
				{Name: "prompt", Votes: true, Probe: up(900 * time.Millisecond)},
				{Name: "late", Votes: true, Probe: up(901 * time.Millisecond)},
				{Name: "silent", Votes: true, Probe: up(time.Hour)},
			}})
		runFor(t, a, 10*time.Second)
		want := `level=WARN msg="reference answers late" site=fra1 reference=late votes=true want_ms=900
level=WARN msg="reference does not answer" site=fra1 reference=silent votes=true reason=connect_timeout
`
		if log.String() != want {
			t.Errorf("got\n%swant\n%s", log.String(), want)
		}
	})
}

// What the agent itself spoiled is looked at again on the next whole second, once.
func TestSpoiledProbeIsRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{t: t}
		p := offGrid("web", 10*time.Second)
		p.Focus = false
		n := 0
		a := start(t, Options{Plans: []uptally.Plan{p}, Append: s.append, Probe: always(func(ctx context.Context) probes.Observation {
			if n++; n == 2 {
				<-ctx.Done() // 5 s; the delay is a tenth of it and a bit
				return probes.Observation{SentAt: time.Now().Add(-5 * time.Second), Reason: uptally.ConnectTimeout, Delay: 501 * time.Millisecond}
			}
			return probes.Observation{SentAt: time.Now()}
		})})
		from, _ := runFor(t, a, 25*time.Second)
		if got, want := s.sent(from, p), "0.3+ 10.3? 16+ 20.3+"; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	})
}
