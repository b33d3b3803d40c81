package server_test

import (
	"context"
	"testing"
	"time"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/ledger"
	"github.com/uptally/uptally/ledger/delivery"
	"github.com/uptally/uptally/ledger/ledgertest"
	"github.com/uptally/uptally/ledger/postgrestest"
	"github.com/uptally/uptally/server"
)

// Two servers over one database agree who may deliver, what the ledger is called, and who gives numbers twice.
func TestTwoServers(t *testing.T) {
	cluster, err := postgrestest.Start()
	if err != nil {
		postgrestest.Skip(t, err)
	}
	t.Cleanup(func() { cluster.Stop() })
	now, dsn := time.UnixMilli(ledgertest.Start+3_600_000), cluster.Fresh(t)
	open := func() *hall {
		s, err := ledger.OpenPostgres(t.Context(), dsn, ledger.Options{Now: now.UnixMilli})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return hallOver(t, s, nil, now)
	}
	one, two := open(), open()
	a := one.enrol("fra1")
	there := *a // the same agent at the other server
	there.hall = two
	first, code, text := a.deliver(delivery.Header{Epoch: 7}, a.batch(7, 1), a.batch(7, 2))
	if code != 200 {
		t.Fatalf("got %d %s", code, text)
	}
	other := a.batch(7, 2, func(b *uptally.Batch) { b.Results[0].RTT++ })
	reply, code, text := there.deliver(delivery.Header{Incarnation: first.Incarnation, Epoch: 7, Acknowledged: []delivery.Numbered{{Epoch: 7, Seq: 2}}}, a.batch(7, 1), other)
	if code != 200 || reply.Incarnation != first.Incarnation {
		t.Errorf("got %d %s %+v", code, text, reply)
	}
	same(t, []delivery.Verdict{{Epoch: 7, Seq: 1}, {Epoch: 7, Seq: 2, Problem: delivery.Reused}}, reply.Accepted)
	reply, _, _ = there.deliver(delivery.Header{Incarnation: first.Incarnation, Epoch: 7, Acknowledged: []delivery.Numbered{{Epoch: 7, Seq: 9}}})
	again, _, _ := a.deliver(delivery.Header{Incarnation: first.Incarnation, Epoch: 7})
	if reply.Incarnation == first.Incarnation || again.Incarnation != reply.Incarnation {
		t.Errorf("got incarnations %v, %v and %v, want the second new and the third equal", first.Incarnation, reply.Incarnation, again.Incarnation)
	}
	if err := server.Revoke(context.Background(), one.store, a.id, "ana", "stolen", now); err != nil {
		t.Fatal(err)
	}
	if r, _ := there.do("GET", "/agent/plans", nil); r.StatusCode != 403 {
		t.Errorf("revoked at one server: got %d at the other, want 403", r.StatusCode)
	}
}
