package agreements

import (
	"container/heap"
	"fmt"
	"slices"
	"time"

	"github.com/uptally/uptally"
)

// row is n ≥ 1 samples of one site with one reason, sent at at, at+step, …: a uptally.Run by send instant.
type row struct {
	at, step, n int64
	outcome     uptally.Outcome
	reason      uptally.Reason
}

// last returns the send instant of the last sample.
func (w row) last() int64 { return w.at + (w.n-1)*w.step }

// head returns the first k samples, 1 ≤ k ≤ n.
func (w row) head(k int64) row {
	w.n = k
	return w
}

// tail returns what is left after the first k samples; n is 0 where nothing is.
func (w row) tail(k int64) row {
	w.at += k * w.step
	w.n -= k
	return w
}

// before returns how many samples were sent before the instant t.
func (w row) before(t int64) int64 {
	switch {
	case t <= w.at:
		return 0
	case t > w.last():
		return w.n
	}
	return (t-w.at-1)/w.step + 1
}

// inSendOrder appends the samples of one site to rows, void ones included, in send order and without repeats. What was
// not probed (missed) and what the ledger does not know is no sample. Runs that follow each other already, as those of
// folded days do, cost one comparison each.
func inSendOrder(rows []row, runs []uptally.Run) ([]row, error) {
	ordered := true
	for _, r := range runs {
		o := r.Reason.Outcome()
		switch {
		case !wellFormed(r):
			return nil, fmt.Errorf("got a run of %d results from %d every %d ms with %v, want at least one, ascending, within bounds, with a reason of the closed list", r.N, r.At, r.Step, r.Reason)
		case o == uptally.Missed || o == uptally.Unknown:
			continue
		}
		w := row{r.At + int64(r.Late), int64(r.Step), int64(r.N), o, r.Reason}
		if k := len(rows); k > 0 && w.at <= rows[k-1].last() {
			ordered = false
		}
		rows = append(rows, w)
	}
	if ordered {
		return rows, nil
	}
	return merged(rows), nil
}

// wellFormed reports whether r has samples, ascending, with a known reason, all between Ever and Forever.
func wellFormed(r uptally.Run) bool {
	first := r.At + int64(r.Late)
	switch {
	case r.N < 1 || !r.Reason.Valid() || r.At <= Ever || first <= Ever || first >= Forever:
		return false
	case r.N == 1:
		return true
	}
	return r.Step > 0 && int64(r.Step) < (Forever-first)/int64(r.N-1)
}

// rowHeap orders rows by first send instant. Of repeats the one with the smallest reason comes first and is kept, so
// that the order of the input never shows.
type rowHeap []row

func (h rowHeap) Len() int { return len(h) }
func (h rowHeap) Less(i, j int) bool {
	return h[i].at < h[j].at || h[i].at == h[j].at && h[i].reason < h[j].reason
}
func (h rowHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *rowHeap) Push(x any)   { *h = append(*h, x.(row)) }
func (h *rowHeap) Pop() any {
	last := len(*h) - 1
	w := (*h)[last]
	*h = (*h)[:last]
	return w
}

// second returns the index of the row that comes next after the first; there are at least two.
func (h rowHeap) second() int {
	if len(h) > 2 && h.Less(2, 1) {
		return 2
	}
	return 1
}

// skip takes the first k samples off row i.
func (h *rowHeap) skip(i int, k int64) {
	if (*h)[i] = (*h)[i].tail(k); (*h)[i].n == 0 {
		heap.Remove(h, i)
		return
	}
	heap.Fix(h, i)
}

// drop takes off all samples of an instant, which are the first ones of their rows.
func (h *rowHeap) drop(at int64) {
	for len(*h) > 0 && (*h)[0].at == at {
		h.skip(0, 1)
	}
}

// merged returns rows that came in any order or overlap in send order, cut only where another one begins between two
// samples. A repeated sample is dropped; where a site has samples of different outcomes at one instant, all of that instant are:
// neither says more than the other, as with two results of one slot. Source: docs/measuring.md, "The rules".
func merged(rows []row) []row {
	h := rowHeap(slices.Clone(rows))
	heap.Init(&h)
	rows = rows[:0]
	for len(h) > 1 {
		first, i := h[0], h.second()
		next := h[i]
		if k := first.before(next.at); k > 0 {
			rows = append(rows, first.head(k))
			h.skip(0, k)
			continue
		}
		if first.outcome != next.outcome {
			h.drop(first.at)
			continue
		}
		k := int64(1)
		if first.step == next.step {
			k = min(first.n, next.n)
		}
		h.skip(i, k)
	}
	return append(rows, h...)
}

// instant returns t, in milliseconds UTC, as a person reads it.
func instant(t int64) string { return time.UnixMilli(t).UTC().Format("2006-01-02T15:04:05.000Z") }
