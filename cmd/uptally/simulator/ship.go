package simulator

import (
	"slices"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/ledger/delivery"
)

// tell tells the sender and does what it says, as the shell of an agent does.
func (p *process) tell(ev delivery.Event) {
	for _, act := range p.sender.Step(p.now, ev, nil) {
		p.do(act)
	}
}

func (p *process) do(act delivery.Action) {
	d := p.m.disk
	switch act.Deed {
	case delivery.SayHello:
		h := delivery.Hello{Incarnation: delivery.ID(p.sender.Incarnation()), Epochs: d.held(act.Lost)}
		p.request(act.Lane, request{hello: &h})
	case delivery.Send:
		p.send(act)
	case delivery.Mark:
		p.mark(act.Numbers)
	case delivery.Unmark:
		if p.w.bug != MarksBelieved {
			p.tell(delivery.Pending(d.unmark(act.Epoch, act.Ranges, act.At)...))
		}
	case delivery.Reread:
		p.batches(act.Numbers)
	case delivery.BeginEpoch:
		if d.epoch == act.Epoch {
			d.open()
			p.w.told("new epoch", p.m.index, d.epoch, 0)
		}
	case delivery.Reissue, delivery.Adopt:
		p.reissue(act.Numbers)
	case delivery.Trim:
		p.trim(act.At)
	}
}

// reissue appends batches again under new numbers.
func (p *process) reissue(numbers []delivery.Number) {
	for _, n := range numbers {
		old := p.m.disk.index[n]
		if old == nil || old.damaged {
			p.tell(delivery.Unreadable(n))
			continue
		}
		r, err := p.m.disk.append(p.w.places[p.m.place], old.b.results, p.now)
		if err != nil {
			p.in(reissueAfter, func() { p.reissue([]delivery.Number{n}) })
			continue
		}
		p.w.told("reissue", p.m.index, n.Epoch, n.Seq)
		p.mark([]delivery.Number{n})
		p.tell(delivery.Pending(r.spooled()))
	}
}

// reissueAfter is when a batch is tried again that could not be appended under another number.
const reissueAfter = 30_000

func (p *process) mark(numbers []delivery.Number) {
	for _, n := range numbers {
		p.w.told("mark", p.m.index, n.Epoch, n.Seq)
	}
	p.m.disk.mark(numbers, p.now)
	if p.w.bug == DeletedWhenAcked {
		p.m.disk.trim(never)
	}
}

// trim deletes what was acknowledged a keeping time before an instant.
func (p *process) trim(at int64) { p.m.disk.trim(at - p.w.keep) }

// send sends batches, or a heartbeat.
func (p *process) send(act delivery.Action) {
	if len(act.Numbers) == 0 && p.w.bug == NoHeartbeat {
		r := delivery.Reply{Incarnation: delivery.ID(p.sender.Incarnation())}
		p.in(1, func() { p.tell(delivery.Answered(act.Lane, r)) })
		return
	}
	if p.w.bug == TrimByAge {
		p.m.disk.trim(p.now - p.w.keep)
	}
	p.request(act.Lane, request{parcels: p.batches(act.Numbers)})
}

// batches returns the batches that can be read, and tells the sender of the others.
func (p *process) batches(numbers []delivery.Number) []parcel {
	var parcels []parcel
	var bad []delivery.Number
	for _, n := range numbers {
		switch r := p.m.disk.index[n]; {
		case r == nil, r.damaged && p.w.bug != NoCRC:
			bad = append(bad, n)
		case r.damaged:
			parcels = append(parcels, parcel{n, altered(r.b.data)})
		default:
			parcels = append(parcels, parcel{n, r.b.data})
		}
	}
	if len(bad) > 0 {
		for _, n := range bad {
			p.w.told("unreadable", p.m.index, n.Epoch, n.Seq)
		}
		if p.w.bug == QueueDropped {
			for _, b := range p.m.disk.pending() {
				bad = append(bad, b.Number)
			}
		}
		p.tell(delivery.Unreadable(bad...))
	}
	return parcels
}

// altered is a batch of which somebody changed a result and nobody noticed.
func altered(data []byte) []byte {
	b, err := uptally.DecodeBatch(data)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	b.Results = slices.Clone(b.Results)
	r := &b.Results[0]
	if r.RTT++; r.Reason != uptally.OK {
		r.Reason, r.Detail = uptally.OK, ""
	}
	data, err = b.AppendBinary(nil)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return data
}

// request is what travels to the server.
type request struct {
	from        *machine
	agent       uint64
	incarnation uint64
	remembered  []delivery.Number // what the agent knows to be acknowledged
	hello       *delivery.Hello
	parcels     []parcel
	answer      func(delivery.Reply)
	refuse      func(delivery.Failure, int64)
}

// parcel is a batch on its way.
type parcel struct {
	delivery.Number
	data []byte
}

func (r *request) size() (n int) {
	for _, p := range r.parcels {
		n += len(p.data)
	}
	return n
}

// patience is how long an agent waits for a reply.
const patience = 60_000

// request sends a request on a lane. Exactly one of its answers is told to the sender, the first.
func (p *process) request(lane delivery.Lane, r request) {
	p.trip++
	trip := p.trip
	p.trips[lane] = trip
	over := func(ev delivery.Event) {
		if p.trips[lane] == trip {
			p.trips[lane] = 0
			p.tell(ev)
		}
	}
	r.from, r.agent, r.incarnation, r.remembered = p.m, p.m.disk.agent, p.sender.Incarnation(), p.sender.Acknowledged()
	r.answer = func(reply delivery.Reply) {
		p.turn(func() {
			if p.trips[lane] == trip && r.hello != nil {
				p.m.disk.incarnation = uint64(reply.Incarnation)
			}
			over(delivery.Answered(lane, reply))
		})
	}
	r.refuse = func(why delivery.Failure, after int64) {
		p.turn(func() {
			if p.w.bug == RefusedIsDeleted && why != delivery.Unreachable && p.trips[lane] == trip {
				p.markParcels(r.parcels)
			}
			over(delivery.Failed(lane, why, after))
		})
	}
	for _, b := range r.parcels {
		p.w.told("send", p.m.index, b.Epoch, b.Seq)
	}
	p.in(patience, func() { over(delivery.Failed(lane, delivery.Unreachable, 0)) })
	p.w.post(&r)
}

// markParcels is what a bug does to batches that were refused.
func (p *process) markParcels(parcels []parcel) {
	var bad []delivery.Number
	for _, b := range parcels {
		bad = append(bad, b.Number)
		if r := p.m.disk.index[b.Number]; r != nil {
			p.m.disk.drop(r)
		}
	}
	p.tell(delivery.Unreadable(bad...))
}
