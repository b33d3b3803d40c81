package statements

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/uptally/uptally/agreements"
)

// termWords says a version aloud, one sentence a term, in the order in which the terms are applied.
func termWords(a *agreements.Agreement, v *agreements.Version) []string {
	w := []string{serviceWords(v), windowWords(v.Window, a.ZoneName)}
	w = append(w, maintenanceWords(v)...)
	if len(v.Exclusions.Causes) > 0 {
		w = append(w, "Excluded causes, when recorded: "+strings.Join(v.Exclusions.Causes, ", ")+"; such time "+keepWords(v.Exclusions.Keep, v.Exclusions.AddBack)+".")
	}
	w = append(w, outageWords(v.Outage))
	if v.Bridge > 0 {
		w = append(w, "A hole in the evidence inside an outage counts as down in the likely figure when it lasts at most "+v.Bridge.String()+".")
	}
	w = append(w, measureWords(v)...)
	w = append(w, timeWords(v)...)
	w = append(w, unknownTermWords(v))
	w = append(w, "Target: "+percent(v.Target)+" a "+periodWord(v)+".")
	return append(w, creditWords(a, v)...)
}

func serviceWords(v *agreements.Version) string {
	switch names := strings.Join(v.Services, ", "); {
	case len(v.Services) == 1:
		return "Service: " + names + "."
	case v.Each:
		return "Services, each with its own account: " + names + "."
	case v.Figure != agreements.FigureTogether:
		return "Services: " + names + "; " + figureWords(v) + "."
	case !v.DownWhen.Any():
		return fmt.Sprintf("Services: %s; they are down together when at least %s down.", names, areDown(v.DownWhen.Of(len(v.Services)), len(v.Services)))
	default:
		return "Services, all of which must be up: " + names + "."
	}
}

func areDown(k, n int) string {
	if k == 1 {
		return "1 of the " + strconv.Itoa(n) + " is"
	}
	return fmt.Sprintf("%d of the %d are", k, n)
}

// figureWords says how one figure is made out of the services' own.
func figureWords(v *agreements.Version) string {
	switch v.Figure {
	case agreements.FigureSum:
		return "the sum of their downtimes is divided by the sum of their denominators"
	case agreements.FigureMean:
		return "the figure is the plain mean of their availabilities"
	case agreements.FigureWorst:
		return "the figure is the lowest of their availabilities"
	}
	var ws []string
	for _, s := range v.Services {
		if w, ok := v.Weights[s]; ok {
			ws = append(ws, s+" "+w.RatString())
		}
	}
	if v.WeighByFee {
		return "the figure is the mean of their availabilities, weighed by their fees"
	}
	return "the figure is the mean of their availabilities, weighed " + strings.Join(ws, ", ")
}

func windowWords(c agreements.Calendar, zone string) string {
	if c.Always {
		return "Service time: 24x7. Periods begin and end at midnight in " + zone + "."
	}
	var days []string
	for _, d := range newWindow(c).Weekly {
		days = append(days, strings.ToUpper(d.Day[:1])+d.Day[1:3]+" "+strings.Join(d.Hours, " "))
	}
	s := "Service time: " + c.Name + " in " + zone + ": " + strings.Join(days, ", ")
	if n := len(c.Dates); n > 0 {
		s += fmt.Sprintf("; %d dates have hours of their own", n)
	}
	return s + "."
}

func nthWords(r agreements.RecurringWindow) string {
	switch day := r.Weekday.String(); {
	case r.Nth == 0:
		return "every " + day
	case r.Nth < 0:
		return "the last " + day + " of a month"
	default:
		return [...]string{"first", "second", "third", "fourth", "fifth"}[min(r.Nth, 5)-1] + " " + day + " of a month"
	}
}

