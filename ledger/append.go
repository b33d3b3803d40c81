package ledger

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/uptally/uptally"
)

// checkSound refuses bytes that are not what their CRC says: they are never stored, the sender reads them again.
func checkSound(in []Incoming) error {
	for i, b := range in {
		if _, sound := uptally.CRC(b.Data); !sound {
			return fmt.Errorf("append batch %d (agent %x, epoch %x, seq %d): %w", i, b.Batch.Agent, b.Batch.Epoch, b.Batch.Seq, uptally.ErrDamaged)
		}
	}
	return nil
}

// logRow is a row of table log but for its data, which crc stands for.
type logRow struct {
	BatchKey
	received, n int64
	held        sql.NullString
}

// scan reads the columns site, day, agent, epoch, seq, crc, received, n and held, then others.
func (l *logRow) scan(scan func(...any) error, others ...any) error {
	var site, agent, epoch, seq int64
	err := scan(append([]any{&site, &l.Day, &agent, &epoch, &seq, &l.CRC, &l.received, &l.n, &l.held}, others...)...)
	l.Site, l.Agent, l.Epoch, l.Seq = uptally.ID(site), uint64(agent), uint64(epoch), uint64(seq)
	return err
}

func (l *logRow) digest() uint64 {
	var held any
	if l.held.Valid {
		held = l.held.String
	}
	return rowDigest(int64(l.Site), int64(l.Day), int64(l.Agent), int64(l.Epoch), int64(l.Seq), int64(l.CRC), l.received, l.n, held)
}

// openRow counts what log holds of a site's day and is not held.
type openRow struct {
	tally   // of the rows
	results int64
}

func (o *openRow) add(l logRow) {
	o.tally.add(l.digest())
	o.results += l.n
}

func (o *openRow) remove(l logRow) {
	o.tally.remove(l.digest())
	o.results -= l.n
}

// compareDays orders by site, then day: two transactions that write the same rows write them in one order.
func compareDays(a, b SiteDay) int {
	return cmp.Or(cmp.Compare(a.Site, b.Site), cmp.Compare(a.Day, b.Day))
}

// addOpen adds to the rows of table open and takes those away that count nothing any more.
func addOpen(ctx context.Context, s session, more map[SiteDay]openRow) error {
	for _, d := range slices.SortedFunc(maps.Keys(more), compareDays) {
		o := more[d]
		if o == (openRow{}) {
			continue
		}
		_, err := s.ExecContext(ctx, `INSERT INTO open (site, day, batches, results, sum) VALUES (?, ?, ?, ?, ?) ON CONFLICT (site, day)
			DO UPDATE SET batches = open.batches + excluded.batches, results = open.results + excluded.results,
			sum = (open.sum | excluded.sum) - (open.sum & excluded.sum)`, int64(d.Site), d.Day, o.n, o.results, int64(o.sum))
		if err == nil && o.n < 0 {
			_, err = s.ExecContext(ctx, `DELETE FROM open WHERE site = ? AND day = ? AND batches = 0 AND results = 0 AND sum = 0`, int64(d.Site), d.Day)
		}
		if err != nil {
			return fmt.Errorf("write table open: %w", err)
		}
	}
	return nil
}

// Append stores batches and the failures of those that are not held in one transaction.
func (t *tables) Append(ctx context.Context, in []Incoming) ([]bool, error) {
	if err := checkSound(in); err != nil {
		return nil, err
	}
	numbers, err := t.numbers(ctx, failedSeries(in))
	if err != nil {
		return nil, fmt.Errorf("append batches: %w", err)
	}
	var dup []bool
	err = t.engine.write(ctx, func(ctx context.Context, s session) error {
		dup = make([]bool, len(in))
		return t.appendAll(ctx, s, in, numbers, dup)
	})
	if err != nil {
		return nil, fmt.Errorf("append batches: %w", err)
	}
	return dup, nil
}

// failedSeries are the series of results that are not up.
func failedSeries(in []Incoming) []Series {
	found := map[Series]bool{}
	for _, b := range in {
		for _, r := range b.Batch.Results {
			if b.Held == "" && r.Reason != uptally.OK {
				found[Series{r.Check, r.Site}] = true
			}
		}
	}
	return slices.SortedFunc(maps.Keys(found), compareSeries)
}

func (t *tables) appendAll(ctx context.Context, s session, in []Incoming, numbers map[Series]uint32, dup []bool) error {
	order := make([]int, len(in))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return compareKeys(keyOf(in[a]), keyOf(in[b])) })
	open, held, received := map[SiteDay]openRow{}, tally{}, t.now()
	for _, i := range order {
		b := in[i]
		l := logRow{keyOf(b), received, int64(len(b.Batch.Results)), sql.NullString{String: b.Held, Valid: b.Held != ""}}
		n, err := changed(ctx, s, `INSERT INTO log (site, day, agent, epoch, seq, crc, received, n, held, data)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
			int64(l.Site), l.Day, int64(l.Agent), int64(l.Epoch), int64(l.Seq), l.CRC, l.received, l.n, l.held, b.Data)
		if err != nil {
			return err
		}
		if dup[i] = n == 0; dup[i] {
			continue
		}
		if l.held.Valid {
			held.add(l.digest())
			continue
		}
		o := open[l.SiteDay]
		o.add(l)
		open[l.SiteDay] = o
		if err := addFailures(ctx, s, b.Batch.Results, numbers); err != nil {
			return err
		}
	}
	if err := addOpen(ctx, s, open); err != nil {
		return err
	}
	return addTally(ctx, s, tallyHeld, held)
}

// addFailures inserts the results that are not up. The table is a set, so repeated ones change nothing.
func addFailures(ctx context.Context, s session, rs []uptally.Result, numbers map[Series]uint32) error {
	var args []any
	for _, r := range rs {
		if r.Reason != uptally.OK {
			args = appendFailure(args, r, numbers)
		}
	}
	return insertFailures(ctx, s, args)
}

// appendFailure appends the columns of a row of table fail.
func appendFailure(args []any, r uptally.Result, numbers map[Series]uint32) []any {
	return append(args, numbers[Series{r.Check, r.Site}], r.At, int64(r.Digest()), r.Late, int64(r.Reason), r.RTT, targetText(r.Detail))
}

// insertFailures inserts rows of seven columns, many in a statement, since PostgreSQL is asked and answers for each: 64 of them,
// then 32 and so on, so that there are few different statements.
func insertFailures(ctx context.Context, s session, args []any) error {
	const columns, most = 7, 64
	for n := most; len(args) > 0; {
		if len(args) < n*columns {
			n /= 2
			continue
		}
		query := `INSERT INTO fail (series, t, digest, late, outcome, rtt, detail) VALUES (?, ?, ?, ?, ?, ?, ?)` +
			strings.Repeat(`, (?, ?, ?, ?, ?, ?, ?)`, n-1) + ` ON CONFLICT DO NOTHING`
		if _, err := s.ExecContext(ctx, query, args[:n*columns]...); err != nil {
			return err
		}
		args = args[n*columns:]
	}
	return nil
}
