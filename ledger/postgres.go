package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Postgres is a Store in a PostgreSQL database, which any number of processes write and read at once. What each session
// must be is read back when it connects: commits are on stable storage, on the synchronous standby too where there is one.
//
//  1. A write whose outcome is unknown, because the server or the way to it failed during the commit, is an error: the
//     sender sends again, and what was stored is found there. Sessions are made anew, after a failover to the new leader.
//  2. What is acknowledged as a duplicate is as durable as what was stored just now.
//  3. Transactions that met another process's are run again.
type Postgres struct {
	tables
	writers *sql.DB // nil for a reader
	readers *sql.DB
}

const (
	postgresWriters = 4
	postgresReaders = 4
)

// OpenPostgres opens the ledger in a database for writing and makes its tables where they are missing. The dsn is a
// connection string of libpq, of keywords or as a URL, with several hosts for an HA pair; what is not in it comes from
// libpq's environment. Tables are those of the first schema of its search_path. The error never holds a password.
//
// A server older than 13, one that acknowledges commits that may be lost (synchronous_commit off, local or remote_write,
// fsync off, data_sync_retry on), and a ledger of a newer schema are errors.
func OpenPostgres(ctx context.Context, dsn string, o Options) (*Postgres, error) {
	p, err := newPostgres(dsn, o)
	if err != nil {
		return nil, fmt.Errorf("open ledger in PostgreSQL: %w", err)
	}
	if err := p.migrate(ctx); err != nil {
		return nil, fmt.Errorf("open ledger in PostgreSQL: %w", errors.Join(oneLine(err), p.Close()))
	}
	return p, nil
}

// OpenPostgresReadOnly opens a ledger that is there. It reads from the server that takes writes, so it sees every batch that
// was acknowledged before; its own writes are errors.
func OpenPostgresReadOnly(ctx context.Context, dsn string, o Options) (*Postgres, error) {
	p, err := newPostgres(dsn, o)
	if err != nil {
		return nil, fmt.Errorf("open ledger in PostgreSQL: %w", err)
	}
	if err = p.writers.Close(); err == nil {
		p.writers = nil
		err = p.checkVersion(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("open ledger in PostgreSQL: %w", errors.Join(oneLine(err), p.Close()))
	}
	return p, nil
}

func newPostgres(dsn string, o Options) (*Postgres, error) {
	p := &Postgres{}
	p.engine = p
	if p.now = o.Now; p.now == nil {
		p.now = func() int64 { return time.Now().UnixMilli() }
	}
	c, err := postgresConfig(dsn, o.Password)
	if err != nil {
		return nil, err
	}
	// A number that was read may be gone after a failover: it is acknowledged nowhere.
	met := func(context.Context, *pgx.Conn) error {
		p.names.keep(seriesTable{}, tally{})
		return nil
	}
	p.writers = postgresPool(c, postgresWriters, met)
	p.readers = postgresPool(c, postgresReaders, met)
	return p, nil
}

// Close waits for what is being read and written, and ends the sessions.
func (p *Postgres) Close() error {
	var errs []error
	if p.writers != nil {
		errs = append(errs, p.writers.Close())
	}
	errs = append(errs, p.readers.Close())
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close ledger in PostgreSQL: %w", err)
	}
	return nil
}
