package agent

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/probes"
)

// A check each 10 s that is always refused, beside a reference that never answers: void(local). From 25 s on another one is asked, which answers:
// the failure at 20 s was judged long ago, those from 30 s on are believed. From 45 s on nobody is asked: they are believed too.
func TestSetReferences(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{t: t}
		p := onGrid("web", 10*time.Second)
		says := func(r uptally.Reason) func(context.Context) probes.Observation {
			return func(context.Context) probes.Observation {
				return probes.Observation{SentAt: time.Now().Round(0), Reason: r}
			}
		}
		dead := []Reference{{Name: "dead", Votes: true, Probe: says(uptally.ConnectRefused)}}
		a := start(t, Options{Plans: []uptally.Plan{p}, Append: s.append, Probe: always(says(uptally.ConnectTimeout)), References: dead})
		time.AfterFunc(25*time.Second, func() {
			a.SetReferences([]Reference{{Name: "well", Votes: true, Probe: says(uptally.OK)}})
		})
		time.AfterFunc(45*time.Second, func() { a.SetReferences(nil) })
		time.AfterFunc(46*time.Second, func() {
			if st := a.Stats().Isolation; len(st.References) > 0 || st.CutOff {
				t.Errorf("got %+v, want nothing of references", st)
			}
		})
		from, _ := runFor(t, a, 65*time.Second)
		if got, want := s.sent(from, p), "10? 20? 30- 40- 50- 60-"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}

// A failure at 10 s waits for references that say nothing since 5 s; at 11 s there are none any more, and it is believed.
func TestSetReferencesWhileAFailureWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{t: t}
		p := onGrid("web", 10*time.Second)
		began := time.Now()
		silent := func(ctx context.Context) probes.Observation {
			if time.Since(began) < 5*time.Second {
				return probes.Observation{SentAt: time.Now().Round(0)}
			}
			<-ctx.Done()
			return probes.Observation{SentAt: time.Now().Round(0), Reason: uptally.ConnectTimeout}
		}
		refused := func(context.Context) probes.Observation {
			return probes.Observation{SentAt: time.Now().Round(0), Reason: uptally.ConnectRefused}
		}
		a := start(t, Options{Plans: []uptally.Plan{p}, Append: s.append, Probe: always(refused), References: []Reference{{Name: "silent", Votes: true, Probe: silent}}})
		time.AfterFunc(11*time.Second, func() { a.SetReferences(nil) })
		from, _ := runFor(t, a, 15*time.Second)
		if got, want := s.sent(from, p), "10-"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}

// Three checks each 10 s at the same instants that take 4 s each, and one worker: one is probed, the second waits until 4 s later and is sent late, the
// third finds no worker. From 16 s on there are three workers.
func TestSetWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{t: t}
		var ps []uptally.Plan
		for _, name := range []string{"a", "b", "c"} {
			ps = append(ps, onGrid(name, 10*time.Second))
		}
		a := start(t, Options{Plans: ps, Append: s.append, Probe: always(up(4 * time.Second)), Workers: map[string]int{"tcp": 1}})
		time.AfterFunc(16*time.Second, func() { a.SetWorkers(map[string]int{"tcp": 3}) })
		runFor(t, a, 25*time.Second)
		if st := a.Stats(); st.Missed[uptally.NoWorker] != 1 || len(st.Missed) != 1 {
			t.Errorf("got missed %v, want one slot without a worker", st.Missed)
		}
	})
}
