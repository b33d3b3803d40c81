package ledger

import (
	"context"
	"fmt"

	"github.com/uptally/uptally"
)

// checkKind refuses what no name is recorded for; the ledger's own numbers of series share the table.
func checkKind(kind, name string) error {
	if (kind != "check" && kind != "site" && kind != "agent") || name == "" {
		return fmt.Errorf("record name %q of kind %q: want a text of kind check, site or agent", name, kind)
	}
	return nil
}

// AddPlans stores plans from their slots on, and the names that they hold.
func (s *SQLite) AddPlans(ctx context.Context, ps ...uptally.Plan) error {
	return s.write(ctx, func(ctx context.Context) error {
		for _, p := range ps {
			if err := s.addPlan(ctx, p); err != nil {
				return fmt.Errorf("add plan of check %q from %d: %w", p.Check, p.From, err)
			}
		}
		return nil
	})
}

func (s *SQLite) addPlan(ctx context.Context, p uptally.Plan) error {
	if err := s.addName(ctx, "check", p.Check); err != nil {
		return err
	}
	for _, site := range p.Sites {
		if err := s.addName(ctx, "site", site); err != nil {
			return err
		}
	}
	check, digest := int64(uptally.IDOf(p.Check)), int64(p.Digest())
	r, err := s.writes.plan.ExecContext(ctx, check, p.From, digest, uptally.AppendPlan(nil, p))
	if err != nil {
		return err
	}
	if n, err := r.RowsAffected(); n == 1 || err != nil {
		return err
	}
	var got int64
	if err := s.writes.planDigest.QueryRowContext(ctx, check, p.From).Scan(&got); err != nil {
		return err
	}
	return samePlan(uint64(got), uint64(digest))
}

func samePlan(got, want uint64) error {
	if got != want {
		return fmt.Errorf("got plan %016x, want %016x, which stands there", want, got)
	}
	return nil
}

// Plans returns the plans of a check in order of From.
func (s *SQLite) Plans(ctx context.Context, check string) ([]uptally.Plan, error) {
	rows, err := s.reads.plans.QueryContext(ctx, int64(uptally.IDOf(check)))
	if err != nil {
		return nil, fmt.Errorf("read plans of check %q: %w", check, err)
	}
	defer rows.Close()
	var ps []uptally.Plan
	for rows.Next() {
		var data []byte
		if err := rows.Scan(&data); err != nil {
			return nil, fmt.Errorf("read plans of check %q: %w", check, err)
		}
		p, err := uptally.DecodePlan(data)
		if err != nil {
			return nil, fmt.Errorf("read plans of check %q: %w", check, err)
		}
		ps = append(ps, p)
	}
	return ps, rows.Err()
}

// AddName records what an ID stands for.
func (s *SQLite) AddName(ctx context.Context, kind, name string) error {
	return s.write(ctx, func(ctx context.Context) error { return s.addName(ctx, kind, name) })
}

func (s *SQLite) addName(ctx context.Context, kind, name string) error {
	if err := checkKind(kind, name); err != nil {
		return err
	}
	id := int64(uptally.IDOf(name))
	if _, err := s.writes.name.ExecContext(ctx, kind, id, name); err != nil {
		return fmt.Errorf("record %s name %q: %w", kind, name, err)
	}
	var got string
	if err := s.writes.nameText.QueryRowContext(ctx, kind, id).Scan(&got); err != nil {
		return fmt.Errorf("record %s name %q: %w", kind, name, err)
	}
	if got != name {
		return fmt.Errorf("record %s name %q: its ID stands for %q already", kind, name, got)
	}
	return nil
}

// Names returns all names of a kind, sorted.
func (s *SQLite) Names(ctx context.Context, kind string) ([]string, error) {
	rows, err := s.reads.names.QueryContext(ctx, kind)
	if err != nil {
		return nil, fmt.Errorf("read %s names: %w", kind, err)
	}
	defer rows.Close()
	var names []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, fmt.Errorf("read %s names: %w", kind, err)
		}
		names = append(names, name)
	}
	return names, rows.Err()
}

// Record appends an entry.
func (s *SQLite) Record(ctx context.Context, e uptally.Entry) (id int64, err error) {
	err = s.write(ctx, func(ctx context.Context) error {
		r, err := s.writes.entry.ExecContext(ctx, e.RecordedAt, e.By, e.Kind, e.Data)
		if err == nil {
			id, err = r.LastInsertId()
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("record %s: %w", e.Kind, err)
	}
	return id, nil
}

// Entries returns what had been recorded at or before an instant.
func (s *SQLite) Entries(ctx context.Context, asOf int64) ([]uptally.Entry, error) {
	rows, err := s.reads.entries.QueryContext(ctx, asOf)
	if err != nil {
		return nil, fmt.Errorf("read entries: %w", err)
	}
	defer rows.Close()
	var es []uptally.Entry
	for rows.Next() {
		var e uptally.Entry
		if err := rows.Scan(&e.ID, &e.RecordedAt, &e.By, &e.Kind, &e.Data); err != nil {
			return nil, fmt.Errorf("read entries: %w", err)
		}
		es = append(es, e)
	}
	return es, rows.Err()
}
