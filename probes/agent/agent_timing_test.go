package agent

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/probes"
	"github.com/uptally/uptally/probes/schedule"
)

// One operation is one slot from due to the batch's bytes, through the whole shell, with a probe that does nothing: 50,000
// checks at one a second, as fast as they come.
func BenchmarkSlot(b *testing.B) {
	plans := make([]uptally.Plan, 50_000)
	for i := range plans {
		plans[i] = plan(fmt.Sprintf("check-%d", i), time.Second)
	}
	a, err := New(Options{Site: "fra1", Plans: plans, Waiting: 1 << 30, Workers: map[string]int{"tcp": 1 << 20},
		Probe:  always(func(context.Context) probes.Observation { return probes.Observation{SentAt: time.Now()} }),
		Append: func(context.Context, []byte) error { return nil }})
	if err != nil {
		b.Fatal(err)
	}
	a.clock.begin()
	l := &a.loop
	l.now = a.clock.read()
	a.core = schedule.New(l.now, a.opts.Workers)
	a.step(schedule.SetPlans(a.plans, schedule.Never))
	go a.committer.run(b.Context())
	b.ReportAllocs()
	b.ResetTimer()
	for a.counts.fires < uint64(b.N) {
		l.now = a.core.Next()
		a.step(schedule.Tick())
		for l.open > 0 {
			a.endAll(<-a.ended)
		}
	}
	close(a.committer.closing)
	<-a.committer.done
}

// One operation is one observation made a result and put with those that wait: the loop's and the probe's share of it.
func BenchmarkResult(b *testing.B) {
	p := plan("web", time.Second)
	a, err := New(Options{Site: "fra1", Waiting: 1 << 30, Probe: always(nil), Append: func(context.Context, []byte) error { return nil }})
	if err != nil {
		b.Fatal(err)
	}
	go a.committer.run(b.Context())
	act := schedule.Action{Slot: uptally.Slot{Check: 1, Site: uptally.IDOf("fra1")}, Plan: &p}
	begun := time.Now()
	o := probes.Observation{SentAt: begun.Round(0), RTT: time.Millisecond}
	b.ReportAllocs()
	for b.Loop() {
		act.Slot.At++
		act.Latest = act.Slot.At + 500
		a.record(resultOf(act, o, act.Slot.At*1_000_000, begun, time.Millisecond))
	}
	close(a.committer.closing)
	<-a.committer.done
}
