package statements

import (
	"fmt"
	"math/big"
	"reflect"
	"strings"

	"github.com/uptally/uptally/agreements"
)

// CreditPart is what one form of credit pays, with the sum by which it can be checked.
type CreditPart struct {
	// Form is the word of the agreement file, such as credit_blocks.
	Form    string `json:"form"`
	Rule    string `json:"rule"`
	Numbers string `json:"numbers"`
	// ExactMinor is in minor units, unrounded, after the cap of each outage.
	ExactMinor string         `json:"exact_minor"`
	Figures    []CreditFigure `json:"figures"`
}

// CreditFigure is an exact number behind a part: of the stretch At, or of the whole period.
type CreditFigure struct {
	Name  string    `json:"name"`
	At    *Interval `json:"at,omitempty"`
	Value string    `json:"value"`
}

// Claim is until when a credit must be claimed: for an outage, or for the period.
type Claim struct {
	Outage *Interval `json:"outage,omitempty"`
	// Last is the last day in the agreement's zone, Until the first instant that is too late.
	Last  string   `json:"last,omitempty"`
	Until *Instant `json:"until,omitempty"`
	Words string   `json:"words"`
}

// HeldRight is a chronic rule and whether its condition holds: yes, likely, possible or no.
type HeldRight struct {
	Name    string `json:"name"`
	Holds   string `json:"holds"`
	Rule    string `json:"rule"`
	Numbers string `json:"numbers"`
}

func newCreditRow(ag *agreements.Agreement, v *agreements.Version, r agreements.CreditRow) CreditRow {
	exact := func(r *big.Rat) string {
		if r == nil {
			return "0"
		}
		return r.RatString()
	}
	pct := "0%"
	if r.Percent != nil {
		pct = percent(r.Percent)
	}
	out := CreditRow{Tier: r.Tier, Percent: pct, ExactMinor: exact(r.Exact), Amount: newMoney(r.Minor, ag.Currency), Capped: r.Capped}
	if v.PlainLadder() {
		return out
	}
	out.UncappedMinor, out.BeforeMinor, out.Withheld, out.Given = exact(r.Uncapped), exact(r.Before), r.Withheld, ratText(r.Given)
	for _, p := range r.Parts {
		part := CreditPart{p.Form, p.Rule, p.Numbers, exact(p.Exact), []CreditFigure{}}
		for _, f := range p.Figures {
			figure := CreditFigure{Name: f.Name, Value: f.Value.RatString()}
			if !f.At.Empty() {
				at := interval(f.At)
				figure.At = &at
			}
			part.Figures = append(part.Figures, figure)
		}
		out.Parts = append(out.Parts, part)
	}
	return out
}

func newClaims(a *agreements.Account) []Claim {
	t := a.Terms.Credits.Claim
	var cs []Claim
	for _, k := range a.Claims {
		c := Claim{Words: k.Why}
		if !k.At.Empty() {
			at := interval(k.At)
			c.Outage = &at
		}
		if k.Until != 0 {
			until := Instant(k.Until)
			c.Last, c.Until = k.Last.String(), &until
			c.Words = t.WithinWords() + " from " + claimFrom[t.Of]
		}
		cs = append(cs, c)
	}
	return cs
}

var claimFrom = [...]string{
	agreements.ClaimPeriodEnd: "the end of the period", agreements.ClaimIncident: "the start of the outage",
	agreements.ClaimTicketClosed: "the closing of the ticket",
}

func newRights(held []agreements.HeldRight) []HeldRight {
	var rs []HeldRight
	for _, h := range held {
		r := HeldRight{h.Name, "no", h.Rule, h.Numbers}
		switch {
		case h.Proven:
			r.Holds = "yes"
		case h.Point:
			r.Holds = "likely"
		case h.Max:
			r.Holds = "possible"
		}
		if h.Short {
			r.Numbers += "; fewer periods are known than the condition looks at"
		}
		rs = append(rs, r)
	}
	return rs
}

