package agreements

import (
	"time"

	"github.com/uptally/uptally"
)

// LengthTerms is the unit in which downtime is counted, after everything that does not count was cut off. Without a unit
// every millisecond counts as it is. Source: docs/measuring.md, A9.
type LengthTerms struct {
	Unit uptally.Duration
	// Up rounds up, or counts every slot that is touched; otherwise down, or only slots that are down throughout.
	Up bool
	// Sum rounds the sum; otherwise each piece of downtime by itself.
	Sum bool
	// Slots counts units aligned to the clock of the agreement's zone instead. One that two outages touch counts once.
	Slots bool
}

// Rounds reports whether lengths are rounded at all. Then less downtime can weigh more: two short outages more than the one
// that joins them, or as much of a denominator that leaves out what is unknown. The bounds of a figure are then the least
// and the greatest over the three tracks.
func (l LengthTerms) Rounds() bool { return l.Unit > 0 }

// Of returns what the downtime of a track counts for, in milliseconds.
func (l LengthTerms) Of(down Set, zone *time.Location) int64 {
	switch {
	case l.Unit <= 0:
		return down.Millis()
	case l.Slots:
		return l.slots(down, zone).Millis()
	case l.Sum:
		return l.Round(down.Millis())
	}
	var n int64
	for _, i := range down {
		n += l.Round(i.Len())
	}
	return n
}

// Round returns a length as a multiple of the unit.
func (l LengthTerms) Round(millis int64) int64 {
	if l.Unit <= 0 {
		return millis
	}
	rest := millis % int64(l.Unit)
	if rest != 0 && l.Up {
		rest -= int64(l.Unit)
	}
	return millis - rest
}

// slots returns the slots that count, whole.
func (l LengthTerms) slots(down Set, zone *time.Location) Set {
	var counted []Interval
	for _, i := range down {
		first, last := clockSlot(i.From, l.Unit, zone), clockSlot(i.To-1, l.Unit, zone)
		from, to := first.From, last.To
		if !l.Up {
			if first.From < i.From {
				from = first.To
			}
			if last.To > i.To {
				to = last.From
			}
		}
		counted = append(counted, Interval{from, to})
	}
	return NewSet(counted...)
}

// clockSlot returns the slot of the clock in zone that holds an instant: slots of one length counted from midnight, cut
// where the clock jumps.
func clockSlot(at int64, unit uptally.Duration, zone *time.Location) Interval {
	t := time.UnixMilli(at).In(zone)
	_, offset := t.Zone()
	local := at + int64(offset)*1000
	s := Interval{From: at - mod(local, int64(unit))}
	s.To = s.From + int64(unit)
	start, end := ZoneBounds(t)
	if !start.IsZero() {
		s.From = max(s.From, start.UnixMilli())
	}
	if !end.IsZero() {
		s.To = min(s.To, end.UnixMilli())
	}
	return s
}

func (l LengthTerms) validate(p *problems, path string) {
	key := path + "unit"
	if l.Slots {
		key = path + "slots"
	}
	p.span(l.Unit, key)
	p.want(!l.Slots || l.Unit > 0 && dayClock%l.Unit == 0, key, l.Unit.String(), "a length that divides a day, such as 60s or 5m")
}
