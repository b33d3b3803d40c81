package configs

import (
	"reflect"
	"strings"

	"github.com/uptally/uptally/probes"
)

// ExtendSettings reads further settings of the one kind that s has, such as `status: [200, 301]`, over those it has
// already: a list replaces, a block such as tls is completed. They are read as strictly as a file; whether they fit one
// another, Validate says once all are read. The error is a *ProblemsError whose file is name, without a line where text
// is a single one.
func ExtendSettings(s *probes.Settings, name, text string) error {
	kind := s.Kind()
	d := parse(name, []byte(text))
	d.decode(givenKind(s))
	for i := range d.problems {
		p := &d.problems[i]
		p.Path = strings.TrimSuffix(join(kind, p.Path), ".")
		if !strings.Contains(strings.TrimSuffix(text, "\n"), "\n") {
			p.Line = 0
		}
	}
	return orNil(d.problems)
}

// givenKind returns the settings of the kind that is set, a pointer to its struct.
func givenKind(s *probes.Settings) any {
	v := reflect.ValueOf(s).Elem()
	for i := range v.NumField() {
		if f := v.Field(i); !f.IsNil() {
			return f.Interface()
		}
	}
	panic("BUG: extend settings without a kind")
}
