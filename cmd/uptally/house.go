package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/agreements"
	"github.com/uptally/uptally/configs"
	"github.com/uptally/uptally/exporter"
	"github.com/uptally/uptally/ledger"
	"github.com/uptally/uptally/probes"
	"github.com/uptally/uptally/probes/agent"
	"github.com/uptally/uptally/server"
)

// house is a whole installation in one process: agent, intake, ledger, figures, pages and metrics.
type house struct {
	cfg *configs.Config
	log *slog.Logger
	// figuresEvery is the beat of the figures, period what they are computed over.
	figuresEvery time.Duration
	period       periodOf

	startedAt     int64
	appendsWithin time.Duration
	failed        chan error

	store   ledger.Store
	sealing *sealing
	plans   []uptally.Plan
	intake  *server.Intake
	metrics *exporter.Exporter
	figures *figures
	states  *states
	engine  *probes.Engine
	running atomic.Pointer[agent.Agent] // while slots are fired
	names   map[uptally.ID]string

	listener      net.Listener
	http, control *http.Server
	stopDNS       func() error
	stopAgent     context.CancelFunc
	agentEnd      chan error
	computing     sync.Mutex
	limits        limits
	workers       map[string]int           // by kind, from the step of the limits on
	busy          map[string]*atomic.Int64 // by kind; the map is never written after newHouse
	appendNanos   atomic.Int64
	observed      atomic.Uint64
}

func newHouse(cfg *configs.Config, log *slog.Logger) *house {
	h := &house{
		cfg: cfg, log: log, figuresEvery: time.Minute, period: (*agreements.Agreement).PeriodAt,
		startedAt: time.Now().UnixMilli(), failed: make(chan error, 2),
		limits: machineLimits(), states: newStates(cfg.Site), engine: probes.NewShared(), names: map[uptally.ID]string{}, busy: map[string]*atomic.Int64{},
	}
	for i := range cfg.Checks {
		p := &cfg.Checks[i].Plan
		h.names[uptally.IDOf(p.Check)] = p.Check
		h.busy[p.Kind] = &atomic.Int64{}
		h.appendsWithin = max(h.appendsWithin, time.Duration(p.Gap+p.Timeout)*time.Millisecond+time.Minute)
	}
	h.metrics = exporter.New(exporter.Options{Version: version, GoVersion: runtime.Version(), Runtime: h.numbers})
	return h
}

// steps is the order in which a house comes to life; it stops in the mirror of it.
func (h *house) steps() []step {
	return []step{
		{"limits", h.applyLimits, nil},
		{"ledger", h.openLedger, h.closeLedger},
		{"sealer", h.startSealer, h.stopSealer},
		{"plans", h.datePlans, nil},
		{"intake", h.openIntake, h.closeIntake},
		{"control", h.openControl, h.closeControl},
		{"pages", h.listen, h.closePages},
		{"dns answerer", h.openDNS, h.closeDNS},
		{"figures", h.startFigures, func(ctx context.Context) error { return h.figures.stop(ctx) }},
		{"scheduler", h.startAgent, h.endAgent},
	}
}

func (h *house) openLedger(ctx context.Context) (err error) {
	h.store, err = openLedger(ctx, h.cfg)
	return err
}

func (h *house) closeLedger(context.Context) error { return h.store.Close() }

// datePlans decides from which slot each configured plan is in force.
func (h *house) datePlans(ctx context.Context) error {
	var want []uptally.Plan
	var series []exporter.Series
	for i := range h.cfg.Checks {
		p := h.cfg.Checks[i].Plan
		want = append(want, p)
		if p.Rank(h.cfg.Site) >= 0 {
			series = append(series, exporter.Series{Check: p.Check, Site: h.cfg.Site})
		}
	}
	var err error
	if h.plans, err = server.Plans(ctx, h.store, time.Now().UnixMilli(), want); err != nil {
		return err
	}
	return h.metrics.SetChecks(series)
}

func (h *house) openIntake(ctx context.Context) error {
	known, err := plannedSeries(ctx, h.store)
	if err != nil {
		return err
	}
	h.intake = server.New(server.Options{
		Store: h.store,
		Known: func(check, site uptally.ID) bool { return known[[2]uptally.ID{check, site}] },
		Now:   func() int64 { return time.Now().UnixMilli() },
		Log:   h.log,
	})
	return nil
}

// plannedSeries is every (check, site) that any plan of the ledger ever named.
func plannedSeries(ctx context.Context, store ledger.Store) (map[[2]uptally.ID]bool, error) {
	checks, err := store.Names(ctx, "check")
	if err != nil {
		return nil, err
	}
	known := map[[2]uptally.ID]bool{}
	for _, check := range checks {
		plans, err := store.Plans(ctx, check)
		if err != nil {
			return nil, err
		}
		for _, p := range plans {
			for _, site := range p.Sites {
				known[[2]uptally.ID{uptally.IDOf(check), uptally.IDOf(site)}] = true
			}
		}
	}
	return known, nil
}

func (h *house) closeIntake(context.Context) error {
	h.intake.Close()
	return nil
}

// openControl listens for those who cannot write the ledger themselves while this process does.
func (h *house) openControl(context.Context) (err error) {
	if !inDatabase(h.cfg) {
		h.control, err = listenControl(h.cfg.Data, h.store)
	}
	return err
}

func (h *house) closeControl(ctx context.Context) error {
	if h.control == nil {
		return nil
	}
	return h.control.Shutdown(ctx)
}

