package ship

import (
	"context"
	"errors"
	"slices"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/ledger"
	"github.com/uptally/uptally/ledger/delivery"
)

const (
	// atOnce is how many epochs one hello names, and lostAtOnce how many ranges of lost numbers: of the longest numbers that is 0.8 MB,
	// of the 1 MiB that a server takes. The answer to all hellos together is one to the sender.
	atOnce     = 2_000
	lostAtOnce = 10_000
)

// hello asks what the ledger has, and tells what the spool has lost.
func (s *Shipper) hello(ctx context.Context, act delivery.Action) {
	h := delivery.Hello{Version: s.o.Version, Site: s.o.Identity.Site(), Incarnation: delivery.ID(s.sender.Incarnation())}
	s.flying++
	s.acts.Go(func() {
		epochs := s.spool.Epochs()
		reply, err := s.greet(ctx, h, s.held(ctx, epochs, act.Lost))
		s.turn(func() {
			if s.flying--; err != nil {
				s.failed(ctx, act.Lane, err)
				return
			}
			s.greeted(ctx, act.Lane, epochs, reply)
		})
	})
}

// inParts splits what is to be said of the epochs into what one hello holds each, the present epoch, which is the last, in all of them.
func inParts(all []delivery.Held) (parts [][]delivery.Held) {
	before, present := slices.Clone(all[:len(all)-1]), all[len(all)-1]
	for len(parts) == 0 || len(before) > 0 || len(present.Lost) > 0 {
		room := lostAtOnce
		take := func(h *delivery.Held) delivery.Held {
			part, n := *h, min(room, len(h.Lost))
			part.Lost, h.Lost, h.More = h.Lost[:n:n], h.Lost[n:], true
			room -= n
			return part
		}
		var part []delivery.Held
		for len(before) > 0 && len(part) < atOnce && room > 0 {
			part = append(part, take(&before[0]))
			if len(before[0].Lost) == 0 {
				before = before[1:]
			}
		}
		parts = append(parts, append(part, take(&present)))
	}
	return parts
}

// greet says hello as often as it takes to name all epochs and what they lost.
func (s *Shipper) greet(ctx context.Context, h delivery.Hello, all []delivery.Held) (whole delivery.Reply, err error) {
	for i, part := range inParts(all) {
		h.Epochs = part
		reply, err := s.postHello(ctx, h)
		switch {
		case err != nil:
			return whole, err
		case len(reply.Taken) != len(h.Epochs):
			return whole, unusable("got an answer about %d epochs, want %d", len(reply.Taken), len(h.Epochs))
		case i > 0 && reply.Incarnation != whole.Incarnation:
			return whole, unusable("got another incarnation in the middle of a hello")
		}
		if i > 0 { // an epoch of two parts is there twice, which changes nothing
			reply.Taken = append(whole.Taken[:len(whole.Taken)-1], reply.Taken...)
		}
		whole = reply
	}
	return whole, nil
}

// held is what a hello says of the epochs: what the spool knows to be lost, and what the sender does. Of one that is another agent's it is
// asked alone: what of it is gone from the spool, this agent never gave.
func (s *Shipper) held(ctx context.Context, epochs []ledger.SpoolEpoch, lost []delivery.Held) []delivery.Held {
	all := make([]delivery.Held, len(epochs))
	for i, e := range epochs {
		if s.isAnothers(ctx, e) {
			all[i] = delivery.Held{Epoch: delivery.ID(e.Epoch)}
			continue
		}
		h := delivery.Held{Epoch: delivery.ID(e.Epoch), First: e.First, Last: e.Last}
		for _, r := range e.Lost {
			h.Lost = append(h.Lost, delivery.Range{From: r[0], To: r[1]})
		}
		for _, l := range lost {
			if l.Epoch == h.Epoch {
				h.Lost = h.Lost.Union(l.Lost)
			}
		}
		all[i] = h
	}
	return all
}

