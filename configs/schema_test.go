package configs

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"
)

// compiled are the schemas as a validator reads them, by kind.
func compiled(t *testing.T) map[string]*jsonschema.Schema {
	t.Helper()
	all := map[string]*jsonschema.Schema{}
	for _, kind := range SchemaKinds() {
		text, err := Schema(kind)
		if err != nil {
			t.Fatal(err)
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		c := jsonschema.NewCompiler()
		if err := c.AddResource("urn:uptally:"+kind+":1", doc); err != nil {
			t.Fatal(err)
		}
		if all[kind], err = c.Compile("urn:uptally:" + kind + ":1"); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// schemaKeys collects the names of all properties.
func schemaKeys(v any, into map[string]bool) {
	switch v := v.(type) {
	case map[string]any:
		properties, _ := v["properties"].(map[string]any)
		for key := range properties {
			into[key] = true
		}
		for _, inner := range v {
			schemaKeys(inner, into)
		}
	case []any:
		for _, inner := range v {
			schemaKeys(inner, into)
		}
	}
}

// tagsOf collects the yaml tags of a type and of all that it holds.
func tagsOf(t reflect.Type, into map[string]bool) {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		tagsOf(t.Elem(), into)
	case reflect.Struct:
		for f := range t.Fields() {
			if tag, ok := f.Tag.Lookup("yaml"); ok {
				if key, _, _ := strings.Cut(tag, ","); key != "" && key != "-" && key != "=" {
					into[key] = true
				}
				tagsOf(f.Type, into)
			}
		}
	}
}

// Every key that a file's type reads stands in the schema, and every key of the schema is one that the type reads.
func TestSchemaHasEveryKey(t *testing.T) {
	for _, kind := range kinds() {
		want, got := map[string]bool{}, map[string]bool{}
		tagsOf(reflect.TypeOf(kind.file), want)
		text, err := Schema(kind.name)
		if err != nil {
			t.Fatal(err)
		}
		var s any
		if err := json.Unmarshal(text, &s); err != nil {
			t.Fatal(err)
		}
		schemaKeys(s, got)
		if diff := cmp.Diff(slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got))); diff != "" {
			t.Errorf("%s: %s", kind.name, diff)
		}
	}
}

// Every key is described, and nothing is described that is no key.
func TestSchemaDescribesEveryKey(t *testing.T) {
	notes, keys := schemaNotes(), map[string]bool{}
	var missing []string
	var walk func(t reflect.Type)
	walk = func(t reflect.Type) {
		switch {
		case t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map:
			walk(t.Elem())
		case readsText(t) && textForms()[t] == "":
			missing = append(missing, t.String())
		case t.Kind() == reflect.Struct && !readsText(t):
			for _, f := range schemaFields(t) {
				if f.name != "" {
					keys[f.note] = true
				}
				walk(f.typ)
			}
		}
	}
	for _, kind := range kinds() {
		walk(reflect.TypeOf(kind.file))
	}
	for _, typ := range missing {
		t.Errorf("got no form for %s", typ)
	}
	for key := range keys {
		if notes[key].is == "" {
			t.Errorf("got no words about %s", key)
		}
	}
	for key := range notes {
		if !keys[key] && !strings.HasSuffix(key, "."+wordKey) {
			t.Errorf("got words about %s, which is no key", key)
		}
	}
}

// asJSON turns YAML nodes into what a validator of JSON takes. Only numbers and truths are not texts.
func asJSON(n *yaml.Node) any {
	switch n.Kind {
	case yaml.DocumentNode:
		return asJSON(n.Content[0])
	case yaml.AliasNode:
		return "*" + n.Value // some of the fixtures are bombs
	case yaml.MappingNode:
		m := map[string]any{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			m[n.Content[i].Value] = asJSON(n.Content[i+1])
		}
		return m
	case yaml.SequenceNode:
		list := []any{}
		for _, c := range n.Content {
			list = append(list, asJSON(c))
		}
		return list
	}
	switch tag := n.ShortTag(); {
	case tag == "!!bool":
		return n.Value == "true"
	case tag == "!!null":
		return nil
	case tag == "!!int" || tag == "!!float":
		if _, err := strconv.ParseFloat(n.Value, 64); err == nil {
			return json.Number(n.Value)
		}
	}
	return n.Value
}

// kindOf returns the kind that Validate takes a file for, and what a validator of JSON would see of it.
func kindOf(file string) (kind string, value any) {
	d := open(file)
	if d.root == nil {
		return "", nil
	}
	rank := d.rank()
	if rank < 0 {
		return "", nil
	}
	return kinds()[rank].name, asJSON(d.root)
}

func yamlFiles(t *testing.T, folder string) []string {
	var files []string
	err := filepath.WalkDir(folder, func(path string, e fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".yaml") {
			files = append(files, path)
		}
		return err
	})
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return files
}

// Every file that Validate finds nothing wrong with follows its schema: all that ship, and those of the worked cases.
func TestSoundFilesFollowTheSchema(t *testing.T) {
	schemas := compiled(t)
	followed := map[string]int{}
	for _, folder := range []string{".", "../cmd/uptally", "../docs"} {
		for _, file := range yamlFiles(t, folder) {
			if len(validated(file)) > 0 {
				continue
			}
			kind, value := kindOf(file)
			if err := schemas[kind].Validate(value); err != nil {
				t.Errorf("%s: %v", file, err)
			}
			followed[kind]++
		}
	}
	if followed["agreement"] < 25 || followed["calendar"] < 2 || followed["facts"] < 2 || followed["installation"] < 1 {
		t.Errorf("got %v, want more of each kind", followed)
	}
}

// A key that the loader refuses is refused by the schema too.
func TestSchemaRefusesUnknownKeys(t *testing.T) {
	schemas := compiled(t)
	unknown := regexp.MustCompile(`(?m)^here:.*, want (a known key, perhaps |one of the keys )`)
	refused := 0
	for _, file := range yamlFiles(t, "testdata") {
		problems, err := os.ReadFile(file + ".problems")
		if err != nil || !unknown.MatchString(strings.ReplaceAll(string(problems), "testdata/"+filepath.Base(file)+":", "here:")) {
			continue
		}
		kind, value := kindOf(file)
		if kind == "" {
			continue
		}
		refused++
		if err := schemas[kind].Validate(value); err == nil || !strings.Contains(err.Error(), "additional properties") {
			t.Errorf("%s: got %v, want a complaint about the key", file, err)
		}
	}
	if refused < 3 {
		t.Errorf("got %d files with unknown keys, want at least 3", refused)
	}
}
