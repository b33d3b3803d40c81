package configs

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/agreements"
)

// calendarAt loads a calendar file without problems.
func calendarAt(t *testing.T, file string) agreements.Calendar {
	t.Helper()
	l := newLoader()
	d := open(file)
	c := l.calendar(d)
	l.take(d)
	if len(l.problems) > 0 {
		t.Fatal(l.problems)
	}
	return c
}

func day(t *testing.T, text string) agreements.Date {
	t.Helper()
	d, err := agreements.ParseDate(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Both years have 261 Mondays to Fridays. 2025: 18 of them closed, 5 weekend days worked; 2026: 19 closed, 6 worked.
// Either makes 248 working days of eight hours.
func TestChineseCalendar(t *testing.T) {
	c := calendarAt(t, "calendars/cn-5x8.yaml")
	shanghai, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		t.Fatal(err)
	}
	for _, year := range []string{"2025", "2026"} {
		p, err := agreements.ParsePeriod(year, shanghai)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := c.Open(shanghai, p).Millis(), int64(248*8*uptally.Hour); got != want || c.Known(shanghai, p) != nil {
			t.Errorf("%s: got %d ms, want %d; %v", year, got, want, c.Known(shanghai, p))
		}
	}
	for text, want := range map[string]string{
		"2025-10-08": "National Day and Mid-Autumn Festival []",
		"2026-02-15": "Spring Festival []",
		"2026-02-23": "Spring Festival []",
		"2026-02-24": " [09:00-12:00 13:00-18:00]", // Tuesday
		"2026-10-10": "worked for National Day [09:00-12:00 13:00-18:00]",
		"2026-10-11": " []", // Sunday
	} {
		if got := fmt.Sprint(c.Words[day(t, text)], " ", c.Hours(day(t, text))); got != want {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
	if diff := cmp.Diff([]int{2025, 2026}, c.Years); diff != "" {
		t.Error(diff)
	}
}

// Every key of a calendar file at once; what the calendar says of a day itself wins over the holiday file.
func TestCalendarKeys(t *testing.T) {
	dir := write(t, map[string]string{
		"days.yaml": "holidays: days\nsource: the notice of 1 May 2025\nyears: [2026]\n" +
			"closed: { 2026-01-01: New Year, 2026-05-01: May Day, 2026-12-24 to 2026-12-26: Christmas }\nworked: { 2026-01-03: for New Year }\n",
		"c.yaml": "calendar: plant\nyears: [2026]\nweekly: { mon: [\"22:00-06:00\"], fri: [\"09:00-12:00\", \"13:00-18:00\"] }\n" +
			"holidays: { files: [days.yaml] }\nclosed: { 2026-08-03 to 2026-08-04: works holiday, 2026-08-10: \"\" }\n" +
			"worked: { 2026-08-08: stock-taking }\nworked_hours: [\"08:00-12:00\"]\n" +
			"dates: { 2026-05-01: [\"09:00-12:00\"], 2026-12-24: [\"09:00-12:00\"], 2025-12-31: [] }\nwords: { 2026-12-24: Christmas Eve, 2025-12-31: \"\" }\n",
	})
	c := calendarAt(t, filepath.Join(dir, "c.yaml"))
	for text, want := range map[string]string{
		"2026-01-01": "New Year []",
		"2026-01-02": " [09:00-12:00 13:00-18:00]",
		"2026-01-03": "for New Year [08:00-12:00]",
		"2026-01-05": " [22:00-06:00]",
		"2026-05-01": "May Day [09:00-12:00]",
		"2026-08-03": "works holiday []",
		"2026-08-04": "works holiday []",
		"2026-08-08": "stock-taking [08:00-12:00]",
		"2026-08-10": " []",
		"2026-12-24": "Christmas Eve [09:00-12:00]",
		"2026-12-25": "Christmas []",
		"2025-12-31": " []",
	} {
		if got := fmt.Sprint(c.Words[day(t, text)], " ", c.Hours(day(t, text))); got != want {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
	if got := fmt.Sprint(c.Years, len(c.Dates)); got != "[2026] 11" {
		t.Errorf("got %s", got)
	}
}
