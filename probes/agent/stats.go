package agent

import (
	"math"
	"sync"
	"time"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/probes/focus"
)

// Stats are an agent's numbers since its start.
type Stats struct {
	// Fires are the probes begun; InFlight those that have not left their result.
	Fires    uint64
	InFlight int
	// Missed are the slots that were not probed, by reason.
	Missed map[uptally.Reason]uint64
	// Lateness are the probes that began at most so late, ascending and cumulative; the last counts all. LateMillis is the
	// sum of their lateness in milliseconds.
	Lateness   []Bucket
	LateMillis uint64
	// Waiting are the results in memory that are not acknowledged, those kept only as slots included.
	Waiting int
	// Batches are those acknowledged, AppendErrors the calls of Append that failed, LastAppend the instant of the last
	// acknowledgement, zero before the first.
	Batches, AppendErrors uint64
	LastAppend            time.Time
	// Void are the results that prove nothing, by reason.
	Void map[uptally.Reason]uint64
	// Pauses are how often the process did not run, PausedMillis for how long in all.
	Pauses, PausedMillis uint64
	// Extras are the probes begun beside the slots, by focus or to repeat one that the agent spoiled; DroppedExtras those that
	// found no worker or came too late.
	Extras, DroppedExtras uint64
	// Focus and Down are the checks in these states of focus.
	Focus, Down int
	// Isolation is what the references say; its zero value where there are none.
	Isolation IsolationStats
	// ClockOff is how far the wall clock is ahead of the agent's count of time.
	ClockOff time.Duration
}

// IsolationStats is what the references say.
type IsolationStats struct {
	// CutOff says that no reference answers now, NamesCutOff that the site's resolver does not.
	CutOff, NamesCutOff bool
	// Times is how often that began, by the part at fault.
	Times map[Part]uint64
	// References are those of Options, in order.
	References []ReferenceStats
}

// ReferenceStats is a reference as it was last seen.
type ReferenceStats struct {
	Name string
	Part Part
	// Known says that it was asked and Up that it answered. Counts says that its silence means something: it has answered since
	// the start, or nothing beyond the site has.
	Known, Up, Counts bool
}

// Bucket counts the probes that began at most AtMost milliseconds late.
type Bucket struct {
	AtMost int64 // math.MaxInt64 for all
	N      uint64
}

var latenessBounds = [...]int64{1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 15_000, math.MaxInt64}

// Stats returns the numbers of now. It may be called at any time by any goroutine.
func (a *Agent) Stats() Stats {
	s := a.counts.stats()
	a.committer.mu.Lock()
	defer a.committer.mu.Unlock()
	c := a.committer
	s.Waiting = c.held + c.full.n
	s.Batches, s.AppendErrors, s.LastAppend = c.batches, c.failed, c.last
	return s
}

// counts are what the loop counts.
type counts struct {
	mu       sync.Mutex
	fires    uint64
	inFlight int
	left     [256]uint64 // missed and void, by reason
	pauses   uint64
	paused   uint64
	states   [focus.Down + 1]int // checks in each state of focus but the first
	extras   uint64
	dropped  uint64
	isolated IsolationStats // its slices and maps are replaced, never written
	late     [len(latenessBounds)]uint64
	lateSum  uint64
	off      time.Duration
}

func (c *counts) begin(inFlight int) {
	c.mu.Lock()
	c.fires++
	c.inFlight = inFlight
	c.mu.Unlock()
}

func (c *counts) end(inFlight int) {
	c.mu.Lock()
	c.inFlight = inFlight
	c.mu.Unlock()
}

func (c *counts) clock(off time.Duration) {
	c.mu.Lock()
	c.off = off
	c.mu.Unlock()
}

func (c *counts) pause(millis int64) {
	c.mu.Lock()
	c.pauses++
	c.paused += uint64(millis)
	c.mu.Unlock()
}

// focus notes that a check went from one state of focus to another.
func (c *counts) focus(from, to focus.State) {
	c.mu.Lock()
	c.states[from]--
	c.states[to]++
	c.mu.Unlock()
}

func (c *counts) extra() {
	c.mu.Lock()
	c.extras++
	c.mu.Unlock()
}

func (c *counts) dropExtra() {
	c.mu.Lock()
	c.dropped++
	c.mu.Unlock()
}

func (c *counts) isolation(s IsolationStats) {
	c.mu.Lock()
	c.isolated = s
	c.mu.Unlock()
}

func (c *counts) result(r uptally.Result) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch r.Outcome() {
	case uptally.Missed:
		c.left[r.Reason]++
		return
	case uptally.Void:
		c.left[r.Reason]++
	}
	i := 0
	for int64(r.Late) > latenessBounds[i] {
		i++
	}
	c.late[i]++
	c.lateSum += uint64(r.Late)
}

func (c *counts) stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := Stats{
		Fires: c.fires, InFlight: c.inFlight, LateMillis: c.lateSum, ClockOff: c.off,
		Pauses: c.pauses, PausedMillis: c.paused, Extras: c.extras, DroppedExtras: c.dropped, Isolation: c.isolated,
		Focus: c.states[focus.Focus], Down: c.states[focus.Down],
		Missed: map[uptally.Reason]uint64{}, Void: map[uptally.Reason]uint64{},
	}
	for r, n := range c.left {
		switch o := uptally.Reason(r).Outcome(); {
		case n == 0:
		case o == uptally.Missed:
			s.Missed[uptally.Reason(r)] = n
		default:
			s.Void[uptally.Reason(r)] = n
		}
	}
	sum := uint64(0)
	for i, n := range c.late {
		sum += n
		s.Lateness = append(s.Lateness, Bucket{latenessBounds[i], sum})
	}
	return s
}