// same reports whether two rows owe the same for the same reasons.
func (r CreditRow) same(o CreditRow) bool { return reflect.DeepEqual(r, o) }

// formTitles name the steps of each form.
var formTitles = map[string]string{
	"credits": "Ladder", "credit_blocks": "Blocks", "credit_multiple": "Multiple of lost time", "credit_shortfall": "Shortfall",
	"credit_durations": "Durations", "free_hours": "Free hours", "credit_share": "Share affected",
}

// parts writes a step for each form, then their sum or best, the cap and the smallest credit.
func (w *stepWriter) parts(by string, r CreditRow) {
	fee := w.out.Credit.Fee.Text
	for _, p := range r.Parts {
		numbers := p.Numbers
		if p.Form != "free_hours" && p.ExactMinor != "0" {
			numbers += "; × " + fee
		}
		w.add(formTitles[p.Form], by+p.Rule, numbers, w.exactMoney(p.ExactMinor))
	}
	if len(r.Parts) > 1 {
		what, rule, sign := "Sum of the forms", "the forms add up", " + "
		if w.a.Terms.Credits.BestOf {
			what, rule, sign = "Best of the forms", "the greatest is owed", "; "
		}
		var texts []string
		for _, p := range r.Parts {
			texts = append(texts, w.exactMoney(p.ExactMinor))
		}
		// After the cap of each outage and before that of the period, which is the next step.
		w.add(what, by+rule, strings.Join(texts, sign), w.exactMoney(w.gathered(r)))
	}
	if r.Capped {
		limit := percent(w.a.Terms.Cap)
		if limit == "" {
			limit = "100%"
		}
		w.add("Cap", by+"at most "+limit+" of the fee", w.exactMoney(w.gathered(r))+" is more", w.exactMoney(r.BeforeMinor))
	}
	if r.Withheld {
		w.add("Smallest credit", "given only when the exact credit is greater than "+w.exactMoney(ratText(w.a.Terms.Credits.Smallest)),
			by+w.exactMoney(r.BeforeMinor)+" is not greater", w.exactMoney("0"))
	}
}

// gathered is the sum or the best of a row's parts, in minor units.
func (w *stepWriter) gathered(r CreditRow) string {
	sum := new(big.Rat)
	for _, p := range r.Parts {
		exact, ok := new(big.Rat).SetString(p.ExactMinor)
		switch {
		case !ok:
		case !w.a.Terms.Credits.BestOf:
			sum.Add(sum, exact)
		case exact.Cmp(sum) > 0:
			sum = exact
		}
	}
	return sum.RatString()
}

// exactMoney writes exact minor units; where they do not end with the currency's decimals, with four more, cut off.
func (w *stepWriter) exactMoney(minor string) string {
	c := w.d.agreement.Currency
	r, ok := new(big.Rat).SetString(minor)
	if !ok {
		return ""
	}
	if r.IsInt() && r.Num().IsInt64() {
		return money(r.Num().Int64(), c)
	}
	const more = 4
	scaled := new(big.Rat).Mul(r, big.NewRat(10_000, 1))
	whole := new(big.Int).Quo(scaled.Num(), scaled.Denom())
	if !whole.IsInt64() {
		return c.Code + " " + r.RatString()
	}
	text := money(whole.Int64(), agreements.Currency{Code: c.Code, Digits: c.Digits + more})
	if scaled.IsInt() {
		return text
	}
	return "about " + text
}

// formOf is the word of the agreement file for how a credit is given; empty for money.
func formOf(v *agreements.Version) string {
	if v.Credits.Form == agreements.CreditMoney {
		return ""
	}
	return v.Credits.Form.String()
}

