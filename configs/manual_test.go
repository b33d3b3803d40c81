package configs

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

// manual returns the text of docs/agreements.md and its blocks of YAML, drafts with mistakes left out.
func manual(t *testing.T) (text string, blocks []string) {
	t.Helper()
	data, err := os.ReadFile("../docs/agreements.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile("(?ms)^```yaml\n(.*?)^```$").FindAllStringSubmatch(string(data), -1) {
		blocks = append(blocks, m[1])
	}
	return string(data), blocks
}

// frame is the agreement into which the manual's fragments are put.
const frame = `
agreement: frame
customer: Frame
time_zone: Europe/Berlin
currency: EUR
versions:
  - from: 2026-01-01
    period: month
    services: [portal]
    window: 24x7
    unknown: exclude
    target: 99.9%
    fee: "100.00"
`

// Every whole file of the manual is sound, and every fragment is once it stands in an agreement.
func TestManualIsValid(t *testing.T) {
	_, blocks := manual(t)
	for i, b := range blocks {
		file := filepath.Join("..", "docs", "manual.yaml")
		text := framed(t, b)
		d := parse(file, []byte(text))
		rank := d.rank()
		if rank < 0 {
			t.Errorf("block %d is no file:\n%s", i, b)
			continue
		}
		l := newLoader()
		kinds()[rank].read(l, d)
		l.take(d)
		for _, p := range l.problems {
			t.Errorf("block %d: %v\n%s", i, p, text)
		}
	}
	if len(blocks) < 20 {
		t.Errorf("got %d blocks, want at least 20", len(blocks))
	}
}

// framed returns a block that is a file by itself as it is, and lays a fragment over the frame: keys of an agreement on
// the agreement, all others on its version.
func framed(t *testing.T, block string) string {
	t.Helper()
	var whole, part yaml.Node
	for text, n := range map[string]*yaml.Node{frame: &whole, block: &part} {
		if err := yaml.Load([]byte(text), n); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
	}
	top, fragment := content(&whole), content(&part)
	if isWhole(fragment) {
		return block
	}
	version := valueOf(top, "versions").Content[0]
	if slices.ContainsFunc([]string{"response_time", "packet_loss", "restore"}, func(key string) bool { return hasKey(fragment, key) }) {
		version.Content = without(version.Content, "target") // these bring their own
	}
	for i := 0; i < len(fragment.Content); i += 2 {
		into := version
		if key := fragment.Content[i].Value; valueOf(top, key) != nil || key == "calendars" {
			into = top
		}
		set(into, fragment.Content[i], fragment.Content[i+1])
	}
	text, err := yaml.Dump(&whole)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// isWhole reports whether a block is a file of its own: an agreement with its versions, a calendar, a table of
// holidays, or lists of facts.
func isWhole(n *yaml.Node) bool {
	facts := len(n.Content) > 1 && n.Content[1].Kind == yaml.SequenceNode && slices.Contains(factKeys(), n.Content[0].Value)
	return hasKey(n, "agreement") && hasKey(n, "versions") || hasKey(n, "calendar") || hasKey(n, "holidays") || facts
}

func factKeys() (keys []string) {
	for f := range reflect.TypeFor[factsFile]().Fields() {
		keys = append(keys, f.Tag.Get("yaml"))
	}
	return keys
}

// valueOf returns the value at key of a mapping, or nil.
func valueOf(n *yaml.Node, key string) *yaml.Node {
	for i := 0; i < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

func set(n, key, value *yaml.Node) {
	if old := valueOf(n, key.Value); old != nil {
		*old = *value
		return
	}
	n.Content = append(n.Content, key, value)
}

// The draft of the manual has just the problems that the manual prints.
func TestManualDraft(t *testing.T) {
	text, _ := manual(t)
	m := regexp.MustCompile("(?s)```yaml draft.yaml\n(.*?)```\n\n```\n\\$ uptally validate draft.yaml\n(.*?)```").FindStringSubmatch(text)
	if m == nil {
		t.Fatal("got no draft with its problems")
	}
	t.Chdir(write(t, map[string]string{"draft.yaml": m[1]}))
	var got strings.Builder
	for _, p := range validated("draft.yaml") {
		fmt.Fprintln(&got, p)
	}
	if got.String() != m[2] {
		t.Errorf("got\n%s\nwant\n%s", got.String(), m[2])
	}
}

// without drops a key and its value.
func without(content []*yaml.Node, key string) []*yaml.Node {
	for i := 0; i < len(content); i += 2 {
		if content[i].Value == key {
			return slices.Delete(content, i, i+2)
		}
	}
	return content
}
