package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"reflect"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/uptally/uptally/configs"
	"github.com/uptally/uptally/exporter"
	"github.com/uptally/uptally/ledger"
	"github.com/uptally/uptally/ledger/delivery"
	"github.com/uptally/uptally/probes/agent"
	"github.com/uptally/uptally/probes/agent/identity"
	"github.com/uptally/uptally/probes/agent/plans"
	"github.com/uptally/uptally/probes/agent/relay"
	"github.com/uptally/uptally/probes/agent/ship"
)

func agentCommand(s streams) *cobra.Command {
	var config string
	c := &cobra.Command{
		Use:   "agent",
		Short: "measure at a site what the server says, keep it in a spool, and deliver it to the server",
		Long: "agent measures what the server hands out to its site. Results are on stable storage here before anything else, and stay until the\n" +
			"server has them; without the server it measures on. `uptally enrol` comes first. SIGTERM and SIGINT stop it cleanly within " + stopBound.String() + ".",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := configs.LoadAgent(config)
			if err != nil {
				return printProblems(s, err)
			}
			ctx, stop := stopSignals(c.Context())
			defer stop()
			log := slog.New(slog.NewTextHandler(s.err, nil))
			o := newOutpost(cfg, log)
			return live(ctx, log, o.steps(), o.failed)
		},
	}
	c.Flags().StringVarP(&config, "config", "c", "agent.yaml", "the agent's file")
	return c
}

// outpost is an agent that delivers to a server: a site, its spool, and what carries the one to the other.
type outpost struct {
	cfg       *configs.Agent
	log       *slog.Logger
	failed    chan error
	startedAt int64
	metrics   *exporter.Exporter
	site      *siteWork
	identity  *identity.Identity
	shipper   *ship.Shipper
	follower  *plans.Follower
	http      *http.Server

	reloads *reloader
	version atomic.Value // of the plans in force, a string

	mu         sync.Mutex // guards what is measured
	references []configs.Reference
	book       *plans.Book
	started    bool
	ending     bool

	stopShipping, stopFollowing context.CancelFunc
	shipped, followed           chan error
}

func newOutpost(cfg *configs.Agent, log *slog.Logger) *outpost {
	o := &outpost{cfg: cfg, references: cfg.References, log: log, failed: make(chan error, 3), startedAt: time.Now().UnixMilli()}
	o.metrics = exporter.New(exporter.Options{Version: version, GoVersion: runtime.Version(), Runtime: o.numbers})
	o.site = newSiteWork(cfg.Site, log, o.metrics)
	o.reloads = newReloader(log, o.reload)
	return o
}

// steps is the order in which an agent comes to life; it stops in the mirror of it. The spool is opened beside the probes, which never
// wait for it.
func (o *outpost) steps() []step {
	return []step{
		{"signals", o.reloads.listen, nil},
		{"limits", applyLimits, nil},
		{"identity", o.openIdentity, o.closeIdentity},
		{"plans", o.openPlans, nil},
		{"shipper", o.startShipper, o.stopShipper},
		{"pages", o.listen, o.closePages},
		{"scheduler", o.startSite, o.endSite},
		{"plans from the server", o.follow, o.unfollow},
		{"reloads", o.reloads.start, o.reloads.stop},
	}
}

func (o *outpost) openIdentity(context.Context) (err error) {
	if o.identity, err = identity.Open(o.cfg.Data); err != nil {
		if errors.Is(err, os.ErrNotExist) {
			err = fmt.Errorf("%w: enrol this agent first, with uptally enrol --server %s --data %s", err, o.cfg.Server, o.cfg.Data)
		}
		return err
	}
	if got := o.identity.Site(); got != o.cfg.Site {
		return fmt.Errorf("open identity: got an agent of site %q, want %q as %s says", got, o.cfg.Site, o.cfg.Path)
	}
	if got := o.identity.Server(); got != o.cfg.Server {
		return fmt.Errorf("open identity: got an agent of server %q, want %q as %s says", got, o.cfg.Server, o.cfg.Path)
	}
	return nil
}

