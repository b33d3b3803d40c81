package ledger

import (
	"cmp"
	"maps"
	"slices"
)

// spoolRow is what memory keeps of a batch in the spool.
type spoolRow struct {
	id int64 // its place in the order of appending
	Spooled
	acked int64 // when it was acknowledged, 0 for not
	lost  bool  // its bytes are not what they were
}

// waits says that it is to be sent.
func (r spoolRow) waits() bool { return r.acked == 0 && !r.lost }

// spoolIndex is what a spool holds, in order of appending. Numbers are given without gaps, so within an epoch the place of a
// batch is its number and a constant. Make it with newSpoolIndex.
type spoolIndex struct {
	rows    []spoolRow // ascending by id
	epochs  []uint64   // in the order in which they began
	base    map[uint64]int64
	last    map[uint64]uint64 // the highest number of each epoch
	first   int               // no row before this one waits
	waiting int
	unsent  int64 // bytes of the rows that wait
	bytes   int64 // of all rows
}

func newSpoolIndex() spoolIndex {
	return spoolIndex{base: map[uint64]int64{}, last: map[uint64]uint64{}}
}

// begin makes an epoch the present one.
func (x *spoolIndex) begin(epoch uint64) {
	x.epochs = append(x.epochs, epoch)
	x.base[epoch] = x.lastID()
	x.last[epoch] = 0
}

// lastID is the highest place that was given.
func (x *spoolIndex) lastID() int64 {
	last := int64(0)
	if n := len(x.rows); n > 0 {
		last = x.rows[n-1].id
	}
	for epoch, seq := range x.last {
		last = max(last, x.base[epoch]+int64(seq))
	}
	return last
}

// given returns the highest number of each epoch that has any.
func (x *spoolIndex) given() map[uint64]uint64 {
	last := maps.Clone(x.last)
	maps.DeleteFunc(last, func(_, seq uint64) bool { return seq == 0 })
	return last
}

// next returns the next number of an epoch, and its place.
func (x *spoolIndex) next(epoch uint64) (Number, int64) {
	seq := x.last[epoch] + 1
	return Number{epoch, seq}, x.base[epoch] + int64(seq)
}

// add takes a row. One of an unknown epoch begins it; false means that its place is not that of its number, or not free.
func (x *spoolIndex) add(r spoolRow) bool {
	base, known := x.base[r.Epoch]
	if known && base+int64(r.Seq) != r.id {
		return false
	}
	i, found := x.place(r.id)
	if found {
		return false
	}
	if !known {
		x.epochs = append(x.epochs, r.Epoch)
		x.base[r.Epoch] = r.id - int64(r.Seq)
	}
	x.last[r.Epoch] = max(x.last[r.Epoch], r.Seq)
	x.rows = slices.Insert(x.rows, i, r)
	x.bytes += int64(r.Bytes)
	x.count(r, 1)
	x.first = min(x.first, i)
	return true
}

func (x *spoolIndex) count(r spoolRow, n int) {
	if r.waits() {
		x.waiting += n
		x.unsent += int64(n) * int64(r.Bytes)
	}
}

func (x *spoolIndex) place(id int64) (int, bool) {
	return slices.BinarySearchFunc(x.rows, id, func(r spoolRow, id int64) int { return cmp.Compare(r.id, id) })
}

// start returns where the rows of an epoch begin.
func (x *spoolIndex) start(epoch uint64) int {
	base, known := x.base[epoch]
	if !known {
		return len(x.rows)
	}
	i, _ := x.place(base + 1)
	return i
}

// find returns where a number is.
func (x *spoolIndex) find(n Number) (int, bool) {
	base, known := x.base[n.Epoch]
	if !known || n.Seq > x.last[n.Epoch] {
		return 0, false
	}
	i, found := x.place(base + int64(n.Seq))
	return i, found && x.rows[i].Number == n
}

// set changes a row by f.
func (x *spoolIndex) set(i int, f func(*spoolRow)) {
	x.count(x.rows[i], -1)
	f(&x.rows[i])
	x.count(x.rows[i], 1)
	x.first = min(x.first, i)
}

// remove takes rows out, and epochs that nothing is left of but the present one.
func (x *spoolIndex) remove(gone map[int64]bool, present uint64) {
	left := map[uint64]bool{present: true}
	x.rows = slices.DeleteFunc(x.rows, func(r spoolRow) bool {
		if !gone[r.id] {
			left[r.Epoch] = true
			return false
		}
		x.count(r, -1)
		x.bytes -= int64(r.Bytes)
		return true
	})
	x.first = 0
	x.epochs = slices.DeleteFunc(x.epochs, func(epoch uint64) bool {
		if left[epoch] {
			return false
		}
		delete(x.base, epoch)
		delete(x.last, epoch)
		return true
	})
}

// oldest returns the first row that waits.
func (x *spoolIndex) oldest() (spoolRow, bool) {
	for ; x.first < len(x.rows); x.first++ {
		if x.rows[x.first].waits() {
			return x.rows[x.first], true
		}
	}
	return spoolRow{}, false
}
