// Package naive is a second evaluator of accounts: it walks every second of a history and asks the contract's questions of
// each, one after the other. It is slow and short on purpose, shares no code with agreements but the types of its input,
// and serves tests alone, which hold the two against each other. Source of the rules A2–A10: docs/measuring.md.
package naive

import (
	"cmp"
	"math/big"
	"slices"
	"time"

	"github.com/uptally/uptally/agreements"
)

// Track holds what is known of one service or check before any contract rule, a byte of the flags below a second. What holds
// in the first or the last second holds without end.
type Track []byte

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

// Figures are the account in milliseconds: by the numbers of agreements.Class; T, D, U and U′; and what the certain, the
// point and the possible track come to.
type Figures struct {
	Classes [agreements.ClassUnknown + 1]int64
	Spans   [4]int64
	Tracks  [3]Figure
}

// Figure is the downtime of a track, and the credit row that holds, or -1; it pays in minor units.
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
			date := time.Unix(wall, 0).UTC()
			hours = q.Terms.Window.Weekly[date.Weekday()]
			if dated, ok := q.Terms.Window.Dates[agreements.Date{Year: date.Year(), Month: date.Month(), Day: date.Day()}]; ok {
				hours = dated
			}
		}
		is := func(h agreements.ClockSpan) bool {
			return int64(h.From)/1000 <= wall%day && wall%day < int64(h.To)/1000
		}
		if at*1000 >= q.Period.From && at*1000 < q.Period.To && (q.Terms.Window.Always || slices.ContainsFunc(hours, is)) {
			s[i] |= open
		}
		for d := before / day; i > 0 && d <= wall/day; d++ {
			for _, w := range q.Terms.Recurring {
				date, begin := time.Unix(d*day, 0).UTC(), d*day+int64(w.At)/1000
				if before < begin && begin <= wall && date.Weekday() == w.Weekday &&
					(w.Nth == 0 || w.Nth == (date.Day()+6)/7 || w.Nth == -1 && date.AddDate(0, 0, 7).Month() != date.Month()) {
					s.mark(int64(i), int64(i)+int64(w.For)/1000, planned)
				}
			}
		}
		before = wall
	}
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
		whole[i], counts[i] = q.together(i, s[i]/causedOf), q.together(i, s[i]/causedOf|s[i]/plannedOf)
	}
	var down [3][]bool
	for f := range down {
		down[f] = judge(whole, Certain<<f, eligible, q.Terms.Outage)
		for i := range s {
			down[f][i] = down[f][i] && eligible[i] && (s[i]/plannedOf == 0 || counts[i]&(Certain<<f) != 0)
		}
	}
	return q.figures(s, counts, eligible, down)
}

// together makes one state of the services that are not excused, by the number that must be down.
func (q Question) together(i int, excused uint16) (all byte) {
	var n [4]int
	for k, t := range q.Services {
		for f, flags := range [...]byte{Certain, Point, Possible | Unknown, Point | Unknown} {
			if excused>>k&1 == 0 && t[i]&flags != 0 {
				n[f]++
				all |= t[i] & Unknown
			}
		}
	}
	least := max(1, q.Terms.DownWhen.AtLeast)
	for f, flag := range [...]byte{Certain, Point, Possible} {
		if n[f] >= least {
			all |= flag
		}
	}
	if n[3] < least || n[0] >= least {
		all &^= Unknown
	}
	return all
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
		to, length := from, int64(0)
		for ; to < len(down) && down[to]; to++ {
			if !o.OfPart || eligible[to] {
				length += 1000
			}
		}
		if from > 0 && to < len(down) && (length < int64(o.Minimum) || o.LongerThan && length == int64(o.Minimum)) {
			clear(down[from:to])
		}
		from = to
	}
	return down
}

// figures counts the seconds of each class and derives A9 and A10.
func (q Question) figures(s seconds, counts Track, eligible []bool, down [3][]bool) (f Figures) {
	var n [9]int64
	for i := range s {
		certain, point, possible, unknown := down[0][i], down[1][i], down[2][i], eligible[i] && counts[i]&Unknown != 0
		undecided := unknown && possible && !point
		point = point || undecided && q.Terms.Unknown == agreements.UnknownDown
		keeps := s[i]&planned != 0 && q.Terms.Maintenance.Keep || s[i]&(planned|caused) == caused && q.Terms.Exclusions.Keep
		for k, is := range [...]bool{
			s[i]&open != 0, eligible[i], eligible[i] || s[i]&open != 0 && keeps, unknown, undecided && q.Terms.Unknown == agreements.UnknownExclude,
			certain, point, possible, unknown && !point,
		} {
			if is {
				n[k] += 1000
			}
		}
	}
	f.Spans = [4]int64(n[1:5])
	f.Classes = [...]int64{
		agreements.ClassUp: n[1] - n[6] - n[8], agreements.ClassDown: n[6], agreements.ClassExcluded: n[0] - n[1],
		agreements.ClassOutside: q.Period.To - q.Period.From - n[0], agreements.ClassUnknown: n[8],
	}
	for k, leftOut := range []int64{0, n[4], 0} {
		f.Tracks[k] = q.pay(n[5+k], n[2]-leftOut)
	}
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
		holds := f.Availability.Cmp(t.Upper.Share)
		if (holds < 0 || holds == 0 && t.Upper.Inclusive) && (f.Row < 0 || t.Upper.Share.Cmp(q.Terms.Ladder[f.Row].Upper.Share) < 0) {
			f.Row, f.Pays = i, t.Percent
		}
	}
	if q.Terms.Cap != nil && f.Pays.Cmp(q.Terms.Cap) > 0 {
		f.Pays = q.Terms.Cap
	}
	f.Pays = new(big.Rat).Mul(f.Pays, big.NewRat(q.Terms.Fee, 1))
	return f
}
