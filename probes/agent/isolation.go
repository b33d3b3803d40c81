package agent

import (
	"math"
	"strings"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/probes"
)

const (
	never = math.MaxInt64
	// roundEvery is the least time between two rounds, in milliseconds: one round serves a burst of failures.
	roundEvery = 1_000
	// roundLasts is when a reference that has not even returned is silent.
	roundLasts = 2_250
	// surveyEvery is when the references are asked without a failure, so that a dead one is known before it is needed.
	surveyEvery = 3_600_000
	// prompt is how soon an answer proves that the network worked when the round began. A later one was asked for again, as TCP does
	// after a second, and proves it for the instant at which it came.
	prompt = 900
	// mostPace is the longest time between two rounds while nobody answers.
	mostPace = 10_000
)

// isolation decides whether a failure may be the site's own. It is a plain value: no goroutine, no clock, no I/O. Its caller
// asks each reference once when tick says so, tells what they answered, and takes the failures that were judged.
//
// References are asked in rounds. A failure waits for a round that began when it had ended, and is believed if the round was
// answered; it may be the site's own if nobody answered. It also may be where the last round before its send instant was
// not answered, since then nobody knows whether the network worked when it was sent. Both are one rule: a failure is believed
// if it was sent no earlier than the first answer since the last round that had none, or none promptly.
type isolation struct {
	refs    []referee
	network trust // the voters' answers
	names   trust // the resolver's
	// proven says that a target beyond the site has answered. From then on a reference that never has does not count: it
	// would make every outage void.
	proven bool

	round   int64 // the number of the round in the air or the last one
	began   int64 // when it began
	running bool
	survey  bool // it ends only when everyone is heard
	wanted  bool // something waits for the next one
	held    []held

	times   [parts]uint64 // how often nobody answered, by the part at fault
	version int           // changes with everything that stats shows
}

// referee is a reference as the rounds have seen it.
type referee struct {
	name   string
	part   Part
	votes  bool
	ever   bool // it has answered since the start
	answer answer
	reason uptally.Reason // of the newest answer
	known  bool           // there is one, and it is up or not
	late   bool           // it did not come promptly
	up     bool
}

// answer is what a reference said in the current round.
type answer uint8

const (
	pending answer = iota
	answered
	silent
	unasked
)

// trust is what the rounds have shown of one thing.
type trust struct {
	since   int64 // failures sent from here on are believed; never while it is not answered
	cutAt   int64 // the first round of the current stretch without an answer
	cause   Part
	details string // of the newest round without an answer
	state   answer // in the current round
}

func (t *trust) cut() bool { return t.since == never }

// held is a failure that waits for a round.
type held struct {
	f      flight
	result uptally.Result
	ended  int64
	named  bool // a name was not resolved by the site's own resolver
}

func (h *held) sent() int64 { return h.result.SentAt() }

func newIsolation(refs []Reference) *isolation {
	if len(refs) == 0 {
		return nil
	}
	s := &isolation{network: trust{since: math.MinInt64}, names: trust{since: math.MinInt64}, began: math.MinInt64 / 2, survey: true, wanted: true}
	for _, r := range refs {
		s.refs = append(s.refs, referee{name: r.Name, part: r.Part, votes: r.Votes})
	}
	return s
}

// fail takes a failure, which comes out of judged at once or later.
func (s *isolation) fail(h held) {
	s.held = append(s.held, h)
	s.wanted = true
}

// suspect asks for a round beside a probe that has not ended: what was cut off while it waited may be well when it gives up.
func (s *isolation) suspect() { s.wanted = true }

// prove says that a target beyond the site has answered.
func (s *isolation) prove() {
	if !s.proven {
		s.proven = true
		s.version++
	}
}

// next is the instant at which tick wants to be called.
func (s *isolation) next() int64 {
	switch {
	case s.running:
		return s.began + roundLasts
	case s.wanted:
		return s.began + roundEvery
	case s.network.cut():
		return s.began + min(max((s.began-s.network.cutAt)/60, roundEvery), mostPace)
	}
	return s.began + surveyEvery
}

// tick passes the time; true says that a round begins now and each reference is to be asked once.
func (s *isolation) tick(now int64) bool {
	if now < s.next() {
		return false
	}
	if s.running {
		for i := range s.refs {
			if s.refs[i].answer == pending {
				s.hear(i, silent, uptally.AgentDelay)
			}
		}
		s.decide(now)
		return false
	}
	s.survey = s.survey || !s.wanted && !s.network.cut()
	s.round++
	s.began, s.running, s.wanted = now, true, false
	s.network.state, s.names.state = pending, pending
	for i := range s.refs {
		s.refs[i].answer = pending
	}
	return true
}

// paused says that the process did not run: the round in the air proves nothing and begins anew.
func (s *isolation) paused(now int64) {
	if s.running {
		s.running, s.wanted, s.began = false, true, now-roundEvery
	}
}

