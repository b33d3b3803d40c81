package agreements

import (
	"fmt"
	"math/big"
	"strings"

	"github.com/uptally/uptally"
)

// Blocks pays for each block of downtime, a share of the fee or so many days' fees.
type Blocks struct {
	Each uptally.Duration
	// Percent is the share of the fee a block; where it is nil DayFees is the number of days' fees, a day's fee being the
	// fee divided by the calendar days of the period.
	Percent, DayFees *big.Rat
	// Full counts full blocks alone; otherwise started ones count too.
	Full bool
	// OnOutage counts the blocks of each outage; otherwise those of the sum.
	OnOutage bool
	// Beyond is the time that pays nothing, of each outage or of the sum; with BeyondTarget it is what the target allows.
	Beyond       uptally.Duration
	BeyondTarget bool
}

func (b Blocks) pay(l loss) CreditPart {
	p := CreditPart{Form: "credit_blocks", Rule: b.Words(Currency{}), Share: new(big.Rat), Uncapped: new(big.Rat)}
	stretches := l.outages
	if !b.OnOutage {
		stretches = []lostOutage{{l.set(), l.down}}
		l.capPerOutage = nil
	}
	var sums []string
	var blocks int64
	for _, o := range stretches {
		n := countOf(positive(new(big.Rat).Sub(o.millis, b.free(l))), whole(int64(b.Each)), b.Full)
		blocks += n
		pays := times(whole(n), b.price(l))
		p.Uncapped.Add(p.Uncapped, pays)
		pays, capped := l.capped(pays)
		p.Share.Add(p.Share, pays)
		if n > 0 {
			p.used = Union(p.used, o.part)
		}
		text := fmt.Sprintf("%s: %d", secondsWords(o.millis), n)
		if capped {
			text += " (at the cap)"
		}
		sums = append(sums, text)
		if b.OnOutage {
			p.figure("blocks", o.at(), whole(n))
		}
	}
	p.figure("blocks", Interval{}, whole(blocks))
	p.Numbers = b.numbers(l, sums, blocks, p.Share)
	return p
}

// free is the time that pays nothing, in milliseconds.
func (b Blocks) free(l loss) *big.Rat {
	if b.BeyondTarget {
		return l.allowance()
	}
	return whole(int64(b.Beyond))
}

// price is the share of the fee that a block pays.
func (b Blocks) price(l loss) *big.Rat {
	if b.Percent != nil {
		return b.Percent
	}
	return new(big.Rat).Quo(b.DayFees, whole(l.days()))
}

func (b Blocks) numbers(l loss, sums []string, blocks int64, paid *big.Rat) string {
	text := strings.Join(sums, " + ")
	if len(sums) > spelled {
		text = fmt.Sprintf("%d outages", len(sums))
	}
	if free := b.free(l); free.Sign() > 0 {
		text += ", less " + secondsWords(free)
	}
	price := shareWords(b.price(l))
	if b.Percent == nil {
		price = fmt.Sprintf("%s ÷ %d days", exactWords(b.DayFees), l.days())
	}
	if text != "" {
		text += " = "
	}
	return fmt.Sprintf("%s%s of %s; %d × %s = %s", text, plural(blocks, "block", "blocks"), spanWords(b.Each), blocks, price, feeWords(paid))
}

// Words says the form aloud.
func (b Blocks) Words(Currency) string {
	price := ""
	if b.Percent != nil {
		price = FormatShare(b.Percent) + " of the fee"
	} else if b.DayFees != nil {
		price = plural(1, "day's fee", "")
		if b.DayFees.Cmp(whole(1)) != 0 {
			price = exactWords(b.DayFees) + " days' fees"
		}
	}
	of := "the sum of the downtime"
	if b.OnOutage {
		of = "each outage"
	}
	text := fmt.Sprintf("%s for each %s %s of %s", price, startedOrFull(b.Full), b.Each, of)
	switch {
	case b.BeyondTarget:
		text += " beyond what the target allows"
	case b.Beyond > 0:
		text += " beyond " + b.Beyond.String()
	}
	return text
}

func (b Blocks) eachOutage(*CreditTerms) bool { return b.OnOutage }

func (b Blocks) validate(p *problems, path string, _ *Version) {
	p.want(b.Each > 0, path+".each", b.Each.String(), "a length above zero, such as 30m")
	p.span(b.Beyond, path+".beyond")
	p.want(b.Percent != nil || b.DayFees != nil, path, "", "percent or day_fees: what a block pays")
	p.want(b.Percent == nil || b.DayFees == nil, path+".day_fees", "", "one of percent and day_fees")
	p.positive(b.Percent, path+".percent", "a percentage of the fee above zero, such as 5")
	p.positive(b.DayFees, path+".day_fees", "a number of days' fees above zero, such as 1")
	p.want(!b.BeyondTarget || !b.OnOutage, path+".beyond", "target", "a length such as 4h, or on: sum: what the target allows is a sum")
}

// positive wants a number above zero, or nil where that is a default.
func (p *problems) positive(r *big.Rat, path, want string) {
	got := ""
	if r != nil {
		got = exactWords(r)
	}
	p.want(r == nil || r.Sign() > 0, path, got, want)
}
