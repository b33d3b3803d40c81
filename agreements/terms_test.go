package agreements

import (
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/uptally/uptally"
)

func between(upper string, upperIn bool, lower string, lowerIn bool, percent string) Tier {
	return Tier{Upper: Bound{pct(upper), upperIn, upper}, Lower: &Bound{pct(lower), lowerIn, lower}, Percent: pct(percent)}
}

func TestSoundAgreementsHaveNoProblems(t *testing.T) {
	a := agreement(time.UTC)
	expectProblems(t, a.Validate(), nil)
	a.Versions[0].Ladder = []Tier{between("99.9%", false, "99.0%", true, "10%"), between("99.0%", false, "95.0%", true, "25%"), below("95.0%", "100%")}
	expectProblems(t, a.Validate(), nil)
	a.Versions[0].Ladder = []Tier{below("95.0%", "100%"), below("99.9%", "10%"), below("99.0%", "25%")} // the order of the file does not matter
	expectProblems(t, a.Validate(), nil)
	a.Versions[0].Ladder, a.Versions[0].Fee = nil, 0 // a target without money
	expectProblems(t, a.Validate(), nil)
}

func TestEveryProblemOfAnAgreementAtOnce(t *testing.T) {
	a := Agreement{ZoneName: "Mars/Olympus", Currency: Currency{"EURO", 2}, Versions: []Version{
		{
			From: Date{2026, 5, 1}, Services: []string{"web", "", "web"}, Window: Calendar{Name: "cn"},
			Maintenance: Maintenance{Notice: -1, Recurring: []RecurringWindow{{Nth: 6, At: 24 * uptally.Hour}}},
			Exclusions:  ExclusionTerms{Causes: []string{"customer", "customer"}},
			Outage:      OutageTerms{Minimum: -60 * uptally.Second, Merge: -1}, Bridge: -1,
			Insufficient: pct("101%"), Target: pct("100.9%"), FeeFor: map[string]int64{"api": -1},
			Ladder: []Tier{below("99.9%", "10%")}, Cap: pct("150%"), Charge: 9,
		},
		{From: Date{2026, 5, 1}, Outage: OutageTerms{Minimum: -1, LongerThan: true}, Fee: -5},
	}}
	expectProblems(t, a.Validate(), []string{
		`agreement: got nothing, want a name`,
		`customer: got nothing, want the customer's name`,
		`time_zone: got "Mars/Olympus", want an IANA time zone, such as Europe/Berlin`,
		`currency: got "EURO", want an ISO 4217 currency, such as EUR`,
		`versions[0].period: got nothing, want month, quarter, year, or a length such as { months: 3, from: 2026-02-01 }`,
		`versions[0].services[1]: got nothing, want the name of a service`,
		`versions[0].services[2]: got "web", want each name once`,
		`versions[0].window: got "cn", want a calendar that opens at some time, such as 24x7`,
		`versions[0].maintenance.notice: got "-1ms", want a length of zero or more, such as 60s`,
		`versions[0].maintenance.recurring[0].on: got nothing, want a day such as sunday, first sunday or last sunday`,
		`versions[0].maintenance.recurring[0].at: got "24:00", want a local time of day such as 02:00`,
		`versions[0].maintenance.recurring[0].for: got "0s", want a length above zero, such as 4h`,
		`versions[0].exclusions.causes[1]: got "customer", want each name once`,
		`versions[0].outage.minimum: got "-1m", want a length of zero or more, such as 60s`,
		`versions[0].outage.merge: got "-1ms", want a length of zero or more, such as 60s`,
		`versions[0].bridge: got "-1ms", want a length of zero or more, such as 60s`,
		`versions[0].unknown: got nothing, want exclude, up or down`,
		`versions[0].insufficient: got "101%", want a share between 0% and 100%`,
		`versions[0].target: got "100.9%", want a share between 0% and 100%`,
		`versions[0].fees: got nothing, want fee, or beside fees each: service or weights: fee`,
		`versions[0].fees.api: got "-0.01", want an amount of zero or more`,
		`versions[0].fees.api: got "-0.01", want a service of this version`,
		`versions[0].fee: got nothing, want the fee that credits are a part of, such as "12000.00"`,
		`versions[0].credits[0].below: got "99.9%", want 100.9%, the target, as the best row's bound, or holes: pay_nothing; between them no row holds`,
		`versions[0].cap: got "150%", want at most 100%, or above_fee: allowed beside it; otherwise a credit above the whole fee is taken for a slip`,
		`versions[0].charge: got nothing, want proven, point or max`,
		`versions[1].from: got "2026-05-01", want a day after 2026-05-01, the version before`,
		`versions[1].period: got nothing, want month, quarter, year, or a length such as { months: 3, from: 2026-02-01 }`,
		`versions[1].services: got nothing, want at least one service`,
		`versions[1].window: got nothing, want a calendar that opens at some time, such as 24x7`,
		`versions[1].outage.longer_than: got "-1ms", want a length of zero or more, such as 60s`,
		`versions[1].unknown: got nothing, want exclude, up or down`,
		`versions[1].target: got nothing, want a share above 0%, such as 99.9%`,
		`versions[1].fee: got "-0.05", want an amount of zero or more`,
	})
	expectProblems(t, Agreement{Name: "a", Customer: "c", Zone: time.UTC, Currency: eur}.Validate(), []string{`versions: got nothing, want at least one version`})
}

