package delivery

import (
	"maps"
	"math"
	"slices"
)

// In milliseconds and bytes. Source: docs/operating.md, "Delivery".
const (
	// silence is how long a sender says nothing at most.
	silence = 30_000
	// young is how old what Live carries may be; Backlog alone carries all while nothing older waits.
	young = 60_000
	// again is the first and longest the last wait before a retry; of each a random part is waited.
	again, longest = 1_000, 60_000
	// refused is how long an identity that is not accepted is left alone.
	refused = 300_000
	// fill is how much is put into a request: as much as fits even if nothing can be compressed.
	fill = MaxRequest - 64<<10
	// slow is how long a request takes when the next one carries half of it, down to least bytes; one that takes less than half as long
	// lets the next one carry more. So a thin line and a busy server get what they can answer in time.
	slow  = 10_000
	least = 16 << 10
	// trimEvery is how often what was acknowledged long ago is deleted.
	trimEvery = 30_000
	// Never is the instant of nothing.
	Never = math.MaxInt64
)

// Sender decides what an agent sends when. It is a plain value for one goroutine; make it with NewSender.
type Sender struct {
	now         int64
	random      func(n int64) int64 // 0 ≤ x < n
	incarnation ID
	known       bool // the incarnation is that of a hello's reply
	lost        map[uint64]Ranges
	unsaid      bool // some of lost is not told yet
	lane        [lanes]laneState
	spoke       int64 // when the last request was answered or began
	denied      bool
	trimmed     int64 // when Trim was asked for last
	newest      [lanes]Number

	queue []waiting // in order of appending; done ones go when they reach the front
	at    map[Number]int64
	base  int64 // the place of queue[0], counted from the start
	held  int   // batches that wait
}

type waiting struct {
	Spooled
	lane Lane // of the request that has it; Talk for none
	done bool
}

// laneState is one way; flight is what it has sent.
type laneState struct {
	busy      bool
	flight    []Number
	failures  int
	notBefore int64
	fill      int
	began     int64 // when the request in flight was sent
}

// NewSender returns a sender that says hello first. incarnation is the one of the last reply that the spool remembers, 0 for none;
// random returns a number from 0 to n-1.
func NewSender(now int64, incarnation uint64, random func(n int64) int64) *Sender {
	s := &Sender{now: now, random: random, incarnation: ID(incarnation), lost: map[uint64]Ranges{}, spoke: now, at: map[Number]int64{}}
	for i := range s.lane {
		s.lane[i].fill = fill
	}
	return s
}

// Incarnation returns the one under which acknowledgements count.
func (s *Sender) Incarnation() uint64 { return uint64(s.incarnation) }

// Acknowledged returns what each lane had acknowledged last since the start, and the last batch that the last hello's reply named: what
// every request names, so that a ledger that was set back without a word is found out. A lane's requests follow one another, so a ledger that has its newest batch has them
// all; of two lanes one alone would not do.
func (s *Sender) Acknowledged() []Number {
	var all []Number
	for _, n := range s.newest {
		if n != (Number{}) {
			all = append(all, n)
		}
	}
	return all
}

// Waiting returns how many batches are not acknowledged, and when the oldest was appended, Never for none. It looks at each: those that
// wait again lie behind younger ones.
func (s *Sender) Waiting() (n int, oldest int64) {
	oldest = Never
	for _, w := range s.queue {
		if !w.done {
			oldest = min(oldest, w.At)
		}
	}
	return s.held, oldest
}

// Step takes an event at the instant now, in milliseconds, and appends what to do to acts. Time that goes back is no time.
func (s *Sender) Step(now int64, ev Event, acts []Action) []Action {
	s.now = max(s.now, now)
	switch ev.what {
	case appended:
		s.take(ev.spooled)
	case unreadable:
		s.lose(ev.numbers)
	case answered:
		acts = s.answer(ev.lane, ev.reply, acts)
	case failed:
		acts = s.fail(ev.lane, ev.failure, ev.retryAfter, acts)
	}
	return s.send(acts)
}

// Next returns the instant at which Step wants a Tick, or Never.
func (s *Sender) Next() int64 {
	if !s.known || s.unsaid {
		if s.lane[Talk].busy || s.anyBusy() {
			return Never
		}
		return s.lane[Talk].notBefore
	}
	at := int64(Never)
	for l := Backlog; l < lanes; l++ {
		if !s.lane[l].busy {
			at = min(at, max(s.wanted(l), s.lane[l].notBefore))
		}
	}
	return at
}

