package simulator

import (
	"slices"

	"github.com/uptally/uptally/ledger/delivery"
	"github.com/uptally/uptally/probes/focus"
)

// link is the way between a machine and the server.
type link struct {
	// delay is what a message takes at least, jitter what it takes more at most, in milliseconds.
	delay, jitter int64
	// lost, twice and bent are how many in a thousand messages are lost, arrive twice, or arrive with a batch altered.
	lost, twice, bent int64
	// cutUp and cutDown are until when nothing arrives at the server and at the machine; cutAfter, what the server answers to
	// requests that it has taken.
	cutUp, cutDown, cutAfter int64
}

func (w *World) per1000(n int64) bool { return w.rng.Int64N(1000) < n }

func (w *World) travel(m *machine) int64 { return m.link.delay + w.between(0, m.link.jitter+1) }

// post carries a request to the server, perhaps.
func (w *World) post(r *request) {
	m := r.from
	if w.now < m.link.cutUp || w.per1000(m.link.lost) {
		return
	}
	w.after(w.travel(m), func() { w.server.receive(r) })
	if w.per1000(m.link.twice) {
		w.after(w.travel(m)+w.between(0, 120_000), func() { w.server.receive(r) })
	}
}

// reply carries an answer to an agent, perhaps.
func (w *World) reply(r *request, reply delivery.Reply) {
	if m := r.from; w.now >= m.link.cutDown && w.now >= m.link.cutAfter && !w.per1000(m.link.lost) {
		w.after(w.travel(m), func() { r.answer(reply) })
	}
}

// refuse says that a request was not taken.
func (w *World) refuse(r *request, why delivery.Failure, after int64) {
	if m := r.from; w.now >= m.link.cutDown {
		w.after(w.travel(m), func() { r.refuse(why, after) })
	}
}

// relay carries a message of focus from one agent to the others, perhaps.
func (w *World) relay(from *machine, check int32, msg focus.Message) {
	if w.now < from.link.cutUp || w.server.down || w.per1000(from.link.lost) {
		return
	}
	for _, to := range w.machines {
		if to.place == from.place || to.proc == nil || w.now < to.link.cutDown || w.per1000(to.link.lost) {
			continue
		}
		p := to.proc
		w.after(w.travel(from)+w.travel(to), func() { p.turn(func() { p.hear(check, msg) }) })
	}
}

// bend alters a byte of one batch.
func (w *World) bend(parcels []parcel) []parcel {
	parcels = slices.Clone(parcels)
	p := &parcels[w.rng.IntN(len(parcels))]
	p.data = slices.Clone(p.data)
	p.data[w.rng.IntN(len(p.data))] ^= 1 << w.rng.IntN(8)
	return parcels
}
