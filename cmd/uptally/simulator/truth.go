package simulator

import (
	"math"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/agreements"
)

// truth is what really was: a function of seed, check, place and instant.
type truth struct {
	outages []agreements.Set // by check: the target answers nobody
	places  []weather
}

// weather is what befell a place.
type weather struct {
	cut      agreements.Set   // it reaches nothing outside, no reference either
	nameless agreements.Set   // its resolver answers nobody
	apart    []agreements.Set // by check: it does not reach this target, everything else it does
}

// answer is what a probe finds.
type answer struct {
	reason uptally.Reason
	took   int64 // milliseconds
}

// draw returns stretches of a Poisson process that are shortest to longest milliseconds long, on average one in mean milliseconds.
func (l *loop) draw(within agreements.Interval, mean, shortest, longest float64) agreements.Set {
	var all []agreements.Interval
	for at := float64(within.From) + l.rng.ExpFloat64()*mean; at < float64(within.To); at += l.rng.ExpFloat64() * mean {
		long := shortest * math.Pow(longest/shortest, l.rng.Float64())
		all = append(all, agreements.Interval{From: int64(at), To: int64(at + long)})
	}
	return agreements.NewSet(all...)
}

// fails says whether a probe of a check that is sent from a place at an instant gets no answer, not counting what is the
// place's own fault.
func (t *truth) fails(check, place int, at int64) bool {
	return t.outages[check].Contains(at) || t.places[place].apart[check].Contains(at)
}

// own says whether the place's own network is at fault for a check at an instant; the first check needs a name.
func (t *truth) own(check, place int, at int64) bool {
	return t.places[place].cut.Contains(at) || check == 0 && t.places[place].nameless.Contains(at)
}

// near says whether a set has an instant less than d away.
func near(s agreements.Set, at, d int64) bool {
	return len(s.Clip(agreements.Interval{From: at - d, To: at + d})) > 0
}

// failing is when at least quorum places could not reach a check's target for a reason that is not their own.
func (t *truth) failing(check, quorum int) agreements.Set {
	// by[k] is when at least k+1 of the places so far were apart.
	by := make([]agreements.Set, quorum)
	for _, p := range t.places {
		for k := quorum - 1; k > 0; k-- {
			by[k] = agreements.Union(by[k], by[k-1].Intersect(p.apart[check]))
		}
		by[0] = agreements.Union(by[0], p.apart[check])
	}
	return agreements.Union(t.outages[check], by[quorum-1])
}
