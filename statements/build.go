package statements

import (
	"cmp"
	"fmt"
	"math/big"
	"slices"
	"time"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/agreements"
)

// draft is what a document is made of, whichever way its accounts came about.
type draft struct {
	agreement  *agreements.Agreement
	period     agreements.Interval
	periodText string
	zoneData   string
	now, asOf  int64
	// until is the instant up to which the evidence can speak: now, or later where people agreed on what is to come.
	until    int64
	evidence Evidence
	accounts []agreements.Account
	entries  []agreements.Recorded
	counts   []agreements.Count
	// results are the days of the services, with response times, where a measure reads these.
	results map[string][]uptally.Day
	// first looks up the first failure that each site saw of an outage; nil where there are no single results.
	first func(agreements.Edge) ([]Failure, error)
	// earlier computes the accounts of an earlier period, which chronic rules look at, where the draft's own evidence does
	// not reach back; history are those of the periods they look back over, in order of time.
	earlier func(agreements.Interval) ([]agreements.Account, error)
	history []agreements.Account
}

// build makes the document and checks every sum in it again.
func build(d draft) (Statement, error) {
	if len(d.accounts) == 0 {
		return Statement{}, fmt.Errorf("build statement %q: no account", d.agreement.Name)
	}
	versions, err := newVersions(d)
	if err != nil {
		return Statement{}, err
	}
	d.evidence.Entries = entriesOf(d)
	s := Statement{
		Format: Format, Agreement: d.agreement.Name, Customer: d.agreement.Customer,
		Period: Period{
			Text: d.periodText, Words: periodText(d.periodText), At: interval(d.period), Millis: d.period.Len(),
			Zone: d.agreement.ZoneName, ZoneData: d.zoneData,
		},
		GeneratedAt: Instant(d.now), EntriesAsOf: Instant(d.asOf),
		InProgress: d.until < d.period.To, AheadMS: max(0, d.period.To-max(d.until, d.period.From)),
		Version: versions[0], Further: versions[1:], Evidence: d.evidence, Assumptions: assumptions(),
	}
	for i := range d.accounts {
		a, err := newAccount(d, &d.accounts[i])
		if err != nil {
			return Statement{}, fmt.Errorf("build statement %q: %w", d.agreement.Name, err)
		}
		s.Accounts = append(s.Accounts, a)
	}
	s.Total = total(s.Accounts, d.agreement.Currency)
	s.Period.Offsets = offsets(s.span(), d.agreement.Zone)
	if err := s.check(); err != nil {
		return Statement{}, fmt.Errorf("build statement %q: %w", d.agreement.Name, err)
	}
	return s, nil
}

func newAccount(d draft, a *agreements.Account) (Account, error) {
	decimals := agreements.Decimals(a.Availability)
	out := Account{
		Service: a.Service, Classes: classes(a.ByClass), Rules: []RuleSum{}, EligibleMS: a.Eligible, DenominatorMS: a.Denominator,
		UnknownMS: a.Unknown, LeftOutMS: a.LeftOut, Target: Share{ratText(a.Terms.Target), percent(a.Terms.Target)},
		TargetMet: targetMet(a), Availability: bounds(a.Availability, decimals), Down: downtime(a),
		Experienced: bounds(a.Experienced, agreements.Decimals(a.Experienced)), ExperiencedDownMS: a.ExperiencedDown,
		BlindMS: a.Blind, OneSite: a.OneSite, Credit: newCredit(d.agreement, a), Days: days(a, d.agreement.Zone),
		Outages: []Outage{}, Applied: []Applied{}, Pieces: []Piece{},
	}
	for _, r := range a.Rules {
		out.Rules = append(out.Rules, RuleSum(r))
	}
	for _, p := range a.Pieces {
		out.Pieces = append(out.Pieces, Piece{interval(p.Interval), p.Class.String(), p.Rule})
	}
	for _, o := range a.Outages {
		if err := out.addOutage(d, o); err != nil {
			return Account{}, err
		}
	}
	for _, p := range a.Applied {
		out.Applied = append(out.Applied, newApplied(p, d.entries))
	}
	if a.Period != d.period || a.Days != a.DaysOf {
		out.Part = &PeriodPart{interval(a.Period), a.Terms.From.String(), a.Days, a.DaysOf}
	}
	out.AddedBack = newAddedBack(d, a)
	out.Fractions, out.Judged, out.Parts, out.Weights = fractions(a), judged(a), newParts(a), newWeights(a)
	out.Reading = newReading(a)
	out.Claims, out.Rights = newClaims(a), newRights(d.rights(a))
	out.Marks = marks(d, a)
	out.Steps = steps(d, a, &out)
	return out, nil
}

