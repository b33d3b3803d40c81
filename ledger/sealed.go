package ledger

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"fmt"
	"slices"
	"sort"

	"github.com/uptally/uptally"
)

// sealRow is a row of table seal but for its data, which crc stands for.
type sealRow struct {
	day   int32
	rev   int64
	final int64 // 1: for good
	at    int64
	crc   int64
}

func (r sealRow) digest(site uptally.ID) uint64 {
	return rowDigest(int64(site), int64(r.day), r.rev, r.final, r.at, r.crc)
}

// sealBook keeps the seals of each site.
type sealBook = kept[uptally.ID, siteSeals]

type siteSeals struct {
	tally tally
	rows  []sealRow // ascending by day
}

// keptSeals bounds them: 40 bytes each.
const keptSeals = 1_000_000

// sealsOf returns the seals of a site, days ascending, from memory where the table has not changed since.
func (t *tables) sealsOf(ctx context.Context, s session, site uptally.ID) ([]sealRow, error) {
	k := knownOf(s)
	if rows, found := k.seals[site]; found {
		return rows, nil
	}
	rows, err := t.readSeals(ctx, s, site)
	if err == nil {
		k.seals[site] = rows
	}
	return rows, err
}

func (t *tables) readSeals(ctx context.Context, s session, site uptally.ID) ([]sealRow, error) {
	want, err := readTally(ctx, s, tallySeal(site))
	if err != nil {
		return nil, err
	}
	if known, found := t.seals.get(site); found && known.tally == want {
		return known.rows, nil
	}
	var rows []sealRow
	var got tally
	what := fmt.Sprintf("table seal, site %v", site)
	err = eachRow(ctx, s, what, `SELECT day, rev, final, at, crc FROM seal WHERE site = ? ORDER BY day`, []any{int64(site)}, func(scan func(...any) error) error {
		var r sealRow
		if err := scan(&r.day, &r.rev, &r.final, &r.at, &r.crc); err != nil {
			return err
		}
		got.add(r.digest(site))
		rows = append(rows, r)
		return nil
	})
	if err == nil {
		err = got.check(what, want)
	}
	if err != nil {
		return nil, err
	}
	t.seals.put(site, siteSeals{want, rows}, len(rows)+1, keptSeals)
	return rows, nil
}

// sealsBetween are those of days from ≤ day < to.
func sealsBetween(rows []sealRow, from, to int32) []sealRow {
	i := sort.Search(len(rows), func(i int) bool { return rows[i].day >= from })
	j := sort.Search(len(rows), func(j int) bool { return rows[j].day >= to })
	if i >= j {
		return nil
	}
	return rows[i:j]
}

// dayBlock is what a sealed day has of a block: the heads of its members as they are stored, nil where there is none. It is as of
// one seal. Kept as bytes they take an eighth of what their runs would, and are decoded by whoever asks for one.
type dayBlock struct {
	rev, crc int64
	heads    [blockLen][]byte
}

// blockBook keeps the blocks that were read, so that reading a month for every series reads each row once and not once a
// series.
type blockBook = kept[blockKey, *dayBlock]

type blockKey struct {
	day   int32
	block uint32
}

// keptBlocks bounds them, in bytes: a month of some 5,000 series.
const keptBlocks = 100 << 20

func (b *dayBlock) weight() int {
	w := 16 * (blockLen + 4)
	for _, h := range b.heads {
		w += len(h)
	}
	return w
}

// blocksOf returns what each sealed day of a site has of a block.
func (t *tables) blocksOf(ctx context.Context, s session, site uptally.ID, block uint32, seals []sealRow) ([]*dayBlock, error) {
	blocks := make([]*dayBlock, len(seals))
	first, last := len(seals), -1
	for i, r := range seals {
		if b, found := t.blocks.get(blockKey{r.day, block}); found && b.rev == r.rev && b.crc == r.crc {
			blocks[i] = b
			continue
		}
		first, last = min(first, i), i
	}
	if last < 0 {
		return blocks, nil
	}
	read, err := t.readBlocks(ctx, s, site, block, seals[first:last+1])
	if err != nil {
		return nil, err
	}
	for i, b := range read {
		blocks[first+i] = b
		t.blocks.put(blockKey{seals[first+i].day, block}, b, b.weight(), keptBlocks)
	}
	return blocks, nil
}