func outageWords(o agreements.OutageTerms) string {
	s := "Every outage counts"
	if o.Minimum > 0 {
		s = "An outage counts when it lasts at least " + o.Minimum.String()
		if o.LongerThan {
			s = "An outage counts when it lasts longer than " + o.Minimum.String()
		}
		if o.OfPart {
			s += ", of which only the part inside eligible time is looked at"
		} else {
			s += ", looked at whole before any cut"
		}
	}
	return s + flapWords(o) + "."
}

func unknownTermWords(v *agreements.Version) string {
	s := [...]string{
		agreements.UnknownExclude: "Unknown time that could have been down leaves the denominator of the likely figure",
		agreements.UnknownUp:      "Unknown time counts as up in the likely figure",
		agreements.UnknownDown:    "Unknown time counts as down in the likely figure",
	}[v.Unknown]
	if v.Insufficient != nil {
		s += "; more than " + percent(v.Insufficient) + " of eligible time unknown is marked as insufficient evidence"
	}
	return s + "."
}

func creditWords(a *agreements.Agreement, v *agreements.Version) []string {
	fee := "Fee: " + money(v.Fee, a.Currency) + " a " + periodWord(v)
	for _, s := range v.Services {
		if f, ok := v.FeeFor[s]; ok {
			fee += "; " + s + " " + money(f, a.Currency)
		}
	}
	w := []string{fee + "."}
	var rows []string
	for _, t := range v.Ladder {
		rows = append(rows, tierWords(t)+" "+t.PaysWords())
	}
	if len(rows) > 0 {
		w = append(w, "Credit, "+payWords(v.Ladder)+", for an availability of: "+strings.Join(rows, "; ")+".")
	}
	w = append(w, formWords(a, v)...)
	if v.Cap != nil {
		w = append(w, "The credit is at most "+percent(v.Cap)+" of the fee.")
	}
	return append(w, [...]string{
		agreements.ChargeProven: "Charged is the proven credit, which rests on certain downtime alone.",
		agreements.ChargePoint:  "Charged is the likely credit.",
		agreements.ChargeMax:    "Charged is the possible credit, which takes every doubt as downtime.",
	}[v.Charge])
}

func tierWords(t agreements.Tier) string {
	s := "below " + t.Upper.Text
	if t.Upper.Inclusive {
		s = "at most " + t.Upper.Text
	}
	switch {
	case t.Lower == nil:
		return s
	case t.Lower.Inclusive:
		return s + " and at least " + t.Lower.Text
	default:
		return s + " and above " + t.Lower.Text
	}
}

// assumptions are printed under every statement. Source: docs/measuring.md, "What the bounds assume".
func assumptions() []string {
	return []string{
		"Between two neighbouring samples of a site that agree and lie no further apart than the plan's gap, the state held.",
		"A success is a real success: the checks look at content, and no cache or captive portal answers for the service.",
		"When all sites that saw an outage failed together, a success at any of them proves that the service was up.",
		"Down means that the fixed number of sites could not reach the service. Two unrelated faults of sites at once count as down.",
		"Sites that report speak for those that are silent, but the number that decides is never lowered.",
	}
}

// periodText says a period in words: "October 2026" for 2026-10, "quarter 4 of 2026" for 2026-Q4.
func periodText(text string) string {
	months := [...]string{"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"}
	var year, n int
	if c, err := fmt.Sscanf(text, "%4d-%2d", &year, &n); err == nil && c == 2 && len(text) == 7 && n >= 1 && n <= 12 {
		return fmt.Sprintf("%s %04d", months[n-1], year)
	}
	if c, err := fmt.Sscanf(text, "%4d-Q%1d", &year, &n); err == nil && c == 2 && len(text) == 7 {
		return fmt.Sprintf("quarter %d of %04d", n, year)
	}
	if d, err := agreements.ParseDate(text); err == nil {
		return fmt.Sprintf("the period around %d %s %04d", d.Day, d.Month, d.Year)
	}
	return strings.Replace(text, "/", " to ", 1)
}
