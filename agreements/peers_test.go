package agreements

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/uptally/uptally"
)

// TestPeerFaults holds accounts against what well-known products get wrong. The printed formula, the fault of one more, is
// told in the statements.
func TestPeerFaults(t *testing.T) {
	for _, s := range []struct {
		name  string
		story func(*testing.T)
	}{
		{"Zabbix lays weeks of 604,800 s end to end", berlinOpensAtNineAllYear},
		{"Icinga counts what lies outside the window as good time", windowDoesNotDiluteDowntime},
		{"Icinga divides by the days since history began", historyStartsLate},
		{"Uptime Kuma weighs probes, not time", samplingDoesNotWeigh},
		{"Uptime Kuma counts retries that are no outage", failureThatNeverBecomesCertain},
		{"Uptime Kuma passes 100 % when a clock steps", clockSteps},
		{"Uptime Kuma forgets its own absence", fiveHoursUnmeasured},
		{"Gatus says 0 % of an empty period", nothingMeasured},
		{"Gatus starts a window at midnight plus an offset", recurringWindowAtAClockChange},
		{"Gatus stamps a result after its probe", datedAtTheSendInstant},
		{"OneUptime lowers a group by muting a healthy member", excusingAMemberNeverLowersTheGroup},
		{"OneUptime takes silence for agreement", nobodyReports},
		{"Datadog turns corrected time into uptime", exclusionMovesTheSameSeconds},
		{"Grafana is up where one site is", twoOfThreeSitesDown},
		{"Nagios goes below zero", noClassIsNegative},
		{"Thruk applies a window from its definition on", newWindowFitsAnOldTimeline},
		{"Sentry weighs a month anew when the interval changes", changedInterval},
		{"Pyrra prints a float", oneSecondOfAThousandMeetsThreeNines},
	} {
		t.Run(s.name, s.story)
	}
}

// Monday to Friday, 09:00 to 17:00 in Berlin: 2026 has 261 such days, all of them 8 h from 09:00 by the clock. Weeks of
// 604,800 s from the first week of the period on open 150 of them at 10:00, the days from 30 March to 23 October; in the
// fourth quarter 49 of 66 at 08:00, from 26 October on; in March 2 of 22 at 10:00, the 30th and 31st.
func berlinOpensAtNineAllYear(t *testing.T) {
	berlin := zone(t, "Europe/Berlin")
	for _, c := range []struct {
		period         string
		days, drifting int
		at             string
	}{{"2026", 261, 150, "10:00"}, {"2026-Q4", 66, 49, "08:00"}, {"2026-03", 22, 2, "10:00"}} {
		p := period(t, c.period, berlin)
		open := builtin(t, "5x8").Open(berlin, p)
		if len(open) != c.days {
			t.Errorf("%s: got %d working days, want %d", c.period, len(open), c.days)
		}
		clock := func(at int64) string { return time.UnixMilli(at).In(berlin).Format("15:04") }
		for _, i := range open {
			if clock(i.From) != "09:00" || clock(i.To) != "17:00" || i.Len() != 8*hourMS {
				t.Errorf("%s: open from %s to %s", c.period, instant(i.From), instant(i.To))
			}
		}
		drifting := 0
		for _, first := range open[:5] { // the five working days of the first week, in any order
			for at := first.From; at < p.To; at += 604_800_000 {
				if clock(at) == c.at {
					drifting++
				}
			}
		}
		if drifting != c.drifting {
			t.Errorf("%s: constant steps open %d days at %s, want %d", c.period, drifting, c.at, c.drifting)
		}
	}
}

// June 2026 has 22 working days of 8 h: 1 − 2/176 = 98.863 %, where 720 h would say 99.722 %.
func windowDoesNotDiluteDowntime(t *testing.T) {
	a := agreement(time.UTC)
	a.Versions[0].Window = builtin(t, "5x8")
	got := compute(t, a, period(t, "2026-06", time.UTC), map[string]Tracks{"s": exact(at("2026-06-10T10:00:00Z", 2*uptally.Hour))})
	if got.Eligible != 176*hourMS {
		t.Errorf("eligible %d h, want 176", got.Eligible/hourMS)
	}
	if text := FormatAvailability(got.Availability.Point, 3); text != "98.863%" {
		t.Errorf("got %s, want 98.863%%", text)
	}
	if text := FormatAvailability(got.Experienced.Point, 3); text != "99.722%" {
		t.Errorf("as experienced: got %s, want 99.722%%", text)
	}
}

