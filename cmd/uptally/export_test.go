package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/configs"
	"github.com/uptally/uptally/ledger"
)

// exportedInstallation has a ledger with three days of one check each minute, 2026-09-30 to 2026-10-02. On the first of October it was
// down from 09:00 to 09:09, a second late; void, missed and contested at 10:00, 10:30 and 11:00; and from 12:00 on a second late.
func exportedInstallation(t *testing.T) (config string) {
	t.Helper()
	dir := t.TempDir()
	config = filepath.Join(dir, "uptally.yaml")
	for path, text := range map[string]string{
		config: "site: fra1\nchecks:\n  - name: home\n    tcp: { address: \"192.0.2.1:443\" }\n    every: 60s\n" +
			"services:\n  - { name: portal, checks: [home] }\nagreements: [a.yaml]\n",
		filepath.Join(dir, "a.yaml"): strings.ReplaceAll(quickAgreement, "SERVICE", "portal"),
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cfg, err := configs.Load(config)
	if err != nil {
		t.Fatal(err)
	}
	store, err := ledger.Open(cfg.Data, ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	ctx := context.Background()
	plan := cfg.Checks[0].Plan
	plan.From = 0
	if err := store.AddPlans(ctx, plan); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Append(ctx, exportedBatches(t)); err != nil {
		t.Fatal(err)
	}
	return config
}

func exportedBatches(t *testing.T) []ledger.Incoming {
	t.Helper()
	const first = 20_726 // 2026-09-30
	var in []ledger.Incoming
	for day := int32(first); day < first+3; day++ {
		b := uptally.Batch{Agent: 1, Epoch: 1, Seq: uint64(day), Site: uptally.IDOf("fra1"), Day: day}
		for m := range 24 * 60 {
			r := uptally.Result{Slot: uptally.Slot{Check: uptally.IDOf("home"), Site: b.Site, At: int64(day)*uptally.DayMillis + int64(m)*60_000}, RTT: int64(20_000 + m)}
			if day == first+1 {
				r = troubled(r, m)
			}
			b.Results = append(b.Results, r)
			if day == first+1 && m == 660 {
				r.RTT++
				b.Results = append(b.Results, r)
			}
		}
		data, err := b.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		in = append(in, ledger.Incoming{Batch: b, Data: data})
	}
	return in
}

// troubled is the result of a minute of the first of October.
func troubled(r uptally.Result, minute int) uptally.Result {
	switch {
	case minute >= 540 && minute < 550:
		r.Reason, r.RTT, r.Late, r.Detail = uptally.ConnectRefused, 0, 1_000, "dial tcp 192.0.2.1:443: \"refused\", again"
	case minute == 600:
		r.Reason, r.RTT, r.Detail = uptally.Local, 0, "connect_timeout; tcp://192.0.2.53:53 connect_timeout"
	case minute == 630:
		r.Reason, r.RTT = uptally.Overtaken, 0
	case minute >= 720:
		r.Late = 1_000
	}
	return r
}

// The exported results give the account that the ledger gives, to the millisecond.
func TestExportedResultsGiveTheSameAccount(t *testing.T) {
	config := exportedInstallation(t)
	dir := filepath.Dir(config)
	results := filepath.Join(dir, "results.csv")
	if code, _, stderr := command(t, "export", "results", "-c", config, "--from", "2026-09-30", "--to", "2026-10-03", "-o", results); code != exitDone {
		t.Fatalf("export: got %d: %s", code, stderr)
	}
	const period = "2026-10-01T06:00:00Z/2026-10-01T18:00:00Z"
	code, fromLedger, stderr := command(t, "statement", "quick", "-c", config, "--period", period, "--format", "json")
	if code != exitDone {
		t.Fatalf("statement: got %d: %s", code, stderr)
	}
	code, fromFile, stderr := command(t, "evaluate", "-a", filepath.Join(dir, "a.yaml"), "-c", config, "--results", results, "--period", period, "--format", "json")
	if code != exitDone {
		t.Fatalf("evaluate: got %d: %s", code, stderr)
	}
	var want struct{ Accounts []map[string]any }
	var got struct {
		Statement struct{ Accounts []map[string]any }
	}
	if err := json.Unmarshal([]byte(fromLedger), &want); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(fromFile), &got); err != nil {
		t.Fatal(err)
	}
	for _, o := range want.Accounts[0]["outages"].([]any) {
		o.(map[string]any)["first_failures"] = []any{} // their texts, which evaluate does not read
	}
	if diff := cmp.Diff(want.Accounts, got.Statement.Accounts); diff != "" || len(want.Accounts) != 1 {
		t.Errorf("accounts: %s", diff)
	}
	// From the first failure, sent at 09:00:01, to the first success, sent at 09:10:00, less than half a minute at either edge.
	if down := printed(t, fromFile).Statement.Accounts[0].Down; down.CertainMS != 540_000 || down.PossibleMS != 660_000 {
		t.Errorf("got %d to %d ms down, want 9 minutes to 11", down.CertainMS, down.PossibleMS)
	}
}

// Both tables, both formats, one check and one day; the same bytes from a ledger that was sealed meanwhile.
func TestExportCommand(t *testing.T) {
	config := exportedInstallation(t)
	run := func(args ...string) string {
		t.Helper()
		code, out, stderr := command(t, append([]string{"export", args[0], "-c", config, "--from", "2026-10-01", "--to", "2026-10-02"}, args[1:]...)...)
		if code != exitDone {
			t.Fatalf("%v: got %d: %s", args, code, stderr)
		}
		return out
	}
	lines := strings.Split(run("results", "--check", "home", "--site", "fra1"), "\n")
	for i, want := range map[int]string{
		1:   "home,fra1,2026-10-01T00:00:00.000Z,0,2026-10-01T00:00:00.000Z,up,ok,20000,",
		541: `home,fra1,2026-10-01T09:00:00.000Z,1000,2026-10-01T09:00:01.000Z,down,connect_refused,0,"dial tcp 192.0.2.1:443: ""refused"", again"`,
		661: `home,fra1,2026-10-01T11:00:00.000Z,0,2026-10-01T11:00:00.000Z,unknown,conflict,0,"up(ok) late 0 ms, response 20660 us | up(ok) late 0 ms, response 20661 us"`,
	} {
		if lines[i] != want {
			t.Errorf("line %d: got %s, want %s", i, lines[i], want)
		}
	}
	days, _, _ := strings.Cut(strings.SplitN(run("days"), "\n", 3)[1], ",8,")
	// 1,440 slots less 10 down, 1 void, 1 missed, 1 contested; 20,000 to 21,439 µs in buckets of 256.
	if want := "home,fra1,2026-10-01,1427,10,1,1,1,1427,20608,21376,21376"; days != want {
		t.Errorf("got the day %s, want %s", days, want)
	}
	file := filepath.Join(t.TempDir(), "r.parquet")
	if out := run("results", "--format", "parquet", "-o", file); out != "" {
		t.Errorf("got %q on standard output, want nothing", out)
	}
	rows, err := parquet.ReadFile[struct {
		Reason string `parquet:"reason"`
	}](file)
	if err != nil || len(rows) != 1440 || rows[660].Reason != "conflict" {
		t.Errorf("got %d rows, %v", len(rows), err)
	}
}

func TestExportUsage(t *testing.T) {
	config := exportedInstallation(t)
	days := []string{"--from", "2026-10-01", "--to", "2026-10-02"}
	for _, c := range []struct {
		args   []string
		code   int
		stderr string
	}{
		{nil, exitUsage, "uptally: export: want results or days\n"},
		{[]string{"results", "--from", "2026-10", "--to", "2026-11-01"}, exitUsage, "uptally: read --from: got \"2026-10\", want a day such as 2026-10-01\n"},
		{[]string{"days", "--from", "2026-10-01", "--to", "2026-10-01"}, exitUsage, "uptally: read --to: got \"2026-10-01\", want a day after 2026-10-01: it is the first one no longer wanted\n"},
		{slices.Concat([]string{"days", "--format", "xlsx"}, days), exitUsage, "uptally: read --format: got \"xlsx\", want csv or parquet\n"},
		{slices.Concat([]string{"days", "--format", "parquet"}, days), exitUsage, "uptally: read --output: got standard output, want a file for parquet\n"},
		{slices.Concat([]string{"days", "-c", config, "--check", "hom"}, days), exitFailed, "uptally: find check \"hom\": the ledger has no result of it\n"},
	} {
		code, out, stderr := command(t, append([]string{"export"}, c.args...)...)
		if code != c.code || stderr != c.stderr || out != "" {
			t.Errorf("%v: got %d %q %q, want %d %q", c.args, code, out, stderr, c.code, c.stderr)
		}
	}
}

// A file that cannot be finished leaves what was there.
func TestExportWritesWholeFiles(t *testing.T) {
	config := exportedInstallation(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "r.csv")
	if err := os.WriteFile(file, []byte("before"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, _, stderr := command(t, "export", "results", "-c", config, "--from", "2026-10-01", "--to", "2026-10-02", "--site", "fra2", "-o", file)
	if want := "uptally: write \"" + file + "\": find site \"fra2\": the ledger has no result of it\n"; code != exitFailed || stderr != want {
		t.Errorf("got %d %q, want %q", code, stderr, want)
	}
	data, err := os.ReadFile(file)
	names, _ := os.ReadDir(dir)
	if err != nil || !bytes.Equal(data, []byte("before")) || len(names) != 1 {
		t.Errorf("got %q, %v and %d files, want the file as it was", data, err, len(names))
	}
}

// What docs/ledger.md shows of an analysis runs as it stands.
func TestExportedResultsInPython(t *testing.T) {
	const python = "/usr/bin/python3"
	if _, err := os.Stat(python); err != nil {
		if os.Getenv("UPTALLY_REQUIRE_PEERS") != "" {
			t.Fatalf("python3: %v", err)
		}
		t.Skip("python3 is not installed")
	}
	page, err := os.ReadFile("../../docs/ledger.md")
	if err != nil {
		t.Fatal(err)
	}
	_, script, _ := strings.Cut(string(page), "<!-- export-python -->\n```\n")
	script, _, found := strings.Cut(script, "```\n")
	if !found {
		t.Fatal("got no script in docs/ledger.md")
	}
	dir := t.TempDir()
	if code, _, stderr := command(t, "export", "results", "-c", exportedInstallation(t), "--from", "2026-10-01", "--to", "2026-11-01", "-o", filepath.Join(dir, "october.csv")); code != exitDone {
		t.Fatalf("got %d: %s", code, stderr)
	}
	c := exec.Command(python, "-c", script)
	c.Dir = dir
	out, err := c.CombinedOutput()
	// At nine the first ten of sixty; of the others the first two hours, whose second day of the export has no failure either.
	want := "home at 09 h UTC: 10 of 120 failed\nhome at 00 h UTC: 0 of 120 failed\nhome at 01 h UTC: 0 of 120 failed\n"
	if err != nil || string(out) != want {
		t.Errorf("got %s%v, want %s", out, err, want)
	}
}
