package focus

import (
	"container/heap"
	"testing"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/probes/schedule"
)

// field is a check with a core at each of its sites, the slots of its plan, and messages that take their time. What the
// probes find is the world's: whether a probe sent at an instant succeeds, how long it takes, and whether the references
// fail beside it.
type field struct {
	plan  uptally.Plan
	posts []*post
	world func(site int, sent int64) answer
	// delay is how long a message takes, less than 0 for one that is lost; again, if not nil, is how long its copy takes.
	delay, again func(from, to int, at int64) int64
	queue        queue
	order        int
	acts         []Action
}

type answer struct {
	ok   bool
	void bool  // the references fail too
	took int64 // until success or failure; the references take 2 s more where they fail
	rtt  int64 // microseconds
}

// post is a site: its core, the slot that is due next, what its slots and ticks left.
type post struct {
	core    *Core
	slots   schedule.Slots
	series  uptally.Slot // of its results
	due     int64
	wake    int64 // the earliest tick in the queue
	dead    bool
	results []uptally.Result
	probes  []int64 // the instants of focus probes
	sent    int     // all probes
}

type delivery struct {
	at    int64
	order int
	site  int
	do    func()
	ev    Event
}

// queue is in order of the instants, and of equal ones as they came.
type queue []*delivery

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].order < q[j].order
}
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)   { *q = append(*q, x.(*delivery)) }
func (q *queue) Pop() any {
	last := len(*q) - 1
	d := (*q)[last]
	*q = (*q)[:last]
	return d
}

func planOf(check string, sites int, every int64) uptally.Plan {
	p := uptally.Plan{
		Check: check, Every: every, Timeout: min(10_000, every*9/10), Quorum: sites/2 + 1, Confirm: 3, Recover: 3,
		Gap: every * 5 / 2, Kind: "http", Target: "https://service.example/", Focus: true,
	}
	for i := range sites {
		p.Sites = append(p.Sites, string(rune('a'+i)))
	}
	return p
}

func newField(t testing.TB, p uptally.Plan, start int64, world func(int, int64) answer) *field {
	f := &field{plan: p, world: world, delay: func(int, int, int64) int64 { return 200 }}
	for i, site := range p.Sites {
		slots, err := schedule.NewSlots(p, site)
		if err != nil {
			t.Fatal(err)
		}
		f.posts = append(f.posts, &post{
			slots: slots, due: slots.Next(start),
			series: uptally.Slot{Check: uptally.IDOf(p.Check), Site: uptally.IDOf(site)},
		})
		f.restart(i)
	}
	for i := range f.posts {
		for j := range f.posts {
			f.step(i, start, Live(j, true))
		}
	}
	return f
}

// restart gives a site a new core, as a new process has.
func (f *field) restart(i int) {
	f.posts[i].core, f.posts[i].wake = New(TermsOf(&f.plan, f.plan.Sites[i])), Never
}

// at does something at an instant, before what happens then otherwise.
func (f *field) at(at int64, do func()) { f.push(delivery{at: at, do: do}) }

func (f *field) push(d delivery) {
	f.order++
	d.order = f.order
	heap.Push(&f.queue, &d)
}

// run lets time pass up to an instant.
func (f *field) run(to int64) {
	for {
		next, at := -1, to
		for i, p := range f.posts {
			if p.due < at {
				next, at = i, p.due
			}
		}
		if len(f.queue) > 0 && f.queue[0].at <= at {
			if f.queue[0].at >= to {
				return
			}
			f.deliver(heap.Pop(&f.queue).(*delivery))
			continue
		}
		if next < 0 {
			return
		}
		p := f.posts[next]
		p.due = p.slots.Next(at)
		f.send(next, at, at)
	}
}

func (f *field) deliver(d *delivery) {
	switch {
	case d.do != nil:
		d.do()
	case d.ev == Tick():
		if p := f.posts[d.site]; p.wake == d.at {
			p.wake = Never
			f.step(d.site, d.at, d.ev)
		}
	default:
		f.step(d.site, d.at, d.ev)
	}
}

// send probes from a site. A calm core hears of a success at once, which spares a long simulation the queue.
func (f *field) send(i int, slot, now int64) {
	p := f.posts[i]
	if p.dead {
		return
	}
	p.sent++
	a := f.world(i, now)
	f.step(i, now, Begun(i, now))
	result := uptally.Result{Slot: p.series, Late: int32(now - slot)}
	result.At = slot
	switch {
	case a.ok:
		result.RTT = a.rtt
		p.results = append(p.results, result)
		ev := Verdict(i, now, uptally.Up, a.rtt)
		if p.core.watch == nil && a.took <= 500 {
			f.step(i, now, ev)
			return
		}
		f.push(delivery{at: now + a.took, site: i, ev: ev})
	default:
		outcome, wait := uptally.Down, a.took+50
		if result.Reason = uptally.ResponseTimeout; a.void {
			result.Reason, outcome, wait = uptally.Local, uptally.Void, a.took+2_000
		}
		p.results = append(p.results, result)
		f.push(delivery{at: now + a.took, site: i, ev: Failing(i, now)})
		f.push(delivery{at: now + wait, site: i, ev: Verdict(i, now, outcome, 0)})
	}
}

// step tells one core, and does what it says.
func (f *field) step(i int, now int64, ev Event) {
	p := f.posts[i]
	if p.dead {
		return
	}
	acts := p.core.Step(now, ev, f.acts[:0])
	f.acts = nil // a probe steps again before all is done
	for _, a := range acts {
		switch a.Kind {
		case Probe:
			p.probes = append(p.probes, a.At)
			if a.At != p.due && p.slots.Next(a.At-1) != a.At {
				f.send(i, a.At, now)
			}
		case Tell:
			for j := range f.posts {
				if j == i {
					continue
				}
				if d := f.delay(i, j, now); d >= 0 {
					f.push(delivery{at: now + d, site: j, ev: Heard(a.Message)})
				}
				if f.again != nil {
					f.push(delivery{at: now + f.again(i, j, now), site: j, ev: Heard(a.Message)})
				}
			}
		}
	}
	f.acts = acts
	if next := max(p.core.Next(), now); next < p.wake {
		p.wake = next
		f.push(delivery{at: next, site: i, ev: Tick()})
	}
}
