package configs

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/uptally/uptally"
)

// SchemaKinds are the files that Schema describes.
func SchemaKinds() []string {
	var names []string
	for _, k := range kinds() {
		names = append(names, k.name)
	}
	return names
}

// Schema returns the JSON Schema (2020-12) of a kind of YAML file, for editors. Its keys are those of the types that read
// the file, so it knows every key and no other; what several keys must be to one another, only Validate knows. The error
// quotes a kind that there is none of.
func Schema(name string) ([]byte, error) {
	i := slices.IndexFunc(kinds(), func(k kind) bool { return k.name == name })
	if i < 0 {
		return nil, fmt.Errorf("write schema: got kind %q, want %s", name, oneOf(SchemaKinds()))
	}
	w := schemaWriter{notes: schemaNotes(), defs: map[string]any{}}
	top := w.object(reflect.TypeOf(kinds()[i].file))
	top["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	top["$id"] = "urn:uptally:" + name + ":1"
	top["title"] = "uptally " + name + " file"
	top["$defs"] = w.defs
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(top); err != nil {
		return nil, fmt.Errorf("write schema: %w", err)
	}
	return b.Bytes(), nil
}

// note is what the type of a key does not say about it.
type note struct {
	// is says in words what the key is for.
	is string
	// words are the only values, where there is a closed list.
	words    []string
	required bool
	// amount is a text that many write without its quotation marks.
	amount bool
}

// schemaWriter turns types into schemas. Structs with keys become definitions, by the name of the type.
type schemaWriter struct {
	notes map[string]note
	defs  map[string]any
}

type schema = map[string]any

func (w *schemaWriter) value(t reflect.Type) schema {
	switch {
	case t.Kind() == reflect.Pointer:
		return w.value(t.Elem())
	case readsText(t):
		return textSchema(t)
	}
	switch t.Kind() {
	case reflect.Struct:
		return w.defined(t)
	case reflect.Map:
		s := schema{"type": "object", "additionalProperties": w.value(t.Elem())}
		if readsText(t.Key()) {
			s["propertyNames"] = textSchema(t.Key())
		}
		return s
	case reflect.Slice, reflect.Array:
		return schema{"type": "array", "items": w.value(t.Elem())}
	case reflect.Bool:
		return schema{"type": "boolean"}
	case reflect.String:
		return schema{"type": "string"}
	}
	return schema{"type": "integer"}
}

// defined refers to a struct's definition.
func (w *schemaWriter) defined(t reflect.Type) schema {
	name := schemaName(t)
	if _, known := w.defs[name]; !known {
		w.defs[name] = nil // a struct may hold itself
		w.defs[name] = w.either(t)
	}
	return schema{"$ref": "#/$defs/" + name}
}

// either is a struct's keys, or the single value that may stand for them.
func (w *schemaWriter) either(t reflect.Type) schema {
	for i := range t.NumField() {
		if f := t.Field(i); f.Tag.Get("yaml") == wordKey {
			word := w.value(f.Type)
			w.notes[schemaName(t)+"."+wordKey].describe(word)
			return schema{"anyOf": []schema{word, w.object(t)}}
		}
	}
	return w.object(t)
}

// object describes the keys of a struct.
func (w *schemaWriter) object(t reflect.Type) schema {
	properties, required := schema{}, []string{}
	object := schema{"type": "object", "additionalProperties": false, "properties": properties}
	for _, f := range schemaFields(t) {
		n := w.notes[f.note]
		if f.name == "" { // any other key
			object["additionalProperties"] = w.value(f.typ.Elem())
			continue
		}
		s := w.value(f.typ)
		n.describe(s)
		properties[f.name] = s
		if n.required {
			required = append(required, f.name)
		}
	}
	if len(required) > 0 {
		object["required"] = required
	}
	return object
}

func (n note) describe(s schema) {
	if n.is != "" {
		s["description"] = n.is
	}
	if n.words != nil {
		s["enum"] = n.words
	}
	if of, many := s["items"].(schema); many && n.amount {
		s = of
	}
	if n.amount {
		s["type"] = []string{"string", "number"}
	}
}

// schemaField is a key of a struct, its type, and the name of its note.
type schemaField struct {
	name, note string
	typ        reflect.Type
}

// schemaFields are the keys of a struct and of those inlined into it, in written order.
func schemaFields(t reflect.Type) []schemaField {
	var fields []schemaField
	for i := range t.NumField() {
		f := t.Field(i)
		name, opts, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case opts == "inline" && f.Type.Kind() == reflect.Map:
			fields = append(fields, schemaField{typ: f.Type})
		case opts == "inline":
			fields = append(fields, schemaFields(f.Type)...)
		case f.IsExported() && name != "" && name != "-" && name != wordKey:
			fields = append(fields, schemaField{name, schemaName(t) + "." + name, f.Type})
		}
	}
	return fields
}

// schemaName is the name of a type without what Go needs in it.
func schemaName(t reflect.Type) string { return strings.ToLower(strings.TrimSuffix(t.Name(), "File")) }

func readsText(t reflect.Type) bool {
	return reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

// textForms are the patterns of the values with a form of their own.
func textForms() map[reflect.Type]string {
	const (
		span   = `([0-9]+d|([0-9]+(\.[0-9]+)?(h|m|s|ms))+)`
		digits = `[0-9]+(\.[0-9]+)?`
		day    = `[0-9]{4}-[0-9]{2}-[0-9]{2}`
		time   = `([01][0-9]|2[0-4]):[0-5][0-9]`
	)
	return map[reflect.Type]string{
		reflect.TypeFor[uptally.Duration](): `([0-9]+(\.[0-9]+)?(h|m|s|ms))+`,
		reflect.TypeFor[length]():           span,
		reflect.TypeFor[capacity]():         `[1-9][0-9]*(MiB|GiB|TiB)`,
		reflect.TypeFor[beyondTime]():       `target|` + span,
		reflect.TypeFor[priceOver]():        `period|eligible|` + span,
		reflect.TypeFor[share]():            digits + `%`,
		reflect.TypeFor[percent]():          digits + `%?`,
		reflect.TypeFor[number]():           digits,
		reflect.TypeFor[date]():             day,
		reflect.TypeFor[days]():             day + `( to ` + day + `)?`,
		reflect.TypeFor[clock]():            time,
		reflect.TypeFor[hours]():            time + `-` + time,
		reflect.TypeFor[instant]():          day + `T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,3}0*)?(Z|[+-][0-9]{2}:[0-9]{2})`,
	}
}

func textSchema(t reflect.Type) schema {
	s := schema{"type": "string"}
	if form := textForms()[t]; form != "" {
		s["pattern"] = "^(" + form + ")$"
	}
	if t == reflect.TypeFor[percent]() || t == reflect.TypeFor[number]() {
		s["type"] = []string{"string", "number"}
	}
	return s
}
