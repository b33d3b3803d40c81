package main

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/agreements"
	"github.com/uptally/uptally/configs"
	"github.com/uptally/uptally/ledger"
)

// A statement, ten results that came late, and the statement again: compare names the day, out of two files and out of one file
// and the ledger, and exits as diff does.
func TestCompareStatements(t *testing.T) {
	config := exportedInstallation(t)
	dir := t.TempDir()
	before, after := filepath.Join(dir, "before.json"), filepath.Join(dir, "after.json")
	compute := func(path string) {
		t.Helper()
		args := []string{"statement", "quick", "-c", config, "--period", "2026-10-01T00:00:00Z/2026-10-02T00:00:00Z", "--format", "json", "-o", path}
		if code, _, stderr := command(t, args...); code != exitDone {
			t.Fatal(stderr)
		}
	}
	expect := func(want int, text string, args ...string) {
		t.Helper()
		code, out, stderr := command(t, append([]string{"compare"}, args...)...)
		if code != want || !strings.Contains(out+stderr, text) {
			t.Errorf("compare %s: got %d\n%s%s\nwant %d and %q", args, code, out, stderr, want, text)
		}
	}
	compute(before)
	expect(exitDone, "The evidence is the same, and so are the figures.\n", before, before)
	expect(exitDone, "The evidence is the same, and so are the figures.\n", before, "-c", config)

	store, err := ledger.Open(filepath.Join(filepath.Dir(config), "data"), ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	b := uptally.Batch{Agent: 1, Epoch: 2, Seq: 1, Site: uptally.IDOf("fra1"), Day: 20_727}
	for m := range int64(10) {
		b.Results = append(b.Results, uptally.Result{
			Slot: uptally.Slot{Check: uptally.IDOf("home"), Site: b.Site, At: 20_727*uptally.DayMillis + m*60_000 + 30_000}, Reason: uptally.ConnectRefused})
	}
	data, err := b.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Append(t.Context(), []ledger.Incoming{{Batch: b, Data: data}}); err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}

	const day = "home at fra1\n  2026-10-01                                       10 results more, 10 down more\n"
	expect(exitFailed, day, before, "-c", config)
	compute(after)
	expect(exitFailed, day, before, after)
	expect(exitFailed, "home at fra1\n  2026-10-01                                       10 results less, 10 down less\n", after, before)
	expect(exitFailed, `"same_evidence": false`, before, after, "--format", "json")

	expect(exitUsage, "uptally: read statement: open ", before, filepath.Join(dir, "none.json"))
	expect(exitUsage, "uptally: read statement \""+config+"\": decode statement: ", config)
	expect(exitUsage, "uptally: read --format: got \"html\", want text or json\n", before, after, "--format", "html")
	expect(exitUsage, "uptally: compare statements: got agreements \"quick\" and \"acme-portal\", want two of one agreement\n", before, filepath.Join("..", "..", "statements", "testdata", "measured.json"))
}

// What was imported stays: nobody withdraws it, and a statement over it says where it is from.
func TestImportsAreNamedAndStay(t *testing.T) {
	config := exportedInstallation(t)
	cfg, err := configs.Load(config)
	if err != nil {
		t.Fatal(err)
	}
	store, err := ledger.Open(cfg.Data, ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	entry := uptally.Entry{RecordedAt: time.Now().UnixMilli(), By: "ann", Kind: agreements.KindImport, Data: agreements.EncodeImport(agreements.Import{
		Agent: "00000000000000aa", Kind: agreements.ImportCSV, Source: "old-monitor.csv", From: 20_727 * uptally.DayMillis, To: 20_728 * uptally.DayMillis,
		SHA256: strings.Repeat("0f", 32), Series: []agreements.ImportSeries{{Check: "home", Site: "fra1", Results: 1440}},
	})}
	if _, err := store.Record(t.Context(), entry); err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	code, _, stderr := command(t, "record", "withdrawal", "-c", config, "--by", "ann", "--replaces", "1")
	if want := "uptally: replace entry 1: got an import: what it stored stays, and statements name it\n"; code != exitFailed || stderr != want {
		t.Errorf("got %d %q, want %q", code, stderr, want)
	}
	code, out, _ := command(t, "statement", "quick", "-c", config, "--period", "2026-10-01T00:00:00Z/2026-10-02T00:00:00Z")
	out = strings.Join(strings.Fields(out), " ")
	const mark, source = "Computed from imported evidence, which nobody here measured: csv old-monitor.csv; see Evidence.", "Computed from imported evidence: 1,440 results of home at fra1, "
	if code != exitDone || !strings.Contains(out, mark) || !strings.Contains(out, source) {
		t.Errorf("got %d\n%s", code, out)
	}
}
