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
	last [remembered]measured
	n    int
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
	c.n++
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
