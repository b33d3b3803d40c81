package server

import (
	"slices"

	"github.com/uptally/uptally/ledger/delivery"
)

// memory is how many numbers of an agent are remembered with their CRC.
const memory = 256

// twins notices that two agents deliver under one identity: a clone, a snapshot that was resumed, a copied folder. What they
// deliver is safe all the same, by the keys of results; a person has to hear of it. It is a plain value.
type twins struct {
	epoch delivery.ID   // in which the agent spoke last
	left  []delivery.ID // in which it spoke before, newest last
	back  int           // how often it came back to one of those since the last new one
	crcs  map[delivery.Numbered]uint32
	order []delivery.Numbered
}

// speaks takes the epoch of a request and reports whether another agent speaks between. A restart leaves an epoch for good; a
// request that was under way meanwhile may come after it, which is one return to the old and one to the new.
func (t *twins) speaks(epoch delivery.ID) bool {
	if epoch == t.epoch || t.epoch == 0 {
		t.epoch = epoch
		return false
	}
	returned := slices.Contains(t.left, epoch)
	t.left = append(slices.DeleteFunc(t.left, func(e delivery.ID) bool { return e == epoch || e == t.epoch }), t.epoch)
	t.left = t.left[max(0, len(t.left)-8):]
	t.epoch = epoch
	if !returned {
		t.back = 0
		return false
	}
	t.back++
	return t.back > 2
}

// reuses takes a batch and reports whether another had its number.
func (t *twins) reuses(n delivery.Numbered, crc uint32) bool {
	if was, known := t.crcs[n]; known {
		return was != crc
	}
	if t.crcs == nil {
		t.crcs = map[delivery.Numbered]uint32{}
	}
	t.crcs[n] = crc
	if t.order = append(t.order, n); len(t.order) > memory {
		delete(t.crcs, t.order[0])
		t.order = t.order[1:]
	}
	return false
}
