package agreements

import (
	"cmp"
	"slices"

	"github.com/uptally/uptally"
)

// The second evaluator: rules A1 to A7 read word by word, one millisecond after the other, over a tiny log. It is slow on
// purpose and shares no code with Measure but the types of the answer.

// shot is one result of a tiny log.
type shot struct {
	site     string
	at, late int64
	reason   uptally.Reason
}

// Cells of a site: '?' UNKNOWN, 'U' UP, 'E' EDGE, 'D' DOWN. Cells of the vote: '?' UNKNOWN, 'U' UP, 'P' POSSIBLE,
// 'C' CERTAIN. Cell t stands for [t, t+1); before lo and from hi on everything is as it is at lo and hi-1.
type naive struct {
	check  string
	plans  []uptally.Plan
	rules  Rules
	lo, hi int64
	sites  []naiveSite
	votes  map[int64]byte

	certain, point, possible, unknown map[int64]bool
	edges                             []Edge
}

type naiveSite struct {
	name     string
	at       []int64
	reason   []uptally.Reason
	episodes []naiveEpisode
}

// naiveEpisode holds the numbers of samples: of f, l and b; b is -1 where there is none.
type naiveEpisode struct{ f, l, b int }

// naiveTracks evaluates a log.
func naiveTracks(check string, plans []uptally.Plan, shots []shot, r Rules) Tracks {
	n := &naive{check: check, plans: plans, rules: r, lo: 1 << 40, hi: -1 << 40, votes: map[int64]byte{},
		certain: map[int64]bool{}, point: map[int64]bool{}, possible: map[int64]bool{}, unknown: map[int64]bool{}}
	for _, s := range shots {
		n.lo, n.hi = min(n.lo, s.at+s.late-50), max(n.hi, s.at+s.late+50)
	}
	if len(shots) == 0 {
		n.lo, n.hi = 0, 1
	}
	n.readSites(shots)
	for t := n.lo; t < n.hi; t++ {
		n.votes[t] = n.vote(t)
		n.unknown[t] = n.votes[t] == '?'
	}
	for t := n.lo; t < n.hi; t++ {
		if n.votes[t] != 'U' && (t == n.lo || n.votes[t-1] == 'U') {
			n.stretch(t)
		}
	}
	tr := Tracks{Certain: n.set(n.certain), Point: n.set(n.point), Possible: n.set(n.possible), Unknown: n.set(n.unknown), Edges: n.edges}
	tr.Blind, tr.OneSite = n.limits()
	return tr
}

// planAt returns the plan in force, or nil before the first.
func (n *naive) planAt(t int64) *uptally.Plan {
	var p *uptally.Plan
	for k := range n.plans {
		if q := &n.plans[k]; q.From <= t && (p == nil || q.From > p.From) {
			p = q
		}
	}
	return p
}

// readSites drops repeats, instants with different outcomes, voids, what is no sample and what the plan in force does not list.
func (n *naive) readSites(shots []shot) {
	sent := map[string]map[int64]uptally.Reason{}
	for _, s := range shots {
		t := s.at + s.late
		o := s.reason.Outcome()
		if o == uptally.Missed || o == uptally.Unknown || !slices.Contains(n.planAt(t).Sites, s.site) {
			continue
		}
		if sent[s.site] == nil {
			sent[s.site] = map[int64]uptally.Reason{}
		}
		if other, twice := sent[s.site][t]; twice && other.Outcome() != o {
			sent[s.site][t] = uptally.Local // void from here on, whatever else comes
		} else if !twice || s.reason < other {
			sent[s.site][t] = s.reason
		}
	}
	for name, samples := range sent {
		s := naiveSite{name: name}
		for t, reason := range samples {
			if reason.Outcome() != uptally.Void {
				s.at = append(s.at, t)
			}
		}
		if len(s.at) == 0 {
			continue
		}
		slices.Sort(s.at)
		for _, t := range s.at {
			s.reason = append(s.reason, samples[t])
		}
		n.findEpisodes(&s)
		n.sites = append(n.sites, s)
	}
	slices.SortFunc(n.sites, func(a, b naiveSite) int { return cmp.Compare(a.name, b.name) })
}

func (s *naiveSite) ok(k int) bool { return s.reason[k] == uptally.OK }

// cutBetween says whether samples k and k+1 do not belong together; the ends of the samples cut too.
func (n *naive) cutBetween(s *naiveSite, k int) bool {
	return k < 0 || k+1 >= len(s.at) || s.at[k+1]-s.at[k] > n.planAt(s.at[k]).Gap
}

