package agreements

import (
	"math/big"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/uptally/uptally"
)

// without is the small contract without its ladder, for a fee in minor units.
func without(fee int64) *Agreement {
	a := agreement(time.UTC)
	v := &a.Versions[0]
	v.Ladder, v.Fee = nil, fee
	return a
}

// figureOf is a number of the charged credit's parts, for the whole period.
func figureOf(a Account, name string) string {
	for _, p := range a.Credit.Charged.Parts {
		for _, f := range p.Figures {
			if f.Name == name && f.At.Empty() {
				return f.Value.RatString()
			}
		}
	}
	return ""
}

func TestBlocks(t *testing.T) {
	// 20 min, 40 min and 31 min: 91 min in all
	three := exact(at("2026-06-05T10:00:00Z", 20*uptally.Minute), at("2026-06-12T10:00:00Z", 40*uptally.Minute), at("2026-06-19T10:00:00Z", 31*uptally.Minute))
	half := Blocks{Each: 30 * uptally.Minute, Percent: pct("5%")}
	with := func(change func(*Blocks)) Blocks { b := half; change(&b); return b }
	for _, c := range []struct {
		name    string
		blocks  Blocks
		fee     int64
		n       string
		credit  int64
		numbers string
	}{
		{"started, each outage: 1 + 2 + 2", with(func(b *Blocks) { b.OnOutage = true }), 80000, "5", 20000,
			"1200 s: 1 + 2400 s: 2 + 1860 s: 2 = 5 blocks of 1800 s; 5 × 5% = 25% of the fee"},
		{"full, each outage: 0 + 1 + 1", with(func(b *Blocks) { b.OnOutage, b.Full = true, true }), 80000, "2", 8000,
			"1200 s: 0 + 2400 s: 1 + 1860 s: 1 = 2 blocks of 1800 s; 2 × 5% = 10% of the fee"},
		{"started, the sum: 91 ÷ 30", half, 80000, "4", 16000, "5460 s: 4 = 4 blocks of 1800 s; 4 × 5% = 20% of the fee"},
		{"full, the sum", with(func(b *Blocks) { b.Full = true }), 80000, "3", 12000, "5460 s: 3 = 3 blocks of 1800 s; 3 × 5% = 15% of the fee"},
		{"beyond 30 min of each outage: 0 + 1 + 1", with(func(b *Blocks) { b.OnOutage, b.Beyond = true, 30*uptally.Minute }), 80000, "2", 8000,
			"1200 s: 0 + 2400 s: 1 + 1860 s: 1, less 1800 s = 2 blocks of 1800 s; 2 × 5% = 10% of the fee"},
		{"beyond 30 min of the sum: 61 min", with(func(b *Blocks) { b.Beyond = 30 * uptally.Minute }), 80000, "3", 12000,
			"5460 s: 3, less 1800 s = 3 blocks of 1800 s; 3 × 5% = 15% of the fee"},
		{"beyond the target's 2592 s: 47.8 min", with(func(b *Blocks) { b.BeyondTarget = true }), 80000, "2", 8000,
			"5460 s: 2, less 2592 s = 2 blocks of 1800 s; 2 × 5% = 10% of the fee"},
		{"a day's fee a started hour: 2 × 3000 ÷ 30", Blocks{Each: uptally.Hour, DayFees: big.NewRat(1, 1)}, 300000, "2", 20000,
			"5460 s: 2 = 2 blocks of 3600 s; 2 × 1 ÷ 30 days = 1/15 of the fee"},
	} {
		a := without(c.fee)
		a.Versions[0].Credits.Blocks = &c.blocks
		got := compute(t, a, period(t, "2026-06", time.UTC), map[string]Tracks{"s": three})
		row := got.Credit.Charged
		if n := figureOf(got, "blocks"); n != c.n || row.Minor != c.credit || row.Parts[0].Numbers != c.numbers {
			t.Errorf("%s: got %s blocks, credit %d, %q; want %s, %d, %q", c.name, n, row.Minor, row.Parts[0].Numbers, c.n, c.credit, c.numbers)
		}
	}
}

