package main

import (
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/uptally/uptally/configs"
)

func serverCommand(s streams) *cobra.Command {
	var config string
	c := &cobra.Command{
		Use:   "server",
		Short: "keep the evidence of agents, serve pages and metrics; and let an agent in, see who is, throw one out",
		Long: "server takes what agents measure and does with it all that run does, but measures nothing itself. SIGTERM and SIGINT stop it cleanly\n" +
			"within " + stopBound.String() + "; the agents keep what they measure meanwhile.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := configs.Load(config)
			if err != nil {
				return printProblems(s, err)
			}
			if cfg.Agents.Listen == "" {
				return fmt.Errorf("start server: got no agents in %q, want agents.listen: without agents it has nothing to do", config)
			}
			ctx, stop := stopSignals(c.Context())
			defer stop()
			log := slog.New(slog.NewTextHandler(s.err, nil))
			h := newCentre(cfg, log)
			return live(ctx, log, h.steps(), h.failed)
		},
	}
	c.Flags().StringVarP(&config, "config", "c", "uptally.yaml", "the installation")
	c.AddCommand(agentCommands(s)...)
	return c
}
