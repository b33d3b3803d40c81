package ledger

import (
	"context"
	"fmt"
	"maps"
	"slices"
)

// Reused returns the numbers from ≤ n ≤ to of an agent's epoch under which the log has more than one batch of a site's day, ascending.
// Somebody else gives the agent's numbers too. Of sealed batches it knows nothing.
func (t *tables) Reused(ctx context.Context, d SiteDay, agent, epoch, from, to uint64) (numbers []uint64, err error) {
	query := `SELECT seq FROM log WHERE site = ? AND day = ? AND agent = ? AND epoch = ? AND seq BETWEEN ? AND ?
		GROUP BY seq HAVING count(*) > 1 ORDER BY seq`
	args := []any{int64(d.Site), d.Day, int64(agent), int64(epoch), int64(from), int64(to)}
	err = t.engine.read(ctx, func(ctx context.Context, s session) error {
		return eachRow(ctx, s, "table log", query, args, func(scan func(...any) error) error {
			var seq int64
			err := scan(&seq)
			numbers = append(numbers, uint64(seq))
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read numbers of agent %x, epoch %x: %w", agent, epoch, err)
	}
	return numbers, nil
}

// Reused looks through the log.
func (m *Memory) Reused(_ context.Context, d SiteDay, agent, epoch, from, to uint64) ([]uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	count := map[uint64]int{}
	for k := range m.log {
		if k.SiteDay == d && k.Agent == agent && k.Epoch == epoch && from <= k.Seq && k.Seq <= to {
			count[k.Seq]++
		}
	}
	maps.DeleteFunc(count, func(_ uint64, n int) bool { return n < 2 })
	return slices.Sorted(maps.Keys(count)), nil
}
