package statements

import (
	"math/big"
	"strings"

	"github.com/uptally/uptally/agreements"
)

// ledgerLines is the longest sum that a step spells out; longer ones name the number of their parts.
const ledgerLines = 6

// steps leads from the period to the money, each line checkable by hand from the lines before it.
func steps(d draft, a *agreements.Account, out *Account) []Step {
	w := stepWriter{d: d, a: a, out: out}
	w.period()
	w.window()
	w.excluded()
	w.denominator()
	w.unknown()
	w.downtime()
	w.availability()
	w.scaled()
	w.target()
	w.feeOfPart()
	w.tiers()
	w.charged()
	return w.steps
}

type stepWriter struct {
	d     draft
	a     *agreements.Account
	out   *Account
	steps []Step
}

func (w *stepWriter) add(what, rule, numbers, result string) {
	w.steps = append(w.steps, Step{len(w.steps) + 1, what, rule, numbers, result})
}

func (w *stepWriter) period() {
	p := w.a.Period
	local := Period{Offsets: offsets(interval(p), w.d.agreement.Zone)}
	rule := periodText(w.d.periodText) + " in " + w.d.agreement.ZoneName
	if part := w.out.Part; part != nil {
		rule += ", the part that the version from " + part.VersionFrom + " judges"
	}
	w.add("Period", rule,
		local.local(Instant(p.From))+" to "+local.local(Instant(p.To)), seconds(p.Len()))
}

func (w *stepWriter) window() {
	c := w.out.Classes
	rule := w.a.Terms.Window.Name
	if w.a.Terms.Window.Always {
		rule = "24x7: every second is service time"
	}
	w.add("Service window", rule, seconds(c.Sum())+" − "+seconds(c.Outside)+" outside", seconds(c.Sum()-c.Outside))
}

func (w *stepWriter) excluded() {
	c := w.out.Classes
	window := c.Sum() - c.Outside
	rule, numbers := "nothing was excluded", seconds(window)+" − 0 s"
	if len(w.a.Rules) > 0 {
		var names, parts []string
		for _, r := range w.a.Rules {
			names = append(names, r.Rule)
			parts = append(parts, seconds(r.Millis))
		}
		rule, numbers = strings.Join(names, "; "), seconds(window)+" − "+strings.Join(parts, " − ")
	}
	w.add("Eligible time (T)", rule, numbers, seconds(w.a.Eligible))
}

func (w *stepWriter) denominator() {
	if fixed := w.a.Terms.Denominator; fixed > 0 && w.a.Eligible > 0 {
		w.add("Denominator (D)", "the agreement divides by "+fixed.String()+", whatever the period", "", seconds(w.a.Denominator))
		return
	}
	rule, numbers := "the agreement divides by eligible time", "D = T"
	if kept := w.a.Denominator - w.a.Eligible; kept != 0 {
		rule, numbers = w.keptRule()+" stays in what is divided by", seconds(w.a.Eligible)+" + "+seconds(kept)
	}
	w.add("Denominator (D)", rule, numbers, seconds(w.a.Denominator))
}

func (w *stepWriter) unknown() {
	if w.a.Unknown == 0 {
		w.add("Unknown time (U)", "everything was measured", "", seconds(0))
		return
	}
	rule := [...]string{
		agreements.UnknownExclude: "what could have been down leaves the likely figure (U′)",
		agreements.UnknownUp:      "counts as up in the likely figure",
		agreements.UnknownDown:    "what could have been down counts as down in the likely figure",
	}[w.a.Terms.Unknown]
	w.add("Unknown time (U)", rule, "unknown within T "+seconds(w.a.Unknown)+", of it left out U′ = "+seconds(w.a.LeftOut), seconds(w.a.Unknown))
	if w.a.LeftOut > 0 {
		w.add("Denominator of the likely figure (D − U′)", "what is known, and what could not have been an outage that counts",
			seconds(w.a.Denominator)+" − "+seconds(w.a.LeftOut), seconds(w.a.Denominator-w.a.LeftOut))
	}
}

func (w *stepWriter) downtime() {
	point := w.a.Point.Millis()
	var parts []string
	var n int64
	for _, o := range w.a.Outages {
		if o.Counted > 0 {
			parts = append(parts, seconds(o.Counted))
			n += o.Counted
		}
	}
	numbers := strings.Join(parts, " + ")
	switch {
	case n != point:
		numbers = count(len(w.a.Point), "stretch", "stretches") + " of counted downtime"
	case len(parts) == 0:
		numbers = "no outage counts"
	case len(parts) > ledgerLines:
		numbers = count(len(parts), "outage", "outages") + ", listed below"
	}
	w.add("Likely downtime", outageRule(w.a.Terms.Outage), numbers, seconds(point))
	w.length()
	w.weighed()
	w.addedBack()
	certain, possible := w.a.Certain.Millis(), w.a.Possible.Millis()
	if certain == possible {
		w.add("Doubt", "certain, likely and possible downtime agree", "", "none")
		return
	}
	w.add("Doubt", "downtime that is certain, and what is possible when every doubt goes against the service",
		"certain "+seconds(certain)+"; possible "+seconds(possible), seconds(possible-certain))
}

