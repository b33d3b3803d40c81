package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/uptally/uptally/exporter"
	"github.com/uptally/uptally/ledger"
	"github.com/uptally/uptally/ledger/delivery"
	"github.com/uptally/uptally/server"
)

// agentsPort is where agents of other sites call.
type agentsPort struct {
	*server.Agents
	listener net.Listener
	http     *http.Server

	enrolled atomic.Pointer[[]ledger.Admission] // those that were not revoked, by agent
	cancel   context.CancelFunc
	ended    chan struct{}
}

// openAgents lets agents in, where the installation says so.
func (h *house) openAgents(ctx context.Context) error {
	o := h.cfg().Agents
	if o.Listen == "" {
		return nil
	}
	store, ok := h.store.(server.AgentStore)
	if !ok {
		panic(fmt.Sprintf("BUG: %T admits nobody", h.store))
	}
	var authority *server.Authority
	var err error
	if !o.BehindProxy {
		if authority, err = server.OpenAuthority(h.cfg().Data); err != nil {
			return err
		}
	}
	p := &agentsPort{}
	p.Agents, err = server.NewAgents(ctx, server.AgentsOptions{
		Store: store, Intake: h.intake, Authority: authority, Plans: h.plansOf, Relay: h.relay, Now: time.Now, Log: h.log,
	})
	if err != nil {
		return err
	}
	if p.listener, err = server.Listen(o.Listen, authority, o.Names, o.Insecure); err != nil {
		return err
	}
	p.http = p.Agents.Server()
	go func() {
		if err := p.http.Serve(p.listener); !errors.Is(err, http.ErrServerClosed) {
			h.failed <- fmt.Errorf("serve agents: %w", err)
		}
	}()
	if err := p.callRoll(ctx, store); err != nil {
		return err
	}
	rolls, cancel := context.WithCancel(context.Background())
	p.cancel, p.ended = cancel, make(chan struct{})
	go p.callRolls(rolls, store, h.log)
	h.agents = p
	h.log.Info("agents let in", "address", p.listener.Addr().String(), "names", o.Names, "behind_proxy", o.BehindProxy)
	return nil
}

func (h *house) closeAgents(ctx context.Context) error {
	if h.agents == nil {
		return nil
	}
	h.agents.cancel()
	<-h.agents.ended
	return closeServer(ctx, h.agents.http)
}

// rollEvery is how often it is looked up who is enrolled: people and other servers of the ledger change that.
const rollEvery = 30 * time.Second

func (p *agentsPort) callRolls(ctx context.Context, store ledger.Admitter, log *slog.Logger) {
	defer close(p.ended)
	beat := time.NewTicker(rollEvery)
	defer beat.Stop()
	for {
		select {
		case <-beat.C:
			if err := p.callRoll(ctx, store); err != nil && ctx.Err() == nil {
				log.Error("enrolled agents not read", "err", err)
			}
		case <-ctx.Done():
			return
		}
	}
}

// callRoll reads who is enrolled and was not revoked.
func (p *agentsPort) callRoll(ctx context.Context, store ledger.Admitter) error {
	all, err := enrolledIn(ctx, store)
	if err == nil {
		p.enrolled.Store(&all)
	}
	return err
}

// enrolledIn are the agents of a ledger that were not revoked.
func enrolledIn(ctx context.Context, store ledger.Admitter) ([]ledger.Admission, error) {
	all, err := ledger.AllAdmissions(ctx, store)
	gone := map[uint64]bool{}
	for _, a := range all {
		gone[a.Agent] = gone[a.Agent] || a.Kind == ledger.Revoked && len(a.Digest) == 0
	}
	return slices.DeleteFunc(all, func(a ledger.Admission) bool { return a.Kind != ledger.Enrolled || gone[a.Agent] }), err
}

// numbers is what the metrics ask: requests, and how each enrolled agent stands; of one that has not spoken yet, since began.
func (p *agentsPort) numbers(n *exporter.Numbers, began int64, plansOf func(site string) (string, []byte)) {
	s := p.Stats()
	n.Requests = &exporter.RequestNumbers{
		Results: map[string]uint64{
			"done": s.Requests, "anonymous": s.Anonymous, "denied": s.Denied, "malformed": s.Malformed, "too_large": s.TooLarge, "busy": s.Busy, "stray": s.Stray,
		},
		Problems:     map[string]uint64{"damaged": s.Damaged, "foreign": s.Foreign, "reused": s.Reused, "newer": s.Newer},
		Incarnations: s.Incarnations,
	}
	spoke := map[uint64]server.AgentState{}
	for _, a := range s.Agents {
		spoke[a.ID] = a
	}
	for _, e := range *p.enrolled.Load() {
		d := exporter.DeliveryNumbers{Agent: delivery.ID(e.Agent).String(), Site: e.Site, SpokeAt: began}
		if a, ok := spoke[e.Agent]; ok {
			version, _ := plansOf(e.Site)
			d.SpokeAt, d.NewestAt, d.Until, d.Twins = a.SeenAt, a.NewestAt, a.Until, a.Twins
			d.ClockKnown, d.Offset, d.Bound = a.Clock.Bound > 0, micros(a.Clock.Offset), micros(a.Clock.Bound)
			d.Waiting, d.OldestAt, d.Damaged = a.State.Waiting, a.State.Oldest, a.State.Damaged
			d.Left = time.Duration(a.State.Left) * time.Millisecond
			d.Behind = a.State.Plans != "" && a.State.Plans != version
		}
		n.Deliveries = append(n.Deliveries, d)
	}
}

func micros(n int64) time.Duration { return time.Duration(n) * time.Microsecond }

// plansOf is what an agent of a site is told. What this process measures itself is nobody else's: two agents would give two results to a slot.
func (h *house) plansOf(site string) (version string, data []byte) {
	all := *h.planning.handouts.Load()
	if h.site != nil && site == h.cfg().Site {
		all = nil
	}
	out, err := all.of(site)
	if err != nil {
		panic("BUG: " + err.Error()) // of a site that measures nothing
	}
	return out.version, out.data
}
