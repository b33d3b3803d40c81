package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/configs"
	"github.com/uptally/uptally/ledger"
)

// inDatabase says that the ledger is in PostgreSQL, where any number of processes write at once, and not in the data folder,
// which one process holds.
func inDatabase(cfg *configs.Config) bool { return cfg.Ledger.Postgres != "" }

// evidence is a ledger of either engine.
type evidence interface {
	ledger.Carrier
	Snapshot(ctx context.Context, f func(ledger.Carrier) error) error
	Tables(ctx context.Context) ([]ledger.TableSize, error)
}

// openLedger opens the ledger of an installation for writing, and makes it, and the data folder, where they are missing.
func openLedger(ctx context.Context, cfg *configs.Config) (evidence, error) {
	if !inDatabase(cfg) {
		return ledger.Open(cfg.Data, ledger.Options{}) // a nil *SQLite beside an error is never used
	}
	if err := os.MkdirAll(cfg.Data, 0o750); err != nil { // the agent's identity is kept there
		return nil, fmt.Errorf("make data folder: %w", err)
	}
	o, err := databaseOptions(cfg)
	if err != nil {
		return nil, err
	}
	return ledger.OpenPostgres(ctx, cfg.Ledger.Postgres, o)
}

// readLedger opens the ledger of an installation for reading, beside whoever writes it.
func readLedger(ctx context.Context, cfg *configs.Config) (evidence, error) {
	if !inDatabase(cfg) {
		return ledger.OpenReadOnly(cfg.Data)
	}
	o, err := databaseOptions(cfg)
	if err != nil {
		return nil, err
	}
	return ledger.OpenPostgresReadOnly(ctx, cfg.Ledger.Postgres, o)
}

// readMonths is readLedger for a command that reads much and ends. Its heap may grow to three times what is in use and not to twice, which
// saves a tenth of the time.
func readMonths(ctx context.Context, cfg *configs.Config) (evidence, error) {
	debug.SetGCPercent(200)
	return readLedger(ctx, cfg)
}

func databaseOptions(cfg *configs.Config) (o ledger.Options, err error) {
	if cfg.Ledger.Password != nil {
		if o.Password, err = cfg.Ledger.Password.Read(filepath.Dir(cfg.Path)); err != nil {
			err = fmt.Errorf("open ledger in PostgreSQL: %w", err)
		}
	}
	return o, err
}

// recordIn appends an entry to the ledger of an installation: to a database itself, else as recordEntry does.
func recordIn(ctx context.Context, cfg *configs.Config, e uptally.Entry) (int64, error) {
	if !inDatabase(cfg) {
		return recordEntry(ctx, cfg.Data, e)
	}
	store, err := openLedger(ctx, cfg)
	if err != nil {
		return 0, err
	}
	id, err := store.Record(ctx, e)
	return id, errors.Join(err, store.Close())
}
