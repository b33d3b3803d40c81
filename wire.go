package uptally

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"math/bits"
)

// ErrDamaged is wrapped by decoders when the checksum of the bytes differs: they are not what was written. It is never a
// reason to delete anything; the sender reads them again.
var ErrDamaged = errors.New("checksum differs")

// crcLen is the length of the CRC-32C at the end of all canonical bytes, big endian.
const crcLen = 4

func castagnoli(data []byte) uint32 { return crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli)) }

// CRC returns the CRC-32C (Castagnoli) at the end of canonical bytes of a batch, a head or a body, and whether it is
// that of the bytes before it. The ledger uses it beside the number as the key of a batch.
func CRC(data []byte) (crc uint32, sound bool) {
	if len(data) < crcLen {
		return 0, false
	}
	n := len(data) - crcLen
	crc = binary.BigEndian.Uint32(data[n:])
	return crc, crc == castagnoli(data[:n])
}

// AppendCRC appends the CRC-32C of dst[from:], as CRC reads it.
func AppendCRC(dst []byte, from int) []byte {
	return binary.BigEndian.AppendUint32(dst, castagnoli(dst[from:]))
}

// wireReader reads canonical bytes from the front. The first thing wrong is kept in err; after it everything reads as 0.
type wireReader struct {
	data []byte
	err  error
}

// openWire checks version and CRC and returns a reader of what lies between.
func openWire(data []byte, version byte) wireReader {
	if _, sound := CRC(data); !sound {
		return wireReader{err: ErrDamaged}
	}
	return openSound(data, version)
}

// openSound is openWire where the CRC was checked before.
func openSound(data []byte, version byte) wireReader {
	r := wireReader{data: data[:len(data)-crcLen]}
	if v := r.byte(); r.err == nil && v != version {
		r.fail("got version %d, want %d", v, version)
	}
	return r
}

func (r *wireReader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format, args...)
	}
	r.data = nil
}

// close demands that everything was read.
func (r *wireReader) close() error {
	if r.err == nil && len(r.data) > 0 {
		r.fail("got %d trailing bytes, want none", len(r.data))
	}
	return r.err
}

func (r *wireReader) bytes(n uint64) []byte {
	if n > uint64(len(r.data)) {
		r.fail("got %d bytes, want %d more", len(r.data), n)
		return nil
	}
	b := r.data[:n]
	r.data = r.data[n:]
	return b
}

func (r *wireReader) byte() byte {
	if b := r.bytes(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *wireReader) fixed64() uint64 {
	if b := r.bytes(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

// uvarint reads a varint in its shortest form that is no more than limit.
func (r *wireReader) uvarint(what string, limit uint64) uint64 {
	v, n := binary.Uvarint(r.data)
	switch {
	case n <= 0 || n > 1 && r.data[n-1] == 0:
		r.fail("got no shortest varint, want %s", what)
		return 0
	case v > limit:
		r.fail("got %s %d, want at most %d", what, v, limit)
		return 0
	}
	r.data = r.data[n:]
	return v
}

// shortPair returns the two varints at the front of data and their length; 0 where one of them has more than four bytes or is not in its
// shortest form, or where less than eight bytes are left.
func shortPair(data []byte) (a, b uint64, size int) {
	if len(data) < 8 {
		return 0, 0, 0
	}
	w := binary.LittleEndian.Uint64(data)
	a, n := shortUvarint(w)
	b, m := shortUvarint(w >> (8 * n))
	if n == 0 || m == 0 {
		return 0, 0, 0
	}
	return a, b, n + m
}

// shortUvarint returns the varint in the low bytes of w and its length, at most four bytes; 0 where it is longer or not in its shortest form.
func shortUvarint(w uint64) (v uint64, n int) {
	n = bits.TrailingZeros64(^w&0x80808080)>>3 + 1
	w &= 1<<(8*n) - 1
	if n > 4 || n > 1 && w>>(8*n-8) == 0 {
		return 0, 0
	}
	return w&0x7f | w>>1&(0x7f<<7) | w>>2&(0x7f<<14) | w>>3&(0x7f<<21), n
}

// varint reads a zigzag varint in its shortest form.
func (r *wireReader) varint(what string) int64 {
	u := r.uvarint(what, math.MaxUint64)
	return int64(u>>1) ^ -int64(u&1)
}

// valueRun is count neighbours of one value.
type valueRun struct{ value, count uint64 }

// runWriter appends (value, count) pairs, as long as they can be.
type runWriter struct {
	dst []byte
	run valueRun
}

func (w *runWriter) add(value, count uint64) {
	if value != w.run.value {
		w.flush()
		w.run.value = value
	}
	w.run.count += count
}

func (w *runWriter) flush() {
	if w.run.count > 0 {
		w.dst = binary.AppendUvarint(w.dst, w.run.value)
		w.dst = binary.AppendUvarint(w.dst, w.run.count)
	}
	w.run = valueRun{}
}

// runs reads maximal runs of values within limit until their counts add up to n, appending to runs. Each takes two bytes
// or more, so what is allocated is bounded by the data.
func (r *wireReader) runs(runs []valueRun, what string, n, limit uint64) []valueRun {
	last := uint64(math.MaxUint64) // above every limit
	d := r.data
	for n > 0 {
		var value, count uint64
		var size int
		if len(d) >= 2 && d[0]|d[1] < 0x80 { // the usual case
			value, count, size = uint64(d[0]), uint64(d[1]), 2
		} else {
			value, count, size = shortPair(d)
		}
		if size == 0 || value > limit || count > n {
			r.data = d
			value, count = r.uvarint(what, limit), r.uvarint("a count", n)
			if r.err != nil {
				return runs
			}
			d, size = r.data, 0
		}
		if count == 0 {
			r.fail("got an empty run of %s %d, want a count", what, value)
			return runs
		}
		if value == last {
			r.fail("got two runs of %s %d, want one", what, value)
			return runs
		}
		runs = append(runs, valueRun{value, count})
		d, n, last = d[size:], n-count, value
	}
	r.data = d
	return runs
}

// appendRTT appends a response time as its difference to the one before.
func appendRTT(dst []byte, prev, rtt int64) []byte { return binary.AppendVarint(dst, rtt-prev) }

// rtt reads what appendRTT wrote.
func (r *wireReader) rtt(prev int64) int64 {
	v := prev + r.varint("a response time")
	if v < 0 { // also where the sum overflows
		r.fail("got response time %d µs, want 0 or more", v)
		return 0
	}
	return v
}
