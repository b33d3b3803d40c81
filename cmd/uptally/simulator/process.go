package simulator

import (
	"math"
	"slices"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/ledger/delivery"
	"github.com/uptally/uptally/probes/focus"
	"github.com/uptally/uptally/probes/schedule"
)

const never = math.MaxInt64

// process is an agent's process: the real cores, and about them what the agent's loop does with goroutines.
type process struct {
	m    *machine
	w    *World
	now  int64 // the agent's count of time at the turn
	skew int64 // count less true time
	read int64 // true time when skew was last moved
	wake int64 // the true time of the event that will turn it next

	core     *schedule.Core
	flights  []flight
	extras   []flight
	watchers []watcher
	newest   map[int32]int64
	recent   map[uptally.ID][]int64
	asked    map[uptally.Slot]bool // failures that wait for the references
	pausedTo int64

	spooler spooler
	sender  *delivery.Sender
	trips   [3]int // the number of the request in flight on each lane
	trip    int
}

// flight is a probe that was begun and has no result.
type flight struct {
	act   schedule.Action
	begun int64
	open  bool
	extra bool
}

// watcher is the focus of a check.
type watcher struct {
	core *focus.Core
	rank int
}

func newProcess(m *machine) *process {
	p := &process{m: m, w: m.w, skew: m.wallOff, read: m.w.now, wake: never, newest: map[int32]int64{}, recent: map[uptally.ID][]int64{}, asked: map[uptally.Slot]bool{}}
	p.now = p.count()
	p.spooler = spooler{p: p}
	return p
}

// begin makes the cores at an instant of the agent's count.
func (p *process) begin(now int64) {
	p.now = now
	p.core = schedule.New(p.now, nil)
	p.sender = delivery.NewSender(p.now, p.m.disk.incarnation, p.w.rng.Int64N)
	if p.w.bug != FromNow {
		p.tell(delivery.Pending(p.m.disk.pending()...))
	}
	if p.w.now < p.w.lastSlot {
		p.step(schedule.SetPlans(p.w.slots[p.m.place], schedule.Never))
	}
	p.rest()
}

// count reads the agent's count of time. It follows the wall clock by a hundredth of the passing time, as the agent's does.
func (p *process) count() int64 {
	if passed := p.w.now - p.read; passed >= 100 {
		step := passed / 100
		p.read += step * 100
		if off := p.off(); off >= -mostFollowed && off <= mostFollowed {
			p.skew += min(max(off, -step), step)
		}
	}
	return p.w.now + p.skew
}

// mostFollowed is the agent's.
const mostFollowed = 15_000

// off is how far the wall clock is from the count.
func (p *process) off() int64 { return p.m.wallOff - p.skew }

// in does something in the process when d milliseconds have passed, if it still runs then. A suspended machine does it later.
func (p *process) in(d int64, do func()) { p.w.after(d, func() { p.turn(do) }) }

// turn is one turn of the agent's loop.
func (p *process) turn(do func()) {
	switch {
	case p.m.proc != p:
		return
	case p.w.now < p.m.asleepUntil:
		p.w.at(p.m.asleepUntil, func() { p.turn(do) })
		return
	}
	from := p.now
	p.now = max(p.now, p.count())
	if p.m.asleepFrom != 0 {
		p.m.asleepFrom = 0
		if p.now-from >= 5_000 && p.w.bug != PauseUnnoticed {
			p.pausedTo = p.now
			p.m.disk.open() // who was asleep may have been copied
			p.step(schedule.Paused(from))
		}
	}
	if do != nil {
		do()
	}
	p.rest()
}

// rest does what is due and sleeps until something will be.
func (p *process) rest() {
	p.step(schedule.Tick())
	p.spooler.append()
	for i := range p.watchers {
		if w := &p.watchers[i]; w.core != nil && w.core.Next() <= p.now {
			p.watch(int32(i), focus.Tick())
		}
	}
	if p.sender.Next() <= p.now {
		p.tell(delivery.Tick())
	}
	next := min(p.core.Next(), p.sender.Next(), p.spooler.next())
	for i := range p.watchers {
		if w := &p.watchers[i]; w.core != nil {
			next = min(next, w.core.Next())
		}
	}
	p.sleep(next)
}

func (p *process) sleep(next int64) {
	if next == never {
		return
	}
	at := max(next-p.skew, p.w.now+1)
	if p.wake > p.w.now && p.wake <= at {
		return
	}
	p.wake = at
	p.w.at(at, func() {
		if p.wake == at {
			p.turn(nil)
		}
	})
}

// step tells the schedule and does what it says.
func (p *process) step(ev schedule.Event) {
	for _, act := range p.core.Step(p.now, ev, nil) {
		if act.Reason != uptally.OK {
			p.record(uptally.Result{Slot: act.Slot, Reason: act.Reason})
			continue
		}
		for int(act.Check) >= len(p.flights) {
			p.flights = append(p.flights, flight{})
		}
		p.flights[act.Check] = flight{act: act, begun: p.now, open: true}
		p.fly(&p.flights[act.Check], func() *flight { return &p.flights[act.Check] }, func() { p.step(schedule.Finished(act.Check)) })
	}
}

