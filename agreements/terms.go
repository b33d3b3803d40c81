package agreements

import (
	"fmt"
	"maps"
	"math/big"
	"slices"
	"time"

	"github.com/uptally/uptally"
)

// Date is a calendar day in an agreement's zone.
type Date struct {
	Year  int
	Month time.Month
	Day   int
}

// Currency is an ISO 4217 code and the number of decimals of its minor unit (EUR 2, JPY 0, KWD 3).
type Currency struct {
	Code   string
	Digits int
}

// Agreement is a contract with one customer.
type Agreement struct {
	Name, Customer string
	// Zone decides where a period and a window begin; ZoneName is its IANA name.
	Zone     *time.Location
	ZoneName string
	Currency Currency
	// Versions in order of From, each in force from the local midnight of that date until the next.
	Versions []Version
}

// Version is the terms of an agreement from a date. Spans are milliseconds, shares exact fractions of one.
type Version struct {
	From   Date
	Period PeriodKind
	// PeriodCount and PeriodFrom are of the forms that count months or days; PeriodFrom is the first day of a period.
	PeriodCount int
	PeriodFrom  Date
	// Change says what becomes of a period in which this version begins; 0 where it begins with one.
	Change ChangeTerm
	// Services by name. Each makes one account a service; otherwise Combination makes one account of them.
	Services []string
	Each     bool
	Combination
	Weighing
	MeasureTerms
	Window Calendar
	Maintenance
	Exclusions ExclusionTerms
	Outage     OutageTerms
	Length     LengthTerms
	// PartUse is asked for when a service was in use for a part of the period; 0 makes such a period an error.
	PartUse PartUse
	// Denominator is a fixed length to divide by whatever the period; 0 is eligible time and what the terms keep.
	Denominator uptally.Duration
	Judge       JudgeTerms
	// Bridge: an unknown hole inside an outage up to this long is down in the point track.
	Bridge  uptally.Duration
	Unknown UnknownTerm
	// Insufficient: more than this share of eligible time unknown marks the statement "insufficient evidence".
	Insufficient *big.Rat
	Target       *big.Rat
	// Fee is the fee base of the period in minor units; FeeFor overrides it for a service where Each is set.
	Fee    int64
	FeeFor map[string]int64
	Ladder []Tier
	// HolesPayNothing: the ladder leaves availabilities below the target without a row on purpose, and they pay nothing.
	// Otherwise a hole is a problem.
	HolesPayNothing bool
	// Cap is the largest credit as a share of the fee; nil is 1.
	Cap *big.Rat
	// Credits are the ways to reckon a credit beside the ladder, and what limits and follows from it.
	Credits CreditTerms
	// Charge says which of the three credits is invoiced or claimed.
	Charge ChargeTerm
}

// Maintenance is what planned work is allowed to do to the account.
type Maintenance struct {
	// Recurring windows agreed in the contract itself. RepeatedHour says what they and the hours cover where the clock
	// repeats an hour; 0 is the first pass on.
	Recurring    []RecurringWindow
	RepeatedHour RepeatedHour
	// Notice, NoticeDays with BusinessDays, and Hours are the WorkRules of work without a class.
	Notice       uptally.Duration
	NoticeDays   int
	BusinessDays Calendar
	Hours        []WorkHours
	// Emergency is what becomes of work of ClassEmergency; 0: the agreement does not speak of it, so it is not excluded.
	Emergency EmergencyTerm
	// Classes are the other classes of work.
	Classes []WorkClass
	// Times is the most recorded works a period, of any class; 0 is no limit.
	Times int
	// Cap is the most time a period that maintenance may exclude, consumed in order of time and only inside the
	// window; negative is no cap.
	Cap uptally.Duration
	// CapYear is the most time a calendar year of the zone; 0 is no cap.
	CapYear uptally.Duration
	// Keep leaves qualified maintenance in the denominator; otherwise it is subtracted. AddBack, beside Keep, says what a
	// formula (A − B + C) ÷ A adds back.
	Keep    bool
	AddBack AddBackTerm
}

// RecurringWindow is maintenance agreed by weekday and local time: every such day (or, with Nth 1..5 or -1 for the last,
// the nth of the month) from At for the elapsed span For.
type RecurringWindow struct {
	Name    string
	Weekday time.Weekday
	Nth     int
	// At is the local time of day in milliseconds since midnight.
	At  uptally.Duration
	For uptally.Duration
}

