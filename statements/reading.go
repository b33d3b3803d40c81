package statements

import (
	"fmt"
	"math/big"
	"strconv"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/agreements"
)

// ResponseTerms is a limit on response times in microseconds: of their mean, of a percentile, or of the share over it.
type ResponseTerms struct {
	LimitUS    int64  `json:"limit_us"`
	Mean       bool   `json:"mean,omitempty"`
	Percentile string `json:"percentile,omitempty"`
	Share      string `json:"share_over,omitempty"`
	FailedOver bool   `json:"failed_over,omitempty"`
}

// Reading is what a measure that is kept or missed came to: milliseconds, or a share of one, as exact numbers. Value is
// empty where nothing was measured, or where a percentile fell on a result without an answer.
type Reading struct {
	Unit  string `json:"unit"` // ms or share
	Value string `json:"value"`
	Limit string `json:"limit"`
	Of    int64  `json:"of"`
	Over  int64  `json:"over"`
}

func newResponse(r *agreements.ResponseTerms) *ResponseTerms {
	if r == nil {
		return nil
	}
	return &ResponseTerms{r.Limit, r.Mean, ratText(r.Percentile), ratText(r.Share), r.FailedOver}
}

func newReading(a *agreements.Account) *Reading {
	r := a.Reading
	if r == nil {
		return nil
	}
	unit := "ms"
	if r.IsShare {
		unit = "share"
	}
	return &Reading{unit, ratText(r.Value), ratText(r.Limit), r.Of, r.Over}
}

// readingWords say a measure with a limit of its own.
func readingWords(v *agreements.Version) string {
	r := v.Response
	switch {
	case v.Restore != 0:
		return "Measured by time to restore: every outage that begins in the period ends within " + v.Restore.String() + " of service time"
	case v.Loss != nil:
		return "Measured by loss: at most " + percent(v.Loss) + " of all probes or requests of the period go without an answer"
	case r.Mean:
		return "Measured by response time: the mean of all answers of the period is at most " + micros(r.Limit)
	}
	failed := "results without an answer are left out"
	if r.FailedOver {
		failed = "a result without an answer is over any limit"
	}
	if r.Percentile != nil {
		return fmt.Sprintf("Measured by response time: %s of all results of the period answer within %s; %s", percent(r.Percentile), micros(r.Limit), failed)
	}
	return fmt.Sprintf("Measured by response time: at most %s of all results of the period are over %s; %s", percent(r.Share), micros(r.Limit), failed)
}

func micros(us int64) string { return uptally.Duration(us / 1000).String() }

// Text says what was read against its limit.
func (r Reading) Text() string {
	value := "no value"
	if v, ok := parseExact(r.Value); ok {
		value = r.number(v)
	}
	limit := r.Limit
	if v, ok := parseExact(r.Limit); ok {
		limit = r.number(v)
	}
	return fmt.Sprintf("%s, limit %s; %s of %s over it or lost", value, limit, thousands(r.Over), thousands(r.Of))
}

// number writes a reading for people: milliseconds cut off at three decimals, or a percentage.
func (r Reading) number(v *big.Rat) string {
	if r.Unit == "share" {
		return agreements.FormatShare(v)
	}
	us := new(big.Rat).Mul(v, big.NewRat(1000, 1))
	whole := new(big.Int).Div(us.Num(), us.Denom())
	text := new(big.Rat).SetFrac(whole, big.NewInt(1000))
	if digits, _ := text.FloatPrec(); digits == 0 && text.Num().IsInt64() && text.Num().Int64() >= 60_000 {
		return span(text.Num().Int64())
	}
	return text.FloatString(decimalsOf(text)) + " ms"
}

func decimalsOf(r *big.Rat) int {
	digits, _ := r.FloatPrec()
	return digits
}

// reading prints what was read.
func (w *stepWriter) reading() {
	r := w.out.Reading
	if r == nil {
		return
	}
	result := "no value"
	if v, ok := parseExact(r.Value); ok {
		result = r.number(v)
	}
	w.add("Reading", readingWords(w.a.Terms), strconv.FormatInt(r.Over, 10)+" of "+thousands(r.Of)+" over the limit or lost", result)
}

// FigureLabel heads the figure: an availability, or the part within the limit of a measure that has one.
func (a *Account) FigureLabel() string {
	if a.Reading != nil {
		return "Within limit"
	}
	return "Availability"
}
