package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/uptally/uptally/configs"
	"github.com/uptally/uptally/statements"
)

// TestMain lets the test binary be uptally itself, for the tests that need a real process.
func TestMain(m *testing.M) {
	if os.Getenv("UPTALLY_TEST_MAIN") != "" {
		main()
	}
	os.Exit(m.Run())
}

// uptallyProcess is a real process of uptally.
func uptallyProcess(args ...string) *exec.Cmd {
	c := exec.Command(os.Args[0], args...)
	c.Env = append(os.Environ(), "UPTALLY_TEST_MAIN=1")
	return c
}

// command runs one command line inside this process.
func command(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), args, streams{strings.NewReader(""), &out, &errs})
	return code, out.String(), errs.String()
}

// printed reads what evaluate prints as JSON. The statement in it is the canonical document.
func printed(t *testing.T, out string) statements.Evaluation {
	t.Helper()
	var e statements.Evaluation
	dec := json.NewDecoder(strings.NewReader(out))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&e); err != nil {
		t.Fatal(err)
	}
	canonical, err := e.Statement.JSON()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := statements.Decode(canonical); err != nil {
		t.Fatal(err)
	}
	return e
}

const recordedHistory = "../../configs/testdata/history/"

func TestExitCodes(t *testing.T) {
	for _, s := range []struct {
		name   string
		args   []string
		code   int
		stderr string
	}{
		{"done", []string{"version"}, exitDone, ""},
		{"no such command", []string{"probee"}, exitUsage, "uptally: uptally: unknown command \"probee\" for \"uptally\"; see uptally --help\n"},
		{"a flag that does not exist", []string{"version", "--x"}, exitUsage, "uptally: version: unknown flag: --x; see uptally version --help\n"},
		{"a flag that a command of a command does not have", []string{"server", "token", "--x"}, exitUsage, "uptally: server token: unknown flag: --x; see uptally server token --help\n"},
		{"a required flag of a command of a command", []string{"server", "token"}, exitUsage, "uptally: server token: required flag(s) \"site\" not set; see uptally server token --help\n"},
		{"a required flag is missing", []string{"statement", "acme-portal"}, exitUsage, "uptally: statement: required flag(s) \"period\" not set; see uptally statement --help\n"},
		{"a bad period", []string{"evaluate", "-a", "../../configs/agreements/history.yaml", "--timeline", recordedHistory + "sites-2025.timeline.csv", "--period", "2025-13"},
			exitUsage, "uptally: read --period: parse period: got \"2025-13\", want a month such as 2026-10, a quarter such as 2026-Q4, a year such as 2026, or two instants A/B\n"},
		{"a format that does not exist", []string{"evaluate", "--format", "pdf"}, exitUsage, "uptally: read --format: got \"pdf\", want text, json, html\n"},
		{"both kinds of evidence", []string{"evaluate", "-a", "a", "--period", "2025-02", "--timeline", "t", "--results", "r", "-c", "c"},
			exitUsage, "uptally: evaluate: want --agreement, --period, and either --timeline, or --results with --config, or --counts\n"},
		{"a target that is none", []string{"probe", "tcp", "nowhere"}, exitUsage, "uptally: probe: tcp.address: got \"nowhere\", want host:port, such as portal.example.com:443 or [2001:db8::1]:443\n"},
	} {
		t.Run(s.name, func(t *testing.T) {
			code, _, stderr := command(t, s.args...)
			if code != s.code || stderr != s.stderr {
				t.Errorf("got %d %q, want %d %q", code, stderr, s.code, s.stderr)
			}
		})
	}
}

