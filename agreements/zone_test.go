package agreements

import (
	"testing"
	"time"

	"github.com/uptally/uptally"
)

// Every day of a century begins, after the day before, at an instant at which the clock shows that day; 2040-12-31 is the
// first on which the time package loses its way.
func TestEveryDayBegins(t *testing.T) {
	for _, name := range []string{"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Shanghai"} {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		before := Date{2025, 12, 31}.Start(zone)
		for d := (Date{2026, 1, 1}); d.Year < 2126; d = d.next() {
			at := d.Start(zone)
			if length := uptally.Duration(at - before); length < 22*uptally.Hour || length > 26*uptally.Hour || localDate(at, zone) != d {
				t.Fatalf("%s in %s begins %s after the day before, at %v", d, name, length, time.UnixMilli(at).In(zone))
			}
			before = at
		}
	}
}
