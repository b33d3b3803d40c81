package configs

import (
	"github.com/uptally/uptally"
	"github.com/uptally/uptally/agreements"
)

// periodFile is a calendar period as one word, or a length and the day it is counted from.
type periodFile struct {
	Word    string `yaml:"="`
	Months  *int   `yaml:"months"`
	Days    *int   `yaml:"days"`
	Rolling *int   `yaml:"rolling"`
	From    *date  `yaml:"from"`
}

const periodWanted = `month, quarter, year, or a length such as { months: 3, from: 2026-02-01 }`

// period reads the form of the periods and what becomes of one in which the version begins.
func (c versionCompiler) period(f versionFile, v *agreements.Version) {
	if f.Change != "" {
		v.Change = choose(c.d, c.at("change"), f.Change, option[agreements.ChangeTerm]{"split", agreements.ChangeSplit}, option[agreements.ChangeTerm]{"next_period", agreements.ChangeNextPeriod})
	}
	if f.Period == nil {
		c.d.complain(c.at("period"), periodWanted)
		return
	}
	p := *f.Period
	words := map[string]agreements.PeriodKind{"month": agreements.Month, "quarter": agreements.Quarter, "year": agreements.Year}
	counts := 0
	for _, n := range []struct {
		written *int
		kind    agreements.PeriodKind
	}{{p.Months, agreements.EveryMonths}, {p.Days, agreements.EveryDays}, {p.Rolling, agreements.RollingDays}} {
		if n.written != nil {
			counts++
			v.Period, v.PeriodCount = n.kind, *n.written
		}
	}
	switch {
	case p.Word != "" && words[p.Word] == 0, p.Word == "" && counts != 1:
		c.d.complain(c.at("period"), periodWanted)
		v.Period = 0
		return
	case p.Word != "":
		v.Period = words[p.Word]
	case p.From != nil && v.Period == agreements.RollingDays:
		c.d.complain(c.at("period.from"), "no such key where the days roll: every day ends a period")
	case p.From != nil:
		v.PeriodFrom = agreements.Date(*p.From)
	}
}

// lengthFile is a unit of downtime: rounded to, or slots of the clock.
type lengthFile struct {
	Unit  *uptally.Duration `yaml:"unit"`
	Round string            `yaml:"round"`
	On    string            `yaml:"on"`
	Slots *uptally.Duration `yaml:"slots"`
	Count string            `yaml:"count"`
}

// length reads the unit in which downtime is counted. None of its choices has a safe default.
func (c versionCompiler) length(f *lengthFile) agreements.LengthTerms {
	switch {
	case f == nil:
		return agreements.LengthTerms{}
	case (f.Unit == nil) == (f.Slots == nil):
		c.d.complain(c.at("length"), "either { unit: 60s, round: down, on: each } or { slots: 60s, count: full }")
		return agreements.LengthTerms{}
	}
	absent := func(key, word, with string) {
		if word != "" {
			c.d.complain(c.at("length."+key), "no such key beside "+with)
		}
	}
	if f.Slots != nil {
		absent("round", f.Round, "slots")
		absent("on", f.On, "slots")
		return agreements.LengthTerms{Unit: c.positive("length.slots", *f.Slots), Slots: true,
			Up: choose(c.d, c.at("length.count"), f.Count, option[bool]{"full", false}, option[bool]{"touched", true})}
	}
	absent("count", f.Count, "unit")
	return agreements.LengthTerms{Unit: c.positive("length.unit", *f.Unit),
		Up:  choose(c.d, c.at("length.round"), f.Round, option[bool]{"down", false}, option[bool]{"up", true}),
		Sum: choose(c.d, c.at("length.on"), f.On, option[bool]{"each", false}, option[bool]{"sum", true})}
}

// positive wants a length above zero where one is written.
func (c versionCompiler) positive(key string, d uptally.Duration) uptally.Duration {
	if d <= 0 {
		c.d.complain(c.at(key), "a length above zero, such as 60s")
	}
	return d
}

// judgeFile rounds a percentage before it is judged.
type judgeFile struct {
	Places *int   `yaml:"places"`
	Round  string `yaml:"round"`
}

func (c versionCompiler) judge(f *judgeFile) agreements.JudgeTerms {
	if f == nil {
		return agreements.JudgeTerms{}
	}
	if f.Places == nil {
		c.d.complain(c.at("judge.places"), "the decimals of the percentage, such as 2")
	}
	return agreements.JudgeTerms{Places: or(f.Places, 0), Round: choose(c.d, c.at("judge.round"), f.Round,
		option[agreements.Rounding]{"half_up", agreements.RoundHalfUp}, option[agreements.Rounding]{"down", agreements.RoundDown}, option[agreements.Rounding]{"half_even", agreements.RoundHalfEven})}
}

// time reads the terms about time that stand by themselves: the unit, the part of a period in use, a fixed denominator
// and the rounding before judging.
func (c versionCompiler) time(f versionFile, v *agreements.Version) {
	v.Length, v.Judge = c.length(f.Length), c.judge(f.Judge)
	if f.PartUse != "" {
		v.PartUse = choose(c.d, c.at("part_use"), f.PartUse,
			option[agreements.PartUse]{"deployed", agreements.UseDeployed}, option[agreements.PartUse]{"days", agreements.UseDays},
			option[agreements.PartUse]{"period", agreements.UsePeriod}, option[agreements.PartUse]{"not_judged", agreements.UseNotJudged},
			option[agreements.PartUse]{"scaled", agreements.UseScaled}, option[agreements.PartUse]{"up_before", agreements.UseUpBefore})
	}
	if f.Denominator != nil {
		v.Denominator = c.positive("denominator", *f.Denominator)
	}
}

// flaps reads what joins outages, what is free of them and when their clock starts.
func (c versionCompiler) flaps(f outageFile, o *agreements.OutageTerms) {
	o.Merge, o.MergeUpTo, o.Deductible = or(f.Merge, or(f.MergeUpTo, 0)), f.MergeUpTo != nil, or(f.Deductible, 0)
	if f.Merge != nil && f.MergeUpTo != nil {
		c.d.complain(c.at("outage.merge_up_to"), "one of merge (gaps shorter) and merge_up_to (also gaps of exactly that)")
	}
	if f.MergedGap != "" {
		o.GapUp = choose(c.d, c.at("outage.merged_gap"), f.MergedGap, option[bool]{"down", false}, option[bool]{"up", true})
		if f.Merge == nil && f.MergeUpTo == nil {
			c.d.complain(c.at("outage.merged_gap"), "merge or merge_up_to beside it")
		}
	}
	if f.Clock != "" {
		o.Clock = choose(c.d, c.at("outage.clock"), f.Clock, option[agreements.ClockTerm]{"detected", agreements.ClockDetected},
			option[agreements.ClockTerm]{"reported", agreements.ClockReported}, option[agreements.ClockTerm]{"opened", agreements.ClockOpened})
	}
	switch {
	case f.Unreported != "" && o.Clock <= agreements.ClockDetected:
		c.d.complain(c.at("outage.unreported"), "clock: reported or clock: opened beside it")
	case f.Unreported != "" || o.Clock > agreements.ClockDetected:
		o.Unreported = choose(c.d, c.at("outage.unreported"), f.Unreported, option[agreements.UnreportedTerm]{"counts", agreements.UnreportedCounts},
			option[agreements.UnreportedTerm]{"nothing", agreements.UnreportedNothing})
	}
}
