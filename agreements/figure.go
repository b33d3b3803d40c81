package agreements

import (
	"cmp"
	"math/big"
	"slices"
)

// defaultInsufficient is the share of unknown time above which a figure is marked where the version names none.
var defaultInsufficient = big.NewRat(5, 100)

// figure is rule A9: the spans, and the availability with its bounds.
func (c *computation) figure(a *Account) {
	a.Eligible = c.eligible.Millis()
	a.Denominator = a.Eligible + c.kept()
	a.Unknown = c.unknown.Millis()
	// Unknown time that no outage of the possible track reaches proves nothing and stays in the denominator; taken out,
	// the point could come to lie below the low bound.
	undecided := c.unknown.Intersect(a.Possible).Subtract(a.Point)
	switch c.terms.Unknown {
	case UnknownDown:
		a.Point = Union(a.Point, undecided)
		c.asDown = undecided
	case UnknownUp:
	default:
		a.LeftOut = undecided.Millis()
	}
	a.Availability = bounds(a.Certain, a.Point, a.Possible, a.Denominator, a.LeftOut)
	limit := c.terms.Insufficient
	if limit == nil {
		limit = defaultInsufficient
	}
	a.Insufficient = share(a.Unknown, 1).Cmp(new(big.Rat).Mul(limit, share(a.Eligible, 1))) > 0
}

// kept is the excluded time that the denominator keeps.
func (c *computation) kept() int64 {
	var n int64
	for _, r := range c.excluded {
		if r.cause && c.terms.Exclusions.Keep || !r.cause && c.terms.Maintenance.Keep {
			n += r.set.Millis()
		}
	}
	return n
}

// bounds returns the availability of three tracks over a denominator, of which the point figure leaves a part out.
func bounds(certain, point, possible Set, denominator, leftOut int64) Bounds {
	return Bounds{
		Low:   availability(possible.Millis(), denominator),
		Point: availability(point.Millis(), denominator-leftOut),
		High:  availability(certain.Millis(), denominator),
	}
}

// availability is 1 − down/denominator, or nil where there is nothing to divide by.
func availability(down, denominator int64) *big.Rat {
	if denominator <= 0 {
		return nil
	}
	return share(denominator-down, denominator)
}

func share(part, whole int64) *big.Rat { return big.NewRat(part, whole) }

// experience sets the figure as experienced: around the clock, nothing excluded, no least length.
func (c *computation) experience(a *Account, raw Tracks) {
	certain, point, possible := raw.Certain.Clip(c.period), raw.Point.Clip(c.period), raw.Possible.Clip(c.period)
	undecided := raw.Unknown.Intersect(possible).Subtract(point)
	a.Experienced = bounds(certain, point, possible, c.period.Len(), undecided.Millis())
	a.ExperiencedDown = point.Millis()
}

// classify puts every millisecond of the period in one class. What no earlier class takes is left to the next, in the
// order outside, excluded, down, unknown, up.
func (c *computation) classify(a *Account) {
	rest := NewSet(c.period)
	add := func(class Class, rule string, s Set) {
		s = s.Intersect(rest)
		rest = rest.Subtract(s)
		a.ByClass[class] += s.Millis()
		for _, i := range s {
			a.Pieces = append(a.Pieces, Piece{i, class, rule})
		}
	}
	add(ClassOutside, "", rest.Subtract(c.window))
	for _, r := range c.excluded {
		add(ClassExcluded, r.rule, r.set)
		a.Rules = append(a.Rules, RuleSum{r.rule, r.set.Millis()})
	}
	add(ClassDown, "unknown", c.asDown)
	add(ClassDown, "", a.Point)
	add(ClassUnknown, "", c.unknown)
	add(ClassUp, "", rest)
	slices.SortFunc(a.Pieces, func(p, q Piece) int { return cmp.Compare(p.From, q.From) })
}
