package main

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/probes"
)

// The formats of what uptally probe --format json prints, one object a line. A field is added without a new number; one
// that is renamed, removed or means something else gets one. Source: docs/probes.md, "The command uptally probe".
const (
	probeFormat   = "uptally-probe/1"
	summaryFormat = "uptally-probe-summary/1"
)

// probeJSON is one observation. Instants are RFC 3339 in UTC, spans whole microseconds.
type probeJSON struct {
	Format     string      `json:"format"`
	Check      string      `json:"check,omitempty"`
	Kind       string      `json:"kind"`
	Target     string      `json:"target"`
	Seq        int         `json:"seq,omitempty"` // from 1, where the probe is repeated
	SentAt     string      `json:"sent_at"`
	Outcome    string      `json:"outcome"`
	Reason     string      `json:"reason"`
	Meaning    string      `json:"meaning,omitempty"`
	Detail     string      `json:"detail,omitempty"`
	FailedIn   string      `json:"failed_in,omitempty"`
	ResponseUS int64       `json:"response_us,omitempty"` // absent where no answer came
	DelayUS    int64       `json:"delay_us,omitempty"`
	CertExpiry string      `json:"cert_expiry,omitempty"`
	Phases     []phaseJSON `json:"phases"`
	Facts      []factJSON  `json:"facts"`
}

type phaseJSON struct {
	Hop  int    `json:"hop"` // from 1; above 1 behind a redirect
	Name string `json:"name"`
	US   int64  `json:"duration_us"`
}

type factJSON struct {
	Hop   int    `json:"hop"`
	Key   string `json:"key"`
	Value string `json:"value"`
}

func newProbeJSON(t probeTask, seq int, o probes.Observation) probeJSON {
	j := probeJSON{
		Format: probeFormat, Kind: t.settings.Kind(), Target: t.settings.Target(), Seq: seq, SentAt: instantJSON(o.SentAt),
		Outcome: o.Outcome().String(), Reason: o.Reason.String(), Meaning: plainMeaning(o.Reason), Detail: o.Detail, FailedIn: o.FailedIn,
		ResponseUS: o.RTT.Microseconds(), DelayUS: o.Delay.Microseconds(), Phases: []phaseJSON{}, Facts: []factJSON{},
	}
	if t.check != nil {
		j.Check = t.check.Plan.Check
	}
	if !o.CertExpiry.IsZero() {
		j.CertExpiry = o.CertExpiry.UTC().Format(time.RFC3339)
	}
	for i, h := range hopsOf(o) {
		for _, ph := range h.phases {
			j.Phases = append(j.Phases, phaseJSON{i + 1, ph.Name, ph.D.Microseconds()})
		}
		for _, f := range h.facts {
			j.Facts = append(j.Facts, factJSON{i + 1, f.Key, f.Value})
		}
	}
	return j
}

// instantJSON has microseconds, as everything else.
func instantJSON(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z") }

// summaryJSON ends repeated probes.
type summaryJSON struct {
	Format  string         `json:"format"`
	Probes  int            `json:"probes"`
	Up      int            `json:"up"`
	Down    int            `json:"down"`
	Void    int            `json:"void"`
	Missed  int            `json:"missed"`
	Reasons map[string]int `json:"reasons,omitempty"`
	// Response is absent where no answer came.
	Response *percentilesJSON `json:"response,omitempty"`
}

type percentilesJSON struct {
	Min int64 `json:"min_us"`
	P50 int64 `json:"p50_us"`
	P90 int64 `json:"p90_us"`
	P99 int64 `json:"p99_us"`
	Max int64 `json:"max_us"`
}

func newSummaryJSON(s *tally) summaryJSON {
	j := summaryJSON{
		Format: summaryFormat, Probes: s.probes, Up: s.outcomes[uptally.Up], Down: s.outcomes[uptally.Down],
		Void: s.outcomes[uptally.Void], Missed: s.outcomes[uptally.Missed],
	}
	for r, n := range s.reasons {
		if j.Reasons == nil {
			j.Reasons = map[string]int{}
		}
		j.Reasons[r.String()] = n
	}
	if len(s.times) > 0 {
		us := func(percent int) int64 { return s.percentile(percent).Microseconds() }
		j.Response = &percentilesJSON{us(0), us(50), us(90), us(99), us(100)}
	}
	return j
}

// printJSON writes one line.
func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("write json: %w", err)
	}
	return nil
}
