package agreements

import (
	"slices"
	"testing"
	"time"

	"github.com/uptally/uptally"
)

// told is a maintenance entry announced at an instant.
func told(id int64, announced, from string, length uptally.Duration) Recorded {
	r := planned(id, from, length, 0)
	r.RecordedAt = ms(announced)
	return r
}

func inClass(r Recorded, class string) Recorded {
	r.Class = class
	return r
}

func zoneOf(t *testing.T, name string) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

// June 2026 begins on a Monday. Announced on Friday the 5th, work on Friday the 12th has Monday to Thursday between: four
// business days; on Monday the 15th it has five. A holiday on Wednesday the 10th makes it one less.
func TestNoticeInBusinessDays(t *testing.T) {
	a := agreement(zoneOf(t, "Europe/Berlin"))
	p := period(t, "2026-06", a.Zone)
	count := func(want ...string) {
		t.Helper()
		got := compute(t, a, p, map[string]Tracks{"s": exact()},
			told(1, "2026-06-05T08:00:00+02:00", "2026-06-12T23:00:00+02:00", uptally.Hour),
			told(2, "2026-06-05T22:00:00+02:00", "2026-06-15T01:00:00+02:00", uptally.Hour),
			told(3, "2026-06-22T10:00:00+02:00", "2026-06-22T09:30:00+02:00", uptally.Hour))
		for i, w := range want {
			if why := got.Applied[i].Why; why != w {
				t.Errorf("entry %d: got %q, want %q", i+1, why, w)
			}
		}
	}
	a.Versions[0].NoticeDays = 5
	late := "announced 30m after its start, notice is 5 business days"
	count("announced 4 business days before, notice is 5", "", late) // around the clock: Monday to Friday
	bank := builtin(t, "5x8")
	bank.Name, bank.Dates = "bank", map[Date][]ClockSpan{{2026, 6, 10}: nil}
	a.Versions[0].BusinessDays = bank
	count("announced 3 business days before, notice is 5", "announced 4 business days before, notice is 5", late)
	a.Versions[0].NoticeDays = 4
	count("announced 3 business days before, notice is 4", "", "announced 30m after its start, notice is 4 business days")
	a.Versions[0].NoticeDays = 1
	count("", "", "announced 30m after its start, notice is 1 business day")
}

// Six business days before Thursday, 8 January 2026 (7, 6, 5, 2, 1, 31) reach into 2025, which the calendar does not know.
// Told on the 4th, it need not be asked about that year.
func TestNoticeAcrossAYearThatTheCalendarDoesNotKnow(t *testing.T) {
	a := agreement(time.UTC)
	bank := builtin(t, "5x8")
	bank.Name, bank.Years = "bank", []int{2026}
	a.Versions[0].NoticeDays, a.Versions[0].BusinessDays = 6, bank
	for announced, want := range map[string]string{
		"2026-01-04T12:00:00Z": "announced 3 business days before, notice is 6",
		"2025-12-20T12:00:00Z": `calendar "bank" does not know the dates of 2025: write that year's holidays and working days into its file, then add the year to its years`,
	} {
		got := compute(t, a, period(t, "2026-01", time.UTC), map[string]Tracks{"s": exact()}, told(1, announced, "2026-01-08T01:00:00Z", uptally.Hour))
		if got.Applied[0].Why != want {
			t.Errorf("announced %s: got %q, want %q", announced, got.Applied[0].Why, want)
		}
	}
	// however long ago it was announced
	early := told(1, "2026-01-01T00:00:00Z", "2026-01-30T01:00:00Z", uptally.Hour)
	early.Announced = Ever
	if got := compute(t, a, period(t, "2026-01", time.UTC), map[string]Tracks{"s": exact()}, early); got.Applied[0].Why != "" {
		t.Errorf("got %q", got.Applied[0].Why)
	}
}

