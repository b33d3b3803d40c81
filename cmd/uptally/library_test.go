package main

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/uptally/uptally/configs"
)

// expectation is what a contract of the library says about a period that was computed by hand. Behind the credit stand the
// rights of its chronic rules and whether they hold.
type expectation struct{ service, availability, row, credit string }

// expectLine is a remark such as "# expect 2026-06 db: availability 719/720, row < 99.9%, credit USD 80.00".
var expectLine = regexp.MustCompile(`(?m)^# expect (\S+) (.+): availability (\S+), row (.+), credit (.+)$`)

// TestContractLibrary computes the worked period of each contract of the library as a person would, from its files alone,
// and holds the figures against those that its remarks work out.
func TestContractLibrary(t *testing.T) {
	files, err := fs.Glob(configs.Examples, "agreements/library/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if n := workedContracts(t, "../../configs/", files); n < 50 {
		t.Errorf("got %d contracts, want at least 50", n)
	}
}

// Six contracts that are not in the library were written with nothing but docs/agreements.md open, three by who wrote that
// page and three by a reader new to it; their heads say at which attempt. They are held to the same.
func TestContractsTriedFromTheManual(t *testing.T) {
	files, err := filepath.Glob("../../docs/example/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if n := workedContracts(t, "", files); n != 6 {
		t.Errorf("got %d contracts, want 6", n)
	}
}

// workedContracts evaluates the agreements among files, and returns their number; the others are facts beside them.
func workedContracts(t *testing.T, dir string, files []string) (contracts int) {
	for _, file := range files {
		text, err := os.ReadFile(dir + file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "\nagreement: ") {
			contracts++
			t.Run(strings.TrimSuffix(path.Base(file), ".yaml"), func(t *testing.T) { workedPeriods(t, dir+file, string(text)) })
		}
	}
	return contracts
}

// workedPeriods evaluates every period that the remarks of a contract name.
func workedPeriods(t *testing.T, file, text string) {
	var periods []string
	want := map[string][]expectation{}
	for _, m := range expectLine.FindAllStringSubmatch(text, -1) {
		if want[m[1]] == nil {
			periods = append(periods, m[1])
		}
		want[m[1]] = append(want[m[1]], expectation{m[2], m[3], m[4], m[5]})
	}
	if len(periods) == 0 || strings.Count(text, "\n# expect ") != len(expectLine.FindAllString(text, -1)) {
		t.Fatal("got no line of expectations that can be read")
	}
	for _, period := range periods {
		got := evaluated(t, file, period)
		for i, w := range want[period] {
			if i >= len(got) || got[i] != w {
				t.Errorf("%s: got %q, want %q in place %d", period, got, w, i)
			}
		}
		if len(got) != len(want[period]) {
			t.Errorf("%s: got %d accounts, want %d", period, len(got), len(want[period]))
		}
	}
}

// evaluated runs uptally evaluate with whatever evidence lies beside the agreement.
func evaluated(t *testing.T, file, period string) []expectation {
	t.Helper()
	args := []string{"evaluate", "-a", file, "--period", period, "--format", "json"}
	for flag, suffix := range map[string]string{"--timeline": ".timeline.csv", "--facts": ".facts.yaml", "--counts": ".counts.csv"} {
		beside := strings.TrimSuffix(file, ".yaml") + suffix
		if _, err := os.Stat(filepath.FromSlash(beside)); err == nil {
			args = append(args, flag, beside)
		}
	}
	code, out, stderr := command(t, args...)
	if code != exitDone {
		t.Fatalf("%s: got %d: %s", period, code, stderr)
	}
	st := printed(t, out).Statement
	var es []expectation
	for _, a := range st.Accounts {
		credit := a.Credit.Charged.Amount.Text
		for _, r := range a.Rights {
			credit += ", " + r.Name + ": " + r.Holds
		}
		es = append(es, expectation{a.Service, or(a.Availability.Point.Exact, "none"), or(a.Credit.Charged.Tier, "none"), credit})
	}
	return es
}

// or returns text, or other where there is none.
func or(text, other string) string {
	if text == "" {
		return other
	}
	return text
}
