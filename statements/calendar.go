package statements

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/agreements"
)

// CalendarSheet is what counts as service time in a period: a grid of days, the dates with hours of their own and the
// changes of the clock. Lengths are milliseconds.
type CalendarSheet struct {
	Name, ZoneName, Period string
	At                     agreements.Interval
	// Week says the weekly hours, a line for days with the same.
	Week   []string
	Years  []int
	Months []SheetMonth
	// Open is the service time in the period.
	Open    int64
	Dates   []SheetDate
	Changes []SheetChange
	zone    *time.Location
}

// SheetMonth is a month in weeks that begin on Monday.
type SheetMonth struct {
	Label string
	Weeks []SheetWeek
	Open  int64
}

// SheetWeek is the part of a week that lies in the month. Days outside of the month or the period are nil.
type SheetWeek struct {
	Days [7]*SheetDay
	Open int64
}

// SheetDay is one local day of a month.
type SheetDay struct {
	Date agreements.Date
	// At is the day from midnight to midnight, Open what of it counts.
	At   agreements.Interval
	Open agreements.Set
	// Dated: the calendar gives this date hours of its own.
	Dated bool
}

// Shift is how much longer than 24 hours the day is, by a change of the clock.
func (d *SheetDay) Shift() uptally.Duration {
	return uptally.Duration(d.At.Len() - uptally.DayMillis)
}

// SheetDate is one date with hours of its own, or several in a row that are alike.
type SheetDate struct {
	First, Last  agreements.Date
	Hours, Words string
}

// SheetChange is a change of the zone's clock.
type SheetChange struct {
	At            int64
	Before, After time.Time // the instant on the clock before and after
}

// NewCalendarSheet lays out the service time of a calendar. The error names a year that the calendar does not know.
func NewCalendarSheet(c agreements.Calendar, zone *time.Location, zoneName, periodText string, period agreements.Interval) (*CalendarSheet, error) {
	if err := c.Known(zone, period); err != nil {
		return nil, err
	}
	s := &CalendarSheet{Name: c.Name, ZoneName: zoneName, Period: periodText, At: period, Week: weekWords(c), Years: c.Years, zone: zone}
	open := c.Open(zone, period)
	s.Open = open.Millis()
	for d := dateAt(period.From, zone); d.Start(zone) < period.To; d = d.AddDays(1) {
		day := &SheetDay{Date: d, At: agreements.Interval{From: d.Start(zone), To: d.AddDays(1).Start(zone)}}
		if day.At.Empty() {
			continue // a day that the calendar of the zone skips
		}
		day.Open = open.Clip(day.At)
		_, day.Dated = c.Dates[d]
		s.add(day)
	}
	s.dates(c)
	s.changes()
	return s, nil
}

func dateAt(at int64, zone *time.Location) agreements.Date {
	y, m, d := time.UnixMilli(at).In(zone).Date()
	return agreements.Date{Year: y, Month: m, Day: d}
}

// add puts a day into its month and week.
func (s *CalendarSheet) add(day *SheetDay) {
	label := fmt.Sprintf("%s %d", day.Date.Month, day.Date.Year)
	if n := len(s.Months); n == 0 || s.Months[n-1].Label != label {
		s.Months = append(s.Months, SheetMonth{Label: label, Weeks: make([]SheetWeek, 1)})
	}
	m := &s.Months[len(s.Months)-1]
	column := (int(day.Date.Weekday()) + 6) % 7
	if last := &m.Weeks[len(m.Weeks)-1]; column == 0 && last.Days != [7]*SheetDay{} {
		m.Weeks = append(m.Weeks, SheetWeek{})
	}
	w := &m.Weeks[len(m.Weeks)-1]
	w.Days[column] = day
	w.Open += day.Open.Millis()
	m.Open += day.Open.Millis()
}