func (a *Account) addOutage(d draft, o agreements.Outage) error {
	out := Outage{
		At: interval(o.At), Start: interval(o.Start), End: interval(o.End), Check: o.Check, Sites: list(o.Sites),
		Reasons: []string{}, CountedMS: o.Counted, Why: o.Why, Causes: list(o.Causes), First: []Failure{},
	}
	for _, r := range o.Reasons {
		out.Reasons = append(out.Reasons, r.String())
	}
	for _, part := range o.Parts {
		if d.first == nil {
			break
		}
		first, err := d.first(part)
		if err != nil {
			return err
		}
		out.First = append(out.First, first...)
	}
	a.Outages = append(a.Outages, out)
	return nil
}

func classes(by [agreements.ClassUnknown + 1]int64) Classes {
	return Classes{by[agreements.ClassUp], by[agreements.ClassDown], by[agreements.ClassExcluded], by[agreements.ClassOutside], by[agreements.ClassUnknown]}
}

func bounds(b agreements.Bounds, decimals int) Bounds {
	share := func(r *big.Rat) Share {
		if r == nil {
			return Share{}
		}
		return Share{ratText(r), agreements.FormatAvailability(r, decimals)}
	}
	return Bounds{share(b.Low), share(b.Point), share(b.High)}
}

// fractions are what the availability is divided out of, where that is not the tracks over the denominator.
func fractions(a *agreements.Account) *Fractions {
	plain := func(f agreements.Fraction, track agreements.Set, of int64) bool {
		return f.Lost.Cmp(big.NewRat(track.Millis(), 1)) == 0 && f.Of.Cmp(big.NewRat(of, 1)) == 0
	}
	f := a.Figure
	if !a.Extremes && plain(f.Certain, a.Certain, a.Denominator) && plain(f.Point, a.Point, a.Denominator-a.LeftOut) && plain(f.Possible, a.Possible, a.Denominator) {
		return nil
	}
	of := func(f agreements.Fraction) Fraction { return Fraction{f.Lost.RatString(), f.Of.RatString()} }
	return &Fractions{f.Unit.String(), of(f.Certain), of(f.Point), of(f.Possible), a.Extremes}
}

// judged is the rounded availability where the agreement judges by one.
func judged(a *agreements.Account) *Bounds {
	if a.Terms.Judge.Round == 0 {
		return nil
	}
	b := bounds(a.Judged, a.Terms.Judge.Places)
	return &b
}

func downtime(a *agreements.Account) Downtime {
	return Downtime{
		a.Certain.Millis(), a.Point.Millis(), a.Possible.Millis(),
		intervals(a.Certain), intervals(a.Point), intervals(a.Possible),
	}
}

// targetMet is decided where both bounds lie on the same side. Without eligible time every target is met (A9).
func targetMet(a *agreements.Account) string {
	b := a.Judged
	switch {
	case b.Low == nil || b.High == nil || b.Low.Cmp(a.Terms.Target) >= 0:
		return "yes"
	case b.High.Cmp(a.Terms.Target) < 0:
		return "no"
	default:
		return "undecided"
	}
}