// An outage is one for its blocks, also where the window cuts it in two: 16:50 to 09:10 of the next day are 20 minutes
// inside 5x8, one started half hour and not two.
func TestBlocksCountAnOutageOnce(t *testing.T) {
	a := without(80000)
	a.Versions[0].Window = builtin(t, "5x8")
	a.Versions[0].Credits.Blocks = &Blocks{Each: 30 * uptally.Minute, Percent: pct("5%"), OnOutage: true}
	got := compute(t, a, period(t, "2026-06", time.UTC), map[string]Tracks{"s": exact(Interval{ms("2026-06-09T16:50:00Z"), ms("2026-06-10T09:10:00Z")})})
	if n := figureOf(got, "blocks"); n != "1" {
		t.Errorf("got %s blocks, want 1", n)
	}
}

// One day's fee is the fee divided by the calendar days of the period, and the fee is the cap.
func TestDayFees(t *testing.T) {
	for _, c := range []struct {
		name, month string
		down        Interval
		exact       string
		credit      int64
		capped      bool
	}{
		{"4 hours of 31 days: 4 × 3000 ÷ 31 = 12000/31", "2026-07", at("2026-07-05T10:00:00Z", 4*uptally.Hour), "1200000/31", 38710, false},
		{"32 hours are 32 days, capped at the month", "2026-06", at("2026-06-05T00:00:00Z", 32*uptally.Hour), "300000/1", 300000, true},
	} {
		a := without(300000)
		a.Versions[0].Credits.Blocks = &Blocks{Each: uptally.Hour, DayFees: big.NewRat(1, 1)}
		row := compute(t, a, period(t, c.month, time.UTC), map[string]Tracks{"s": exact(c.down)}).Credit.Charged
		if row.Exact.String() != c.exact || row.Minor != c.credit || row.Capped != c.capped {
			t.Errorf("%s: got %v, %d, capped %v", c.name, row.Exact, row.Minor, row.Capped)
		}
	}
}

func TestMultiple(t *testing.T) {
	thirty := Multiple{Times: big.NewRat(50, 1), Over: PriceOverSpan, Span: 720 * uptally.Hour}
	times := func(n int64) Multiple { m := thirty; m.Times = big.NewRat(n, 1); return m }
	beyond := Multiple{Times: big.NewRat(10, 1), Over: PriceOverEligible, BeyondTarget: true}
	for _, c := range []struct {
		name             string
		multiple         Multiple
		fee              int64
		hours            uptally.Duration
		uncapped, credit int64
	}{
		{"50 × 12 h at 0.10: 60.00", thirty, 7200, 12, 6000, 6000},
		{"20 h would be 100.00; an outage pays at most 72.00", thirty, 7200, 20, 10000, 7200},
		{"10 ×", times(10), 7200, 12, 1200, 1200},
		{"once", times(1), 7200, 12, 120, 120},
		{"10 × (10800 − 2592) s ÷ 2592000 s × 100.00 = 19/6", beyond, 10000, 3, 317, 317},
	} {
		a := without(c.fee)
		v := &a.Versions[0]
		v.Outage = OutageTerms{Minimum: 5 * uptally.Minute, LongerThan: true}
		v.Credits.Multiple = &c.multiple
		if !c.multiple.BeyondTarget {
			v.Credits.CapPerOutage = pct("100%")
		}
		row := compute(t, a, period(t, "2026-06", time.UTC), map[string]Tracks{"s": exact(at("2026-06-03T00:00:00Z", c.hours*uptally.Hour))}).Credit.Charged
		if got := roundHalfUp(row.Uncapped); got != c.uncapped || row.Minor != c.credit {
			t.Errorf("%s: got %d before the caps and %d, want %d and %d", c.name, got, row.Minor, c.uncapped, c.credit)
		}
	}
}

