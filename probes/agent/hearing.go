package agent

import (
	"github.com/uptally/uptally"
	"github.com/uptally/uptally/probes/focus"
)

// others is what came from the other sites: a message of one, or which of them can be heard.
type others struct {
	check   uptally.ID
	site    string
	message focus.Message
	live    map[string]bool // not nil: nothing else counts
}

// Hear takes what another site says of a check; its rank is read from the plan in force here, whatever the message says. It waits
// for the agent's loop for a moment at most, and does nothing once the agent has ended.
func (a *Agent) Hear(check uptally.ID, site string, m focus.Message) {
	a.fromOthers(others{check: check, site: site, message: m})
}

// HearSites says which other sites can be heard from now on; at first none can.
func (a *Agent) HearSites(sites []string) {
	live := make(map[string]bool, len(sites))
	for _, s := range sites {
		live[s] = true
	}
	a.fromOthers(others{live: live})
}

func (a *Agent) fromOthers(o others) {
	select {
	case a.others <- o:
	case <-a.gone:
	}
}

// hearAll takes one message and those that wait behind it, but not for ever.
func (a *Agent) hearAll(o others) {
	a.hear(o)
	for range cap(a.others) {
		select {
		case o := <-a.others:
			a.hear(o)
		default:
			return
		}
	}
}

func (a *Agent) hear(o others) {
	if o.live != nil {
		a.hearSites(o.live)
		return
	}
	check, plan, here := a.core.Find(o.check)
	if !here || !plan.Focus || a.loop.stopping {
		return
	}
	if o.message.Rank = plan.Rank(o.site); o.message.Rank < 0 || o.site == a.opts.Site {
		return // of another plan
	}
	a.watch(check, a.watcher(check, plan), focus.Heard(o.message))
}

// hearSites tells each focus what has changed.
func (a *Agent) hearSites(live map[string]bool) {
	was := a.loop.live
	a.loop.live = live
	for check := range a.loop.watchers {
		plan := a.loop.watchers[check].plan
		if plan == nil {
			continue
		}
		for rank, site := range plan.Sites {
			if live[site] != was[site] {
				a.watch(int32(check), &a.loop.watchers[check], focus.Live(rank, live[site]))
			}
		}
	}
}

// newCore begins the focus of a check under a plan, which hears whoever can be heard.
func (a *Agent) newCore(t focus.Terms, plan *uptally.Plan) *focus.Core {
	core := focus.New(t)
	for rank, site := range plan.Sites {
		if a.loop.live[site] {
			core.Step(a.loop.now, focus.Live(rank, true), nil) // in Cruise it asks for nothing
		}
	}
	return core
}
