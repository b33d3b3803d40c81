package probes

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v4"

	"github.com/uptally/uptally"
)

const pagePath = "../docs/probes.md"

func readPage(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(filepath.FromSlash(pagePath))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// pageRow is one setting in a table of the page: its default and its example as they are written there.
type pageRow struct{ key, initial, example string }

// pageTables reads the tables of settings: by chapter ("http", "TLS", "Every kind"), or by what its first column says that
// the settings are of ("`proxy`", "a secret").
func pageTables(page string) map[string][]pageRow {
	tables := map[string][]pageRow{}
	heading := regexp.MustCompile(`^\| setting(?: of (.+))? \| default \| example \| meaning \|$`)
	row := regexp.MustCompile("^\\| `([a-z0-9_]+)` \\| (.+?) \\| `(.+?)` \\| .+ \\|$")
	chapter, table := "", ""
	for line := range strings.Lines(page) {
		line = strings.TrimSuffix(line, "\n")
		if name, ok := strings.CutPrefix(line, "## "); ok {
			chapter = name
		}
		if m := heading.FindStringSubmatch(line); m != nil {
			if table = m[1]; table == "" {
				table = chapter
			}
		} else if !strings.HasPrefix(line, "|") {
			table = ""
		} else if table != "" && !strings.HasPrefix(line, "|---") {
			m := row.FindStringSubmatch(line)
			if m == nil {
				m = []string{line, line, "", ""}
			}
			tables[table] = append(tables[table], pageRow{m[1], m[2], m[3]})
		}
	}
	return tables
}

// block is a struct of settings: where its table is, and one way to it from the kind.
type block struct {
	kind, table string
	typ         reflect.Type
	path        []int // fields from the kind's struct on, through pointers and the first elements of lists
}

// settingsBlocks walks the union: every struct of settings once, the first way to it.
func settingsBlocks() (blocks []block) {
	seen := map[reflect.Type]bool{}
	var walk func(kind, table string, typ reflect.Type, path []int)
	walk = func(kind, table string, typ reflect.Type, path []int) {
		for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice {
			typ = typ.Elem()
		}
		if typ.Kind() != reflect.Struct || seen[typ] {
			return
		}
		seen[typ] = true
		blocks = append(blocks, block{kind, table, typ, path})
		for f := range typ.Fields() {
			key, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
			next := "`" + key + "`"
			switch f.Type {
			case reflect.TypeFor[Reach]():
				next = "Every kind"
			case reflect.TypeFor[*TLS]():
				next = "TLS"
			case reflect.TypeFor[*Secret]():
				next = "a secret"
			}
			walk(kind, next, f.Type, append(slices.Clone(path), f.Index...))
		}
	}
	for f := range reflect.TypeFor[Settings]().Fields() {
		kind := f.Tag.Get("yaml")
		walk(kind, kind, f.Type, nil)
	}
	return blocks
}

// grounds are sound settings by kind, in which the blocks are that a default or an example needs beside it. Where one ground
// has no place for an example, another has.
func grounds() map[string][]string {
	return map[string][]string{
		"http": {
			`{ url: "https://portal.test/", headers: [{ name: A, value: a }], oauth2: { token_url: "https://login.test/", client_id: a, client_secret: { env: UPTALLY_TEST_TOKEN } }, tls: {}, proxy: { url: "http://proxy.test" }, expect_headers: [{ name: A }] }`,
			`{ url: "https://portal.test/", headers: [{ name: A }], basic: { user: a, password: { env: UPTALLY_TEST_TOKEN } }, expect_headers: [{ name: A, regexp: a }], proxy: { environment: true } }`,
			`{ url: "https://portal.test/", bearer: { env: UPTALLY_TEST_OTHER }, tls: { cert_file: a, key_file: a }, proxy: { url: "http://proxy.test", user: a, password: { env: UPTALLY_TEST_TOKEN } } }`,
			`{ url: "https://portal.test/", headers: [{ name: A, secret: {} }] }`,
			`{ url: "https://portal.test/" }`,
		},
		"tcp": {
			`{ address: "mail.test:25", tls: {}, steps: [{ expect: a }] }`,
			`{ address: "mail.test:25", steps: [{}] }`,
			`{ address: "mail.test:25", steps: [{ expect_regexp: "(a)" }, {}] }`,
			`{ address: "mail.test:25" }`,
		},
		"icmp": {`{ host: portal.test }`},
		"dns": {
			`{ server: 192.0.2.1, name: portal.test }`,
			`{ server: 192.0.2.1, name: portal.test, transport: tls }`,
			`{ name: portal.test, transport: https, url: "https://dns.test/" }`,
			`{ name: portal.test, transport: https }`,
			`{ server: 192.0.2.1, name: portal.test, type: SOA, serial: { at_least: 1 } }`,
		},
	}
}

// on returns settings of a ground with another value of a key in a block of them, or without the key where the value is
// empty; false where the ground has no such block.
func (b block) on(t *testing.T, ground, key, value string) (*Settings, bool) {
	t.Helper()
	s := decode(t, b.kind+": "+ground)
	_, k := s.one()
	v := reflect.ValueOf(k).Elem()
	for _, i := range b.path {
		if v = v.Field(i); v.Kind() == reflect.Slice && v.Len() > 0 {
			v = v.Index(v.Len() - 1)
		}
		if v.Kind() == reflect.Pointer {
			v = v.Elem()
		}
		if v.Kind() != reflect.Struct {
			return nil, false
		}
	}
	v.FieldByIndex(b.field(key).Index).SetZero()
	if value == "" {
		return s, true
	}
	if err := yaml.Load([]byte(key+": "+value), v.Addr().Interface(), yaml.WithKnownFields(true)); err != nil {
		t.Errorf("docs/probes.md: %s of %s: %s: %v", key, b.table, value, err)
	}
	return s, true
}

// preparedAs is what a kind makes of settings, or why it cannot.
func preparedAs(t *testing.T, e *Engine, s *Settings) (any, error) {
	t.Helper()
	if ps := s.Validate(); len(ps) > 0 {
		return nil, fmt.Errorf("got %v", ps)
	}
	_, k := s.one()
	m, err := k.prepare(e, Folder(t.TempDir()))
	if err != nil {
		return nil, err
	}
	return m, nil
}

// alike compares what was prepared by the same engine: functions by their code, channels not at all.
func alike(x, y any) string {
	return cmp.Diff(x, y,
		cmp.Exporter(func(reflect.Type) bool { return true }),
		cmp.Comparer(func(a, b *regexp.Regexp) bool { return fmt.Sprint(a) == fmt.Sprint(b) }),
		cmp.Comparer(func(a, b *echoPool) bool { return a == b }),
		cmp.Comparer(func(a, b *keeper) bool { return a == b }),
		cmp.Comparer(func(a, b *dnsSockets) bool { return a == b }),
		kindOf(reflect.Func, cmp.Comparer(func(a, b any) bool { return reflect.ValueOf(a).Pointer() == reflect.ValueOf(b).Pointer() })),
		kindOf(reflect.Chan, cmp.Ignore()))
}

func kindOf(kind reflect.Kind, o cmp.Option) cmp.Option {
	return cmp.FilterPath(func(p cmp.Path) bool { return p.Last().Type().Kind() == kind }, o)
}

// TestPage: docs/probes.md has each setting once, in the table where it belongs, with its true default and an example that is
// sound and makes a difference.
func TestPage(t *testing.T) {
	t.Setenv("UPTALLY_TEST_TOKEN", "canary")
	t.Setenv("UPTALLY_TEST_OTHER", "canary")
	tables := pageTables(readPage(t))
	e := NewEngine()
	for _, b := range settingsBlocks() {
		rows := tables[b.table]
		delete(tables, b.table)
		var got, want []string
		for _, r := range rows {
			got = append(got, r.key)
		}
		for f := range b.typ.Fields() {
			if key, _, _ := strings.Cut(f.Tag.Get("yaml"), ","); key != "" {
				want = append(want, key)
			}
		}
		slices.Sort(got)
		slices.Sort(want)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("docs/probes.md: settings of %s (-code +page):\n%s", b.table, diff)
			continue
		}
		for _, r := range rows {
			t.Run(strings.Trim(b.table, "`")+"/"+r.key, func(t *testing.T) {
				b.checkDefault(t, e, r)
				b.checkExample(t, e, r)
			})
		}
	}
	for table := range tables {
		t.Errorf("docs/probes.md: got a table of settings of %s, which the code has not", table)
	}
}

