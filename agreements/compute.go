package agreements

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/uptally/uptally"
)

// Input is what an account is computed from. Entries are those known to whoever asks: an account as known on a date gets
// the entries recorded until then.
type Input struct {
	Agreement *Agreement
	Period    Interval
	// Whole is the period that Period is a stretch of, such as the month of a month to date; empty is Period itself.
	Whole Interval
	// Services holds the tracks of every service that the version names. A measure by counts needs none.
	Services map[string]Tracks
	Entries  []Recorded
	replaced []replacement
	// Counts are the requests of services, in any order; two rows of a service never overlap.
	Counts []Count
	// Results are the days of each service's checks at their sites, with response times, for measures that read them.
	Results map[string][]uptally.Day
}

// TermsError says that an agreement has no terms for a period.
type TermsError struct {
	Agreement string
	Period    Interval
	Why       string
}

// Error returns one line with the period as instants.
func (e *TermsError) Error() string {
	instant := func(at int64) string { return time.UnixMilli(at).UTC().Format(time.RFC3339) }
	return fmt.Sprintf("find terms of %q for %s/%s: %s", e.Agreement, instant(e.Period.From), instant(e.Period.To), e.Why)
}

// VersionAt returns the one version that judges the whole of p. The error is a *TermsError when none or more than one
// does.
func (a *Agreement) VersionAt(p Interval) (*Version, error) {
	parts, err := a.Parts(p)
	if err != nil {
		return nil, err
	}
	if len(parts) > 1 {
		return nil, &TermsError{a.Name, p, "more than one version covers the period; the next is from " + parts[1].Version.From.String()}
	}
	if parts[0].At != p {
		return nil, &TermsError{a.Name, p, "no version covers the whole period"}
	}
	return parts[0].Version, nil
}

// Compute returns the accounts of a period: one a service, in the version's order, where the version says each, otherwise
// one for all its services, combined as the version says. A period that versions split has those of each part in order of time.
//
// The order is that of docs/measuring.md: window, time in use, maintenance, excluded causes, the outage's clock, joined
// outages, least length, deductible, cut, length unit, figures, credit; three times, for the certain, the point and the
// possible downtime. The error is a *TermsError when a stretch of the period has no terms, or names the service whose
// tracks are missing.
func Compute(in Input) ([]Account, error) {
	whole := in.Whole
	if whole.Empty() {
		whole = in.Period
	}
	parts, err := in.Agreement.Parts(whole)
	if err != nil {
		return nil, err
	}
	in.Entries, in.replaced = inForce(in.Entries)
	var accounts []Account
	for _, part := range parts {
		if part.At = (Interval{max(part.At.From, in.Period.From), min(part.At.To, in.Period.To)}); part.At.Empty() {
			continue
		}
		as, err := in.part(part)
		if err != nil {
			return nil, err
		}
		accounts = append(accounts, as...)
	}
	return accounts, nil
}

// part returns the accounts of the stretch that one version judges.
func (in Input) part(p VersionPart) ([]Account, error) {
	terms := p.terms()
	groups := [][]string{terms.Services}
	if terms.Each {
		groups = nil
		for _, s := range terms.Services {
			groups = append(groups, []string{s})
		}
	}
	calendar, err := in.Agreement.window(terms, p.At)
	if err != nil {
		return nil, err
	}
	var accounts []Account
	for _, services := range groups {
		c := computation{agreement: in.Agreement, terms: terms, period: p.At, calendar: calendar, services: services, entries: in.Entries, replaced: in.replaced, counts: in.Counts, results: in.Results, single: len(services) == 1}
		for _, s := range services {
			t, err := in.tracksOf(terms, s, p.At)
			if err != nil {
				return nil, fmt.Errorf("compute account of %q: %w", in.Agreement.Name, err)
			}
			c.tracks, c.rates = append(c.tracks, t.Tracks), append(c.rates, t.rates)
		}
		a, err := c.account()
		if err != nil {
			return nil, err
		}
		a.Days, a.DaysOf = p.Days, p.Of
		accounts = append(accounts, a)
	}
	return accounts, nil
}

