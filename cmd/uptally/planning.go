package main

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/configs"
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
	series   atomic.Pointer[map[[2]uptally.ID]bool] // every (check, site) that any plan of the ledger ever named, as it was read last

	reading sync.Mutex
	readAt  time.Time // when series was read last because of a batch

	// What the house's own site measures, and by which pages: of the starting and the reloading goroutine alone.
	book plans.Book
	own  *duty
}

// strangeFor is how long a check stays one that was never planned at a site. What another server of the ledger plans begins later than that.
const strangeFor = planLead / 2

// known reports whether a check was ever planned at a site, by whichever server of the ledger: this one may not have read its files anew
// yet. Where the ledger cannot be asked it is: a batch that is held never counts, and one too many is read by no account.
func (h *house) known(check, site uptally.ID) bool {
	p, series := &h.planning, [2]uptally.ID{check, site}
	if (*p.series.Load())[series] {
		return true
	}
	p.reading.Lock()
	defer p.reading.Unlock()
	if now := time.Now(); now.Sub(p.readAt) >= strangeFor {
		past, err := pastPlans(context.Background(), h.store)
		if err != nil {
			h.log.Error("plans of the ledger not read", "err", err)
			return true
		}
		p.readAt = now
		was, all := p.series.Load(), seriesOf(past)
		maps.Copy(all, *was) // a plan stays; what a reload has added since the ledger was read is not there
		p.series.CompareAndSwap(was, &all)
		if all[series] {
			return true
		}
	}
	return (*p.series.Load())[series]
}

// planned is what a configuration comes to, ready to be put in force.
type planned struct {
	cfg      *configs.Config
	handouts handouts
	sharing  *server.Sharing
	series   map[[2]uptally.ID]bool
	checks   []exporter.Series
	live     []uptally.Plan // all that ever were of its checks
	unmanned []string
	book     *plans.Book // of the house's own site, as is duty; nil where it measures nothing
	duty     *duty
}

// startPlanning decides from which slot each configured plan is in force, and writes what every site measures.
func (h *house) startPlanning(ctx context.Context) error {
	p, err := h.plan(ctx, h.cfg())
	if err != nil {
		return err
	}
	return h.putInForce(p)
}

// plan dates the plans of a configuration. Whatever can be wrong is found before the ledger hears of one.
func (h *house) plan(ctx context.Context, cfg *configs.Config) (*planned, error) {
	settings, err := writeSettings(cfg)
	if err != nil {
		return nil, err
	}
	agents, err := h.enrolled(ctx)
	if err != nil {
		return nil, err
	}
	var want []uptally.Plan
	for i := range cfg.Checks {
		want = append(want, cfg.Checks[i].Plan)
	}
	dated, fresh, err := server.DatePlans(ctx, h.store, h.after(cfg, len(agents) > 0), want)
	if err != nil {
		return nil, err
	}
	past, err := pastPlans(ctx, h.store)
	if err != nil {
		return nil, err
	}
	for _, p := range fresh {
		past[p.Check] = append(past[p.Check], p)
	}
	p := &planned{cfg: cfg, live: livePlans(cfg, past), sharing: server.SharingOf(dated), series: seriesOf(past)}
	if p.handouts, err = handOut(cfg, dated, settings, past); err != nil {
		return nil, err
	}
	p.unmanned = h.unmanned(cfg, p.handouts, agents)
	if err := h.planOwn(p, past); err != nil {
		return nil, err
	}
	if len(fresh) > 0 {
		err = h.store.AddPlans(ctx, fresh...)
	}
	return p, err
}

// after says after which instant a new plan may begin: agents, where there are any, have to hear of it before, but for what this process
// alone measures.
func (h *house) after(cfg *configs.Config, agents bool) func(uptally.Plan) int64 {
	now, lead := time.Now().UnixMilli(), planLead.Milliseconds()
	return func(p uptally.Plan) int64 {
		if !agents || len(p.Sites) == 1 && p.Sites[0] == cfg.Site && h.site != nil {
			return now
		}
		return now + lead
	}
}

