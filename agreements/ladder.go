package agreements

import (
	"cmp"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/uptally/uptally"
)

// noRow stands for no row of the ladder: nothing is owed.
const noRow = -1

// ladder is the form of the rows by availability.
type ladder struct{ v *Version }

func (f ladder) pay(l loss) CreditPart {
	p := CreditPart{Rule: "no row of the ladder holds", Share: new(big.Rat), Uncapped: new(big.Rat)}
	i := f.v.row(l.availability)
	if i == noRow {
		return p
	}
	t := f.v.Ladder[i]
	p.tier, p.Share, p.used = t.Words(), t.share(l.days()), l.set()
	p.Uncapped.Set(p.Share)
	p.Rule, p.Numbers = "row "+p.tier, feeWords(p.Share)
	if t.Percent == nil {
		p.figure("days", Interval{}, t.Days)
		p.Numbers = fmt.Sprintf("%s ÷ %d days = %s", exactWords(t.Days), l.days(), feeWords(p.Share))
	}
	return p
}

// Words says the rows aloud.
func (f ladder) Words(Currency) string {
	var rows []string
	for _, t := range f.v.Ladder {
		rows = append(rows, t.Words()+" "+t.PaysWords())
	}
	return strings.Join(rows, "; ")
}

func (f ladder) eachOutage(*CreditTerms) bool { return false }

func (f ladder) validate(p *problems, path string, v *Version) {
	p.list = append(p.list, v.validateLadder(path)...)
}

// share is what the row pays as a share of the fee of so many days.
func (t Tier) share(days int64) *big.Rat { return paidShare(t.Percent, t.Days, days) }

// PaysWords writes what the row pays: "10%" or "7 days".
func (t Tier) PaysWords() string { return paysWords(t.Percent, t.Days) }

// row returns the index of the row that an availability falls in, or noRow. Without an availability nothing was promised
// or nothing measured: every tier is met.
func (v *Version) row(availability *big.Rat) int {
	won := noRow
	if availability == nil {
		return won
	}
	ranges := v.ranges()
	for i, t := range v.Ladder {
		switch {
		case !t.holds(availability):
		case ranges:
			return i
		case won == noRow || t.upperCut().compare(v.Ladder[won].upperCut()) < 0:
			won = i
		}
	}
	return won
}

func (t Tier) holds(availability *big.Rat) bool {
	at := cut{availability, false}
	return at.compare(t.upperCut()) < 0 && (t.Lower == nil || t.lowerCut().compare(at) <= 0)
}

// cut is a place between availabilities: just below the share, or just above it. A row runs from one cut to another,
// which says inclusive or not without four cases.
type cut struct {
	share *big.Rat
	above bool
}

func (t Tier) upperCut() cut { return cut{t.Upper.Share, t.Upper.Inclusive} }

func (t Tier) lowerCut() cut { return cut{t.Lower.Share, !t.Lower.Inclusive} }

func (c cut) compare(o cut) int {
	return cmp.Or(c.share.Cmp(o.share), c.side()-o.side())
}

func (c cut) side() int {
	if c.above {
		return 1
	}
	return 0
}

// Words returns the row as figures: the upper bound first, then the lower, such as "< 99.9% and >= 99.0%".
func (t Tier) Words() string {
	words := "< " + t.Upper.Text
	if t.Upper.Inclusive {
		words = "<= " + t.Upper.Text
	}
	switch {
	case t.Lower == nil:
		return words
	case t.Lower.Inclusive:
		return words + " and >= " + t.Lower.Text
	}
	return words + " and > " + t.Lower.Text
}

