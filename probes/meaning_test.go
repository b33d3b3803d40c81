package probes

import (
	"strings"
	"testing"

	"github.com/uptally/uptally"
)

// Every reason that a result can have is explained once, in a few words.
func TestMeanings(t *testing.T) {
	for _, o := range []uptally.Outcome{uptally.Down, uptally.Void, uptally.Missed} {
		for _, r := range uptally.Reasons(o) {
			if got := Meaning(r); got == "" || strings.HasSuffix(got, ".") {
				t.Errorf("%v: got %q in probes/meaning.go, want a few words without a full stop", r, got)
			}
		}
	}
	if got := Meaning(uptally.OK); got != "" {
		t.Errorf("got %q for ok", got)
	}
}