// writtenValue returns the value that a default is, if it is one: in backquotes, true, false or a number.
func writtenValue(initial string) (string, bool) {
	if text, ok := strings.CutPrefix(initial, "`"); ok {
		return strings.TrimSuffix(text, "`"), true
	}
	return initial, regexp.MustCompile(`^(true|false|[0-9]+)$`).MatchString(initial)
}

// checkDefault: what is required is missed, and a default that is a value changes nothing where it is written out.
func (b block) checkDefault(t *testing.T, e *Engine, r pageRow) {
	value, ok := writtenValue(r.initial)
	f := b.field(r.key)
	switch kind := f.Type.Kind(); {
	case r.initial == "required":
		if !b.required(r.key) {
			t.Errorf("docs/probes.md: %s of %s: got required, and nothing misses it", r.key, b.table)
		}
		return
	case !ok && (kind == reflect.Bool || kind == reflect.Int):
		t.Errorf("docs/probes.md: %s of %s: got the default %q, want a value", r.key, b.table, r.initial)
	case !ok:
		return
	}
	tried := false
	for _, ground := range grounds()[b.kind] {
		with, ok := b.on(t, ground, r.key, value)
		if !ok {
			continue
		}
		without, _ := b.on(t, ground, r.key, "")
		x, err := preparedAs(t, e, without)
		if err != nil {
			continue
		}
		y, err := preparedAs(t, e, with)
		if err != nil {
			continue // it belongs to another ground
		}
		tried = true
		if diff := alike(x, y); diff != "" {
			t.Errorf("docs/probes.md: %s of %s: the default is another than %s (-left out +written):\n%s", r.key, b.table, value, diff)
		}
	}
	if !tried {
		t.Errorf("docs/probes.md: %s of %s: got no ground to try the default on", r.key, b.table)
	}
}

