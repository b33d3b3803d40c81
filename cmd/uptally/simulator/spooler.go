package simulator

import (
	"errors"
	"slices"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/ledger/delivery"
)

// spooler takes results and appends them to the disk as batches, as the agent's committer does: a second after the first.
type spooler struct {
	p      *process
	loads  []load // in the order of their first results
	full   []uptally.Result
	held   int
	busy   bool             // an append is under way
	flying []uptally.Result // what it appends, until it has
	again  int64            // no append before: the last one failed
	retry  int64
}

type load struct {
	day     int32
	first   int64
	results []uptally.Result
}

const (
	commitAfter = 1_000
	commitAt    = 1_000
	mostHeld    = 400 // a small memory, so that it fills
)

func (s *spooler) add(r uptally.Result) {
	if s.held >= mostHeld {
		s.noRoom(r)
		return
	}
	s.held++
	day := uptally.DayOf(r.At)
	i := slices.IndexFunc(s.loads, func(l load) bool { return l.day == day && len(l.results) < commitAt })
	if i < 0 {
		i = len(s.loads)
		s.loads = append(s.loads, load{day: day, first: s.p.now})
	}
	s.loads[i].results = append(s.loads[i].results, r)
	s.append()
}

// noRoom keeps of a result that its slot was missed.
func (s *spooler) noRoom(r uptally.Result) {
	reason := uptally.SpoolFull
	if r.Outcome() == uptally.Missed {
		reason = r.Reason
	}
	s.full = append(s.full, uptally.Result{Slot: r.Slot, Reason: reason})
}

// next is when an append wants to begin, or never.
func (s *spooler) next() int64 {
	switch {
	case s.busy:
		return never
	case len(s.loads) > 0:
		return max(s.again, s.loads[0].first+commitAfter)
	case len(s.full) > 0:
		return max(s.again, s.p.now+commitAfter)
	}
	return never
}

// append begins an append if one is due.
func (s *spooler) append() {
	if s.busy || s.p.now < s.again {
		return
	}
	l := load{}
	switch {
	case len(s.loads) > 0 && s.p.now >= s.loads[0].first+commitAfter:
		l = s.loads[0]
		s.loads = s.loads[1:]
	case len(s.loads) == 0 && len(s.full) > 0:
		l = s.takeFull()
	default:
		return
	}
	slices.SortFunc(l.results, uptally.Result.Compare)
	l.results = slices.Compact(l.results)
	s.busy, s.flying = true, l.results
	s.p.in(s.p.w.between(2, 20), func() { s.commit(l) })
}

// takeFull takes slots of one day.
func (s *spooler) takeFull() load {
	l := load{day: uptally.DayOf(s.full[0].At)}
	for len(s.full) > 0 && len(l.results) < commitAt && uptally.DayOf(s.full[0].At) == l.day {
		l.results = append(l.results, s.full[0])
		s.full = s.full[1:]
		s.held++
	}
	return l
}

// commit is the moment in which the batch is on the disk, or is not.
func (s *spooler) commit(l load) {
	p := s.p
	s.flying = nil
	r, err := p.m.disk.append(p.w.places[p.m.place], l.results, p.now)
	switch {
	case errors.Is(err, errBounded):
		s.held -= len(l.results)
		for _, r := range l.results {
			s.noRoom(r)
		}
		s.busy, s.again = false, p.now+10_000
		return
	case err != nil:
		s.loads = append([]load{l}, s.loads...)
		s.retry = min(max(2*s.retry, 1_000), 30_000)
		s.busy, s.again = false, p.now+s.retry
		return
	}
	s.retry = 0
	// A process that dies now has appended, and nobody was told.
	p.in(p.w.between(0, 3), func() {
		s.busy = false
		s.held -= len(l.results)
		p.tell(delivery.Pending(r.spooled()))
		s.append()
	})
}

// abandon excuses what was in memory.
func (s *spooler) abandon() {
	for _, l := range s.loads {
		s.excuse(l.results)
	}
	s.excuse(s.full)
	s.excuse(s.flying)
}

func (s *spooler) excuse(rs []uptally.Result) {
	for _, r := range rs {
		s.p.w.excuse(s.p.m.place, r.Slot)
	}
}
