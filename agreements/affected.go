package agreements

import (
	"fmt"
	"math/big"
	"slices"
)

// Weighing says by whom downtime is weighed, out of entries of the kind affected: an hour that hit a quarter of the users
// is a quarter of an hour. Entries that overlap add up, at most to everybody; downtime without an entry hit everybody.
// The zero value weighs nothing, and then affected entries move no figure.
type Weighing struct {
	// Users is how many there are; entries name a number of users or a share. 0 is none.
	Users int64
	// Affected weighs by shares alone.
	Affected bool
}

func (w Weighing) weighs() bool { return w.Users > 0 || w.Affected }

func (w Weighing) validate(p *problems, path string) {
	p.want(w.Users >= 0, path+"users", fmt.Sprint(w.Users), "a number of users above zero")
	p.want(w.Users == 0 || !w.Affected, path+"weigh_affected", "true", "one of users and weigh_affected")
}

// Weight is a stretch and the share of its downtime that counts.
type Weight struct {
	Interval
	Share *big.Rat
}

// weights are disjoint and in order of time; time beside them counts in full.
type weights []Weight

// of returns the weighed length of s in milliseconds.
func (ws weights) of(s Set) *big.Rat {
	sum := big.NewRat(s.Millis(), 1)
	one := big.NewRat(1, 1)
	i := 0
	for _, w := range ws {
		for i < len(s) && s[i].To <= w.From {
			i++
		}
		for k := i; k < len(s) && s[k].From < w.To; k++ {
			part := min(s[k].To, w.To) - max(s[k].From, w.From)
			off := new(big.Rat).Sub(one, w.Share)
			sum.Sub(sum, off.Mul(off, big.NewRat(part, 1)))
		}
	}
	return sum
}

// inside returns the weights as far as they lie in a stretch.
func (ws weights) inside(at Interval) []Weight {
	var in []Weight
	for _, w := range ws {
		w.From, w.To = max(w.From, at.From), min(w.To, at.To)
		if !w.Empty() {
			in = append(in, w)
		}
	}
	return in
}

// hit returns the share of the users whom an entry says were hit.
func (w Weighing) hit(r Recorded) (*big.Rat, error) {
	switch {
	case r.Share != "":
		s, err := ParseShare(r.Share)
		if err != nil {
			return nil, fmt.Errorf("weigh entry %d: %w", r.ID, err)
		}
		return s, nil
	case w.Users == 0:
		return nil, fmt.Errorf("weigh entry %d: got %d users and weigh_affected, want a share, or users in the version", r.ID, r.Users)
	}
	return big.NewRat(r.Users, w.Users), nil
}

// affected adds up what the entries about some of the services say.
func (w Weighing) affected(entries []Recorded, agreement string, services []string) (weights, error) {
	if !w.weighs() {
		return nil, nil
	}
	var hits weights
	var edges []int64
	for _, r := range entries {
		if r.Kind != KindAffected || !r.concerns(agreement, services) {
			continue
		}
		share, err := w.hit(r)
		if err != nil {
			return nil, err
		}
		hits = append(hits, Weight{r.interval(), share})
		edges = append(edges, r.From, r.To)
	}
	slices.Sort(edges)
	edges = slices.Compact(edges)
	var ws weights
	for i := range max(0, len(edges)-1) {
		at := Interval{edges[i], edges[i+1]}
		if sum, some := hits.sum(at); some {
			ws = append(ws, Weight{at, sum})
		}
	}
	return ws, nil
}

// sum adds the shares of the weights that cover at, to one at most, and reports whether there are any.
func (ws weights) sum(at Interval) (sum *big.Rat, some bool) {
	sum = new(big.Rat)
	for _, w := range ws {
		if w.From <= at.From && at.To <= w.To {
			sum.Add(sum, w.Share)
			some = true
		}
	}
	if one := big.NewRat(1, 1); sum.Cmp(one) > 0 {
		return one, some
	}
	return sum, some
}
