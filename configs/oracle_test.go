package configs

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/agreements"
	"github.com/uptally/uptally/agreements/recurrence"
)

// oracle is a running testdata/oracle.py: python3-icalendar and python3-dateutil.
type oracle struct {
	in  io.Writer
	out *bufio.Reader
}

// debianPython is the interpreter that Debian's packages install their modules for; another python3 may come first on the
// path and know none of them.
const debianPython = "/usr/bin/python3"

func startOracle(t *testing.T) *oracle {
	t.Helper()
	if out, err := exec.Command(debianPython, "-c", "import icalendar, dateutil, zoneinfo").CombinedOutput(); err != nil {
		if os.Getenv("UPTALLY_REQUIRE_PEERS") != "" {
			t.Fatalf("python3-icalendar and python3-dateutil: %v\n%s", err, out)
		}
		t.Skip("python3-icalendar and python3-dateutil are not installed")
	}
	cmd := exec.Command(debianPython, "testdata/oracle.py")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("oracle: %v", err)
		}
	})
	return &oracle{in, bufio.NewReader(out)}
}

// expand asks the oracle; each answer is "from to words" in milliseconds.
func (o *oracle) expand(t rapid.TB, ics string, before int64) []string {
	question, err := json.Marshal(map[string]any{"ics": ics, "before": before})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(o.in, "%s\n", question); err != nil {
		t.Fatal(err)
	}
	line, err := o.out.ReadBytes('\n')
	if err != nil {
		t.Fatalf("oracle: %v for\n%s", err, ics)
	}
	var rows [][3]any
	d := json.NewDecoder(strings.NewReader(string(line)))
	d.UseNumber()
	if err := d.Decode(&rows); err != nil {
		t.Fatalf("oracle: %s for\n%s", line, ics)
	}
	answers := make([]string, len(rows))
	for i, r := range rows {
		answers[i] = fmt.Sprint(r[0], " ", r[1], " ", r[2])
	}
	return answers
}

func expandHere(t rapid.TB, ics string, before int64) []string {
	events, problems := readIcal("f.ics", []byte(ics), time.UTC)
	if len(problems) > 0 {
		t.Fatalf("got problems %v for\n%s", problems, ics)
	}
	var all []recurrence.Occurrence
	for _, e := range events {
		all = append(all, e.Occurrences(before)...)
	}
	answers := make([]string, len(all))
	for i, o := range all {
		answers[i] = fmt.Sprint(o.From, " ", o.To, " ", o.Words)
	}
	return answers
}

// Every occurrence of random files over six years is what icalendar and dateutil say, in zones whose clocks change by an
// hour, by half an hour, at midnight and twice a year around Ramadan, at times of day that the clock skips or repeats.
//
// Left out are what icalendar cannot read (20MO: it knows one digit) and two things in which dateutil departs from RFC 5545: BYSETPOS in the first week of a weekly rule (dateutil
// counts from DTSTART, the RFC from the start of the week) and numbered beside plain days in one BYDAY (dateutil takes
// those that are both); TestRules has them.
func TestOccurrencesAgreeWithDebiansLibraries(t *testing.T) {
	o := startOracle(t)
	total := 0
	rapid.Check(t, func(t *rapid.T) {
		ics := drawIcal(t)
		before := time.Date(2024+rapid.IntRange(0, 6).Draw(t, "years"), 7, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
		got, want := expandHere(t, ics, before), o.expand(t, ics, before)
		slices.Sort(got)
		slices.Sort(want)
		total += len(got)
		if !slices.Equal(got, want) {
			t.Fatalf("got %d occurrences, want %d: %s\n%s", len(got), len(want), firstDifference(got, want), ics)
		}
	})
	if total == 0 {
		t.Error("got no occurrence in any file")
	}
}

func firstDifference(got, want []string) string {
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			return "missing " + want[i]
		case i >= len(want):
			return "too much " + got[i]
		case got[i] != want[i]:
			return "got " + got[i] + ", want " + want[i]
		}
	}
	return ""
}

// drawnEvent is a random event as text.
type drawnEvent struct {
	recurrence.Event
	allDay bool
	lines  []string
}

func drawIcal(t *rapid.T) string {
	lines := []string{"BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:test"}
	for i := range rapid.IntRange(1, 2).Draw(t, "events") {
		e := drawEvent(t)
		uid := fmt.Sprintf("UID:%d", i)
		lines = append(lines, "BEGIN:VEVENT", uid)
		lines = append(lines, e.lines...)
		lines = append(lines, "END:VEVENT")
		lines = append(lines, e.instead(t, uid)...)
	}
	lines = append(lines, "END:VCALENDAR", "")
	return strings.Join(lines, "\r\n")
}

