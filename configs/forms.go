package configs

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/agreements"
)

// formsFile is the ways to reckon a credit beside the ladder, and what limits and follows from one.
type formsFile struct {
	Blocks       *blocksFile    `yaml:"credit_blocks"`
	Multiple     *multipleFile  `yaml:"credit_multiple"`
	Shortfall    *shortfallFile `yaml:"credit_shortfall"`
	Durations    []durationFile `yaml:"credit_durations"`
	FreeHours    *freeHoursFile `yaml:"free_hours"`
	Share        *creditShare   `yaml:"credit_share"`
	CapPerOutage *percent       `yaml:"cap_per_outage"`
	AboveFee     string         `yaml:"above_fee"`
	AboveTarget  string         `yaml:"above_target"`
	Smallest     string         `yaml:"smallest"`
	Form         string         `yaml:"form"`
	BestOf       *bool          `yaml:"best_of"`
	NoDoubleUse  bool           `yaml:"no_double_use"`
	Claim        *claimFile     `yaml:"claim"`
	Rights       []rightFile    `yaml:"rights"`
}

type blocksFile struct {
	Each    *length     `yaml:"each"`
	Percent *percent    `yaml:"percent"`
	DayFees *number     `yaml:"day_fees"`
	Count   string      `yaml:"count"`
	On      string      `yaml:"on"`
	Beyond  *beyondTime `yaml:"beyond"`
}

type multipleFile struct {
	Times     *number    `yaml:"times"`
	Of        string     `yaml:"of"`
	PriceOver *priceOver `yaml:"price_over"`
}

type shortfallFile struct {
	Percent *percent `yaml:"percent"`
	Each    *percent `yaml:"each"`
	Count   string   `yaml:"count"`
}

type durationFile struct {
	From       *length  `yaml:"from"`
	LongerThan *length  `yaml:"longer_than"`
	Outages    int      `yaml:"outages"`
	On         string   `yaml:"on"`
	Percent    *percent `yaml:"percent"`
	Days       *number  `yaml:"days"`
}

type freeHoursFile struct {
	Over *length `yaml:"over"`
	Fee  string  `yaml:"fee"`
}

type creditShare struct {
	Times *number `yaml:"times"`
}

type claimFile struct {
	Within    *withinFile `yaml:"within"`
	Of        string      `yaml:"of"`
	Automatic bool        `yaml:"automatic"`
	Evidence  []string    `yaml:"evidence"`
}

// withinFile is a length, or a number of another kind of days or months.
type withinFile struct {
	Word         string `yaml:"="`
	BusinessDays int    `yaml:"business_days"`
	Months       int    `yaml:"months"`
	Cycles       int    `yaml:"cycles"`
}

type rightFile struct {
	Name string   `yaml:"name"`
	When whenFile `yaml:"when"`
}

type whenFile struct {
	Outages    int     `yaml:"outages"`
	Minimum    *length `yaml:"minimum"`
	LongerThan *length `yaml:"longer_than"`
	Down       *length `yaml:"down"`
	Below      *share  `yaml:"below"`
	InARow     bool    `yaml:"in_a_row"`
	MeanBelow  *share  `yaml:"mean_below"`
	Periods    int     `yaml:"periods"`
	Of         int     `yaml:"of"`
	Within     *length `yaml:"within"`
}

// length is a duration that may count days, such as 30d; a day is 24 hours.
type length uptally.Duration

// UnmarshalText accepts 30d, 720h and 30m.
func (l *length) UnmarshalText(text []byte) error {
	if days, ok := strings.CutSuffix(string(text), "d"); ok {
		const most = 36500
		n, err := strconv.Atoi(days)
		if err != nil || n < 0 || n > most {
			return fmt.Errorf("got %q, want a number of days up to %d, such as 30d", text, most)
		}
		*l = length(uptally.Duration(n) * 24 * uptally.Hour)
		return nil
	}
	return (*uptally.Duration)(l).UnmarshalText(text)
}

// beyondTime is a length, or what the target allows.
type beyondTime struct {
	length
	target bool
}

// UnmarshalText accepts target and a length.
func (b *beyondTime) UnmarshalText(text []byte) error {
	if b.target = string(text) == "target"; b.target {
		return nil
	}
	if err := b.length.UnmarshalText(text); err != nil {
		return fmt.Errorf("got %q, want a length such as 4h, or target", text)
	}
	return nil
}

