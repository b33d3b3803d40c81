package schedule

import "github.com/uptally/uptally"

// Event is what happened, for Step. Make one with Tick, Finished, Returned, SetPlans, SetWorkers, Paused or Stop.
type Event struct {
	kind    eventKind
	check   int32
	at      int64
	plans   []Slots
	pool    string
	workers map[string]int
}

type eventKind uint8

const (
	tick eventKind = iota
	finished
	setPlans
	paused
	stop
	returned
	setWorkers
)

// Tick is the passing of time.
func Tick() Event { return Event{} }

// Finished is the end of the probe that an Action began; check is that Action's Check. Its worker is free again.
func Finished(check int32) Event { return Event{kind: finished, check: check} }

// SetPlans sets what is to be measured from now on. Each plan applies from its From on, but never to an instant that has
// passed; until then the check keeps its plan. Several plans of one check follow one another. A check that plans does not
// name has no slot at or after end. The same plans again change nothing.
func SetPlans(plans []Slots, end int64) Event { return Event{kind: setPlans, plans: plans, at: end} }

// SetWorkers sets the most probes at once of each kind, as New does. Where there are fewer now than run, none begins until enough
// have ended.
func SetWorkers(workers map[string]int) Event { return Event{kind: setWorkers, workers: workers} }

// Paused says that the process did not run after the instant from and before now, because it or its machine was suspended.
func Paused(from int64) Event { return Event{kind: paused, at: from} }

// Stop begins no more probes: what waits, and every slot that comes due afterwards, is missed(agent_down).
func Stop() Event { return Event{kind: stop} }

// Action is what becomes of one due slot.
type Action struct {
	// Reason is OK where the probe begins now, and why the slot is missed otherwise.
	Reason uptally.Reason
	// Check is the number of the check in this Core, for Finished.
	Check int32
	// Slot is the slot, Latest the last instant at which its probe may begin; after it the slot is missed(overtaken).
	Slot   uptally.Slot
	Latest int64
	// Plan is the one in force at the slot. It is shared and never written.
	Plan *uptally.Plan
}
