package ship

import (
	"context"
	"errors"
	"time"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/ledger"
	"github.com/uptally/uptally/ledger/delivery"
)

// reissueAfter is when a batch is tried again that could not be appended under another number.
const reissueAfter = 30 * time.Second

// do runs on the loop. What travels does so beside it.
func (s *Shipper) do(ctx context.Context, act delivery.Action) {
	switch act.Deed {
	case delivery.SayHello:
		s.hello(ctx, act)
	case delivery.Send:
		s.send(ctx, act)
	case delivery.Mark:
		now := s.o.Now()
		_, later := s.dates(s.count())
		s.spool.Mark(numbers(act.Numbers), later)
		s.tell(func(st *Stats) { st.Acknowledged, st.AcknowledgedAt = st.Acknowledged+uint64(len(act.Numbers)), now })
	case delivery.Unmark:
		s.unmark(ctx, act)
	case delivery.Reread:
		s.reread(ctx, act.Numbers)
	case delivery.BeginEpoch:
		if s.spool.Epoch() == act.Epoch {
			s.spool.BeginEpoch()
			s.o.Log.Error("another agent gives this agent's numbers: a new epoch begins", "epoch", delivery.ID(act.Epoch).String())
		}
	case delivery.Reissue:
		s.reissue(ctx, act.Numbers, false)
	case delivery.Adopt:
		s.adopt(ctx, act.Numbers)
	case delivery.Renew:
		select {
		case s.renew <- struct{}{}:
		default:
		}
	case delivery.Trim:
		earlier, _ := s.dates(act.At)
		s.spoolFailed("trim", s.spool.Trim(ctx, earlier))
	}
}

// unmark lets wait again what the ledger has not. What it has counts from now on where it was set back: it may be so once more.
func (s *Shipper) unmark(ctx context.Context, act delivery.Action) {
	taken := make([][2]uint64, len(act.Ranges))
	for i, r := range act.Ranges {
		taken[i] = [2]uint64{r.From, r.To}
	}
	again := s.spool.Unmark(act.Epoch, taken)
	if act.At != 0 {
		_, later := s.dates(act.At)
		s.spool.Confirm(act.Epoch, later)
	}
	if len(again) > 0 {
		s.o.Log.Warn("the ledger lacks batches that were acknowledged: sent again", "epoch", delivery.ID(act.Epoch).String(), "batches", len(again))
	}
	s.step(ctx, delivery.Pending(s.known(again)...))
}

// reread tells the sender of what has become unreadable.
func (s *Shipper) reread(ctx context.Context, ns []delivery.Number) {
	_, bad, err := s.spool.Read(ctx, numbers(ns))
	s.spoolFailed("read", err)
	s.unreadable(ctx, bad)
}

func (s *Shipper) unreadable(ctx context.Context, bad []ledger.Number) {
	if len(bad) == 0 {
		return
	}
	s.o.Log.Error("batches of the spool cannot be read any more: they are reported", "batches", len(bad), "first", bad[0].String())
	s.tell(func(st *Stats) { st.Unreadable += uint64(len(bad)) })
	s.step(ctx, delivery.Unreadable(theirs(bad)...))
}

// reissue appends batches again under new numbers, and only then takes the old ones for acknowledged, or drops them: there is no moment in
// which nothing here would tell a ledger of them.
func (s *Shipper) reissue(ctx context.Context, ns []delivery.Number, drop bool) {
	var copied []ledger.Number
	for _, n := range ns {
		b, err := s.reissueOne(ctx, n)
		switch {
		case err != nil:
			s.spoolFailed("append", err)
			s.acts.Go(func() { s.reissueLater(ctx, n, drop) })
		case b != ledger.Spooled{}:
			copied = append(copied, ledger.Number(n))
			s.spool.Mark(copied[len(copied)-1:], 0) // a copy lies behind it: its keeping time is over first
			s.step(ctx, delivery.Pending(s.known([]ledger.Spooled{b})...))
		}
	}
	if drop {
		s.spoolFailed("drop", s.spool.Drop(ctx, copied))
	}
}