// Work may lie from Saturday 06:00 to Sunday 18:00. From Friday 22:00 for 10 h only the two from 06:00 on qualify; an hour
// of the outage on Saturday 05:00–07:00 counts. Work that begins on Sunday at 17:00 for 3 h has 1 h inside.
func TestHoursForMaintenance(t *testing.T) {
	a := agreement(zoneOf(t, "Europe/Berlin"))
	a.Versions[0].Hours = []WorkHours{{On: []time.Weekday{time.Saturday}, At: 6 * uptally.Hour, For: 36 * uptally.Hour}}
	got := compute(t, a, period(t, "2026-06", a.Zone), map[string]Tracks{"s": exact(at("2026-06-06T05:00:00+02:00", 2*uptally.Hour))},
		planned(1, "2026-06-05T22:00:00+02:00", 10*uptally.Hour, 0),
		planned(2, "2026-06-07T17:00:00+02:00", 3*uptally.Hour, 0),
		planned(3, "2026-06-10T17:00:00+02:00", 3*uptally.Hour, 0))
	expectApplied(t, got.Applied,
		Applied{1, "maintenance", at("2026-06-05T22:00:00+02:00", 10*uptally.Hour), 2 * hourMS, "8h outside the hours for maintenance"},
		Applied{2, "maintenance", at("2026-06-07T17:00:00+02:00", 3*uptally.Hour), hourMS, "2h outside the hours for maintenance"},
		Applied{3, "maintenance", at("2026-06-10T17:00:00+02:00", 3*uptally.Hour), 0, "3h outside the hours for maintenance"})
	if got.ByClass[ClassDown] != hourMS || got.ByClass[ClassExcluded] != 3*hourMS {
		t.Errorf("got %v", got.ByClass)
	}
}

// NTT: 01:00 to 04:00 once a month without notice, else 14 business days. Hosting King: 24 h, a migration a week and at
// most 6 h. Each class by its own rules, all within the cap of the whole.
func TestClassesOfMaintenance(t *testing.T) {
	a := agreement(time.UTC)
	every := []time.Weekday{0, 1, 2, 3, 4, 5, 6}
	a.Versions[0].Maintenance = Maintenance{
		Notice: 24 * uptally.Hour, Cap: 10 * uptally.Hour, Emergency: EmergencyCounted,
		Classes: []WorkClass{
			{Name: "night", WorkRules: WorkRules{Hours: []WorkHours{{On: every, At: uptally.Hour, For: 3 * uptally.Hour}}, Times: 1}},
			{Name: "migration", WorkRules: WorkRules{Notice: 168 * uptally.Hour}, Cap: 6 * uptally.Hour},
		},
	}
	day := 24 * uptally.Hour
	got := compute(t, a, period(t, "2026-06", time.UTC), map[string]Tracks{"s": exact()},
		inClass(planned(1, "2026-06-02T01:00:00Z", 2*uptally.Hour, -day), "night"),
		inClass(planned(2, "2026-06-03T01:00:00Z", 2*uptally.Hour, -day), "night"),
		inClass(planned(3, "2026-06-04T00:00:00Z", 4*uptally.Hour, 6*day), "migration"),
		inClass(planned(4, "2026-06-05T00:00:00Z", 4*uptally.Hour, 7*day), "migration"),
		inClass(planned(5, "2026-06-06T00:00:00Z", 4*uptally.Hour, 7*day), "migration"),
		planned(6, "2026-06-07T00:00:00Z", 3*uptally.Hour, day),
		inClass(planned(7, "2026-06-08T00:00:00Z", uptally.Hour, 0), ClassEmergency),
		inClass(planned(8, "2026-06-09T00:00:00Z", uptally.Hour, day), "holiday"))
	// 2 h of the night + 4 h + 2 h of migration leave 2 h of the cap for the last
	want := []Applied{
		{1, "maintenance", at("2026-06-02T01:00:00Z", 2*uptally.Hour), 2 * hourMS, ""},
		{2, "maintenance", at("2026-06-03T01:00:00Z", 2*uptally.Hour), 0, "2h beyond the 1 work a period of the class night"},
		{3, "maintenance", at("2026-06-04T00:00:00Z", 4*uptally.Hour), 0, "announced 144h before, notice is 168h"},
		{4, "maintenance", at("2026-06-05T00:00:00Z", 4*uptally.Hour), 4 * hourMS, ""},
		{5, "maintenance", at("2026-06-06T00:00:00Z", 4*uptally.Hour), 2 * hourMS, "2h over the cap of 6h of the class migration"},
		{6, "maintenance", at("2026-06-07T00:00:00Z", 3*uptally.Hour), 2 * hourMS, "1h over the cap of 10h"},
		{7, "maintenance", at("2026-06-08T00:00:00Z", uptally.Hour), 0, "the agreement counts emergency work"},
		{8, "maintenance", at("2026-06-09T00:00:00Z", uptally.Hour), 0, `the agreement knows no maintenance of the class "holiday"`},
	}
	expectApplied(t, got.Applied, want...)
}

