package exporter

import (
	"maps"
	"slices"
	"time"
)

// Numbers is what other packages count, as plain numbers. A part that the process does not have is nil, and its lines
// are absent.
type Numbers struct {
	Scheduler *SchedulerNumbers
	Agent     *AgentNumbers
	Ledger    *LedgerNumbers
	Sealer    *SealerNumbers
	States    *StateNumbers
	Relay     *RelayNumbers
	Reloads   *ReloadNumbers
	Shipper   *ShipperNumbers
	Intake    *IntakeNumbers
	Requests  *RequestNumbers
	// Deliveries are one an agent, each once.
	Deliveries []DeliveryNumbers
}

// ReloadNumbers is what became of the signals to read the files anew.
type ReloadNumbers struct {
	// Done and Failed count them since the start; Refused says that the last one failed, so that what runs is older than the files.
	Done, Failed uint64
	Refused      bool
}

// SchedulerNumbers is the scheduler's part.
type SchedulerNumbers struct {
	// Fires is the slots that came due since the start; InFlight the probes running now.
	Fires    uint64
	InFlight int
	// Workers by kind of probe, each kind once.
	Workers []Workers
}

// Workers is how many workers of a kind are busy, of how many.
type Workers struct {
	Kind        string
	Busy, Limit int
}

// AgentNumbers is what an agent knows of its own faults and of its focus.
type AgentNumbers struct {
	// Pauses is how often the process did not run, Paused for how long in all. ClockOffset is wall clock less count.
	Pauses      uint64
	Paused      time.Duration
	ClockOffset time.Duration
	// Isolation is nil without references.
	Isolation *IsolationNumbers
	// Focus and Down are the checks in these states; Extras the probes beside the slots, Dropped those that did not begin.
	Focus, Down     int
	Extras, Dropped uint64
	// Others says that there may be other sites; Heard is how many are heard now.
	Others bool
	Heard  int
}

// StateNumbers is what the newest results of all sites say of checks and services: 0 up, 1 suspected, 2 down, 3 unknown.
type StateNumbers struct{ Checks, Services []State }

// State is that of one check or service.
type State struct {
	Name  string
	Value int
}

// RelayNumbers is what sites told each other by way of this process, since the start.
type RelayNumbers struct{ Told, Passed, Refused, Dropped uint64 }

// IsolationNumbers is what the references say.
type IsolationNumbers struct {
	// Uplink says that none answers, Resolver that the site's resolver does not.
	Uplink, Resolver bool
	// Times is how often that began, by cause; References who answered when last asked, each name once.
	Times      map[string]uint64
	References map[string]bool
}

// LedgerNumbers is the ledger's part; of an agent without a ledger, its spool's.
type LedgerNumbers struct {
	// Batches and Results made durable since the start, and the time that took.
	Batches, Results uint64
	AppendTime       time.Duration
	// LastAppend is when the last append was on stable storage, in milliseconds UTC; 0 before the first.
	LastAppend int64
	// Waiting is the results taken and not yet on stable storage.
	Waiting int
	// Backup is the instant of the newest checked backup, in milliseconds UTC; 0 where there is none.
	Backup int64
}

// SealerNumbers is the part of what seals days.
type SealerNumbers struct {
	// Final, Again and Provisional are site days sealed for good, again because of late results, and before they were over.
	Final, Again, Provisional uint64
	// Results were folded into them; Took is the time that all tries took.
	Results uint64
	Took    time.Duration
	// Errors and Stale are tries that failed, and that another server was faster than.
	Errors, Stale uint64
	// Since is when the oldest day that waits began to, in milliseconds UTC; 0 where none does.
	Since int64
	// Late is how many series' days late results changed.
	Late uint64
}

func (n Numbers) block() block {
	var b block
	if s := n.Scheduler; s != nil {
		b.count(fires, s.Fires)
		b.gauge(inFlight, float64(s.InFlight))
		for _, w := range s.Workers {
			b.gauge(workersBusy, float64(w.Busy), w.Kind)
			b.gauge(workersLimit, float64(w.Limit), w.Kind)
		}
	}
	if a := n.Agent; a != nil {
		a.add(&b)
	}
	if l := n.Ledger; l != nil {
		b.count(ledgerBatches, l.Batches)
		b.count(ledgerResults, l.Results)
		b.gauge(ledgerAppend, l.AppendTime.Seconds())
		if l.LastAppend != 0 {
			b.gauge(ledgerLast, seconds(l.LastAppend))
		}
		b.gauge(ledgerWaiting, float64(l.Waiting))
		if l.Backup != 0 {
			b.gauge(ledgerBackup, seconds(l.Backup))
		}
	}
	if s := n.Sealer; s != nil {
		s.add(&b)
	}
	if s := n.States; s != nil {
		s.add(&b)
	}
	if r := n.Relay; r != nil {
		b.count(relayWords, r.Told, "told")
		b.count(relayWords, r.Passed, "passed")
		b.count(relayWords, r.Refused, "refused")
		b.count(relayWords, r.Dropped, "dropped")
	}
	if s := n.Shipper; s != nil {
		s.add(&b)
	}
	if i := n.Intake; i != nil {
		i.add(&b)
	}
	if r := n.Requests; r != nil {
		r.add(&b)
	}
	for i := range n.Deliveries {
		n.Deliveries[i].add(&b)
	}
	if r := n.Reloads; r != nil {
		b.count(reloads, r.Done, "done")
		b.count(reloads, r.Failed, "refused")
		b.gauge(reloadRefused, asFlag(r.Refused))
	}
	return b
}

func (a *AgentNumbers) add(b *block) {
	b.count(pauses, a.Pauses)
	b.gauge(pausedTime, a.Paused.Seconds())
	b.gauge(clockOffset, a.ClockOffset.Seconds())
	b.gauge(focusChecks, float64(a.Focus), "focus")
	b.gauge(focusChecks, float64(a.Down), "down")
	b.count(focusProbes, a.Extras)
	b.count(focusDropped, a.Dropped)
	if a.Others {
		b.gauge(sitesHeard, float64(a.Heard))
	}
	i := a.Isolation
	if i == nil {
		return
	}
	b.gauge(isolated, asFlag(i.Uplink), "uplink")
	b.gauge(isolated, asFlag(i.Resolver), "resolver")
	for _, cause := range slices.Sorted(maps.Keys(i.Times)) {
		b.count(isolations, i.Times[cause], cause)
	}
	for _, name := range slices.Sorted(maps.Keys(i.References)) {
		b.gauge(referenceUp, asFlag(i.References[name]), name)
	}
}

func (s *StateNumbers) add(b *block) {
	for _, c := range s.Checks {
		b.gauge(checkState, float64(c.Value), c.Name)
	}
	for _, s := range s.Services {
		b.gauge(serviceState, float64(s.Value), s.Name)
	}
}

func (s *SealerNumbers) add(b *block) {
	b.count(ledgerSeals, s.Final, "final")
	b.count(ledgerSeals, s.Again, "again")
	b.count(ledgerSeals, s.Provisional, "provisional")
	b.count(ledgerSealed, s.Results)
	b.gauge(ledgerSealTime, s.Took.Seconds())
	b.count(ledgerSealLost, s.Errors, "error")
	b.count(ledgerSealLost, s.Stale, "stale")
	if s.Since != 0 {
		b.gauge(ledgerUnsealed, seconds(s.Since))
	}
	b.count(ledgerLate, s.Late)
}

func asFlag(on bool) float64 {
	if on {
		return 1
	}
	return 0
}
