package agreements

import (
	"slices"
	"testing"
	"time"

	"github.com/uptally/uptally"
)

// planned is a maintenance entry, announced so long before its start.
func planned(id int64, from string, length, notice uptally.Duration, services ...string) Recorded {
	when := at(from, length)
	return Recorded{
		uptally.Entry{ID: id, Kind: KindMaintenance, RecordedAt: when.From - int64(notice)},
		EntryText{From: when.From, To: when.To, Services: services},
	}
}

func excluded(id int64, from string, length uptally.Duration, cause string, services ...string) Recorded {
	when := at(from, length)
	return Recorded{uptally.Entry{ID: id, Kind: KindExclusion}, EntryText{From: when.From, To: when.To, Cause: cause, Services: services}}
}

func expectApplied(t *testing.T, got []Applied, want ...Applied) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
}

func TestNoticeIsAtLeast(t *testing.T) {
	a := agreement(time.UTC)
	a.Versions[0].Notice = 72 * uptally.Hour
	p := period(t, "2026-06", time.UTC)
	announced := planned(5, "2026-06-20T02:00:00Z", uptally.Hour, -10*uptally.Hour) // recorded afterwards …
	announced.Announced = announced.From - 96*hourMS                                // … of what the customer was told before
	got := compute(t, a, p, map[string]Tracks{"s": exact()},
		planned(1, "2026-06-10T02:00:00Z", uptally.Hour, 72*uptally.Hour),
		planned(2, "2026-06-11T02:00:00Z", uptally.Hour, 72*uptally.Hour-1),
		planned(3, "2026-06-12T02:00:00Z", uptally.Hour, 12*uptally.Hour),
		planned(4, "2026-06-13T02:00:00Z", uptally.Hour, -30*uptally.Minute),
		announced,
	)
	const rule = "maintenance"
	expectApplied(t, got.Applied,
		Applied{1, rule, at("2026-06-10T02:00:00Z", uptally.Hour), hourMS, ""},
		Applied{2, rule, at("2026-06-11T02:00:00Z", uptally.Hour), 0, "announced 71h59m59.999s before, notice is 72h"},
		Applied{3, rule, at("2026-06-12T02:00:00Z", uptally.Hour), 0, "announced 12h before, notice is 72h"},
		Applied{4, rule, at("2026-06-13T02:00:00Z", uptally.Hour), 0, "announced 30m after its start, notice is 72h"},
		Applied{5, rule, at("2026-06-20T02:00:00Z", uptally.Hour), hourMS, ""},
	)
}

// The cap is consumed in order of time and only inside the window: the first entry costs 1 h of it (8 to 9 is outside
// the window), the second 1.5 h of its 2 h, for the third nothing is left.
func TestCapIsConsumedInOrderOfTimeInsideTheWindow(t *testing.T) {
	a := agreement(time.UTC)
	a.Versions[0].Window = builtin(t, "5x8")
	a.Versions[0].Maintenance.Cap = 150 * uptally.Minute
	got := compute(t, a, period(t, "2026-06", time.UTC), map[string]Tracks{"s": exact(at("2026-06-10T10:00:00Z", 2*uptally.Hour))},
		planned(1, "2026-06-11T10:00:00Z", uptally.Hour, 0),
		planned(2, "2026-06-10T10:00:00Z", 2*uptally.Hour, 0),
		planned(3, "2026-06-09T08:00:00Z", 2*uptally.Hour, 0),
	)
	expectApplied(t, got.Applied,
		Applied{3, "maintenance", at("2026-06-09T08:00:00Z", 2*uptally.Hour), hourMS, "1h outside the window"},
		Applied{2, "maintenance", at("2026-06-10T10:00:00Z", 2*uptally.Hour), hourMS * 3 / 2, "30m over the cap of 2h30m"},
		Applied{1, "maintenance", at("2026-06-11T10:00:00Z", uptally.Hour), 0, "1h over the cap of 2h30m"},
	)
	if got.ByClass[ClassDown] != hourMS/2 || got.Eligible != (176*60-150)*60_000 {
		t.Errorf("down %d, eligible %d", got.ByClass[ClassDown], got.Eligible)
	}
	a.Versions[0].Maintenance.Cap = 0
	if none := compute(t, a, period(t, "2026-06", time.UTC), map[string]Tracks{"s": exact()}, planned(1, "2026-06-09T10:00:00Z", uptally.Hour, 0)); none.ByClass[ClassExcluded] != 0 {
		t.Errorf("a cap of nothing excluded %d", none.ByClass[ClassExcluded])
	}
}

