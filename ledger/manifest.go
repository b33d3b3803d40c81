package ledger

import (
	"encoding/binary"
	"fmt"

	"github.com/uptally/uptally"
)

// blockSum is what a sealed day has of a block of sixteen series: which members, and the XOR of the first eight bytes of their
// heads' digests.
type blockSum struct {
	block uint32
	mask  uint16
	sum   uint64
}

const manifestVersion = 1

// appendManifest appends the canonical bytes of a sealed day's blocks, ascending, none of them empty:
//
//	version 1 | number of blocks | each: numbers passed over since the one before | mask: 2 bytes, bit i for member i | sum: 8 bytes
//	CRC-32C of all before it, 4 bytes
func appendManifest(dst []byte, blocks []blockSum) []byte {
	from := len(dst)
	dst = binary.AppendUvarint(append(dst, manifestVersion), uint64(len(blocks)))
	next := uint32(0)
	for _, b := range blocks {
		dst = binary.AppendUvarint(dst, uint64(b.block-next))
		dst = binary.BigEndian.AppendUint16(dst, b.mask)
		dst = binary.BigEndian.AppendUint64(dst, b.sum)
		next = b.block + 1
	}
	return uptally.AppendCRC(dst, from)
}

// decodeManifest is the inverse of appendManifest. It accepts canonical bytes only.
func decodeManifest(data []byte) ([]blockSum, error) {
	if _, sound := uptally.CRC(data); !sound {
		return nil, fmt.Errorf("decode manifest: %w", uptally.ErrDamaged)
	}
	data = data[:len(data)-4]
	if len(data) == 0 || data[0] != manifestVersion {
		return nil, fmt.Errorf("decode manifest: got version %x, want %d", data[:min(len(data), 1)], manifestVersion)
	}
	n, rest, ok := cutUvarint(data[1:])
	if !ok || n > uint64(len(rest)) {
		return nil, fmt.Errorf("decode manifest: got %d blocks in %d bytes, want fewer", n, len(rest))
	}
	blocks := make([]blockSum, 0, min(n, uint64(len(rest)/11)))
	for next := uint64(0); n > 0; n-- {
		var passed uint64
		passed, rest, ok = cutUvarint(rest)
		if !ok || len(rest) < 10 || passed >= 1<<32 || next+passed >= 1<<32 {
			return nil, fmt.Errorf("decode manifest: got a block after %d numbers more and %d bytes, want one that fits", passed, len(rest))
		}
		b := blockSum{uint32(next + passed), binary.BigEndian.Uint16(rest), binary.BigEndian.Uint64(rest[2:])}
		if b.mask == 0 {
			return nil, fmt.Errorf("decode manifest: got block %d without members, want at least one", b.block)
		}
		blocks = append(blocks, b)
		rest, next = rest[10:], uint64(b.block)+1
	}
	if len(rest) > 0 {
		return nil, fmt.Errorf("decode manifest: got %d trailing bytes, want none", len(rest))
	}
	return blocks, nil
}

// cutUvarint reads a varint in its shortest form from the front.
func cutUvarint(data []byte) (v uint64, rest []byte, ok bool) {
	v, n := binary.Uvarint(data)
	if n <= 0 || n > 1 && data[n-1] == 0 {
		return 0, data, false
	}
	return v, data[n:], true
}
