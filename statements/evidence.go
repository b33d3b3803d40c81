package statements

import (
	"cmp"
	"fmt"
	"math/big"
	"slices"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/agreements"
)

// Evidence is what the figures rest on.
type Evidence struct {
	// Kind is measured (out of a ledger), results or timeline (out of files); Words names it for people.
	Kind  string `json:"kind"`
	Words string `json:"words"`
	// Files are the sources with their digests; none where the evidence is a ledger's.
	Files []File `json:"files"`
	// Digest tells this evidence from any other, where it is a ledger's: SHA-256 over the days of all checks and sites. Imports
	// are those that results of the period came from, Entries what people recorded of it.
	Digest  string             `json:"digest,omitempty"`
	Imports []ImportedEvidence `json:"imports,omitempty"`
	Entries []EntryEvidence    `json:"entries,omitempty"`
	Checks  []CheckEvidence    `json:"checks"`
	// Slots adds the sites up.
	Slots Slots `json:"slots"`
}

// File is a source and its SHA-256 in hexadecimal digits.
type File struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256"`
}

// CheckEvidence is one check: what it measured, under which plans, at which sites.
type CheckEvidence struct {
	Check    string         `json:"check"`
	Services []string       `json:"services"`
	Plans    []PlanEvidence `json:"plans"`
	Sites    []SiteEvidence `json:"sites"`
}

// PlanEvidence is a plan in force at some instant of the period.
type PlanEvidence struct {
	From      Instant  `json:"from"`
	Kind      string   `json:"kind"`
	Target    string   `json:"target"`
	EveryMS   int64    `json:"every_ms"`
	Cron      string   `json:"cron"`
	TimeoutMS int64    `json:"timeout_ms"`
	Sites     []string `json:"sites"`
	Quorum    int      `json:"quorum"`
	Confirm   int      `json:"confirm"`
	Recover   int      `json:"recover"`
	GapMS     int64    `json:"gap_ms"`
	Focus     bool     `json:"focus,omitempty"`
	// Digest is the plan's own, sixteen hexadecimal digits: the first of SHA-256 of its canonical bytes.
	Digest string `json:"digest,omitempty"`
}

// SiteEvidence is one site's results of the period, focus included, and what became of its planned slots.
type SiteEvidence struct {
	Site    string        `json:"site"`
	Results Counts        `json:"results"`
	Reasons []ReasonCount `json:"reasons"`
	Slots   Slots         `json:"slots"`
	// Days are the UTC days of the period that have results, where the evidence is a ledger's. Beyond are those that were
	// read beside them, because an outage or a rule reaches across an edge of the period.
	Days   []DayEvidence `json:"days,omitempty"`
	Beyond []DayEvidence `json:"beyond,omitempty"`
}

// Counts is results by outcome.
type Counts struct {
	Up      int64 `json:"up"`
	Down    int64 `json:"down"`
	Void    int64 `json:"void"`
	Missed  int64 `json:"missed"`
	Unknown int64 `json:"unknown"`
}

// ReasonCount is the number of results, or of slots, with one reason.
type ReasonCount struct {
	Outcome string `json:"outcome"`
	Reason  string `json:"reason"`
	Count   int64  `json:"count"`
}

// Slots is the planned slots of the part of the period that is over, how many of them were probed, and why the others
// were not. All are 0 where the plan is not known.
type Slots struct {
	Planned  int64         `json:"planned"`
	Probed   int64         `json:"probed"`
	Coverage Share         `json:"coverage"`
	Lost     []ReasonCount `json:"lost"`
}

// tally counts results by reason.
type tally [256]int64

func (t *tally) list(outcomes ...uptally.Outcome) []ReasonCount {
	rs := []ReasonCount{}
	for r, n := range t {
		if o := uptally.Reason(r).Outcome(); n > 0 && slices.Contains(outcomes, o) {
			rs = append(rs, ReasonCount{o.String(), uptally.Reason(r).String(), n})
		}
	}
	return rs
}

func (t *tally) add(o tally) {
	for r, n := range o {
		t[r] += n
	}
}

func (t *tally) counts() Counts {
	var by outcomes
	for r, n := range t {
		by[uptally.Reason(r).Outcome()] += n
	}
	return by.counts()
}

// outcomes are numbers of results by outcome.
type outcomes [uptally.Unknown + 1]int64

func (by *outcomes) counts() Counts {
	return Counts{by[uptally.Up], by[uptally.Down], by[uptally.Void], by[uptally.Missed], by[uptally.Unknown]}
}

func newSlots(planned int64, lost tally) Slots {
	s := Slots{Planned: planned, Probed: planned, Lost: lost.list(uptally.Missed, uptally.Unknown)}
	for _, n := range lost {
		s.Probed -= n
	}
	if planned > 0 {
		r := big.NewRat(s.Probed, planned)
		s.Coverage = Share{ratText(r), agreements.FormatAvailability(r, 2)}
	}
	return s
}

