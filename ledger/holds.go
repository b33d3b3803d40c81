package ledger

import (
	"context"
	"fmt"
	"slices"

	"github.com/uptally/uptally"
)

// Holds reports whether the ledger took all of some batches of an agent at a site: they are in the log, or were folded. It is asked with
// each request of an agent, so it looks for these alone.
func (t *tables) Holds(ctx context.Context, site uptally.ID, agent uint64, numbers []Number) (all bool, err error) {
	err = t.engine.read(ctx, func(ctx context.Context, s session) error {
		days, err := logDays(ctx, s, site)
		all = err == nil
		for _, n := range numbers {
			if all {
				all, err = holdsOne(ctx, s, site, days, agent, n)
			}
		}
		return err
	})
	if err != nil {
		return false, fmt.Errorf("look for batches of agent %x: %w", agent, err)
	}
	return all, nil
}

// logDays returns the days of a site that log has a row of, the newest first. It leaps from one to the next.
func logDays(ctx context.Context, s session, site uptally.ID) (days []int32, err error) {
	var day int32
	query, args := `SELECT day FROM log WHERE site = ? ORDER BY day DESC LIMIT 1`, []any{int64(site)}
	for {
		found, err := oneRow(ctx, s, "table log", query, args, &day)
		if err != nil || !found {
			return days, err
		}
		days = append(days, day)
		query, args = `SELECT day FROM log WHERE site = ? AND day < ? ORDER BY day DESC LIMIT 1`, []any{int64(site), day}
	}
}

func holdsOne(ctx context.Context, s session, site uptally.ID, days []int32, agent uint64, n Number) (bool, error) {
	for _, day := range days {
		var seq int64
		query := `SELECT seq FROM log WHERE site = ? AND day = ? AND agent = ? AND epoch = ? AND seq = ? LIMIT 1`
		found, err := oneRow(ctx, s, "table log", query, []any{int64(site), day, int64(agent), int64(n.Epoch), int64(n.Seq)}, &seq)
		if err != nil || found {
			return found, err
		}
	}
	r, _, err := seen(ctx, s, agent, n.Epoch)
	return r.has(n.Seq), err
}

// Holds looks into what was taken.
func (m *Memory) Holds(_ context.Context, _ uptally.ID, agent uint64, numbers []Number) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return !slices.ContainsFunc(numbers, func(n Number) bool { return !m.taken[[2]uint64{agent, n.Epoch}][n.Seq] }), nil
}
