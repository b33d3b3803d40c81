package server_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/ledger/delivery"
	"github.com/uptally/uptally/ledger/ledgertest"
)

func same(t *testing.T, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// A hello, batches, the same again, and a hello that asks what was taken.
func TestDelivery(t *testing.T) {
	h := newHall(t, true)
	a := h.enrol("fra1")
	incarnation, err := h.store.Incarnation(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var hello delivery.Reply
	if code, text := a.post("/agent/hello", delivery.Hello{Version: "1.2.3", Site: "fra1", Epochs: []delivery.Held{{Epoch: 7}}}, &hello); code != 200 {
		t.Fatalf("got %d %s", code, text)
	}
	now := h.clock().UnixMicro()
	same(t, delivery.Reply{
		Incarnation: delivery.ID(incarnation), Taken: []delivery.Taken{{Epoch: 7}}, Plans: "plans-of-fra1", ReceivedAt: now, SentAt: now,
	}, hello)
	header := delivery.Header{Incarnation: delivery.ID(incarnation), Epoch: 7, Clock: delivery.Clock{SentAt: 5, Offset: -3, Bound: 2}}
	for range 2 {
		reply, code, text := a.deliver(header, a.batch(7, 1), a.batch(7, 2), a.batch(7, 4))
		if code != 200 {
			t.Fatalf("got %d %s", code, text)
		}
		same(t, []delivery.Verdict{{Epoch: 7, Seq: 1}, {Epoch: 7, Seq: 2}, {Epoch: 7, Seq: 4}}, reply.Accepted)
		same(t, delivery.ID(incarnation), reply.Incarnation)
	}
	if n := h.stored(); n != 3 {
		t.Errorf("got %d batches stored, want 3", n)
	}
	if reply, code, _ := a.deliver(header); code != 200 || reply.Accepted != nil || reply.Plans != "plans-of-fra1" {
		t.Errorf("heartbeat: got %d %+v", code, reply)
	}
	a.post("/agent/hello", delivery.Hello{Version: "1.2.3", Site: "fra1", Epochs: []delivery.Held{{Epoch: 3}, {Epoch: 7, First: 1, Last: 4}}}, &hello)
	same(t, []delivery.Taken{{Epoch: 3}, {Epoch: 7, Ranges: delivery.Ranges{{From: 1, To: 2}, {From: 4, To: 4}}}}, hello.Taken)
	s := h.agents.Stats()
	if len(s.Agents) != 1 {
		t.Fatalf("got %+v", s)
	}
	got := s.Agents[0]
	got.Until = 0
	same(t, []any{uint64(6), uint64(0)}, []any{s.Requests, s.Malformed}) // enrolment, two hellos, three requests
	same(t, got.Twins, uint64(0))
	same(t, "1.2.3", got.Version)
}

// A ledger that lacks what an agent remembers as acknowledged is given another name, once; then all send what it lacks.
func TestLedgerWentBack(t *testing.T) {
	h := newHall(t, false)
	h.now = time.UnixMilli(ledgertest.Start + 3_600_000)
	a := h.enrol("fra1")
	first, err := h.store.Incarnation(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	header := delivery.Header{Incarnation: delivery.ID(first), Epoch: 7, Acknowledged: []delivery.Numbered{{Epoch: 7, Seq: 1}, {Epoch: 7, Seq: 2}}}
	if reply, _, _ := a.deliver(delivery.Header{Incarnation: delivery.ID(first), Epoch: 7}, a.batch(7, 1), a.batch(7, 2)); len(reply.Accepted) != 2 {
		t.Fatalf("got %+v", reply)
	}
	if reply, _, _ := a.deliver(header); reply.Incarnation != delivery.ID(first) {
		t.Errorf("got another incarnation of a ledger that has all")
	}
	header.Acknowledged[1].Seq = 3
	reply, _, _ := a.deliver(header)
	if reply.Incarnation == delivery.ID(first) || reply.Incarnation == 0 {
		t.Errorf("got incarnation %v, want another than %016x", reply.Incarnation, first)
	}
	second := reply.Incarnation
	if again, _, _ := a.deliver(header); again.Incarnation != second {
		t.Errorf("got %v, want %v again: the agent does not know the new one yet", again.Incarnation, second)
	}
	// an agent that goes wrong cannot have all others send again and again
	header.Incarnation = second
	if again, _, _ := a.deliver(header); again.Incarnation != second {
		t.Errorf("got %v, want %v for ten minutes", again.Incarnation, second)
	}
	h.pass(10 * time.Minute)
	if again, _, _ := a.deliver(header); again.Incarnation == second {
		t.Error("got the same incarnation, want another after ten minutes")
	}
	if n := h.logged("the ledger lacks what it had acknowledged"); n != 2 || h.agents.Stats().Incarnations != 2 {
		t.Errorf("got %d lines and %+v, want 2 of each", n, h.agents.Stats())
	}
}

// What neither an agent nor the ledger has is told once, and less of it when another copy of the spool delivered some.
func TestGone(t *testing.T) {
	h := newHall(t, false)
	h.now = time.UnixMilli(ledgertest.Start + 3_600_000)
	a := h.enrol("fra1")
	hello := func() {
		t.Helper()
		held := []delivery.Held{{Epoch: 6, Last: 4, Lost: delivery.Ranges{{From: 2, To: 4}}}, {Epoch: 7, First: 3, Last: 9, Lost: delivery.Ranges{{From: 5, To: 6}}}}
		if code, text := a.post("/agent/hello", delivery.Hello{Site: "fra1", Epochs: held}, &delivery.Reply{}); code != 200 {
			t.Fatalf("got %d %s", code, text)
		}
	}
	gone := func(want uint64, lines int) {
		t.Helper()
		if got := h.agents.Stats().Agents[0].Gone; got != want || h.logged("batches are lost") != lines {
			t.Errorf("got %d batches gone and %s, want %d and %d lines", got, h.log, want, lines)
		}
	}
	a.deliver(delivery.Header{Epoch: 7}, a.batch(6, 1), a.batch(7, 1), a.batch(7, 2), a.batch(7, 5), a.batch(7, 9))
	hello()
	gone(4, 2) // 2, 3 and 4 of epoch 6, and 6 of epoch 7: 5 is in the ledger, 3, 4, 7 and 8 are in the spool
	hello()
	gone(4, 2)
	a.deliver(delivery.Header{Epoch: 7}, a.batch(6, 2), a.batch(7, 6))
	hello()
	gone(2, 2)
}

// An agent that makes epochs up, hello after hello, fills neither memory nor log without end.
func TestGoneIsBounded(t *testing.T) {
	h := newHall(t, false)
	a := h.enrol("fra1")
	for n := range 3 {
		var held []delivery.Held
		for i := range 4_000 {
			held = append(held, delivery.Held{Epoch: delivery.ID(4_000*n + i + 1), Last: 1})
		}
		if code, text := a.post("/agent/hello", delivery.Hello{Site: "fra1", Epochs: held}, &delivery.Reply{}); code != 200 {
			t.Fatalf("got %d %s", code, text)
		}
	}
	if got, lines := h.agents.Stats().Agents[0].Gone, h.logged("batches are lost"); got != 5_000 || lines != 5_000 {
		t.Errorf("got %d batches gone and %d lines, want those of 5,000 epochs", got, lines)
	}
}

// Two agents with one identity are noticed by any of three signs; a restart is none.
func TestTwins(t *testing.T) {
	twins := func(h *hall) uint64 { return h.agents.Stats().Agents[0].Twins }
	begin := func(t *testing.T) (*hall, *member) {
		h := newHall(t, false)
		h.now = time.UnixMilli(ledgertest.Start + 3_600_000)
		return h, h.enrol("fra1")
	}
	t.Run("restarts, and a request that comes late", func(t *testing.T) {
		h, a := begin(t)
		for _, epoch := range []delivery.ID{1, 2, 3, 2, 3, 4, 4, 5} {
			a.deliver(delivery.Header{Epoch: epoch})
		}
		if got := twins(h); got != 0 { // 2 after 3 is the late one
			t.Errorf("got %d signs, want none", got)
		}
	})
	t.Run("two epochs in turn", func(t *testing.T) {
		h, a := begin(t)
		for i := range 6 {
			a.deliver(delivery.Header{Epoch: delivery.ID(1 + i%2)})
		}
		// 1 2 1 2 1 2: four returns, of which the first two may be a late request
		if got := twins(h); got != 2 || h.logged("two agents deliver under one identity") != 1 {
			t.Errorf("got %d signs and %s", got, h.log)
		}
	})
	t.Run("two batches of one number", func(t *testing.T) {
		h, a := begin(t)
		a.deliver(delivery.Header{Epoch: 7}, a.batch(7, 1))
		other := a.batch(7, 1, func(b *uptally.Batch) { b.Results[0].RTT++ })
		reply, _, _ := a.deliver(delivery.Header{Epoch: 7}, other)
		same(t, []delivery.Verdict{{Epoch: 7, Seq: 1, Problem: delivery.Reused}}, reply.Accepted)
		if n := h.stored(); n != 2 || twins(h) != 1 {
			t.Errorf("got %d batches stored and %d signs, want both kept and 1", n, twins(h))
		}
	})
	t.Run("two batches of one number, at a server that was started anew", func(t *testing.T) {
		h, a := begin(t)
		a.deliver(delivery.Header{Epoch: 7}, a.batch(7, 1), a.batch(7, 2))
		h.start(h.store)
		other := a.batch(7, 2, func(b *uptally.Batch) { b.Results[0].RTT++ })
		reply, _, _ := a.deliver(delivery.Header{Epoch: 7}, a.batch(7, 1), other, a.batch(7, 3))
		same(t, []delivery.Verdict{{Epoch: 7, Seq: 1}, {Epoch: 7, Seq: 2, Problem: delivery.Reused}, {Epoch: 7, Seq: 3}}, reply.Accepted)
	})
	t.Run("later numbers than it gave", func(t *testing.T) {
		h, a := begin(t)
		a.deliver(delivery.Header{Epoch: 7}, a.batch(7, 5))
		for _, last := range []uint64{5, 4} {
			a.post("/agent/hello", delivery.Hello{Site: "fra1", Epochs: []delivery.Held{{Epoch: 7, First: 1, Last: last}}}, &delivery.Reply{})
		}
		if twins(h) != 1 {
			t.Errorf("got %d signs, want 1", twins(h))
		}
	})
}
