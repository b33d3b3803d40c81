package statements

import (
	"fmt"
	"math/big"
	"strings"

	"github.com/uptally/uptally/agreements"
)

// Part is one service's own figure where the agreement makes one out of several. Its figure is divided out as the
// account's is; Weight is empty where services are not weighed.
type Part struct {
	Service       string     `json:"service"`
	Weight        string     `json:"weight,omitempty"`
	EligibleMS    int64      `json:"eligible_ms"`
	DenominatorMS int64      `json:"denominator_ms"`
	UnknownMS     int64      `json:"unknown_ms"`
	LeftOutMS     int64      `json:"unknown_left_out_ms"`
	Availability  Bounds     `json:"availability"`
	Fractions     *Fractions `json:"fractions,omitempty"`
	Down          Downtime   `json:"down"`
}

// Weight is a stretch and the share of its downtime that counts.
type Weight struct {
	At    Interval `json:"at"`
	Share string   `json:"share"`
}

// CombinationTerms say how several services make one account: down when at least so many are, or a figure out of theirs.
type CombinationTerms struct {
	DownWhen int             `json:"down_when_at_least,omitempty"`
	Figure   string          `json:"figure,omitempty"`
	Weights  []ServiceWeight `json:"weights,omitempty"`
}

// ServiceWeight is the weight of a service as an exact number.
type ServiceWeight struct {
	Service string `json:"service"`
	Weight  string `json:"weight"`
}

// MeasureTerms are what is judged instead of time down, or by whom downtime is weighed. What an agreement does not use
// is absent.
type MeasureTerms struct {
	Users         int64          `json:"users,omitempty"`
	WeighAffected bool           `json:"weigh_affected,omitempty"`
	Errors        *SlotTerms     `json:"errors,omitempty"`
	ErrorMean     *MeanTerms     `json:"error_mean,omitempty"`
	Events        bool           `json:"events,omitempty"`
	Response      *ResponseTerms `json:"response_time,omitempty"`
	Loss          string         `json:"packet_loss,omitempty"`
	RestoreMS     int64          `json:"restore_within_ms,omitempty"`
}

// SlotTerms make a slot down as a whole: more errors than Limit, or that many where Inclusive.
type SlotTerms struct {
	EveryMS   int64  `json:"every_ms"`
	Limit     string `json:"limit"`
	Inclusive bool   `json:"inclusive"`
	Requests  int64  `json:"requests"`
	Empty     string `json:"empty"`
}

// MeanTerms make the availability the mean of the slots'.
type MeanTerms struct {
	EveryMS int64  `json:"every_ms"`
	Empty   string `json:"empty"`
}

var (
	figureNames = [...]string{agreements.FigureSum: "sum", agreements.FigureMean: "mean", agreements.FigureWorst: "worst", agreements.FigureWeighted: "weighted"}
	emptyNames  = [...]string{agreements.EmptyUp: "up", agreements.EmptyDown: "down", agreements.EmptyUnknown: "unknown"}
)

// newCombination is nil where the services are one timeline that is down when any is.
func newCombination(v *agreements.Version) *CombinationTerms {
	t := CombinationTerms{Figure: figureNames[v.Figure]}
	if !v.DownWhen.Any() {
		t.DownWhen = v.DownWhen.Of(len(v.Services))
	}
	if t.Figure == "" && t.DownWhen == 0 {
		return nil
	}
	for _, s := range v.Services {
		if w := v.Weight(s); w != nil {
			t.Weights = append(t.Weights, ServiceWeight{s, w.RatString()})
		}
	}
	return &t
}

// newMeasure is nil where time down is judged and nothing weighed.
func newMeasure(v *agreements.Version) *MeasureTerms {
	t := MeasureTerms{Users: v.Users, WeighAffected: v.Affected, Events: v.Events, Response: newResponse(v.Response), Loss: ratText(v.Loss), RestoreMS: int64(v.Restore)}
	if e := v.Errors; e != nil {
		t.Errors = &SlotTerms{int64(e.Every), ratText(e.Limit), e.AtLeast, e.Requests, emptyNames[e.Empty]}
	}
	if e := v.ErrorMean; e != nil {
		t.ErrorMean = &MeanTerms{int64(e.Every), ratText(e.Empty)}
	}
	if t == (MeasureTerms{}) {
		return nil
	}
	return &t
}

// besideTime is said of a measure that is not of time.
const besideTime = "where the time went is shown beside it and has no part in the figure"

