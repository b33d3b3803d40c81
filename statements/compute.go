package statements

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/agreements"
	"github.com/uptally/uptally/ledger"
)

// Ledger is the evidence a statement is computed from. A ledger.Store is one; its documentation holds.
type Ledger interface {
	Plans(ctx context.Context, check string) ([]uptally.Plan, error)
	// Runs are what accounts are made of, with the digests of what is sealed. Days is read only where a measure needs exact response
	// times, and for the digests of days that are not sealed.
	Runs(ctx context.Context, check, site uptally.ID, from, to int32, f func(ledger.Outcomes) error) error
	Days(ctx context.Context, check, site uptally.ID, from, to int32) ([]uptally.Day, error)
	Failures(ctx context.Context, check, site uptally.ID, from, to int64) ([]uptally.Result, error)
	Entries(ctx context.Context, asOf int64) ([]uptally.Entry, error)
	// Reseals tell what late results changed, Drops which days are gone.
	Reseals(ctx context.Context, from, to int32) ([]ledger.Reseal, error)
	Drops(ctx context.Context) ([]ledger.Drop, error)
}

// SlotsFunc returns the scheduled instants of a plan at a site: a function that yields the first one after an instant,
// or one beyond every period. schedule.NewSlots makes one.
type SlotsFunc func(p uptally.Plan, site string) (next func(after int64) int64, err error)

// Request asks for the statement of one agreement and period out of a ledger.
type Request struct {
	Agreement *agreements.Agreement
	// Services holds the checks of every service that the agreement names; all of them must be up.
	Services map[string][]string
	// Period is what PeriodText, such as "2026-10", means in the agreement's zone.
	Period     agreements.Interval
	PeriodText string
	// AsOf: entries recorded up to this instant apply. Now is the instant of computing; nothing after it is measured yet.
	AsOf, Now int64
	// ClockError is the widest clock error of the sites in milliseconds.
	ClockError int64
	// Slots counts the planned slots for the coverage and tells them from the probes of a focus; nil leaves them uncounted,
	// and then response times and losses weigh every probe.
	Slots SlotsFunc
	// ZoneData names the version of the zone data, for the small print; empty where it is not known.
	ZoneData string
	Ledger   Ledger
}

// Compute gathers the evidence of the period with as much before and after it as decides its edges, and returns the
// statement. The error names the agreement, check or entry at fault; it is a *agreements.TermsError when the
// period has no terms.
func Compute(ctx context.Context, in Request) (Statement, error) {
	g, err := Gather(ctx, in)
	if err != nil {
		return Statement{}, err
	}
	return g.Statement(ctx)
}

// Gathered is the evidence of a request, read once for its statement and for any account of its period.
type Gathered struct {
	in      Request
	reads   *reads
	checks  []agreements.Evidence
	entries []agreements.Recorded
	imports []Imported
	// services by version.
	services map[*agreements.Version]map[string]agreements.Tracks
}

// Gather reads what Compute computes from. Errors are those of Compute.
func Gather(ctx context.Context, in Request) (*Gathered, error) { return gather(ctx, in, true) }

// Statement computes the statement. Errors are those of Compute.
func (g *Gathered) Statement(ctx context.Context) (Statement, error) {
	in := g.in
	evidence, err := summary(g.checks, in.Services, in.Period, in.Now, in.Slots)
	if err != nil {
		return Statement{}, err
	}
	g.describe(&evidence)
	s, err := finish(draft{
		agreement: in.Agreement, period: in.Period, periodText: in.PeriodText, zoneData: in.ZoneData, now: in.Now, until: in.Now, asOf: in.AsOf,
		evidence: evidence, entries: g.entries, results: resultsOf(in.Services, g.checks),
		first: func(e agreements.Edge) ([]Failure, error) { return firstFailures(ctx, in.Ledger, e) },
		earlier: func(p agreements.Interval) ([]agreements.Account, error) {
			before := in
			before.Period = p
			return Accounts(ctx, before, p)
		},
	}, g.tracks)
	if err != nil {
		return Statement{}, err
	}
	s.Late, err = LateData(ctx, in.Ledger, &s)
	return s, err
}

