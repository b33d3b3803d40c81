package agreements

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/uptally/uptally"
)

// Calendar is a service window: weekly hours with breaks, and dated exceptions that replace a day's hours.
//
// Hours are read from the local clock, and so are their ends: an end at a time of day that the clock skips is the first
// instant that exists after it, one at a time of day that the clock shows twice is the first of the two. Hours over
// midnight belong to the day on which they begin, so that a holiday takes away its own evening and not the morning that
// the day before brought.
type Calendar struct {
	Name string
	// Always is 24x7; Weekly and Dates are then empty.
	Always bool
	// Weekly hours by weekday, Sunday first, as local times of day; breaks are the spaces between spans.
	Weekly [7][]ClockSpan
	// Dates replace a day: no spans for a holiday, spans for a make-up working day or a half day.
	Dates map[Date][]ClockSpan
	// Words say what some of the dates are, such as "Spring Festival".
	Words map[Date]string
	// Years are those whose dates are known, ascending; in any other year the calendar says nothing. None: its dates
	// are all there are, for ever.
	Years []int
}

// ClockSpan is a stretch of local time of day, in milliseconds since midnight: From in [0, 24 h), From < To ≤ From + 24 h.
// An end after 24 h is a time of the next day.
type ClockSpan struct {
	From, To uptally.Duration
}

const dayClock uptally.Duration = uptally.DayMillis

// BuiltinCalendar returns the calendars that need no definition: "24x7", "5x8" (Monday to Friday, 09:00 to 17:00) and
// "5x9" (09:00 to 18:00).
func BuiltinCalendar(name string) (Calendar, bool) {
	switch name {
	case "24x7":
		return Calendar{Name: name, Always: true}, true
	case "5x8":
		return workdays(name, ClockSpan{9 * uptally.Hour, 17 * uptally.Hour}), true
	case "5x9":
		return workdays(name, ClockSpan{9 * uptally.Hour, 18 * uptally.Hour}), true
	}
	return Calendar{}, false
}

func workdays(name string, span ClockSpan) Calendar {
	c := Calendar{Name: name}
	for d := time.Monday; d <= time.Friday; d++ {
		c.Weekly[d] = []ClockSpan{span}
	}
	return c
}

// Open returns the window inside in. Both ends of a span are read from the local clock of zone: where the hour repeats
// the first pass counts, where it is missing the first existing instant. Adding seconds to a midnight or to last week's
// opening would drift at a clock change.
func (c Calendar) Open(zone *time.Location, in Interval) Set {
	if c.Always {
		return NewSet(in)
	}
	var open []Interval
	for d := range c.days(zone, in) {
		for _, s := range c.Hours(d) {
			open = append(open, Interval{d.At(s.From, zone), d.At(s.To, zone)})
		}
	}
	return NewSet(open...).Clip(in)
}

// missing returns the years that the calendar would have to know for the window inside in, and does not; ascending. A
// date that it has is known in whatever year.
func (c Calendar) missing(zone *time.Location, in Interval) []int {
	if c.Always || len(c.Years) == 0 {
		return nil
	}
	var missing []int
	for d := range c.days(zone, in) {
		_, dated := c.Dates[d]
		if !dated && !slices.Contains(c.Years, d.Year) && !slices.Contains(missing, d.Year) {
			missing = append(missing, d.Year)
		}
	}
	return missing
}

// Known returns an error that names the calendar, the missing years and what to do, or nil where the calendar knows
// enough for the window inside in.
func (c Calendar) Known(zone *time.Location, in Interval) error {
	missing := c.missing(zone, in)
	if len(missing) == 0 {
		return nil
	}
	years := strings.Trim(fmt.Sprint(missing), "[]")
	return fmt.Errorf("calendar %q does not know the dates of %s: write that year's holidays and working days into its file, then add the year to its years", c.Name, years)
}

