package server

import (
	"github.com/uptally/uptally"
	"github.com/uptally/uptally/ledger/delivery"
)

// source is whose a batch says that it is.
type source struct {
	agent uint64
	site  uptally.ID
}

// foreign counts a batch that is not an agent's own, and tells people of the first of a source: an agent that was enrolled again has all
// that the one before it held.
func (a *Agents) foreign(who Agent, of source) {
	a.count(func(s *AgentsStats) { s.Foreign++ })
	news := false
	a.present(who, func(p *presence) { news, p.foreign = p.foreign != of, of })
	if news {
		a.o.Log.Warn("batch of another agent or site refused", "agent", delivery.ID(who.ID).String(), "site", who.Site,
			"of_agent", delivery.ID(of.agent).String(), "of_site", of.site.String())
	}
}

// unread is the verdict on bytes that are no batch. They may still tell their number, which is all that the agent needs.
func (a *Agents) unread(who Agent, data []byte, err error) delivery.Verdict {
	v := delivery.Verdict{Problem: delivery.Damaged}
	if _, sound := uptally.CRC(data); sound {
		v.Problem = delivery.Newer
	}
	v.Epoch, v.Seq = claimed(data)
	a.o.Intake.refuse()
	a.count(func(s *AgentsStats) {
		if v.Problem == delivery.Newer {
			s.Newer++
		} else {
			s.Damaged++
		}
	})
	a.o.Log.Warn("batch not readable", "agent", delivery.ID(who.ID).String(), "site", who.Site, "problem", string(v.Problem), "err", err)
	return v
}