// unmanned are the sites of which checks are to be measured, and nobody does: their names may be wrong, or their agents yet to come.
func (h *house) unmanned(cfg *configs.Config, all handouts, agents []ledger.Admission) (sites []string) {
	for site, out := range all {
		here := h.site != nil && site == cfg.Site
		if out.checks > 0 && !here && !slices.ContainsFunc(agents, func(a ledger.Admission) bool { return a.Site == site }) {
			sites = append(sites, site)
		}
	}
	slices.Sort(sites)
	return sites
}

// planOwn is what the house's own site measures, out of its handout as every agent's. past are all plans that the ledger has, by check.
func (h *house) planOwn(p *planned, past map[string][]uptally.Plan) error {
	if h.site == nil {
		return nil
	}
	out, err := p.handouts.of(p.cfg.Site)
	if err != nil {
		return err
	}
	page, err := plans.Read(out.data, p.cfg.Site)
	if err != nil {
		return err
	}
	now, book := time.Now().UnixMilli(), &h.planning.book
	if len(book.Pages) == 0 {
		book = book.With(pageBefore(page, past, now), now)
	}
	p.book = book.With(page, now)
	tasks, err := p.book.Tasks(now)
	if err != nil {
		return err
	}
	if p.duty, err = h.site.prepare(tasks, p.cfg.References); err == nil {
		p.checks = p.duty.series(p.cfg.Site)
	}
	return err
}

// pageBefore is what a process that begins goes on with at the instant now: of the checks of a page whose plans begin later, the plans in
// force. Their settings are kept nowhere, so those of the page must be of the same kind and target.
func pageBefore(page plans.Page, past map[string][]uptally.Plan, now int64) plans.Page {
	all := page.Plans.Checks
	page.Plans.Checks = nil
	for _, c := range all {
		var was uptally.Plan
		for _, p := range past[c.Plan.Check] {
			if p.From <= now {
				was = p
			}
		}
		if c.Plan.From > now && was.Kind == c.Plan.Kind && was.Target == c.Plan.Target && was.Rank(page.Plans.Site) >= 0 {
			c.Plan = was
			page.Plans.Checks = append(page.Plans.Checks, c)
		}
	}
	return page
}

// putInForce lets everybody know.
func (h *house) putInForce(p *planned) error {
	if err := h.metrics.SetChecks(p.checks); err != nil {
		return err
	}
	h.live.SetPlans(p.live, time.Now().UnixMilli())
	h.planning.handouts.Store(&p.handouts)
	h.planning.sharing.Store(p.sharing)
	h.planning.series.Store(&p.series)
	h.current.Store(p.cfg)
	for _, site := range p.unmanned {
		h.log.Warn("nobody measures at a site: no agent of it is enrolled", "site", site, "checks", p.handouts[site].checks)
	}
	if h.site == nil {
		return nil
	}
	h.planning.book, h.planning.own = *p.book, p.duty
	if h.site.running.Load() == nil {
		return nil // the scheduler starts with it
	}
	return h.site.take(p.duty)
}

// reload reads the files anew and puts them in force, whole or not at all.
func (h *house) reload(ctx context.Context) error {
	cfg, err := configs.Load(h.cfg().Path)
	if err == nil {
		err = sameProcess(h.cfg(), cfg)
	}
	if err != nil {
		return err
	}
	p, err := h.plan(ctx, cfg)
	if err != nil {
		return err
	}
	return h.putInForce(p)
}

// sameProcess demands that what a process has opened stays as it is.
func sameProcess(was, is *configs.Config) error {
	for _, x := range []struct {
		key     string
		was, is any
	}{
		{"site", was.Site, is.Site}, {"data", was.Data, is.Data}, {"ledger", was.Ledger, is.Ledger}, {"listen", was.Listen, is.Listen},
		{"listen_dns", was.ListenDNS, is.ListenDNS}, {"agents", was.Agents, is.Agents},
	} {
		if !reflect.DeepEqual(x.was, x.is) {
			return fmt.Errorf("got another %s than the process has: restart it", x.key)
		}
	}
	return nil
}

// enrolled are the agents that may deliver.
func (h *house) enrolled(ctx context.Context) ([]ledger.Admission, error) {
	a, ok := h.store.(ledger.Admitter)
	if !ok {
		panic(fmt.Sprintf("BUG: %T admits nobody", h.store))
	}
	return enrolledIn(ctx, a)
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
