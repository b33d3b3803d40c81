package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/uptally/uptally/configs"
	"github.com/uptally/uptally/exporter"
)

// reloader reads a process's files anew at each SIGHUP. Files with mistakes change nothing.
type reloader struct {
	log *slog.Logger
	do  func(ctx context.Context) error
	hup chan os.Signal // one waits: a storm of signals is read once more at its end

	cancel context.CancelFunc
	ended  chan struct{}

	mu    sync.Mutex
	stats exporter.ReloadNumbers
}

func newReloader(log *slog.Logger, do func(context.Context) error) *reloader {
	return &reloader{log: log, do: do, hup: make(chan os.Signal, 1)}
}

// listen takes the signal from now on; what comes before start waits for it.
func (r *reloader) listen(context.Context) error {
	signal.Notify(r.hup, syscall.SIGHUP)
	return nil
}

func (r *reloader) start(context.Context) error {
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel, r.ended = cancel, make(chan struct{})
	go func() {
		defer close(r.ended)
		for {
			select {
			case <-r.hup:
				r.reload(ctx)
			case <-ctx.Done():
				return
			}
		}
	}()
	return nil
}

// stop gives up a reload under way. Later signals do nothing.
func (r *reloader) stop(context.Context) error {
	r.cancel()
	<-r.ended
	return nil
}

func (r *reloader) reload(ctx context.Context) {
	begin := time.Now()
	err := r.do(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stats.Refused = err != nil; err == nil {
		r.stats.Done++
		r.log.Info("reloaded", "took", time.Since(begin).Round(time.Millisecond).String())
		return
	}
	r.stats.Failed++
	var problems *configs.ProblemsError
	if errors.As(err, &problems) {
		for _, p := range problems.Problems {
			r.log.Error("reload refused, nothing has changed", "problem", p.String())
		}
		return
	}
	r.log.Error("reload refused, nothing has changed", "err", err)
}

func (r *reloader) numbers() *exporter.ReloadNumbers {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := r.stats
	return &n
}
