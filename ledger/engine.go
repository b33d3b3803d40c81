package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"

	"github.com/uptally/uptally"
)

// session is one transaction or one snapshot of either engine. Arguments of queries are written as ?. It is not safe for
// concurrent use, and the rows of one query are closed before the next begins.
type session interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// engine is what SQLite and PostgreSQL do each in their way. Everything else is in tables, in the SQL that both understand:
// inserts by primary key, ON CONFLICT, range reads.
type engine interface {
	// write runs f in a transaction; nil means that it is on stable storage. An error of f undoes all of it.
	write(ctx context.Context, f func(context.Context, session) error) error
	// writeSnapshot is write where everything that f reads is of one moment too, whoever writes beside it.
	writeSnapshot(ctx context.Context, f func(context.Context, session) error) error
	// read runs f in a snapshot: everything it reads is of one moment.
	read(ctx context.Context, f func(context.Context, session) error) error
}

// tables is a Store on the tables of schema.go, whichever engine keeps them.
//
// Several processes may write the same tables: counters change only by what is added to them, a seal and the ranges of seen
// only by compare-and-set. So no row is locked before it is written, and nothing kept in memory decides a write, but
// for numbers of series, which never change.
type tables struct {
	engine engine
	now    func() int64

	names  seriesBook
	seals  sealBook
	blocks blockBook
	bodies bodyBook
	logs   logBook

	views sync.Pool // of *view, whose room is worth keeping
}

// known is what a connection read and nobody has changed since.
type known struct {
	seals map[uptally.ID][]sealRow
	open  map[siteDays]map[int32]openRow
}

// siteDays are days of a site, from ≤ day < to.
type siteDays struct {
	site     uptally.ID
	from, to int32
}

// mostOpen bounds the stretches of days that are known.
const mostOpen = 1_000

func newKnown() *known { return &known{map[uptally.ID][]sealRow{}, map[siteDays]map[int32]openRow{}} }

// knownOf returns what is known in a snapshot. That of an engine that cannot tell whether anything was changed is new each time.
func knownOf(s session) *known {
	if p, embedded := s.(*prepared); embedded && p.known != nil {
		return p.known
	}
	return newKnown()
}

// targetText is what a target answered, in valid UTF-8. It may have U+0000, which a text of PostgreSQL cannot.
type targetText string

// damage is the error of rows that are not what was written: its text names them and says what differs.
type damage string

func (d damage) Error() string { return string(d) }

// Unwrap makes it uptally.ErrDamaged.
func (d damage) Unwrap() error { return uptally.ErrDamaged }

func damaged(format string, args ...any) error { return damage(fmt.Sprintf(format, args...)) }

// eachRow calls f with every row of a query; f scans what it is given into variables of its own. What does not fit them is
// damage, because what was written did.
func eachRow(ctx context.Context, s session, what, query string, args []any, f func(scan func(...any) error) error) error {
	rows, err := s.QueryContext(ctx, query, args...)
	if err != nil {
		return fmt.Errorf("read %s: %w", what, err)
	}
	defer rows.Close()
	scan := func(into ...any) error {
		if err := rows.Scan(into...); err != nil {
			return damaged("read %s: %v", what, err)
		}
		return nil
	}
	for rows.Next() {
		if err := f(scan); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read %s: %w", what, err)
	}
	return nil
}

// oneRow scans the one row of a query and reports whether there is one.
func oneRow(ctx context.Context, s session, what, query string, args []any, into ...any) (found bool, err error) {
	rows, err := s.QueryContext(ctx, query, args...)
	if err != nil {
		return false, fmt.Errorf("read %s: %w", what, err)
	}
	defer rows.Close()
	if rows.Next() {
		found = true
		if err := rows.Scan(into...); err != nil {
			return false, damaged("read %s: %v", what, err)
		}
	}
	if err := rows.Err(); err != nil {
		return false, fmt.Errorf("read %s: %w", what, err)
	}
	return found, nil
}

// changed runs a statement and returns how many rows it wrote.
func changed(ctx context.Context, s session, query string, args ...any) (int64, error) {
	r, err := s.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// errAgain asks for the same transaction once more: another process took what this one was about to write.
var errAgain = errors.New("another process wrote the same rows")

// again runs a transaction of write or writeSnapshot until it no longer meets another process's, or many times.
func again(ctx context.Context, write func(context.Context, func(context.Context, session) error) error, f func(context.Context, session) error) error {
	for try := 1; ; try++ {
		err := write(ctx, f)
		if !errors.Is(err, errAgain) || try == 100 {
			return err
		}
	}
}

// kept guards what is kept in memory of the tables, under a key and a stamp that tells when the tables have moved on. It is
// bounded by weight: when the next thing has no room, all the others go, and what is still wanted is read again.
type kept[K comparable, V any] struct {
	mu     sync.Mutex
	things map[K]weighed[V]
	weight int
}

type weighed[V any] struct {
	thing  V
	weight int
}

func (k *kept[K, V]) get(key K) (v V, found bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	w, found := k.things[key]
	return w.thing, found
}

// put keeps a thing in the place of the one that is there; most is what all may weigh.
func (k *kept[K, V]) put(key K, v V, weight, most int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.weight -= k.things[key].weight
	delete(k.things, key)
	if k.things == nil || k.weight+weight > most {
		k.things, k.weight = map[K]weighed[V]{}, 0
	}
	if weight <= most {
		k.things[key] = weighed[V]{v, weight}
		k.weight += weight
	}
}
