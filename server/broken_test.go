package server_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/uptally/uptally/ledger"
	"github.com/uptally/uptally/ledger/delivery"
	"github.com/uptally/uptally/ledger/ledgertest"
)

// failing is a ledger that fails on demand, with words that nobody outside should read.
type failing struct {
	depot
	appends, reads bool
}

var errSecretPath = errors.New("write /var/lib/uptally/ledger.db: no space left on device")

func (f *failing) Append(ctx context.Context, in []ledger.Incoming) ([]bool, error) {
	if f.appends {
		return nil, errSecretPath
	}
	return f.depot.Append(ctx, in)
}

func (f *failing) Admissions(ctx context.Context, agent uint64) ([]ledger.Admission, error) {
	if f.reads {
		return nil, errSecretPath
	}
	return f.depot.Admissions(ctx, agent)
}

// A ledger that takes nothing is an answer after which the agent keeps everything and asks again; nobody is let in while nobody can say
// who it is.
func TestLedgerFails(t *testing.T) {
	h := newHall(t, false)
	h.now = time.UnixMilli(ledgertest.Start + 3_600_000)
	a := h.enrol("fra1")
	f := &failing{depot: h.store}
	h.start(f)
	want := problem("the ledger takes nothing now")
	f.appends = true
	if _, code, text := a.deliver(delivery.Header{}, a.batch(7, 1), a.batch(7, 2)); code != 503 || text != want {
		t.Errorf("got %d %s, want 503 %s", code, text, want)
	}
	if reply, code, _ := a.deliver(delivery.Header{}); code != 200 || reply.Incarnation == 0 {
		t.Errorf("heartbeat meanwhile: got %d", code)
	}
	f.appends, f.reads = false, true
	if r, text := a.do("GET", "/agent/plans", nil); r.StatusCode != 503 || text != want || r.Header.Get("Retry-After") != "5" {
		t.Errorf("got %d %s", r.StatusCode, text)
	}
	f.reads = false
	if reply, code, _ := a.deliver(delivery.Header{}, a.batch(7, 1)); code != 200 || len(reply.Accepted) != 1 {
		t.Errorf("with room again: got %d", code)
	}
	if s := h.agents.Stats(); s.Busy != 2 {
		t.Errorf("got %+v, want 2 refused for want of room", s)
	}
}
