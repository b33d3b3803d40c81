package agreements

import (
	"fmt"
	"time"

	"github.com/uptally/uptally"
)

// KeptMonths is the shortest time for which results are kept, in calendar months, whatever agreements need: whoever
// disputes a year's figures has a month to do so.
const KeptMonths = 13

// edgeDays is how far before a period its results are kept, beyond what the terms can reach: an outage or a hole that lasts
// across the edge is followed back to where it began.
const edgeDays = 7

// Need is the earliest instant of which results are needed, in milliseconds UTC, and by what.
type Need struct {
	From int64
	// Agreement is empty, and Why says so, where it is no agreement's need.
	Agreement, Why string
}

// Needed returns the earliest instant of which results are needed at the instant now, KeptMonths back at the least: for the
// period that every agreement is in, for earlier ones of which a credit may still be claimed, and for those that their
// chronic rules look back over, each with what lies before its edge. With times it is that of which response times are needed:
// periods judged by these alone, and no shortest time.
//
// Nobody knows when a ticket will be closed: it is taken to be open for KeptMonths.
func Needed(as []Agreement, now int64, times bool) Need {
	need := Need{From: now, Why: "no agreement is judged by response times"}
	if !times {
		day := localDate(now, time.UTC).addMonths(-KeptMonths)
		need = Need{From: day.Start(time.UTC), Why: fmt.Sprintf("results are kept for %d months", KeptMonths)}
	}
	for i := range as {
		w := needing{agreement: &as[i], now: now, times: times, need: &need}
		w.walk()
	}
	return need
}

// needing goes back over the periods of one agreement.
type needing struct {
	agreement *Agreement
	now       int64
	times     bool
	need      *Need
}

func (w *needing) walk() {
	for day := localDate(w.now, w.agreement.Zone); ; {
		p, err := w.agreement.PeriodOf(day)
		if err != nil {
			return // there was no agreement yet
		}
		if parts, err := w.agreement.Parts(p); err == nil {
			for _, part := range parts {
				w.part(p, part.Version)
			}
		}
		first := localDate(p.From, w.agreement.Zone)
		if last := localDate(p.To-1, w.agreement.Zone); last == day && first != last && w.rolls(day) {
			first = day // a rolling period ends with every day
		}
		day = first.add(-1)
	}
}

// rolls reports whether the period that contains a day ends with it because periods roll.
func (w *needing) rolls(day Date) bool {
	p, err := w.agreement.PeriodOf(day.add(-1))
	return err == nil && p.To == day.Start(w.agreement.Zone)
}

// part looks at a period under one of the versions that judge it.
func (w *needing) part(p Interval, v *Version) {
	if w.times && v.Response == nil {
		return
	}
	why := ""
	name := "the period from " + localDate(p.From, w.agreement.Zone).String()
	switch until := w.claimable(p, v); {
	case p.To > w.now:
		why = name + " is open"
	case until > w.now:
		why = "credits for " + name + " may be claimed until " + localDate(until-1, w.agreement.Zone).String()
	default:
		return
	}
	w.keep(p, v, why)
	for range v.RightPeriods() {
		before, err := w.agreement.PeriodOf(localDate(p.From, w.agreement.Zone).add(-1))
		if err != nil {
			return
		}
		p = before
		w.keep(p, v, why+", and its rights look back to "+localDate(p.From, w.agreement.Zone).String())
	}
}

// keep needs a period and what lies before its edge.
func (w *needing) keep(p Interval, v *Version, why string) {
	o := v.Outage
	reach := int64(o.Minimum) + int64(o.Merge) + int64(o.Deductible) + int64(v.Bridge) + edgeDays*uptally.DayMillis
	if from := p.From - reach; from < w.need.From {
		*w.need = Need{From: from, Agreement: w.agreement.Name, Why: why}
	}
}

// claimable is the first instant at which no credit for a period can be claimed any more, whatever happened in it; 0 where
// nobody needs to claim.
func (w *needing) claimable(p Interval, v *Version) int64 {
	t := v.Credits.Claim
	if t == nil || t.Automatic {
		return 0
	}
	from := p.To
	if t.Of == ClaimTicketClosed {
		from = localDate(p.To, w.agreement.Zone).addMonths(KeptMonths).Start(w.agreement.Zone)
	}
	c := computation{agreement: w.agreement, terms: v, period: p}
	return c.claim(from, from-1, Interval{}).Until
}
