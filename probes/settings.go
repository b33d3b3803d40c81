package probes

import (
	"reflect"

	"github.com/uptally/uptally"
)

// Settings is the union of the kinds: exactly one field is set. It decodes from YAML as it stands; the key is the name of
// the kind. A new kind is one more field here, of a pointer type with the methods of kind; nothing else lists the kinds.
type Settings struct {
	HTTP *HTTP `yaml:"http"`
	TCP  *TCP  `yaml:"tcp"`
	ICMP *ICMP `yaml:"icmp"`
	DNS  *DNS  `yaml:"dns"`
}

// kind is what the settings of each kind can do.
type kind interface {
	// target says what is measured, for people, without secrets.
	target() string
	// validate adds what is wrong, with paths relative to the kind.
	validate(p *problems)
	// reasons lists what a probe of this kind can return besides ok.
	reasons() []uptally.Reason
	// prepare reads what the settings refer to and returns the probe. The settings are valid.
	prepare(e *Engine, from Source) (*measure, error)
}

// set returns the kinds that are given, in the order of the fields, with their names.
func (s *Settings) set() (names []string, kinds []kind) {
	v := reflect.ValueOf(s).Elem()
	for i := range v.NumField() {
		if f := v.Field(i); !f.IsNil() {
			names = append(names, v.Type().Field(i).Tag.Get("yaml"))
			kinds = append(kinds, f.Interface().(kind))
		}
	}
	return names, kinds
}

// one returns the only kind that is set, or nil.
func (s *Settings) one() (string, kind) {
	names, kinds := s.set()
	if len(kinds) != 1 {
		return "", nil
	}
	return names[0], kinds[0]
}

// Kind returns "http", "tcp", "icmp" or "dns"; empty unless exactly one is set.
func (s *Settings) Kind() string {
	name, _ := s.one()
	return name
}

// Target says what is measured, for people: a URL without user and query, an address, a host, or a name and type at a
// DNS server. It holds no secret. It is empty unless exactly one kind is set.
func (s *Settings) Target() string {
	if _, k := s.one(); k != nil {
		return k.target()
	}
	return ""
}

// Reasons returns the reasons that a probe of this kind can return besides ok, of every outcome, without doubles; nil
// unless exactly one kind is set. Source: docs/probes.md, "Reasons".
func (s *Settings) Reasons() []uptally.Reason {
	if _, k := s.one(); k != nil {
		return k.reasons()
	}
	return nil
}

// Validate returns everything wrong with the settings, with paths in the words of the file such as "http.url" or
// "http.headers[0].name". It is pure and total: no network, no file, no rights, no change to s.
func (s *Settings) Validate() []uptally.Problem {
	names, kinds := s.set()
	var p problems
	if len(kinds) != 1 {
		p.add("", join(names), "exactly one of http, tcp, icmp and dns")
	}
	for i, k := range kinds {
		k.validate(p.at(names[i]))
	}
	return p.all()
}
