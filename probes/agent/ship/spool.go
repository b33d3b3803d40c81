package ship

import (
	"context"

	"github.com/uptally/uptally/ledger"
	"github.com/uptally/uptally/ledger/delivery"
)

// Append is that of the spool. It waits until the spool is open.
func (s *Shipper) Append(ctx context.Context, frame func(ledger.Number) []byte) (ledger.Spooled, error) {
	return s.append(ctx, frame, (*ledger.Spool).Append)
}

// AppendReserve is that of the spool. It waits until the spool is open.
func (s *Shipper) AppendReserve(ctx context.Context, frame func(ledger.Number) []byte) (ledger.Spooled, error) {
	return s.append(ctx, frame, (*ledger.Spool).AppendReserve)
}

type appender func(*ledger.Spool, context.Context, func(ledger.Number) []byte) (ledger.Spooled, error)

func (s *Shipper) append(ctx context.Context, frame func(ledger.Number) []byte, to appender) (ledger.Spooled, error) {
	select {
	case <-s.opened:
	case <-ctx.Done():
		return ledger.Spooled{}, ctx.Err()
	}
	if s.openErr != nil {
		return ledger.Spooled{}, s.openErr
	}
	b, err := to(s.spool, ctx, frame)
	if err == nil {
		s.Appended(b)
	}
	return b, err
}

// BeginEpoch is that of the spool, which begins one anyway when it is opened.
func (s *Shipper) BeginEpoch() {
	select {
	case <-s.opened:
		if s.openErr == nil {
			s.spool.BeginEpoch()
		}
	default:
	}
}

// Appended tells of a batch that the spool has now. Append has done so already.
func (s *Shipper) Appended(b ledger.Spooled) {
	s.mu.Lock()
	s.appended = append(s.appended, s.known([]ledger.Spooled{b})...)
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *Shipper) takeAppended() []delivery.Spooled {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.appended
	s.appended = nil
	return all
}
