package configs

import (
	"github.com/uptally/uptally/agreements"
)

type tierFile struct {
	Below   *share   `yaml:"below"`
	AtMost  *share   `yaml:"at_most"`
	AtLeast *share   `yaml:"at_least"`
	Above   *share   `yaml:"above"`
	Percent *percent `yaml:"percent"`
	Days    *number  `yaml:"days"`
	Missed  *bool    `yaml:"missed"`
}

// shares are the target and what else is a part of one.
func (c versionCompiler) shares(f versionFile, v *agreements.Version) {
	if f.Target != nil {
		v.Target = f.Target.Rat
	}
	if limit := v.MeasureTerms.Target(); limit != nil && f.Target == nil {
		v.Target = limit
	}
	insufficient := f.Insufficient
	if insufficient == nil {
		r, _ := agreements.ParseShare(defaultInsufficient)
		insufficient = &share{Rat: r}
	}
	v.Insufficient = insufficient.Rat
	if f.Cap != nil {
		v.Cap = f.Cap.Rat
	}
}

// credits are the fee, what it is a fee for, and the ladder.
func (c versionCompiler) credits(f versionFile, v *agreements.Version) {
	charge := f.Charge
	if charge == "" {
		charge = defaultCharge
	}
	v.Charge = choose(c.d, c.at("charge"), charge,
		option[agreements.ChargeTerm]{"proven", agreements.ChargeProven}, option[agreements.ChargeTerm]{"point", agreements.ChargePoint}, option[agreements.ChargeTerm]{"max", agreements.ChargeMax})
	switch {
	case f.Holes == "pay_nothing":
		v.HolesPayNothing = true
	case f.Holes != "":
		c.d.complain(c.at("holes"), "pay_nothing, or no such key where the rows leave no hole")
	}
	c.fees(f, v)
	for i, t := range f.Credits {
		if tier, ok := c.tier(item("credits", i), c.missed(item("credits", i), t, v)); ok {
			v.Ladder = append(v.Ladder, tier)
		}
	}
	if len(v.Ladder) < len(f.Credits) {
		v.Ladder = nil // a ladder with a missing row would only seem to have holes
		c.d.breakAt(c.at("credits"))
	}
	c.forms(f.formsFile, v)
}

// missed turns a row that pays when the promise is missed into one below the target.
func (c versionCompiler) missed(key string, f tierFile, v *agreements.Version) tierFile {
	switch {
	case f.Missed == nil:
	case !*f.Missed || f.Below != nil || f.AtMost != nil || f.AtLeast != nil || f.Above != nil:
		c.d.complain(c.at(key+".missed"), "true, and no bound beside it")
	case v.Target == nil:
		c.d.breakAt(c.at(key)) // without a promise nothing can be missed; that is said of the target
	default:
		f.Below = &share{Rat: v.Target, text: agreements.FormatShare(v.Target)}
	}
	return f
}

func (c versionCompiler) fees(f versionFile, v *agreements.Version) {
	if f.Fee != "" {
		v.Fee = c.money("fee", f.Fee)
	}
	for _, s := range sortedKeys(f.Fees) {
		if v.FeeFor == nil {
			v.FeeFor = map[string]int64{}
		}
		v.FeeFor[s] = c.money("fees."+s, f.Fees[s])
	}
}

// money reads an amount in the agreement's currency; without a currency there is nothing to hold it against.
func (c versionCompiler) money(key, text string) int64 {
	if c.currency.Code == "" {
		return 0
	}
	minor, err := agreements.ParseMoney(text, c.currency)
	if err != nil {
		c.d.complain(c.at(key), wanted(err.Error()))
	}
	return minor
}

// tier compiles one row of the ladder: an upper bound, perhaps a lower one, and a percentage of the fee or days.
func (c versionCompiler) tier(key string, f tierFile) (agreements.Tier, bool) {
	if c.d.hasBroken(c.at(key)) {
		return agreements.Tier{}, false
	}
	found := len(c.d.problems)
	upper := c.bound(key, "below", f.Below, "at_most", f.AtMost)
	lower := c.bound(key, "above", f.Above, "at_least", f.AtLeast)
	if f.Below == nil && f.AtMost == nil {
		c.d.complain(c.at(key), "an upper bound: below (the bound itself is not in the row) or at_most (it is)")
	}
	if f.Percent == nil && f.Days == nil {
		c.d.complain(c.at(key+".percent"), "the credit as a percentage of the fee, such as 10, or days")
	}
	if len(c.d.problems) > found {
		return agreements.Tier{}, false
	}
	return agreements.Tier{Upper: *upper, Lower: lower, Percent: f.Percent.rat(), Days: f.Days.rat()}, true
}

// bound returns the one of two bounds that is written, or nil. The second includes its figure.
func (c versionCompiler) bound(key, open string, o *share, closed string, i *share) *agreements.Bound {
	switch {
	case o != nil && i != nil:
		c.d.complain(c.at(key+"."+closed), "one of "+open+" and "+closed)
		return nil
	case o != nil:
		return &agreements.Bound{Share: o.Rat, Text: o.text}
	case i != nil:
		return &agreements.Bound{Share: i.Rat, Inclusive: true, Text: i.text}
	}
	return nil
}
