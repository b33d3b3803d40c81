package focus

import (
	"math"
	"math/bits"
	"slices"

	"github.com/uptally/uptally"
)

// Never is the instant after every other: Next returns it where nothing is wanted.
const Never int64 = math.MaxInt64

const (
	// MostSites is how many sites of a check can hear one another.
	MostSites = 64
	// MostEachSecond is the most focus probes a second that a check gets from all its sites together.
	MostEachSecond = 5

	hold       = 10     // rounds, where the last focus ended no longer than holdWithin ago
	holdWithin = 60_000 // also how much of each focus is free
	patience   = 3_000  // how long a suspect without an answer keeps the focus
	tardy      = 15_000 // what is older than the timeout and this begins nothing
	quiet      = 5_000  // a site not heard of for the timeout and this does not count
	settled    = 60_000 // how long what was heard is kept after the last focus
	slack      = 1_000  // how late a wake may be and still prove something
)

// Terms are what a Core must know of a plan and of the site it runs at.
type Terms struct {
	// Sites is their number n ≥ 1; Rank is the own place in their list, or -1 for a process that only listens.
	Sites, Rank int
	// Quorum (q), Confirm (m) and Recover (r) are those of the plan.
	Quorum, Confirm, Recover int
	// Every is the interval of a site and Timeout that of a probe, in milliseconds.
	Every, Timeout int64
}

// TermsOf returns the terms of a plan at a site. The interval of a cron check is taken from its gap, which is 2.5 of them.
func TermsOf(p *uptally.Plan, site string) Terms {
	t := Terms{Sites: len(p.Sites), Rank: p.Rank(site), Quorum: p.Quorum, Confirm: p.Confirm, Recover: p.Recover, Every: p.Every, Timeout: p.Timeout}
	if t.Every <= 0 {
		t.Every = p.Gap * 2 / 5
	}
	return t
}

// Core decides when one check is probed beyond its slots. It is a plain value for one goroutine; make it with New.
type Core struct {
	terms    Terms
	now      int64
	first    int64 // the oldest own probe without an answer since the last answer, 0 for none
	newest   int64 // the newest own probe sent
	rearmed  int64 // when first was given its time again, 0 for never
	success  int64 // of the own site, 0 for none
	ended    int64 // when the last focus ended
	live     uint64
	response quantile
	purse    purse
	watch    *watch // nil while nothing was suspicious for a while
}

// New returns a Core in Cruise that hears no other site.
func New(t Terms) *Core {
	c := &Core{terms: t, ended: math.MinInt64 / 2}
	if c.own() {
		c.live = 1 << t.Rank
	}
	c.purse.left = mostSaved
	return c
}

// own reports whether the process has a site of the check.
func (c *Core) own() bool { return c.terms.Rank >= 0 && c.terms.Rank < c.sites() }

func (c *Core) sites() int { return min(c.terms.Sites, MostSites) }

// State returns what the core thinks now.
func (c *Core) State() State {
	if c.watch == nil {
		return Cruise
	}
	return c.watch.state
}

// Next returns the instant at which a Tick is wanted, or Never.
func (c *Core) Next() int64 {
	next := Never
	if c.first != 0 && c.mayBegin() {
		next = max(c.first, c.rearmed) + c.patience()
	}
	if c.watch != nil && c.watch.state != Cruise {
		next = min(next, c.watch.next)
	}
	return next
}

// Step takes one event at the instant now, in milliseconds UTC, and appends to acts what is to be done. An earlier now than
// the last counts as the last.
func (c *Core) Step(now int64, ev Event, acts []Action) []Action {
	c.now = max(c.now, now)
	t := turn{c, acts}
	if t.sane(ev) {
		t.take(ev)
	}
	t.hedge()
	if w := c.watch; w != nil && w.state != Cruise {
		t.judge()
		t.probe()
	}
	return t.acts
}

// turn is one Step.
type turn struct {
	*Core
	acts []Action
}

// sane reports whether an event can be of this check: a rank that it has, and an instant that is not yet to come.
func (t *turn) sane(ev Event) bool {
	sent := max(ev.sent, ev.message.Sent, ev.message.Success)
	return ev.site >= 0 && ev.site < t.sites() && sent <= t.now+tardy
}

func (t *turn) take(ev Event) {
	switch own := ev.site == t.terms.Rank; {
	case ev.kind == begun && own:
		if t.first == 0 {
			t.first, t.rearmed = ev.sent, 0
		}
		t.newest = max(t.newest, ev.sent)
	case ev.kind == failing:
		t.suspect(ev.site, ev.sent, Suspected)
	case ev.kind == verdict:
		t.verdict(ev.site, ev.sent, ev.outcome, ev.rtt)
	case ev.kind == heard && !own:
		t.hear(ev.message)
	case ev.kind == live && !own && ev.on:
		t.live |= 1 << ev.site
	case ev.kind == live && !own:
		t.live &^= 1 << ev.site
	}
	if t.watch != nil && ev.kind != tick {
		t.watch.sites[ev.site].heard = t.now
	}
}

