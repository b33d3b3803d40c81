package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

const (
	oldestPostgres = 13
	// statementLimit ends what a server would go on with for nobody; commitLimit bounds the wait for a synchronous standby.
	statementLimit = 5 * time.Minute
	commitLimit    = 30 * time.Second
	// lockLimit bounds the wait for another process's transaction.
	lockLimit = 45 * time.Second
)

// postgresConfig reads a connection string and adds what it leaves open.
func postgresConfig(dsn, password string) (*pgx.ConnConfig, error) {
	c, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, oneLine(err) // which has no password in it
	}
	if password != "" {
		c.Password = password
	}
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = 5 * time.Second
	}
	if c.ValidateConnect == nil { // of several servers, the one that takes writes
		c.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	if c.RuntimeParams["application_name"] == "" {
		c.RuntimeParams["application_name"] = "uptally"
	}
	// A server that fell silent is given up after some 30 s.
	d := net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3}, Control: silenceLimit}
	c.DialFunc = d.DialContext
	c.OnNotice = func(conn *pgconn.PgConn, n *pgconn.Notice) {
		if n.SeverityUnlocalized == "WARNING" {
			conn.CustomData()[warningKey] = n.Message
		}
	}
	return c, nil
}

// warningKey is where a session keeps the newest warning of its server.
const warningKey = "uptally warning"

// postgresPool returns a pool of at most n checked sessions. met is called for each new one.
func postgresPool(c *pgx.ConnConfig, n int, met func(context.Context, *pgx.Conn) error) *sql.DB {
	db := stdlib.OpenDB(*c, stdlib.OptionAfterConnect(func(ctx context.Context, conn *pgx.Conn) error {
		err := prepareSession(ctx, conn)
		if err == nil {
			err = met(ctx, conn)
		}
		if err != nil {
			conn.Close(ctx)
		}
		return err
	}))
	db.SetMaxOpenConns(n)
	db.SetMaxIdleConns(n)
	db.SetConnMaxLifetime(time.Hour)
	return db
}

// prepareSession demands that commits are durable and bounds how long anything may take.
func prepareSession(ctx context.Context, conn *pgx.Conn) error {
	var version int
	if err := conn.QueryRow(ctx, "SELECT current_setting('server_version_num')::int").Scan(&version); err != nil {
		return err
	}
	if version < oldestPostgres*10_000 {
		return fmt.Errorf("got PostgreSQL %d.%d, want %d or newer", version/10_000, version%10_000, oldestPostgres)
	}
	for _, s := range []struct {
		name string
		want []string
	}{
		{"synchronous_commit", []string{"on", "remote_apply"}},
		{"fsync", []string{"on"}},
		{"data_sync_retry", []string{"off"}},
		{"server_encoding", []string{"UTF8"}},
	} {
		var got sql.NullString // unknown to other servers that speak the same protocol
		if err := conn.QueryRow(ctx, "SELECT current_setting($1, true)", s.name).Scan(&got); err != nil {
			return err
		}
		if got.Valid && !slices.Contains(s.want, got.String) {
			return fmt.Errorf("got %s = %s, want %s: a commit that is acknowledged must stay", s.name, got.String, strings.Join(s.want, " or "))
		}
	}
	_, err := conn.Exec(ctx, fmt.Sprintf("SET statement_timeout = %d; SET lock_timeout = %d; SET idle_in_transaction_session_timeout = %d",
		statementLimit.Milliseconds(), lockLimit.Milliseconds(), statementLimit.Milliseconds()))
	return err
}

// oneLine is an error of a connection in one line: it names each server and what became of it.
func oneLine(err error) error {
	if err == nil || !strings.Contains(err.Error(), "\n") {
		return err
	}
	return &lineError{err}
}

type lineError struct{ error }

// Error joins the lines.
func (e *lineError) Error() string {
	lines := strings.FieldsFunc(e.error.Error(), func(r rune) bool { return r == '\n' || r == '\t' })
	return strings.ReplaceAll(strings.Join(lines, "; "), ":;", ":")
}

// Unwrap returns the error of many lines.
func (e *lineError) Unwrap() error { return e.error }

// sqlState is PostgreSQL's code of an error, or empty.
func sqlState(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}