// GivenText says what is given where that is not money: "7 days, worth USD 144.67", "12 points".
func (c Credit) GivenText(r CreditRow) string {
	n, ok := parseExact(r.Given)
	number := r.Given
	if ok {
		if digits, exact := n.FloatPrec(); exact {
			number = n.FloatString(digits)
		}
	}
	switch c.Form {
	case "days":
		return number + " days of service, worth " + r.Amount.Text
	case "points":
		return number + " points"
	case "voucher":
		return r.Amount.Text + " as a voucher"
	}
	return r.Amount.Text
}

// ClaimText says a deadline: "by 2026-11-30: 30 days from the end of the period".
func (s *Statement) ClaimText(c Claim) string {
	text := "no deadline is known: " + c.Words
	if c.Until != nil {
		text = "by " + c.Last + ": " + c.Words
	}
	if c.Outage != nil {
		text = "outage of " + s.Period.local(c.Outage.From) + ": " + text
	}
	return text
}

// Text says a right and whether its condition holds.
func (r HeldRight) Text() string {
	holds := map[string]string{"yes": "holds", "likely": "holds likely, not proven", "possible": "would hold if every doubt were downtime", "no": "does not hold"}[r.Holds]
	return fmt.Sprintf("%s: %s (%s: %s)", r.Name, holds, r.Rule, r.Numbers)
}

// partsText names the forms that pay, with their numbers.
func (c Credit) partsText() string {
	var texts []string
	for _, p := range c.Charged.Parts {
		if p.ExactMinor != "0" {
			texts = append(texts, p.Rule)
		}
	}
	switch {
	case len(texts) == 0:
		return "no form of credit pays; fee " + c.Fee.Text
	case c.Charged.Withheld:
		texts = append(texts, "not above the smallest credit that is given")
	case c.Charged.Capped:
		texts = append(texts, "capped")
	}
	return strings.Join(texts, "; ") + "; fee " + c.Fee.Text
}

// payWords says what the rows of a ladder pay in.
func payWords(ladder []agreements.Tier) string {
	for _, t := range ladder {
		if t.Percent == nil {
			return "in days' fees"
		}
	}
	return "in per cent of the fee"
}

// formWords says the forms beside the ladder, and what limits and follows from a credit.
func formWords(a *agreements.Agreement, v *agreements.Version) []string {
	var w []string
	t := v.Credits
	for _, f := range v.FormWords(a.Currency) {
		w = append(w, "Credit: "+f+".")
	}
	switch {
	case t.BestOf:
		w = append(w, "Of the forms of credit the greatest is owed.")
	case t.NoDoubleUse:
		w = append(w, "Downtime that one form of credit pays for is not counted by the next.")
	}
	if t.CapPerOutage != nil {
		w = append(w, "Each outage pays at most "+percent(t.CapPerOutage)+" of the fee.")
	}
	if t.Smallest != nil {
		sw := stepWriter{d: draft{agreement: a}}
		w = append(w, "A credit is given only when the exact amount is greater than "+sw.exactMoney(t.Smallest.RatString())+".")
	}
	switch t.Form {
	case agreements.CreditVoucher:
		w = append(w, "The credit is given as a voucher.")
	case agreements.CreditDays:
		w = append(w, "The credit is given as days of service; a day's fee is the fee divided by the calendar days of the period.")
	case agreements.CreditPoints:
		w = append(w, "The credit is points, one for each per cent, and no money.")
	}
	w = append(w, claimWords(t.Claim)...)
	for _, r := range t.Rights {
		w = append(w, "Right, "+r.Name+": "+r.When.Words()+".")
	}
	return w
}

func claimWords(t *agreements.ClaimTerms) []string {
	if t == nil {
		return nil
	}
	text := "Credits are given without a claim."
	if !t.Automatic {
		text = "A credit must be claimed within " + t.WithinWords() + " from " + claimFrom[t.Of]
		if len(t.Evidence) > 0 {
			text += ", with " + strings.Join(t.Evidence, ", ")
		}
		text += "."
	}
	return []string{text}
}
