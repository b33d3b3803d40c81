package statements

import (
	"fmt"
	"slices"
	"strings"

	"github.com/uptally/uptally/agreements"
)

// words are the two sides of a fraction of time, in seconds with thousands apart.
func (f Fraction) words() string {
	lost, okLost := parseExact(f.Lost)
	of, okOf := parseExact(f.Of)
	if !okLost || !okOf {
		return f.Lost + " ÷ " + f.Of
	}
	bare := func(s string) string { return strings.TrimSuffix(s, " s") }
	return bare(secondsOf(lost)) + " ÷ " + bare(secondsOf(of))
}

// keptRule names the excluded time that stays in the denominator.
func (w *stepWriter) keptRule() string {
	switch use := w.a.Terms.PartUse; {
	case use == agreements.UseUpBefore && w.unused():
		return "the time before the first use, as time up,"
	case use == agreements.UsePeriod && w.unused():
		return "the time without service, as the rest of the period,"
	}
	if w.a.Terms.Maintenance.AddBack != 0 || w.a.Terms.Exclusions.AddBack != 0 {
		return "excluded time, in the formula (A − B + C) ÷ A,"
	}
	return "planned time"
}

// unused reports whether the services were in use for a part of the period only.
func (w *stepWriter) unused() bool {
	for _, r := range w.a.Rules {
		if r.Rule == agreements.RuleNotInService {
			return true
		}
	}
	return false
}

// length is what the length unit makes of the likely downtime.
func (w *stepWriter) length() {
	l := w.a.Terms.Length
	if l.Unit <= 0 {
		return
	}
	zone := w.d.agreement.Zone
	var numbers string
	switch {
	case l.Slots:
		numbers = count(int(l.Of(w.a.Point, zone)/int64(l.Unit)), "slot", "slots") + " of " + l.Unit.String()
	case l.Sum:
		numbers = seconds(w.a.Point.Millis())
	case len(w.a.Point) > ledgerLines:
		numbers = count(len(w.a.Point), "stretch", "stretches") + ", each rounded"
	default:
		var parts []string
		for _, i := range w.a.Point {
			parts = append(parts, seconds(i.Len())+" → "+seconds(l.Round(i.Len())))
		}
		numbers = strings.Join(parts, "; ")
	}
	w.add("Counted downtime", lengthWords(l), numbers, secondsOf(w.a.Figure.Point.Lost))
}

// judged is the rounding before the figure is compared.
func (w *stepWriter) judged() {
	if w.out.Judged == nil {
		return
	}
	j := w.a.Terms.Judge
	numbers := w.out.Availability.Point.Percent
	if w.out.Judged.Low != w.out.Judged.High {
		numbers += "; bounds " + w.out.Judged.Low.Percent + " and " + w.out.Judged.High.Percent
	}
	w.add("Judged availability", judgeWords(j), numbers, w.out.Judged.Point.Percent)
}

// scaled tells what the downtime of a part of the period stands for.
func (w *stepWriter) scaled() {
	if w.a.Scale == nil {
		return
	}
	up := func(f agreements.Fraction) string { return secondsOf(scale(f.Lost, w.a.Scale)) }
	w.add("Scaled up", "in service for a part of the period; its downtime stands for the whole, in the same proportion",
		secondsOf(w.a.Figure.Point.Lost)+" × "+w.a.Scale.RatString(), up(w.a.Figure.Point))
}

// feeOfPart is the share of the fee that a part of the period has.
func (w *stepWriter) feeOfPart() {
	part := w.out.Part
	if part == nil || part.Days == part.DaysOf {
		return
	}
	whole := w.d.agreement.Versions[slices.IndexFunc(w.d.agreement.Versions, func(v agreements.Version) bool { return v.From == w.a.Terms.From })]
	of := fee(&agreements.Account{Service: w.a.Service, Terms: &whole})
	w.add("Fee of the part", "the fee by days, rounded half up", fmt.Sprintf("%s × %d ÷ %d days", money(of, w.d.agreement.Currency), part.Days, part.DaysOf), w.out.Credit.Fee.Text)
}
