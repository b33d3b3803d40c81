package configs

import (
	"path/filepath"
	"strings"
	"time"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/agreements"
)

// loader reads the files of one load. A file that several others name is read once; the problems of all gather here.
type loader struct {
	problems  []Problem
	notes     []string                       // remarks that are no problems
	calendars map[string]agreements.Calendar // by cleaned path
	// seen are the cleaned paths of the files that another file named.
	seen map[string]bool
}

func newLoader() *loader {
	return &loader{calendars: map[string]agreements.Calendar{}, seen: map[string]bool{}}
}

// take moves a file's problems to the load's.
func (l *loader) take(d *document) { l.problems = append(l.problems, d.all()...) }

// include opens a file that the value at path in d names, relative to d. It returns nil where there is no such file.
func (l *loader) include(d *document, path, name string) *document {
	if strings.TrimSpace(name) == "" {
		d.complain(path, "the name of a file")
		return nil
	}
	in := open(relative(d.file, name))
	if in.unread != nil {
		d.complain(path, "a file that can be read ("+cause(in.unread)+")")
		return nil
	}
	l.seen[in.file] = true
	return in
}

// ical reads the events of an iCalendar file that the value at path in d names, all of whole days; it returns none where
// there is a problem.
func (l *loader) ical(d *document, path, name string, zone *time.Location) []icalEvent {
	file := relative(d.file, name)
	data, err := read(file)
	if err != nil {
		d.complain(path, "a file that can be read ("+cause(err)+")")
		return nil
	}
	events, problems := readIcal(file, data, zone)
	for _, e := range events {
		for _, line := range e.timed() {
			problems = append(problems, Problem{File: file, Line: line, Problem: uptally.Problem{Path: "DTSTART", Got: "a time", Want: "a whole day (VALUE=DATE), as a holiday is"}})
		}
	}
	l.problems = append(l.problems, problems...)
	if len(problems) > 0 {
		return nil
	}
	return events
}

// calendarsOf reads the calendar files that d names at key, by the calendars' names.
func (l *loader) calendarsOf(d *document, key string, names []string) map[string]agreements.Calendar {
	found := map[string]agreements.Calendar{}
	for i, name := range names {
		c, ok := l.calendars[relative(d.file, name)]
		if !ok {
			in := l.include(d, item(key, i), name)
			if in == nil {
				continue
			}
			c = l.calendar(in)
			l.calendars[in.file] = c
			l.take(in)
		}
		if _, twice := found[c.Name]; twice {
			d.complain(item(key, i), "a calendar with another name; "+c.Name+" is defined already")
		}
		found[c.Name] = c
	}
	return found
}

// relative returns name as seen from the folder of file.
func relative(file, name string) string {
	if filepath.IsAbs(name) {
		return filepath.Clean(name)
	}
	return filepath.Join(filepath.Dir(file), name)
}