// describe adds to what was counted how it can be told from other evidence.
func (g *Gathered) describe(ev *Evidence) {
	for i := range ev.Checks {
		c := &ev.Checks[i]
		for k := range c.Sites {
			s := &c.Sites[k]
			s.Days, s.Beyond = g.reads.series[seriesName{c.Check, s.Site}].evidence(g.in.Period)
		}
	}
	ev.Digest = ev.digest()
	ev.Imports = importsOf(g.imports, ev.Checks, g.in.Period)
}

// Accounts returns the accounts alone over a stretch of the request's period, such as the month to date. Errors are those of
// Compute.
func (g *Gathered) Accounts(inside agreements.Interval) ([]agreements.Account, error) {
	d := draft{agreement: g.in.Agreement, period: g.in.Period, entries: g.entries, results: resultsOf(g.in.Services, g.checks)}
	return accounts(d, inside, g.tracks)
}

// Accounts returns the accounts alone, over period instead of the request's: the month to date, say, for metrics. Errors
// are those of Compute.
func Accounts(ctx context.Context, in Request, period agreements.Interval) ([]agreements.Account, error) {
	g, err := gather(ctx, in, false)
	if err != nil {
		return nil, err
	}
	return g.Accounts(period)
}

// tracksFunc returns the tracks of a version's services as its terms measure them: versions may bridge holes differently.
type tracksFunc func(v *agreements.Version) (map[string]agreements.Tracks, error)

func (g *Gathered) tracks(v *agreements.Version) (map[string]agreements.Tracks, error) {
	return g.services[v], nil
}

func gather(ctx context.Context, in Request, digests bool) (*Gathered, error) {
	parts, err := in.Agreement.Parts(in.Period)
	if err != nil {
		return nil, err
	}
	g := &Gathered{in: in, services: map[*agreements.Version]map[string]agreements.Tracks{}}
	g.reads = &reads{in: in, digests: digests, series: map[seriesName]*seriesDays{}}
	for _, p := range parts {
		g.reads.times = g.reads.times || p.Version.Response != nil
	}
	if g.reads.drops, err = in.Ledger.Drops(ctx); err != nil {
		return nil, fmt.Errorf("read drops: %w", err)
	}
	if err := g.readEntries(ctx); err != nil {
		return nil, err
	}
	for _, p := range parts {
		checks, tracks, err := measureAll(ctx, in, g.reads, p.Version)
		if err != nil {
			return nil, err
		}
		for _, c := range checks {
			if !slices.ContainsFunc(g.checks, func(o agreements.Evidence) bool { return o.Check == c.Check }) {
				g.checks = append(g.checks, c)
			}
		}
		if g.services[p.Version], err = byService(p.Version, in.Services, tracks); err != nil {
			return nil, err
		}
	}
	return g, nil
}

// readEntries reads what people recorded up to AsOf, and every import: what it stored counts whenever it came.
func (g *Gathered) readEntries(ctx context.Context) error {
	entries, err := g.in.Ledger.Entries(ctx, math.MaxInt64)
	if err != nil {
		return fmt.Errorf("read entries: %w", err)
	}
	if g.imports, err = decodeImports(entries); err != nil {
		return err
	}
	g.entries, err = decodeEntries(slices.DeleteFunc(entries, func(e uptally.Entry) bool {
		return e.Kind == agreements.KindImport || e.RecordedAt > g.in.AsOf
	}))
	return err
}

// finish computes the accounts and makes the document. Without tracks there is no evidence but what the draft has.
func finish(d draft, tracks tracksFunc) (Statement, error) {
	var err error
	if d.accounts, err = accounts(d, d.period, tracks); err != nil {
		return Statement{}, err
	}
	if d.earlier == nil {
		d.earlier = func(p agreements.Interval) ([]agreements.Account, error) {
			return accounts(draft{agreement: d.agreement, period: p, entries: d.entries, counts: d.counts}, p, tracks)
		}
	}
	if err := d.look(); err != nil {
		return Statement{}, err
	}
	return build(d)
}