func (o *outpost) closeIdentity(context.Context) error {
	o.identity.Close()
	return nil
}

// openPlans reads what was handed out before. Plans that cannot be read are the server's to give again.
func (o *outpost) openPlans(context.Context) error {
	book, err := plans.Open(o.cfg.Data)
	if err != nil {
		o.log.Error("plans kept here cannot be read: waiting for the server's", "err", err)
		book = &plans.Book{}
	}
	o.book = book
	return nil
}

func (o *outpost) listen(context.Context) (err error) {
	if o.cfg.Listen == "" {
		return nil
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", o.metrics.Handler())
	mux.Handle("GET /healthz", exporter.Healthz())
	mux.Handle("GET /readyz", exporter.Readyz(o.health))
	_, o.http, err = listenPages(o.cfg.Listen, http.MaxBytesHandler(hardened(mux), 0), o.log, o.failed)
	return err
}

func (o *outpost) closePages(ctx context.Context) error {
	if o.http == nil {
		return nil
	}
	return closeServer(ctx, o.http)
}

func (o *outpost) startShipper(context.Context) error {
	o.follower = plans.NewFollower(plans.FollowerOptions{
		Transport: o.identity, Server: o.identity.Server(), Version: o.book.Version(), Take: o.take, Log: o.log,
	})
	o.shipper = ship.New(ship.Options{
		Open: func() (*ledger.Spool, error) {
			return ledger.OpenSpool(o.cfg.Data, ledger.SpoolOptions{Bound: o.cfg.SpoolBound, Keep: time.Duration(o.cfg.SpoolKeep) * time.Millisecond})
		},
		Identity: o.identity, Version: version, Log: o.log,
		OnReply: func(r delivery.Reply) { o.follower.Told(r.Plans) },
		Plans:   func() string { v, _ := o.version.Load().(string); return v },
	})
	ctx, cancel := context.WithCancel(context.Background())
	o.stopShipping, o.shipped = cancel, make(chan error, 1)
	go func() {
		err := o.shipper.Run(ctx)
		if err != nil && ctx.Err() == nil { // nobody asked for its end
			o.failed <- err
			err = nil
		}
		o.shipped <- err
	}()
	return nil
}

// stopShipper lets what waits be sent within a bound.
func (o *outpost) stopShipper(ctx context.Context) error {
	o.stopShipping()
	select {
	case err := <-o.shipped:
		return err
	case <-ctx.Done():
		return fmt.Errorf("wait for the shipper: %w", ctx.Err())
	}
}

// startSite measures by the plans that were kept; where there are none the first ones of the server start it.
func (o *outpost) startSite(context.Context) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.book.Version() == "" {
		o.log.Info("no plans yet: waiting for the server's", "site", o.cfg.Site)
		return nil
	}
	return o.measure(o.book, nil)
}

// measure puts a book in force once keep, if it is not nil, has made it durable. Whatever can fail of it fails before.
func (o *outpost) measure(b *plans.Book, keep func() error) error {
	tasks, err := b.Tasks(time.Now().UnixMilli())
	if err != nil {
		return err
	}
	references := o.references
	if references == nil {
		if references, err = configs.References(b.References()); err != nil {
			return err
		}
	}
	d, err := o.site.prepare(tasks, references)
	if err != nil {
		return err
	}
	if keep != nil {
		if err := keep(); err != nil {
			return err
		}
	}
	if err := o.metrics.SetChecks(d.series(o.site.name)); err != nil {
		return err
	}
	o.book = b
	o.version.Store(b.Version())
	if o.started {
		return o.site.take(d)
	}
	o.started = true
	return o.site.start(d, agent.Options{Agent: o.identity.Agent(), Spool: o.shipper, Clock: o.shipper.Clock}, relay.OverHTTP(o.identity.Server(), o.identity))
}

