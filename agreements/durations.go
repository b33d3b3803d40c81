package agreements

import (
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/uptally/uptally"
)

// Durations pays by the length of downtime: of the rows that hold the one that pays most wins.
type Durations []DurationRow

// DurationRow holds by the cumulative downtime, by the longest single outage, or by the number of outages.
type DurationRow struct {
	// From is the least length that holds; with LongerThan exactly that does not.
	From       uptally.Duration
	LongerThan bool
	// OnOutage compares the longest outage; otherwise the sum of the downtime is compared.
	OnOutage bool
	// Outages is the least number of outages that holds; 0 for a row of a length.
	Outages int
	// Percent is the share of the fee; where it is nil Days is the number of days' fees.
	Percent, Days *big.Rat
}

func (d Durations) pay(l loss) CreditPart {
	p := CreditPart{Form: "credit_durations", Rule: "no row of the durations holds", Share: new(big.Rat), Uncapped: new(big.Rat)}
	longest := new(big.Rat)
	for _, o := range l.outages {
		if o.millis.Cmp(longest) > 0 {
			longest = o.millis
		}
	}
	won := noRow
	for i, r := range d {
		if r.holds(l, longest) && (won == noRow || r.share(l.days()).Cmp(d[won].share(l.days())) > 0) {
			won = i
		}
	}
	p.figure("down_seconds", Interval{}, inSeconds(l.down))
	p.Numbers = d.numbers(l, longest)
	if won == noRow {
		return p
	}
	p.Share = d[won].share(l.days())
	p.Uncapped.Set(p.Share)
	p.Rule = "row " + d[won].Words()
	p.Numbers += "; " + feeWords(p.Share)
	p.used = l.set()
	return p
}

// numbers names what the rows compare.
func (d Durations) numbers(l loss, longest *big.Rat) string {
	parts := []string{secondsWords(l.down) + " down in all"}
	if slices.ContainsFunc(d, func(r DurationRow) bool { return r.OnOutage }) {
		parts = append(parts, "longest outage "+secondsWords(longest))
	}
	if slices.ContainsFunc(d, func(r DurationRow) bool { return r.Outages > 0 }) {
		parts = append(parts, plural(int64(len(l.outages)), "outage", "outages"))
	}
	return strings.Join(parts, ", ")
}

func (r DurationRow) holds(l loss, longest *big.Rat) bool {
	if r.Outages > 0 {
		return len(l.outages) >= r.Outages
	}
	length := l.down
	if r.OnOutage {
		length = longest
	}
	c := length.Cmp(whole(int64(r.From)))
	return length.Sign() > 0 && (c > 0 || c == 0 && !r.LongerThan)
}

// share is what the row pays as a share of the fee of so many days.
func (r DurationRow) share(days int64) *big.Rat { return paidShare(r.Percent, r.Days, days) }

// paidShare is a percentage of the fee, or so many days of it.
func paidShare(percent, numDays *big.Rat, days int64) *big.Rat {
	if percent != nil {
		return percent
	}
	return new(big.Rat).Quo(numDays, whole(days))
}

// Words returns the row as figures, such as "from 30m" or "an outage longer than 15m".
func (r DurationRow) Words() string {
	if r.Outages > 0 {
		return "at least " + plural(int64(r.Outages), "outage", "outages")
	}
	text := "from " + r.From.String()
	if r.LongerThan {
		text = "longer than " + r.From.String()
	}
	if r.OnOutage {
		return "an outage " + text
	}
	return text
}

// Words says the form aloud.
func (d Durations) Words(Currency) string {
	var rows []string
	for _, r := range d {
		rows = append(rows, r.Words()+" "+paysWords(r.Percent, r.Days))
	}
	return "for downtime: " + strings.Join(rows, "; ") + "; of the rows that hold the one that pays most wins"
}

// paysWords writes what a row pays: "10%" or "7 days".
func paysWords(percent, days *big.Rat) string {
	if percent != nil || days == nil {
		return shareText(percent)
	}
	return exactWords(days) + " days"
}

func (d Durations) eachOutage(*CreditTerms) bool {
	return slices.ContainsFunc(d, func(r DurationRow) bool { return r.OnOutage || r.Outages > 0 })
}

func (d Durations) validate(p *problems, path string, v *Version) {
	for i, r := range d {
		at := fmt.Sprintf("%s[%d]", path, i)
		p.span(r.From, at+"."+r.key())
		p.want(r.Outages >= 0, at+".outages", fmt.Sprint(r.Outages), "a number of outages, such as 2")
		p.pays(r.Percent, r.Days, at, v)
		for j, o := range d[:i] {
			if r.OnOutage == o.OnOutage && (r.Outages > 0) == (o.Outages > 0) && paid(r.Percent, r.Days) && paid(o.Percent, o.Days) {
				r.against(p, at, o, fmt.Sprintf("credit_durations[%d] (%s)", j, o.Words()))
			}
		}
	}
	mixed := slices.ContainsFunc(d, func(r DurationRow) bool { return r.Days != nil }) && slices.ContainsFunc(d, func(r DurationRow) bool { return r.Percent != nil })
	p.want(!mixed, path, "", "rows that all pay percent, or all pay days")
}

// against compares two rows of one kind: the same limit twice decides nothing, and a longer downtime never pays less.
func (r DurationRow) against(p *problems, at string, o DurationRow, name string) {
	order := int64(r.From - o.From)
	if order == 0 && r.LongerThan != o.LongerThan {
		order = 1
		if o.LongerThan {
			order = -1
		}
	}
	if r.Outages > 0 {
		order = int64(r.Outages - o.Outages)
	}
	more := paidShare(r.Percent, r.Days, 1).Cmp(paidShare(o.Percent, o.Days, 1))
	switch {
	case order == 0:
		p.want(false, at+"."+r.key(), r.limit(), "another limit than "+name)
	case order > 0 && more < 0:
		p.want(false, at, r.Words()+" "+paysWords(r.Percent, r.Days), "at least "+paysWords(o.Percent, o.Days)+", as "+name+" pays: more downtime never pays less")
	case order < 0 && more > 0:
		p.want(false, at, r.Words()+" "+paysWords(r.Percent, r.Days), "at most "+paysWords(o.Percent, o.Days)+", as "+name+" pays: more downtime never pays less")
	}
}

func (r DurationRow) key() string {
	switch {
	case r.Outages > 0:
		return "outages"
	case r.LongerThan:
		return "longer_than"
	}
	return "from"
}

func (r DurationRow) limit() string {
	if r.Outages > 0 {
		return fmt.Sprint(r.Outages)
	}
	return r.From.String()
}

func paid(percent, days *big.Rat) bool { return percent != nil || days != nil }

// pays checks what a row pays: a percentage of the fee or days, above the fee only where the version says so.
func (p *problems) pays(percent, days *big.Rat, at string, v *Version) {
	p.want(paid(percent, days), at+".percent", "", "a share of the fee, such as 10, or days")
	p.want(percent == nil || days == nil, at+".days", "", "one of percent and days")
	p.want(days == nil || days.Sign() >= 0, at+".days", paysWords(nil, days), "a number of days, such as 3")
	if percent != nil {
		p.want(percent.Sign() >= 0 && (v.Credits.AboveFee || percent.Cmp(whole(1)) <= 0), at+".percent", FormatShare(percent), aboveFeeWanted)
	}
}

// aboveFeeWanted is the advice where a row or a cap exceeds the fee.
const aboveFeeWanted = "at most 100%, or above_fee: allowed beside it; otherwise a credit above the whole fee is taken for a slip"
