package configs

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const referenceChecks = "\nchecks:\n  - { name: a, tcp: { address: \"192.0.2.7:443\" }, every: 31s }\n"

// What references become, in the plan too. Nothing written is a remark and not a problem.
func TestReferences(t *testing.T) {
	for _, c := range []struct {
		written, targets, plan string
		notes                  int
	}{
		{`references: ["tcp://192.0.2.1:53", "icmp://[2001:db8::1]", "dns://192.0.2.53", "dns://192.0.2.53:5353/example.com", "https://example.net/"]`,
			"192.0.2.1:53, 2001:db8::1, . NS @192.0.2.53:53, example.com A @192.0.2.53:5353, https://example.net/",
			"[tcp://192.0.2.1:53 icmp://[2001:db8::1] dns://192.0.2.53 dns://192.0.2.53:5353/example.com https://example.net/]", 0},
		{"references: []", "", "[none]", 0},
		{"", "", "[]", 1},
	} {
		path := filepath.Join(write(t, map[string]string{"uptally.yaml": "site: fra1\n" + c.written + referenceChecks}), "uptally.yaml")
		got, err := Load(path)
		if err != nil {
			t.Fatal(err)
		}
		var targets []string
		for i := range got.References {
			targets = append(targets, got.References[i].Probe.Target())
		}
		if diff := cmp.Diff(c.targets, strings.Join(targets, ", ")); diff != "" {
			t.Error(diff)
		}
		if plan := fmt.Sprint(got.Checks[0].Plan.References); plan != c.plan {
			t.Errorf("got %s in the plan, want %s", plan, c.plan)
		}
		problems, notes := Validate(path)
		if len(problems) != 0 || len(notes) != c.notes {
			t.Errorf("%q: got problems %v and remarks %q, want none and %d", c.written, problems, notes, c.notes)
		}
	}
}

func TestReferencesThatAreNone(t *testing.T) {
	bad := []string{"192.0.2.1:53", "tcp://192.0.2.1", "udp://192.0.2.1:53", "tcp://192.0.2.1:53/x", "icmp://u@192.0.2.1", "dns://", "https://"}
	text := "site: fra1\nreferences:\n"
	for _, b := range bad {
		text += fmt.Sprintf("  - %q\n", b)
	}
	dir := write(t, map[string]string{"uptally.yaml": text + "  - \"icmp://192.0.2.1\"\n  - \"icmp://192.0.2.1\"" + referenceChecks})
	var got, want []string
	for _, p := range validated(filepath.Join(dir, "uptally.yaml")) {
		got = append(got, p.Problem.String())
	}
	for i, b := range bad {
		want = append(want, fmt.Sprintf("references[%d]: got %q, want %s", i, b, wantReference))
	}
	want = append(want, fmt.Sprintf("references[%d]: got %q, want each reference once", len(bad)+1, "icmp://192.0.2.1"))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