// blockReader reads the heads of a block and holds them against the manifests.
type blockReader struct {
	site  uptally.ID
	block uint32
	seals []sealRow
	sums  []blockSum
	got   []blockSum
	into  []*dayBlock
	at    int // the seal of the row before

	// what a row is scanned into
	day, series int64 // of the driver's own type, which costs least
	data        sql.RawBytes
	room        []byte // of heads to come
}

func (t *tables) readBlocks(ctx context.Context, s session, site uptally.ID, block uint32, seals []sealRow) ([]*dayBlock, error) {
	r := blockReader{site: site, block: block, seals: seals}
	var err error
	if r.sums, err = readSums(ctx, s, site, block, seals); err != nil {
		return nil, err
	}
	r.got, r.into = make([]blockSum, len(seals)), make([]*dayBlock, len(seals))
	for i, row := range seals {
		r.got[i].block = block
		r.into[i] = &dayBlock{rev: row.rev, crc: row.crc}
	}
	// The join makes one query of a month. Its order is that of the words, not the planner's: days first. By h.day it would be sorted.
	query := `SELECT h.day, h.series, h.data FROM seal s CROSS JOIN head h WHERE s.site = ? AND s.day >= ? AND s.day <= ?
		AND h.day = s.day AND h.series >= ? AND h.series < ? ORDER BY s.day, h.series`
	args := []any{int64(site), seals[0].day, seals[len(seals)-1].day, int64(block) * blockLen, int64(block+1) * blockLen}
	if err := eachRow(ctx, s, "table head", query, args, r.row); err != nil {
		return nil, err
	}
	for i, want := range r.sums {
		if got := r.got[i]; got != want {
			return nil, damaged("read table head, site %v, day %d, block %d: got series %016b with digests that add to %016x, want %016b with %016x",
				site, seals[i].day, block, got.mask, got.sum, want.mask, want.sum)
		}
	}
	return r.into, nil
}

// readSums returns what the manifests of sealed days say of a block.
func readSums(ctx context.Context, s session, site uptally.ID, block uint32, seals []sealRow) ([]blockSum, error) {
	sums := make([]blockSum, len(seals))
	for i := range sums {
		sums[i].block = block
	}
	i := 0
	query := `SELECT day, data FROM seal WHERE site = ? AND day >= ? AND day <= ? ORDER BY day`
	err := eachRow(ctx, s, "table seal", query, []any{int64(site), seals[0].day, seals[len(seals)-1].day}, func(scan func(...any) error) error {
		var day int32
		var data []byte
		if err := scan(&day, &data); err != nil {
			return err
		}
		if i == len(seals) || seals[i].day != day {
			return damaged("read table seal, site %v: got day %d, which was not there before", site, day)
		}
		blocks, err := soundManifest(site, seals[i], data)
		if err != nil {
			return err
		}
		if k, found := slices.BinarySearchFunc(blocks, block, compareBlock); found {
			sums[i] = blocks[k]
		}
		i++
		return nil
	})
	if err == nil && i < len(seals) {
		err = damaged("read table seal, site %v: got no day %d", site, seals[i].day)
	}
	return sums, err
}

func compareBlock(b blockSum, block uint32) int { return int(int64(b.block) - int64(block)) }

// soundManifest decodes the data of a row whose other columns are sound.
func soundManifest(site uptally.ID, row sealRow, data []byte) ([]blockSum, error) {
	crc, _ := uptally.CRC(data)
	blocks, err := decodeManifest(data)
	if err == nil && int64(crc) != row.crc {
		err = fmt.Errorf("got checksum %08x, want %08x", crc, row.crc)
	}
	if err != nil {
		return nil, damaged("read table seal, site %v, day %d: %v", site, row.day, err)
	}
	return blocks, nil
}

