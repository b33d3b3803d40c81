package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/uptally/uptally"
)

// pgSession is a transaction of one connection. It knows whether it wrote anything.
type pgSession struct {
	conn  *sql.Conn
	wrote bool
}

// ExecContext runs a statement.
func (s *pgSession) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	for i, a := range args {
		if text, ok := a.(targetText); ok {
			args[i] = []byte(text)
		}
	}
	r, err := s.conn.ExecContext(ctx, numbered(query), args...)
	if err == nil {
		n, _ := r.RowsAffected()
		s.wrote = s.wrote || n > 0
	}
	return r, err
}

// QueryContext runs a query; an INSERT returns what it wrote.
func (s *pgSession) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	s.wrote = s.wrote || strings.HasPrefix(query, "INSERT")
	return s.conn.QueryContext(ctx, numbered(query), args...)
}

// numbered writes the placeholders ? of a query as $1, $2, …
func numbered(query string) string {
	var b strings.Builder
	for n := 1; ; n++ {
		before, after, found := strings.Cut(query, "?")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		b.WriteByte('$')
		b.WriteString(strconv.Itoa(n))
		query = after
	}
}

// pgx runs f on the connection itself; what it leaves broken is not used again.
func (s *pgSession) pgx(f func(*pgx.Conn) error) error {
	return s.conn.Raw(func(c any) error { return f(c.(*stdlib.Conn).Conn()) })
}

// script runs statements that return nothing.
func (s *pgSession) script(ctx context.Context, statements string) error {
	return s.pgx(func(c *pgx.Conn) error { return c.PgConn().Exec(ctx, statements).Close() })
}

// retries bounds how often a transaction that met others is run.
const retries = 20

// write runs f in a transaction of isolation READ COMMITTED: rows that many processes count in are waited for and not met.
func (p *Postgres) write(ctx context.Context, f func(context.Context, session) error) error {
	return p.transact(ctx, "BEGIN ISOLATION LEVEL READ COMMITTED", f)
}

// writeSnapshot runs f in a transaction that fails, and is run again, where others wrote what it writes.
func (p *Postgres) writeSnapshot(ctx context.Context, f func(context.Context, session) error) error {
	return p.transact(ctx, "BEGIN ISOLATION LEVEL REPEATABLE READ", f)
}

// transact runs f in a transaction, again where it met another process's or a day or month has no partition yet. Once begun
// it is not cancelled by ctx.
func (p *Postgres) transact(ctx context.Context, how string, f func(context.Context, session) error) error {
	if p.writers == nil {
		return errors.New("the ledger is not open for writing")
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	for try := 1; ; try++ {
		err := p.transactOnce(ctx, how, f)
		switch {
		case err == nil || try == retries:
			return err
		case sqlState(err) == "40001" || sqlState(err) == "40P01": // serialization failure, deadlock
			if err := pause(ctx, try); err != nil {
				return err
			}
		default:
			made, errMade := p.addPartition(ctx, err)
			if errMade != nil {
				return fmt.Errorf("%w; %w", err, errMade)
			}
			if !made {
				return err
			}
		}
	}
}

// pause waits a little, longer each time and never the same, so that two that met do not meet again.
func pause(ctx context.Context, try int) error {
	select {
	case <-time.After(rand.N(time.Duration(try) * 10 * time.Millisecond)):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *Postgres) transactOnce(ctx context.Context, how string, f func(context.Context, session) error) error {
	s, err := p.begin(ctx, p.writers, how)
	if err != nil {
		return err
	}
	defer s.conn.Close()
	ctx = context.WithoutCancel(ctx)
	if err = f(ctx, s); err == nil {
		err = s.commit(ctx)
	}
	if err != nil {
		s.rollback(ctx)
		return serverError(err)
	}
	return nil
}

// serverError says of what PostgreSQL itself found broken that it is damage: a page whose checksum is wrong, an index that
// contradicts its table.
func serverError(err error) error {
	if state := sqlState(err); (state == "XX001" || state == "XX002") && !errors.Is(err, uptally.ErrDamaged) {
		return fmt.Errorf("%w: %w", err, uptally.ErrDamaged)
	}
	return oneLine(err)
}

// begin starts a transaction. A connection that died in the pool is not an error of the caller's.
func (p *Postgres) begin(ctx context.Context, pool *sql.DB, how string) (*pgSession, error) {
	for try := 1; ; try++ {
		conn, err := pool.Conn(ctx)
		if err != nil {
			return nil, oneLine(err)
		}
		s := &pgSession{conn: conn}
		if err = s.script(ctx, how); err == nil {
			return s, nil
		}
		s.rollback(ctx)
		conn.Close()
		if try > postgresWriters+postgresReaders || ctx.Err() != nil {
			return nil, oneLine(err)
		}
	}
}

// commit makes the transaction durable, or returns an error: then it may be or not.
//
// PostgreSQL can say that it committed when it gave up waiting for its synchronous standby (a cancelled statement, a
// timeout): it only warns, so a warning is an error here. Such a commit is on the leader alone, seen by everybody, and
// would be lost with it. And a commit that wrote nothing waits for no standby. So what finds everything there already
// writes something nevertheless: its commit then waits until the standby has all that came before, that of others too.
func (s *pgSession) commit(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, commitLimit)
	defer cancel()
	if !s.wrote {
		mark := fmt.Sprintf("commit %016x", rand.Uint64())
		for _, q := range []string{`INSERT INTO tally (name, n, sum) VALUES (?, 0, 0)`, `DELETE FROM tally WHERE name = ?`} {
			if _, err := s.ExecContext(ctx, q, mark); err != nil {
				return err
			}
		}
	}
	return s.pgx(func(c *pgx.Conn) error {
		said := c.PgConn().CustomData()
		delete(said, warningKey)
		tag, err := c.Exec(ctx, "COMMIT")
		if err == nil && tag.String() != "COMMIT" {
			err = fmt.Errorf("got %s, want COMMIT", tag)
		}
		if warning, warned := said[warningKey]; err == nil && warned {
			err = fmt.Errorf("got the warning %q, want none", warning)
		}
		if err != nil {
			return fmt.Errorf("commit: %w", err)
		}
		return nil
	})
}

// rollback ends a transaction of which nothing is wanted. A connection that cannot even do that is closed.
func (s *pgSession) rollback(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitLimit)
	defer cancel()
	s.pgx(func(c *pgx.Conn) error {
		if c.IsClosed() || c.PgConn().TxStatus() == 'I' {
			return nil
		}
		_, err := c.Exec(ctx, "ROLLBACK")
		if err != nil {
			c.Close(ctx)
		}
		return err
	})
}

// read runs f in a snapshot of the leader.
func (p *Postgres) read(ctx context.Context, f func(context.Context, session) error) error {
	s, err := p.begin(ctx, p.readers, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
	if err != nil {
		return err
	}
	defer s.conn.Close()
	defer s.rollback(ctx)
	return serverError(f(ctx, s))
}
