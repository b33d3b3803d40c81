package agreements

import (
	"strings"
	"testing"
	"time"

	"github.com/uptally/uptally"
	"pgregory.net/rapid"
)

// inService is an entry of a service's use.
func inService(id int64, from, to string, services ...string) Recorded {
	return Recorded{uptally.Entry{ID: id, Kind: KindInService}, EntryText{Services: services, From: ms(from), To: ms(to)}}
}

// June 2026, in service from 10 June 09:00 to 25 June 18:00 (369 h of 720), down for an hour before and half an hour inside.
func TestPartUse(t *testing.T) {
	june := period(t, "2026-06", time.UTC)
	services := map[string]Tracks{"s": exact(at("2026-06-09T08:00:00Z", uptally.Hour), at("2026-06-20T01:00:00Z", 30*uptally.Minute))}
	for _, c := range []struct {
		name         string
		use          PartUse
		availability string
		hours        int64 // of the denominator
		credit       int64
	}{
		{"deployed: 1 − 0.5/369", UseDeployed, "737/738", 369, 10000},
		{"days, the 10th to the 25th: 1 − 0.5/384", UseDays, "767/768", 384, 10000},
		{"period: 1 − 0.5/720", UsePeriod, "1439/1440", 720, 0},
		{"scaled up: the same proportion", UseScaled, "737/738", 369, 10000},
		{"before it up, after it gone: 1 − 0.5/594", UseUpBefore, "1187/1188", 594, 0},
		{"not judged", UseNotJudged, "", 0, 0},
	} {
		a := agreement(time.UTC)
		a.Versions[0].PartUse = c.use
		got := compute(t, a, june, services, inService(1, "2026-06-10T09:00:00Z", "2026-06-25T18:00:00Z"))
		text := ""
		if got.Availability.Point != nil {
			text = got.Availability.Point.RatString()
		}
		if text != c.availability || got.Denominator != c.hours*hourMS || got.Credit.Charged.Minor != c.credit {
			t.Errorf("%s: got %s of %d h, credit %d; want %s of %d h, %d", c.name, text, got.Denominator/hourMS, got.Credit.Charged.Minor, c.availability, c.hours, c.credit)
		}
		if c.use == UseScaled && got.Scale.RatString() != "80/41" { // 720/369
			t.Errorf("%s: by %v", c.name, got.Scale)
		}
	}
	a := agreement(time.UTC)
	_, err := Compute(Input{Agreement: a, Period: june, Services: services, Entries: []Recorded{inService(1, "2026-06-10T09:00:00Z", "2026-06-25T18:00:00Z")}})
	if err == nil || !strings.HasSuffix(err.Error(), "service s was in use for a part of the period, and the version from 1960-01-01 has no part_use") {
		t.Errorf("without the term: got %v", err)
	}
	if got := compute(t, a, june, services, inService(1, "2026-05-10T00:00:00Z", "2026-07-02T00:00:00Z")); got.Eligible != 720*hourMS {
		t.Errorf("in use all the while: got %d h", got.Eligible/hourMS)
	}
}

// Of two services that must both be up, what is not in use yet cannot be down, and the other one still can.
func TestPartUseOfOneOfTwo(t *testing.T) {
	a := agreement(time.UTC)
	a.Versions[0].Services, a.Versions[0].PartUse = []string{"a", "b"}, UseDeployed
	services := map[string]Tracks{"a": exact(at("2026-06-02T00:00:00Z", uptally.Hour)), "b": exact(at("2026-06-05T00:00:00Z", uptally.Hour), at("2026-06-25T00:00:00Z", uptally.Hour))}
	got := compute(t, a, period(t, "2026-06", time.UTC), services, inService(1, "2026-06-20T00:00:00Z", "2026-08-01T00:00:00Z", "b"))
	// a's hour and b's second one
	if got.Point.Millis() != 2*hourMS || got.Eligible != 720*hourMS {
		t.Errorf("got %d h down of %d h, want 2 of 720", got.Point.Millis()/hourMS, got.Eligible/hourMS)
	}
}

