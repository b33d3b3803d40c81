package ledger

import (
	"slices"
	"sort"

	"github.com/uptally/uptally"
)

// part is some of the results of a series' day: what they fold to, and with their text those that are not up and every side
// of a conflict, in order.
type part struct {
	day   uptally.Day
	sides []uptally.Result
}

func foldPart(of Series, day int32, rs []uptally.Result) part {
	return part{uptally.FoldDay(of.Check, of.Site, day, rs), sidesOf(rs)}
}

// sidesOf returns the results that are not up and every side of a conflict, each once, sorted. A conflict itself is no side.
func sidesOf(rs []uptally.Result) []uptally.Result {
	var sides []uptally.Result
	ascending := true
	for i, r := range rs {
		ascending = ascending && (i == 0 || rs[i-1].At < r.At)
		if r.Reason != uptally.OK && r.Reason != uptally.Conflict {
			sides = append(sides, r)
		}
	}
	if ascending {
		return sides
	}
	told := slices.DeleteFunc(slices.Clone(rs), func(r uptally.Result) bool { return r.Reason == uptally.Conflict })
	sides = append(sides, conflicts(told)...)
	slices.SortFunc(sides, uptally.Result.Compare)
	return slices.Compact(sides)
}

// extend adds a part of the same series and day. Nearly always it lies after p, and then p's arrays are appended to: of two
// parts that were extended only the newer may be extended again.
func (p part) extend(later part) part {
	if day, apart := p.day.Extend(later.day); apart {
		return part{day, append(p.sides, later.sides...)}
	}
	return p.join(later)
}

// join adds a part that may lie anywhere. Both may be shared. What is not up is judged with its text, which the days lack.
func (p part) join(o part) part {
	var rs []uptally.Result
	for _, q := range []part{p, o} {
		for r := range q.day.Results() {
			if r.Reason == uptally.OK || r.Reason == uptally.Conflict {
				rs = append(rs, r)
			}
		}
		rs = append(rs, q.sides...)
	}
	of := Series{p.day.Check, p.day.Site}
	return foldPart(of, p.day.Day, rs)
}

// between returns the sides of scheduled instants from ≤ at < to.
func (p part) between(from, to int64) []uptally.Result {
	at := func(instant int64) int {
		return sort.Search(len(p.sides), func(i int) bool { return p.sides[i].At >= instant })
	}
	return p.sides[at(from):at(to)]
}

// apart reports whether no instant is in both days.
func apart(a, b uptally.Day) bool {
	if len(a.Runs) == 0 || len(b.Runs) == 0 || a.Runs[len(a.Runs)-1].End() < b.Runs[0].At || b.Runs[len(b.Runs)-1].End() < a.Runs[0].At {
		return true
	}
	x, y := instants{a.Runs, 0}, instants{b.Runs, 0}
	for len(x.runs) > 0 && len(y.runs) > 0 {
		switch at, other := x.at(), y.at(); {
		case at == other:
			return false
		case at < other:
			x.next()
		default:
			y.next()
		}
	}
	return true
}

// instants walks those of runs.
type instants struct {
	runs []uptally.Run
	i    int32
}

func (x *instants) at() int64 { return x.runs[0].At + int64(x.i)*int64(x.runs[0].Step) }

func (x *instants) next() {
	if x.i++; x.i == x.runs[0].N {
		x.runs, x.i = x.runs[1:], 0
	}
}
