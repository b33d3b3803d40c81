package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"slices"
	"sync"

	"github.com/uptally/uptally"
)

const (
	// keptResults bounds the results of the log that are kept in memory, folded: some 50 MB.
	keptResults = 4_000_000
	// foldedResults bounds the results of a site and day that are kept at all.
	foldedResults = 2_000_000
	// mostFresh bounds those of a series that wait to be folded: they take seven times the room.
	mostFresh = 64
)

// logBook keeps what the log holds of each site's day, folded, all series together, so that reading every check of a site
// decodes each batch once and not once a check. What came since is read by its numbers and added.
type logBook = kept[SiteDay, *logDay]

// logDay is the log of a site's day as of the row of table open that it stands under.
type logDay struct {
	of SiteDay

	mu     sync.Mutex // guards all below
	row    openRow
	weight int                  // in results, when it was kept
	taken  map[[2]uint64]ranges // by agent and epoch
	series map[uptally.ID]*logSeries
}

// logSeries is folded when it is asked for: a batch of 1 s has one result of a series.
type logSeries struct {
	part  part
	fresh []uptally.Result
}

// openOf returns what is in the log and counts, for each day of a site from ≤ day < to that the log has a row of or should have.
func openOf(ctx context.Context, s session, site uptally.ID, from, to int32) (map[int32]openRow, error) {
	k, days := knownOf(s), siteDays{site, from, to}
	if open, found := k.open[days]; found {
		return open, nil
	}
	open, err := readOpenOf(ctx, s, site, from, to)
	if err == nil && len(k.open) < mostOpen {
		k.open[days] = open
	}
	return open, err
}

func readOpenOf(ctx context.Context, s session, site uptally.ID, from, to int32) (map[int32]openRow, error) {
	open := map[int32]openRow{}
	first := to // the first day with a row in log
	query := `SELECT 0, day, batches, results, sum FROM open WHERE site = ? AND day >= ? AND day < ?
		UNION ALL SELECT 1, (SELECT day FROM log WHERE site = ? AND day >= ? AND day < ? ORDER BY site, day LIMIT 1), 0, 0, 0`
	args := []any{int64(site), from, to, int64(site), from, to}
	err := eachRow(ctx, s, "table open or log", query, args, func(scan func(...any) error) error {
		var inLog, sum int64
		var day sql.NullInt32
		var o openRow
		err := scan(&inLog, &day, &o.n, &o.results, &sum)
		switch o.sum = uint64(sum); {
		case inLog == 0:
			open[day.Int32] = o
		case day.Valid:
			first = day.Int32
		}
		return err
	})
	for day, found := first, first < to; err == nil && found; {
		if _, counted := open[day]; !counted { // held rows only, or damage
			open[day] = openRow{}
		}
		query := `SELECT day FROM log WHERE site = ? AND day >= ? AND day < ? ORDER BY site, day LIMIT 1`
		found, err = oneRow(ctx, s, "table log", query, []any{int64(site), day + 1, to}, &day)
	}
	return open, err
}

