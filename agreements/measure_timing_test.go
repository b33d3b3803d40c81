package agreements

import (
	"testing"

	"github.com/uptally/uptally"
)

// monthOfDays is a month as its folded days give it: a run a day and site while all is well, one outage of three minutes
// a week with a probe a second, one late probe a day.
func monthOfDays(sites ...string) (Evidence, int64) {
	const every, days = 60_000, 30
	plan := uptally.Plan{Check: "web", Sites: sites, Every: every, Quorum: len(sites)/2 + 1, Confirm: 3, Recover: 3, Gap: every * 5 / 2}
	ev := Evidence{Check: "web", Plans: []uptally.Plan{plan}}
	var results int64
	for i, site := range sites {
		s := SiteRuns{Site: site}
		add := func(at, step int64, n int32, late int32, r uptally.Reason) int64 {
			s.Runs = append(s.Runs, uptally.Run{At: at, Step: int32(step), N: n, Late: late, Reason: r})
			results += int64(n)
			return at + int64(n)*max(step, every)
		}
		for day := range int64(days) {
			at := day*uptally.DayMillis + int64(i)*every/int64(len(sites))
			at = add(at, every, 600, 0, uptally.OK)
			at = add(at, 0, 1, 7, uptally.OK)
			if day%7 == 3 {
				add(at, 1000, 180, 0, uptally.ConnectTimeout)
				add(at+180_000, 1000, 3, 0, uptally.OK)
				at += 4 * every
			}
			add(at, every, int32(((day+1)*uptally.DayMillis-at+every-1)/every), 0, uptally.OK)
		}
		ev.Sites = append(ev.Sites, s)
	}
	return ev, results
}

// BenchmarkMeasure measures a month of five sites at 60 s. Source of the goal: about a nanosecond a result.
func BenchmarkMeasure(b *testing.B) {
	ev, results := monthOfDays("fra1", "hkg1", "iad1", "sin1", "syd1")
	t, err := Measure(ev, Rules{Bridge: 600_000})
	if err != nil || len(t.Edges) != 4 {
		b.Fatalf("got %d outages and error %v, want 4", len(t.Edges), err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Measure(ev, Rules{Bridge: 600_000}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(b.Elapsed().Seconds()*1e9/float64(b.N)/float64(results), "ns/result")
}

// BenchmarkMeasureShuffled measures the same month with the days in reverse order, half of them twice.
func BenchmarkMeasureShuffled(b *testing.B) {
	ev, results := monthOfDays("fra1", "hkg1", "iad1", "sin1", "syd1")
	for k, s := range ev.Sites {
		var runs []uptally.Run
		for i := len(s.Runs) - 1; i >= 0; i-- {
			runs = append(runs, s.Runs[i])
			if i%2 == 0 {
				runs = append(runs, s.Runs[i])
			}
		}
		ev.Sites[k].Runs = runs
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Measure(ev, Rules{Bridge: 600_000}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(b.Elapsed().Seconds()*1e9/float64(b.N)/float64(results), "ns/result")
}
