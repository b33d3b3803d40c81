package statements

import (
	"math/big"
	"strings"
	"time"
)

// CreditFigures are what the forms of credit beside a plain ladder came by; what no form has is absent. Counts and what
// is in seconds or major units are exact: decimal text, or a reduced fraction n/d where it says exact or is a limit.
type CreditFigures struct {
	Blocks    string `json:"blocks,omitempty"`
	FreeHours string `json:"free_hours,omitempty"`
	// ClockHours are the seconds down of each hour of the clock, by its start.
	ClockHours map[string]string `json:"clock_hours,omitempty"`
	Allowance  string            `json:"allowance_seconds,omitempty"`
	Excess     string            `json:"excess_seconds,omitempty"`
	Steps      string            `json:"steps,omitempty"`
	// Uncapped is the credit before any cap; BeforeRule after the caps and before the smallest credit.
	Uncapped   string `json:"uncapped,omitempty"`
	BeforeRule string `json:"credit_before_rule,omitempty"`
	// Days or Points are given instead of money; a day's value is in ValueExact and, rounded once, in Value.
	Days       string `json:"days,omitempty"`
	Points     string `json:"points,omitempty"`
	ValueExact string `json:"value_exact,omitempty"`
	Value      string `json:"value,omitempty"`
}

func (s *Statement) creditFigures(c Credit, terms *Terms) CreditFigures {
	r := c.Charged
	if r.UncappedMinor == "" {
		return CreditFigures{}
	}
	_, decimals, _ := strings.Cut(r.Amount.Text, ".")
	f := CreditFigures{
		Blocks: decimalText(r.figure("blocks"), 0), FreeHours: decimalText(r.figure("free_hours"), 0), Steps: decimalText(r.figure("steps"), 0),
		Allowance: nOverD(r.figure("allowance_seconds")), Excess: nOverD(r.figure("excess_seconds")),
		Uncapped: majorText(r.UncappedMinor, len(decimals)),
	}
	if t := terms.CreditTerms; t != nil && t.Smallest != "" {
		f.BeforeRule = majorText(r.BeforeMinor, len(decimals))
	}
	for _, p := range r.Parts {
		for _, g := range p.Figures {
			if n, ok := new(big.Rat).SetString(g.Value); ok && p.Form == "free_hours" && g.At != nil {
				if f.ClockHours == nil {
					f.ClockHours = map[string]string{}
				}
				f.ClockHours[s.clockHour(g.At.From)] = decimalText(n, 0)
			}
		}
	}
	given, ok := parseExact(r.Given)
	switch {
	case !ok:
	case c.Form == "days":
		f.Days, f.Value = decimalText(given, 0), amount(r.Amount)
		f.ValueExact, _ = majorExact(r)
	case c.Form == "points":
		f.Points = decimalText(given, 0)
	}
	return f
}

// clockHour is the start of an hour as the agreement's clock shows it, with its offset.
func (s *Statement) clockHour(at Instant) string {
	zone, err := parseOffset(s.Period.offsetAt(at))
	if err != nil {
		return at.String()
	}
	return time.UnixMilli(int64(at)).In(zone).Format("2006-01-02T15:04:05-07:00")
}

// majorText is an exact amount in major units with at least so many decimals; a fraction where they do not end.
func majorText(minor string, decimals int) string {
	r, ok := new(big.Rat).SetString(minor)
	if !ok {
		return ""
	}
	unit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(decimals)), nil)
	return decimalText(r.Quo(r, new(big.Rat).SetInt(unit)), decimals)
}

func decimalText(r *big.Rat, least int) string {
	if r == nil {
		return ""
	}
	digits, exact := r.FloatPrec()
	if !exact {
		return r.String()
	}
	return r.FloatString(max(digits, least))
}

func nOverD(r *big.Rat) string {
	if r == nil {
		return ""
	}
	return r.String()
}
