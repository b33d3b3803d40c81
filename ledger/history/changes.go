package history

import (
	"fmt"

	"github.com/uptally/uptally"
)

// Change is what a log says of a check at a site from an instant on, until its next change.
type Change struct {
	At     int64
	Reason uptally.Reason
	RTT    int64
	Detail string
}

// Changes are those of one series, ascending, each instant once.
type Changes struct {
	Check, Site  string
	Kind, Target string
	Changes      []Change
}

// Expand turns a log of changes into one result every so many milliseconds: each change leaves a result at its instant, then one
// each time every has passed, before the next change and before until. The state and the response time hold; the detail
// stays with the change's own result. It calls day for each UTC day that has results, ascending.
func Expand(logs []Changes, every, until int64, day func(day int32, series []Series) error) error {
	if every <= 0 {
		return fmt.Errorf("expand changes: got every %d ms, want more than 0", every)
	}
	first, last := until, int64(0)
	for _, l := range logs {
		if n := len(l.Changes); n > 0 {
			first, last = min(first, l.Changes[0].At), max(last, l.Changes[n-1].At)
		}
	}
	if last >= until {
		return fmt.Errorf("expand changes: got a change at %s, want all before the end at %s", utc(last), utc(until))
	}
	for d := uptally.DayOf(first); int64(d)*uptally.DayMillis < until; d++ {
		var series []Series
		for _, l := range logs {
			if s := l.day(d, every, until); len(s.Results) > 0 {
				series = append(series, s)
			}
		}
		if len(series) == 0 {
			continue
		}
		if err := day(d, series); err != nil {
			return err
		}
	}
	return nil
}

// day is the results of one day.
func (l Changes) day(day int32, every, until int64) Series {
	s := Series{Check: l.Check, Site: l.Site, Kind: l.Kind, Target: l.Target}
	slot := uptally.Slot{Check: uptally.IDOf(l.Check), Site: uptally.IDOf(l.Site)}
	from := int64(day) * uptally.DayMillis
	to := min(from+uptally.DayMillis, until)
	for i, c := range l.Changes {
		end := to
		if i+1 < len(l.Changes) {
			end = min(end, l.Changes[i+1].At)
		}
		slot.At = c.At
		if c.At < from { // the first of its results in the day
			slot.At += (from - c.At + every - 1) / every * every
		}
		for ; slot.At < end; slot.At += every {
			r := uptally.Result{Slot: slot, Reason: c.Reason, RTT: c.RTT}
			if slot.At == c.At {
				r.Detail = c.Detail
			}
			s.Results = append(s.Results, r)
		}
	}
	return s
}
