package configs

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/agreements"
	"github.com/uptally/uptally/agreements/recurrence"
)

// icalEvent is an event of an iCalendar file and where it stands.
type icalEvent struct {
	recurrence.Event
	line      int
	allDay    bool
	cancelled bool
	uid       string
	// instead is the start of the occurrence that the event replaces; nil for an event of its own.
	instead *icalTime
}

// icalTime is a DATE or DATE-TIME and its line.
type icalTime struct {
	recurrence.Moment
	line int
	// isDate: a whole day; utc: a time with Z; floating: one without zone.
	isDate, utc, floating bool
}

// icalReader turns an iCalendar file into events.
type icalReader struct {
	icalFile
	// zone is that of days and of times without a zone; nil where the file must say it.
	zone *time.Location
}

// readIcal reads the events of an iCalendar file.
func readIcal(file string, data []byte, zone *time.Location) ([]icalEvent, []Problem) {
	r := icalReader{icalFile: icalFile{file: file}, zone: zone}
	var events []icalEvent
	for _, c := range r.components(r.lines(data)) {
		if e, ok := r.event(c); ok {
			events = append(events, e)
		}
	}
	if len(events) == 0 && len(r.problems) == 0 {
		r.wrong(1, "", "", "at least one VEVENT")
	}
	if len(r.problems) == 0 {
		events = r.replace(events)
	}
	return events, r.problems
}

// event reads one VEVENT; ok is false where something is wrong with it.
func (r *icalReader) event(c component) (e icalEvent, ok bool) {
	e.line = c.line
	before := len(r.problems)
	once := map[string]icalLine{}
	var lists []icalLine
	for _, l := range c.props {
		_, twice := once[l.name]
		switch {
		case strings.HasPrefix(l.name, "X-") || slices.Contains(idleInEvent, l.name):
		case !slices.Contains(readInEvent, l.name):
			r.wrong(l.line, l.name, l.value, "one of "+strings.Join(readInEvent, ", ")+"; this property is not supported")
		case l.name == "RDATE" || l.name == "EXDATE":
			lists = append(lists, l)
		case twice:
			r.wrong(l.line, l.name, l.value, "each property once an event")
		default:
			once[l.name] = l
		}
	}
	start, ok := r.start(c, once)
	if !ok {
		return e, false
	}
	e.Start, e.allDay = start.Moment, start.isDate
	r.words(once, &e)
	r.length(once, start, &e)
	r.rule(once, start, &e)
	r.lists(lists, start, &e)
	if l, written := once["RECURRENCE-ID"]; written {
		if at, ok := r.like(l, l.value, start); ok && r.only(l, "VALUE", "TZID") {
			e.instead = &at
		}
	}
	return e, len(r.problems) == before
}

func (r *icalReader) start(c component, once map[string]icalLine) (icalTime, bool) {
	l, written := once["DTSTART"]
	if !written {
		r.wrong(c.line, "DTSTART", "", "the start of the event")
		return icalTime{}, false
	}
	return r.time(l, l.value)
}

// words reads who an event is and what its state is.
func (r *icalReader) words(once map[string]icalLine, e *icalEvent) {
	if l, ok := once["SUMMARY"]; ok {
		e.Words = r.text(l)
	}
	e.uid = once["UID"].value
	switch l := once["STATUS"]; strings.ToUpper(l.value) {
	case "", "CONFIRMED":
	case "CANCELLED":
		e.cancelled = true
	default:
		r.wrong(l.line, l.name, l.value, "CONFIRMED or CANCELLED: what is not settled cannot be counted")
	}
}

