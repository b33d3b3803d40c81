package schedule

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// ms reads an instant in RFC 3339.
func ms(t testing.TB, s string) int64 {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		t.Fatal(err)
	}
	return at.UnixMilli()
}

func utc(at int64) string {
	if at == Never {
		return "never"
	}
	return time.UnixMilli(at).UTC().Format("2006-01-02T15:04:05.999Z07:00")
}

func TestCronNext(t *testing.T) {
	for _, c := range []struct{ name, expr, after, want string }{
		{"every five minutes", "*/5 * * * *", "2026-11-22T10:00:00Z", "2026-11-22T10:05:00Z"},
		{"a slot is after the instant, by a millisecond too", "*/5 * * * *", "2026-11-22T10:04:59.999Z", "2026-11-22T10:05:00Z"},
		{"*/7 begins again every hour", "*/7 * * * *", "2026-11-22T10:56:00Z", "2026-11-22T11:00:00Z"},
		{"day of month and day of week mean either: Monday the 23rd", "0 0 13 * 1", "2026-11-22T00:00:00Z", "2026-11-23T00:00:00Z"},
		{"02:30 exists on the day when summer time begins elsewhere", "30 2 * * *", "2026-03-28T02:30:00Z", "2026-03-29T02:30:00Z"},
		{"01:30 comes once on the day when it ends", "30 1 * * *", "2026-10-25T01:30:00Z", "2026-10-26T01:30:00Z"},
		{"29 February waits for a leap year", "0 0 29 2 *", "2026-11-22T00:00:00Z", "2028-02-29T00:00:00Z"},
		{"names", "0 9 * jan mon-fri", "2026-11-22T00:00:00Z", "2027-01-01T09:00:00Z"},
		{"blanks around and between", "  0  9 * *\t* ", "2026-11-22T00:00:00Z", "2026-11-22T09:00:00Z"},
		{"before 1970", "0 0 * * *", "1969-12-31T12:00:00Z", "1970-01-01T00:00:00Z"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := ParseCron(c.expr)
			if err != nil {
				t.Fatal(err)
			}
			if got := utc(s.Next(ms(t, c.after))); got != c.want {
				t.Errorf("%q after %s: got %s, want %s", c.expr, c.after, got, c.want)
			}
		})
	}
}

func TestCronRefuses(t *testing.T) {
	const form = `got %q, want five cron fields in UTC, such as */5 * * * *: %s`
	for expr, why := range map[string]string{
		"":                        "there are 0 fields",
		"* * * *":                 "there are 4 fields",
		"0 * * * * *":             "there are 6 fields",
		"@every 500ms":            "an interval is written as every: 31s",
		" @daily":                 "an interval is written as every: 31s",
		"TZ=UTC":                  "a time zone is not possible here", // the library panics
		"CRON_TZ=":                "a time zone is not possible here",
		"CRON_TZ=UTC 0 9 * * *":   "a time zone is not possible here",
		"0 0 31 2 *":              "this date never comes",
		"0 0 30,31 feb *":         "this date never comes",
		"0 0 * * 7":               "end of range (7) above maximum (6): 7",
		"60 * * * *":              "end of range (60) above maximum (59): 60",
		"*/0 * * * *":             "step of range should be a positive number: */0",
		"*-5 * * * *":             `a range cannot begin with "*"`, // the library reads *
		", * * * *":               `there is nothing beside a comma of ","`,
		"1,,2 * * * *":            `there is nothing beside a comma of "1,,2"`,
		"x * * * *":               `failed to parse int from x: strconv.Atoi: parsing "x": invalid syntax`,
		"0 0 1-2-3 * *":           "too many hyphens: 1-2-3",
		"0 0 1 * * # every month": "there are 8 fields",
	} {
		_, err := ParseCron(expr)
		if want := fmt.Sprintf(form, expr, why); err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}

func TestZeroCronHasNoSlot(t *testing.T) {
	if got := (CronSchedule{}).Next(0); got != Never {
		t.Errorf("got %d, want Never", got)
	}
}

func FuzzParseCron(f *testing.F) {
	for _, seed := range []string{"*/5 * * * *", "0 9 * jan-mar mon,fri", "TZ=", "CRON_TZ=UTC", "@every 1s", "0 0 31 2 *", "*-5 * * * *", "5/99 ? 1-31/7 */2 0-6"} {
		f.Add(seed, int64(1_795_305_600_000))
	}
	f.Fuzz(func(t *testing.T, expr string, after int64) {
		s, err := ParseCron(expr)
		if err != nil || after < 0 || after > 1<<42 {
			return
		}
		if again, err := ParseCron(strings.Join(strings.Fields(expr), " ")); err != nil || again.Next(after) != s.Next(after) {
			t.Fatalf("blanks changed %q", expr)
		}
		next := s.Next(after)
		if next <= after || next != Never && next%60_000 != 0 {
			t.Fatalf("%q after %d: got %d, want a later full minute", expr, after, next)
		}
	})
}