// Two outages of 20 hours pay the fee each where the cap is that of an outage and of the period 250 %: 2 × 72.00.
func TestCapPerOutageIsOfEach(t *testing.T) {
	a := without(7200)
	v := &a.Versions[0]
	v.Cap, v.Credits.AboveFee, v.Credits.CapPerOutage = pct("250%"), true, pct("100%")
	v.Credits.Multiple = &Multiple{Times: big.NewRat(50, 1), Over: PriceOverPeriod}
	got := compute(t, a, period(t, "2026-06", time.UTC), map[string]Tracks{"s": exact(at("2026-06-03T00:00:00Z", 20*uptally.Hour), at("2026-06-13T00:00:00Z", 20*uptally.Hour))})
	row := got.Credit.Charged
	if want := "50 × 144000 s ÷ 2592000 s = 25/9 of the fee; each outage at most 100%: 72000 s would pay 25/18, 72000 s would pay 25/18; together 200% of the fee"; row.Minor != 14400 || row.Parts[0].Numbers != want {
		t.Errorf("got %d, %q; want 14400, %q", row.Minor, row.Parts[0].Numbers, want)
	}
}

// AWS EC2: hour 10 and 11 have 5 minutes each, 13 has 10, 14 has 7, 16 exactly 6, 17 has 3 min + 3 min 1 s.
func TestFreeHours(t *testing.T) {
	a := without(0)
	a.Versions[0].Credits.FreeHours = &FreeHours{Over: 6 * uptally.Minute, Fee: big.NewRat(50, 1)}
	got := compute(t, a, period(t, "2026-06", time.UTC), map[string]Tracks{"s": exact(
		at("2026-06-02T10:55:00Z", 10*uptally.Minute), at("2026-06-02T13:50:00Z", 17*uptally.Minute), at("2026-06-02T16:10:00Z", 6*uptally.Minute),
		at("2026-06-02T17:00:00Z", 3*uptally.Minute), at("2026-06-02T17:40:00Z", 3*uptally.Minute+uptally.Second),
	)})
	row := got.Credit.Charged
	want := "2026-06-02 13:00 600 s, 2026-06-02 14:00 420 s, 2026-06-02 17:00 361 s: 3 hours × EUR 0.50 = EUR 1.50"
	if row.Minor != 150 || figureOf(got, "free_hours") != "3" || row.Parts[0].Numbers != want {
		t.Errorf("got %d, %q; want 150, %q", row.Minor, row.Parts[0].Numbers, want)
	}
	var hours []int64
	for _, f := range row.Parts[0].Figures {
		if !f.At.Empty() {
			hours = append(hours, f.Value.Num().Int64())
		}
	}
	for i, want := range []int64{300, 300, 600, 420, 360, 361} {
		if len(hours) != 6 || hours[i] != want {
			t.Fatalf("got hours %v", hours)
		}
	}
}

// Hours are those of the zone's clock: in Kolkata (+05:30) they begin at half past of UTC, and in Berlin the hour from
// 02:00 comes twice on 25 October 2026.
func TestClockHours(t *testing.T) {
	for _, c := range []struct {
		zone, from string
		length     uptally.Duration
		want       []string
	}{
		{"Asia/Kolkata", "2026-06-02T10:20:00Z", 20 * uptally.Minute, []string{"2026-06-02T09:30:00Z", "2026-06-02T10:30:00Z"}},
		{"Europe/Berlin", "2026-10-25T00:50:00Z", 20 * uptally.Minute, []string{"2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z"}},
		{"Europe/Berlin", "2026-03-29T00:50:00Z", 20 * uptally.Minute, []string{"2026-03-29T00:00:00Z", "2026-03-29T01:00:00Z"}},
	} {
		hours := clockHours(Set{at(c.from, c.length)}, zone(t, c.zone))
		for i, want := range c.want {
			if len(hours) != len(c.want) || hours[i].From != ms(want) || hours[i].Len() != int64(uptally.Hour) {
				t.Errorf("%s %s: got %v, want %v", c.zone, c.from, hours, c.want)
				break
			}
		}
	}
}

