package exporter

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestGoldenDocs: the table of docs/metrics.md is the list; -update writes it anew between its marks.
func TestGoldenDocs(t *testing.T) {
	const file, begin, end = "../docs/metrics.md", "<!-- the list -->\n", "<!-- end of the list -->\n"
	var b strings.Builder
	b.WriteString("| metric | type | unit | labels | meaning |\n|---|---|---|---|---|\n")
	for _, m := range Metrics() {
		labels := "–"
		if len(m.Labels) > 0 {
			labels = "`" + strings.Join(m.Labels, "` `") + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", m.Name, m.Type, m.Unit, labels, m.Help)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(text), begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s: got no %q or %q", file, begin, end)
	}
	golden(t, file, head+begin+b.String()+end+tail)
}

// The names keep the conventions of the field: https://prometheus.io/docs/practices/naming/.
func TestNames(t *testing.T) {
	word := regexp.MustCompile(`^uptally(_[a-z0-9]+)+$`)
	label := regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`)
	seen := map[string]bool{}
	for _, m := range Metrics() {
		if !word.MatchString(m.Name) || seen[m.Name] {
			t.Errorf("%s: got a name twice or with other letters, want %s once", m.Name, word)
		}
		seen[m.Name] = true
		if got := strings.HasSuffix(m.Name, "_total"); got != (m.Type == "counter") {
			t.Errorf("%s is a %s: want _total on counters and nowhere else", m.Name, m.Type)
		}
		if got := strings.HasSuffix(strings.TrimSuffix(m.Name, "_total"), "_seconds"); got != (m.Unit == "seconds") {
			t.Errorf("%s: got the unit %s, want _seconds where it is seconds", m.Name, m.Unit)
		}
		if m.Help == "" || strings.ContainsAny(m.Help, "\\\n|") || !strings.HasSuffix(m.Help, ".") {
			t.Errorf("%s: got the help %q, want one sentence without backslash, bar and line break", m.Name, m.Help)
		}
		for _, l := range m.Labels {
			if !label.MatchString(l) || l == "le" || l == "job" || l == "instance" {
				t.Errorf("%s: got the label %q, want a lower-case word that Prometheus does not use itself", m.Name, l)
			}
		}
	}
}
