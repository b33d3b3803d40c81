package configs

import (
	"github.com/uptally/uptally"
	"github.com/uptally/uptally/agreements"
)

type versionFile struct {
	From         *date             `yaml:"from"`
	Period       *periodFile       `yaml:"period"`
	Change       string            `yaml:"change"`
	Services     []string          `yaml:"services"`
	Each         string            `yaml:"each"`
	DownWhen     *downWhenFile     `yaml:"down_when"`
	Figure       string            `yaml:"figure"`
	Weights      *weightsFile      `yaml:"weights"`
	Window       string            `yaml:"window"`
	Maintenance  *maintenanceFile  `yaml:"maintenance"`
	Exclusions   *exclusionsFile   `yaml:"exclusions"`
	Outage       outageFile        `yaml:"outage"`
	Length       *lengthFile       `yaml:"length"`
	PartUse      string            `yaml:"part_use"`
	Denominator  *uptally.Duration `yaml:"denominator"`
	Judge        *judgeFile        `yaml:"judge"`
	Bridge       *uptally.Duration `yaml:"bridge"`
	Unknown      string            `yaml:"unknown"`
	Insufficient *share            `yaml:"insufficient"`
	Target       *share            `yaml:"target"`
	Fee          string            `yaml:"fee"`
	Fees         map[string]string `yaml:"fees"`
	Credits      []tierFile        `yaml:"credits"`
	Holes        string            `yaml:"holes"`
	Cap          *percent          `yaml:"cap"`
	Charge       string            `yaml:"charge"`
	formsFile    `yaml:",inline"`

	Weighing weighingFile `yaml:",inline"`
	Measure  measureFile  `yaml:",inline"`
}

type outageFile struct {
	Minimum    *uptally.Duration `yaml:"minimum"`
	LongerThan *uptally.Duration `yaml:"longer_than"`
	Of         string            `yaml:"of"`
	Merge      *uptally.Duration `yaml:"merge"`
	MergeUpTo  *uptally.Duration `yaml:"merge_up_to"`
	MergedGap  string            `yaml:"merged_gap"`
	Deductible *uptally.Duration `yaml:"deductible"`
	Clock      string            `yaml:"clock"`
	Unreported string            `yaml:"unreported"`
}

// The terms that a version need not name. Source: docs/measuring.md, "Words" and A10.
const (
	defaultBridge       = 10 * uptally.Minute
	defaultInsufficient = "5%"
	defaultCharge       = "proven"
)

// versionCompiler turns one version of an agreement file into terms.
type versionCompiler struct {
	d         *document
	path      string
	currency  agreements.Currency
	calendars map[string]agreements.Calendar
	services  map[string]bool
}

func (c versionCompiler) at(key string) string { return join(c.path, key) }

func (c versionCompiler) version(f versionFile) agreements.Version {
	v := agreements.Version{
		Services: f.Services,
		Window:   c.window(f.Window),
		Outage:   c.outage(f.Outage),
		Bridge:   or(f.Bridge, defaultBridge),
		Unknown: choose(c.d, c.at("unknown"), f.Unknown,
			option[agreements.UnknownTerm]{"exclude", agreements.UnknownExclude}, option[agreements.UnknownTerm]{"up", agreements.UnknownUp}, option[agreements.UnknownTerm]{"down", agreements.UnknownDown}),
	}
	c.from(f, &v)
	c.period(f, &v)
	c.time(f, &v)
	c.parties(f, &v)
	c.combination(f, &v)
	c.weighing(f.Weighing, &v)
	c.measure(f.Measure, &v)
	c.maintenance(f.Maintenance, &v)
	c.exclusions(f.Exclusions, &v)
	c.shares(f, &v)
	c.credits(f, &v)
	return v
}

func (c versionCompiler) from(f versionFile, v *agreements.Version) {
	if f.From == nil {
		c.d.complain(c.at("from"), "the day from which the version is in force, such as 2026-01-01")
		return
	}
	v.From = agreements.Date(*f.From)
}

// parties are the services and whether each makes an account of its own.
func (c versionCompiler) parties(f versionFile, v *agreements.Version) {
	at := func(i int) string { return item(c.at("services"), i) }
	c.d.unique(at, f.Services)
	for i, name := range f.Services {
		if c.services != nil && !c.services[name] && nameForm.MatchString(name) {
			c.d.complain(at(i), known("a service of the installation", name, c.services))
		}
	}
	switch {
	case f.Each == "service":
		v.Each = true
	case f.Each != "":
		c.d.complain(c.at("each"), "service, or no such key where the services make one account")
	}
}

func (c versionCompiler) window(name string) agreements.Calendar { return c.calendar("window", name) }

// calendar finds the calendar that the key names.
func (c versionCompiler) calendar(key, name string) agreements.Calendar {
	if cal, ok := agreements.BuiltinCalendar(name); ok {
		return cal
	}
	cal, ok := c.calendars[name]
	if !ok {
		c.d.complain(c.at(key), known("24x7, 5x8, 5x9 or a calendar that a file under calendars defines", name, c.calendars))
	}
	return cal
}

func (c versionCompiler) outage(f outageFile) agreements.OutageTerms {
	o := agreements.OutageTerms{Minimum: or(f.Minimum, 0)}
	c.flaps(f, &o)
	if f.LongerThan != nil {
		o.Minimum, o.LongerThan = *f.LongerThan, true
		if f.Minimum != nil {
			c.d.complain(c.at("outage.longer_than"), "one of minimum (at least so long) and longer_than")
		}
	}
	if o.Minimum != 0 || f.Of != "" {
		o.OfPart = choose(c.d, c.at("outage.of"), f.Of, option[bool]{"whole", false}, option[bool]{"part", true})
	}
	return o
}

// or returns what was written, or the default.
func or[T any](written *T, otherwise T) T {
	if written != nil {
		return *written
	}
	return otherwise
}

// known wants one of the names there are, with the nearest where there is one.
func known[V any](what, name string, names map[string]V) string {
	if best, ok := nearest(name, sortedKeys(names)); ok {
		return what + ", perhaps " + best
	}
	return what
}