// heard takes the answer of a reference to a round. One that comes after its round is over only says that there it is.
func (s *isolation) heard(now int64, ref int, round int64, o probes.Observation) {
	a := silent
	switch outcome := o.Outcome(); {
	case outcome == uptally.Up:
		a = answered
	case outcome == uptally.Missed, o.Reason == uptally.Resource:
		a = unasked
	}
	if round == s.round && s.running {
		s.hear(ref, a, o.Reason)
		s.refs[ref].late = now-s.began > prompt
		s.decide(now)
	} else if a == answered {
		s.refs[ref].ever = true
	}
}

func (s *isolation) hear(ref int, a answer, reason uptally.Reason) {
	r := &s.refs[ref]
	r.answer, r.reason = a, reason
	r.known, r.up = a != unasked, a == answered
	r.ever = r.ever || r.up
	s.version++
}

// decide closes what the answers of the round have settled.
func (s *isolation) decide(now int64) {
	if all := s.count(func(r *referee) bool { return r.answer == pending }) == 0; s.running {
		s.settle(now, &s.network, all, func(r *referee) bool { return r.votes })
		s.settle(now, &s.names, all, func(r *referee) bool { return r.part == Resolver })
		settled := s.network.state != pending && s.names.state != pending
		s.running = !all && (s.survey || !settled)
		s.survey = s.survey && s.running
	}
}

// settle notes what the round has shown of one thing. An answer shows at once; silence only when everyone was heard, so that
// the details are whole.
func (s *isolation) settle(now int64, t *trust, all bool, asks func(*referee) bool) {
	if t.state != pending {
		return
	}
	counts := func(r *referee) bool { return asks(r) && r.answer != unasked && s.counts(r) }
	answers := s.count(func(r *referee) bool { return counts(r) && r.answer == answered })
	switch {
	case answers > 0, s.count(counts) == 0:
		// With nobody to ask nothing is known against a failure.
		t.state = answered
		if t.cut() {
			t.since = now
		} else if answers > 0 && now-s.began > prompt {
			t.since, t.cause, t.details = now, s.cause(t), s.details()
		}
	case all:
		t.state, t.cause, t.details = silent, s.cause(t), s.details()
		if !t.cut() {
			t.since, t.cutAt = never, s.began
			if t == &s.network || !s.network.cut() {
				s.times[t.cause]++
			}
		}
	}
}

// counts says that the silence of a reference means something. One that has never answered although the network works is dead or
// written wrongly.
func (s *isolation) counts(r *referee) bool { return r.ever || !s.proven }

func (s *isolation) count(what func(*referee) bool) (n int) {
	for i := range s.refs {
		if what(&s.refs[i]) {
			n++
		}
	}
	return n
}

// cause is the part nearest to the agent that did not answer.
func (s *isolation) cause(t *trust) Part {
	if t == &s.names && !s.network.cut() {
		return Resolver
	}
	for i := range s.refs {
		if r := &s.refs[i]; r.part == Gateway && r.answer == silent && r.ever {
			return Gateway
		}
	}
	return Uplink
}

// mostDetails is the longest text about references, so that room is left for the failure's own.
const mostDetails = 320

// details names each reference and its answer.
func (s *isolation) details() string {
	var words []string
	for i := range s.refs {
		r := &s.refs[i]
		words = append(words, r.name+" "+r.said())
	}
	return fit(strings.Join(words, ", "), mostDetails)
}

func (r *referee) said() string {
	switch {
	case r.answer == pending:
		return "pending"
	case r.answer == answered && r.late:
		return "answered late"
	case r.answer == answered:
		return "answered"
	}
	return r.reason.String()
}

func (s *isolation) stats() IsolationStats {
	st := IsolationStats{CutOff: s.network.cut(), NamesCutOff: s.names.cut(), Times: map[Part]uint64{}}
	for p, n := range s.times {
		st.Times[Part(p)] = n
	}
	for i := range s.refs {
		r := &s.refs[i]
		st.References = append(st.References, ReferenceStats{Name: r.name, Part: r.part, Known: r.known, Up: r.up, Counts: s.counts(r)})
	}
	return st
}

// judged returns the failures that are decided, those that may be the site's own as void(local). The slice is the caller's.
func (s *isolation) judged() []held {
	var out []held
	waiting := s.held[:0]
	for _, h := range s.held {
		switch {
		case h.sent() < s.network.since:
			h.result = voided(h.result, uptally.Local, s.network.cause.String()+"; "+s.network.details)
			out = append(out, h)
		case h.named && h.sent() < s.names.since:
			h.result = voided(h.result, uptally.Local, s.names.cause.String()+"; "+s.names.details)
			out = append(out, h)
		case h.ended <= s.began && s.network.state == answered && (!h.named || s.names.state == answered):
			out = append(out, h)
		default:
			s.wanted = s.wanted || h.ended > s.began
			waiting = append(waiting, h)
		}
	}
	clear(s.held[len(waiting):])
	s.held = waiting
	return out
}
