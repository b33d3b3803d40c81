package ledger

import (
	"context"

	"github.com/uptally/uptally"
)

// check finds what no reading shows: what SQLite thinks of its file, and table fail where the log has the same results still.
func (t *tables) check(ctx context.Context, problem func(error)) {
	for _, part := range []func(context.Context, session, func(error)) error{checkFile, t.checkFailures, t.checkLogged} {
		err := t.engine.read(ctx, func(ctx context.Context, s session) error { return part(ctx, s, problem) })
		if err != nil {
			problem(err)
		}
	}
}

// checkFile is SQLite's own check; PostgreSQL checks its pages whenever it reads them.
func checkFile(ctx context.Context, s session, problem func(error)) error {
	if _, embedded := s.(*prepared); !embedded {
		return nil
	}
	return eachRow(ctx, s, "the engine's check", `PRAGMA integrity_check`, nil, func(scan func(...any) error) error {
		var text string
		err := scan(&text)
		if err == nil && text != "ok" {
			problem(damaged("check ledger.db: %s", text))
		}
		return err
	})
}

// checkFailures demands of each row of table fail that it is what its digest says, and of a known series.
func (t *tables) checkFailures(ctx context.Context, s session, problem func(error)) error {
	names, err := t.names.at(ctx, s)
	if err != nil {
		return err
	}
	query := `SELECT series, t, digest, late, outcome, rtt, detail FROM fail`
	return eachRow(ctx, s, "table fail", query, nil, func(scan func(...any) error) error {
		var series, digest int64
		var r uptally.Result
		if err := scan(&series, &r.At, &digest, &r.Late, &r.Reason, &r.RTT, &r.Detail); err != nil {
			problem(err)
			return nil
		}
		of := names.series[uint32(series)]
		r.Check, r.Site = of.Check, of.Site
		if got := r.Digest(); got != uint64(digest) {
			problem(damaged("read table fail, check %v, site %v, day %d: got digest %016x of the result at %d, want %016x",
				of.Check, of.Site, uptally.DayOf(r.At), got, r.At, uint64(digest)))
		}
		return nil
	})
}

// checkLogged demands that each result of the log that is not up stands in table fail: once it is sealed there is no other place.
func (t *tables) checkLogged(ctx context.Context, s session, problem func(error)) error {
	names, err := t.names.at(ctx, s)
	if err != nil {
		return err
	}
	var days []SiteDay
	if err := eachLogDay(ctx, s, func(d SiteDay) error { days = append(days, d); return nil }); err != nil {
		return err
	}
	for _, d := range days {
		var failed []uptally.Result
		err := eachBatch(ctx, s, d, `TRUE`, nil, func(_ logRow, b uptally.Batch) error {
			for _, r := range b.Results {
				if r.Reason != uptally.OK {
					failed = append(failed, r)
				}
			}
			return nil
		})
		if err != nil {
			problem(err)
			continue
		}
		for _, r := range failed {
			var one int64
			found, err := oneRow(ctx, s, "table fail", `SELECT 1 FROM fail WHERE series = ? AND t = ? AND digest = ?`,
				[]any{names.numbers[Series{r.Check, r.Site}], r.At, int64(r.Digest())}, &one)
			if err != nil {
				return err
			}
			if !found {
				problem(damaged("read table fail, check %v, site %v, day %d: got no row of the result at %d, which the log has", r.Check, r.Site, d.Day, r.At))
			}
		}
	}
	return nil
}
