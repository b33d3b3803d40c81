package agent

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/probes"
)

// Slow names, focus, repeats, and a plan that changes every few seconds, with every instant a whole quarter of a second, so that all of them meet:
// no two results of a check are of one instant, and no slot has two. The probes say at random up, refused, or, every other time, that the
// agent was at fault, and focus is on.
func TestNoTwoResultsOfOneInstant(t *testing.T) {
	met := 0
	for seed := range uint64(40) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { met += manyInstants(t, seed%2 == 0, rand.New(rand.NewPCG(seed, 8))) })
		})
	}
	if met < 100 {
		t.Errorf("got %d results that had to be moved, want many: the test has no teeth", met)
	}
}

func manyInstants(t *testing.T, extras bool, random *rand.Rand) (moved int) {
	s := &shelf{t: t}
	p := onGrid("web", 2*time.Second)
	p.Focus, p.Confirm, p.Recover, p.Timeout, p.Gap = extras, 3, 3, 1_900, 10_000
	var mu sync.Mutex
	upTo := func(n int) int {
		mu.Lock()
		defer mu.Unlock()
		return random.IntN(n)
	}
	faults := []uptally.Reason{uptally.OK, uptally.ConnectRefused, uptally.ConnectRefused}
	if extras {
		faults = append(faults, uptally.AgentDelay)
	}
	wait := func(quarters int) { <-time.After(time.Duration(quarters) * 250 * time.Millisecond) }
	probe := func(context.Context) probes.Observation {
		// the name is resolved first, for some quarters of a second, and the answer takes none or some
		wait(max(0, upTo(8)-3))
		o := probes.Observation{SentAt: time.Now().Round(0)}
		wait(max(0, upTo(4)-2))
		o.Reason = faults[upTo(len(faults))]
		return o
	}
	a := start(t, Options{Plans: []uptally.Plan{p}, Append: s.append, Probe: always(probe)})
	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	for time.Since(began) < 1_190*time.Second {
		wait(1 + upTo(20))
		p.Every = int64(2_000 + 250*upTo(8))
		p.From = time.Now().UnixMilli() + int64(250*upTo(4))
		if err := a.SetPlans([]uptally.Plan{p}, 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	at := map[int64]uptally.Result{}
	for _, r := range s.results {
		if r.Outcome() == uptally.Missed {
			continue
		}
		if r.SentAt()%250 != 0 {
			moved++
		}
		if other, twice := at[r.SentAt()]; twice {
			t.Errorf("got %v and %v, want no two of one instant", other, r)
		}
		at[r.SentAt()] = r
	}
	return moved
}

// The last slot of a plan is sent late, in the millisecond in which the first one of the next plan is due, and answered at once: at 2.5 s.
// The loop was held up until then, and goes on within that millisecond.
func TestLateSlotBesideTheNextPlans(t *testing.T) {
	hits := 0
	for range 40 { // who is first at 2.5 s is open: the end of the one or the beginning of the other
		synctest.Test(t, func(t *testing.T) {
			s := &shelf{t: t}
			p := plan("web", 2*time.Second)
			for i := 0; uint64(uptally.IDOf(p.Check))%10_000 != 0; i++ {
				p.Check = fmt.Sprintf("web-%d", i)
			}
			began := time.Now()
			next := p
			next.Every, next.Gap, next.From = 2_500, 5_000, began.UnixMilli()+2_500
			probe := func(context.Context) probes.Observation {
				o := probes.Observation{}
				if time.Since(began) < 2_100*time.Millisecond {
					<-time.After(time.Until(began.Add(2_500*time.Millisecond + 100*time.Microsecond)))
					o.Reason = uptally.ConnectRefused
				}
				o.SentAt = time.Now().Round(0)
				return o
			}
			other := onGrid("other", 2_400*time.Millisecond)
			held := func(r uptally.Result) {
				if r.Check == uptally.IDOf(other.Check) {
					<-time.After(time.Until(began.Add(2_500*time.Millisecond + 300*time.Microsecond)))
				}
			}
			runFor(t, start(t, Options{Plans: []uptally.Plan{p, next, other}, Append: s.append, Observe: held, Probe: func(q *uptally.Plan) func(context.Context) probes.Observation {
				if q.Check == other.Check {
					return up(0)
				}
				return probe
			}}), 3*time.Second)
			if strings.Contains(s.sent(began, p), "+") {
				hits++
				if got, want := s.sent(began, p), "2.5- 2.501+"; got != want {
					t.Errorf("got %s, want %s", got, want)
				}
			}
		})
	}
	if hits == 0 {
		t.Error("got no run in which both were sent, want some")
	}
}