// Overlapping entries use the cap once.
func TestOverlapsAreUnitedBeforeTheCap(t *testing.T) {
	a := agreement(time.UTC)
	a.Versions[0].Maintenance.Cap = 3 * uptally.Hour
	got := compute(t, a, period(t, "2026-06", time.UTC), map[string]Tracks{"s": exact()},
		planned(1, "2026-06-09T08:00:00Z", 2*uptally.Hour, 0), planned(2, "2026-06-09T09:00:00Z", 2*uptally.Hour, 0))
	if got.ByClass[ClassExcluded] != 3*hourMS || got.Applied[1].Counted != hourMS || got.Applied[1].Why != "1h already excluded" {
		t.Errorf("excluded %d, %+v", got.ByClass[ClassExcluded], got.Applied)
	}
}

func TestRecurringWindowFalls(t *testing.T) {
	for _, c := range []struct {
		nth  int
		want []int // Sundays of November 2026: 1, 8, 15, 22, 29
	}{
		{0, []int{1, 8, 15, 22, 29}}, {1, []int{1}}, {2, []int{8}}, {5, []int{29}}, {-1, []int{29}},
	} {
		var got []int
		for d := (Date{2026, 11, 1}); d.Month == 11; d = d.next() {
			if (RecurringWindow{Weekday: time.Sunday, Nth: c.nth}).falls(d) {
				got = append(got, d.Day)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("nth %d: got %v, want %v", c.nth, got, c.want)
		}
	}
	if (RecurringWindow{Weekday: time.Sunday, Nth: 5}).falls(Date{2026, 6, 28}) {
		t.Error("June 2026 has a fifth Sunday")
	}
}

// A window that began in the last hour of the month before reaches into this one.
func TestRecurringWindowAcrossTheMonthsEnd(t *testing.T) {
	a := agreement(time.UTC)
	a.Versions[0].Recurring = []RecurringWindow{{Weekday: time.Sunday, At: 22 * uptally.Hour, For: 30 * uptally.Hour}}
	got := compute(t, a, period(t, "2026-06", time.UTC), map[string]Tracks{"s": exact()}) // 31 May 2026 is a Sunday
	if len(got.Applied) != 5 || got.Applied[0].At != at("2026-05-31T22:00:00Z", 30*uptally.Hour) || got.Applied[0].Counted != 28*hourMS {
		t.Errorf("got %+v", got.Applied)
	}
	if why := got.Applied[0].Why; why != "2h outside the period" {
		t.Errorf("why %q", why)
	}
}

func TestExclusionNeedsACauseOfTheAgreement(t *testing.T) {
	a := agreement(time.UTC)
	a.Versions[0].Exclusions.Causes = []string{"force majeure", "customer"}
	got := compute(t, a, period(t, "2026-06", time.UTC), map[string]Tracks{"s": exact(at("2026-06-10T00:00:00Z", 4*uptally.Hour))},
		excluded(1, "2026-06-10T00:00:00Z", uptally.Hour, "force majeure"),
		excluded(2, "2026-06-10T01:00:00Z", uptally.Hour, "weather"))
	expectApplied(t, got.Applied,
		Applied{1, "exclusion: force majeure", at("2026-06-10T00:00:00Z", uptally.Hour), hourMS, ""},
		Applied{2, "exclusion: weather", at("2026-06-10T01:00:00Z", uptally.Hour), 0, `the agreement does not exclude "weather"`})
	if got.ByClass[ClassDown] != 3*hourMS {
		t.Errorf("down %d h", got.ByClass[ClassDown]/hourMS)
	}
}

// A cause is taken out before outages are joined and measured, maintenance after: of 90 s with 60 s excluded in the
// middle, a minimum of 60 s leaves nothing for a cause and two pieces for maintenance.
func TestCausesGoBeforeTheJoinAndMaintenanceAfter(t *testing.T) {
	a := agreement(time.UTC)
	a.Versions[0].Outage.Minimum = uptally.Minute
	a.Versions[0].Exclusions.Causes = []string{"customer"}
	p := period(t, "2026-06", time.UTC)
	down := map[string]Tracks{"s": exact(at("2026-06-10T00:00:00Z", 90*uptally.Second))}
	byCause := compute(t, a, p, down, excluded(1, "2026-06-10T00:00:15Z", uptally.Minute, "customer"))
	byPlan := compute(t, a, p, down, planned(1, "2026-06-10T00:00:15Z", uptally.Minute, 0))
	if byCause.ByClass[ClassDown] != 0 || byPlan.ByClass[ClassDown] != 30_000 {
		t.Errorf("down %d by cause, %d by maintenance", byCause.ByClass[ClassDown], byPlan.ByClass[ClassDown])
	}
	if why := byCause.Outages[0].Why; why != "1m exclusion: customer; 30s in an outage shorter than 1m" {
		t.Errorf("why %q", why)
	}
}

// A gap that a cause made is no downtime, also where the rest is joined over it.
func TestJoinedGapOfACauseIsNoDowntime(t *testing.T) {
	a := agreement(time.UTC)
	a.Versions[0].Outage.Merge = 2 * uptally.Minute
	a.Versions[0].Exclusions.Causes = []string{"customer"}
	got := compute(t, a, period(t, "2026-06", time.UTC), map[string]Tracks{"s": exact(at("2026-06-10T00:00:00Z", 90*uptally.Second))},
		excluded(1, "2026-06-10T00:00:15Z", uptally.Minute, "customer"))
	if got.ByClass[ClassDown] != 30_000 {
		t.Errorf("down %d ms, want 30000", got.ByClass[ClassDown])
	}
}

func TestExcludedTimeInTheDenominator(t *testing.T) {
	p := period(t, "2026-06", time.UTC)
	for _, c := range []struct {
		keepPlanned, keepCauses bool
		want                    int64 // hours of 720
	}{{false, false, 717}, {true, false, 718}, {false, true, 719}, {true, true, 720}} {
		a := agreement(time.UTC)
		v := &a.Versions[0]
		v.Maintenance.Keep, v.Exclusions = c.keepPlanned, ExclusionTerms{Causes: []string{"customer"}, Keep: c.keepCauses}
		got := compute(t, a, p, map[string]Tracks{"s": exact()},
			planned(1, "2026-06-10T00:00:00Z", uptally.Hour, 0), excluded(2, "2026-06-11T00:00:00Z", 2*uptally.Hour, "customer"))
		if got.Denominator != c.want*hourMS || got.Eligible != 717*hourMS {
			t.Errorf("keep %v %v: denominator %d h, eligible %d h", c.keepPlanned, c.keepCauses, got.Denominator/hourMS, got.Eligible/hourMS)
		}
	}
}

// web is maintained from 0 to 2, the account needs web and api. What only web has there does not count, api's does, and
// the time stays in the base: excluding a member never lowers the state of the group.
func TestMaintenanceOfOneOfTwoServices(t *testing.T) {
	a := agreement(time.UTC)
	a.Versions[0].Services = []string{"web", "api"}
	a.Versions[0].Outage.Minimum = 3 * uptally.Hour // the whole outage from 0 to 3 is judged before any cut
	p := period(t, "2026-06", time.UTC)
	unknown := Set{at("2026-06-10T00:00:00Z", 30*uptally.Minute)}
	web := exact(at("2026-06-10T00:00:00Z", 3*uptally.Hour))
	api := exact(at("2026-06-10T01:00:00Z", uptally.Hour))
	api.Possible, api.Unknown = Union(api.Possible, unknown), unknown
	got := compute(t, a, p, map[string]Tracks{"web": web, "api": api}, planned(1, "2026-06-10T00:00:00Z", 2*uptally.Hour, 0, "web"))
	// down: 1 to 2 (api), 2 to 3 (web); unknown: 0 to 0:30 (api), which web's outage does not hide while it is excused
	if want := (Set{at("2026-06-10T01:00:00Z", 2*uptally.Hour)}); !slices.Equal(got.Point, want) {
		t.Errorf("point %v, want %v", got.Point, want)
	}
	if got.Eligible != 720*hourMS || got.Unknown != hourMS/2 || got.LeftOut != hourMS/2 {
		t.Errorf("eligible %d, unknown %d, left out %d", got.Eligible, got.Unknown, got.LeftOut)
	}
	expectApplied(t, got.Applied, Applied{1, "maintenance", at("2026-06-10T00:00:00Z", 2*uptally.Hour), 0, "covers only web: its outages in it do not count, the time stays eligible"})
	if why := got.Outages[0].Why; why != "1h maintenance of web" {
		t.Errorf("why %q", why)
	}
	both := compute(t, a, p, map[string]Tracks{"web": web, "api": api}, planned(1, "2026-06-10T00:00:00Z", 2*uptally.Hour, 0, "api", "web"))
	if both.Eligible != 718*hourMS || both.ByClass[ClassDown] != hourMS {
		t.Errorf("both: eligible %d, down %d", both.Eligible, both.ByClass[ClassDown])
	}
}

func TestEntriesOfOthersDoNotApply(t *testing.T) {
	p := period(t, "2026-06", time.UTC)
	other := planned(1, "2026-06-10T00:00:00Z", uptally.Hour, 0)
	other.Agreement = "someone-else"
	mine := planned(2, "2026-06-11T00:00:00Z", uptally.Hour, 0)
	mine.Agreement = "acme-portal"
	got := compute(t, agreement(time.UTC), p, map[string]Tracks{"s": exact()},
		other, mine, planned(3, "2026-06-12T00:00:00Z", uptally.Hour, 0, "elsewhere"), planned(4, "2026-07-01T00:00:00Z", uptally.Hour, 0))
	expectApplied(t, got.Applied, Applied{2, "maintenance", at("2026-06-11T00:00:00Z", uptally.Hour), hourMS, ""})
}