// ExclusionTerms says what an excluded cause does.
type ExclusionTerms struct {
	// Causes that the agreement accepts, such as "force majeure". An entry with another cause is refused.
	Causes []string
	// Keep leaves the excluded time in the denominator; otherwise it is subtracted. AddBack is that of Maintenance.
	Keep    bool
	AddBack AddBackTerm
}

// OutageTerms says which outages count.
type OutageTerms struct {
	// Minimum length that counts, at least; with LongerThan an outage of exactly Minimum does not count.
	Minimum    uptally.Duration
	LongerThan bool
	// OfPart tests the part inside eligible time; otherwise the whole outage, before any cut.
	OfPart bool
	// Merge joins outages whose gap is shorter, with MergeUpTo also those whose gap is exactly so long. The gap then
	// counts as down, unless GapUp.
	Merge            uptally.Duration
	MergeUpTo, GapUp bool
	// Deductible is free at the start of every outage.
	Deductible uptally.Duration
	// Clock says when an outage begins to count; 0 is ClockDetected. Unreported goes with the other clocks.
	Clock      ClockTerm
	Unreported UnreportedTerm
}

// UnknownTerm is what an agreement does with time about which nothing is known.
type UnknownTerm uint8

const (
	// UnknownExclude leaves undecided unknown time out of the point figure's denominator (rule A9).
	UnknownExclude UnknownTerm = iota + 1
	// UnknownUp counts it as up, UnknownDown as down, in the point figure.
	UnknownUp
	UnknownDown
)

// ChargeTerm names the credit that is invoiced or claimed.
type ChargeTerm uint8

const (
	ChargeProven ChargeTerm = iota + 1
	ChargePoint
	ChargeMax
)

// Tier is a row of the credit ladder: it holds where the availability is inside its bounds. Among rows without a lower
// bound the lowest upper bound that holds wins; otherwise the first row that holds, and overlaps and holes are problems.
type Tier struct {
	Upper   Bound
	Lower   *Bound   // nil: no lower bound
	Percent *big.Rat // share of the fee, so 10 % is 1/10
	Days    *big.Rat // where Percent is nil: so many days' fees
}

// Bound is one end of a tier, with its figure as written, for people.
type Bound struct {
	Share     *big.Rat
	Inclusive bool
	Text      string
}

// Validate returns everything wrong with the agreement, in the order of the file, with paths in its words, such as
// "versions[0].credits[1].below". Calendars are validated where they are defined.
func (a Agreement) Validate() []uptally.Problem {
	p := &problems{}
	p.want(a.Name != "", "agreement", "", "a name")
	p.want(a.Customer != "", "customer", "", "the customer's name")
	p.want(a.Zone != nil, "time_zone", a.ZoneName, "an IANA time zone, such as Europe/Berlin")
	p.want(len(a.Currency.Code) == 3 && a.Currency.Digits >= 0 && a.Currency.Digits <= 4, "currency", a.Currency.Code, "an ISO 4217 currency, such as EUR")
	p.want(len(a.Versions) > 0, "versions", "", "at least one version")
	for i, v := range a.Versions {
		path := fmt.Sprintf("versions[%d].", i)
		p.want(v.From != Date{}, path+"from", "", "a day such as 2026-01-01")
		if i > 0 {
			before := a.Versions[i-1].From
			p.want(v.From.civil().After(before.civil()), path+"from", v.From.String(), "a day after "+before.String()+", the version before")
		}
		var before *Version
		if i > 0 {
			before = &a.Versions[i-1]
		}
		v.validatePeriod(p, path, before)
		v.validate(p, path, a.Currency)
		a.validateRepeatedHour(p, path+"maintenance.", i)
	}
	return p.list
}

// problems collects what is wrong.
type problems struct{ list []uptally.Problem }

// want reports a problem unless ok.
func (p *problems) want(ok bool, path, got, want string) {
	if !ok {
		p.list = append(p.list, uptally.Problem{Path: path, Got: got, Want: want})
	}
}

// span wants a length that is not negative.
func (p *problems) span(d uptally.Duration, path string) {
	p.want(d >= 0, path, d.String(), "a length of zero or more, such as 60s")
}

// names wants every name to be there once.
func (p *problems) names(names []string, path, want string) {
	for i, name := range names {
		at := fmt.Sprintf("%s[%d]", path, i)
		p.want(name != "", at, "", want)
		p.want(!slices.Contains(names[:i], name), at, name, "each name once")
	}
}

// share wants a fraction from 0 to 1, or nil where that is a default.
func (p *problems) share(r *big.Rat, path string) {
	p.want(r == nil || r.Sign() >= 0 && r.Cmp(big.NewRat(1, 1)) <= 0, path, shareText(r), "a share between 0% and 100%")
}

