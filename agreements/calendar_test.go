package agreements

import (
	"slices"
	"testing"
	"time"

	"github.com/uptally/uptally"
	"pgregory.net/rapid"
)

const hourMS = int64(uptally.Hour)

func period(t testing.TB, text string, z *time.Location) Interval {
	p, err := ParsePeriod(text, z)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func builtin(t testing.TB, name string) Calendar {
	c, ok := BuiltinCalendar(name)
	if !ok {
		t.Fatalf("no built-in calendar %q", name)
	}
	return c
}

// hours is a clock span of whole or half hours.
func hours(from, to float64) ClockSpan {
	return ClockSpan{uptally.Duration(from * float64(uptally.Hour)), uptally.Duration(to * float64(uptally.Hour))}
}

func TestWindowAtAClockChange(t *testing.T) {
	berlin, apia := zone(t, "Europe/Berlin"), zone(t, "Pacific/Apia")
	for _, c := range []struct {
		name     string
		zone     *time.Location
		span     ClockSpan
		day      string
		from, to string
	}{
		{"spring, over the missing hour", berlin, hours(1, 4), "2026-03-29", "2026-03-29T01:00:00+01:00", "2026-03-29T04:00:00+02:00"}, // 2 h
		{"spring, from inside the missing hour", berlin, hours(2.5, 4), "2026-03-29", "2026-03-29T03:00:00+02:00", "2026-03-29T04:00:00+02:00"},
		{"spring, until inside the missing hour", berlin, hours(1, 2.5), "2026-03-29", "2026-03-29T01:00:00+01:00", "2026-03-29T03:00:00+02:00"},
		{"spring, only the missing hour", berlin, hours(2, 3), "2026-03-29", "", ""},
		{"spring, the whole day", berlin, hours(0, 24), "2026-03-29", "2026-03-29T00:00:00+01:00", "2026-03-30T00:00:00+02:00"},   // 23 h
		{"autumn, over both passes", berlin, hours(1, 4), "2026-10-25", "2026-10-25T01:00:00+02:00", "2026-10-25T04:00:00+01:00"}, // 4 h
		{"autumn, from the first pass", berlin, hours(2.5, 4), "2026-10-25", "2026-10-25T02:30:00+02:00", "2026-10-25T04:00:00+01:00"},
		{"autumn, until the first pass", berlin, hours(1, 2.5), "2026-10-25", "2026-10-25T01:00:00+02:00", "2026-10-25T02:30:00+02:00"},
		{"autumn, the whole day", berlin, hours(0, 24), "2026-10-25", "2026-10-25T00:00:00+02:00", "2026-10-26T00:00:00+01:00"}, // 25 h
		{"a day that the calendar skips", apia, hours(9, 17), "2011-12-30", "", ""},
		{"the day before it, until midnight", apia, hours(9, 24), "2011-12-29", "2011-12-29T09:00:00-10:00", "2011-12-31T00:00:00+14:00"}, // 15 h
	} {
		t.Run(c.name, func(t *testing.T) {
			d, _ := ParseDate(c.day)
			cal := Calendar{Dates: map[Date][]ClockSpan{d: {c.span}}}
			var want Set
			if c.from != "" {
				want = Set{{ms(c.from), ms(c.to)}}
			}
			around := Interval{d.Start(c.zone) - 100*hourMS, d.Start(c.zone) + 100*hourMS}
			if got := cal.Open(c.zone, around); !slices.Equal(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

// Lunch breaks, a Saturday that is a working day, a half day, a holiday, and a night shift that two days share.
func TestDatesReplaceTheHoursOfAWeekday(t *testing.T) {
	shanghai := zone(t, "Asia/Shanghai")
	c := Calendar{Name: "cn", Dates: map[Date][]ClockSpan{
		{2026, 10, 1}:  {},                              // Thursday, holiday
		{2026, 10, 10}: {hours(9, 12), hours(13.5, 18)}, // Saturday, made up
		{2026, 10, 9}:  {hours(9, 12)},                  // Friday, half day
		{2026, 10, 12}: {hours(22, 24)},                 // Monday, the night …
		{2026, 10, 13}: {hours(0, 6)},                   // … to Tuesday
	}}
	for d := time.Monday; d <= time.Friday; d++ {
		c.Weekly[d] = []ClockSpan{hours(13.5, 18), hours(9, 12)} // in any order
	}
	open := c.Open(shanghai, period(t, "2026-10", shanghai))
	for day, want := range map[string]int64{"01": 0, "02": 15, "03": 0, "08": 15, "09": 6, "10": 15, "11": 0, "12": 4, "13": 12} { // half hours
		from := ms("2026-10-" + day + "T00:00:00+08:00")
		if got := open.Clip(Interval{from, from + 24*hourMS}).Millis() * 2 / hourMS; got != want {
			t.Errorf("October %s: open %d half hours, want %d", day, got, want)
		}
	}
	if night := (Interval{ms("2026-10-12T22:00:00+08:00"), ms("2026-10-13T06:00:00+08:00")}); !slices.Contains(open, night) {
		t.Errorf("the night shift is not one stretch: %v", open)
	}
}

func TestWindowIsCutToThePeriod(t *testing.T) {
	at := ms("2026-06-03T12:00:00Z") // Wednesday
	got := builtin(t, "5x8").Open(time.UTC, Interval{at, at + 24*hourMS})
	want := Set{{at, at + 5*hourMS}, {at + 21*hourMS, at + 24*hourMS}}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := builtin(t, "24x7").Open(time.UTC, Interval{-5, 10}); !slices.Equal(got, Set{{-5, 10}}) {
		t.Errorf("24x7 before 1970: %v", got)
	}
	if got := builtin(t, "5x8").Open(time.UTC, Interval{5, 5}); got != nil {
		t.Errorf("an empty period is open: %v", got)
	}
}

// A piece of a window is the window of the piece: opening never depends on where the period begins.
func TestWindowOfAPartIsThePartOfTheWindow(t *testing.T) {
	zones := []*time.Location{zone(t, "Europe/Berlin"), zone(t, "Africa/Cairo"), zone(t, "Australia/Lord_Howe"), zone(t, "Pacific/Apia"), time.UTC}
	rapid.Check(t, func(t *rapid.T) {
		z := rapid.SampledFrom(zones).Draw(t, "zone")
		from := rapid.Int64Range(ms("2011-01-01T00:00:00Z")/hourMS, ms("2027-01-01T00:00:00Z")/hourMS).Draw(t, "from") * hourMS
		c := drawCalendar(t, localDate(from, z))
		whole := Interval{from, from + rapid.Int64Range(1, 900).Draw(t, "hours")*hourMS}
		part := Interval{whole.From + rapid.Int64Range(0, whole.Len()).Draw(t, "a"), whole.From + rapid.Int64Range(0, whole.Len()).Draw(t, "b")}
		if got, want := c.Open(z, part), c.Open(z, whole).Clip(part); !slices.Equal(got, want) {
			t.Fatalf("part %v: got %v, want %v", part, got, want)
		}
	})
}

// drawCalendar draws hours in whole minutes, also over midnight, and dates around from that replace them.
func drawCalendar(t *rapid.T, around Date) Calendar {
	c := Calendar{Dates: map[Date][]ClockSpan{}}
	day := rapid.Custom(func(t *rapid.T) []ClockSpan {
		var spans []ClockSpan
		for range rapid.IntRange(0, 2).Draw(t, "spans") {
			from := rapid.IntRange(0, 24*60-1).Draw(t, "opens")
			length := rapid.IntRange(1, 24*60).Draw(t, "length")
			spans = append(spans, ClockSpan{uptally.Duration(from) * uptally.Minute, uptally.Duration(from+length) * uptally.Minute})
		}
		return spans
	})
	for d := range c.Weekly {
		c.Weekly[d] = day.Draw(t, "weekday")
	}
	for range rapid.IntRange(0, 3).Draw(t, "dates") {
		c.Dates[around.AddDays(rapid.IntRange(-2, 8).Draw(t, "date"))] = day.Draw(t, "dated")
	}
	return c
}

func TestCalendarProblems(t *testing.T) {
	c := Calendar{Name: "odd", Dates: map[Date][]ClockSpan{
		{2026, 12, 24}: {hours(12, 12)},
		{2026, 1, 2}:   {hours(9, 12), hours(11, 13)},
	}}
	c.Weekly[time.Monday] = []ClockSpan{hours(9, 12), hours(20, 45), hours(11.5, 14), hours(24, 25)}
	c.Years = []int{2026, 2025, 2025}
	const hoursWanted = "times of day that differ, such as 09:00-17:00, 22:00-06:00 over midnight, or 00:00-24:00"
	want := []string{
		`weekly.mon[1]: got "20:00-21:00", want ` + hoursWanted, // of the next day: 25 h
		`weekly.mon[2]: got "11:30-14:00", want no overlap with 09:00-12:00`,
		`weekly.mon[3]: got "24:00-01:00", want ` + hoursWanted,
		`weekly.mon[3]: got "24:00-01:00", want no overlap with 20:00-21:00`,
		`dates.2026-01-02[1]: got "11:00-13:00", want no overlap with 09:00-12:00`,
		`dates.2026-12-24[0]: got "12:00-12:00", want ` + hoursWanted,
		`years[1]: got "2025", want each year once, in order`,
		`years[2]: got "2025", want each year once, in order`,
	}
	expectProblems(t, c.Validate(), want)
	expectProblems(t, Calendar{Name: "never", Dates: map[Date][]ClockSpan{{2026, 1, 1}: {}}}.Validate(),
		[]string{"weekly: got nothing, want hours on some day: this window never opens"})
	expectProblems(t, Calendar{Always: true, Weekly: c.Weekly}.Validate()[4:], []string{`always: got "true", want no hours beside it`})
	for _, name := range []string{"24x7", "5x8", "5x9"} {
		expectProblems(t, builtin(t, name).Validate(), nil)
	}
	if _, ok := BuiltinCalendar("6x9"); ok {
		t.Error("6x9 is built in")
	}
}

func expectProblems(t *testing.T, got []uptally.Problem, want []string) {
	t.Helper()
	var lines []string
	for _, p := range got {
		lines = append(lines, p.String())
	}
	if !slices.Equal(lines, want) {
		t.Errorf("got problems\n%q\nwant\n%q", lines, want)
	}
}

func TestClockSpanText(t *testing.T) {
	if got := (ClockSpan{9*uptally.Hour + 30*uptally.Minute, 17*uptally.Hour + 5*uptally.Second + 7}).String(); got != "09:30-17:00:05.007" {
		t.Errorf("got %s", got)
	}
}
