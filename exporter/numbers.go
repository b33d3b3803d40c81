package exporter

import "time"

// Numbers is what other packages count, as plain numbers. A part that the process does not have is nil, and its lines
// are absent.
type Numbers struct {
	Scheduler *SchedulerNumbers
	Ledger    *LedgerNumbers
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

// LedgerNumbers is the ledger's part; of an agent without a ledger, its spool's.
type LedgerNumbers struct {
	// Batches and Results made durable since the start, and the time that took.
	Batches, Results uint64
	AppendTime       time.Duration
	// LastAppend is when the last append was on stable storage, in milliseconds UTC; 0 before the first.
	LastAppend int64
	// Waiting is the results taken and not yet on stable storage.
	Waiting int
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
	if l := n.Ledger; l != nil {
		b.count(ledgerBatches, l.Batches)
		b.count(ledgerResults, l.Results)
		b.gauge(ledgerAppend, l.AppendTime.Seconds())
		if l.LastAppend != 0 {
			b.gauge(ledgerLast, seconds(l.LastAppend))
		}
		b.gauge(ledgerWaiting, float64(l.Waiting))
	}
	return b
}
