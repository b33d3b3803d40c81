package agreements

import "github.com/uptally/uptally"

// verdict is what the sites say together at an instant (A3).
type verdict uint8

const (
	voteUnknown verdict = iota
	voteUp
	votePossible
	voteCertain
)

// piece is a stretch of one verdict; neighbouring pieces differ.
type piece struct {
	Interval
	verdict verdict
}

// vote returns A3 at every instant from Ever to Forever.
func vote(plans []uptally.Plan, lines []siteLine) []piece {
	b := ballot{plans: plans, lines: lines, plan: -1, next: make([]int, len(lines)), states: make([]siteState, len(lines))}
	pieces := make([]piece, 0, 8)
	for from := Ever; from < Forever; {
		v, to := b.count(), b.advance()
		if n := len(pieces); n > 0 && pieces[n-1].verdict == v {
			pieces[n-1].To = to
		} else {
			pieces = append(pieces, piece{Interval{from, to}, v})
		}
		from = to
	}
	return pieces
}

// ballot walks along the timelines of all sites at once.
type ballot struct {
	plans  []uptally.Plan
	lines  []siteLine
	plan   int         // the plan in force, -1 before the first
	next   []int       // by line: the next mark
	states []siteState // by line: the state now
}

// count applies A3 to the states now; the first rule that holds wins.
func (b *ballot) count() verdict {
	if b.plan < 0 {
		return voteUnknown
	}
	var of [siteDown + 1]int
	for i := range b.lines {
		if b.lines[i].listed[b.plan] {
			of[b.states[i]]++
		}
	}
	up, edge, down := of[siteUp], of[siteEdge], of[siteDown]
	known, quorum := up+edge+down, b.plans[b.plan].Quorum
	switch {
	case known == 0:
		return voteUnknown
	case down >= quorum:
		return voteCertain
	case down+edge >= quorum:
		return votePossible
	case known < quorum && up == 0:
		return voteUnknown // nobody left to confirm
	}
	return voteUp
}

// advance goes to the next instant at which a site's state or the plan changes, and returns it.
func (b *ballot) advance() int64 {
	to := inForceUntil(b.plans, b.plan)
	for i := range b.lines {
		if k := b.next[i]; k < len(b.lines[i].marks) {
			to = min(to, b.lines[i].marks[k].at)
		}
	}
	if to == inForceUntil(b.plans, b.plan) {
		b.plan++
	}
	for i := range b.lines {
		if k := b.next[i]; k < len(b.lines[i].marks) && b.lines[i].marks[k].at == to {
			b.states[i] = b.lines[i].marks[k].state
			b.next[i]++
		}
	}
	return to
}