// priceOver is the time that the fee is spread over.
type priceOver struct {
	of   agreements.PriceOver
	span length
}

// UnmarshalText accepts period, eligible and a length.
func (p *priceOver) UnmarshalText(text []byte) error {
	switch string(text) {
	case "period":
		p.of = agreements.PriceOverPeriod
	case "eligible":
		p.of = agreements.PriceOverEligible
	default:
		p.of = agreements.PriceOverSpan
		if err := p.span.UnmarshalText(text); err != nil {
			return fmt.Errorf("got %q, want period, eligible or a length such as 30d", text)
		}
	}
	return nil
}

// rat is the number of a share or percentage, or nil.
func (p *percent) rat() *big.Rat {
	if p == nil {
		return nil
	}
	return p.Rat
}

func (n *number) rat() *big.Rat {
	if n == nil {
		return nil
	}
	return n.Rat
}

func (s *share) rat() *big.Rat {
	if s == nil {
		return nil
	}
	return s.Rat
}

// span is a length that is written, or zero.
func (l *length) span() uptally.Duration {
	if l == nil {
		return 0
	}
	return uptally.Duration(*l)
}

// full reads whether full blocks alone count; it has no safe default.
func (c versionCompiler) full(key, word string) bool {
	return choose(c.d, c.at(key), word, option[bool]{"started", false}, option[bool]{"full", true})
}

// forms compiles the forms; what a form lacks is told by the agreement's own validation.
func (c versionCompiler) forms(f formsFile, v *agreements.Version) {
	t := &v.Credits
	if b := f.Blocks; b != nil {
		t.Blocks = c.blocks(*b)
	}
	if m := f.Multiple; m != nil {
		t.Multiple = c.multiple(*m)
	}
	if s := f.Shortfall; s != nil {
		t.Shortfall = &agreements.Shortfall{Percent: s.Percent.rat(), Each: s.Each.rat(), Full: c.full("credit_shortfall.count", s.Count)}
	}
	for i, d := range f.Durations {
		t.Durations = append(t.Durations, c.duration(item("credit_durations", i), d))
	}
	if h := f.FreeHours; h != nil {
		t.FreeHours = &agreements.FreeHours{Over: h.Over.span()}
		if h.Over == nil {
			c.d.complain(c.at("free_hours.over"), "the downtime of an hour that is still paid for, such as 6m")
		}
		if h.Fee != "" {
			t.FreeHours.Fee = c.exactMoney("free_hours.fee", h.Fee)
		}
	}
	if f.Share != nil {
		t.Affected = &agreements.AffectedShare{Times: f.Share.Times.rat()}
	}
	t.CapPerOutage, t.BestOf, t.NoDoubleUse = f.CapPerOutage.rat(), or(f.BestOf, false), f.NoDoubleUse
	if v.Ladder != nil && t.Durations != nil && f.BestOf == nil && !f.NoDoubleUse {
		c.d.complain(c.at("best_of"), "true (the greater is owed) or false (they add up), since credits and credit_durations pay for the same downtime")
	}
	t.AboveFee, t.AboveTarget = c.allowed("above_fee", f.AboveFee), c.allowed("above_target", f.AboveTarget)
	if f.Smallest != "" {
		t.Smallest = c.exactMoney("smallest", f.Smallest)
	}
	if f.Form != "" {
		t.Form = choose(c.d, c.at("form"), f.Form,
			option[agreements.CreditForm]{"money", agreements.CreditMoney}, option[agreements.CreditForm]{"voucher", agreements.CreditVoucher},
			option[agreements.CreditForm]{"days", agreements.CreditDays}, option[agreements.CreditForm]{"points", agreements.CreditPoints})
	}
	t.Claim = c.claim(f.Claim)
	for i, r := range f.Rights {
		t.Rights = append(t.Rights, c.right(item("rights", i), r))
	}
}

func (c versionCompiler) blocks(f blocksFile) *agreements.Blocks {
	b := &agreements.Blocks{
		Each: f.Each.span(), Percent: f.Percent.rat(), DayFees: f.DayFees.rat(), Full: c.full("credit_blocks.count", f.Count),
		OnOutage: choose(c.d, c.at("credit_blocks.on"), f.On, option[bool]{"outage", true}, option[bool]{"sum", false}),
	}
	if f.Beyond != nil {
		b.Beyond, b.BeyondTarget = uptally.Duration(f.Beyond.length), f.Beyond.target
	}
	return b
}