// Emergency work needs no notice where the agreement excludes it, is down where it counts it, and is no maintenance where
// the agreement does not speak of it.
func TestEmergencyMaintenance(t *testing.T) {
	for _, c := range []struct {
		term EmergencyTerm
		why  string
		down int64
	}{
		{EmergencyExcluded, "", 0},
		{EmergencyCounted, "the agreement counts emergency work", hourMS},
		{0, "the agreement excludes no emergency work", hourMS},
	} {
		a := agreement(time.UTC)
		a.Versions[0].Notice, a.Versions[0].Emergency = 72*uptally.Hour, c.term
		got := compute(t, a, period(t, "2026-06", time.UTC), map[string]Tracks{"s": exact(at("2026-06-10T00:00:00Z", uptally.Hour))},
			inClass(planned(1, "2026-06-10T00:00:00Z", uptally.Hour, -uptally.Hour), ClassEmergency))
		if got.Applied[0].Why != c.why || got.ByClass[ClassDown] != c.down {
			t.Errorf("term %d: got %q and %d ms down, want %q and %d", c.term, got.Applied[0].Why, got.ByClass[ClassDown], c.why, c.down)
		}
	}
}

// At most two works a period: the third in order of time is one too many, whatever its number; one outside the window is
// none of them.
func TestNumberOfWorks(t *testing.T) {
	a := agreement(time.UTC)
	a.Versions[0].Window, a.Versions[0].Times = builtin(t, "5x8"), 2
	got := compute(t, a, period(t, "2026-06", time.UTC), map[string]Tracks{"s": exact()},
		planned(1, "2026-06-12T09:00:00Z", uptally.Hour, 0), planned(2, "2026-06-10T09:00:00Z", uptally.Hour, 0),
		planned(3, "2026-06-06T09:00:00Z", uptally.Hour, 0), planned(4, "2026-06-11T09:00:00Z", uptally.Hour, 0))
	var whys []string
	for _, p := range got.Applied {
		whys = append(whys, p.Why)
	}
	want := []string{"1h outside the window", "", "", "1h beyond the 2 works a period"}
	if !slices.Equal(whys, want) {
		t.Errorf("got %q, want %q", whys, want)
	}
}

