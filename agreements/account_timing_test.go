package agreements

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/uptally/uptally"
)

// BenchmarkCompute is a month with 50 outages, a weekly window, recurring and recorded maintenance.
func BenchmarkCompute(b *testing.B) {
	berlin := zone(b, "Europe/Berlin")
	a := agreement(berlin)
	v := &a.Versions[0]
	v.Window = builtin(b, "5x9")
	v.Outage = OutageTerms{Minimum: uptally.Minute, Merge: 30 * uptally.Second}
	v.Recurring = []RecurringWindow{{Name: "Wednesday noon", Weekday: 3, At: 12 * uptally.Hour, For: uptally.Hour}}
	p := period(b, "2026-10", berlin)
	var t Tracks
	for i := range int64(50) {
		from := p.From + i*14*hourMS
		t.Certain = append(t.Certain, Interval{from + 10_000, from + 600_000})
		t.Point = append(t.Point, Interval{from + 5_000, from + 600_500})
		t.Possible = append(t.Possible, Interval{from, from + 601_000})
		t.Edges = append(t.Edges, Edge{Check: "web", Start: Interval{from, from + 10_000}, End: Interval{from + 600_000, from + 601_000}})
	}
	in := Input{Agreement: a, Period: p, Services: map[string]Tracks{"s": t}, Entries: []Recorded{planned(1, "2026-10-08T10:00:00+02:00", 2*uptally.Hour, 0)}}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Compute(in); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFlapping is a month with an outage of ten seconds each four minutes, or each minute, as a check that flaps or an
// imported history may have them: its cost should grow with their number.
func BenchmarkFlapping(b *testing.B) {
	a := agreement(time.UTC)
	p := Interval{0, 30 * uptally.DayMillis}
	for _, every := range []int64{240_000, 60_000} {
		var t Tracks
		for from := int64(0); from < p.To; from += every {
			t.Certain = append(t.Certain, Interval{from + 10_000, from + 20_000})
			t.Point = append(t.Point, Interval{from + 5_000, from + 20_500})
			t.Possible = append(t.Possible, Interval{from, from + 21_000})
			t.Edges = append(t.Edges, Edge{Check: "web", Start: Interval{from, from + 10_000}, End: Interval{from + 20_000, from + 21_000}})
		}
		in := Input{Agreement: a, Period: p, Services: map[string]Tracks{"s": t}}
		b.Run(fmt.Sprintf("outages=%d", len(t.Edges)), func(b *testing.B) {
			for b.Loop() {
				if _, err := Compute(in); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkOpenYear lays a weekly window over a year with both clock changes.
func BenchmarkOpenYear(b *testing.B) {
	berlin := zone(b, "Europe/Berlin")
	c, p := builtin(b, "5x9"), period(b, "2026", berlin)
	b.ReportAllocs()
	for b.Loop() {
		c.Open(berlin, p)
	}
}

// BenchmarkThousandAgreements computes a month of 1,000 agreements of ten checks each, measured by five sites every 60 s,
// from decoded days in memory, one agreement after the other: what is allocated for one is garbage before the next. The
// goal is under 2 s of one core.
func BenchmarkThousandAgreements(b *testing.B) {
	const agreements, checks = 1000, 10
	var evidence []Evidence
	for range checks {
		ev, _ := monthOfDays("fra1", "hkg1", "iad1", "sin1", "syd1")
		evidence = append(evidence, ev)
	}
	a := agreement(time.UTC)
	a.Versions[0].Window, a.Versions[0].Outage.Minimum = builtin(b, "5x9"), uptally.Minute
	in := Input{Agreement: a, Period: Interval{0, 30 * uptally.DayMillis}, Entries: []Recorded{planned(1, "1970-01-08T10:00:00Z", 2*uptally.Hour, 0)}}
	one := func() {
		var tracks []Tracks
		for _, ev := range evidence {
			t, err := Measure(ev, Rules{Bridge: 600_000})
			if err != nil {
				b.Fatal(err)
			}
			tracks = append(tracks, t)
		}
		in.Services = map[string]Tracks{"s": AllUp(tracks...)}
		if _, err := Compute(in); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		for range agreements {
			one()
		}
	}
	b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "s/1000-agreements")
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	b.ReportMetric(float64(mem.HeapSys)/(1<<20), "MB-heap")
}
