package ledger

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"math"
	"slices"
	"sort"

	"github.com/uptally/uptally"
)

// view is one series in one snapshot.
type view struct {
	Series
	t        *tables
	s        session
	number   uint32
	numbered bool // it has one: without there is nothing sealed and nothing that failed
	days     []viewDay
	left     int // days that are to be read, this one among them
	decoder  uptally.HeadDecoder
}

// viewDay is a day of a view that has any result.
type viewDay struct {
	day  int32
	head []byte // as it is stored, nil where nothing is sealed
	seal sealRow
	open bool // the log has a row of the site's day, or should have
	row  openRow
}

// reading runs f over the days of a series that have any result, from ≤ day < to ascending.
func (t *tables) reading(ctx context.Context, of Series, from, to int32, f func(ctx context.Context, v *view, d *viewDay) error) error {
	err := t.engine.read(ctx, func(ctx context.Context, s session) error {
		v, _ := t.views.Get().(*view)
		if v == nil {
			v = new(view)
		}
		*v = view{Series: of, t: t, s: s, days: v.days[:0], decoder: v.decoder}
		v.decoder.Checked, v.decoder.Passing = true, false // checked by blockReader.row
		defer v.done()
		err := v.look(ctx, from, to)
		for i := 0; i < len(v.days) && err == nil; i++ {
			v.left = len(v.days) - i
			err = f(ctx, v, &v.days[i])
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("read check %v at site %v: %w", of.Check, of.Site, err)
	}
	return nil
}

// done gives the room of a view to the next one.
func (v *view) done() {
	clear(v.days)
	v.s = nil
	v.t.views.Put(v)
}

// look finds what is sealed and what is open, days ascending.
func (v *view) look(ctx context.Context, from, to int32) error {
	names, _ := v.t.names.kept()
	if v.number, v.numbered = names.numbers[v.Series]; !v.numbered { // a number never changes, but one may have been given
		names, err := v.t.names.at(ctx, v.s)
		if err != nil {
			return err
		}
		v.number, v.numbered = names.numbers[v.Series]
	}
	if err := v.lookSealed(ctx, from, to); err != nil {
		return err
	}
	open, err := openOf(ctx, v.s, v.Site, from, to)
	for day, row := range open {
		i, found := slices.BinarySearchFunc(v.days, day, func(d viewDay, day int32) int { return cmp.Compare(d.day, day) })
		if !found {
			v.days = slices.Insert(v.days, i, viewDay{day: day})
		}
		v.days[i].open, v.days[i].row = true, row
	}
	return err
}

func (v *view) lookSealed(ctx context.Context, from, to int32) error {
	if !v.numbered {
		return nil
	}
	all, err := v.t.sealsOf(ctx, v.s, v.Site)
	if err != nil {
		return err
	}
	seals := sealsBetween(all, from, to)
	blocks, err := v.t.blocksOf(ctx, v.s, v.Site, v.number/blockLen, seals)
	for i, b := range blocks {
		if head := b.heads[v.number%blockLen]; head != nil {
			v.days = append(v.days, viewDay{day: seals[i].day, head: head, seal: seals[i]})
		}
	}
	return err
}

// sealed returns the sealed day without response times, and its digest; without runs where nothing is sealed.
func (v *view) sealed(of *viewDay) (d uptally.Day, digest [sha256.Size]byte, err error) {
	if of.head != nil {
		return soundRuns(&v.decoder, v.Series, of.day, of.head)
	}
	return uptally.Day{Check: v.Check, Site: v.Site, Day: of.day}, digest, nil
}

// log returns what the log has of the day.
func (v *view) log(ctx context.Context, of *viewDay) (part, error) {
	if of.open {
		return v.t.logPart(ctx, v.s, v.Series, of.day, of.row)
	}
	return part{day: uptally.Day{Check: v.Check, Site: v.Site, Day: of.day}}, nil
}

// runs returns a day without its response times. They are read only where the sealed day and the log have an instant in
// common: then they decide whether the results are equal.
func (v *view) runs(ctx context.Context, of *viewDay) (Outcomes, error) {
	sealed, digest, err := v.sealed(of)
	if err != nil {
		return Outcomes{}, err
	}
	log, err := v.log(ctx, of)
	if err != nil {
		return Outcomes{}, err
	}
	if len(log.day.Runs) == 0 {
		return Outcomes{sealed, digest}, nil
	}
	if !apart(sealed, log.day) {
		p, err := v.whole(ctx, of)
		p.day.RTT = nil
		return Outcomes{Day: p.day}, err
	}
	d, after := sealed.Extend(log.day)
	if !after { // between each other: no instant is twice, so neither text nor response time decides anything
		all := slices.AppendSeq(slices.Collect(sealed.Results()), log.day.Results())
		d = uptally.FoldDay(v.Check, v.Site, of.day, all)
	}
	d.RTT = nil
	return Outcomes{Day: d}, nil
}

// whole returns a day with its response times and the sides of its failures.
func (v *view) whole(ctx context.Context, of *viewDay) (part, error) {
	log, err := v.log(ctx, of)
	if err != nil || of.head == nil {
		return log, err
	}
	p := part{}
	if p.day, err = v.sealedWhole(ctx, of); err != nil {
		return p, err
	}
	if len(log.day.Runs) == 0 {
		return p, nil
	}
	if p.sides, err = v.sealedSides(ctx, p.day); err != nil {
		return p, err
	}
	return p.extend(log), nil
}

// sealedWhole returns the sealed day with its response times.
func (v *view) sealedWhole(ctx context.Context, of *viewDay) (uptally.Day, error) {
	d, digest, err := v.sealed(of)
	if err != nil {
		return d, err
	}
	body, err := v.t.body(ctx, v.s, of.seal, v.number)
	if err != nil {
		return d, err
	}
	if body == nil {
		return d, v.noBody(ctx, of.day)
	}
	whole, err := uptally.Head{Day: d, Digest: digest}.DecodeBody(body)
	if err != nil {
		return d, damaged("read table body, day %d, series %d: %v", of.day, v.number, err)
	}
	return whole, nil
}

// noBody says why response times are not there.
func (v *view) noBody(ctx context.Context, day int32) error {
	drops, err := readDrops(ctx, v.s)
	if err != nil {
		return err
	}
	for _, d := range drops {
		if d.BodiesOnly && day < d.Before {
			return fmt.Errorf("got no response times of day %d: those before day %d were dropped at %d by %q: %s", day, d.Before, d.At, d.By, d.Why)
		}
	}
	return damaged("read table body: got none of day %d, series %d", day, v.number)
}

// sealedSides reads what table fail has of the instants at which a sealed day is not up. It may have later sides of them too;
// they are in the log.
func (v *view) sealedSides(ctx context.Context, d uptally.Day) ([]uptally.Result, error) {
	if !slices.ContainsFunc(d.Runs, func(r uptally.Run) bool { return r.Reason != uptally.OK }) {
		return nil, nil
	}
	failed, err := v.failed(ctx, d.Day)
	if err != nil {
		return nil, err
	}
	var sides []uptally.Result
	for _, run := range d.Runs {
		for i := int64(0); i < int64(run.N) && run.Reason != uptally.OK; i++ {
			at := run.At + i*int64(run.Step)
			j := sort.Search(len(failed), func(j int) bool { return failed[j].At >= at })
			failed = failed[j:]
			n := 0
			for n < len(failed) && failed[n].At == at {
				n++
			}
			if err := soundSides(run, failed[:n]); err != nil {
				return nil, damaged("read table fail, series %d, instant %d: %v", v.number, at, err)
			}
			sides = append(sides, failed[:n]...)
		}
	}
	return sides, nil
}

// soundSides demands that what a run says of an instant is there.
func soundSides(run uptally.Run, sides []uptally.Result) error {
	if run.Reason == uptally.Conflict {
		if len(sides) < 2 {
			return fmt.Errorf("got %d sides of a conflict, want two or more", len(sides))
		}
		return nil
	}
	if !slices.ContainsFunc(sides, func(r uptally.Result) bool { return r.Reason == run.Reason && r.Late == run.Late }) {
		return fmt.Errorf("got no row, want one that is %v and %d ms late", run.Reason, run.Late)
	}
	return nil
}

// failed reads a day of the series from table fail, in order.
func (v *view) failed(ctx context.Context, day int32) ([]uptally.Result, error) {
	var rs []uptally.Result
	query := `SELECT t, digest, late, outcome, rtt, detail FROM fail WHERE series = ? AND t >= ? AND t < ?`
	from := int64(day) * uptally.DayMillis
	err := eachRow(ctx, v.s, "table fail", query, []any{v.number, from, from + uptally.DayMillis}, func(scan func(...any) error) error {
		r := uptally.Result{Slot: uptally.Slot{Check: v.Check, Site: v.Site}}
		var digest int64
		if err := scan(&r.At, &digest, &r.Late, &r.Reason, &r.RTT, &r.Detail); err != nil {
			return err
		}
		if got := r.Digest(); got != uint64(digest) {
			return damaged("read table fail, series %d, instant %d: got digest %016x, want %016x", v.number, r.At, got, uint64(digest))
		}
		rs = append(rs, r)
		return nil
	})
	slices.SortFunc(rs, uptally.Result.Compare)
	return rs, err
}

// Days returns whole days.
func (t *tables) Days(ctx context.Context, check, site uptally.ID, from, to int32) (days []uptally.Day, err error) {
	err = t.reading(ctx, Series{check, site}, from, to, func(ctx context.Context, v *view, of *viewDay) error {
		p, err := v.whole(ctx, of)
		if len(p.day.Runs) > 0 {
			days = append(slices.Grow(days, v.left), p.day)
		}
		return err
	})
	return noneBeside(days, err)
}

// Runs reads each day into the place of the one before.
func (t *tables) Runs(ctx context.Context, check, site uptally.ID, from, to int32, f func(Outcomes) error) error {
	return t.reading(ctx, Series{check, site}, from, to, func(ctx context.Context, v *view, of *viewDay) error {
		v.decoder.Passing = true
		d, err := v.runs(ctx, of)
		if err != nil || len(d.Runs) == 0 {
			return err
		}
		return f(d)
	})
}

// Heads passes heads by: those of sealed days as they are stored.
func (t *tables) Heads(ctx context.Context, check, site uptally.ID, from, to int32, f func(uptally.Head) error) error {
	return t.reading(ctx, Series{check, site}, from, to, func(ctx context.Context, v *view, of *viewDay) error {
		v.decoder.Passing = true
		h, err := v.head(ctx, of)
		if err != nil || len(h.Day.Runs) == 0 {
			return err
		}
		return f(h)
	})
}

func (v *view) head(ctx context.Context, of *viewDay) (uptally.Head, error) {
	log, err := v.log(ctx, of)
	if err != nil {
		return uptally.Head{}, err
	}
	if len(log.day.Runs) > 0 {
		p, err := v.whole(ctx, of)
		if err != nil {
			return uptally.Head{}, err
		}
		return p.day.Head()
	}
	if of.head == nil {
		return uptally.Head{}, nil
	}
	h, err := v.decoder.Head(of.head)
	if err == nil {
		err = ofSeries(h.Day, v.Series, of.day)
	}
	if err != nil {
		return uptally.Head{}, damaged("read table head, series %d, day %d: %v", v.number, of.day, err)
	}
	return h, nil
}

// Failures returns what is not up, and every side of a conflict.
func (t *tables) Failures(ctx context.Context, check, site uptally.ID, from, to int64) (rs []uptally.Result, err error) {
	if from >= to {
		return nil, nil
	}
	first, last := daysOf(from, to)
	err = t.reading(ctx, Series{check, site}, first, last, func(ctx context.Context, v *view, of *viewDay) error {
		p, err := v.failures(ctx, of)
		if err == nil {
			rs = append(rs, p.between(from, to)...)
		}
		return err
	})
	return noneBeside(rs, err)
}

// failures returns a part whose sides are those of the day.
func (v *view) failures(ctx context.Context, of *viewDay) (part, error) {
	var sealed part
	var err error
	if sealed.day, _, err = v.sealed(of); err != nil {
		return sealed, err
	}
	log, err := v.log(ctx, of)
	if err != nil {
		return sealed, err
	}
	if !apart(sealed.day, log.day) {
		return v.whole(ctx, of)
	}
	if sealed.sides, err = v.sealedSides(ctx, sealed.day); err != nil || len(log.sides) == 0 {
		return sealed, err
	}
	sides := slices.Concat(sealed.sides, log.sides)
	slices.SortFunc(sides, uptally.Result.Compare)
	return part{sides: sides}, nil
}

// noneBeside returns nothing beside an error.
func noneBeside[T any](all []T, err error) ([]T, error) {
	if err != nil {
		return nil, err
	}
	return all, nil
}

// resultsOf returns the stretch of a batch's results that belongs to a check.
func resultsOf(b uptally.Batch, check uptally.ID) []uptally.Result {
	i := sort.Search(len(b.Results), func(i int) bool { return b.Results[i].Check >= check })
	j := i
	for j < len(b.Results) && b.Results[j].Check == check {
		j++
	}
	return b.Results[i:j]
}

// daysOf returns the days from ≤ day < to that touch the instants from ≤ at < to, within what an int32 counts.
func daysOf(from, to int64) (int32, int32) {
	const least, most = math.MinInt32 * uptally.DayMillis, math.MaxInt32*uptally.DayMillis - 1
	return uptally.DayOf(min(max(from, least), most)), uptally.DayOf(min(max(to-1, least), most)) + 1
}

// conflicts returns every side of the slots that have different results. It sorts rs.
func conflicts(rs []uptally.Result) []uptally.Result {
	slices.SortFunc(rs, uptally.Result.Compare)
	rs = slices.Compact(rs)
	var sides []uptally.Result
	for i, r := range rs {
		if i > 0 && rs[i-1].At == r.At || i+1 < len(rs) && rs[i+1].At == r.At {
			sides = append(sides, r)
		}
	}
	return sides
}
