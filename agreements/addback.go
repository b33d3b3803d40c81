package agreements

import "math/big"

// AddBackTerm is the share of excluded time that a formula (A − B + C) ÷ A adds to what it divides, where A is the whole
// window, B the time not available and C the time added back.
type AddBackTerm uint8

const (
	// AddBackDown adds back the excluded part of the downtime. The figure is that of Keep.
	AddBackDown AddBackTerm = iota + 1
	// AddBackAll adds back all excluded time, also that in which the service was up; the figure is cut off at 100 %.
	AddBackAll
)

// AddedBack are the parts of (A − B + C) ÷ A, in milliseconds, where all excluded time is added back.
type AddedBack struct {
	// Excluded is C.
	Excluded int64
	// Certain, Point and Possible are the excluded downtime of each track: B less what counts as down.
	Certain, Point, Possible int64
}

// Uncut is (A − B + C) ÷ A of the point track before it is cut off at 100 %, where it counts down of of.
func (b AddedBack) Uncut(down, of int64) *big.Rat {
	return big.NewRat(of-down-b.Point+b.Excluded, of)
}

// addBack finds what the agreement adds back; outages are the tracks without excluded causes, before any cut.
func (c *computation) addBack(outages Tracks) *AddedBack {
	var causes, planned Set
	for _, r := range c.excluded {
		switch {
		case r.use:
		case r.cause && c.terms.Exclusions.AddBack == AddBackAll:
			causes = Union(causes, r.set)
		case !r.cause && c.terms.Maintenance.AddBack == AddBackAll:
			planned = Union(planned, r.set)
		}
	}
	if c.terms.Exclusions.AddBack != AddBackAll && c.terms.Maintenance.AddBack != AddBackAll {
		return nil
	}
	raw := c.combine(c.tracks)
	down := func(track, raw Set) int64 {
		return c.terms.Outage.apply(track.Subtract(c.idle), c.window).Intersect(planned).Millis() + raw.Intersect(causes).Millis()
	}
	return &AddedBack{
		Excluded: planned.Millis() + causes.Millis(),
		Certain:  down(outages.Certain, raw.Certain), Point: down(outages.Point, raw.Point), Possible: down(outages.Possible, raw.Possible),
	}
}

// less takes what was added back beyond the excluded downtime from a track's loss, which does not fall below nothing.
func (f Fraction) less(b *AddedBack, excludedDown int64) Fraction {
	if b == nil {
		return f
	}
	f.Lost = new(big.Rat).Sub(f.Lost, big.NewRat(b.Excluded-excludedDown, 1))
	if f.Lost.Sign() < 0 {
		f.Lost.SetInt64(0)
	}
	return f
}

// validate wants downtime that can be added up with time: not weighed, not counted in requests.
func (t AddBackTerm) validate(p *problems, path string, v *Version) {
	p.want(t <= AddBackAll, path+"denominator", "", "subtract, keep, add_back or add_back_all")
	p.want(t != AddBackAll || !v.Events && v.ErrorMean == nil && !v.weighs(), path+"denominator", "add_back_all", "subtract, keep or add_back, since downtime is not measured in plain time")
}
