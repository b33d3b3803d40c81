package ledger

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/uptally/uptally"
)

// Past is what a ledger knows besides its results: what people recorded and what was done to days, as it was numbered.
type Past struct {
	Entries []uptally.Entry
	Reseals []Reseal
	Drops   []Drop
	// Taken are the numbers of every epoch that were ever stored, in order of agent and epoch.
	Taken []Epoch
}

// Epoch is the numbers of batches that an agent gave between two of its starts: ascending ranges, both ends included.
type Epoch struct {
	Agent, Epoch uint64
	Ranges       [][2]uint64
}

// Carrier is a Store whose past can be carried into another, which Copy does.
type Carrier interface {
	Store
	// Past returns all of it, entries as known now.
	Past(ctx context.Context) (Past, error)
	// Carry takes over the past of another ledger, as it is, in one transaction. A ledger that has entries, reseals or drops of
	// its own refuses.
	Carry(ctx context.Context, p Past) error
}

var errHasPast = errors.New("carry a ledger's past: got a ledger that has one of its own, want an empty one")

// Past returns what Memory keeps.
func (m *Memory) Past(context.Context) (Past, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := Past{Entries: slices.Clone(m.entries), Reseals: slices.Clone(m.reseals), Drops: slices.Clone(m.drops)}
	for _, k := range slices.SortedFunc(maps.Keys(m.taken), func(a, b [2]uint64) int {
		return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1]))
	}) {
		p.Taken = append(p.Taken, Epoch{k[0], k[1], rangesOf(m.taken[k])})
	}
	return p, nil
}

// Carry takes over a past.
func (m *Memory) Carry(_ context.Context, p Past) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.entries)+len(m.reseals)+len(m.drops) > 0 {
		return errHasPast
	}
	m.entries, m.reseals, m.drops = slices.Clone(p.Entries), slices.Clone(p.Reseals), slices.Clone(p.Drops)
	if m.taken == nil {
		m.log, m.taken = map[BatchKey]Incoming{}, map[[2]uint64]map[uint64]bool{}
	}
	for _, e := range p.Taken {
		k := [2]uint64{e.Agent, e.Epoch}
		if m.taken[k] == nil {
			m.taken[k] = map[uint64]bool{}
		}
		for _, r := range e.Ranges {
			for seq := r[0]; seq <= r[1]; seq++ {
				m.taken[k][seq] = true
			}
		}
	}
	return nil
}

// Past reads it in one snapshot.
func (t *tables) Past(ctx context.Context) (p Past, err error) {
	err = t.engine.read(ctx, func(ctx context.Context, s session) error {
		p = Past{}
		if p.Entries, err = readEntries(ctx, s, math.MaxInt64); err != nil {
			return err
		}
		if p.Reseals, err = readReseals(ctx, s); err != nil {
			return err
		}
		if p.Drops, err = readDrops(ctx, s); err != nil {
			return err
		}
		p.Taken, err = readEpochs(ctx, s)
		return err
	})
	if err != nil {
		return Past{}, fmt.Errorf("read the ledger's past: %w", err)
	}
	return p, nil
}

// readEpochs returns the numbers of all batches, folded or in the log.
func readEpochs(ctx context.Context, s session) ([]Epoch, error) {
	taken := map[[2]uint64]ranges{}
	err := eachSeen(ctx, s, func(agent, epoch uint64, r ranges) { taken[[2]uint64{agent, epoch}] = r })
	if err != nil {
		return nil, err
	}
	err = eachRow(ctx, s, "table log", `SELECT agent, epoch, seq FROM log`, nil, func(scan func(...any) error) error {
		var agent, epoch, seq int64
		err := scan(&agent, &epoch, &seq)
		k := [2]uint64{uint64(agent), uint64(epoch)}
		r := taken[k]
		r.add(uint64(seq), uint64(seq))
		taken[k] = r
		return err
	})
	var epochs []Epoch
	for _, k := range slices.SortedFunc(maps.Keys(taken), compareEpochs) {
		epochs = append(epochs, Epoch{k[0], k[1], taken[k]})
	}
	return epochs, err
}

func compareEpochs(a, b [2]uint64) int { return slices.Compare(a[:], b[:]) }

// Carry writes it in one transaction.
func (t *tables) Carry(ctx context.Context, p Past) error {
	err := again(ctx, t.engine.write, func(ctx context.Context, s session) error {
		for _, table := range []string{"entry", "reseal", "dropped"} {
			var n int64
			if _, err := oneRow(ctx, s, "table "+table, `SELECT count(*) FROM `+table, nil, &n); err != nil || n > 0 {
				return cmp.Or(err, errHasPast)
			}
		}
		if err := carryDone(ctx, s, p); err != nil {
			return err
		}
		for _, e := range p.Taken {
			if err := see(ctx, s, e.Agent, e.Epoch, e.Ranges); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil && !errors.Is(err, errHasPast) {
		return fmt.Errorf("carry a ledger's past: %w", err)
	}
	return err
}

// carryDone writes entries, reseals and drops.
func carryDone(ctx context.Context, s session, p Past) error {
	tallies := map[string]tally{}
	count := func(name string, digest uint64) {
		c := tallies[name]
		c.add(digest)
		tallies[name] = c
	}
	for _, e := range p.Entries {
		count(tallyEntry, entryDigest(e))
		_, err := s.ExecContext(ctx, `INSERT INTO entry (id, recorded_at, by, kind, data) VALUES (?, ?, ?, ?, ?)`, e.ID, e.RecordedAt, e.By, e.Kind, e.Data)
		if err != nil {
			return err
		}
	}
	if err := writeReseals(ctx, s, p.Reseals); err != nil {
		return err
	}
	for i, d := range p.Drops {
		id := int64(i + 1)
		count(tallyDrop, dropDigest(id, d))
		_, err := s.ExecContext(ctx, `INSERT INTO dropped (id, before_day, bodies_only, at, by, why) VALUES (?, ?, ?, ?, ?, ?)`,
			id, d.Before, asInt(d.BodiesOnly), d.At, d.By, d.Why)
		if err != nil {
			return err
		}
	}
	if err := countOn(ctx, s, "entry", "dropped"); err != nil {
		return err
	}
	return addTallies(ctx, s, tallies)
}

// countOn has the next rows of tables numbered after those that are there. SQLite does it by itself.
func countOn(ctx context.Context, s session, names ...string) error {
	if _, embedded := s.(*prepared); embedded {
		return nil
	}
	for _, table := range names {
		var last int64
		_, err := oneRow(ctx, s, "table "+table, `SELECT setval(pg_get_serial_sequence('`+table+`', 'id'), (SELECT coalesce(max(id), 0) + 1 FROM `+table+`), false)`, nil, &last)
		if err != nil {
			return err
		}
	}
	return nil
}