// row takes one head; they come ascending.
func (r *blockReader) row(scan func(...any) error) error {
	if err := scan(&r.day, &r.series, &r.data); err != nil {
		return err
	}
	i := r.at
	for i < len(r.seals) && int64(r.seals[i].day) < r.day {
		i++
	}
	r.at = i
	if i == len(r.seals) || int64(r.seals[i].day) != r.day {
		return damaged("read table head: got day %d, which is not sealed", r.day)
	}
	if r.series < 0 || uint64(r.series/blockLen) != uint64(r.block) { // a page that leads elsewhere than where was looked
		return damaged("read table head, day %d: got series %d, want one of block %d", r.day, r.series, r.block)
	}
	digest, sound := uptally.HeadDigest(r.data)
	if !sound {
		return damaged("read table head, series %d, day %d: %v", r.series, r.day, uptally.ErrDamaged)
	}
	r.got[i].mask |= 1 << (r.series % blockLen)
	r.got[i].sum ^= shortDigest(digest)
	r.into[i].heads[r.series%blockLen] = r.keep()
	return nil
}

// keep copies the head of a row to where many lie.
func (r *blockReader) keep() []byte {
	n := len(r.data)
	if n > cap(r.room)-len(r.room) {
		r.room = make([]byte, 0, max(n, 16<<10))
	}
	from := len(r.room)
	r.room = append(r.room, r.data...)
	return r.room[from:len(r.room):len(r.room)]
}

// soundRuns decodes the head of a sealed series and demands that it is of that series and day.
func soundRuns(h *uptally.HeadDecoder, of Series, day int32, head []byte) (d uptally.Day, digest [sha256.Size]byte, err error) {
	d, digest, err = h.Runs(head)
	if err == nil {
		err = ofSeries(d, of, day)
	}
	if err != nil {
		err = damaged("read table head, day %d: %v", day, err)
	}
	return d, digest, err
}

// ofSeries demands that a head is the one of a series and day.
func ofSeries(d uptally.Day, of Series, day int32) error {
	if d.Check != of.Check || d.Site != of.Site || d.Day != day {
		return fmt.Errorf("got that of check %v, site %v and day %d, want check %v, site %v", d.Check, d.Site, d.Day, of.Check, of.Site)
	}
	return nil
}

func shortDigest(d [sha256.Size]byte) uint64 { return binary.BigEndian.Uint64(d[:8]) }

// bodyBook keeps rows of response times that were read, so that sixteen series are unpacked once.
type bodyBook = kept[blockKey, bodyRow]

// bodyRow is a row as of one seal.
type bodyRow struct {
	rev, crc int64
	members  [blockLen][]byte
}

// keptBodies bounds them, in bytes.
const keptBodies = 64 << 20

func (b bodyRow) weight() int {
	w := 200
	for _, m := range b.members {
		w += len(m)
	}
	return w
}

func bodyID(day int32, block uint32) int64 { return int64(day)<<40 | int64(block) }

// body returns the bytes of a sealed series' response times; nil where they are gone.
func (t *tables) body(ctx context.Context, s session, seal sealRow, series uint32) ([]byte, error) {
	k := blockKey{seal.day, series / blockLen}
	row, found := t.bodies.get(k)
	if !found || row.rev != seal.rev || row.crc != seal.crc {
		members, err := readBody(ctx, s, k)
		if err != nil {
			return nil, err
		}
		row = bodyRow{seal.rev, seal.crc, members}
		t.bodies.put(k, row, row.weight(), keptBodies)
	}
	return row.members[series%blockLen], nil
}

func readBody(ctx context.Context, s session, k blockKey) (members [blockLen][]byte, err error) {
	var data []byte
	found, err := oneRow(ctx, s, "table body", `SELECT data FROM body WHERE id = ?`, []any{bodyID(k.day, k.block)}, &data)
	if err == nil && found {
		if members, err = decodeBodyRow(data); err != nil {
			err = damaged("read table body, day %d, block %d: %v", k.day, k.block, err)
		}
	}
	return members, err
}
