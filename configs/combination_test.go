package configs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/uptally/uptally/agreements"
)

// contract writes an agreement file whose one version has the given lines, and returns what LoadAgreement makes of it.
func contract(t *testing.T, lines ...string) (agreements.Version, error) {
	t.Helper()
	text := `agreement: acme-portal
customer: acme
time_zone: UTC
currency: EUR
versions:
  - from: 2026-01-01
    period: month
    window: 24x7
    unknown: exclude
`
	for _, l := range lines {
		text += "    " + l + "\n"
	}
	file := filepath.Join(t.TempDir(), "acme.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	a, err := LoadAgreement(file)
	if err != nil {
		return agreements.Version{}, err
	}
	return a.Versions[0], nil
}

func TestCombinationWords(t *testing.T) {
	base := []string{"services: [a, b, c]", "target: 99.9%", `fee: "900.00"`, "credits: [{ below: 99.9%, percent: 10 }]"}
	for _, c := range []struct {
		line string
		k    int
		rule agreements.FigureRule
	}{
		{"down_when: any", 1, 0},
		{"down_when: all", 3, 0},
		{"down_when: { at_least: 2 }", 2, 0},
		{"down_when: { share: 51% }", 2, 0},
		{"figure: sum", 1, agreements.FigureSum},
		{"figure: mean", 1, agreements.FigureMean},
		{"figure: worst", 1, agreements.FigureWorst},
	} {
		v, err := contract(t, append(base, c.line)...)
		if err != nil || v.DownWhen.Of(3) != c.k || v.Figure != c.rule {
			t.Errorf("%s: got %d of 3, figure %d, %v; want %d and %d", c.line, v.DownWhen.Of(3), v.Figure, err, c.k, c.rule)
		}
	}
	v, err := contract(t, append(base, "figure: weighted", "weights: { a: 3, b: 2.5, c: 1 }")...)
	if err != nil || v.Weights["b"].RatString() != "5/2" || v.Figure != agreements.FigureWeighted {
		t.Errorf("weights: got %v, %v", v.Weights, err)
	}
	v, err = contract(t, append(base, "figure: weighted", "weights: fee", `fees: { a: "300.00", b: "300.00", c: "300.00" }`)...)
	if err != nil || !v.WeighByFee || v.FeeFor["c"] != 30000 {
		t.Errorf("weights: fee: got %+v, %v", v.Combination, err)
	}
}

func TestCombinationProblems(t *testing.T) {
	base := []string{"services: [a, b, c]", "target: 99.9%", `fee: "900.00"`, "credits: [{ below: 99.9%, percent: 10 }]"}
	for _, c := range []struct{ lines, want string }{
		{"down_when: some", `:14: versions[0].down_when: got "some", want any, all, { at_least: 2 } or { share: 51% }`},
		{"down_when: { at_least: 4 }", `:14: versions[0].down_when.at_least: got "4", want a number of services from 1 to 3`},
		{"down_when: { at_least: 2, share: 51% }", `:14: versions[0].down_when: got "{at_least: 2, share: 51%}", want any, all, { at_least: 2 } or { share: 51% }`},
		{`down_when: { "=": any }`, `:14: versions[0].down_when.=: got "=", want one of the keys at_least, share`},
		{"down_when: [a]", `:14: versions[0].down_when: got "[a]", want a single value, or a mapping with the keys at_least, share`},
		{"figure: median", `:14: versions[0].figure: got "median", want sum, mean, worst or weighted`},
		{"figure: weighted", `:6: versions[0].weights: got nothing, want weights with figure: weighted, and only there: a number for each service, or fee`},
		{"figure: weighted; weights: { a: 1, b: 0, c: 1 }", `:15: versions[0].weights.b: got "0", want a number above zero`},
		{"figure: weighted; weights: { a: 1, b: x, c: 1 }", `:15: versions[0].weights.b: got "x", want a number such as 3`},
		{"figure: weighted; weights: { a: 1, c: 1 }", `:15: versions[0].weights: got "{a: 1, c: 1}", want a weight for b`},
		{"figure: sum; down_when: all", `:15: versions[0].down_when: got "all", want no such key beside figure, which takes each service's own downtime`},
		{"figure: sum; each: service", `:15: versions[0].each: got "service", want no such key beside down_when or figure, which make one account of all services`},
	} {
		_, err := contract(t, append(base, strings.Split(c.lines, "; ")...)...)
		if err == nil {
			t.Errorf("%s: got no problem", c.lines)
			continue
		}
		_, got, _ := strings.Cut(err.Error(), "acme.yaml")
		if got != c.want {
			t.Errorf("%s: got\n%s\nwant\n%s", c.lines, got, c.want)
		}
	}
}
