package agreements

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/uptally/uptally"
)

// excuse is one maintenance window or exclusion that concerns an account.
type excuse struct {
	Applied
	cause bool // an exclusion by cause; otherwise maintenance
	// partial names the services where it covers only some of the account's: their downtime in it does not count, and
	// the time stays eligible, since the other services were still promised. Nil covers all.
	partial []string
	refused string // why it does not qualify, in words; empty where it does
	set     Set    // the part inside the period's window that qualifies, cap included
}

// excuses returns what concerns the account, maintenance before exclusions, each in order of time. What lies beside the
// period is there too: a cause shortens an outage that began before the period.
func (c *computation) excuses() []excuse {
	planned := c.recurring()
	var causes []excuse
	for _, r := range c.entries {
		at := r.interval()
		if !r.concerns(c.agreement.Name, c.services) {
			continue
		}
		e := excuse{Applied: Applied{EntryID: r.ID, Rule: r.label(), At: at}, partial: c.partial(r)}
		switch r.Kind {
		case KindMaintenance:
			e.refused = c.terms.Maintenance.refusal(r)
			planned = append(planned, e)
		case KindExclusion:
			e.cause, e.refused = true, c.terms.Exclusions.refusal(r)
			causes = append(causes, e)
		}
	}
	sortExcuses(planned)
	sortExcuses(causes)
	c.qualify(planned, c.terms.Maintenance.Cap)
	c.qualify(causes, noCap)
	return append(planned, causes...)
}

// recurring returns the occurrences of the contract's own windows that may touch the period.
func (c *computation) recurring() []excuse {
	var es []excuse
	for _, w := range c.terms.Recurring {
		rule := "maintenance"
		if w.Name != "" {
			rule += ": " + w.Name
		}
		// An occurrence that began before the period may reach into it.
		reach := Interval{c.period.From - int64(w.For), c.period.To}
		for d := range dates(c.agreement.Zone, reach) {
			if !w.falls(d) {
				continue
			}
			from := d.At(w.At, c.agreement.Zone)
			es = append(es, excuse{Applied: Applied{Rule: rule, At: Interval{from, from + int64(w.For)}}})
		}
	}
	return es
}

// falls reports whether the window begins on d: on each of its weekdays, or only on the nth of the month, -1 being the
// last.
func (w RecurringWindow) falls(d Date) bool {
	if d.Weekday() != w.Weekday {
		return false
	}
	switch w.Nth {
	case 0:
		return true
	case -1:
		return localDate(Date{d.Year, d.Month, d.Day + 7}.civil().UnixMilli(), d.civil().Location()).Month != d.Month
	}
	return (d.Day-1)/7+1 == w.Nth
}

// refusal says why a maintenance entry does not qualify; "" where it does. Without a notice in the agreement an entry
// recorded afterwards qualifies too.
func (m Maintenance) refusal(r Recorded) string {
	notice := uptally.Duration(r.From - r.announced())
	switch {
	case m.Notice <= 0 || notice >= m.Notice:
		return ""
	case notice < 0:
		return fmt.Sprintf("announced %s after its start, notice is %s", -notice, m.Notice)
	}
	return fmt.Sprintf("announced %s before, notice is %s", notice, m.Notice)
}

func (x ExclusionTerms) refusal(r Recorded) string {
	if slices.Contains(x.Causes, r.Cause) {
		return ""
	}
	return fmt.Sprintf("the agreement does not exclude %q", r.Cause)
}

// partial returns the services of the account that an entry names, or nil where it covers all of them.
func (c *computation) partial(r Recorded) []string {
	if len(r.Services) == 0 {
		return nil
	}
	var some []string
	for _, s := range c.services {
		if slices.Contains(r.Services, s) {
			some = append(some, s)
		}
	}
	if len(some) == len(c.services) {
		return nil
	}
	return some
}

func sortExcuses(es []excuse) {
	slices.SortStableFunc(es, func(a, b excuse) int {
		return cmp.Or(cmp.Compare(a.At.From, b.At.From), cmp.Compare(a.EntryID, b.EntryID), cmp.Compare(a.At.To, b.At.To))
	})
}

const noCap uptally.Duration = -1

// qualify sets the part of each excuse that counts: inside the window, and within the cap, which is consumed in order of
// time by whatever lies inside the window, overlaps once.
func (c *computation) qualify(es []excuse, limit uptally.Duration) {
	var all Set
	for i, e := range es {
		if e.refused == "" {
			es[i].set = c.window.Clip(e.At)
			all = append(all, es[i].set...)
		}
	}
	allowed := NewSet(all...)
	if limit >= 0 {
		allowed = allowed.first(int64(limit))
	}
	for i, e := range es {
		before := e.set.Millis()
		es[i].set = e.set.Intersect(allowed)
		es[i].explain(before-es[i].set.Millis(), limit, c)
	}
}

// first returns the earliest part of s of the given length.
func (s Set) first(millis int64) Set {
	var r Set
	for _, i := range s {
		if millis < i.Len() {
			i.To = i.From + millis
		}
		if !i.Empty() {
			r = append(r, i)
		}
		millis -= i.Len()
	}
	return r
}

// explain says what did not qualify: the whole entry, or what lies outside or over the cap.
func (e *excuse) explain(over int64, limit uptally.Duration, c *computation) {
	var why []string
	if e.refused != "" {
		e.Why = e.refused
		return
	}
	inside := Set{e.At}.Clip(c.period)
	why = appendSpan(why, e.At.Len()-inside.Millis(), "outside the period")
	why = appendSpan(why, inside.Subtract(c.window).Millis(), "outside the window")
	why = appendSpan(why, over, "over the cap of "+limit.String())
	if e.partial != nil {
		why = append(why, "covers only "+strings.Join(e.partial, ", ")+": its outages in it do not count, the time stays eligible")
	}
	e.Why = strings.Join(why, "; ")
}

// appendSpan adds "2h outside the window" and the like, unless the span is empty.
func appendSpan(words []string, millis int64, what string) []string {
	if millis <= 0 {
		return words
	}
	return append(words, uptally.Duration(millis).String()+" "+what)
}
