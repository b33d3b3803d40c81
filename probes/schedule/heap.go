package schedule

// heap is a 4-ary heap of (instant, check): half as deep as a binary one, and four children share a cache line. Equal
// instants come in the order of the checks, so that the same events give the same actions.
type heap []entry

type entry struct {
	at    int64
	check int32
}

func (e entry) before(o entry) bool { return e.at < o.at || e.at == o.at && e.check < o.check }

// sink moves the entry at i down to its place.
func (h heap) sink(i int) {
	e := h[i]
	for {
		first := 4*i + 1
		if first >= len(h) {
			break
		}
		least := first
		for c := first + 1; c < min(first+4, len(h)); c++ {
			if h[c].before(h[least]) {
				least = c
			}
		}
		if !h[least].before(e) {
			break
		}
		h[i] = h[least]
		i = least
	}
	h[i] = e
}

// order makes a heap of entries in any order.
func (h heap) order() {
	for i := (len(h) - 2) / 4; i >= 0 && len(h) > 1; i-- {
		h.sink(i)
	}
}