func shareText(r *big.Rat) string {
	if r == nil {
		return ""
	}
	return FormatShare(r)
}

// validate checks one version; path ends with a point.
func (v *Version) validate(p *problems, path string, c Currency) {
	p.want(len(v.Services) > 0, path+"services", "", "at least one service")
	p.names(v.Services, path+"services", "the name of a service")
	v.validateCombination(p, path)
	v.validateMeasure(p, path)
	p.want(v.Window.opens(v.From), path+"window", v.Window.Name, "a calendar that opens at some time"+sinceWords(v.Window, v.From)+", such as 24x7")
	v.validateMaintenance(p, path+"maintenance.")
	v.Exclusions.AddBack.validate(p, path+"exclusions.", v)
	p.names(v.Exclusions.Causes, path+"exclusions.causes", "a cause such as force majeure")
	v.Outage.validate(p, path+"outage.")
	v.Length.validate(p, path+"length.")
	p.want(v.Length.Unit == 0 || !v.weighs() && v.ErrorMean == nil && !v.Events, path+"length", "", "no such key beside users, weigh_affected, error_mean or events, which count parts of a length")
	p.want(v.PartUse <= UseUpBefore, path+"part_use", "", "deployed, days, period, not_judged, scaled or up_before")
	p.span(v.Denominator, path+"denominator")
	v.Judge.validate(p, path+"judge.")
	p.span(v.Bridge, path+"bridge")
	p.want(v.Unknown >= UnknownExclude && v.Unknown <= UnknownDown, path+"unknown", "", "exclude, up or down")
	p.share(v.Insufficient, path+"insufficient")
	p.want(v.Target != nil && v.Target.Sign() > 0, path+"target", shareText(v.Target), "a share above 0%, such as 99.9%")
	p.share(v.Target, path+"target")
	v.validateFees(p, path, c)
	p.list = append(p.list, v.validateLadder(path+"credits")...)
	v.validateCredits(p, path)
	p.want(v.Charge <= ChargeMax, path+"charge", "", "proven, point or max")
}

func (o OutageTerms) validate(p *problems, path string) {
	minimum, merge := "minimum", "merge"
	if o.LongerThan {
		minimum = "longer_than"
	}
	if o.MergeUpTo {
		merge = "merge_up_to"
	}
	p.span(o.Minimum, path+minimum)
	p.span(o.Merge, path+merge)
	p.span(o.Deductible, path+"deductible")
	p.want(o.Clock <= ClockOpened, path+"clock", "", "detected, reported or opened")
	p.want(o.Clock <= ClockDetected || o.Unreported == UnreportedCounts || o.Unreported == UnreportedNothing,
		path+"unreported", "", "counts or nothing: what becomes of an outage that nobody reported")
}

// opens reports whether any hours are written for a day from then on, or for the one before, whose hours may run over.
func (c Calendar) opens(from Date) bool {
	some := func(day []ClockSpan) bool { return len(day) > 0 }
	for d, day := range c.Dates {
		if some(day) && !d.next().civil().Before(from.civil()) {
			return true
		}
	}
	return c.Always || slices.ContainsFunc(c.Weekly[:], some)
}

// sinceWords names the day where a calendar opens, but never again.
func sinceWords(c Calendar, from Date) string {
	if c.opens(Date{}) {
		return " from " + from.String() + " on"
	}
	return ""
}

// validateFees wants a fee base wherever a ladder pays a part of it.
func (v *Version) validateFees(p *problems, path string, c Currency) {
	p.want(v.Fee >= 0, path+"fee", FormatMoney(v.Fee, c), "an amount of zero or more")
	p.want(len(v.FeeFor) == 0 || v.Each || v.WeighByFee, path+"fees", "", "fee, or beside fees each: service or weights: fee")
	for _, s := range slices.Sorted(maps.Keys(v.FeeFor)) {
		fee := FormatMoney(v.FeeFor[s], c)
		p.want(v.FeeFor[s] >= 0, path+"fees."+s, fee, "an amount of zero or more")
		p.want(slices.Contains(v.Services, s), path+"fees."+s, fee, "a service of this version")
	}
	own := func(s string) bool { _, ok := v.FeeFor[s]; return ok && v.Each }
	without := slices.ContainsFunc(v.Services, func(s string) bool { return !own(s) })
	p.want(!v.partOfFee() || v.Fee != 0 || !without, path+"fee", "", `the fee that credits are a part of, such as "12000.00"`)
}