// The first result is of 11 June: 240 h of 720 are unknown, 2 h down. High 1 − 2/720, low 1 − 242/720, likely 1 − 2/480.
func historyStartsLate(t *testing.T) {
	p := period(t, "2026-06", time.UTC)
	tl := Timeline{Service: "s", Stretches: []Stretch{
		{Interval{ms("2026-06-11T00:00:00Z"), ms("2026-06-20T00:00:00Z")}, StateUp}, {at("2026-06-20T00:00:00Z", 2*uptally.Hour), StateDown},
		{Interval{ms("2026-06-20T02:00:00Z"), ms("2026-07-02T00:00:00Z")}, StateUp},
	}}
	tracks, err := tl.Tracks(600_000)
	if err != nil {
		t.Fatal(err)
	}
	got := compute(t, agreement(time.UTC), p, map[string]Tracks{"s": tracks})
	if want := [...]int64{ClassUp: 478 * hourMS, ClassDown: 2 * hourMS, ClassUnknown: 240 * hourMS}; got.ByClass != want {
		t.Errorf("got %v, want %v", got.ByClass, want)
	}
	if b := got.Availability; b.High.String() != "359/360" || b.Low.String() != "239/360" || b.Point.String() != "239/240" {
		t.Errorf("got %v", b)
	}
}

// sampled measures one site of a service that is down inside out and silent inside gone, at the instants of every.
func sampled(t *testing.T, p uptally.Plan, from, to int64, out, gone Interval, every func(at int64) int64) Tracks {
	t.Helper()
	var rs []uptally.Result
	for at := from; at < to; at += every(at) {
		r := uptally.Result{Slot: uptally.Slot{Check: 1, Site: 2, At: at}}
		if out.From <= at && at < out.To {
			r.Reason = uptally.ConnectTimeout
		}
		if at < gone.From || at >= gone.To {
			rs = append(rs, r)
		}
	}
	return folded(t, p, rs...)
}

// folded measures results of one site as the ledger folds them, day by day.
func folded(t *testing.T, p uptally.Plan, rs ...uptally.Result) Tracks {
	t.Helper()
	s := SiteRuns{Site: p.Sites[0]}
	for day := uptally.DayOf(rs[0].At); day <= uptally.DayOf(rs[len(rs)-1].At); day++ {
		s.Runs = append(s.Runs, uptally.FoldDay(rs[0].Check, rs[0].Site, day, rs).Runs...)
	}
	tracks, err := Measure(Evidence{Check: "web", Plans: []uptally.Plan{p}, Sites: []SiteRuns{s}}, Rules{Bridge: 600_000})
	if err != nil {
		t.Fatal(err)
	}
	return tracks
}

// onSite is the plan of one site at 60 s: one failure opens, one success closes, 150 s without a result cut.
func onSite() uptally.Plan {
	return uptally.Plan{Check: "web", Sites: []string{"fra1"}, Every: 60_000, Quorum: 1, Confirm: 1, Recover: 1, Gap: 150_000}
}

// The truth is 10:00:07 to 10:13:31, 804 s, seen at 20 s, at 60 s and at a mixture: the bounds hold it each time, the
// likely length is off by half an interval at each end at most, and nothing else of the day is down.
func samplingDoesNotWeigh(t *testing.T) {
	day := Interval{ms("2026-06-10T00:00:00Z"), ms("2026-06-11T00:00:00Z")}
	truth := Interval{ms("2026-06-10T10:00:07Z"), ms("2026-06-10T10:13:31Z")}
	for name, every := range map[string]func(int64) int64{
		"20 s":  func(int64) int64 { return 20_000 },
		"60 s":  func(int64) int64 { return 60_000 },
		"mixed": func(at int64) int64 { return 20_000 + at/20_000%3*20_000 },
	} {
		tracks := sampled(t, onSite(), day.From-hourMS, day.To+hourMS, truth, Interval{}, every)
		got := compute(t, agreement(time.UTC), day, map[string]Tracks{"s": tracks})
		if !got.Certain.Within(Set{truth}) || !(Set{truth}).Within(got.Possible) || len(got.Point) != 1 {
			t.Errorf("%s: the bounds %v and %v do not hold %v", name, got.Certain, got.Possible, truth)
		}
		if off := got.Point.Millis() - truth.Len(); off < -60_000 || off > 60_000 || got.ByClass[ClassUp]+got.ByClass[ClassDown] != day.Len() {
			t.Errorf("%s: likely %d ms, the truth is %d ms; classes %v", name, got.Point.Millis(), truth.Len(), got.ByClass)
		}
	}
}