// wanted is since when a lane has something to send, or from when on it will.
func (s *Sender) wanted(l Lane) int64 {
	first := s.first()
	switch {
	case l == Live && (first == Never || first > s.now-young):
		if first != Never && s.lane[Backlog].busy {
			return first + young
		}
		return Never
	case l == Live && !s.hasYoung():
		return Never
	case l == Live:
		return s.now
	case s.hasFree():
		return s.now
	}
	return s.spoke + silence
}

// first is when the first batch of the queue was appended, which waits.
func (s *Sender) first() int64 {
	if len(s.queue) == 0 {
		return Never
	}
	return s.queue[0].At
}

func (s *Sender) hasFree() bool {
	return slices.ContainsFunc(s.queue, func(w waiting) bool { return !w.done && w.lane == Talk })
}

func (s *Sender) hasYoung() bool {
	for i := len(s.queue) - 1; i >= 0 && s.queue[i].At >= s.now-young; i-- {
		if w := s.queue[i]; !w.done && w.lane == Talk {
			return true
		}
	}
	return false
}

// take adds batches that are not known to wait.
func (s *Sender) take(spooled []Spooled) {
	for _, b := range spooled {
		if _, known := s.at[b.Number]; known || s.lost[b.Epoch].Has(b.Seq) {
			continue
		}
		s.at[b.Number] = s.base + int64(len(s.queue))
		s.queue = append(s.queue, waiting{Spooled: b})
		s.held++
	}
}

func (s *Sender) lose(numbers []Number) {
	for _, n := range numbers {
		s.remove(n)
		s.lost[n.Epoch] = s.lost[n.Epoch].Add(n.Seq)
		s.unsaid = true
	}
}

// remove takes a batch out of the queue.
func (s *Sender) remove(n Number) {
	i, ok := s.at[n]
	if !ok {
		return
	}
	delete(s.at, n)
	s.queue[i-s.base].done = true
	s.held--
	done := 0
	for done < len(s.queue) && s.queue[done].done {
		done++
	}
	s.queue, s.base = s.queue[done:], s.base+int64(done)
}

// free gives the batches of a lane's request back.
func (s *Sender) free(l Lane) {
	for _, n := range s.lane[l].flight {
		if i, ok := s.at[n]; ok {
			s.queue[i-s.base].lane = Talk
		}
	}
	s.lane[l].busy, s.lane[l].flight = false, nil
}

func (s *Sender) answer(l Lane, r Reply, acts []Action) []Action {
	if !s.lane[l].busy {
		return acts // the answer to a request that was given up
	}
	sent := s.lane[l].flight
	s.free(l)
	s.spoke, s.denied = s.now, false
	if l == Talk {
		return s.greeted(r, acts)
	}
	// What another ledger has taken says nothing about this one, and this one may since be another.
	if r.Incarnation != s.incarnation {
		s.known = false
		return acts
	}
	acts, bad := s.verdicts(l, r.Accepted, sent, acts)
	lane := &s.lane[l]
	if bad || r.RetryAfter > 0 {
		s.wait(l, r.RetryAfter)
	} else {
		lane.failures, lane.notBefore = 0, s.now
	}
	switch took := s.now - lane.began; {
	case took > slow:
		lane.fill = min(lane.fill, max(lane.fill/2, least))
	case took < slow/2 && !bad:
		lane.fill = min(2*lane.fill, fill)
	}
	if s.now >= s.trimmed+trimEvery {
		s.trimmed = s.now
		acts = append(acts, Action{Deed: Trim, At: s.now})
	}
	return acts
}

// greeted takes the reply to a hello.
func (s *Sender) greeted(r Reply, acts []Action) []Action {
	since := int64(0)
	if r.Incarnation != s.incarnation {
		since = s.now
	}
	s.incarnation, s.known, s.unsaid = r.Incarnation, true, false
	for l, n := range s.newest {
		if !slices.ContainsFunc(r.Taken, func(t Taken) bool { return uint64(t.Epoch) == n.Epoch && t.Ranges.Has(n.Seq) }) {
			s.newest[l] = Number{} // it waits again
		}
	}
	for _, t := range r.Taken {
		if n := len(t.Ranges); n > 0 {
			s.newest[Talk] = Number{uint64(t.Epoch), t.Ranges[n-1].To} // until a lane has one, this is what a ledger that is set back lacks
		}
	}
	s.lane[Talk].failures, s.lane[Talk].notBefore = 0, s.now+again // two ledgers under one name would have it ask without end
	for l := Backlog; l < lanes; l++ {
		s.lane[l].failures, s.lane[l].notBefore = 0, s.now+r.RetryAfter
	}
	for _, t := range r.Taken {
		acts = append(acts, Action{Deed: Unmark, Epoch: uint64(t.Epoch), Ranges: t.Ranges, At: since})
	}
	return acts
}

