package main

import (
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/agreements"
	"github.com/uptally/uptally/configs"
	"github.com/uptally/uptally/ledger"
)

// The recorded history of real sites, imported as a log of changes with a result each second, has the downtime of the timeline made of the
// same rows, to the second. A state begins between the last result of the one before and its own first: half a
// second before its row. Soak has all sites; make test has two that were down, at length and often, and one that never was.
func TestImportRecordedHistory(t *testing.T) {
	t.Parallel()
	sites := []string{"google", "himawari", "juwai"}
	if os.Getenv("UPTALLY_SOAK") != "" {
		sites = allSites(t)
	} else if testing.Short() {
		t.Skip("imports millions of results")
	}
	config := historyOf(t, sites...)
	log := rowsOf(t, filepath.Dir(config), sites)
	args := []string{"import", "csv", log, "-c", config, "--change-log", "--every", "1s", "--until", "2025-02-22T23:17:17Z", "--by", "ann"}
	code, out, stderr := command(t, args...)
	if code != exitDone {
		t.Fatalf("import: got %d %q %s", code, out, stderr)
	}
	now := time.Now().UnixMilli()
	sealAll(t, filepath.Join(filepath.Dir(config), "data"), now)
	const period = "2025-01-24T05:14:00Z/2025-02-22T23:17:00Z"
	before, st := stateOf(t, config, period, now)
	code, out, stderr = command(t, "evaluate", "-a", filepath.Join(filepath.Dir(config), "a.yaml"), "--timeline", recordedHistory+"sites-2025.timeline.csv", "--period", period, "--format", "json")
	if code != exitDone {
		t.Fatalf("evaluate: got %d %s", code, stderr)
	}
	want := printed(t, out).Statement
	if len(st.Accounts) != len(sites) || len(want.Accounts) != len(sites) {
		t.Fatalf("got %d and %d accounts, want %d", len(st.Accounts), len(want.Accounts), len(sites))
	}
	for i, a := range st.Accounts {
		if w := want.Accounts[i]; a.Service != w.Service || a.Classes != w.Classes || a.Down.PointMS != w.Down.PointMS || len(a.Down.Point) != len(w.Down.Point) {
			t.Errorf("%s: got %+v, %d ms down, want %s: %+v, %d ms", a.Service, a.Classes, a.Down.PointMS, w.Service, w.Classes, w.Down.PointMS)
			continue
		}
		for k, down := range a.Down.Point {
			w := want.Accounts[i].Down.Point[k]
			if off := [2]int64{int64(w.From - down.From), int64(w.To - down.To)}; off != [2]int64{500, 500} && off != [2]int64{} && off != [2]int64{0, 500} && off != [2]int64{500, 0} {
				t.Errorf("%s, outage %d: got %v, want %v less half a second", a.Service, k, down, w)
			}
		}
	}
	if code, out, _ = command(t, args...); code != exitDone || !strings.HasPrefix(out, "nothing new") {
		t.Errorf("import again: got %d %q", code, out)
	}
	if after, _ := stateOf(t, config, period, now); after != before {
		t.Error("import again: got another ledger or statement")
	}
}