// field returns the field of a key.
func (b block) field(key string) reflect.StructField {
	f, _ := b.typ.FieldByNameFunc(func(name string) bool {
		f, _ := b.typ.FieldByName(name)
		got, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		return got == key
	})
	return f
}

// required reports whether settings without the key have a problem there that they do not have with any ground's value.
func (b block) required(key string) bool {
	s := Settings{}
	v := reflect.ValueOf(&s).Elem()
	for i := range v.NumField() {
		if v.Type().Field(i).Tag.Get("yaml") == b.kind {
			v = v.Field(i)
			break
		}
	}
	where := b.kind
	v.Set(reflect.New(v.Type().Elem()))
	v = v.Elem()
	for _, i := range b.path {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ",")
		switch v = v.Field(i); v.Kind() {
		case reflect.Pointer:
			v.Set(reflect.New(v.Type().Elem()))
			v = v.Elem()
		case reflect.Slice:
			v.Set(reflect.MakeSlice(v.Type(), 1, 1))
			v, name = v.Index(0), name+"[0]"
		}
		where += "." + name
	}
	return slices.ContainsFunc(s.Validate(), func(p uptally.Problem) bool { return p.Path == where+"."+key })
}

// checkExample: on one of the grounds the example is sound, and what is prepared from it another than without it.
func (b block) checkExample(t *testing.T, e *Engine, r pageRow) {
	var problems []string
	for _, ground := range grounds()[b.kind] {
		s, ok := b.on(t, ground, r.key, r.example)
		if !ok {
			continue
		}
		if ps := s.Validate(); len(ps) > 0 {
			problems = append(problems, fmt.Sprint(ps))
			continue
		}
		without, _ := b.on(t, ground, r.key, "")
		x, _ := preparedAs(t, e, without)
		y, err := preparedAs(t, e, s)
		if err != nil || alike(x, y) != "" { // a file or a variable that is not there makes a difference too
			return
		}
		problems = append(problems, "makes no difference")
	}
	t.Errorf("docs/probes.md: %s of %s: the example %s: %s", r.key, b.table, r.example, strings.Join(problems, "; "))
}