// measureWords say what is judged and how downtime is weighed, one sentence each.
func measureWords(v *agreements.Version) []string {
	var w []string
	switch {
	case v.Errors != nil:
		e := v.Errors
		over := "more than " + percent(e.Limit)
		if e.AtLeast {
			over = percent(e.Limit) + " or more"
		}
		w = append(w, fmt.Sprintf("Measured by requests: a slot of %s is down as a whole when %s of its requests failed; with fewer than %s it counts as %s.",
			e.Every, over, count(int(max(1, e.Requests)), "request", "requests"), emptyNames[e.Empty]))
	case v.ErrorMean != nil:
		w = append(w, fmt.Sprintf("Measured by requests: the availability is 100%% less the plain mean of the error rates of all slots of %s; without requests the rate is %s.",
			v.ErrorMean.Every, percent(v.ErrorMean.Empty)))
	case v.IsReading():
		w = append(w, readingWords(v)+"; "+besideTime+".")
	case v.Events:
		w = append(w, "Measured by requests: the availability is the part of all requests of the period that were good; "+besideTime+".")
	}
	switch {
	case v.Users > 0:
		w = append(w, fmt.Sprintf("Downtime is weighed by the users it hit, of %s; where incidents overlap these add up, at most to all, and downtime without a record hit all.", thousands(v.Users)))
	case v.Affected:
		w = append(w, "Downtime is weighed by the share of those it hit; where incidents overlap shares add up, at most to all, and downtime without a record hit all.")
	}
	return w
}

func newParts(a *agreements.Account) []Part {
	var parts []Part
	for i := range a.Figure.Parts {
		p := &a.Figure.Parts[i]
		parts = append(parts, Part{
			Service: p.Service, Weight: ratText(p.Weight), EligibleMS: p.Eligible, DenominatorMS: p.Denominator, UnknownMS: p.Unknown, LeftOutMS: p.LeftOut,
			Availability: bounds(p.Availability, agreements.Decimals(p.Availability)), Fractions: fractions(&p.Account), Down: downtime(&p.Account),
		})
	}
	return parts
}

// newWeights lists whom downtime hit; the rates of slots stay in the counts.
func newWeights(a *agreements.Account) []Weight {
	if a.Terms.ErrorMean != nil {
		return nil
	}
	var ws []Weight
	for _, w := range a.Weights {
		ws = append(ws, Weight{interval(w.Interval), ratText(w.Share)})
	}
	return ws
}

// services prints each service's own figure, before the one that is made of them.
func (w *stepWriter) services() {
	for _, p := range w.out.Parts {
		rule := "1 − its own likely downtime ÷ what it is divided by"
		if p.Weight != "" {
			rule += "; weight " + p.Weight
		}
		figure := p.Availability.Point.Percent
		if figure == "" {
			figure = "no figure"
		}
		w.add("Service "+p.Service, rule, "1 − "+fractionsOf(p).Point.words(), figure)
	}
}

// weighed prints what the weights make of the likely downtime.
func (w *stepWriter) weighed() {
	if len(w.a.Figure.Parts) > 0 || w.a.Weights == nil {
		return
	}
	var sums []string
	rest := w.a.Point
	for _, x := range w.a.Weights {
		if n := rest.Clip(x.Interval).Millis(); n > 0 {
			sums = append(sums, seconds(n)+" × "+x.Share.RatString())
			rest = rest.Subtract(agreements.Set{x.Interval})
		}
	}
	if n := rest.Millis(); n > 0 {
		sums = append(sums, seconds(n)+" × 1")
	}
	rule, numbers := "each stretch by the share of the users it hit", strings.Join(sums, " + ")
	if w.a.Terms.ErrorMean != nil {
		rule = "each slot by its error rate"
	}
	if len(sums) > ledgerLines {
		numbers = count(len(sums), "stretch", "stretches")
	}
	w.add("Weighed downtime", rule, numbers, secondsOf(w.a.Figure.Point.Lost))
}

// figureRule says how the availability was divided out.
func (w *stepWriter) figureRule() string {
	rule := "1 − likely downtime ÷ (D − U′)"
	switch {
	case w.a.Terms.IsReading():
		rule = "the part within the limit: 1 − over or lost ÷ all"
		if r := w.a.Terms.Response; r != nil && r.Mean {
			rule = "1 − the part of the mean that is over its limit ÷ the mean"
		}
	case w.a.Figure.Unit == agreements.Events:
		rule = "1 − failed requests ÷ all requests"
	case len(w.out.Parts) > 0:
		rule = figureWords(w.a.Terms)
	}
	return rule + ", cut off, never rounded up"
}

