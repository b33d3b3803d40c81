// Package agreements turns evidence and terms into accounts. It is pure: no I/O, no clock, no floating point. The same
// input gives the same bytes on any machine.
//
// The story of a figure, one file a step:
//
//	evidence.go   what an account is computed from: runs of results by site, plans, timelines, entries
//	episode.go    A1, A2  a site's episodes and its timeline
//	vote.go       A3      the sites' vote at each instant
//	track.go      A4–A7   outages and the tracks certain ⊆ point ⊆ possible
//	calendar.go   the service window; period.go the period's instants
//	periodic.go   which period a day is in, and which version judges which part of it
//	use.go        the time in service; clock.go when an outage begins to count
//	terms.go      the words of a contract; ladder.go which row of its credits holds; share.go its figures
//	entry.go      what people record; maintenance.go what of it qualifies as an exclusion
//	compute.go    A8      contract rules on each track, in their order
//	length.go     the unit of downtime; judging.go the rounding before the figure is judged
//	figure.go     A9      every millisecond in one class, exact availability; account.go what comes out
//	outage.go             each outage, and what became of it, in words
//	credit.go     A10     what the forms pay, their sum or best, caps, one rounding; creditterms.go which there are
//	form.go               what a form reckons with: ladder.go blocks.go multiple.go shortfall.go durations.go hours.go
//	claim.go              until when a credit must be claimed; right.go what happens again and again gives a right
//
// Instants are int64 milliseconds UTC; intervals are half open.
// Source of the rules A1–A10: docs/measuring.md.
package agreements
