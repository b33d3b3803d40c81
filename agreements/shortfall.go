package agreements

import (
	"fmt"
	"math/big"
)

// Shortfall pays for each step by which the availability falls short of the target.
type Shortfall struct {
	// Percent is the share of the fee a step, Each the step as a share: 1 % is one point.
	Percent, Each *big.Rat
	// Full counts full steps alone; otherwise started ones count too.
	Full bool
}

func (s Shortfall) pay(l loss) CreditPart {
	p := CreditPart{Form: "credit_shortfall", Rule: s.Words(Currency{}), Share: new(big.Rat), Uncapped: new(big.Rat)}
	if l.availability == nil {
		p.Numbers = "no availability to compare"
		return p
	}
	short := positive(new(big.Rat).Sub(l.target, l.availability))
	n := countOf(short, s.Each, s.Full)
	p.Share = times(whole(n), s.Percent)
	p.Uncapped.Set(p.Share)
	p.figure("shortfall", Interval{}, short)
	p.figure("steps", Interval{}, whole(n))
	p.Numbers = fmt.Sprintf("%s − %s = %s short; %s of %s; %d × %s = %s", shareWords(l.target), shareWords(l.availability), shareWords(short),
		plural(n, startedOrFull(s.Full)+" step", startedOrFull(s.Full)+" steps"), shareWords(s.Each), n, FormatShare(s.Percent), feeWords(p.Share))
	if n > 0 {
		p.used = l.set()
	}
	return p
}

// Words says the form aloud.
func (s Shortfall) Words(Currency) string {
	return fmt.Sprintf("%s of the fee for each %s %s below the target", shareText(s.Percent), startedOrFull(s.Full), shareText(s.Each))
}

func (s Shortfall) eachOutage(*CreditTerms) bool { return false }

func (s Shortfall) validate(p *problems, path string, _ *Version) {
	p.want(s.Percent != nil, path+".percent", "", "a percentage of the fee, such as 2")
	p.want(s.Each != nil, path+".each", "", "a step below the target, such as 1%")
	p.positive(s.Percent, path+".percent", "a percentage of the fee above zero, such as 2")
	p.want(s.Each == nil || s.Each.Sign() > 0, path+".each", shareText(s.Each), "a step above zero, such as 1%")
}
