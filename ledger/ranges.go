package ledger

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"sort"

	"github.com/uptally/uptally"
)

// ranges are numbers, as ascending stretches that do not touch, both ends included.
type ranges [][2]uint64

// add adds the numbers from first to last.
func (r *ranges) add(first, last uint64) {
	all := *r
	i := sort.Search(len(all), func(i int) bool { return first == 0 || all[i][1] >= first-1 })
	j := i
	for j < len(all) && (last == math.MaxUint64 || all[j][0] <= last+1) {
		first, last = min(first, all[j][0]), max(last, all[j][1])
		j++
	}
	if j == i+1 {
		all[i] = [2]uint64{first, last}
		return
	}
	*r = slices.Replace(all, i, j, [2]uint64{first, last})
}

// gaps returns the stretches between and after the numbers, and before them from 1 on.
func (r ranges) gaps() ranges {
	var gaps ranges
	next := uint64(1)
	for _, s := range r {
		if s[0] > next {
			gaps = append(gaps, [2]uint64{next, s[0] - 1})
		}
		if s[1] == math.MaxUint64 {
			return gaps
		}
		next = s[1] + 1
	}
	return append(gaps, [2]uint64{next, math.MaxUint64})
}

const rangesVersion = 1

// appendRanges appends the canonical bytes: version 1, the number of stretches, then for each how many numbers lie between
// it and the one before (the first: before it, from 0 on) less one, and how many it has less one; CRC-32C of all before it.
func appendRanges(dst []byte, r ranges) []byte {
	from := len(dst)
	dst = binary.AppendUvarint(append(dst, rangesVersion), uint64(len(r)))
	next := uint64(0)
	for _, s := range r {
		dst = binary.AppendUvarint(dst, s[0]-next)
		dst = binary.AppendUvarint(dst, s[1]-s[0])
		next = s[1] + 2
	}
	return uptally.AppendCRC(dst, from)
}

// decodeRanges is the inverse of appendRanges. It accepts canonical bytes only.
func decodeRanges(data []byte) (ranges, error) {
	if _, sound := uptally.CRC(data); !sound {
		return nil, fmt.Errorf("decode ranges: %w", uptally.ErrDamaged)
	}
	data = data[:len(data)-4]
	if len(data) == 0 || data[0] != rangesVersion {
		return nil, fmt.Errorf("decode ranges: got version %x, want %d", data[:min(len(data), 1)], rangesVersion)
	}
	n, rest, ok := cutUvarint(data[1:])
	if !ok || n > uint64(len(rest))/2 {
		return nil, fmt.Errorf("decode ranges: got %d stretches in %d bytes, want fewer", n, len(rest))
	}
	r := make(ranges, 0, n)
	for next, full := uint64(0), false; n > 0; n-- {
		var before, more uint64
		var first, second bool
		before, rest, first = cutUvarint(rest)
		more, rest, second = cutUvarint(rest)
		if !first || !second || full || before > math.MaxUint64-next || more > math.MaxUint64-next-before {
			return nil, fmt.Errorf("decode ranges: got %d more after %d, want ascending stretches of 64 bits", more, before)
		}
		s := [2]uint64{next + before, next + before + more}
		r = append(r, s)
		full = s[1] > math.MaxUint64-2
		next = s[1] + 2
	}
	if len(rest) > 0 {
		return nil, fmt.Errorf("decode ranges: got %d trailing bytes, want none", len(rest))
	}
	return r, nil
}

// seen returns the numbers of an epoch that were folded and are gone from the log, and the bytes that say so.
func seen(ctx context.Context, s session, agent, epoch uint64) (r ranges, data []byte, err error) {
	found, err := oneRow(ctx, s, "table seen", `SELECT data FROM seen WHERE agent = ? AND epoch = ?`, []any{int64(agent), int64(epoch)}, &data)
	if err != nil || !found {
		return nil, nil, err
	}
	if r, err = decodeRanges(data); err != nil {
		err = damaged("read table seen, agent %x, epoch %x: %v", agent, epoch, err)
	}
	return r, data, err
}

