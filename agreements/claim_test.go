package agreements

import (
	"slices"
	"testing"
	"time"

	"github.com/uptally/uptally"
)

// The deadline is the last day on the agreement's clock; the outage is on Friday 30 October 2026, the ticket is closed
// on Monday 2 November, and Berlin has its clock change on the 25th.
func TestClaimDeadlines(t *testing.T) {
	berlin := zone(t, "Europe/Berlin")
	for _, c := range []struct {
		name        string
		period      string
		kind        PeriodKind
		terms       ClaimTerms
		last, until string
	}{
		{"30 days from the end of October", "2026-10", Month, ClaimTerms{Within: 30 * dayClock, Of: ClaimPeriodEnd}, "2026-11-30", "2026-12-01T00:00:00+01:00"},
		{"two months from it: the end of December", "2026-10", Month, ClaimTerms{Months: 2, Of: ClaimPeriodEnd}, "2026-12-31", "2027-01-01T00:00:00+01:00"},
		{"two months from the end of February: the end of April", "2026-02", Month, ClaimTerms{Months: 2, Of: ClaimPeriodEnd}, "2026-04-30", "2026-05-01T00:00:00+02:00"},
		{"the end of the second cycle after it", "2026-10", Month, ClaimTerms{Cycles: 2, Of: ClaimPeriodEnd}, "2026-12-31", "2027-01-01T00:00:00+01:00"},
		{"a cycle of a quarter", "2026-Q4", Quarter, ClaimTerms{Cycles: 1, Of: ClaimIncident}, "2027-03-31", "2027-04-01T00:00:00+02:00"},
		{"five business days from the end: Monday 2 to Friday 6", "2026-10", Month, ClaimTerms{BusinessDays: 5, Of: ClaimPeriodEnd}, "2026-11-06", "2026-11-07T00:00:00+01:00"},
		{"10 days from the outage", "2026-10", Month, ClaimTerms{Within: 10 * dayClock, Of: ClaimIncident}, "2026-11-09", "2026-11-10T00:00:00+01:00"},
		{"four months from it: February has no 30th", "2026-10", Month, ClaimTerms{Months: 4, Of: ClaimIncident}, "2027-02-28", "2027-03-01T00:00:00+01:00"},
		{"one business day from it: Monday", "2026-10", Month, ClaimTerms{BusinessDays: 1, Of: ClaimIncident}, "2026-11-02", "2026-11-03T00:00:00+01:00"},
		{"36 hours from it, to the minute", "2026-10", Month, ClaimTerms{Within: 36 * uptally.Hour, Of: ClaimIncident}, "2026-10-31", "2026-10-31T22:00:00+01:00"},
		{"30 days from the closing of the ticket", "2026-10", Month, ClaimTerms{Within: 30 * dayClock, Of: ClaimTicketClosed}, "2026-12-02", "2026-12-03T00:00:00+01:00"},
	} {
		a := agreement(berlin)
		v := &a.Versions[0]
		v.Period, v.Credits.Claim = c.kind, &c.terms
		report := Recorded{uptally.Entry{ID: 1, Kind: KindReport}, EntryText{
			From: ms("2026-10-30T10:00:00+01:00"), To: ms("2026-10-30T11:00:00+01:00"), Opened: ms("2026-10-30T10:05:00+01:00"), Closed: ms("2026-11-02T09:00:00+01:00")}}
		got := compute(t, a, period(t, c.period, berlin), map[string]Tracks{"s": exact(at("2026-10-30T10:00:00+01:00", uptally.Hour))}, report).Claims
		if len(got) != 1 || got[0].Last.String() != c.last || got[0].Until != ms(c.until) {
			t.Errorf("%s: got %+v (%s), want %s", c.name, got, time.UnixMilli(got[0].Until).In(berlin), c.last)
		}
	}
}

func TestClaimOfATicketThatIsOpen(t *testing.T) {
	a := agreement(time.UTC)
	a.Versions[0].Credits.Claim = &ClaimTerms{Within: 30 * dayClock, Of: ClaimTicketClosed}
	got := compute(t, a, period(t, "2026-10", time.UTC), map[string]Tracks{"s": exact(at("2026-10-30T10:00:00Z", uptally.Hour))}).Claims
	if len(got) != 1 || got[0].Until != 0 || got[0].Why != "no closed ticket is recorded" {
		t.Errorf("got %+v", got)
	}
}

// Business days are those on which the window's calendar has hours: 24 December 2026 is closed here, a Thursday.
func TestBusinessDaysOfACalendar(t *testing.T) {
	office := builtin(t, "5x8")
	office.Dates = map[Date][]ClockSpan{{2026, 12, 24}: nil, {2026, 12, 26}: {{9 * uptally.Hour, 12 * uptally.Hour}}}
	// from Wednesday 23rd: Friday 25th, Saturday 26th with hours of its own, Monday 28th
	if got := office.addBusinessDays(Date{2026, 12, 23}, 3); got != (Date{2026, 12, 28}) {
		t.Errorf("got %s, want 2026-12-28", got)
	}
}

