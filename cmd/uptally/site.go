package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/configs"
	"github.com/uptally/uptally/exporter"
	"github.com/uptally/uptally/probes"
	"github.com/uptally/uptally/probes/agent"
	"github.com/uptally/uptally/probes/agent/plans"
	"github.com/uptally/uptally/probes/agent/relay"
)

// siteWork is the work at a place: what is measured there by an agent in this process, be it of a house or alone.
type siteWork struct {
	name    string
	log     *slog.Logger
	metrics *exporter.Exporter
	limits  limits

	engine   *probes.Engine
	relay    *relay.Relay                // nil where there is nobody to tell
	duty     atomic.Pointer[duty]        // what is measured
	running  atomic.Pointer[agent.Agent] // while slots are fired
	observed atomic.Uint64
	busy     busy

	stop  context.CancelFunc
	ended chan error
}

// duty is what a site measures. It is replaced as a whole and never written.
type duty struct {
	plans []uptally.Plan
	// probers are those of a check's plans, ascending by the slot from which they are in force.
	probers    map[string][]posted
	references []agent.Reference
	asked      []string // the references as they were written
	names      map[uptally.ID]string
	workers    map[string]int
	need       map[string]int
}

// posted is a prober from a slot on, and what its check hangs on.
type posted struct {
	from             int64
	prober           *probes.Prober
	uplink, resolver bool
}

// of returns what measures a check under a plan.
func (d *duty) of(p *uptally.Plan) posted {
	var found posted
	for i, x := range d.probers[p.Check] {
		if i == 0 || x.from <= p.From {
			found = x
		}
	}
	return found
}

func newSiteWork(name string, log *slog.Logger, metrics *exporter.Exporter) *siteWork {
	return &siteWork{name: name, log: log, metrics: metrics, limits: machineLimits(), engine: probes.NewShared()}
}

// prepare makes a duty out of tasks without a change to what is measured. references are nil where none are given.
func (s *siteWork) prepare(tasks []plans.Task, references []configs.Reference) (*duty, error) {
	d := &duty{probers: map[string][]posted{}, names: map[uptally.ID]string{}}
	var errs []error
	for i := range tasks {
		t := &tasks[i]
		d.plans = append(d.plans, t.Plan)
		d.names[uptally.IDOf(t.Plan.Check)] = t.Plan.Check
		if t.Settings == nil {
			continue
		}
		p, err := s.engine.PrepareFrom(t.Settings, t.Given)
		if err != nil {
			errs = append(errs, fmt.Errorf("check %q: %w", t.Plan.Check, err))
			continue
		}
		uplink, resolver := dependsOn(t.Settings, references)
		d.probers[t.Plan.Check] = append(d.probers[t.Plan.Check], posted{t.Plan.From, p, uplink, resolver})
	}
	if references != nil {
		d.asked = []string{}
	}
	for _, r := range references {
		d.asked = append(d.asked, r.Text)
	}
	var err error
	if d.references, err = s.references(references); err != nil {
		errs = append(errs, err)
	}
	d.need = inFlight(d.plans, s.name)
	d.workers = s.limits.workers(d.need)
	return d, errors.Join(errs...)
}

// shared reports whether other sites look at a check together with this one.
func (d *duty) shared(site string) bool {
	return slices.ContainsFunc(d.plans, func(p uptally.Plan) bool { return p.Focus && len(p.Sites) > 1 && p.Rank(site) >= 0 })
}

// series are the checks of a duty at the site, for the metrics.
func (d *duty) series(site string) []exporter.Series {
	var all []exporter.Series
	seen := map[string]bool{}
	for i := range d.plans {
		if p := &d.plans[i]; p.Rank(site) >= 0 && !seen[p.Check] {
			seen[p.Check] = true
			all = append(all, exporter.Series{Check: p.Check, Site: site})
		}
	}
	return all
}

// start measures what d says, with what o has of identity and of where results go. wire, if not nil, leads to the other sites.
func (s *siteWork) start(d *duty, o agent.Options, wire relay.Wire) error {
	s.duty.Store(d)
	s.limits.log(s.log, d.need, d.workers)
	o.Site, o.Plans, o.Workers, o.References, o.Log = s.name, d.plans, d.workers, d.references, s.log
	o.Probe, o.Observe, o.Depends = s.probe, s.see, s.depends
	if wire != nil {
		s.relay = relay.New(wire, s.log)
		o.Tell = s.relay.Tell
	}
	a, err := agent.New(o)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.stop, s.ended = cancel, make(chan error, 1)
	go func() { s.ended <- a.Run(ctx) }()
	if s.relay != nil {
		go s.relay.Run(ctx, a) // ends with the agent
	}
	s.running.Store(a)
	return nil
}