// order returns the indices of the complete rows, the best row first.
func (v *Version) order() []int {
	var order []int
	for i, t := range v.Ladder {
		if t.Upper.Share != nil && (t.Lower == nil || t.Lower.Share != nil) && paid(t.Percent, t.Days) {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(i, j int) int { return v.Ladder[j].upperCut().compare(v.Ladder[i].upperCut()) })
	return order
}

// validateLadder returns what is wrong with the rows at path, with one another and with the target.
func (v *Version) validateLadder(path string) []uptally.Problem {
	var ps []uptally.Problem
	for i, t := range v.Ladder {
		ps = append(ps, t.validate(fmt.Sprintf("%s[%d]", path, i), v)...)
	}
	order := v.order()
	for k, i := range order {
		at := fmt.Sprintf("%s[%d]", path, i)
		if k == 0 {
			ps = append(ps, v.validateTop(at, v.Ladder[i])...)
		} else {
			ps = append(ps, v.validateNeighbours(at, order[k-1], v.Ladder[i])...)
		}
		if k == len(order)-1 {
			ps = append(ps, v.validateLast(at, v.Ladder[i])...)
		}
	}
	return ps
}

// validateTop compares the best row with the target. A row that begins below it leaves a hole, which a contract may
// want; one above it pays although the target is met.
func (v *Version) validateTop(path string, t Tier) []uptally.Problem {
	if v.Target == nil {
		return nil
	}
	want := FormatShare(v.Target) + ", the target, as the best row's bound"
	switch c := t.Upper.Share.Cmp(v.Target); {
	case c == 0, c < 0 && v.HolesPayNothing, c > 0 && v.Credits.AboveTarget:
		return nil
	case c > 0:
		want += ", or above_target: allowed; otherwise a row that pays although the target is met is taken for a slip"
	default:
		want += ", or holes: pay_nothing; between them no row holds"
	}
	return []uptally.Problem{{Path: path + "." + t.upperKey(), Got: t.Upper.Text, Want: want}}
}

// validateLast wants the worst row to reach down to no availability at all.
func (v *Version) validateLast(path string, t Tier) []uptally.Problem {
	if t.Lower == nil || v.HolesPayNothing || t.lowerCut().compare(cut{new(big.Rat), false}) <= 0 {
		return nil
	}
	return []uptally.Problem{{Path: path + "." + t.lowerKey(), Got: t.Lower.Text, Want: "no lower bound on the last row, or holes: pay_nothing; below it no row holds"}}
}

// validateNeighbours compares a row with the one before it in order of their upper bounds.
func (v *Version) validateNeighbours(path string, before int, t Tier) []uptally.Problem {
	var ps []uptally.Problem
	report := func(key, got, want string) {
		ps = append(ps, uptally.Problem{Path: path + "." + key, Got: got, Want: want})
	}
	a := v.Ladder[before]
	name := fmt.Sprintf("credits[%d] (%s)", before, a.Words())
	switch {
	case !v.ranges():
		if a.upperCut().compare(t.upperCut()) == 0 {
			report(t.upperKey(), t.Upper.Text, "another bound than "+name)
		}
	case a.Lower == nil || t.upperCut().compare(a.lowerCut()) > 0:
		report(t.upperKey(), t.Upper.Text, "no overlap with "+name)
	case t.upperCut().compare(a.lowerCut()) < 0 && !v.HolesPayNothing:
		report(t.upperKey(), t.Upper.Text, "a bound that joins "+name+", or holes: pay_nothing; between them no row holds")
	}
	switch {
	case (t.Percent == nil) != (a.Percent == nil):
		report(t.payKey(), t.PaysWords(), "the same of percent and days as "+name)
	case t.share(1).Cmp(a.share(1)) < 0:
		report(t.payKey(), t.PaysWords(), "at least "+a.PaysWords()+", as "+name+" pays: less availability never pays less")
	}
	return ps
}

// ranges reports whether some row has two bounds; then each row is a range, and they must neither overlap nor leave a
// hole. Otherwise the lowest bound that holds wins.
func (v *Version) ranges() bool {
	return slices.ContainsFunc(v.Ladder, func(t Tier) bool { return t.Lower != nil })
}

// validate checks one row by itself.
func (t Tier) validate(path string, v *Version) []uptally.Problem {
	var ps []uptally.Problem
	report := func(key, got, want string) {
		ps = append(ps, uptally.Problem{Path: path + "." + key, Got: got, Want: want})
	}
	one := big.NewRat(1, 1)
	switch {
	case t.Upper.Share == nil:
		report(t.upperKey(), "", "a share such as 99.9%")
	case t.Upper.Share.Sign() < 0 || t.upperCut().compare(cut{one, false}) > 0:
		report(t.upperKey(), t.Upper.Text, "a bound that full availability does not pay")
	}
	switch {
	case t.Lower == nil:
	case t.Lower.Share == nil:
		report(t.lowerKey(), "", "a share such as 99.0%")
	case t.Upper.Share != nil && t.lowerCut().compare(t.upperCut()) >= 0:
		report(t.lowerKey(), t.Lower.Text, "a bound under "+t.Upper.Text+"; no availability is in this row")
	}
	p := &problems{list: ps}
	p.pays(t.Percent, t.Days, path, v)
	return p.list
}

func (t Tier) payKey() string {
	if t.Percent == nil {
		return "days"
	}
	return "percent"
}

// upperKey and lowerKey are the words of the file for a bound.
func (t Tier) upperKey() string {
	if t.Upper.Inclusive {
		return "at_most"
	}
	return "below"
}

func (t Tier) lowerKey() string {
	if t.Lower.Inclusive {
		return "at_least"
	}
	return "above"
}
