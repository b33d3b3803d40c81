package statements

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/uptally/uptally"
)

// LateDay is a day of a check at a site that late results changed after it had been sealed for good.
type LateDay struct {
	Check string `json:"check"`
	Site  string `json:"site"`
	Day   string `json:"day"` // the date in UTC
	// At is the instant at which it was sealed again.
	At Instant `json:"sealed_again"`
	// Results and Downs are how many results, and how many of them down, there are more.
	Results int `json:"results_more"`
	Downs   int `json:"downs_more"`
}

// LateData returns what late results changed of the days that a statement was computed from, in order of the instants of
// sealing. Those after its GeneratedAt touch it: it was computed without them. Nothing is kept for this, so nothing can be
// forgotten: the ledger's own record is looked at whenever somebody asks.
func LateData(ctx context.Context, l Ledger, s *Statement) ([]LateDay, error) {
	from, to := s.Evidence.reach()
	from, to = min(from, uptally.DayOf(int64(s.Period.At.From))), max(to, uptally.DayOf(int64(s.Period.At.To)-1))
	reseals, err := l.Reseals(ctx, from, to+1)
	if err != nil {
		return nil, fmt.Errorf("read what late results changed: %w", err)
	}
	var late []LateDay
	for _, c := range s.Evidence.Checks {
		for _, site := range c.Sites {
			check, id := uptally.IDOf(c.Check), uptally.IDOf(site.Site)
			for _, r := range reseals {
				if r.Check == check && r.Site == id {
					late = append(late, LateDay{c.Check, site.Site, date(r.Day), Instant(r.At), r.Results, r.Downs})
				}
			}
		}
	}
	slices.SortStableFunc(late, func(a, b LateDay) int { return int(max(-1, min(1, a.At-b.At))) })
	return late, nil
}

// reach is the first and the last day that the evidence names.
func (ev *Evidence) reach() (first, last int32) {
	first, last = math.MaxInt32, math.MinInt32
	for _, c := range ev.Checks {
		for _, s := range c.Sites {
			for _, days := range [][]DayEvidence{s.Days, s.Beyond} {
				for _, d := range days {
					first, last = min(first, d.Day), max(last, d.Day)
				}
			}
		}
	}
	return first, last
}

// Touched reports whether late results changed a day after the statement was computed.
func (s *Statement) Touched() bool {
	return slices.ContainsFunc(s.Late, func(d LateDay) bool { return d.At > s.GeneratedAt })
}

// LateText says what late results changed of a day.
func (s *Statement) LateText(d LateDay) string {
	text := fmt.Sprintf("%s of %s at %s was sealed again %s: %s, %s", d.Day, d.Check, d.Site, s.Local(d.At), moreOf(d.Results, "result", "results"), moreOf(d.Downs, "down", "down"))
	if d.At > s.GeneratedAt {
		return text + ". The statement was computed before."
	}
	return text + "."
}

// moreOf says a difference: "3 results more", "1 result less", "as many results".
func moreOf(n int, one, many string) string {
	switch {
	case n == 0:
		return "as many " + many
	case n < 0:
		return count(-n, one, many) + " less"
	}
	return count(n, one, many) + " more"
}
