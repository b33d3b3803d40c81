package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/uptally/uptally"
)

// Table log has a partition a day, so that what was sealed gives its space back soon; a day far from today shares one with its
// month, so that an import of years makes a few. Tables head, body and fail have one a month. A partition is made when the first
// row of it comes: the insert fails, whoever met it makes the partition, and the transaction is run again. One that is
// empty goes. A table without partitions takes every row, and nothing of this ever runs.

// nearDays is how far from today table log has partitions of one day.
const nearDays = 40

// keysPerDay is how many values of its partition key a table has for a day.
func keysPerDay(table string) int64 {
	switch table {
	case "body":
		return 1 << 40
	case "fail":
		return uptally.DayMillis
	}
	return 1
}

// span is a range of a partition key: its name, and its bounds in SQL.
type span struct{ name, from, to string }

func daySpan(table string, day int64) span {
	key := func(day int64) string { return strconv.FormatInt(day*keysPerDay(table), 10) }
	return span{table + "_" + time.Unix(day*86_400, 0).UTC().Format("20060102"), key(day), key(day + 1)}
}

// monthSpan is the month of a day. What lies outside a century is somebody's mistake and goes together.
func monthSpan(table string, day int64) span {
	key := func(year int, month time.Month) string {
		return strconv.FormatInt(time.Date(year, month, 1, 0, 0, 0, 0, time.UTC).Unix()/86_400*keysPerDay(table), 10)
	}
	t := time.Unix(day*86_400, 0).UTC()
	switch {
	case t.Year() < 2000:
		return span{table + "_before_2000", "MINVALUE", key(2000, 1)}
	case t.Year() >= 2100:
		return span{table + "_from_2100", key(2100, 1), "MAXVALUE"}
	}
	return span{table + "_" + t.Format("200601"), key(t.Year(), t.Month()), key(t.Year(), t.Month()+1)}
}

// missing is the value that an insert found no partition for, in the details of its error, which are not translated there.
var missing = regexp.MustCompile(`\((?:day|id|t)\) = \((-?\d+)\)`)

// addPartition makes the partition whose absence is the cause of an error, and reports whether that was it.
func (p *Postgres) addPartition(ctx context.Context, err error) (made bool, _ error) {
	var e *pgconn.PgError
	if !errors.As(err, &e) || e.Code != "23514" {
		return false, nil
	}
	key := missing.FindStringSubmatch(e.Detail)
	if key == nil {
		return false, nil
	}
	value, err := strconv.ParseInt(key[1], 10, 64)
	if err != nil {
		return false, err
	}
	table, day := e.TableName, floorDiv(value, keysPerDay(e.TableName))
	spans := []span{monthSpan(table, day)}
	today := p.now() / uptally.DayMillis
	if table == "log" {
		if day > today-nearDays && day < today+nearDays {
			spans = nil
		}
		spans = append(spans, daySpan(table, day)) // also where the month has days of its own already
	}
	if err := p.makePartition(ctx, table, spans); err != nil {
		return false, fmt.Errorf("add a partition to table %s: %w", table, err)
	}
	if table == "log" && day >= today-1 { // about once a day
		err = p.tidy(ctx, table)
	}
	return true, err
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// makePartition makes the first of the partitions that overlaps no other. Whoever writes to the table meanwhile is not held up:
// attaching waits for nobody but another that attaches.
func (p *Postgres) makePartition(ctx context.Context, table string, spans []span) error {
	var err error
	for _, s := range spans {
		err = p.exclusive(ctx, func(ctx context.Context, conn *sql.Conn) error {
			var there bool
			if err := conn.QueryRowContext(ctx, "SELECT to_regclass($1) IS NOT NULL", s.name).Scan(&there); err != nil || there {
				return err
			}
			if _, err := conn.ExecContext(ctx, fmt.Sprintf("CREATE TABLE %s (LIKE %s INCLUDING ALL)", s.name, table)); err != nil {
				return err
			}
			_, err := conn.ExecContext(ctx, fmt.Sprintf("ALTER TABLE %s ATTACH PARTITION %s FOR VALUES FROM (%s) TO (%s)", table, s.name, s.from, s.to))
			return err
		})
		if sqlState(err) != "42P17" { // overlaps
			return err
		}
	}
	return err
}

// tidy drops the partitions of a table that are empty, but for those of table log around today. One that somebody reads or
// writes stays until the next time; one that another server dropped meanwhile is gone.
func (p *Postgres) tidy(ctx context.Context, table string) error {
	names, err := p.partitions(ctx, table)
	if err != nil {
		return err
	}
	today := p.now() / uptally.DayMillis
	for _, name := range names {
		if table == "log" && name >= daySpan(table, today-1).name {
			continue
		}
		err := p.dropEmpty(ctx, table, name)
		if state := sqlState(err); err != nil && state != "55P03" && state != "42P01" { // lock not available, no such table
			return fmt.Errorf("drop the empty partition %s: %w", name, err)
		}
	}
	return nil
}

// partitions are the names of those partitions of a table that were made here, sorted.
func (p *Postgres) partitions(ctx context.Context, table string) ([]string, error) {
	var names []string
	err := p.read(ctx, func(ctx context.Context, s session) error {
		return eachRow(ctx, s, "partitions", `SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
			WHERE i.inhparent = to_regclass(?) ORDER BY c.relname`, []any{table}, func(scan func(...any) error) error {
			var name string
			err := scan(&name)
			if strings.HasPrefix(name, table+"_") {
				names = append(names, name)
			}
			return err
		})
	})
	return names, err
}

// dropEmpty locks as an insert does, the table before its partition, and no longer than it takes to look.
func (p *Postgres) dropEmpty(ctx context.Context, table, name string) error {
	return p.exclusive(ctx, func(ctx context.Context, conn *sql.Conn) error {
		quoted := pgx.Identifier{name}.Sanitize()
		for _, q := range []string{
			"SET LOCAL lock_timeout = 200",
			"LOCK TABLE ONLY " + table + " IN ACCESS EXCLUSIVE MODE",
			"LOCK TABLE " + quoted + " IN ACCESS EXCLUSIVE MODE",
		} {
			if _, err := conn.ExecContext(ctx, q); err != nil {
				return err
			}
		}
		var full bool
		if err := conn.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM "+quoted+")").Scan(&full); err != nil || full {
			return err
		}
		_, err := conn.ExecContext(ctx, "DROP TABLE "+quoted)
		return err
	})
}

// Drop removes whole days, then the partitions that are empty now, whose space the system has back at once.
func (p *Postgres) Drop(ctx context.Context, d Drop) error {
	if err := p.tables.Drop(ctx, d); err != nil {
		return err
	}
	for _, table := range []string{"log", "body", "head", "fail"} {
		if err := p.tidy(ctx, table); err != nil {
			return fmt.Errorf("drop days before %d: %w", d.Before, err)
		}
	}
	return nil
}
