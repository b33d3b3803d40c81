package exporter

import (
	"fmt"
	"net/http"
	"time"
)

// Health is what readiness is judged by, read at one instant. Instants are milliseconds UTC.
type Health struct {
	// At is the instant of the reading.
	At int64
	// LedgerOpen: the ledger (an agent's: its spool) takes batches.
	LedgerOpen bool
	// SchedulerRunning: slots are fired; a process without a scheduler says true.
	SchedulerRunning bool
	// LastAppend is when the last batch was on stable storage, or, before the first, when the process started.
	LastAppend int64
	// Within is the longest span without an append that is normal; 0 where none is expected, as without checks.
	Within time.Duration
}

// Problems returns one line for each thing that is not ready, nil where all are.
func (h Health) Problems() []string {
	var ps []string
	if !h.LedgerOpen {
		ps = append(ps, "ledger: got closed, want open")
	}
	if !h.SchedulerRunning {
		ps = append(ps, "scheduler: got stopped, want running")
	}
	ago := time.Duration(h.At-h.LastAppend) * time.Millisecond
	if h.LedgerOpen && h.Within > 0 && ago > h.Within {
		ps = append(ps, fmt.Sprintf("ledger: got the last append %v ago, want one within %v", ago, h.Within))
	}
	return ps
}

// Healthz answers 200 as long as the process answers at all: a restart would not help what Readyz finds.
func Healthz() http.Handler {
	return readOnly(func(w http.ResponseWriter) { answer(w, http.StatusOK, "alive") })
}

// Readyz answers 200, or 503 with a line for each thing that is not ready. read is called once a request.
func Readyz(read func() Health) http.Handler {
	return readOnly(func(w http.ResponseWriter) {
		if ps := read().Problems(); len(ps) > 0 {
			answer(w, http.StatusServiceUnavailable, ps...)
			return
		}
		answer(w, http.StatusOK, "ready")
	})
}

func answer(w http.ResponseWriter, status int, lines ...string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	for _, l := range lines {
		fmt.Fprintln(w, l)
	}
}
