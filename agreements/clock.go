package agreements

// ClockTerm is the instant from which an outage counts.
type ClockTerm uint8

const (
	// ClockDetected counts from the start of the outage as measured.
	ClockDetected ClockTerm = iota + 1
	// ClockReported counts from the customer's report, ClockOpened from the ticket, where that is later.
	ClockReported
	ClockOpened
)

// UnreportedTerm is what becomes of an outage that nobody reported, where the clock starts with a report.
type UnreportedTerm uint8

const (
	// UnreportedCounts counts it from its start, UnreportedNothing not at all.
	UnreportedCounts UnreportedTerm = iota + 1
	UnreportedNothing
)

// beforeClock is the downtime that lies before the clock of its outage started. It is decided once, by the outages of the
// possible track, and taken out of all three, so that certain ⊆ point ⊆ possible stays true. A report belongs to every
// outage that its time touches; of several the earliest starts the clock.
func (c *computation) beforeClock(possible Set) Set {
	if c.terms.Outage.Clock <= ClockDetected {
		return nil
	}
	var before []Interval
	for _, i := range possible {
		start, reported := c.clockOf(i)
		switch {
		case reported:
			before = append(before, Interval{i.From, min(max(start, i.From), i.To)})
		case c.terms.Outage.Unreported == UnreportedNothing:
			before = append(before, i)
		}
	}
	return NewSet(before...)
}

// clockOf is the earliest instant at which somebody reported an outage.
func (c *computation) clockOf(outage Interval) (at int64, reported bool) {
	for _, r := range c.entries {
		if r.Kind != KindReport || !r.concerns(c.agreement.Name, c.services) || r.From >= outage.To || outage.From >= r.To {
			continue
		}
		told := r.Reported
		if c.terms.Outage.Clock == ClockOpened {
			told = r.Opened
		}
		if told != 0 && (!reported || told < at) {
			at, reported = told, true
		}
	}
	return at, reported
}

// clockWords says why time before the clock does not count.
func (o OutageTerms) clockWords() string {
	if o.Clock == ClockOpened {
		return "before its ticket was opened"
	}
	return "before it was reported"
}
