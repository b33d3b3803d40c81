package statements

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
)

// Format names the written schema that a document follows.
const Format = "uptally-statement/1"

// Schema is the JSON Schema (2020-12) of the document.
//
//go:embed schema.json
var Schema []byte

// Statement is the document: one agreement, one period. Its JSON is canonical: fields in the order written here, two
// spaces of indent, LF, exact fractions as text. Durations are integer milliseconds ("…_ms"), money is minor units with a
// printed form beside it, shares are exact fractions of one with a cut-off per cent text beside them.
type Statement struct {
	Format      string  `json:"format"`
	Agreement   string  `json:"agreement"`
	Customer    string  `json:"customer"`
	Period      Period  `json:"period"`
	GeneratedAt Instant `json:"generated_at"`
	// EntriesAsOf: entries recorded up to this instant were applied.
	EntriesAsOf Instant `json:"entries_as_of"`
	// InProgress: the period was not over at GeneratedAt, and no agreed timeline reaches its end; AheadMS of it lay ahead,
	// which is unknown.
	InProgress bool    `json:"in_progress"`
	AheadMS    int64   `json:"ahead_ms"`
	Version    Version `json:"version"`
	// Further are the versions that judge later parts of the period, where versions split it.
	Further  []Version `json:"further_versions,omitempty"`
	Evidence Evidence  `json:"evidence"`
	Accounts []Account `json:"accounts"`
	// Total adds the accounts up.
	Total Total `json:"total"`
	// Assumptions are what the bounds assume, to be printed under every rendering.
	Assumptions []string `json:"assumptions"`
	// Late is what late results changed of the days that the statement was computed from, after they had been sealed for
	// good. It is told beside the document and no part of it: the same results make the same bytes whenever they came.
	// Compute fills it; of a decoded statement LateData returns it.
	Late []LateDay `json:"-"`
}

// Period is the stretch accounted for: as asked, in words, its bounds, and the offsets of the agreement's zone.
type Period struct {
	Text   string   `json:"text"`
	Words  string   `json:"words"`
	At     Interval `json:"at"`
	Millis int64    `json:"period_ms"`
	Zone   string   `json:"zone"`
	// ZoneData names the version of the zone data, where known.
	ZoneData string `json:"zone_data,omitempty"`
	// Offsets are those in force at every instant that the document shows, in order of time.
	Offsets []Offset `json:"offsets"`
}

// Offset is the zone's distance from UTC from an instant on, such as "+08:00".
type Offset struct {
	From   Instant `json:"from"`
	Offset string  `json:"offset"`
}

// Version is the version of the agreement that governs the period.
type Version struct {
	From  string   `json:"from"`
	Words []string `json:"words"`
	Terms Terms    `json:"terms"`
	// SHA256 is over the compact JSON of Terms, in hexadecimal digits.
	SHA256 string `json:"terms_sha256"`
}

// Account is one service (or the services together) over the period.
type Account struct {
	Service string `json:"service"`
	// Part is the stretch that the account is of, where versions split the period.
	Part    *PeriodPart `json:"part,omitempty"`
	Marks   []Mark      `json:"marks"`
	Classes Classes     `json:"classes"`
	Rules   []RuleSum   `json:"excluded_by_rule"`
	// EligibleMS is T, DenominatorMS D, UnknownMS U, LeftOutMS U′.
	EligibleMS    int64 `json:"eligible_ms"`
	DenominatorMS int64 `json:"denominator_ms"`
	UnknownMS     int64 `json:"unknown_ms"`
	LeftOutMS     int64 `json:"unknown_left_out_ms"`

	Target       Share  `json:"target"`
	TargetMet    string `json:"target_met"` // yes, no or undecided
	Availability Bounds `json:"availability"`
	// Fractions are what the availability is divided out of where that is not the tracks over D. Judged is the
	// availability after the rounding that the agreement judges by. Both are absent otherwise.
	Fractions *Fractions `json:"fractions,omitempty"`
	// AddedBack is there where all excluded time is added back; the fractions have it taken off.
	AddedBack *AddedBack `json:"added_back,omitempty"`
	// Parts are the services' own figures where the agreement makes one out of them; the rest of the account is then of the
	// services as one timeline. Weights are the shares by which downtime is weighed.
	Parts   []Part   `json:"parts,omitempty"`
	Weights []Weight `json:"weights,omitempty"`
	// Reading is what a measure that is kept or missed came to.
	Reading     *Reading `json:"reading,omitempty"`
	Judged      *Bounds  `json:"judged,omitempty"`
	Down        Downtime `json:"down"`
	Experienced Bounds   `json:"as_experienced"`
	// ExperiencedDownMS is the point downtime behind it.
	ExperiencedDownMS int64 `json:"as_experienced_down_ms"`
	BlindMS           int64 `json:"blind_ms"` // the longest outage that may have gone unseen
	OneSite           bool  `json:"one_site"`

	Credit  Credit      `json:"credit"`
	Steps   []Step      `json:"steps"`
	Days    []Day       `json:"days"`
	Claims  []Claim     `json:"claims,omitempty"`
	Rights  []HeldRight `json:"rights,omitempty"`
	Outages []Outage    `json:"outages"`
	Applied []Applied   `json:"applied"`
	Pieces  []Piece     `json:"pieces"`
}