func drawEvent(t *rapid.T) drawnEvent {
	zones := []string{"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "America/Havana", "Asia/Shanghai", "UTC"}
	zone, err := time.LoadLocation(rapid.SampledFrom(zones).Draw(t, "zone"))
	if err != nil {
		t.Fatal(err)
	}
	var e drawnEvent
	e.Words = rapid.SampledFrom([]string{"", "work", "Wartung, klein; Datenbank"}).Draw(t, "words")
	e.allDay = rapid.IntRange(0, 3).Draw(t, "all day") == 0
	e.Start = recurrence.Moment{Zone: zone, Clock: uptally.Duration(rapid.IntRange(0, 47).Draw(t, "half hour")) * 30 * uptally.Minute}
	if e.allDay {
		e.Start.Zone, e.Start.Clock = time.UTC, 0
	}
	day := rapid.SampledFrom([]agreements.Date{{Year: 2024, Month: 1, Day: 1}, {Year: 2024, Month: 2, Day: 27}, {Year: 2024, Month: 3, Day: 25}, {Year: 2024, Month: 10, Day: 20}, {Year: 2025, Month: 12, Day: 28}}).Draw(t, "around")
	e.Start.Day = day.AddDays(rapid.IntRange(0, 9).Draw(t, "day"))
	if rapid.IntRange(0, 5).Draw(t, "repeats") > 0 {
		drawRule(t, &e)
	}
	e.lines = append(e.lines, e.property("DTSTART", e.Start))
	if e.Words != "" {
		e.lines = append(e.lines, "SUMMARY:"+strings.NewReplacer(",", `\,`, ";", `\;`).Replace(e.Words))
	}
	e.drawLength(t)
	e.drawLists(t)
	return e
}

// drawRule draws a rule and moves the event's start to its first day.
func drawRule(t *rapid.T, e *drawnEvent) {
	r := recurrence.Rule{Frequency: recurrence.Frequency(rapid.IntRange(1, 4).Draw(t, "frequency")), Interval: rapid.SampledFrom([]int{1, 1, 2, 3, 5}).Draw(t, "interval"), Until: agreements.Forever}
	r.WeekStart = time.Weekday(rapid.SampledFrom([]int{1, 1, 0, 3, 6}).Draw(t, "week start"))
	some := func(label string, g *rapid.Generator[int]) []int {
		if rapid.Bool().Draw(t, label+"?") {
			return rapid.SliceOfNDistinct(g, 1, 3, rapid.ID[int]).Draw(t, label)
		}
		return nil
	}
	numbered := r.Frequency >= recurrence.Monthly && rapid.Bool().Draw(t, "numbered")
	for _, d := range some("weekdays", rapid.IntRange(0, 6)) {
		w := recurrence.Weekday{Day: time.Weekday(d)}
		if numbered {
			w.Nth = rapid.SampledFrom([]int{1, 2, 4, 5, -1, -2, -5}).Draw(t, "nth")
		}
		r.Weekdays = append(r.Weekdays, w)
	}
	if r.Frequency != recurrence.Weekly {
		r.MonthDays = some("month days", rapid.SampledFrom([]int{1, 2, 15, 28, 29, 30, 31, -1, -2, -29, -31}))
	}
	for _, m := range some("months", rapid.SampledFrom([]int{1, 2, 3, 6, 10, 12})) {
		r.Months = append(r.Months, time.Month(m))
	}
	if r.Frequency != recurrence.Weekly && len(r.Weekdays)+len(r.MonthDays)+len(r.Months) > 0 {
		r.Positions = some("positions", rapid.SampledFrom([]int{1, 2, 3, -1, -2, 10}))
	}
	for d := range r.Days(e.Start.Day) {
		if d.Year < 2040 {
			e.Start.Day, e.Rule = d, &r
		}
		break
	}
	if e.Rule == nil {
		return // the rule never matches
	}
	end := rapid.IntRange(0, 2).Draw(t, "end")
	until := ""
	switch {
	case end == 1:
		r.Count = rapid.IntRange(1, 40).Draw(t, "count")
	case end == 2 && e.allDay:
		d := e.Start.Day.AddDays(rapid.IntRange(0, 900).Draw(t, "until"))
		until = strings.ReplaceAll(d.String(), "-", "")
		r.Until = d.Start(time.UTC)
	case end == 2:
		// A quarter to the hour: inside a skipped hour the two libraries place an occurrence differently.
		at := time.UnixMilli(e.Start.At()).UTC().Truncate(time.Hour).Add(time.Duration(rapid.IntRange(1, 900*24).Draw(t, "until"))*time.Hour + 45*time.Minute)
		until = at.Format("20060102T150405Z")
		r.Until = at.UnixMilli()
	}
	e.lines = append(e.lines, "RRULE:"+ruleText(r, until))
}

func ruleText(r recurrence.Rule, until string) string {
	parts := []string{"FREQ=" + [...]string{1: "DAILY", "WEEKLY", "MONTHLY", "YEARLY"}[r.Frequency]}
	add := func(key string, values []string) {
		if len(values) > 0 {
			parts = append(parts, key+"="+strings.Join(values, ","))
		}
	}
	if r.Interval > 1 {
		add("INTERVAL", []string{fmt.Sprint(r.Interval)})
	}
	if r.Count > 0 {
		add("COUNT", []string{fmt.Sprint(r.Count)})
	}
	if until != "" {
		add("UNTIL", []string{until})
	}
	var days, monthDays, months, positions []string
	for _, w := range r.Weekdays {
		n := ""
		if w.Nth != 0 {
			n = fmt.Sprint(w.Nth)
		}
		days = append(days, n+icalDays[w.Day])
	}
	for _, d := range r.MonthDays {
		monthDays = append(monthDays, fmt.Sprint(d))
	}
	for _, m := range r.Months {
		months = append(months, fmt.Sprint(int(m)))
	}
	for _, p := range r.Positions {
		positions = append(positions, fmt.Sprint(p))
	}
	add("BYDAY", days)
	add("BYMONTHDAY", monthDays)
	add("BYMONTH", months)
	add("BYSETPOS", positions)
	if r.WeekStart != time.Monday {
		add("WKST", []string{icalDays[r.WeekStart]})
	}
	return strings.Join(parts, ";")
}

// property writes a time in the event's own form.
func (e *drawnEvent) property(name string, m recurrence.Moment) string {
	text := icalText(icalTime{Moment: m, isDate: e.allDay, utc: m.Zone == time.UTC})
	switch {
	case e.allDay:
		return name + ";VALUE=DATE:" + text
	case m.Zone == time.UTC:
		return name + ":" + text
	}
	return name + ";TZID=" + m.Zone.String() + ":" + text
}

func (e *drawnEvent) drawLength(t *rapid.T) {
	switch kind := rapid.IntRange(0, 2).Draw(t, "length"); {
	case kind == 0:
		to := e.Start
		to.Day = to.Day.AddDays(rapid.IntRange(1, 3).Draw(t, "days"))
		e.lines = append(e.lines, e.property("DTEND", to))
	case e.allDay:
		e.lines = append(e.lines, fmt.Sprintf("DURATION:P%dD", rapid.IntRange(1, 9).Draw(t, "days")))
	case kind == 1:
		e.lines = append(e.lines, fmt.Sprintf("DURATION:PT%dH%dM", rapid.IntRange(0, 20).Draw(t, "hours"), rapid.IntRange(1, 59).Draw(t, "minutes")))
	default:
		e.lines = append(e.lines, rapid.SampledFrom([]string{"DURATION:P1D", "DURATION:P1W", "DURATION:P2DT3H"}).Draw(t, "duration"))
	}
}

// drawLists adds a start that the rule does not have and takes one away that it has.
func (e *drawnEvent) drawLists(t *rapid.T) {
	if rapid.Bool().Draw(t, "also?") {
		m := e.Start
		m.Day = m.Day.AddDays(rapid.IntRange(1, 400).Draw(t, "also"))
		e.Also = append(e.Also, m)
		e.lines = append(e.lines, e.property("RDATE", m))
	}
	if m, ok := e.drawStart(t, "not"); ok {
		e.Not = map[int64]bool{m.At(): true}
		e.lines = append(e.lines, e.property("EXDATE", m))
	}
}

// drawStart picks one of the event's starts, or none.
func (e *drawnEvent) drawStart(t *rapid.T, label string) (recurrence.Moment, bool) {
	starts := e.Starts(time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli())
	var ats []int64
	for at := range starts {
		ats = append(ats, at)
	}
	slices.Sort(ats)
	if len(ats) == 0 || !rapid.Bool().Draw(t, label+"?") {
		return recurrence.Moment{}, false
	}
	return starts[rapid.SampledFrom(ats[:min(len(ats), 20)]).Draw(t, label)], true
}

// instead moves or cancels one occurrence.
func (e *drawnEvent) instead(t *rapid.T, uid string) []string {
	m, ok := e.drawStart(t, "instead")
	if !ok {
		return nil
	}
	lines := []string{"BEGIN:VEVENT", uid, e.property("RECURRENCE-ID", m)}
	m.Day = m.Day.AddDays(rapid.IntRange(-3, 3).Draw(t, "moved"))
	lines = append(lines, e.property("DTSTART", m), "SUMMARY:moved", "DURATION:P1D")
	if rapid.IntRange(0, 2).Draw(t, "cancelled") == 0 {
		lines = append(lines, "STATUS:CANCELLED")
	}
	return append(lines, "END:VEVENT")
}
