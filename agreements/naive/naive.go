// Package naive is a second evaluator of accounts: it walks every second of a history and asks the contract's questions of
// each, one after the other. It is slow and short on purpose, shares no code with agreements but the types of its input,
// and serves tests alone, which hold the two against each other. Source of the rules A2–A10: docs/measuring.md.
package naive

import (
	"math/big"
	"slices"
	"time"

	"github.com/uptally/uptally/agreements"
)

// Track holds what is known of one service or check before any contract rule, a byte of flags a second. What holds in
// the first or the last second holds without end.
type Track []byte

// Flags of a Track's second.
const (
	Certain byte = 1 << iota
	Point
	Possible
	Unknown
)

// Question is what an account is asked of. The tracks begin at the second From since 1970, before the period and before
// every entry, and end after them.
type Question struct {
	Terms    *agreements.Version
	Zone     *time.Location
	Period   agreements.Interval // whole seconds, in milliseconds as everywhere else
	From     int64
	Services []Track // at most four, in the order of Terms.Services
	Entries  []agreements.Recorded
}

// Figures are the account in milliseconds; Classes has the numbers of agreements.Class.
type Figures struct {
	Classes                  [agreements.ClassUnknown + 1]int64
	T, D, U, LeftOut         int64
	Certain, Point, Possible Figure
}

// Figure is what one track comes to. Row is the index of the credit row that holds, or -1; it pays in minor units.
type Figure struct {
	Down         int64
	Availability *big.Rat
	Row          int
	Pays         *big.Rat
}

// What a second of the contract's time is; plannedOf and causedOf, shifted by the number of a service, are one service's.
const (
	open      uint16 = 1 << iota
	planned          // all services are maintained
	caused           // all are excused by a cause
	work             // maintenance of any service, which uses the cap
	plannedOf uint16 = 1 << 8
	causedOf  uint16 = 1 << 12
)

type seconds []uint16

func (s seconds) mark(from, to int64, what uint16) {
	for i := max(0, from); i < min(int64(len(s)), to); i++ {
		s[i] |= what
	}
}

const day = 86400

// hours marks the window and the contract's own maintenance. The clock on the wall is never put back here: in a repeated
// hour it stands still, so that each time of day comes once, in the first pass; over a missing hour it jumps.
func (q Question) hours(s seconds) {
	before := int64(1 << 60)
	for i := range s {
		at := q.From + int64(i)
		_, offset := time.Unix(at, 0).In(q.Zone).Zone()
		wall := at + int64(offset)
		if i > 0 {
			wall = max(before, wall)
		}
		if at*1000 >= q.Period.From && at*1000 < q.Period.To && q.opens(wall) {
			s[i] |= open
		}
		for d := before / day; d <= wall/day; d++ {
			for _, w := range q.Terms.Recurring {
				if begin := d*day + int64(w.At)/1000; before < begin && begin <= wall && falls(w, d) {
					s.mark(int64(i), int64(i)+int64(w.For)/1000, planned|work)
				}
			}
		}
		before = wall
	}
}

func (q Question) opens(wall int64) bool {
	c := q.Terms.Window
	hours := c.Weekly[(wall/day+4)%7] // 1970 began on a Thursday
	if len(c.Dates) > 0 {
		y, m, d := time.Unix(wall, 0).UTC().Date()
		if dated, ok := c.Dates[agreements.Date{Year: y, Month: m, Day: d}]; ok {
			hours = dated
		}
	}
	return c.Always || slices.ContainsFunc(hours, func(h agreements.ClockSpan) bool {
		return int64(h.From)/1000 <= wall%day && wall%day < int64(h.To)/1000
	})
}

func falls(w agreements.RecurringWindow, d int64) bool {
	date := time.Unix(d*day, 0).UTC()
	last := date.AddDate(0, 0, 7).Month() != date.Month()
	return date.Weekday() == w.Weekday && (w.Nth == 0 || w.Nth == (date.Day()+6)/7 || w.Nth == -1 && last)
}

// excuse marks what people recorded and the contract accepts, then lets planned work use up the cap, in order of time and
// only inside the window.
func (q Question) excuse(s seconds) {
	for _, e := range q.Entries {
		if e.Announced == 0 {
			e.Announced = e.RecordedAt
		}
		one, all := plannedOf, planned|work
		switch {
		case e.Kind == "exclusion" && slices.Contains(q.Terms.Exclusions.Causes, e.Cause):
			one, all = causedOf, caused
		case e.Kind != "maintenance" || q.Terms.Notice > 0 && e.From-e.Announced < int64(q.Terms.Notice):
			continue
		}
		var whom uint16
		for k, name := range q.Terms.Services {
			if len(e.Services) > 0 && !slices.Contains(e.Services, name) {
				all &= work
			} else if one == causedOf {
				whom |= one << k
			} else {
				whom |= one<<k | work
			}
		}
		if whom != 0 {
			s.mark(e.From/1000-q.From, e.To/1000-q.From, whom|all)
		}
	}
	left, capped := int64(q.Terms.Maintenance.Cap), q.Terms.Maintenance.Cap >= 0
	for i := range s {
		if s[i]&open == 0 || s[i]&work != 0 && capped && left < 1000 {
			s[i] &^= planned | 15*plannedOf
		} else if s[i]&work != 0 {
			left -= 1000
		}
	}
}

