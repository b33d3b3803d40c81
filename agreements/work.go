package agreements

import (
	"fmt"
	"slices"
	"time"

	"github.com/uptally/uptally"
)

// WorkRules say which recorded work qualifies. The zero rules let all of it.
type WorkRules struct {
	// Notice is the least span between announcement and start; at least that long qualifies. NoticeDays are business
	// days instead, those on which Calendar opens, Monday to Friday where it always does; neither the day of the
	// announcement nor that of the start is one of them. A Calendar without a name is the version's window.
	Notice     uptally.Duration
	NoticeDays int
	Calendar   Calendar
	// Hours are the local hours in which work may lie; what lies outside does not qualify. None are all.
	Hours []WorkHours
	// Times is the number of works a period, counted in order of time; 0 is no limit.
	Times int
}

// WorkHours are a stretch of local time that begins at At on each of the days and lasts For.
type WorkHours struct {
	On      []time.Weekday
	At, For uptally.Duration
}

// windows are the hours, one a day of the week.
func (h WorkHours) windows() []RecurringWindow {
	ws := make([]RecurringWindow, len(h.On))
	for i, day := range h.On {
		ws[i] = RecurringWindow{Weekday: day, At: h.At, For: h.For}
	}
	return ws
}

// WorkClass is work under rules of its own, such as a migration with a week's notice and at most six hours.
type WorkClass struct {
	Name string
	WorkRules
	// Cap is the most time a period that the class may exclude; 0 is no cap beside that of all maintenance.
	Cap uptally.Duration
}

// EmergencyTerm is what an agreement does with work that could not wait.
type EmergencyTerm uint8

const (
	// EmergencyExcluded: it needs no notice and may lie at any hour; the caps hold for it too.
	EmergencyExcluded EmergencyTerm = iota + 1
	// EmergencyCounted: it is no maintenance, and downtime in it counts.
	EmergencyCounted
)

// RepeatedHour is what a window of local hours covers where the clock repeats an hour.
type RepeatedHour uint8

const (
	// RepeatedFirst: the window lasts its length from the first pass on.
	RepeatedFirst RepeatedHour = iota + 1
	// RepeatedBoth: the window is open whenever the clock shows one of its hours, in both passes.
	RepeatedBoth
)

// rules are those of ordinary work.
func (m Maintenance) rules() WorkRules {
	return WorkRules{Notice: m.Notice, NoticeDays: m.NoticeDays, Calendar: m.BusinessDays, Hours: m.Hours}
}

// classOf returns the rules of an entry's class, or says why the agreement has none.
func (m Maintenance) classOf(r Recorded) (class WorkClass, refused string) {
	i := slices.IndexFunc(m.Classes, func(k WorkClass) bool { return k.Name == r.Class })
	switch {
	case r.Class == "":
		return WorkClass{WorkRules: m.rules()}, ""
	case i >= 0:
		return m.Classes[i], ""
	case r.Class != ClassEmergency:
		return WorkClass{}, fmt.Sprintf("the agreement knows no maintenance of the class %q", r.Class)
	case m.Emergency == EmergencyExcluded:
		return WorkClass{Name: ClassEmergency}, ""
	case m.Emergency == EmergencyCounted:
		return WorkClass{}, "the agreement counts emergency work"
	}
	return WorkClass{}, "the agreement excludes no emergency work"
}

// refusal says why an entry was announced too late; "" where it was not. Without a notice an entry recorded afterwards
// qualifies too.
func (w WorkRules) refusal(r Recorded, c *computation) string {
	notice := uptally.Duration(r.From - r.announced())
	wanted := w.Notice.String()
	switch {
	case w.NoticeDays > 0 && notice >= 0:
		days, err := w.days(r, c)
		if err != nil {
			return err.Error()
		}
		if days >= w.NoticeDays {
			return ""
		}
		return fmt.Sprintf("announced %s before, notice is %d", businessDays(days), w.NoticeDays)
	case w.NoticeDays > 0:
		wanted = businessDays(w.NoticeDays)
	case w.Notice <= 0 || notice >= w.Notice:
		return ""
	}
	if notice < 0 {
		return fmt.Sprintf("announced %s after its start, notice is %s", -notice, wanted)
	}
	return fmt.Sprintf("announced %s before, notice is %s", notice, wanted)
}

