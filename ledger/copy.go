package ledger

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/uptally/uptally"
)

// CopyOptions are what Copy may be told.
type CopyOptions struct {
	// At is the instant that sealed days of the copy bear.
	At int64
	// Progress is called with the number of site days done and of all; nil for nobody.
	Progress func(done, all int)
}

// Copy writes what a ledger says into an empty one, of any engine, reads both whole, and returns the inventory that
// they share. It carries what was said and not how it lay: sealed days are sealed anew, with the same bytes. The error names what
// differs, or what in either cannot be read; to is of no use then.
//
// A day that was sealed for good and has later batches since is an error: seal it first, so that the change is on record.
// So is a ledger whose response times were dropped.
func Copy(ctx context.Context, from, to Carrier, o CopyOptions) (Inventory, error) {
	c := copier{ctx: ctx, from: from, to: to, CopyOptions: o}
	for _, step := range []func() error{c.empty, c.facts, c.days, c.log, c.past, c.admissions} {
		if err := step(); err != nil {
			return Inventory{}, fmt.Errorf("copy ledger: %w", err)
		}
	}
	said, err := sound(ctx, from)
	if err != nil {
		return Inventory{}, fmt.Errorf("read what was copied: %w", err)
	}
	got, err := sound(ctx, to)
	if err != nil {
		return Inventory{}, fmt.Errorf("read the copy: %w", err)
	}
	return said, got.Compare(said)
}

// sound is Verify where the first problem ends it.
func sound(ctx context.Context, s Carrier) (Inventory, error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	v, err := Verify(ctx, s, func(err error) { stop(err) })
	if err != nil {
		return Inventory{}, context.Cause(ctx)
	}
	return v, nil
}

// copier is one Copy under way.
type copier struct {
	ctx      context.Context
	from, to Carrier
	CopyOptions
}

// empty demands that nothing is in the way.
func (c *copier) empty() error {
	series, err := c.to.Series(c.ctx)
	if err != nil {
		return err
	}
	found := len(series)
	past, err := c.to.Past(c.ctx)
	if err != nil {
		return err
	}
	found += len(past.Entries) + len(past.Drops) + len(past.Taken)
	for _, kind := range kinds {
		names, err := c.to.Names(c.ctx, kind)
		if err != nil {
			return err
		}
		found += len(names)
	}
	if found > 0 {
		return errors.New("got a target that has something in it, want an empty one")
	}
	return nil
}

func (c *copier) facts() error {
	for _, kind := range kinds {
		names, err := c.from.Names(c.ctx, kind)
		if err != nil {
			return err
		}
		for _, name := range names {
			if err := c.to.AddName(c.ctx, kind, name); err != nil {
				return err
			}
			if kind != "check" {
				continue
			}
			plans, err := c.from.Plans(c.ctx, name)
			if err == nil {
				err = c.to.AddPlans(c.ctx, plans...)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// days seals in the copy what is sealed in the source. What no seal has touched comes with the log.
func (c *copier) days() error {
	open, err := c.from.Open(c.ctx)
	if err != nil {
		return err
	}
	seals := map[SiteDay]OpenDay{}
	for _, o := range open {
		if o.Final && o.Batches > 0 {
			return fmt.Errorf("got %d batches of day %d of site %v that came after it was sealed, want them sealed too", o.Batches, o.Day, o.Site)
		}
		seals[o.SiteDay] = o
	}
	sealed, order, err := c.sealed(seals)
	if err != nil {
		return err
	}
	for i, d := range order {
		if c.Progress != nil {
			c.Progress(i, len(order))
		}
		_, unfinished := seals[d]
		err := c.to.Seal(c.ctx, Seal{SiteDay: d, From: Unsealed{Checks: sealed[d]}, At: c.At, Final: !unfinished, Chunk: c.chunk(d)})
		if err != nil {
			return err
		}
	}
	return nil
}

// sealed returns the site days that were sealed, with the checks that have results on them, and their order.
func (c *copier) sealed(open map[SiteDay]OpenDay) (checks map[SiteDay][]uptally.ID, order []SiteDay, err error) {
	all, err := c.from.Series(c.ctx)
	if err != nil {
		return nil, nil, err
	}
	checks = map[SiteDay][]uptally.ID{}
	for _, s := range all {
		err := c.from.Runs(c.ctx, s.Check, s.Site, math.MinInt32, math.MaxInt32, func(d Outcomes) error {
			k := SiteDay{s.Site, d.Day.Day}
			if o, unfinished := open[k]; unfinished && o.Rev == 0 {
				return nil
			}
			if checks[k] == nil {
				order = append(order, k)
			}
			checks[k] = append(checks[k], s.Check)
			return nil
		})
		if err != nil {
			return nil, nil, err
		}
	}
	slices.SortFunc(order, func(a, b SiteDay) int { return compareKeys(BatchKey{SiteDay: a}, BatchKey{SiteDay: b}) })
	return checks, order, nil
}

// chunk reads whole days of the source with all that is not up.
func (c *copier) chunk(d SiteDay) func(context.Context, uptally.ID) (Chunk, error) {
	return func(ctx context.Context, check uptally.ID) (Chunk, error) {
		days, err := c.from.Days(ctx, check, d.Site, d.Day, d.Day+1)
		if err == nil && len(days) != 1 {
			err = fmt.Errorf("read check %v at site %v: got %d days, want one", check, d.Site, len(days))
		}
		if err != nil {
			return Chunk{}, err
		}
		start := int64(d.Day) * uptally.DayMillis
		failures, err := c.from.Failures(ctx, check, d.Site, start, start+uptally.DayMillis)
		return Chunk{Day: days[0], Failures: failures}, err
	}
}

// log appends the batches that are in the log, some at a time.
func (c *copier) log() error {
	const most = 1_000
	var waiting []Incoming
	flush := func() error {
		if len(waiting) == 0 {
			return nil
		}
		_, err := c.to.Append(c.ctx, waiting)
		waiting = waiting[:0]
		return err
	}
	err := c.from.Batches(c.ctx, func(in Incoming) error {
		in.Data = slices.Clone(in.Data)
		in.Batch.Results = slices.Clone(in.Batch.Results)
		if waiting = append(waiting, in); len(waiting) < most {
			return nil
		}
		return flush()
	})
	if err != nil {
		return err
	}
	return flush()
}

// admissions lets the same agents deliver to the copy. Its incarnation is its own: they will ask it what it has.
func (c *copier) admissions() error {
	from, ok := c.from.(Admitter)
	to, both := c.to.(Admitter)
	if !ok || !both {
		return nil
	}
	all, err := AllAdmissions(c.ctx, from)
	if err != nil || len(all) == 0 {
		return err
	}
	return to.Admit(c.ctx, all...)
}

func (c *copier) past() error {
	p, err := c.from.Past(c.ctx)
	if err != nil {
		return err
	}
	return c.to.Carry(c.ctx, p)
}
