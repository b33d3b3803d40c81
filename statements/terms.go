package statements

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/agreements"
)

// Terms is a version of an agreement as data. Shares are exact fractions of one, spans milliseconds, times of day
// "HH:MM" with seconds where they are not zero.
type Terms struct {
	Period      string           `json:"period"`
	Services    []string         `json:"services"`
	Each        bool             `json:"each_service"`
	Window      Window           `json:"window"`
	Maintenance MaintenanceTerms `json:"maintenance"`
	Exclusions  ExclusionTerms   `json:"exclusions"`
	Outage      OutageTerms      `json:"outage"`
	// Combination and Measure are absent where an agreement does not use them.
	Combination *CombinationTerms `json:"combination,omitempty"`
	Measure     *MeasureTerms     `json:"measure,omitempty"`
	// Time holds the terms about time that not every agreement has.
	Time     *TimeTerms `json:"time,omitempty"`
	BridgeMS int64      `json:"bridge_ms"`
	Unknown  string     `json:"unknown"`
	// Insufficient, Target and Cap are exact fractions of one; Cap is empty for none below the fee.
	Insufficient string    `json:"insufficient"`
	Target       string    `json:"target"`
	Currency     string    `json:"currency"`
	FeeMinor     int64     `json:"fee_minor"`
	FeeFor       []FeeFor  `json:"fee_for"`
	Credits      []TierRow `json:"credits"`
	Cap          string    `json:"cap"`
	Charge       string    `json:"charge"`
	// CreditTerms is absent where the rows and their cap are all that is agreed.
	CreditTerms *CreditTerms `json:"credit_terms,omitempty"`
}

// Window is the service window: always, or weekly hours and the dates that replace a day's hours.
type Window struct {
	Name   string      `json:"name"`
	Always bool        `json:"always"`
	Weekly []DayHours  `json:"weekly"`
	Dates  []DateHours `json:"dates"`
}

// DayHours is the hours of a weekday, as "09:00-12:00".
type DayHours struct {
	Day   string   `json:"day"`
	Hours []string `json:"hours"`
}

// DateHours is the hours of one date; none means closed.
type DateHours struct {
	Date  string   `json:"date"`
	Hours []string `json:"hours"`
}

// Recurring is a window agreed in the contract. Nth is 0 for every such day, -1 for the last of the month.
type Recurring struct {
	Name  string `json:"name"`
	Day   string `json:"day"`
	Nth   int    `json:"nth"`
	At    string `json:"at"`
	ForMS int64  `json:"for_ms"`
}

// ExclusionTerms says which causes are excluded.
type ExclusionTerms struct {
	Causes      []string `json:"causes"`
	Denominator string   `json:"denominator"`
}

// OutageTerms says which outages count. Of is whole or part.
type OutageTerms struct {
	MinimumMS  int64  `json:"minimum_ms"`
	LongerThan bool   `json:"longer_than"`
	Of         string `json:"of"`
	MergeMS    int64  `json:"merge_ms"`
	// What follows is absent where the agreement does not use it. GapUp: the gap of a merge does not count.
	MergeUpTo    bool   `json:"merge_up_to,omitempty"`
	GapUp        bool   `json:"merged_gap_up,omitempty"`
	DeductibleMS int64  `json:"deductible_ms,omitempty"`
	Clock        string `json:"clock,omitempty"`
	Unreported   string `json:"unreported,omitempty"`
}

// TimeTerms are terms about time. What an agreement does not use is absent.
type TimeTerms struct {
	Change        string       `json:"change,omitempty"`
	PartUse       string       `json:"part_use,omitempty"`
	DenominatorMS int64        `json:"denominator_ms,omitempty"`
	Length        *LengthTerms `json:"length,omitempty"`
	Judge         *JudgeTerms  `json:"judge,omitempty"`
}

// LengthTerms is the unit in which downtime is counted: slots of the clock, or multiples of each stretch or of the sum.
type LengthTerms struct {
	UnitMS int64 `json:"unit_ms"`
	Slots  bool  `json:"slots"`
	Sum    bool  `json:"sum"`
	Up     bool  `json:"up"`
}

// JudgeTerms is the rounding of the percentage before it is judged.
type JudgeTerms struct {
	Places int    `json:"places"`
	Round  string `json:"round"`
}

// FeeFor is the fee of one service.
type FeeFor struct {
	Service  string `json:"service"`
	FeeMinor int64  `json:"fee_minor"`
}

// TierRow is a row of the credit ladder. Lower is absent where the row has no lower bound.
type TierRow struct {
	Upper   Limit  `json:"upper"`
	Lower   *Limit `json:"lower,omitempty"`
	Percent string `json:"percent"`
	Days    string `json:"days,omitempty"` // where Percent is empty
}

// Limit is one end of a row.
type Limit struct {
	Share     string `json:"share"`
	Inclusive bool   `json:"inclusive"`
	Text      string `json:"text"`
}

var (
	unknownWords = [...]string{agreements.UnknownExclude: "exclude", agreements.UnknownUp: "up", agreements.UnknownDown: "down"}
	chargeWords  = [...]string{agreements.ChargeProven: "proven", agreements.ChargePoint: "point", agreements.ChargeMax: "max"}
)

// newVersions are the versions that judge the period, in order of time, as they were agreed.
func newVersions(d draft) ([]Version, error) {
	parts, err := d.agreement.Parts(d.period)
	if err != nil {
		return nil, err
	}
	var versions []Version
	for _, p := range parts {
		v, err := newVersion(d.agreement, p.Version)
		if err != nil {
			return nil, err
		}
		versions = append(versions, v)
	}
	return versions, nil
}

