package ledger

import (
	"context"
	"fmt"
	"math"

	"github.com/uptally/uptally"
)

// Survey is what a ledger holds, at a glance.
type Survey struct {
	// Checks, Sites and Series have results that count.
	Checks, Sites, Series int
	// Days are site days with results, Oldest and Newest the first and last of them; 0 where there are none.
	Days           int
	Oldest, Newest int32
	// Results that count, by outcome; a slot in conflict is one of unknown.
	Results [uptally.Unknown + 1]int
	// Batches are those in the log, Held those of them that do not count.
	Batches, Held int
	// Open are the site days that want sealing.
	Open []OpenDay
	// Reseals is how many days of series late results changed.
	Reseals int
	Drops   []Drop
}

// Total is the number of results.
func (v *Survey) Total() (n int) {
	for _, of := range v.Results {
		n += of
	}
	return n
}

// TakeSurvey reads the outcomes of all days, and no response times.
func TakeSurvey(ctx context.Context, s Store) (Survey, error) {
	var v Survey
	series, err := s.Series(ctx)
	if err != nil {
		return v, err
	}
	checks, days := map[uptally.ID]bool{}, map[SiteDay]bool{}
	sites := map[uptally.ID]bool{}
	for _, of := range series {
		checks[of.Check], sites[of.Site] = true, true
		err := s.Runs(ctx, of.Check, of.Site, math.MinInt32, math.MaxInt32, func(d Outcomes) error {
			day := d.Day.Day
			if len(days) == 0 {
				v.Oldest, v.Newest = day, day
			}
			v.Oldest, v.Newest = min(v.Oldest, day), max(v.Newest, day)
			days[SiteDay{of.Site, day}] = true
			for _, r := range d.Runs {
				v.Results[r.Reason.Outcome()] += int(r.N)
			}
			return nil
		})
		if err != nil {
			return v, fmt.Errorf("read check %v at site %v: %w", of.Check, of.Site, err)
		}
	}
	v.Checks, v.Sites, v.Series, v.Days = len(checks), len(sites), len(series), len(days)
	if err := v.addPast(ctx, s); err != nil {
		return v, err
	}
	return v, nil
}

// addPast reads what is not in the days.
func (v *Survey) addPast(ctx context.Context, s Store) error {
	var err error
	if v.Open, err = s.Open(ctx); err != nil {
		return err
	}
	reseals, err := s.Reseals(ctx, math.MinInt32, math.MaxInt32)
	if err != nil {
		return err
	}
	v.Reseals = len(reseals)
	if v.Drops, err = s.Drops(ctx); err != nil {
		return err
	}
	return s.Batches(ctx, func(in Incoming) error {
		v.Batches++
		if in.Held != "" {
			v.Held++
		}
		return nil
	})
}
