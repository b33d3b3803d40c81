package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"
	"sort"

	"github.com/uptally/uptally"
)

// readStmts are prepared once on the reading connections.
type readStmts struct {
	log, nextDay, count, series, fail, plans, names, entries *sql.Stmt
}

func (r *readStmts) prepare(ctx context.Context, db *sql.DB) error {
	for _, p := range []struct {
		stmt **sql.Stmt
		sql  string
	}{
		{&r.log, `SELECT day, data FROM log WHERE site = ? AND day >= ? AND day < ? AND held IS NULL ORDER BY site, day, agent, epoch, seq`},
		{&r.nextDay, `SELECT day FROM log WHERE site = ? AND day >= ? AND day < ? ORDER BY site, day LIMIT 1`},
		{&r.count, `SELECT coalesce(sum(n), 0) FROM log WHERE site = ? AND day = ?`},
		{&r.series, `SELECT id FROM name WHERE kind = ? AND text = ?`},
		{&r.fail, `SELECT t, late, outcome, rtt, detail FROM fail WHERE series = ? AND t >= ? AND t < ?`},
		{&r.plans, `SELECT data FROM plan WHERE "check" = ? ORDER BY from_slot`},
		{&r.names, `SELECT text FROM name WHERE kind = ? ORDER BY text`},
		{&r.entries, `SELECT id, recorded_at, by, kind, data FROM entry WHERE recorded_at <= ? ORDER BY id`},
	} {
		var err error
		if *p.stmt, err = db.PrepareContext(ctx, p.sql); err != nil {
			return fmt.Errorf("prepare %q: %w", p.sql, err)
		}
	}
	return nil
}

// Runs folds days and passes the response times over.
func (s *SQLite) Runs(ctx context.Context, check, site uptally.ID, from, to int32) ([]uptally.Day, error) {
	whole, err := s.Days(ctx, check, site, from, to)
	var days []uptally.Day
	for _, d := range whole {
		d.RTT = nil
		days = append(days, d)
	}
	return days, err
}

// Heads folds days and makes their heads.
func (s *SQLite) Heads(ctx context.Context, check, site uptally.ID, from, to int32) ([]uptally.Head, error) {
	days, err := s.Days(ctx, check, site, from, to)
	if err != nil {
		return nil, err
	}
	return headsOf(days)
}

// nextDay returns the first day with a batch of a site, from ≤ day < to.
func (s *SQLite) nextDay(ctx context.Context, site uptally.ID, from, to int32) (day int32, found bool, err error) {
	err = s.reads.nextDay.QueryRowContext(ctx, int64(site), from, to).Scan(&day)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, fmt.Errorf("read days of site %v: %w", site, err)
	}
	return day, true, nil
}

// countResults returns how many results the batches of a site and day hold.
func (s *SQLite) countResults(ctx context.Context, site uptally.ID, day int32) (int, error) {
	var n int
	if err := s.reads.count.QueryRowContext(ctx, int64(site), day).Scan(&n); err != nil {
		return 0, fmt.Errorf("count results of site %v: %w", site, err)
	}
	return n, nil
}

// batches calls f with each batch of a site that is not held, days from ≤ day < to ascending.
func (s *SQLite) batches(ctx context.Context, site uptally.ID, from, to int32, f func(uptally.Batch)) error {
	rows, err := s.reads.log.QueryContext(ctx, int64(site), from, to)
	if err != nil {
		return fmt.Errorf("read batches of site %v: %w", site, err)
	}
	defer rows.Close()
	for rows.Next() {
		var day int32
		var data sql.RawBytes
		if err := rows.Scan(&day, &data); err != nil {
			return fmt.Errorf("read batches of site %v: %w", site, err)
		}
		b, err := uptally.DecodeBatch(data)
		if err == nil && (b.Site != site || b.Day != day) {
			err = fmt.Errorf("got one of site %v and day %d", b.Site, b.Day)
		}
		if err != nil {
			return fmt.Errorf("read a batch of site %v and day %d: %w", site, day, err)
		}
		f(b)
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read batches of site %v: %w", site, err)
	}
	return nil
}

