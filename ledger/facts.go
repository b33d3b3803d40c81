package ledger

import (
	"context"
	"fmt"
	"slices"

	"github.com/uptally/uptally"
)

// checkKind refuses what no name is recorded for; the ledger's own numbers of series share the table.
func checkKind(kind, name string) error {
	if (kind != "check" && kind != "site" && kind != "agent") || name == "" {
		return fmt.Errorf("record name %q of kind %q: want a text of kind check, site or agent", name, kind)
	}
	return nil
}

// planRow is a row of table plan.
type planRow struct {
	check, from, digest int64
	data                []byte
}

func (p planRow) row() uint64 { return rowDigest(p.check, p.from, p.digest, p.data) }

// nameRow is a row of table name.
type nameRow struct {
	kind string
	id   int64
	text string
}

func (n nameRow) row() uint64 { return rowDigest(n.kind, n.id, n.text) }

func entryDigest(e uptally.Entry) uint64 {
	return rowDigest(e.ID, e.RecordedAt, e.By, e.Kind, e.Data)
}

// AddPlans stores plans from their slots on, and the names that they hold.
func (t *tables) AddPlans(ctx context.Context, ps ...uptally.Plan) error {
	return t.engine.write(ctx, func(ctx context.Context, s session) error {
		tallies := map[string]tally{}
		for _, p := range ps {
			if err := addPlan(ctx, s, p, tallies); err != nil {
				return fmt.Errorf("add plan of check %q from %d: %w", p.Check, p.From, err)
			}
		}
		return addTallies(ctx, s, tallies)
	})
}

func addPlan(ctx context.Context, s session, p uptally.Plan, tallies map[string]tally) error {
	if err := addName(ctx, s, "check", p.Check, tallies); err != nil {
		return err
	}
	for _, site := range p.Sites {
		if err := addName(ctx, s, "site", site, tallies); err != nil {
			return err
		}
	}
	row := planRow{int64(uptally.IDOf(p.Check)), p.From, int64(p.Digest()), uptally.AppendPlan(nil, p)}
	n, err := changed(ctx, s, `INSERT INTO plan ("check", from_slot, digest, data) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING`,
		row.check, row.from, row.digest, row.data)
	if err != nil {
		return err
	}
	if n == 1 {
		name := tallyPlan(uptally.ID(row.check))
		count := tallies[name]
		count.add(row.row())
		tallies[name] = count
		return nil
	}
	var got int64
	if _, err := oneRow(ctx, s, "table plan", `SELECT digest FROM plan WHERE "check" = ? AND from_slot = ?`, []any{row.check, row.from}, &got); err != nil {
		return err
	}
	return samePlan(uint64(got), uint64(row.digest))
}

func samePlan(got, want uint64) error {
	if got != want {
		return fmt.Errorf("got plan %016x, want %016x, which stands there", want, got)
	}
	return nil
}

// Plans returns the plans of a check in order of From.
func (t *tables) Plans(ctx context.Context, check string) ([]uptally.Plan, error) {
	var ps []uptally.Plan
	err := t.engine.read(ctx, func(ctx context.Context, s session) error {
		row, got := planRow{check: int64(uptally.IDOf(check))}, tally{}
		want, err := readTally(ctx, s, tallyPlan(uptally.IDOf(check)))
		if err != nil {
			return err
		}
		query := `SELECT from_slot, digest, data FROM plan WHERE "check" = ? ORDER BY from_slot`
		err = eachRow(ctx, s, "table plan", query, []any{row.check}, func(scan func(...any) error) error {
			if err := scan(&row.from, &row.digest, &row.data); err != nil {
				return err
			}
			got.add(row.row())
			p, err := uptally.DecodePlan(row.data)
			if err == nil && p.Digest() != uint64(row.digest) {
				err = fmt.Errorf("got digest %016x", uint64(row.digest))
			}
			if err != nil {
				return damaged("read table plan, from %d: %v", row.from, err)
			}
			ps = append(ps, p)
			return nil
		})
		if err != nil {
			return err
		}
		return got.check("table plan", want)
	})
	if err != nil {
		return nil, fmt.Errorf("read plans of check %q: %w", check, err)
	}
	return ps, nil
}

