package recurrence

import (
	"iter"
	"slices"
	"time"

	"github.com/uptally/uptally/agreements"
)

// Frequency is the unit of a rule's intervals.
type Frequency uint8

const (
	Daily Frequency = iota + 1
	Weekly
	Monthly
	Yearly
)

// LastYear is the last in which anything takes place; a rule that never matches ends there.
const LastYear = 2199

// Rule is a recurrence rule by days; the time of day is that of the event. Source: RFC 5545, 3.3.10.
type Rule struct {
	Frequency Frequency
	// Interval is the number of units from one interval to the next, at least 1.
	Interval int
	// Count is the number of occurrences, 0 for any. Until is the last instant of one, in milliseconds UTC,
	// agreements.Forever for no end.
	Count int
	Until int64
	// Each of these is a condition where it is not empty. A negative day of the month counts from its end, and so does a
	// negative position among the days of an interval that meet the conditions.
	Weekdays  []Weekday
	MonthDays []int
	Months    []time.Month
	Positions []int
	// WeekStart is the first day of the weeks that a weekly rule counts.
	WeekStart time.Weekday
}

// Weekday is a day of the week; with Nth only the nth of the month or year, from the end where it is negative.
type Weekday struct {
	Nth int
	Day time.Weekday
}

// Endless reports whether nothing ends the rule.
func (r Rule) Endless() bool { return r.Count == 0 && r.Until == agreements.Forever }

// Days yields the days of the rule from first on, in order, without regard to Count and Until. What the rule leaves open
// is taken from first: its weekday, its day of the month, its month.
func (r Rule) Days(first agreements.Date) iter.Seq[agreements.Date] {
	r = r.completed(first)
	return func(yield func(agreements.Date) bool) {
		for start := r.begin(first); start.Year <= LastYear; start = r.advance(start, r.Interval) {
			for _, d := range r.pick(start) {
				if !before(d, first) && !yield(d) {
					return
				}
			}
		}
	}
}

// completed fills in the conditions that the rule takes from its first day.
func (r Rule) completed(first agreements.Date) Rule {
	if len(r.Weekdays)+len(r.MonthDays) > 0 {
		return r
	}
	switch r.Frequency {
	case Weekly:
		r.Weekdays = []Weekday{{Day: first.Weekday()}}
	case Monthly:
		r.MonthDays = []int{first.Day}
	case Yearly:
		r.MonthDays = []int{first.Day}
		if len(r.Months) == 0 {
			r.Months = []time.Month{first.Month}
		}
	}
	return r
}

// begin is the first day of the interval that d lies in.
func (r Rule) begin(d agreements.Date) agreements.Date {
	switch r.Frequency {
	case Weekly:
		return d.AddDays(-int(d.Weekday()-r.WeekStart+7) % 7)
	case Monthly:
		d.Day = 1
	case Yearly:
		d.Month, d.Day = time.January, 1
	}
	return d
}

// advance moves the first day of an interval on by n units.
func (r Rule) advance(start agreements.Date, n int) agreements.Date {
	switch r.Frequency {
	case Daily:
		return start.AddDays(n)
	case Weekly:
		return start.AddDays(7 * n)
	case Monthly:
		start.Month += time.Month(n)
		return start.AddDays(0) // carries the months over
	}
	start.Year += n
	return start
}

// pick returns the days of the interval from start that meet all conditions, and of those the wanted positions.
func (r Rule) pick(start agreements.Date) []agreements.Date {
	var days []agreements.Date
	end := r.advance(start, 1)
	for d := start; before(d, end); d = d.AddDays(1) {
		if r.matches(d) {
			days = append(days, d)
		}
	}
	if len(r.Positions) == 0 {
		return days
	}
	var picked []agreements.Date
	for i, d := range days {
		if slices.Contains(r.Positions, i+1) || slices.Contains(r.Positions, i-len(days)) {
			picked = append(picked, d)
		}
	}
	return picked
}

func (r Rule) matches(d agreements.Date) bool {
	if len(r.Months) > 0 && !slices.Contains(r.Months, d.Month) {
		return false
	}
	if len(r.MonthDays) > 0 && !slices.Contains(r.MonthDays, d.Day) && !slices.Contains(r.MonthDays, d.Day-lastOf(d)-1) {
		return false
	}
	return len(r.Weekdays) == 0 || slices.ContainsFunc(r.Weekdays, func(w Weekday) bool { return r.falls(w, d) })
}

// falls reports whether d is the weekday, and the nth of it where n is written: of the month in a monthly rule and in a
// yearly one that names months, otherwise of the year.
func (r Rule) falls(w Weekday, d agreements.Date) bool {
	if d.Weekday() != w.Day || w.Nth == 0 {
		return d.Weekday() == w.Day
	}
	day, days := d.Day, lastOf(d)
	if r.Frequency == Yearly && len(r.Months) == 0 {
		day, days = yearDay(d), yearDay(agreements.Date{Year: d.Year, Month: time.December, Day: 31})
	}
	return w.Nth == (day-1)/7+1 || w.Nth == -((days-day)/7+1)
}

// lastOf is the number of days in d's month.
func lastOf(d agreements.Date) int {
	return agreements.Date{Year: d.Year, Month: d.Month + 1}.AddDays(0).Day
}

func yearDay(d agreements.Date) int {
	return time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, time.UTC).YearDay()
}

func before(a, b agreements.Date) bool {
	if a.Year != b.Year {
		return a.Year < b.Year
	}
	return a.Month < b.Month || a.Month == b.Month && a.Day < b.Day
}
