package ledger

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/uptally/uptally"
)

// folding is a seal on its way: everything that its transaction writes, made outside of it.
type folding struct {
	Seal
	was     sealRow // rev 0: none
	sums    []blockSum
	old     map[uint32]*dayBlock
	heads   map[uint32][]byte // by series
	bodies  map[uint32][]byte // by block
	fails   []uptally.Result
	numbers map[Series]uint32
	reseals []Reseal
	decoder uptally.HeadDecoder
}

// Seal folds outside any transaction and writes in one. Two that fold the same day at once both read the same revision, and
// the one that comes second finds another.
func (t *tables) Seal(ctx context.Context, s Seal) error {
	f := folding{Seal: s, heads: map[uint32][]byte{}, bodies: map[uint32][]byte{}}
	if err := t.foldDay(ctx, &f); err != nil {
		return f.wrap(err)
	}
	if !f.writes() {
		return nil
	}
	return f.wrap(again(ctx, t.engine.write, f.store))
}

func (f *folding) wrap(err error) error {
	if err == nil || errors.Is(err, ErrStale) {
		return err
	}
	return fmt.Errorf("seal day %d of site %v: %w", f.Day, f.Site, err)
}

// foldDay asks for the chunks, block by block, so that each row of body is read and written once.
func (t *tables) foldDay(ctx context.Context, f *folding) (err error) {
	series := make([]Series, len(f.From.Checks))
	for i, check := range f.From.Checks {
		series[i] = Series{check, f.Site}
	}
	if f.numbers, err = t.numbers(ctx, series); err != nil {
		return err
	}
	slices.SortFunc(series, func(a, b Series) int { return int(int64(f.numbers[a]) - int64(f.numbers[b])) })
	if err := t.readSealed(ctx, f, series); err != nil {
		return err
	}
	for len(series) > 0 {
		block, n := f.numbers[series[0]]/blockLen, 1
		for n < len(series) && f.numbers[series[n]]/blockLen == block {
			n++
		}
		if err := t.foldBlock(ctx, f, block, series[:n]); err != nil {
			return err
		}
		series = series[n:]
	}
	return nil
}

// readSealed reads the day as it is sealed, in one snapshot.
func (t *tables) readSealed(ctx context.Context, f *folding, series []Series) error {
	f.old = map[uint32]*dayBlock{}
	return t.engine.read(ctx, func(ctx context.Context, s session) error {
		row, sealed, err := t.sealOf(ctx, s, f.SiteDay)
		if err != nil {
			return err
		}
		if row.rev != f.From.Rev {
			return ErrStale
		}
		f.was = row
		if !sealed {
			return nil
		}
		if f.sums, err = readManifest(ctx, s, f.Site, row); err != nil {
			return err
		}
		for _, x := range series {
			block := f.numbers[x] / blockLen
			if f.old[block] != nil {
				continue
			}
			blocks, err := t.blocksOf(ctx, s, f.Site, block, []sealRow{row})
			if err != nil {
				return err
			}
			f.old[block] = blocks[0]
		}
		return nil
	})
}

// readManifest returns all blocks of a sealed day.
func readManifest(ctx context.Context, s session, site uptally.ID, row sealRow) ([]blockSum, error) {
	var data []byte
	if _, err := oneRow(ctx, s, "table seal", `SELECT data FROM seal WHERE site = ? AND day = ?`, []any{int64(site), row.day}, &data); err != nil {
		return nil, err
	}
	return soundManifest(site, row, data)
}

