package agreements

import (
	"fmt"
	"math/big"
)

// Rounding is how a percentage is rounded before it is judged.
type Rounding uint8

const (
	RoundHalfUp Rounding = iota + 1
	RoundDown
	RoundHalfEven
)

// JudgeTerms rounds the percentage of an availability to so many places before it is compared with the target and the
// rows of the ladder. Without a rounding the exact fraction is compared.
type JudgeTerms struct {
	Places int
	Round  Rounding
}

// Of returns the figure that is judged: a multiple of 10^−Places per cent.
func (j JudgeTerms) Of(availability *big.Rat) *big.Rat {
	if j.Round == 0 || availability == nil {
		return availability
	}
	unit := power10(2 + j.Places)
	scaled := new(big.Rat).Mul(availability, new(big.Rat).SetInt(unit))
	n := new(big.Int).Div(scaled.Num(), scaled.Denom()) // toward −∞: the denominator is positive
	over := new(big.Rat).Sub(scaled, new(big.Rat).SetInt(n)).Cmp(big.NewRat(1, 2))
	if j.Round != RoundDown && (over > 0 || over == 0 && (j.Round == RoundHalfUp || n.Bit(0) == 1)) {
		n.Add(n, big.NewInt(1))
	}
	return new(big.Rat).SetFrac(n, unit)
}

// bounds judges all three figures.
func (j JudgeTerms) bounds(b Bounds) Bounds { return Bounds{j.Of(b.Low), j.Of(b.Point), j.Of(b.High)} }

// Least is the smallest availability that is judged to be at least p.
func (j JudgeTerms) Least(p *big.Rat) *big.Rat {
	if j.Round == 0 {
		return p
	}
	unit := new(big.Rat).SetInt(power10(2 + j.Places))
	scaled := new(big.Rat).Mul(p, unit)
	n := new(big.Int).Neg(new(big.Int).Div(new(big.Int).Neg(scaled.Num()), scaled.Denom())) // the next multiple above
	at := new(big.Rat).SetInt(n)
	if j.Round != RoundDown {
		at.Sub(at, big.NewRat(1, 2))
	}
	return at.Quo(at, unit)
}

func (j JudgeTerms) validate(p *problems, path string) {
	p.want(j.Places >= 0 && j.Places <= maxDecimals, path+"places", fmt.Sprint(j.Places), "0 to 6 decimals of the percentage")
	p.want(j.Round <= RoundHalfEven, path+"round", "", "half_up, down or half_even")
}
