package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/uptally/uptally/configs"
	"github.com/uptally/uptally/statements"
)

func compareCommand(s streams) *cobra.Command {
	var config, format string
	c := &cobra.Command{
		Use:   "compare OLD.json [NEW.json]",
		Short: "what differs between two statements of one agreement and period, or between one and what the ledger says now",
		Long: "compare lists the days, checks and sites whose evidence differs, what else differs that figures rest on, and each figure before and after.\n" +
			"Without NEW.json the statement is computed again from the ledger of --config. As diff does, it exits 0 where evidence and figures are the\n" +
			"same, 1 where something differs and 2 where they cannot be compared.",
		Example: "  uptally compare october.json october-again.json\n  uptally compare october.json -c uptally.yaml",
		Args:    cobra.RangeArgs(1, 2),
		RunE: func(c *cobra.Command, args []string) error {
			if format != "text" && format != "json" {
				return usageError{fmt.Errorf("read --format: got %q, want text or json", format)}
			}
			before, err := readStatement(args[0])
			if err != nil {
				return usageError{err}
			}
			after, err := comparedWith(c.Context(), s, before, args[1:], config)
			if err != nil {
				return usageError{err}
			}
			comparison, err := statements.Compare(before, after)
			if err != nil {
				return usageError{err}
			}
			if err := writeComparison(s, &comparison, format); err != nil {
				return usageError{err}
			}
			if !comparison.Same() {
				return errProblems
			}
			return nil
		},
	}
	c.Flags().StringVarP(&config, "config", "c", "uptally.yaml", "the installation whose ledger is asked where there is no NEW.json")
	c.Flags().StringVar(&format, "format", "text", "text or json")
	return c
}

func readStatement(path string) (*statements.Statement, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read statement: %w", err)
	}
	st, err := statements.Decode(data)
	if err != nil {
		return nil, fmt.Errorf("read statement %q: %w", path, err)
	}
	return &st, nil
}

// comparedWith is the later statement: that of the file, or the one that the ledger gives now.
func comparedWith(ctx context.Context, s streams, before *statements.Statement, paths []string, config string) (*statements.Statement, error) {
	if len(paths) > 0 {
		return readStatement(paths[0])
	}
	cfg, err := configs.Load(config)
	if err != nil {
		if err = printProblems(s, err); errors.Is(err, errProblems) {
			err = fmt.Errorf("compare statements: got an installation %q with problems, want one without", config)
		}
		return nil, err
	}
	req, err := request(cfg, before.Agreement, before.Period.Text, "", time.Now().UnixMilli())
	if err != nil {
		return nil, err
	}
	store, err := readMonths(ctx, cfg)
	if err != nil {
		return nil, err
	}
	defer store.Close()
	req.Ledger = store
	after, err := statements.Compute(ctx, req)
	return &after, err
}

func writeComparison(s streams, c *statements.Comparison, format string) error {
	if format == "text" {
		return c.Text(s.out)
	}
	data, err := c.JSON()
	if err != nil {
		return err
	}
	_, err = s.out.Write(data)
	return err
}
