package configs

import (
	"reflect"
	"strings"

	"github.com/uptally/uptally"
)

// FormatCheck writes c as an element of `checks:` with what is not a default, and nothing else: what Load reads from it is c.
//
// A plan whose Quorum is 0 is unfinished: of it, what is zero is left to the defaults, and so are the sites where there
// are none. From, Kind and Target are never written; they follow. References are the installation's.
func FormatCheck(c Check) []byte {
	w := checkWriter{c}
	return w.bytes()
}

// ValidateCheck returns everything wrong with the text of one check, as FormatCheck writes it, in an installation whose site
// is any. The error is a *ProblemsError whose file is "check" and whose lines are 0.
func ValidateCheck(text []byte) error {
	d := parse("check", append([]byte("site: any\nchecks:\n"), text...))
	l := newLoader()
	l.installation(d)
	l.take(d)
	for i := range l.problems {
		p := &l.problems[i]
		p.Line, p.Path = 0, strings.TrimPrefix(p.Path, "checks[0].")
	}
	return orNil(l.problems)
}

// checkWriter turns a check into the keys that a person would write.
type checkWriter struct{ c Check }

func (w checkWriter) bytes() []byte {
	f := w.file()
	w.leaveOut(reflect.ValueOf(&f).Elem())
	var t textWriter
	t.block(reflect.ValueOf([]checkFile{f}), 0)
	return []byte(t.String())
}

// file is the check with every key written out that an unfinished plan does not leave open.
func (w checkWriter) file() checkFile {
	p := w.c.Plan
	f := checkFile{Name: p.Check, Cron: p.Cron, Sites: p.Sites, Settings: w.c.Probe}
	open := p.Quorum == 0
	set := func(to **uptally.Duration, v int64) {
		if v != 0 || !open {
			*to = new(uptally.Duration(v))
		}
	}
	count := func(to **int, v int) {
		if v != 0 || !open {
			*to = &v
		}
	}
	if p.Every != 0 {
		set(&f.Every, p.Every)
	}
	set(&f.Spread, p.Spread)
	set(&f.Timeout, p.Timeout)
	set(&f.Gap, p.Gap)
	count(&f.Quorum, p.Quorum)
	count(&f.Confirm, p.Confirm)
	count(&f.Recover, p.Recover)
	if p.Focus || !open {
		f.Focus = &p.Focus
	}
	return f
}

// leaveOut takes every key away without which the plan is the same. The later ones follow from the earlier, so each is
// tried with those before it as they will be written.
func (w checkWriter) leaveOut(file reflect.Value) {
	elsewhere := strings.Join(w.c.Plan.Sites, "") + "-" // at which Load's default is never the written sites
	plan := func() uptally.Plan {
		c := checkCompiler{d: newDocument("", nil), site: elsewhere, crons: map[string]spacing{}}
		return c.check(file.Interface().(checkFile)).Plan
	}
	for i := range file.NumField() {
		f := file.Field(i)
		if t := file.Type().Field(i); t.Anonymous || f.IsZero() || f.Kind() != reflect.Pointer && f.Kind() != reflect.Slice {
			continue
		}
		full, old := plan(), reflect.ValueOf(f.Interface())
		f.SetZero()
		if !plan().SameTerms(full) {
			f.Set(old)
		}
	}
}
