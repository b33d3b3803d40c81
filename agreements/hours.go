package agreements

import (
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/uptally/uptally"
)

// FreeHours waives the fee of each clock hour of the agreement's zone in which more than a span was down.
type FreeHours struct {
	Over uptally.Duration
	// Fee is the fee of one hour in minor units, exact: a price may have more decimals than the currency.
	Fee *big.Rat
}

func (h FreeHours) pay(l loss) CreditPart {
	p := CreditPart{Form: "free_hours", Exact: new(big.Rat)}
	down := l.set()
	var free int64
	var sums []string
	for _, hour := range clockHours(down, l.zone) {
		in := down.Clip(hour)
		p.figure("down_seconds", hour, inSeconds(whole(in.Millis())))
		if in.Millis() <= int64(h.Over) {
			continue
		}
		free++
		p.used = Union(p.used, in)
		sums = append(sums, time.UnixMilli(hour.From).In(l.zone).Format("2006-01-02 15:04")+" "+secondsWords(whole(in.Millis())))
	}
	p.Exact = times(whole(free), h.Fee)
	p.figure("free_hours", Interval{}, whole(free))
	text := "no hour"
	if free > 0 {
		text = strings.Join(sums, ", ")
	}
	if free > spelled {
		text = strings.Join(sums[:spelled], ", ") + fmt.Sprintf(" and %d more", free-spelled)
	}
	p.Rule = "an hour of the clock with more than " + h.Over.String() + " down is free"
	p.Numbers = fmt.Sprintf("%s: %s × %s = %s", text, plural(free, "hour", "hours"), moneyWords(h.Fee, l.currency), moneyWords(p.Exact, l.currency))
	return p
}

// clockHours lists the hours of the clock in zone that share an instant with s, in order of time. Where the clock
// changes, an hour ends and another begins: a repeated hour is two, and what is left of a missing one is none.
func clockHours(s Set, zone *time.Location) []Interval {
	var hours []Interval
	for _, i := range s {
		for at := i.From; at < i.To; {
			h := clockSlot(at, uptally.Hour, zone)
			if n := len(hours); n == 0 || hours[n-1] != h {
				hours = append(hours, h)
			}
			at = h.To
		}
	}
	return hours
}

// Words says the form aloud.
func (h FreeHours) Words(c Currency) string {
	fee := ""
	if h.Fee != nil {
		fee = ", " + moneyWords(h.Fee, c) + " each"
	}
	return "hours of the clock with more than " + h.Over.String() + " down are free" + fee
}

func (h FreeHours) eachOutage(*CreditTerms) bool { return false }

func (h FreeHours) validate(p *problems, path string, _ *Version) {
	p.span(h.Over, path+".over")
	p.want(h.Over < uptally.Hour, path+".over", h.Over.String(), "less than an hour; no hour has more down")
	p.want(h.Fee != nil, path+".fee", "", `the fee of one hour, such as "0.50"`)
	p.positive(h.Fee, path+".fee", `an amount above zero, such as "0.50"`)
}
