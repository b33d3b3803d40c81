package exporter

import "time"

// DeliveryNumbers is how an agent and its server stand to each other: on an agent's page its own, on a server's those of each agent that
// is enrolled. Instants are milliseconds UTC, 0 where there is none.
type DeliveryNumbers struct {
	// Agent is its ID in sixteen hexadecimal digits, Site the name of its place.
	Agent, Site string
	// SpokeAt is when the two spoke last; before that, when this process began. NewestAt is the newest send instant among the
	// results that came.
	SpokeAt, NewestAt int64
	// Until is when the agent's certificate ends.
	Until int64
	// ClockKnown says that Offset, agent − server, and Bound, how far it may be wrong, are known.
	ClockKnown    bool
	Offset, Bound time.Duration
	// Waiting are batches that are not acknowledged; OldestAt is when the first of them was appended.
	Waiting  int
	OldestAt int64
	// Left is how long the spool has room if nothing is acknowledged, 0 where that is not known; Damaged are the damaged files beside it.
	Left    time.Duration
	Damaged int
	// Behind says that the server has other plans than the agent measures by.
	Behind bool
	// Twins counts the signs that another agent delivers under the same identity; a server's alone.
	Twins uint64
}

// ShipperNumbers is what an agent alone knows of its delivery, since its start.
type ShipperNumbers struct {
	// Acknowledged counts batches, Incarnations the times at which the server had another ledger than before.
	Acknowledged, Incarnations uint64
	// Failures are requests without a reply, by cause.
	Failures map[string]uint64
	// Bytes are those of the spool's file that are in use, Bound what it may have.
	Bytes, Bound int64
	// Lost are batches that cannot be read any more.
	Lost uint64
}

// IntakeNumbers is what became of what was delivered, since the start.
type IntakeNumbers struct {
	// Stored, Duplicates, Held, Refused and Failed are batches: counted, there already, kept and not counted, not readable,
	// and not stored for want of a ledger that takes them.
	Stored, Duplicates, Held, Refused, Failed uint64
}

// RequestNumbers is what became of agents' requests, since the start.
type RequestNumbers struct {
	// Results are requests by what became of them, Problems batches by why they were not accepted.
	Results, Problems map[string]uint64
	// Incarnations counts the names that the ledger got because an agent remembered more than it has.
	Incarnations uint64
}

func (d *DeliveryNumbers) add(b *block) {
	gauge := func(f family, v float64) { b.gauge(f, v, d.Agent, d.Site) }
	instant := func(f family, at int64) {
		if at != 0 {
			gauge(f, seconds(at))
		}
	}
	instant(agentSpoke, d.SpokeAt)
	instant(agentNewest, d.NewestAt)
	instant(agentUntil, d.Until)
	if d.ClockKnown {
		gauge(agentClock, d.Offset.Seconds())
		gauge(agentClockBound, d.Bound.Seconds())
	}
	gauge(agentWaiting, float64(d.Waiting))
	instant(agentOldest, d.OldestAt)
	if d.Left > 0 {
		gauge(agentLeft, d.Left.Seconds())
	}
	gauge(agentDamaged, float64(d.Damaged))
	gauge(agentBehind, asFlag(d.Behind))
	b.count(agentTwins, d.Twins, d.Agent, d.Site)
}

func (s *ShipperNumbers) add(b *block) {
	b.count(shipped, s.Acknowledged)
	b.counts(shipFailures, s.Failures)
	b.count(shipIncarnations, s.Incarnations)
	b.gauge(spoolBytes, float64(s.Bytes))
	b.gauge(spoolBound, float64(s.Bound))
	b.gauge(spoolLost, float64(s.Lost))
}

func (i *IntakeNumbers) add(b *block) {
	for _, x := range []struct {
		result string
		n      uint64
	}{{"stored", i.Stored}, {"duplicate", i.Duplicates}, {"held", i.Held}, {"refused", i.Refused}, {"failed", i.Failed}} {
		b.count(intakeBatches, x.n, x.result)
	}
}

func (r *RequestNumbers) add(b *block) {
	b.counts(requests, r.Results)
	b.counts(problemBatches, r.Problems)
	b.count(incarnations, r.Incarnations)
}
