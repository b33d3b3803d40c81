package simulator

import (
	"errors"
	"slices"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/ledger/delivery"
)

// disk is a spool's file as the contract of a spool describes it: what is on it survives a kill and a power cut, but for marks
// that were not flushed yet.
type disk struct {
	w           *World
	owner       int
	agent       uint64
	epoch, seq  uint64
	incarnation uint64
	rows        []*row // in order of appending
	index       map[delivery.Number]*row
	dirty       []*row // marked since the last flush
	size, bound int
	unsynced    []*row // with NoFsync: what a power cut takes
}

// row is a batch on a disk.
type row struct {
	delivery.Number
	b       *batch
	at      int64 // appended, by the agent's clock
	acked   int64 // 0 for not
	damaged bool
}

// batch is a batch that an append returned for, wherever copies of it are.
type batch struct {
	delivery.Number
	agent   uint64
	data    []byte
	results []uptally.Result
	copies  int // readable ones on disks
	// lost: its last copy was destroyed by a fault, and no ledger had it then, or one lost it later.
	lost     bool
	hurt     bool // a fault destroyed a copy
	inLedger bool
}

var (
	errFull    = errors.New("no space left on device")
	errBounded = errors.New("spool is full of what is not acknowledged")
)

func newDisk(w *World, owner int, agent uint64, bound int) *disk {
	return &disk{w: w, owner: owner, agent: agent, bound: bound, index: map[delivery.Number]*row{}}
}

// open begins an epoch.
func (d *disk) open() {
	d.epoch, d.seq = d.w.rng.Uint64(), 0
}

// append makes results durable as the next batch. Rows that were acknowledged longest ago make room.
func (d *disk) append(site uptally.ID, results []uptally.Result, now int64) (*row, error) {
	if d.w.bug == NumberBeforeAppend {
		d.seq++
	}
	if d.w.now < d.w.machines[d.owner].fullUntil {
		return nil, errFull
	}
	seq := d.seq + 1
	if d.w.bug == NumberBeforeAppend {
		seq--
	}
	in := uptally.Batch{Agent: d.agent, Epoch: d.epoch, Seq: seq, Site: site, Day: uptally.DayOf(results[0].At), Results: results}
	data, err := in.AppendBinary(nil)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	if !d.makeRoom(len(data)) {
		return nil, errBounded
	}
	d.seq = seq
	b := &batch{Number: delivery.Number{Epoch: d.epoch, Seq: seq}, agent: d.agent, data: data, results: results}
	d.w.keepBatch(b)
	r := &row{Number: b.Number, b: b, at: now}
	d.add(r)
	d.flush()
	if d.w.bug == NoFsync {
		d.unsynced = append(d.unsynced, r)
		d.w.after(d.w.between(5_000, 30_000), func() {
			d.unsynced = slices.DeleteFunc(d.unsynced, func(o *row) bool { return o == r })
		})
	}
	d.w.told("append", d.owner, r.Epoch, r.Seq)
	return r, nil
}

func (d *disk) add(r *row) {
	d.rows = append(d.rows, r)
	d.index[r.Number] = r
	d.size += len(r.b.data)
	if !r.damaged {
		r.b.copies++
	}
}

// drop takes a row off the disk.
func (d *disk) drop(r *row) {
	i := slices.Index(d.rows, r)
	d.rows = slices.Delete(d.rows, i, i+1)
	delete(d.index, r.Number)
	d.size -= len(r.b.data)
	if !r.damaged {
		r.b.copies--
	}
}

// destroy takes a copy away by a fault.
func (d *disk) destroy(r *row) {
	if !r.damaged {
		r.b.copies--
		r.b.hurt = true
		d.w.judgeLoss(r.b)
	}
}

func (d *disk) makeRoom(n int) bool {
	for d.size+n > d.bound {
		i := d.oldestAcked()
		if i < 0 {
			if d.w.bug != DropsOldest {
				return false
			}
			i = 0
		}
		r := d.rows[i]
		damaged := r.damaged
		d.drop(r)
		if !damaged && d.w.bug != DropsOldest {
			r.b.hurt = true
			d.w.judgeLoss(r.b)
		}
		d.w.told("bounded", d.owner, r.Epoch, r.Seq)
	}
	return true
}

func (d *disk) oldestAcked() int {
	oldest := -1
	for i, r := range d.rows {
		if r.acked != 0 && (oldest < 0 || r.acked < d.rows[oldest].acked) {
			oldest = i
		}
	}
	return oldest
}

