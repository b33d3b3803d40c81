package uptally

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"sort"
)

// Sketch counts response times in log-linear buckets: below 128 µs each its own, above it 64 buckets to every doubling.
// A value read from it is within 0.8 % of the true one. Sketches of parts merge to exactly the sketch of the whole. It
// serves live views; what a contract counts ("99 % under 300 ms") is counted from the results.
// The zero Sketch is empty.
type Sketch struct {
	buckets []bucket // ascending by index, no count 0
}

// bucket is the number of values of one bucket below its index: a month has a million of them in memory. The number has 52 bits, which no
// clock fills: one value a millisecond for a hundred thousand years.
type bucket uint64

const (
	perOctave  = 64
	lastBucket = (63-7+2)*perOctave - 1 // that of math.MaxInt64, of 12 bits
	countBits  = 52
)

func bucketWith(index uint16, count uint64) bucket { return bucket(uint64(index)<<countBits | count) }

func (b bucket) index() uint16 { return uint16(b >> countBits) }

func (b bucket) count() uint64 { return uint64(b) & (1<<countBits - 1) }

// bucketOf returns the index of the bucket of v; a negative v counts as 0.
func bucketOf(v int64) uint16 {
	if v < 2*perOctave {
		return uint16(max(v, 0))
	}
	shift := bits.Len64(uint64(v)) - 7
	return uint16(shift*perOctave + int(v>>shift))
}

// middle returns the value that stands for a bucket.
func middle(index uint16) int64 {
	if index < 2*perOctave {
		return int64(index)
	}
	shift := int(index)/perOctave - 1
	return int64(index%perOctave+perOctave)<<shift + 1<<(shift-1)
}

// sketchOf returns the sketch of counts by bucket, the first of which has an index.
func sketchOf(counts []uint32, first int) Sketch {
	n := 0
	for _, c := range counts {
		if c > 0 {
			n++
		}
	}
	if n == 0 {
		return Sketch{}
	}
	s := Sketch{make([]bucket, 0, n)}
	for i, c := range counts {
		if c > 0 {
			s.buckets = append(s.buckets, bucketWith(uint16(first+i), uint64(c)))
		}
	}
	return s
}

// Add counts one response time in µs.
func (s *Sketch) Add(v int64) { s.add(bucketOf(v), 1) }

func (s *Sketch) add(index uint16, count uint64) {
	i := sort.Search(len(s.buckets), func(i int) bool { return s.buckets[i].index() >= index })
	if i < len(s.buckets) && s.buckets[i].index() == index {
		s.buckets[i] += bucket(count)
		return
	}
	s.buckets = slices.Insert(s.buckets, i, bucketWith(index, count))
}

// Merge adds what o counted.
func (s *Sketch) Merge(o Sketch) {
	for _, b := range o.buckets {
		s.add(b.index(), b.count())
	}
}

// Count returns the number of values.
func (s Sketch) Count() int64 {
	var n uint64
	for _, b := range s.buckets {
		n += b.count()
	}
	return int64(n)
}

// Rank returns the k-th smallest value in µs, k from 1 to Count, within 0.8 %; 0 outside that range.
func (s Sketch) Rank(k int64) int64 {
	for _, b := range s.buckets {
		if k -= int64(b.count()); k <= 0 {
			return middle(b.index())
		}
	}
	return 0
}

// append appends the canonical bytes: the number of buckets, then for each how many indices lie between it and the one
// before, and its count. Without empty buckets there is one form only.
func (s Sketch) append(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s.buckets)))
	next := uint16(0)
	for _, b := range s.buckets {
		dst = binary.AppendUvarint(dst, uint64(b.index()-next))
		dst = binary.AppendUvarint(dst, b.count())
		next = b.index() + 1
	}
	return dst
}

// sketch reads what append wrote and demands that it counts n values.
func (h *HeadDecoder) sketch(r *wireReader, n uint64) Sketch {
	k := r.uvarint("a number of buckets", lastBucket+1)
	if least := 2 * k; least > uint64(len(r.data)) { // each takes two bytes or more
		r.fail("got %d bytes, want %d buckets", len(r.data), k)
	}
	if r.err != nil {
		return Sketch{}
	}
	room := &h.room().buckets
	if h.Passing {
		*room = (*room)[:0]
	}
	if int(k) > cap(*room)-len(*room) {
		*room = make([]bucket, 0, max(int(k), min(2*cap(*room), mostBuckets)))
	}
	all := (*room)[len(*room):len(*room)]
	next, left := uint64(0), n
	for ; k > 0 && r.err == nil; k-- {
		passed, count, size := shortPair(r.data)
		if size > 0 && passed <= lastBucket && count <= left {
			r.data = r.data[size:]
		} else {
			passed, count = r.uvarint("a bucket", lastBucket), r.uvarint("a count of a bucket", left)
		}
		index := next + passed
		if r.err == nil && (index > lastBucket || count == 0) {
			r.fail("got %d values in bucket %d, want at least 1, in a bucket up to %d", count, index, lastBucket)
		}
		all = append(all, bucketWith(uint16(index), count))
		next, left = index+1, left-count
	}
	if left > 0 {
		r.fail("got a sketch of %d response times, want %d", n-left, n)
	}
	if r.err != nil || len(all) == 0 {
		return Sketch{}
	}
	*room = (*room)[:len(*room)+len(all)]
	return Sketch{slices.Clip(all)}
}