// Three failures in a row open an outage. Two between successes are retries and no downtime. Two before ten silent
// minutes might have gone on: not certain, not likely, possible.
func failureThatNeverBecomesCertain(t *testing.T) {
	p := onSite()
	p.Confirm, p.Recover = 3, 3
	day := Interval{ms("2026-06-10T00:00:00Z"), ms("2026-06-11T00:00:00Z")}
	every := func(int64) int64 { return 60_000 }
	two := at("2026-06-10T10:00:00Z", 2*uptally.Minute)
	a := agreement(time.UTC)
	retries := compute(t, a, day, map[string]Tracks{"s": sampled(t, p, day.From-hourMS, day.To+hourMS, two, Interval{}, every)})
	if retries.Possible != nil || retries.ByClass[ClassUp] != day.Len() {
		t.Errorf("retries: possible %v, classes %v", retries.Possible, retries.ByClass)
	}
	// up until 09:59, failures at 10:00 and 10:01, silence, up from 10:12 on
	gone := at("2026-06-10T10:02:00Z", 10*uptally.Minute)
	doubt := compute(t, a, day, map[string]Tracks{"s": sampled(t, p, day.From-hourMS, day.To+hourMS, two, gone, every)})
	if want := (Set{at("2026-06-10T09:59:00Z", 13*uptally.Minute)}); doubt.Certain != nil || doubt.Point != nil || !slices.Equal(doubt.Possible, want) {
		t.Errorf("doubt: certain %v, point %v, possible %v, want %v", doubt.Certain, doubt.Point, doubt.Possible, want)
	}
}

// Put back by an hour at 11:00, the clock gives the slots from 10:00 on a second time: those that say the same count once,
// those that do not are unknown. Put forward by an hour, it skips 60 slots: unknown. No second is there twice.
func clockSteps(t *testing.T) {
	day := Interval{ms("2026-06-10T00:00:00Z"), ms("2026-06-11T00:00:00Z")}
	results := func(from, to string, every int64, reason uptally.Reason) (rs []uptally.Result) {
		for at := ms(from); at < ms(to); at += every {
			rs = append(rs, uptally.Result{Slot: uptally.Slot{Check: 1, Site: 2, At: at}, Reason: reason})
		}
		return rs
	}
	const before, ten, eleven, noon, after = "2026-06-09T23:00:00Z", "2026-06-10T10:00:00Z", "2026-06-10T11:00:00Z", "2026-06-10T12:00:00Z", "2026-06-11T01:00:00Z"
	all := results(before, after, 60_000, uptally.OK)
	for _, c := range []struct {
		name    string
		results []uptally.Result
		unknown int64 // in minutes
	}{
		{"back, the same again", append(results(ten, eleven, 60_000, uptally.OK), all...), 0},
		{"back, down the second time", append(all, results(ten, eleven, 60_000, uptally.Status)...), 61}, // 09:59 to 11:00
		{"forward", append(results(before, eleven, 60_000, uptally.OK), results(noon, after, 60_000, uptally.OK)...), 61},
	} {
		slices.SortStableFunc(c.results, func(a, b uptally.Result) int { return int(a.At - b.At) })
		got := compute(t, agreement(time.UTC), day, map[string]Tracks{"s": folded(t, onSite(), c.results...)})
		if got.ByClass[ClassUnknown] != c.unknown*60_000 || got.ByClass[ClassUp] != day.Len()-c.unknown*60_000 {
			t.Errorf("%s: classes %v, want %d min unknown and the rest up", c.name, got.ByClass, c.unknown)
		}
	}
}

