package ledgertest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/ledger"
)

// SealOrder holds an engine to what sealing must never change: random results, in any order, any cut and with any repetition,
// sealed provisionally and for good at random moments, give the bytes of heads and of each series' body, the runs and the
// failures that the same results give when they are never sealed. After each step what is listed is as Memory lists it.
func SealOrder(t *testing.T, open func(testing.TB) ledger.Store) {
	rapid.Check(t, func(rt *rapid.T) {
		w := sealWorld{rt: rt, store: open(t), same: &ledger.Memory{}, never: &ledger.Memory{}}
		var all []ledger.Incoming
		for seq := range rapid.Uint64Range(1, 10).Draw(rt, "batches") {
			all = append(all, w.batch(t, seq/2+1))
		}
		var order []int // numbers of batches, some of them twice
		for i := range all {
			order = append(order, slices.Repeat([]int{i}, rapid.IntRange(1, 2).Draw(rt, "times"))...)
		}
		for order = rapid.Permutation(order).Draw(rt, "order"); len(order) > 0; {
			var in []ledger.Incoming
			for _, i := range order[:rapid.IntRange(1, len(order)).Draw(rt, "joined")] {
				in = append(in, all[i])
			}
			w.append(in)
			order = order[len(in):]
			if rapid.Bool().Draw(rt, "seal") {
				w.seal(rapid.SampledFrom(siteDays()).Draw(rt, "day"), rapid.Bool().Draw(rt, "final"))
			}
			w.compareLists()
			w.compareAll()
		}
		for _, d := range siteDays() {
			w.seal(d, true)
		}
		w.compareLists()
		w.compareAll()
	})
}

type sealWorld struct {
	rt                 *rapid.T
	store, same, never ledger.Store
	at                 int64
}

func siteDays() []ledger.SiteDay {
	return []ledger.SiteDay{{Site: Site, Day: Day}, {Site: Site + 1, Day: Day}, {Site: Site, Day: Day + 1}}
}

// batch draws one; that two share a number is likely.
func (w *sealWorld) batch(t *testing.T, seq uint64) ledger.Incoming {
	d := rapid.SampledFrom(siteDays()).Draw(w.rt, "of")
	var rs []uptally.Result
	for range rapid.IntRange(1, 6).Draw(w.rt, "results") {
		r := Up(rapid.Int64Range(0, 6).Draw(w.rt, "slot")*31_000, rapid.Int64Range(0, 1).Draw(w.rt, "rtt"))
		r.Site, r.At = d.Site, r.At+int64(d.Day-Day)*uptally.DayMillis
		r.Check += uptally.ID(rapid.IntRange(0, 18).Draw(w.rt, "check") / 9 * 9) // two of them often, so that they meet
		r.Reason = rapid.SampledFrom([]uptally.Reason{uptally.OK, uptally.OK, uptally.OK, uptally.Status, uptally.Paused}).Draw(w.rt, "reason")
		if r.Reason == uptally.Status {
			r.Detail = rapid.SampledFrom([]string{"", "502", "503"}).Draw(w.rt, "detail")
		}
		rs = append(rs, r)
	}
	b := Batch(t, rapid.Uint64Range(1, 2).Draw(w.rt, "epoch"), seq, rs...)
	if rapid.IntRange(0, 9).Draw(w.rt, "hold") == 0 {
		b.Held = "check is not known here"
	}
	return b
}

func (w *sealWorld) append(in []ledger.Incoming) {
	want, err := w.same.Append(context.Background(), in)
	if err != nil {
		w.rt.Fatal(err)
	}
	got, err := w.store.Append(context.Background(), in)
	if err != nil || !slices.Equal(got, want) {
		w.rt.Fatalf("there already: got %v, %v, want %v", got, err, want)
	}
	if _, err := w.never.Append(context.Background(), in); err != nil {
		w.rt.Fatal(err)
	}
}

func (w *sealWorld) seal(d ledger.SiteDay, final bool) {
	w.at++
	want, err := ledger.SealDay(context.Background(), w.same, d, w.at, final)
	if err != nil {
		w.rt.Fatal(err)
	}
	got, err := ledger.SealDay(context.Background(), w.store, d, w.at, final)
	if err != nil || got != want {
		w.rt.Fatalf("seal %v: got %v, %v, want %v", d, got, err, want)
	}
}