// foldBlock asks for the chunks of a block's series and, where any of them is new, makes its rows.
func (t *tables) foldBlock(ctx context.Context, f *folding, block uint32, series []Series) error {
	sum := blockSum{block: block}
	at, listed := slices.BinarySearchFunc(f.sums, block, compareBlock)
	if listed {
		sum = f.sums[at]
	}
	members := map[uint32][]byte{}
	for _, x := range series {
		c, err := f.Chunk(ctx, x.Check)
		if err != nil {
			return err
		}
		f.fails = append(f.fails, c.Failures...)
		if err := f.foldChunk(x, c.Day, &sum, members); err != nil {
			return err
		}
	}
	if len(members) == 0 {
		return nil
	}
	if listed {
		f.sums[at] = sum
	} else {
		f.sums = slices.Insert(f.sums, at, sum)
	}
	return t.foldBody(ctx, f, block, members)
}

// foldChunk makes the head of a series and notes what changed.
func (f *folding) foldChunk(x Series, day uptally.Day, sum *blockSum, members map[uint32][]byte) error {
	if day.Check != x.Check || day.Site != x.Site || day.Day != f.Day {
		return fmt.Errorf("got a chunk of check %v, site %v and day %d, want check %v", day.Check, day.Site, day.Day, x.Check)
	}
	head, err := day.Head()
	if err != nil {
		return err
	}
	series := f.numbers[x]
	member := series % blockLen
	var was uptally.Head
	if old := f.old[series/blockLen]; old != nil && old.heads[member] != nil {
		if was.Day, was.Digest, err = soundRuns(&f.decoder, x, f.Day, old.heads[member]); err != nil {
			return err
		}
	}
	if was.Digest == head.Digest {
		return nil
	}
	if f.heads[series], err = head.AppendBinary(nil); err != nil {
		return err
	}
	if len(was.Day.Runs) > 0 {
		sum.sum ^= shortDigest(was.Digest)
	}
	sum.mask |= 1 << member
	sum.sum ^= shortDigest(head.Digest)
	members[member] = day.AppendBody(nil)
	if f.From.Final {
		f.reseals = append(f.reseals, newReseal(f.Seal, x, was, head))
	}
	return nil
}

// foldBody replaces members of a row.
func (t *tables) foldBody(ctx context.Context, f *folding, block uint32, members map[uint32][]byte) error {
	var row [blockLen][]byte
	if f.old[block] != nil {
		err := t.engine.read(ctx, func(ctx context.Context, s session) (err error) {
			row, err = readBody(ctx, s, blockKey{f.Day, block})
			return err
		})
		if err != nil {
			return err
		}
	}
	for i, m := range members {
		row[i] = m
	}
	f.bodies[block] = appendBodyRow(nil, row)
	return nil
}

// writes reports whether there is anything to write.
func (f *folding) writes() bool {
	return len(f.From.Batches) > 0 || len(f.heads) > 0 || f.Final && !f.From.Final
}

// store writes everything in the transaction that it is given. The revision comes first: it decides who seals.
func (f *folding) store(ctx context.Context, s session) error {
	if err := f.storeSeal(ctx, s); err != nil {
		return err
	}
	for _, series := range sortedKeys(f.heads) {
		_, err := s.ExecContext(ctx, `INSERT INTO head (day, series, data) VALUES (?, ?, ?) ON CONFLICT (day, series) DO UPDATE SET data = excluded.data`,
			f.Day, series, f.heads[series])
		if err != nil {
			return err
		}
	}
	for _, block := range sortedKeys(f.bodies) {
		_, err := s.ExecContext(ctx, `INSERT INTO body (id, data) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET data = excluded.data`,
			bodyID(f.Day, block), f.bodies[block])
		if err != nil {
			return err
		}
	}
	var fails []any
	for _, r := range f.fails {
		fails = appendFailure(fails, r, f.numbers)
	}
	if err := insertFailures(ctx, s, fails); err != nil {
		return err
	}
	if err := writeReseals(ctx, s, f.reseals); err != nil {
		return err
	}
	return f.takeLog(ctx, s)
}

