package schedule

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/uptally/uptally"
	"pgregory.net/rapid"
)

const horizon = 240_000 // four minutes of instants; the naive model keeps the plan in force at each of them

// model counts slots the slow way: for each check the plan in force at each millisecond.
type model struct {
	start int64
	force map[string][]*inForce
}

type inForce struct {
	uptally.Plan
	rank  int
	phase int64
}

func (m *model) set(now, end int64, plans []uptally.Plan) {
	write := func(check string, from int64, p *inForce) {
		if m.force[check] == nil {
			m.force[check] = make([]*inForce, horizon+1)
		}
		for t := max(from, now+1); t <= horizon; t++ {
			m.force[check][t] = p
		}
	}
	named := map[string]bool{}
	for _, p := range plans { // ascending by From
		write(p.Check, p.From, &inForce{p, p.Rank("a"), p.Phase(p.Rank("a"))})
		named[p.Check] = true
	}
	for check := range m.force {
		if !named[check] {
			write(check, end, nil)
		}
	}
}

// slots of one check after start and up to an instant, at site a, from the definition.
func (m *model) slots(check string, to int64) []int64 {
	var ats []int64
	for t := m.start + 1; t <= to; t++ {
		p := m.force[check][t]
		switch {
		case p == nil || p.rank < 0:
		case p.Every > 0 && t%p.Every == p.phase:
			ats = append(ats, t)
		case p.Cron != "" && (t-p.Spread)%60_000 == 0 && (p.Cron == "* * * * *" || (t-p.Spread)%120_000 == 0):
			ats = append(ats, t)
		}
	}
	return ats
}

// drawPlan draws a plan; next is the slot that some check has due next.
func drawPlan(t *rapid.T, check string, next int64) uptally.Plan {
	p := every(check, rapid.SampledFrom([]int64{200, 999, 1_000, 7_001, 31_000, 60_000}).Draw(t, "every"))
	p.Kind = rapid.SampledFrom([]string{"tcp", "dns"}).Draw(t, "kind")
	p.From = rapid.Int64Range(-10, horizon).Draw(t, "from")
	if next < horizon && rapid.Bool().Draw(t, "at the next slot?") {
		p.From = next + rapid.Int64Range(-1, 1).Draw(t, "beside it")
	}
	if rapid.IntRange(0, 3).Draw(t, "cron?") == 0 {
		p.Every, p.Cron, p.Spread = 0, rapid.SampledFrom([]string{"* * * * *", "*/2 * * * *"}).Draw(t, "cron"), rapid.Int64Range(0, 90_000).Draw(t, "spread")
	}
	p.Sites = rapid.SampledFrom([][]string{{"a", "b", "c"}, {"b", "a"}, {"b", "c"}}).Draw(t, "sites")
	return p
}

// run is one random life of a Core beside the model and what may be said of each of its actions.
type run struct {
	t        *rapid.T
	core     *Core
	model    model
	now      int64
	ran      int64 // the last instant at which the core had nothing left to say
	workers  map[string]int
	begun    map[int32]string // running probes and their kinds
	inUse    map[string]int
	got      map[string][]int64
	stopping bool
	paused   [][2]int64
}

func (r *run) step(ev Event) {
	for more := true; more; more, ev = r.core.Next() <= r.now, Tick() {
		for _, a := range r.core.Step(r.now, ev, nil) {
			r.check(a)
		}
	}
	r.ran = r.now
}

func (r *run) check(a Action) {
	name, at := a.Plan.Check, a.Slot.At
	r.got[name] = append(r.got[name], at)
	late := r.now > a.Latest
	in := func(p [2]int64) bool { return at > p[0] && at < p[1] || a.Latest >= p[0] && a.Latest < p[1] }
	_, running := r.begun[a.Check]
	ok := at <= r.now
	switch a.Reason {
	case uptally.OK:
		ok = ok && !late && !running && !r.stopping && r.inUse[a.Plan.Kind] < r.workers[a.Plan.Kind]
		r.begun[a.Check] = a.Plan.Kind
		r.inUse[a.Plan.Kind]++
	case uptally.Overtaken, uptally.NoWorker:
		ok = ok && late
	case uptally.StillRunning:
		ok = ok && !late
	case uptally.Paused:
		ok = ok && slices.ContainsFunc(r.paused, in)
	case uptally.AgentDown:
		ok = ok && r.stopping
	default:
		ok = false
	}
	if !ok {
		r.t.Fatalf("at %d: slot %d of %s was %v, which it cannot be", r.now, at, name, a.Reason)
	}
}

