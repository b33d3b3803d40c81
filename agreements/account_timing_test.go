package agreements

import (
	"testing"

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

// BenchmarkOpenYear lays a weekly window over a year with both clock changes.
func BenchmarkOpenYear(b *testing.B) {
	berlin := zone(b, "Europe/Berlin")
	c, p := builtin(b, "5x9"), period(b, "2026", berlin)
	b.ReportAllocs()
	for b.Loop() {
		c.Open(berlin, p)
	}
}