// TestPageExamples: the examples of whole kinds are sound, and there is one for each.
func TestPageExamples(t *testing.T) {
	kinds := map[string]int{}
	for i, part := range strings.Split(readPage(t), "```") {
		text, ok := strings.CutPrefix(part, "yaml\n")
		if i%2 == 0 || !ok || strings.Contains(text, "checks:\n") { // whole checks are for configs to try
			continue
		}
		s := decode(t, text)
		if ps := s.Validate(); len(ps) > 0 {
			t.Errorf("docs/probes.md: got %v in\n%s", ps, text)
		}
		kinds[s.Kind()]++
	}
	if len(kinds) != reflect.TypeFor[Settings]().NumField() {
		t.Errorf("docs/probes.md: got examples of %v, want one a kind", slices.Sorted(maps.Keys(kinds)))
	}
}

// reasonTables writes the two tables of reasons: each that a kind can return, by which kinds, and what it means.
func reasonTables() string {
	kinds := map[uptally.Reason][]string{}
	for f := range reflect.TypeFor[Settings]().Fields() {
		s := Settings{}
		reflect.ValueOf(&s).Elem().FieldByIndex(f.Index).Set(reflect.New(f.Type.Elem()))
		for _, r := range s.Reasons() {
			kinds[r] = append(kinds[r], f.Tag.Get("yaml"))
		}
	}
	var b strings.Builder
	table := func(title string, agent bool, outcomes ...uptally.Outcome) {
		fmt.Fprintf(&b, "| reason | of | %s because |\n|---|---|---|\n", title)
		for _, o := range outcomes {
			for _, r := range uptally.Reasons(o) {
				of, because := strings.Join(kinds[r], ", "), Meaning(r)
				switch {
				case len(kinds[r]) == reflect.TypeFor[Settings]().NumField():
					of = "every kind"
				case len(kinds[r]) == 0 && agent:
					of = "the agent"
				case len(kinds[r]) == 0:
					continue // of imported results
				}
				if agent {
					because = o.String() + ": " + because
				}
				fmt.Fprintf(&b, "| `%v` | %s | %s |\n", r, of, because)
			}
		}
		b.WriteString("\n")
	}
	table("down", false, uptally.Down)
	table("void or missed", true, uptally.Void, uptally.Missed)
	return b.String()
}

// TestPageReasons: the page has the reasons of the code, none besides, and in its words; -update writes them.
func TestPageReasons(t *testing.T) {
	page := readPage(t)
	from := strings.Index(page, "| reason | of | down because |\n")
	if from < 0 {
		t.Fatal("docs/probes.md: got no table of reasons")
	}
	to := from
	for line := range strings.Lines(page[from:]) {
		if line != "\n" && !strings.HasPrefix(line, "|") {
			break
		}
		to += len(line)
	}
	want := reasonTables()
	if *update {
		if err := os.WriteFile(filepath.FromSlash(pagePath), []byte(page[:from]+want+page[to:]), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if diff := cmp.Diff(want, page[from:to]); diff != "" {
		t.Errorf("docs/probes.md: the tables of reasons; go test ./probes -run TestPageReasons -update writes them (-code +page):\n%s", diff)
	}
}