func TestFlapsAndDeductible(t *testing.T) {
	// 2 min down, 3 min up, 4 min down
	flaps := map[string]Tracks{"s": exact(at("2026-06-01T00:00:00Z", 2*uptally.Minute), at("2026-06-01T00:05:00Z", 4*uptally.Minute))}
	for _, c := range []struct {
		name    string
		terms   OutageTerms
		minutes int64
		why     string // of the first outage
	}{
		{"less than 3 min apart: two", OutageTerms{Merge: 3 * uptally.Minute}, 6, ""},
		{"up to 3 min apart: one of 9", OutageTerms{Merge: 3 * uptally.Minute, MergeUpTo: true}, 9, "3m of short recoveries count as down"},
		{"the gap up: 6", OutageTerms{Merge: 3 * uptally.Minute, MergeUpTo: true, GapUp: true}, 6, "3m of short recoveries that count as up"},
		{"at least 7 min: with the gap", OutageTerms{Merge: 3 * uptally.Minute, MergeUpTo: true, Minimum: 7 * uptally.Minute}, 9, "3m of short recoveries count as down"},
		{"at least 7 min: not without it", OutageTerms{Merge: 3 * uptally.Minute, MergeUpTo: true, GapUp: true, Minimum: 7 * uptally.Minute}, 0, "3m of short recoveries that count as up; 6m in an outage shorter than 7m"},
		{"the first 3 min of each: 0 + 1", OutageTerms{Deductible: 3 * uptally.Minute}, 1, "2m free at the start of the outage"},
		{"the first 3 min of the one: 9 − 3", OutageTerms{Deductible: 3 * uptally.Minute, Merge: uptally.Hour}, 6, "3m free at the start of the outage; 2m of short recoveries count as down"},
		{"the first 3 min of downtime: 6 − 3", OutageTerms{Deductible: 3 * uptally.Minute, Merge: uptally.Hour, GapUp: true}, 3, "3m of short recoveries that count as up; 3m free at the start of the outage"},
	} {
		a := agreement(time.UTC)
		a.Versions[0].Outage = c.terms
		got := compute(t, a, period(t, "2026-06", time.UTC), flaps)
		if m := got.Point.Millis() / 60_000; m != c.minutes || got.Outages[0].Why != c.why {
			t.Errorf("%s: got %d min, %q; want %d, %q", c.name, m, got.Outages[0].Why, c.minutes, c.why)
		}
	}
	// The deductible is off the start of the outage, which lies in May: June counts all of its part.
	a := agreement(time.UTC)
	a.Versions[0].Outage.Deductible = 15 * uptally.Minute
	over := map[string]Tracks{"s": exact(at("2026-05-31T23:40:00Z", uptally.Hour))}
	if got := compute(t, a, period(t, "2026-06", time.UTC), over); got.Point.Millis() != 40*60_000 {
		t.Errorf("over the end of May: got %d min, want 40", got.Point.Millis()/60_000)
	}
}

// report is an entry about an outage: when it was reported and when its ticket was opened.
func report(id int64, from, to, reported, opened string) Recorded {
	r := Recorded{uptally.Entry{ID: id, Kind: KindReport}, EntryText{From: ms(from), To: ms(to)}}
	if reported != "" {
		r.Reported = ms(reported)
	}
	if opened != "" {
		r.Opened = ms(opened)
	}
	return r
}

func TestClockOfAnOutage(t *testing.T) {
	// 2 h from 08:00, and 1 h from 20:00 that nobody reported
	services := map[string]Tracks{"s": exact(at("2026-06-01T08:00:00Z", 2*uptally.Hour), at("2026-06-01T20:00:00Z", uptally.Hour))}
	told := report(1, "2026-06-01T08:00:00Z", "2026-06-01T10:00:00Z", "2026-06-01T08:45:00Z", "2026-06-01T09:00:00Z")
	for _, c := range []struct {
		name       string
		clock      ClockTerm
		unreported UnreportedTerm
		entries    []Recorded
		minutes    int64
		why        string // of the first outage
	}{
		{"as detected: 120 + 60", 0, 0, []Recorded{told}, 180, ""},
		{"from the report: 75 + 60", ClockReported, UnreportedCounts, []Recorded{told}, 135, "45m before it was reported"},
		{"from the ticket: 60 + 60", ClockOpened, UnreportedCounts, []Recorded{told}, 120, "1h before its ticket was opened"},
		{"unreported is nothing: 75", ClockReported, UnreportedNothing, []Recorded{told}, 75, "45m before it was reported"},
		{"no report at all", ClockReported, UnreportedNothing, nil, 0, "2h before it was reported"},
		{"of two reports the earlier", ClockReported, UnreportedNothing, []Recorded{told, report(2, "2026-06-01T08:00:00Z", "2026-06-01T09:00:00Z", "2026-06-01T08:10:00Z", "")}, 110, "10m before it was reported"},
		{"reported before it began", ClockReported, UnreportedNothing, []Recorded{report(2, "2026-06-01T07:00:00Z", "2026-06-01T09:00:00Z", "2026-06-01T07:30:00Z", "")}, 120, ""},
		{"reported after it ended", ClockReported, UnreportedNothing, []Recorded{report(2, "2026-06-01T08:00:00Z", "2026-06-01T10:00:00Z", "2026-06-01T11:00:00Z", "")}, 0, "2h before it was reported"},
		{"a ticket without a report", ClockReported, UnreportedCounts, []Recorded{report(2, "2026-06-01T08:00:00Z", "2026-06-01T10:00:00Z", "", "2026-06-01T09:00:00Z")}, 180, ""},
	} {
		a := agreement(time.UTC)
		a.Versions[0].Outage.Clock, a.Versions[0].Outage.Unreported = c.clock, c.unreported
		got := compute(t, a, period(t, "2026-06", time.UTC), services, c.entries...)
		if m := got.Point.Millis() / 60_000; m != c.minutes || got.Outages[0].Why != c.why {
			t.Errorf("%s: got %d min, %q; want %d, %q", c.name, m, got.Outages[0].Why, c.minutes, c.why)
		}
	}
}

