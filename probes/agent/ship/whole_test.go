package ship_test

import (
	"context"
	"crypto/tls"
	"net"
	"testing"
	"time"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/ledger"
	"github.com/uptally/uptally/ledger/delivery"
	"github.com/uptally/uptally/ledger/ledgertest"
	"github.com/uptally/uptally/probes"
	"github.com/uptally/uptally/probes/agent"
	"github.com/uptally/uptally/probes/agent/identity"
	"github.com/uptally/uptally/probes/agent/ship"
	"github.com/uptally/uptally/server"
)

// A whole agent measures for a minute while its spool is being opened and the server hangs: every second has its result, none waited, and
// all of them arrive.
func TestMeasuringWaitsForNothing(t *testing.T) {
	in(t, func(t *testing.T, m *member) {
		m.way(hang)
		dir := t.TempDir()
		s := begin(t, m, dir, func(o *ship.Options) {
			open := o.Open
			o.Open = func() (*ledger.Spool, error) {
				<-time.After(20 * time.Second)
				return open()
			}
		})
		defer s.end()
		a, err := agent.New(agent.Options{
			Site: site, Plans: []uptally.Plan{{Check: "c", Sites: []string{site}, Every: 1_000, Timeout: 500, Quorum: 1, Confirm: 1, Recover: 1, Gap: 2_000, Kind: "tcp", Target: "192.0.2.1:443"}},
			Probe: func(*uptally.Plan) func(context.Context) probes.Observation {
				return func(context.Context) probes.Observation {
					return probes.Observation{SentAt: time.Now(), RTT: 10 * time.Millisecond}
				}
			},
			Spool: s, Clock: s.Clock, Agent: m.id,
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- a.Run(ctx) }()
		pass(time.Minute)
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		m.way(nil)
		pass(2 * time.Minute)
		up := 0
		err = m.store.at.Load().Batches(t.Context(), func(in ledger.Incoming) error {
			for _, r := range in.Batch.Results {
				if r.Outcome() == uptally.Up && r.Late == 0 {
					up++
				}
			}
			return nil
		})
		if err != nil || up < 59 || up > 61 {
			t.Errorf("got %d results up that were not late, %v, want one a second of a minute", up, err)
		}
		if st := s.Stats(); st.Spool.Waiting != 0 {
			t.Errorf("got %+v", st)
		}
	})
}

// The whole over a real network: an agent is enrolled over TLS, delivers, is renewed, finds the ledger restored while it is idle, is
// revoked, and loses nothing by it.
func TestOverTLS(t *testing.T) {
	store := &depot{}
	store.at.Store(&ledger.Memory{})
	ca, err := server.OpenAuthority(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var log lines
	intake := server.New(server.Options{Store: store, Known: func(uptally.ID, uptally.ID) bool { return true }, Now: func() int64 { return time.Now().UnixMilli() }, Log: log.logger()})
	t.Cleanup(intake.Close)
	agents, err := server.NewAgents(t.Context(), server.AgentsOptions{
		Store: store, Intake: intake, Authority: ca, Plans: func(string) (string, []byte) { return "1", nil }, Now: time.Now, Log: log.logger(),
	})
	if err != nil {
		t.Fatal(err)
	}
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv, ended := agents.Server(), make(chan error, 1)
	go func() { ended <- srv.Serve(tls.NewListener(plain, ca.TLS([]string{"127.0.0.1"}))) }()
	t.Cleanup(func() { srv.Close(); <-ended })
	token, err := server.NewToken(t.Context(), store, site, ca.Fingerprint(), time.Hour, "ana", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	id, err := identity.Enrol(t.Context(), identity.EnrolOptions{Dir: t.TempDir(), Server: "https://" + plain.Addr().String(), Token: token, Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(id.Close)

	dir := t.TempDir()
	replies := make(chan delivery.Reply, 100)
	s := ship.New(ship.Options{
		Open: func() (*ledger.Spool, error) { return ledger.OpenSpool(dir, ledger.SpoolOptions{}) }, Identity: id, Version: "1.2.3", Log: log.logger(),
		OnReply: func(r delivery.Reply) { replies <- r },
	})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	at := time.Now().UnixMilli()
	put := func() {
		t.Helper()
		r := ledgertest.Up(0, 5)
		r.Site, r.At = uptally.IDOf(site), at
		at++
		_, err := s.Append(t.Context(), func(n ledger.Number) []byte {
			data, err := uptally.Batch{Agent: id.Agent(), Epoch: n.Epoch, Seq: n.Seq, Site: r.Site, Day: uptally.DayOf(r.At), Results: []uptally.Result{r}}.AppendBinary(nil)
			if err != nil {
				t.Error(err)
			}
			return data
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	// until waits for replies until so many batches are in the ledger.
	until := func(n int) {
		t.Helper()
		for range replies {
			got := 0
			if err := store.at.Load().Batches(t.Context(), func(ledger.Incoming) error { got++; return nil }); err != nil {
				t.Fatal(err)
			}
			if got == n && s.Stats().Spool.Waiting == 0 {
				return
			}
		}
	}
	put()
	put()
	until(2)
	backup := store.at.Load().Clone()
	if err := id.Renew(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	put()
	until(3)
	facts, err := store.Admissions(t.Context(), id.Agent()) // who may deliver stays as it is
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range facts {
		_ = backup.Admit(t.Context(), f) // an error where the backup has it
	}
	store.at.Store(backup)
	put()
	until(4)
	if st := s.Stats(); st.Incarnations != 1 || !st.ClockKnown || st.ClockBound > time.Second || st.ClockOffset.Abs() > st.ClockBound || st.Failures != (ship.Failures{}) {
		t.Errorf("got %+v", st)
	}
	if err := server.Revoke(t.Context(), store, id.Agent(), "ana", "stolen", time.Now()); err != nil {
		t.Fatal(err)
	}
	put()
	denied := time.After(30 * time.Second)
	for s.Stats().Failures.Denied == 0 {
		select {
		case <-denied:
			t.Fatalf("got %+v of an agent that was revoked", s.Stats())
		default:
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if got := agents.Stats(); got.Agents[0].Version != "1.2.3" {
		t.Errorf("got %+v", got.Agents)
	}
}
