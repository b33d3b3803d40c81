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
	room           []uptally.Run // of the series that is being read
}

type seriesName struct{ check, site string }

// seriesDays are the days that were read of a series, from ≤ day < to, as far as they were sent before now.
type seriesDays struct {
	from, to int32
	days     []readDay
	runs     []uptally.Run // of one day behind those of the other
}

// readDay is what is kept of a day beside its runs.
type readDay struct {
	DayEvidence         // with the digest of its chunk where that was asked for
	runs        int     // how many it has
	rtt         []int64 // of its results, where a measure reads response times
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

// days returns what was read of a series, days from ≤ day < to among them.
func (r *reads) days(ctx context.Context, check, site string, from, to int32) (*seriesDays, error) {
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
		s.from, s.days, s.runs = from, append(older.days, s.days...), append(older.runs, s.runs...)
	}
	if to > s.to {
		newer, err := r.read(ctx, name, s.to, to)
		if err != nil {
			return nil, err
		}
		s.to, s.days, s.runs = to, append(s.days, newer.days...), append(s.runs, newer.runs...)
	}
	return s, nil
}

// runsOf are those of the days from ≤ day < to.
func (s *seriesDays) runsOf(from, to int32) []uptally.Run {
	i, j := s.before(from), s.before(to)
	return s.runs[i:j:j]
}

// before is how many runs the days before one have.
func (s *seriesDays) before(day int32) (n int) {
	for _, d := range s.days {
		if d.Day < day {
			n += d.runs
		}
	}
	return n
}

// daysOf are the days from ≤ day < to of a check at a site, which the series is of.
func (s *seriesDays) daysOf(check, site string, from, to int32) (days []uptally.Day) {
	runs := s.runsOf(from, to)
	for _, d := range s.days {
		if d.Day >= from && d.Day < to {
			days = append(days, uptally.Day{Check: uptally.IDOf(check), Site: uptally.IDOf(site), Day: d.Day, Runs: runs[:d.runs:d.runs], RTT: d.rtt})
			runs = runs[d.runs:]
		}
	}
	return days
}

// read reads days at the depth that the request needs.
func (r *reads) read(ctx context.Context, name seriesName, from, to int32) (seriesDays, error) {
	of := ledger.Series{Check: uptally.IDOf(name.check), Site: uptally.IDOf(name.site)}
	s := seriesDays{runs: r.room[:0]}
	read := r.readRuns
	if r.times {
		read = r.readWhole
	}
	err := read(ctx, of, from, to, &s)
	r.room, s.runs = s.runs, slices.Clone(s.runs)
	if err != nil {
		return seriesDays{}, fmt.Errorf("read days of %q at %q: %w", name.check, name.site, err)
	}
	return s, nil
}

// readRuns reads outcomes. With digests, it reads days whole whose digest is not that of what is sealed: because more results belong to
// them, or because some were sent at now or later. These are the last few days, if any.
func (r *reads) readRuns(ctx context.Context, of ledger.Series, from, to int32, s *seriesDays) error {
	var again []int
	err := r.in.Ledger.Runs(ctx, of.Check, of.Site, from, to, func(d ledger.Outcomes) error {
		late := s.add(d.Day, d.Digest, r.in.Now)
		if r.digests && (late || d.Digest == [sha256.Size]byte{}) {
			again = append(again, len(s.days)-1)
		}
		return nil
	})
	for _, i := range slices.Backward(again) {
		if err != nil {
			break
		}
		err = r.readAgain(ctx, of, i, s)
	}
	return err
}

// readAgain puts a day that is read whole in the place of the one at i.
func (r *reads) readAgain(ctx context.Context, of ledger.Series, i int, s *seriesDays) error {
	was := s.days[i]
	var is seriesDays
	if err := r.readWhole(ctx, of, was.Day, was.Day+1, &is); err != nil {
		return err
	}
	first := s.before(was.Day)
	s.days = slices.Replace(s.days, i, i+1, is.days...)
	s.runs = slices.Replace(s.runs, first, first+was.runs, is.runs...)
	return nil
}

// readWhole reads days with their response times, what was sent before now.
func (r *reads) readWhole(ctx context.Context, of ledger.Series, from, to int32, s *seriesDays) error {
	days, err := r.in.Ledger.Days(ctx, of.Check, of.Site, from, to)
	if err != nil {
		return err
	}
	for _, d := range days {
		if d = sentBefore(d, r.in.Now); len(d.Runs) == 0 {
			continue
		}
		var h uptally.Head
		if r.digests {
			if h, err = d.Head(); err != nil {
				return err
			}
		}
		s.add(d, h.Digest, r.in.Now)
		if r.times {
			s.days[len(s.days)-1].rtt = d.RTT
		}
	}
	return nil
}

// add appends a day, what was sent before now, and reports whether it has more.
func (s *seriesDays) add(d uptally.Day, digest [sha256.Size]byte, now int64) (more bool) {
	var by outcomes
	before := len(s.runs)
	for _, run := range d.Runs {
		kept := until(run, now)
		more = more || kept.N < run.N
		if kept.N > 0 {
			s.runs = append(s.runs, kept)
			by[kept.Reason.Outcome()] += int64(kept.N)
		}
	}
	s.days = append(s.days, readDay{DayEvidence: DayEvidence{Day: d.Day, Counts: by.counts(), Digest: digest}, runs: len(s.runs) - before})
	return more
}

// evidence are the days of a series that belong to a period, and those that were read beside it because an outage or a rule
// reaches across its edges.
func (s *seriesDays) evidence(period agreements.Interval) (of, beyond []DayEvidence) {
	from, to := uptally.DayOf(period.From), uptally.DayOf(period.To-1)
	for _, d := range s.days {
		if d.Day < from || d.Day > to {
			beyond = append(beyond, d.DayEvidence)
		} else {
			of = append(of, d.DayEvidence)
		}
	}
	return of, beyond
}

// sentBefore keeps the results of a day that were sent before now.
func sentBefore(d uptally.Day, now int64) uptally.Day {
	if !slices.ContainsFunc(d.Runs, func(run uptally.Run) bool { return until(run, now).N < run.N }) {
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