// Fractions are 1 − lost ÷ of for each track, as exact fractions. Unit is ms, parts or events. Extremes: the bounds are the least
// and the greatest of the three, since lengths are rounded.
type Fractions struct {
	Unit     string   `json:"unit"`
	Certain  Fraction `json:"certain"`
	Point    Fraction `json:"point"`
	Possible Fraction `json:"possible"`
	Extremes bool     `json:"extremes"`
}

// Fraction is what was lost and what it is divided by.
type Fraction struct {
	Lost string `json:"lost"`
	Of   string `json:"of"`
}

// PeriodPart is the stretch of the period that one version judges, and how many of the period's days it has.
type PeriodPart struct {
	At          Interval `json:"at"`
	VersionFrom string   `json:"version_from"`
	Days        int64    `json:"days"`
	DaysOf      int64    `json:"days_of"`
}

// Mark is a caution that belongs beside the figure.
type Mark struct {
	Code string `json:"code"`
	Text string `json:"text"`
}

// Codes of marks.
const (
	MarkInsufficient = "insufficient_evidence"
	MarkOneSite      = "one_site"
	MarkBlind        = "blind"
	MarkOnlyUnknown  = "only_unknown"
	MarkNotMeasured  = "not_measured"
	MarkEachOutage   = "each_outage"
	MarkImported     = "imported"
)

// Classes are milliseconds; the five add up to what they divide.
type Classes struct {
	Up       int64 `json:"up_ms"`
	Down     int64 `json:"down_ms"`
	Excluded int64 `json:"excluded_ms"`
	Outside  int64 `json:"outside_ms"`
	Unknown  int64 `json:"unknown_ms"`
}

// Sum adds the five up.
func (c Classes) Sum() int64 { return c.Up + c.Down + c.Excluded + c.Outside + c.Unknown }

// RuleSum is the excluded time of one rule.
type RuleSum struct {
	Rule   string `json:"rule"`
	Millis int64  `json:"excluded_ms"`
}

// Share is an exact fraction of one, such as "999/1000", and its per cent text, cut off, never rounded, such as "99.9%".
// Both are empty where there is no figure.
type Share struct {
	Exact   string `json:"exact"`
	Percent string `json:"percent"`
}

// Bounds is an availability with its two bounds.
type Bounds struct {
	Low   Share `json:"low"`
	Point Share `json:"point"`
	High  Share `json:"high"`
}

// Downtime is the three tracks inside eligible time, as sums and as stretches.
type Downtime struct {
	CertainMS  int64      `json:"certain_ms"`
	PointMS    int64      `json:"point_ms"`
	PossibleMS int64      `json:"possible_ms"`
	Certain    []Interval `json:"certain"`
	Point      []Interval `json:"point"`
	Possible   []Interval `json:"possible"`
}

// Credit is the money owed for the period.
type Credit struct {
	Fee    Money     `json:"fee"`
	Proven CreditRow `json:"proven"`
	Point  CreditRow `json:"point"`
	Max    CreditRow `json:"max"`
	// Charge says which of the three is charged: proven, point or max.
	Charge  string    `json:"charge"`
	Charged CreditRow `json:"charged"`
	// Determined: proven and max agree. OnlyUnknown: unknown time alone makes the difference.
	Determined  bool       `json:"determined"`
	OnlyUnknown bool       `json:"only_unknown"`
	Tiers       []TierStep `json:"tiers_between"`
	// Form is voucher, days or points where the credit is not money. EachOutage: outages are counted one by one, so that
	// proven and max are the least and the greatest over the three tracks.
	Form       string `json:"form,omitempty"`
	EachOutage bool   `json:"each_outage,omitempty"`
}

// Money is an amount in minor units and its printed form with the ISO code, such as "CNY 1200.00".
type Money struct {
	Minor int64  `json:"minor"`
	Text  string `json:"text"`
}