// results calls f with the results of a series for each day that has any, ascending; f must not keep rs.
func (s *SQLite) results(ctx context.Context, check, site uptally.ID, from, to int32, f func(day int32, rs []uptally.Result)) error {
	var rs []uptally.Result
	last := int32(math.MinInt32)
	flush := func() {
		if len(rs) > 0 {
			f(last, rs)
		}
		rs = rs[:0]
	}
	err := s.batches(ctx, site, from, to, func(b uptally.Batch) {
		if b.Day != last {
			flush()
			last = b.Day
		}
		rs = append(rs, resultsOf(b, check)...)
	})
	if err == nil {
		flush()
	}
	return err
}

// resultsOf returns the stretch of a batch's results that belongs to a check.
func resultsOf(b uptally.Batch, check uptally.ID) []uptally.Result {
	i := sort.Search(len(b.Results), func(i int) bool { return b.Results[i].Check >= check })
	j := i
	for j < len(b.Results) && b.Results[j].Check == check {
		j++
	}
	return b.Results[i:j]
}

// Failures reads table fail, and from the log the sides of conflicts that are up, which fail cannot have.
func (s *SQLite) Failures(ctx context.Context, check, site uptally.ID, from, to int64) ([]uptally.Result, error) {
	if from >= to {
		return nil, nil
	}
	rs, err := s.failed(ctx, check, site, from, to)
	if err != nil {
		return nil, fmt.Errorf("read failures of check %v at site %v: %w", check, site, err)
	}
	first, last := daysOf(from, to)
	days, err := s.Days(ctx, check, site, first, last)
	if err != nil {
		return nil, err
	}
	for _, d := range days {
		if !slices.ContainsFunc(d.Runs, func(r uptally.Run) bool { return r.Reason == uptally.Conflict }) {
			continue
		}
		err := s.results(ctx, check, site, d.Day, d.Day+1, func(_ int32, all []uptally.Result) {
			for _, r := range conflicts(all) {
				if r.At >= from && r.At < to {
					rs = append(rs, r)
				}
			}
		})
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(rs, uptally.Result.Compare)
	return slices.Compact(rs), nil
}

// failed reads one series of table fail.
func (s *SQLite) failed(ctx context.Context, check, site uptally.ID, from, to int64) ([]uptally.Result, error) {
	var series uint32
	err := s.reads.series.QueryRowContext(ctx, kindSeries, seriesText(check, site)).Scan(&series)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	rows, err := s.reads.fail.QueryContext(ctx, series, from, to)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var rs []uptally.Result
	for rows.Next() {
		r := uptally.Result{Slot: uptally.Slot{Check: check, Site: site}}
		if err := rows.Scan(&r.At, &r.Late, &r.Reason, &r.RTT, &r.Detail); err != nil {
			return nil, err
		}
		rs = append(rs, r)
	}
	return rs, rows.Err()
}

// daysOf returns the days from ≤ day < to that touch the instants from ≤ at < to, within what an int32 counts.
func daysOf(from, to int64) (int32, int32) {
	const least, most = math.MinInt32 * uptally.DayMillis, math.MaxInt32*uptally.DayMillis - 1
	return uptally.DayOf(min(max(from, least), most)), uptally.DayOf(min(max(to-1, least), most)) + 1
}

// conflicts returns every side of the slots that have different results. It sorts rs.
func conflicts(rs []uptally.Result) []uptally.Result {
	slices.SortFunc(rs, uptally.Result.Compare)
	rs = slices.Compact(rs)
	var sides []uptally.Result
	for i, r := range rs {
		if i > 0 && rs[i-1].At == r.At || i+1 < len(rs) && rs[i+1].At == r.At {
			sides = append(sides, r)
		}
	}
	return sides
}
