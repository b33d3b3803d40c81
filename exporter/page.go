package exporter

import (
	"bytes"
	"maps"
	"net/http"
	"slices"

	"github.com/VictoriaMetrics/metrics"
)

// part is some lines of one family: a set of the library's, or a histogram.
type part struct {
	family family
	lines  interface{ WritePrometheus(page *bytes.Buffer) }
}

// set is a set of the library's as lines.
type set struct{ *metrics.Set }

// WritePrometheus writes them in the order of their text.
func (s set) WritePrometheus(page *bytes.Buffer) { s.Set.WritePrometheus(page) }

// block is the lines of one thing that comes and goes as a whole: a check at a site, an agreement. It has sets of its
// own because taking single lines out of a large set is a linear search for each.
type block []part

// next begins another part of f.
func (b *block) next(f family) *metrics.Set {
	s := metrics.NewSet()
	*b = append(*b, part{f, set{s}})
	return s
}

// of returns the part of f, begun if need be.
func (b *block) of(f family) *metrics.Set {
	for _, p := range *b {
		if s, ok := p.lines.(set); ok && p.family == f {
			return s.Set
		}
	}
	return b.next(f)
}

// gauge adds a line with a value that stays.
func (b *block) gauge(f family, v float64, values ...string) {
	b.of(f).NewGauge(f.line(values...), func() float64 { return v })
}

// count adds a line with an integer that stays.
func (b *block) count(f family, n uint64, values ...string) {
	b.of(f).NewCounter(f.line(values...)).Set(n)
}

// counts adds a line for each value of a family's only label, in their order.
func (b *block) counts(f family, ns map[string]uint64) {
	for _, value := range slices.Sorted(maps.Keys(ns)) {
		b.count(f, ns[value], value)
	}
}

// write appends the page: family by family in the order of the table, and within one in the order of the blocks.
func write(page *bytes.Buffer, blocks []block) {
	for f, m := range table {
		start := page.Len()
		page.WriteString("# HELP " + m.Name + " " + m.Help + "\n# TYPE " + m.Name + " " + m.Type + "\n")
		head := page.Len()
		for _, b := range blocks {
			for _, p := range b {
				if p.family == family(f) {
					p.lines.WritePrometheus(page)
				}
			}
		}
		if page.Len() == head {
			page.Truncate(start)
		}
	}
}

// page renders once; scrapes at the same time wait for each other, so that they cost one core at most.
func (e *Exporter) page() []byte {
	e.rendering.Lock()
	defer e.rendering.Unlock()
	page := bytes.NewBuffer(make([]byte, 0, e.pageSize+4096))
	write(page, e.blocks())
	e.pageSize = page.Len()
	return page.Bytes()
}

// Handler serves the page in the text format, version 0.0.4, to GET and HEAD; other methods get 405. Nothing of a
// request reaches the page.
// Source: Prometheus, "Exposition formats", text-based format.
func (e *Exporter) Handler() http.Handler {
	return readOnly(func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		_, _ = w.Write(e.page()) // a scraper that went away is not our error
	})
}

// readOnly answers GET and HEAD.
func readOnly(answer func(http.ResponseWriter)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
			return
		}
		answer(w)
	})
}