func newCredit(ag *agreements.Agreement, a *agreements.Account) Credit {
	c := a.Credit
	row := func(r agreements.CreditRow) CreditRow { return newCreditRow(ag, a.Terms, r) }
	out := Credit{
		Fee: newMoney(fee(a), ag.Currency), Proven: row(c.Proven), Point: row(c.Point), Max: row(c.Max), Charge: chargeWords[a.Terms.Charge],
		Charged: row(c.Charged), Determined: c.Determined, OnlyUnknown: c.OnlyUnknown, Tiers: []TierStep{},
		Form: formOf(a.Terms), EachOutage: c.EachOutage,
	}
	for _, s := range c.Steps {
		out.Tiers = append(out.Tiers, TierStep{s.Tier, s.Allowed, s.Certain, s.Point, s.Possible})
	}
	return out
}

// fee is the fee base of the account: the service's own, else the version's.
func fee(a *agreements.Account) int64 {
	if f, ok := a.Terms.FeeFor[a.Service]; ok && a.Terms.Each {
		return f
	}
	return a.Terms.Fee
}

func newMoney(minor int64, c agreements.Currency) Money { return Money{minor, money(minor, c)} }

func newApplied(p agreements.Applied, entries []agreements.Recorded) Applied {
	out := Applied{Entry: p.EntryID, Rule: p.Rule, At: interval(p.At), CountedMS: p.Counted, Why: p.Why}
	i := slices.IndexFunc(entries, func(r agreements.Recorded) bool { return r.ID == p.EntryID })
	if p.EntryID == 0 || i < 0 {
		return out
	}
	e := entries[i]
	recorded := Instant(e.RecordedAt)
	out.By, out.RecordedAt, out.Reason = e.By, &recorded, e.Reason
	out.Class, out.AcceptedBy, out.Evidence, out.Replaces = e.Class, e.AcceptedBy, e.Evidence, e.Replaces
	if e.Announced != 0 {
		announced := Instant(e.Announced)
		out.Announced = &announced
	}
	return out
}

// days cuts the pieces at local midnights.
func days(a *agreements.Account, zone *time.Location) []Day {
	var ds []Day
	var end int64
	for _, p := range a.Pieces {
		for at := p.From; at < p.To; {
			if len(ds) == 0 || at >= end {
				t := time.UnixMilli(at).In(zone)
				ds = append(ds, Day{Date: t.Format("2006-01-02")})
				end = agreements.Date{Year: t.Year(), Month: t.Month(), Day: t.Day() + 1}.Start(zone)
			}
			to := min(p.To, end)
			ds[len(ds)-1].add(p.Class.String(), to-at)
			at = to
		}
	}
	return ds
}

func (c *Classes) add(class string, ms int64) {
	switch class {
	case "up":
		c.Up += ms
	case "down":
		c.Down += ms
	case "excluded":
		c.Excluded += ms
	case "outside":
		c.Outside += ms
	case "unknown":
		c.Unknown += ms
	}
}

func marks(d draft, a *agreements.Account) []Mark {
	ms := []Mark{}
	add := func(code, format string, args ...any) { ms = append(ms, Mark{code, fmt.Sprintf(format, args...)}) }
	switch {
	case a.Eligible == 0:
		add(MarkNotMeasured, "No eligible time: no availability is stated, and every tier is met.")
	case a.Availability.Point == nil:
		add(MarkNotMeasured, "Nothing was measured: there is no likely figure, only bounds.")
	}
	if measuredTooLittle(d, a) {
		add(MarkInsufficient, "Insufficient evidence: %s of %s eligible time is unknown; the agreement tolerates %s.",
			span(a.Unknown), span(a.Eligible), percent(a.Terms.Insufficient))
	}
	if a.OneSite {
		add(MarkOneSite, "One site: cannot tell the service's fault from its own.")
	}
	switch unseen := "An outage shorter than " + span(a.Blind) + " may have gone unseen (D_blind)"; {
	case a.Blind > int64(a.Terms.Outage.Minimum):
		add(MarkBlind, "%s; the bounds hold for what was seen.", unseen)
	case a.Blind > 0:
		add(MarkBlind, "%s; the agreement counts none that short.", unseen)
	}
	if len(d.evidence.Imports) > 0 {
		add(MarkImported, "%s", importMark(d.evidence.Imports))
	}
	if a.Credit.EachOutage && !a.Credit.Determined {
		add(MarkEachOutage, "Each outage is counted by itself: two short ones may weigh more than the one that joins them. The proven and the possible credit are the least and the greatest over the three tracks.")
	}
	if a.Credit.OnlyUnknown && !a.Credit.Determined && d.until >= d.period.To {
		add(MarkOnlyUnknown, "Only unknown time makes the difference between the proven and the possible credit: records of that time would settle it.")
	}
	return ms
}

