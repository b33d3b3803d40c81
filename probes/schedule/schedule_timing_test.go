package schedule

import (
	"fmt"
	"testing"

	"github.com/uptally/uptally"
)

// 50,000 checks due each second, spread over its milliseconds by their phases, with probes that end at once. One operation
// is one fire: the slot decided, the probe's end told, the check turned to its next slot.
func BenchmarkStep50000DueEachSecond(b *testing.B) {
	benchmarkStep(b, func(i int) uptally.Plan { return every(fmt.Sprintf("check-%d", i), 1_000) })
}

// The same with one minute's expressions of cron: what the library's Next costs.
func BenchmarkStep50000CronChecks(b *testing.B) {
	benchmarkStep(b, func(i int) uptally.Plan {
		p := byCron(fmt.Sprintf("check-%d", i), "* * * * *")
		p.Spread = int64(i)
		return p
	})
}

func benchmarkStep(b *testing.B, plan func(i int) uptally.Plan) {
	set := make([]Slots, 50_000)
	for i := range set {
		set[i] = slotsOf(b, plan(i), "a")
	}
	core := New(0, nil)
	core.Step(0, SetPlans(set, Never), nil)
	var acts []Action
	b.ReportAllocs()
	fires := 0
	b.ResetTimer()
	for now := int64(1); fires < b.N; now = core.Next() {
		acts = core.Step(now, Tick(), acts[:0])
		for _, a := range acts {
			if a.Reason != uptally.OK {
				b.Fatalf("got %v, want every slot to begin", a.Reason)
			}
			core.Step(now, Finished(a.Check), nil)
		}
		fires += len(acts)
	}
}
