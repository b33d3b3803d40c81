// Package ledgertest holds every engine of package ledger to the same stories.
package ledgertest

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/ledger"
)

// The series of the stories, and the start of their day, 2025-12-01.
var (
	Check = uptally.IDOf("portal-home")
	Site  = uptally.IDOf("fra1")
)

const (
	Day   int32 = 20_423
	Start       = int64(Day) * uptally.DayMillis
)

// Up returns a success of Check at Site, at milliseconds after Start, with a response time in µs.
func Up(at, rtt int64) uptally.Result {
	return uptally.Result{Slot: uptally.Slot{Check: Check, Site: Site, At: Start + at}, RTT: rtt}
}

// Down returns a failure of Check at Site.
func Down(at int64, why uptally.Reason, detail string) uptally.Result {
	r := Up(at, 0)
	r.Reason, r.Detail = why, detail
	return r
}

// Batch returns results as a batch of agent 1, in the day of the first.
func Batch(t testing.TB, epoch, seq uint64, rs ...uptally.Result) ledger.Incoming {
	t.Helper()
	rs = slices.Clone(rs)
	slices.SortFunc(rs, uptally.Result.Compare)
	b := uptally.Batch{Agent: 1, Epoch: epoch, Seq: seq, Site: rs[0].Site, Day: uptally.DayOf(rs[0].At), Results: slices.Compact(rs)}
	data, err := b.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	return ledger.Incoming{Batch: b, Data: data}
}

// Append appends batches and demands which were there already.
func Append(t testing.TB, s ledger.Store, in []ledger.Incoming, dup ...bool) {
	t.Helper()
	got, err := s.Append(context.Background(), in)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, dup) {
		t.Errorf("there already: got %v, want %v", got, dup)
	}
}

// Story is one thing that every engine does alike.
type Story struct {
	Name string
	Run  func(t *testing.T, open func(testing.TB) ledger.Store)
}

// Run tells all stories to an engine; open returns a fresh, empty store and closes it at the end of the test.
func Run(t *testing.T, open func(testing.TB) ledger.Store) {
	for _, s := range slices.Concat(batchStories(), sealStories(), raceStories(), dropStories(), factStories()) {
		t.Run(s.Name, func(t *testing.T) { s.Run(t, open) })
	}
}

// wantDays demands the days of the series over Day and its neighbours.
func wantDays(t testing.TB, s ledger.Store, want ...uptally.Day) {
	t.Helper()
	got, err := s.Days(context.Background(), Check, Site, Day-2, Day+2)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("days: %s", diff)
	}
}

func wantFailures(t testing.TB, s ledger.Store, want ...uptally.Result) {
	t.Helper()
	got, err := s.Failures(context.Background(), Check, Site, Start, Start+uptally.DayMillis)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("failures: %s", diff)
	}
}

func fold(rs ...uptally.Result) uptally.Day {
	return uptally.FoldDay(Check, Site, uptally.DayOf(rs[0].At), rs)
}

