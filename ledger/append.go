package ledger

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/uptally/uptally"
)

// writeStmts are prepared once on the writing connection.
type writeStmts struct {
	begin, commit, rollback, log, fail, name, nameText, plan, planDigest, entry *sql.Stmt
	all                                                                         []*sql.Stmt
}

// close gives them up: those of a sql.Conn do not end with it, and SQLite keeps a connection open that has any.
func (w *writeStmts) close() {
	for _, stmt := range w.all {
		stmt.Close()
	}
}

func (w *writeStmts) prepare(ctx context.Context, c *sql.Conn) error {
	for _, p := range []struct {
		stmt **sql.Stmt
		sql  string
	}{
		{&w.begin, `BEGIN IMMEDIATE`},
		{&w.commit, `COMMIT`},
		{&w.rollback, `ROLLBACK`},
		{&w.log, `INSERT INTO log (site, day, agent, epoch, seq, crc, received, n, held, data)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`},
		{&w.fail, `INSERT INTO fail (series, t, digest, late, outcome, rtt, detail) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`},
		{&w.name, `INSERT INTO name (kind, id, text) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`},
		{&w.nameText, `SELECT text FROM name WHERE kind = ? AND id = ?`},
		{&w.plan, `INSERT INTO plan ("check", from_slot, digest, data) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING`},
		{&w.planDigest, `SELECT digest FROM plan WHERE "check" = ? AND from_slot = ?`},
		{&w.entry, `INSERT INTO entry (recorded_at, by, kind, data) VALUES (?, ?, ?, ?)`},
	} {
		var err error
		if *p.stmt, err = c.PrepareContext(ctx, p.sql); err != nil {
			return fmt.Errorf("prepare %q: %w", p.sql, err)
		}
		w.all = append(w.all, *p.stmt)
	}
	return nil
}

// checkSound refuses bytes that are not what their CRC says: they are never stored, the sender reads them again.
func checkSound(in []Incoming) error {
	for i, b := range in {
		if _, sound := uptally.CRC(b.Data); !sound {
			return fmt.Errorf("append batch %d (agent %x, epoch %x, seq %d): %w", i, b.Batch.Agent, b.Batch.Epoch, b.Batch.Seq, uptally.ErrDamaged)
		}
	}
	return nil
}

// Append stores batches and the failures of those that are not held in one transaction.
func (s *SQLite) Append(ctx context.Context, in []Incoming) ([]bool, error) {
	if err := checkSound(in); err != nil {
		return nil, err
	}
	dup := make([]bool, len(in))
	err := s.write(ctx, func(ctx context.Context) error {
		received := s.now()
		for i, b := range in {
			known, err := s.appendLog(ctx, b, received)
			if err != nil {
				return err
			}
			if dup[i] = known; known || b.Held != "" {
				continue
			}
			if err := s.appendFailures(ctx, b.Batch.Results); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("append batches: %w", err)
	}
	s.book.touch(in)
	return dup, nil
}

// appendLog inserts one row and reports whether it was there.
func (s *SQLite) appendLog(ctx context.Context, in Incoming, received int64) (known bool, err error) {
	b := in.Batch
	crc, _ := uptally.CRC(in.Data)
	held := sql.NullString{String: in.Held, Valid: in.Held != ""}
	r, err := s.writes.log.ExecContext(ctx, int64(b.Site), b.Day, int64(b.Agent), int64(b.Epoch), int64(b.Seq), crc,
		received, len(b.Results), held, in.Data)
	if err != nil {
		return false, err
	}
	n, err := r.RowsAffected()
	return n == 0, err
}

// appendFailures inserts the results that are not up. The table is a set, so repeated ones change nothing.
func (s *SQLite) appendFailures(ctx context.Context, rs []uptally.Result) error {
	for _, r := range rs {
		if r.Reason == uptally.OK {
			continue
		}
		series, fresh := s.series.number(r.Check, r.Site)
		if fresh {
			if _, err := s.writes.name.ExecContext(ctx, kindSeries, series, seriesText(r.Check, r.Site)); err != nil {
				return err
			}
		}
		if _, err := s.writes.fail.ExecContext(ctx, series, r.At, int64(r.Digest()), r.Late, uint8(r.Reason), r.RTT, r.Detail); err != nil {
			return err
		}
	}
	return nil
}
