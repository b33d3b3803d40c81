package exporter

import (
	"sync/atomic"

	"github.com/VictoriaMetrics/metrics"
)

// bound is the upper end of a bucket, inclusive: its text on the page and its value in microseconds.
type bound struct {
	le     string
	micros int64
}

// bounds reach from 1 ms to 10 s, which is also the longest default timeout of a probe.
var bounds = [...]bound{
	{"0.001", 1_000}, {"0.0025", 2_500}, {"0.005", 5_000}, {"0.01", 10_000}, {"0.025", 25_000}, {"0.05", 50_000},
	{"0.1", 100_000}, {"0.25", 250_000}, {"0.5", 500_000}, {"1", 1_000_000}, {"2.5", 2_500_000}, {"5", 5_000_000},
	{"10", 10_000_000},
}

// histogram counts cumulatively: a bucket holds everything up to its bound. Safe for concurrent use.
type histogram struct {
	buckets [len(bounds)]*metrics.Counter
	inf     *metrics.Counter
	sum     atomic.Int64 // microseconds
}

// add gives the histogram's lines of f to the block. A set writes its lines in the order of their text, but buckets
// have to stand in the order of their numbers: wherever the two part ("10" after "5", "+Inf" after "10") a new set begins.
func (h *histogram) add(b *block, f family, values ...string) {
	name, ps := table[f].Name, f.pairs(values)
	bucket := func(le string) string { return line(name+"_bucket", append(ps, "le", le)...) }
	set := b.next(f)
	for i, bd := range bounds {
		if i > 0 && bd.le < bounds[i-1].le {
			set = b.next(f)
		}
		h.buckets[i] = set.NewCounter(bucket(bd.le))
	}
	set = b.next(f)
	h.inf = set.NewCounter(bucket("+Inf"))
	set.NewGauge(line(name+"_count", ps...), func() float64 { return float64(h.inf.Get()) })
	set.NewGauge(line(name+"_sum", ps...), func() float64 { return float64(h.sum.Load()) / 1e6 })
}

// observe counts a value in microseconds. The widest bucket comes first: a page written in between reads the narrow ones
// first, so its buckets never fall.
func (h *histogram) observe(micros int64) {
	h.inf.Inc()
	h.sum.Add(micros)
	for i := len(bounds) - 1; i >= 0 && micros <= bounds[i].micros; i-- {
		h.buckets[i].Inc()
	}
}
