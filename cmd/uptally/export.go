package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/configs"
	"github.com/uptally/uptally/ledger/export"
)

// exporting is the command line of `uptally export results` and `uptally export days`.
type exporting struct {
	config, from, to, format, output string
	export.Selection
}

func exportCommand(s streams) *cobra.Command {
	c := &cobra.Command{
		Use:   "export",
		Short: "write what the ledger holds as CSV or Parquet, for anybody's analysis",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return usageError{errors.New("export: want results or days")}
		},
	}
	c.AddCommand(
		exportKind(s, "results", "one row a slot: instants, outcome, reason, response time, detail", export.Results),
		exportKind(s, "days", "one row a check, site and UTC day: results by outcome, response times, digest", export.Days),
	)
	return c
}

func exportKind(s streams, what, short string, write func(context.Context, export.Ledger, export.Selection, export.Format, io.Writer) error) *cobra.Command {
	var e exporting
	c := &cobra.Command{
		Use:   what + " --from DATE --to DATE",
		Short: short + "; also beside a running process",
		Example: "  uptally export " + what + " --from 2026-10-01 --to 2026-11-01 -o october.csv\n" +
			"  uptally export " + what + " --from 2026-10-01 --to 2026-11-01 --check portal-home --format parquet -o october.parquet",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := e.check(); err != nil {
				return err
			}
			cfg, err := configs.Load(e.config)
			if err != nil {
				return printProblems(s, err)
			}
			store, err := readMonths(c.Context(), cfg)
			if err != nil {
				return err
			}
			defer store.Close()
			put := func(w io.Writer) error { return write(c.Context(), store, e.Selection, export.Format(e.format), w) }
			if e.output == "-" {
				return put(s.out)
			}
			return writeFile(e.output, put)
		},
	}
	f := c.Flags()
	f.StringVarP(&e.config, "config", "c", "uptally.yaml", "the installation")
	f.StringVar(&e.from, "from", "", "the first UTC day, such as 2026-10-01")
	f.StringVar(&e.to, "to", "", "the first UTC day no longer wanted, such as 2026-11-01")
	f.StringArrayVar(&e.Checks, "check", nil, "only this check; may be given several times (default: all)")
	f.StringArrayVar(&e.Sites, "site", nil, "only this site; may be given several times (default: all)")
	f.StringVar(&e.format, "format", "csv", "csv or parquet")
	f.StringVarP(&e.output, "output", "o", "-", "write to this file; - is standard output, for csv alone")
	c.MarkFlagRequired("from")
	c.MarkFlagRequired("to")
	return c
}

// check reads the flags that are no names.
func (e *exporting) check() error {
	switch {
	case e.format != string(export.CSV) && e.format != string(export.Parquet):
		return usageError{fmt.Errorf("read --format: got %q, want csv or parquet", e.format)}
	case e.format == string(export.Parquet) && e.output == "-":
		return usageError{errors.New("read --output: got standard output, want a file for parquet")}
	}
	var err error
	if e.From, err = parseDay("--from", e.from); err != nil {
		return err
	}
	if e.To, err = parseDay("--to", e.to); err != nil {
		return err
	}
	if e.To <= e.From {
		return usageError{fmt.Errorf("read --to: got %q, want a day after %s: it is the first one no longer wanted", e.to, e.from)}
	}
	return nil
}

// parseDay reads a UTC day.
func parseDay(flag, text string) (int32, error) {
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return 0, usageError{fmt.Errorf("read %s: got %q, want a day such as 2026-10-01", flag, text)}
	}
	return uptally.DayOf(t.UnixMilli()), nil
}
