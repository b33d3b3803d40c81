package agreements

import (
	"cmp"
	"fmt"
	"slices"
	"sort"

	"github.com/uptally/uptally"
)

// Rules are the terms of an account that act on the measurement itself, in milliseconds, never negative.
type Rules struct {
	// Bridge: an unknown hole inside an outage, up to this long, is down in the point track (A7).
	Bridge int64
	// ClockError is the widest clock error of the sites (A6).
	ClockError int64
}

// Measure returns the downtime of one check before any contract rule: rules A1 to A7. It is a pure function of the set of
// samples and plans; their order, and how results are grouped into runs, never matter.
//
// The error names the check and says that a result has no plan, or which plan or run is not valid. Source: docs/measuring.md, "The rules".
func Measure(ev Evidence, r Rules) (Tracks, error) {
	t, err := measure(ev, r, false)
	if err != nil {
		return Tracks{}, fmt.Errorf("measure check %q: %w", ev.Check, err)
	}
	return t, nil
}

func measure(ev Evidence, r Rules, hold bool) (Tracks, error) {
	plans, err := datedPlans(ev.Plans)
	if err != nil {
		return Tracks{}, err
	}
	lines, err := judged(plans, gathered(ev.Sites), hold)
	if err != nil {
		return Tracks{}, err
	}
	b := builder{check: ev.Check, rules: r, lines: lines}
	t := b.tracks(vote(plans, lines))
	t.Blind, t.OneSite = limits(plans, lines)
	return t, nil
}

// gathered returns sites in order of name, each once.
func gathered(sites []SiteRuns) []SiteRuns {
	sites = slices.Clone(sites)
	slices.SortStableFunc(sites, func(a, b SiteRuns) int { return cmp.Compare(a.Site, b.Site) })
	once := sites[:0]
	for _, s := range sites {
		if n := len(once); n > 0 && once[n-1].Site == s.Site {
			once[n-1].Runs = slices.Concat(once[n-1].Runs, s.Runs)
			continue
		}
		once = append(once, s)
	}
	return once
}

// judged returns A1 and A2 for each site.
func judged(plans []uptally.Plan, sites []SiteRuns, hold bool) ([]siteLine, error) {
	lines := make([]siteLine, len(sites))
	listed := make([]bool, len(sites)*len(plans))
	var rows []row
	for i, s := range sites {
		l := &lines[i]
		l.site, l.listed = s.Site, listed[i*len(plans):(i+1)*len(plans)]
		for k, p := range plans {
			l.listed[k] = slices.Contains(p.Sites, s.Site)
		}
		var err error
		if rows, err = inSendOrder(slices.Grow(rows[:0], len(s.Runs)), s.Runs); err == nil {
			err = l.judge(rows, plans, hold)
		}
		if err != nil {
			return nil, fmt.Errorf("site %q: %w", s.Site, err)
		}
	}
	return lines, nil
}

// limits returns the widest D_blind of the plans in force while samples were taken, or of all plans where there are no
// samples, and whether one of them lists a single site.
func limits(plans []uptally.Plan, lines []siteLine) (widest int64, one bool) {
	first, last := Forever, Ever
	for _, l := range lines {
		first, last = min(first, l.first), max(last, l.last)
	}
	if first > last {
		first, last = Ever, Forever
	}
	for k, p := range plans {
		if p.From <= last && inForceUntil(plans, k) > first {
			widest = max(widest, blind(p))
			one = one || len(p.Sites) == 1
		}
	}
	return widest, one
}

// AllUp combines the checks of a service that is up when all of them are: the union, track by track. Unknown is the union
// of theirs less what is certainly down. Source: docs/measuring.md, A7.
func AllUp(ts ...Tracks) Tracks {
	var certain, point, possible, unknown []Set
	var all Tracks
	for _, t := range ts {
		certain, point = append(certain, t.Certain), append(point, t.Point)
		possible, unknown = append(possible, t.Possible), append(unknown, t.Unknown)
		all.Edges = append(all.Edges, t.Edges...)
		all.Blind = max(all.Blind, t.Blind)
		all.OneSite = all.OneSite || t.OneSite
	}
	all.Certain, all.Point, all.Possible = Union(certain...), Union(point...), Union(possible...)
	all.Unknown = Union(unknown...).Subtract(all.Certain)
	slices.SortStableFunc(all.Edges, func(a, b Edge) int {
		return cmp.Or(cmp.Compare(a.Start.From, b.Start.From), cmp.Compare(a.End.To, b.End.To), cmp.Compare(a.Check, b.Check))
	})
	return all
}

// builder turns the pieces of a vote into tracks.
type builder struct {
	check string
	rules Rules
	lines []siteLine // nil for an agreed timeline: no common cause, exact edges

	certain, point, possible, unknown []Interval
	edges                             []Edge
}

// tracks reads pieces that cover all time and builds each stretch without UP.
func (b *builder) tracks(pieces []piece) Tracks {
	for from := 0; from < len(pieces); {
		if pieces[from].verdict == voteUp {
			from++
			continue
		}
		to := from + 1
		for to < len(pieces) && pieces[to].verdict != voteUp {
			to++
		}
		b.stretch(pieces[from:to])
		from = to
	}
	return Tracks{Certain: NewSet(b.certain...), Point: NewSet(b.point...), Possible: NewSet(b.possible...), Unknown: NewSet(b.unknown...), Edges: b.edges}
}

