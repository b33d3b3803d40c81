package agreements

import (
	"cmp"
	"slices"
	"strings"

	"github.com/uptally/uptally"
)

// outages lists what the point track held before any rule, joined as the version joins, and says of each what counts and
// what became of the rest. The counted parts add up to the point downtime.
func (c *computation) outages(a *Account, raw Tracks) []Outage {
	var list []Outage
	edges := slices.Clone(raw.Edges)
	slices.SortStableFunc(edges, func(x, y Edge) int { return cmp.Compare(x.Start.From, y.Start.From) })
	for _, at := range c.terms.Outage.join(raw.Point) {
		if at.To <= c.period.From || at.From >= c.period.To {
			continue
		}
		counted := a.Point.Clip(at).Subtract(c.asDown)
		o := Outage{At: at, Counted: counted.Millis(), Why: c.outageWhy(at, counted, raw.Point), Causes: c.causes(at)}
		for len(edges) > 0 && edges[0].End.To <= at.From {
			edges = edges[1:]
		}
		o.Edge, o.Parts = edgeOf(at, edges)
		list = append(list, o)
	}
	for _, at := range c.asDown {
		o := Outage{At: at, Counted: at.Len(), Why: "nothing is known; the agreement counts unknown as down", Causes: c.causes(at)}
		o.Edge, _ = edgeOf(at, nil)
		list = append(list, o)
	}
	slices.SortStableFunc(list, func(x, y Outage) int { return cmp.Compare(x.At.From, y.At.From) })
	return list
}

// edgeOf unites the outages of single checks that touch at. Their union began between the earliest bounds of their
// starts, and ended between the latest of their ends; an end that a long unknown hole made is exact. Edges are sorted by
// their starts.
func edgeOf(at Interval, edges []Edge) (Edge, []Edge) {
	e := Edge{Start: Interval{at.From, at.From}, End: Interval{at.To, at.To}}
	var parts []Edge
	for _, p := range edges {
		if p.Start.From >= at.To {
			break
		}
		if at.From < p.End.To {
			parts = append(parts, p)
		}
	}
	if len(parts) == 0 {
		return e, nil
	}
	start, end := parts[0].Start, parts[0].End
	e.Check = parts[0].Check
	for _, p := range parts {
		start = Interval{min(start.From, p.Start.From), min(start.To, p.Start.To)}
		end = Interval{max(end.From, p.End.From), max(end.To, p.End.To)}
		if p.Check != e.Check {
			e.Check = ""
		}
		e.Sites, e.Reasons = append(e.Sites, p.Sites...), append(e.Reasons, p.Reasons...)
	}
	if start.From <= at.From && at.From <= start.To {
		e.Start = start
	}
	if end.From <= at.To && at.To <= end.To {
		e.End = end
	}
	slices.Sort(e.Sites)
	e.Sites = slices.Compact(e.Sites)
	slices.SortFunc(e.Reasons, func(x, y uptally.Reason) int { return strings.Compare(x.String(), y.String()) })
	e.Reasons = slices.Compact(e.Reasons)
	return e, parts
}

// outageWhy says in words where the outage's time went as far as it does not count, and what counts beyond it.
func (c *computation) outageWhy(at Interval, counted, raw Set) string {
	in := Set{at}.Clip(c.period)
	var why []string
	why = appendSpan(why, at.Len()-in.Millis(), "outside the period")
	why = appendSpan(why, in.Subtract(c.calendar).Millis(), "outside the window")
	for _, r := range c.excluded {
		why = appendSpan(why, r.set.Clip(at).Millis(), r.rule)
	}
	left := c.eligible.Clip(at).Subtract(counted)
	for _, e := range c.excused {
		if e.partial != nil {
			gone := left.Intersect(e.set)
			why = appendSpan(why, gone.Millis(), e.Rule+" of "+strings.Join(e.partial, ", "))
			left = left.Subtract(gone)
		}
	}
	for _, r := range []struct {
		set  Set
		what string
	}{{c.idle, c.terms.Outage.clockWords()}, {c.gaps, "of short recoveries that count as up"}, {c.free, "free at the start of the outage"}} {
		gone := left.Intersect(r.set)
		why = appendSpan(why, gone.Millis(), r.what)
		left = left.Subtract(gone)
	}
	why = appendSpan(why, left.Millis(), c.terms.Outage.tooShort())
	why = appendSpan(why, counted.Subtract(raw).Millis(), "of short recoveries count as down")
	return strings.Join(why, "; ")
}

// tooShort says why a piece was dropped.
func (o OutageTerms) tooShort() string {
	switch {
	case o.LongerThan && o.OfPart:
		return "in eligible time, not longer than " + o.Minimum.String()
	case o.OfPart:
		return "in eligible time, shorter than " + o.Minimum.String()
	case o.LongerThan:
		return "in an outage not longer than " + o.Minimum.String()
	}
	return "in an outage shorter than " + o.Minimum.String()
}

// causes are the words that people recorded about a stretch.
func (c *computation) causes(at Interval) []string {
	var words []string
	for _, r := range c.entries {
		if r.Kind == KindCause && r.concerns(c.agreement.Name, c.services) && r.From < at.To && at.From < r.To {
			words = append(words, r.label())
		}
	}
	return words
}
