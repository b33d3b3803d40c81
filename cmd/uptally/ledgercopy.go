package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/uptally/uptally/ledger"
)

func ledgerCopyCommand(s streams) *cobra.Command {
	var (
		p        ledgerPlace
		from, to string
	)
	c := &cobra.Command{
		Use:   "copy --from A --to B",
		Short: "move a ledger to another folder or engine, and prove that both say the same",
		Long: "copy reads the ledger A as it is at one moment, also beside a running process, writes what it says into B, which must be empty,\n" +
			"reads both whole and compares them.",
		Example: "  uptally ledger copy --from ./data --to /srv/uptally/data",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := p.check(); err != nil {
				return err
			}
			tell, end := progressOf(s.err, "sites' days copied")
			v, err := copyLedger(c.Context(), from, to, tell)
			end()
			if err != nil {
				return err
			}
			return p.print(s.out, v, func(w io.Writer) {
				fmt.Fprintf(w, "%s: copied, and equal to %s:\n", to, from)
				writeInventory(w, v)
			})
		},
	}
	c.Flags().StringVar(&from, "from", "", "the folder of the ledger that is read")
	c.Flags().StringVar(&to, "to", "", "the folder that it is written to")
	c.MarkFlagRequired("from")
	c.MarkFlagRequired("to")
	p.outputFlags(c)
	return c
}

func copyLedger(ctx context.Context, from, to string, tell func(done, all int)) (v ledger.Inventory, err error) {
	source, err := ledger.OpenReadOnly(from)
	if err != nil {
		return v, err
	}
	defer source.Close()
	target, err := ledger.Open(to, ledger.Options{})
	if err != nil {
		return v, err
	}
	err = source.Snapshot(ctx, func(snap ledger.Carrier) error {
		v, err = ledger.Copy(ctx, snap, target, ledger.CopyOptions{At: time.Now().UnixMilli(), Progress: tell})
		return err
	})
	return v, errors.Join(err, target.Close())
}
