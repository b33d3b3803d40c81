package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"
)

// stopBound is how long a clean stop may take in all: the longest a probe in flight may still run, and a few fsyncs.
const stopBound = 20 * time.Second

// step is one part of a process: how it starts and, where it needs it, how it stops.
type step struct {
	name        string
	start, stop func(context.Context) error
}

// live starts the steps in order, stays until ctx ends or failed delivers, and stops them in the mirror of that order,
// within stopBound. Its error is nil for a clean stop. A step that does not start stops those before it.
func live(ctx context.Context, log *slog.Logger, steps []step, failed <-chan error) error {
	var started []step
	var err error
	for _, s := range steps {
		if err = timed(ctx, log, "started", s.name, s.start); err != nil {
			break
		}
		started = append(started, s)
	}
	if err == nil {
		select {
		case <-ctx.Done():
			log.Info("stopping", "within", stopBound.String())
		case err = <-failed:
		}
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopBound)
	defer cancel()
	for _, s := range slices.Backward(started) {
		if s.stop != nil {
			err = errors.Join(err, timed(end, log, "stopped", s.name, s.stop))
		}
	}
	return err
}

func timed(ctx context.Context, log *slog.Logger, did, name string, f func(context.Context) error) error {
	begin := time.Now()
	if err := f(ctx); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	log.Info(did, "part", name, "took", time.Since(begin).Round(time.Millisecond).String())
	return nil
}
