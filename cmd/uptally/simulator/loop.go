package simulator

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// loop is the one clock, the one source of chance and the order of events.
type loop struct {
	now   int64 // true time, in milliseconds UTC
	order uint64
	queue []event
	rng   *rand.Rand
	hash  uint64
	notes []note
	trace bool // keep notes
}

type event struct {
	at    int64
	order uint64
	do    func()
}

func (e *event) before(o *event) bool { return e.at < o.at || e.at == o.at && e.order < o.order }

// after does something when d milliseconds have passed.
func (l *loop) after(d int64, do func()) { l.at(l.now+max(d, 0), do) }

func (l *loop) at(at int64, do func()) {
	l.order++
	q := append(l.queue, event{max(at, l.now), l.order, do})
	i := len(q) - 1
	for i > 0 && q[i].before(&q[(i-1)/2]) {
		q[i], q[(i-1)/2] = q[(i-1)/2], q[i]
		i = (i - 1) / 2
	}
	l.queue = q
}

// run lets time pass up to an instant.
func (l *loop) run(to int64) {
	for len(l.queue) > 0 && l.queue[0].at <= to {
		e := l.pop()
		l.now = e.at
		e.do()
	}
	l.now = to
}

func (l *loop) pop() event {
	q := l.queue
	first, last := q[0], len(q)-1
	q[0], q[last] = q[last], event{}
	q = q[:last]
	for i := 0; ; {
		k := 2*i + 1
		if k+1 < len(q) && q[k+1].before(&q[k]) {
			k++
		}
		if k >= len(q) || !q[k].before(&q[i]) {
			break
		}
		q[i], q[k] = q[k], q[i]
		i = k
	}
	l.queue = q
	return first
}

// between returns a number of lo ≤ x < hi.
func (l *loop) between(lo, hi int64) int64 { return lo + l.rng.Int64N(max(hi-lo, 1)) }

// chance is true once in n times.
func (l *loop) chance(n int64) bool { return l.rng.Int64N(n) == 0 }

// note is something that happened: to whom, and which batch (epoch and number) or slot (check and instant) it was about.
type note struct {
	at   int64
	what string
	who  int
	x, y uint64
	more string
}

// told notes what happened: it enters the hash of the run, and its story where one is kept.
func (l *loop) told(what string, who int, x, y uint64) {
	h := l.hash
	for _, v := range [...]uint64{uint64(l.now), uint64(len(what)) | uint64(what[0])<<8 | uint64(what[len(what)-1])<<16, uint64(who), x, y} {
		h = (h ^ v) * 0x9e3779b97f4a7c15
		h ^= h >> 29
	}
	l.hash = h
	if l.trace {
		l.notes = append(l.notes, note{at: l.now, what: what, who: who, x: x, y: y})
	}
}

// fault notes a fault, which belongs to every story.
func (l *loop) fault(what string, who int, forMillis int64) {
	l.told(what, who, 0, uint64(forMillis))
	if l.trace {
		l.notes[len(l.notes)-1].more = "fault"
	}
}

// mostStory is how many lines of a story are told.
const mostStory = 80

// story returns the last notes about any of some batches or slots, and the faults among them.
func (l *loop) story(about ...[2]uint64) []string {
	var lines []string
	for _, n := range l.notes {
		ours := n.more == "fault"
		for _, a := range about {
			ours = ours || n.x == a[0] && n.y == a[1]
		}
		if ours {
			lines = append(lines, n.String())
		}
	}
	return lines[max(0, len(lines)-mostStory):]
}

func (n note) String() string {
	at := time.UnixMilli(n.at).UTC().Format("15:04:05.000")
	if n.more == "fault" {
		return fmt.Sprintf("%s  %-2s FAULT %s %s", at, whoIs(n.who), n.what, time.Duration(n.y)*time.Millisecond)
	}
	return fmt.Sprintf("%s  %-2s %s %016x/%d", at, whoIs(n.who), n.what, n.x, n.y)
}

// everyone and theServer are whom a note may be about besides a machine.
const (
	everyone  = -1
	theServer = -2
)

func whoIs(n int) string {
	switch n {
	case everyone:
		return "*"
	case theServer:
		return "S"
	}
	return fmt.Sprintf("A%d", n)
}