func TestLadderProblems(t *testing.T) {
	for _, c := range []struct {
		name   string
		ladder []Tier
		want   []string
	}{
		{
			"GitHub's table has no row for exactly 99.0 %",
			[]Tier{between("99.9%", true, "99.0%", false, "10%"), below("99.0%", "25%")},
			[]string{`versions[0].credits[1].below: got "99.0%", want a bound that joins credits[0] (<= 99.9% and > 99.0%), or holes: pay_nothing; between them no row holds`},
		},
		{
			"rows written in tenths leave gaps, and nothing holds below the last",
			[]Tier{between("99.9%", false, "99.5%", true, "5%"), between("99.4%", true, "99.0%", true, "10%")},
			[]string{
				`versions[0].credits[1].at_most: got "99.4%", want a bound that joins credits[0] (< 99.9% and >= 99.5%), or holes: pay_nothing; between them no row holds`,
				`versions[0].credits[1].at_least: got "99.0%", want no lower bound on the last row, or holes: pay_nothing; below it no row holds`,
			},
		},
		{
			"a hole between the target and the best row",
			[]Tier{below("99.5%", "10%")},
			[]string{`versions[0].credits[0].below: got "99.5%", want 99.9%, the target, as the best row's bound, or holes: pay_nothing; between them no row holds`},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := agreement(time.UTC)
			a.Versions[0].Ladder = c.ladder
			expectProblems(t, a.Validate(), c.want)
			a.Versions[0].HolesPayNothing = true
			expectProblems(t, a.Validate(), nil)
		})
	}
	for _, c := range []struct {
		name   string
		ladder []Tier
		want   []string
	}{
		{
			"rows that share one availability",
			[]Tier{between("99.9%", false, "99.0%", true, "10%"), {Upper: Bound{pct("99.0%"), true, "99.0%"}, Percent: pct("25%")}},
			[]string{`versions[0].credits[1].at_most: got "99.0%", want no overlap with credits[0] (< 99.9% and >= 99.0%)`},
		},
		{
			"a row without a lower bound covers the rows after it",
			[]Tier{below("99.9%", "10%"), between("99.0%", false, "95.0%", true, "25%"), below("95.0%", "100%")},
			[]string{`versions[0].credits[1].below: got "99.0%", want no overlap with credits[0] (< 99.9%)`},
		},
		{
			"the same bound twice, and a lower availability that pays less",
			[]Tier{below("99.9%", "10%"), below("99.0%", "25%"), below("99.0%", "5%")},
			[]string{
				`versions[0].credits[2].below: got "99.0%", want another bound than credits[1] (< 99.0%)`,
				`versions[0].credits[2].percent: got "5%", want at least 25%, as credits[1] (< 99.0%) pays: less availability never pays less`,
			},
		},
		{
			"a row that pays although the target is met",
			[]Tier{below("99.95%", "10%")},
			[]string{`versions[0].credits[0].below: got "99.95%", want 99.9%, the target, as the best row's bound, or above_target: allowed; otherwise a row that pays although the target is met is taken for a slip`},
		},
		{
			"rows that are wrong by themselves",
			[]Tier{{Upper: Bound{pct("100%"), true, "100%"}, Percent: pct("101%")}, between("99.0%", false, "99.0%", true, "25%"), {Lower: &Bound{}}},
			[]string{
				`versions[0].credits[0].at_most: got "100%", want a bound that full availability does not pay`,
				`versions[0].credits[0].percent: got "101%", want at most 100%, or above_fee: allowed beside it; otherwise a credit above the whole fee is taken for a slip`,
				`versions[0].credits[1].at_least: got "99.0%", want a bound under 99.0%; no availability is in this row`,
				`versions[0].credits[2].below: got nothing, want a share such as 99.9%`,
				`versions[0].credits[2].above: got nothing, want a share such as 99.0%`,
				`versions[0].credits[2].percent: got nothing, want a share of the fee, such as 10, or days`,
				`versions[0].credits[0].at_most: got "100%", want 99.9%, the target, as the best row's bound, or above_target: allowed; otherwise a row that pays although the target is met is taken for a slip`,
				`versions[0].credits[1].below: got "99.0%", want no overlap with credits[0] (<= 100%)`,
				`versions[0].credits[1].percent: got "25%", want at least 101%, as credits[0] (<= 100%) pays: less availability never pays less`,
				`versions[0].credits[1].at_least: got "99.0%", want no lower bound on the last row, or holes: pay_nothing; below it no row holds`,
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := agreement(time.UTC)
			a.Versions[0].Ladder = c.ladder
			expectProblems(t, a.Validate(), c.want)
		})
	}
}

