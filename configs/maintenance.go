package configs

import (
	"slices"
	"strings"
	"time"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/agreements"
)

type maintenanceFile struct {
	workFile     `yaml:",inline"`
	Cap          *uptally.Duration `yaml:"cap"`
	CapYear      *uptally.Duration `yaml:"cap_year"`
	Emergency    string            `yaml:"emergency"`
	Classes      []classFile       `yaml:"classes"`
	Recurring    []recurringFile   `yaml:"recurring"`
	RepeatedHour string            `yaml:"repeated_hour"`
	Denominator  string            `yaml:"denominator"`
}

// workFile is what both all work and a class of it may be held to.
type workFile struct {
	Notice *noticeFile `yaml:"notice"`
	Hours  []hoursFile `yaml:"hours"`
	Times  *int        `yaml:"times"`
}

// noticeFile is a length, or a number of business days.
type noticeFile struct {
	Length       *uptally.Duration `yaml:"="`
	BusinessDays *int              `yaml:"business_days"`
	Calendar     string            `yaml:"calendar"`
}

type hoursFile struct {
	On  []string          `yaml:"on"`
	At  *clock            `yaml:"at"`
	For *uptally.Duration `yaml:"for"`
}

type classFile struct {
	Name     string `yaml:"name"`
	workFile `yaml:",inline"`
	Cap      *uptally.Duration `yaml:"cap"`
}

type recurringFile struct {
	Name string            `yaml:"name"`
	On   string            `yaml:"on"`
	At   *clock            `yaml:"at"`
	For  *uptally.Duration `yaml:"for"`
}

type exclusionsFile struct {
	Causes      []string `yaml:"causes"`
	Denominator string   `yaml:"denominator"`
}

// planned is what becomes of excluded time in the denominator.
type planned struct {
	keep bool
	back agreements.AddBackTerm
}

// denominator reads what becomes of excluded time in the denominator; it has no safe default.
func (c versionCompiler) denominator(key, word string) (keep bool, back agreements.AddBackTerm) {
	p := choose(c.d, c.at(key), word, option[planned]{"subtract", planned{}}, option[planned]{"keep", planned{keep: true}},
		option[planned]{"add_back", planned{true, agreements.AddBackDown}}, option[planned]{"add_back_all", planned{true, agreements.AddBackAll}})
	return p.keep, p.back
}

func (c versionCompiler) maintenance(f *maintenanceFile, v *agreements.Version) {
	if f == nil {
		return // the cap is 0: an agreement without maintenance excludes none
	}
	const noCap uptally.Duration = -1
	work := c.work("maintenance", f.workFile)
	v.Maintenance = agreements.Maintenance{
		Notice: work.Notice, NoticeDays: work.NoticeDays, BusinessDays: work.Calendar, Hours: work.Hours, Times: work.Times,
		Cap: or(f.Cap, noCap), CapYear: or(f.CapYear, 0),
	}
	v.Maintenance.Keep, v.Maintenance.AddBack = c.denominator("maintenance.denominator", f.Denominator)
	if f.CapYear != nil && *f.CapYear <= 0 {
		c.d.complain(c.at("maintenance.cap_year"), "a length above zero, such as 10h; without this key there is no cap")
	}
	if v.Maintenance.Cap < 0 && f.Cap != nil {
		c.d.complain(c.at("maintenance.cap"), "a length of zero or more, such as 6h; without this key there is no cap")
	}
	if f.Emergency != "" {
		v.Emergency = choose(c.d, c.at("maintenance.emergency"), f.Emergency,
			option[agreements.EmergencyTerm]{"excluded", agreements.EmergencyExcluded}, option[agreements.EmergencyTerm]{"counted", agreements.EmergencyCounted})
	}
	if f.RepeatedHour != "" {
		v.RepeatedHour = choose(c.d, c.at("maintenance.repeated_hour"), f.RepeatedHour,
			option[agreements.RepeatedHour]{"both", agreements.RepeatedBoth}, option[agreements.RepeatedHour]{"first", agreements.RepeatedFirst})
	}
	for i, k := range f.Classes {
		key := item("maintenance.classes", i)
		v.Classes = append(v.Classes, agreements.WorkClass{Name: k.Name, WorkRules: c.work(key, k.workFile), Cap: or(k.Cap, 0)})
		if k.Cap != nil && *k.Cap <= 0 {
			c.d.complain(c.at(key+".cap"), "a length above zero, such as 6h")
		}
	}
	for i, r := range f.Recurring {
		v.Recurring = append(v.Recurring, c.recurring(item("maintenance.recurring", i), r))
	}
}