func (h *house) listen(context.Context) error {
	var err error
	if h.listener, err = net.Listen("tcp", h.cfg.Listen); err != nil {
		return fmt.Errorf("listen on %q: %w", h.cfg.Listen, err)
	}
	h.figures = &figures{
		cfg: h.cfg, ledger: h.store, metrics: h.metrics, period: h.period, every: h.figuresEvery, log: h.log,
		newest: map[string]figure{},
	}
	h.http = &http.Server{
		Handler: h.routes(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
		WriteTimeout: time.Minute, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10,
		ErrorLog: slog.NewLogLogger(h.log.Handler(), slog.LevelWarn),
	}
	go func() {
		if err := h.http.Serve(h.listener); !errors.Is(err, http.ErrServerClosed) {
			h.failed <- fmt.Errorf("serve pages: %w", err)
		}
	}()
	h.log.Info("pages and metrics", "url", "http://"+h.listener.Addr().String()+"/")
	return nil
}

// closePages waits for answers under way, then cuts what is left.
func (h *house) closePages(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	if err := h.http.Shutdown(ctx); err != nil {
		return h.http.Close()
	}
	return nil
}

func (h *house) openDNS(context.Context) error {
	if h.cfg.ListenDNS == "" {
		h.stopDNS = func() error { return nil }
		return nil
	}
	_, stop, err := answerDNS(h.cfg.ListenDNS, ownHealth, h.log)
	h.stopDNS = stop
	return err
}

func (h *house) closeDNS(context.Context) error { return h.stopDNS() }

func (h *house) startFigures(ctx context.Context) error { return h.figures.start(ctx) }

func (h *house) startAgent(context.Context) error {
	id, err := agentID(h.cfg.Data)
	if err != nil {
		return err
	}
	probers, err := h.prepare()
	if err != nil {
		return err
	}
	refs, err := h.references()
	if err != nil {
		return err
	}
	a, err := agent.New(agent.Options{
		Site: h.cfg.Site, Plans: h.plans, Agent: id, Epoch: random64(), Log: h.log,
		Probe: func(p *uptally.Plan) func(context.Context) probes.Observation {
			return h.counted(p, probers[p.Check])
		},
		Workers:    h.workers,
		References: refs,
		Depends:    h.depends(),
		Append:     h.append,
		Observe:    h.observe,
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	h.stopAgent, h.agentEnd = cancel, make(chan error, 1)
	go func() { h.agentEnd <- a.Run(ctx) }()
	h.running.Store(a)
	return nil
}

// prepare reads what the checks' settings refer to: certificates and secrets.
func (h *house) prepare() (map[string]*probes.Prober, error) {
	dir := filepath.Dir(h.cfg.Path)
	probers := map[string]*probes.Prober{}
	var errs []error
	for i := range h.cfg.Checks {
		c := &h.cfg.Checks[i]
		p, err := h.engine.Prepare(&c.Probe, dir)
		if err != nil {
			errs = append(errs, fmt.Errorf("check %q: %w", c.Plan.Check, err))
		}
		probers[c.Plan.Check] = p
	}
	return probers, errors.Join(errs...)
}

// counted is a check's probe with its share in the metrics.
func (h *house) counted(plan *uptally.Plan, p *probes.Prober) func(context.Context) probes.Observation {
	busy := h.busy[p.Kind()]
	return func(ctx context.Context) probes.Observation {
		busy.Add(1)
		defer busy.Add(-1)
		o := p.Probe(ctx)
		if !o.CertExpiry.IsZero() {
			h.metrics.CertificateExpiry(plan.Check, h.cfg.Site, o.CertExpiry.UnixMilli())
		}
		return o
	}
}

// append hands a batch to the intake; its return is the acknowledgement.
func (h *house) append(ctx context.Context, batch []byte) error {
	begin := time.Now()
	r, err := h.intake.Accept(ctx, batch)
	h.appendNanos.Add(int64(time.Since(begin)))
	if err == nil && r.Held != "" {
		h.log.Error("own batch held", "held", r.Held)
	}
	return err
}

func (h *house) observe(r uptally.Result) {
	h.observed.Add(1)
	if h.states.add(r) {
		h.log.Info("check changed", "check", h.names[r.Check], "site", h.cfg.Site, "outcome", r.Outcome().String(), "reason", r.Reason.String())
	}
	h.metrics.CheckResult(h.names[r.Check], h.cfg.Site, r)
}

// endAgent stops the scheduler first of all: no more slots, probes in flight end, the last batch is appended.
func (h *house) endAgent(ctx context.Context) error {
	h.stopAgent()
	select {
	case err := <-h.agentEnd:
		return errors.Join(err, h.engine.Close())
	case <-ctx.Done():
		return fmt.Errorf("wait for probes in flight: %w", ctx.Err())
	}
}

// numbers is what the metrics ask of scheduler and ledger.
func (h *house) numbers() exporter.Numbers {
	n := exporter.Numbers{Sealer: h.sealing.numbers()}
	a := h.running.Load()
	if a == nil {
		return n
	}
	s := a.Stats()
	n.Scheduler = &exporter.SchedulerNumbers{Fires: s.Fires, InFlight: s.InFlight}
	n.Ledger = &exporter.LedgerNumbers{
		Batches: s.Batches, Results: h.observed.Load() - uint64(s.Waiting),
		AppendTime: time.Duration(h.appendNanos.Load()), Waiting: s.Waiting,
	}
	if b, found, err := ledger.LastBackup(h.cfg.Data); found && err == nil {
		n.Ledger.Backup = b.At
	}
	n.Agent = agentNumbers(s)
	if !s.LastAppend.IsZero() {
		n.Ledger.LastAppend = s.LastAppend.UnixMilli()
	}
	for kind, busy := range h.busy {
		n.Scheduler.Workers = append(n.Scheduler.Workers, exporter.Workers{Kind: kind, Busy: int(busy.Load()), Limit: h.workers[kind]})
	}
	return n
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
