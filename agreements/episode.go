package agreements

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/uptally/uptally"
)

// siteState is what rule A2 says of one site between two neighbouring samples.
type siteState uint8

const (
	siteUnknown siteState = iota
	siteUp
	siteEdge // neither up nor down
	siteDown
)

// mark says that a site is in state from the instant at until the next mark.
type mark struct {
	at    int64
	state siteState
}

// episode is a stretch of failure of one site (A1).
type episode struct {
	first, last   int64 // f and l: its first and last failure
	before, after int64 // a and b: the success before the first, the first of the run that closed it
	hasBefore     bool  // a may serve as a bracket
	hasAfter      bool  // b may serve as a bracket
	reasons       reasonSet
}

// reasonSet holds reasons of failures; those of Down are all below 128.
type reasonSet [2]uint64

func (s *reasonSet) add(r uptally.Reason) { s[r>>6&1] |= 1 << (r & 63) }

func (s *reasonSet) unite(o reasonSet) {
	s[0] |= o[0]
	s[1] |= o[1]
}

// sorted returns the reasons in the order of their names.
func (s reasonSet) sorted() []uptally.Reason {
	var rs []uptally.Reason
	for r := range uptally.Reason(128) {
		if s[r>>6]>>(r&63)&1 != 0 {
			rs = append(rs, r)
		}
	}
	slices.SortFunc(rs, func(a, b uptally.Reason) int { return cmp.Compare(a.String(), b.String()) })
	return rs
}

// siteLine is what A1 and A2 make of one site's samples: its episodes in order of time and its timeline, which is
// unknown before the first mark. It knows by number which plans list the site.
type siteLine struct {
	site        string
	listed      []bool
	episodes    []episode
	marks       []mark
	first, last int64 // the send instants of the samples judged; first > last where there are none
}

// set lets the timeline be s from the instant at on. A mark at the same instant is overwritten: it had no length.
func (l *siteLine) set(at int64, s siteState) {
	n := len(l.marks)
	if n > 0 && l.marks[n-1].at == at {
		n--
		l.marks = l.marks[:n]
	}
	if n == 0 && s == siteUnknown || n > 0 && l.marks[n-1].state == s {
		return
	}
	l.marks = append(l.marks, mark{at, s})
}

// judge applies A1 and A2 to rows in send order: voids and samples that the plan in force does not list are dropped, the
// others are cut where another plan takes over. hold lets the last sample count for a gap more, as a next one like it would.
func (l *siteLine) judge(rows []row, plans []uptally.Plan, hold bool) error {
	w := walker{line: l}
	l.first, l.last = Forever, Ever
	k := -1
	for _, r := range rows {
		if r.outcome == uptally.Void {
			continue
		}
		for r.n > 0 {
			for k+1 < len(plans) && plans[k+1].From <= r.at {
				k++
			}
			if k < 0 {
				return fmt.Errorf("got %v sent at %s, want a plan in force then", r.outcome, instant(r.at))
			}
			n := r.before(inForceUntil(plans, k))
			if l.listed[k] {
				w.add(r.head(n), &plans[k])
			}
			r = r.tail(n)
		}
	}
	w.end(hold)
	return nil
}

// walker reads one site's samples in send order.
type walker struct {
	line *siteLine
	// open: the last episode of the line is not closed.
	open bool
	// now is the run of equal samples being read; edge says that the one before it was EDGE.
	now  streak
	edge bool
	// gap is that of the plan at the last sample, failGap at the last failure.
	gap, failGap int64
}

// streak is a run of equal samples in a row, without a cut inside.
type streak struct {
	ok          bool
	n           int64
	first, last int64
	// prev is the sample before it, unless a cut is between.
	prev  int64
	cut   bool // a spacing > gap, or the beginning of the samples, lies before it
	turns bool // it opened or closed an episode
	// reasons of its failures
	reasons reasonSet
}

// add takes the samples of r, which p judges. A run without a cut inside is taken at once, however long.
func (w *walker) add(r row, p *uptally.Plan) {
	for r.n > 1 && r.step > p.Gap {
		w.join(r.head(1), p)
		r = r.tail(1)
	}
	w.join(r, p)
}

// join continues the streak with r or lets r begin the next one.
func (w *walker) join(r row, p *uptally.Plan) {
	ok := r.outcome == uptally.Up
	switch last := w.now.last; {
	case w.now.n == 0:
		w.line.first = r.at
		w.now = streak{ok: ok, first: r.at, cut: true}
	case r.at-last > w.gap: // the gap of the earlier sample; a spacing of exactly gap cuts nothing
		w.finish(true, last)
		w.now = streak{ok: ok, first: r.at, cut: true}
	case ok != w.now.ok:
		w.finish(false, last)
		w.now = streak{ok: ok, first: r.at, prev: last}
	}
	w.now.n += r.n
	w.now.last = r.last()
	w.gap = p.Gap
	if ok {
		w.succeed(p)
	} else {
		w.fail(r, p)
	}
}

// fail opens an episode at m failures in a row (A1); every failure inside an episode moves its l.
func (w *walker) fail(r row, p *uptally.Plan) {
	w.now.reasons.add(r.reason)
	if !w.open && w.now.n >= int64(p.Confirm) {
		w.open, w.now.turns = true, true
		w.line.episodes = append(w.line.episodes, episode{first: w.now.first, before: w.now.prev, hasBefore: !w.now.cut})
	}
	if w.open {
		e := &w.line.episodes[len(w.line.episodes)-1]
		e.last, w.failGap = r.last(), p.Gap
		e.reasons.unite(w.now.reasons)
	}
}

// succeed closes an open episode at r successes in a row (A1).
func (w *walker) succeed(p *uptally.Plan) {
	if !w.open || w.now.n < int64(p.Recover) {
		return
	}
	w.open, w.now.turns = false, true
	e := &w.line.episodes[len(w.line.episodes)-1]
	e.after, e.hasAfter = w.now.first, w.now.first-e.last <= w.failGap
}

// finish writes the streak to the timeline (A2): the stretch from the sample before it, then its own. A cut run is EDGE
// where it might have gone on to open or close an episode; so is the stretch beside it, and the one to a run that did. From known
// on nothing is known after a cut.
func (w *walker) finish(cut bool, known int64) {
	s := &w.now
	edge := (s.cut || cut) && s.ok == w.open
	state := siteUp
	if w.open {
		state = siteDown
	}
	if !s.cut {
		if s.turns || edge || w.edge {
			w.line.set(s.prev, siteEdge)
		} else {
			w.line.set(s.prev, state)
		}
	}
	if edge {
		state = siteEdge
	}
	w.line.set(s.first, state)
	if cut {
		w.line.set(known, siteUnknown)
	}
	w.edge = edge
}

// end closes the last run: nothing is known after it, or where it is held, after a gap. An open episode stays open.
func (w *walker) end(hold bool) {
	if w.now.n == 0 {
		return
	}
	known := w.now.last
	if hold {
		known += w.gap
	}
	w.finish(true, known)
	w.line.last = w.now.last
}