// reissueOne returns the zero value for a batch that cannot be read any more, which the sender hears.
func (s *Shipper) reissueOne(ctx context.Context, n delivery.Number) (ledger.Spooled, error) {
	data, bad, err := s.spool.Read(ctx, []ledger.Number{ledger.Number(n)})
	if err != nil {
		return ledger.Spooled{}, err
	}
	if s.unreadable(ctx, bad); len(data) == 0 {
		return ledger.Spooled{}, nil
	}
	b, err := uptally.DecodeBatch(data[0])
	if err != nil { // the server has read it
		return ledger.Spooled{}, err
	}
	return s.spool.Append(ctx, func(n ledger.Number) []byte {
		b.Agent, b.Epoch, b.Seq = s.o.Identity.Agent(), n.Epoch, n.Seq
		data, err := b.AppendBinary(nil)
		if err != nil {
			panic("BUG: " + err.Error())
		}
		return data
	})
}

// adopt takes over what an agent of this site appended here that this one was before: its results, which no other disk has, go to the
// server as this agent's. They are dropped then, since of what another agent appended the server has nothing from this one: they would be
// taken over again at each start.
func (s *Shipper) adopt(ctx context.Context, ns []delivery.Number) {
	var own []delivery.Number
	for _, n := range ns {
		data, bad, err := s.spool.Read(ctx, []ledger.Number{ledger.Number(n)})
		s.spoolFailed("read", err)
		if s.unreadable(ctx, bad); len(data) == 0 {
			continue
		}
		b, err := uptally.DecodeBatch(data[0])
		if err != nil || b.Agent == s.o.Identity.Agent() || b.Site != uptally.IDOf(s.o.Identity.Site()) {
			s.o.Log.Error("the server refuses a batch as another agent's or site's: it is kept and not sent", "batch", ledger.Number(n).String(), "err", err)
			continue
		}
		own = append(own, n)
	}
	if len(own) > 0 {
		s.o.Log.Warn("batches of the agent that this one was before are sent as its own", "batches", len(own))
		s.reissue(ctx, own, true)
	}
}

func (s *Shipper) reissueLater(ctx context.Context, n delivery.Number, drop bool) {
	if s.sleep(ctx, reissueAfter) {
		s.turn(func() { s.reissue(ctx, []delivery.Number{n}, drop) })
	}
}

// sleep returns false where ctx ended first.
func (s *Shipper) sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// spoolFailed notes what went wrong with the spool, if anything.
func (s *Shipper) spoolFailed(what string, err error) {
	if err == nil || errors.Is(err, context.Canceled) {
		return
	}
	s.tell(func(st *Stats) { st.Failures.Spool++ })
	s.o.Log.Error("spool failed", "deed", what, "err", err)
}

// numbers and theirs are one type in two packages, of which neither may know the other.
func numbers(ns []delivery.Number) []ledger.Number {
	all := make([]ledger.Number, len(ns))
	for i, n := range ns {
		all[i] = ledger.Number(n)
	}
	return all
}

func theirs(ns []ledger.Number) []delivery.Number {
	all := make([]delivery.Number, len(ns))
	for i, n := range ns {
		all[i] = delivery.Number(n)
	}
	return all
}

// keepRenewed renews the identity when it is due, and when the sender asks for it.
func (s *Shipper) keepRenewed(ctx context.Context) {
	for failures := 0; ; {
		wait := min(s.o.Identity.RenewAt().Sub(s.o.Now()), time.Hour)
		if failures > 0 {
			most := min(time.Minute<<min(failures-1, 6), time.Hour)
			wait = max(wait, time.Duration(1+s.o.Random(int64(most))))
		}
		timer := time.NewTimer(max(wait, 0))
		asked := false
		select {
		case <-timer.C:
		case <-s.renew:
			asked = true
		case <-ctx.Done():
			timer.Stop()
			return
		}
		timer.Stop()
		now := s.o.Now()
		if !asked && now.Before(s.o.Identity.RenewAt()) {
			continue
		}
		err := s.o.Identity.Renew(ctx, now)
		if failures = failures + 1; err == nil {
			failures = 0
		}
		s.renewed(err)
	}
}

func (s *Shipper) renewed(err error) {
	s.tell(func(st *Stats) {
		if st.RenewError = err; err == nil {
			st.Renewed++
		}
	})
	if err != nil && !errors.Is(err, context.Canceled) {
		s.o.Log.Error("identity not renewed", "due", s.o.Identity.RenewAt().UTC().Format(time.RFC3339), "err", err)
		return
	}
	s.o.Log.Info("identity renewed")
}
