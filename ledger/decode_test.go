package ledger

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/uptally/uptally"
)

// withCRC appends a sound CRC, so that a fuzzer gets past it.
func withCRC(data []byte) []byte { return uptally.AppendCRC(slices.Clone(data), 0) }

func FuzzDecodeManifest(f *testing.F) {
	f.Add(appendManifest(nil, nil)[:2])
	f.Add([]byte{manifestVersion, 2, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		data = withCRC(data)
		blocks, err := decodeManifest(data)
		if err == nil && !bytes.Equal(appendManifest(nil, blocks), data) {
			t.Errorf("%x became %v and %x", data, blocks, appendManifest(nil, blocks))
		}
	})
}

func FuzzDecodeRanges(f *testing.F) {
	f.Add([]byte{rangesVersion, 0})
	f.Add([]byte{rangesVersion, 2, 1, 2, 0, 7})
	f.Add([]byte{rangesVersion, 1, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		data = withCRC(data)
		r, err := decodeRanges(data)
		if err == nil && !bytes.Equal(appendRanges(nil, r), data) {
			t.Errorf("%x became %v and %x", data, r, appendRanges(nil, r))
		}
	})
}

// Ranges are a set: what was added is in, nothing else is, and gaps are the rest.
func TestRanges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var r ranges
		in := map[uint64]bool{}
		number := rapid.OneOf(rapid.Uint64Range(0, 20), rapid.Uint64Range(math.MaxUint64-5, math.MaxUint64))
		for range rapid.IntRange(0, 12).Draw(t, "stretches") {
			first := number.Draw(t, "first")
			last := first + min(rapid.Uint64Range(0, 3).Draw(t, "more"), math.MaxUint64-first)
			r.add(first, last)
			for n := first; ; n++ {
				in[n] = true
				if n == last {
					break
				}
			}
		}
		if got, err := decodeRanges(appendRanges(nil, r)); err != nil || !slices.Equal(got, r) {
			t.Fatalf("%v became %v, %v", r, got, err)
		}
		has := func(r ranges, n uint64) bool {
			return slices.ContainsFunc(r, func(s [2]uint64) bool { return s[0] <= n && n <= s[1] })
		}
		for i, s := range r {
			if s[0] > s[1] || i > 0 && r[i-1][1]+1 >= s[0] {
				t.Fatalf("got %v, want ascending stretches that do not touch", r)
			}
		}
		for i := range uint64(30) {
			for _, n := range []uint64{i, math.MaxUint64 - i} {
				if has(r, n) != in[n] || n > 0 && has(r.gaps(), n) == in[n] {
					t.Fatalf("%d: got %v, gaps %v, want it in: %v", n, r, r.gaps(), in[n])
				}
			}
		}
	})
}

// A digest of a row tells its columns apart, wherever one ends and the next begins.
func TestRowDigest(t *testing.T) {
	rows := [][]any{{}, {nil}, {int64(0)}, {int64(1)}, {false}, {true}, {""}, {"a"}, {[]byte("a")}, {"a", "b"}, {"ab", ""}, {"", "ab"}, {nil, "ab"}, {int64(1), int64(2)}, {int64(2), int64(1)}}
	seen := map[uint64]int{}
	for i, row := range rows {
		if j, twice := seen[rowDigest(row...)]; twice {
			t.Errorf("rows %v and %v have one digest", rows[j], row)
		}
		seen[rowDigest(row...)] = i
	}
}

// A page of a damaged file may lead to a row that was not asked for. The whole run of TestLedgerDamage met one whose number was negative.
func TestBlockReaderRefusesStrangers(t *testing.T) {
	for _, series := range []int64{-5, 15, 32, 1 << 40} {
		r := &blockReader{block: 1, seals: []sealRow{{day: 7}}, got: make([]blockSum, 1), into: []*dayBlock{{}}}
		err := r.row(func(into ...any) error {
			*into[0].(*int64), *into[1].(*int64) = 7, series
			return nil
		})
		want := fmt.Sprintf("read table head, day 7: got series %d, want one of block 1", series)
		if err == nil || err.Error() != want || !errors.Is(err, uptally.ErrDamaged) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
