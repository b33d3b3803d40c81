package agreements

import "math/big"

// Class is where a millisecond of the period went in the point account. Each is in exactly one.
type Class uint8

const (
	ClassUp Class = iota + 1
	ClassDown
	ClassExcluded
	ClassOutside
	ClassUnknown
)

var classNames = [...]string{ClassUp: "up", ClassDown: "down", ClassExcluded: "excluded", ClassOutside: "outside", ClassUnknown: "unknown"}

// String returns the word used in statements and metrics.
func (c Class) String() string { return classNames[c] }

// Piece is a stretch of one class. Rule names what excluded it ("maintenance: Sunday night", "exclusion: force majeure"); on
// a stretch that is down only because the version counts unknown as down it is "unknown"; elsewhere it is empty.
type Piece struct {
	Interval
	Class Class
	Rule  string
}

// Account is one service (or the services together) over one period.
type Account struct {
	Service string // one name where the version says each, else the names joined by " + "
	Period  Interval
	// Terms are those of the version, with the fee of the part where versions split the period.
	Terms *Version
	// Days is how many days of the period this part of it has, DaysOf how many the period has.
	Days, DaysOf int64

	// Pieces covers the period without a gap in order of time; ByClass are its sums in milliseconds, Rules the sums of
	// the excluded class by rule. The sums add up to the period exactly.
	Pieces  []Piece
	ByClass [ClassUnknown + 1]int64
	Rules   []RuleSum

	// Eligible (T) is the window less exclusions, unknown included. Denominator (D) is what the agreement divides by.
	// Unknown (U) is all unknown inside T; LeftOut (U') the part the point figure's denominator leaves out.
	Eligible, Denominator, Unknown, LeftOut int64

	// The tracks after the contract rules, clipped to eligible time. Where the version counts unknown as down, Point
	// includes the unknown time that the point figure would otherwise leave out.
	Certain, Point, Possible Set
	Availability             Bounds
	// Figure is what the availability was divided out of. Where it is made of several services, their own sets and sums
	// are in its Parts, while those above are of the services as one timeline.
	Figure Figure
	// Weights are by whom downtime is weighed inside the period, or the error rates of its slots; nil where all of it counts
	// in full. Beside is how many counted requests lay only in part inside eligible time and were left out.
	Weights []Weight
	Beside  int64
	// Reading is what a measure that is kept or missed came to; nil for any other.
	Reading *Reading
	// Extremes: lengths are rounded, so that the bounds are the least and the greatest figure of the three tracks.
	Extremes bool
	// Judged is the availability as the target and the rows see it: rounded where the version says so.
	Judged Bounds
	// Scale is by how much the downtime of a service in use for a part of the period is scaled up; otherwise nil.
	Scale *big.Rat

	// AddedBack is set where the agreement adds all excluded time back; the fractions of Figure have it taken off.
	AddedBack *AddedBack

	// Experienced is the figure as experienced: 24x7, nothing excluded, no minimum.
	Experienced Bounds
	// ExperiencedDown is the point downtime behind it, in milliseconds.
	ExperiencedDown int64
	experienced     Figure
	// whole is the tracks before any cut, unknown what of eligible time nothing is known of.
	whole   Tracks
	unknown Set

	Outages []Outage
	Applied []Applied
	Credit  Credit
	// Claims are the deadlines of a claim; none where credits are automatic or the version says nothing.
	Claims []Claim

	// Insufficient: unknown is more than the version's share of eligible time.
	Insufficient bool
	// Blind and OneSite are those of the tracks.
	Blind   int64
	OneSite bool
}

// Bounds is an availability with its two bounds as exact fractions of one: Low ≤ Point ≤ High. All are nil where there is
// no eligible time; Point alone is nil where nothing was measured.
type Bounds struct {
	Low, Point, High *big.Rat
}

// RuleSum is the excluded time of one rule in milliseconds.
type RuleSum struct {
	Rule   string
	Millis int64
}

// Outage is one stretch of the point track (or, where Counted is 0, one that a rule dropped or excluded), with the
// brackets of its ends. Check is empty where outages of several checks are one; Parts names each.
type Outage struct {
	Edge
	// Parts are the outages of single checks that it is made of, in order of time.
	Parts []Edge
	// At is the outage in the point track before cuts.
	At Interval
	// Counted is what it adds to the point downtime, in milliseconds; Why says what became of the rest, in words.
	Counted int64
	Why     string
	// Causes are what people recorded about it, such as "cause: power cut in fra1", in order of recording.
	Causes []string
}

// Applied is one maintenance window or exclusion and what became of it.
type Applied struct {
	// EntryID is the entry's number, or 0 for a recurring window of the contract.
	EntryID int64
	Rule    string
	At      Interval
	// Counted is the excluded part, in milliseconds; Why says what did not qualify, in words; empty where all of it did.
	Counted int64
	Why     string
}

// Credit is the money owed for the period. Source: docs/measuring.md, A10.
type Credit struct {
	Proven, Point, Max CreditRow
	// Charged is the one of the three that the version invoices or claims.
	Charged CreditRow
	// Determined: proven and max agree, so the credit does not depend on what is uncertain.
	Determined bool
	// OnlyUnknown: the difference comes from unknown time alone.
	OnlyUnknown bool
	// EachOutage: some form counts, rounds or caps outages one by one, so that Proven and Max are the least and the
	// greatest over the three tracks.
	EachOutage bool
	// Steps are the rows between proven and max, with the room each track has.
	Steps []TierStep
}

// CreditRow is a tier and what it pays.
type CreditRow struct {
	// Tier is the ladder's row in words, such as "< 99.9% and >= 99.0%"; empty where none holds.
	Tier    string
	Percent *big.Rat // share of the fee before the cap
	Exact   *big.Rat // credit in minor units, after the cap, unrounded; 0 where Withheld
	Minor   int64    // rounded half up once
	Capped  bool
	// Parts are what each form pays; the credit is their sum or, where the version says best of, the one at Best.
	Parts []CreditPart
	Best  int
	// Uncapped is the credit in minor units before any cap and the smallest credit.
	Uncapped *big.Rat
	// Withheld: Before, the exact credit after the cap, is not greater than the smallest that is given.
	Withheld bool
	Before   *big.Rat
	// Given is the number of days or points where credits are given so; otherwise nil.
	Given *big.Rat
}

// TierStep is the distance of each track from a row's limit.
type TierStep struct {
	Tier string
	// Allowed is the downtime of the row's limit; the rests are the limit less the track's downtime, negative where it is
	// over, that of the point track from its own denominator; all in milliseconds, rounded toward −∞.
	Allowed                  int64
	Certain, Point, Possible int64
}
