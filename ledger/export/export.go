package export

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/ledger"
)

// Ledger is what is read of a ledger; its documentation is that of ledger.Store.
type Ledger interface {
	Series(ctx context.Context) ([]ledger.Series, error)
	Names(ctx context.Context, kind string) ([]string, error)
	Days(ctx context.Context, check, site uptally.ID, from, to int32) ([]uptally.Day, error)
	Heads(ctx context.Context, check, site uptally.ID, from, to int32, f func(uptally.Head) error) error
	Failures(ctx context.Context, check, site uptally.ID, from, to int64) ([]uptally.Result, error)
}

// Selection is what is exported.
type Selection struct {
	// From ≤ day < To, in UTC days since 1970: those of the scheduled instants.
	From, To int32
	// Checks and Sites are names, or the sixteen hexadecimal digits of an ID that has none; empty means all. One of which
	// the ledger has no result at all is an error.
	Checks, Sites []string
}

// Format is what rows are written as.
type Format string

const (
	CSV     Format = "csv"
	Parquet Format = "parquet"
)

// Results writes the results of a selection to w. The columns are:
//
//	check, site  names
//	at           scheduled instant: RFC 3339 in UTC with milliseconds; in Parquet a timestamp
//	late_ms      how much later it was sent
//	sent         at + late_ms, what accounts date by
//	outcome      up, down, void, missed; unknown where the ledger has two different results
//	reason       the word of the closed list; ok for up
//	response_us  response time in microseconds, 0 where there is none
//	detail       text for people; of a slot in conflict every result that it has
//
// The error is that of the ledger: of a day whose response times were dropped there is nothing to write.
func Results(ctx context.Context, l Ledger, s Selection, f Format, w io.Writer) error {
	return write(ctx, l, s, newTable[resultRow](f, w), func(of named, day int32, add func(resultRow) error) error {
		return of.results(ctx, l, day, add)
	})
}

// Days writes the days of a selection to w; those without results are absent. The columns are:
//
//	check, site, day                         names, and the UTC day
//	up, down, void, missed, unknown          numbers of results; unknown: slots with two different ones
//	latency_count                            response times that the next three are taken of: those of up
//	latency_p50_us, …_p95_us, …_p99_us       nearest rank in microseconds, 0 where there is none
//	latency_error_permille                   how far from the true rank these may lie: they come from a sketch
//	digest                                   SHA-256 of the canonical bytes of the day, as statements name it
func Days(ctx context.Context, l Ledger, s Selection, f Format, w io.Writer) error {
	return write(ctx, l, s, newTable[dayRow](f, w), func(of named, day int32, add func(dayRow) error) error {
		return of.head(ctx, l, day, add)
	})
}

// write goes through the days of the selection, and ends the table.
func write[R row](ctx context.Context, l Ledger, s Selection, t *table[R], each func(of named, day int32, add func(R) error) error) error {
	series, err := s.series(ctx, l)
	if err != nil {
		return err
	}
	for day := s.From; day < s.To; day++ {
		for _, of := range series {
			if err := each(of, day, t.add); err != nil {
				return fmt.Errorf("export check %q at site %q on %s: %w", of.check, of.site, date(day), err)
			}
		}
	}
	return t.close()
}

// named is a series with its names.
type named struct {
	ledger.Series
	check, site string
}

// series returns the series of the selection, by the names of site and check.
func (s Selection) series(ctx context.Context, l Ledger) ([]named, error) {
	all, err := l.Series(ctx)
	if err != nil {
		return nil, err
	}
	checks, err := names(ctx, l, "check")
	if err != nil {
		return nil, err
	}
	sites, err := names(ctx, l, "site")
	if err != nil {
		return nil, err
	}
	var found []named
	met := map[string]bool{}
	for _, of := range all {
		n := named{of, cmp.Or(checks[of.Check], of.Check.String()), cmp.Or(sites[of.Site], of.Site.String())}
		check, site := wanted(s.Checks, n.check), wanted(s.Sites, n.site)
		met["check "+n.check], met["site "+n.site] = true, true
		if check && site {
			found = append(found, n)
		}
	}
	if err := s.missing(met); err != nil {
		return nil, err
	}
	slices.SortFunc(found, func(a, b named) int {
		return cmp.Or(cmp.Compare(a.site, b.site), cmp.Compare(a.check, b.check), cmp.Compare(a.Site, b.Site), cmp.Compare(a.Check, b.Check))
	})
	return found, nil
}

func wanted(list []string, name string) bool { return len(list) == 0 || slices.Contains(list, name) }

// missing names the first check or site that the ledger does not have: a typing mistake must not give an empty file.
func (s Selection) missing(met map[string]bool) error {
	for _, name := range s.Checks {
		if !met["check "+name] {
			return fmt.Errorf("find check %q: the ledger has no result of it", name)
		}
	}
	for _, name := range s.Sites {
		if !met["site "+name] {
			return fmt.Errorf("find site %q: the ledger has no result of it", name)
		}
	}
	return nil
}

// names returns what the IDs of a kind stand for.
func names(ctx context.Context, l Ledger, kind string) (map[uptally.ID]string, error) {
	list, err := l.Names(ctx, kind)
	if err != nil {
		return nil, err
	}
	m := make(map[uptally.ID]string, len(list))
	for _, name := range list {
		m[uptally.IDOf(name)] = name
	}
	return m, nil
}