// drawTimeTerms sets any of the terms about time.
func drawTimeTerms(t *rapid.T, v *Version) {
	span := func(name string, most int64) uptally.Duration {
		return uptally.Duration(rapid.Int64Range(0, most).Draw(t, name)) * uptally.Minute
	}
	v.Outage = OutageTerms{
		Minimum: span("minimum", 30), LongerThan: rapid.Bool().Draw(t, "longer"), OfPart: rapid.Bool().Draw(t, "part"),
		Merge: span("merge", 30), MergeUpTo: rapid.Bool().Draw(t, "up to"), GapUp: rapid.Bool().Draw(t, "gap up"),
		Deductible: span("deductible", 20), Clock: ClockTerm(rapid.IntRange(0, 3).Draw(t, "clock")), Unreported: UnreportedTerm(rapid.IntRange(1, 2).Draw(t, "unreported")),
	}
	v.Length = LengthTerms{
		Unit: uptally.Duration(rapid.SampledFrom([]int64{0, 0, 1, 5, 30}).Draw(t, "unit")) * uptally.Minute, Up: rapid.Bool().Draw(t, "up"),
		Sum: rapid.Bool().Draw(t, "sum"), Slots: rapid.Bool().Draw(t, "slots"),
	}
	v.PartUse = PartUse(rapid.IntRange(1, 6).Draw(t, "use"))
	v.Denominator = uptally.Duration(rapid.SampledFrom([]int64{0, 0, 24, 720}).Draw(t, "denominator")) * uptally.Hour
	v.Unknown = UnknownTerm(rapid.IntRange(1, 3).Draw(t, "unknown"))
	v.Judge = JudgeTerms{rapid.IntRange(0, 3).Draw(t, "places"), Rounding(rapid.IntRange(0, 3).Draw(t, "round"))}
}

// Whatever the terms, every millisecond is in one class, the tracks are nested, the figures are what their fractions give
// and the bounds enclose the likely figure; checkAccount asks for it.
func TestTimeTermsKeepTheBooks(t *testing.T) {
	day := Interval{ms("2026-03-28T23:00:00Z"), ms("2026-03-29T22:00:00Z")} // 23 h in Berlin
	const minute = 60_000
	stretch := func(t *rapid.T, name string) Interval {
		from := day.From + rapid.Int64Range(-300, 1500).Draw(t, name)*minute
		return Interval{from, from + rapid.Int64Range(1, 400).Draw(t, "minutes")*minute}
	}
	set := func(t *rapid.T, name string) Set {
		var is []Interval
		for range rapid.IntRange(0, 5).Draw(t, name) {
			is = append(is, stretch(t, name))
		}
		return NewSet(is...)
	}
	berlin := zone(t, "Europe/Berlin")
	rapid.Check(t, func(t *rapid.T) {
		a := agreement(berlin)
		drawTimeTerms(t, &a.Versions[0])
		tr := Tracks{Certain: set(t, "certain")}
		tr.Point = Union(tr.Certain, set(t, "point"))
		tr.Unknown = set(t, "unknown set").Subtract(tr.Point)
		tr.Possible = Union(tr.Point, tr.Unknown, set(t, "possible"))
		var entries []Recorded
		for i, at := range set(t, "use set") {
			entries = append(entries, Recorded{uptally.Entry{ID: int64(i + 1), Kind: KindInService}, EntryText{From: at.From, To: at.To}})
		}
		for i, at := range set(t, "reports") {
			entries = append(entries, Recorded{uptally.Entry{ID: int64(i + 10), Kind: KindReport}, EntryText{From: at.From, To: at.To, Reported: at.From + 7*minute, Opened: at.From + 9*minute}})
		}
		accounts, err := Compute(Input{Agreement: a, Period: day, Services: map[string]Tracks{"s": tr}, Entries: entries})
		if err != nil {
			t.Fatal(err)
		}
		got := accounts[0]
		checkAccount(t, got)
		f, b := got.Figure, got.Availability
		figures := Bounds{f.Possible.Availability(), f.Point.Availability(), f.Certain.Availability()}
		if got.Extremes {
			figures = figures.ordered()
		}
		if figures.Low != nil && (figures.Low.Cmp(b.Low) != 0 || figures.High.Cmp(b.High) != 0) {
			t.Errorf("the fractions give %v, the account has %v", figures, b)
		}
		if !got.Extremes && f.Certain.Lost.Cmp(f.Possible.Lost) > 0 {
			t.Errorf("certain %v and possible %v", f.Certain.Lost, f.Possible.Lost)
		}
	})
}