// mark notes acknowledgements; they are durable with the next flush.
func (d *disk) mark(numbers []delivery.Number, now int64) {
	for _, n := range numbers {
		if r := d.index[n]; r != nil {
			r.acked = now
			d.dirty = append(d.dirty, r)
		}
	}
}

func (d *disk) flush() { d.dirty = d.dirty[:0] }

// unmark clears the marks of an epoch that the ledger has not, and returns those rows; the others are of the instant at, if it is not 0.
func (d *disk) unmark(epoch uint64, taken delivery.Ranges, at int64) []delivery.Spooled {
	var again []delivery.Spooled
	for _, r := range d.rows {
		if r.Epoch != epoch || r.acked == 0 {
			continue
		}
		if at != 0 && d.w.bug != MarksStayOld {
			r.acked = at
		}
		if !taken.Has(r.Seq) {
			r.acked = 0
			again = append(again, r.spooled())
			d.w.told("unmark", d.owner, r.Epoch, r.Seq)
		}
	}
	return again
}

func (r *row) spooled() delivery.Spooled {
	return delivery.Spooled{Number: r.Number, Bytes: len(r.b.data), At: r.at}
}

func (d *disk) pending() []delivery.Spooled {
	var all []delivery.Spooled
	for _, r := range d.rows {
		if r.acked == 0 {
			all = append(all, r.spooled())
		}
	}
	return all
}

// trim deletes what was acknowledged before an instant.
func (d *disk) trim(before int64) {
	var old []*row
	for _, r := range d.rows {
		if r.acked != 0 && r.acked < before {
			old = append(old, r)
		}
	}
	for _, r := range old {
		d.w.told("trim", d.owner, r.Epoch, r.Seq)
		d.drop(r)
	}
	d.flush()
}

// held is what a hello says of the epochs, with what the sender has found unreadable.
func (d *disk) held(lost []delivery.Held) []delivery.Held {
	var all []delivery.Held
	at := map[uint64]int{}
	for _, r := range d.rows {
		i, known := at[r.Epoch]
		if !known {
			i = len(all)
			at[r.Epoch] = i
			all = append(all, delivery.Held{Epoch: delivery.ID(r.Epoch), First: r.Seq, Last: r.Seq})
		}
		h := &all[i]
		for n := h.Last + 1; n < r.Seq; n++ {
			h.Lost = h.Lost.Add(n)
		}
		h.Last = max(h.Last, r.Seq)
	}
	for _, l := range lost {
		if i, known := at[uint64(l.Epoch)]; known {
			for _, r := range l.Lost {
				for n := r.From; n <= r.To; n++ {
					all[i].Lost = all[i].Lost.Add(n)
				}
			}
		}
	}
	if i, known := at[d.epoch]; known {
		for n := all[i].Last + 1; n <= d.seq; n++ {
			all[i].Lost = all[i].Lost.Add(n)
		}
		all[i].Last = d.seq
		if i != len(all)-1 {
			h := all[i]
			all = append(slices.Delete(all, i, i+1), h)
		}
	} else {
		all = append(all, delivery.Held{Epoch: delivery.ID(d.epoch), Last: d.seq})
	}
	return all
}

// powerCut takes what was not flushed.
func (d *disk) powerCut() {
	for _, r := range d.dirty {
		r.acked = 0
	}
	d.flush()
	for _, r := range d.unsynced {
		if d.index[r.Number] == r {
			d.drop(r)
			d.w.told("unsynced", d.owner, r.Epoch, r.Seq)
		}
	}
	d.unsynced = nil
}

// clone is a copy of the disk as another machine has it.
func (d *disk) clone(owner int) *disk {
	c := newDisk(d.w, owner, d.agent, d.bound)
	c.epoch, c.seq, c.incarnation = d.epoch, d.seq, d.incarnation
	for _, r := range d.rows {
		o := *r
		c.add(&o)
	}
	return c
}

// snapshot is a clone that is no disk yet: its copies do not count.
func (d *disk) snapshot() *disk {
	c := d.clone(d.owner)
	c.forget()
	return c
}

// forget takes the disk's copies out of the count.
func (d *disk) forget() {
	for _, r := range d.rows {
		if !r.damaged {
			r.b.copies--
		}
	}
}

// remember counts the copies of a snapshot that is a disk again.
func (d *disk) remember() {
	for _, r := range d.rows {
		if !r.damaged {
			r.b.copies++
		}
	}
}

// vanish is the loss of the whole disk.
func (d *disk) vanish() {
	for _, r := range d.rows {
		d.destroy(r)
	}
	d.rows, d.index, d.size, d.dirty = nil, map[delivery.Number]*row{}, 0, nil
}
