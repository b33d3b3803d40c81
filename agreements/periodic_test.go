package agreements

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/uptally/uptally"
)

// days are two local midnights, "2026-01-15 to 2026-02-15", the end exclusive.
func daysOf(p Interval, zone *time.Location) string {
	return localDate(p.From, zone).String() + " to " + localDate(p.To, zone).String()
}

func day(t *testing.T, text string) Date {
	t.Helper()
	d, err := ParseDate(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestPeriodAroundADay(t *testing.T) {
	for _, c := range []struct {
		name  string
		kind  PeriodKind
		count int
		from  string
		day   string
		want  string
	}{
		{"calendar month", Month, 0, "", "2026-10-15", "2026-10-01 to 2026-11-01"},
		{"calendar quarter", Quarter, 0, "", "2026-12-31", "2026-10-01 to 2027-01-01"},
		{"calendar year", Year, 0, "", "1999-06-30", "1999-01-01 to 2000-01-01"},
		{"fiscal quarter from February, its last day", EveryMonths, 3, "2026-02-01", "2026-04-30", "2026-02-01 to 2026-05-01"},
		{"fiscal quarter before the day it is counted from", EveryMonths, 3, "2026-02-01", "2026-01-31", "2025-11-01 to 2026-02-01"},
		{"billing month from the 15th, the day before", EveryMonths, 1, "2026-03-15", "2026-10-14", "2026-09-15 to 2026-10-15"},
		{"billing month from the 15th, the day itself", EveryMonths, 1, "2026-03-15", "2026-10-15", "2026-10-15 to 2026-11-15"},
		{"from the 31st: February begins on its last day", EveryMonths, 1, "2026-01-31", "2026-02-28", "2026-02-28 to 2026-03-31"},
		{"from the 31st: and January ends before it", EveryMonths, 1, "2026-01-31", "2026-02-27", "2026-01-31 to 2026-02-28"},
		{"from the 31st, a leap year", EveryMonths, 1, "2026-01-31", "2028-02-28", "2028-01-31 to 2028-02-29"},
		{"contract year from 29 February", EveryMonths, 12, "2024-02-29", "2026-03-01", "2026-02-28 to 2027-02-28"},
		{"thirty days", EveryDays, 30, "2026-01-01", "2026-01-31", "2026-01-31 to 2026-03-02"},
		{"thirty days before they are counted", EveryDays, 30, "2026-01-01", "2025-12-31", "2025-12-02 to 2026-01-01"},
		{"the seven days up to a day, over the change of clocks", RollingDays, 7, "", "2026-03-31", "2026-03-25 to 2026-04-01"},
	} {
		berlin := zone(t, "Europe/Berlin")
		a := agreement(berlin)
		v := &a.Versions[0]
		v.Period, v.PeriodCount = c.kind, c.count
		if c.from != "" {
			v.PeriodFrom = day(t, c.from)
		}
		p, err := a.ParsePeriod(c.day)
		if err != nil {
			t.Fatal(c.name, err)
		}
		if got := daysOf(p, berlin); got != c.want || Date.Start(localDate(p.To, berlin), berlin) != p.To {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
		text, same, err := a.PeriodAt(day(t, c.day).Start(berlin) + hourMS)
		if again, _ := a.ParsePeriod(text); err != nil || same != p || again != p {
			t.Errorf("%s: now it is %q, %s, %v", c.name, text, daysOf(same, berlin), err)
		}
	}
	a := agreement(time.UTC)
	if text, _, _ := a.PeriodAt(ms("2026-10-15T12:00:00Z")); text != "2026-10" {
		t.Errorf("got %q, want 2026-10", text)
	}
}

// changing is an agreement whose second version begins on a day; the first has months.
func changing(t *testing.T, from string, change ChangeTerm, kind PeriodKind) *Agreement {
	t.Helper()
	a := agreement(time.UTC)
	later := a.Versions[0]
	later.From, later.Change, later.Period, later.Target = day(t, from), change, kind, pct("99%")
	later.Ladder, later.Fee = []Tier{below("99%", "50%")}, 200000
	a.Versions = append(a.Versions, later)
	return a
}

func TestPeriodsWhereVersionsChange(t *testing.T) {
	for _, c := range []struct {
		name   string
		change ChangeTerm
		kind   PeriodKind
		day    string
		want   string
	}{
		{"split: the month stays whole", ChangeSplit, Month, "2026-10-20", "2026-10-01 to 2026-11-01"},
		{"next period: the month is the older one's", ChangeNextPeriod, Month, "2026-10-20", "2026-10-01 to 2026-11-01"},
		{"split into years: the older month ends with its version", ChangeSplit, Year, "2026-10-09", "2026-10-01 to 2026-10-10"},
		{"split into years: the newer year begins with it", ChangeSplit, Year, "2026-10-10", "2026-10-10 to 2027-01-01"},
		{"years wait for the month's end", ChangeNextPeriod, Year, "2026-10-20", "2026-10-01 to 2026-11-01"},
		{"and the first year is what is left", ChangeNextPeriod, Year, "2026-11-01", "2026-11-01 to 2027-01-01"},
	} {
		a := changing(t, "2026-10-10", c.change, c.kind)
		p, err := a.PeriodOf(day(t, c.day))
		if got := daysOf(p, time.UTC); err != nil || got != c.want {
			t.Errorf("%s: got %s, %v, want %s", c.name, got, err, c.want)
		}
	}
	a := changing(t, "2026-10-10", ChangeNextPeriod, Month)
	for i := range a.Versions {
		a.Versions[i].Period, a.Versions[i].PeriodCount = RollingDays, 7+i
	}
	// The seven days up to 16 October begin on the 10th, those up to the 15th do not: the older seven days judge them.
	for text, want := range map[string]string{"2026-10-17": "2026-10-10 to 2026-10-18", "2026-10-15": "2026-10-09 to 2026-10-16"} {
		if p, err := a.ParsePeriod(text); err != nil || daysOf(p, time.UTC) != want {
			t.Errorf("rolling up to %s: got %s, %v, want %s", text, daysOf(p, time.UTC), err, want)
		}
	}
	_, err := a.ParsePeriod("1959-12-31")
	if terms := (*TermsError)(nil); !errors.As(err, &terms) || !strings.HasSuffix(err.Error(), "no version is in force on 1959-12-31") {
		t.Errorf("got %v, want a *TermsError", err)
	}
}

// October 2026 with a version from the 11th: 10 days of the older at 1000.00, 21 of the newer at 2000.00.
func TestSplitPeriod(t *testing.T) {
	a := changing(t, "2026-10-11", ChangeSplit, Month)
	october := period(t, "2026-10", time.UTC)
	// one outage of 12 h over the change: 6 h in each part
	services := map[string]Tracks{"s": exact(at("2026-10-10T18:00:00Z", 12*uptally.Hour))}
	got, err := Compute(Input{Agreement: a, Period: october, Services: services})
	if err != nil || len(got) != 2 {
		t.Fatalf("got %d accounts and %v, want 2", len(got), err)
	}
	for i, want := range []struct {
		days         string
		availability string
		fee, credit  int64
	}{
		// 1 − 6/240; 1000.00 × 10/31 = 322.580… → 322.58; below 99.0 %: 25 % = 80.645 → 80.65
		{"2026-10-01 to 2026-10-11", "39/40", 32258, 8065},
		// 1 − 6/504; 2000.00 × 21/31 = 1354.838… → 1354.84; below 99 %: 50 % = 677.42
		{"2026-10-11 to 2026-11-01", "83/84", 135484, 67742},
	} {
		g := got[i]
		checkAccount(t, g)
		if daysOf(g.Period, time.UTC) != want.days || g.Availability.Point.RatString() != want.availability || g.Terms.Fee != want.fee || g.Credit.Charged.Minor != want.credit {
			t.Errorf("part %d: got %s, %s, fee %d, credit %d; want %+v", i, daysOf(g.Period, time.UTC), g.Availability.Point.RatString(), g.Terms.Fee, g.Credit.Charged.Minor, want)
		}
	}
	if a.Versions[1].Fee != 200000 {
		t.Error("the agreement's own fee changed")
	}
	// The same month to date, on the 6th, still has its share of the whole month's fee.
	toDate, err := Compute(Input{Agreement: a, Period: Interval{october.From, ms("2026-10-06T00:00:00Z")}, Whole: october, Services: services})
	if err != nil || len(toDate) != 1 || toDate[0].Terms.Fee != 32258 {
		t.Errorf("to date: got %v, %v", toDate, err)
	}
	a.Versions[1].Change = ChangeNextPeriod
	if got := compute(t, a, october, services); got.Terms != &a.Versions[0] || got.Period != october {
		t.Errorf("next_period: got the version from %s over %s", got.Terms.From, daysOf(got.Period, time.UTC))
	}
	a.Versions[1].Change = 0
	_, err = Compute(Input{Agreement: a, Period: october, Services: services})
	if err == nil || !strings.HasSuffix(err.Error(), "more than one version covers the period; the next is from 2026-10-11") {
		t.Errorf("without an answer: got %v", err)
	}
}

// A period that the beginning of its version cuts short has its days' share of the fee: 21 of 31 days of 2000.00, and 61 of
// the 365 of a year.
func TestFeeOfACutPeriod(t *testing.T) {
	for _, c := range []struct {
		change ChangeTerm
		kind   PeriodKind
		day    string
		want   int64
	}{
		{ChangeSplit, EveryMonths, "2026-10-20", 135484},
		{ChangeSplit, EveryMonths, "2026-10-02", 32258}, // 10 of 31 days of 1000.00
		{ChangeSplit, EveryMonths, "2026-11-20", 200000},
		{ChangeNextPeriod, Year, "2026-12-01", 33425}, // 334.246…
		{ChangeNextPeriod, Year, "2027-12-01", 200000},
	} {
		a := changing(t, "2026-10-11", c.change, c.kind)
		a.Versions[1].PeriodCount, a.Versions[1].PeriodFrom = 1, Date{2026, time.January, 1}
		p, err := a.ParsePeriod(c.day)
		if err != nil {
			t.Fatal(err)
		}
		if got := compute(t, a, p, map[string]Tracks{"s": {}}); got.Terms.Fee != c.want {
			t.Errorf("%s: got a fee of %d for %s, want %d", c.day, got.Terms.Fee, daysOf(p, time.UTC), c.want)
		}
	}
}

func TestChangeIsAskedFor(t *testing.T) {
	for _, c := range []struct {
		from string
		kind PeriodKind
		want string
	}{
		{"2026-10-01", Month, ""},
		{"2026-10-01", Quarter, ""},
		{"2026-11-01", Quarter, "versions[1].change: got nothing, want split (each version over its own days) or next_period (the older one judges that period), since 2026-11-01 is not the first day of a period"},
		{"2026-10-11", Month, "versions[1].change: got nothing, want split (each version over its own days) or next_period (the older one judges that period), since 2026-10-11 is not the first day of a period"},
	} {
		var got []string
		for _, p := range changing(t, c.from, 0, c.kind).Validate() {
			got = append(got, p.String())
		}
		if strings.Join(got, "\n") != c.want {
			t.Errorf("%s: got %q, want %q", c.from, got, c.want)
		}
	}
}