// dates lists the dates with hours of their own, those in a row that are alike as one.
func (s *CalendarSheet) dates(c agreements.Calendar) {
	days := slices.SortedFunc(maps.Keys(c.Dates), func(a, b agreements.Date) int { return strings.Compare(a.String(), b.String()) })
	for _, d := range days {
		if d.AddDays(1).Start(s.zone) <= s.At.From || d.Start(s.zone) >= s.At.To {
			continue
		}
		text := "closed"
		if len(c.Dates[d]) > 0 {
			text = strings.Join(hours(c.Dates[d]), " ")
		}
		if n := len(s.Dates); n > 0 && s.Dates[n-1].Last.AddDays(1) == d && s.Dates[n-1].Hours == text && s.Dates[n-1].Words == c.Words[d] {
			s.Dates[n-1].Last = d
			continue
		}
		s.Dates = append(s.Dates, SheetDate{d, d, text, c.Words[d]})
	}
}

// changes lists the changes of the clock inside the period.
func (s *CalendarSheet) changes() {
	for t := time.UnixMilli(s.At.From).In(s.zone); ; {
		_, next := agreements.ZoneBounds(t)
		if next.IsZero() || next.UnixMilli() >= s.At.To {
			return
		}
		_, before := t.Zone()
		if _, after := next.Zone(); after != before {
			s.Changes = append(s.Changes, SheetChange{next.UnixMilli(), next.In(time.FixedZone("", before)), next.In(time.FixedZone("", after))})
		}
		t = next
	}
}

// Days says which days it is, such as "Thu 2026-10-01" or "2026-10-01 to 2026-10-07".
func (d SheetDate) Days() string {
	if d.First == d.Last {
		return d.First.Weekday().String()[:3] + " " + d.First.String()
	}
	return d.First.String() + " to " + d.Last.String()
}

// Text says what the clock does.
func (c SheetChange) Text() string {
	_, before := c.Before.Zone()
	_, after := c.After.Zone()
	what := "skips " + span(int64(after-before)*1000)
	if after < before {
		what = "shows " + span(int64(before-after)*1000) + " twice"
	}
	return c.Before.Format("Mon 2006-01-02: 15:04 -07:00") + " becomes " + c.After.Format("15:04 -07:00") + ", the clock " + what
}

// TotalText is the service time of the period in hours, in seconds and as a part of it.
func (s *CalendarSheet) TotalText() string {
	part := s.Open * 10000 / s.At.Len()
	return fmt.Sprintf("%s h = %s of %s h, %d.%02d %%", hourText(s.Open), seconds(s.Open), hourText(s.At.Len()), part/100, part%100)
}

// YearsText says which dates the calendar knows; "" where it names no years.
func (s *CalendarSheet) YearsText() string {
	if len(s.Years) == 0 {
		return ""
	}
	return "dated days are known for " + strings.ReplaceAll(strings.Trim(fmt.Sprint(s.Years), "[]"), " ", ", ")
}

// Rules are what the grid goes by. Source: agreements.Calendar.
func (s *CalendarSheet) Rules() []string {
	return []string{
		"Hours are read from the clock of " + s.ZoneName + ". Where the clock skips their beginning or end, the first instant after the gap counts; where it shows it twice, the first of the two.",
		"Hours over midnight belong to the day on which they begin, and go with it when that day is closed; each day of the grid shows what falls into it.",
	}
}

// hourText writes a length as hours and minutes, "8:00"; seconds are cut off.
func hourText(ms int64) string {
	return fmt.Sprintf("%s:%02d", thousands(ms/int64(uptally.Hour)), ms%int64(uptally.Hour)/int64(uptally.Minute))
}

// weekWords says the hours of a week from Monday, days in a row with the same together: "Mon to Fri 09:00-17:00".
func weekWords(c agreements.Calendar) []string {
	if c.Always {
		return []string{"24 hours on every day"}
	}
	text := func(column int) string { return strings.Join(hours(c.Weekly[(column+1)%7]), " ") }
	name := func(column int) string { return time.Weekday((column + 1) % 7).String()[:3] }
	var words []string
	for from := 0; from < 7; {
		to := from
		for to < 6 && text(to+1) == text(from) {
			to++
		}
		days := name(from)
		if to > from {
			days += " to " + name(to)
		}
		if text(from) != "" {
			words = append(words, days+" "+text(from))
		}
		from = to + 1
	}
	if len(words) == 0 {
		words = []string{"closed but on dates of its own"}
	}
	return words
}
