package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/uptally/uptally/server"
)

// agentsPort is where agents of other sites call.
type agentsPort struct {
	*server.Agents
	listener net.Listener
	http     *http.Server
}

// openAgents lets agents in, where the installation says so.
func (h *house) openAgents(ctx context.Context) error {
	o := h.cfg.Agents
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
		if authority, err = server.OpenAuthority(h.cfg.Data); err != nil {
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
	h.agents = p
	h.log.Info("agents let in", "address", p.listener.Addr().String(), "names", o.Names, "behind_proxy", o.BehindProxy)
	return nil
}

func (h *house) closeAgents(ctx context.Context) error {
	if h.agents == nil {
		return nil
	}
	return closeServer(ctx, h.agents.http)
}

// plansOf is what an agent of a site is told. What this process measures itself is nobody else's: two agents would give two results to a slot.
func (h *house) plansOf(site string) (version string, data []byte) {
	all := *h.planning.handouts.Load()
	if h.site != nil && site == h.cfg.Site {
		all = nil
	}
	out, err := all.of(site)
	if err != nil {
		panic("BUG: " + err.Error()) // of a site that measures nothing
	}
	return out.version, out.data
}