// compareLists compares what tells of the work and not of the results.
func (w *sealWorld) compareLists() {
	ctx := context.Background()
	lists := func(s ledger.Store) (l []any) {
		take := func(v any, err error) {
			if err != nil {
				w.rt.Fatal(err)
			}
			l = append(l, fmt.Sprintf("%+v", v))
		}
		open, err := s.Open(ctx)
		take(open, err)
		series, err := s.Series(ctx)
		take(series, err)
		resealed, err := s.Reseals(ctx, Day, Day+2)
		take(resealed, err)
		for _, d := range siteDays() {
			u, err := s.Unsealed(ctx, d)
			take(u, err)
		}
		for epoch := range uint64(2) {
			taken, err := s.Taken(ctx, 1, epoch+1)
			take(taken, err)
		}
		var log []ledger.Incoming
		err = s.Batches(ctx, func(b ledger.Incoming) error { log = append(log, b); return nil })
		take(log, err)
		return l
	}
	if diff := cmp.Diff(lists(w.same), lists(w.store)); diff != "" {
		w.rt.Fatalf("lists: %s", diff)
	}
}

// compareAll compares every reading with that of what was never sealed.
func (w *sealWorld) compareAll() {
	for _, site := range []uptally.ID{Site, Site + 1} {
		for check := Check; check <= Check+18; check += 9 {
			of := ledger.Series{Check: check, Site: site}
			want := w.reading(w.never, of)
			if diff := cmp.Diff(want, w.reading(w.store, of)); diff != "" {
				w.rt.Fatalf("check %v, site %v: %s", check, site, diff)
			}
			if diff := cmp.Diff(want, w.reading(w.same, of)); diff != "" {
				w.rt.Fatalf("memory, check %v, site %v: %s", check, site, diff)
			}
		}
	}
}

func (w *sealWorld) reading(s ledger.Store, of ledger.Series) Readings {
	r, err := ReadSeries(context.Background(), s, of, Day, Day+2)
	if err != nil {
		w.rt.Fatal(err)
	}
	return r
}

// Readings are all that a store says of a series.
type Readings struct {
	Runs, Days []uptally.Day
	// Heads and Bodies are canonical bytes.
	Heads, Bodies [][]byte
	Failures      []uptally.Result
}

// Runs keeps what Store.Runs passes by.
func Runs(ctx context.Context, s ledger.Store, check, site uptally.ID, from, to int32) (days []ledger.Outcomes, err error) {
	err = s.Runs(ctx, check, site, from, to, func(d ledger.Outcomes) error {
		d.Runs = slices.Clone(d.Runs)
		days = append(days, d)
		return nil
	})
	return days, err
}

// Heads keeps what Store.Heads passes by.
func Heads(ctx context.Context, s ledger.Store, check, site uptally.ID, from, to int32) (heads []uptally.Head, err error) {
	err = s.Heads(ctx, check, site, from, to, func(h uptally.Head) error {
		data, err := h.AppendBinary(nil)
		if err == nil {
			h, err = uptally.DecodeHead(data)
		}
		heads = append(heads, h)
		return err
	})
	return heads, err
}

// ReadSeries reads a series in every depth, days from ≤ day < to. Heads and digests that are not those of the days are an error.
func ReadSeries(ctx context.Context, s ledger.Store, of ledger.Series, from, to int32) (a Readings, err error) {
	var outcomes []ledger.Outcomes
	var heads []uptally.Head
	for _, read := range []func() error{
		func() error { outcomes, err = Runs(ctx, s, of.Check, of.Site, from, to); return err },
		func() error { a.Days, err = s.Days(ctx, of.Check, of.Site, from, to); return err },
		func() error { heads, err = Heads(ctx, s, of.Check, of.Site, from, to); return err },
		func() error {
			a.Failures, err = s.Failures(ctx, of.Check, of.Site, int64(from)*uptally.DayMillis, int64(to)*uptally.DayMillis)
			return err
		},
	} {
		if err := read(); err != nil {
			return a, err
		}
	}
	if len(heads) != len(a.Days) || len(outcomes) != len(a.Days) {
		return a, fmt.Errorf("got %d heads and %d days of runs, want %d", len(heads), len(outcomes), len(a.Days))
	}
	for i, d := range a.Days {
		head, err := heads[i].AppendBinary(nil)
		if err != nil {
			return a, err
		}
		want, err := d.AppendHead(nil)
		if err != nil {
			return a, err
		}
		if !bytes.Equal(head, want) {
			return a, fmt.Errorf("head of day %d: got %x, want %x", d.Day, head, want)
		}
		if o := outcomes[i].Digest; o != heads[i].Digest && o != [sha256.Size]byte{} {
			return a, fmt.Errorf("outcomes of day %d: got digest %x, want %x or none", d.Day, o, heads[i].Digest)
		}
		a.Runs = append(a.Runs, outcomes[i].Day)
		a.Heads, a.Bodies = append(a.Heads, head), append(a.Bodies, d.AppendBody(nil))
	}
	return a, nil
}
