package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os/user"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/agreements"
	"github.com/uptally/uptally/configs"
	"github.com/uptally/uptally/ledger"
)

func ledgerDropCommand(s streams) *cobra.Command {
	var (
		p               ledgerPlace
		before, by, why string
		bodies          bool
	)
	c := &cobra.Command{
		Use:   "drop --before DATE --why TEXT",
		Short: "remove whole days that no agreement needs any more; who did it and why stays on record",
		Long: "drop removes the sealed days before a date (UTC): results, failures and response times. With --bodies response times alone go:\n" +
			"accounts go on to be computed, percentiles of these days are refused. Days that an agreement of the installation needs are\n" +
			"never removed: those of an open period, of a claim that may still be made, of rights that look back, and 13 months of results.\n" +
			"The removal goes through the running process where there is one.",
		Example: "  uptally ledger drop --before 2025-01-01 --why \"older than 13 months\"\n" +
			"  uptally ledger drop --before 2026-06-01 --bodies --why \"disk\"",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := p.check(); err != nil {
				return err
			}
			date, err := time.Parse(time.DateOnly, before)
			if err != nil {
				return usageError{fmt.Errorf("read --before: got %q, want a date such as 2026-01-01", before)}
			}
			cfg, err := configs.Load(p.config)
			if err != nil {
				return printProblems(s, err)
			}
			now := time.Now().UnixMilli()
			d := ledger.Drop{Before: uptally.DayOf(date.UnixMilli()), BodiesOnly: bodies, At: now, By: by, Why: why}
			if err := droppable(d, agreements.Needed(cfg.Agreements, now, bodies)); err != nil {
				return err
			}
			if d.By == "" {
				u, err := user.Current()
				if err != nil {
					return fmt.Errorf("name who drops: %w; give --by", err)
				}
				d.By = u.Username
			}
			if err := dropDays(c.Context(), cfg, d); err != nil {
				return err
			}
			return p.print(s.out, droppedDays{dateOf(d.Before), d.BodiesOnly, d.At, d.By, d.Why}, func(w io.Writer) {
				fmt.Fprintf(w, "%s before %s dropped, by %s: %s\n", whatDropped(d.BodiesOnly), dateOf(d.Before), d.By, d.Why)
			})
		},
	}
	f := c.Flags()
	f.StringVarP(&p.config, "config", "c", "uptally.yaml", "the installation whose ledger it is, and whose agreements decide")
	f.StringVar(&before, "before", "", "the first day that is kept, UTC")
	f.BoolVar(&bodies, "bodies", false, "remove the response times alone")
	f.StringVar(&why, "why", "", "the reason, which stays on record")
	f.StringVar(&by, "by", "", "who drops (default: the user of this machine)")
	c.MarkFlagRequired("before")
	c.MarkFlagRequired("why")
	p.outputFlags(c)
	return c
}

func whatDropped(bodies bool) string {
	if bodies {
		return "response times"
	}
	return "days"
}

// droppable refuses days that are needed.
func droppable(d ledger.Drop, need agreements.Need) error {
	first := uptally.DayOf(need.From)
	if d.Before <= first {
		return nil
	}
	who := ""
	if need.Agreement != "" {
		who = fmt.Sprintf(" by agreement %q", need.Agreement)
	}
	return fmt.Errorf("drop %s before %s: those from %s on are needed%s: %s", whatDropped(d.BodiesOnly), dateOf(d.Before), dateOf(first), who, need.Why)
}

// dropDays removes days through the running process where there is one, else from the ledger itself.
func dropDays(ctx context.Context, cfg *configs.Config, d ledger.Drop) error {
	if !inDatabase(cfg) {
		socket := controlSocket(cfg.Data)
		err := postControl(ctx, socket, "drops", d, nil)
		if err == nil {
			return nil
		}
		if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ECONNREFUSED) {
			return fmt.Errorf("drop days through %q: %w", socket, err)
		}
	}
	store, err := openLedger(ctx, cfg)
	if err != nil {
		return err
	}
	return errors.Join(store.Drop(ctx, d), store.Close())
}

// serveDrops lets the running process remove days. Who may write to its folder decides which.
func serveDrops(mux *http.ServeMux, store ledger.Store) {
	mux.HandleFunc("POST /drops", func(w http.ResponseWriter, r *http.Request) {
		var d ledger.Drop
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxEntry)).Decode(&d); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		http.NewResponseController(w).SetWriteDeadline(time.Now().Add(10 * time.Minute)) // it is as long as the ledger is large
		if err := store.Drop(r.Context(), d); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
}
