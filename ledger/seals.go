package ledger

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/uptally/uptally"
)

// Series returns every series with a result.
func (t *tables) Series(ctx context.Context) (all []Series, err error) {
	found := map[Series]bool{}
	err = t.engine.read(ctx, func(ctx context.Context, s session) error {
		names, err := t.names.at(ctx, s)
		if err != nil {
			return err
		}
		sites, err := sealedSites(ctx, s)
		if err != nil {
			return err
		}
		for _, site := range sites {
			if err := t.sealedSeries(ctx, s, site, names, found); err != nil {
				return err
			}
		}
		return eachLogDay(ctx, s, func(d SiteDay) error {
			return eachBatch(ctx, s, d, `TRUE`, nil, func(_ logRow, b uptally.Batch) error {
				for _, r := range b.Results {
					found[Series{r.Check, r.Site}] = true
				}
				return nil
			})
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read series: %w", err)
	}
	return slices.SortedFunc(maps.Keys(found), compareSeries), nil
}

// sealedSites returns the sites that have a seal, or a tally of seals, which tells what was lost.
func sealedSites(ctx context.Context, s session) ([]uptally.ID, error) {
	var sites []uptally.ID
	err := eachRow(ctx, s, "table tally", `SELECT name FROM tally WHERE name LIKE 'seal %'`, nil, func(scan func(...any) error) error {
		var name string
		if err := scan(&name); err != nil {
			return err
		}
		id, err := strconv.ParseUint(strings.TrimPrefix(name, "seal "), 16, 64)
		if err != nil {
			return damaged("read table tally: got name %q", name)
		}
		sites = append(sites, uptally.ID(id))
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = eachRow(ctx, s, "table seal", `SELECT DISTINCT site FROM seal`, nil, func(scan func(...any) error) error {
		var site int64
		err := scan(&site)
		sites = append(sites, uptally.ID(site))
		return err
	})
	slices.Sort(sites)
	return slices.Compact(sites), err
}

// sealedSeries finds the members of every manifest of a site.
func (t *tables) sealedSeries(ctx context.Context, s session, site uptally.ID, names seriesTable, found map[Series]bool) error {
	seals, err := t.sealsOf(ctx, s, site)
	if err != nil {
		return err
	}
	i := 0
	return eachRow(ctx, s, "table seal", `SELECT data FROM seal WHERE site = ? ORDER BY day`, []any{int64(site)}, func(scan func(...any) error) error {
		var data []byte
		if err := scan(&data); err != nil {
			return err
		}
		blocks, err := soundManifest(site, seals[i], data)
		if err != nil {
			return err
		}
		i++
		for _, b := range blocks {
			for m := range uint32(blockLen) {
				if b.mask>>m&1 == 0 {
					continue
				}
				series, known := names.series[b.block*blockLen+m]
				if !known || series.Site != site {
					return damaged("read table name: got no series %d of site %v", b.block*blockLen+m, site)
				}
				found[series] = true
			}
		}
		return nil
	})
}

// Open returns the site days that want sealing.
func (t *tables) Open(ctx context.Context) (days []OpenDay, err error) {
	open := map[SiteDay]OpenDay{}
	err = t.engine.read(ctx, func(ctx context.Context, s session) error {
		if err := readOpen(ctx, s, open); err != nil {
			return err
		}
		sites, err := sealedSites(ctx, s)
		if err != nil {
			return err
		}
		for _, site := range sites {
			seals, err := t.sealsOf(ctx, s, site)
			if err != nil {
				return err
			}
			for _, r := range seals {
				d := SiteDay{site, r.day}
				if o, has := open[d]; has || r.final == 0 {
					o.SiteDay, o.Rev, o.Final = d, r.rev, r.final != 0
					open[d] = o
				}
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read open days: %w", err)
	}
	return slices.SortedFunc(maps.Values(open), func(a, b OpenDay) int {
		return cmp.Or(cmp.Compare(a.Day, b.Day), cmp.Compare(a.Site, b.Site))
	}), nil
}

// readOpen reads table open, and demands that no day of the log is missing there.
func readOpen(ctx context.Context, s session, open map[SiteDay]OpenDay) error {
	err := eachRow(ctx, s, "table open", `SELECT site, day, batches, results FROM open`, nil, func(scan func(...any) error) error {
		var site int64
		var o OpenDay
		err := scan(&site, &o.Day, &o.Batches, &o.Results)
		o.Site = uptally.ID(site)
		open[o.SiteDay] = o
		return err
	})
	if err != nil {
		return err
	}
	return eachLogDay(ctx, s, func(d SiteDay) error {
		if _, counted := open[d]; counted {
			return nil
		}
		var n int64
		query := `SELECT count(*) FROM log WHERE site = ? AND day = ? AND held IS NULL`
		if _, err := oneRow(ctx, s, "table log", query, []any{int64(d.Site), d.Day}, &n); err != nil || n == 0 {
			return err
		}
		return damaged("read table open: got no row of site %v and day %d, want one that counts %d batches", d.Site, d.Day, n)
	})
}

// Unsealed returns what is in the log and not held.
func (t *tables) Unsealed(ctx context.Context, d SiteDay) (u Unsealed, err error) {
	err = t.engine.read(ctx, func(ctx context.Context, s session) error {
		u = Unsealed{}
		row, sealed, err := t.sealOf(ctx, s, d)
		if err != nil {
			return err
		}
		if sealed {
			u.Rev, u.Final = row.rev, row.final != 0
		}
		open, err := openOf(ctx, s, d.Site, d.Day, d.Day+1)
		if err != nil {
			return err
		}
		var got openRow
		checks := map[uptally.ID]bool{}
		err = eachBatch(ctx, s, d, `TRUE`, nil, func(row logRow, b uptally.Batch) error {
			got.add(row)
			u.Batches = append(u.Batches, row.BatchKey)
			for _, r := range b.Results {
				checks[r.Check] = true
			}
			return nil
		})
		if err != nil {
			return err
		}
		u.Checks = slices.Sorted(maps.Keys(checks))
		slices.SortFunc(u.Batches, compareKeys)
		return got.check(d, open[d.Day])
	})
	if err != nil {
		return Unsealed{}, fmt.Errorf("read what is not sealed of day %d at site %v: %w", d.Day, d.Site, err)
	}
	return u, nil
}

// sealOf returns the seal of a site's day.
func (t *tables) sealOf(ctx context.Context, s session, d SiteDay) (row sealRow, sealed bool, err error) {
	all, err := t.sealsOf(ctx, s, d.Site)
	if rows := sealsBetween(all, d.Day, d.Day+1); err == nil && len(rows) == 1 {
		return rows[0], true, nil
	}
	return row, false, err
}

// Batches calls f with the log. Each batch is read by its key, because the order of tables is that of signed numbers.
func (t *tables) Batches(ctx context.Context, f func(Incoming) error) error {
	return t.engine.read(ctx, func(ctx context.Context, s session) error {
		want, err := readTally(ctx, s, tallyHeld)
		if err != nil {
			return err
		}
		var days []SiteDay
		if err := eachLogDay(ctx, s, func(d SiteDay) error { days = append(days, d); return nil }); err != nil {
			return err
		}
		slices.SortFunc(days, compareDays)
		var held tally
		for _, d := range days {
			if err := logBatches(ctx, s, d, &held, f); err != nil {
				return err
			}
		}
		return held.check("table log, held batches", want)
	})
}

func logBatches(ctx context.Context, s session, d SiteDay, held *tally, f func(Incoming) error) error {
	open, err := openOf(ctx, s, d.Site, d.Day, d.Day+1)
	if err != nil {
		return err
	}
	var rows []logRow
	var got openRow
	query := `SELECT site, day, agent, epoch, seq, crc, received, n, held FROM log WHERE site = ? AND day = ?`
	err = eachRow(ctx, s, "table log", query, []any{int64(d.Site), d.Day}, func(scan func(...any) error) error {
		var l logRow
		if err := l.scan(scan); err != nil {
			return err
		}
		if l.held.Valid {
			held.add(l.digest())
		} else {
			got.add(l)
		}
		rows = append(rows, l)
		return nil
	})
	if err == nil {
		err = got.check(d, open[d.Day])
	}
	slices.SortFunc(rows, func(a, b logRow) int { return compareKeys(a.BatchKey, b.BatchKey) })
	for _, l := range rows {
		if err != nil {
			return err
		}
		var data []byte
		query := `SELECT data FROM log WHERE site = ? AND day = ? AND agent = ? AND epoch = ? AND seq = ? AND crc = ?`
		if _, err = oneRow(ctx, s, "table log", query, []any{int64(l.Site), l.Day, int64(l.Agent), int64(l.Epoch), int64(l.Seq), l.CRC}, &data); err != nil {
			return err
		}
		b, bad := l.batch(data)
		if bad != nil {
			return damaged("read table log, site %v, day %d, agent %x, epoch %x, seq %d: %v", l.Site, l.Day, l.Agent, l.Epoch, l.Seq, bad)
		}
		err = f(Incoming{Batch: b, Data: data, Held: l.held.String})
	}
	return err
}

func resealDigest(r Reseal) uint64 {
	return rowDigest(int64(r.Site), int64(r.Day), r.Rev, int64(r.Check), r.At, r.Was[:], r.Is[:], int64(r.Results), int64(r.Downs))
}

// readReseals returns all of them, in order of At, then as the tables have them.
func readReseals(ctx context.Context, s session) ([]Reseal, error) {
	want, err := readTally(ctx, s, tallyReseal)
	if err != nil {
		return nil, err
	}
	var rs []Reseal
	var got tally
	query := `SELECT site, day, rev, "check", at, digest_was, digest_is, results, downs FROM reseal`
	err = eachRow(ctx, s, "table reseal", query, nil, func(scan func(...any) error) error {
		var r Reseal
		var site, check int64
		var was, is []byte
		if err := scan(&site, &r.Day, &r.Rev, &check, &r.At, &was, &is, &r.Results, &r.Downs); err != nil {
			return err
		}
		if len(was) != sha256.Size || len(is) != sha256.Size {
			return damaged("read table reseal: got digests of %d and %d bytes", len(was), len(is))
		}
		r.Site, r.Check = uptally.ID(site), uptally.ID(check)
		copy(r.Was[:], was)
		copy(r.Is[:], is)
		got.add(resealDigest(r))
		rs = append(rs, r)
		return nil
	})
	if err == nil {
		err = got.check("table reseal", want)
	}
	slices.SortFunc(rs, func(a, b Reseal) int {
		return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.Site, b.Site), cmp.Compare(a.Day, b.Day), cmp.Compare(a.Rev, b.Rev), cmp.Compare(a.Check, b.Check))
	})
	return rs, err
}

// seeAll adds numbers of several epochs.
func seeAll(ctx context.Context, s session, taken map[[2]uint64]ranges) error {
	for _, k := range slices.SortedFunc(maps.Keys(taken), compareEpochs) {
		if err := see(ctx, s, k[0], k[1], taken[k]); err != nil {
			return err
		}
	}
	return nil
}
