package main

import (
	"encoding/json"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// slaCase is a worked case of testdata/sla.json: terms and facts, the figures under the first reading of the contract, and
// those of other readings of it.
type slaCase struct {
	ID           string         `json:"id"`
	Input        slaInput       `json:"input"`
	Expected     map[string]any `json:"expected"`
	Alternatives []struct {
		Reading  string         `json:"reading"`
		Change   slaInput       `json:"change"`
		Expected map[string]any `json:"expected"`
	} `json:"alternatives"`
}

// slaInput is what of a case's input stands in no file of its folder: the period asked for.
type slaInput struct {
	Zone   string   `json:"timezone"`
	Month  string   `json:"month"`
	Period []string `json:"period"`
}

// Each reading of each case is a folder testdata/sla/CASE/NN-READING of files as people write them; 00 is the case itself,
// NN its NNth other reading. A reading that begins with WRONG has none: its figures must not come out of 00.
func TestSLACases(t *testing.T) {
	g, readings := slaGate{figuresSchema(t)}, 0
	for _, c := range slaCases(t) {
		reading := func(n int, in slaInput, want map[string]any) {
			readings++
			t.Run(fmt.Sprintf("%s/%02d", c.ID, n), func(t *testing.T) {
				for _, wrong := range g.differences(t, folders(t, c.ID, n), in.period(t), want) {
					t.Error(wrong)
				}
			})
		}
		reading(0, c.Input, c.Expected)
		for i, alt := range c.Alternatives {
			if !strings.HasPrefix(alt.Reading, "WRONG") {
				reading(i+1, c.Input.with(alt.Change), alt.Expected)
				continue
			}
			t.Run(fmt.Sprintf("%s/%02d", c.ID, i+1), func(t *testing.T) {
				if len(g.differences(t, folders(t, c.ID, 0), c.Input.period(t), alt.Expected)) == 0 {
					t.Errorf("the figures of %q came out", alt.Reading)
				}
			})
		}
	}
	if all, err := filepath.Glob("testdata/sla/*/[0-9]*"); err != nil || len(all) != readings {
		t.Errorf("got %d folders and %v, want one for each of %d readings", len(all), err, readings)
	}
}

// slaGate holds readings to their figures, and what evaluate prints to its schema.
type slaGate struct{ schema *jsonschema.Schema }

func slaCases(t *testing.T) []slaCase {
	data, err := os.ReadFile("testdata/sla.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Cases []slaCase }
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Cases) != 26 {
		t.Fatalf("got %d cases, want 26", len(file.Cases))
	}
	return file.Cases
}

// with replaces what an alternative changes.
func (in slaInput) with(change slaInput) slaInput {
	if change.Zone != "" {
		in.Zone = change.Zone
	}
	if change.Month != "" {
		in.Month = change.Month
	}
	return in
}

// period is the period as evaluate takes it. A case without one holds for any.
func (in slaInput) period(t *testing.T) string {
	if len(in.Period) != 2 {
		return strings.TrimSpace(in.Month + "2026-06"[len(in.Month):])
	}
	zone, err := time.LoadLocation(in.Zone)
	if err != nil {
		t.Fatal(err)
	}
	var ends []string
	for _, day := range in.Period {
		at, err := time.ParseInLocation(time.DateOnly, day, zone)
		if err != nil {
			t.Fatal(err)
		}
		ends = append(ends, at.Format(time.RFC3339))
	}
	return strings.Join(ends, "/")
}

// folders returns the folder of a reading, or the folders in it where it holds several.
func folders(t *testing.T, id string, n int) []string {
	found, err := filepath.Glob(fmt.Sprintf("testdata/sla/%s/%02d-*", id, n))
	if err != nil || len(found) != 1 {
		t.Fatalf("reading %d of %s: got folders %v and error %v, want one", n, id, found, err)
	}
	if inner, err := filepath.Glob(found[0] + "/*/agreement.yaml"); err == nil && len(inner) > 0 {
		for k := range inner {
			inner[k] = filepath.Dir(inner[k])
		}
		return inner
	}
	return found
}

// differences evaluates the folders of a reading and says what is not as the case has it.
func (g slaGate) differences(t *testing.T, folders []string, period string, want map[string]any) []string {
	var all []output
	for _, f := range folders {
		out, complaint := g.evaluate(t, f, period)
		if complaint != "" {
			return []string{complaint}
		}
		all = append(all, out)
	}
	return compareReading(all, want)
}

// output is what evaluate printed, as people's programs see it.
type output struct {
	Figures []map[string]any `json:"figures"`
	Total   map[string]any   `json:"total"`
}

// evaluate runs evaluate on what a folder holds. Counts that several readings share stand beside their folders.
func (g slaGate) evaluate(t *testing.T, folder, period string) (output, string) {
	args := []string{"evaluate", "-a", filepath.Join(folder, "agreement.yaml"), "--period", period, "--format", "json"}
	for flag, file := range map[string]string{"--timeline": "timeline.csv", "--facts": "facts.yaml", "--counts": "counts.csv", "--results": "results.csv", "-c": "uptally.yaml"} {
		for _, path := range []string{filepath.Join(folder, file), filepath.Join(filepath.Dir(folder), file)} {
			if _, err := os.Stat(path); err == nil {
				args = append(args, flag, path)
				break
			}
		}
	}
	code, stdout, stderr := command(t, args...)
	if code != exitDone {
		return output{}, fmt.Sprintf("got exit code %d: %s%s", code, stdout, stderr)
	}
	printed(t, stdout)
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(stdout))
	if err != nil {
		t.Fatal(err)
	}
	if err := g.schema.Validate(doc); err != nil {
		return output{}, err.Error()
	}
	var out output
	if err := json.Unmarshal([]byte(stdout), &out); err != nil {
		t.Fatal(err)
	}
	return out, ""
}