// Account answers the question: window, excuses, tracks, outages, figures.
func Account(q Question) Figures {
	s := make(seconds, len(q.Services[0]))
	q.hours(s)
	q.excuse(s)
	whole, counts, eligible := make(Track, len(s)), make(Track, len(s)), make([]bool, len(s))
	for i := range s {
		eligible[i] = s[i]&(open|planned|caused) == open
		for k, t := range q.Services {
			if s[i]&(causedOf<<k) == 0 {
				whole[i] |= t[i]
				if s[i]&(plannedOf<<k) == 0 {
					counts[i] |= t[i]
				}
			}
		}
	}
	var down [3][]bool
	for f := range down {
		down[f] = judge(whole, Certain<<f, eligible, q.Terms.Outage)
		for i := range s {
			excused := s[i]&(15*plannedOf|15*causedOf) != 0
			down[f][i] = down[f][i] && !(excused && counts[i]&(Certain<<f) == 0)
		}
	}
	return q.figures(s, counts, eligible, down)
}

// judge is A8 for one track: short gaps are filled, short outages dropped, the rest is cut to eligible time.
func judge(t Track, flag byte, eligible []bool, o agreements.OutageTerms) []bool {
	down, last := make([]bool, len(t)), len(t)
	for i := range t {
		if t[i]&flag != 0 {
			for gap := last + 1; gap < i && int64(i-last-1)*1000 < int64(o.Merge); gap++ {
				down[gap] = true
			}
			down[i], last = true, i
		}
	}
	for from := 0; from < len(down); from++ {
		to, length := from, int64(0)
		for ; to < len(down) && down[to]; to++ {
			if !o.OfPart || eligible[to] {
				length += 1000
			}
		}
		endless := from == 0 || to == len(down)
		if !endless && (length < int64(o.Minimum) || o.LongerThan && length == int64(o.Minimum)) {
			clear(down[from:to])
		}
		from = to
	}
	for i := range down {
		down[i] = down[i] && eligible[i]
	}
	return down
}

// figures counts the seconds of each class and derives A9 and A10.
func (q Question) figures(s seconds, counts Track, eligible []bool, down [3][]bool) (f Figures) {
	f.Classes[agreements.ClassOutside] = q.Period.To - q.Period.From
	for i := range s {
		if s[i]&open == 0 {
			continue
		}
		certain, point, possible := down[0][i], down[1][i], down[2][i]
		unknown := eligible[i] && counts[i]&(Unknown|Certain) == Unknown
		undecided := unknown && possible && !point
		point = point || undecided && q.Terms.Unknown == agreements.UnknownDown
		class := agreements.ClassUp
		switch {
		case !eligible[i]:
			class = agreements.ClassExcluded
		case point:
			class = agreements.ClassDown
		case unknown:
			class = agreements.ClassUnknown
		}
		f.Classes[class] += 1000
		f.Classes[agreements.ClassOutside] -= 1000
		keeps := s[i]&planned != 0 && q.Terms.Maintenance.Keep || s[i]&(planned|caused) == caused && q.Terms.Exclusions.Keep
		for _, sum := range [...]struct {
			of   *int64
			when bool
		}{
			{&f.T, eligible[i]}, {&f.D, eligible[i] || keeps}, {&f.U, unknown}, {&f.LeftOut, undecided && q.Terms.Unknown == agreements.UnknownExclude},
			{&f.Certain.Down, certain}, {&f.Point.Down, point}, {&f.Possible.Down, possible},
		} {
			if sum.when {
				*sum.of += 1000
			}
		}
	}
	f.Certain, f.Point, f.Possible = q.pay(f.Certain, f.D), q.pay(f.Point, f.D-f.LeftOut), q.pay(f.Possible, f.D)
	return f
}

// pay finds the row, the lowest that holds, and what it pays in minor units, not rounded.
func (q Question) pay(f Figure, of int64) Figure {
	f.Row, f.Pays = -1, new(big.Rat)
	if of <= 0 {
		return f
	}
	f.Availability = big.NewRat(of-f.Down, of)
	for i, t := range q.Terms.Ladder {
		high, low := f.Availability.Cmp(t.Upper.Share), 1
		if t.Lower != nil {
			low = f.Availability.Cmp(t.Lower.Share)
		}
		holds := (high < 0 || high == 0 && t.Upper.Inclusive) && (low > 0 || low == 0 && t.Lower.Inclusive)
		if holds && (f.Row < 0 || t.Upper.Share.Cmp(q.Terms.Ladder[f.Row].Upper.Share) < 0) {
			f.Row, f.Pays = i, t.Percent
		}
	}
	if limit := q.Terms.Cap; limit != nil && f.Pays.Cmp(limit) > 0 {
		f.Pays = limit
	}
	f.Pays = new(big.Rat).Mul(f.Pays, big.NewRat(q.Terms.Fee, 1))
	return f
}
