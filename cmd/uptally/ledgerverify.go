package main

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/uptally/uptally/ledger"
)

// ledgerCheck is the answer of `uptally ledger verify`.
type ledgerCheck struct {
	Problems  []string         `json:"problems"`
	Inventory ledger.Inventory `json:"inventory"`
}

func ledgerVerifyCommand(s streams) *cobra.Command {
	var p ledgerPlace
	c := &cobra.Command{
		Use:   "verify",
		Short: "read everything through its checksums and name what is not what was written; exit 1 if there is anything",
		Long: "verify reads the ledger as it is at one moment, also beside a running process: every batch, head, body, failure, plan,\n" +
			"name and entry through its checksum and the number of its set, each day folded anew from its response times, and the file by\n" +
			"the engine's own check. Each problem is a line.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			store, _, err := p.open(c.Context(), s)
			if err != nil {
				return err
			}
			defer store.Close()
			check, err := checkLedger(c.Context(), store)
			if err != nil {
				return err
			}
			if err := p.print(s.out, check, check.text); err != nil {
				return err
			}
			if len(check.Problems) > 0 {
				return errProblems
			}
			return nil
		},
	}
	p.flags(c)
	return c
}

func checkLedger(ctx context.Context, store evidence) (*ledgerCheck, error) {
	c := &ledgerCheck{Problems: []string{}}
	words := wordsOf(ctx, store)
	err := store.Snapshot(ctx, func(snap ledger.Carrier) error {
		var err error
		c.Inventory, err = ledger.Verify(ctx, snap, func(err error) { c.Problems = append(c.Problems, words(err.Error())) })
		return err
	})
	return c, err
}

func (c *ledgerCheck) text(w io.Writer) {
	for _, p := range c.Problems {
		fmt.Fprintln(w, p)
	}
	if len(c.Problems) > 0 {
		fmt.Fprintf(w, "%s; the rest is sound:\n", counting(len(c.Problems), "problem", "problems"))
	}
	writeInventory(w, c.Inventory)
}

func writeInventory(w io.Writer, v ledger.Inventory) {
	for _, p := range []struct {
		one, many string
		part      ledger.Part
	}{
		{"day of a series", "days of series", v.Days}, {"day with response times", "days with response times", v.Times},
		{"failure", "failures", v.Failures}, {"batch in the log", "batches in the log", v.Batches}, {"plan", "plans", v.Plans},
		{"name", "names", v.Names}, {"entry", "entries", v.Entries}, {"late change", "late changes", v.Reseals},
		{"drop", "drops", v.Drops}, {"epoch of an agent", "epochs of agents", v.Taken},
	} {
		digest, _ := p.part.Digest.MarshalText() // never fails
		fmt.Fprintf(w, "%-32s %s\n", counting(p.part.N, p.one, p.many), digest[:16])
	}
	fmt.Fprintf(w, "%s of %s\n", counting(v.Results, "result", "results"), counting(v.Series, "series", "series"))
}

var (
	idInText  = regexp.MustCompile(`\b[0-9a-f]{16}\b`)
	dayInText = regexp.MustCompile(`\bday (-?[0-9]+)\b`)
)

// wordsOf puts the names of checks and sites, and dates, beside the IDs and numbers of a problem. A ledger whose names
// cannot be read has its IDs.
func wordsOf(ctx context.Context, store ledger.Store) func(string) string {
	names := map[string]string{}
	for _, kind := range []string{"check", "site"} {
		byID, _ := namesByID(ctx, store, kind)
		for id, name := range byID {
			names[id.String()] = name
		}
	}
	return func(text string) string {
		text = idInText.ReplaceAllStringFunc(text, func(id string) string {
			if name, known := names[id]; known {
				return id + " (" + name + ")"
			}
			return id
		})
		return dayInText.ReplaceAllStringFunc(text, func(day string) string {
			n, err := strconv.ParseInt(day[len("day "):], 10, 32)
			if err != nil {
				return day
			}
			return day + " (" + dateOf(int32(n)) + ")"
		})
	}
}
