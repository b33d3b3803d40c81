package configs

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/uptally/uptally/agreements"
)

type calendarFile struct {
	Calendar    string           `yaml:"calendar"`
	Years       []int            `yaml:"years"`
	Weekly      weekFile         `yaml:"weekly"`
	Holidays    *holidaySources  `yaml:"holidays"`
	Closed      map[days]string  `yaml:"closed"`
	Worked      map[days]string  `yaml:"worked"`
	WorkedHours []hours          `yaml:"worked_hours"`
	Dates       map[date][]hours `yaml:"dates"`
	Words       map[date]string  `yaml:"words"`
}

// holidaySources are the files that a calendar takes its holidays from.
type holidaySources struct {
	Files []string `yaml:"files"`
	Ical  string   `yaml:"ical"`
}

type weekFile struct {
	Mon []hours `yaml:"mon"`
	Tue []hours `yaml:"tue"`
	Wed []hours `yaml:"wed"`
	Thu []hours `yaml:"thu"`
	Fri []hours `yaml:"fri"`
	Sat []hours `yaml:"sat"`
	Sun []hours `yaml:"sun"`
}

// calendarCompiler turns a calendar file and the holiday files it names into a calendar.
type calendarCompiler struct {
	l *loader
	d *document
	f calendarFile
	c agreements.Calendar
	// at is the place in the file that gave a date its hours; dates of other files are not in it.
	at map[agreements.Date]string
	// years are those of the holiday files.
	years []int
}

// LoadCalendar reads one calendar file and the holiday files it names, relative to it. The error is a *ProblemsError.
func LoadCalendar(path string) (agreements.Calendar, error) {
	l := newLoader()
	d := open(path)
	c := l.calendar(d)
	l.take(d)
	return c, orNil(l.problems)
}

// calendar compiles a calendar file.
func (l *loader) calendar(d *document) agreements.Calendar {
	c := calendarCompiler{l: l, d: d, at: map[agreements.Date]string{}}
	d.decode(&c.f)
	c.c = agreements.Calendar{Name: c.f.Calendar, Dates: map[agreements.Date][]agreements.ClockSpan{}, Words: map[agreements.Date]string{}, Years: c.f.Years}
	w := c.f.Weekly
	for day, hs := range [7][]hours{w.Sun, w.Mon, w.Tue, w.Wed, w.Thu, w.Fri, w.Sat} {
		c.c.Weekly[day] = spans(hs)
	}
	d.name("calendar", c.f.Calendar)
	if _, builtin := agreements.BuiltinCalendar(c.f.Calendar); builtin {
		d.complain("calendar", "another name; this one is built in")
	}
	c.ownDates()
	c.holidays()
	c.ownWords()
	c.checkYears()
	c.validate()
	return c.c
}

// ownDates takes the dated days that stand in the calendar file itself; each has one meaning.
func (c *calendarCompiler) ownDates() {
	c.workedHours()
	for _, kind := range []struct {
		key   string
		days  map[days]string
		spans []agreements.ClockSpan
	}{{"closed", c.f.Closed, nil}, {"worked", c.f.Worked, spans(c.f.WorkedHours)}} {
		for _, ds := range sortedDays(kind.days) {
			path := join(kind.key, ds.String())
			for d := range ds.each {
				c.own(d, path, kind.spans)
				c.c.Words[d] = kind.days[ds]
			}
		}
	}
	for _, d := range slices.SortedFunc(maps.Keys(c.f.Dates), date.compare) {
		c.own(agreements.Date(d), join("dates", agreements.Date(d).String()), spans(c.f.Dates[d]))
	}
}

// own gives a date its hours, unless another line of the file does.
func (c *calendarCompiler) own(d agreements.Date, path string, hours []agreements.ClockSpan) {
	if other, twice := c.at[d]; twice {
		c.d.complain(path, "each date once; "+other+" has "+d.String()+" already")
		return
	}
	c.at[d], c.c.Dates[d] = path, hours
}

// workedHours checks the hours of days that a holiday is made up for by working.
func (c *calendarCompiler) workedHours() {
	for _, p := range agreements.ValidateHours("worked_hours", spans(c.f.WorkedHours)) {
		c.d.report(p)
	}
	if len(c.f.Worked) > 0 && len(c.f.WorkedHours) == 0 && !c.d.hasBroken("worked_hours") {
		c.d.complain("worked_hours", worksWhen)
	}
}

const worksWhen = `the hours of the days under worked, such as ["09:00-17:00"]`

