package agreements

import (
	"fmt"
	"time"

	"github.com/uptally/uptally"
)

// ClaimTerms say until when a credit must be claimed, and how.
type ClaimTerms struct {
	// Exactly one of the four: a span, business days of the window's calendar (Monday to Friday where it is 24x7), months,
	// or cycles, which are periods of the version.
	Within       uptally.Duration
	BusinessDays int
	Months       int
	Cycles       int
	Of           ClaimOf
	// Automatic: the credit is given without a claim. Evidence is what a claim must bring.
	Automatic bool
	Evidence  []string
}

// ClaimOf is what the deadline of a claim counts from.
type ClaimOf uint8

const (
	ClaimPeriodEnd ClaimOf = iota + 1
	// ClaimIncident counts from the start of each outage, ClaimTicketClosed from the closing of its ticket.
	ClaimIncident
	ClaimTicketClosed
)

var claimOfs = [...]string{ClaimPeriodEnd: "period_end", ClaimIncident: "incident", ClaimTicketClosed: "ticket_closed"}

// String returns the word of the agreement file.
func (o ClaimOf) String() string {
	if int(o) < len(claimOfs) {
		return claimOfs[o]
	}
	return ""
}

// Claim is one deadline.
type Claim struct {
	// From is the instant that it counts from; At the outage it is for, empty where it is for the period.
	From int64
	At   Interval
	// Until is the first instant at which it is too late; 0 where From is not known. Last is the last day in the
	// agreement's zone on which it is in time.
	Until int64
	Last  Date
	// Why says what is missing where the deadline is not known.
	Why string
}

// claims lists the deadlines of an account: one for the period, or one for each outage that counts.
func (c *computation) claims(a *Account) []Claim {
	t := c.terms.Credits.Claim
	switch {
	case t == nil || t.Automatic:
		return nil
	case t.Of == ClaimPeriodEnd:
		return []Claim{c.claim(a.Period.To, a.Period.To-1, Interval{})}
	}
	var claims []Claim
	for _, o := range a.Outages {
		switch closed := c.closed(o.At); {
		case o.Counted == 0:
		case t.Of == ClaimIncident:
			claims = append(claims, c.claim(max(o.At.From, Ever), max(o.At.From, Ever), o.At))
		case closed == 0:
			claims = append(claims, Claim{At: o.At, Why: "no closed ticket is recorded"})
		default:
			claims = append(claims, c.claim(closed, closed, o.At))
		}
	}
	return claims
}

// claim is the deadline that counts from an instant, which lies on the day of another.
func (c *computation) claim(from, day int64, at Interval) Claim {
	t, zone := c.terms.Credits.Claim, c.agreement.Zone
	k := Claim{From: from, At: at}
	first := localDate(day, zone)
	n, whole := int64(t.Within/dayClock), t.Within%dayClock == 0
	switch {
	case t.BusinessDays > 0:
		k.Last = c.terms.Window.addBusinessDays(first, t.BusinessDays)
	case t.Months > 0 && t.Of == ClaimPeriodEnd:
		k.Last = first.next().addMonths(int64(t.Months)).add(-1)
	case t.Months > 0:
		k.Last = first.addMonths(int64(t.Months))
	case t.Cycles > 0:
		k.Last = c.cycleEnd(t.Cycles)
	case whole:
		k.Last = first.add(n)
	default:
		k.Until = from + int64(t.Within)
		k.Last = localDate(k.Until-1, zone)
		return k
	}
	k.Until = k.Last.next().Start(zone)
	return k
}

// cycleEnd is the last day of the nth period after the account's.
func (c *computation) cycleEnd(n int) Date {
	last := localDate(c.period.To-1, c.agreement.Zone)
	for k := range n + 1 { // the first is the account's own, of which a version may have judged a part alone
		p, err := c.agreement.PeriodOf(last)
		if err != nil {
			break
		}
		last = localDate(p.To-1, c.agreement.Zone)
		if k < n {
			last = last.next()
		}
	}
	return last
}

// addBusinessDays returns the nth day after d on which the calendar has hours, Monday to Friday where it always has.
func (cal Calendar) addBusinessDays(d Date, n int) Date {
	const most = 4000 // days; a calendar that hardly opens must not run on
	for range most {
		if n == 0 {
			break
		}
		d = d.next()
		if cal.business(d) {
			n--
		}
	}
	return d
}

func (cal Calendar) business(d Date) bool {
	if cal.Always {
		return d.Weekday() != time.Saturday && d.Weekday() != time.Sunday
	}
	return len(cal.Hours(d)) > 0
}

// WithinWords says how long a claim may take, such as "30 days" or "2 cycles".
func (t ClaimTerms) WithinWords() string {
	switch n, whole := int64(t.Within/dayClock), t.Within%dayClock == 0; {
	case t.BusinessDays > 0:
		return plural(int64(t.BusinessDays), "business day", "business days")
	case t.Months > 0:
		return plural(int64(t.Months), "month", "months")
	case t.Cycles > 0:
		return plural(int64(t.Cycles), "billing cycle", "billing cycles")
	case whole:
		return plural(n, "day", "days")
	}
	return t.Within.String()
}

func (v *Version) validateClaim(p *problems, path string) {
	t := v.Credits.Claim
	if t == nil {
		return
	}
	n := 0
	for _, given := range []bool{t.Within != 0, t.BusinessDays != 0, t.Months != 0, t.Cycles != 0} {
		if given {
			n++
		}
	}
	const wanted = "a length such as 30d, or one of business_days, months and cycles"
	switch {
	case t.Automatic:
		p.want(n == 0 && t.Of == 0, path+".within", "", "no deadline where credits are automatic")
		return
	case n != 1:
		p.want(false, path+".within", "", wanted)
	}
	least := min(int(t.Within), t.BusinessDays, t.Months, t.Cycles)
	p.want(least >= 0, path+".within", fmt.Sprint(least), "more than zero")
	p.want(max(t.BusinessDays, t.Months, t.Cycles) <= 1000, path+".within", "", "at most 1000")
	p.want(t.Cycles == 0 || v.Period != RollingDays, path+".within.cycles", fmt.Sprint(t.Cycles), "another length: a rolling period has no next one")
	p.want(t.Of >= ClaimPeriodEnd && t.Of <= ClaimTicketClosed, path+".of", "", "period_end, incident or ticket_closed")
}

// closed is when the last ticket of an outage was closed, or 0 where no report says so.
func (c *computation) closed(at Interval) int64 {
	var closed int64
	for _, r := range c.entries {
		if r.Kind == KindReport && r.concerns(c.agreement.Name, c.services) && r.From < at.To && at.From < r.To {
			closed = max(closed, r.Closed)
		}
	}
	return closed
}