// days yields every local day that shares an instant with in, and the one before where its hours pass midnight.
func (c Calendar) days(zone *time.Location, in Interval) iter.Seq[Date] {
	return func(yield func(Date) bool) {
		if in.Empty() {
			return
		}
		before := localDate(in.From, zone).AddDays(-1)
		if slices.ContainsFunc(c.Hours(before), ClockSpan.overnight) && !yield(before) {
			return
		}
		dates(zone, in)(yield)
	}
}

// Hours returns the spans of a day: those of the date where it is an exception, else those of the weekday.
func (c Calendar) Hours(d Date) []ClockSpan {
	if spans, ok := c.Dates[d]; ok {
		return spans
	}
	return c.Weekly[d.Weekday()]
}

// dates yields every local day that shares an instant with in.
func dates(zone *time.Location, in Interval) iter.Seq[Date] {
	return func(yield func(Date) bool) {
		if in.Empty() {
			return
		}
		for d := localDate(in.From, zone); d.Start(zone) < in.To; d = d.next() {
			if !yield(d) {
				return
			}
		}
	}
}

// Validate returns everything wrong with the calendar, with paths such as "weekly.mon[1]" and "dates.2026-10-01[0]".
func (c Calendar) Validate() []uptally.Problem {
	var ps []uptally.Problem
	spans := 0
	for d, day := range c.Weekly {
		spans += len(day)
		ps = append(ps, ValidateHours("weekly."+strings.ToLower(time.Weekday(d).String()[:3]), day)...)
	}
	for _, date := range slices.SortedFunc(maps.Keys(c.Dates), func(a, b Date) int { return a.civil().Compare(b.civil()) }) {
		spans += len(c.Dates[date])
		ps = append(ps, ValidateHours("dates."+date.String(), c.Dates[date])...)
	}
	for i, year := range c.Years {
		if i > 0 && year <= c.Years[i-1] {
			ps = append(ps, uptally.Problem{Path: fmt.Sprintf("years[%d]", i), Got: fmt.Sprint(year), Want: "each year once, in order"})
		}
	}
	switch {
	case c.Always && spans+len(c.Dates) > 0:
		ps = append(ps, uptally.Problem{Path: "always", Got: "true", Want: "no hours beside it"})
	case !c.opens(Date{}):
		ps = append(ps, uptally.Problem{Path: "weekly", Want: "hours on some day: this window never opens"})
	}
	return ps
}

// ValidateHours returns what is wrong with the hours of one day, with paths such as path[1]. Hours that begin on another
// day may overlap with them: open is open.
func ValidateHours(path string, day []ClockSpan) []uptally.Problem {
	var ps []uptally.Problem
	for i, s := range day {
		at := fmt.Sprintf("%s[%d]", path, i)
		if s.From < 0 || s.From >= dayClock || s.From >= s.To || s.To > s.From+dayClock {
			ps = append(ps, uptally.Problem{Path: at, Got: s.String(), Want: "times of day that differ, such as 09:00-17:00, 22:00-06:00 over midnight, or 00:00-24:00"})
		}
		for _, o := range day[:i] {
			if s.From < o.To && o.From < s.To {
				ps = append(ps, uptally.Problem{Path: at, Got: s.String(), Want: "no overlap with " + o.String()})
			}
		}
	}
	return ps
}

// overnight reports whether the span ends on the next day.
func (s ClockSpan) overnight() bool { return s.To > dayClock }

// String returns "09:00-17:30", or "22:00-06:00" over midnight, with seconds and milliseconds where there are some.
func (s ClockSpan) String() string {
	to := s.To
	if s.overnight() {
		to -= dayClock
	}
	return clockText(s.From) + "-" + clockText(to)
}

func clockText(d uptally.Duration) string {
	text := fmt.Sprintf("%02d:%02d", d/uptally.Hour, d%uptally.Hour/uptally.Minute)
	if rest := d % uptally.Minute; rest != 0 {
		text += fmt.Sprintf(":%02d", rest/uptally.Second)
		if ms := rest % uptally.Second; ms != 0 {
			text += fmt.Sprintf(".%03d", ms)
		}
	}
	return text
}