// batchStories are those of Append, Days and Failures.
func batchStories() []Story {
	refused := Down(31_000, uptally.ConnectRefused, "dial tcp 192.0.2.1:443: refused")
	stories := []Story{
		{"nothing yet", func(t *testing.T, open func(testing.TB) ledger.Store) {
			s := open(t)
			wantDays(t, s)
			wantFailures(t, s)
			Append(t, s, nil)
		}},
		{"batch twice", func(t *testing.T, open func(testing.TB) ledger.Store) {
			s := open(t)
			b := Batch(t, 1, 1, Up(0, 10), refused)
			Append(t, s, []ledger.Incoming{b, b}, false, true)
			Append(t, s, []ledger.Incoming{b}, true)
			wantDays(t, s, fold(Up(0, 10), refused))
			wantFailures(t, s, refused)
		}},
		{"cut otherwise", func(t *testing.T, open func(testing.TB) ledger.Store) {
			s := open(t)
			Append(t, s, []ledger.Incoming{Batch(t, 1, 1, Up(0, 10), refused), Batch(t, 1, 2, Up(62_000, 11))}, false, false)
			Append(t, s, []ledger.Incoming{Batch(t, 2, 1, Up(0, 10)), Batch(t, 2, 2, refused, Up(62_000, 11))}, false, false)
			wantDays(t, s, fold(Up(0, 10), refused, Up(62_000, 11)))
			wantFailures(t, s, refused)
		}},
		{"late and out of order", func(t *testing.T, open func(testing.TB) ledger.Store) {
			s := open(t)
			yesterday := Down(-31_000, uptally.Overtaken, "")
			Append(t, s, []ledger.Incoming{Batch(t, 1, 3, Up(62_000, 12)), Batch(t, 1, 1, Up(0, 10))}, false, false)
			Append(t, s, []ledger.Incoming{Batch(t, 1, 2, refused), Batch(t, 1, 4, yesterday)}, false, false)
			wantDays(t, s, fold(yesterday), fold(Up(0, 10), refused, Up(62_000, 12)))
			wantFailures(t, s, refused)
		}},
		{"conflict in both orders", func(t *testing.T, open func(testing.TB) ledger.Store) {
			up, later := Up(0, 10), Up(0, 10)
			later.Late = 3
			for _, sides := range [][]uptally.Result{{up, Down(0, uptally.Status, "503")}, {up, later}, {Down(0, uptally.Status, "502"), Down(0, uptally.Status, "503")}} {
				a, b := Batch(t, 1, 1, sides[0], Up(31_000, 9)), Batch(t, 2, 1, sides[1])
				for _, in := range [][]ledger.Incoming{{a, b}, {b, a}} {
					s := open(t)
					Append(t, s, in[:1], false)
					Append(t, s, in[1:], false)
					contested := Up(0, 0)
					contested.Reason = uptally.Conflict
					wantDays(t, s, fold(contested, Up(31_000, 9)))
					wantFailures(t, s, slices.SortedFunc(slices.Values(sides), uptally.Result.Compare)...)
				}
			}
		}},
		{"any text that a target answers", func(t *testing.T, open func(testing.TB) ledger.Store) {
			s, odd := open(t), Down(0, uptally.ReplyMismatch, "a\x00b \\x41 'é' \U0010ffff")
			Append(t, s, []ledger.Incoming{Batch(t, 1, 1, odd)}, false)
			wantFailures(t, s, odd)
		}},
		{"held batch is kept and not folded", func(t *testing.T, open func(testing.TB) ledger.Store) {
			s := open(t)
			b := Batch(t, 1, 1, Up(0, 10), refused)
			b.Held = "check is not known here"
			Append(t, s, []ledger.Incoming{b}, false)
			Append(t, s, []ledger.Incoming{b}, true)
			wantDays(t, s)
			wantFailures(t, s)
		}},
		{"same number, other CRC: both kept", func(t *testing.T, open func(testing.TB) ledger.Store) {
			s := open(t)
			a, b := Batch(t, 1, 1, Up(0, 10)), Batch(t, 1, 1, Up(31_000, 11))
			Append(t, s, []ledger.Incoming{a, b}, false, false)
			Append(t, s, []ledger.Incoming{b, a}, true, true)
			wantDays(t, s, fold(Up(0, 10), Up(31_000, 11)))
		}},
		{"damaged bytes refuse the whole call", func(t *testing.T, open func(testing.TB) ledger.Store) {
			s := open(t)
			good, bad := Batch(t, 1, 1, Up(0, 10)), Batch(t, 1, 2, Up(31_000, 10))
			bad.Data = slices.Clone(bad.Data)
			bad.Data[30] ^= 1
			if _, err := s.Append(context.Background(), []ledger.Incoming{good, bad}); !errors.Is(err, uptally.ErrDamaged) {
				t.Errorf("got %v, want %v", err, uptally.ErrDamaged)
			}
			wantDays(t, s)
			Append(t, s, []ledger.Incoming{good}, false)
		}},
		{"cancelled before it began", func(t *testing.T, open func(testing.TB) ledger.Store) {
			s := open(t)
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			if _, err := s.Append(ctx, []ledger.Incoming{Batch(t, 1, 1, Up(0, 10))}); !errors.Is(err, context.Canceled) {
				t.Errorf("got %v, want %v", err, context.Canceled)
			}
			wantDays(t, s)
		}},
	}
	return append(stories, seriesStories()...)
}

