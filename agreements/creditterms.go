package agreements

import (
	"math/big"
	"slices"
)

// CreditTerms are the ways to reckon a credit beside the ladder, what limits a credit, and what follows from it.
type CreditTerms struct {
	// The forms; nil or empty ones are not agreed.
	Blocks    *Blocks
	Multiple  *Multiple
	Shortfall *Shortfall
	Durations Durations
	FreeHours *FreeHours
	Affected  *AffectedShare
	// BestOf pays the greatest of several forms; otherwise they add up.
	BestOf bool
	// NoDoubleUse: downtime that one form pays for is not down for the next, in the order of forms.
	NoDoubleUse bool
	// CapPerOutage is the most that a form pays for one outage, as a share of the fee; nil is no such cap.
	CapPerOutage *big.Rat
	// AboveFee: rows and caps may exceed the fee. AboveTarget: rows may pay although the target is met.
	AboveFee, AboveTarget bool
	// Smallest: a credit is given only when the exact credit is greater, in minor units; nil gives any.
	Smallest *big.Rat
	Form     CreditForm
	Claim    *ClaimTerms
	Rights   []Right
}

// CreditForm is how a credit is given.
type CreditForm uint8

const (
	// CreditMoney is money off an invoice, CreditVoucher a voucher of that value.
	CreditMoney CreditForm = iota
	CreditVoucher
	// CreditDays are days added to the term; their value is so many days' fees.
	CreditDays
	// CreditPoints are marks: one per cent is one point, and no money is owed.
	CreditPoints
)

var creditForms = [...]string{CreditMoney: "money", CreditVoucher: "voucher", CreditDays: "days", CreditPoints: "points"}

// String returns the word of the agreement file.
func (f CreditForm) String() string { return creditForms[f] }

// keyed is a form under its key in the agreement file.
type keyed struct {
	key string
	form
}

// forms lists what is agreed, in the order in which time that one pays for is kept from the next: that of single hours
// and outages first, that of the whole period last.
func (v *Version) forms() []keyed {
	var fs []keyed
	t := v.Credits
	if t.FreeHours != nil {
		fs = append(fs, keyed{"free_hours", *t.FreeHours})
	}
	if t.Blocks != nil {
		fs = append(fs, keyed{"credit_blocks", *t.Blocks})
	}
	if t.Multiple != nil {
		fs = append(fs, keyed{"credit_multiple", *t.Multiple})
	}
	if t.Affected != nil {
		fs = append(fs, keyed{"credit_share", *t.Affected})
	}
	if len(t.Durations) > 0 {
		fs = append(fs, keyed{"credit_durations", t.Durations})
	}
	if t.Shortfall != nil {
		fs = append(fs, keyed{"credit_shortfall", *t.Shortfall})
	}
	if len(v.Ladder) > 0 {
		fs = append(fs, keyed{"credits", ladder{v}})
	}
	return fs
}

// PlainLadder reports whether the ladder's percentages are all there is to reckon: no other form, no days, no smallest
// credit, and money.
func (v *Version) PlainLadder() bool {
	t := v.Credits
	fs := v.forms()
	days := slices.ContainsFunc(v.Ladder, func(r Tier) bool { return r.Percent == nil })
	return len(fs) == len(v.Ladder[:min(1, len(v.Ladder))]) && !days && t.Smallest == nil && t.Form == CreditMoney
}

// FormWords says the forms beside the ladder aloud, one sentence each without its point.
func (v *Version) FormWords(c Currency) []string {
	var words []string
	for _, f := range v.forms() {
		if f.key != "credits" {
			words = append(words, f.Words(c))
		}
	}
	return words
}

// EachOutage reports whether some form counts, rounds or caps outages one by one. Then the proven and the greatest
// credit are the least and the greatest over the three tracks. Source: docs/measuring.md, A10.
func (v *Version) EachOutage() bool {
	return slices.ContainsFunc(v.forms(), func(f keyed) bool { return f.eachOutage(&v.Credits) })
}

// partOfFee reports whether some form needs a fee to be a part of.
func (v *Version) partOfFee() bool {
	if v.Credits.Form == CreditPoints {
		return false
	}
	return slices.ContainsFunc(v.forms(), func(f keyed) bool { return f.key != "free_hours" })
}

// validateCredits checks the forms one by one and against each other; path ends with a point.
func (v *Version) validateCredits(p *problems, path string) {
	t := &v.Credits
	forms := v.forms()
	for _, f := range forms {
		if f.key != "credits" {
			f.validate(p, path+f.key, v)
		}
	}
	most := t.AboveFee || v.Cap == nil || v.Cap.Cmp(whole(1)) <= 0
	p.want(most, path+"cap", shareText(v.Cap), aboveFeeWanted)
	p.want(v.Cap == nil || v.Cap.Sign() >= 0, path+"cap", shareText(v.Cap), "a share of 0% or more")
	p.want(v.Cap == nil || v.Fee != 0 || len(v.FeeFor) > 0 || t.Form == CreditPoints, path+"cap", shareText(v.Cap), "fee beside it, which a cap is a share of")
	p.positive(t.CapPerOutage, path+"cap_per_outage", "a share of the fee above 0%, such as 100%")
	each := t.Blocks != nil && t.Blocks.OnOutage || t.Multiple != nil && !t.Multiple.BeyondTarget
	p.want(t.CapPerOutage == nil || each, path+"cap_per_outage", shareText(t.CapPerOutage),
		"credit_blocks on: outage, or credit_multiple of: lost_time; no other form pays for each outage")
	p.want(t.Smallest == nil || t.Form != CreditPoints, path+"smallest", "", "no smallest amount where credits are points")
	p.want(t.FreeHours == nil || t.Form != CreditPoints, path+"free_hours", "", "another form than points, which are no money")
	p.want(!t.BestOf || len(forms) > 1, path+"best_of", "true", "two forms or more to choose from, or no such key")
	p.want(!t.BestOf || !t.NoDoubleUse, path+"no_double_use", "true", "one of best_of and no_double_use: the best of several forms is a single one")
	p.want(t.Form <= CreditPoints, path+"form", "", "money, voucher, days or points")
	v.validateClaim(p, path+"claim")
	for i, r := range t.Rights {
		r.validate(p, path, i)
	}
}