// newVersion turns a version into data, words and a digest.
func newVersion(a *agreements.Agreement, v *agreements.Version) (Version, error) {
	t := newTerms(a, v)
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(t); err != nil {
		return Version{}, fmt.Errorf("encode terms: %w", err)
	}
	sum := sha256.Sum256(bytes.TrimSuffix(b.Bytes(), []byte("\n")))
	return Version{From: v.From.String(), Words: termWords(a, v), Terms: t, SHA256: hex.EncodeToString(sum[:])}, nil
}

func newTerms(a *agreements.Agreement, v *agreements.Version) Terms {
	t := Terms{
		Period: periodTerm(v), Services: list(v.Services), Each: v.Each, Window: newWindow(v.Window),
		Maintenance: newMaintenance(v.Maintenance),
		Exclusions:  ExclusionTerms{list(v.Exclusions.Causes), denominator(v.Exclusions.Keep, v.Exclusions.AddBack)},
		Outage:      newOutage(v.Outage),
		Time:        newTime(v), Combination: newCombination(v), Measure: newMeasure(v),
		BridgeMS: int64(v.Bridge), Unknown: unknownWords[v.Unknown], Insufficient: ratText(v.Insufficient),
		Target: ratText(v.Target), Currency: a.Currency.Code, FeeMinor: v.Fee, FeeFor: []FeeFor{}, Credits: []TierRow{},
		Cap: ratText(v.Cap), Charge: chargeWords[v.Charge], CreditTerms: newCreditTerms(v),
	}
	for _, s := range v.Services {
		if fee, ok := v.FeeFor[s]; ok {
			t.FeeFor = append(t.FeeFor, FeeFor{s, fee})
		}
	}
	for _, r := range v.Ladder {
		row := TierRow{Upper: newLimit(r.Upper), Percent: ratText(r.Percent), Days: ratText(r.Days)}
		if r.Lower != nil {
			l := newLimit(*r.Lower)
			row.Lower = &l
		}
		t.Credits = append(t.Credits, row)
	}
	return t
}

func newOutage(o agreements.OutageTerms) OutageTerms {
	t := OutageTerms{
		MinimumMS: int64(o.Minimum), LongerThan: o.LongerThan, Of: part(o.OfPart), MergeMS: int64(o.Merge),
		MergeUpTo: o.MergeUpTo, GapUp: o.GapUp, DeductibleMS: int64(o.Deductible),
		Unreported: [...]string{agreements.UnreportedCounts: "counts", agreements.UnreportedNothing: "nothing"}[o.Unreported],
	}
	if o.Clock > agreements.ClockDetected {
		t.Clock = [...]string{agreements.ClockReported: "reported", agreements.ClockOpened: "opened"}[o.Clock]
	}
	return t
}

// newTime is nil where the version has none of these terms.
func newTime(v *agreements.Version) *TimeTerms {
	t := TimeTerms{
		Change:        [...]string{agreements.ChangeSplit: "split", agreements.ChangeNextPeriod: "next_period"}[v.Change],
		PartUse:       [...]string{agreements.UseDeployed: "deployed", agreements.UseDays: "days", agreements.UsePeriod: "period", agreements.UseNotJudged: "not_judged", agreements.UseScaled: "scaled", agreements.UseUpBefore: "up_before"}[v.PartUse],
		DenominatorMS: int64(v.Denominator),
	}
	if l := v.Length; l.Unit > 0 {
		t.Length = &LengthTerms{int64(l.Unit), l.Slots, l.Sum, l.Up}
	}
	if j := v.Judge; j.Round != 0 {
		t.Judge = &JudgeTerms{j.Places, [...]string{agreements.RoundHalfUp: "half_up", agreements.RoundDown: "down", agreements.RoundHalfEven: "half_even"}[j.Round]}
	}
	if t == (TimeTerms{}) {
		return nil
	}
	return &t
}

func newLimit(b agreements.Bound) Limit { return Limit{ratText(b.Share), b.Inclusive, b.Text} }

func newWindow(c agreements.Calendar) Window {
	w := Window{Name: c.Name, Always: c.Always, Weekly: []DayHours{}, Dates: []DateHours{}}
	for d, spans := range c.Weekly {
		if len(spans) > 0 {
			w.Weekly = append(w.Weekly, DayHours{weekday(time.Weekday(d)), hours(spans)})
		}
	}
	for d, spans := range c.Dates {
		w.Dates = append(w.Dates, DateHours{d.String(), hours(spans)})
	}
	slices.SortFunc(w.Dates, func(a, b DateHours) int { return cmp.Compare(a.Date, b.Date) })
	return w
}

func weekday(d time.Weekday) string { return strings.ToLower(d.String()) }

func hours(spans []agreements.ClockSpan) []string {
	hs := make([]string, len(spans))
	for i, s := range spans {
		hs[i] = s.String()
	}
	return hs
}

// clock writes a time of day as a window does.
func clock(d uptally.Duration) string {
	at, _, _ := strings.Cut(agreements.ClockSpan{From: d}.String(), "-")
	return at
}

func part(p bool) string {
	if p {
		return "part"
	}
	return "whole"
}

// ratText writes an exact fraction, "" for nil.
func ratText(r *big.Rat) string {
	if r == nil {
		return ""
	}
	return r.RatString()
}

// list is a copy that is never nil, so that the document shows an empty list.
func list(names []string) []string { return append([]string{}, names...) }