// On 25 October 2026 Berlin's clock shows 02:00 to 03:00 twice: at 00:00 and at 01:00 UTC. On 29 March it skips that hour.
func TestWindowsOverARepeatedHour(t *testing.T) {
	zone := zoneOf(t, "Europe/Berlin")
	utc := func(from string, length uptally.Duration) Interval { return at("2026-10-2"+from+":00Z", length) }
	for _, c := range []struct {
		name        string
		at, length  uptally.Duration
		first, both []Interval
	}{
		{"the hour itself", 2 * uptally.Hour, uptally.Hour,
			[]Interval{utc("5T00:00", uptally.Hour)}, []Interval{utc("5T00:00", 2*uptally.Hour)}},
		{"01:00 to 05:00", uptally.Hour, 4 * uptally.Hour,
			[]Interval{utc("4T23:00", 4*uptally.Hour)}, []Interval{utc("4T23:00", 5*uptally.Hour)}},
		{"its second quarter", 2*uptally.Hour + 15*uptally.Minute, 15 * uptally.Minute,
			[]Interval{utc("5T00:15", 15*uptally.Minute)}, []Interval{utc("5T00:15", 15*uptally.Minute), utc("5T01:15", 15*uptally.Minute)}},
		{"after it", 3 * uptally.Hour, uptally.Hour,
			[]Interval{utc("5T02:00", uptally.Hour)}, []Interval{utc("5T02:00", uptally.Hour)}},
	} {
		w := RecurringWindow{Weekday: time.Sunday, Nth: -1, At: c.at, For: c.length}
		for term, want := range map[RepeatedHour][]Interval{0: c.first, RepeatedFirst: c.first, RepeatedBoth: c.both} {
			a := agreement(zone)
			a.Versions[0].Recurring, a.Versions[0].RepeatedHour = []RecurringWindow{w}, term
			got := compute(t, a, period(t, "2026-10", zone), map[string]Tracks{"s": exact()})
			if len(got.Applied) != len(want) {
				t.Fatalf("%s, term %d: got %v, want %v", c.name, term, got.Applied, want)
			}
			for i := range want {
				if got.Applied[i].At != want[i] || got.Applied[i].Counted != want[i].Len() {
					t.Errorf("%s, term %d: got %v, want %v", c.name, term, got.Applied[i], want[i])
				}
			}
		}
	}
	// In spring 01:00 for 4 h lasts its length, whatever the term.
	w := RecurringWindow{Weekday: time.Sunday, At: uptally.Hour, For: 4 * uptally.Hour}
	got := w.occurrences(zone, at("2026-03-29T00:00:00+01:00", 23*uptally.Hour), RepeatedBoth)
	if want := at("2026-03-29T00:00:00Z", 4*uptally.Hour); got[len(got)-1] != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

// The question is asked where a window meets a repeated hour while the version is in force, and only there.
func TestRepeatedHourIsAskedFor(t *testing.T) {
	sunday := RecurringWindow{Name: "night", Weekday: time.Sunday, At: 2 * uptally.Hour, For: uptally.Hour}
	nth := func(n int) RecurringWindow { w := sunday; w.Nth = n; return w }
	for _, c := range []struct {
		name, zone string
		window     RecurringWindow
		want       string
	}{
		{"last Sunday in Berlin", "Europe/Berlin", nth(-1), "2026-10-25"},
		{"first Sunday in Berlin", "Europe/Berlin", nth(1), ""},
		{"first Sunday in New York, where 01:00 to 02:00 repeats", "America/New_York", nth(1), ""},
		{"the same an hour earlier", "America/New_York", RecurringWindow{Name: "n", Weekday: time.Sunday, Nth: 1, At: uptally.Hour, For: uptally.Hour}, "2026-11-01"},
		{"Shanghai", "Asia/Shanghai", sunday, ""},
		{"from Saturday", "Europe/Berlin", RecurringWindow{Name: "n", Weekday: time.Saturday, At: 22 * uptally.Hour, For: 5 * uptally.Hour}, "2026-10-24"},
	} {
		a := agreement(zoneOf(t, c.zone))
		a.Versions[0].From = Date{2026, 1, 1}
		a.Versions[0].Recurring = []RecurringWindow{c.window}
		want := ""
		if c.want != "" {
			want = "versions[0].maintenance.repeated_hour: got nothing, want both or first: on " + c.want + " the clock in " + c.zone +
				" repeats an hour of the window at " + clockText(c.window.At) + "; is the window open in both passes?"
		}
		got := ""
		for _, p := range a.Validate() {
			got += p.String()
		}
		if got != want {
			t.Errorf("%s: got %s, want %s", c.name, got, want)
		}
	}
}
