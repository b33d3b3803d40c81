package exporter

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/VictoriaMetrics/metrics"

	"github.com/uptally/uptally"
)

// Options is what an Exporter says of the process itself.
type Options struct {
	// Version is the program's; GoVersion that of the Go release, such as "go1.26.0".
	Version, GoVersion string
	// Runtime returns the plain numbers of scheduler and ledger; it is called once a scrape. nil leaves them out.
	Runtime func() Numbers
}

// Exporter keeps the numbers behind /metrics. Its methods are safe for concurrent use.
//
//  1. New; SetChecks with the configuration, and again at each reload.
//  2. CheckResult for every result, SetAgreement at most once a minute.
//  3. Handler renders what is there; it computes nothing.
type Exporter struct {
	runtime  func() Numbers
	own      block
	missed   map[uptally.Reason]*metrics.Counter // and void; never written after New
	lateness histogram
	refused  *metrics.Counter

	checks atomic.Pointer[checkSet]

	mu         sync.Mutex // guards agreements, and SetChecks against itself
	agreements map[string]block

	rendering sync.Mutex // guards pageSize
	pageSize  int
}

// checkSet is the configured checks at one time; it is replaced as a whole and never written.
type checkSet struct {
	byName map[Series]*series
	sorted []*series
}

// New returns an Exporter without checks and agreements. Nothing is shared with another Exporter or the library's
// default set.
func New(o Options) *Exporter {
	e := &Exporter{runtime: o.Runtime, missed: map[uptally.Reason]*metrics.Counter{}, agreements: map[string]block{}}
	e.checks.Store(&checkSet{})
	e.own.gauge(buildInfo, 1, o.Version, o.GoVersion)
	for _, r := range uptally.Reasons(uptally.Missed) {
		// All of them from the start: a rate over a counter that appears with a 1 misses that one.
		e.missed[r] = e.own.of(slotsMissed).NewCounter(slotsMissed.line(r.String()))
	}
	for _, r := range uptally.Reasons(uptally.Void) {
		e.missed[r] = e.own.of(resultsVoid).NewCounter(resultsVoid.line(r.String()))
	}
	e.lateness.add(&e.own, lateness)
	e.refused = e.own.of(refused).NewCounter(refused.line())
	return e
}

// SetChecks says which checks run at which sites. Those that stay keep their counts, new ones begin at zero, and the
// lines of all others are gone. The error names what cannot be a label value or is given twice; nothing has changed then.
func (e *Exporter) SetChecks(all []Series) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	old, next := e.checks.Load(), &checkSet{byName: make(map[Series]*series, len(all))}
	for _, k := range all {
		if err := cmp.Or(checkLabel("check", k.Check), checkLabel("site", k.Site)); err != nil {
			return fmt.Errorf("set checks: %w", err)
		}
		if next.byName[k] != nil {
			return fmt.Errorf("set checks: check %q at site %q: got it twice, want it once", k.Check, k.Site)
		}
		s := old.byName[k]
		if s == nil {
			s = newSeries(k)
		}
		next.byName[k] = s
		next.sorted = append(next.sorted, s)
	}
	slices.SortFunc(next.sorted, func(a, b *series) int {
		return cmp.Or(cmp.Compare(a.Check, b.Check), cmp.Compare(a.Site, b.Site))
	})
	e.checks.Store(next)
	return nil
}

// CheckResult counts one result of a check at a site, by their names; r's IDs are not read. A check and site that
// SetChecks did not name, and a reason that no agent writes, are refused and counted as such. It takes well under a
// microsecond.
func (e *Exporter) CheckResult(check, site string, r uptally.Result) {
	s := e.checks.Load().byName[Series{check, site}]
	o := r.Outcome()
	if s == nil || o == 0 || o == uptally.Unknown {
		e.refused.Inc()
		return
	}
	s.add(r)
	if n := e.missed[r.Reason]; n != nil {
		n.Inc()
	}
	if o != uptally.Missed {
		e.lateness.observe(int64(r.Late) * 1000)
	}
}

// CertificateExpiry notes when the first certificate of the chain that a check saw at a site expires, in milliseconds
// UTC. An unknown check and site is refused and counted as such.
func (e *Exporter) CertificateExpiry(check, site string, at int64) {
	s := e.checks.Load().byName[Series{check, site}]
	if s == nil {
		e.refused.Inc()
		return
	}
	s.expires(at)
}

// blocks returns everything on the page in order: the process, the agreements, the checks.
func (e *Exporter) blocks() []block {
	checks := e.checks.Load().sorted
	bs := append(make([]block, 0, len(checks)+8), e.own)
	if e.runtime != nil {
		bs = append(bs, e.runtime().block())
	}
	e.mu.Lock()
	for _, name := range slices.Sorted(maps.Keys(e.agreements)) {
		bs = append(bs, e.agreements[name])
	}
	e.mu.Unlock()
	for _, s := range checks {
		bs = append(bs, s.block())
	}
	return bs
}
