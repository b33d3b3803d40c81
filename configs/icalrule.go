package configs

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/uptally/uptally/agreements"
	"github.com/uptally/uptally/agreements/recurrence"
)

// zoneOf is the zone that a time is in: its TZID, UTC, or the reader's own for days and times without one.
func (r *icalReader) zoneOf(tzid string, t icalTime) (*time.Location, error) {
	switch {
	case t.utc:
		return time.UTC, nil
	case t.floating && r.zone == nil:
		return nil, errors.New("a time in UTC or with a TZID, or a time zone beside the file")
	case t.floating:
		return r.zone, nil
	}
	zone, err := time.LoadLocation(tzid)
	if err != nil || tzid == "" || tzid == "Local" {
		return nil, errors.New("an IANA time zone as TZID, such as Europe/Berlin")
	}
	return zone, nil
}

// The largest numbers of a rule; what is larger means something else than it says.
const (
	maxInterval = 9999
	maxCount    = 99999
)

var (
	icalFrequencies = map[string]recurrence.Frequency{"DAILY": recurrence.Daily, "WEEKLY": recurrence.Weekly, "MONTHLY": recurrence.Monthly, "YEARLY": recurrence.Yearly}
	icalDays        = []string{"SU", "MO", "TU", "WE", "TH", "FR", "SA"}
	ruleParts       = strings.Fields("FREQ INTERVAL COUNT UNTIL BYDAY BYMONTHDAY BYMONTH BYSETPOS WKST")
)

// rule reads RRULE. Source: RFC 5545, 3.3.10.
func (r *icalReader) rule(once map[string]icalLine, start icalTime, e *icalEvent) {
	l, written := once["RRULE"]
	if !written {
		return
	}
	rule, err := r.ruleOf(l, start)
	if err != nil {
		r.wrong(l.line, l.name, l.value, err.Error())
		return
	}
	e.Rule = &rule
	if !e.Synchronized() {
		r.wrong(l.line, l.name, l.value, "a rule whose first day is DTSTART; RFC 5545 does not say what another means")
		e.Rule = nil
	}
}

func (r *icalReader) ruleOf(l icalLine, start icalTime) (recurrence.Rule, error) {
	rule := recurrence.Rule{Interval: 1, Until: agreements.Forever, WeekStart: time.Monday}
	parts := map[string]string{}
	for _, part := range strings.Split(strings.ToUpper(l.value), ";") {
		key, value, ok := strings.Cut(part, "=")
		if _, twice := parts[key]; !ok || value == "" || twice {
			return rule, errors.New("parts such as FREQ=WEEKLY, each once, with semicolons between them")
		}
		if !slices.Contains(ruleParts, key) {
			return rule, errors.New("only the parts " + strings.Join(ruleParts, ", ") + "; " + key + " is not supported")
		}
		parts[key] = value
	}
	var err error
	for _, key := range ruleParts {
		if value, ok := parts[key]; ok && err == nil {
			err = r.part(&rule, l, key, value, start)
		}
	}
	if err == nil {
		err = sensible(rule, parts)
	}
	return rule, err
}

// part reads one part of a rule.
func (r *icalReader) part(rule *recurrence.Rule, l icalLine, key, value string, start icalTime) (err error) {
	switch key {
	case "FREQ":
		if rule.Frequency = icalFrequencies[value]; rule.Frequency == 0 {
			err = errors.New("FREQ=DAILY, WEEKLY, MONTHLY or YEARLY; nothing shorter is supported")
		}
	case "INTERVAL":
		rule.Interval, err = numberPart(key, value, 1, maxInterval)
	case "COUNT":
		rule.Count, err = numberPart(key, value, 1, maxCount)
	case "UNTIL":
		rule.Until, err = r.until(l, value, start)
	case "BYDAY":
		rule.Weekdays, err = weekdayParts(value)
	case "BYMONTHDAY":
		rule.MonthDays, err = numberParts(key, value, 31, true)
	case "BYMONTH":
		var months []int
		months, err = numberParts(key, value, 12, false)
		for _, m := range months {
			rule.Months = append(rule.Months, time.Month(m))
		}
	case "BYSETPOS":
		rule.Positions, err = numberParts(key, value, 366, true)
	case "WKST":
		i := slices.Index(icalDays, value)
		if rule.WeekStart = time.Weekday(i); i < 0 {
			err = errors.New("WKST=MO or another day")
		}
	}
	return err
}

