package ledger

import (
	"context"
	"slices"
	"sync"

	"github.com/uptally/uptally"
)

const (
	// keptResults bounds the days kept in memory: some 50 MB.
	keptResults = 4_000_000
	// foldedResults bounds the results of a site and day that are folded at once, which takes some 60 bytes each.
	foldedResults = 2_000_000
)

// dayBook keeps folded days in memory, all series of a site and day together, so that reading a month for every check of
// a site decodes each batch once and not once a check. A day stands under a stamp of the log it was folded from: what the
// writing process counts its appends by, or, in a process that only reads, the number of results in the log, which only
// grows.
type dayBook struct {
	mu      sync.Mutex
	days    map[siteDay]keptDay
	appends map[siteDay]int // by the writing process
	results int
}

type siteDay struct {
	site uptally.ID
	day  int32
}

type keptDay struct {
	stamp, results int
	byCheck        map[uptally.ID]uptally.Day
}

// touch forgets the days that batches belong to. It comes after the commit and before the acknowledgement.
func (b *dayBook) touch(in []Incoming) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.appends == nil {
		b.appends = map[siteDay]int{}
	}
	for _, i := range in {
		k := siteDay{i.Batch.Site, i.Batch.Day}
		b.appends[k]++
		b.drop(k)
	}
}

func (b *dayBook) drop(k siteDay) {
	b.results -= b.days[k].results
	delete(b.days, k)
}

// appended is the writing process's stamp of a day.
func (b *dayBook) appended(k siteDay) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.appends[k]
}

// get returns the days of a key if they are kept under the stamp.
func (b *dayBook) get(k siteDay, stamp int) (byCheck map[uptally.ID]uptally.Day, kept bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	d, kept := b.days[k]
	return d.byCheck, kept && d.stamp == stamp
}

// put keeps days under the stamp that was taken before they were folded, unless there is no room.
func (b *dayBook) put(k siteDay, stamp int, byCheck map[uptally.ID]uptally.Day) {
	n := 0
	for _, d := range byCheck {
		n += len(d.RTT)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.drop(k)
	if b.results+n > keptResults {
		return
	}
	if b.days == nil {
		b.days = map[siteDay]keptDay{}
	}
	b.days[k] = keptDay{stamp, n, byCheck}
	b.results += n
}

// Days folds the batches of a site that are not held, day by day. The days may be shared: the caller does not change them.
func (s *SQLite) Days(ctx context.Context, check, site uptally.ID, from, to int32) ([]uptally.Day, error) {
	var days []uptally.Day
	for from < to {
		day, found, err := s.nextDay(ctx, site, from, to)
		if err != nil {
			return nil, err
		}
		if !found {
			break
		}
		d, err := s.day(ctx, check, site, day)
		if err != nil {
			return nil, err
		}
		if len(d.Runs) > 0 {
			days = append(days, d)
		}
		from = day + 1
	}
	return days, nil
}

// day returns one day of a series, from the book where it stands or may stand there.
func (s *SQLite) day(ctx context.Context, check, site uptally.ID, day int32) (uptally.Day, error) {
	k := siteDay{site, day}
	stamp := s.book.appended(k)
	if s.writes.log == nil {
		var err error
		if stamp, err = s.countResults(ctx, site, day); err != nil {
			return uptally.Day{}, err
		}
	}
	folded, kept := s.book.get(k, stamp)
	if kept {
		return folded[check], nil
	}
	n, err := s.countResults(ctx, site, day)
	if err != nil {
		return uptally.Day{}, err
	}
	if n > foldedResults {
		return s.foldSeries(ctx, check, site, day)
	}
	if folded, err = s.foldSite(ctx, site, day); err != nil {
		return uptally.Day{}, err
	}
	s.book.put(k, stamp, folded)
	return folded[check], nil
}

// foldSeries folds one series alone.
func (s *SQLite) foldSeries(ctx context.Context, check, site uptally.ID, day int32) (uptally.Day, error) {
	var d uptally.Day
	err := s.results(ctx, check, site, day, day+1, func(day int32, rs []uptally.Result) {
		d = uptally.FoldDay(check, site, day, rs)
	})
	return d, err
}

// foldSite folds every series of a site.
func (s *SQLite) foldSite(ctx context.Context, site uptally.ID, day int32) (map[uptally.ID]uptally.Day, error) {
	byCheck := map[uptally.ID][]uptally.Result{}
	err := s.batches(ctx, site, day, day+1, func(b uptally.Batch) {
		for rest := b.Results; len(rest) > 0; {
			check := rest[0].Check
			n := slices.IndexFunc(rest, func(r uptally.Result) bool { return r.Check != check })
			if n < 0 {
				n = len(rest)
			}
			byCheck[check] = append(byCheck[check], rest[:n]...)
			rest = rest[n:]
		}
	})
	days := make(map[uptally.ID]uptally.Day, len(byCheck))
	for check, rs := range byCheck {
		d := uptally.FoldDay(check, site, day, rs)
		d.Runs, d.RTT = slices.Clip(d.Runs), slices.Clip(d.RTT)
		days[check] = d
	}
	return days, err
}
