package configs

import (
	"encoding"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v4"
)

// textWriter writes values as the YAML that a person would write: what fits stands on one line, keys come in the order of
// the struct, and what is zero is left out. What the decoder reads from it is the same value.
type textWriter struct{ strings.Builder }

// maxTextLine is how wide a line with more than one value may be.
const maxTextLine = 100

// block writes a list, a map or a struct over several lines, each indented by depth levels of two.
func (w *textWriter) block(v reflect.Value, depth int) {
	pad := strings.Repeat("  ", depth)
	v = reflect.Indirect(v)
	if v.Kind() == reflect.Slice {
		for i := range v.Len() {
			if line := flow(v.Index(i)); depth > 0 && (len(pad)+len(line) <= maxTextLine || !blocks(v.Index(i))) {
				fmt.Fprintf(w, "%s- %s\n", pad, line)
				continue
			}
			var item textWriter
			item.block(v.Index(i), depth+1)
			w.WriteString(pad + "- " + strings.TrimPrefix(item.String(), pad+"  "))
		}
		return
	}
	for _, k := range keysIn(v) {
		line := fmt.Sprintf("%s%s: %s\n", pad, plainOrQuoted(k.name), flow(k.value))
		if len(line) <= maxTextLine || !blocks(k.value) {
			w.WriteString(line)
			continue
		}
		fmt.Fprintf(w, "%s%s:\n", pad, plainOrQuoted(k.name))
		w.block(k.value, depth+1)
	}
}

// blocks reports whether a value can be written over several lines.
func blocks(v reflect.Value) bool {
	v = reflect.Indirect(v)
	switch v.Kind() {
	case reflect.Slice, reflect.Map:
		return v.Len() > 0
	case reflect.Struct:
		return len(keysIn(v)) > 0
	}
	return false
}

// flow writes a value on one line.
func flow(v reflect.Value) string {
	if m, ok := v.Interface().(encoding.TextMarshaler); ok {
		text, err := m.MarshalText()
		if err != nil {
			panic("BUG: write a value as text: " + err.Error()) // what was read can be written
		}
		return plainOrQuoted(string(text))
	}
	v = reflect.Indirect(v)
	var parts []string
	switch v.Kind() {
	case reflect.String:
		return plainOrQuoted(v.String())
	case reflect.Slice:
		for i := range v.Len() {
			parts = append(parts, flow(v.Index(i)))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case reflect.Struct, reflect.Map:
		for _, k := range keysIn(v) {
			parts = append(parts, plainOrQuoted(k.name)+": "+flow(k.value))
		}
		if len(parts) == 0 {
			return "{}"
		}
		return "{ " + strings.Join(parts, ", ") + " }"
	}
	return fmt.Sprint(v.Interface())
}

// keyValue is a key as it is written, and its value.
type keyValue struct {
	name  string
	value reflect.Value
}

// keysIn returns the keys of a struct or a map with what is not zero. A pointer says that something is given, even if it
// is empty. Keys that every kind has in front of its own come last, because they matter less.
func keysIn(v reflect.Value) (keys []keyValue) {
	if v.Kind() == reflect.Map {
		for _, k := range v.MapKeys() {
			keys = append(keys, keyValue{k.String(), v.MapIndex(k)})
		}
		slices.SortFunc(keys, func(a, b keyValue) int { return strings.Compare(a.name, b.name) })
		return keys
	}
	var last []keyValue
	for i := range v.NumField() {
		f := v.Field(i)
		name, opts, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ",")
		switch {
		case opts == "inline" && i == 0:
			last = keysIn(f)
		case opts == "inline":
			keys = append(keys, keysIn(f)...)
		case name == "" || name == "-" || f.IsZero() || f.Kind() == reflect.Slice && f.Len() == 0 || f.Kind() == reflect.Map && f.Len() == 0:
		default:
			keys = append(keys, keyValue{name, f})
		}
	}
	return append(keys, last...)
}

var (
	plainForm  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/-]*$`)
	numberForm = regexp.MustCompile(`^(0|[1-9][0-9]{0,8})$`)
)

// plainOrQuoted writes a text without quotation marks where every reader takes it for a text, or for a number whose digits
// are the text.
func plainOrQuoted(s string) string {
	var any any
	switch {
	case numberForm.MatchString(s):
		return s
	case plainForm.MatchString(s) && yaml.Load([]byte(s), &any) == nil && any == s:
		return s
	case strings.ContainsAny(s, `"\`) && !strings.ContainsFunc(s, func(r rune) bool { return r > unicode.MaxASCII || !unicode.IsPrint(r) }):
		return "'" + strings.ReplaceAll(s, "'", "''") + "'"
	}
	// Go's escapes are YAML's too.
	return strconv.Quote(s)
}
