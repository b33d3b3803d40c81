package configs

import (
	"maps"
	"time"
	_ "time/tzdata" // zones are known wherever the binary runs

	"github.com/uptally/uptally/agreements"
	"golang.org/x/text/currency"
)

type agreementFile struct {
	Agreement string        `yaml:"agreement"`
	Customer  string        `yaml:"customer"`
	TimeZone  string        `yaml:"time_zone"`
	Currency  string        `yaml:"currency"`
	Calendars []string      `yaml:"calendars"`
	Versions  []versionFile `yaml:"versions"`
}

// LoadAgreement reads one agreement file and the calendars it names, relative to it; "24x7", "5x8" and "5x9" need no
// file. Whether the services exist is not asked. The error is a *ProblemsError.
func LoadAgreement(path string) (agreements.Agreement, error) {
	l := newLoader()
	d := open(path)
	a := l.agreement(d, surroundings{})
	l.take(d)
	if err := orNil(l.problems); err != nil {
		return agreements.Agreement{}, err
	}
	return a, nil
}

// surroundings are what an installation gives its agreements.
type surroundings struct {
	calendars map[string]agreements.Calendar
	// services by name; nil where they are not known.
	services map[string]bool
}

// agreement compiles an agreement file.
func (l *loader) agreement(d *document, s surroundings) agreements.Agreement {
	var f agreementFile
	d.decode(&f)
	d.name("agreement", f.Agreement)
	a := agreements.Agreement{Name: f.Agreement, Customer: f.Customer, ZoneName: f.TimeZone}
	a.Zone = d.zone("time_zone", f.TimeZone)
	a.Currency = d.currency("currency", f.Currency)
	calendars := maps.Clone(s.calendars)
	if calendars == nil {
		calendars = map[string]agreements.Calendar{}
	}
	maps.Copy(calendars, l.calendarsOf(d, "calendars", f.Calendars))
	for i, v := range f.Versions {
		c := versionCompiler{d: d, path: item("versions", i), currency: a.Currency, calendars: calendars, services: s.services}
		a.Versions = append(a.Versions, c.version(v))
	}
	for _, p := range a.Validate() {
		d.further(p)
	}
	return a
}

// zone loads the time zone at path. The machine's own zone is no term of a contract.
func (d *document) zone(path, name string) *time.Location {
	zone, err := time.LoadLocation(name)
	if err != nil || name == "" || name == "Local" {
		d.complain(path, "an IANA time zone, such as Europe/Berlin, or UTC")
		return time.UTC
	}
	return zone
}

// currency returns the ISO 4217 currency at path with the decimals of its minor unit.
func (d *document) currency(path, code string) agreements.Currency {
	unit, err := currency.ParseISO(code)
	if err != nil || unit.String() != code {
		d.complain(path, "an ISO 4217 currency, such as EUR")
		return agreements.Currency{}
	}
	digits, _ := currency.Standard.Rounding(unit)
	return agreements.Currency{Code: code, Digits: digits}
}
