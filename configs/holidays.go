package configs

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/uptally/uptally/agreements"
)

// holidayFile is a dated table of holidays that calendars share.
type holidayFile struct {
	Holidays string          `yaml:"holidays"`
	Source   string          `yaml:"source"`
	Years    []int           `yaml:"years"`
	Closed   map[days]string `yaml:"closed"`
	Worked   map[days]string `yaml:"worked"`
}

// holiday is a day that holidays change.
type holiday struct {
	worked bool
	words  string
}

// holidayTable is a compiled holiday file.
type holidayTable struct {
	years []int
	days  map[agreements.Date]holiday
}

// holidays compiles a holiday file. Where its days are from is part of it: a table that nobody can check is worth nothing
// in a dispute.
func (d *document) holidays() holidayTable {
	var f holidayFile
	d.decode(&f)
	d.name("holidays", f.Holidays)
	if strings.TrimSpace(f.Source) == "" {
		d.complain("source", "where the days are from, such as the title and the date of the notice")
	}
	if len(f.Years) == 0 {
		d.complain("years", "the years for which the file has every day, such as [2026]")
	}
	known := d.years(f.Years) && len(f.Years) > 0
	if len(f.Closed)+len(f.Worked) == 0 && !d.hasBroken("closed") && !d.hasBroken("worked") {
		d.complain("closed", "at least one day, such as 2026-01-01: New Year")
	}
	t := holidayTable{years: f.Years, days: map[agreements.Date]holiday{}}
	at := map[agreements.Date]string{}
	for _, kind := range []struct {
		key    string
		worked bool
		days   map[days]string
	}{{"closed", false, f.Closed}, {"worked", true, f.Worked}} {
		for _, ds := range sortedDays(kind.days) {
			path := join(kind.key, ds.String())
			for day := range ds.each {
				if other, twice := at[day]; twice {
					d.complain(path, "each date once; "+other+" has "+day.String()+" already")
				}
				at[day] = path
				t.days[day] = holiday{kind.worked, kind.days[ds]}
				if known {
					d.inYears(path, day, f.Years)
				}
			}
		}
	}
	if known && len(d.broken) == 0 {
		d.datedYears(f.Years, maps.Keys(t.days))
	}
	return t
}

// years wants years of a calendar, each once and in order.
func (d *document) years(years []int) bool {
	for i, y := range years {
		switch {
		case y < firstYear || y > lastYear:
			d.complain(item("years", i), fmt.Sprintf("a year from %d to %d", firstYear, lastYear))
		case i > 0 && y <= years[i-1]:
			d.complain(item("years", i), "each year once, in order")
		default:
			continue
		}
		return false
	}
	return !d.hasBroken("years")
}

// datedYears wants a dated day in each year that is said to be known: no country has a year without a holiday.
func (d *document) datedYears(years []int, dates iter.Seq[agreements.Date]) {
	dated := map[int]bool{}
	for day := range dates {
		dated[day.Year] = true
	}
	for i, y := range years {
		if !dated[y] {
			d.complain(item("years", i), fmt.Sprintf("the holidays of %d among its dates, or the year left out", y))
		}
	}
}

// The years of dated days: an uptime agreement is not older, and a slip of the finger is further away.
const (
	firstYear = 1970
	lastYear  = 2199
)

// inYears wants a date to lie in one of the years, if there are any. The last evening before them reaches into them.
func (d *document) inYears(path string, day agreements.Date, years []int) {
	if len(years) == 0 || slices.Contains(years, day.Year) || slices.Contains(years, day.AddDays(1).Year) {
		return
	}
	if !d.spoken[path] {
		d.complain(path, fmt.Sprintf("a day of the years %s, or %d among years", strings.Trim(fmt.Sprint(years), "[]"), day.Year))
	}
}

// days is a day, or several in a row.
type days struct{ first, last agreements.Date }

// UnmarshalText accepts a day such as 2026-10-01 and a stretch such as "2026-10-01 to 2026-10-07", its last day included.
func (ds *days) UnmarshalText(text []byte) error {
	a, b, several := strings.Cut(string(text), " to ")
	if !several {
		b = a
	}
	first, errFirst := agreements.ParseDate(a)
	last, errLast := agreements.ParseDate(b)
	if errFirst != nil || errLast != nil || several && compareDates(first, last) >= 0 || compareDates(first.AddDays(366), last) < 0 {
		return fmt.Errorf("got %q, want a day such as 2026-10-01, or several such as 2026-10-01 to 2026-10-07", text)
	}
	*ds = days{first, last}
	return nil
}

// String returns the text that UnmarshalText read.
func (ds days) String() string {
	if ds.first == ds.last {
		return ds.first.String()
	}
	return ds.first.String() + " to " + ds.last.String()
}

// each yields the days in order.
func (ds days) each(yield func(agreements.Date) bool) {
	for d := ds.first; compareDates(d, ds.last) <= 0 && yield(d); d = d.AddDays(1) {
	}
}

func sortedDays(m map[days]string) []days {
	return slices.SortedFunc(maps.Keys(m), func(a, b days) int { return strings.Compare(a.String(), b.String()) })
}

func compareDates(a, b agreements.Date) int { return strings.Compare(a.String(), b.String()) }