func (r *run) finishOne() {
	if len(r.begun) == 0 {
		return
	}
	var running []int32
	for c := range r.begun {
		running = append(running, c)
	}
	slices.Sort(running)
	c := rapid.SampledFrom(running).Draw(r.t, "finished")
	r.inUse[r.begun[c]]--
	delete(r.begun, c)
	r.step(Finished(c))
}

func (r *run) newPlans() {
	r.now += rapid.SampledFrom([]int64{0, 0, 300, 20_000}).Draw(r.t, "busy")
	var plans []uptally.Plan
	for i := range rapid.IntRange(0, 4).Draw(r.t, "checks") {
		for range rapid.IntRange(0, 2).Draw(r.t, "plans") {
			plans = append(plans, drawPlan(r.t, fmt.Sprintf("check-%d", i), r.core.Next()))
		}
	}
	end := rapid.Int64Range(0, horizon).Draw(r.t, "end")
	var set []Slots
	for _, p := range plans {
		s, err := NewSlots(p, "a")
		if err != nil {
			r.t.Fatal(err)
		}
		set = append(set, s)
	}
	slices.SortStableFunc(plans, func(a, b uptally.Plan) int { return int(a.From - b.From) })
	r.model.set(r.now, end, plans)
	r.step(SetPlans(set, end))
}

func (r *run) newWorkers() {
	r.workers = map[string]int{"tcp": rapid.IntRange(1, 3).Draw(r.t, "tcp"), "dns": rapid.IntRange(1, 3).Draw(r.t, "dns")}
	r.step(SetWorkers(maps.Clone(r.workers)))
}

// pass lets time pass: to the wake that was asked for, shortly after it, or a jump; and tells of the longest ones as a pause.
func (r *run) pass() {
	switch rapid.IntRange(0, 9).Draw(r.t, "wake") {
	case 0:
		from := r.ran + rapid.Int64Range(0, 20).Draw(r.t, "ran on")
		r.now = from + rapid.Int64Range(1, 40_000).Draw(r.t, "pause")
		r.paused = append(r.paused, [2]int64{from, r.now})
		r.step(Paused(from))
		return
	case 1:
		r.now += rapid.Int64Range(1, 40_000).Draw(r.t, "jump")
	case 2:
		r.now += rapid.Int64Range(-5, 5).Draw(r.t, "tick")
	default:
		if next := r.core.Next(); next < horizon {
			r.now = next + rapid.SampledFrom([]int64{0, 0, 0, 1, 50, 600}).Draw(r.t, "late")
		}
	}
	r.now = max(r.now, r.ran)
	r.step(Tick())
}

// Whatever the plans, wakes, jumps, pauses, workers and ends of probes: each due slot leaves exactly one thing.
func TestEveryDueSlotLeavesExactlyOneThing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		start := rapid.Int64Range(0, 70_000).Draw(t, "start")
		r := &run{t: t, now: start, ran: start, begun: map[int32]string{}, inUse: map[string]int{}, got: map[string][]int64{}}
		r.workers = map[string]int{"tcp": rapid.IntRange(1, 3).Draw(t, "tcp"), "dns": rapid.IntRange(1, 3).Draw(t, "dns")}
		r.core = New(start, r.workers)
		r.model = model{start: start, force: map[string][]*inForce{}}
		r.newPlans()
		for range rapid.IntRange(1, 150).Draw(t, "events") {
			switch e := rapid.IntRange(0, 19).Draw(t, "event"); {
			case e < 7:
				r.finishOne()
			case e == 7:
				r.newPlans()
			case e == 8:
				r.newWorkers()
			default:
				r.pass()
			}
			if r.now > horizon-100_000 {
				break
			}
		}
		r.stopping = true
		r.step(Stop())
		r.now += rapid.Int64Range(0, 1_000).Draw(t, "drain")
		r.step(Tick())
		for check := range r.model.force {
			want := r.model.slots(check, r.now)
			slices.Sort(r.got[check])
			if !slices.Equal(r.got[check], want) {
				t.Fatalf("%s up to %d:\ngot  %v\nwant %v", check, r.now, r.got[check], want)
			}
		}
	})
}