func TestDurations(t *testing.T) {
	lumen := Durations{{From: 5 * uptally.Minute, Percent: pct("10%")}, {From: 30 * uptally.Minute, Percent: pct("20%")}, {From: uptally.Hour, Percent: pct("50%")}, {From: 2 * uptally.Hour, Percent: pct("100%")}}
	ntt := Durations{{From: 259 * uptally.Second, LongerThan: true, Percent: pct("1%")}}
	either := Durations{{From: 22 * uptally.Minute, LongerThan: true, Percent: pct("10%")}, {From: 15 * uptally.Minute, LongerThan: true, OnOutage: true, Percent: pct("10%")}, {Outages: 3, Percent: pct("15%")}}
	days := Durations{{From: 5 * uptally.Minute, Days: big.NewRat(1, 1)}, {From: 31 * uptally.Minute, Days: big.NewRat(7, 1)}}
	second := uptally.Second
	for _, c := range []struct {
		name    string
		rows    Durations
		lengths []uptally.Duration
		rule    string
		credit  int64
	}{
		{"exactly 30 minutes", lumen, []uptally.Duration{600 * second, 1200 * second}, "row from 30m", 44000},
		{"a second less", lumen, []uptally.Duration{600 * second, 1199 * second}, "row from 5m", 22000},
		{"34 minutes", lumen, []uptally.Duration{720 * second, 1320 * second}, "row from 30m", 44000},
		{"nothing", lumen, nil, "no row of the durations holds", 0},
		{"265 s are longer than 4m19s", ntt, []uptally.Duration{265 * second}, "row longer than 4m19s", 2200},
		{"259 s are not", ntt, []uptally.Duration{259 * second}, "no row of the durations holds", 0},
		{"20 minutes in all, no outage over 15", either, []uptally.Duration{600 * second, 600 * second}, "no row of the durations holds", 0},
		{"one outage over 15", either, []uptally.Duration{901 * second}, "row an outage longer than 15m", 22000},
		{"three outages, whatever their length", either, []uptally.Duration{second, second, second}, "row at least 3 outages", 33000},
		{"31 minutes: 7 days of 31", days, []uptally.Duration{31 * 60 * second}, "row from 31m", 49677}, // 7 × 2200 ÷ 31 = 496.774…
	} {
		a := without(220000)
		a.Versions[0].Credits.Durations = c.rows
		var down []Interval
		from := ms("2026-07-03T00:00:00Z")
		for _, l := range c.lengths {
			down = append(down, Interval{from, from + int64(l)})
			from += 10 * uptally.DayMillis / 2
		}
		row := compute(t, a, period(t, "2026-07", time.UTC), map[string]Tracks{"s": exact(down...)}).Credit.Charged
		if row.Parts[0].Rule != c.rule || row.Minor != c.credit {
			t.Errorf("%s: got %q and %d, want %q and %d", c.name, row.Parts[0].Rule, row.Minor, c.rule, c.credit)
		}
	}
}

// 2 % for each point below 99.5 %: at 95.5 % of ten hours exactly 4 points, a millisecond more starts a fifth.
func TestShortfall(t *testing.T) {
	for _, c := range []struct {
		down        int64
		full, begun int64
	}{{1_620_000, 800, 800}, {1_620_001, 800, 1000}, {180_000, 0, 0}, {180_001, 0, 200}, {0, 0, 0}} {
		for _, full := range []bool{true, false} {
			a := without(10000)
			v := &a.Versions[0]
			v.Target = pct("99.5%")
			v.Credits.Shortfall = &Shortfall{Percent: pct("2%"), Each: pct("1%"), Full: full}
			want := c.begun
			if full {
				want = c.full
			}
			if got := compute(t, a, Interval{0, 10 * hourMS}, map[string]Tracks{"s": exact(Interval{0, c.down})}).Credit.Charged.Minor; got != want*1 {
				t.Errorf("%d ms down, full %v: got %d, want %d", c.down, full, got, want)
			}
		}
	}
}

