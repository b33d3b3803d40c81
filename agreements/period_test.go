package agreements

import (
	"testing"
	"time"
	_ "time/tzdata" // the tests do not depend on the machine's zones

	"github.com/uptally/uptally"
)

func zone(t testing.TB, name string) *time.Location {
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

// ms is an RFC 3339 instant in milliseconds.
func ms(text string) int64 {
	at, err := parseInstant(text)
	if err != nil {
		panic(err)
	}
	return at
}

func TestParsePeriod(t *testing.T) {
	const hour = int64(uptally.Hour)
	for _, c := range []struct {
		text, zone, from string
		hours            int64
	}{
		{"2026-10", "UTC", "2026-10-01T00:00:00Z", 744},
		{"2026-10", "Europe/Berlin", "2026-10-01T00:00:00+02:00", 745}, // the clock goes back
		{"2026-03", "Europe/Berlin", "2026-03-01T00:00:00+01:00", 743}, // and forward
		{"2028-02", "UTC", "2028-02-01T00:00:00Z", 696},
		{"2026-Q4", "Europe/Berlin", "2026-10-01T00:00:00+02:00", 92*24 + 1},
		{"2026-Q1", "UTC", "2026-01-01T00:00:00Z", 90 * 24},
		{"2026", "Asia/Shanghai", "2026-01-01T00:00:00+08:00", 365 * 24},
		{"2026-12", "Asia/Shanghai", "2026-12-01T00:00:00+08:00", 744},
		{"2026-10-05T08:00:00+02:00/2026-10-05T10:00:00Z", "Asia/Shanghai", "2026-10-05T06:00:00Z", 4},
	} {
		got, err := ParsePeriod(c.text, zone(t, c.zone))
		if want := (Interval{ms(c.from), ms(c.from) + c.hours*hour}); err != nil || got != want {
			t.Errorf("ParsePeriod(%q, %s) = %v, %v, want %v", c.text, c.zone, got, err, want)
		}
	}
}

func TestParsePeriodRefuses(t *testing.T) {
	const want = `, want a month such as 2026-10, a quarter such as 2026-Q4, a year such as 2026, or two instants A/B`
	for _, text := range []string{
		"", "26", "2026-", "2026-1", "2026-13", "2026-00", "2026-Q0", "2026-Q5", "2026-q1", "2026-10-01", "0000-01", "+026-01",
		"/", "2026-10/2026-11", "2026-10-01T00:00:00/2026-10-02T00:00:00Z", "2026-10-01T0:00:00Z/2026-10-02T00:00:00Z",
		"2026-10-01T00:00:00.0001Z/2026-10-02T00:00:00Z",
	} {
		if got, err := ParsePeriod(text, time.UTC); err == nil || err.Error() != `parse period: got "`+text+`"`+want {
			t.Errorf("ParsePeriod(%q) = %v, %v", text, got, err)
		}
	}
	const same = "2026-10-01T00:00:00Z/2026-10-01T02:00:00+02:00"
	if _, err := ParsePeriod(same, time.UTC); err == nil || err.Error() != `parse period: got "`+same+`", want the second instant after the first` {
		t.Errorf("an empty period: %v", err)
	}
}

func TestPeriodBeginsAtTheFirstInstantOfTheDay(t *testing.T) {
	for _, c := range []struct{ zone, date, want string }{
		{"Africa/Cairo", "2026-04-24", "2026-04-24T01:00:00+03:00"},       // midnight is skipped
		{"America/Havana", "2026-11-01", "2026-11-01T00:00:00-04:00"},     // midnight comes twice
		{"Pacific/Apia", "2011-12-30", "2011-12-31T00:00:00+14:00"},       // the day is skipped
		{"Africa/Monrovia", "1972-01-07", "1972-01-07T00:44:30+00:00"},    // skipped by 44 min 30 s
		{"Pacific/Kiritimati", "2026-01-01", "2026-01-01T00:00:00+14:00"}, // the largest offset
	} {
		d, err := ParseDate(c.date)
		if err != nil {
			t.Fatal(err)
		}
		if got := d.Start(zone(t, c.zone)); got != ms(c.want) {
			t.Errorf("%s begins in %s at %s, want %s", d, c.zone, time.UnixMilli(got).In(zone(t, c.zone)).Format(time.RFC3339), c.want)
		}
	}
}

// Periods are half open: neighbours share an instant and no millisecond.
func TestPeriodsMeet(t *testing.T) {
	berlin := zone(t, "Europe/Berlin")
	last := Interval{}
	for _, text := range []string{"2026-09", "2026-10", "2026-11", "2026-12", "2027-01"} {
		p, err := ParsePeriod(text, berlin)
		if err != nil {
			t.Fatal(err)
		}
		if last != (Interval{}) && p.From != last.To {
			t.Errorf("%s begins at %d, the month before ends at %d", text, p.From, last.To)
		}
		last = p
	}
}

func TestParseDate(t *testing.T) {
	for _, text := range []string{"", "2026-2-01", "2026-02-30", "2026-02-01T00:00:00Z"} {
		if _, err := ParseDate(text); err == nil || err.Error() != `parse date: got "`+text+`", want a day such as 2026-10-01` {
			t.Errorf("ParseDate(%q): %v", text, err)
		}
	}
}

func FuzzParsePeriod(f *testing.F) {
	for _, s := range []string{"2026-10", "2026-Q4", "2026", "2026-10-05T08:00:00+02:00/2026-10-05T10:00:00Z", "9999-12"} {
		f.Add(s)
	}
	berlin := zone(f, "Europe/Berlin")
	f.Fuzz(func(t *testing.T, text string) {
		if p, err := ParsePeriod(text, berlin); err == nil && p.Empty() {
			t.Fatalf("%q is the empty period %v", text, p)
		}
	})
}
