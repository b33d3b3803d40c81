package main

import (
	"context"
	"log/slog"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/uptally/uptally/configs"
)

// stopSignals ends a context at the first SIGTERM or SIGINT; the next one has its usual effect.
func stopSignals(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

func runCommand(s streams) *cobra.Command {
	var config string
	c := &cobra.Command{
		Use:   "run",
		Short: "measure, keep the evidence, serve pages and metrics: agent and server in one process, embedded ledger",
		Long: "run measures what the installation says and serves pages, statements and /metrics. SIGTERM and SIGINT stop it\n" +
			"cleanly within " + stopBound.String() + ": no more slots, probes in flight end, the last batch is appended. A second signal aborts.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := configs.Load(config)
			if err != nil {
				return printProblems(s, err)
			}
			ctx, stop := stopSignals(c.Context())
			defer stop()
			log := slog.New(slog.NewTextHandler(s.err, nil))
			h := newHouse(cfg, log)
			return live(ctx, log, h.steps(), h.failed)
		},
	}
	c.Flags().StringVarP(&config, "config", "c", "uptally.yaml", "the installation")
	return c
}