// logPart returns what the log holds of a series' day.
func (t *tables) logPart(ctx context.Context, s session, of Series, day int32, row openRow) (part, error) {
	d := SiteDay{of.Site, day}
	if row.results > foldedResults {
		return foldSeries(ctx, s, of, day, row)
	}
	l, found := t.logs.get(d)
	if !found {
		l = &logDay{of: d}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.series == nil || l.row != row { // a day without a row of table open may have lost it
		if err := l.refresh(ctx, s, row); err != nil {
			return part{}, err
		}
	}
	if l.weight < int(row.results) {
		l.weight = int(row.results) * 5 / 4 // room for what comes
		t.logs.put(d, l, l.weight, keptResults)
	}
	return l.get(of), nil
}

// get folds what came since the last time.
func (l *logDay) get(of Series) part {
	x := l.series[of.Check]
	if x == nil {
		return part{day: uptally.Day{Check: of.Check, Site: of.Site, Day: l.of.Day}}
	}
	x.fold(of, l.of.Day)
	return x.part
}

func (x *logSeries) fold(of Series, day int32) {
	if len(x.fresh) > 0 {
		x.part = x.part.extend(foldPart(of, day, x.fresh))
		x.fresh = x.fresh[:0]
	}
}

// refresh reads the batches that came since, or, where they are not the whole difference, all again.
func (l *logDay) refresh(ctx context.Context, s session, want openRow) error {
	if l.series != nil && want.n >= l.row.n {
		err := l.readMore(ctx, s)
		if err != nil || l.row == want {
			return err
		}
	}
	l.row, l.taken, l.series = openRow{}, map[[2]uint64]ranges{}, map[uptally.ID]*logSeries{}
	err := eachBatch(ctx, s, l.of, `TRUE`, nil, l.take)
	if err == nil {
		err = l.row.check(l.of, want)
	}
	if err != nil {
		l.series = nil
	}
	return err
}

func (o openRow) check(d SiteDay, want openRow) error {
	what := fmt.Sprintf("table log, site %v, day %d", d.Site, d.Day)
	if err := o.tally.check(what, want.tally); err != nil {
		return err
	}
	if o.results != want.results {
		return damaged("read %s: got %d results, want %d", what, o.results, want.results)
	}
	return nil
}

// readMore reads numbers that are not taken: of known epochs the gaps and what follows, and epochs that are new.
func (l *logDay) readMore(ctx context.Context, s session) error {
	type span struct {
		agent, epoch uint64
		gap          [2]uint64
	}
	var spans []span
	query, args := `SELECT agent, epoch FROM log WHERE site = ? AND day = ? ORDER BY agent, epoch LIMIT 1`, []any{int64(l.of.Site), l.of.Day}
	for {
		var agent, epoch int64
		found, err := oneRow(ctx, s, "table log", query, args, &agent, &epoch)
		if err != nil {
			return err
		}
		if !found {
			break
		}
		for _, gap := range l.taken[[2]uint64{uint64(agent), uint64(epoch)}].gaps() {
			spans = append(spans, span{uint64(agent), uint64(epoch), gap})
		}
		query = `SELECT agent, epoch FROM log WHERE site = ? AND day = ? AND (agent, epoch) > (?, ?) ORDER BY agent, epoch LIMIT 1`
		args = []any{int64(l.of.Site), l.of.Day, agent, epoch}
	}
	for _, p := range spans {
		from, to := seqBounds(p.gap)
		err := eachBatch(ctx, s, l.of, `agent = ? AND epoch = ? AND seq >= ? AND seq <= ?`, []any{int64(p.agent), int64(p.epoch), from, to}, l.take)
		if err != nil {
			return err
		}
	}
	return nil
}

// seqBounds are numbers as the table has them: signed. Numbers of 64 bits do not come by counting.
func seqBounds(of [2]uint64) (from, to int64) {
	return int64(min(of[0], math.MaxInt64)), int64(min(of[1], math.MaxInt64))
}

// take adds one batch.
func (l *logDay) take(row logRow, b uptally.Batch) error {
	l.row.add(row)
	k := [2]uint64{row.Agent, row.Epoch}
	r := l.taken[k]
	r.add(row.Seq, row.Seq)
	l.taken[k] = r
	for rest := b.Results; len(rest) > 0; {
		check := rest[0].Check
		n := slices.IndexFunc(rest, func(r uptally.Result) bool { return r.Check != check })
		if n < 0 {
			n = len(rest)
		}
		x := l.series[check]
		if x == nil {
			x = &logSeries{}
			l.series[check] = x
		}
		if x.fresh = append(x.fresh, rest[:n]...); len(x.fresh) > mostFresh {
			x.fold(Series{check, l.of.Site}, l.of.Day)
		}
		rest = rest[n:]
	}
	return nil
}

// foldSeries folds one series alone, of a day that is too large to keep.
func foldSeries(ctx context.Context, s session, of Series, day int32, want openRow) (part, error) {
	d := SiteDay{of.Site, day}
	var got openRow
	var rs []uptally.Result
	err := eachBatch(ctx, s, d, `TRUE`, nil, func(row logRow, b uptally.Batch) error {
		got.add(row)
		rs = append(rs, resultsOf(b, of.Check)...)
		return nil
	})
	if err == nil {
		err = got.check(d, want)
	}
	return foldPart(of, day, rs), err
}

// eachBatch calls f with the batches of a site's day that are not held, of those that a condition with its arguments allows.
func eachBatch(ctx context.Context, s session, d SiteDay, where string, args []any, f func(logRow, uptally.Batch) error) error {
	query := `SELECT site, day, agent, epoch, seq, crc, received, n, held, data FROM log WHERE site = ? AND day = ? AND ` + where +
		` AND held IS NULL ORDER BY agent, epoch, seq, crc`
	what := fmt.Sprintf("table log, site %v, day %d", d.Site, d.Day)
	return eachRow(ctx, s, what, query, append([]any{int64(d.Site), d.Day}, args...), func(scan func(...any) error) error {
		var row logRow
		var data sql.RawBytes
		if err := row.scan(scan, &data); err != nil {
			return err
		}
		b, err := row.batch(data)
		if err != nil {
			return damaged("read %s, agent %x, epoch %x, seq %d: %v", what, row.Agent, row.Epoch, row.Seq, err)
		}
		return f(row, b)
	})
}

// batch decodes a row's data and demands that it is what the other columns say.
func (l *logRow) batch(data []byte) (uptally.Batch, error) {
	b, err := uptally.DecodeBatch(data)
	if err != nil {
		return b, err
	}
	if got := keyOf(Incoming{Batch: b, Data: data}); got != l.BatchKey || int64(len(b.Results)) != l.n {
		return b, fmt.Errorf("got %d results of site %v, day %d, agent %x, epoch %x, seq %d", len(b.Results), b.Site, b.Day, b.Agent, b.Epoch, b.Seq)
	}
	return b, nil
}
