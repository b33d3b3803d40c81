package statements

import (
	"math/big"
	"strings"
	"testing"

	"github.com/uptally/uptally/agreements"
)

// TestPeerFaults: Site24x7 prints a formula that divides downtime by the total. The formula that a statement prints, read
// off its steps and evaluated, gives the figure printed beside it, bounds included. The other faults of well-known products
// are held against the accounts themselves.
func TestPeerFaults(t *testing.T) {
	for name, s := range stories(t) {
		for _, a := range s.Accounts {
			read := 0
			for _, step := range a.Steps {
				share, ok := evaluate(t, step.Numbers)
				if !ok {
					continue
				}
				read++
				if got := agreements.FormatAvailability(share, strings.IndexByte(step.Result, '%')-1-strings.IndexByte(step.Result, '.')); got != step.Result {
					t.Errorf("%s, step %q: %s is %s, printed %s", name, step.What, step.Numbers, got, step.Result)
				}
			}
			if read == 0 && a.Availability.Point.Percent != "" {
				t.Errorf("%s: no formula in %+v", name, a.Steps)
			}
		}
	}
}

// evaluate reads "1 − 3,600.5 ÷ 2,667,600"; ok is false for another text.
func evaluate(t *testing.T, formula string) (*big.Rat, bool) {
	t.Helper()
	down, total, ok := strings.Cut(strings.ReplaceAll(strings.TrimPrefix(formula, "1 − "), ",", ""), " ÷ ")
	if !ok || !strings.HasPrefix(formula, "1 − ") {
		return nil, false
	}
	d, okDown := new(big.Rat).SetString(down)
	of, okTotal := new(big.Rat).SetString(total)
	if !okDown || !okTotal {
		t.Fatalf("formula %q has no two numbers", formula)
	}
	return d.Sub(big.NewRat(1, 1), d.Quo(d, of)), true
}
