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
	a.Denominator = c.denominator(a.Eligible)
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
		c.leftOut = undecided
	}
	a.Extremes, a.Scale = c.terms.Length.Rounds(), c.use.scale
	a.Figure = c.fractions(a)
	a.Availability = a.Figure.bounds()
	if a.Extremes {
		a.Availability = a.Availability.ordered()
	}
	a.Judged = c.terms.Judge.bounds(a.Availability)
	limit := c.terms.Insufficient
	if limit == nil {
		limit = defaultInsufficient
	}
	a.Insufficient = share(a.Unknown, 1).Cmp(new(big.Rat).Mul(limit, share(a.Eligible, 1))) > 0
}

// fractions are what the availability is divided out of: the account's own tracks, or the services' own figures.
func (c *computation) fractions(a *Account) Figure {
	if c.terms.Figure != FigureTogether && !c.single {
		return c.terms.Figure.Together(c.parts())
	}
	switch {
	case c.terms.IsReading():
		return c.readingFigure(a)
	case c.terms.Events:
		return c.eventFigure(a)
	case c.weights != nil:
		return c.weighedFigure(a)
	}
	var back AddedBack
	if a.AddedBack != nil {
		back = *a.AddedBack
	}
	return Figure{
		Certain:  c.lost(a.Certain, a.Denominator).less(a.AddedBack, back.Certain),
		Point:    c.lost(a.Point, a.Denominator-a.LeftOut).less(a.AddedBack, back.Point),
		Possible: c.lost(a.Possible, a.Denominator).less(a.AddedBack, back.Possible),
		known:    c.lost(a.Possible.Subtract(c.unknown), a.Denominator).less(a.AddedBack, back.Possible),
	}
}

// lost is what the length unit makes of a track's downtime, over what it is divided by, which it does not exceed.
func (c *computation) lost(down Set, of int64) Fraction {
	of = max(0, of)
	return fraction(min(c.terms.Length.Of(down, c.agreement.Zone), of), of)
}

// denominator is what the agreement divides by, in milliseconds.
func (c *computation) denominator(eligible int64) int64 {
	if c.terms.Denominator > 0 && eligible > 0 {
		return int64(c.terms.Denominator)
	}
	return eligible + c.kept() + c.use.kept.Millis()
}

// kept is the excluded time that the denominator keeps.
func (c *computation) kept() int64 {
	var n int64
	for _, r := range c.excluded {
		if r.cause && c.terms.Exclusions.Keep || !r.cause && !r.use && c.terms.Maintenance.Keep {
			n += r.set.Millis()
		}
	}
	return n
}

// ordered returns bounds whose low is the least and whose high the greatest of the three.
func (b Bounds) ordered() Bounds {
	o := b
	for _, r := range []*big.Rat{b.Low, b.Point, b.High} {
		if r != nil && r.Cmp(o.Low) < 0 {
			o.Low = r
		}
		if r != nil && r.Cmp(o.High) > 0 {
			o.High = r
		}
	}
	return o
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
	add(ClassOutside, "", rest.Subtract(c.calendar))
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
