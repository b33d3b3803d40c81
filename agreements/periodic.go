package agreements

import (
	"cmp"
	"fmt"
	"math/big"
	"slices"
	"time"

	"github.com/uptally/uptally"
)

// PeriodKind is the form of a version's periods. Those of the first three are the calendar's.
type PeriodKind uint8

const (
	Month PeriodKind = iota + 1
	Quarter
	Year
	// EveryMonths are PeriodCount months each, counted from PeriodFrom in both directions: fiscal quarters, billing
	// months, contract years. Where a month is too short for the day, the period begins on the month's last.
	EveryMonths
	// EveryDays are PeriodCount days each, counted from PeriodFrom in both directions.
	EveryDays
	// RollingDays are the PeriodCount days up to and including any day.
	RollingDays
)

// ChangeTerm is what becomes of a period in which a version begins.
type ChangeTerm uint8

const (
	// ChangeSplit judges each version over its own days: one account a part.
	ChangeSplit ChangeTerm = iota + 1
	// ChangeNextPeriod judges the period by the older version: the newer one waits for the next.
	ChangeNextPeriod
)

// VersionPart is the stretch of a period that one version judges, and its share of the period's days.
type VersionPart struct {
	At      Interval
	Version *Version
	// Days of the part, and Of the whole period; they are equal where one version judges all of it.
	Days, Of int64
}

// ParsePeriod reads what the function of the same name reads, or a day such as "2026-10-15": the period of the version
// in force that contains that day (rolling: that ends with it). The error quotes the text, or is a *TermsError.
func (a *Agreement) ParsePeriod(text string) (Interval, error) {
	if d, err := ParseDate(text); err == nil {
		return a.PeriodOf(d)
	}
	return ParsePeriod(text, a.Zone)
}

// PeriodAt names the period that an agreement is in at an instant, as ParsePeriod reads it, with its bounds.
func (a *Agreement) PeriodAt(at int64) (text string, p Interval, err error) {
	d := localDate(at, a.Zone)
	if p, err = a.PeriodOf(d); err != nil {
		return "", Interval{}, err
	}
	for _, text := range []string{fmt.Sprintf("%04d-%02d", d.Year, d.Month), fmt.Sprintf("%04d-Q%d", d.Year, (d.Month+2)/3), fmt.Sprintf("%04d", d.Year)} {
		if same, err := ParsePeriod(text, a.Zone); err == nil && same == p {
			return text, p, nil
		}
	}
	return d.String(), p, nil
}

// PeriodOf returns the period that contains the day d: that of the version in force on it. Where the form of the periods
// changes with the version, a period ends where its version does. The error is a *TermsError.
func (a *Agreement) PeriodOf(d Date) (Interval, error) {
	starts := a.starts()
	i := -1
	for k, s := range starts {
		if s.compare(d) <= 0 {
			i = k
		}
	}
	if i < 0 {
		return Interval{}, &TermsError{a.Name, Interval{d.Start(a.Zone), d.next().Start(a.Zone)}, "no version is in force on " + d.String()}
	}
	first, end := a.Versions[i].span(d)
	for a.Versions[i].Change == ChangeNextPeriod && i > 0 && first.compare(starts[i]) < 0 && a.Versions[i].Period == RollingDays {
		i--
		first, end = a.Versions[i].span(d)
	}
	if first.compare(starts[i]) < 0 && (i == 0 && a.Versions[i].Change == ChangeSplit || i > 0 && !a.Versions[i].sameForm(&a.Versions[i-1])) {
		first = starts[i]
	}
	for k := i + 1; k < len(starts); k++ {
		if starts[k].compare(end) < 0 && !a.Versions[i].sameForm(&a.Versions[k]) && a.Versions[i].Period != RollingDays {
			end = starts[k]
		}
	}
	return Interval{first.Start(a.Zone), end.Start(a.Zone)}, nil
}

// Parts returns the versions that judge p, each with its stretch, in order of time. The error is a *TermsError when no
// version covers the beginning of p, unless the first one says split, or when a version that begins inside p does not
// say what becomes of the period.
func (a *Agreement) Parts(p Interval) ([]VersionPart, error) {
	fail := func(why string) ([]VersionPart, error) { return nil, &TermsError{a.Name, p, why} }
	switch {
	case a.Zone == nil:
		return fail("the agreement has no time zone")
	case p.Empty():
		return fail("the period is empty")
	}
	var parts []VersionPart
	for i, s := range a.starts() {
		v, at := &a.Versions[i], s.Start(a.Zone)
		switch {
		case at <= p.From:
			parts = []VersionPart{{At: p, Version: v}}
		case at >= p.To:
		case v.Change == ChangeSplit:
			if n := len(parts); n > 0 {
				parts[n-1].At.To = at
			}
			parts = append(parts, VersionPart{At: Interval{at, p.To}, Version: v})
		case v.Change == 0 && len(parts) > 0:
			return fail("more than one version covers the period; the next is from " + v.From.String())
		}
	}
	if len(parts) == 0 {
		return fail("no version covers the whole period")
	}
	for i := range parts {
		parts[i].Days, parts[i].Of = a.days(parts[i].At), max(a.days(p), a.uncut(parts[i]))
	}
	return parts, nil
}

// uncut is the number of days that the period of a part has where its version's beginning or end cuts it short, else 0.
// The fee of such a period is that share of the fee, as in a period that versions split.
func (a *Agreement) uncut(part VersionPart) int64 {
	v := part.Version
	first, end := v.span(localDate(part.At.From, a.Zone))
	if v.Period == RollingDays {
		return 0
	}
	for i, s := range a.starts() {
		at, own := s.Start(a.Zone), &a.Versions[i] == v
		begins := own && at == part.At.From && first.compare(s) < 0 && (i > 0 || v.Change == ChangeSplit)
		if begins || !own && at == part.At.To && s.compare(end) < 0 {
			return first.daysTo(end)
		}
	}
	return 0
}