// window is the service time of a version in a period; a *TermsError where its calendar does not know all of the dates.
func (a *Agreement) window(v *Version, p Interval) (Set, error) {
	if err := v.Window.Known(a.Zone, p); err != nil {
		return nil, &TermsError{a.Name, p, err.Error()}
	}
	return v.Window.Open(a.Zone, p), nil
}

// computation is one account in the making: what it reads, then what each step adds for the next.
type computation struct {
	agreement *Agreement
	terms     *Version
	period    Interval
	calendar  Set // the hours of service
	services  []string
	tracks    []Tracks // of the services, in their order
	entries   []Recorded
	replaced  []replacement
	counts    []Count
	results   map[string][]uptally.Day
	rates     []weights // of the slots of each service, where their mean is the measure
	single    bool      // one service: it needs no combination
	weights   weights   // by whom or by what rate downtime is weighed
	hits      weights   // whom it hit, for a credit that is weighed by it

	use    use
	window Set // the hours of service while in use

	excused  []excuse
	excluded []ruled // disjoint
	eligible Set
	unknown  Set // inside eligible time
	asDown   Set // the part of it that the version counts as down
	leftOut  Set // the part of it that leaves the point figure's denominator
	idle     Set // downtime before the clock of its outage started
	free     Set // deductibles of the point track
	gaps     Set // recoveries inside outages of the point track that do not count
}

// ruled is the time that one rule excludes.
type ruled struct {
	rule  string
	cause bool
	use   bool // the services were not in use
	set   Set
}

func (c *computation) account() (Account, error) {
	if err := c.findUse(); err != nil {
		return Account{}, err
	}
	if err := c.weigh(); err != nil {
		return Account{}, err
	}
	var err error
	if c.hits, err = c.hit(); err != nil {
		return Account{}, err
	}
	a := c.measured()
	a.Credit = c.credit(&a)
	a.Claims = c.claims(&a)
	return a, nil
}

// measured is the account without its credit.
func (c *computation) measured() Account {
	c.excused = c.excuses()
	a := Account{Service: strings.Join(c.services, " + "), Period: c.period, Terms: c.terms, Applied: c.exclude()}
	raw := c.combine(c.tracks)
	a.Blind, a.OneSite = raw.Blind, raw.OneSite
	a.Weights = c.weights.inside(c.period)
	c.judge(&a)
	c.classify(&a)
	c.experience(&a, raw)
	a.Outages = c.outages(&a, raw)
	return a
}

// exclude takes the qualified excuses out of the window, each millisecond under the first rule that covers it, and
// returns what became of each excuse.
func (c *computation) exclude() []Applied {
	var taken Set
	applied := c.excludeUnused()
	for _, e := range c.excused {
		if e.partial == nil {
			part := e.set.Subtract(taken)
			taken = Union(taken, part)
			e.Counted = part.Millis()
			e.Why = strings.Join(appendSpan(nonEmpty(e.Why), e.set.Millis()-e.Counted, "already excluded"), "; ")
			c.addRule(e, part)
		}
		if e.At.From < c.period.To && c.period.From < e.At.To {
			applied = append(applied, e.Applied)
		}
	}
	c.eligible = c.window.Subtract(taken)
	return applied
}

func (c *computation) addRule(e excuse, part Set) {
	if part == nil {
		return
	}
	i := slices.IndexFunc(c.excluded, func(r ruled) bool { return r.rule == e.Rule && r.cause == e.cause })
	if i < 0 {
		c.excluded = append(c.excluded, ruled{rule: e.Rule, cause: e.cause, set: part})
		return
	}
	c.excluded[i].set = Union(c.excluded[i].set, part)
}

func nonEmpty(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}

