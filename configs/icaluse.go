package configs

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/agreements"
	"github.com/uptally/uptally/agreements/recurrence"
)

// LoadWork reads planned work from an iCalendar file: every occurrence of its events that begins in within, in order of
// time. Days and times without a zone are those of zone; where that is nil the file must name one. An event without an
// end needs a within that ends before agreements.Forever. The error is a *ProblemsError.
func LoadWork(path string, zone *time.Location, within agreements.Interval) ([]recurrence.Occurrence, error) {
	data, err := read(path)
	if err != nil {
		return nil, orNil([]Problem{{File: path, Problem: uptally.Problem{Got: cause(err), Want: "a file that can be read"}}})
	}
	work, problems := work(path, data, zone, within)
	return work, orNil(problems)
}

// maxWork bounds the occurrences of one file; a schedule with more is none that people announce.
const maxWork = 10_000

func work(path string, data []byte, zone *time.Location, within agreements.Interval) ([]recurrence.Occurrence, []Problem) {
	events, problems := readIcal(path, data, zone)
	var all []recurrence.Occurrence
	wrong := func(line int, want string) {
		problems = append(problems, Problem{File: path, Line: line, Problem: uptally.Problem{Path: "RRULE", Want: want}})
	}
	for _, e := range events {
		if e.Endless() && within.To >= agreements.Forever {
			wrong(e.line, "COUNT or UNTIL, or a bound of the import: the event goes on for ever")
			continue
		}
		for _, o := range e.Occurrences(within.To) {
			if o.From >= within.From {
				all = append(all, o)
			}
		}
		if len(all) > maxWork {
			wrong(e.line, fmt.Sprintf("at most %d occurrences in all", maxWork))
			break
		}
	}
	slices.SortStableFunc(all, func(a, b recurrence.Occurrence) int {
		return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To), cmp.Compare(a.Words, b.Words))
	})
	return all, problems
}

// imported returns a fact, or where it names an iCalendar file one for each occurrence that begins from its from and
// before its to.
func (c *factCompiler) imported(path, kind string, f factFile) []factFile {
	if f.Ical == "" {
		if f.TimeZone != "" {
			c.complain(join(path, "time_zone"), "no time zone without ical")
		}
		return []factFile{f}
	}
	switch {
	case kind != agreements.KindMaintenance:
		c.complain(join(path, "ical"), "no file here; only maintenance is imported")
		return nil
	case f.ID != 0 || f.Replaces != 0:
		c.complain(join(path, "ical"), "no id and no replaces beside it; its entries are many")
		return nil
	}
	var zone *time.Location
	if f.TimeZone != "" {
		zone = c.zone(join(path, "time_zone"), f.TimeZone)
	}
	file := relative(c.file, f.Ical)
	data, err := read(file)
	if err != nil {
		c.complain(join(path, "ical"), "a file that can be read ("+cause(err)+")")
		return nil
	}
	within := agreements.Interval{From: int64(or(f.From, instant(agreements.Ever))), To: int64(or(f.To, instant(agreements.Forever)))}
	occurrences, problems := work(file, data, zone, within)
	c.problems = append(c.problems, problems...)
	if len(occurrences) == 0 && len(problems) == 0 {
		c.complain(join(path, "ical"), "a file with an event that begins from from and before to")
	}
	facts := make([]factFile, len(occurrences))
	for i, o := range occurrences {
		facts[i] = f
		from, to := instant(o.From), instant(o.To)
		facts[i].From, facts[i].To, facts[i].Reason = &from, &to, cmp.Or(f.Reason, o.Words)
	}
	return facts
}

// daysOf yields the days of a year that an event of whole days, read in UTC, covers.
func (e *icalEvent) daysOf(year int) iter.Seq[agreements.Date] {
	return func(yield func(agreements.Date) bool) {
		first := agreements.Date{Year: year, Month: time.January, Day: 1}
		end := agreements.Date{Year: year + 1, Month: time.January, Day: 1}.Start(time.UTC)
		for _, o := range e.Occurrences(end) {
			for at := max(o.From, first.Start(time.UTC)); at < min(o.To, end); at += uptally.DayMillis {
				y, m, d := time.UnixMilli(at).UTC().Date()
				if !yield(agreements.Date{Year: y, Month: m, Day: d}) {
					return
				}
			}
		}
	}
}

// timed returns the lines of an event, and of those in place of its occurrences, that do not cover whole days.
func (e *icalEvent) timed() []int {
	if !e.allDay {
		return []int{e.line}
	}
	for _, other := range e.Instead {
		if other != nil && (other.Start.Clock != 0 || other.For != 0) {
			return []int{e.line}
		}
	}
	return nil
}
