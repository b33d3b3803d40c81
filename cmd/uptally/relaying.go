package main

import (
	"context"

	"github.com/uptally/uptally/exporter"
	"github.com/uptally/uptally/ledger/delivery"
	"github.com/uptally/uptally/server"
)

// ownWire joins a house's own site to the relay of the agents that call at its port.
type ownWire struct {
	relay *server.Relay
	agent uint64
	site  string
}

// Tell passes words on at once.
func (w ownWire) Tell(_ context.Context, t delivery.Telling) (delivery.Told, error) {
	return delivery.Told{Refused: w.relay.Tell(w.agent, w.site, t.Words)}, nil
}

// Hear waits for what others say.
func (w ownWire) Hear(ctx context.Context, h delivery.Hearing) (delivery.Heard, error) {
	return w.relay.Hear(ctx, w.agent, w.site, h.Sites)
}

// relayNumbers are what sites told each other by way of this process; nil where no agent can call.
func (h *house) relayNumbers() *exporter.RelayNumbers {
	if h.agents == nil {
		return nil
	}
	s := h.relay.Stats()
	return &exporter.RelayNumbers{Told: s.Told, Passed: s.Passed, Refused: s.Refused, Dropped: s.Dropped}
}
