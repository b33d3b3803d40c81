package statements

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/agreements"
	"github.com/uptally/uptally/ledger"
)

// world is a ledger that seals, with the portal's plan.
type world struct {
	*testing.T
	ledger.Store
	now int64
}

func newWorld(t *testing.T, l ledger.Store) world {
	t.Helper()
	if err := l.AddPlans(t.Context(), portalPlan()); err != nil {
		t.Fatal(err)
	}
	return world{t, l, at("2026-10-09T00:10:00Z")}
}

func (w world) append(batches ...uptally.Batch) {
	w.Helper()
	for _, b := range batches {
		b.Results = slices.Compact(slices.SortedFunc(slices.Values(b.Results), uptally.Result.Compare))
		data, err := b.AppendBinary(nil)
		if err != nil {
			w.Fatal(err)
		}
		if _, err := w.Append(w.Context(), []ledger.Incoming{{Batch: b, Data: data}}); err != nil {
			w.Fatal(err)
		}
	}
}

// seal seals the open days that are chosen, a minute after the seal before.
func (w *world) seal(final bool, chosen func(ledger.OpenDay) bool) {
	w.Helper()
	open, err := w.Open(w.Context())
	if err != nil {
		w.Fatal(err)
	}
	for _, o := range open {
		if !chosen(o) {
			continue
		}
		w.now += 60_000
		if _, err := ledger.SealDay(w.Context(), w.Store, o.SiteDay, w.now, final || o.Final); err != nil {
			w.Fatal(err)
		}
	}
}

func every(ledger.OpenDay) bool { return true }

// statement is that of six hours around midnight UTC.
func (w world) statement() Statement {
	w.Helper()
	in := portalRequest(w.T, w.Store, issued)
	in.Period, in.PeriodText = agreements.Interval{From: at("2026-10-07T21:00:00Z"), To: at("2026-10-08T03:00:00Z")}, "2026-10-07T21:00:00Z/2026-10-08T03:00:00Z"
	s, err := Compute(w.Context(), in)
	if err != nil {
		w.Fatal(err)
	}
	return s
}

func (w world) bytes() []byte {
	w.Helper()
	s := w.statement()
	data, err := s.JSON()
	if err != nil {
		w.Fatal(err)
	}
	return data
}

// The same results in any order, in other batches, again and late, days sealed for good or for now at any moment between, and
// the statement has the same bytes as that of a ledger that never sealed.
func TestSealsMoveNoByte(t *testing.T) {
	late := 0
	for seed := range uint64(10) {
		r := rand.New(rand.NewPCG(seed, 5))
		results := eightHours(r)
		unsealed := newWorld(t, &ledger.Memory{})
		unsealed.append(inOrder(results)...)
		w := newWorld(t, &ledger.Memory{})
		for _, b := range disturbed(r, results) {
			w.append(b)
			if r.IntN(8) == 0 {
				w.seal(r.IntN(3) == 0, func(ledger.OpenDay) bool { return r.IntN(2) == 0 })
			}
		}
		want := unsealed.bytes()
		if got := w.bytes(); !bytes.Equal(got, want) {
			t.Fatalf("seed %d: got\n%s\nwant\n%s", seed, got, want)
		}
		late += len(w.statement().Late)
		w.seal(true, every)
		if got := w.bytes(); !bytes.Equal(got, want) {
			t.Fatalf("seed %d, all sealed: got\n%s\nwant\n%s", seed, got, want)
		}
	}
	if late < 100 {
		t.Errorf("got %d days changed by late results, want some in every ledger", late)
	}
}

// The same out of memory and out of SQLite with late data, not sealed and sealed, and out of a copy, which also knows what was late.
func TestSealsAndCopiesMoveNoByte(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 5))
	results := eightHours(r)
	oracle := newWorld(t, &ledger.Memory{})
	oracle.append(inOrder(results)...)
	want := oracle.bytes()
	embedded, err := ledger.Open(t.TempDir(), ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer embedded.Close()
	batches := disturbed(r, results)
	late := []LateDay{}
	expect := func(w world, when string) {
		t.Helper()
		if got := w.bytes(); !bytes.Equal(got, want) {
			t.Fatalf("%s: got\n%s\nwant\n%s", when, got, want)
		}
	}
	memory := &ledger.Memory{}
	for _, l := range []ledger.Store{memory, embedded} {
		w := newWorld(t, l)
		w.append(batches[:len(batches)/2]...)
		w.seal(true, every)
		w.append(batches[len(batches)/2:]...)
		expect(w, "late data in the log")
		w.seal(true, every)
		expect(w, "sealed again")
		if got := w.statement().Late; len(late) > 0 && !slices.Equal(got, late) {
			t.Errorf("got late data %+v, want %+v", got, late)
		}
		late = w.statement().Late
	}
	to := &ledger.Memory{}
	if _, err := ledger.Copy(t.Context(), memory, to, ledger.CopyOptions{At: oracle.now}); err != nil {
		t.Fatal(err)
	}
	copied := world{t, to, oracle.now}
	expect(copied, "copied")
	if got := copied.statement().Late; len(late) == 0 || !slices.Equal(got, late) {
		t.Errorf("got late data %+v of the copy, want %+v", got, late)
	}
}

