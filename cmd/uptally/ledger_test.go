package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/ledger"
	"github.com/uptally/uptally/ledger/ledgertest"
)

// smallLedger is a folder with the ledger of ledgertest.Small.
func smallLedger(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	store, err := ledger.Open(dir, ledger.Options{Now: func() int64 { return ledgertest.Start }})
	if err != nil {
		t.Fatal(err)
	}
	ledgertest.Small(t, store)
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// done runs a command that must succeed and returns what it printed.
func done(t *testing.T, args ...string) string {
	t.Helper()
	code, out, stderr := command(t, args...)
	if code != exitDone {
		t.Fatalf("%q: got %d: %s", args, code, stderr)
	}
	return out
}

// Sizes are those of pages, which are no promise.
var sizes = regexp.MustCompile(`[0-9,.]+ bytes|[0-9,]+ +[0-9.]+%`)

// 2,591 results: 3 · 288 · 3 slots, less the last of the last day at two series, and a late one beside the slots. Of these are
// down 3 · 3 · 7 and the late one, void 2 · 3 · 3, in conflict one: 2,591 − 64 − 18 − 1 = 2,508 up.
func TestLedgerStats(t *testing.T) {
	got := done(t, "ledger", "stats", "--data", smallLedger(t))
	want := `Engine          SQLite, N
Days            2025-12-01 to 2025-12-03, 6 days of a site
Series          3: 2 checks at 2 sites
Results         2,591, 2,508 up, 64 down, 18 void, 1 unknown
                N a result, with all that lies beside them
Log             7 batches, 1 held
Not sealed      2025-12-03 at fra1: 2 results in 2 batches
                2025-12-03 at ams1: 287 results in 4 batches
Late changes    1 day of a series
Backup          none that was checked
`
	text, table, _ := strings.Cut(sizes.ReplaceAllString(got, "N"), "\n\n")
	if text+"\n" != want {
		t.Errorf("got\n%s\nwant\n%s", text, want)
	}
	for _, row := range []string{"body                       5", "fail                      84", "head                       8", "log                        7"} {
		if !strings.Contains(table, row) {
			t.Errorf("got\n%s\nwant a row %q", table, row)
		}
	}
}

func TestLedgerVerify(t *testing.T) {
	dir := smallLedger(t)
	sound := done(t, "ledger", "verify", "--data", dir)
	if !strings.HasSuffix(sound, "2,591 results of 3 series\n") {
		t.Errorf("got\n%s", sound)
	}
	path := filepath.Join(dir, "ledger.db")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(string(data), "got 502, want", "got 500, want")), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, _ := command(t, "ledger", "verify", "--data", dir, "--format", "json")
	var c ledgerCheck
	if err := json.Unmarshal([]byte(out), &c); err != nil || code != exitFailed {
		t.Fatalf("got %d, %v: %s", code, err, out)
	}
	if len(c.Problems) == 0 || !strings.Contains(c.Problems[0], "table fail, check 91391e26af788579 (portal-home), site 68bdb695919ddcfa (fra1), day 20424 (2025-12-02)") {
		t.Errorf("got %q, want the row of table fail", c.Problems)
	}
}

