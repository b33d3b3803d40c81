package statements

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/agreements"
	"github.com/uptally/uptally/ledger"
)

// reads are the days that a request read of its ledger, every day of a series once, however often an edge of the period
// asks for more of them.
type reads struct {
	in Request
	// digests: every day is read with the digest of its chunk. times: with its response times, since a measure needs them.
	digests, times bool
	drops          []ledger.Drop
	series         map[seriesName]*seriesDays
}

type seriesName struct{ check, site string }

// seriesDays are the days that were read of a series, from ≤ day < to.
type seriesDays struct {
	from, to int32
	days     []readDay
}

// readDay is a day up to the instant of computing, and the digest of its chunk where that was asked for.
type readDay struct {
	uptally.Day
	digest [sha256.Size]byte
}

// DroppedError says that days which a statement needs, or their response times, were dropped.
type DroppedError struct {
	Check string
	// Day is the first one that is needed.
	Day  int32
	Drop ledger.Drop
}

// Error names the drop.
func (e *DroppedError) Error() string {
	what := "days"
	if e.Drop.BodiesOnly {
		what = "response times"
	}
	return fmt.Sprintf("read %q from %s: %s before %s were dropped by %s on %s (%s)",
		e.Check, date(e.Day), what, date(e.Drop.Before), strconv.Quote(e.Drop.By), Instant(e.Drop.At), e.Drop.Why)
}

// date is a UTC day as a date.
func date(day int32) string {
	return time.Unix(int64(day)*uptally.DayMillis/1000, 0).UTC().Format(time.DateOnly)
}

// check returns a *DroppedError where days of a check from one on, as far as plans reach back, are gone.
func (r *reads) check(ev agreements.Evidence, from int32) error {
	if len(ev.Plans) == 0 {
		return nil
	}
	first := ev.Plans[0].From
	for _, p := range ev.Plans {
		first = min(first, p.From)
	}
	from = max(from, uptally.DayOf(first))
	for _, d := range r.drops {
		if from < d.Before && (!d.BodiesOnly || r.times) {
			return &DroppedError{Check: ev.Check, Day: from, Drop: d}
		}
	}
	return nil
}

// days returns the days of a series, from ≤ day < to.
func (r *reads) days(ctx context.Context, check, site string, from, to int32) ([]readDay, error) {
	name := seriesName{check, site}
	s := r.series[name]
	if s == nil {
		s = &seriesDays{from: from, to: from}
		r.series[name] = s
	}
	if from < s.from {
		older, err := r.read(ctx, name, from, s.from)
		if err != nil {
			return nil, err
		}
		s.from, s.days = from, append(older, s.days...)
	}
	if to > s.to {
		newer, err := r.read(ctx, name, s.to, to)
		if err != nil {
			return nil, err
		}
		s.to, s.days = to, append(s.days, newer...)
	}
	return s.between(from, to), nil
}

// between are the days from ≤ day < to of those that were read.
func (s *seriesDays) between(from, to int32) []readDay {
	place := func(day int32) int {
		i, _ := slices.BinarySearchFunc(s.days, day, func(d readDay, day int32) int { return int(d.Day.Day - day) })
		return i
	}
	return s.days[place(from):max(place(from), place(to))]
}

// read reads days at the depth that the request needs.
func (r *reads) read(ctx context.Context, name seriesName, from, to int32) ([]readDay, error) {
	check, site := uptally.IDOf(name.check), uptally.IDOf(name.site)
	var days []readDay
	var err error
	switch {
	case r.times:
		days, err = r.whole(ctx, check, site, from, to)
	case r.digests:
		var heads []uptally.Head
		heads, err = r.in.Ledger.Heads(ctx, check, site, from, to)
		for _, h := range heads {
			days = append(days, readDay{h.Day, h.Digest})
		}
		if err == nil {
			days, err = r.cut(ctx, days)
		}
	default:
		var runs []uptally.Day
		runs, err = r.in.Ledger.Runs(ctx, check, site, from, to)
		for _, d := range runs {
			days = append(days, readDay{Day: d})
		}
	}
	if err != nil {
		return nil, fmt.Errorf("read days of %q at %q: %w", name.check, name.site, err)
	}
	return days, nil
}

// whole reads days with their response times, what was sent before now.
func (r *reads) whole(ctx context.Context, check, site uptally.ID, from, to int32) ([]readDay, error) {
	whole, err := r.in.Ledger.Days(ctx, check, site, from, to)
	if err != nil {
		return nil, err
	}
	var days []readDay
	for _, d := range whole {
		day := readDay{Day: sentBefore(d, r.in.Now)}
		if len(day.Runs) == 0 {
			continue
		}
		if r.digests {
			h, err := day.Head()
			if err != nil {
				return nil, err
			}
			day.digest = h.Digest
		}
		days = append(days, day)
	}
	return days, nil
}

// cut reads those days again that hold results sent at now or later, which is nearly always none: their digests are of what
// had been measured by then.
func (r *reads) cut(ctx context.Context, days []readDay) ([]readDay, error) {
	for i := len(days) - 1; i >= 0; i-- {
		d := days[i]
		if !slices.ContainsFunc(d.Runs, func(run uptally.Run) bool { return run.End()+int64(run.Late) >= r.in.Now }) {
			continue
		}
		again, err := r.whole(ctx, d.Check, d.Site, d.Day.Day, d.Day.Day+1)
		if err != nil {
			return nil, err
		}
		for k := range again {
			again[k].RTT = nil
		}
		days = slices.Replace(days, i, i+1, again...)
	}
	return days, nil
}

// evidence are the days of a series that belong to a period, and those that were read beside it because an outage or a rule
// reaches across its edges.
func (s *seriesDays) evidence(period agreements.Interval) (of, beyond []DayEvidence) {
	from, to := uptally.DayOf(period.From), uptally.DayOf(period.To-1)
	for _, d := range s.days {
		var t tally
		for _, run := range d.Runs {
			t[run.Reason] += int64(run.N)
		}
		row := DayEvidence{Day: d.Day.Day, Counts: t.counts(), Digest: d.digest}
		if d.Day.Day < from || d.Day.Day > to {
			beyond = append(beyond, row)
		} else {
			of = append(of, row)
		}
	}
	return of, beyond
}

// sentBefore keeps the results of a day that were sent before now.
func sentBefore(d uptally.Day, now int64) uptally.Day {
	if now >= int64(d.Day+2)*uptally.DayMillis {
		return d
	}
	var kept []uptally.Result
	for r := range d.Results() {
		if r.SentAt() < now {
			kept = append(kept, r)
		}
	}
	return uptally.FoldDay(d.Check, d.Site, d.Day, kept)
}

// until keeps the results of a run that were sent before now.
func until(r uptally.Run, now int64) uptally.Run {
	switch last := now - 1 - int64(r.Late); {
	case r.At > last:
		r.N = 0
	case r.Step > 0:
		r.N = int32(min(int64(r.N), (last-r.At)/int64(r.Step)+1))
	}
	if r.N == 1 {
		r.Step = 0
	}
	return r
}