// accounts computes those of every part of the draft's period inside a stretch of it, each by its own version.
func accounts(d draft, inside agreements.Interval, tracks tracksFunc) ([]agreements.Account, error) {
	parts, err := d.agreement.Parts(d.period)
	if err != nil {
		return nil, err
	}
	var all []agreements.Account
	for _, p := range parts {
		at := agreements.Interval{From: max(p.At.From, inside.From), To: min(p.At.To, inside.To)}
		if at.Empty() {
			continue
		}
		in := agreements.Input{Agreement: d.agreement, Period: at, Whole: d.period, Entries: d.entries, Counts: d.counts, Results: d.results}
		if tracks != nil {
			if in.Services, err = tracks(p.Version); err != nil {
				return nil, err
			}
		}
		as, err := agreements.Compute(in)
		if err != nil {
			return nil, err
		}
		all = append(all, as...)
	}
	return all, nil
}

func decodeEntries(entries []uptally.Entry) ([]agreements.Recorded, error) {
	recorded := make([]agreements.Recorded, len(entries))
	for i, e := range entries {
		var err error
		if recorded[i], err = agreements.DecodeEntry(e); err != nil {
			return nil, err
		}
	}
	return recorded, nil
}

// byService combines the checks' tracks into the services that the version names.
func byService(v *agreements.Version, services map[string][]string, tracks map[string]agreements.Tracks) (map[string]agreements.Tracks, error) {
	out := make(map[string]agreements.Tracks, len(v.Services))
	for _, name := range v.Services {
		var ts []agreements.Tracks
		for _, check := range services[name] {
			t, ok := tracks[check]
			if !ok {
				return nil, fmt.Errorf("combine service %q: got no evidence of check %q", name, check)
			}
			ts = append(ts, t)
		}
		if len(ts) == 0 {
			return nil, fmt.Errorf("combine service %q: got no check, want at least one", name)
		}
		out[name] = agreements.AllUp(ts...)
	}
	return out, nil
}

// measureAll measures each check of the version's services once.
func measureAll(ctx context.Context, in Request, from *reads, v *agreements.Version) ([]agreements.Evidence, map[string]agreements.Tracks, error) {
	var names []string
	for _, s := range v.Services {
		names = append(names, in.Services[s]...)
	}
	slices.Sort(names)
	var evs []agreements.Evidence
	tracks := map[string]agreements.Tracks{}
	for _, check := range slices.Compact(names) {
		plans, err := in.Ledger.Plans(ctx, check)
		if err != nil {
			return nil, nil, fmt.Errorf("read plans of %q: %w", check, err)
		}
		g := gathering{in: in, from: from, terms: v, ev: agreements.Evidence{Check: check, Plans: plans}}
		if err := g.run(ctx); err != nil {
			return nil, nil, err
		}
		evs = append(evs, g.ev)
		tracks[check] = g.tracks
	}
	return evs, tracks, nil
}

// gathering reads one check's evidence until both edges of the period are decided.
type gathering struct {
	in     Request
	from   *reads
	terms  *agreements.Version
	ev     agreements.Evidence
	tracks agreements.Tracks
}

// leadSlack is what is read beyond the spans that could matter, for late sends.
const leadSlack = 60_000