// The last result is of 10:00, the next of 15:00: 5 h unknown; certain and possible downtime differ by them.
func fiveHoursUnmeasured(t *testing.T) {
	p := period(t, "2026-06", time.UTC)
	gone := Interval{ms("2026-06-10T10:00:01Z"), ms("2026-06-10T15:00:00Z")}
	tracks := sampled(t, onSite(), p.From-hourMS, p.To+hourMS, Interval{}, gone, func(int64) int64 { return 60_000 })
	got := compute(t, agreement(time.UTC), p, map[string]Tracks{"s": tracks})
	if got.Unknown != 5*hourMS || got.Possible.Millis()-got.Certain.Millis() != 5*hourMS || got.ByClass[ClassUp] != 715*hourMS {
		t.Errorf("unknown %d h, possible %d h, classes %v", got.Unknown/hourMS, got.Possible.Millis()/hourMS, got.ByClass)
	}
	// 1 − 5/720: not the 100 % that the probes which ran add up to
	if low := got.Availability.Low.String(); low != "143/144" {
		t.Errorf("low %s", low)
	}
}

// Probes sent at 10:00 and 10:01 fail after 10 s each: down from the middle between 09:59 and 10:00, not from 10:00:10. The
// one of 10:02, sent 300 ms late, succeeds: until the middle of 10:01 and 10:02:00.300, 90.150 s after 10:00.
func datedAtTheSendInstant(t *testing.T) {
	ten := ms("2026-06-10T10:00:00Z")
	result := func(minutes int64, r uptally.Result) uptally.Result {
		r.Slot = uptally.Slot{Check: 1, Site: 2, At: ten + minutes*60_000}
		return r
	}
	hangs := uptally.Result{Reason: uptally.ResponseTimeout, RTT: 10_000_000}
	tracks := folded(t, onSite(), result(-1, uptally.Result{}), result(0, hangs), result(1, hangs), result(2, uptally.Result{Late: 300}), result(3, uptally.Result{}))
	if want := (Set{{ten - 30_000, ten + 90_150}}); !slices.Equal(tracks.Point, want) {
		t.Errorf("got %v, want %v", tracks.Point, want)
	}
}

// None of three sites reports between 10:00 and 12:00: unknown, neither up nor down.
func nobodyReports(t *testing.T) {
	got := threeSites(t, [3]Interval{}, func(at int64) bool { return at > ms("2026-06-10T10:00:00Z") && at < ms("2026-06-10T12:00:00Z") })
	if want := [...]int64{ClassUp: 22 * hourMS, ClassDown: 0, ClassUnknown: 2 * hourMS}; got.ByClass != want {
		t.Errorf("got %v, want %v", got.ByClass, want)
	}
}

// A of three sites is down from 10:00 to 11:00, B from 10:00 to 10:30: down while two of three are, until 10:30; the
// outage names both. Last success 09:59, last failure of both 10:29: from 09:59:30 to 10:29:30.
func twoOfThreeSitesDown(t *testing.T) {
	got := threeSites(t, [3]Interval{at("2026-06-10T10:00:00Z", uptally.Hour), at("2026-06-10T10:00:00Z", uptally.Hour/2)}, func(int64) bool { return false })
	if got.ByClass[ClassDown] != hourMS/2 || len(got.Outages) != 1 || !slices.Equal(got.Outages[0].Sites, []string{"A", "B"}) {
		t.Errorf("classes %v, outages %+v", got.ByClass, got.Outages)
	}
	alone := threeSites(t, [3]Interval{at("2026-06-10T10:00:00Z", uptally.Hour)}, func(int64) bool { return false })
	if alone.ByClass[ClassUp] != 24*hourMS {
		t.Errorf("one site alone: classes %v", alone.ByClass)
	}
}

// threeSites is the account of 10 June, measured every minute by three sites, of which two decide.
func threeSites(t *testing.T, down [3]Interval, silent func(at int64) bool) Account {
	t.Helper()
	day := at("2026-06-10T00:00:00Z", 24*uptally.Hour)
	p := onSite()
	p.Sites, p.Quorum = []string{"A", "B", "C"}, 2
	ev := Evidence{Check: "web", Plans: []uptally.Plan{p}}
	for k, site := range p.Sites {
		s := SiteRuns{Site: site}
		for at := day.From - hourMS; at < day.To+hourMS; at += 60_000 {
			r := uptally.Run{At: at, N: 1}
			if down[k].From <= at && at < down[k].To {
				r.Reason = uptally.Status
			}
			if !silent(at) {
				s.Runs = append(s.Runs, r)
			}
		}
		ev.Sites = append(ev.Sites, s)
	}
	return compute(t, agreement(time.UTC), day, map[string]Tracks{"s": measured(t, ev, Rules{})})
}

