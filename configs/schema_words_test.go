package configs

import (
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

// keyPath is where a key stands in a file: the names on the way, "[]" for the first element of a list.
type keyPath struct {
	kind  string
	names []string
	note  string
}

// keyPaths are the places of all keys that the schema has a note about. A type that several keys share is met under each.
func keyPaths() []keyPath {
	var all []keyPath
	var walk func(kind string, names []string, t reflect.Type)
	walk = func(kind string, names []string, t reflect.Type) {
		switch {
		case t.Kind() == reflect.Pointer:
			walk(kind, names, t.Elem())
		case t.Kind() == reflect.Slice:
			walk(kind, append(slices.Clip(names), "[]"), t.Elem())
		case t.Kind() == reflect.Struct && !readsText(t):
			if hasWord(t) {
				all = append(all, keyPath{kind, names, schemaName(t) + "." + wordKey})
			}
			for _, f := range schemaFields(t) {
				if f.name != "" {
					at := append(slices.Clip(names), f.name)
					all = append(all, keyPath{kind, at, f.note})
					walk(kind, at, f.typ)
				}
			}
		}
	}
	for _, k := range kinds() {
		walk(k.name, nil, reflect.TypeOf(k.file))
	}
	return all
}

// String is the path as problems write it.
func (p keyPath) String() string {
	return strings.ReplaceAll(strings.Join(p.names, "."), ".[]", "[0]")
}

// plain is a sound file of a kind with what it must have and no more.
func plain(kind string) map[string]any {
	version := map[string]any{"from": "2026-01-01", "period": "month", "services": []any{"a"}, "window": "24x7", "unknown": "exclude", "target": "99.9%"}
	return map[string]map[string]any{
		"installation": {"site": "a", "checks": []any{map[string]any{"name": "a", "every": "31s", "tcp": map[string]any{"address": "192.0.2.1:80"}}}},
		"agent":        {"site": "a", "server": "https://uptally.example.com:8443"},
		"agreement":    {"agreement": "a", "customer": "c", "time_zone": "UTC", "currency": "EUR", "versions": []any{version}},
		"calendar":     {"calendar": "a", "weekly": map[string]any{"mon": []any{"09:00-17:00"}}},
		"holidays":     {"holidays": "a", "source": "s", "years": []any{2026}, "closed": map[string]any{"2026-01-01": "New Year"}},
		"facts":        {"maintenance": []any{map[string]any{"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z", "announced": "2026-01-01T00:00:00Z"}}},
	}[kind]
}

// beside are keys without which the loader asks for them first.
func beside() map[string]map[string]any {
	return map[string]map[string]any{
		"outage.unreported": {"clock": "reported"},
		"outage.merged_gap": {"merge": "30s"},
		"length.round":      {"unit": "60s"},
		"length.on":         {"unit": "60s"},
		"length.count":      {"slots": "60s"},
		"response.failed":   {"over": "300ms", "at_most": "1%"},
	}
}

// put returns v with a value at the place that names tell, making what should hold it.
func put(v any, names []string, value any, beside map[string]any) any {
	if len(names) == 0 {
		return value
	}
	if names[0] == "[]" {
		list, _ := v.([]any)
		if len(list) == 0 {
			list = []any{nil}
		}
		return append([]any{put(list[0], names[1:], value, beside)}, list[1:]...)
	}
	m, _ := v.(map[string]any)
	m = maps.Clone(m)
	if m == nil {
		m = map[string]any{}
	}
	if len(names) == 1 {
		maps.Copy(m, beside)
	}
	m[names[0]] = put(m[names[0]], names[1:], value, beside)
	if m[names[0]] == nil {
		delete(m, names[0])
	}
	return m
}

func problemsOfValue(t *testing.T, v any) []Problem {
	text, err := yaml.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return validated(filepath.Join(write(t, map[string]string{"a.yaml": string(text)}), "a.yaml"))
}

func TestPlainFilesAreSound(t *testing.T) {
	for _, k := range kinds() {
		for _, p := range problemsOfValue(t, plain(k.name)) {
			t.Error(p)
		}
	}
}

// The words of the schema are those that the loader asks for where another stands.
func TestSchemaWordsAreTheLoaders(t *testing.T) {
	notes := schemaNotes()
	for _, at := range keyPaths() {
		words := notes[at.note].words
		if words == nil {
			continue
		}
		var wants []string
		for _, p := range problemsOfValue(t, put(plain(at.kind), at.names, "none-of-them", beside()[at.note])) {
			if p.Path == at.String() {
				wants = append(wants, p.Want)
			}
		}
		for _, word := range words {
			if !strings.Contains(strings.Join(wants, "\n"), word) {
				t.Errorf("%s (%s): the schema knows %q, the loader wants %q", at, at.note, word, wants)
			}
		}
	}
}

// A file that lacks a key which the schema requires is refused by the loader too.
func TestSchemaRequiresWhatTheLoaderDoes(t *testing.T) {
	notes := schemaNotes()
	for _, at := range keyPaths() {
		if !notes[at.note].required {
			continue
		}
		if problems := problemsOfValue(t, put(plain(at.kind), at.names, nil, nil)); len(problems) == 0 {
			t.Errorf("%s (%s): the schema requires it, the loader does not", at, at.note)
		}
	}
}
