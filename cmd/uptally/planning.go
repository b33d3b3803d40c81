package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/exporter"
	"github.com/uptally/uptally/ledger"
	"github.com/uptally/uptally/probes/agent/plans"
	"github.com/uptally/uptally/server"
)

// planLead is how far ahead the first slot of a changed plan lies that agents have to hear of: each speaks every half minute at least.
const planLead = time.Minute

// planning is what the ledger and the agents know of plans. It is read from many goroutines.
type planning struct {
	handouts atomic.Pointer[handouts]
	sharing  atomic.Pointer[server.Sharing]
	series   atomic.Pointer[map[[2]uptally.ID]bool] // every (check, site) that any plan of the ledger ever named
}

func (p *planning) known(check, site uptally.ID) bool {
	return (*p.series.Load())[[2]uptally.ID{check, site}]
}

// startPlanning decides from which slot each configured plan is in force, and writes what every site measures.
func (h *house) startPlanning(ctx context.Context) error {
	settings, err := writeSettings(h.cfg)
	if err != nil {
		return err
	}
	lead, err := h.lead(ctx)
	if err != nil {
		return err
	}
	now := time.Now().UnixMilli()
	after := func(p uptally.Plan) int64 {
		if len(p.Sites) == 1 && p.Sites[0] == h.cfg.Site && h.site != nil {
			return now // nobody else has to hear of it
		}
		return now + lead.Milliseconds()
	}
	var want []uptally.Plan
	for i := range h.cfg.Checks {
		want = append(want, h.cfg.Checks[i].Plan)
	}
	dated, err := server.Plans(ctx, h.store, after, want)
	if err != nil {
		return err
	}
	past, err := pastPlans(ctx, h.store)
	if err != nil {
		return err
	}
	all, err := handOut(h.cfg, dated, settings, past)
	if err != nil {
		return err
	}
	series := seriesOf(past)
	h.live.SetPlans(livePlans(h.cfg, past), now)
	h.planning.handouts.Store(&all)
	h.planning.sharing.Store(server.SharingOf(dated))
	h.planning.series.Store(&series)
	if h.site == nil {
		return nil
	}
	var own []exporter.Series
	for _, p := range dated {
		if p.Rank(h.cfg.Site) >= 0 {
			own = append(own, exporter.Series{Check: p.Check, Site: h.cfg.Site})
		}
	}
	return h.metrics.SetChecks(own)
}

// lead is planLead, or nothing while nobody is enrolled who could hear of it too late.
func (h *house) lead(ctx context.Context) (time.Duration, error) {
	a, ok := h.store.(ledger.Admitter)
	if !ok {
		panic(fmt.Sprintf("BUG: %T admits nobody", h.store))
	}
	as, err := ledger.AllAdmissions(ctx, a)
	if err != nil {
		return 0, err
	}
	for _, x := range as {
		if x.Kind == ledger.Enrolled {
			return planLead, nil
		}
	}
	return 0, nil
}

// pastPlans are all that the ledger has, by check.
func pastPlans(ctx context.Context, store ledger.Store) (map[string][]uptally.Plan, error) {
	checks, err := store.Names(ctx, "check")
	if err != nil {
		return nil, err
	}
	all := map[string][]uptally.Plan{}
	for _, check := range checks {
		if all[check], err = store.Plans(ctx, check); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func seriesOf(past map[string][]uptally.Plan) map[[2]uptally.ID]bool {
	all := map[[2]uptally.ID]bool{}
	for check, ps := range past {
		for _, p := range ps {
			for _, site := range p.Sites {
				all[[2]uptally.ID{uptally.IDOf(check), uptally.IDOf(site)}] = true
			}
		}
	}
	return all
}

// ownDuty is what the house's own site measures, out of its handout as every agent's.
func (h *house) ownDuty() (*duty, error) {
	out, err := h.planning.handouts.Load().of(h.cfg.Site)
	if err != nil {
		return nil, err
	}
	page, err := plans.Read(out.data, h.cfg.Site)
	if err != nil {
		return nil, err
	}
	now := time.Now().UnixMilli()
	tasks, err := (&plans.Book{}).With(page, now).Tasks(now)
	if err != nil {
		return nil, err
	}
	return h.site.prepare(tasks, h.cfg.References)
}
