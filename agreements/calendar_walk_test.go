package agreements

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/uptally/uptally"
	"pgregory.net/rapid"
)

// walk opens a calendar by looking at a clock once a minute. The clock never goes back: while the zone's hour repeats it
// stands still at the last minute of the first pass, which is the whole rule for repeated hours; it jumps over missing
// ones by itself. A minute is open where the hours of the day that the clock shows, or those of the day before counted
// on over midnight, have it inside.
func walk(c Calendar, zone *time.Location, in Interval) Set {
	const minute = int64(uptally.Minute)
	var open []Interval
	var shown int64 // milliseconds of the clock's face, as if it were UTC
	for at := in.From - 4*uptally.DayMillis; at < in.To; at += minute {
		t := time.UnixMilli(at).In(zone)
		_, offset := t.Zone()
		shown = max(shown, at+int64(offset)*1000)
		face := time.UnixMilli(shown).UTC()
		today, before := dateOf(face), dateOf(face.AddDate(0, 0, -1))
		clock := uptally.Duration(shown - today.civil().UnixMilli())
		covers := func(d Date, clock uptally.Duration) bool {
			day := c.Weekly[d.Weekday()]
			if dated, ok := c.Dates[d]; ok {
				day = dated
			}
			return slices.ContainsFunc(day, func(s ClockSpan) bool { return s.From <= clock && clock < s.To })
		}
		if at >= in.From && (c.Always || covers(today, clock) || covers(before, clock+dayClock)) {
			open = append(open, Interval{at, at + minute})
		}
	}
	return NewSet(open...)
}

// clockChanges are zones and instants at which their clocks change: an hour forward and back, half an hour, at midnight,
// twice in a Ramadan, a skipped day, and never.
func clockChanges(t testing.TB) map[*time.Location][]int64 {
	return map[*time.Location][]int64{
		zone(t, "Europe/Berlin"):       {ms("2026-03-29T01:00:00Z"), ms("2026-10-25T01:00:00Z")},
		zone(t, "America/New_York"):    {ms("2026-03-08T07:00:00Z"), ms("2026-11-01T06:00:00Z")},
		zone(t, "Australia/Lord_Howe"): {ms("2026-04-04T15:00:00Z"), ms("2026-10-03T15:30:00Z")},
		zone(t, "Africa/Cairo"):        {ms("2026-04-23T22:00:00Z"), ms("2026-10-29T21:00:00Z")},
		zone(t, "America/Havana"):      {ms("2026-03-08T05:00:00Z"), ms("2026-11-01T05:00:00Z")},
		zone(t, "Africa/Casablanca"):   {ms("2026-02-15T02:00:00Z"), ms("2026-03-22T02:00:00Z")},
		zone(t, "America/St_Johns"):    {ms("2011-03-13T03:31:00Z"), ms("2010-11-07T02:31:00Z")},
		zone(t, "Pacific/Apia"):        {ms("2011-12-30T10:00:00Z")},
		zone(t, "Asia/Shanghai"):       {ms("2026-10-01T00:00:00Z")},
	}
}

func TestOpenAgreesWithAClockLookedAtEachMinute(t *testing.T) {
	changes := clockChanges(t)
	zones := slices.SortedFunc(maps.Keys(changes), func(a, b *time.Location) int { return strings.Compare(a.String(), b.String()) })
	rapid.Check(t, func(t *rapid.T) {
		z := rapid.SampledFrom(zones).Draw(t, "zone")
		at := rapid.SampledFrom(changes[z]).Draw(t, "change")
		from := at - rapid.Int64Range(-600, 3*24*60).Draw(t, "minutes before")*int64(uptally.Minute)
		in := Interval{from, from + rapid.Int64Range(1, 6*24*60).Draw(t, "minutes")*int64(uptally.Minute)}
		c := drawCalendar(t, localDate(at, z))
		if got, want := c.Open(z, in), walk(c, z, in); !slices.Equal(got, want) {
			t.Fatalf("%s %v: got %v, want %v", z, in, got, want)
		}
	})
}

// A night watch over both clock changes of Berlin: 7 h, 9 h, and 8 h in between; of the holiday only its own evening
// goes.
func TestHoursOverMidnight(t *testing.T) {
	berlin := zone(t, "Europe/Berlin")
	c := Calendar{Name: "night", Dates: map[Date][]ClockSpan{{2026, 4, 3}: {}}}
	for d := range c.Weekly {
		c.Weekly[d] = []ClockSpan{hours(22, 30)}
	}
	for night, want := range map[string]int64{"2026-03-28": 7, "2026-10-24": 9, "2026-04-02": 8, "2026-04-03": 0} {
		d, _ := ParseDate(night)
		noon := Interval{d.At(12*uptally.Hour, berlin), d.next().At(12*uptally.Hour, berlin)}
		if got := c.Open(berlin, noon).Millis(); got != want*hourMS {
			t.Errorf("night of %s: got %d ms, want %d h", night, got, want)
		}
	}
	if got := c.Weekly[0][0].String(); got != "22:00-06:00" {
		t.Errorf("got %s", got)
	}
}

// What a calendar with years does not know is asked for by name: the year of the period, and the year before where its
// last evening reaches into the period.
func TestYearsWithoutDates(t *testing.T) {
	shanghai := zone(t, "Asia/Shanghai")
	day := builtin(t, "5x8")
	day.Name, day.Years = "cn", []int{2026}
	night := day
	night.Weekly = [7][]ClockSpan{}
	for d := range night.Weekly {
		night.Weekly[d] = []ClockSpan{hours(22, 30)}
	}
	eve := night
	eve.Dates = map[Date][]ClockSpan{{2025, 12, 31}: {}}
	const rest = ": write that year's holidays and working days into its file, then add the year to its years"
	for _, c := range []struct {
		name     string
		calendar Calendar
		period   string
		want     string
	}{
		{"inside", day, "2026-12", ""},
		{"the whole year", day, "2026", ""},
		{"after", day, "2027-01", `calendar "cn" does not know the dates of 2027` + rest},
		{"across", day, "2026-12-31T00:00:00+08:00/2027-01-01T00:00:01+08:00", `calendar "cn" does not know the dates of 2027` + rest},
		{"both sides", day, "2025-12-31T23:59:59+08:00/2027-01-01T00:00:01+08:00", `calendar "cn" does not know the dates of 2025 2027` + rest},
		{"a night of the year before", night, "2026-01", `calendar "cn" does not know the dates of 2025` + rest},
		{"a night that is known", eve, "2026-01", ""},
		{"without years", builtin(t, "5x8"), "2031", ""},
		{"always", Calendar{Always: true, Years: []int{2026}}, "2031", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := ""
			if err := c.calendar.Known(shanghai, period(t, c.period, shanghai)); err != nil {
				got = err.Error()
			}
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
