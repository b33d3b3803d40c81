package configs

import (
	"strings"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/probes"
	"github.com/uptally/uptally/probes/schedule"
)

// Check is a check as configured. The plan's From is 0: the server decides from which slot it is in force.
type Check struct {
	Plan  uptally.Plan
	Probe probes.Settings
}

type checkFile struct {
	Name            string `yaml:"name"`
	probes.Settings `yaml:",inline"`
	Every           *uptally.Duration `yaml:"every"`
	Cron            string            `yaml:"cron"`
	Spread          *uptally.Duration `yaml:"spread"`
	Timeout         *uptally.Duration `yaml:"timeout"`
	Sites           []string          `yaml:"sites"`
	Focus           *bool             `yaml:"focus"`
	Quorum          *int              `yaml:"quorum"`
	Confirm         *int              `yaml:"confirm"`
	Recover         *int              `yaml:"recover"`
	Gap             *uptally.Duration `yaml:"gap"`
}

// The least interval, the longest timeout that is not asked for, and the interval in milliseconds from which on a check has focus
// unless it says otherwise: below it its slots look often enough.
const (
	minEvery   = uptally.Second
	maxTimeout = 10 * uptally.Second
	focusFrom  = 5_000
)

// spacing is the shortest and the longest time from one slot of a check to the next, in milliseconds.
type spacing struct{ least, most int64 }

// checkCompiler turns one check of an installation into its plan.
type checkCompiler struct {
	d    *document
	path string
	site string
	// crons are the spacings of the expressions met so far.
	crons map[string]spacing
	// references are those of the installation, as plans say them.
	references []string
}

func (c checkCompiler) at(key string) string { return join(c.path, key) }

func (c checkCompiler) check(f checkFile) Check {
	s := c.spacing(f)
	sites := f.Sites
	if sites == nil {
		sites = []string{c.site}
	}
	focus := or(f.Focus, s.least >= focusFrom || f.Cron != "")
	inARow := 1
	if focus {
		inARow = 3
	}
	p := uptally.Plan{
		Check: f.Name, Sites: sites, Every: int64(or(f.Every, 0)), Cron: strings.Join(strings.Fields(f.Cron), " "),
		Spread:  int64(or(f.Spread, 0)),
		Timeout: int64(or(f.Timeout, min(maxTimeout, uptally.Duration(s.least/10*9+s.least%10*9/10)))),
		Quorum:  or(f.Quorum, len(sites)/2+1),
		Confirm: or(f.Confirm, inARow), Recover: or(f.Recover, inARow),
		Gap:  int64(or(f.Gap, uptally.Duration(s.most/2*5+s.most%2*5/2))),
		Kind: f.Kind(), Target: f.Target(), Focus: focus, References: c.references,
	}
	c.d.unique(func(i int) string { return item(c.at("sites"), i) }, f.Sites)
	for _, problem := range f.Settings.Validate() {
		problem.Path = strings.TrimSuffix(c.at(problem.Path), ".")
		c.d.report(problem)
	}
	if s.least > 0 { // without slots, nothing can be said of the spans that follow from them
		c.plan(p)
	}
	if f.Cron != "" && s.least > 0 && p.Timeout >= s.least {
		c.d.further(uptally.Problem{Path: c.at("timeout"), Want: "less than the shortest spacing of the slots, " + uptally.Duration(s.least).String()})
	}
	return Check{Plan: p, Probe: f.Settings}
}

// plan reports what uptally.Plan finds, in the words of the file.
func (c checkCompiler) plan(p uptally.Plan) {
	for _, problem := range p.Validate() {
		problem.Path = strings.TrimSuffix(problem.Path, "_ms")
		switch {
		case problem.Path == "check", problem.Path == "kind", problem.Path == "target", strings.HasPrefix(problem.Path, "sites["):
			continue // names and settings have problems of their own
		case problem.Path == "quorum" && len(p.Sites) == 0:
			continue
		}
		// What was written says more than the plan's milliseconds.
		c.d.further(uptally.Problem{Path: c.at(problem.Path), Want: problem.Want})
	}
}

// spacing reads when a check is due; it is zero where that cannot be said.
func (c checkCompiler) spacing(f checkFile) spacing {
	switch {
	case f.Every != nil && f.Cron != "":
		c.d.complain(c.at("cron"), "one of every and cron")
	case f.Every == nil && f.Cron == "":
		if !c.d.hasBroken(c.at("cron")) {
			c.d.complain(c.at("every"), `an interval such as 31s, or cron: "*/5 * * * *"`)
		}
	case f.Cron != "":
		return c.cronSpacing(f.Cron)
	case c.d.hasBroken(c.at("every")):
	case *f.Every < minEvery:
		c.d.complain(c.at("every"), "an interval of at least "+minEvery.String())
	default:
		return spacing{int64(*f.Every), int64(*f.Every)}
	}
	return spacing{}
}

func (c checkCompiler) cronSpacing(expr string) spacing {
	if s, ok := c.crons[expr]; ok {
		return s
	}
	cron, err := schedule.ParseCron(expr)
	if err != nil {
		c.d.report(uptally.Problem{Path: c.at("cron"), Got: shown(expr), Want: wanted(err.Error())})
		return spacing{}
	}
	s := spacingOf(cron)
	c.crons[expr] = s
	return s
}

// spacingOf returns the shortest and the longest spacing from a slot to the next, over the slots of 2024. That year has
// every date, and a fixed one gives the same plan whenever it is loaded. The days of an expression are alike, so one
// day's slots and the first slot of each day say it all.
func spacingOf(cron schedule.CronSchedule) spacing {
	const year2024, year2025 = 1_704_067_200_000, 1_735_689_600_000
	first := cron.Next(year2024 - 1)
	s := spacing{least: schedule.Never}
	last := first
	for next := cron.Next(last); uptally.DayOf(next) == uptally.DayOf(first); next = cron.Next(next) {
		s.least, s.most = min(s.least, next-last), max(s.most, next-last)
		last = next
	}
	length := last - first
	for at := first; at < year2025; {
		next := cron.Next(at + length)
		s.least, s.most = min(s.least, next-at-length), max(s.most, next-at-length)
		at = next
	}
	return s
}

// ids refuses two names with one ID.
type ids map[uptally.ID]string

// claim returns the other name that has the ID of this one, or "".
func (m ids) claim(id uptally.ID, name string) string {
	if other := m[id]; other != name && other != "" {
		return other
	}
	m[id] = name
	return ""
}

// claimAll demands an ID of its own for every check, those that are history included, and every site.
func claimAll(d *document, checks []Check, history []string) {
	names, sites := ids{}, ids{}
	for i, c := range checks {
		if other := names.claim(uptally.IDOf(c.Plan.Check), c.Plan.Check); other != "" {
			d.complain(join(item("checks", i), "name"), "another name; its number is that of "+other)
		}
		for j, s := range c.Plan.Sites {
			if other := sites.claim(uptally.IDOf(s), s); other != "" {
				d.complain(item(join(item("checks", i), "sites"), j), "another name; its number is that of "+other)
			}
		}
	}
	for i, name := range history {
		if other := names.claim(uptally.IDOf(name), name); other != "" {
			d.complain(item("history", i), "another name; its number is that of "+other)
		}
	}
}
