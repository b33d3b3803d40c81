package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/agreements"
	"github.com/uptally/uptally/configs"
	"github.com/uptally/uptally/exporter"
	"github.com/uptally/uptally/ledger/delivery"
	"github.com/uptally/uptally/server"
	"github.com/uptally/uptally/statements"
)

// silentAfter is how long an agent may say nothing, as UptallyAgentSilent has it: it speaks every half minute at least.
const silentAfter = 5 * time.Minute

// stored hears of each batch that is in the ledger and counts.
func (h *house) stored(b *uptally.Batch) { h.live.Take(b, time.Now().UnixMilli()) }

// livePlans are those of the checks of an installation, in the order in which they are in force; past are all that the ledger has.
func livePlans(cfg *configs.Config, past map[string][]uptally.Plan) []uptally.Plan {
	var all []uptally.Plan
	for i := range cfg.Checks {
		all = append(all, past[cfg.Checks[i].Plan.Check]...)
	}
	return all
}

// indexStates are what is thought of services and checks now, in the order of the installation.
func (h *house) indexStates(cfg *configs.Config, now int64) (services []statements.IndexService, checks []statements.IndexCheck) {
	by := map[string]statements.IndexState{}
	for i := range cfg.Checks {
		p := &cfg.Checks[i].Plan
		c := statements.IndexCheck{Check: p.Check, Kind: p.Kind, Target: p.Target}
		st, _ := h.live.Check(p.Check, now)
		c.State, c.Since = st.State, st.Since
		for _, s := range st.Sites {
			c.Sites = append(c.Sites, statements.IndexSite{Site: s.Site, Result: s.Result})
		}
		by[p.Check] = c.IndexState
		checks = append(checks, c)
	}
	for _, s := range cfg.Services {
		services = append(services, statements.IndexService{Name: s.Name, Checks: s.Checks, IndexState: allUp(s.Checks, by)})
	}
	return services, checks
}

// allUp is the state of a service that is up when all its checks are: down with any of them, since the first of those; else unknown with
// any; else suspected.
func allUp(checks []string, by map[string]statements.IndexState) statements.IndexState {
	all := statements.IndexState{State: agreements.PresentUp}
	weight := [...]int{agreements.PresentUp: 0, agreements.PresentSuspected: 1, agreements.PresentUnknown: 2, agreements.PresentDown: 3}
	for _, name := range checks {
		switch c := by[name]; {
		case weight[c.State] > weight[all.State]:
			all = c
		case c.State == all.State && c.Since != 0:
			all.Since = min(all.Since, c.Since)
		}
	}
	return all
}

// indexAgents are those that are enrolled and not revoked; nil where none may call.
func (h *house) indexAgents(now int64) (all []statements.IndexAgent) {
	if h.agents == nil {
		return nil
	}
	spoke := map[uint64]server.AgentState{}
	for _, a := range h.agents.Stats().Agents {
		spoke[a.ID] = a
	}
	for _, e := range *h.agents.enrolled.Load() {
		a, ok := spoke[e.Agent]
		last := max(h.startedAt, e.At)
		if ok {
			last = a.SeenAt
		}
		all = append(all, statements.IndexAgent{
			Agent: delivery.ID(e.Agent).String(), Site: e.Site, Seen: a.SeenAt, Silent: now-last > silentAfter.Milliseconds(), Notes: notesOn(a, now),
		})
	}
	return all
}

// notesOn are what people should know of an agent.
func notesOn(a server.AgentState, now int64) string {
	var notes []string
	if a.Twins > 0 {
		notes = append(notes, "another agent delivers under its identity")
	}
	if a.State.Waiting > 0 && now-a.State.Oldest > time.Minute.Milliseconds() {
		notes = append(notes, fmt.Sprintf("%d batches wait at the agent", a.State.Waiting))
	}
	return strings.Join(notes, "; ")
}

// stateNumbers are the same for the metrics.
func (h *house) stateNumbers(cfg *configs.Config) *exporter.StateNumbers {
	services, checks := h.indexStates(cfg, time.Now().UnixMilli())
	n := &exporter.StateNumbers{}
	for _, c := range checks {
		n.Checks = append(n.Checks, exporter.State{Name: c.Check, Value: stateValue(c.State)})
	}
	for _, s := range services {
		n.Services = append(n.Services, exporter.State{Name: s.Name, Value: stateValue(s.State)})
	}
	return n
}

// stateValue is a state as the metrics have it.
func stateValue(p agreements.Present) int {
	return [...]int{agreements.PresentUp: 0, agreements.PresentSuspected: 1, agreements.PresentDown: 2, agreements.PresentUnknown: 3}[p]
}