// figureOf names the figure that a key of the cases stands for, where their names differ.
var figureOf = map[string]string{"eligible_seconds": "denominator_seconds"}

// compareReading compares each key of a reading with its figure. Of several accounts the plain keys are the total's, and
// lists and "site" speak of the accounts.
func compareReading(all []output, want map[string]any) []string {
	var accounts []map[string]any
	for _, out := range all {
		accounts = append(accounts, out.Figures...)
	}
	whole := accounts[0]
	if len(all) == 1 && len(accounts) > 1 {
		whole = all[0].Total
	}
	var wrong []string
	for key, value := range want {
		switch value := value.(type) {
		case []any: // each, rows, by_column: one account after the other
			if len(value) != len(accounts) {
				wrong = append(wrong, fmt.Sprintf("%s: got %d accounts, want %d", key, len(accounts), len(value)))
				continue
			}
			for i, row := range value {
				wrong = append(wrong, compareFigures(accounts[i], row.(map[string]any))...)
			}
		case map[string]any:
			if key == "site" {
				wrong = append(wrong, compareSites(accounts, value)...)
				continue
			}
			wrong = append(wrong, compareFigures(whole, map[string]any{key: value})...)
		default:
			wrong = append(wrong, compareFigures(whole, map[string]any{key: value})...)
		}
	}
	slices.Sort(wrong)
	return wrong
}

// compareSites holds the account of each site that was down to the same figures.
func compareSites(accounts []map[string]any, want map[string]any) []string {
	wrong, down := []string{}, 0
	for _, a := range accounts {
		if a["downtime_seconds"] != "0" {
			wrong = append(wrong, compareFigures(a, want)...)
			down++
		}
	}
	if down == 0 {
		wrong = append(wrong, "site: got none that was down")
	}
	return wrong
}

func compareFigures(got, want map[string]any) []string {
	var wrong []string
	for key, value := range want {
		name := key
		if other, ok := figureOf[key]; ok {
			name = other
		}
		have, ok := got[name]
		switch key {
		case "reading": // words
			continue
		case "resource":
			have, ok = got["service"]
		case "availability_percent":
			have = roundedPercent(got["availability_exact"])
		case "scheduled_minutes":
			have, ok = minutes(got["eligible_seconds"]), true
		case "tier":
			if text, is := have.(string); is {
				have = strings.ReplaceAll(text, "%", "")
			}
		}
		if !ok || !same(key, have, value) {
			wrong = append(wrong, fmt.Sprintf("%s: got %v, want %v", name, have, value))
		}
	}
	return wrong
}

// same compares texts as texts, numbers with the number that a text says, and mappings of numbers alike.
func same(key string, got, want any) bool {
	switch want := want.(type) {
	case float64:
		r, ok := new(big.Rat).SetString(fmt.Sprint(got))
		return ok && r.Cmp(new(big.Rat).SetFloat64(want)) == 0
	case map[string]any:
		have, ok := got.(map[string]any)
		if !ok || len(have) != len(want) {
			return false
		}
		for k, v := range want {
			if !same(key, have[k], v) {
				return false
			}
		}
		return true
	}
	return reflect.DeepEqual(got, want)
}

// roundedPercent is the cases' percentage for readers: half up to six decimals, whereas ours is cut off.
func roundedPercent(exact any) string {
	r, ok := new(big.Rat).SetString(fmt.Sprint(exact))
	if !ok {
		return ""
	}
	return r.Mul(r, big.NewRat(100, 1)).FloatString(6)
}

func minutes(seconds any) string {
	r, ok := new(big.Rat).SetString(fmt.Sprint(seconds))
	if !ok {
		return ""
	}
	return r.Quo(r, big.NewRat(60, 1)).RatString()
}
