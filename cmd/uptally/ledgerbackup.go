package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/uptally/uptally/ledger"
)

func ledgerBackupCommand(s streams) *cobra.Command {
	var p ledgerPlace
	c := &cobra.Command{
		Use:   "backup -o FILE|DIR",
		Short: "write a copy beside the running process, and check it before it counts",
		Long: "backup writes the ledger as it is at one moment, opens the copy as a ledger of its own, reads it whole and compares it with\n" +
			"what the ledger says. Only then has it its name, and is the newest checked backup. In a folder it is named by its instant.",
		Example: "  uptally ledger backup -o /backup/\n  uptally ledger backup -c uptally.yaml -o /backup/before-upgrade.db",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			store, _, err := p.open(c.Context(), s)
			if err != nil {
				return err
			}
			defer store.Close()
			embedded, ok := store.(*ledger.SQLite)
			if !ok {
				return errors.New("back up ledger: got one in PostgreSQL, which has means of its own (docs/ledger.md): uptally ledger copy makes an embedded one of it")
			}
			now := time.Now()
			b, err := embedded.Backup(c.Context(), backupFile(p.output, now), now.UnixMilli())
			if err != nil {
				return err
			}
			return p.print(s.out, b, func(w io.Writer) {
				fmt.Fprintf(w, "%s: %s bytes, checked: %s, %s\n", b.File, grouped(b.Bytes),
					counting(b.Inventory.Results, "result", "results"), counting(b.Inventory.Days.N, "day of a series", "days of series"))
			})
		},
	}
	p.flags(c)
	c.Flags().StringVarP(&p.output, "output", "o", "", "the file, or a folder for it")
	c.MarkFlagRequired("output")
	return c
}

// backupFile is the file that is asked for, or one that is named by an instant in the folder that is.
func backupFile(output string, now time.Time) string {
	if info, err := os.Stat(output); err == nil && info.IsDir() {
		return filepath.Join(output, "ledger-"+now.UTC().Format("2006-01-02T15-04-05Z")+".db")
	}
	return output
}

func ledgerRestoreCommand(s streams) *cobra.Command {
	var p ledgerPlace
	c := &cobra.Command{
		Use:     "restore FILE --data DIR",
		Short:   "check a backup and put it into a folder that has no ledger",
		Example: "  uptally ledger restore /backup/ledger-2026-12-01T00-00-00Z.db --data ./data",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := p.check(); err != nil {
				return err
			}
			v, err := ledger.Restore(c.Context(), args[0], p.data)
			if err != nil {
				return err
			}
			return p.print(s.out, v, func(w io.Writer) {
				fmt.Fprintf(w, "%s: restored and checked: %s, %s\n", p.data,
					counting(v.Results, "result", "results"), counting(v.Days.N, "day of a series", "days of series"))
			})
		},
	}
	c.Flags().StringVar(&p.data, "data", "", "the folder, without a ledger, that becomes the ledger's")
	c.MarkFlagRequired("data")
	p.outputFlags(c)
	return c
}
