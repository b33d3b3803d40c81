package agreements

import (
	"math"
	"slices"
	"sort"
)

// Forever and Ever are the ends of a stretch that has no end: before the first and after the last sample nothing is
// known, without limit. They are far enough from the int64 range that adding any span of a contract cannot overflow.
const (
	Ever    int64 = math.MinInt64 / 4
	Forever int64 = math.MaxInt64 / 4
)

// Interval is the half-open stretch [From, To) in milliseconds UTC.
type Interval struct {
	From, To int64
}

// Len returns the length in milliseconds.
func (i Interval) Len() int64 { return i.To - i.From }

// Empty reports whether nothing lies inside.
func (i Interval) Empty() bool { return i.To <= i.From }

// Set is a sorted list of disjoint, non-touching, non-empty intervals. The nil Set is empty. Operations return new sets
// and never write to their operands.
type Set []Interval

// NewSet unites intervals given in any order; empty ones are nothing.
func NewSet(is ...Interval) Set {
	is = slices.DeleteFunc(slices.Clone(is), Interval.Empty)
	slices.SortFunc(is, func(a, b Interval) int {
		switch {
		case a.From < b.From:
			return -1
		case a.From > b.From:
			return 1
		}
		return 0
	})
	var s Set
	for _, i := range is {
		if n := len(s); n > 0 && i.From <= s[n-1].To {
			s[n-1].To = max(s[n-1].To, i.To)
			continue
		}
		s = append(s, i)
	}
	return s
}

// Union returns what lies in any of the sets.
func Union(sets ...Set) Set { return NewSet(slices.Concat(sets...)...) }

// after leaves out what of s ends before o begins: most of a month where o is one of its outages.
func (s Set) after(o Set) Set {
	if len(o) == 0 {
		return s
	}
	return s[sort.Search(len(s), func(k int) bool { return s[k].To > o[0].From }):]
}

// Intersect returns what lies in both s and o.
func (s Set) Intersect(o Set) Set {
	var r Set
	s = s.after(o)
	o = o.after(s)
	for i, j := 0, 0; i < len(s) && j < len(o); {
		c := Interval{max(s[i].From, o[j].From), min(s[i].To, o[j].To)}
		if !c.Empty() {
			r = append(r, c)
		}
		if s[i].To < o[j].To {
			i++
		} else {
			j++
		}
	}
	return r
}

// Subtract returns what lies in s and not in o.
func (s Set) Subtract(o Set) Set {
	var r Set
	o = o.after(s)
	j := 0
	for _, i := range s {
		for j < len(o) && o[j].To <= i.From {
			j++
		}
		from := i.From
		for k := j; k < len(o) && o[k].From < i.To; k++ {
			if from < o[k].From {
				r = append(r, Interval{from, o[k].From})
			}
			from = max(from, o[k].To)
		}
		if from < i.To {
			r = append(r, Interval{from, i.To})
		}
	}
	return r
}

// Clip returns what lies in s and inside i.
func (s Set) Clip(i Interval) Set { return s.Intersect(Set{i}) }

// Millis returns the total length.
func (s Set) Millis() int64 {
	var n int64
	for _, i := range s {
		n += i.Len()
	}
	return n
}

// Contains reports whether the instant at lies in s.
func (s Set) Contains(at int64) bool {
	k := sort.Search(len(s), func(k int) bool { return s[k].To > at })
	return k < len(s) && s[k].From <= at
}

// Within reports whether every instant of s lies in o.
func (s Set) Within(o Set) bool { return len(s.Subtract(o)) == 0 }