// sealAll seals every day of a ledger for good, as a running process does.
func sealAll(t *testing.T, data string, now int64) {
	t.Helper()
	store, err := ledger.Open(data, ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	open, err := store.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range open {
		if _, err := ledger.SealDay(t.Context(), store, d.SiteDay, now, true); err != nil {
			t.Fatal(err)
		}
	}
}

func allSites(t *testing.T) []string {
	var names []string
	for _, row := range recordedRows(t)[1:] {
		if !slices.Contains(names, row[0]) {
			names = append(names, row[0])
		}
	}
	slices.Sort(names)
	return names
}

func recordedRows(t *testing.T) [][]string {
	t.Helper()
	f, err := os.Open(recordedHistory + "sites-2025.results.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// rowsOf writes the recorded rows of some sites.
func rowsOf(t *testing.T, dir string, sites []string) string {
	t.Helper()
	var b strings.Builder
	for i, row := range recordedRows(t) {
		if i == 0 || slices.Contains(sites, row[0]) {
			b.WriteString(strings.Join(row, ",") + "\n")
		}
	}
	file := filepath.Join(dir, "log.csv")
	writeFiles(t, map[string]string{file: b.String()})
	return file
}

const fewResults = "check,site,at,outcome,response_us,detail\n" +
	"portal,fra1,2026-02-03T00:00:00Z,up,1200,\n" +
	"portal,fra1,2026-02-03T00:01:00Z,down,0,connect_refused; nobody listens\n" +
	"portal,fra1,2026-02-03T00:02:00Z,void,0,local; connect_timeout\n" +
	"portal,fra1,2026-02-03T00:03:00Z,up,1300,\n"

// What stands in a file stands in the ledger: results with their text, a plan that says that it is imported, and the entry. It is the same by
// way of a running process.
func TestImportCSV(t *testing.T) {
	stored := func(beside bool) string {
		config := historyOf(t, "portal")
		dir := filepath.Dir(config)
		file := filepath.Join(dir, "february.csv")
		writeFiles(t, map[string]string{file: fewResults})
		if beside {
			store, err := ledger.Open(filepath.Join(dir, "data"), ledger.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer store.Close()
			srv, err := listenControl(filepath.Join(dir, "data"), store)
			if err != nil {
				t.Fatal(err)
			}
			defer srv.Close()
		}
		code, out, stderr := command(t, "import", "csv", file, "-c", config, "--by", "ann")
		const want = "entry 1: 4 results of 1 series from 2026-02-03T00:00:00Z to 2026-02-03T00:03:00Z, 1 of 1 batches new, as agent a3ea064b0f82a304\n"
		if code != exitDone || out != want {
			t.Fatalf("got %d %q %s, want %q", code, out, stderr, want)
		}
		code, out, stderr = command(t, "import", "csv", file, "-c", config, "--by", "bob")
		if want := "nothing new: entry 1 is this import, and the ledger has all of its results\n"; code != exitDone || out != want {
			t.Errorf("again: got %d %q %s, want %q", code, out, stderr, want)
		}
		return dir
	}
	read := func(dir string) (plans []uptally.Plan, failures []uptally.Result, entry agreements.Import) {
		store, err := ledger.OpenReadOnly(filepath.Join(dir, "data"))
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		if plans, err = store.Plans(t.Context(), "portal"); err != nil {
			t.Fatal(err)
		}
		if failures, err = store.Failures(t.Context(), uptally.IDOf("portal"), uptally.IDOf("fra1"), 0, 1<<50); err != nil {
			t.Fatal(err)
		}
		entries, err := store.Entries(t.Context(), 1<<50)
		if err != nil || len(entries) != 1 || entries[0].By != "ann" {
			t.Fatalf("got %v, %v, want one entry", entries, err)
		}
		if entry, err = agreements.DecodeImport(entries[0]); err != nil {
			t.Fatal(err)
		}
		return plans, failures, entry
	}
	alone, beside := stored(false), stored(true)
	plans, failures, entry := read(alone)
	at := time.Date(2026, 2, 3, 0, 0, 0, 0, time.UTC).UnixMilli()
	slot := func(minute int64) uptally.Slot {
		return uptally.Slot{Check: uptally.IDOf("portal"), Site: uptally.IDOf("fra1"), At: at + minute*60_000}
	}
	if want := []uptally.Plan{{
		Check: "portal", From: at, Sites: []string{"fra1"}, Every: 60_000, Timeout: 10_000, Quorum: 1, Confirm: 1, Recover: 1, Gap: 150_000,
		Kind: "imported", Target: "portal", Imported: true,
	}}; !reflect.DeepEqual(plans, want) {
		t.Errorf("got plans %+v, want %+v", plans, want)
	}
	if want := []uptally.Result{
		{Slot: slot(1), Reason: uptally.ConnectRefused, Detail: "nobody listens"}, {Slot: slot(2), Reason: uptally.Local, Detail: "connect_timeout"},
	}; !reflect.DeepEqual(failures, want) {
		t.Errorf("got failures %+v, want %+v", failures, want)
	}
	if want := (agreements.Import{
		Agent: "a3ea064b0f82a304", Kind: "csv", Source: "february.csv", From: at, To: at + 180_001, SHA256: entry.SHA256,
		Series: []agreements.ImportSeries{{Check: "portal", Site: "fra1", Results: 4}},
	}); !reflect.DeepEqual(entry, want) {
		t.Errorf("got entry %+v, want %+v", entry, want)
	}
	if p, f, e := read(beside); !reflect.DeepEqual(p, plans) || !reflect.DeepEqual(f, failures) || !reflect.DeepEqual(e, entry) {
		t.Errorf("beside a process: got %+v, %+v, %+v", p, f, e)
	}
}

// The socket takes plans and batches of imports alone.
func TestControlSocketRefusesWhatIsMeasured(t *testing.T) {
	data := t.TempDir()
	store, err := ledger.Open(data, ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	srv, err := listenControl(data, store)
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	p := uptally.Plan{Check: "a", Sites: []string{"x"}, Every: 1000, Timeout: 900, Quorum: 1, Confirm: 1, Recover: 1, Gap: 2500, Kind: "http", Target: "t"}
	b := uptally.Batch{Agent: 1, Epoch: 1, Seq: 1, Site: uptally.IDOf("x"), Results: []uptally.Result{{Slot: uptally.Slot{Check: uptally.IDOf("a"), Site: uptally.IDOf("x")}}}}
	batch, err := b.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	ask := func(path string, what any) string {
		if err := postControl(t.Context(), controlSocket(data), path, what, nil); err != nil {
			return err.Error()
		}
		return ""
	}
	if got, want := ask("plans", []uptally.Plan{p}), `got 400 Bad Request: add plan of check "a": want an imported one without problems, got []`; got != want {
		t.Errorf("a plan of ours: got %s, want %s", got, want)
	}
	noPlan := fmt.Sprintf("got 400 Bad Request: append imported batch: check %v at site %v has no imported plan", uptally.IDOf("a"), uptally.IDOf("x"))
	if got := ask("batches", [][]byte{batch}); got != noPlan {
		t.Errorf("a batch without a plan: got %s, want %s", got, noPlan)
	}
	if got := ask("batches", [][]byte{batch[:9]}); !strings.Contains(got, "decode batch") {
		t.Errorf("half a batch: got %q", got)
	}
	p.Imported = true
	if got := ask("plans", []uptally.Plan{p}) + ask("batches", [][]byte{batch}); got != "" {
		t.Errorf("an imported plan and its batch: got %s", got)
	}
}

func TestImportRefuses(t *testing.T) {
	config := historyOf(t, "portal")
	dir := filepath.Dir(config)
	file, measured, future := filepath.Join(dir, "r.csv"), filepath.Join(dir, "own.csv"), filepath.Join(dir, "future.csv")
	writeFiles(t, map[string]string{
		file: fewResults, measured: strings.ReplaceAll(fewResults, "portal", "own"), future: strings.ReplaceAll(fewResults, "2026", "9026"),
		filepath.Join(dir, "empty"): "",
	})
	cfg, err := configs.Load(config)
	if err != nil {
		t.Fatal(err)
	}
	store, err := ledger.Open(cfg.Data, ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	own := cfg.Checks[0].Plan
	own.From = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
	if err := store.AddPlans(t.Context(), own); err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	asked := []string{"import", "prometheus", "-c", config, "--url", "http://127.0.0.1:1", "--from", "2026-01-01T00:00:00Z", "--to", "2026-01-02T00:00:00Z", "--site", "fra1"}
	for _, c := range []struct {
		name   string
		args   []string
		code   int
		stderr string
	}{
		{"what is measured here", []string{"import", "csv", measured, "-c", config}, exitFailed,
			"uptally: plan check \"own\": it is measured here since 2026-01-01T00:00:00Z: import what was recorded before, or under another name\n"},
		{"what is to come", []string{"import", "csv", future, "-c", config}, exitFailed, "uptally: import \"future.csv\": got a result of 9026-02-03T00:03:00Z, which is still to come\n"},
		{"a change log without its end", []string{"import", "csv", file, "-c", config, "--change-log", "--every", "1s"}, exitUsage,
			"uptally: import csv: if any flags in the group [change-log every until] are set they must all be set; missing [until]; see uptally import csv --help\n"},
		{"a password in the address", append(slices.Clone(asked), "--url", "http://ann:canary@127.0.0.1:1"), exitUsage,
			"uptally: import: want --url with http or https, a host and perhaps a path, and no password in it: see --user and --bearer-file\n"},
		{"an end before the start", append(slices.Clone(asked), "--to", "2025-01-01T00:00:00Z"), exitUsage,
			"uptally: import: got --from 2026-01-01T00:00:00Z --to 2025-01-01T00:00:00Z, want two instants that are past, the end after the start\n"},
		{"nobody there", asked, exitFailed, "uptally: ask \"http://127.0.0.1:1\" for series probe_success: dial tcp 127.0.0.1:1: connect: connection refused\n"},
		{"an empty secret", append(slices.Clone(asked), "--bearer-file", filepath.Join(dir, "empty")), exitFailed,
			fmt.Sprintf("uptally: read secret %q: want one line that is not empty\n", filepath.Join(dir, "empty"))},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, _, stderr := command(t, c.args...)
			if code != c.code || stderr != c.stderr {
				t.Errorf("got %d %q, want %d %q", code, stderr, c.code, c.stderr)
			}
		})
	}
}
