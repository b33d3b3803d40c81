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
	class   WorkClass
	set     Set // the part inside the period's window that qualifies, caps included
	losses  []shortfall
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
			if e.class, e.refused = c.terms.Maintenance.classOf(r); e.refused == "" {
				e.refused = e.class.refusal(r, c)
			}
			planned = append(planned, e)
		case KindExclusion:
			e.cause, e.refused = true, c.terms.Exclusions.refusal(r)
			causes = append(causes, e)
		}
	}
	for _, r := range c.replaced {
		if !r.concerns(c.agreement.Name, c.services) {
			continue
		}
		switch e := (excuse{Applied: Applied{EntryID: r.ID, Rule: r.label(), At: r.interval()}, cause: r.Kind == KindExclusion, refused: r.why()}); r.Kind {
		case KindMaintenance:
			planned = append(planned, e)
		case KindExclusion:
			causes = append(causes, e)
		}
	}
	sortExcuses(planned)
	sortExcuses(causes)
	c.qualifyPlanned(planned)
	for i := range causes {
		if causes[i].refused == "" {
			causes[i].set = c.window.Clip(causes[i].At)
		}
	}
	for _, es := range [][]excuse{planned, causes} {
		for i := range es {
			es[i].explain(c)
		}
	}
	return append(planned, causes...)
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

// explain says what did not qualify: the whole entry, or what lies outside or over a cap.
func (e *excuse) explain(c *computation) {
	if e.refused != "" {
		e.Why = e.refused
		return
	}
	var why []string
	inside := Set{e.At}.Clip(c.period)
	why = appendSpan(why, e.At.Len()-inside.Millis(), "outside the period")
	why = appendSpan(why, inside.Subtract(c.window).Millis(), "outside the window")
	for _, l := range e.losses {
		why = appendSpan(why, l.millis, l.why)
	}
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
