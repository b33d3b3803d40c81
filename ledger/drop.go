package ledger

import (
	"context"
	"fmt"
	"slices"

	"github.com/uptally/uptally"
)

func dropDigest(id int64, d Drop) uint64 {
	return rowDigest(id, int64(d.Before), d.BodiesOnly, d.At, d.By, d.Why)
}

// Drops returns what was removed.
func (t *tables) Drops(ctx context.Context) (drops []Drop, err error) {
	err = t.engine.read(ctx, func(ctx context.Context, s session) error {
		drops, err = readDrops(ctx, s)
		return err
	})
	return noneBeside(drops, err)
}

func readDrops(ctx context.Context, s session) ([]Drop, error) {
	want, err := readTally(ctx, s, tallyDrop)
	if err != nil {
		return nil, err
	}
	var drops []Drop
	var got tally
	query := `SELECT id, before_day, bodies_only, at, by, why FROM dropped ORDER BY at, id`
	err = eachRow(ctx, s, "table dropped", query, nil, func(scan func(...any) error) error {
		var d Drop
		var id, bodiesOnly int64
		if err := scan(&id, &d.Before, &bodiesOnly, &d.At, &d.By, &d.Why); err != nil {
			return err
		}
		d.BodiesOnly = bodiesOnly != 0
		got.add(dropDigest(id, d))
		drops = append(drops, d)
		return nil
	})
	if err == nil {
		err = got.check("table dropped", want)
	}
	return drops, err
}

// Drop removes days in one transaction. The freed pages are used again; they do not make the file of SQLite smaller.
func (t *tables) Drop(ctx context.Context, d Drop) error {
	err := again(ctx, t.engine.writeSnapshot, func(ctx context.Context, s session) error {
		if err := dropOpen(ctx, s, d); err != nil {
			return err
		}
		if err := dropSealed(ctx, s, d); err != nil {
			return err
		}
		var id int64
		_, err := oneRow(ctx, s, "table dropped", `INSERT INTO dropped (before_day, bodies_only, at, by, why) VALUES (?, ?, ?, ?, ?) RETURNING id`,
			[]any{d.Before, asInt(d.BodiesOnly), d.At, d.By, d.Why}, &id)
		if err != nil {
			return err
		}
		return addTally(ctx, s, tallyDrop, tally{1, dropDigest(id, d)})
	})
	if err != nil {
		return fmt.Errorf("drop days before %d: %w", d.Before, err)
	}
	return nil
}

func asInt(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// dropOpen refuses days that have batches to seal, and removes those that are held: their numbers stay taken.
func dropOpen(ctx context.Context, s session, d Drop) error {
	var held tally
	taken := map[[2]uint64]ranges{}
	var days []SiteDay
	err := eachLogDay(ctx, s, func(of SiteDay) error {
		if of.Day >= d.Before {
			return nil
		}
		days = append(days, of)
		query := `SELECT site, day, agent, epoch, seq, crc, received, n, held FROM log WHERE site = ? AND day = ?`
		return eachRow(ctx, s, "table log", query, []any{int64(of.Site), of.Day}, func(scan func(...any) error) error {
			var l logRow
			if err := l.scan(scan); err != nil {
				return err
			}
			if !l.held.Valid {
				return fmt.Errorf("got batches of day %d that are not sealed: seal it first", of.Day)
			}
			held.remove(l.digest())
			k := [2]uint64{l.Agent, l.Epoch}
			r := taken[k]
			r.add(l.Seq, l.Seq)
			taken[k] = r
			return nil
		})
	})
	if err != nil || d.BodiesOnly {
		return err
	}
	for _, of := range days {
		if _, err := s.ExecContext(ctx, `DELETE FROM log WHERE site = ? AND day = ? AND held IS NOT NULL`, int64(of.Site), of.Day); err != nil {
			return err
		}
	}
	if err := seeAll(ctx, s, taken); err != nil {
		return err
	}
	return addTally(ctx, s, tallyHeld, held)
}

// dropSealed removes what days leave when they are sealed.
func dropSealed(ctx context.Context, s session, d Drop) error {
	deletes := []string{`DELETE FROM body WHERE id < ?`}
	args := []int64{bodyID(d.Before, 0)}
	if !d.BodiesOnly {
		tallies := map[string]tally{}
		if err := countDropped(ctx, s, d, tallies); err != nil {
			return err
		}
		if err := addTallies(ctx, s, tallies); err != nil {
			return err
		}
		deletes = append(deletes, `DELETE FROM head WHERE day < ?`, `DELETE FROM seal WHERE day < ?`, `DELETE FROM reseal WHERE day < ?`)
		args = append(args, int64(d.Before), int64(d.Before), int64(d.Before))
	}
	for i, query := range deletes {
		if _, err := s.ExecContext(ctx, query, args[i]); err != nil {
			return err
		}
	}
	if d.BodiesOnly {
		return nil
	}
	names, _, err := readSeries(ctx, s)
	if err != nil {
		return err
	}
	for _, number := range names.numbers {
		_, err := s.ExecContext(ctx, `DELETE FROM fail WHERE series = ? AND t < ?`, number, int64(d.Before)*uptally.DayMillis)
		if err != nil {
			return err
		}
	}
	return nil
}

// countDropped takes the rows of seal and reseal that go out of their tallies.
func countDropped(ctx context.Context, s session, d Drop, tallies map[string]tally) error {
	count := func(name string, digest uint64) {
		c := tallies[name]
		c.remove(digest)
		tallies[name] = c
	}
	query := `SELECT site, day, rev, final, at, crc FROM seal WHERE day < ?`
	err := eachRow(ctx, s, "table seal", query, []any{d.Before}, func(scan func(...any) error) error {
		var site int64
		var r sealRow
		err := scan(&site, &r.day, &r.rev, &r.final, &r.at, &r.crc)
		count(tallySeal(uptally.ID(site)), r.digest(uptally.ID(site)))
		return err
	})
	if err != nil {
		return err
	}
	resealed, err := readReseals(ctx, s)
	for _, r := range resealed {
		if r.Day < d.Before {
			count(tallyReseal, resealDigest(r))
		}
	}
	return err
}

// Reseals returns what late results changed.
func (t *tables) Reseals(ctx context.Context, from, to int32) (rs []Reseal, err error) {
	err = t.engine.read(ctx, func(ctx context.Context, s session) error {
		rs, err = readReseals(ctx, s)
		return err
	})
	rs = slices.DeleteFunc(rs, func(r Reseal) bool { return r.Day < from || r.Day >= to })
	return noneBeside(rs, err)
}
