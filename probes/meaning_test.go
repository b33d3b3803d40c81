package probes

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/uptally/uptally"
)

// Every reason that a result can have is explained once, and docs/probes.md says the same where it has a row.
func TestMeanings(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "docs", "probes.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "\n## Reasons\n")
	rows := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| (.*) \\|$").FindAllStringSubmatch(table, -1) {
		rows[m[1]] = m[2]
	}
	known := 0
	for _, o := range []uptally.Outcome{uptally.Down, uptally.Void, uptally.Missed} {
		for _, r := range uptally.Reasons(o) {
			want := Meaning(r)
			if want == "" || strings.HasSuffix(want, ".") {
				t.Errorf("%v: got %q in probes/meaning.go, want a few words without a full stop", r, want)
			}
			if o != uptally.Down {
				want = o.String() + ": " + want
			}
			got, ok := rows[r.String()]
			if ok && got != want {
				t.Errorf("docs/probes.md: %v: got %q; probes/meaning.go has %q: make them the same", r, got, want)
			}
			if ok {
				known++
			}
		}
	}
	if known < 40 || known != len(rows) {
		t.Errorf("docs/probes.md: got %d rows, %d of them with a reason", len(rows), known)
	}
	if got := Meaning(uptally.OK); got != "" {
		t.Errorf("got %q for ok", got)
	}
}
