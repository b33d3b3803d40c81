package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/uptally/uptally/agreements"
	"github.com/uptally/uptally/configs"
	"github.com/uptally/uptally/exporter"
	"github.com/uptally/uptally/ledger"
	"github.com/uptally/uptally/probes/agent"
	"github.com/uptally/uptally/probes/agent/relay"
	"github.com/uptally/uptally/server"
)

// house is where an installation keeps its evidence: ledger, intake, figures, pages and metrics, the port of the agents, and in one
// process with them the site that it measures itself.
type house struct {
	current atomic.Pointer[configs.Config] // see cfg
	log     *slog.Logger
	// figuresEvery is the beat of the figures, period what they are computed over.
	figuresEvery time.Duration
	period       periodOf

	startedAt int64
	failed    chan error
	reloads   *reloader

	store    ledger.Store
	sealing  *sealing
	planning planning
	intake   *server.Intake
	agents   *agentsPort
	relay    *server.Relay
	metrics  *exporter.Exporter
	figures  *figures
	live     *server.Live
	site     *siteWork // nil in a process that measures nothing itself

	listener      net.Listener
	http, control *http.Server
	stopDNS       func() error
	computing     sync.Mutex
}

func newHouse(cfg *configs.Config, log *slog.Logger) *house {
	h := newCentre(cfg, log)
	h.site = newSiteWork(cfg.Site, log, h.metrics)
	return h
}

// newCentre is a house that measures nothing itself.
func newCentre(cfg *configs.Config, log *slog.Logger) *house {
	h := &house{
		log: log, figuresEvery: time.Minute, period: (*agreements.Agreement).PeriodAt,
		startedAt: time.Now().UnixMilli(), failed: make(chan error, 3), live: server.NewLive(log),
	}
	h.current.Store(cfg)
	h.reloads = newReloader(log, h.reload)
	h.relay = server.NewRelay(h.planning.sharing.Load)
	h.metrics = exporter.New(exporter.Options{Version: version, GoVersion: runtime.Version(), Runtime: h.numbers})
	return h
}

// cfg is the installation as it was read last.
func (h *house) cfg() *configs.Config { return h.current.Load() }

// steps is the order in which a house comes to life; it stops in the mirror of it.
func (h *house) steps() []step {
	return []step{
		{"signals", h.reloads.listen, nil},
		{"limits", applyLimits, nil},
		{"ledger", h.openLedger, h.closeLedger},
		{"sealer", h.startSealer, h.stopSealer},
		{"plans", h.startPlanning, nil},
		{"intake", h.openIntake, h.closeIntake},
		{"control", h.openControl, h.closeControl},
		{"agents", h.openAgents, h.closeAgents},
		{"pages", h.listen, h.closePages},
		{"dns answerer", h.openDNS, h.closeDNS},
		{"figures", h.startFigures, func(ctx context.Context) error { return h.figures.stop(ctx) }},
		{"scheduler", h.startSite, h.endSite},
		{"reloads", h.reloads.start, h.reloads.stop},
	}
}

func (h *house) openLedger(ctx context.Context) (err error) {
	h.store, err = openLedger(ctx, h.cfg())
	return err
}

func (h *house) closeLedger(context.Context) error { return h.store.Close() }

func (h *house) openIntake(context.Context) error {
	h.intake = server.New(server.Options{
		Store: h.store, Known: h.known, Now: func() int64 { return time.Now().UnixMilli() }, Stored: h.stored, Log: h.log,
	})
	return nil
}

func (h *house) closeIntake(context.Context) error {
	h.intake.Close()
	return nil
}

// openControl listens for those who cannot write the ledger themselves while this process does.
func (h *house) openControl(context.Context) (err error) {
	if !inDatabase(h.cfg()) {
		h.control, err = listenControl(h.cfg().Data, h.store)
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
	h.figures = &figures{
		cfg: h.cfg, ledger: h.store, metrics: h.metrics, period: h.period, every: h.figuresEvery, log: h.log,
		newest: map[string]figure{},
	}
	var err error
	h.listener, h.http, err = listenPages(h.cfg().Listen, h.routes(), h.log, h.failed)
	return err
}

// listenPages serves pages to people and to scrapers; failed hears of an end that nobody asked for.
func listenPages(address string, routes http.Handler, log *slog.Logger, failed chan<- error) (net.Listener, *http.Server, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, nil, fmt.Errorf("listen on %q: %w", address, err)
	}
	srv := &http.Server{
		Handler: routes, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
		WriteTimeout: time.Minute, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	go func() {
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			failed <- fmt.Errorf("serve pages: %w", err)
		}
	}()
	log.Info("pages and metrics", "url", "http://"+l.Addr().String()+"/")
	return l, srv, nil
}

func (h *house) closePages(ctx context.Context) error { return closeServer(ctx, h.http) }

// closeServer waits for answers under way, then cuts what is left.
func closeServer(ctx context.Context, srv *http.Server) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	if err := srv.Shutdown(ctx); err != nil {
		return srv.Close()
	}
	return nil
}

func (h *house) openDNS(context.Context) error {
	if h.cfg().ListenDNS == "" {
		h.stopDNS = func() error { return nil }
		return nil
	}
	_, stop, err := answerDNS(h.cfg().ListenDNS, ownHealth, h.log)
	h.stopDNS = stop
	return err
}

func (h *house) closeDNS(context.Context) error { return h.stopDNS() }

func (h *house) startFigures(ctx context.Context) error { return h.figures.start(ctx) }

// startSite measures what the house hands out to its own site.
func (h *house) startSite(context.Context) error {
	if h.site == nil {
		return nil
	}
	id, err := agentID(h.cfg().Data)
	if err != nil {
		return err
	}
	var wire relay.Wire // to nobody where no other agent can call
	if h.agents != nil {
		wire = ownWire{h.relay, id, h.cfg().Site}
	}
	return h.site.start(h.planning.own, agent.Options{Agent: id, Epoch: random64(), Append: h.append}, wire)
}

func (h *house) endSite(ctx context.Context) error {
	if h.site == nil {
		return nil
	}
	return h.site.end(ctx)
}

// append hands a batch to the intake; its return is the acknowledgement.
func (h *house) append(ctx context.Context, batch []byte) error {
	r, err := h.intake.Accept(ctx, batch)
	if err == nil && r.Held != "" {
		h.log.Error("own batch held", "held", r.Held)
	}
	return err
}

// numbers is what the metrics ask of scheduler and ledger.
func (h *house) numbers() exporter.Numbers {
	n := exporter.Numbers{Sealer: h.sealing.numbers(), States: h.stateNumbers(h.cfg()), Relay: h.relayNumbers(), Reloads: h.reloads.numbers()}
	waiting := 0
	if h.site != nil {
		waiting = h.site.numbers(&n)
	}
	if h.agents != nil {
		h.agents.numbers(&n, h.startedAt, h.plansOf)
	}
	s := h.intake.Stats()
	n.Intake = &exporter.IntakeNumbers{Stored: s.Batches - s.Duplicates - s.Held, Duplicates: s.Duplicates, Held: s.Held, Refused: s.Refused, Failed: s.Failed}
	n.Ledger = &exporter.LedgerNumbers{Batches: s.Batches, Results: s.Results, AppendTime: s.Took, LastAppend: s.LastAt, Waiting: waiting}
	if b, found, err := ledger.LastBackup(h.cfg().Data); found && err == nil {
		n.Ledger.Backup = b.At
	}
	return n
}