// days counts the business days between the announcement and the start, backwards and at most as many as are wanted. The
// error says which years their calendar would have to know.
func (w WorkRules) days(r Recorded, c *computation) (int, error) {
	const most = 4000 // days; a calendar that hardly opens must not run on
	calendar := w.Calendar
	if calendar.Name == "" {
		calendar = c.terms.Window
	}
	zone := c.agreement.Zone
	n, told := 0, localDate(r.announced(), zone)
	d := localDate(r.From, zone)
	for range most {
		if d = d.AddDays(-1); n == w.NoticeDays || !told.civil().Before(d.civil()) {
			break
		}
		if err := calendar.Known(zone, Interval{d.Start(zone), d.next().Start(zone)}); err != nil {
			return 0, err
		}
		if calendar.business(d) {
			n++
		}
	}
	return n, nil
}

func businessDays(n int) string { return plural(int64(n), "business day", "business days") }

// open returns the time inside in that lies in the hours.
func (w WorkRules) open(c *computation, in Interval) Set {
	if len(w.Hours) == 0 {
		return NewSet(in)
	}
	var all []Interval
	for _, h := range w.Hours {
		for _, w := range h.windows() {
			all = append(all, w.occurrences(c.agreement.Zone, in, c.terms.RepeatedHour)...)
		}
	}
	return NewSet(all...).Clip(in)
}

// noCap is the cap of maintenance that has none.
const noCap uptally.Duration = -1

// shortfall is a part of an excuse that does not qualify, and why.
type shortfall struct {
	millis int64
	why    string
}

// lose takes what does not lie in allowed out of the excuse.
func (e *excuse) lose(allowed Set, why string) {
	kept := e.set.Intersect(allowed)
	e.losses = append(e.losses, shortfall{e.set.Millis() - kept.Millis(), why})
	e.set = kept
}

// qualifyPlanned sets the part of each piece of work that counts, in order of time: inside the window, inside its hours,
// one of the works that its class and the agreement allow, within the cap of its class, of the period and of the year.
// Overlaps consume a cap once; only time inside the window does.
func (c *computation) qualifyPlanned(es []excuse) {
	m := c.terms.Maintenance
	for i := range es {
		if es[i].refused == "" {
			es[i].set = c.window.Clip(es[i].At)
			es[i].lose(es[i].class.open(c, es[i].At), "outside the hours for maintenance")
		}
	}
	for _, k := range m.Classes {
		own := func(e *excuse) bool { return e.EntryID != 0 && e.class.Name == k.Name }
		limitTimes(es, own, k.Times, "of the class "+k.Name)
		if k.Cap > 0 {
			limitTime(es, own, k.Cap, "over the cap of "+k.Cap.String()+" of the class "+k.Name)
		}
	}
	limitTimes(es, func(e *excuse) bool { return e.EntryID != 0 }, m.Times, "")
	if m.Cap > noCap {
		limitTime(es, func(*excuse) bool { return true }, m.Cap, "over the cap of "+m.Cap.String())
	}
	c.limitYear(es)
}

// limitTimes lets only the first works through that have anything left to exclude.
func limitTimes(es []excuse, own func(*excuse) bool, most int, of string) {
	n := 0
	for i := range es {
		if most == 0 || !own(&es[i]) || len(es[i].set) == 0 {
			continue
		}
		if n++; n > most {
			why := fmt.Sprintf("beyond the %s a period", plural(int64(most), "work", "works"))
			if of != "" {
				why += " " + of
			}
			es[i].lose(nil, why)
		}
	}
}

// limitTime lets only the earliest time of the given length through.
func limitTime(es []excuse, own func(*excuse) bool, most uptally.Duration, why string) {
	var all Set
	for i := range es {
		if own(&es[i]) {
			all = append(all, es[i].set...)
		}
	}
	allowed := NewSet(all...).first(int64(most))
	for i := range es {
		if own(&es[i]) {
			es[i].lose(allowed, why)
		}
	}
}