// summary counts what was measured of every check in the part of the period that is over at now.
func summary(checks []agreements.Evidence, services map[string][]string, period agreements.Interval, now int64, slots SlotsFunc) (Evidence, error) {
	ev := Evidence{Kind: "measured", Words: "results of scheduled probes, as kept in the ledger", Files: []File{}, Checks: []CheckEvidence{}}
	var planned int64
	var lost tally
	for _, c := range checks {
		ce := CheckEvidence{Check: c.Check, Services: servicesOf(c.Check, services), Plans: []PlanEvidence{}, Sites: []SiteEvidence{}}
		for _, s := range inForce(c.Plans, period) {
			ce.Plans = append(ce.Plans, newPlan(s.Plan))
		}
		for _, site := range c.Sites {
			t := siteTally{period: period, now: now}
			if err := t.count(site, c.Plans, slots); err != nil {
				return Evidence{}, fmt.Errorf("count slots of %q at %q: %w", c.Check, site.Site, err)
			}
			planned += t.planned
			lost.add(t.lost)
			ce.Sites = append(ce.Sites, SiteEvidence{
				Site: site.Site, Results: t.results.counts(), Slots: newSlots(t.planned, t.lost),
				Reasons: t.results.list(uptally.Down, uptally.Void, uptally.Missed, uptally.Unknown),
			})
		}
		ev.Checks = append(ev.Checks, ce)
	}
	ev.Slots = newSlots(planned, lost)
	return ev, nil
}

// siteTally is one site's results of a check in the period, and what became of its planned slots.
type siteTally struct {
	period        agreements.Interval
	now           int64
	planned       int64
	results, lost tally
}

func (t *siteTally) count(site agreements.SiteRuns, plans []uptally.Plan, slots SlotsFunc) error {
	runs := slices.SortedFunc(slices.Values(site.Runs), func(a, b uptally.Run) int { return cmp.Compare(a.At, b.At) })
	for _, r := range runs {
		t.results[r.Reason] += before(r, t.period.To) - before(r, t.period.From)
	}
	if slots == nil {
		return nil
	}
	have := cursor{runs: runs}
	for _, s := range inForce(plans, t.period) {
		if !slices.Contains(s.Sites, site.Site) {
			continue
		}
		next, err := slots(s.Plan, site.Site)
		if err != nil {
			return err
		}
		// A slot whose probe may still be under way is not lost yet.
		end := min(s.at.To, t.now-s.Timeout-leadSlack)
		for due := next(s.at.From - 1); due < end; due = next(due) {
			t.planned++
			if r := have.at(due); r.Outcome() == uptally.Missed || r.Outcome() == uptally.Unknown {
				t.lost[r]++
			}
		}
	}
	return nil
}

// cursor looks up results at ascending instants in sorted runs of one series.
type cursor struct {
	runs []uptally.Run
	i    int
}

// at returns what the slot left, or NoData.
func (c *cursor) at(due int64) uptally.Reason {
	for ; c.i < len(c.runs); c.i++ {
		r := c.runs[c.i]
		if due > r.End() {
			continue
		}
		if due < r.At || r.Step > 0 && (due-r.At)%int64(r.Step) != 0 {
			break
		}
		return r.Reason
	}
	return uptally.NoData
}

// before counts the results of a run that were scheduled before an instant.
func before(r uptally.Run, at int64) int64 {
	switch {
	case at <= r.At:
		return 0
	case r.Step == 0:
		return int64(r.N)
	}
	return min(int64(r.N), (at-r.At-1)/int64(r.Step)+1)
}

// stretch is a plan and where inside an interval it is in force.
type stretch struct {
	uptally.Plan
	at agreements.Interval
}

func inForce(plans []uptally.Plan, in agreements.Interval) []stretch {
	plans = slices.SortedFunc(slices.Values(plans), func(a, b uptally.Plan) int { return cmp.Compare(a.From, b.From) })
	var out []stretch
	for i, p := range plans {
		at := agreements.Interval{From: max(p.From, in.From), To: in.To}
		if i+1 < len(plans) {
			at.To = min(at.To, plans[i+1].From)
		}
		if !at.Empty() {
			out = append(out, stretch{p, at})
		}
	}
	return out
}

func newPlan(p uptally.Plan) PlanEvidence {
	return PlanEvidence{
		Instant(p.From), p.Kind, p.Target, p.Every, p.Cron, p.Timeout, list(p.Sites),
		p.Quorum, p.Confirm, p.Recover, p.Gap, p.Focus, fmt.Sprintf("%016x", p.Digest()),
	}
}

func servicesOf(check string, services map[string][]string) []string {
	names := []string{}
	for name, checks := range services {
		if slices.Contains(checks, check) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