// run returns the first and the last number of the run that sample k is in.
func (n *naive) run(s *naiveSite, k int) (i, j int) {
	for i = k; !n.cutBetween(s, i-1) && s.ok(i-1) == s.ok(k); i-- {
	}
	for j = k; !n.cutBetween(s, j) && s.ok(j+1) == s.ok(k); j++ {
	}
	return i, j
}

// findEpisodes is A1.
func (n *naive) findEpisodes(s *naiveSite) {
	var e *naiveEpisode
	for k := range s.at {
		i, _ := n.run(s, k)
		count, p := k-i+1, n.planAt(s.at[k])
		switch {
		case e == nil && !s.ok(k) && count >= p.Confirm:
			e = &naiveEpisode{f: i, l: k, b: -1}
		case e != nil && !s.ok(k):
			e.l = k
		case e != nil && s.ok(k) && count >= p.Recover:
			e.b = i
			s.episodes = append(s.episodes, *e)
			e = nil
		}
	}
	if e != nil {
		s.episodes = append(s.episodes, *e)
	}
}

// cutRun says whether sample k is in a run that is EDGE because it was cut.
func (n *naive) cutRun(s *naiveSite, k int) bool {
	i, j := n.run(s, k)
	if !n.cutBetween(s, i-1) && !n.cutBetween(s, j) {
		return false
	}
	inside := false
	for _, e := range s.episodes {
		inside = inside || e.f <= i && j <= e.l
	}
	return s.ok(k) == inside // failures outside any episode, successes inside one
}

// siteAt is A2.
func (n *naive) siteAt(s *naiveSite, t int64) byte {
	k := -1
	for k+1 < len(s.at) && s.at[k+1] <= t {
		k++
	}
	switch {
	case n.cutBetween(s, k):
		return '?'
	case n.cutRun(s, k) || n.cutRun(s, k+1):
		return 'E'
	}
	for _, e := range s.episodes {
		switch {
		case s.at[e.f] <= t && t < s.at[e.l]:
			return 'D'
		case k+1 == e.f: // between a and f
			return 'E'
		case k >= e.l && (e.b < 0 || k < e.b): // between l and b
			return 'E'
		}
	}
	return 'U'
}

// vote is A3.
func (n *naive) vote(t int64) byte {
	p := n.planAt(t)
	if p == nil {
		return '?'
	}
	known, down, edge := 0, 0, 0
	for k := range n.sites {
		if !slices.Contains(p.Sites, n.sites[k].name) {
			continue
		}
		switch n.siteAt(&n.sites[k], t) {
		case 'U':
			known++
		case 'E':
			known, edge = known+1, edge+1
		case 'D':
			known, down = known+1, down+1
		}
	}
	switch {
	case known == 0:
		return '?'
	case down >= p.Quorum:
		return 'C'
	case down+edge >= p.Quorum:
		return 'P'
	case known < p.Quorum && down+edge == known:
		return '?'
	}
	return 'U'
}

// stretch is A4, A6 and A7 for the stretch without UP that begins at from.
func (n *naive) stretch(from int64) {
	to, s1, x0 := from, n.hi, n.lo
	for ; to < n.hi && n.votes[to] != 'U'; to++ {
		if n.votes[to] == 'C' {
			s1, x0 = min(s1, to), max(x0, to+1)
		}
	}
	e := n.rules.ClockError
	if s1 == n.hi {
		n.fill(n.possible, from, to, e)
		return
	}
	s0, x1 := s1, x0
	for n.votes[s0-1] == 'P' {
		s0--
	}
	for n.votes[x1] == 'P' {
		x1++
	}
	firstC, lastC := s1, x0
	adjoinsBefore, adjoinsAfter := s0 != from, x1 != to
	a, f, l, b, members, reasons := n.common(s0, s1, x0, x1)
	if a != f {
		s0, s1 = a, f
	}
	if l != b {
		x0, x1 = l, b
	}
	for t := s1 + e; t < x0-e; t++ {
		n.certain[t] = n.certain[t] || n.settled(t, firstC, lastC, e)
	}
	for t := floorHalf(s0 + s1); t < floorHalf(x0+x1); t++ {
		n.point[t] = !n.longHole(t, firstC, lastC)
	}
	if !adjoinsBefore {
		from = s0
	}
	if !adjoinsAfter {
		to = x1
	}
	n.fill(n.possible, from, to, e)
	n.edges = append(n.edges, Edge{Check: n.check, Start: Interval{s0 - e, s1 + e}, End: Interval{x0 - e, x1 + e}, Sites: members, Reasons: reasons})
}

// fill sets [from - e, to + e).
func (n *naive) fill(cells map[int64]bool, from, to, e int64) {
	for t := max(n.lo, from-e); t < min(n.hi, to+e); t++ {
		cells[t] = true
	}
}

