package statements

import (
	"fmt"
	"math/big"
	"strings"

	"github.com/uptally/uptally/agreements"
)

// MaintenanceTerms says what planned work may exclude. CapMS is -1 for no cap. What an agreement does not use is absent.
type MaintenanceTerms struct {
	Recurring []Recurring `json:"recurring"`
	NoticeMS  int64       `json:"notice_ms"`
	CapMS     int64       `json:"cap_ms"`
	// Denominator is subtract, keep, add_back or add_back_all.
	Denominator  string      `json:"denominator"`
	CapYearMS    int64       `json:"cap_year_ms,omitempty"`
	Emergency    string      `json:"emergency,omitempty"`     // excluded or counted
	RepeatedHour string      `json:"repeated_hour,omitempty"` // both or first
	Times        int         `json:"times,omitempty"`
	Work         *WorkRules  `json:"work,omitempty"`
	Classes      []WorkClass `json:"classes,omitempty"`
}

// WorkRules say which recorded work qualifies beyond a notice in milliseconds.
type WorkRules struct {
	// NoticeDays are business days, those of BusinessDays, or of the window where that is absent.
	NoticeDays   int         `json:"notice_business_days,omitempty"`
	BusinessDays *Window     `json:"business_days,omitempty"`
	Hours        []WorkHours `json:"hours,omitempty"`
}

// WorkHours are a stretch of local time on each of the days.
type WorkHours struct {
	On    []string `json:"on"`
	At    string   `json:"at"`
	ForMS int64    `json:"for_ms"`
}

// WorkClass is work under rules of its own.
type WorkClass struct {
	Name     string     `json:"name"`
	NoticeMS int64      `json:"notice_ms"`
	CapMS    int64      `json:"cap_ms,omitempty"`
	Times    int        `json:"times,omitempty"`
	Work     *WorkRules `json:"work,omitempty"`
}

// AddedBack are the parts of (A − B + C) ÷ A where the agreement adds all excluded time back: C, and for each track the
// excluded downtime that B has beside what counts. Uncut is the likely figure before it is cut off at 100 %.
type AddedBack struct {
	ExcludedMS     int64 `json:"excluded_ms"`
	CertainDownMS  int64 `json:"certain_down_ms"`
	PointDownMS    int64 `json:"point_down_ms"`
	PossibleDownMS int64 `json:"possible_down_ms"`
	Uncut          Share `json:"uncut"`
}

func newMaintenance(m agreements.Maintenance) MaintenanceTerms {
	t := MaintenanceTerms{
		Recurring: []Recurring{}, NoticeMS: int64(m.Notice), CapMS: max(-1, int64(m.Cap)), Denominator: denominator(m.Keep, m.AddBack),
		CapYearMS: int64(m.CapYear), Times: m.Times, Work: newWork(agreements.WorkRules{NoticeDays: m.NoticeDays, Calendar: m.BusinessDays, Hours: m.Hours}),
		Emergency:    [...]string{agreements.EmergencyExcluded: "excluded", agreements.EmergencyCounted: "counted"}[m.Emergency],
		RepeatedHour: [...]string{agreements.RepeatedFirst: "first", agreements.RepeatedBoth: "both"}[m.RepeatedHour],
	}
	for _, r := range m.Recurring {
		t.Recurring = append(t.Recurring, Recurring{r.Name, weekday(r.Weekday), r.Nth, clock(r.At), int64(r.For)})
	}
	for _, k := range m.Classes {
		t.Classes = append(t.Classes, WorkClass{k.Name, int64(k.Notice), int64(k.Cap), k.Times, newWork(k.WorkRules)})
	}
	return t
}

// newWork is nil where there are no such rules.
func newWork(w agreements.WorkRules) *WorkRules {
	if w.NoticeDays == 0 && len(w.Hours) == 0 {
		return nil
	}
	out := &WorkRules{NoticeDays: w.NoticeDays}
	if w.Calendar.Name != "" {
		days := newWindow(w.Calendar)
		out.BusinessDays = &days
	}
	for _, h := range w.Hours {
		o := WorkHours{At: clock(h.At), ForMS: int64(h.For)}
		for _, d := range h.On {
			o.On = append(o.On, weekday(d))
		}
		out.Hours = append(out.Hours, o)
	}
	return out
}

func denominator(keep bool, back agreements.AddBackTerm) string {
	switch {
	case back == agreements.AddBackDown:
		return "add_back"
	case back == agreements.AddBackAll:
		return "add_back_all"
	case keep:
		return "keep"
	}
	return "subtract"
}

func keepWords(keep bool, back agreements.AddBackTerm) string {
	switch {
	case back == agreements.AddBackDown:
		return "stays in the time that the figure is divided by, and downtime in it is added back: (A − B + C) ÷ A"
	case back == agreements.AddBackAll:
		return "stays in the time that the figure is divided by, and all of it is added back: (A − B + C) ÷ A, at most 100%"
	case keep:
		return "stays in the time that the figure is divided by"
	}
	return "leaves the time that the figure is divided by"
}

