package ship

import (
	"time"

	"github.com/uptally/uptally/ledger"
	"github.com/uptally/uptally/ledger/delivery"
)

// Stats are a shipper's numbers since the start.
type Stats struct {
	// Opening is true until the spool is open; Spool is empty so long. It has what waits, for how long there is room, and how many damaged
	// files lie aside.
	Opening bool
	Spool   ledger.SpoolStats
	// AnsweredAt is when the server answered last, AcknowledgedAt when it last acknowledged a batch; zero for never.
	AnsweredAt, AcknowledgedAt time.Time
	// Acknowledged counts batches, Unreadable those that the spool could not give any more, Incarnations the times at which the
	// server had another ledger than before, Renewed the renewals of the identity.
	Acknowledged, Unreadable, Incarnations, Renewed uint64
	// RenewError is why the last renewal failed, nil after a good one.
	RenewError error
	// Failures counts requests without a reply.
	Failures Failures
	// ClockKnown says that ClockOffset, agent − server, and ClockBound, how far it may be wrong, are known.
	ClockKnown              bool
	ClockOffset, ClockBound time.Duration
}

// Failures are requests without a reply, by their kind.
type Failures struct {
	// NoAnswer: nobody answered. Unusable: somebody did, but no server of this program, or one that could not. TooLarge: the
	// request was beyond a limit. Denied: the identity is not accepted.
	NoAnswer, Unusable, TooLarge, Denied uint64
	// Spool counts what went wrong with the spool itself.
	Spool uint64
}

// Stats returns the numbers of now.
func (s *Shipper) Stats() Stats {
	now := s.o.Now()
	count := s.countMicros(now)
	s.mu.Lock()
	st := s.stats
	offset, bound, known := s.clock.best(count, now.UnixMicro()-count)
	s.mu.Unlock()
	st.ClockKnown, st.ClockOffset, st.ClockBound = known, time.Duration(offset)*time.Microsecond, time.Duration(bound)*time.Microsecond
	select {
	case <-s.opened:
		if s.openErr == nil {
			st.Spool = s.spool.Stats()
		}
	default:
	}
	return st
}

// tell changes the numbers under the lock.
func (s *Shipper) tell(f func(*Stats)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.stats)
}

func (s *Shipper) count1(k kind) {
	s.tell(func(st *Stats) {
		switch f := &st.Failures; k {
		case unreachable:
			f.NoAnswer++
		case unanswered:
			f.Unusable++
		case tooLarge:
			f.TooLarge++
		case denied:
			f.Denied++
		}
	})
}

// lookAtSpool says what a person has to know of the spool.
func (s *Shipper) lookAtSpool() {
	st := s.spool.Stats()
	s.looked = delivery.State{Left: max(st.Left.Milliseconds(), 0), Damaged: st.Aside}
	news := st.Aside > s.aside || st.Replaced > s.replaced
	if s.aside, s.replaced = st.Aside, st.Replaced; news {
		s.o.Log.Error("a damaged spool file was moved aside: what could be read of it went into a new one", "files", st.Aside, "lost", st.Lost, "err", st.Cause)
	}
}
