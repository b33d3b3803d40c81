package statements

import (
	"fmt"
	"math/big"

	"github.com/uptally/uptally/agreements"
)

// periodWord is what a fee and a cap are of, such as "month" or "period of 3 months".
func periodWord(v *agreements.Version) string {
	switch v.Period {
	case agreements.EveryMonths:
		return "period of " + count(v.PeriodCount, "month", "months")
	case agreements.EveryDays:
		return "period of " + count(v.PeriodCount, "day", "days")
	case agreements.RollingDays:
		return "stretch of " + count(v.PeriodCount, "day", "days")
	}
	return [...]string{agreements.Month: "month", agreements.Quarter: "quarter", agreements.Year: "year"}[v.Period]
}

// periodTerm is the period of a version as data: month, quarter, year, "3 months from 2026-02-01", "30 days from
// 2026-01-01" or "rolling 30 days".
func periodTerm(v *agreements.Version) string {
	switch v.Period {
	case agreements.EveryMonths:
		return count(v.PeriodCount, "month", "months") + " from " + v.PeriodFrom.String()
	case agreements.EveryDays:
		return count(v.PeriodCount, "day", "days") + " from " + v.PeriodFrom.String()
	case agreements.RollingDays:
		return "rolling " + count(v.PeriodCount, "day", "days")
	}
	return periodWord(v)
}

// timeWords are the terms about time that not every version has.
func timeWords(v *agreements.Version) []string {
	var w []string
	switch v.Period {
	case agreements.EveryMonths, agreements.EveryDays:
		w = append(w, "Periods: "+periodTerm(v)+", and before it.")
	case agreements.RollingDays:
		w = append(w, "Periods: the "+count(v.PeriodCount, "day", "days")+" up to and including any day.")
	}
	switch v.Change {
	case agreements.ChangeSplit:
		w = append(w, "A period in which this version began is split: each version judges its own days, with that share of the fee.")
	case agreements.ChangeNextPeriod:
		w = append(w, "A period in which this version began is judged by the version before.")
	}
	if s := [...]string{
		agreements.UseDeployed:  "only the time in service is divided by",
		agreements.UseDays:      "every day with some service counts as a whole day",
		agreements.UsePeriod:    "the whole period is divided by, and nothing beside the service is downtime",
		agreements.UseNotJudged: "the period is not judged",
		agreements.UseScaled:    "the time in service is judged, and its downtime scaled up to the whole period",
		agreements.UseUpBefore:  "the time before the first service counts as up",
	}[v.PartUse]; s != "" {
		w = append(w, "Where a service was in service for a part of the period, "+s+".")
	}
	if v.Denominator > 0 {
		w = append(w, "The figure is divided by "+v.Denominator.String()+", whatever the period.")
	}
	if v.Length.Unit > 0 {
		w = append(w, "Downtime: "+lengthWords(v.Length)+".")
	}
	if v.Judge.Round != 0 {
		w = append(w, "Before it is judged, the availability is "+judgeWords(v.Judge)+".")
	}
	return w
}

func lengthWords(l agreements.LengthTerms) string {
	direction := "down"
	if l.Up {
		direction = "up"
	}
	switch {
	case l.Slots && l.Up:
		return "every slot of " + l.Unit.String() + " of the clock that is touched counts in full"
	case l.Slots:
		return "only slots of " + l.Unit.String() + " of the clock that are down throughout count"
	case l.Sum:
		return "the sum is rounded " + direction + " to a multiple of " + l.Unit.String()
	}
	return "each stretch is rounded " + direction + " to a multiple of " + l.Unit.String()
}

func judgeWords(j agreements.JudgeTerms) string {
	how := map[agreements.Rounding]string{agreements.RoundHalfUp: "rounded half up", agreements.RoundDown: "cut off", agreements.RoundHalfEven: "rounded half to even"}[j.Round]
	return fmt.Sprintf("%s to %s of a per cent", how, count(j.Places, "decimal", "decimals"))
}

// flapWords are the rules about an outage that not every version has, each after a semicolon.
func flapWords(o agreements.OutageTerms) string {
	s := ""
	if o.Merge > 0 {
		s += "; outages less than " + o.Merge.String() + " apart are one"
		if o.MergeUpTo {
			s = "; outages at most " + o.Merge.String() + " apart are one"
		}
		if o.GapUp {
			s += ", without the gap"
		} else {
			s += ", the gap included"
		}
	}
	if o.Deductible > 0 {
		s += "; the first " + o.Deductible.String() + " of each are free"
	}
	if o.Clock > agreements.ClockDetected {
		s += "; an outage counts from its report"
		if o.Clock == agreements.ClockOpened {
			s = s[:len(s)-len("its report")] + "the opening of its ticket"
		}
		s += [...]string{agreements.UnreportedCounts: ", from its start where nobody reported it", agreements.UnreportedNothing: ", and not at all where nobody reported it"}[o.Unreported]
	}
	return s
}

func scale(r, by *big.Rat) *big.Rat { return new(big.Rat).Mul(r, by) }
