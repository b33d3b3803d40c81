package simulator

import (
	"fmt"
	"math/rand/v2"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/agreements"
	"github.com/uptally/uptally/ledger"
	"github.com/uptally/uptally/probes/schedule"
)

// Options say what is run.
type Options struct {
	Seed uint64
	// Bug is planted.
	Bug Bug
	// Story keeps what happened, for the stories of violations; it costs time and memory.
	Story bool
}

// Report is what a run has shown.
type Report struct {
	// Hash is that of all events in order.
	Hash       uint64
	Violations []Violation
	Counts     Counts
}

// Violation is a promise that was not kept.
type Violation struct {
	// Invariant is its name in the list above, Text what is wrong, Story what led to it.
	Invariant, Text string
	Story           []string
}

// Counts are what a run consisted of.
type Counts struct {
	// Batches and Results were appended; Taken batches are in the ledger at the end; Lost ones were destroyed by faults before any
	// ledger had them.
	Batches, Results, Taken, Lost int
	Faults                        map[string]int
	// Simulated is the time that passed in the world, in milliseconds.
	Simulated int64
}

// World is everything.
type World struct {
	loop
	bug Bug

	begin, calm, lastSlot int64
	keep                  int64 // how long agents keep what was acknowledged
	bound                 int   // of a spool in bytes
	weather               link  // an ordinary link

	names    []string // of the places
	places   []uptally.ID
	plans    []uptally.Plan
	slots    [][]schedule.Slots // by place
	checkOf  map[uptally.ID]int
	placeOf  map[uptally.ID]int
	truth    truth
	machines []*machine
	server   *center
	clocks   bool // wall clocks were wrong
	forked   bool // a running machine was copied
	restored bool // the ledger was set back

	batches []*batch
	byKey   map[ledger.BatchKey]*batch
	excused map[uptally.Slot]bool

	violations []Violation
	counts     Counts
}

const (
	second = 1_000
	minute = 60 * second
	hour   = 60 * minute
)

// newWorld makes up a world.
func newWorld(o Options) *World {
	w := &World{
		loop: loop{rng: rand.New(rand.NewPCG(o.Seed, 0x7570_7461_6c6c_79)), trace: o.Story}, bug: o.Bug,
		checkOf: map[uptally.ID]int{}, placeOf: map[uptally.ID]int{},
		byKey: map[ledger.BatchKey]*batch{}, excused: map[uptally.Slot]bool{}, counts: Counts{Faults: map[string]int{}},
	}
	const november = 1_795_219_200_000 // 2026-11-21, 00:00 UTC
	w.begin = november + w.between(0, 24*hour)
	if w.chance(2) {
		w.begin = november - w.between(10*minute, 90*minute) // so that a day ends
	}
	w.now = w.begin
	w.calm = w.begin + w.between(40*minute, 120*minute)
	w.lastSlot = w.calm + w.between(1*minute, 3*minute)
	w.keep = w.between(20*minute, 60*minute)
	w.bound = 1 << 20
	if w.chance(4) {
		w.bound = int(w.between(4_000, 40_000))
	}
	w.weather = link{delay: w.between(1, 300), jitter: w.between(0, 300)}
	if w.chance(2) {
		w.weather.lost, w.weather.twice, w.weather.bent = w.between(0, 100), w.between(0, 50), w.between(0, 20)
	}
	w.addChecks()
	w.addTruth()
	w.server = newCenter(w)
	w.server.start()
	for i := range w.places {
		agent := w.rng.Uint64()
		m := w.addMachine(i, func(index int) *disk { return newDisk(w, index, agent, w.bound) })
		m.restartIn(w.between(0, 20*second))
	}
	return w
}

func (w *World) addChecks() {
	for i := range w.between(1, 4) {
		w.names = append(w.names, fmt.Sprintf("place%d", i))
		w.places = append(w.places, uptally.IDOf(w.names[i]))
		w.placeOf[w.places[i]] = int(i)
	}
	w.slots = make([][]schedule.Slots, len(w.names))
	for i := range w.between(1, 3) {
		every := []int64{20, 31, 60}[w.rng.IntN(3)] * second
		p := uptally.Plan{
			Check: fmt.Sprintf("check%d", i), From: w.begin - hour, Sites: w.names, Every: every, Timeout: min(10*second, every*9/10), Quorum: len(w.names)/2 + 1,
			Confirm: 1, Recover: 1, Gap: every * 5 / 2, Kind: "http", Target: "https://service.example/", Focus: w.chance(2),
		}
		if p.Focus {
			p.Confirm, p.Recover = 3, 3
		}
		w.plans = append(w.plans, p)
		w.checkOf[uptally.IDOf(p.Check)] = int(i)
		for k, name := range w.names {
			s, err := schedule.NewSlots(p, name)
			if err != nil {
				panic("BUG: " + err.Error())
			}
			w.slots[k] = append(w.slots[k], s)
		}
	}
}

