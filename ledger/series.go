package ledger

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/uptally/uptally"
)

const (
	kindSeries = "series"
	blockLen   = 16
)

// seriesBook numbers the series, that is each check at a site, in blocks of sixteen a site, so that one row of body
// belongs to one site. The numbers are the ledger's own: they never leave it.
type seriesBook struct {
	numbers map[seriesKey]uint32
	next    map[uptally.ID]uint32 // for each site; a multiple of sixteen once its block is full
	blocks  uint32
}

type seriesKey struct{ check, site uptally.ID }

func seriesText(check, site uptally.ID) string { return fmt.Sprintf("%v %v", check, site) }

// readSeries reads what table name holds.
func readSeries(ctx context.Context, c *sql.Conn) (seriesBook, error) {
	b := seriesBook{numbers: map[seriesKey]uint32{}, next: map[uptally.ID]uint32{}}
	rows, err := c.QueryContext(ctx, `SELECT id, text FROM name WHERE kind = ? ORDER BY id`, kindSeries)
	if err != nil {
		return b, err
	}
	defer rows.Close()
	for rows.Next() {
		var n uint32
		var text string
		if err := rows.Scan(&n, &text); err != nil {
			return b, err
		}
		var k seriesKey
		if _, err := fmt.Sscanf(text, "%x %x", (*uint64)(&k.check), (*uint64)(&k.site)); err != nil {
			return b, fmt.Errorf("read series %d: got %q, want two IDs", n, text)
		}
		b.put(k, n)
	}
	return b, rows.Err()
}

func (b *seriesBook) put(k seriesKey, n uint32) {
	b.numbers[k] = n
	b.next[k.site] = n + 1
	b.blocks = max(b.blocks, n/blockLen+1)
}

// number returns the number of a series; a fresh one has yet to be stored.
func (b *seriesBook) number(check, site uptally.ID) (n uint32, fresh bool) {
	k := seriesKey{check, site}
	if n, ok := b.numbers[k]; ok {
		return n, false
	}
	if n = b.next[site]; n%blockLen == 0 {
		n = b.blocks * blockLen
	}
	b.put(k, n)
	return n, true
}
