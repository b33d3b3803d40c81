package uptally

import (
	"encoding/binary"
	"math/bits"
)

// A body codes each response time as its distance to what the ones before it led to expect, in as many bits as they are usually
// apart. Both are learned on the way, so a body has no parameters and one form only, and a day of a quiet network takes
// what its noise is worth: a sixth less than varints under zstd, and faster to read.

const (
	// mostZeros is how many zeros announce a distance that is written whole.
	mostZeros = 12
	// mostLow bounds the low bits, so that the short form fits into what a reader holds at once.
	mostLow = 40
)

// expectation is what the response times so far say about the next, in sixteenths of µs. Sums wrap around: the difference
// to any response time is exact all the same.
type expectation struct {
	time int64
	// apart is the mean of the zigzag distances.
	apart  uint64
	primed bool
}

func newExpectation() expectation { return expectation{apart: 1_000 * 16} }

// low is how many low bits of the next distance are written as they are: one in two is longer by a bit or none.
func (e *expectation) low() int { return min(bits.Len64(e.apart>>5), mostLow) }

// learn takes in a response time that was d from the expected one, u being d in zigzag form and low the bits used for it. A single spike
// moves little: beyond what was usual, distances count as that.
func (e *expectation) learn(v, d int64, u uint64, low int) {
	if !e.primed {
		e.primed, e.time = true, v<<4
		return
	}
	usual := int64(1) << low
	e.time += min(max(d, -usual), usual) << 1
	e.apart += min(u, 8<<low) - e.apart>>4
}

// appendTimes appends the response times of d, as AppendBody describes them.
func (d Day) appendTimes(dst []byte) []byte {
	w, e := bitWriter{dst: dst}, newExpectation()
	for _, v := range d.RTT {
		dist := v - e.time>>4
		u, low := zigzag(dist), e.low()
		if q := u >> low; q < mostZeros {
			w.add(1, int(q)+1)
			w.add(u&(1<<low-1), low)
		} else {
			n := bits.Len64(u)
			w.add(0, mostZeros)
			w.add(uint64(n-1), 6)
			w.add(u>>32, max(n-32, 0))
			w.add(u&(1<<32-1), min(n, 32))
		}
		e.learn(v, dist, u, low)
	}
	return w.close()
}

// bitTimes reads what appendTimes wrote into rtt.
func (r *wireReader) bitTimes(rtt []int64) {
	b, e := bitReader{data: r.data}, newExpectation()
	for i := range rtt {
		if b.at+8 <= len(b.data) { // fill by hand: it is too long to be inlined
			b.fillEight()
		} else {
			b.fillLast()
		}
		low := e.low()
		q := bits.LeadingZeros64(b.ahead)
		u := uint64(q)<<low | b.ahead<<(q+1)>>(64-low)
		if q < mostZeros {
			b.skip(q + 1 + low)
		} else if u = b.long(); u>>low < mostZeros {
			if b.held >= 0 {
				r.fail("got distance %d after %d zeros, want the shortest form", u, mostZeros)
			}
			break
		}
		dist := unzigzag(u)
		v := dist + e.time>>4
		if v < 0 {
			r.fail("got response time %d µs, want 0 or more", v)
			return
		}
		rtt[i] = v
		e.learn(v, dist, u, low)
	}
	r.bitEnd(b)
}

// long reads a distance that is written whole, 0 where it is not in its shortest form.
func (b *bitReader) long() uint64 {
	b.skip(mostZeros)
	n := int(b.take(6)) + 1
	u := b.take(max(n-32, 0))<<32 | b.take(min(n, 32))
	if bits.Len64(u) != n {
		return 0
	}
	return u
}

// bitEnd demands that all bits were there and all bytes were read, and leaves nothing.
func (r *wireReader) bitEnd(b bitReader) {
	switch left := b.left(); {
	case left < 0:
		r.fail("got %d bytes, want response times of more", len(r.data))
	case left >= 8 || b.ahead != 0:
		r.fail("got %d bits after the last response time, want less than 8, all 0", left)
	default:
		r.data = nil
	}
}

// varTimes reads zigzag differences, the body's payload of version 1 and that of a batch.
func (r *wireReader) varTimes(rtt []int64) {
	prev := int64(0)
	for i := range rtt {
		prev = r.rtt(prev)
		rtt[i] = prev
	}
}

func zigzag(d int64) uint64   { return uint64(d<<1) ^ uint64(d>>63) }
func unzigzag(u uint64) int64 { return int64(u>>1) ^ -int64(u&1) }

// bitWriter appends bits, those of a byte from the highest.
type bitWriter struct {
	dst  []byte
	bits uint64 // the last held ones count
	held int    // below 8 between calls
}

// add appends the n ≤ 56 low bits of v, above which v is 0.
func (w *bitWriter) add(v uint64, n int) {
	w.bits, w.held = w.bits<<n|v, w.held+n
	for w.held >= 8 {
		w.held -= 8
		w.dst = append(w.dst, byte(w.bits>>w.held))
	}
}

// close fills the last byte with zeros.
func (w *bitWriter) close() []byte {
	if w.held > 0 {
		w.add(0, 8-w.held)
	}
	return w.dst
}

// bitReader reads bits; past the end they are 0 and held is negative.
type bitReader struct {
	data  []byte
	at    int    // of the next byte
	ahead uint64 // the next bits, from the highest
	held  int    // how many of them
}

// fillEight makes at least 56 bits ready where eight bytes are left.
func (b *bitReader) fillEight() {
	b.ahead |= binary.BigEndian.Uint64(b.data[b.at:]) >> (b.held & 63)
	b.at += (63 - b.held) >> 3
	b.held |= 56 // the bits beyond are the ones that come next, and are or-ed in again
}

// fillLast makes up to 56 bits ready.
func (b *bitReader) fillLast() {
	for b.held >= 0 && b.held <= 56 && b.at < len(b.data) {
		b.ahead |= uint64(b.data[b.at]) << (56 - b.held)
		b.at, b.held = b.at+1, b.held+8
	}
}

// left is how many bits were not read, negative where there were too few.
func (b *bitReader) left() int { return b.held + 8*(len(b.data)-b.at) }

func (b *bitReader) skip(n int) {
	b.ahead <<= n
	b.held -= n
}

// take reads n ≤ 32 bits.
func (b *bitReader) take(n int) uint64 {
	b.fillLast()
	v := b.ahead >> (64 - n)
	b.skip(n)
	return v
}
