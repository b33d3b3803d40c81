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
	a.Figure = c.fractions(a)
	a.Availability = a.Figure.bounds()
	limit := c.terms.Insufficient
	if limit == nil {
		limit = defaultInsufficient
	}
	a.Insufficient = share(a.Unknown, 1).Cmp(new(big.Rat).Mul(limit, share(a.Eligible, 1))) > 0
}

// fractions are what the availability is divided out of: the account's own tracks, or the services' own figures.
func (c *computation) fractions(a *Account) Figure {
	if c.terms.Figure != FigureTogether && !c.single {
		return c.terms.Figure.together(c.parts())
	}
	return Figure{
		Certain:  fraction(a.Certain.Millis(), a.Denominator),
		Point:    fraction(a.Point.Millis(), a.Denominator-a.LeftOut),
		Possible: fraction(a.Possible.Millis(), a.Denominator),
		known:    fraction(a.Possible.Subtract(c.unknown).Millis(), a.Denominator),
	}
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

func share(part, whole int64) *big.Rat { return big.NewRat(part, whole) }

// experience sets the figure as experienced: around the clock, nothing excluded, no least length.
func (c *computation) experience(a *Account, raw Tracks) {
	certain, point, possible := raw.Certain.Clip(c.period), raw.Point.Clip(c.period), raw.Possible.Clip(c.period)
	undecided := raw.Unknown.Intersect(possible).Subtract(point)
	a.experienced = Figure{
		Certain:  fraction(certain.Millis(), c.period.Len()),
		Point:    fraction(point.Millis(), c.period.Len()-undecided.Millis()),
		Possible: fraction(possible.Millis(), c.period.Len()),
	}
	if len(a.Figure.Parts) > 0 {
		a.experienced = c.terms.Figure.experienced(a.Figure.Parts)
	}
	a.Experienced = a.experienced.bounds()
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