// stretch adds a maximal stretch without UP: an outage where it has a CERTAIN part (A4), else possible downtime (A7).
func (b *builder) stretch(pieces []piece) {
	whole := Interval{pieces[0].From, pieces[len(pieces)-1].To}
	first, last := -1, -1
	for i, p := range pieces {
		switch p.verdict {
		case voteUnknown:
			b.unknown = append(b.unknown, p.Interval)
		case voteCertain:
			if first < 0 {
				first = i
			}
			last = i
		}
	}
	if first < 0 {
		b.possible = append(b.possible, b.widened(whole))
		return
	}
	voted := brackets(pieces, first, last)
	o, members := b.commonCause(voted)
	b.addCertain(o, pieces[first:last])
	b.addPoint(o, pieces[first:last])
	b.addPossible(whole, voted, o)
	b.edges = append(b.edges, b.edge(o, members))
}

// outage is A4's: the start lies in start, the end in end, both ends of the brackets included.
type outage struct{ start, end Interval }

// brackets returns what the vote says of an outage (A4): an edge lies in the POSSIBLE piece directly beside the CERTAIN one,
// or is exact where there is none.
func brackets(pieces []piece, first, last int) outage {
	s, x := pieces[first].From, pieces[last].To
	o := outage{Interval{s, s}, Interval{x, x}}
	if first > 0 && pieces[first-1].verdict == votePossible {
		o.start.From = pieces[first-1].From
	}
	if last+1 < len(pieces) && pieces[last+1].verdict == votePossible {
		o.end.To = pieces[last+1].To
	}
	return o
}

// member is a site that took part in an outage: the episode that serves the start and the one that serves the end, and
// the reasons of all of them.
type member struct {
	site        string
	first, last *episode
	reasons     reasonSet
}

// members returns the sites with episodes such that f ≤ x₀ and l ≥ s₁ (A5).
func (b *builder) members(o outage) []member {
	ms := make([]member, 0, len(b.lines))
	for i := range b.lines {
		es := b.lines[i].episodes
		from := sort.Search(len(es), func(k int) bool { return es[k].last >= o.start.To })
		to := sort.Search(len(es), func(k int) bool { return es[k].first > o.end.From })
		if from >= to {
			continue
		}
		m := member{site: b.lines[i].site, first: &es[from], last: &es[to-1]}
		for _, e := range es[from:to] {
			m.reasons.unite(e.reasons)
		}
		ms = append(ms, m)
	}
	return ms
}

// commonCause narrows the brackets of the vote (A5): when all members fail together, any member's success proves the
// service up. Otherwise the vote bracket stays.
func (b *builder) commonCause(voted outage) (outage, []member) {
	o, ms := voted, b.members(voted)
	if start, ok := commonStart(voted, ms); ok {
		o.start = start
	}
	if end, ok := commonEnd(voted, ms); ok {
		o.end = end
	}
	return o, ms
}

// commonStart returns [a*, f*]: the latest success before, the first failure.
func commonStart(voted outage, ms []member) (Interval, bool) {
	a, f := Ever, Forever
	for _, m := range ms {
		e := m.first
		f = min(f, e.first)
		if e.hasBefore {
			a = max(a, e.before)
		} else if e.first <= voted.start.To {
			return Interval{}, false // it may have failed long before
		}
	}
	return Interval{a, f}, a > Ever && a < f && a >= voted.start.From
}

// commonEnd returns [l*, b*]: the last failure, the first success after.
func commonEnd(voted outage, ms []member) (Interval, bool) {
	l, b := Ever, Forever
	for _, m := range ms {
		e := m.last
		l = max(l, e.last)
		if e.hasAfter {
			b = min(b, e.after)
		}
	}
	return Interval{l, b}, b < Forever && l < b && b <= voted.end.To
}

// widened moves both ends outward by the clock error (A6); an end without end stays so.
func (b *builder) widened(i Interval) Interval {
	if i.From > Ever {
		i.From -= b.rules.ClockError
	}
	if i.To < Forever {
		i.To += b.rules.ClockError
	}
	return i
}

// addCertain adds [s₁ + e, x₀ − e] less the UNKNOWN and POSSIBLE pieces inside, each widened by e (A7).
func (b *builder) addCertain(o outage, inside []piece) {
	from, to := o.start.To+b.rules.ClockError, o.end.From-b.rules.ClockError
	for _, p := range inside {
		if p.verdict == voteCertain {
			continue
		}
		cut := b.widened(p.Interval)
		if from < cut.From {
			b.certain = append(b.certain, Interval{from, cut.From})
		}
		from = cut.To
	}
	if from < to {
		b.certain = append(b.certain, Interval{from, to})
	}
}

// addPoint adds the outage from midpoint to midpoint, rounded toward −∞, less the holes longer than bridge (A7). The clock
// error moves no midpoint.
func (b *builder) addPoint(o outage, inside []piece) {
	from, to := (o.start.From+o.start.To)>>1, (o.end.From+o.end.To)>>1
	for _, p := range inside {
		if p.verdict == voteUnknown && p.Len() > b.rules.Bridge {
			b.point = append(b.point, Interval{from, p.From})
			from = p.To
		}
	}
	b.point = append(b.point, Interval{from, to})
}

// addPossible adds the whole stretch (A7). Where it ended at the bracket of the vote, no UNKNOWN adjoins, and its end is
// that of the narrowed bracket.
func (b *builder) addPossible(whole Interval, voted, o outage) {
	if whole.From == voted.start.From {
		whole.From = o.start.From
	}
	if whole.To == voted.end.To {
		whole.To = o.end.To
	}
	b.possible = append(b.possible, b.widened(whole))
}

// edge returns o for people, each bracket wider by the clock error.
func (b *builder) edge(o outage, ms []member) Edge {
	e := Edge{Check: b.check, Start: b.widened(o.start), End: b.widened(o.end), Sites: slices.Grow([]string(nil), len(ms))}
	var reasons reasonSet
	for _, m := range ms {
		e.Sites = append(e.Sites, m.site)
		reasons.unite(m.reasons)
	}
	e.Reasons = reasons.sorted()
	return e
}