func TestWhichRowWins(t *testing.T) {
	github := []Tier{between("99.9%", true, "99.0%", false, "10%"), below("99.0%", "25%")}
	amazon := []Tier{below("95.0%", "100%"), below("99.9%", "10%"), below("99.0%", "25%")}
	ranges := []Tier{between("99.9%", false, "99.0%", true, "10%"), below("99.0%", "25%")}
	for _, c := range []struct {
		ladder []Tier
		at     string
		want   string
	}{
		{ranges, "99.9%", ""}, {ranges, "99.0%", "< 99.9% and >= 99.0%"}, {ranges, "98.999999%", "< 99.0%"},
		{amazon, "100%", ""}, {amazon, "99.9%", ""}, {amazon, "99.899999%", "< 99.9%"}, {amazon, "99.0%", "< 99.9%"},
		{amazon, "98.999999%", "< 99.0%"}, {amazon, "95.0%", "< 99.0%"}, {amazon, "0%", "< 95.0%"},
		{github, "99.900001%", ""}, {github, "99.9%", "<= 99.9% and > 99.0%"}, {github, "99.000001%", "<= 99.9% and > 99.0%"},
		{github, "99.0%", ""}, {github, "98.999999%", "< 99.0%"},
	} {
		v := Version{Ladder: c.ladder, Fee: 100}
		if got := v.owed(loss{availability: pct(c.at), fee: whole(100)}).Tier; got != c.want {
			t.Errorf("at %s: got %q, want %q", c.at, got, c.want)
		}
	}
	if got := (&Version{Ladder: amazon}).row(nil); got != noRow {
		t.Errorf("without an availability: row %d, want every tier met", got)
	}
}

func TestMoneyIsRoundedOnceAfterTheCap(t *testing.T) {
	for _, c := range []struct {
		name    string
		fee     int64
		percent string
		cap     string
		exact   string
		minor   int64
		capped  bool
	}{
		{"EUR 100.40, 10 %: 10.04", 10040, "10%", "", "1004/1", 1004, false},
		{"half a cent goes up: 10 % of 10.05", 1005, "10%", "", "201/2", 101, false},
		{"less goes down: 10 % of 10.04", 1004, "10%", "", "502/5", 100, false},
		{"JPY 12345, 10 %: 1234.5 yen", 12345, "10%", "", "2469/2", 1235, false},
		{"KWD 1.005, 10 %: 0.1005", 1005, "10%", "", "201/2", 101, false},
		{"a cap of 12.5 % on 25 % of 0.99: 0.12375, not half of the rounded 0.25", 99, "25%", "12.5%", "99/8", 12, true},
		{"a cap of exactly the row is no cut", 1000, "25%", "25%", "250/1", 250, false},
	} {
		v := Version{Ladder: []Tier{below("99.9%", c.percent)}}
		if c.cap != "" {
			v.Cap = pct(c.cap)
		}
		got := v.owed(loss{availability: new(big.Rat), fee: whole(c.fee)})
		if got.Exact.String() != c.exact || got.Minor != c.minor || got.Capped != c.capped || got.Percent.Cmp(pct(c.percent)) != 0 {
			t.Errorf("%s: got %+v", c.name, got)
		}
	}
}

