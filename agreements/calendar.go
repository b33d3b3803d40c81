package agreements

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/uptally/uptally"
)

// Calendar is a service window: weekly hours with breaks, and dated exceptions that replace a day's hours.
type Calendar struct {
	Name string
	// Always is 24x7; Weekly and Dates are then empty.
	Always bool
	// Weekly hours by weekday, Sunday first, as local times of day; breaks are the spaces between spans.
	Weekly [7][]ClockSpan
	// Dates replace a day: no spans for a holiday, spans for a make-up working day or a half day.
	Dates map[Date][]ClockSpan
}

// ClockSpan is a stretch of local time of day, in milliseconds since midnight, From < To ≤ 24 h.
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
	for d := range dates(zone, in) {
		for _, s := range c.hours(d) {
			open = append(open, Interval{d.at(s.From, zone), d.at(s.To, zone)})
		}
	}
	return NewSet(open...).Clip(in)
}

// hours returns the spans of a day: those of the date where it is an exception, else those of the weekday.
func (c Calendar) hours(d Date) []ClockSpan {
	if spans, ok := c.Dates[d]; ok {
		return spans
	}
	return c.Weekly[d.Weekday()]
}

// dates yields every local day that shares an instant with in.
func dates(zone *time.Location, in Interval) func(func(Date) bool) {
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
		ps = append(ps, validateSpans("weekly."+strings.ToLower(time.Weekday(d).String()[:3]), day)...)
	}
	for _, date := range slices.SortedFunc(maps.Keys(c.Dates), func(a, b Date) int { return a.civil().Compare(b.civil()) }) {
		spans += len(c.Dates[date])
		ps = append(ps, validateSpans("dates."+date.String(), c.Dates[date])...)
	}
	switch {
	case c.Always && spans+len(c.Dates) > 0:
		ps = append(ps, uptally.Problem{Path: "always", Got: "true", Want: "no hours beside it"})
	case !c.opens():
		ps = append(ps, uptally.Problem{Path: "weekly", Want: "hours on some day: this window never opens"})
	}
	return ps
}

func validateSpans(path string, day []ClockSpan) []uptally.Problem {
	var ps []uptally.Problem
	for i, s := range day {
		at := fmt.Sprintf("%s[%d]", path, i)
		if s.From < 0 || s.From >= s.To || s.To > dayClock {
			ps = append(ps, uptally.Problem{Path: at, Got: s.String(), Want: "a start before its end, both between 00:00 and 24:00"})
		}
		for _, o := range day[:i] {
			if s.From < o.To && o.From < s.To {
				ps = append(ps, uptally.Problem{Path: at, Got: s.String(), Want: "no overlap with " + o.String()})
			}
		}
	}
	return ps
}

// String returns "09:00-17:30", with seconds and milliseconds where there are some.
func (s ClockSpan) String() string { return clockText(s.From) + "-" + clockText(s.To) }

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