// 5000 × 40 min × 25 % × 25 ÷ 43,080 min = 31250/1077, with two hours planned by the customer out of the month.
func TestAffectedShare(t *testing.T) {
	for _, c := range []struct {
		name    string
		entries []EntryText
		exact   string
	}{
		{"a quarter", []EntryText{{From: ms("2026-06-17T10:00:00Z"), To: ms("2026-06-17T10:40:00Z"), Share: "25%"}}, "3125000/1077"},
		{"nobody said: all", nil, "12500000/1077"},
		{"two quarters for half of it: 20 × 25 % + 20 × 50 %", []EntryText{
			{From: ms("2026-06-17T10:00:00Z"), To: ms("2026-06-17T10:40:00Z"), Share: "25%"},
			{From: ms("2026-06-17T10:20:00Z"), To: ms("2026-06-17T10:40:00Z"), Share: "25%"}}, "1562500/359"},
		{"shares add up to all at most", []EntryText{
			{From: ms("2026-06-17T10:00:00Z"), To: ms("2026-06-17T10:40:00Z"), Share: "75%"},
			{From: ms("2026-06-17T10:00:00Z"), To: ms("2026-06-17T10:40:00Z"), Share: "75%"}}, "12500000/1077"},
	} {
		a := without(500000)
		a.Versions[0].Credits.Affected = &AffectedShare{Times: big.NewRat(25, 1)}
		entries := []Recorded{{uptally.Entry{ID: 1, Kind: KindMaintenance}, EntryText{From: ms("2026-06-07T02:00:00Z"), To: ms("2026-06-07T04:00:00Z")}}}
		for i, e := range c.entries {
			entries = append(entries, Recorded{uptally.Entry{ID: int64(i + 2), Kind: KindAffected}, e})
		}
		row := compute(t, a, period(t, "2026-06", time.UTC), map[string]Tracks{"s": exact(at("2026-06-17T10:00:00Z", 40*uptally.Minute))}, entries...).Credit.Charged
		if row.Exact.String() != c.exact {
			t.Errorf("%s: got %v, want %s", c.name, row.Exact, c.exact)
		}
	}
}

// The exact credit is compared, before it is rounded, and after the cap.
func TestSmallestCredit(t *testing.T) {
	for _, c := range []struct {
		fee, credit int64
		before      string
	}{{950, 0, "95"}, {1000, 0, "100"}, {1010, 101, "101"}, {1004, 100, "502/5"}} {
		a := agreement(time.UTC)
		v := &a.Versions[0]
		v.Fee, v.Ladder, v.Credits.Smallest = c.fee, []Tier{below("99.9%", "10%")}, big.NewRat(100, 1)
		row := compute(t, a, period(t, "2026-06", time.UTC), map[string]Tracks{"s": exact(at("2026-06-10T10:00:00Z", 4*uptally.Hour))}).Credit.Charged
		if row.Minor != c.credit || row.Before.RatString() != c.before || row.Withheld != (c.credit == 0) {
			t.Errorf("fee %d: got %d from %v, withheld %v", c.fee, row.Minor, row.Before, row.Withheld)
		}
	}
}

// Google Workspace: 8 h down of June are 98.888 %, 7 days, worth 7 × 620.00 ÷ 30 = 434/3.
func TestDaysOfService(t *testing.T) {
	a := agreement(zone(t, "America/Los_Angeles"))
	v := &a.Versions[0]
	row := func(below string, days int64) Tier {
		return Tier{Upper: Bound{Share: pct(below), Text: below}, Days: big.NewRat(days, 1)}
	}
	v.Fee, v.Ladder, v.Credits.Form = 62000, []Tier{row("99.9%", 3), row("99.0%", 7), row("95.0%", 15)}, CreditDays
	got := compute(t, a, period(t, "2026-06", a.Zone), map[string]Tracks{"s": exact(Interval{ms("2026-06-23T09:00:00-07:00"), ms("2026-06-23T17:00:00-07:00")})}).Credit.Charged
	if got.Given.RatString() != "7" || got.Exact.String() != "43400/3" || got.Minor != 14467 || got.Parts[0].Numbers != "7 ÷ 30 days = 7/30 of the fee" {
		t.Errorf("got %v days, %v, %d, %q", got.Given, got.Exact, got.Minor, got.Parts[0].Numbers)
	}
	// without a fee the days are owed all the same
	v.Fee = 0
	got = compute(t, a, period(t, "2026-06", a.Zone), map[string]Tracks{"s": exact(Interval{ms("2026-06-23T09:00:00-07:00"), ms("2026-06-23T17:00:00-07:00")})}).Credit.Charged
	if got.Given.RatString() != "7" || got.Minor != 0 {
		t.Errorf("without a fee: got %v days and %d", got.Given, got.Minor)
	}
}

