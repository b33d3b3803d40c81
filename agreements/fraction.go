package agreements

import "math/big"

// Unit is what the two sides of a Fraction are counted in.
type Unit uint8

const (
	// Milliseconds of downtime over milliseconds of service time; with users or shares weighed, a millisecond that hit a
	// quarter of the users is a quarter of one.
	Milliseconds Unit = iota
	// Parts: the services' own unavailabilities, weighed, over the sum of their weights.
	Parts
	// Events: bad ones over all.
	Events
)

var unitNames = [...]string{Milliseconds: "ms", Parts: "parts", Events: "events"}

// String returns the word used in statements.
func (u Unit) String() string { return unitNames[u] }

// Fraction is what an availability is computed from: 1 − Lost/Of, exactly. Where Of is not above zero there is nothing to
// divide by and no figure.
type Fraction struct {
	Lost, Of *big.Rat
}

func fraction(lost, of int64) Fraction {
	return Fraction{big.NewRat(lost, 1), big.NewRat(of, 1)}
}

// Availability is 1 − Lost/Of, or nil without anything to divide by.
func (f Fraction) Availability() *big.Rat {
	if f.Of == nil || f.Of.Sign() <= 0 {
		return nil
	}
	r := new(big.Rat).Quo(f.Lost, f.Of)
	return r.Sub(big.NewRat(1, 1), r)
}

// Figure is where an account's availability comes from: a fraction for each track, in one unit.
type Figure struct {
	Unit                     Unit
	Certain, Point, Possible Fraction
	// Parts are the services' own accounts where the version makes one figure out of theirs; nil otherwise. They have no
	// credit.
	Parts []Part
	// known is the possible track's without what is unknown.
	known Fraction
}

// Part is one service's own account inside a figure made of several.
type Part struct {
	Account
	// Weight is the service's share in a weighted figure, a positive number; nil where services are not weighed.
	Weight *big.Rat
}

// extreme is the fraction of a bound: f, or where each outage is rounded by itself, the one of the three tracks that
// lost the least (side −1) or the most (1).
func (p *Part) extreme(f Fraction, side int) Fraction {
	if !p.Extremes {
		return f
	}
	for _, o := range []Fraction{p.Figure.Certain, p.Figure.Point, p.Figure.Possible} {
		if a, b := f.Availability(), o.Availability(); a != nil && b != nil && a.Cmp(b) == side {
			f = o
		}
	}
	return f
}

// bounds are the availabilities of the three fractions.
func (f Figure) bounds() Bounds {
	return Bounds{Low: f.Possible.Availability(), Point: f.Point.Availability(), High: f.Certain.Availability()}
}

// FigureRule says how one figure is made out of the services' own.
type FigureRule uint8

const (
	// FigureTogether judges the services as one timeline, by DownWhen; the default.
	FigureTogether FigureRule = iota
	// FigureSum divides the sum of what was lost by the sum of what it is divided by.
	FigureSum
	// FigureMean is the plain mean of the services' availabilities.
	FigureMean
	// FigureWorst is the lowest of them.
	FigureWorst
	// FigureWeighted is their mean by weights.
	FigureWeighted
)

// Together makes one figure out of the parts. A service without service time, or in the point figure one of which nothing
// is known, has no figure of its own and is passed over. Each rule only grows with what a part lost, so that the bounds
// stay in order; where a part's bounds are the least and the greatest of its tracks, so are what they make.
func (r FigureRule) Together(parts []Part) Figure {
	f := Figure{Parts: parts}
	if len(parts) > 0 {
		f.Unit = parts[0].Figure.Unit
	}
	if r == FigureMean || r == FigureWeighted {
		f.Unit = Parts
	}
	f.Certain = r.one(parts, func(p *Part) Fraction { return p.extreme(p.Figure.Certain, -1) })
	f.Point = r.one(parts, func(p *Part) Fraction {
		// A fixed denominator can be shorter than the unknown time that leaves it; certain downtime is known all the same.
		if certain := p.Figure.Certain; p.Figure.Point.Availability() == nil && certain.Lost != nil && certain.Lost.Sign() > 0 {
			return certain
		}
		return p.Figure.Point
	})
	f.Possible = r.one(parts, func(p *Part) Fraction { return p.extreme(p.Figure.Possible, 1) })
	f.known = r.one(parts, func(p *Part) Fraction { return p.Figure.known })
	return f
}

// experienced makes one figure out of the parts as experienced.
func (r FigureRule) experienced(parts []Part) Figure {
	return Figure{
		Certain:  r.one(parts, func(p *Part) Fraction { return p.experienced.Certain }),
		Point:    r.one(parts, func(p *Part) Fraction { return p.experienced.Point }),
		Possible: r.one(parts, func(p *Part) Fraction { return p.experienced.Possible }),
	}
}

// one applies the rule to one track of each part.
func (r FigureRule) one(parts []Part, track func(*Part) Fraction) Fraction {
	sum := fraction(0, 0)
	for i := range parts {
		f := track(&parts[i])
		own := f.Availability()
		if own == nil {
			continue
		}
		switch r {
		case FigureWorst:
			if best := sum.Availability(); best == nil || own.Cmp(best) < 0 {
				sum = f
			}
			continue
		case FigureMean, FigureWeighted:
			weight := parts[i].Weight
			if weight == nil {
				weight = big.NewRat(1, 1)
			}
			lost := new(big.Rat).Sub(big.NewRat(1, 1), own)
			f = Fraction{lost.Mul(lost, weight), weight}
		}
		sum = Fraction{new(big.Rat).Add(sum.Lost, f.Lost), new(big.Rat).Add(sum.Of, f.Of)}
	}
	return sum
}