func (t *turn) hear(m Message) {
	s := &t.watched().sites[m.Rank]
	if m.Success > s.success {
		s.succeed(m.Success)
	}
	switch m.Kind {
	case Outstanding, Suspected:
		t.suspect(m.Rank, m.Sent, m.Kind)
	case Succeeded:
		t.succeeded(m.Rank, m.Sent)
	case Failed:
		t.failed(m.Rank, m.Sent)
	case Voided:
		t.voided(m.Rank, m.Sent)
	}
}

// patience is h: how long a probe is outstanding before that is suspicious.
func (c *Core) patience() int64 { return max(1_000, c.response.millis()*4) }

// hedge suspects the own site where it has had no answer for too long.
func (t *turn) hedge() {
	if t.first == 0 || !t.mayBegin() {
		return
	}
	due := max(t.first, t.rearmed) + t.patience()
	switch {
	case t.now < due:
	case t.excused(t.terms.Rank, t.first):
		t.first = 0
	case t.now > due+slack:
		t.rearmed = t.now
	default:
		t.suspect(t.terms.Rank, t.first, Outstanding)
	}
}

// mayBegin reports whether an own probe without an answer is news.
func (c *Core) mayBegin() bool {
	if c.watch == nil {
		return c.own()
	}
	if !c.own() {
		return false
	}
	s := &c.watch.sites[c.terms.Rank]
	return s.suspect == 0 && (s.run == 0 || c.watch.state == Cruise) && s.void == 0 && !s.local
}

// suspect takes note of a probe that may fail.
func (t *turn) suspect(i int, sent int64, kind Kind) {
	if t.excused(i, sent) {
		return
	}
	w := t.watched()
	s := &w.sites[i]
	if s.local || s.void != 0 {
		return
	}
	if s.suspect == 0 && (s.run == 0 || w.state == Cruise) {
		s.suspect, s.suspicious = t.now, sent
		if i == t.terms.Rank {
			t.tell(kind, sent)
		}
	}
	t.begin(sent)
}

// excused reports whether a failing probe begins nothing, because the site has succeeded later or it is long over.
func (t *turn) excused(i int, sent int64) bool {
	success := int64(0)
	if t.watch != nil {
		success = t.watch.sites[i].success
	} else if i == t.terms.Rank {
		success = t.success
	}
	return sent <= success || sent < t.now-t.terms.Timeout-tardy
}

// verdict takes the end of a probe.
func (t *turn) verdict(i int, sent int64, outcome uptally.Outcome, rtt int64) {
	if i == t.terms.Rank {
		t.answered(sent)
		if outcome == uptally.Up {
			t.success = max(t.success, sent)
			t.response.add(rtt)
		}
	}
	switch outcome {
	case uptally.Up:
		t.succeeded(i, sent)
	case uptally.Down:
		t.failed(i, sent)
	case uptally.Void:
		t.voided(i, sent)
	}
}

// answered forgets the own probes up to one that has ended. Those sent later, in focus, are outstanding still: the next was
// sent no sooner than the next whole second, unless it was a slot.
func (t *turn) answered(sent int64) {
	switch {
	case t.first == 0 || sent < t.first:
	case sent >= t.newest:
		t.first = 0
	default:
		t.first, t.rearmed = min(t.newest, (second(sent)+1)*1000), 0
	}
}

func (t *turn) succeeded(i int, sent int64) {
	if i != t.terms.Rank {
		t.watched().sites[i].succeed(sent)
		return
	}
	w := t.watch
	if w == nil {
		return // nearly always
	}
	s := &w.sites[i]
	marked := s.marked()
	s.succeed(sent)
	if w.state != Cruise || marked {
		t.tell(Succeeded, sent)
	}
	if w.state == Cruise && t.now-max(t.ended, w.touched) > settled && !slices.ContainsFunc(w.sites, site.marked) {
		t.watch = nil
	}
}

func (t *turn) failed(i int, sent int64) {
	if t.excused(i, sent) {
		return
	}
	w := t.watched()
	s := &w.sites[i]
	if !s.fail(sent) {
		return
	}
	if i == t.terms.Rank && (!s.local || w.state != Cruise) {
		t.tell(Failed, sent)
	}
	if !s.local {
		t.begin(sent)
	}
}

func (t *turn) voided(i int, sent int64) {
	if t.excused(i, sent) {
		return
	}
	w := t.watched()
	s := &w.sites[i]
	told := s.suspect != 0 || w.state != Cruise
	s.suspect = 0
	if s.run == 0 || sent >= s.first {
		s.void = max(s.void, sent)
	}
	if i == t.terms.Rank && told {
		t.tell(Voided, sent)
	}
}

func (t *turn) tell(kind Kind, sent int64) {
	if t.terms.Sites > 1 {
		t.acts = append(t.acts, Action{Kind: Tell, Message: Message{kind, t.terms.Rank, sent, t.success}})
	}
}

func (t *turn) change(state State, since int64) {
	if w := t.watch; w.state != state {
		w.state = state
		t.acts = append(t.acts, Action{Kind: Changed, At: since, State: state})
	}
}

// heardNow returns how many sites can be heard.
func (c *Core) heardNow() int { return bits.OnesCount64(c.live) }
