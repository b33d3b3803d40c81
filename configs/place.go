package configs

import (
	"encoding"
	"fmt"
	"iter"
	"reflect"
	"slices"
	"strings"

	"github.com/uptally/uptally/probes"
	"go.yaml.in/yaml/v4"
)

// place is a value or a key in a document: where it stands and which Go type reads it.
type place struct {
	path, parent string
	node         *yaml.Node
	// typ reads the value; of a key, it is the struct or map that has it.
	typ reflect.Type
	// hidden values are secrets or stand where one belongs; no problem shows them.
	hidden bool
}

// mark is a position in a document, line and column from 1.
type mark struct{ line, column int }

// places finds values and keys again, by position and by path such as "checks[0].every".
type places struct {
	values, keys map[mark]*place
	paths        map[string]*place
}

// nearest returns the value at path, or the innermost written one that should hold it.
func (ps places) nearest(path string) *place {
	for outer := range outward(path) {
		if p := ps.paths[outer]; p != nil {
			return p
		}
	}
	return ps.paths[""]
}

// outward yields a path, then what holds it, to the document itself.
func outward(path string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for yield(path) && path != "" {
			path = path[:max(strings.LastIndexAny(path, ".["), 0)]
		}
	}
}

// join appends a key to a path.
func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// item appends an index to a path.
func item(path string, i int) string { return fmt.Sprintf("%s[%d]", path, i) }

// indexer walks nodes and types side by side, once, and never through an alias.
type indexer struct {
	places
	faults []fault
	fields map[reflect.Type]map[string]reflect.Type
}

// fault is what the walk alone can see: a repeated or empty key, a tag, a merge.
type fault struct {
	node            *yaml.Node
	path, got, want string
}

func (x *indexer) value(n *yaml.Node, path string, t reflect.Type, hidden bool) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	hidden = hidden || secret(t)
	p := &place{path: path, node: n, typ: t, hidden: hidden}
	x.values[mark{n.Line, n.Column}], x.paths[path] = p, p
	switch {
	case n.Style&yaml.TaggedStyle != 0:
		x.faults = append(x.faults, fault{n, path, n.Tag, "a plain value without a tag"})
	case isNull(n):
		x.faults = append(x.faults, fault{n, path, "", "a value, or no such key"})
	case n.Kind == yaml.MappingNode:
		x.mapping(n, path, t, hidden)
	case n.Kind == yaml.ScalarNode && hasWord(t):
		p.node = asWord(n)
	case n.Kind == yaml.SequenceNode && (t.Kind() == reflect.Slice || t.Kind() == reflect.Array):
		for i, c := range n.Content {
			x.value(c, item(path, i), t.Elem(), hidden)
		}
	}
}

func (x *indexer) mapping(n *yaml.Node, path string, t reflect.Type, hidden bool) {
	fields, ok := x.fields[t]
	if !ok {
		fields = fieldsOf(t)
		x.fields[t] = fields
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		at := join(path, shown(key.Value))
		x.keys[mark{key.Line, key.Column}] = &place{path: at, parent: path, node: key, typ: t, hidden: hidden}
		if line, twice := seen[key.Value]; twice && key.Kind == yaml.ScalarNode {
			x.faults = append(x.faults, fault{key, at, key.Value, fmt.Sprintf("each key once; it is on line %d already", line)})
			continue
		}
		seen[key.Value] = key.Line
		if key.Value == wordKey && t.Kind() == reflect.Struct {
			x.faults = append(x.faults, fault{key, at, key.Value, "one of the keys " + strings.Join(sortedKeys(fields), ", ")})
			continue
		}
		if key.Tag == "!!merge" {
			x.faults = append(x.faults, fault{key, at, key.Value, "the keys written out; there is no merging"})
			continue
		}
		if vt := fields[key.Value]; vt != nil {
			x.value(value, at, vt, hidden)
		} else if m := mapIn(t); m != nil {
			x.value(value, at, m.Elem(), hidden)
		}
	}
}