// addTruth draws what befalls targets and places.
func (w *World) addTruth() {
	all := agreements.Interval{From: w.begin, To: w.calm}
	for range w.plans {
		w.truth.outages = append(w.truth.outages, w.draw(all, 60*minute, 5*second, 20*minute))
	}
	for range w.places {
		t := weather{cut: w.draw(all, 90*minute, 30*second, 10*minute), nameless: w.draw(all, 180*minute, 30*second, 10*minute)}
		for range w.plans {
			t.apart = append(t.apart, w.draw(all, 180*minute, 30*second, 10*minute))
		}
		w.truth.places = append(w.truth.places, t)
	}
}

func (w *World) placeName(i int) string { return w.names[i] }

// known says that a check was planned at a site.
func (w *World) known(check, site uptally.ID) bool {
	_, a := w.checkOf[check]
	_, b := w.placeOf[site]
	return a && b
}

// probe is what a probe finds that is sent now.
func (w *World) probe(check, place int, timeout int64) answer {
	switch t := &w.truth; {
	case t.places[place].cut.Contains(w.now):
		return answer{uptally.ConnectTimeout, timeout}
	case t.own(check, place, w.now):
		return answer{uptally.ResolveTimeout, timeout}
	case t.outages[check].Contains(w.now) && w.chance(2):
		return answer{uptally.ConnectRefused, 20}
	case t.fails(check, place, w.now):
		return answer{uptally.ConnectTimeout, timeout}
	}
	return answer{uptally.OK, w.between(15, 80)}
}

func keyOf(b uptally.Batch, data []byte) ledger.BatchKey {
	crc, _ := uptally.CRC(data)
	return ledger.BatchKey{SiteDay: ledger.SiteDay{Site: b.Site, Day: b.Day}, Agent: b.Agent, Epoch: b.Epoch, Seq: b.Seq, CRC: crc}
}

// keepBatch remembers what was appended.
func (w *World) keepBatch(b *batch) {
	w.batches = append(w.batches, b)
	first := b.results[0]
	crc, _ := uptally.CRC(b.data)
	w.byKey[ledger.BatchKey{SiteDay: ledger.SiteDay{Site: first.Site, Day: uptally.DayOf(first.At)}, Agent: b.agent, Epoch: b.Epoch, Seq: b.Seq, CRC: crc}] = b
	w.counts.Batches++
	w.counts.Results += len(b.results)
}

func (w *World) find(in ledger.Incoming) *batch { return w.byKey[keyOf(in.Batch, in.Data)] }

// excuse says that a slot need not be in the ledger: its result was not on a disk when its process ended.
func (w *World) excuse(_ int, slot uptally.Slot) { w.excused[slot] = true }

// violate notes a promise that was not kept; the story is about batches or slots.
func (w *World) violate(invariant, text string, about ...[2]uint64) {
	if len(w.violations) < 20 {
		w.violations = append(w.violations, Violation{invariant, text, w.story(about...)})
	}
}

// Run simulates one world.
func Run(o Options) Report {
	w := runWorld(o)
	return Report{Hash: w.hash, Violations: w.violations, Counts: w.counts}
}

func runWorld(o Options) *World {
	w := newWorld(o)
	w.schedule()
	w.run(w.calm)
	w.heal()
	w.run(w.lastSlot)
	for _, m := range w.machines {
		if m.proc != nil {
			m.proc.turn(m.proc.measureNoMore)
		}
	}
	w.run(w.now + drainWithin)
	w.mustBeDrained()
	if w.restoreLast() {
		w.run(w.now + drainWithin)
		w.mustBeDrained()
	}
	w.judge()
	w.counts.Simulated = w.now - w.begin
	return w
}

// drainWithin is how long after the last fault everything that is on a disk must be in the ledger: an identity that was refused is
// tried again after five minutes, and a request waits for its reply for one.
const drainWithin = 12 * minute
