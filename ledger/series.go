package ledger

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/uptally/uptally"
)

const (
	kindSeries = "series"
	blockLen   = 16
)

// seriesBook numbers the series, that is each check at a site, in blocks of sixteen a site, so that one row of body
// belongs to one site. The numbers are the ledger's own: they never leave it, and never change.
type seriesBook struct {
	mu    sync.Mutex
	known seriesTable
	tally tally // of the rows that known was read from
}

// seriesTable is not changed once it is made.
type seriesTable struct {
	numbers map[Series]uint32
	series  map[uint32]Series
	next    map[uptally.ID]uint32 // by site: the number after its last one; a multiple of sixteen once its block is full
	blocks  uint32
}

func compareSeries(a, b Series) int {
	return cmp.Or(cmp.Compare(a.Site, b.Site), cmp.Compare(a.Check, b.Check))
}

func seriesText(s Series) string { return fmt.Sprintf("%v %v", s.Check, s.Site) }

func (t *seriesTable) put(s Series, n uint32) {
	t.numbers[s], t.series[n] = n, s
	t.next[s.Site] = n + 1
	t.blocks = max(t.blocks, n/blockLen+1)
}

// give numbers a series that has none.
func (t *seriesTable) give(s Series) uint32 {
	n := t.next[s.Site]
	if n%blockLen == 0 {
		n = t.blocks * blockLen
	}
	t.put(s, n)
	return n
}

// at returns the series of a snapshot, from memory where the table has not grown since.
func (b *seriesBook) at(ctx context.Context, s session) (seriesTable, error) {
	want, err := readTally(ctx, s, tallyName(kindSeries))
	if err != nil {
		return seriesTable{}, err
	}
	known, seen := b.kept()
	if known.numbers != nil && seen == want {
		return known, nil
	}
	known, got, err := readSeries(ctx, s)
	if err == nil {
		err = got.check("table name, kind series", want)
	}
	if err != nil {
		return seriesTable{}, err
	}
	b.keep(known, want)
	return known, nil
}

func (b *seriesBook) keep(known seriesTable, of tally) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.known, b.tally = known, of
}

func (b *seriesBook) kept() (seriesTable, tally) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.known, b.tally
}

func readSeries(ctx context.Context, s session) (t seriesTable, got tally, err error) {
	t = seriesTable{map[Series]uint32{}, map[uint32]Series{}, map[uptally.ID]uint32{}, 0}
	err = eachRow(ctx, s, "table name", `SELECT id, text FROM name WHERE kind = ? ORDER BY id`, []any{kindSeries}, func(scan func(...any) error) error {
		row := nameRow{kind: kindSeries}
		if err := scan(&row.id, &row.text); err != nil {
			return err
		}
		var k Series
		if _, err := fmt.Sscanf(row.text, "%x %x", (*uint64)(&k.Check), (*uint64)(&k.Site)); err != nil || int64(uint32(row.id)) != row.id {
			return damaged("read table name, series %d: got %q, want two IDs", row.id, row.text)
		}
		t.put(k, uint32(row.id))
		got.add(row.row())
		return nil
	})
	return t, got, err
}

// numbers returns the numbers of series and gives those one that have none, in a transaction of its own: a number that is
// never used does no harm, and two processes that give at once must not undo each other's results.
func (t *tables) numbers(ctx context.Context, want []Series) (map[Series]uint32, error) {
	numbers := map[Series]uint32{}
	known, _ := t.names.kept()
	for _, s := range want {
		if n, ok := known.numbers[s]; ok {
			numbers[s] = n
		}
	}
	if len(numbers) == len(want) {
		return numbers, nil
	}
	var grown seriesTable
	var of tally
	err := again(ctx, t.engine.writeSnapshot, func(ctx context.Context, q session) (err error) {
		grown, of, err = t.giveNumbers(ctx, q, want)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("number series: %w", err)
	}
	t.names.keep(grown, of)
	for _, s := range want {
		numbers[s] = grown.numbers[s]
	}
	return numbers, nil
}

// giveNumbers returns the table with the numbers, and its tally.
func (t *tables) giveNumbers(ctx context.Context, q session, want []Series) (grown seriesTable, of tally, err error) {
	known, err := t.names.at(ctx, q)
	if err != nil {
		return grown, of, err
	}
	if of, err = readTally(ctx, q, tallyName(kindSeries)); err != nil {
		return grown, of, err
	}
	grown = seriesTable{maps.Clone(known.numbers), maps.Clone(known.series), maps.Clone(known.next), known.blocks}
	var more tally
	for _, s := range slices.SortedFunc(slices.Values(want), compareSeries) {
		if _, ok := grown.numbers[s]; ok {
			continue
		}
		row := nameRow{kindSeries, int64(grown.give(s)), seriesText(s)}
		n, err := changed(ctx, q, `INSERT INTO name (kind, id, text) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`, row.kind, row.id, row.text)
		if err == nil && n == 0 {
			err = errAgain
		}
		if err != nil {
			return grown, of, err
		}
		more.add(row.row())
	}
	return grown, tally{of.n + more.n, of.sum ^ more.sum}, addTally(ctx, q, tallyName(kindSeries), more)
}