func (c versionCompiler) multiple(f multipleFile) *agreements.Multiple {
	m := &agreements.Multiple{
		Times:        f.Times.rat(),
		BeyondTarget: choose(c.d, c.at("credit_multiple.of"), f.Of, option[bool]{"lost_time", false}, option[bool]{"beyond_target", true}),
	}
	if f.PriceOver == nil {
		m.Over = agreements.PriceOverPeriod
		c.d.complain(c.at("credit_multiple.price_over"), "period, eligible or a length such as 30d: the time that the fee is the price of")
	} else {
		m.Over, m.Span = f.PriceOver.of, uptally.Duration(f.PriceOver.span)
	}
	return m
}

func (c versionCompiler) duration(key string, f durationFile) agreements.DurationRow {
	r := agreements.DurationRow{
		From: f.From.span() + f.LongerThan.span(), LongerThan: f.LongerThan != nil, Outages: f.Outages,
		Percent: f.Percent.rat(), Days: f.Days.rat(),
	}
	written := 0
	for _, given := range []bool{f.From != nil, f.LongerThan != nil, f.Outages != 0} {
		if given {
			written++
		}
	}
	if written != 1 {
		c.d.complain(c.at(key), "one of from (at least so long), longer_than and outages (at least so many)")
	}
	if f.On != "" {
		r.OnOutage = choose(c.d, c.at(key+".on"), f.On, option[bool]{"sum", false}, option[bool]{"outage", true})
		if f.Outages != 0 {
			c.d.complain(c.at(key+".on"), "no such key beside outages, which counts them")
		}
	}
	return r
}

// allowed reads a word by which a contract says what would otherwise be taken for a slip.
func (c versionCompiler) allowed(key, word string) bool {
	if word != "" && word != "allowed" {
		c.d.complain(c.at(key), "allowed, or no such key")
	}
	return word == "allowed"
}

// exactMoney reads an amount in major units as exact minor units; a price may have more decimals than its currency.
func (c versionCompiler) exactMoney(key, text string) *big.Rat {
	r, err := parsePercent(text + "%")
	if err != nil {
		c.d.complain(c.at(key), `an amount such as "0.50"`)
		return nil
	}
	unit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(2+c.currency.Digits)), nil)
	return r.Mul(r, new(big.Rat).SetInt(unit))
}

func (c versionCompiler) claim(f *claimFile) *agreements.ClaimTerms {
	if f == nil {
		return nil
	}
	t := &agreements.ClaimTerms{Automatic: f.Automatic, Evidence: f.Evidence}
	if w := f.Within; w != nil {
		t.BusinessDays, t.Months, t.Cycles = w.BusinessDays, w.Months, w.Cycles
		if w.Word != "" {
			var l length
			if err := l.UnmarshalText([]byte(w.Word)); err != nil {
				c.d.complain(c.at("claim.within"), "a length such as 30d, or one of business_days, months and cycles")
				return nil
			}
			t.Within = uptally.Duration(l)
		}
	}
	if !f.Automatic || f.Of != "" {
		t.Of = choose(c.d, c.at("claim.of"), f.Of, option[agreements.ClaimOf]{"period_end", agreements.ClaimPeriodEnd},
			option[agreements.ClaimOf]{"incident", agreements.ClaimIncident}, option[agreements.ClaimOf]{"ticket_closed", agreements.ClaimTicketClosed})
	}
	return t
}

func (c versionCompiler) right(key string, f rightFile) agreements.Right {
	w := f.When
	if w.Minimum != nil && w.LongerThan != nil {
		c.d.complain(c.at(key+".when.longer_than"), "one of minimum (at least so long) and longer_than")
	}
	return agreements.Right{Name: f.Name, When: agreements.RightWhen{
		Outages: w.Outages, Minimum: w.Minimum.span() + w.LongerThan.span(), LongerThan: w.LongerThan != nil, Down: w.Down.span(),
		Below: w.Below.rat(), InARow: w.InARow, MeanBelow: w.MeanBelow.rat(), Periods: w.Periods, Of: w.Of, Within: w.Within.span(),
	}}
}