// measuredTooLittle is the account's own verdict, except that what lies ahead of a period in progress is nobody's fault:
// then the unknown time that has passed is held against the eligible time that has.
func measuredTooLittle(d draft, a *agreements.Account) bool {
	if !a.Insufficient || d.until >= d.period.To || a.Terms.Insufficient == nil {
		return a.Insufficient
	}
	var passed Classes
	for _, p := range a.Pieces {
		if p.From < d.until {
			passed.add(p.Class.String(), min(p.To, d.until)-p.From)
		}
	}
	limit := new(big.Rat).Mul(a.Terms.Insufficient, new(big.Rat).SetInt64(passed.Up+passed.Down+passed.Unknown))
	return new(big.Rat).SetInt64(passed.Unknown).Cmp(limit) > 0
}

func total(as []Account, c agreements.Currency) Total {
	t := Total{Determined: true}
	for _, a := range as {
		t.Fee.Minor += a.Credit.Fee.Minor
		t.Proven.Minor += a.Credit.Proven.Amount.Minor
		t.Point.Minor += a.Credit.Point.Amount.Minor
		t.Max.Minor += a.Credit.Max.Amount.Minor
		t.Charged.Minor += a.Credit.Charged.Amount.Minor
		t.Determined = t.Determined && a.Credit.Determined
	}
	for _, m := range []*Money{&t.Fee, &t.Proven, &t.Point, &t.Max, &t.Charged} {
		m.Text = money(m.Minor, c)
	}
	return t
}

// span is the stretch from the first to the last instant that the document shows.
func (s *Statement) span() Interval {
	v := Interval{s.Period.At.From, max(s.Period.At.To, s.GeneratedAt)}
	reach := func(ats ...Interval) {
		for _, at := range ats {
			if at.From >= firstInstant {
				v.From = min(v.From, at.From)
			}
			if at.To <= lastInstant {
				v.To = max(v.To, at.To)
			}
		}
	}
	for _, a := range s.Accounts {
		for _, o := range a.Outages {
			reach(o.At, o.Start, o.End)
		}
		for _, p := range a.Applied {
			reach(p.At)
			for _, i := range []*Instant{p.RecordedAt, p.Announced} {
				if i != nil {
					reach(Interval{*i, *i})
				}
			}
		}
	}
	return v
}

// offsets lists the zone's offsets in force inside v.
func offsets(v Interval, zone *time.Location) []Offset {
	os := []Offset{}
	for at := v.From; at <= v.To; {
		t := time.UnixMilli(int64(at)).In(zone)
		if o := t.Format("-07:00"); len(os) == 0 || os[len(os)-1].Offset != o {
			os = append(os, Offset{at, o})
		}
		_, end := agreements.ZoneBounds(t)
		if end.IsZero() {
			break
		}
		at = Instant(end.UnixMilli())
	}
	return os
}

// offsetAt is the offset in force at an instant, in the document's own list.
func (p Period) offsetAt(at Instant) string {
	i, ok := slices.BinarySearchFunc(p.Offsets, at, func(o Offset, at Instant) int { return cmp.Compare(o.From, at) })
	if !ok {
		i--
	}
	if len(p.Offsets) == 0 {
		return "+00:00"
	}
	return p.Offsets[max(0, i)].Offset
}