// seriesStories are those with more than one series, and those of any results at all.
func seriesStories() []Story {
	return []Story{
		{"series apart", func(t *testing.T, open func(testing.TB) ledger.Store) {
			s := open(t)
			// 40 checks at 2 sites: more than one block of sixteen series a site, met in turn
			var all []uptally.Result
			for i := range 80 {
				r := Down(int64(i), uptally.Status, "")
				r.Check += uptally.ID(i % 40)
				r.Site += uptally.ID(i % 2)
				r.RTT = int64(i)
				all = append(all, r)
				Append(t, s, []ledger.Incoming{Batch(t, 1, uint64(i+1), r)}, false)
			}
			for _, want := range all {
				got, err := s.Failures(context.Background(), want.Check, want.Site, want.At, want.At+1)
				if diff := cmp.Diff([]uptally.Result{want}, got); err != nil || diff != "" {
					t.Fatalf("%v %s", err, diff)
				}
			}
		}},
		{"half-open ranges", func(t *testing.T, open func(testing.TB) ledger.Store) {
			s := open(t)
			edge, next := Down(uptally.DayMillis-1, uptally.Status, "last"), Down(uptally.DayMillis, uptally.Status, "first")
			Append(t, s, []ledger.Incoming{Batch(t, 1, 1, edge), Batch(t, 1, 2, next)}, false, false)
			days, err := s.Days(context.Background(), Check, Site, Day, Day+1)
			if diff := cmp.Diff([]uptally.Day{fold(edge)}, days); err != nil || diff != "" {
				t.Errorf("%v %s", err, diff)
			}
			for _, c := range []struct {
				from, to int64
				want     []uptally.Result
			}{
				{edge.At, next.At, []uptally.Result{edge}},
				{next.At, next.At + 1, []uptally.Result{next}},
				{-1 << 62, 1 << 62, []uptally.Result{edge, next}},
				{next.At, edge.At, nil},
			} {
				got, err := s.Failures(context.Background(), Check, Site, c.from, c.to)
				if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
					t.Errorf("%d to %d: %v %s", c.from, c.to, err, diff)
				}
			}
		}},
		{"any cut, order and repetition as the oracle", func(t *testing.T, open func(testing.TB) ledger.Store) {
			rapid.Check(t, func(rt *rapid.T) { anyCut(rt, t, open) })
		}},
	}
}

// anyCut appends random results in random batches, some twice, and compares every reading with Memory.
func anyCut(rt *rapid.T, t *testing.T, open func(testing.TB) ledger.Store) {
	s, oracle := open(t), &ledger.Memory{}
	reasons := []uptally.Reason{uptally.OK, uptally.OK, uptally.Status, uptally.Local, uptally.Paused}
	var all []ledger.Incoming
	for seq := range rapid.Uint64Range(1, 8).Draw(rt, "batches") {
		var rs []uptally.Result
		for range rapid.IntRange(1, 8).Draw(rt, "results") {
			r := Up(rapid.Int64Range(0, 6).Draw(rt, "slot")*31_000, rapid.Int64Range(0, 1).Draw(rt, "rtt"))
			r.Reason = rapid.SampledFrom(reasons).Draw(rt, "reason")
			r.Check += uptally.ID(rapid.IntRange(0, 1).Draw(rt, "check"))
			rs = append(rs, r)
		}
		all = append(all, Batch(t, rapid.Uint64Range(1, 2).Draw(rt, "epoch"), seq+1, rs...))
	}
	all = rapid.Permutation(append(all, rapid.SliceOf(rapid.SampledFrom(all)).Draw(rt, "again")...)).Draw(rt, "order")
	for len(all) > 0 {
		n := rapid.IntRange(1, len(all)).Draw(rt, "joined")
		want, err := oracle.Append(context.Background(), all[:n])
		if err != nil {
			rt.Fatal(err)
		}
		got, err := s.Append(context.Background(), all[:n])
		if err != nil || !slices.Equal(got, want) {
			rt.Fatalf("there already: got %v, %v, want %v", got, err, want)
		}
		all = all[n:]
		for check := Check; check < Check+2; check++ { // each time: a reading that was kept must not outlive the append
			compare(rt, s, oracle, check)
		}
	}
}

func compare(t *rapid.T, s, oracle ledger.Store, check uptally.ID) {
	ctx := context.Background()
	want, _ := oracle.Days(ctx, check, Site, Day, Day+1)
	got, err := s.Days(ctx, check, Site, Day, Day+1)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Fatalf("days: %v %s", err, diff)
	}
	wantFail, _ := oracle.Failures(ctx, check, Site, Start, Start+100_000)
	gotFail, err := s.Failures(ctx, check, Site, Start, Start+100_000)
	if diff := cmp.Diff(wantFail, gotFail); err != nil || diff != "" {
		t.Fatalf("failures: %v %s", err, diff)
	}
}