// days counts the local days that p touches.
func (a *Agreement) days(p Interval) int64 {
	return localDate(p.From, a.Zone).daysTo(localDate(p.To-1, a.Zone)) + 1
}

// starts returns the day from which each version judges: that of its text, or, where it waits for the next period, the
// first day after the older version's.
func (a *Agreement) starts() []Date {
	starts := make([]Date, len(a.Versions))
	for i := range a.Versions {
		v := &a.Versions[i]
		starts[i] = v.From
		if i == 0 || v.Change != ChangeNextPeriod || a.Versions[i-1].Period == RollingDays {
			continue
		}
		if first, end := a.Versions[i-1].span(v.From); first.compare(v.From) < 0 {
			starts[i] = end
		}
	}
	return starts
}

// begins reports whether a period of the version begins on d.
func (v *Version) begins(d Date) bool {
	first, _ := v.span(d)
	return first == d && v.Period != RollingDays
}

func (v *Version) sameForm(o *Version) bool {
	return v.Period == o.Period && v.PeriodCount == o.PeriodCount && v.PeriodFrom == o.PeriodFrom
}

// span returns the first day of the period that contains d, and the day after its last.
func (v *Version) span(d Date) (first, end Date) {
	switch v.Period {
	case Quarter:
		return monthly(d, 3, Date{2000, time.January, 1})
	case Year:
		return monthly(d, 12, Date{2000, time.January, 1})
	case EveryMonths:
		return monthly(d, v.PeriodCount, v.PeriodFrom)
	case EveryDays:
		n := int64(max(1, v.PeriodCount))
		first = d.add(-mod(v.PeriodFrom.daysTo(d), n))
		return first, first.add(n)
	case RollingDays:
		return d.add(1 - int64(v.PeriodCount)), d.next()
	}
	return monthly(d, 1, Date{2000, time.January, 1})
}

// monthly returns the period of n months around d when one begins on from.
func monthly(d Date, n int, from Date) (first, end Date) {
	months := int64(n)
	if months < 1 {
		months = 1
	}
	since := int64(d.Year-from.Year)*12 + int64(d.Month-from.Month)
	k := since - mod(since, months)
	first = from.addMonths(k)
	if first.compare(d) > 0 {
		k -= months
		first = from.addMonths(k)
	}
	return first, from.addMonths(k + months)
}

// mod is the remainder from 0 to n−1.
func mod(a, n int64) int64 { return ((a % n) + n) % n }

func (d Date) compare(o Date) int {
	return cmp.Or(cmp.Compare(d.Year, o.Year), cmp.Compare(d.Month, o.Month), cmp.Compare(d.Day, o.Day))
}

func (d Date) add(days int64) Date { return dateOf(d.civil().AddDate(0, 0, int(days))) }

// addMonths returns the same day so many months later, or the last of a month that is too short for it.
func (d Date) addMonths(n int64) Date {
	month := dateOf(time.Date(d.Year, d.Month+time.Month(n), 1, 0, 0, 0, 0, time.UTC))
	last := Date{month.Year, month.Month + 1, 0}.civil().Day()
	return Date{month.Year, month.Month, min(d.Day, last)}
}

func (d Date) daysTo(o Date) int64 {
	return (o.civil().UnixMilli() - d.civil().UnixMilli()) / uptally.DayMillis
}

// validatePeriod wants whole counts from a day, and an answer for a period in which the version begins.
func (v *Version) validatePeriod(p *problems, path string, before *Version) {
	p.want(v.Period >= Month && v.Period <= RollingDays, path+"period", "", `month, quarter, year, or a length such as { months: 3, from: 2026-02-01 }`)
	if v.Period >= EveryMonths {
		key := [...]string{EveryMonths: "months", EveryDays: "days", RollingDays: "rolling"}[min(v.Period, RollingDays)]
		p.want(v.PeriodCount >= 1 && v.PeriodCount <= 3660, path+"period."+key, fmt.Sprint(v.PeriodCount), "a whole number of at least 1")
		p.want(v.PeriodFrom != Date{} || v.Period == RollingDays, path+"period.from", "", "the first day of one of the periods, such as 2026-02-01")
	}
	p.want(v.Change <= ChangeNextPeriod, path+"change", "", "split or next_period")
	if before == nil || v.Change != 0 || before.Period == 0 || v.Period == 0 || v.From == (Date{}) {
		return
	}
	// PeriodFrom may be missing still; every day is then as good as another.
	inside := slices.ContainsFunc([]*Version{before, v}, func(o *Version) bool { return !o.begins(v.From) })
	p.want(!inside, path+"change", "", "split (each version over its own days) or next_period (the older one judges that period), since "+v.From.String()+" is not the first day of a period")
}

// terms are those of the part's version; where it judges only some of the period's days, the fee is the same share of
// the fee, rounded half up as an invoice is.
func (p VersionPart) terms() *Version {
	if p.Days == p.Of {
		return p.Version
	}
	v := *p.Version
	of := func(fee int64) int64 { return roundHalfUp(new(big.Rat).Mul(share(fee, 1), share(p.Days, p.Of))) }
	v.Fee, v.FeeFor = of(v.Fee), nil
	for s, fee := range p.Version.FeeFor {
		if v.FeeFor == nil {
			v.FeeFor = map[string]int64{}
		}
		v.FeeFor[s] = of(fee)
	}
	return &v
}
