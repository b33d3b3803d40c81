package ledger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"

	"github.com/uptally/uptally"
)

// bodySeries is how many series share a row of table body. One body of a day at 30 s, some 4.5 kB, fits only thrice into a page of
// 16 KiB; sixteen together leave little of their last page empty.
const bodySeries = 16

const bodyRowVersion = 1

// appendBodyRow appends the bytes of a row of table body: the bodies of a block of sixteen series on one day, nil where a
// series has none.
//
//	version 1 | which of the sixteen have a body: 2 bytes, big endian, bit i for member i | their lengths, ascending: varints
//	their bytes, ascending | CRC-32C of all before it, 4 bytes
//
// A body is as small as it gets by itself (see uptally.Day.AppendBody): a general compressor over the row finds nothing.
func appendBodyRow(dst []byte, members [bodySeries][]byte) []byte {
	from := len(dst)
	var has uint16
	for i, m := range members {
		if len(m) > 0 {
			has |= 1 << i
		}
	}
	dst = append(dst, bodyRowVersion)
	dst = binary.BigEndian.AppendUint16(dst, has)
	for _, m := range members {
		if len(m) > 0 {
			dst = binary.AppendUvarint(dst, uint64(len(m)))
		}
	}
	for _, m := range members {
		dst = append(dst, m...)
	}
	return uptally.AppendCRC(dst, from)
}

// decodeBodyRow is the inverse of appendBodyRow and accepts only its bytes. The members are parts of data, nothing is copied.
// The error wraps uptally.ErrDamaged where the checksum differs.
func decodeBodyRow(data []byte) (members [bodySeries][]byte, err error) {
	if _, sound := uptally.CRC(data); !sound {
		return members, fmt.Errorf("decode row of bodies: %w", uptally.ErrDamaged)
	}
	data = data[:len(data)-4]
	if len(data) < 3 || data[0] != bodyRowVersion {
		return members, fmt.Errorf("decode row of bodies: got %d bytes %.1x, want version %d and which members there are", len(data), data, bodyRowVersion)
	}
	has := binary.BigEndian.Uint16(data[1:])
	data = data[3:]
	var lengths [bodySeries]uint64
	for rest := has; rest != 0; rest &= rest - 1 {
		n, read := binary.Uvarint(data)
		if read <= 0 || n == 0 || read > 1 && data[read-1] == 0 {
			return members, errors.New("decode row of bodies: got no shortest varint, want the length of a member")
		}
		lengths[bits.TrailingZeros16(rest)] = n
		data = data[read:]
	}
	for i, n := range lengths {
		if n > uint64(len(data)) {
			return [bodySeries][]byte{}, fmt.Errorf("decode row of bodies: got %d bytes, want %d of member %d", len(data), n, i)
		}
		if n > 0 {
			members[i], data = data[:n:n], data[n:]
		}
	}
	if len(data) > 0 {
		return [bodySeries][]byte{}, fmt.Errorf("decode row of bodies: got %d trailing bytes, want none", len(data))
	}
	return members, nil
}