// judge applies the contract rules to each track alone (A8) and derives the figures (A9).
func (c *computation) judge(a *Account) {
	var whole, rest []Tracks
	var partial Set // time in which some, not all services are excused
	for i, t := range c.tracks {
		causes, planned := c.causesOf(c.services[i]), Union(c.plannedOf(c.services[i]), c.use.without[c.services[i]])
		whole = append(whole, t.without(causes))
		rest = append(rest, t.without(Union(causes, planned)))
		partial = Union(partial, planned, causes)
	}
	outages, counts := c.combine(whole), c.combine(rest)
	// A whole outage is judged, also one that an excuse cuts short (rule A8); then an instant stays down only where a
	// service that is not excused is down. One that every service is excused at is not eligible anyway.
	c.idle = c.beforeClock(outages.Possible)
	a.whole = outages.without(c.idle)
	settle := func(track, down Set) Set {
		return c.terms.Outage.apply(track.Subtract(c.idle), c.eligible).Subtract(partial.Subtract(down))
	}
	a.Certain = settle(outages.Certain, counts.Certain)
	a.Point = settle(outages.Point, counts.Point)
	a.Possible = settle(outages.Possible, counts.Possible)
	c.free, c.gaps = c.terms.Outage.uncounted(outages.Point.Subtract(c.idle), c.eligible)
	c.unknown = counts.Unknown.Intersect(c.eligible)
	a.unknown = c.unknown
	a.AddedBack = c.addBack(outages)
	c.figure(a)
}

// causesOf is the time in which a service is excused by accepted causes, also outside the window and the period, since
// it is taken out of an outage before its length is judged.
func (c *computation) causesOf(service string) Set {
	var is []Interval
	for _, e := range c.excused {
		if e.cause && e.refused == "" && (e.partial == nil || slices.Contains(e.partial, service)) {
			is = append(is, e.At)
		}
	}
	return NewSet(is...)
}

// plannedOf is the maintenance that covers only some services, this one among them. That of all services is no longer
// eligible.
func (c *computation) plannedOf(service string) Set {
	var sets []Set
	for _, e := range c.excused {
		if !e.cause && slices.Contains(e.partial, service) {
			sets = append(sets, e.set)
		}
	}
	return Union(sets...)
}

// without returns the tracks outside s.
func (t Tracks) without(s Set) Tracks {
	if len(s) == 0 {
		return t
	}
	t.Certain, t.Point, t.Possible = t.Certain.Subtract(s), t.Point.Subtract(s), t.Possible.Subtract(s)
	t.Unknown = t.Unknown.Subtract(s)
	return t
}

// apply is rule A8 for one track: join, drop what is too short, deduct, cut to eligible time.
func (o OutageTerms) apply(track, eligible Set) Set {
	var counted Set
	for _, i := range o.join(track) {
		if down := o.downIn(i, track); o.longEnough(i, down, eligible) {
			counted = append(counted, eligible.Intersect(down.Subtract(down.first(int64(o.Deductible))))...)
		}
	}
	return counted
}

// longEnough reports whether a joined outage counts. One that has no known end passes every minimum.
func (o OutageTerms) longEnough(joined Interval, down, eligible Set) bool {
	if o.OfPart {
		down = eligible.Intersect(down)
	}
	return o.counts(down.Millis()) || joined.From < Ever/2 || joined.To > Forever/2
}

// downIn is the downtime of a joined outage: with its gaps, or without them.
func (o OutageTerms) downIn(joined Interval, track Set) Set {
	if o.GapUp {
		return track.Clip(joined)
	}
	return Set{joined}
}

// uncounted is what outages have in them that does not count: the free time at their start, where they are long enough to
// count, and gaps.
func (o OutageTerms) uncounted(track, eligible Set) (free, gaps Set) {
	for _, i := range o.join(track) {
		down := o.downIn(i, track)
		gaps = append(gaps, Set{i}.Subtract(down)...)
		if o.longEnough(i, down, eligible) {
			free = append(free, down.first(int64(o.Deductible))...)
		}
	}
	return free, gaps
}

// join unites pieces less than the merge span apart, or also those exactly so far apart.
func (o OutageTerms) join(track Set) Set {
	var joined Set
	for _, i := range track {
		if n := len(joined); n > 0 && o.joins(i.From-joined[n-1].To) {
			joined[n-1].To = i.To
			continue
		}
		joined = append(joined, i)
	}
	return joined
}

func (o OutageTerms) joins(gap int64) bool {
	return gap < int64(o.Merge) || gap == int64(o.Merge) && o.MergeUpTo
}

func (o OutageTerms) counts(length int64) bool {
	return length > int64(o.Minimum) || length == int64(o.Minimum) && !o.LongerThan
}
