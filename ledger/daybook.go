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

// dayBook keeps folded days of the writing process, all series of a site and day together, so that reading a month for
// every check of a site decodes each batch once and not once a check and minute. Whoever only reads cannot know what
// the writer does, and keeps none.
type dayBook struct {
	mu      sync.Mutex
	days    map[siteDay]map[uptally.ID]uptally.Day
	changes map[siteDay]uint64 // how often an append touched it
	results int
}

type siteDay struct {
	site uptally.ID
	day  int32
}

// touch forgets the days that batches belong to. It comes after the commit and before the acknowledgement.
func (b *dayBook) touch(in []Incoming) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.changes == nil {
		b.changes = map[siteDay]uint64{}
	}
	for _, i := range in {
		k := siteDay{i.Batch.Site, i.Batch.Day}
		b.changes[k]++
		for _, d := range b.days[k] {
			b.results -= len(d.RTT)
		}
		delete(b.days, k)
	}
}

// get returns the days of a key if they are kept, and else the number that put wants.
func (b *dayBook) get(k siteDay) (days map[uptally.ID]uptally.Day, kept bool, change uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	days, kept = b.days[k]
	return days, kept, b.changes[k]
}

// put keeps days, unless there was an append since get or there is no room.
func (b *dayBook) put(k siteDay, days map[uptally.ID]uptally.Day, change uint64) {
	n := 0
	for _, d := range days {
		n += len(d.RTT)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, kept := b.days[k]; kept || b.changes[k] != change || b.results+n > keptResults {
		return
	}
	if b.days == nil {
		b.days = map[siteDay]map[uptally.ID]uptally.Day{}
	}
	b.days[k] = days
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
	folded, kept, change := s.book.get(k)
	if kept {
		return folded[check], nil
	}
	if s.writes.log == nil {
		return s.foldSeries(ctx, check, site, day)
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
	s.book.put(k, folded, change)
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
