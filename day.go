package uptally

import (
	"iter"
	"slices"
)

// Run is a maximal stretch of results of one series with equal spacing, lateness and reason. N results lie at
// At, At+Step, …, At+(N-1)·Step (scheduled instants, milliseconds UTC). N ≥ 1; Step is 0 exactly where N is 1.
type Run struct {
	At     int64
	Step   int32
	N      int32
	Late   int32
	Reason Reason
}

// End returns the scheduled instant of the last result.
func (r Run) End() int64 { return r.At + int64(r.N-1)*int64(r.Step) }

// Day is the results of one series (a check at a site) in one UTC day, folded: sorted by scheduled instant, one result
// an instant, as maximal Runs taken greedily from the left. The same set of results gives the same Day, however it
// arrived. A slot with two different results has reason Conflict, Late 0 and RTT 0.
//
// Greedily from the left: a run takes every next result of the same lateness and reason that keeps the spacing of its
// first two. So an odd instant, a regular one and the grid after it (0, 13, 44, 75…) are the run 0, 13 and the run 44, 75….
type Day struct {
	Check, Site ID
	Day         int32
	Runs        []Run
	// RTT holds the response time in microseconds of every result in order; its length is the sum of all N. It is nil
	// where a day was read from its head alone.
	RTT []int64
}

// FoldDay folds results into the day of a series, in any order and with any repetition; those of other series and days
// are passed over. Equal results count once; different ones at one instant are a conflict, and a result that is one
// already stays one. Details decide equality and are not part of a day: whoever folds a day again together with later
// results gives back the details of its failures. results is not changed.
func FoldDay(check, site ID, day int32, results []Result) Day {
	d := Day{Check: check, Site: site, Day: day}
	rs := seriesDay(&d, results)
	d.RTT = make([]int64, 0, len(rs))
	for i := 0; i < len(rs); {
		r := rs[i]
		run, rtt := Run{At: r.At, N: 1, Late: r.Late, Reason: r.Reason}, r.RTT
		for i++; i < len(rs) && rs[i].At == r.At; i++ {
			if *rs[i] != *r {
				run.Reason = Conflict
			}
		}
		if run.Reason == Conflict {
			run.Late, rtt = 0, 0
		}
		d.Runs = addRun(d.Runs, run)
		d.RTT = append(d.RTT, rtt)
	}
	return d
}

// seriesDay returns the results that belong to d, sorted. They nearly always come so.
func seriesDay(d *Day, results []Result) []*Result {
	rs := make([]*Result, 0, len(results))
	start, sorted := int64(d.Day)*DayMillis, true
	for i := range results {
		r := &results[i]
		if r.Check != d.Check || r.Site != d.Site || r.At < start || r.At-start >= DayMillis {
			continue
		}
		sorted = sorted && (len(rs) == 0 || compareResults(rs[len(rs)-1], r) <= 0)
		rs = append(rs, r)
	}
	if !sorted {
		slices.SortFunc(rs, compareResults)
	}
	return rs
}

// Len returns the number of results.
func (d Day) Len() int {
	n := 0
	for _, r := range d.Runs {
		n += int(r.N)
	}
	return n
}

// Results yields every result in order of its instant, without details; RTT is 0 where the day was read from its head
// alone.
func (d Day) Results() iter.Seq[Result] {
	return func(yield func(Result) bool) {
		i := 0
		for _, run := range d.Runs {
			r := Result{Slot: Slot{Check: d.Check, Site: d.Site, At: run.At}, Late: run.Late, Reason: run.Reason}
			for range run.N {
				if i < len(d.RTT) {
					r.RTT = d.RTT[i]
				}
				if !yield(r) {
					return
				}
				r.At += int64(run.Step)
				i++
			}
		}
	}
}

// addRun appends a stretch whose first instant lies after all of runs, greedily from the left. It may end the last run and go on in
// one of its own.
func addRun(runs []Run, s Run) []Run {
	if n := len(runs); n > 0 {
		last := &runs[n-1]
		step := int32(s.At - last.End()) // both are of one day
		if last.Late == s.Late && last.Reason == s.Reason && (last.N == 1 || last.Step == step) {
			last.Step = step
			last.N++
			s.At += int64(s.Step)
			s.N--
			if s.N > 0 && s.Step == step {
				last.N += s.N
				s.N = 0
			}
		}
	}
	if s.N == 1 {
		s.Step = 0
	}
	if s.N > 0 {
		runs = append(runs, s)
	}
	return runs
}

// Extend returns d with the results of later, which is of the same series and day, after those of d, and whether they all
// do lie after them; where they do not it returns d. Where one of the two has no response times the whole has none. The
// array of d.RTT is appended to, so of two days that were extended only the newer may be extended again; d.Runs is left as it is.
func (d Day) Extend(later Day) (whole Day, apart bool) {
	switch {
	case len(later.Runs) == 0:
		return d, true
	case len(d.Runs) == 0:
		return later, true
	case d.Runs[len(d.Runs)-1].End() >= later.Runs[0].At:
		return d, false
	}
	if len(d.RTT) == 0 || len(later.RTT) == 0 {
		d.RTT = nil
	} else {
		d.RTT = append(d.RTT, later.RTT...)
	}
	d.Runs = slices.Clone(d.Runs)
	for _, r := range later.Runs {
		d.Runs = addRun(d.Runs, r)
	}
	return d, true
}