// Random windows × maintenance × causes × outages: no class below zero, the sum exact (see checkAccount).
func noClassIsNegative(t *testing.T) {
	berlin := zone(t, "Europe/Berlin")
	rapid.Check(t, func(t *rapid.T) {
		a := drawWorld(t, berlin).account(t)
		checkAccount(t, a)
		if slices.Min(a.ByClass[:]) < 0 {
			t.Errorf("classes %v", a.ByClass)
		}
	})
}

// The first half of June is measured every 30 s, the second every 5 min; an hour down in each. From middle to middle both
// are 3,600 s: 09:59:45 to 10:59:45, and 09:57:30 to 10:57:30. 1 − 2/720.
func changedInterval(t *testing.T) {
	june := period(t, "2026-06", time.UTC)
	half := ms("2026-06-16T00:00:00Z")
	often, seldom := onSite(), onSite()
	often.Every, often.Gap = 30_000, 75_000
	seldom.From, seldom.Every, seldom.Gap = half, 300_000, 750_000
	s := SiteRuns{Site: "fra1"}
	for at := june.From - hourMS; at < june.To+hourMS; {
		r := uptally.Run{At: at, N: 1}
		if hour := time.UnixMilli(at).UTC(); (hour.Day() == 10 || hour.Day() == 20) && hour.Hour() == 10 {
			r.Reason = uptally.Status
		}
		s.Runs = append(s.Runs, r)
		if at += 30_000; at > half {
			at += 270_000
		}
	}
	got := compute(t, agreement(time.UTC), june, map[string]Tracks{"s": measured(t, Evidence{Check: "web", Plans: []uptally.Plan{often, seldom}, Sites: []SiteRuns{s}}, Rules{})})
	if len(got.Point) != 2 || got.Point[0].Len() != hourMS || got.Point[1].Len() != hourMS || got.Availability.Point.String() != "359/360" || got.Unknown != 0 {
		t.Errorf("point %v, %v, unknown %d", got.Point, got.Availability.Point, got.Unknown)
	}
}

// A thousand seconds, one down, target 99.9 %: met, and printed without a remainder.
func oneSecondOfAThousandMeetsThreeNines(t *testing.T) {
	got := compute(t, agreement(time.UTC), Interval{-500_000, 500_000}, map[string]Tracks{"s": exact(Interval{-1000, 0})})
	if got.Availability.Point.String() != "999/1000" || got.Credit.Max.Tier != "" || FormatAvailability(got.Availability.Point, 6) != "99.900000%" {
		t.Errorf("got %v, tier %q", got.Availability.Point, got.Credit.Max.Tier)
	}
}

func nothingMeasured(t *testing.T) {
	all := Set{{Ever, Forever}}
	p := period(t, "2026-10", time.UTC)
	a := agreement(time.UTC)
	a.Versions[0].Outage.Minimum = 2000 * uptally.Hour // an unknown stretch without an end passes every minimum
	got := compute(t, a, p, map[string]Tracks{"s": {Possible: all, Unknown: all}})
	if got.Unknown != p.Len() || got.LeftOut != p.Len() || got.ByClass[ClassUnknown] != p.Len() || !got.Insufficient {
		t.Errorf("unknown %d, left out %d, class %d, insufficient %v; want all of %d", got.Unknown, got.LeftOut, got.ByClass[ClassUnknown], got.Insufficient, p.Len())
	}
	b, k := got.Availability, got.Credit
	if b.Point != nil || b.Low.Sign() != 0 || b.High.String() != "1/1" {
		t.Errorf("bounds %v, want none between 0 and 1", b)
	}
	// nothing is proven, the most is everything, the point figure's tier is the best; only unknown time decides
	if k.Proven.Minor != 0 || k.Point.Minor != 0 || k.Max.Minor != 100000 || k.Determined || !k.OnlyUnknown {
		t.Errorf("credit %+v", k)
	}
	if text := FormatAvailability(got.Experienced.Point, 2); text != "" {
		t.Errorf("as experienced %q", text)
	}
}

