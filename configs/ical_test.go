package configs

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/uptally/uptally/agreements"
)

// Nine holidays: Easter's four and five that come every year, two of them Christmas; 3 October 2026 and 26 December 2026
// are Saturdays. 261 Mondays to Fridays less 7, of nine hours each, less six hours on each of the two eves:
// 254 × 9 − 2 × 6 = 2,274 h, and on neither clock change a minute more or less.
func TestGermanCalendar(t *testing.T) {
	c := calendarAt(t, "calendars/de-5x9.yaml")
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	p, err := agreements.ParsePeriod("2026", berlin)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := c.Open(berlin, p).Millis(), int64(2274*3600*1000); got != want {
		t.Errorf("got %d ms, want %d", got, want)
	}
	var got []string
	for d := p.From; d < p.To; d += 24 * 3600 * 1000 {
		y, m, n := time.UnixMilli(d + 12*3600*1000).In(berlin).Date()
		day := agreements.Date{Year: y, Month: m, Day: n}
		if hours, dated := c.Dates[day]; dated {
			got = append(got, fmt.Sprint(day, " ", c.Words[day], " ", hours))
		}
	}
	want := []string{
		"2026-01-01 Neujahr []", "2026-04-03 Karfreitag []", "2026-04-06 Ostermontag []", "2026-05-01 Tag der Arbeit []",
		"2026-05-14 Christi Himmelfahrt []", "2026-05-25 Pfingstmontag []", "2026-10-03 Tag der Deutschen Einheit []",
		"2026-12-24 Heiligabend [09:00-12:00]", "2026-12-25 Weihnachten []", "2026-12-26 Weihnachten []", "2026-12-31 Silvester [09:00-12:00]",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Planned work of a file as entries: the second Sundays of October to January but for November's, which was moved by a
// week, and December's, which was left out; a cancelled event; and a time without zone, over the end of summer time:
// 20:00 +02 to 06:00 +01 is eleven hours.
func TestFactsFromACalendar(t *testing.T) {
	work, err := filepath.Abs("testdata/sound/work.ics")
	if err != nil {
		t.Fatal(err)
	}
	dir := write(t, map[string]string{"facts.yaml": "maintenance:\n" +
		"  - { ical: " + work + ", time_zone: Europe/Berlin, to: 2027-02-01T00:00:00Z, announced: 2026-09-01T00:00:00Z, services: [portal], by: kim }\n" +
		"  - { from: 2026-12-01T00:00:00Z, to: 2026-12-01T01:00:00Z, announced: 2026-11-01T00:00:00Z, id: 3 }\n"})
	facts, err := LoadFacts(filepath.Join(dir, "facts.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range facts {
		at := func(ms int64) string { return time.UnixMilli(ms).UTC().Format(time.RFC3339) }
		got = append(got, fmt.Sprint(f.ID, " ", at(f.From), " ", at(f.To), " ", f.Services, " ", f.By, " ", f.Reason))
	}
	want := []string{
		"1 2026-10-11T00:00:00Z 2026-10-11T04:00:00Z [portal] kim Patch day, both sites",
		"2 2026-10-24T18:00:00Z 2026-10-25T05:00:00Z [portal] kim Migration",
		"4 2026-11-15T01:00:00Z 2026-11-15T04:00:00Z [portal] kim Patch day, moved",
		"5 2027-01-10T01:00:00Z 2027-01-10T05:00:00Z [portal] kim Patch day, both sites",
		"3 2026-12-01T00:00:00Z 2026-12-01T01:00:00Z []  ",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Lines are folded at any octet, also inside of a character; parameters may be quoted; names know no case; a bare line
// feed ends a line as well.
func TestContentLines(t *testing.T) {
	f := icalFile{file: "f.ics"}
	got := f.lines([]byte("\ufeffBEGIN:VCALENDAR\r\nsummary;X-A=\"a:b;c\";language=de:Gr\xc3\r\n \xbc\xc3\x9fe\\, b\r\n\tis\\nc\n\nEND:VCALENDAR"))
	want := []icalLine{
		{1, "BEGIN", map[string]string{}, "VCALENDAR"},
		{2, "SUMMARY", map[string]string{"X-A": "a:b;c", "LANGUAGE": "de"}, `Grüße\, bis\nc`},
		{6, "END", map[string]string{}, "VCALENDAR"},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(icalLine{})); diff != "" || len(f.problems) > 0 {
		t.Error(diff, f.problems)
	}
	if text := f.text(want[1]); text != "Grüße, bis c" {
		t.Errorf("got %q", text)
	}
}

// Whatever the bytes, an iCalendar file reads or has problems on its lines; what was read takes place in order, and never
// before it began.
func FuzzIcal(f *testing.F) {
	seeds(f, "calendars/*.ics", "testdata/*.ics", "testdata/sound/*.ics")
	f.Add([]byte("BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART;VALUE=DATE:20261001\nRRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30\nEND:VEVENT\nEND:VCALENDAR\n"))
	f.Add([]byte("BEGIN:VCALENDAR\nBEGIN:VEVENT\nBEGIN:VALARM\nBEGIN:X\nEND:X\nEND:VALARM\nEND:VEVENT\nBEGIN:VTIMEZONE\nBEGIN:A\nEND:A\nEND:VTIMEZONE\nEND:VCALENDAR\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		end := agreements.Date{Year: 2030, Month: 1, Day: 1}.Start(time.UTC)
		all, problems := work("f.ics", data, time.UTC, agreements.Interval{From: agreements.Ever, To: end})
		for _, p := range problems {
			if p.Line < 1 || p.Line > 1+bytes.Count(data, []byte("\n")) || p.Want == "" {
				t.Errorf("got %v of %d lines", p, 1+bytes.Count(data, []byte("\n")))
			}
			if strings.ContainsAny(p.String(), "\n\r") {
				t.Errorf("got a problem of more than one line: %q", p.String())
			}
		}
		for i, o := range all {
			if o.Empty() || o.From >= end || i > 0 && o.From < all[i-1].From {
				t.Errorf("got %v after %v", o, all[:i])
			}
		}
	})
}