func (v *Version) validateMaintenance(p *problems, path string) {
	m := v.Maintenance
	p.span(m.CapYear, path+"cap_year")
	p.want(m.CapYear == 0 || v.Period != RollingDays, path+"cap_year", m.CapYear.String(), "a period other than rolling days: their maintenance would be counted many times")
	v.Maintenance.AddBack.validate(p, path, v)
	p.want(m.Times >= 0, path+"times", fmt.Sprint(m.Times), "a number of works above zero")
	p.want(m.Emergency <= EmergencyCounted, path+"emergency", "", "excluded or counted")
	p.want(m.RepeatedHour <= RepeatedBoth, path+"repeated_hour", "", "both or first")
	m.rules().validate(p, path)
	for i, w := range m.Recurring {
		w.validate(p, fmt.Sprintf("%srecurring[%d].", path, i))
	}
	for i, k := range m.Classes {
		at := fmt.Sprintf("%sclasses[%d].", path, i)
		p.want(k.Name != "", at+"name", "", "a name such as migration")
		p.want(k.Name != ClassEmergency || m.Emergency == 0, at+"name", k.Name, "another name: the key emergency says what becomes of that class")
		same := func(o WorkClass) bool { return o.Name == k.Name }
		p.want(!slices.ContainsFunc(m.Classes[:i], same), at+"name", k.Name, "each class once")
		p.span(k.Cap, at+"cap")
		p.want(m.Cap < 0 || k.Cap <= m.Cap, at+"cap", k.Cap.String(), "at most the cap of all maintenance, "+m.Cap.String())
		p.want(k.Times >= 0, at+"times", fmt.Sprint(k.Times), "a number of works above zero")
		k.validate(p, at)
	}
}

func (w WorkRules) validate(p *problems, path string) {
	p.span(w.Notice, path+"notice")
	p.want(w.NoticeDays >= 0 && w.NoticeDays <= 1000, path+"notice.business_days", fmt.Sprint(w.NoticeDays), "a number of days from 1 to 1000")
	p.want(w.NoticeDays == 0 || w.Calendar.Name == "" || w.Calendar.opens(Date{}), path+"notice.calendar", w.Calendar.Name, "a calendar that opens on some day")
	for i, h := range w.Hours {
		at := fmt.Sprintf("%shours[%d].", path, i)
		p.want(len(h.On) > 0, at+"on", "", "the days on which the hours begin, such as [sat, sun]")
		RecurringWindow{At: h.At, For: h.For}.validate(p, at)
	}
}

func (w RecurringWindow) validate(p *problems, path string) {
	p.want(w.Nth >= -1 && w.Nth <= 5 && w.Weekday >= time.Sunday && w.Weekday <= time.Saturday, path+"on", "", "a day such as sunday, first sunday or last sunday")
	p.want(w.At >= 0 && w.At < dayClock, path+"at", clockText(w.At), "a local time of day such as 02:00")
	p.want(w.For > 0 && w.For <= longestWindow, path+"for", w.For.String(), "a length above zero, such as 4h")
}

// validateRepeatedHour wants the answer to choice 6 wherever a window meets a repeated hour while the version is in force.
func (a Agreement) validateRepeatedHour(p *problems, path string, version int) {
	v := &a.Versions[version]
	if v.RepeatedHour != 0 || a.Zone == nil || v.From == (Date{}) {
		return
	}
	before := Date{v.From.Year + 28, v.From.Month, v.From.Day}
	if version+1 < len(a.Versions) {
		before = a.Versions[version+1].From
	}
	windows, hours := v.Recurring, v.Hours
	for _, k := range v.Classes {
		hours = slices.Concat(hours, k.Hours)
	}
	for _, h := range hours {
		windows = slices.Concat(windows, h.windows())
	}
	for _, w := range windows {
		if d, ok := w.firstRepeat(a.Zone, v.From, before); ok {
			p.want(false, path+"repeated_hour", "", fmt.Sprintf("both or first: on %s the clock in %s repeats an hour of the window at %s; is the window open in both passes?", d, a.ZoneName, clockText(w.At)))
			return
		}
	}
}
