package statements

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/agreements"
)

// nightWatch is open at night, Monday to Friday, and on a Saturday by day; the second of three closed days in a row has
// words of its own.
func nightWatch() agreements.Calendar {
	c := agreements.Calendar{Name: "night", Years: []int{2026}, Dates: map[agreements.Date][]agreements.ClockSpan{}, Words: map[agreements.Date]string{}}
	for d := time.Monday; d <= time.Friday; d++ {
		c.Weekly[d] = []agreements.ClockSpan{{From: 22 * uptally.Hour, To: 30 * uptally.Hour}}
	}
	for day, words := range map[int]string{6: "strike", 7: "strike", 8: "<strike & more>", 17: "stock-taking"} {
		d := agreements.Date{Year: 2026, Month: 10, Day: day}
		c.Dates[d], c.Words[d] = nil, words
	}
	c.Dates[agreements.Date{Year: 2026, Month: 10, Day: 17}] = []agreements.ClockSpan{{From: 8 * uptally.Hour, To: 12*uptally.Hour + 30*uptally.Minute}}
	return c
}

func sheet(t *testing.T, c agreements.Calendar, zoneName, period string) *CalendarSheet {
	t.Helper()
	zone, err := time.LoadLocation(zoneName)
	if err != nil {
		t.Fatal(err)
	}
	p, err := agreements.ParsePeriod(period, zone)
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewCalendarSheet(c, zone, zoneName, period, p)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// October 2026 has 22 nights of Monday to Friday, less three of the strike; the last, of Friday 30, is whole; the night of
// Wednesday 30 September reaches six hours into the month: 6 + 19 × 8 + 4.5 = 162.5 h. The clock goes back on Sunday 25,
// outside of the hours.
func TestCalendarSheetGolden(t *testing.T) {
	s := sheet(t, nightWatch(), "Europe/Berlin", "2026-10")
	var text bytes.Buffer
	if err := s.Text(&text); err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/calendar-night.txt"
	if *update {
		if err := os.WriteFile(golden, text.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), text.String()); diff != "" {
		t.Error(diff)
	}
	if s.Open != int64(1625*uptally.Hour/10) {
		t.Errorf("got %s, want 162:30", hourText(s.Open))
	}
}

// The days of the grid make up the period, and their hours the service time, also where a day has 23 or 25 hours and
// where the zone skips a day.
func TestCalendarSheetAddsUp(t *testing.T) {
	always, _ := agreements.BuiltinCalendar("24x7")
	for _, c := range []struct {
		calendar     agreements.Calendar
		zone, period string
		days         int
	}{
		{nightWatch(), "Europe/Berlin", "2026-Q4", 92},
		{always, "America/New_York", "2026", 365},
		{always, "Pacific/Apia", "2011-12", 30},
		{always, "Australia/Lord_Howe", "2026-04-04T12:00:00Z/2026-04-06T12:00:00Z", 3},
	} {
		s := sheet(t, c.calendar, c.zone, c.period)
		days, weeks, months, length := 0, int64(0), int64(0), int64(0)
		for _, m := range s.Months {
			months += m.Open
			for _, w := range m.Weeks {
				weeks += w.Open
				for _, d := range w.Days {
					if d != nil {
						days++
						length += (agreements.Set{d.At}).Clip(s.At).Millis()
					}
				}
			}
		}
		if days != c.days || weeks != s.Open || months != s.Open || length != s.At.Len() {
			t.Errorf("%s %s: got %d days, %d in weeks, %d in months, %d long; want %d, %d, %d", c.zone, c.period, days, weeks, months, length, c.days, s.Open, s.At.Len())
		}
	}
}

func TestCalendarSheetSaysWhatTheClockDoes(t *testing.T) {
	always, _ := agreements.BuiltinCalendar("24x7")
	for _, c := range []struct{ zone, period, want string }{
		{"Europe/Berlin", "2026", "Sun 2026-03-29: 02:00 +01:00 becomes 03:00 +02:00, the clock skips 1 h\nSun 2026-10-25: 03:00 +02:00 becomes 02:00 +01:00, the clock shows 1 h twice"},
		{"Australia/Lord_Howe", "2026-04", "Sun 2026-04-05: 02:00 +11:00 becomes 01:30 +10:30, the clock shows 30 min twice"},
		{"Asia/Shanghai", "2026", ""},
	} {
		var lines []string
		for _, change := range sheet(t, always, c.zone, c.period).Changes {
			lines = append(lines, change.Text())
		}
		if got := strings.Join(lines, "\n"); got != c.want {
			t.Errorf("%s: got %q, want %q", c.zone, got, c.want)
		}
	}
}

// The picture is well-formed, keeps inside of the page, and its words stay words.
func TestCalendarSheetPicture(t *testing.T) {
	for period, days := range map[string]int{"2026-10": 31, "2026-Q4": 92, "2026-02-01T00:00:00Z/2026-12-15T00:00:00Z": 317} {
		var svg bytes.Buffer
		if err := sheet(t, nightWatch(), "UTC", period).SVG(&svg); err != nil {
			t.Fatal(err)
		}
		cells, open, strikes, height := 0, 0, 0, 0.0
		for d := xml.NewDecoder(&svg); ; {
			token, err := d.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", period, err)
			}
			switch e := token.(type) {
			case xml.StartElement:
				a := attributes(e)
				if e.Name.Local == "svg" {
					height, _ = strconv.ParseFloat(strings.Fields(a["viewBox"])[3], 64)
				}
				for _, pair := range [][3]string{{"x", "width", "2100"}, {"y", "height", strconv.FormatFloat(height, 'f', 0, 64)}} {
					from, _ := strconv.Atoi(a[pair[0]])
					size, _ := strconv.Atoi(a[pair[1]])
					if most, _ := strconv.Atoi(pair[2]); from < 0 || size < 0 || e.Name.Local != "svg" && from+size > most {
						t.Errorf("%s: got %v outside of the page", period, a)
					}
				}
				if a["fill"] == "none" {
					cells++
				}
				if a["fill"] == colourOpen {
					open++
				}
			case xml.CharData:
				strikes += strings.Count(string(e), "<strike & more>")
			}
		}
		if cells != days || open < days/2 || strikes != 1 {
			t.Errorf("%s: got %d days, %d bars, %d strikes, want %d days and one strike", period, cells, open, strikes, days)
		}
	}
	always, _ := agreements.BuiltinCalendar("24x7")
	err := sheet(t, always, "UTC", "2024-01-01T00:00:00Z/2026-02-01T00:00:00Z").SVG(io.Discard)
	if got, want := err.Error(), `draw calendar "24x7": got 25 months, want at most 24 on a page`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func attributes(e xml.StartElement) map[string]string {
	m := map[string]string{}
	for _, a := range e.Attr {
		m[a.Name.Local] = a.Value
	}
	return m
}