// Points are per cent without money: two rows of 5 and 1 point a case.
func TestPoints(t *testing.T) {
	a := without(0)
	v := &a.Versions[0]
	v.Credits.Form = CreditPoints
	v.Credits.Shortfall = &Shortfall{Percent: pct("0.5%"), Each: pct("1%")}
	// 90 % of ten hours: 9.9 points short of 99.9 %, ten started: 5 points
	got := compute(t, a, Interval{0, 10 * hourMS}, map[string]Tracks{"s": exact(Interval{0, hourMS})}).Credit
	if got.Charged.Given.RatString() != "5" || got.Charged.Minor != 0 || !got.Determined {
		t.Errorf("got %v points, %d", got.Charged.Given, got.Charged.Minor)
	}
}

// A ladder pays 10 % and 2 h lost at ten times the price 20/720: they add up, or the greater is owed, or the ladder sees
// no downtime that the other paid for.
func TestSeveralForms(t *testing.T) {
	for _, c := range []struct {
		name    string
		terms   CreditTerms
		percent string
		used    string
	}{
		{"they add up: 1/10 + 1/36", CreditTerms{}, "23/180", ""},
		{"the best: 1/10", CreditTerms{BestOf: true}, "1/10", ""},
		{"no double use: 1/36", CreditTerms{NoDoubleUse: true}, "1/36", ""},
	} {
		a := agreement(time.UTC)
		v := &a.Versions[0]
		v.Credits = c.terms
		v.Credits.Multiple = &Multiple{Times: big.NewRat(10, 1), Over: PriceOverPeriod}
		got := compute(t, a, period(t, "2026-06", time.UTC), map[string]Tracks{"s": exact(at("2026-06-10T10:00:00Z", 2*uptally.Hour))}).Credit.Charged
		if got.Percent.RatString() != c.percent || len(got.Parts) != 2 {
			t.Errorf("%s: got %v of %d parts", c.name, got.Percent, len(got.Parts))
		}
	}
}

// Hours that are free are not down for the ladder: of 40 minutes the 10 outside the free hour are left, 99.976 %.
func TestNoDoubleUse(t *testing.T) {
	a := agreement(time.UTC)
	v := &a.Versions[0]
	v.Ladder = []Tier{below("99.9%", "10%")}
	v.Credits = CreditTerms{NoDoubleUse: true, FreeHours: &FreeHours{Over: 15 * uptally.Minute, Fee: big.NewRat(100, 1)}}
	down := map[string]Tracks{"s": exact(at("2026-06-10T10:30:00Z", 40*uptally.Minute), at("2026-06-11T10:00:00Z", 10*uptally.Minute))}
	// 50 min down of 720 h are 99.884 %, under the target; 30 of them are the free hour's
	if got := compute(t, a, period(t, "2026-06", time.UTC), down).Credit.Charged; got.Minor != 100 {
		t.Errorf("got %d, want 100: one free hour and nothing else", got.Minor)
	}
	v.Credits.NoDoubleUse = false
	if got := compute(t, a, period(t, "2026-06", time.UTC), down).Credit.Charged; got.Minor != 10100 {
		t.Errorf("both: got %d, want 10100", got.Minor)
	}
}