// run reads at least what the rules can reach across the edges of the period, and further until the sites agreed on up
// for longer than anything could bridge, or there is no more evidence. Steps grow, since an outage may last for months.
func (g *gathering) run(ctx context.Context) error {
	var gap, settled int64
	first, last := g.in.Now, g.in.Now
	for _, p := range g.ev.Plans {
		gap, settled, first = max(gap, p.Gap), max(settled, p.Gap*int64(max(1, p.Recover))), min(first, p.From)
	}
	o := g.terms.Outage
	settled = max(settled, int64(o.Merge))
	lead := gap + int64(o.Minimum) + int64(o.Merge) + int64(o.Deductible) + int64(g.terms.Bridge) + g.in.ClockError + leadSlack
	read := agreements.Interval{From: g.in.Period.From - lead, To: g.in.Period.To + lead}
	for step := int64(uptally.DayMillis); ; step *= 2 {
		if err := g.measure(ctx, read); err != nil {
			return err
		}
		before := read.From <= first || g.upFor(settled, agreements.Interval{From: read.From, To: g.in.Period.From})
		after := read.To >= last || g.upFor(settled, agreements.Interval{From: g.in.Period.To, To: read.To})
		if before && after {
			return nil
		}
		if !before {
			read.From -= step
		}
		if !after {
			read.To += step
		}
	}
}

// upFor reports whether the vote was UP inside v for longer than a span.
func (g *gathering) upFor(longer int64, v agreements.Interval) bool {
	up := agreements.NewSet(v).Subtract(agreements.Union(g.tracks.Possible, g.tracks.Unknown))
	return slices.ContainsFunc(up, func(i agreements.Interval) bool { return i.Len() > longer })
}

func (g *gathering) measure(ctx context.Context, read agreements.Interval) error {
	g.ev.Sites, g.ev.Days = nil, nil
	from, to := uptally.DayOf(read.From), uptally.DayOf(read.To)+1
	if err := g.from.check(g.ev, from); err != nil {
		return err
	}
	for _, site := range sitesOf(g.ev.Plans) {
		s, err := g.from.days(ctx, g.ev.Check, site, from, to)
		if err != nil {
			return err
		}
		g.ev.Sites = append(g.ev.Sites, agreements.SiteRuns{Site: site, Runs: s.runsOf(from, to)})
		if g.terms.IsReading() {
			g.ev.Days = append(g.ev.Days, s.daysOf(g.ev.Check, site, from, to)...)
		}
	}
	var err error
	if g.ev.Days, err = ordinary(g.ev.Days, g.ev.Plans, g.in.Slots); err != nil {
		return fmt.Errorf("read days of %q: %w", g.ev.Check, err)
	}
	g.tracks, err = agreements.Measure(g.ev, agreements.Rules{Bridge: int64(g.terms.Bridge), ClockError: g.in.ClockError})
	return err
}

// sitesOf lists the sites of all plans in the order in which they first appear.
func sitesOf(plans []uptally.Plan) []string {
	var sites []string
	for _, p := range plans {
		for _, s := range p.Sites {
			if !slices.Contains(sites, s) {
				sites = append(sites, s)
			}
		}
	}
	return sites
}

// resultsOf are the days of each service's checks.
func resultsOf(services map[string][]string, checks []agreements.Evidence) map[string][]uptally.Day {
	results := map[string][]uptally.Day{}
	for service, names := range services {
		for _, c := range checks {
			if slices.Contains(names, c.Check) {
				results[service] = append(results[service], c.Days...)
			}
		}
	}
	return results
}

// firstFailures returns the first failure that each site of an outage saw, by send instant. A site that joined later
// than the start of the outage has none.
func firstFailures(ctx context.Context, l Ledger, e agreements.Edge) ([]Failure, error) {
	var fs []Failure
	from := max(e.Start.From, e.Start.To-uptally.DayMillis)
	for _, site := range e.Sites {
		results, err := l.Failures(ctx, uptally.IDOf(e.Check), uptally.IDOf(site), from-leadSlack, e.Start.To+leadSlack)
		if err != nil {
			return nil, fmt.Errorf("read failures of %q at %q: %w", e.Check, site, err)
		}
		i := slices.IndexFunc(results, func(r uptally.Result) bool { return r.Outcome() == uptally.Down && r.SentAt() >= from })
		if i < 0 {
			continue
		}
		r := results[i]
		fs = append(fs, Failure{e.Check, site, Instant(r.At), int64(r.Late), r.Reason.String(), r.Detail})
	}
	return fs, nil
}