// fly probes. at finds the flight again, done frees its worker.
func (p *process) fly(f *flight, at func() *flight, done func()) {
	check, place := p.w.checkOf[f.act.Slot.Check], p.m.place
	a := p.w.probe(check, place, f.act.Plan.Timeout)
	sent := p.w.now
	p.told(f, focus.Begun)
	p.in(a.took, func() {
		f := at()
		r := uptally.Result{Slot: f.act.Slot, Late: int32(max(0, f.begun-f.act.Slot.At)), Reason: a.reason}
		if a.reason == uptally.OK {
			r.RTT = a.took*1000 + p.w.between(0, 1000)
		}
		p.leave(f, r, check, sent)
		done()
	})
}

// leave decides what a flight has shown.
func (p *process) leave(f *flight, r uptally.Result, check int, sent int64) {
	f.open = false
	if p.pausedTo > f.begun && r.Outcome() == uptally.Down {
		r = voided(r, uptally.AgentDelay)
	}
	if off := p.off(); max(off, -off) > f.act.Latest-f.act.Slot.At && (r.Outcome() == uptally.Up || r.Outcome() == uptally.Down) {
		r = voided(r, uptally.Clock)
	}
	if r.Outcome() != uptally.Down {
		p.settle(*f, r, check, sent)
		return
	}
	p.told(f, focus.Failing)
	held := *f
	p.ask(check, sent, r, func(r uptally.Result) { p.settle(held, r, check, sent) })
}

func voided(r uptally.Result, why uptally.Reason) uptally.Result {
	r.Detail = r.Reason.String() + "; " + why.String()
	r.Reason = why
	return r
}

// ask asks the references beside a failure and judges it.
func (p *process) ask(check int, sent int64, r uptally.Result, judged func(uptally.Result)) {
	p.asked[r.Slot] = true
	p.in(p.w.between(20, 200), func() {
		delete(p.asked, r.Slot)
		own := p.w.truth.own(check, p.m.place, sent) || p.w.truth.own(check, p.m.place, p.w.now)
		if own && p.w.bug != NoReferences {
			r = voided(r, uptally.Local)
		}
		judged(r)
	})
}

// settle records the result of a flight.
func (p *process) settle(f flight, r uptally.Result, check int, sent int64) {
	p.w.judgeResult(p.m, r, check, sent)
	for slices.Contains(p.recent[r.Check], r.SentAt()) {
		r.Late++
	}
	p.recent[r.Check] = append(p.recent[r.Check], r.SentAt())
	if n := len(p.recent[r.Check]); n > 64 {
		p.recent[r.Check] = p.recent[r.Check][n-64:]
	}
	p.record(r)
	p.told(&f, func(rank int, at int64) focus.Event { return focus.Verdict(rank, at, r.Outcome(), r.RTT) })
}

func (p *process) record(r uptally.Result) {
	p.w.told("result", p.m.index, uint64(r.Check), uint64(r.At))
	p.w.judgeReason(p.m, r)
	p.spooler.add(r)
}

// told tells the focus of a check what became of a probe.
func (p *process) told(f *flight, event func(rank int, at int64) focus.Event) {
	if !f.act.Plan.Focus {
		return
	}
	i := f.act.Check
	for int(i) >= len(p.watchers) {
		p.watchers = append(p.watchers, watcher{})
	}
	if w := &p.watchers[i]; w.core == nil {
		t := focus.TermsOf(f.act.Plan, p.w.placeName(p.m.place))
		w.core, w.rank = focus.New(t), t.Rank
		for j := range t.Sites {
			p.watch(i, focus.Live(j, true))
		}
	}
	p.watch(i, event(p.watchers[i].rank, f.begun))
}

func (p *process) watch(check int32, ev focus.Event) {
	for _, act := range p.watchers[check].core.Step(p.now, ev, nil) {
		switch act.Kind {
		case focus.Probe:
			p.extra(check, act.At)
		case focus.Tell:
			p.w.relay(p.m, check, act.Message)
		}
	}
}

// hear takes a message of another place's focus.
func (p *process) hear(check int32, m focus.Message) {
	if int(check) < len(p.watchers) && p.watchers[check].core != nil {
		p.watch(check, focus.Heard(m))
	}
}

// extra probes beside the slots.
func (p *process) extra(check int32, at int64) {
	if p.newest[check] >= at || p.core.IsSlot(check, at) || p.now > at+499 || p.flights[check].open && p.flights[check].begun == p.now {
		return
	}
	act, ok := p.core.Lend(check, at, at+499)
	if !ok {
		return
	}
	p.newest[check] = at
	i := slices.IndexFunc(p.extras, func(f flight) bool { return !f.open })
	if i < 0 {
		i = len(p.extras)
		p.extras = append(p.extras, flight{})
	}
	p.extras[i] = flight{act: act, begun: p.now, open: true, extra: true}
	p.fly(&p.extras[i], func() *flight { return &p.extras[i] }, func() { p.step(schedule.Returned(act.Plan.Kind)) })
}

// abandon notes what ends with the process: slots whose result was not on the disk yet.
func (p *process) abandon() {
	for _, fs := range [][]flight{p.flights, p.extras} {
		for _, f := range fs {
			if f.open {
				p.w.excuse(p.m.place, f.act.Slot)
			}
		}
	}
	for slot := range p.asked {
		p.w.excuse(p.m.place, slot)
	}
	p.spooler.abandon()
}
