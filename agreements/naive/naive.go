// Package naive is a second evaluator of accounts: it walks every second of a history and asks the contract's questions of
// each, one after the other. It is slow and short on purpose, shares no code with agreements but the types of its input,
// and serves tests alone, which hold the two against each other. Source of the rules A2–A10: docs/measuring.md.
package naive

import (
	"cmp"
	"math/big"
	"slices"
	"time"

	"github.com/uptally/uptally"
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
	Down               int64
	Row                int
	Availability, Pays *big.Rat
}

// What a second of the contract's time is; plannedOf and causedOf, shifted by the number of a service, are that service's.
const (
	open      uint16 = 1 << iota
	planned          // all services are maintained
	caused           // all are excused by a cause
	plannedOf uint16 = 1 << 8
	causedOf  uint16 = 1 << 12
	work             = planned | 15*plannedOf
	excused          = 15*plannedOf | 15*causedOf
	day              = 86400
)

type seconds []uint16

func (s seconds) mark(from, to int64, what uint16) {
	for i := max(0, from); i < min(int64(len(s)), to); i++ {
		s[i] |= what
	}
}

// clock marks the window and the contract's own maintenance. The clock on the wall is never put back here: in a repeated
// hour it stands still, so that each time of day comes once, in the first pass; over a missing hour it jumps.
func (q Question) clock(s seconds) {
	before, hours := int64(0), []agreements.ClockSpan(nil)
	for i := range s {
		at := q.From + int64(i)
		_, offset := time.Unix(at, 0).In(q.Zone).Zone()
		wall := max(before, at+int64(offset))
		if wall/day != before/day {
			hours = q.hours(time.Unix(wall, 0).UTC())
		}
		is := func(h agreements.ClockSpan) bool {
			return int64(h.From)/1000 <= wall%day && wall%day < int64(h.To)/1000
		}
		if at*1000 >= q.Period.From && at*1000 < q.Period.To && (q.Terms.Window.Always || slices.ContainsFunc(hours, is)) {
			s[i] |= open
		}
		for d := before / day; i > 0 && d <= wall/day; d++ {
			for _, w := range q.Terms.Recurring {
				if begin := d*day + int64(w.At)/1000; before < begin && begin <= wall && falls(w, time.Unix(d*day, 0).UTC()) {
					s.mark(int64(i), int64(i)+int64(w.For)/1000, planned)
				}
			}
		}
		before = wall
	}
}

func (q Question) hours(date time.Time) []agreements.ClockSpan {
	if dated, ok := q.Terms.Window.Dates[agreements.Date{Year: date.Year(), Month: date.Month(), Day: date.Day()}]; ok {
		return dated
	}
	return q.Terms.Window.Weekly[date.Weekday()]
}

func falls(w agreements.RecurringWindow, date time.Time) bool {
	return date.Weekday() == w.Weekday &&
		(w.Nth == 0 || w.Nth == (date.Day()+6)/7 || w.Nth == -1 && date.AddDate(0, 0, 7).Month() != date.Month())
}

// excuse marks what people recorded and the contract accepts, then lets planned work use up the cap, in order of time and
// only inside the window.
func (q Question) excuse(s seconds) {
	for _, e := range q.Entries {
		of, what, told := plannedOf, planned, cmp.Or(e.Announced, e.RecordedAt)
		switch {
		case e.Kind == "exclusion" && slices.Contains(q.Terms.Exclusions.Causes, e.Cause):
			of, what = causedOf, caused
		case e.Kind != "maintenance" || q.Terms.Notice > 0 && e.From-told < int64(q.Terms.Notice):
			continue
		}
		for k, name := range q.Terms.Services {
			if len(e.Services) == 0 || slices.Contains(e.Services, name) {
				what |= of << k
			} else {
				what &^= planned | caused
			}
		}
		s.mark(e.From/1000-q.From, e.To/1000-q.From, what)
	}
	left := q.Terms.Maintenance.Cap
	for i := range s {
		if s[i]&open == 0 || q.Terms.Maintenance.Cap >= 0 && left < 1000 {
			s[i] &^= work
		} else if s[i]&work != 0 {
			left -= 1000
		}
	}
}

// Account answers the question: window, excuses, tracks, outages, figures.
func Account(q Question) Figures {
	s := make(seconds, len(q.Services[0]))
	q.clock(s)
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
			down[f][i] = down[f][i] && eligible[i] && (s[i]&excused == 0 || counts[i]&(Certain<<f) != 0)
		}
	}
	return q.figures(s, counts, eligible, down)
}

// judge is A8 for one track: short gaps are filled, short outages dropped.
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
		to, length := from, uptally.Duration(0)
		for ; to < len(down) && down[to]; to++ {
			if !o.OfPart || eligible[to] {
				length += 1000
			}
		}
		if from > 0 && to < len(down) && (length < o.Minimum || o.LongerThan && length == o.Minimum) {
			clear(down[from:to])
		}
		from = to
	}
	return down
}

// figures counts the seconds of each class and derives A9 and A10.
func (q Question) figures(s seconds, counts Track, eligible []bool, down [3][]bool) (f Figures) {
	f.Classes[agreements.ClassOutside] = q.Period.To - q.Period.From
	var n [7]int64
	for i := range s {
		if s[i]&open == 0 {
			continue
		}
		certain, point, possible, unknown := down[0][i], down[1][i], down[2][i], eligible[i] && counts[i]&(Unknown|Certain) == Unknown
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
		leftOut := undecided && q.Terms.Unknown == agreements.UnknownExclude
		for k, is := range [...]bool{eligible[i], eligible[i] || keeps, unknown, leftOut, certain, point, possible} {
			if is {
				n[k] += 1000
			}
		}
	}
	f.T, f.D, f.U, f.LeftOut = n[0], n[1], n[2], n[3]
	f.Certain, f.Point, f.Possible = q.pay(n[4], f.D), q.pay(n[5], f.D-f.LeftOut), q.pay(n[6], f.D)
	return f
}

// pay finds the row, the lowest that holds, and what it pays in minor units, not rounded.
func (q Question) pay(down, of int64) Figure {
	f := Figure{Down: down, Row: -1, Pays: new(big.Rat)}
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
	if q.Terms.Cap != nil && f.Pays.Cmp(q.Terms.Cap) > 0 {
		f.Pays = q.Terms.Cap
	}
	f.Pays = new(big.Rat).Mul(f.Pays, big.NewRat(q.Terms.Fee, 1))
	return f
}
