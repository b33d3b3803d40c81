package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/agreements"
	"github.com/uptally/uptally/configs"
	"github.com/uptally/uptally/probes/schedule"
	"github.com/uptally/uptally/statements"
)

func statementCommand(s streams) *cobra.Command {
	var (
		config, period, asKnown string
		r                       rendering
	)
	c := &cobra.Command{
		Use:     "statement AGREEMENT --period P",
		Short:   "the statement of an agreement from the local ledger, also beside a running process",
		Example: "  uptally statement acme-portal --period 2026-10\n  uptally statement acme-portal --period 2026-10 --format html -o october.html",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := r.check(); err != nil {
				return err
			}
			cfg, err := configs.Load(config)
			if err != nil {
				return printProblems(s, err)
			}
			req, err := request(cfg, args[0], period, asKnown, time.Now().UnixMilli())
			if err != nil {
				return err
			}
			store, err := readMonths(c.Context(), cfg)
			if err != nil {
				return err
			}
			defer store.Close()
			req.Ledger = store
			st, err := statements.Compute(c.Context(), req)
			if err != nil {
				return err
			}
			return r.write(&st, s.out)
		},
	}
	c.Flags().StringVarP(&config, "config", "c", "uptally.yaml", "the installation")
	c.Flags().StringVar(&period, "period", "", "2026-10, 2026-Q4, 2026, a day such as 2026-10-15 for the agreement's period around it, or two instants A/B")
	c.Flags().StringVar(&asKnown, "as-known", "", "apply only entries recorded up to this RFC 3339 instant")
	c.MarkFlagRequired("period")
	r.flags(c)
	return c
}

// request prepares a statement of one agreement of the installation, but for its ledger.
func request(cfg *configs.Config, name, period, asKnown string, now int64) (statements.Request, error) {
	a, err := agreementOf(cfg, name)
	if err != nil {
		return statements.Request{}, err
	}
	p, err := a.ParsePeriod(period)
	if err != nil {
		return statements.Request{}, usageError{fmt.Errorf("read --period: %w", err)}
	}
	asOf, err := known(asKnown, now)
	if err != nil {
		return statements.Request{}, err
	}
	return statements.Request{
		Agreement: a, Services: servicesOf(cfg), Period: p, PeriodText: period,
		AsOf: asOf, Now: now, Slots: slotsOf, ZoneData: zoneData(),
	}, nil
}

// known reads --as-known; without it, what is known now.
func known(asKnown string, now int64) (int64, error) {
	if asKnown == "" {
		return now, nil
	}
	t, err := time.Parse(time.RFC3339, asKnown)
	if err != nil {
		return 0, usageError{fmt.Errorf("read --as-known: got %q, want an instant such as 2026-11-03T12:00:00Z", asKnown)}
	}
	return t.UnixMilli(), nil
}

func agreementOf(cfg *configs.Config, name string) (*agreements.Agreement, error) {
	var names []string
	for i := range cfg.Agreements {
		if cfg.Agreements[i].Name == name {
			return &cfg.Agreements[i], nil
		}
		names = append(names, cfg.Agreements[i].Name)
	}
	return nil, fmt.Errorf("find agreement %q in %q: got only %s", name, cfg.Path, strings.Join(names, ", "))
}

// slotsOf is the schedule as statements count coverage by it.
func slotsOf(p uptally.Plan, site string) (func(after int64) int64, error) {
	s, err := schedule.NewSlots(p, site)
	if err != nil {
		return nil, err
	}
	return s.Next, nil
}
