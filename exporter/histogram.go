package exporter

import (
	"bytes"
	"strconv"
	"strings"
	"sync/atomic"
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

// histogram counts what lies in each bucket, the last one without a bound. Safe for concurrent use. A check has one, so it
// is small: as counters of the library, each with its name, it took twenty times the memory.
type histogram struct {
	counts [len(bounds) + 1]atomic.Uint64
	sum    atomic.Int64 // microseconds
}

// observe counts a value in microseconds.
func (h *histogram) observe(micros int64) {
	i := 0
	for i < len(bounds) && micros > bounds[i].micros {
		i++
	}
	h.counts[i].Add(1)
	h.sum.Add(micros)
}

// histogramLines writes a histogram under a name.
type histogramLines struct {
	h      *histogram
	name   string
	labels string // {a="b"}, or nothing
}

// add gives the histogram's lines of f to the block.
func (h *histogram) add(b *block, f family, values ...string) {
	name := table[f].Name
	*b = append(*b, part{f, histogramLines{h, name, strings.TrimPrefix(f.line(values...), name)}})
}

// WritePrometheus writes the buckets, cumulative and ascending, then the count, which is that of the last bucket, and the
// sum.
func (l histogramLines) WritePrometheus(page *bytes.Buffer) {
	inner := "{"
	if l.labels != "" {
		inner = l.labels[:len(l.labels)-1] + ","
	}
	buf, n := page.AvailableBuffer(), uint64(0)
	for i := range l.h.counts {
		le := "+Inf"
		if i < len(bounds) {
			le = bounds[i].le
		}
		n += l.h.counts[i].Load()
		buf = append(append(append(append(append(buf, l.name...), "_bucket"...), inner...), `le="`...), le...)
		buf = append(strconv.AppendUint(append(buf, `"} `...), n, 10), '\n')
	}
	buf = append(append(append(append(buf, l.name...), "_count"...), l.labels...), ' ')
	buf = append(strconv.AppendUint(buf, n, 10), '\n')
	buf = append(append(append(append(buf, l.name...), "_sum"...), l.labels...), ' ')
	buf = append(strconv.AppendFloat(buf, float64(l.h.sum.Load())/1e6, 'g', -1, 64), '\n')
	page.Write(buf)
}
