package statements

import (
	"math/big"

	"github.com/uptally/uptally/agreements"
)

// CreditTerms are the ways to reckon a credit beside the ladder, as data: what is not agreed is absent. Shares are exact
// fractions of one, spans milliseconds, money exact minor units.
type CreditTerms struct {
	Blocks       *BlocksTerms    `json:"credit_blocks,omitempty"`
	Multiple     *MultipleTerms  `json:"credit_multiple,omitempty"`
	Shortfall    *ShortfallTerms `json:"credit_shortfall,omitempty"`
	Durations    []DurationTerms `json:"credit_durations,omitempty"`
	FreeHours    *FreeHoursTerms `json:"free_hours,omitempty"`
	ShareTimes   string          `json:"credit_share_times,omitempty"`
	CapPerOutage string          `json:"cap_per_outage,omitempty"`
	AboveFee     bool            `json:"above_fee,omitempty"`
	AboveTarget  bool            `json:"above_target,omitempty"`
	Smallest     string          `json:"smallest_minor,omitempty"`
	Form         string          `json:"form,omitempty"`
	BestOf       bool            `json:"best_of,omitempty"`
	NoDoubleUse  bool            `json:"no_double_use,omitempty"`
	Claim        *ClaimTerms     `json:"claim,omitempty"`
	Rights       []RightTerms    `json:"rights,omitempty"`
}

// BlocksTerms pays a share of the fee or days' fees for each block of downtime.
type BlocksTerms struct {
	EachMS       int64  `json:"each_ms"`
	Percent      string `json:"percent,omitempty"`
	DayFees      string `json:"day_fees,omitempty"`
	Count        string `json:"count"` // started or full
	On           string `json:"on"`    // outage or sum
	BeyondMS     int64  `json:"beyond_ms,omitempty"`
	BeyondTarget bool   `json:"beyond_target,omitempty"`
}

// MultipleTerms pays so many times the price of lost time. PriceOver is period, eligible or span.
type MultipleTerms struct {
	Times     string `json:"times"`
	Of        string `json:"of"` // lost_time or beyond_target
	PriceOver string `json:"price_over"`
	SpanMS    int64  `json:"span_ms,omitempty"`
}

// ShortfallTerms pays for each step below the target.
type ShortfallTerms struct {
	Percent string `json:"percent"`
	Each    string `json:"each"`
	Count   string `json:"count"`
}

// DurationTerms is a row by length or number of outages.
type DurationTerms struct {
	FromMS     int64  `json:"from_ms"`
	LongerThan bool   `json:"longer_than"`
	On         string `json:"on"` // outage or sum
	Outages    int    `json:"outages,omitempty"`
	Percent    string `json:"percent,omitempty"`
	Days       string `json:"days,omitempty"`
}

// FreeHoursTerms waives hours of the clock.
type FreeHoursTerms struct {
	OverMS   int64  `json:"over_ms"`
	FeeMinor string `json:"fee_minor"`
}

// ClaimTerms are the deadline of a claim; at most one of the four kinds of length is there.
type ClaimTerms struct {
	Of           string   `json:"of,omitempty"`
	WithinMS     int64    `json:"within_ms,omitempty"`
	BusinessDays int      `json:"business_days,omitempty"`
	Months       int      `json:"months,omitempty"`
	Cycles       int      `json:"cycles,omitempty"`
	Automatic    bool     `json:"automatic"`
	Evidence     []string `json:"evidence"`
}

// RightTerms is a chronic rule.
type RightTerms struct {
	Name       string `json:"name"`
	Outages    int    `json:"outages,omitempty"`
	MinimumMS  int64  `json:"minimum_ms,omitempty"`
	LongerThan bool   `json:"longer_than,omitempty"`
	DownMS     int64  `json:"down_ms,omitempty"`
	Below      string `json:"below,omitempty"`
	InARow     bool   `json:"in_a_row,omitempty"`
	MeanBelow  string `json:"mean_below,omitempty"`
	Periods    int    `json:"periods,omitempty"`
	Of         int    `json:"of,omitempty"`
	WithinMS   int64  `json:"within_ms,omitempty"`
}

var priceOver = [...]string{agreements.PriceOverPeriod: "period", agreements.PriceOverEligible: "eligible", agreements.PriceOverSpan: "span"}

// newCreditTerms returns nil where a ladder and its cap are all that is agreed.
func newCreditTerms(v *agreements.Version) *CreditTerms {
	t := v.Credits
	out := CreditTerms{
		CapPerOutage: ratText(t.CapPerOutage), AboveFee: t.AboveFee, AboveTarget: t.AboveTarget, Smallest: ratText(t.Smallest),
		Form: formOf(v), BestOf: t.BestOf, NoDoubleUse: t.NoDoubleUse, Claim: newClaimTerms(t.Claim),
	}
	if b := t.Blocks; b != nil {
		out.Blocks = &BlocksTerms{int64(b.Each), ratText(b.Percent), ratText(b.DayFees), countWord(b.Full), onWord(b.OnOutage), int64(b.Beyond), b.BeyondTarget}
	}
	if m := t.Multiple; m != nil {
		of := "lost_time"
		if m.BeyondTarget {
			of = "beyond_target"
		}
		out.Multiple = &MultipleTerms{ratText(m.Times), of, priceOver[m.Over], int64(m.Span)}
	}
	if s := t.Shortfall; s != nil {
		out.Shortfall = &ShortfallTerms{ratText(s.Percent), ratText(s.Each), countWord(s.Full)}
	}
	for _, r := range t.Durations {
		out.Durations = append(out.Durations, DurationTerms{int64(r.From), r.LongerThan, onWord(r.OnOutage), r.Outages, ratText(r.Percent), ratText(r.Days)})
	}
	if h := t.FreeHours; h != nil {
		out.FreeHours = &FreeHoursTerms{int64(h.Over), ratText(h.Fee)}
	}
	if t.Affected != nil {
		out.ShareTimes = ratText(t.Affected.Times)
	}
	for _, r := range t.Rights {
		w := r.When
		out.Rights = append(out.Rights, RightTerms{r.Name, w.Outages, int64(w.Minimum), w.LongerThan, int64(w.Down), ratText(w.Below), w.InARow,
			ratText(w.MeanBelow), w.Periods, w.Of, int64(w.Within)})
	}
	if out.empty() {
		return nil
	}
	return &out
}

func (t *CreditTerms) empty() bool {
	return t.Blocks == nil && t.Multiple == nil && t.Shortfall == nil && t.Durations == nil && t.FreeHours == nil && t.ShareTimes == "" &&
		t.CapPerOutage == "" && !t.AboveFee && !t.AboveTarget && t.Smallest == "" && t.Form == "" && !t.BestOf && !t.NoDoubleUse &&
		t.Claim == nil && t.Rights == nil
}

func newClaimTerms(t *agreements.ClaimTerms) *ClaimTerms {
	if t == nil {
		return nil
	}
	return &ClaimTerms{t.Of.String(), int64(t.Within), t.BusinessDays, t.Months, t.Cycles, t.Automatic, list(t.Evidence)}
}

func countWord(full bool) string {
	if full {
		return "full"
	}
	return "started"
}

func onWord(outage bool) string {
	if outage {
		return "outage"
	}
	return "sum"
}

// figure looks a number of a row's parts up; nil where no form has it.
func (r CreditRow) figure(name string) *big.Rat {
	for _, p := range r.Parts {
		for _, f := range p.Figures {
			if n, ok := new(big.Rat).SetString(f.Value); ok && f.Name == name && f.At == nil {
				return n
			}
		}
	}
	return nil
}