// isAnothers says that an epoch is of the agent that this one was before it was enrolled again.
func (s *Shipper) isAnothers(ctx context.Context, e ledger.SpoolEpoch) bool {
	if e.First == 0 {
		return false
	}
	data, _, err := s.spool.Read(ctx, []ledger.Number{{Epoch: e.Epoch, Seq: e.First}})
	if err != nil || len(data) == 0 { // the sender finds that out by itself
		return false
	}
	b, err := uptally.DecodeBatch(data[0])
	return err == nil && b.Agent != s.o.Identity.Agent()
}

// greeted acts on the reply to a hello. The incarnation is kept after the marks that it changes, and with them: a process that dies
// before has changed neither.
func (s *Shipper) greeted(ctx context.Context, lane delivery.Lane, told []ledger.SpoolEpoch, r delivery.Reply) {
	was := s.sender.Incarnation()
	s.step(ctx, delivery.Answered(lane, r))
	s.spoolFailed("write", s.spool.SetIncarnation(ctx, uint64(r.Incarnation)))
	s.spoolFailed("write", s.spool.Told(ctx, told))
	if was != 0 && was != uint64(r.Incarnation) {
		s.tell(func(st *Stats) { st.Incarnations++ })
		s.o.Log.Warn("the server has another ledger than before, or one that was restored", "incarnation", r.Incarnation.String(), "was", delivery.ID(was).String())
	}
	s.heard(r)
}

// state is what the server is told of the spool. What it takes a look to know may be a minute old.
func (s *Shipper) state() delivery.State {
	st := s.looked
	if s.o.Plans != nil {
		st.Plans = s.o.Plans()
	}
	now := s.o.Now()
	if n, oldest := s.sender.Waiting(); n > 0 {
		st.Waiting, st.Oldest = n, oldest+now.UnixMilli()-s.countOf(now)
	}
	return st
}

// send carries batches, or none.
func (s *Shipper) send(ctx context.Context, act delivery.Action) {
	h := delivery.Header{Incarnation: delivery.ID(s.sender.Incarnation()), Epoch: delivery.ID(s.spool.Epoch()), State: s.state()}
	for _, n := range s.sender.Acknowledged() {
		h.Acknowledged = append(h.Acknowledged, delivery.Numbered{Epoch: delivery.ID(n.Epoch), Seq: n.Seq})
	}
	s.flying++
	s.acts.Go(func() {
		reply, err := s.deliver(ctx, h, act.Numbers)
		s.turn(func() {
			if s.flying--; err != nil {
				s.failed(ctx, act.Lane, err)
				return
			}
			s.step(ctx, delivery.Answered(act.Lane, reply))
			s.heard(reply)
		})
	})
}

// deliver reads batches and posts them.
func (s *Shipper) deliver(ctx context.Context, h delivery.Header, ns []delivery.Number) (delivery.Reply, error) {
	batches, bad, err := s.spool.Read(ctx, numbers(ns))
	if err != nil {
		s.spoolFailed("read", err)
		return delivery.Reply{}, err
	}
	if len(bad) > 0 {
		s.turn(func() { s.unreadable(ctx, bad) })
	}
	return s.postBatches(ctx, h, batches)
}

// heard is called after each reply.
func (s *Shipper) heard(r delivery.Reply) {
	now := s.o.Now()
	s.mu.Lock()
	s.stats.AnsweredAt = now
	was := s.trouble
	s.trouble = ""
	s.mu.Unlock()
	if was != "" {
		s.o.Log.Info("the server answers again")
	}
	if s.o.OnReply != nil {
		s.o.OnReply(r)
	}
}

// failed ends a lane's request without a reply.
func (s *Shipper) failed(ctx context.Context, lane delivery.Lane, err error) {
	f := failure{err: err}
	errors.As(err, &f)
	if ctx.Err() == nil {
		s.count1(f.kind)
		s.troubled(f.kind.String(), err)
	}
	s.step(ctx, delivery.Failed(lane, f.kind.failure(), f.retryAfter.Milliseconds()))
}

// troubled logs a failure of another kind than the last one.
func (s *Shipper) troubled(kind string, err error) {
	s.mu.Lock()
	news := s.trouble != kind
	s.trouble = kind
	s.mu.Unlock()
	if news {
		s.o.Log.Warn("nothing delivered", "reason", kind, "err", err)
	}
}
