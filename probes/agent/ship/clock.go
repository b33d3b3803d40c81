package ship

import (
	"time"

	"github.com/uptally/uptally/ledger/delivery"
)

const (
	// remembered is how many exchanges the offset is chosen from.
	remembered = 8
	// drift is how much wrong a clock may run while it is corrected, in parts of a million: so much an offset ages.
	drift = 500
)

// exchange is four stamps in microseconds: the agent's clock when it sent, the server's when it received and when it answered; and how
// long the agent waited by its monotonic clock.
type exchange struct{ sent, received, answered, took int64 }

// clock is what the last exchanges say. It is a plain value.
type clock struct {
	last  [remembered]measured
	n     int
	ahead int64 // server's clock − count at the first exchange
}

// measured is one exchange: agent clock − server clock where half of the round trip is taken for each way.
type measured struct {
	at            int64 // the agent's count
	wall          int64 // wall clock − count, then
	offset, bound int64
}

// add takes an exchange that ended at the agent's count now. One that says that the server took longer than the agent waited says nothing.
func (c *clock) add(now int64, e exchange) {
	trip := e.took - (e.answered - e.received)
	if trip < 0 || e.received == 0 || e.answered < e.received {
		return
	}
	c.last[c.n%remembered] = measured{
		at: now, wall: e.sent + e.took - now,
		offset: ((e.sent - e.received) + (e.sent + e.took - e.answered)) / 2, bound: (trip + 1) / 2,
	}
	if c.n == 0 {
		c.ahead = c.last[0].wall - c.last[0].offset
	}
	c.n++
}

// dates returns what two clocks say at the agent's count now, the earlier one first: the wall clock, and the server's at the first exchange
// with what was counted since; all in microseconds.
func (c *clock) dates(now, wall int64) (earlier, later int64) {
	server := now + c.ahead
	return min(wall, server), max(wall, server)
}

// best returns the offset that is least wrong at the agent's count now, when the wall clock is so far from it; all in microseconds.
// known is false before the first exchange.
func (c *clock) best(now, wall int64) (offset, bound int64, known bool) {
	for _, m := range c.last[:min(c.n, remembered)] {
		b := m.bound + (now-m.at)*drift/1_000_000
		if !known || b < bound {
			offset, bound, known = m.offset+wall-m.wall, b, true // a step of the wall clock since is a step of its offset
		}
	}
	return offset, bound, known
}

// dates returns two instants in milliseconds for the shipper's count: an acknowledgement is of the later one, and how long ago it was is
// asked of the earlier one. So a clock that jumps, or that was wrong when the agent was started, now or then, has what was acknowledged
// kept longer and never shorter than its keeping time, as long as the other clock is right. What cannot be known is that both were
// behind when a batch was acknowledged, or both ahead at the start that deletes it, as where the agent is on the server's machine.
func (s *Shipper) dates(count int64) (earlier, later int64) {
	wall := s.o.Now().UnixMicro()
	s.mu.Lock()
	defer s.mu.Unlock()
	earlier, later = s.clock.dates(count*1000, wall)
	return earlier / 1000, later / 1000
}

func (s *Shipper) countMicros(t time.Time) int64 {
	return s.start.UnixMicro() + t.Sub(s.start).Microseconds()
}

// Clock returns how far the agent's wall clock is from the server's and how far that may be wrong, in microseconds: what goes into a
// batch. Both are 0 before the first reply.
func (s *Shipper) Clock() (offset, bound int64) {
	c := s.clockOf()
	return c.Offset, c.Bound
}

func (s *Shipper) clockOf() delivery.Clock {
	now := s.o.Now()
	count := s.countMicros(now)
	s.mu.Lock()
	defer s.mu.Unlock()
	c := delivery.Clock{SentAt: now.UnixMicro()}
	c.Offset, c.Bound, _ = s.clock.best(count, now.UnixMicro()-count)
	return c
}
