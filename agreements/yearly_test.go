package agreements

import (
	"testing"
	"time"

	"github.com/uptally/uptally"
)

// Slack allowed ten hours a year. January took 4 h of its own cap of 4 h (the fifth hour is over that cap and uses nothing
// of the year's), March 5 h less 1 h over its cap; so 2 h are left in June: the first work has 1 h, the second 1 of its 2.
func TestCapOfTheYear(t *testing.T) {
	a := agreement(zoneOf(t, "Europe/Berlin"))
	a.Versions[0].Maintenance = Maintenance{Cap: 4 * uptally.Hour, CapYear: 10 * uptally.Hour}
	entries := []Recorded{
		planned(1, "2025-12-31T22:00:00+01:00", 4*uptally.Hour, 0), // 2 h of it in 2026
		planned(2, "2026-01-10T00:00:00+01:00", 3*uptally.Hour, 0),
		planned(3, "2026-03-10T00:00:00+01:00", 5*uptally.Hour, 0),
		planned(4, "2026-06-10T00:00:00+02:00", uptally.Hour, 0),
		planned(5, "2026-06-11T00:00:00+02:00", 2*uptally.Hour, 0),
		planned(6, "2026-07-11T00:00:00+02:00", 2*uptally.Hour, 0),
	}
	june := compute(t, a, period(t, "2026-06", a.Zone), map[string]Tracks{"s": exact()}, entries...)
	expectApplied(t, june.Applied,
		Applied{4, "maintenance", at("2026-06-10T00:00:00+02:00", uptally.Hour), hourMS, ""},
		Applied{5, "maintenance", at("2026-06-11T00:00:00+02:00", 2*uptally.Hour), hourMS, "1h over the cap of 10h in the year 2026, of which 8h had been used before"})
	july := compute(t, a, period(t, "2026-07", a.Zone), map[string]Tracks{"s": exact()}, entries...)
	expectApplied(t, july.Applied,
		Applied{6, "maintenance", at("2026-07-11T00:00:00+02:00", 2*uptally.Hour), 0, "2h over the cap of 10h in the year 2026, of which 10h had been used before"})
	// the same of all the year at once, in one period: 2 + 3 + 5 of 2026 fill the ten hours; 2025 is not in it
	a.Versions[0].Period, a.Versions[0].Maintenance.Cap = Year, noCap
	year := compute(t, a, period(t, "2026", a.Zone), map[string]Tracks{"s": exact()}, entries...)
	if year.ByClass[ClassExcluded] != 10*hourMS {
		t.Errorf("got %d ms excluded, want 10 h", year.ByClass[ClassExcluded])
	}
	// A work recorded later, but done earlier in the year, takes its time before what came after it.
	a.Versions[0].Period = Month
	late := compute(t, a, period(t, "2026-06", a.Zone), map[string]Tracks{"s": exact()}, append(entries, planned(7, "2026-02-01T00:00:00+01:00", 4*uptally.Hour, -400*24*uptally.Hour))...)
	// 2 + 3 + 4 of January and February, 5 of March: nothing is left
	if late.ByClass[ClassExcluded] != 0 {
		t.Errorf("got %d ms excluded, want none", late.ByClass[ClassExcluded])
	}
}

// The version before the present one allowed nothing until May; its months used nothing of the year.
func TestCapOfTheYearOverVersions(t *testing.T) {
	a := agreement(time.UTC)
	second := a.Versions[0]
	a.Versions[0].Maintenance.Cap = 0
	second.From, second.Maintenance = Date{2026, 5, 1}, Maintenance{Cap: noCap, CapYear: 3 * uptally.Hour}
	a.Versions = append(a.Versions, second)
	got := compute(t, a, period(t, "2026-06", time.UTC), map[string]Tracks{"s": exact()},
		planned(1, "2026-02-10T00:00:00Z", 2*uptally.Hour, 0), planned(2, "2026-05-10T00:00:00Z", uptally.Hour, 0), planned(3, "2026-06-10T00:00:00Z", 4*uptally.Hour, 0))
	expectApplied(t, got.Applied,
		Applied{3, "maintenance", at("2026-06-10T00:00:00Z", 4*uptally.Hour), 2 * hourMS, "2h over the cap of 3h in the year 2026, of which 1h had been used before"})
}
