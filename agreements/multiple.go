package agreements

import (
	"fmt"
	"math/big"
	"strings"

	"github.com/uptally/uptally"
)

// PriceOver is the time that the fee is spread over to get the price of lost time.
type PriceOver uint8

const (
	// PriceOverPeriod spreads it over the period, PriceOverEligible over eligible time, PriceOverSpan over a fixed span.
	PriceOverPeriod PriceOver = iota + 1
	PriceOverEligible
	PriceOverSpan
)

// Multiple pays so many times the price of the lost time.
type Multiple struct {
	Times *big.Rat
	// BeyondTarget pays for the downtime beyond what the target allows; otherwise for all that was lost.
	BeyondTarget bool
	Over         PriceOver
	// Span is the time of PriceOverSpan, such as 30 days.
	Span uptally.Duration
}

func (m Multiple) pay(l loss) CreditPart {
	p := CreditPart{Form: "credit_multiple", Rule: m.Words(Currency{}), Share: new(big.Rat), Uncapped: new(big.Rat)}
	over := m.over(l)
	p.figure("lost_seconds", Interval{}, inSeconds(l.down))
	if over.Sign() == 0 {
		p.Numbers = "no time to spread the fee over"
		return p
	}
	price := new(big.Rat).Quo(m.Times, over)
	if m.BeyondTarget {
		excess := positive(new(big.Rat).Sub(l.down, l.allowance()))
		p.figure("allowance_seconds", Interval{}, inSeconds(l.allowance()))
		p.figure("excess_seconds", Interval{}, inSeconds(excess))
		p.Share = times(excess, price)
		p.Uncapped.Set(p.Share)
		p.Numbers = fmt.Sprintf("%s − %s allowed = %s beyond; %s", secondsWords(l.down), secondsWords(l.allowance()), secondsWords(excess), m.product(excess, over, p.Share))
	} else {
		m.lost(l, price, &p)
		p.Numbers = m.product(l.down, over, p.Uncapped) + p.Numbers
	}
	if p.Share.Sign() > 0 {
		p.used = l.set()
	}
	return p
}

// lost adds up what each outage pays, each up to its cap.
func (m Multiple) lost(l loss, price *big.Rat, p *CreditPart) {
	var capped []string
	for _, o := range l.outages {
		pays := times(o.millis, price)
		p.Uncapped.Add(p.Uncapped, pays)
		paid, cut := l.capped(pays)
		p.Share.Add(p.Share, paid)
		if cut {
			capped = append(capped, secondsWords(o.millis)+" would pay "+shareWords(pays))
		}
	}
	if n := len(capped); n > spelled {
		p.Numbers = fmt.Sprintf("; %d outages are cut to %s each: %s", n, FormatShare(l.capPerOutage), feeWords(p.Share))
	} else if n > 0 {
		p.Numbers = fmt.Sprintf("; each outage at most %s: %s; together %s", FormatShare(l.capPerOutage), strings.Join(capped, ", "), feeWords(p.Share))
	}
}

func (m Multiple) product(lost, over, paid *big.Rat) string {
	return fmt.Sprintf("%s × %s ÷ %s = %s", exactWords(m.Times), secondsWords(lost), secondsWords(over), feeWords(paid))
}

// over is the time that the fee is spread over, in milliseconds.
func (m Multiple) over(l loss) *big.Rat {
	switch m.Over {
	case PriceOverPeriod:
		return whole(l.period.Len())
	case PriceOverEligible:
		return whole(l.eligible)
	}
	return whole(int64(m.Span))
}

// Words says the form aloud.
func (m Multiple) Words(Currency) string {
	of := "the lost time"
	if m.BeyondTarget {
		of = "the downtime beyond what the target allows"
	}
	over := m.Span.String()
	switch {
	case m.Over == PriceOverPeriod:
		over = "the period"
	case m.Over == PriceOverEligible:
		over = "eligible time"
	case m.Span > 0 && m.Span%(24*uptally.Hour) == 0:
		over = plural(int64(m.Span/(24*uptally.Hour)), "day", "days")
	}
	text := " times the price of "
	if m.Times != nil {
		text = exactWords(m.Times) + text
	}
	return text + of + ", the fee being that of " + over
}

func (m Multiple) eachOutage(t *CreditTerms) bool { return !m.BeyondTarget && t.CapPerOutage != nil }

func (m Multiple) validate(p *problems, path string, _ *Version) {
	p.want(m.Times != nil, path+".times", "", "a number such as 10")
	p.positive(m.Times, path+".times", "a number above zero, such as 10")
	p.want(m.Over != PriceOverSpan || m.Span > 0, path+".price_over", m.Span.String(), "period, eligible or a length above zero, such as 30d")
}

// inSeconds turns milliseconds into seconds.
func inSeconds(ms *big.Rat) *big.Rat { return new(big.Rat).Quo(ms, whole(1000)) }

// AffectedShare pays the fee's part of the lost time, weighted by the share of those whom it hit, so many times.
type AffectedShare struct {
	Times *big.Rat
}

func (a AffectedShare) pay(l loss) CreditPart {
	p := CreditPart{Form: "credit_share", Rule: a.Words(Currency{}), Share: new(big.Rat), Uncapped: new(big.Rat)}
	p.figure("scheduled_seconds", Interval{}, inSeconds(whole(l.eligible)))
	if l.eligible == 0 {
		p.Numbers = "no scheduled time"
		return p
	}
	var sums []string
	for _, o := range l.outages {
		// A rounded length is spread evenly over the outage.
		hit := new(big.Rat).Quo(l.affected.of(o.part), whole(o.part.Millis()))
		p.Share.Add(p.Share, times(times(o.millis, hit), new(big.Rat).Quo(a.Times, whole(l.eligible))))
		sums = append(sums, secondsWords(o.millis)+" × "+shareWords(hit))
		p.figure("affected_share", o.at(), hit)
	}
	p.Uncapped.Set(p.Share)
	text := strings.Join(sums, " + ")
	switch n := len(sums); {
	case n == 0:
		text = "0 s"
	case n > spelled:
		text = fmt.Sprintf("%d outages, each by the share affected", n)
	}
	p.Numbers = fmt.Sprintf("(%s) × %s ÷ %s = %s", text, exactWords(a.Times), secondsWords(whole(l.eligible)), feeWords(p.Share))
	if p.Share.Sign() > 0 {
		p.used = l.set()
	}
	return p
}

// hit reads whom outages hit, where the credit is weighed by it.
func (c *computation) hit() (weights, error) {
	if c.terms.Credits.Affected == nil {
		return nil, nil
	}
	return Weighing{Users: c.terms.Users, Affected: true}.affected(c.entries, c.agreement.Name, c.services)
}

// Words says the form aloud.
func (a AffectedShare) Words(Currency) string {
	text := " times the fee × lost time × share affected ÷ scheduled time"
	if a.Times != nil {
		text = exactWords(a.Times) + text
	}
	return text + "; time without a recorded share hit all"
}

func (a AffectedShare) eachOutage(*CreditTerms) bool { return false }

func (a AffectedShare) validate(p *problems, path string, v *Version) {
	p.want(!v.weighs(), path, "", "one of credit_share and users or weigh_affected, which weigh the same downtime twice")
	p.want(a.Times != nil, path+".times", "", "a number such as 25")
	p.positive(a.Times, path+".times", "a number above zero, such as 25")
}
