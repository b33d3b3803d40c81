package agreements

import "time"

// ZoneBounds returns the stretch around t in which its zone keeps one offset, as t.ZoneBounds does: zero where it has no
// start or end. The standard library, Go 1.26 for one, ends the last stretch of a leap year a day early once the rule of
// the zone and no longer its table decides; on 31 December 2040 in Berlin the end lies before t, and who walks from end to
// end never arrives. Here the end is always after t.
func ZoneBounds(t time.Time) (start, end time.Time) {
	start, end = t.ZoneBounds()
	if end.IsZero() || end.After(t) {
		return start, end
	}
	later := t.Add(24 * time.Hour)
	if end, _ = later.ZoneBounds(); !end.After(t) {
		end = later
	}
	return start, end
}
