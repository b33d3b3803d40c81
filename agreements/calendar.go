package agreements

import "github.com/uptally/uptally"

// Calendar is a service window: weekly hours with breaks, and dated exceptions that replace a day's hours.
type Calendar struct {
	Name string
	// Always is 24x7; Weekly and Dates are then empty.
	Always bool
	// Weekly hours by weekday, Sunday first, as local times of day; breaks are the spaces between spans.
	Weekly [7][]ClockSpan
	// Dates replace a day: no spans for a holiday, spans for a make-up working day or a half day.
	Dates map[Date][]ClockSpan
}

// ClockSpan is a stretch of local time of day, in milliseconds since midnight, From < To ≤ 24 h.
type ClockSpan struct {
	From, To uptally.Duration
}
