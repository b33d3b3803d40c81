package agreements

import (
	"cmp"
	"math/big"
	"slices"
)

// credit is rule A10: the row and the money of each track, compared exactly and rounded once.
func (c *computation) credit(a *Account) Credit {
	v := c.terms
	fee := v.feeOf(a.Service)
	certain, point, possible := v.row(a.Judged.High), v.row(a.Judged.Point), v.row(a.Judged.Low)
	rows := []CreditRow{v.pay(certain, fee), v.pay(point, fee), v.pay(possible, fee)}
	k := Credit{Point: rows[1]}
	// Where the rows leave a hole, less downtime can pay more, so the least and the greatest of the three are the bounds.
	slices.SortStableFunc(rows, func(x, y CreditRow) int { return cmp.Or(x.Exact.Cmp(y.Exact), x.Percent.Cmp(y.Percent)) })
	k.Proven, k.Max = rows[0], rows[2]
	k.Determined = k.Proven.Percent.Cmp(k.Max.Percent) == 0 || k.Proven.Capped && k.Max.Capped
	if !k.Determined {
		k.OnlyUnknown = v.row(v.Judge.Of(a.Figure.known.Availability())) == certain
		k.Steps = v.steps(a)
	}
	switch v.Charge {
	case ChargePoint:
		k.Charged = k.Point
	case ChargeMax:
		k.Charged = k.Max
	default:
		k.Charged = k.Proven
	}
	return k
}

// feeOf is the fee base of an account in minor units.
func (v *Version) feeOf(service string) int64 {
	if fee, ok := v.FeeFor[service]; ok && v.Each {
		return fee
	}
	return v.Fee
}

// pay turns a row into money: the share of the fee, then the cap, then one rounding, half up, to the minor unit.
func (v *Version) pay(row int, fee int64) CreditRow {
	if row == noRow {
		return CreditRow{Percent: new(big.Rat), Exact: new(big.Rat)}
	}
	t := v.Ladder[row]
	r := CreditRow{Tier: t.Words(), Percent: t.Percent}
	paid := t.Percent
	if limit := v.creditCap(); paid.Cmp(limit) > 0 {
		paid, r.Capped = limit, true
	}
	r.Exact = new(big.Rat).Mul(paid, share(fee, 1))
	r.Minor = roundHalfUp(r.Exact)
	return r
}

func (v *Version) creditCap() *big.Rat {
	if v.Cap == nil {
		return big.NewRat(1, 1)
	}
	return v.Cap
}

// roundHalfUp returns the nearest integer, the greater of two.
func roundHalfUp(r *big.Rat) int64 { return floor(new(big.Rat).Add(r, big.NewRat(1, 2))) }

// floor rounds toward −∞.
func floor(r *big.Rat) int64 { return new(big.Int).Div(r.Num(), r.Denom()).Int64() }

// steps returns the rows that the possible downtime reaches and the certain does not, best first, with the room that
// each track has.
func (v *Version) steps(a *Account) []TierStep {
	if a.Figure.Unit != Milliseconds {
		return nil // no room in seconds
	}
	high, low := cut{a.Judged.High, false}, cut{a.Judged.Low, false}
	var steps []TierStep
	for _, i := range v.order() {
		t := v.Ladder[i]
		upper := t.upperCut()
		if high.compare(upper) < 0 || low.compare(upper) >= 0 {
			continue
		}
		f, limit := a.Figure, v.Judge.Least(t.Upper.Share)
		steps = append(steps, TierStep{
			Tier: t.Words(), Allowed: floor(allowance(limit, f.Certain.Of)),
			Certain: f.Certain.room(limit), Point: f.Point.room(limit), Possible: f.Possible.room(limit),
		})
	}
	return steps
}

// allowance is the downtime that a share of a denominator allows.
func allowance(p, denominator *big.Rat) *big.Rat {
	r := new(big.Rat).Sub(big.NewRat(1, 1), p)
	return r.Mul(r, denominator)
}

// room is what is left of the allowance of a share, rounded toward −∞.
func (f Fraction) room(p *big.Rat) int64 {
	r := allowance(p, f.Of)
	return floor(r.Sub(r, f.Lost))
}