// Two outages of 20 minutes with a doubt of 5 minutes between: certain two started half hours, possible one of 45 minutes,
// which is two as well; full half hours: none and one. Where the doubt is 40 minutes, one outage has three.
func TestBoundsWhereEachOutageIsCounted(t *testing.T) {
	base := ms("2026-06-10T10:00:00Z")
	minute := int64(uptally.Minute)
	parted := Set{{base, base + 5*minute}, {base + 10*minute, base + 15*minute}, {base + 20*minute, base + 25*minute}}
	joined := Set{{base, base + 25*minute}}
	a := without(80000)
	a.Versions[0].Credits.Blocks = &Blocks{Each: 30 * uptally.Minute, Percent: pct("5%"), OnOutage: true}
	// three started half hours for certain, one if the doubts were downtime: the least is the possible track's
	k := compute(t, a, period(t, "2026-06", time.UTC), map[string]Tracks{"s": {Certain: parted, Point: parted, Possible: joined}}).Credit
	if !k.EachOutage || k.Determined || k.Proven.Minor != 4000 || k.Point.Minor != 12000 || k.Max.Minor != 12000 {
		t.Errorf("got %v, %d, %d, %d", k.EachOutage, k.Proven.Minor, k.Point.Minor, k.Max.Minor)
	}
}

// Whatever forms are agreed, the three credits are in order, none is negative, none is over the cap, and the parts add up.
func TestCreditsAreOrdered(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tr, _ := drawTracks(t)
		scale := func(s Set) Set {
			var is []Interval
			for _, i := range s {
				is = append(is, Interval{i.From * int64(uptally.Minute), i.To * int64(uptally.Minute)})
			}
			return NewSet(is...)
		}
		tr = Tracks{Certain: scale(tr.Certain), Point: scale(tr.Point), Possible: scale(tr.Possible), Unknown: scale(tr.Unknown)}
		a := without(rapid.Int64Range(0, 10000).Draw(t, "fee"))
		v := &a.Versions[0]
		yes := func(name string) bool { return rapid.Bool().Draw(t, name) }
		terms := &v.Credits
		if yes("blocks") {
			terms.Blocks = &Blocks{Each: 7 * uptally.Minute, Percent: pct("3%"), Full: yes("full"), OnOutage: yes("outage")}
		}
		if yes("multiple") {
			terms.Multiple = &Multiple{Times: big.NewRat(3, 1), Over: PriceOverEligible, BeyondTarget: yes("beyond")}
		}
		if yes("hours") {
			terms.FreeHours = &FreeHours{Over: 10 * uptally.Minute, Fee: big.NewRat(7, 2)}
		}
		if yes("durations") {
			terms.Durations = Durations{{From: 3 * uptally.Minute, Percent: pct("2%")}, {Outages: 2, Percent: pct("4%")}}
		}
		if yes("ladder") {
			v.Ladder = []Tier{below("99.9%", "10%"), below("50%", "100%")}
		}
		if yes("each") {
			terms.CapPerOutage = pct("2%")
		}
		terms.BestOf = yes("best")
		terms.NoDoubleUse = !terms.BestOf && yes("once")
		accounts, err := Compute(Input{Agreement: a, Period: Interval{0, hourMS}, Services: map[string]Tracks{"s": tr}})
		if err != nil {
			t.Fatal(err)
		}
		checkAccount(t, accounts[0])
		k := accounts[0].Credit
		for _, r := range []CreditRow{k.Proven, k.Point, k.Max} {
			sum := new(big.Rat)
			for _, p := range r.Parts {
				if p.Exact.Sign() < 0 {
					t.Fatalf("got a negative part %+v", p)
				}
				sum.Add(sum, p.Exact)
			}
			limit := whole(v.Fee)
			if over := v.creditCap(limit) != nil && r.Exact.Cmp(limit) > 0; over || !terms.BestOf && r.Exact.Cmp(sum) > 0 {
				t.Fatalf("got %v of a fee of %v and parts of %v", r.Exact, limit, sum)
			}
		}
	})
}
