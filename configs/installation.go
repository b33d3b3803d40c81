package configs

import (
	"net"
	"slices"
	"strconv"

	"github.com/uptally/uptally/agreements"
)

// Config is an installation: what is measured, what is sold, and under which agreements. Nothing writes to it.
type Config struct {
	// Path is the file it was read from. Data is the folder of the ledger, as seen from where the process runs.
	Path, Data string
	// Ledger says where the evidence is kept, if not in the folder Data.
	Ledger Ledger
	// Site is the name of the place this process measures from.
	Site string
	// Listen is the address of pages and metrics, host:port.
	Listen string
	// ListenDNS is the address of the health page in the words of DNS, host:port over UDP; empty is none.
	ListenDNS string
	// Agents are how agents of other sites reach the server; no Listen is not at all.
	Agents Agents
	// References are the targets asked beside a failure: nil is not given, empty is none.
	References []Reference
	// Checks, Services and Agreements are in written order.
	Checks []Check
	// History names checks that are not measured any more, or never were here: their results were imported.
	History    []string
	Services   []Service
	Agreements []agreements.Agreement
	// Calendars are those that the installation and its agreements read from files, by name.
	Calendars []agreements.Calendar
}

// Service is what a customer buys: all of its checks must be up.
type Service struct {
	Name   string   `yaml:"name"`
	Checks []string `yaml:"checks"`
}

type installationFile struct {
	Site       string      `yaml:"site"`
	Data       string      `yaml:"data"`
	Ledger     *ledgerFile `yaml:"ledger"`
	Listen     string      `yaml:"listen"`
	ListenDNS  string      `yaml:"listen_dns"`
	Agents     *agentsFile `yaml:"agents"`
	References []string    `yaml:"references"`
	Checks     []checkFile `yaml:"checks"`
	History    []string    `yaml:"history"`
	Services   []Service   `yaml:"services"`
	Calendars  []string    `yaml:"calendars"`
	Agreements []string    `yaml:"agreements"`
}

// Defaults of an installation.
const (
	DefaultData   = "./data"
	DefaultListen = "127.0.0.1:8080"
)

// Load reads an installation with the agreements and calendars it names. The error is a *ProblemsError with everything
// wrong in all of the files; the Config is then nil.
func Load(path string) (*Config, error) {
	l := newLoader()
	d := open(path)
	c := l.installation(d)
	l.take(d)
	if err := orNil(l.problems); err != nil {
		return nil, err
	}
	return c, nil
}

func (l *loader) installation(d *document) *Config {
	f := installationFile{Data: DefaultData, Listen: DefaultListen}
	d.decode(&f)
	c := &Config{Path: d.file, Site: f.Site, Data: relative(d.file, f.Data), Listen: f.Listen, ListenDNS: f.ListenDNS, History: f.History, Services: f.Services}
	d.name("site", f.Site)
	if !isAddress(f.Listen) {
		d.complain("listen", "an address such as "+DefaultListen)
	}
	if f.ListenDNS != "" && !isAddress(f.ListenDNS) {
		d.complain("listen_dns", "an address such as 127.0.0.1:8053")
	}
	if f.Data == "" {
		d.complain("data", "a folder, such as "+DefaultData)
	}
	c.Ledger, c.Agents = d.ledger(f.Ledger), d.agents(f.Agents)
	c.References = l.references(d, f.References)
	l.checks(d, f, c)
	services := l.services(d, f, c)
	s := surroundings{calendars: l.calendarsOf(d, "calendars", f.Calendars), services: services}
	l.agreements(d, f.Agreements, s, c)
	for _, file := range sortedKeys(l.calendars) {
		c.Calendars = append(c.Calendars, l.calendars[file])
	}
	return c
}

func (l *loader) checks(d *document, f installationFile, c *Config) {
	names := make([]string, len(f.Checks))
	crons := map[string]spacing{}
	for i, check := range f.Checks {
		names[i] = check.Name
		compiler := checkCompiler{d: d, path: item("checks", i), site: f.Site, crons: crons, references: saidInPlans(f.References)}
		c.Checks = append(c.Checks, compiler.check(check))
	}
	if len(f.Checks) == 0 {
		d.complain("checks", "at least one check")
	}
	d.unique(func(i int) string { return join(item("checks", i), "name") }, names)
	claimAll(d, c.Checks, f.History)
	for i, name := range f.History {
		d.name(item("history", i), name)
		if slices.Contains(names, name) {
			d.complain(item("history", i), "a check that is not measured here; what is imported of one that is needs no mention")
		}
	}
	d.unique(func(i int) string { return item("history", i) }, f.History)
}

// saidInPlans is what plans say of the references. None is a word of its own, since nothing means the site's defaults.
func saidInPlans(written []string) []string {
	if written != nil && len(written) == 0 {
		return []string{"none"}
	}
	return written
}

// services checks the services' names and the checks they name; it returns the services that there are.
func (l *loader) services(d *document, f installationFile, c *Config) map[string]bool {
	checks := map[string]bool{}
	for _, check := range f.Checks {
		checks[check.Name] = true
	}
	for _, name := range f.History {
		checks[name] = true
	}
	services := map[string]bool{}
	names := make([]string, len(f.Services))
	for i, s := range f.Services {
		names[i] = s.Name
		services[s.Name] = true
		path := join(item("services", i), "checks")
		if len(s.Checks) == 0 {
			d.complain(path, "at least one check")
		}
		seen := map[string]bool{}
		for j, check := range s.Checks {
			switch {
			case !checks[check]:
				d.complain(item(path, j), known("a check of this installation", check, checks))
			case seen[check]:
				d.complain(item(path, j), "each check once")
			}
			seen[check] = true
		}
	}
	d.unique(func(i int) string { return join(item("services", i), "name") }, names)
	return services
}

func (l *loader) agreements(d *document, files []string, s surroundings, c *Config) {
	first := map[string]int{}
	for i, file := range files {
		in := l.include(d, item("agreements", i), file)
		if in == nil {
			continue
		}
		a := l.agreement(in, s)
		l.take(in)
		if j, twice := first[a.Name]; twice {
			d.complain(item("agreements", i), "an agreement with another name; "+item("agreements", j)+" is "+a.Name+" too")
		}
		first[a.Name] = i
		if slices.ContainsFunc(a.Versions, countsRequests) {
			d.complain(item("agreements", i), "an agreement that the results of checks can decide; this one is judged by counts of requests, which uptally evaluate --counts reads")
		}
		c.Agreements = append(c.Agreements, a)
	}
}

// countsRequests reports whether a version is judged by counts, which no check gives.
func countsRequests(v agreements.Version) bool {
	return v.Errors != nil || v.ErrorMean != nil || v.Events
}

// isAddress reports whether s is host:port with a port by number.
func isAddress(s string) bool {
	_, port, err := net.SplitHostPort(s)
	n, errPort := strconv.ParseUint(port, 10, 16)
	return err == nil && errPort == nil && n <= 65535
}
