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

// Question is what an account is asked of. Its tracks, from the second From on, reach beyond the period and every entry.
type Question struct {
	Terms    *agreements.Version
	Zone     *time.Location
	Period   agreements.Interval // whole seconds, in milliseconds as everywhere else
	From     int64
	Services []Track // at most four, in the order of Terms.Services
	Entries  []agreements.Recorded
}

// Figures are the account in milliseconds: by the numbers of agreements.Class; T, D, U, U′; certain, point, possible.
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
		now := wall % day * 1000
		is := func(h agreements.ClockSpan) bool { return int64(h.From) <= now && now < int64(h.To) }
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

// Account marks the contract's time, judges each track, counts the seconds of each class, and derives A9 and A10.
func Account(q Question) (f Figures) {
	s, down, n := make(seconds, len(q.Services[0])), [3][]bool{}, [9]int64{}
	q.clock(s)
	q.excuse(s)
	for k, flags := range [...]byte{Certain, Point, Possible | Unknown} {
		down[k] = q.judge(s, flags)
	}
	for i := range s {
		excused, enough := s[i]/plannedOf|s[i]/causedOf, max(1, q.Terms.DownWhen.AtLeast)
		unknown := s.eligible(i) && q.down(i, excused, Unknown, 1) && q.down(i, excused, Point|Unknown, enough) && !q.down(i, excused, Certain, enough)
		undecided := unknown && down[2][i] && !down[1][i]
		down[1][i] = down[1][i] || undecided && q.Terms.Unknown == agreements.UnknownDown
		keeps := s[i]&planned != 0 && q.Terms.Maintenance.Keep || s[i]&(planned|caused) == caused && q.Terms.Exclusions.Keep
		for k, is := range [...]bool{
			s[i]&open != 0, s.eligible(i), s.eligible(i) || s[i]&open != 0 && keeps, unknown, undecided && q.Terms.Unknown == agreements.UnknownExclude,
			down[0][i], down[1][i], down[2][i], unknown && !down[1][i],
		} {
			if is {
				n[k] += 1000
			}
		}
	}
	if q.Terms.Denominator > 0 && n[1] > 0 {
		n[2] = int64(q.Terms.Denominator)
	}
	f.Spans = [4]int64(n[1:5])
	f.Classes = [...]int64{
		agreements.ClassUp: n[1] - n[6] - n[8], agreements.ClassDown: n[6], agreements.ClassExcluded: n[0] - n[1],
		agreements.ClassOutside: q.Period.To - q.Period.From - n[0], agreements.ClassUnknown: n[8],
	}
	for k, leftOut := range []int64{0, n[4], 0} {
		f.Tracks[k] = q.pay(n[5+k], q.length(down[k]), n[2]-leftOut)
	}
	return f
}

func (s seconds) eligible(i int) bool { return s[i]&(open|planned|caused) == open }

// down says that enough services have one of the flags, those apart that are excused.
func (q Question) down(i int, excused uint16, flags byte, enough int) bool {
	for k, t := range q.Services {
		if excused>>k&1 == 0 && t[i]&flags != 0 {
			enough--
		}
	}
	return enough <= 0
}

// judge is A8 for one track: gaps joined, short outages dropped, the start of others free, the rest cut to eligible time.
func (q Question) judge(s seconds, flags byte) []bool {
	o, enough, last := q.Terms.Outage, max(1, q.Terms.DownWhen.AtLeast), len(s)
	raw, down := make([]bool, len(s)), make([]bool, len(s))
	for i := range s {
		if raw[i] = q.down(i, s[i]/causedOf, flags, enough); raw[i] {
			gap := int64(i-last-1) * 1000
			for k := last + 1; k < i && (gap < int64(o.Merge) || gap == int64(o.Merge) && o.MergeUpTo); k++ {
				down[k] = true
			}
			down[i], last = true, i
		}
	}
	for from := 0; from < len(s); from++ {
		to, length, free := from, int64(0), int64(o.Deductible)
		for ; to < len(s) && down[to]; to++ {
			if (raw[to] || !o.GapUp) && (!o.OfPart || s.eligible(to)) {
				length += 1000
			}
		}
		short := from > 0 && to < len(s) && (length < int64(o.Minimum) || o.LongerThan && length == int64(o.Minimum))
		for i := from; i < to; i++ {
			down[i] = (raw[i] || !o.GapUp) && !short
			if down[i] && free > 0 {
				down[i], free = false, free-1000
			}
			excused := s[i] / plannedOf
			down[i] = down[i] && s.eligible(i) && (excused == 0 || q.down(i, excused|excused>>4, flags, enough))
		}
		from = to
	}
	return down
}

// length counts downtime in units, of each piece or of the sum.
func (q Question) length(down []bool) (sum int64) {
	l, piece := q.Terms.Length, int64(0)
	unit := max(1, int64(l.Unit))
	for i, d := range append(down, false) {
		if d {
			piece += 1000
		} else if !l.Sum || i == len(down) {
			if l.Up {
				piece += unit - 1
			}
			sum, piece = sum+piece/unit*unit, 0
		}
	}
	return sum
}

// pay finds the row, the lowest that holds, and what it pays in minor units, not rounded.
func (q Question) pay(down, length, of int64) Figure {
	f := Figure{Down: down, Row: -1, Pays: new(big.Rat)}
	if of <= 0 {
		return f
	}
	f.Availability = big.NewRat(of-min(length, of), of)
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