// verdicts believes only what was asked.
func (s *Sender) verdicts(l Lane, vs []Verdict, sent []Number, acts []Action) (_ []Action, bad bool) {
	var mark, reread, reissue, adopt []Number
	for _, v := range vs {
		n := Number{uint64(v.Epoch), v.Seq}
		if !slices.Contains(sent, n) {
			continue
		}
		switch v.Problem {
		case "":
			mark = append(mark, n)
		case Reused:
			reissue = append(reissue, n)
			acts = append(acts, Action{Deed: BeginEpoch, Epoch: n.Epoch})
		case Damaged:
			reread = append(reread, n)
			bad = true
		case Foreign:
			adopt = append(adopt, n)
		default:
			bad = true
		}
	}
	for _, n := range slices.Concat(mark, reissue, adopt) {
		s.remove(n)
	}
	if len(reissue) > 0 {
		acts = append(acts, Action{Deed: Reissue, Numbers: reissue})
	}
	if len(mark) > 0 {
		s.newest[l] = mark[len(mark)-1]
		acts = append(acts, Action{Deed: Mark, Numbers: mark})
	}
	if len(reread) > 0 {
		acts = append(acts, Action{Deed: Reread, Numbers: reread})
	}
	if len(adopt) > 0 {
		acts = append(acts, Action{Deed: Adopt, Numbers: adopt})
	}
	return acts, bad || len(mark)+len(reissue)+len(adopt) < len(sent)
}

func (s *Sender) fail(l Lane, f Failure, retryAfter int64, acts []Action) []Action {
	if !s.lane[l].busy {
		return acts
	}
	n := len(s.lane[l].flight)
	s.free(l)
	s.wait(l, retryAfter)
	switch f {
	case Unreachable:
		if n > 1 { // it may have been too much for the time that a request has
			s.lane[l].fill = min(s.lane[l].fill, max(s.lane[l].fill/2, least))
		}
	case TooLarge:
		if n > 1 {
			s.lane[l].fill = max(s.lane[l].fill/2, 1)
			s.lane[l].notBefore = s.now
		}
	case Denied:
		if !s.denied {
			acts = append(acts, Action{Deed: Renew})
		}
		s.denied = true
		for i := range s.lane {
			s.lane[i].notBefore = max(s.lane[i].notBefore, s.now+refused)
		}
	}
	return acts
}

// wait puts a lane off: a random part of a time that doubles with each failure, or as long as the server asks.
func (s *Sender) wait(l Lane, retryAfter int64) {
	most := int64(longest)
	if k := s.lane[l].failures; k < 6 {
		most = min(most, again<<k)
	}
	s.lane[l].failures++
	s.lane[l].notBefore = s.now + max(1+s.random(most), retryAfter)
}

func (s *Sender) anyBusy() bool { return s.lane[Backlog].busy || s.lane[Live].busy }

// send begins what may begin.
func (s *Sender) send(acts []Action) []Action {
	if !s.known || s.unsaid {
		if talk := &s.lane[Talk]; !talk.busy && !s.anyBusy() && s.now >= talk.notBefore {
			talk.busy, s.spoke = true, s.now
			acts = append(acts, Action{Deed: SayHello, Lane: Talk, Lost: s.lostList()})
		}
		return acts
	}
	if s.lane[Talk].busy {
		return acts
	}
	for l := Backlog; l < lanes; l++ {
		lane := &s.lane[l]
		if lane.busy || s.now < lane.notBefore || s.wanted(l) > s.now {
			continue
		}
		lane.busy, lane.began, s.spoke = true, s.now, s.now
		lane.flight = s.pick(l)
		acts = append(acts, Action{Deed: Send, Lane: l, Numbers: lane.flight})
	}
	return acts
}

// pick chooses what a lane sends, at least one batch where any waits.
func (s *Sender) pick(l Lane) []Number {
	from := 0
	if l == Live {
		from = len(s.queue)
		for from > 0 && s.queue[from-1].At >= s.now-young {
			from--
		}
	}
	var numbers []Number
	room := s.lane[l].fill
	for i := from; i < len(s.queue) && len(numbers) < mostBatches; i++ {
		w := &s.queue[i]
		if w.done || w.lane != Talk {
			continue
		}
		if room -= w.Bytes; room < 0 && len(numbers) > 0 {
			break
		}
		w.lane = l
		numbers = append(numbers, w.Number)
	}
	return numbers
}

// mostBatches keeps the reply, which names each batch, small.
const mostBatches = 4_096

func (s *Sender) lostList() []Held {
	var list []Held
	for _, epoch := range slices.Sorted(maps.Keys(s.lost)) {
		list = append(list, Held{Epoch: ID(epoch), Lost: slices.Clone(s.lost[epoch])})
	}
	return list
}
