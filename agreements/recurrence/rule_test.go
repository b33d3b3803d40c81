package recurrence

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/agreements"
)

func date(t testing.TB, text string) agreements.Date {
	t.Helper()
	d, err := agreements.ParseDate(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func weekdays(days ...time.Weekday) []Weekday {
	var ws []Weekday
	for _, d := range days {
		ws = append(ws, Weekday{Day: d})
	}
	return ws
}

// The first days of rules; most are examples of RFC 5545, 3.8.5.3, with the days that it lists.
func TestRules(t *testing.T) {
	for _, c := range []struct {
		name  string
		rule  Rule
		first string
		want  string // the first days, without the century
	}{
		{"every other day", Rule{Frequency: Daily, Interval: 2}, "1997-09-02", "97-09-02 97-09-04 97-09-06"},
		{"every day in January", Rule{Frequency: Yearly, Months: []time.Month{1}, Weekdays: weekdays(0, 1, 2, 3, 4, 5, 6)}, "1998-01-30", "98-01-30 98-01-31 99-01-01"},
		{"every other week on Monday, Wednesday, Friday, weeks from Sunday", Rule{Frequency: Weekly, Interval: 2, Weekdays: weekdays(1, 3, 5)}, "1997-09-01", "97-09-01 97-09-03 97-09-05 97-09-15"},
		{"every other week on Tuesday and Sunday, weeks from Monday", Rule{Frequency: Weekly, Interval: 2, Weekdays: weekdays(2, 0), WeekStart: time.Monday}, "1997-08-05", "97-08-05 97-08-10 97-08-19 97-08-24"},
		{"the same with weeks from Sunday", Rule{Frequency: Weekly, Interval: 2, Weekdays: weekdays(2, 0)}, "1997-08-05", "97-08-05 97-08-17 97-08-19 97-08-31"},
		{"the first Friday of the month", Rule{Frequency: Monthly, Weekdays: []Weekday{{1, time.Friday}}}, "1997-09-05", "97-09-05 97-10-03 97-11-07"},
		{"the first and last Sunday of every other month", Rule{Frequency: Monthly, Interval: 2, Weekdays: []Weekday{{1, time.Sunday}, {-1, time.Sunday}}}, "1997-09-07", "97-09-07 97-09-28 97-11-02 97-11-30 98-01-04"},
		{"the third day before the end of the month", Rule{Frequency: Monthly, MonthDays: []int{-3}}, "1997-09-28", "97-09-28 97-10-29 97-11-28 97-12-29 98-01-29 98-02-26"},
		{"the 31st, in months that have one", Rule{Frequency: Monthly}, "2026-01-31", "26-01-31 26-03-31 26-05-31"},
		{"29 February", Rule{Frequency: Yearly}, "2024-02-29", "24-02-29 28-02-29"},
		{"every twentieth Monday of the year", Rule{Frequency: Yearly, Weekdays: []Weekday{{20, time.Monday}}}, "1997-05-19", "97-05-19 98-05-18 99-05-17"},
		{"the last Monday of the year but 30", Rule{Frequency: Yearly, Weekdays: []Weekday{{-31, time.Monday}}}, "2026-06-01", "26-06-01 27-05-31"},
		{"every Thursday in March", Rule{Frequency: Yearly, Months: []time.Month{3}, Weekdays: weekdays(4)}, "1997-03-13", "97-03-13 97-03-20 97-03-27 98-03-05"},
		{"the second Sunday of March", Rule{Frequency: Yearly, Months: []time.Month{3}, Weekdays: []Weekday{{2, time.Sunday}}}, "2026-03-08", "26-03-08 27-03-14"},
		{"every Friday the 13th", Rule{Frequency: Monthly, Weekdays: weekdays(5), MonthDays: []int{13}}, "1998-02-13", "98-02-13 98-03-13 98-11-13 99-08-13 00-10-13"},
		{"the last working day of the month", Rule{Frequency: Monthly, Weekdays: weekdays(1, 2, 3, 4, 5), Positions: []int{-1}}, "1997-09-30", "97-09-30 97-10-31 97-11-28"},
		{"the third of Tuesday, Wednesday, Thursday", Rule{Frequency: Monthly, Weekdays: weekdays(2, 3, 4), Positions: []int{3}}, "1997-09-04", "97-09-04 97-10-07 97-11-06"},
		// The week of Thursday 1 January 2026 began on Monday: its second day of the list is Thursday, not Friday.
		{"the second of Monday, Thursday and Friday in a week", Rule{Frequency: Weekly, Weekdays: weekdays(1, 4, 5), Positions: []int{2}, WeekStart: time.Monday}, "2026-01-01", "26-01-01 26-01-08"},
		{"Mondays and the second Tuesday", Rule{Frequency: Monthly, Weekdays: []Weekday{{0, time.Monday}, {2, time.Tuesday}}}, "2026-06-01", "26-06-01 26-06-08 26-06-09 26-06-15"},
		{"daily in a month", Rule{Frequency: Daily, Months: []time.Month{12}, MonthDays: []int{24, 31}}, "2026-12-24", "26-12-24 26-12-31 27-12-24"},
		{"30 February", Rule{Frequency: Yearly, Months: []time.Month{2}, MonthDays: []int{30}}, "2026-01-01", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.rule.Interval = max(c.rule.Interval, 1)
			want := strings.Fields(c.want)
			var got []string
			for d := range c.rule.Days(date(t, c.first)) {
				if len(got) == len(want) {
					break
				}
				got = append(got, d.String()[2:])
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}

// Work on Sundays 02:30 to 04:30 over the clock changes of Berlin: on 29 March 2026 the clock skips 02:30, the work begins
// at 03:00; on 25 October it begins when the clock first shows 02:30. Two hours by the stopwatch either way.
func TestOccurrencesAtAClockChange(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	e := Event{Words: "work", Start: Moment{date(t, "2026-03-22"), 150 * uptally.Minute, berlin}, For: 2 * uptally.Hour}
	e.Rule = &Rule{Frequency: Weekly, Interval: 1, Until: agreements.Forever}
	var got []string
	for _, o := range e.Occurrences(agreements.Date{Year: 2026, Month: 11, Day: 1}.Start(berlin)) {
		from, to := time.UnixMilli(o.From).In(berlin), time.UnixMilli(o.To).In(berlin)
		if text := from.Format("15:04 -07") + to.Format(" 15:04 -07"); text != "02:30 +01 04:30 +01" && text != "02:30 +02 04:30 +02" {
			got = append(got, from.Format("2006-01-02 ")+text)
		}
	}
	want := "[2026-03-29 03:00 +02 05:00 +02 2026-10-25 02:30 +02 03:30 +01]"
	if fmt.Sprint(got) != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// A day by the calendar has 23 hours where PT24H has 24. Source: RFC 5545, 3.3.6.
func TestDaysAreNominal(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	start := Moment{date(t, "2026-03-28"), 12 * uptally.Hour, berlin}
	for _, c := range []struct {
		e    Event
		want uptally.Duration
	}{{Event{Start: start, Days: 1}, 23 * uptally.Hour}, {Event{Start: start, For: 24 * uptally.Hour}, 24 * uptally.Hour}, {Event{Start: start, Days: 1, For: uptally.Hour}, 24 * uptally.Hour}} {
		if got := c.e.Occurrences(agreements.Forever); len(got) != 1 || got[0].Len() != int64(c.want) {
			t.Errorf("%d days and %s: got %v, want one of %s", c.e.Days, c.e.For, got, c.want)
		}
	}
}

// COUNT counts what EXDATE takes away; a start that the rule and RDATE both have is one; an occurrence that is moved past
// the bound is gone, and one moved before it is there.
func TestOccurrencesOfAChangedSeries(t *testing.T) {
	at := func(day int) Moment { return Moment{agreements.Date{Year: 2026, Month: 6, Day: day}, 0, time.UTC} }
	e := Event{Start: at(1), Days: 1, Also: []Moment{at(2), at(20)}, Not: map[int64]bool{at(3).At(): true}}
	e.Rule = &Rule{Frequency: Daily, Interval: 1, Count: 5, Until: agreements.Forever}
	e.Instead = map[int64]*Event{at(4).At(): nil, at(5).At(): {Start: at(30), Days: 1}, at(20).At(): {Start: at(6), Days: 2}}
	var got []string
	for _, o := range e.Occurrences(at(25).At()) {
		got = append(got, fmt.Sprint(time.UnixMilli(o.From).UTC().Day(), "+", o.Len()/uptally.DayMillis))
	}
	if want := "[1+1 2+1 6+2]"; fmt.Sprint(got) != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if !e.Synchronized() || e.Endless() {
		t.Error("got a rule that does not begin at its start, or has no end")
	}
}
