package configs

import (
	"strings"
	"time"

	"github.com/uptally/uptally/agreements"
)

type calendarFile struct {
	Calendar string           `yaml:"calendar"`
	Weekly   weekFile         `yaml:"weekly"`
	Dates    map[date][]hours `yaml:"dates"`
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

// calendar compiles a calendar file.
func (d *document) calendar() agreements.Calendar {
	var f calendarFile
	d.decode(&f)
	c := agreements.Calendar{Name: f.Calendar, Dates: map[agreements.Date][]agreements.ClockSpan{}}
	for day, hs := range [7][]hours{f.Weekly.Sun, f.Weekly.Mon, f.Weekly.Tue, f.Weekly.Wed, f.Weekly.Thu, f.Weekly.Fri, f.Weekly.Sat} {
		c.Weekly[day] = spans(hs)
	}
	for at, hs := range f.Dates {
		c.Dates[agreements.Date(at)] = spans(hs)
	}
	d.name("calendar", f.Calendar)
	if _, builtin := agreements.BuiltinCalendar(f.Calendar); builtin {
		d.complain("calendar", "another name; this one is built in")
	}
	for _, p := range c.Validate() {
		if p.Path == "weekly" && len(d.broken) > 0 {
			continue // hours that could not be read only seem to be missing
		}
		p.Path = shortDay(p.Path)
		d.report(p)
	}
	return c
}

// shortDay turns "weekly.monday[1]" into the file's "weekly.mon[1]".
func shortDay(path string) string {
	for day := time.Sunday; day <= time.Saturday; day++ {
		long := strings.ToLower(day.String())
		if rest, ok := strings.CutPrefix(path, "weekly."+long); ok {
			return "weekly." + long[:3] + rest
		}
	}
	return path
}

func spans(hs []hours) []agreements.ClockSpan {
	s := make([]agreements.ClockSpan, len(hs))
	for i, h := range hs {
		s[i] = agreements.ClockSpan(h)
	}
	return s
}