// take measures what d says from now on: each plan from its slot on, and what has none any more until now.
func (s *siteWork) take(d *duty) error {
	a, old := s.running.Load(), s.duty.Load()
	s.duty.Store(d) // before the plans: a slot of a new one asks for it
	a.SetWorkers(d.workers)
	if !slices.Equal(d.asked, old.asked) || (d.asked == nil) != (old.asked == nil) {
		a.SetReferences(d.references)
	}
	return a.SetPlans(d.plans, time.Now().UnixMilli())
}

// end stops the scheduler: no more slots, probes in flight end, the last batch is appended.
func (s *siteWork) end(ctx context.Context) error {
	if s.running.Load() == nil {
		return s.engine.Close()
	}
	s.stop()
	select {
	case err := <-s.ended:
		return errors.Join(err, s.engine.Close())
	case <-ctx.Done():
		return fmt.Errorf("wait for probes in flight: %w", ctx.Err())
	}
}

// probe is a check's probe with its share in the metrics.
func (s *siteWork) probe(plan *uptally.Plan) func(context.Context) probes.Observation {
	p := s.duty.Load().of(plan).prober
	busy := s.busy.of(p.Kind())
	return func(ctx context.Context) probes.Observation {
		busy.Add(1)
		defer busy.Add(-1)
		o := p.Probe(ctx)
		if !o.CertExpiry.IsZero() {
			s.metrics.CertificateExpiry(plan.Check, s.name, o.CertExpiry.UnixMilli())
		}
		return o
	}
}

func (s *siteWork) depends(plan *uptally.Plan) (uplink, resolver bool) {
	p := s.duty.Load().of(plan)
	return p.uplink, p.resolver
}

func (s *siteWork) see(r uptally.Result) {
	s.observed.Add(1)
	check := s.duty.Load().names[r.Check]
	s.metrics.CheckResult(check, s.name, r)
}

// numbers is what the metrics ask of the scheduler and of the agent, and how many results wait for their append.
func (s *siteWork) numbers(n *exporter.Numbers) (waiting int) {
	a := s.running.Load()
	if a == nil {
		return 0
	}
	st := a.Stats()
	n.Scheduler = &exporter.SchedulerNumbers{Fires: st.Fires, InFlight: st.InFlight}
	for kind, limit := range s.duty.Load().workers {
		n.Scheduler.Workers = append(n.Scheduler.Workers, exporter.Workers{Kind: kind, Busy: int(s.busy.of(kind).Load()), Limit: limit})
	}
	n.Agent = agentNumbers(st)
	if s.relay != nil && s.duty.Load().shared(s.name) {
		n.Agent.Others, n.Agent.Heard = true, len(s.relay.Stats().Sites)
	}
	n.Ledger = &exporter.LedgerNumbers{Batches: st.Batches, Results: s.observed.Load() - uint64(st.Waiting), Waiting: st.Waiting}
	if !st.LastAppend.IsZero() {
		n.Ledger.LastAppend = st.LastAppend.UnixMilli()
	}
	return st.Waiting
}

// agentNumbers are an agent's own faults and its focus.
func agentNumbers(s agent.Stats) *exporter.AgentNumbers {
	n := &exporter.AgentNumbers{
		Pauses: s.Pauses, Paused: time.Duration(s.PausedMillis) * time.Millisecond, ClockOffset: s.ClockOff,
		Focus: s.Focus, Down: s.Down, Extras: s.Extras, Dropped: s.DroppedExtras,
	}
	if len(s.Isolation.References) == 0 {
		return n
	}
	n.Isolation = &exporter.IsolationNumbers{
		Uplink: s.Isolation.CutOff, Resolver: s.Isolation.NamesCutOff, Times: map[string]uint64{}, References: map[string]bool{},
	}
	for part, times := range s.Isolation.Times {
		n.Isolation.Times[part.String()] = times
	}
	for _, r := range s.Isolation.References {
		if r.Known {
			n.Isolation.References[r.Name] = r.Up
		}
	}
	return n
}

// busy counts workers by kind. The zero value is ready.
type busy struct {
	mu   sync.Mutex
	kind map[string]*atomic.Int64
}

func (b *busy) of(kind string) *atomic.Int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.kind == nil {
		b.kind = map[string]*atomic.Int64{}
	}
	if b.kind[kind] == nil {
		b.kind[kind] = &atomic.Int64{}
	}
	return b.kind[kind]
}