// months are accounts of consecutive months from January 2026 with so much downtime at the start of the 10th.
func months(t *testing.T, a *Agreement, hours ...int64) []Account {
	t.Helper()
	var history []Account
	for i, h := range hours {
		first := Date{2026, time.January + time.Month(i), 1}
		p := Interval{first.Start(time.UTC), first.addMonths(1).Start(time.UTC)}
		down := Interval{first.add(9).Start(time.UTC), first.add(9).Start(time.UTC) + h*hourMS}
		history = append(history, compute(t, a, p, map[string]Tracks{"s": exact(down)}))
	}
	return history
}

func TestRights(t *testing.T) {
	// January 744 h, February 672, March 744: 8 h are 98.92, 98.80 and 98.92 %; 2 h 99.73, 99.70, 99.73 %
	for _, c := range []struct {
		name  string
		when  RightWhen
		hours []int64
		holds bool
	}{
		{"below 99 % three times in a row", RightWhen{Below: pct("99%"), Periods: 3, InARow: true}, []int64{8, 8, 8}, true},
		{"not in a row", RightWhen{Below: pct("99%"), Periods: 3, InARow: true}, []int64{8, 2, 8, 8}, false},
		{"too short a history", RightWhen{Below: pct("99%"), Periods: 3, InARow: true}, []int64{8, 8}, false},
		{"two of three", RightWhen{Below: pct("99%"), Periods: 2, Of: 3}, []int64{8, 2, 8}, true},
		{"two of the last three, not of four", RightWhen{Below: pct("99%"), Periods: 2, Of: 3}, []int64{8, 2, 2, 8}, false},
		{"the mean of three: (98.92 + 99.70 + 98.92) ÷ 3 = 99.18", RightWhen{MeanBelow: pct("99.2%"), Periods: 3}, []int64{8, 2, 8}, true},
		{"not below 99.1", RightWhen{MeanBelow: pct("99.1%"), Periods: 3}, []int64{8, 2, 8}, false},
		{"more than 17 h in two months", RightWhen{Down: 17 * uptally.Hour, Periods: 2}, []int64{8, 10, 8}, true},
		{"exactly 18 h are not more", RightWhen{Down: 18 * uptally.Hour, Periods: 2}, []int64{8, 10, 8}, false},
		{"two outages within 30 days: 10 February to 10 March are 28", RightWhen{Outages: 2, Within: 30 * dayClock}, []int64{0, 8, 8}, true},
		{"10 January to 10 February are 31", RightWhen{Outages: 2, Within: 30 * dayClock}, []int64{8, 8}, false},
		{"longer than 8 h: none", RightWhen{Outages: 1, Minimum: 8 * uptally.Hour, LongerThan: true}, []int64{8}, false},
		{"of at least 8 h", RightWhen{Outages: 1, Minimum: 8 * uptally.Hour}, []int64{8}, true},
		{"more than 15 h within 30 days", RightWhen{Down: 15 * uptally.Hour, Within: 30 * dayClock}, []int64{0, 8, 8}, true},
	} {
		a := agreement(time.UTC)
		a.Versions[0].Credits.Rights = []Right{{"terminate", c.when}}
		got := Rights(months(t, a, c.hours...))
		if len(got) != 1 || got[0].Proven != c.holds || got[0].Point != c.holds || got[0].Max != c.holds {
			t.Errorf("%s: got %+v, want %v", c.name, got, c.holds)
		}
	}
}

// Three short outages for certain are one long one if the doubts between were downtime: a count of three is not proven.
func TestRightsOverTheThreeTracks(t *testing.T) {
	a := agreement(time.UTC)
	a.Versions[0].Credits.Rights = []Right{{"terminate", RightWhen{Outages: 3}}}
	parted := Set{{0, 1000}, {2000, 3000}, {4000, 5000}}
	got := Rights([]Account{compute(t, a, Interval{0, hourMS}, map[string]Tracks{"s": {Certain: parted, Point: parted, Possible: Set{{0, 5000}}}})})
	want := HeldRight{Name: "terminate", Rule: "at least 3 outages in the period", Numbers: "certain 3 outages; likely 3 outages; possible 1 outage", Point: true, Max: true}
	if !slices.Equal(got, []HeldRight{want}) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestRightPeriods(t *testing.T) {
	for want, w := range map[int]RightWhen{0: {Outages: 1}, 2: {Below: pct("99%"), Periods: 3, InARow: true}, 5: {Below: pct("99%"), Periods: 2, Of: 6}, 4: {Outages: 3, Within: 90 * dayClock}} {
		if got := (&Version{Period: Month, Credits: CreditTerms{Rights: []Right{{"r", w}}}}).RightPeriods(); got != want {
			t.Errorf("%s: got %d periods, want %d", w.Words(), got, want)
		}
	}
}