// work reads the rules that stand at key.
func (c versionCompiler) work(key string, f workFile) agreements.WorkRules {
	var w agreements.WorkRules
	if n := f.Notice; n != nil {
		w.Notice, w.NoticeDays = or(n.Length, 0), or(n.BusinessDays, 0)
		switch {
		case n.Length == nil && n.BusinessDays == nil, n.BusinessDays != nil && *n.BusinessDays < 1:
			c.d.complain(c.at(key+".notice"), "a length such as 72h, or { business_days: 14 }")
		case n.Calendar != "":
			w.Calendar = c.calendar(key+".notice.calendar", n.Calendar)
		}
	}
	for i, h := range f.Hours {
		w.Hours = append(w.Hours, c.hours(item(key+".hours", i), h))
	}
	if w.Times = or(f.Times, 0); f.Times != nil && w.Times < 1 {
		c.d.complain(c.at(key+".times"), "a number of works above zero; without this key there is no limit")
	}
	return w
}

// hours are a stretch of local time on the days that are named.
func (c versionCompiler) hours(key string, f hoursFile) agreements.WorkHours {
	w := agreements.WorkHours{At: uptally.Duration(or(f.At, 0)), For: or(f.For, 0)}
	for i, on := range f.On {
		nth, day, ok := parseDayOf(on)
		if !ok || nth != 0 {
			c.d.complain(c.at(item(key+".on", i)), "a day such as sat, or saturday")
			continue
		}
		w.On = append(w.On, day)
	}
	if f.At == nil {
		c.d.complain(c.at(key+".at"), "a local time of day such as 06:00")
	}
	return w
}

func (c versionCompiler) recurring(key string, f recurringFile) agreements.RecurringWindow {
	w := agreements.RecurringWindow{Name: f.Name, At: uptally.Duration(or(f.At, 0)), For: or(f.For, 0)}
	if f.Name == "" {
		c.d.complain(c.at(key+".name"), "a name for the statement, such as Sunday night")
	}
	var ok bool
	if w.Nth, w.Weekday, ok = parseDayOf(f.On); !ok {
		c.d.complain(c.at(key+".on"), "a day such as sunday, first sunday or last sunday")
	}
	if f.At == nil {
		c.d.complain(c.at(key+".at"), "a local time of day such as 02:00")
	}
	return w
}

// parseDayOf reads "sunday" (every), "first sunday" … "fifth sunday" and "last sunday"; days may be cut to three letters.
func parseDayOf(text string) (nth int, day time.Weekday, ok bool) {
	words := strings.Fields(strings.ToLower(text))
	ordinals := map[string]int{"first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "last": -1}
	if len(words) == 2 {
		if nth = ordinals[words[0]]; nth == 0 {
			return 0, 0, false
		}
		words = words[1:]
	}
	for day := time.Sunday; day <= time.Saturday; day++ {
		name := strings.ToLower(day.String())
		if len(words) == 1 && slices.Contains([]string{name, name[:3]}, words[0]) {
			return nth, day, true
		}
	}
	return 0, 0, false
}

func (c versionCompiler) exclusions(f *exclusionsFile, v *agreements.Version) {
	if f == nil {
		return // an agreement that names no cause accepts none
	}
	v.Exclusions.Causes = f.Causes
	v.Exclusions.Keep, v.Exclusions.AddBack = c.denominator("exclusions.denominator", f.Denominator)
	if len(f.Causes) == 0 {
		c.d.complain(c.at("exclusions.causes"), "the causes that the agreement accepts, such as [force majeure]")
	}
}
