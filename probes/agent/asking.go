package agent

import (
	"github.com/uptally/uptally"
	"github.com/uptally/uptally/probes"
)

// suspicious is how long a probe may take, in milliseconds, before the references are asked beside it; four times what it usually
// takes where that is longer.
const suspicious = 1_000

// hearing is the answer of a reference to a round.
type hearing struct {
	of          *isolation
	ref         int
	round       int64
	observation probes.Observation
}

// depends says what of the site's network can make a check fail; nothing where there are no references.
func (a *Agent) depends(plan *uptally.Plan) (uplink, resolver bool) {
	switch {
	case a.isolation == nil:
		return false, false
	case a.opts.Depends == nil:
		return true, true
	}
	return a.opts.Depends(plan)
}

// isolate begins a round of references when one is due, and records the failures that the rounds have judged.
func (a *Agent) isolate() {
	s, l := a.isolation, &a.loop
	if s == nil {
		return
	}
	if s.tick(l.now) {
		for i := range a.opts.References {
			go a.ask(s, i, s.round, &a.opts.References[i])
		}
	}
	for _, h := range s.judged() {
		a.settle(&h.f, h.result)
	}
	a.noteIsolation()
}

func (a *Agent) ask(of *isolation, ref int, round int64, r *Reference) {
	o := a.probe(r.Name, referenceTimeout, r.Probe)
	select {
	case a.heard <- hearing{of, ref, round, o}:
	case <-a.gone:
	}
}

// suspect asks the references beside a probe that takes long.
func (a *Agent) suspect(f *flight) {
	if uplink, _ := a.depends(f.act.Plan); uplink {
		a.isolation.suspect()
	}
}

// noteIsolation logs and counts what has changed.
func (a *Agent) noteIsolation() {
	s, l := a.isolation, &a.loop
	if s.version == l.noted {
		return
	}
	l.noted = s.version
	if !l.surveyed && !s.running {
		l.surveyed = true
		a.logSurvey()
	}
	a.logTrust(&s.network, &l.cutOff)
	a.logTrust(&s.names, &l.namesOff)
	a.counts.isolation(s.stats())
}

// logTrust logs once what changed since it was logged.
func (a *Agent) logTrust(t *trust, off *bool) {
	switch {
	case t.cut() == *off:
		return
	case t.cut():
		a.opts.Log.Error("cut off", "site", a.opts.Site, "cause", t.cause.String(), "references", t.details)
	default:
		a.opts.Log.Warn("no longer cut off", "site", a.opts.Site, "cause", t.cause.String(), "from_ms", t.cutAt, "to_ms", t.since)
	}
	*off = t.cut()
}

// logSurvey names the references that did not answer when the agent began, and those that answered late. Until the first do, or
// something beyond the site does, every failure is void(local); so it is where nobody ever answers promptly.
func (a *Agent) logSurvey() {
	for i := range a.isolation.refs {
		switch r := &a.isolation.refs[i]; {
		case r.answer != answered:
			a.opts.Log.Warn("reference does not answer", "site", a.opts.Site, "reference", r.name, "votes", r.votes, "reason", r.reason.String())
		case r.late:
			a.opts.Log.Warn("reference answers late", "site", a.opts.Site, "reference", r.name, "votes", r.votes, "want_ms", prompt)
		}
	}
}