// Two failures at ams1 that arrive on 9 November, after 7 October had been sealed for good: the statement that was computed
// before is touched, the next one holds them and says so, and neither needs to be told.
func TestLateDataTouchesAStatement(t *testing.T) {
	results := eightHours(rand.New(rand.NewPCG(1, 5)))
	var held []uptally.Result
	sides := map[uptally.Slot]int{}
	for _, r := range results {
		sides[r.Slot]++
	}
	results = slices.DeleteFunc(results, func(r uptally.Result) bool {
		keep := r.Site == uptally.IDOf("ams1") && r.Reason == uptally.Status && uptally.DayOf(r.At) == 20_733 && sides[r.Slot] == 1 && len(held) < 2
		if keep {
			held = append(held, r)
		}
		return keep
	})
	w := newWorld(t, &ledger.Memory{})
	w.append(inOrder(results)...)
	w.seal(true, every)
	before := w.statement()
	if len(held) != 2 || len(before.Late) != 0 || before.Touched() {
		t.Fatalf("got late data %+v before any came, %d held back", before.Late, len(held))
	}
	w.append(uptally.Batch{Agent: 1, Epoch: 2, Seq: 1, Site: uptally.IDOf("ams1"), Day: 20_733, Results: held})
	w.now = at("2026-11-09T06:00:00Z") // and sealed a minute later
	w.seal(true, every)
	after := w.statement()
	want := LateDay{"portal-home", "ams1", "2026-10-07", Instant(w.now), 2, 2}
	if len(after.Late) != 1 || after.Late[0] != want {
		t.Errorf("got %+v, want %+v", after.Late, want)
	}
	var err error
	if before.Late, err = LateData(t.Context(), w, &before); err != nil || !before.Touched() {
		t.Errorf("got %+v, %v, want the older statement touched", before.Late, err)
	}
	const text = "2026-10-07 of portal-home at ams1 was sealed again 2026-11-09 14:01:00: 2 results more, 2 down more. The statement was computed before."
	if got := before.LateText(before.Late[0]); got != text {
		t.Errorf("got  %s\nwant %s", got, text)
	}
	if after.GeneratedAt = Instant(at("2026-11-10T00:00:00Z")); after.Touched() {
		t.Error("got a statement touched by what it holds")
	}
}

// Days that are gone are no unknown time: whoever asks for them is told who dropped them, and a period after them is computed
// as before. What a plan never covered was never there to be dropped.
func TestDroppedDaysAreAnErrorThatNamesTheDrop(t *testing.T) {
	results := eightHours(rand.New(rand.NewPCG(1, 5)))
	for i := range results {
		results[i].Reason, results[i].Detail = uptally.OK, ""
	}
	w := newWorld(t, &ledger.Memory{})
	w.append(inOrder(results)...)
	w.seal(true, every)
	want := w.bytes()
	before := func(day int32) {
		t.Helper()
		if err := w.Drop(t.Context(), ledger.Drop{Before: day, At: at("2026-12-01T00:00:00Z"), By: "j.meier", Why: "13 months are over"}); err != nil {
			t.Fatal(err)
		}
	}
	before(20_733)
	if got := w.bytes(); !bytes.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	before(20_734)
	in := portalRequest(t, w.Store, issued)
	_, err := Compute(t.Context(), in)
	const text = `read "portal-home" from 2026-09-30: days before 2026-10-07 were dropped by "j.meier" on 2026-12-01T00:00:00Z (13 months are over)`
	if dropped := (*DroppedError)(nil); !errors.As(err, &dropped) || err.Error() != text {
		t.Errorf("got %v, want %s", err, text)
	}
	in.Period = agreements.Interval{From: at("2026-10-08T01:00:00Z"), To: at("2026-10-08T02:00:00Z")}
	if _, err := Compute(t.Context(), in); err != nil {
		t.Errorf("got %v of an hour that is kept", err)
	}
	in.Ledger = withDrops{w.Store, ledger.Drop{Before: 20_800, BodiesOnly: true, By: "j.meier", Why: "outcomes are enough"}}
	if _, err := Compute(t.Context(), in); err != nil {
		t.Errorf("got %v where no response time is needed", err)
	}
	in.Agreement.Versions[0].Response = &agreements.ResponseTerms{Limit: 300_000, Mean: true}
	_, err = Compute(t.Context(), in)
	const times = `read "portal-home" from 2026-10-08: response times before 2026-12-13 were dropped by "j.meier" on 1970-01-01T00:00:00Z (outcomes are enough)`
	if err == nil || err.Error() != times {
		t.Errorf("got %v, want %s", err, times)
	}
}

// withDrops is a ledger with another list of drops.
type withDrops struct {
	ledger.Store
	drop ledger.Drop
}

func (l withDrops) Drops(context.Context) ([]ledger.Drop, error) { return []ledger.Drop{l.drop}, nil }
