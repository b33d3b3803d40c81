package recurrence

import (
	"cmp"
	"slices"
	"time"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/agreements"
)

// Moment is a time of day of a clock in a zone.
type Moment struct {
	Day   agreements.Date
	Clock uptally.Duration
	Zone  *time.Location
}

// At returns the instant in milliseconds UTC: the first of two where the clock shows the time twice, the first that
// exists after it where the clock skips it.
func (m Moment) At() int64 { return m.Day.At(m.Clock, m.Zone) }

// Event is what takes place once or by a rule. An event of whole days begins at the midnights of its zone.
type Event struct {
	// Words say what it is.
	Words string
	Start Moment
	// Days and For are its length: so many days by the calendar, then so much time by the stopwatch.
	Days int
	For  uptally.Duration
	// Rule is nil for an event that takes place once. Also are more starts; Not are the starts that are left out.
	Rule *Rule
	Also []Moment
	Not  map[int64]bool
	// Instead are events in place of the occurrences that would begin at these instants; nil for one that is cancelled.
	Instead map[int64]*Event
}

// Occurrence is one time that an event takes place.
type Occurrence struct {
	agreements.Interval
	Words string
}

// Synchronized reports whether the event's start is the first day of its rule. If not, RFC 5545 leaves open what the rule
// means.
func (e *Event) Synchronized() bool {
	if e.Rule == nil {
		return true
	}
	for d := range e.Rule.Days(e.Start.Day) {
		return d == e.Start.Day
	}
	return false
}

// Endless reports whether the event goes on for ever.
func (e *Event) Endless() bool { return e.Rule != nil && e.Rule.Endless() }

// Occurrences returns every time that the event takes place and begins before an instant, in order.
func (e *Event) Occurrences(before int64) []Occurrence {
	var all []Occurrence
	for at, m := range e.Starts(before) {
		if _, instead := e.Instead[at]; !instead && !e.Not[at] {
			end := m
			end.Day = end.Day.AddDays(e.Days)
			all = append(all, Occurrence{agreements.Interval{From: at, To: end.At() + int64(e.For)}, e.Words})
		}
	}
	for _, other := range e.Instead {
		if other != nil {
			all = append(all, other.Occurrences(before)...)
		}
	}
	slices.SortFunc(all, func(a, b Occurrence) int {
		return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To), cmp.Compare(a.Words, b.Words))
	})
	return all
}

// Starts are the starts of rule and Also before an instant, by their instants.
func (e *Event) Starts(before int64) map[int64]Moment {
	starts := map[int64]Moment{}
	for _, m := range e.Also {
		if at := m.At(); at < before {
			starts[at] = m
		}
	}
	if e.Rule == nil {
		if at := e.Start.At(); at < before {
			starts[at] = e.Start
		}
		return starts
	}
	n, m := 0, e.Start
	for m.Day = range e.Rule.Days(e.Start.Day) {
		at := m.At()
		if at >= before || at > e.Rule.Until || n == e.Rule.Count && n > 0 {
			break
		}
		starts[at] = m
		n++
	}
	return starts
}
