package uptally

// Plan is the dated parameters of one check. Accounts read plans, never today's configuration: a change is a new Plan,
// in force from a stated slot, and the results before it are judged by the plan they were taken under.
//
// All spans are milliseconds. A plan is immutable; its canonical bytes are JSON with fixed field order (see AppendPlan).
type Plan struct {
	Check string // the check's name
	// From is the first scheduled instant, in milliseconds UTC, to which this plan applies, at every site.
	From int64
	// Sites are the names of the sites in written order; the rank decides a site's stagger.
	Sites []string
	// Every is the interval of the grid, or 0 where Cron gives the slots.
	Every int64
	// Cron is a five-field cron expression in UTC, or empty.
	Cron string
	// Spread moves the slots of a cron check by a fixed span, so that the scheduled instant includes it.
	Spread int64
	// Timeout is the one deadline of a probe, over all its phases.
	Timeout int64
	// Quorum is the number of sites that decide; it does not shrink with missing sites.
	Quorum int
	// Confirm (m) and Recover (r) are the failures in a row that open and the successes in a row that close an episode.
	Confirm, Recover int
	// Gap is the longest spacing across which a site's state is inferred; exactly Gap still is.
	Gap int64
	// Kind is the kind of probe: http, tcp, icmp or dns. Target is what is measured, for people, without secrets.
	Kind, Target string
}
