package agreements

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strconv"
)

// DownWhen says how many of a version's services must be down at an instant for the services together to be down. The
// zero value is any of them.
type DownWhen struct {
	// All of them, or at least AtLeast, or at least this Share of them; at most one of the three is set.
	All     bool
	AtLeast int
	Share   *big.Rat
}

// Any reports whether one service that is down is enough.
func (d DownWhen) Any() bool { return !d.All && d.AtLeast <= 1 && d.Share == nil }

// Of returns the number of services, out of n, that must be down: from 1 to n. A share is rounded up, so that 51 % of
// three are two.
func (d DownWhen) Of(n int) int {
	k := max(1, d.AtLeast)
	switch {
	case d.All:
		k = n
	case d.Share != nil:
		least := new(big.Rat).Mul(d.Share, big.NewRat(int64(n), 1))
		k = max(1, int(-floor(least.Neg(least))))
	}
	return min(k, max(1, n))
}

// DownOf combines services that are down together when at least k of them are, 1 ≤ k ≤ len(ts): each track where k of
// that track are. AllUp is the case of k = 1.
//
// A service that is unknown may be down, so the possible track counts it. Whatever the services truly were, each
// between its certain and its possible track: an instant with k certain has k down, and one with k down has k possible;
// and since certain ⊆ point ⊆ possible for each service, the counts and so the tracks are nested too. Unknown is where
// some service is unknown, its being down would make k likely, and k are not certain.
func DownOf(k int, ts ...Tracks) Tracks {
	together := AllUp(ts...)
	if k <= 1 {
		return together
	}
	var certain, point, possible, doubted, unknown []Set
	for _, t := range ts {
		certain, point = append(certain, t.Certain), append(point, t.Point)
		possible = append(possible, Union(t.Possible, t.Unknown))
		doubted = append(doubted, Union(t.Point, t.Unknown))
		unknown = append(unknown, t.Unknown)
	}
	together.Certain, together.Point, together.Possible = atLeast(k, certain), atLeast(k, point), atLeast(k, possible)
	together.Unknown = atLeast(k, doubted).Intersect(Union(unknown...)).Subtract(together.Certain)
	return together
}

// atLeast returns the instants that lie in k or more of the sets.
func atLeast(k int, sets []Set) Set {
	type end struct {
		at   int64
		step int
	}
	var ends []end
	for _, s := range sets {
		for _, i := range s {
			ends = append(ends, end{i.From, 1}, end{i.To, -1})
		}
	}
	slices.SortFunc(ends, func(a, b end) int { return cmp.Compare(a.at, b.at) })
	var found []Interval
	n := 0
	for i, e := range ends {
		if n >= k {
			found = append(found, Interval{ends[i-1].at, e.at})
		}
		n += e.step
	}
	return NewSet(found...)
}

// combine makes one state out of the account's services.
func (c *computation) combine(ts []Tracks) Tracks {
	return DownOf(c.terms.DownWhen.Of(len(ts)), ts...)
}

// Combination says how several services make one account. The zero value is one timeline that is down when any is.
type Combination struct {
	DownWhen DownWhen
	Figure   FigureRule
	// Weights of the services in a weighted figure, each above zero and not nil; WeighByFee takes Version.FeeFor instead.
	Weights    map[string]*big.Rat
	WeighByFee bool
}

// parts are the accounts of the single services, without credit.
func (c *computation) parts() []Part {
	var parts []Part
	for i, s := range c.services {
		one := *c
		one.services, one.tracks, one.single = []string{s}, c.tracks[i:i+1], true
		one.excused, one.excluded, one.eligible, one.unknown, one.asDown = nil, nil, nil, nil, nil
		one.use = use{}
		if c.rates != nil {
			one.rates = c.rates[i : i+1]
		}
		if err := errors.Join(one.findUse(), one.weigh()); err != nil {
			panic("BUG: " + err.Error()) // of the account itself first
		}
		parts = append(parts, Part{Account: one.measured(), Weight: c.terms.Weight(s)})
	}
	return parts
}

// Weight is the service's weight in a weighted figure, else nil.
func (v *Version) Weight(service string) *big.Rat {
	switch {
	case v.Figure != FigureWeighted:
		return nil
	case v.WeighByFee:
		return big.NewRat(v.FeeFor[service], 1)
	}
	return v.Weights[service]
}

// validateCombination checks the words about several services; path ends with a point.
func (v *Version) validateCombination(p *problems, path string) {
	n := len(v.Services)
	d := v.DownWhen
	p.want(!v.Each || d.Any() && v.Figure == FigureTogether, path+"each", "service", "no such key beside down_when or figure, which make one account of all services")
	p.want(d.Any() || v.Figure == FigureTogether, path+"down_when", "", "no such key beside figure, which takes each service's own downtime")
	p.want(d.AtLeast >= 0 && d.AtLeast <= n, path+"down_when.at_least", strconv.Itoa(d.AtLeast), fmt.Sprintf("a number of services from 1 to %d", n))
	p.want(d.Share == nil || d.Share.Sign() > 0, path+"down_when.share", shareText(d.Share), "a share above 0%, such as 51%")
	p.share(d.Share, path+"down_when.share")
	p.want(v.Figure <= FigureWeighted, path+"figure", "", "sum, mean, worst or weighted")
	v.validateWeights(p, path)
}

func (v *Version) validateWeights(p *problems, path string) {
	weighted := v.Figure == FigureWeighted
	p.want(weighted == (v.WeighByFee || len(v.Weights) > 0), path+"weights", "", "weights with figure: weighted, and only there: a number for each service, or fee")
	for _, s := range slices.Sorted(maps.Keys(v.Weights)) {
		w := v.Weights[s]
		p.want(w.Sign() > 0, path+"weights."+s, w.RatString(), "a number above zero")
		p.want(slices.Contains(v.Services, s), path+"weights."+s, w.RatString(), "a service of this version")
	}
	for _, s := range v.Services {
		switch {
		case v.WeighByFee:
			p.want(v.FeeFor[s] > 0, path+"fees", "", "the fee of "+s+", by which it is weighed")
		case len(v.Weights) > 0:
			p.want(v.Weights[s] != nil, path+"weights", "", "a weight for "+s)
		}
	}
}