// In a ladder with a hole more downtime can pay less: certain 1 % − 1 ms pays 10 %, possible exactly 1 % pays nothing.
// The bounds are then the least and the greatest of the three.
func TestHoleInTheLadderDoesNotTurnTheBoundsRound(t *testing.T) {
	a := agreement(time.UTC)
	a.Versions[0].Ladder = []Tier{between("99.9%", true, "99.0%", false, "10%"), below("99.0%", "25%")}
	p := Interval{0, 1000_000}
	got := compute(t, a, p, map[string]Tracks{"s": {Certain: Set{{0, 9_999}}, Point: Set{{0, 9_999}}, Possible: Set{{0, 10_000}}}})
	k := got.Credit
	if k.Proven.Minor != 0 || k.Point.Minor != 10000 || k.Max.Minor != 10000 || k.Determined {
		t.Errorf("got %+v", k)
	}
}

func TestChargeNamesOneOfTheThree(t *testing.T) {
	// 1000 s: 0.5 s, 5 s and 20 s of downtime: no row, 10 %, 25 %
	tracks := map[string]Tracks{"s": {Certain: Set{{0, 500}}, Point: Set{{0, 5000}}, Possible: Set{{0, 20_000}}}}
	for term, want := range map[ChargeTerm]int64{0: 0, ChargeProven: 0, ChargePoint: 10000, ChargeMax: 25000} {
		a := agreement(time.UTC)
		a.Versions[0].Charge = term
		got := compute(t, a, Interval{0, 1000_000}, tracks).Credit
		if got.Charged.Minor != want || got.Determined || got.OnlyUnknown {
			t.Errorf("charge %d: %+v, want %d", term, got, want)
		}
	}
	// two rows over a cap of 5 % pay the same: nothing is open
	a := agreement(time.UTC)
	a.Versions[0].Cap = pct("5%")
	tracks["s"] = Tracks{Certain: Set{{0, 5000}}, Point: Set{{0, 5000}}, Possible: Set{{0, 20_000}}}
	if got := compute(t, a, Interval{0, 1000_000}, tracks).Credit; !got.Determined || got.Max.Minor != 5000 || !got.Max.Capped {
		t.Errorf("capped: %+v", got)
	}
}

func TestStepsUseThePointsOwnDenominator(t *testing.T) {
	unknown := Set{{500_000, 600_000}}
	got := compute(t, agreement(time.UTC), Interval{0, 1000_000}, map[string]Tracks{"s": {
		Point: Set{{0, 950}}, Possible: Union(Set{{0, 950}}, unknown), Unknown: unknown,
	}}).Credit
	// allowed 0.1 % of 1000 s = 1000 ms; of the 900 s that were measured 900 ms, and 950 ms are over it
	want := TierStep{"< 99.9%", 1000, 1000, -50, 1000 - 100_950}
	if len(got.Steps) != 3 || got.Steps[0] != want || got.Point.Minor != 10000 || got.Proven.Minor != 0 || !got.OnlyUnknown {
		t.Errorf("got %+v", got)
	}
}

// Certain downtime exactly at the limit of a row has no room left and is not in it; possible downtime exactly at the next
// limit is not in that one.
func TestStepsAtTheLimits(t *testing.T) {
	got := compute(t, agreement(time.UTC), Interval{0, 1000_000}, map[string]Tracks{"s": {Certain: Set{{0, 1000}}, Point: Set{{0, 2000}}, Possible: Set{{0, 10_000}}}})
	if want := []TierStep{{"< 99.9%", 1000, 0, -1000, -9000}}; !slices.Equal(got.Credit.Steps, want) {
		t.Errorf("got %v, want %v", got.Credit.Steps, want)
	}
}

func TestRoundHalfUp(t *testing.T) {
	for text, want := range map[string]int64{"1/2": 1, "499/1000": 0, "3/2": 2, "0/1": 0, "7/1": 7} {
		r, _ := new(big.Rat).SetString(text)
		if got := roundHalfUp(r); got != want {
			t.Errorf("roundHalfUp(%s) = %d, want %d", text, got, want)
		}
	}
}
