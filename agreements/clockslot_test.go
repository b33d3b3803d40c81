package agreements

import (
	"testing"
	"time"
)

// The last day of 2040 in Berlin, where the standard library ends the zone's stretch a day early: each of its 24 hours is
// an hour of the clock, and a slot of a minute stays a minute.
func TestClockSlotsOf2040(t *testing.T) {
	berlin := zone(t, "Europe/Berlin")
	day := Date{2040, 12, 31}
	from, to := day.Start(berlin), day.AddDays(1).Start(berlin)
	if got := len(clockHours(Set{{from, to}}, berlin)); got != 24 {
		t.Errorf("hours of the day: got %d, want 24", got)
	}
	at := from + 90_500 // 00:01:30.5
	want := Interval{from + 60_000, from + 120_000}
	if got := clockSlot(at, 60_000, berlin); got != want {
		t.Errorf("minute at %s: got %v, want %v", time.UnixMilli(at).In(berlin), got, want)
	}
}