// length reads DTEND or DURATION. Without either a day is a day, and a time has no length.
func (r *icalReader) length(once map[string]icalLine, start icalTime, e *icalEvent) {
	end, hasEnd := once["DTEND"]
	length, hasLength := once["DURATION"]
	switch {
	case hasEnd && hasLength:
		r.wrong(length.line, length.name, length.value, "one of DTEND and DURATION")
	case hasEnd:
		to, ok := r.like(end, end.value, start)
		switch {
		case !ok || !r.only(end, "VALUE", "TZID"):
		case to.At() <= start.At():
			r.wrong(end.line, end.name, end.value, "an end after the start")
		case start.isDate:
			e.Days = int((to.Day.Start(time.UTC) - start.Day.Start(time.UTC)) / uptally.DayMillis)
		default:
			e.For = uptally.Duration(to.At() - start.At())
		}
	case hasLength:
		days, span, ok := parseDuration(length.value)
		switch {
		case !r.only(length):
		case !ok || days == 0 && span == 0:
			r.wrong(length.line, length.name, length.value, "a length such as PT4H, P1D or P1W")
		case start.isDate && span != 0:
			r.wrong(length.line, length.name, length.value, "whole days such as P2D for an event of whole days")
		}
		e.Days, e.For = days, span
	case start.isDate:
		e.Days = 1
	default:
		r.wrong(e.line, "DTEND", "", "the end of the event, or its DURATION")
	}
}

// lists reads RDATE and EXDATE.
func (r *icalReader) lists(lists []icalLine, start icalTime, e *icalEvent) {
	var not []icalTime
	for _, l := range lists {
		if !r.only(l, "VALUE", "TZID") {
			continue
		}
		for _, value := range strings.Split(l.value, ",") {
			at, ok := r.like(l, value, start)
			switch {
			case !ok:
				return
			case l.name == "RDATE":
				e.Also = append(e.Also, at.Moment)
			default:
				not = append(not, at)
			}
		}
	}
	starts := e.Starts(after(not))
	e.Not = map[int64]bool{}
	for _, at := range not {
		e.Not[at.At()] = true
		if _, ok := starts[at.At()]; !ok {
			r.wrong(at.line, "EXDATE", icalText(at), "the start of an occurrence of the event")
		}
	}
}

// after is an instant after all of the times.
func after(times []icalTime) int64 {
	last := agreements.Ever
	for _, t := range times {
		last = max(last, t.At()+1)
	}
	return last
}

// replace puts the events that stand in for an occurrence of another into that one.
func (r *icalReader) replace(events []icalEvent) []icalEvent {
	first := map[string]*icalEvent{}
	var own []*icalEvent
	for i := range events {
		e := &events[i]
		if e.instead != nil {
			continue
		}
		own = append(own, e)
		if other, twice := first[e.uid]; twice && e.uid != "" {
			r.wrong(e.line, "UID", e.uid, "another UID; the event of line "+strconv.Itoa(other.line)+" has it")
		}
		first[e.uid] = e
	}
	instead := map[*icalEvent][]*icalEvent{}
	for i := range events {
		e := &events[i]
		whole := first[e.uid]
		switch {
		case e.instead == nil:
		case whole == nil || e.uid == "":
			r.wrong(e.instead.line, "RECURRENCE-ID", icalText(*e.instead), "an event with the same UID that it belongs to")
		default:
			instead[whole] = append(instead[whole], e)
		}
	}
	for _, whole := range own {
		r.replaceIn(whole, instead[whole])
	}
	var result []icalEvent
	for _, e := range own {
		if !e.cancelled {
			result = append(result, *e)
		}
	}
	return result
}

// replaceIn puts the events of some occurrences into the whole.
func (r *icalReader) replaceIn(whole *icalEvent, some []*icalEvent) {
	var times []icalTime
	for _, one := range some {
		times = append(times, *one.instead)
	}
	starts := whole.Starts(after(times))
	whole.Instead = map[int64]*recurrence.Event{}
	for _, one := range some {
		at, text := one.instead.At(), icalText(*one.instead)
		_, begins := starts[at]
		_, twice := whole.Instead[at]
		switch {
		case whole.allDay != one.instead.isDate || !begins:
			r.wrong(one.instead.line, "RECURRENCE-ID", text, "the start of an occurrence of the event of line "+strconv.Itoa(whole.line))
		case one.Rule != nil || len(one.Also)+len(one.Not) > 0:
			r.wrong(one.instead.line, "RECURRENCE-ID", text, "one occurrence, without RRULE, RDATE and EXDATE")
		case twice:
			r.wrong(one.instead.line, "RECURRENCE-ID", text, "each occurrence replaced once")
		}
		whole.Instead[at] = nil
		if !one.cancelled {
			whole.Instead[at] = &one.Event
		}
	}
}