// sensible wants parts that mean something together.
func sensible(rule recurrence.Rule, parts map[string]string) error {
	numbered := slices.ContainsFunc(rule.Weekdays, func(w recurrence.Weekday) bool { return w.Nth != 0 })
	switch {
	case rule.Frequency == 0:
		return errors.New("FREQ=DAILY, WEEKLY, MONTHLY or YEARLY")
	case parts["COUNT"] != "" && parts["UNTIL"] != "":
		return errors.New("one of COUNT and UNTIL")
	case rule.Frequency == recurrence.Weekly && len(rule.MonthDays) > 0:
		return errors.New("no BYMONTHDAY in a weekly rule")
	case numbered && rule.Frequency < recurrence.Monthly:
		return errors.New("numbered days such as 2MO only in a monthly or yearly rule")
	case slices.ContainsFunc(rule.Weekdays, func(w recurrence.Weekday) bool { return w.Nth < -5 || w.Nth > 5 }) &&
		(rule.Frequency == recurrence.Monthly || len(rule.Months) > 0):
		return errors.New("numbered days from 1 to 5, or -1 to -5, of a month")
	case len(rule.Positions) > 0 && len(rule.Weekdays)+len(rule.MonthDays)+len(rule.Months) == 0:
		return errors.New("BYSETPOS only beside BYDAY, BYMONTHDAY or BYMONTH")
	}
	return nil
}

// until reads the last instant of a rule: a day where the event is of whole days, a time in UTC where it has a zone.
func (r *icalReader) until(l icalLine, value string, start icalTime) (int64, error) {
	params := map[string]string{}
	want := "UNTIL as a time in UTC, such as 20261231T225959Z, because DTSTART has a zone"
	switch {
	case start.isDate:
		params["VALUE"], want = "DATE", "UNTIL as a day, such as 20261231, as DTSTART is"
	case start.floating:
		want = "UNTIL as a time without Z, such as 20261231T235959, as DTSTART is"
	}
	inner := icalReader{zone: r.zone}
	t, ok := inner.time(icalLine{line: l.line, name: l.name, params: params}, value)
	if !ok || !start.isDate && t.utc == start.floating {
		return 0, errors.New(want)
	}
	return t.At(), nil
}

func numberPart(key, value string, least, most int) (int, error) {
	n, err := strconv.Atoi(value)
	if err != nil || n < least || n > most {
		return 0, fmt.Errorf("%s from %d to %d", key, least, most)
	}
	return n, nil
}

// numberParts reads numbers from 1, and from -1 down where they may count from the end.
func numberParts(key, value string, most int, fromEnd bool) ([]int, error) {
	least := 1
	if fromEnd {
		least = -most
	}
	var ns []int
	for _, text := range strings.Split(value, ",") {
		n, err := numberPart(key, text, least, most)
		if err != nil || n == 0 {
			return nil, fmt.Errorf("%s from %d to %d without 0", key, least, most)
		}
		ns = append(ns, n)
	}
	return ns, nil
}

// weekdayParts reads BYDAY: MO, 2MO, -1SU.
func weekdayParts(value string) ([]recurrence.Weekday, error) {
	var ws []recurrence.Weekday
	for _, text := range strings.Split(value, ",") {
		nth, day := 0, max(0, len(text)-2)
		i := slices.Index(icalDays, text[day:])
		var err error
		if day > 0 {
			if nth, err = numberPart("BYDAY", text[:day], -53, 53); nth == 0 {
				i = -1
			}
		}
		if i < 0 || err != nil {
			return nil, errors.New("BYDAY=MO, 2MO, -1SU and the like")
		}
		ws = append(ws, recurrence.Weekday{Nth: nth, Day: time.Weekday(i)})
	}
	return ws, nil
}