// see adds numbers to those of an epoch. Where another process does the same at once the error is errAgain.
func see(ctx context.Context, s session, agent, epoch uint64, more ranges) error {
	r, was, err := seen(ctx, s, agent, epoch)
	if err != nil {
		return err
	}
	for _, m := range more {
		r.add(m[0], m[1])
	}
	var n int64
	is := appendRanges(nil, r)
	change := tally{1, seenDigest(agent, epoch, is)}
	if was == nil {
		n, err = changed(ctx, s, `INSERT INTO seen (agent, epoch, data) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`, int64(agent), int64(epoch), is)
	} else {
		change.remove(seenDigest(agent, epoch, was))
		n, err = changed(ctx, s, `UPDATE seen SET data = ? WHERE agent = ? AND epoch = ? AND data = ?`, is, int64(agent), int64(epoch), was)
	}
	if err == nil && n == 0 {
		err = errAgain
	}
	if err != nil {
		return err
	}
	return addTally(ctx, s, tallySeen, change)
}

func seenDigest(agent, epoch uint64, data []byte) uint64 {
	return rowDigest(int64(agent), int64(epoch), data)
}

// eachSeen calls f with the numbers of every epoch that were folded.
func eachSeen(ctx context.Context, s session, f func(agent, epoch uint64, r ranges)) error {
	want, err := readTally(ctx, s, tallySeen)
	if err != nil {
		return err
	}
	var got tally
	err = eachRow(ctx, s, "table seen", `SELECT agent, epoch, data FROM seen`, nil, func(scan func(...any) error) error {
		var agent, epoch int64
		var data []byte
		if err := scan(&agent, &epoch, &data); err != nil {
			return err
		}
		r, err := decodeRanges(data)
		if err != nil {
			return damaged("read table seen, agent %x, epoch %x: %v", uint64(agent), uint64(epoch), err)
		}
		got.add(seenDigest(uint64(agent), uint64(epoch), data))
		f(uint64(agent), uint64(epoch), r)
		return nil
	})
	if err == nil {
		err = got.check("table seen", want)
	}
	return err
}

// Taken returns the numbers of an epoch, sealed or in the log.
func (t *tables) Taken(ctx context.Context, agent, epoch uint64) ([][2]uint64, error) {
	var all ranges
	err := t.engine.read(ctx, func(ctx context.Context, s session) (err error) {
		if all, _, err = seen(ctx, s, agent, epoch); err != nil {
			return err
		}
		return eachLogDay(ctx, s, func(d SiteDay) error {
			query := `SELECT seq FROM log WHERE site = ? AND day = ? AND agent = ? AND epoch = ?`
			return eachRow(ctx, s, "table log", query, []any{int64(d.Site), d.Day, int64(agent), int64(epoch)}, func(scan func(...any) error) error {
				var seq int64
				err := scan(&seq)
				all.add(uint64(seq), uint64(seq))
				return err
			})
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read numbers of agent %x, epoch %x: %w", agent, epoch, err)
	}
	return all, nil
}

// eachLogDay calls f with every site's day that log has a row of, ascending. It leaps from one to the next.
func eachLogDay(ctx context.Context, s session, f func(SiteDay) error) error {
	var d SiteDay
	query, args := `SELECT site, day FROM log ORDER BY site, day LIMIT 1`, []any(nil)
	for {
		var site int64
		found, err := oneRow(ctx, s, "table log", query, args, &site, &d.Day)
		if err != nil || !found {
			return err
		}
		d.Site = uptally.ID(site)
		if err := f(d); err != nil {
			return err
		}
		query = `SELECT site, day FROM log WHERE (site, day) > (?, ?) ORDER BY site, day LIMIT 1`
		args = []any{site, d.Day}
	}
}