// The recording ends on 22 February at 23:17 UTC; what follows is unknown: 6 days of 28, more than 5 %.
func TestEvaluateRecordedHistory(t *testing.T) {
	code, out, stderr := command(t, "evaluate", "-a", "../../configs/agreements/history.yaml",
		"--timeline", recordedHistory+"sites-2025.timeline.csv", "--period", "2025-02", "--format", "json")
	if code != exitDone {
		t.Fatalf("got %d: %s", code, stderr)
	}
	st := printed(t, out).Statement
	want := map[string]int64{ // seconds down, from the rows of the timeline
		"himawari":       10_046,  // 02:06:51 to 04:54:17 on 5 February
		"shenjumiaosuan": 417_880, // the same and the four days from 15 February
		"juwai":          15_385,
		"google":         0,
	}
	for _, a := range st.Accounts {
		if down, ok := want[a.Service]; ok && a.Classes.Down != down*1000 {
			t.Errorf("%s: got %d ms down, want %d s", a.Service, a.Classes.Down, down)
		}
		delete(want, a.Service)
		if sum := a.Classes.Up + a.Classes.Down + a.Classes.Unknown; sum != 2_419_200_000 {
			t.Errorf("%s: up + down + unknown: got %d ms, want 2419200 s", a.Service, sum)
		}
		if !strings.Contains(marks(a), statements.MarkInsufficient) {
			t.Errorf("%s: got marks %q, want insufficient evidence", a.Service, marks(a))
		}
	}
	if len(want) > 0 {
		t.Errorf("got no account of %v", want)
	}
}

func marks(a statements.Account) string {
	var codes []string
	for _, m := range a.Marks {
		codes = append(codes, m.Code)
	}
	return strings.Join(codes, " ")
}

func TestEvaluateWritesTheFileWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "february.html")
	code, out, stderr := command(t, "evaluate", "-a", "../../configs/agreements/history.yaml",
		"--timeline", recordedHistory+"sites-2025.timeline.csv", "--period", "2025-02", "--format", "html", "-o", path)
	if code != exitDone || out != "" {
		t.Fatalf("got %d, %q on standard output: %s", code, out, stderr)
	}
	page, err := os.ReadFile(path)
	if err != nil || !bytes.Contains(page, []byte("shenjumiaosuan")) {
		t.Errorf("got %v and no page with the service's name", err)
	}
	left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".*"))
	if len(left) > 0 {
		t.Errorf("got %v left behind", left)
	}
}

// The same ten minutes down, once as a timeline and once as the results of a probe every minute: 09:00 to 09:09 failed, so
// the truth lies between nine minutes (first to last failure) and eleven (last success to first success), 10 in the middle.
func TestEvaluateResults(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	var rows strings.Builder
	rows.WriteString("check,site,at,outcome,response_us,detail\n")
	for m := range 24 * 60 {
		at := "2026-10-01T" + clock(m) + ":00Z"
		if m >= 540 && m < 550 {
			rows.WriteString("home,fra1," + at + ",down,0,connect_refused\n")
		} else {
			rows.WriteString("home,fra1," + at + ",up,1200,\n")
		}
	}
	results := write("results.csv", rows.String())
	write("a.yaml", strings.ReplaceAll(quickAgreement, "SERVICE", "portal"))
	config := write("uptally.yaml", "site: fra1\nchecks:\n  - name: home\n    tcp: { address: \"192.0.2.1:443\" }\n    every: 60s\n"+
		"services:\n  - { name: portal, checks: [home] }\nagreements: [a.yaml]\n")
	code, out, stderr := command(t, "evaluate", "-a", filepath.Join(dir, "a.yaml"), "-c", config, "--results", results,
		"--period", "2026-10-01T06:00:00Z/2026-10-01T18:00:00Z", "--format", "json")
	if code != exitDone {
		t.Fatalf("got %d: %s", code, stderr)
	}
	st := printed(t, out).Statement
	d := st.Accounts[0].Down
	if d.CertainMS != 540_000 || d.PointMS != 600_000 || d.PossibleMS != 660_000 {
		t.Errorf("got %d, %d, %d ms, want 9, 10 and 11 minutes", d.CertainMS, d.PointMS, d.PossibleMS)
	}
}

func clock(minute int) string {
	return string([]byte{byte('0' + minute/600), byte('0' + minute/60%10), ':', byte('0' + minute%60/10), byte('0' + minute%10)})
}

const quickAgreement = `agreement: quick
customer: You
time_zone: UTC
currency: EUR
versions:
  - from: 2026-01-01
    period: month
    services: [SERVICE]
    window: 24x7
    unknown: exclude
    target: 99.9%
    fee: "100.00"
    credits:
      - { below: 99.9%, percent: 10 }
`

// openToRead opens the ledger of an installation, beside the process that writes it or without one.
func openToRead(t *testing.T, config string) evidence {
	t.Helper()
	cfg, err := configs.Load(config)
	if err != nil {
		t.Fatal(err)
	}
	store, err := readLedger(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return store
}
