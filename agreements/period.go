package agreements

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/uptally/uptally"
)

// ParsePeriod reads a month "2026-10", a quarter "2026-Q4", a year "2026" or "A/B" with two RFC 3339 instants in whole
// milliseconds. The bounds of the first three are the local midnights of zone, so that a month with a clock change is an
// hour shorter or longer. The error quotes the text.
func ParsePeriod(text string, zone *time.Location) (Interval, error) {
	bad := fmt.Errorf("parse period: got %q, want a month such as 2026-10, a quarter such as 2026-Q4, a year such as 2026, or two instants A/B", text)
	if a, b, ok := strings.Cut(text, "/"); ok {
		from, errFrom := parseInstant(a)
		to, errTo := parseInstant(b)
		switch {
		case errFrom != nil || errTo != nil:
			return Interval{}, bad
		case from >= to:
			return Interval{}, fmt.Errorf("parse period: got %q, want the second instant after the first", text)
		}
		return Interval{from, to}, nil
	}
	first, months, ok := parseMonths(text)
	if !ok {
		return Interval{}, bad
	}
	end := Date{first.Year, first.Month + time.Month(months), 1}
	return Interval{first.Start(zone), end.Start(zone)}, nil
}

// parseMonths reads the calendar forms as the first day and the number of months.
func parseMonths(text string) (first Date, months int, ok bool) {
	year, rest, dashed := strings.Cut(text, "-")
	if len(year) != 4 || !isDigits(year) || year == "0000" {
		return Date{}, 0, false
	}
	y, _ := strconv.Atoi(year)
	switch {
	case !dashed:
		return Date{y, time.January, 1}, 12, true
	case len(rest) == 2 && rest[0] == 'Q' && rest[1] >= '1' && rest[1] <= '4':
		return Date{y, time.Month(3*int(rest[1]-'1') + 1), 1}, 3, true
	case len(rest) == 2 && isDigits(rest) && rest >= "01" && rest <= "12":
		m, _ := strconv.Atoi(rest)
		return Date{y, time.Month(m), 1}, 1, true
	}
	return Date{}, 0, false
}

// parseInstant reads an RFC 3339 instant. The time package also takes an hour of one digit and a decimal comma, which the
// RFC does not know.
func parseInstant(text string) (int64, error) {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil || text[13] != ':' || strings.Contains(text, ",") || t.Nanosecond()%int(time.Millisecond) != 0 {
		return 0, fmt.Errorf("parse instant: got %q, want RFC 3339 in whole milliseconds", text)
	}
	return t.UnixMilli(), nil
}

// ParseDate reads a calendar day such as "2026-10-01". The error quotes the text.
func ParseDate(text string) (Date, error) {
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return Date{}, fmt.Errorf("parse date: got %q, want a day such as 2026-10-01", text)
	}
	return Date{t.Year(), t.Month(), t.Day()}, nil
}

// String returns "2026-10-01".
func (d Date) String() string { return d.civil().Format(time.DateOnly) }

// Weekday returns the day of the week.
func (d Date) Weekday() time.Weekday { return d.civil().Weekday() }

// Start returns the local midnight of d in zone, in milliseconds UTC; where the clock skips midnight, the first instant
// of the day that exists.
func (d Date) Start(zone *time.Location) int64 { return d.At(0, zone) }

// At returns the instant at which a clock in zone shows the time of day on d: the first of two where the hour repeats,
// the first existing instant after it where the hour is missing. 24 h is the next midnight.
func (d Date) At(clock uptally.Duration, zone *time.Location) int64 {
	wall := d.civil().UnixMilli() + int64(clock)
	// No offset from UTC exceeds a day, so the instant sought lies after wall − 1 day; walk the zone's stretches of
	// constant offset in order of time.
	for t := time.UnixMilli(wall - uptally.DayMillis).In(zone); ; {
		_, offset := t.Zone()
		start, end := ZoneBounds(t)
		at := wall - int64(offset)*1000
		if end.IsZero() || at < end.UnixMilli() {
			if !start.IsZero() {
				at = max(at, start.UnixMilli())
			}
			return at
		}
		t = end
	}
}

// AddDays returns the day n days after d.
func (d Date) AddDays(n int) Date { return dateOf(d.civil().AddDate(0, 0, n)) }

// next returns the day after d.
func (d Date) next() Date { return d.AddDays(1) }

// civil is the day as a time.Time for calendar arithmetic; it is no instant.
func (d Date) civil() time.Time { return time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, time.UTC) }

func dateOf(t time.Time) Date {
	y, m, d := t.Date()
	return Date{y, m, d}
}

// localDate is the day that a clock in zone shows at an instant.
func localDate(at int64, zone *time.Location) Date { return dateOf(time.UnixMilli(at).In(zone)) }