// CreditRow is a tier and what it pays. ExactMinor is the credit in minor units before it is rounded once. The fields
// after Capped are there where more than a plain ladder was reckoned.
type CreditRow struct {
	Tier       string `json:"tier"`
	Percent    string `json:"percent"`
	ExactMinor string `json:"exact_minor"`
	Amount     Money  `json:"amount"`
	Capped     bool   `json:"capped"`
	// Parts are what each form pays. UncappedMinor is before any cap, BeforeMinor after the caps and before the smallest
	// credit, which Withheld says it did not reach. Given is the number of days or points.
	Parts         []CreditPart `json:"parts,omitempty"`
	UncappedMinor string       `json:"uncapped_minor,omitempty"`
	BeforeMinor   string       `json:"before_smallest_minor,omitempty"`
	Withheld      bool         `json:"withheld,omitempty"`
	Given         string       `json:"given,omitempty"`
}

// TierStep is a row between proven and max: its allowed downtime and the room each track has, negative where it is over.
type TierStep struct {
	Tier       string `json:"tier"`
	AllowedMS  int64  `json:"allowed_ms"`
	CertainMS  int64  `json:"certain_room_ms"`
	PointMS    int64  `json:"point_room_ms"`
	PossibleMS int64  `json:"possible_room_ms"`
}

// Step is one line of the way from the period to the money.
type Step struct {
	No      int    `json:"no"`
	What    string `json:"what"`
	Rule    string `json:"rule"`
	Numbers string `json:"numbers"`
	Result  string `json:"result"`
}

// Day is a local calendar day's part of the period.
type Day struct {
	Date string `json:"date"`
	Classes
}

// Piece is a stretch of one class; the pieces cover the period without a gap.
type Piece struct {
	At    Interval `json:"at"`
	Class string   `json:"class"`
	Rule  string   `json:"rule,omitempty"`
}

// Outage is one outage, the brackets of its two ends, and what became of it.
type Outage struct {
	At        Interval  `json:"at"`
	Start     Interval  `json:"start"`
	End       Interval  `json:"end"`
	Check     string    `json:"check,omitempty"`
	Sites     []string  `json:"sites"`
	Reasons   []string  `json:"reasons"`
	CountedMS int64     `json:"counted_ms"`
	Why       string    `json:"why"`
	Causes    []string  `json:"causes"` // what people recorded about it
	First     []Failure `json:"first_failures"`
}

// Failure is one failed result: the first that a site saw of an outage.
type Failure struct {
	Check     string  `json:"check"`
	Site      string  `json:"site"`
	Scheduled Instant `json:"scheduled"`
	LateMS    int64   `json:"late_ms"`
	Reason    string  `json:"reason"`
	Detail    string  `json:"detail"`
}

// Applied is one maintenance window or exclusion and what became of it. Entry is 0 for one agreed in the contract.
type Applied struct {
	Entry      int64    `json:"entry"`
	Rule       string   `json:"rule"`
	At         Interval `json:"at"`
	CountedMS  int64    `json:"counted_ms"`
	Why        string   `json:"why"`
	By         string   `json:"by,omitempty"`
	RecordedAt *Instant `json:"recorded_at,omitempty"`
	Announced  *Instant `json:"announced,omitempty"`
	Reason     string   `json:"reason,omitempty"`
	Class      string   `json:"class,omitempty"`
	AcceptedBy string   `json:"accepted_by,omitempty"`
	Evidence   string   `json:"evidence,omitempty"`
	// Replaces is the entry that this one corrects; 0 is none.
	Replaces int64 `json:"replaces,omitempty"`
}

// Total adds the accounts' credits up.
type Total struct {
	Fee        Money `json:"fee"`
	Proven     Money `json:"proven"`
	Point      Money `json:"point"`
	Max        Money `json:"max"`
	Charged    Money `json:"charged"`
	Determined bool  `json:"determined"`
}

// JSON returns the canonical bytes.
func (s *Statement) JSON() ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(s); err != nil {
		return nil, fmt.Errorf("encode statement: %w", err)
	}
	return b.Bytes(), nil
}

// Decode reads canonical bytes. The error says what is not canonical or which sum does not close; nothing that Decode
// accepts re-encodes to other bytes.
func Decode(data []byte) (Statement, error) {
	var s Statement
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&s); err != nil {
		return Statement{}, fmt.Errorf("decode statement: %w", err)
	}
	if s.Format != Format {
		return Statement{}, fmt.Errorf("decode statement: got format %q, want %q", s.Format, Format)
	}
	again, err := s.JSON()
	if err != nil {
		return Statement{}, err
	}
	if !bytes.Equal(again, data) {
		return Statement{}, fmt.Errorf("decode statement: bytes are not canonical")
	}
	if err := s.check(); err != nil {
		return Statement{}, fmt.Errorf("decode statement: %w", err)
	}
	return s, nil
}
