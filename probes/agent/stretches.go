package agent

import "github.com/uptally/uptally"

// stretches are missed slots without room for a result each: evenly spaced ones of one check and reason are one stretch, so
// that an hour without room costs a few words a check. The zero value is empty.
type stretches struct {
	list []stretch
	last map[uptally.ID]int // the newest stretch of each check
	n    int                // slots in list
}

// stretch is n slots of one check at at, at+step, …
type stretch struct {
	check    uptally.ID
	reason   uptally.Reason
	at, step int64
	n        int
}

// add takes the slot of a result, as missed(spool_full) unless it was missed anyway.
func (s *stretches) add(r uptally.Result) {
	reason := uptally.SpoolFull
	if r.Outcome() == uptally.Missed {
		reason = r.Reason
	}
	s.n++
	if i, ok := s.last[r.Check]; ok && s.list[i].extend(reason, r.At) {
		return
	}
	if s.last == nil {
		s.last = map[uptally.ID]int{}
	}
	s.last[r.Check] = len(s.list)
	s.list = append(s.list, stretch{check: r.Check, reason: reason, at: r.At, n: 1})
}

func (s *stretch) extend(reason uptally.Reason, at int64) bool {
	if reason != s.reason || at <= s.at {
		return false
	}
	if s.n == 1 {
		s.step = at - s.at
	}
	if at != s.at+int64(s.n)*s.step {
		return false
	}
	s.n++
	return true
}

// take removes at most n slots of one UTC day, from the newest stretches, and returns them as results at a site.
func (s *stretches) take(n int, site uptally.ID) []uptally.Result {
	var rs []uptally.Result
	for len(s.list) > 0 && len(rs) < n {
		l := &s.list[len(s.list)-1]
		if len(rs) > 0 && uptally.DayOf(l.at) != uptally.DayOf(rs[0].At) {
			break
		}
		rs = append(rs, uptally.Result{Slot: uptally.Slot{Check: l.check, Site: site, At: l.at}, Reason: l.reason})
		l.at += l.step
		s.n--
		if l.n--; l.n == 0 {
			s.drop()
		}
	}
	return rs
}

// drop removes the newest stretch.
func (s *stretches) drop() {
	i := len(s.list) - 1
	if check := s.list[i].check; s.last[check] == i {
		delete(s.last, check)
	}
	s.list = s.list[:i]
}
