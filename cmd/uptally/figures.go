package main

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/uptally/uptally/agreements"
	"github.com/uptally/uptally/configs"
	"github.com/uptally/uptally/exporter"
	"github.com/uptally/uptally/statements"
)

// periodOf names the period in progress of an agreement at an instant, as text and as instants.
type periodOf func(a *agreements.Agreement, now int64) (string, agreements.Interval, error)

// figures keeps the newest statement of the running period of each agreement, for the pages and the metrics. They are
// computed on a beat and never for a reader, so that no scrape and no page can slow the probes.
type figures struct {
	cfg     func() *configs.Config
	ledger  statements.Ledger
	metrics *exporter.Exporter
	period  periodOf
	every   time.Duration
	log     *slog.Logger

	mu     sync.Mutex
	newest map[string]figure
	cancel context.CancelFunc
	done   chan struct{}
}

// figure is a statement, or why there is none.
type figure struct {
	statement *statements.Statement
	err       error
}

// start computes once a beat until stop.
func (f *figures) start(context.Context) error {
	ctx, cancel := context.WithCancel(context.Background())
	f.cancel, f.done = cancel, make(chan struct{})
	go func() {
		defer close(f.done)
		beat := time.NewTicker(f.every)
		defer beat.Stop()
		for {
			f.compute(ctx, time.Now().UnixMilli())
			select {
			case <-beat.C:
			case <-ctx.Done():
				return
			}
		}
	}()
	return nil
}

func (f *figures) stop(context.Context) error {
	f.cancel()
	<-f.done
	return nil
}

func (f *figures) compute(ctx context.Context, now int64) {
	cfg := f.cfg()
	f.forget(cfg)
	for i := range cfg.Agreements {
		a := &cfg.Agreements[i]
		st, err := f.computeOne(ctx, cfg, a, now)
		if ctx.Err() != nil {
			return
		}
		f.mu.Lock()
		before := f.newest[a.Name].err
		f.newest[a.Name] = figure{st, err}
		f.mu.Unlock()
		if err != nil && (before == nil || before.Error() != err.Error()) {
			f.log.Error("figures not computed", "agreement", a.Name, "err", err)
		}
	}
}

// forget takes agreements off the pages and the metrics that are not configured any more.
func (f *figures) forget(cfg *configs.Config) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for name := range f.newest {
		if _, err := agreementOf(cfg, name); err != nil {
			delete(f.newest, name)
			f.metrics.RemoveAgreement(name)
		}
	}
}

func (f *figures) computeOne(ctx context.Context, cfg *configs.Config, a *agreements.Agreement, now int64) (*statements.Statement, error) {
	text, period, err := f.period(a, now)
	if err != nil {
		return nil, err
	}
	req, err := request(cfg, a.Name, text, "", now)
	if err != nil {
		return nil, err
	}
	req.Ledger, req.Period = f.ledger, period
	evidence, err := statements.Gather(ctx, req)
	if err != nil {
		return nil, err
	}
	st, err := evidence.Statement(ctx)
	if err != nil {
		return nil, err
	}
	standings, err := standings(evidence, req)
	if err != nil {
		return nil, err
	}
	return &st, f.metrics.SetAgreement(a, now, standings)
}

// standings are the accounts up to now, beside what the whole period will be divided by. Of a period that versions split
// they are those of the version in force.
func standings(evidence *statements.Gathered, req statements.Request) ([]exporter.Standing, error) {
	whole, err := evidence.Accounts(req.Period)
	if err != nil || req.Now <= req.Period.From {
		return nil, err
	}
	now := min(req.Now, req.Period.To)
	toDate, err := evidence.Accounts(agreements.Interval{From: req.Period.From, To: now})
	if err != nil {
		return nil, err
	}
	var standings []exporter.Standing
	for i := range toDate {
		if toDate[i].Period.To == now {
			standings = append(standings, exporter.Standing{Account: toDate[i], Whole: whole[i].Denominator})
		}
	}
	return standings, nil
}

func (f *figures) statement(agreement string) (*statements.Statement, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, ok := f.newest[agreement]
	if !ok {
		return nil, fmt.Errorf("show statement of %q: the first figures are being computed", agreement)
	}
	return n.statement, n.err
}

func (f *figures) index(agreement string) statements.IndexAgreement {
	st, err := f.statement(agreement)
	in := statements.IndexAgreement{Name: agreement, Href: "/statements/" + agreement, Statement: st}
	if err != nil {
		in.Statement, in.Problem = nil, err.Error()
	}
	return in
}
