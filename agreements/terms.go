package agreements

import (
	"math/big"
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

// PeriodKind is the calendar period of a version.
type PeriodKind uint8

const (
	Month PeriodKind = iota + 1
	Quarter
	Year
)

// Version is the terms of an agreement from a date. Spans are milliseconds, shares exact fractions of one.
type Version struct {
	From   Date
	Period PeriodKind
	// Services by name. Each makes one account a service; otherwise all must be up and there is one account.
	Services []string
	Each     bool
	Window   Calendar
	Maintenance
	Exclusions ExclusionTerms
	Outage     OutageTerms
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
	// Cap is the largest credit as a share of the fee; nil is 1.
	Cap *big.Rat
	// Charge says which of the three credits is invoiced or claimed.
	Charge ChargeTerm
}

// Maintenance is what planned work is allowed to do to the account.
type Maintenance struct {
	// Recurring windows agreed in the contract itself.
	Recurring []RecurringWindow
	// Notice is the least span between announcement and start of an entry; at least that long qualifies.
	Notice uptally.Duration
	// Cap is the most time a period that maintenance may exclude, consumed in order of time and only inside the
	// window; negative is no cap.
	Cap uptally.Duration
	// Keep leaves qualified maintenance in the denominator; otherwise it is subtracted.
	Keep bool
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
	// Keep leaves the excluded time in the denominator; otherwise it is subtracted.
	Keep bool
}

// OutageTerms says which outages count.
type OutageTerms struct {
	// Minimum length that counts, at least; with LongerThan an outage of exactly Minimum does not count.
	Minimum    uptally.Duration
	LongerThan bool
	// OfPart tests the part inside eligible time; otherwise the whole outage, before any cut.
	OfPart bool
	// Merge joins outages whose gap is shorter; the gap then counts as down.
	Merge uptally.Duration
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
}

// Bound is one end of a tier, with its figure as written, for people.
type Bound struct {
	Share     *big.Rat
	Inclusive bool
	Text      string
}