// take puts plans of the server in force, whole or not at all.
func (o *outpost) take(data []byte) error {
	p, err := plans.Read(data, o.cfg.Site)
	if err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ending {
		return nil
	}
	b := o.book.With(p, time.Now().UnixMilli())
	if err := o.measure(b, func() error { return b.Save(o.cfg.Data) }); err != nil {
		return err
	}
	o.log.Info("plans in force", "site", o.cfg.Site, "checks", len(p.Plans.Checks))
	return nil
}

// reload reads the agent's file anew; what is measured is the server's to say.
func (o *outpost) reload(context.Context) error {
	cfg, err := configs.LoadAgent(o.cfg.Path)
	if err != nil {
		return err
	}
	references := cfg.References
	if cfg.References = o.cfg.References; !reflect.DeepEqual(cfg, o.cfg) {
		return errors.New("got another site, server, data, spool or listen than the process has: restart it")
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	was := o.references
	o.references = references
	if !o.started || o.ending {
		return nil
	}
	err = o.measure(o.book, nil)
	if err != nil {
		o.references = was
	}
	return err
}

func (o *outpost) endSite(ctx context.Context) error {
	o.mu.Lock()
	o.ending = true
	o.mu.Unlock()
	return o.site.end(ctx)
}

func (o *outpost) follow(context.Context) error {
	ctx, cancel := context.WithCancel(context.Background())
	o.stopFollowing, o.followed = cancel, make(chan error, 1)
	go func() {
		o.follower.Run(ctx)
		o.followed <- nil
	}()
	return nil
}

func (o *outpost) unfollow(ctx context.Context) error {
	o.stopFollowing()
	select {
	case err := <-o.followed:
		return err
	case <-ctx.Done():
		return fmt.Errorf("wait for plans under way: %w", ctx.Err())
	}
}

func (o *outpost) numbers() exporter.Numbers {
	n := exporter.Numbers{Reloads: o.reloads.numbers()}
	o.site.numbers(&n)
	s := o.shipper.Stats()
	n.Shipper = &exporter.ShipperNumbers{
		Acknowledged: s.Acknowledged, Incarnations: s.Incarnations, Bytes: s.Spool.Bytes, Bound: s.Spool.Bound, Lost: s.Spool.Lost,
		Failures: map[string]uint64{
			"no_answer": s.Failures.NoAnswer, "unusable": s.Failures.Unusable, "too_large": s.Failures.TooLarge, "denied": s.Failures.Denied, "spool": s.Failures.Spool,
		},
	}
	d := exporter.DeliveryNumbers{
		Agent: delivery.ID(o.identity.Agent()).String(), Site: o.cfg.Site, SpokeAt: o.startedAt, ClockKnown: s.ClockKnown, Offset: s.ClockOffset, Bound: s.ClockBound,
		Waiting: s.Spool.Waiting, OldestAt: s.Spool.Oldest, Left: max(s.Spool.Left, 0), Damaged: s.Spool.Aside, Behind: o.follower.Stats().Behind,
	}
	if !s.AnsweredAt.IsZero() {
		d.SpokeAt = s.AnsweredAt.UnixMilli()
	}
	if until := o.identity.Until(); !until.IsZero() {
		d.Until = until.UnixMilli()
	}
	n.Deliveries = []exporter.DeliveryNumbers{d}
	return n
}

func (o *outpost) health() exporter.Health {
	health := exporter.Health{At: time.Now().UnixMilli(), LedgerOpen: !o.shipper.Stats().Opening, LastAppend: o.startedAt}
	a := o.site.running.Load()
	if a == nil {
		return health // no plans yet
	}
	health.SchedulerRunning = true
	if last := a.Stats().LastAppend; !last.IsZero() {
		health.LastAppend = last.UnixMilli()
	}
	return health
}