// holidays takes the days of the holiday files. What the calendar says itself about a day stands.
func (c *calendarCompiler) holidays() {
	if c.f.Holidays == nil {
		return
	}
	if len(c.f.Holidays.Files) == 0 && c.f.Holidays.Ical == "" && !c.d.hasBroken("holidays") {
		c.d.complain("holidays", "files, such as [cn-2026.yaml], or ical, such as holidays-2026.ics")
	}
	from := map[agreements.Date]holiday{}
	for i, name := range c.f.Holidays.Files {
		c.holidayFile(item("holidays.files", i), name, from)
	}
	c.ical(from)
	for d, h := range from {
		if c.c.Words[d] == "" {
			c.c.Words[d] = h.words
		}
		if _, own := c.at[d]; own {
			continue
		}
		c.c.Dates[d] = nil
		if h.worked {
			c.c.Dates[d] = spans(c.f.WorkedHours)
		}
	}
}

// holidayFile adds the days of one holiday file. Files may repeat a holiday, but not contradict each other.
func (c *calendarCompiler) holidayFile(path, name string, into map[agreements.Date]holiday) {
	in := c.l.include(c.d, path, name)
	if in == nil {
		return
	}
	h := in.holidays()
	c.l.take(in)
	c.years = append(c.years, h.years...)
	for _, d := range slices.SortedFunc(maps.Keys(h.days), compareDates) {
		day := h.days[d]
		if other, twice := into[d]; twice && other.worked != day.worked {
			c.d.complain(path, "no day that is worked in one file and closed in another; "+d.String()+" is")
			return
		}
		into[d] = day
		if day.worked && len(c.f.WorkedHours) == 0 && !c.d.hasBroken("worked_hours") && !c.d.spoken["worked_hours"] {
			c.d.complain("worked_hours", `the hours of the days that `+name+` has under worked, such as ["09:00-17:00"]`)
		}
	}
}

// ical adds the days of the events in an iCalendar file.
func (c *calendarCompiler) ical(into map[agreements.Date]holiday) {
	name := c.f.Holidays.Ical
	if name == "" {
		return
	}
	if len(c.f.Years) == 0 && !c.d.hasBroken("years") {
		c.d.complain("years", "the years for which "+name+" has every holiday, such as [2026]; the file itself does not say")
	}
	for _, e := range c.l.ical(c.d, "holidays.ical", name, time.UTC) {
		for _, year := range c.f.Years {
			for d := range e.daysOf(year) {
				if into[d].words == "" {
					into[d] = holiday{words: e.Words}
				}
			}
		}
	}
}

// ownWords are the words of dates; they win over those of the holiday files.
func (c *calendarCompiler) ownWords() {
	for _, d := range slices.SortedFunc(maps.Keys(c.f.Words), date.compare) {
		if _, dated := c.c.Dates[agreements.Date(d)]; !dated && !c.d.hasBroken("dates") {
			c.d.complain(join("words", agreements.Date(d).String()), "a date that has hours of its own")
		}
		c.c.Words[agreements.Date(d)] = c.f.Words[d]
	}
	maps.DeleteFunc(c.c.Words, func(_ agreements.Date, words string) bool { return words == "" })
}

// checkYears settles which years the calendar knows: those it names, or else those of its holiday files.
func (c *calendarCompiler) checkYears() {
	if len(c.f.Years) == 0 {
		slices.Sort(c.years)
		c.c.Years = slices.Compact(c.years)
	}
	if !c.d.years(c.f.Years) {
		return
	}
	for _, d := range slices.SortedFunc(maps.Keys(c.at), compareDates) {
		c.d.inYears(c.at[d], d, c.c.Years)
	}
	if len(c.d.broken) == 0 {
		c.d.datedYears(c.f.Years, maps.Keys(c.c.Dates))
	}
}

func (c *calendarCompiler) validate() {
	for _, p := range c.c.Validate() {
		switch {
		case strings.HasPrefix(p.Path, "years"):
			continue // reported
		case strings.HasPrefix(p.Path, "dates.") && c.d.places.nearest(p.Path).path != p.Path:
			continue // hours under worked_hours, reported there
		case p.Path == "weekly" && len(c.d.broken) > 0:
			continue // hours that could not be read only seem to be missing
		}
		c.d.report(p)
	}
}

func spans(hs []hours) []agreements.ClockSpan {
	s := make([]agreements.ClockSpan, len(hs))
	for i, h := range hs {
		s[i] = agreements.ClockSpan(h)
	}
	return s
}