// AddName records what an ID stands for.
func (t *tables) AddName(ctx context.Context, kind, name string) error {
	return t.engine.write(ctx, func(ctx context.Context, s session) error {
		tallies := map[string]tally{}
		if err := addName(ctx, s, kind, name, tallies); err != nil {
			return err
		}
		return addTallies(ctx, s, tallies)
	})
}

func addName(ctx context.Context, s session, kind, name string, tallies map[string]tally) error {
	if err := checkKind(kind, name); err != nil {
		return err
	}
	row := nameRow{kind, int64(uptally.IDOf(name)), name}
	n, err := changed(ctx, s, `INSERT INTO name (kind, id, text) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`, row.kind, row.id, row.text)
	if err != nil {
		return fmt.Errorf("record %s name %q: %w", kind, name, err)
	}
	if n == 1 {
		count := tallies[tallyName(kind)]
		count.add(row.row())
		tallies[tallyName(kind)] = count
		return nil
	}
	var got string
	if _, err := oneRow(ctx, s, "table name", `SELECT text FROM name WHERE kind = ? AND id = ?`, []any{kind, row.id}, &got); err != nil {
		return fmt.Errorf("record %s name %q: %w", kind, name, err)
	}
	if got != name {
		return fmt.Errorf("record %s name %q: its ID stands for %q already", kind, name, got)
	}
	return nil
}

// Names returns all names of a kind, sorted.
func (t *tables) Names(ctx context.Context, kind string) ([]string, error) {
	var names []string
	err := t.engine.read(ctx, func(ctx context.Context, s session) error {
		var got tally
		want, err := readTally(ctx, s, tallyName(kind))
		if err != nil {
			return err
		}
		row := nameRow{kind: kind}
		err = eachRow(ctx, s, "table name", `SELECT id, text FROM name WHERE kind = ?`, []any{kind}, func(scan func(...any) error) error {
			if err := scan(&row.id, &row.text); err != nil {
				return err
			}
			got.add(row.row())
			names = append(names, row.text)
			return nil
		})
		if err != nil {
			return err
		}
		return got.check("table name", want)
	})
	if err != nil {
		return nil, fmt.Errorf("read %s names: %w", kind, err)
	}
	slices.Sort(names)
	return names, nil
}

// Record appends an entry.
func (t *tables) Record(ctx context.Context, e uptally.Entry) (int64, error) {
	err := t.engine.write(ctx, func(ctx context.Context, s session) error {
		_, err := oneRow(ctx, s, "table entry", `INSERT INTO entry (recorded_at, by, kind, data) VALUES (?, ?, ?, ?) RETURNING id`,
			[]any{e.RecordedAt, e.By, e.Kind, e.Data}, &e.ID)
		if err != nil {
			return err
		}
		return addTally(ctx, s, tallyEntry, tally{1, entryDigest(e)})
	})
	if err != nil {
		return 0, fmt.Errorf("record %s: %w", e.Kind, err)
	}
	return e.ID, nil
}

// Entries returns what had been recorded at or before an instant.
func (t *tables) Entries(ctx context.Context, asOf int64) (es []uptally.Entry, err error) {
	err = t.engine.read(ctx, func(ctx context.Context, s session) error {
		es, err = readEntries(ctx, s, asOf)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read entries: %w", err)
	}
	return es, nil
}

func readEntries(ctx context.Context, s session, asOf int64) ([]uptally.Entry, error) {
	want, err := readTally(ctx, s, tallyEntry)
	if err != nil {
		return nil, err
	}
	var es []uptally.Entry
	var got tally
	err = eachRow(ctx, s, "table entry", `SELECT id, recorded_at, by, kind, data FROM entry ORDER BY id`, nil, func(scan func(...any) error) error {
		var e uptally.Entry
		if err := scan(&e.ID, &e.RecordedAt, &e.By, &e.Kind, &e.Data); err != nil {
			return err
		}
		got.add(entryDigest(e))
		if e.RecordedAt <= asOf {
			es = append(es, e)
		}
		return nil
	})
	if err == nil {
		err = got.check("table entry", want)
	}
	return es, err
}