// storeSeal is the compare-and-set.
func (f *folding) storeSeal(ctx context.Context, s session) error {
	data := appendManifest(nil, f.sums)
	crc, _ := uptally.CRC(data)
	row := sealRow{f.Day, f.From.Rev + 1, max(f.was.final, asInt(f.Final)), f.At, int64(crc)}
	query := `INSERT INTO seal (rev, final, at, crc, data, site, day) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`
	args := []any{row.rev, row.final, row.at, row.crc, data, int64(f.Site), f.Day}
	change := tally{1, row.digest(f.Site)}
	if f.was.rev > 0 {
		query = `UPDATE seal SET rev = ?, final = ?, at = ?, crc = ?, data = ? WHERE site = ? AND day = ? AND rev = ?`
		args = append(args, f.was.rev)
		change = tally{0, change.sum ^ f.was.digest(f.Site)}
	}
	n, err := changed(ctx, s, query, args...)
	if err != nil {
		return err
	}
	if n == 0 {
		return ErrStale
	}
	return addTally(ctx, s, tallySeal(f.Site), change)
}

func writeReseals(ctx context.Context, s session, reseals []Reseal) error {
	var more tally
	for _, r := range reseals {
		_, err := s.ExecContext(ctx, `INSERT INTO reseal (site, day, rev, "check", at, digest_was, digest_is, results, downs) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			int64(r.Site), r.Day, r.Rev, int64(r.Check), r.At, r.Was[:], r.Is[:], r.Results, r.Downs)
		if err != nil {
			return err
		}
		more.add(resealDigest(r))
	}
	return addTally(ctx, s, tallyReseal, more)
}

// takeLog takes the folded batches out of the log, and notes their numbers.
func (f *folding) takeLog(ctx context.Context, s session) error {
	var gone openRow
	taken := map[[2]uint64]ranges{}
	for rest := f.From.Batches; len(rest) > 0; {
		n := together(rest)
		if err := takeStretch(ctx, s, rest[:n], &gone); err != nil {
			return err
		}
		k := [2]uint64{rest[0].Agent, rest[0].Epoch}
		r := taken[k]
		r.add(rest[0].Seq, rest[n-1].Seq)
		taken[k] = r
		rest = rest[n:]
	}
	if err := addOpen(ctx, s, map[SiteDay]openRow{f.SiteDay: gone}); err != nil {
		return err
	}
	return seeAll(ctx, s, taken)
}

// together returns how many keys from the first on have one number after the other, or the same.
func together(keys []BatchKey) int {
	n := 1
	for n < len(keys) && keys[n].Agent == keys[0].Agent && keys[n].Epoch == keys[0].Epoch && keys[n].Seq-keys[n-1].Seq <= 1 {
		n++
	}
	return n
}

// takeStretch deletes batches that follow each other in one statement. One that came meanwhile with the number of another is
// not to go with them: then the day is folded again.
func takeStretch(ctx context.Context, s session, keys []BatchKey, gone *openRow) error {
	first, last := keys[0], keys[len(keys)-1]
	query := `DELETE FROM log WHERE site = ? AND day = ? AND agent = ? AND epoch = ? AND seq >= ? AND seq <= ? AND held IS NULL
		RETURNING site, day, agent, epoch, seq, crc, received, n, held`
	args := []any{int64(first.Site), first.Day, int64(first.Agent), int64(first.Epoch), int64(first.Seq), int64(last.Seq)}
	want := map[BatchKey]bool{}
	for _, k := range keys {
		want[k] = true
	}
	got := 0
	err := eachRow(ctx, s, "table log", query, args, func(scan func(...any) error) error {
		var l logRow
		if err := l.scan(scan); err != nil {
			return err
		}
		if !want[l.BatchKey] {
			return ErrStale
		}
		got++
		gone.remove(l)
		return nil
	})
	if err == nil && got < len(want) {
		err = damaged("read table log, site %v, day %d: got %d of the %d batches that were folded", first.Site, first.Day, got, len(want))
	}
	return err
}

func sortedKeys[V any](m map[uint32]V) []uint32 {
	keys := make([]uint32, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
