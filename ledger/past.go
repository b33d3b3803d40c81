package ledger

import (
	"cmp"
	"context"
	"errors"
	"maps"
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

// Carrier is a Sealing whose past can be carried into another, which Copy does.
type Carrier interface {
	Sealing
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

// Carry takes over a past. Numbers of entries have to be 1, 2, 3…, which is all that Memory gives.
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
