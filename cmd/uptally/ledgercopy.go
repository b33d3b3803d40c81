package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/uptally/uptally/configs"
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
		Example: "  uptally ledger copy --from ./data --to /srv/uptally/data\n  uptally ledger copy --from ./data --to uptally.yaml",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := p.check(); err != nil {
				return err
			}
			var places []*configs.Config
			for _, place := range []string{from, to} {
				cfg, err := ledgerAt(place).installation(s)
				if err != nil {
					return err
				}
				places = append(places, cfg)
			}
			tell, end := progressOf(s.err, "sites' days copied")
			v, err := copyLedger(c.Context(), places[0], places[1], tell)
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
	c.Flags().StringVar(&from, "from", "", "the folder of the ledger that is read, or the file of an installation for its ledger, also in PostgreSQL")
	c.Flags().StringVar(&to, "to", "", "the folder that it is written to, or the file of an installation")
	c.MarkFlagRequired("from")
	c.MarkFlagRequired("to")
	p.outputFlags(c)
	return c
}

// ledgerAt is the ledger in a folder, or that of an installation by its file.
func ledgerAt(place string) *ledgerPlace {
	if ext := filepath.Ext(place); ext == ".yaml" || ext == ".yml" {
		return &ledgerPlace{config: place}
	}
	return &ledgerPlace{data: place}
}

func copyLedger(ctx context.Context, from, to *configs.Config, tell func(done, all int)) (v ledger.Inventory, err error) {
	source, err := readLedger(ctx, from)
	if err != nil {
		return v, err
	}
	defer source.Close()
	target, err := openLedger(ctx, to)
	if err != nil {
		return v, err
	}
	err = source.Snapshot(ctx, func(snap ledger.Carrier) error {
		v, err = ledger.Copy(ctx, snap, target, ledger.CopyOptions{At: time.Now().UnixMilli(), Progress: tell})
		return err
	})
	return v, errors.Join(err, target.Close())
}
