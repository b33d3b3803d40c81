package agreements

import (
	"time"

	"github.com/uptally/uptally"
)

// recurring returns the contract's own windows that may touch the period.
func (c *computation) recurring() []excuse {
	var es []excuse
	for _, w := range c.terms.Recurring {
		rule := "maintenance"
		if w.Name != "" {
			rule += ": " + w.Name
		}
		for _, at := range w.occurrences(c.agreement.Zone, c.period, c.terms.RepeatedHour) {
			es = append(es, excuse{Applied: Applied{Rule: rule, At: at}})
		}
	}
	return es
}

// occurrences returns the window's stretches that begin on the days of in, or before it and may reach into it.
func (w RecurringWindow) occurrences(zone *time.Location, in Interval, repeated RepeatedHour) []Interval {
	var all []Interval
	for d := range dates(zone, Interval{in.From - int64(w.For) - uptally.DayMillis, in.To}) {
		if !w.falls(d) {
			continue
		}
		if repeated == RepeatedBoth && w.repeats(d, zone) {
			all = append(all, w.wall(d, zone)...)
			continue
		}
		from := d.At(w.At, zone)
		all = append(all, Interval{from, from + int64(w.For)})
	}
	return all
}

// falls reports whether the window begins on d: on each of its weekdays, or only on the nth of the month, -1 being the
// last.
func (w RecurringWindow) falls(d Date) bool {
	if d.Weekday() != w.Weekday {
		return false
	}
	switch w.Nth {
	case 0:
		return true
	case -1:
		return localDate(Date{d.Year, d.Month, d.Day + 7}.civil().UnixMilli(), d.civil().Location()).Month != d.Month
	}
	return (d.Day-1)/7+1 == w.Nth
}

// wall is the time at which a clock in zone shows an hour of the window that begins on d: less than its length where the
// clock skips some of it, more where it repeats some.
func (w RecurringWindow) wall(d Date, zone *time.Location) Set {
	from := d.civil().UnixMilli() + int64(w.At)
	to := from + int64(w.For)
	var shown []Interval
	for t := time.UnixMilli(from - uptally.DayMillis).In(zone); ; {
		_, offset := t.Zone()
		start, end := ZoneBounds(t)
		i := Interval{from - int64(offset)*1000, to - int64(offset)*1000}
		if !start.IsZero() {
			i.From = max(i.From, start.UnixMilli())
		}
		if end.IsZero() || end.UnixMilli() > to+uptally.DayMillis {
			return NewSet(append(shown, i)...)
		}
		i.To = min(i.To, end.UnixMilli())
		shown, t = append(shown, i), end
	}
}

// repeats reports whether the clock shows an hour of the window that begins on d twice.
func (w RecurringWindow) repeats(d Date, zone *time.Location) bool {
	return w.wall(d, zone).Millis() > int64(w.For)
}

// longestWindow bounds a recurring window: a month of work is none.
const longestWindow = 31 * 24 * uptally.Hour

// firstRepeat returns the first day from which the window meets a repeated hour, from a day on and before another. The
// weekdays of dates come round in 28 years.
func (w RecurringWindow) firstRepeat(zone *time.Location, from, before Date) (Date, bool) {
	if w.For <= 0 || w.For > longestWindow {
		return Date{}, false
	}
	limit := min(before.Start(zone), Date{from.Year + 28, from.Month, from.Day}.Start(zone))
	for t := time.UnixMilli(from.Start(zone)).In(zone); ; {
		_, end := ZoneBounds(t)
		if end.IsZero() || end.UnixMilli() >= limit {
			return Date{}, false
		}
		near := Interval{end.UnixMilli() - int64(w.For) - 2*uptally.DayMillis, end.UnixMilli() + uptally.DayMillis}
		for d := range dates(zone, near) {
			if w.falls(d) && w.repeats(d, zone) {
				return d, true
			}
		}
		t = end
	}
}
