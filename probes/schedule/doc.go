// Package schedule says when: it turns dated plans into due slots, and sees to it that every due slot leaves exactly one
// thing, a probe that begins or a slot that is missed for a stated reason.
//
// It has no goroutine, no clock and no I/O. The life of a Core:
//
//  1. NewSlots reads a plan as one site sees it; a plan that cannot be scheduled is refused here and nowhere later.
//  2. Step takes the instant and one Event, and returns Actions: begin this probe, or record this slot as missed.
//  3. Next is the instant at which the next Step is due. Slots are counted from the slot before, never from the instant of
//     waking, so lateness moves and loses nothing.
//  4. A probe that ended is told by Finished; its worker goes to the slot that has waited longest.
//
// Instants are milliseconds since 1970 UTC. They are the caller's count: a Core never goes backwards, and knows of no
// wall clock. Its caller counts the time that really passed, the sleep of the machine included (see package agent).
package schedule