func outageRule(o agreements.OutageTerms) string { return strings.TrimSuffix(outageWords(o), ".") }

func (w *stepWriter) availability() {
	b, f := w.out.Availability, w.out.fractions()
	line := func(name, rule string, f Fraction, s Share) {
		if s.Percent == "" {
			w.add(name, rule, "nothing to divide by", "no figure")
			return
		}
		w.add(name, rule, "1 − "+w.out.fractions().unitText(f), s.Percent)
	}
	w.services()
	w.reading()
	line("Availability", w.figureRule(), f.Point, b.Point)
	switch {
	case b.Low == b.Point && b.Point == b.High:
	case f.Extremes:
		numbers := "1 − " + f.Certain.words() + "; 1 − " + f.Point.words() + "; 1 − " + f.Possible.words()
		w.add("Lower bound", "the least of the figures by certain, likely and possible downtime, since rounding can turn their order", numbers, b.Low.Percent)
		w.add("Upper bound", "the greatest of them", numbers, b.High.Percent)
	default:
		line("Lower bound", "1 − possible downtime ÷ D", f.Possible, b.Low)
		line("Upper bound", "1 − certain downtime ÷ D", f.Certain, b.High)
	}
	w.judged()
}

func (w *stepWriter) target() {
	limit := w.a.Terms.Judge.Least(w.a.Terms.Target)
	allowed := new(big.Rat).Sub(big.NewRat(1, 1), limit)
	figure := w.a.Figure
	if figure.Unit != agreements.Milliseconds {
		w.add("Target", percent(w.a.Terms.Target)+", compared exactly and not by the printed figure", w.out.AvailabilityText(), targetWords(w.out.TargetMet))
		return
	}
	of := func(whole *big.Rat) string { return secondsOf(new(big.Rat).Mul(allowed, whole)) }
	w.add("Allowed downtime", percent(limit)+" leaves "+percent(allowed)+" of D",
		secondsOf(figure.Certain.Of)+" × "+percent(allowed), of(figure.Certain.Of))
	down := secondsOf(figure.Point.Lost) + " down"
	if figure.Certain.Lost.Cmp(figure.Possible.Lost) != 0 {
		down = "certain " + secondsOf(figure.Certain.Lost) + ", likely " + down + ", possible " + secondsOf(figure.Possible.Lost)
	}
	if w.a.LeftOut > 0 {
		down += "; the likely is held against " + of(figure.Point.Of)
	}
	w.add("Target", percent(w.a.Terms.Target)+", compared exactly and not by the printed figure",
		down+", allowed "+of(figure.Certain.Of), targetWords(w.out.TargetMet))
}

func targetWords(met string) string {
	switch met {
	case "yes":
		return "met"
	case "no":
		return "missed"
	default:
		return "undecided"
	}
}

func (w *stepWriter) tiers() {
	c := w.out.Credit
	if c.Proven.same(c.Point) && c.Point.same(c.Max) {
		w.tier("Credit", "", c.Point)
		return
	}
	w.tier("Credit, proven", "by certain downtime: ", c.Proven)
	w.tier("Credit, likely", "by likely downtime: ", c.Point)
	w.tier("Credit, possible", "by possible downtime: ", c.Max)
}

func (w *stepWriter) tier(what, by string, r CreditRow) {
	if len(r.Parts) > 0 {
		w.parts(by, r)
		w.add(what, by+"rounded half up once", w.exactMoney(r.ExactMinor), w.out.Credit.GivenText(r))
		return
	}
	rule := "no row of the ladder holds"
	if r.Tier != "" {
		rule = "row " + r.Tier
	}
	numbers := r.Percent + " of " + w.out.Credit.Fee.Text
	if r.Capped {
		numbers += ", at the cap of the agreement"
	}
	if exact, ok := new(big.Rat).SetString(r.ExactMinor); ok && !exact.IsInt() {
		numbers += ", rounded half up once"
	}
	w.add(what, by+rule, numbers, r.Amount.Text)
}

func (w *stepWriter) charged() {
	c := w.out.Credit
	if c.Determined {
		w.add("Credit owed", "proven and possible credit agree", "", c.Charged.Amount.Text)
		return
	}
	w.add("Credit owed", "the agreement charges the "+creditWord(c.Charge)+" credit", "", c.Charged.Amount.Text)
}

// creditWord is the word for people beside the document's: point is likely, max is possible.
func creditWord(charge string) string {
	switch charge {
	case "point":
		return "likely"
	case "max":
		return "possible"
	default:
		return charge
	}
}

// secondsOf writes an exact span in milliseconds as seconds, with as many decimals as it has, at most six.
func secondsOf(ms *big.Rat) string {
	s := new(big.Rat).Quo(ms, big.NewRat(1000, 1))
	digits, exact := s.FloatPrec()
	if !exact || digits > 6 {
		digits = 6
	}
	whole, rest, dotted := strings.Cut(s.FloatString(digits), ".")
	n, _ := new(big.Int).SetString(whole, 10)
	text := thousands(n.Int64())
	if dotted {
		text += "." + rest
	}
	if !exact {
		text = "about " + text
	}
	return text + " s"
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return thousands(int64(n)) + " " + many
}