// A window at 03:00 starts at 03:00 also when the clock changed at 02:00, and lasts its two elapsed hours; one at 02:30
// starts at the first existing instant in spring, in the first pass in autumn.
func recurringWindowAtAClockChange(t *testing.T) {
	berlin := zone(t, "Europe/Berlin")
	a := agreement(berlin)
	for _, c := range []struct {
		month, start string
		at           uptally.Duration
	}{
		{"2026-03", "2026-03-29T03:00:00+02:00", 3 * uptally.Hour},
		{"2026-10", "2026-10-25T03:00:00+01:00", 3 * uptally.Hour},
		{"2026-03", "2026-03-29T03:00:00+02:00", 150 * uptally.Minute},
		{"2026-10", "2026-10-25T02:30:00+02:00", 150 * uptally.Minute},
	} {
		a.Versions[0].Recurring = []RecurringWindow{{Name: "Sunday night", Weekday: time.Sunday, Nth: -1, At: c.at, For: 2 * uptally.Hour}}
		got := compute(t, a, period(t, c.month, berlin), map[string]Tracks{"s": exact()})
		expectApplied(t, got.Applied, Applied{0, "maintenance: Sunday night", at(c.start, 2*uptally.Hour), 2 * hourMS, ""})
		if !slices.Equal(got.Rules, []RuleSum{{"maintenance: Sunday night", 2 * hourMS}}) {
			t.Errorf("rules %v", got.Rules)
		}
	}
}

// Excusing one of two services never takes time from the base and never adds downtime.
func excusingAMemberNeverLowersTheGroup(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t, time.UTC)
		w.agreement.Versions[0].Services = []string{"s", "other"}
		w.agreement.Versions[0].Maintenance.Cap = noCap
		services := map[string]Tracks{"s": w.tracks, "other": w.drawTracks(t)}
		run := func(entries []Recorded) Account {
			as, err := Compute(Input{Agreement: w.agreement, Period: w.period, Services: services, Entries: entries})
			if err != nil {
				t.Fatal(err)
			}
			checkAccount(t, as[0])
			return as[0]
		}
		before := run(w.entries)
		one := w.drawEntry(t, 99)
		one.Kind, one.Services, one.RecordedAt = KindMaintenance, []string{"other"}, one.From-24*hourMS
		after := run(append(slices.Clone(w.entries), one))
		if after.Eligible != before.Eligible {
			t.Errorf("eligible %d, was %d", after.Eligible, before.Eligible)
		}
		if !after.Certain.Within(before.Certain) || !after.Possible.Within(before.Possible) {
			t.Errorf("downtime grew: %v was %v, %v was %v", after.Certain, before.Certain, after.Possible, before.Possible)
		}
	})
}

// Without a notice in the agreement an entry recorded afterwards counts; it moves the same seconds to excluded.
func exclusionMovesTheSameSeconds(t *testing.T) {
	p := period(t, "2026-06", time.UTC)
	down := map[string]Tracks{"s": exact(at("2026-06-10T02:30:00Z", uptally.Hour))}
	before := compute(t, agreement(time.UTC), p, down)
	after := compute(t, agreement(time.UTC), p, down, planned(1, "2026-06-10T02:00:00Z", uptally.Hour, -48*uptally.Hour))
	half := hourMS / 2
	// 1 h down becomes half an hour; the other half and half an hour of up are excluded
	want := before.ByClass
	want[ClassDown] -= half
	want[ClassUp] -= half
	want[ClassExcluded] += 2 * half
	if after.ByClass != want {
		t.Errorf("got %v, want %v", after.ByClass, want)
	}
	if why := after.Outages[0].Why; why != "30m maintenance" {
		t.Errorf("why %q", why)
	}
}

// Terms meet a timeline only here, so a window defined today fits last year's timeline as if it had always been there.
func newWindowFitsAnOldTimeline(t *testing.T) {
	a := agreement(time.UTC)
	a.Versions[0].From = Date{2025, 1, 1}
	p := period(t, "2025-06", time.UTC)
	tracks := map[string]Tracks{"s": exact(at("2025-06-10T08:00:00Z", 2*uptally.Hour))}
	a.Versions[0].Window = builtin(t, "5x8")
	first := compute(t, a, p, tracks)
	a.Versions[0].Window = builtin(t, "24x7")
	compute(t, a, p, tracks)
	a.Versions[0].Window = builtin(t, "5x8")
	if again := compute(t, a, p, tracks); !slices.Equal(first.Pieces, again.Pieces) || first.ByClass[ClassDown] != hourMS {
		t.Errorf("the same terms gave %v and %v", first.Pieces, again.Pieces)
	}
}