// like reads a time of the same kind as the event's start.
func (r *icalReader) like(l icalLine, value string, start icalTime) (icalTime, bool) {
	t, ok := r.time(l, value)
	if ok && t.isDate != start.isDate {
		want := "a time, as DTSTART is"
		if start.isDate {
			want = "a day (VALUE=DATE), as DTSTART is"
		}
		r.wrong(l.line, l.name, value, want)
		return t, false
	}
	return t, ok
}

// time reads a DATE or DATE-TIME with its VALUE and TZID.
func (r *icalReader) time(l icalLine, value string) (icalTime, bool) {
	t := icalTime{line: l.line}
	kind, tzid := strings.ToUpper(l.params["VALUE"]), l.params["TZID"]
	_, hasZone := l.params["TZID"]
	t.isDate = kind == "DATE"
	text, utc := strings.CutSuffix(value, "Z")
	t.utc, t.floating = utc, !utc && !hasZone
	layout, want := "20060102T150405", "a time such as 20261001T220000Z, or a day such as VALUE=DATE:20261001"
	if t.isDate {
		layout, want = "20060102", "a day such as 20261001, beside VALUE=DATE"
	}
	wall, err := time.Parse(layout, text)
	switch {
	case !r.only(l, "VALUE", "TZID"):
		return t, false
	case kind != "" && kind != "DATE" && kind != "DATE-TIME":
		r.wrong(l.line, l.name, "VALUE="+kind, "VALUE=DATE or VALUE=DATE-TIME; this one is not supported")
		return t, false
	case err != nil || len(text) != len(layout) || (t.isDate || hasZone) && utc || t.isDate && hasZone:
		r.wrong(l.line, l.name, value, want)
		return t, false
	case wall.Year() < firstYear || wall.Year() > lastYear:
		r.wrong(l.line, l.name, value, "a year from "+strconv.Itoa(firstYear)+" to "+strconv.Itoa(lastYear))
		return t, false
	}
	y, m, d := wall.Date()
	t.Day = agreements.Date{Year: y, Month: m, Day: d}
	t.Clock = uptally.Duration(wall.Sub(time.Date(y, m, d, 0, 0, 0, 0, time.UTC)).Milliseconds())
	t.Zone, err = r.zoneOf(tzid, t)
	if err != nil {
		if hasZone {
			value = tzid
		}
		r.wrong(l.line, l.name, value, err.Error())
	}
	return t, err == nil
}

// durationForm is RFC 5545's dur-value without a sign; a length below zero is none.
var durationForm = regexp.MustCompile(`^\+?P(?:(\d{1,4})W|(?:(\d{1,4})D)?(?:T(?:(\d{1,5})H)?(?:(\d{1,6})M)?(?:(\d{1,7})S)?)?)$`)

// parseDuration reads a DURATION as days of the calendar and time of the stopwatch.
func parseDuration(text string) (days int, span uptally.Duration, ok bool) {
	m := durationForm.FindStringSubmatch(strings.ToUpper(text))
	if m == nil || strings.HasSuffix(text, "T") {
		return 0, 0, false
	}
	n := func(i int) int { v, _ := strconv.Atoi(m[i]); return v }
	span = uptally.Duration(n(3))*uptally.Hour + uptally.Duration(n(4))*uptally.Minute + uptally.Duration(n(5))*uptally.Second
	return 7*n(1) + n(2), span, true
}

// icalText writes a time as it was written.
func icalText(t icalTime) string {
	text := strings.ReplaceAll(t.Day.String(), "-", "")
	if t.isDate {
		return text
	}
	clock := time.UnixMilli(int64(t.Clock)).UTC().Format("150405")
	if t.utc {
		clock += "Z"
	}
	return text + "T" + clock
}