// exact reads the part's numbers.
func (p Part) exact() (agreements.Part, error) {
	f := fractionsOf(p)
	var own agreements.Part
	own.Extremes = f.Extremes
	if p.Weight != "" {
		var ok bool
		if own.Weight, ok = parseExact(p.Weight); !ok {
			return own, fmt.Errorf("got weight %q of service %q, want an exact number", p.Weight, p.Service)
		}
	}
	for _, t := range []struct {
		text Fraction
		into *agreements.Fraction
	}{{f.Certain, &own.Figure.Certain}, {f.Point, &own.Figure.Point}, {f.Possible, &own.Figure.Possible}} {
		lost, okLost := parseExact(t.text.Lost)
		of, okOf := parseExact(t.text.Of)
		if !okLost || !okOf {
			return own, fmt.Errorf("got %q of %q in service %q, want exact fractions", t.text.Lost, t.text.Of, p.Service)
		}
		*t.into = agreements.Fraction{Lost: lost, Of: of}
	}
	return own, nil
}

func fractionText(f agreements.Fraction) Fraction {
	return Fraction{f.Lost.RatString(), f.Of.RatString()}
}

// partsMake are the fractions that follow from the parts' by the rule of the terms.
func partsMake(rule string, parts []Part) (Fractions, error) {
	var own []agreements.Part
	for _, p := range parts {
		one, err := p.exact()
		if err != nil {
			return Fractions{}, err
		}
		own = append(own, one)
	}
	f := figureRuleOf(rule).Together(own)
	return Fractions{Certain: fractionText(f.Certain), Point: fractionText(f.Point), Possible: fractionText(f.Possible)}, nil
}

func figureRuleOf(name string) agreements.FigureRule {
	for r, n := range figureNames {
		if n == name {
			return agreements.FigureRule(r)
		}
	}
	return agreements.FigureTogether
}

// checkParts evaluates each part, and the account's figure out of them.
func (a *Account) checkParts(rule string) error {
	for i := range a.Parts {
		p := &a.Parts[i]
		own := Account{Parts: nil, DenominatorMS: p.DenominatorMS, LeftOutMS: p.LeftOutMS, Availability: p.Availability, Fractions: p.Fractions, Down: p.Down, Target: a.Target}
		if err := own.checkFormulas(); err != nil {
			return fmt.Errorf("service %q: %w", p.Service, err)
		}
	}
	if len(a.Parts) == 0 {
		return nil
	}
	want, err := partsMake(rule, a.Parts)
	if err != nil {
		return err
	}
	got := a.fractions()
	if got.Certain != want.Certain || got.Point != want.Point || got.Possible != want.Possible {
		return fmt.Errorf("got the figures %v, %v and %v, want what the services make, %v, %v and %v", got.Certain, got.Point, got.Possible, want.Certain, want.Point, want.Possible)
	}
	return nil
}

// fractionsOf are a part's, as those of an account.
func fractionsOf(p Part) Fractions {
	a := Account{DenominatorMS: p.DenominatorMS, LeftOutMS: p.LeftOutMS, Fractions: p.Fractions, Down: p.Down}
	return a.fractions()
}

// PartRow is a line about one service's own figure.
type PartRow struct{ Service, Availability, Sum, Weight string }

// PartRows lists the services' own figures.
func (a *Account) PartRows() []PartRow {
	var rows []PartRow
	for _, p := range a.Parts {
		figure := p.Availability.Point.Percent
		if figure == "" {
			figure = "no figure"
		}
		row := PartRow{Service: p.Service, Availability: figure, Sum: "1 − " + fractionsOf(p).Point.words()}
		if p.Weight != "" {
			row.Weight = "weight " + p.Weight
		}
		rows = append(rows, row)
	}
	return rows
}

// unitText writes a fraction's two sides in its unit.
func (f Fractions) unitText(t Fraction) string {
	if f.Unit == agreements.Milliseconds.String() {
		return t.words()
	}
	lost, okLost := parseExact(t.Lost)
	of, okOf := parseExact(t.Of)
	if !okLost || !okOf {
		return t.Lost + " ÷ " + t.Of
	}
	return plainNumber(lost) + " ÷ " + plainNumber(of)
}

// plainNumber writes a whole number with thousands apart, else a fraction.
func plainNumber(r *big.Rat) string {
	if r.IsInt() && r.Num().IsInt64() {
		return thousands(r.Num().Int64())
	}
	return r.RatString()
}

// rule is the word of the figure made out of several services, or empty.
func (t Terms) rule() string {
	if t.Combination == nil {
		return ""
	}
	return t.Combination.Figure
}

// userMinutes are the users' minutes that the likely figure divides by, and those of them that were lost.
func (a *Account) userMinutes(users int64) (all, down string) {
	f := a.fractions().Point
	minutes := func(text string) string {
		ms, ok := parseExact(text)
		if !ok {
			return ""
		}
		return decimal(ms.Mul(ms, big.NewRat(users, 60_000)))
	}
	return minutes(f.Of), minutes(f.Lost)
}

// decimal writes a number with all its decimals, or as a fraction where these have no end.
func decimal(r *big.Rat) string {
	if digits, exact := r.FloatPrec(); exact {
		return r.FloatString(digits)
	}
	return r.RatString()
}
