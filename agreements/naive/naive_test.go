package naive_test

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"math/big"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/uptally/uptally/agreements"
	"github.com/uptally/uptally/agreements/naive"
)

// Ten thousand cases of up to a day and a hundred whole months, which is a minute of one core; a tenth in a short run.
func TestNaiveEvaluatorAgrees(t *testing.T) {
	days, months := 10_000, 100
	if testing.Short() {
		days, months = 1000, 10
	}
	both(t, days, func(k int) drawn { return newCase(newDraw(uint64(k)), false) })
	both(t, months, func(k int) drawn { return newCase(newDraw(uint64(1_000_000+k)), true) })
}

// both holds the evaluators against each other on so many cases, on two cores; the number of a case draws it again.
func both(t *testing.T, cases int, draw func(int) drawn) {
	var wg sync.WaitGroup
	for half := range 2 {
		wg.Go(func() {
			for k := half; k < cases && !t.Failed(); k += 2 {
				c := draw(k)
				accounts, err := agreements.Compute(c.in)
				if err != nil {
					t.Errorf("case %d: %v", k, err)
					return
				}
				if d := differences(accounts[0], naive.Account(c.question)); len(d) > 0 {
					t.Errorf("case %d, %s, period %v: %v\nterms %+v\nentries %+v", k, c.agreement.ZoneName, c.in.Period, d, c.agreement.Versions[0], c.in.Entries)
				}
			}
		})
	}
	wg.Wait()
}

// differences names every figure in which the two disagree.
func differences(got agreements.Account, want naive.Figures) []string {
	var ds []string
	differ := func(what string, got, want any) {
		if got != want {
			ds = append(ds, fmt.Sprintf("%s: got %v, naive %v", what, got, want))
		}
	}
	differ("classes", got.ByClass, want.Classes)
	differ("T, D, U, U′", [...]int64{got.Eligible, got.Denominator, got.Unknown, got.LeftOut}, want.Spans)
	have := []string{figure(got.Certain, got.Figure.Certain), figure(got.Point, got.Figure.Point), figure(got.Possible, got.Figure.Possible)}
	for k, f := range want.Tracks {
		differ([]string{"certain", "point", "possible"}[k], have[k], fmt.Sprintf("%d ms, %v", f.Down, f.Availability))
	}
	differ("point credit", row(got.Credit.Point), expected(got.Terms, want.Tracks[1]))
	// where the ladder has a hole, less downtime can pay more
	percent := func(f naive.Figure) *big.Rat {
		if f.Row < 0 {
			return new(big.Rat)
		}
		return got.Terms.Ladder[f.Row].Percent
	}
	rows := want.Tracks[:]
	slices.SortStableFunc(rows, func(a, b naive.Figure) int { return cmp.Or(a.Pays.Cmp(b.Pays), percent(a).Cmp(percent(b))) })
	differ("proven credit", row(got.Credit.Proven), expected(got.Terms, rows[0]))
	differ("max credit", row(got.Credit.Max), expected(got.Terms, rows[2]))
	return ds
}

func figure(down agreements.Set, f agreements.Fraction) string {
	return fmt.Sprintf("%d ms, %v", down.Millis(), f.Availability())
}

func row(r agreements.CreditRow) string {
	return fmt.Sprintf("row %q, %v, %d", r.Tier, r.Exact, r.Minor)
}

func expected(v *agreements.Version, f naive.Figure) string {
	words := ""
	if f.Row >= 0 {
		words = v.Ladder[f.Row].Words()
	}
	return fmt.Sprintf("row %q, %v, %s", words, f.Pays, f.Pays.FloatString(0)) // of a half, away from zero
}

// The second evaluator may name types and constants of the first, and call nothing of it.
func TestSharesNoCode(t *testing.T) {
	info := types.Info{Uses: map[*ast.Ident]types.Object{}}
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "naive.go", nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	conf := types.Config{Importer: importer.ForCompiler(fset, "source", nil)}
	if _, err := conf.Check("naive", fset, []*ast.File{file}, &info); err != nil {
		t.Fatal(err)
	}
	for id, used := range info.Uses {
		f, called := used.(*types.Func)
		if called && f.Pkg() != nil && strings.HasSuffix(f.Pkg().Path(), "uptally/agreements") {
			t.Errorf("%s: got a call of %s", fset.Position(id.Pos()), f.FullName())
		}
	}
	if lines := fset.File(file.Pos()).LineCount(); lines > 251 { // the last newline begins one more
		t.Errorf("got %d lines, want at most 250", lines-1)
	}
}
