package exporter

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// checkLabel refuses what cannot be a label value: nothing at all, which Prometheus takes for an absent label, and bytes
// that are not UTF-8, for which it refuses the whole page.
func checkLabel(kind, value string) error {
	if value == "" || !utf8.ValidString(value) {
		return fmt.Errorf("label %s: got %q, want a name in UTF-8", kind, value)
	}
	return nil
}

// escapes are those of the text format; those of %q are others. A value that nobody checked cannot break the page.
var escapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

// line returns name{label="value",…} for alternating labels and values, or the bare name where there are none.
func line(name string, pairs ...string) string {
	if len(pairs) == 0 {
		return name
	}
	var b strings.Builder
	b.WriteString(name)
	for i := 0; i < len(pairs); i += 2 {
		b.WriteByte("{,"[min(i, 1)])
		b.WriteString(pairs[i])
		b.WriteString(`="`)
		escapes.WriteString(&b, strings.ToValidUTF8(pairs[i+1], "\uFFFD"))
		b.WriteByte('"')
	}
	b.WriteByte('}')
	return b.String()
}

// pairs joins the labels of f with their values.
func (f family) pairs(values []string) []string {
	labels := table[f].Labels
	if len(labels) != len(values) {
		panic(fmt.Errorf("BUG: %s: got %d label values, want %d", table[f].Name, len(values), len(labels)))
	}
	ps := make([]string, 0, 2*len(labels)+2)
	for i, l := range labels {
		ps = append(ps, l, values[i])
	}
	return ps
}

// line returns the name of one line of f, with the labels' values in the order of the table.
func (f family) line(values ...string) string { return line(table[f].Name, f.pairs(values)...) }
