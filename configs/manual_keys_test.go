package configs

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

// keysOf adds the YAML keys of a file's type and of all that it holds, each behind the key that holds it: "outage.minimum".
func keysOf(t reflect.Type, parent string, into map[string]bool) {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		keysOf(t.Elem(), parent, into)
	case reflect.Struct:
		for f := range t.Fields() {
			tag, tagged := f.Tag.Lookup("yaml")
			key, _, _ := strings.Cut(tag, ",")
			switch {
			case key == "=": // a single word in place of the keys
			case f.Type == reflect.TypeFor[[]factFile]():
				into["."+key] = true
				keysOf(f.Type, "fact", into) // any kind will do: validate refuses the fields of another
			case key != "":
				into[parent+"."+key] = true
				keysOf(f.Type, key, into)
			case tagged || f.Anonymous:
				keysOf(f.Type, parent, into)
			}
		}
	}
}

// shownIn adds the keys of an example in the same form.
func shownIn(n *yaml.Node, parent string, into map[string]bool) {
	for i, c := range n.Content {
		switch {
		case n.Kind != yaml.MappingNode:
			shownIn(c, parent, into)
		case i%2 == 0:
			into[parent+"."+c.Value] = true
			held := c.Value
			if n.Content[i+1].Kind == yaml.SequenceNode && parent == "" && slices.Contains(factKeys(), held) {
				held = "fact"
			}
			shownIn(n.Content[i+1], held, into)
		}
	}
}

// Every key of agreement, calendar, holiday and facts files stands in an example of the manual, under the key that holds it.
func TestManualHasEveryKey(t *testing.T) {
	_, blocks := manual(t)
	shown := map[string]bool{}
	for _, b := range blocks {
		var n yaml.Node
		if err := yaml.Load([]byte(framed(t, b)), &n); err != nil {
			t.Fatalf("%v\n%s", err, b)
		}
		shownIn(content(&n), "", shown)
	}
	keys := map[string]bool{}
	for _, file := range []any{agreementFile{}, calendarFile{}, holidayFile{}, factsFile{}} {
		keysOf(reflect.TypeOf(file), "", keys)
	}
	if len(keys) < 100 {
		t.Fatalf("got %d keys, want at least 100", len(keys))
	}
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		if !shown[key] {
			t.Errorf("docs/agreements.md has no example with %q", key)
		}
	}
}