// A ledger is backed up, restored, copied, and says the same; a backup shows in the statistics.
func TestLedgerBackupRestoreCopy(t *testing.T) {
	dir, shelf := smallLedger(t), t.TempDir()
	said := done(t, "ledger", "verify", "--data", dir)
	out := done(t, "ledger", "backup", "--data", dir, "-o", shelf)
	if !regexp.MustCompile(`^\S+/ledger-[0-9T-]+Z\.db: [0-9,]+ bytes, checked: 2,591 results, 9 days of series\n$`).MatchString(out) {
		t.Errorf("backup: got %q", out)
	}
	file, _, _ := strings.Cut(out, ": ")
	if stats := done(t, "ledger", "stats", "--data", dir); !strings.Contains(stats, file+"\n") {
		t.Errorf("statistics: got\n%s\nwant the backup %s", stats, file)
	}
	restored, moved := filepath.Join(t.TempDir(), "data"), filepath.Join(t.TempDir(), "data")
	if out := done(t, "ledger", "restore", file, "--data", restored); out != restored+": restored and checked: 2,591 results, 9 days of series\n" {
		t.Errorf("restore: got %q", out)
	}
	if out := done(t, "ledger", "copy", "--from", restored, "--to", moved); out != moved+": copied, and equal to "+restored+":\n"+said {
		t.Errorf("copy: got\n%s\nwant\n%s", out, said)
	}
	if got := done(t, "ledger", "verify", "--data", moved); got != said {
		t.Errorf("the copy: got\n%s\nwant\n%s", got, said)
	}
}

// What is needed stays: results for 13 months, whatever the agreements; response times go where no agreement is judged by them.
func TestLedgerDrop(t *testing.T) {
	dir := smallLedger(t)
	config := filepath.Join(filepath.Dir(dir), "uptally.yaml")
	for name, text := range map[string]string{"uptally.yaml": damageConfig, "a.yaml": strings.ReplaceAll(quickAgreement, "SERVICE", "portal")} {
		if err := os.WriteFile(filepath.Join(filepath.Dir(dir), name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	drop := func(args ...string) (int, string, string) {
		return command(t, append([]string{"ledger", "drop", "-c", config, "--by", "ana"}, args...)...)
	}
	code, _, stderr := drop("--before", "2036-01-01", "--why", "disk")
	if want := regexp.MustCompile(`^uptally: drop days before 2036-01-01: those from [0-9-]+ on are needed: results are kept for 13 months\n$`); code != exitFailed || !want.MatchString(stderr) {
		t.Errorf("got %d %q", code, stderr)
	}
	code, _, stderr = drop("--before", "yesterday", "--why", "disk")
	if want := "uptally: read --before: got \"yesterday\", want a date such as 2026-01-01\n"; code != exitUsage || stderr != want {
		t.Errorf("got %d %q, want %s", code, stderr, want)
	}
	code, _, stderr = drop("--before", "2025-12-04", "--bodies", "--why", "disk")
	if want := "uptally: drop days before 20426: got batches of day 20425 that are not sealed: seal it first\n"; code != exitFailed || stderr != want {
		t.Errorf("got %d %q, want %s", code, stderr, want)
	}
	code, out, stderr := drop("--before", "2025-12-02", "--bodies", "--why", "disk")
	if want := "response times before 2025-12-02 dropped, by ana: disk\n"; code != exitDone || out != want {
		t.Errorf("got %d %q %s, want %s", code, out, stderr, want)
	}
	if stats := done(t, "ledger", "stats", "--data", dir); !regexp.MustCompile(`\nDropped         response times before 2025-12-02, by ana at \S+: disk\n`).MatchString(stats) {
		t.Errorf("got\n%s\nwant what was dropped", stats)
	}
	sound := done(t, "ledger", "verify", "--data", dir)
	if !strings.Contains(sound, "9 days of series") || !strings.Contains(sound, "6 days with response times") {
		t.Errorf("got\n%s\nwant 9 days, 3 of them without response times", sound)
	}
	// through a running process
	store, err := ledger.Open(dir, ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	control, err := listenControl(dir, store)
	if err != nil {
		t.Fatal(err)
	}
	defer control.Shutdown(t.Context())
	if code, _, stderr := drop("--before", "2025-12-03", "--bodies", "--why", "more disk"); code != exitDone {
		t.Errorf("got %d %s", code, stderr)
	}
	if drops, err := store.Drops(t.Context()); err != nil || len(drops) != 2 || drops[1].Before != uptally.DayOf(ledgertest.Start)+2 || drops[1].Why != "more disk" {
		t.Errorf("got %+v, %v, want both", drops, err)
	}
}
