package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// An entry of each kind, a correction of one and what cannot be one.
func TestRecordEveryKind(t *testing.T) {
	config := smallInstallation(t)
	const from, to = "2026-12-05T22:00:00Z", "2026-12-05T23:00:00Z"
	for _, c := range []struct {
		args string
		code int
		want string // of either stream
	}{
		{"maintenance --class emergency --from " + from + " --to " + to, exitDone, "entry 1: maintenance from " + from + " to " + to + ", recorded by ann\n"},
		{"exclusion --cause customer --accepted-by li --evidence mail --from " + from + " --to " + to, exitDone, "entry 2: exclusion from " + from + " to " + to + ", recorded by ann\n"},
		{"report --reported " + from + " --closed " + to, exitDone, "entry 3: report, recorded by ann\n"},
		{"affected --share 25% --from " + from + " --to " + to, exitDone, "entry 4: affected from " + from + " to " + to + ", recorded by ann\n"},
		{"in-service --from " + from, exitDone, "entry 5: in_service from " + from + ", recorded by ann\n"},
		{"maintenance --replaces 1 --from " + from + " --to " + to, exitDone, "entry 6: maintenance from " + from + " to " + to + ", replaces entry 1, recorded by ann\n"},
		{"withdrawal --replaces 2", exitDone, "entry 7: withdrawal, replaces entry 2, recorded by ann\n"},
		{"withdrawal --replaces 1", exitFailed, "uptally: replace entry 1: got entry 6 that replaces it already, want the number of that one\n"},
		{"affected --users 3 --share 5% --from " + from + " --to " + to, exitUsage, "uptally: decode entry 0: got users 3 and share \"5%\", want users or share\n"},
		{"report --closed " + to, exitUsage, "uptally: decode entry 0: got a report without an instant, want reported or opened\n"},
	} {
		code, out, stderr := command(t, append(append([]string{"record"}, strings.Fields(c.args)...), "-c", config, "--by", "ann")...)
		if code != c.code || out+stderr != c.want {
			t.Errorf("%s: got %d %q, want %d %q", c.args, code, out+stderr, c.code, c.want)
		}
	}
	if code, _, stderr := command(t, "record", "withdrawal", "-c", config, "--replaces", "9"); code != exitFailed || !strings.HasPrefix(stderr, "uptally: replace entry 9: got no such entry in ") {
		t.Errorf("got %d %q", code, stderr)
	}
}

// The facts say when they were recorded; before that, the evaluation does not know them.
func TestEvaluateAsKnown(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	a := write("a.yaml", "agreement: a\ncustomer: a\ntime_zone: UTC\ncurrency: EUR\nversions:\n"+
		"  - { from: 2026-01-01, period: month, services: [s], window: 24x7, unknown: up, target: 99%, exclusions: { causes: [flood], denominator: keep } }\n")
	timeline := write("t.csv", "service,site,state,from,to\ns,all,down,2026-06-10T00:00:00Z,2026-06-10T02:00:00Z\n")
	facts := write("f.yaml", "exclusions:\n  - { from: 2026-06-10T00:00:00Z, to: 2026-06-10T02:00:00Z, cause: flood, recorded: 2026-06-20T00:00:00Z, id: 7 }\n"+
		"withdrawals:\n  - { replaces: 7, recorded: 2026-06-25T00:00:00Z }\n")
	for asKnown, want := range map[string]int64{"2026-06-19T23:59:59Z": 7_200_000, "2026-06-20T00:00:00Z": 0, "2026-06-25T00:00:00Z": 7_200_000, "": 7_200_000} {
		args := []string{"evaluate", "-a", a, "--timeline", timeline, "--facts", facts, "--period", "2026-06", "--format", "json"}
		if asKnown != "" {
			args = append(args, "--as-known", asKnown)
		}
		code, out, stderr := command(t, args...)
		if code != exitDone {
			t.Fatalf("as known on %q: got %d %s", asKnown, code, stderr)
		}
		e := printed(t, out)
		if got := e.Statement.Accounts[0].Down.PointMS; got != want {
			t.Errorf("as known on %q: got %d ms down, want %d", asKnown, got, want)
		}
	}
	if code, _, stderr := command(t, "evaluate", "-a", a, "--timeline", timeline, "--period", "2026-06", "--as-known", "June"); code != exitUsage ||
		stderr != "uptally: read --as-known: got \"June\", want an instant such as 2026-11-03T12:00:00Z\n" {
		t.Errorf("got %d %q", code, stderr)
	}
}