// wordKey marks the field of a struct that a single value may stand for: with a field `yaml:"="` beside others, both "any"
// and "{ at_least: 2 }" can be written. Nobody can write the key itself.
const wordKey = "="

// mapIn returns the map that takes a mapping's other keys: t itself, or a struct's inlined one; nil where there is none.
func mapIn(t reflect.Type) reflect.Type {
	if t.Kind() == reflect.Map {
		return t
	}
	for i := range fieldCount(t) {
		if f := t.Field(i); f.Type.Kind() == reflect.Map && f.Tag.Get("yaml") == ",inline" {
			return f.Type
		}
	}
	return nil
}

func fieldCount(t reflect.Type) int {
	if t.Kind() != reflect.Struct {
		return 0
	}
	return t.NumField()
}

func hasWord(t reflect.Type) bool {
	for i := range fieldCount(t) {
		if t.Field(i).Tag.Get("yaml") == wordKey {
			return true
		}
	}
	return false
}

// asWord turns a single value into a mapping with the word's key, in place, and returns the value as it was written.
func asWord(n *yaml.Node) *yaml.Node {
	word := *n
	key := yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: wordKey, Line: n.Line, Column: n.Column}
	*n = yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: n.Line, Column: n.Column, Anchor: n.Anchor, Content: []*yaml.Node{&key, &word}}
	word.Anchor = ""
	return &word
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// fieldsOf returns the yaml keys of a struct with their types, those of inlined structs among them.
func fieldsOf(t reflect.Type) map[string]reflect.Type {
	fields := map[string]reflect.Type{}
	if t.Kind() != reflect.Struct {
		return fields
	}
	for i := range t.NumField() {
		f := t.Field(i)
		name, opts, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case opts == "inline":
			for k, v := range fieldsOf(f.Type) {
				fields[k] = v
			}
		case name == wordKey:
		case f.IsExported() && name != "-":
			if name == "" {
				name = strings.ToLower(f.Name)
			}
			fields[name] = f.Type
		}
	}
	return fields
}

// siblings are the keys known where p, a key, stands, sorted.
func (p *place) siblings() []string { return sortedKeys(fieldsOf(p.typ)) }

// secret reports whether a value of the type stands where a secret is named; no problem shows what was written there.
func secret(t reflect.Type) bool {
	return t == reflect.TypeFor[probes.Secret]() || t == reflect.TypeFor[literal]()
}

// holdsLiteral reports whether a value of the type may hold a secret as it is, which another program's file does. A type that
// holds itself is not looked into again.
func holdsLiteral(t reflect.Type, within ...reflect.Type) bool {
	if t == nil || slices.Contains(within, t) {
		return false
	}
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		return holdsLiteral(t.Elem(), within...)
	}
	for i := range fieldCount(t) {
		if holdsLiteral(t.Field(i).Type, append(within, t)...) {
			return true
		}
	}
	return t == reflect.TypeFor[literal]()
}

// want says which kind of value the type of a place reads.
func (p *place) want() string {
	if reflect.PointerTo(p.typ).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		return "a single value"
	}
	switch p.typ.Kind() {
	case reflect.String:
		return "a text"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice, reflect.Array:
		return "a list, such as [one, two]"
	case reflect.Struct:
		if hasWord(p.typ) {
			return "a single value, or a mapping with the keys " + strings.Join(sortedKeys(fieldsOf(p.typ)), ", ")
		}
		return "a mapping with the keys " + strings.Join(sortedKeys(fieldsOf(p.typ)), ", ")
	case reflect.Map:
		return "a mapping"
	}
	return "a whole number"
}

// nearest returns the known word with the fewest edits from what was written, if it is near enough to be meant.
func nearest(word string, known []string) (best string, ok bool) {
	least := max(2, len(word)/3) + 1
	for _, k := range known {
		if n := edits(word, k); n < least {
			best, least = k, n
		}
	}
	return best, best != ""
}

// edits is the Levenshtein distance in bytes; words beyond any key's length are simply far.
func edits(a, b string) int {
	if len(a) > 64 {
		return len(a)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