func maintenanceWords(v *agreements.Version) []string {
	var w []string
	m := v.Maintenance
	for _, r := range m.Recurring {
		w = append(w, fmt.Sprintf("Agreed maintenance %q: %s at %s for %s.", r.Name, nthWords(r), clock(r.At), r.For))
	}
	if m.Cap == 0 {
		return append(w, "Planned maintenance is not excluded.")
	}
	all := agreements.WorkRules{Notice: m.Notice, NoticeDays: m.NoticeDays, Calendar: m.BusinessDays, Hours: m.Hours, Times: m.Times}
	s := "Planned maintenance is excluded" + workWords(all, v)
	if m.Cap > 0 {
		s += ", up to " + m.Cap.String() + " a " + periodWord(v)
	}
	if m.CapYear > 0 {
		s += ", up to " + m.CapYear.String() + " a calendar year"
	}
	w = append(w, s+"; it "+keepWords(m.Keep, m.AddBack)+".")
	for _, k := range m.Classes {
		s := "Maintenance of the class " + k.Name + " is excluded" + workWords(k.WorkRules, v)
		if k.Cap > 0 {
			s += ", up to " + k.Cap.String() + " a " + periodWord(v)
		}
		w = append(w, s+".")
	}
	switch m.Emergency {
	case agreements.EmergencyExcluded:
		w = append(w, "Emergency maintenance is excluded without notice and at any hour.")
	case agreements.EmergencyCounted:
		w = append(w, "Emergency maintenance is not excluded: downtime in it counts.")
	}
	switch m.RepeatedHour {
	case agreements.RepeatedBoth:
		w = append(w, "Where the clock repeats an hour, hours for maintenance are open in both passes.")
	case agreements.RepeatedFirst:
		w = append(w, "Where the clock repeats an hour, hours for maintenance last their length from the first pass on.")
	}
	return w
}

// workWords say when work qualifies, to follow "is excluded".
func workWords(r agreements.WorkRules, v *agreements.Version) string {
	s := ""
	switch {
	case r.NoticeDays > 0:
		s = " when at least " + count(r.NoticeDays, "business day", "business days")
		if r.Calendar.Name != "" {
			s += " of " + r.Calendar.Name
		}
		s += " lie between the day of its announcement and that of its start"
	case r.Notice > 0:
		s = " when announced at least " + r.Notice.String() + " before it starts"
	}
	for i, h := range r.Hours {
		var days []string
		for _, d := range h.On {
			days = append(days, d.String())
		}
		s += [...]string{", as far as it lies in the hours from ", " or "}[min(i, 1)] + clock(h.At) + " for " + h.For.String() + " on " + strings.Join(days, ", ")
	}
	if r.Times > 0 {
		s += ", at most " + count(r.Times, "work", "works") + " a " + periodWord(v)
	}
	return s
}

// newAddedBack is nil where the agreement does not add excluded time back.
func newAddedBack(d draft, a *agreements.Account) *AddedBack {
	b := a.AddedBack
	if b == nil {
		return nil
	}
	out := &AddedBack{ExcludedMS: b.Excluded, CertainDownMS: b.Certain, PointDownMS: b.Point, PossibleDownMS: b.Possible}
	if of := a.Denominator - a.LeftOut; of > 0 {
		uncut := b.Uncut(countedDown(d, a, of), of)
		out.Uncut = Share{ratText(uncut), agreements.FormatShare(uncut)}
	}
	return out
}

// countedDown is the likely downtime in the agreement's unit of length, in milliseconds.
func countedDown(d draft, a *agreements.Account, of int64) int64 {
	return min(a.Terms.Length.Of(a.Point, d.agreement.Zone), of)
}

// addedBack is the step that takes B − C out of the formula (A − B + C) ÷ A.
func (w *stepWriter) addedBack() {
	b, out := w.a.AddedBack, w.out.AddedBack
	if b == nil {
		return
	}
	down := countedDown(w.d, w.a, w.a.Denominator-w.a.LeftOut)
	numbers := "B = " + seconds(down) + " + " + seconds(b.Point) + " excluded; C = " + seconds(b.Excluded)
	result := secondsOf(w.a.Figure.Point.Lost)
	if uncut, ok := new(big.Rat).SetString(out.Uncut.Exact); ok && uncut.Cmp(big.NewRat(1, 1)) > 0 {
		numbers += "; (A − B + C) ÷ A = " + out.Uncut.Exact + ", cut off at 100%"
	}
	w.add("Downtime less what is added back (B − C)", "the agreement computes (A − B + C) ÷ A: A is D, B all downtime, C all excluded time", numbers, result)
}

// check wants no more downtime in excluded time than there is of it.
func (b *AddedBack) check() error {
	if b != nil && max(b.CertainDownMS, b.PointDownMS, b.PossibleDownMS) > b.ExcludedMS {
		return fmt.Errorf("got %d ms down in %d ms of excluded time", max(b.CertainDownMS, b.PointDownMS, b.PossibleDownMS), b.ExcludedMS)
	}
	return nil
}

// about is what an entry says beside its instants and its reason.
func (p Applied) about() string {
	text := ""
	for _, part := range []struct{ word, value string }{{"class", p.Class}, {"accepted by", p.AcceptedBy}, {"evidence", p.Evidence}} {
		if part.value != "" {
			text += ", " + part.word + " " + part.value
		}
	}
	if p.Replaces != 0 {
		text += fmt.Sprintf(", replaces entry %d", p.Replaces)
	}
	return text
}