// settled says that no UNKNOWN or POSSIBLE cell between the first and the last CERTAIN lies within e of t.
func (n *naive) settled(t, firstC, lastC, e int64) bool {
	for u := max(t-e, firstC); u <= min(t+e, lastC-1); u++ {
		if n.votes[u] != 'C' {
			return false
		}
	}
	return true
}

// longHole says that t is in a hole longer than bridge.
func (n *naive) longHole(t, firstC, lastC int64) bool {
	if t < firstC || t >= lastC || n.votes[t] != '?' {
		return false
	}
	i, j := t, t
	for n.votes[i-1] == '?' {
		i--
	}
	for n.votes[j] == '?' {
		j++
	}
	return j-i > n.rules.Bridge
}

// common is A5: [a*, f*] and [l*, b*], each empty where the bracket of the vote stays, and the members.
func (n *naive) common(s0, s1, x0, x1 int64) (a, f, l, b int64, members []string, reasons []uptally.Reason) {
	var as, fs, ls, bs []int64
	lacking := false
	for k := range n.sites {
		s := &n.sites[k]
		var es []naiveEpisode
		for _, e := range s.episodes {
			if s.at[e.f] <= x0 && s.at[e.l] >= s1 {
				es = append(es, e)
			}
		}
		if len(es) == 0 {
			continue
		}
		members = append(members, s.name)
		first, last := es[0], es[len(es)-1]
		fs, ls = append(fs, s.at[first.f]), append(ls, s.at[last.l])
		if n.cutBetween(s, first.f-1) {
			lacking = lacking || s.at[first.f] <= s1
		} else {
			as = append(as, s.at[first.f-1])
		}
		if last.b >= 0 && s.at[last.b]-s.at[last.l] <= n.planAt(s.at[last.l]).Gap {
			bs = append(bs, s.at[last.b])
		}
		for _, e := range es {
			for k := e.f; k <= e.l; k++ {
				if !s.ok(k) && !slices.Contains(reasons, s.reason[k]) {
					reasons = append(reasons, s.reason[k])
				}
			}
		}
	}
	slices.SortFunc(reasons, func(x, y uptally.Reason) int { return cmp.Compare(x.String(), y.String()) })
	if !lacking && len(as) > 0 && slices.Max(as) < slices.Min(fs) && slices.Max(as) >= s0 {
		a, f = slices.Max(as), slices.Min(fs)
	}
	if len(bs) > 0 && slices.Max(ls) < slices.Min(bs) && slices.Min(bs) <= x1 {
		l, b = slices.Max(ls), slices.Min(bs)
	}
	return a, f, l, b, members, reasons
}

// set returns the cells as intervals; what holds at the first or last cell holds without end.
func (n *naive) set(cells map[int64]bool) Set {
	var s Set
	for t := n.lo; t < n.hi; t++ {
		if !cells[t] {
			continue
		}
		if k := len(s); k > 0 && s[k-1].To == t {
			s[k-1].To = t + 1
		} else {
			s = append(s, Interval{t, t + 1})
		}
	}
	if len(s) > 0 && s[0].From == n.lo {
		s[0].From = Ever
	}
	if len(s) > 0 && s[len(s)-1].To == n.hi {
		s[len(s)-1].To = Forever
	}
	return s
}

// limits returns the widest D_blind while samples were taken.
func (n *naive) limits() (widest int64, one bool) {
	var in []*uptally.Plan
	for k := range n.plans {
		if len(n.sites) == 0 {
			in = append(in, &n.plans[k])
		}
	}
	first, last := n.hi, n.lo
	for _, s := range n.sites {
		first, last = min(first, s.at[0]), max(last, s.at[len(s.at)-1])
	}
	for t := first; t <= last; t++ {
		in = append(in, n.planAt(t))
	}
	for _, p := range in {
		widest = max(widest, naiveBlind(p))
		one = one || len(p.Sites) == 1
	}
	return widest, one
}

// naiveBlind looks for the shortest outage that no beginning hides. Without focus it lays the slots of all sites on a line
// and counts; with focus it waits for the slowest first slot, and then for the whole seconds.
func naiveBlind(p *uptally.Plan) int64 {
	every, n, q := p.Every, len(p.Sites), p.Quorum
	if every == 0 {
		every, n, q = p.Gap*10/25, 1, 1
	}
	if p.Focus {
		each := every / int64(n)
		for each*int64(n) < every {
			each++
		}
		return each + 1000*(int64(p.Confirm)+1)
	}
	slots := (p.Confirm-1)*n + q // so many in a row are m of each of q sites
	whole := every * int64(slots)
	length := whole / int64(n)
	if length*int64(n) < whole {
		length++
	}
	return length
}

func floorHalf(v int64) int64 {
	if v < 0 {
		return -((1 - v) / 2)
	}
	return v / 2
}
