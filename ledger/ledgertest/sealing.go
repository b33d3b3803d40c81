package ledgertest

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/ledger"
)

// today is the site's day of the stories.
func today() ledger.SiteDay { return ledger.SiteDay{Site: Site, Day: Day} }

// SealDay seals Day at Site and demands that there was something to do.
func SealDay(t testing.TB, s ledger.Store, at int64, final bool) {
	t.Helper()
	done, err := ledger.SealDay(t.Context(), s, today(), at, final)
	if err != nil || !done {
		t.Fatalf("seal: got %v, %v, want it done", done, err)
	}
}

// wantOpen demands how Day stands in the list of open days.
func wantOpen(t testing.TB, s ledger.Store, want ...ledger.OpenDay) {
	t.Helper()
	got, err := s.Open(t.Context())
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("open days: %v %s", err, diff)
	}
}

// sealStories are those of Seal and of what is read after it.
func sealStories() []Story {
	refused := Down(31_000, uptally.ConnectRefused, "dial tcp 192.0.2.1:443: refused")
	return []Story{
		{"sealed day reads as before", func(t *testing.T, open func(testing.TB) ledger.Store) {
			s := open(t)
			Append(t, s, []ledger.Incoming{Batch(t, 1, 1, Up(0, 10), refused), Batch(t, 1, 2, Up(62_000, 11))}, false, false)
			wantOpen(t, s, ledger.OpenDay{SiteDay: today(), Batches: 2, Results: 3})
			SealDay(t, s, 7, true)
			wantDays(t, s, fold(Up(0, 10), refused, Up(62_000, 11)))
			wantFailures(t, s, refused)
			wantOpen(t, s)
			if done, err := ledger.SealDay(t.Context(), s, today(), 8, true); done || err != nil {
				t.Errorf("sealed again: got %v, %v, want nothing to do", done, err)
			}
		}},
		{"provisional seal leaves no trace", func(t *testing.T, open func(testing.TB) ledger.Store) {
			s, once := open(t), open(t)
			morning, evening := Batch(t, 1, 1, Up(0, 10), refused), Batch(t, 1, 2, Up(62_000, 11))
			Append(t, s, []ledger.Incoming{morning}, false)
			SealDay(t, s, 7, false)
			wantOpen(t, s, ledger.OpenDay{SiteDay: today(), Rev: 1})
			Append(t, s, []ledger.Incoming{evening}, false)
			wantOpen(t, s, ledger.OpenDay{SiteDay: today(), Batches: 1, Results: 1, Rev: 1})
			wantDays(t, s, fold(Up(0, 10), refused, Up(62_000, 11)))
			SealDay(t, s, 8, true)
			wantOpen(t, s)
			Append(t, once, []ledger.Incoming{morning, evening}, false, false)
			SealDay(t, once, 9, true)
			SameSeries(t, once, s, Series(), Day, Day+1)
			wantReseals(t, s)
		}},
		{"late result that is equal", func(t *testing.T, open func(testing.TB) ledger.Store) {
			s := open(t)
			Append(t, s, []ledger.Incoming{Batch(t, 1, 1, Up(0, 10), refused)}, false)
			SealDay(t, s, 7, true)
			Append(t, s, []ledger.Incoming{Batch(t, 2, 1, Up(0, 10)), Batch(t, 2, 2, refused), Batch(t, 1, 1, Up(0, 10), refused)}, false, false, false)
			for range 2 { // before it is sealed and after
				wantDays(t, s, fold(Up(0, 10), refused))
				wantFailures(t, s, refused)
				_, err := ledger.SealDay(t.Context(), s, today(), 8, true)
				if err != nil {
					t.Fatal(err)
				}
			}
			wantReseals(t, s)
			wantOpen(t, s)
		}},
		{"late result that differs", lateConflict},
		{"late results are on record", lateRecord},
		{"many series, a few of them late", func(t *testing.T, open func(testing.TB) ledger.Store) {
			s, oracle := open(t), &ledger.Memory{}
			var all []ledger.Series
			for i := range uint64(40) { // two blocks and a half
				r := Up(int64(i), int64(i))
				r.Check = Check + uptally.ID(i)
				all = append(all, ledger.Series{Check: r.Check, Site: Site})
				for _, s := range []ledger.Store{s, oracle} {
					Append(t, s, []ledger.Incoming{Batch(t, 1, i+1, r)}, false)
				}
				if i == 17 || i == 30 {
					SealDay(t, s, 7, i == 30)
				}
			}
			SameSeries(t, oracle, s, all, Day, Day+1)
			SealDay(t, s, 8, true)
			SameSeries(t, oracle, s, all, Day, Day+1)
			got, err := s.Series(t.Context())
			if diff := cmp.Diff(all, got); err != nil || diff != "" {
				t.Errorf("series: %v %s", err, diff)
			}
		}},
		{"held batches stay", func(t *testing.T, open func(testing.TB) ledger.Store) {
			s := open(t)
			held := Batch(t, 1, 2, refused)
			held.Held = "check is not known here"
			Append(t, s, []ledger.Incoming{Batch(t, 1, 1, Up(0, 10)), held, Batch(t, 1, 3, Up(62_000, 11))}, false, false, false)
			SealDay(t, s, 7, true)
			wantDays(t, s, fold(Up(0, 10), Up(62_000, 11)))
			wantLog(t, s, held)
			wantTaken(t, s, 1, [2]uint64{1, 3})
		}},
		{"numbers stay taken", func(t *testing.T, open func(testing.TB) ledger.Store) {
			s := open(t)
			for _, seq := range []uint64{2, 3, 9, 5} {
				Append(t, s, []ledger.Incoming{Batch(t, 1, seq, Up(int64(seq), 1))}, false)
			}
			SealDay(t, s, 7, false)
			Append(t, s, []ledger.Incoming{Batch(t, 1, 4, Up(4, 1)), Batch(t, 2, 1, Up(5, 1))}, false, false)
			wantTaken(t, s, 1, [2]uint64{2, 5}, [2]uint64{9, 9})
			SealDay(t, s, 8, true)
			wantTaken(t, s, 1, [2]uint64{2, 5}, [2]uint64{9, 9})
			wantTaken(t, s, 2, [2]uint64{1, 1})
			wantTaken(t, s, 3)
		}},
	}
}

// lateConflict brings two sides of a slot, the second after the first was sealed, in both orders.
func lateConflict(t *testing.T, open func(testing.TB) ledger.Store) {
	up, later := Up(0, 10), Up(0, 10)
	later.Late = 3
	slower := Up(0, 11)
	for _, sides := range [][]uptally.Result{
		{up, Down(0, uptally.Status, "503")}, {up, later}, {up, slower}, {Down(0, uptally.Status, "502"), Down(0, uptally.Status, "503")},
	} {
		want := slices.SortedFunc(slices.Values(sides), uptally.Result.Compare)
		for _, order := range [][]uptally.Result{sides, {sides[1], sides[0]}} {
			s := open(t)
			Append(t, s, []ledger.Incoming{Batch(t, 1, 1, order[0], Up(31_000, 9))}, false)
			SealDay(t, s, 7, true)
			Append(t, s, []ledger.Incoming{Batch(t, 2, 1, order[1])}, false)
			contested := Up(0, 0)
			contested.Reason = uptally.Conflict
			for range 2 { // before it is sealed and after
				wantDays(t, s, fold(contested, Up(31_000, 9)))
				wantFailures(t, s, want...)
				if _, err := ledger.SealDay(t.Context(), s, today(), 8, true); err != nil {
					t.Fatal(err)
				}
			}
			// a side that comes again, or a third one, makes it no less a conflict
			third := Up(0, 99)
			Append(t, s, []ledger.Incoming{Batch(t, 3, 1, order[0]), Batch(t, 3, 2, third)}, false, false)
			SealDay(t, s, 9, true)
			wantDays(t, s, fold(contested, Up(31_000, 9)))
			wantFailures(t, s, slices.SortedFunc(slices.Values(append(slices.Clone(sides), third)), uptally.Result.Compare)...)
		}
	}
}

// lateRecord compares what late results are said to have changed.
func lateRecord(t *testing.T, open func(testing.TB) ledger.Store) {
	s := open(t)
	Append(t, s, []ledger.Incoming{Batch(t, 1, 1, Up(0, 10), Down(31_000, uptally.Status, "503"))}, false)
	SealDay(t, s, 5, false)
	Append(t, s, []ledger.Incoming{Batch(t, 1, 2, Up(62_000, 10))}, false) // not late: the day was not over
	SealDay(t, s, 6, true)
	wantReseals(t, s)
	was := headDigest(t, s, Check)
	// three more: two down, and one that contests the failure, which makes it one down less
	Append(t, s, []ledger.Incoming{Batch(t, 1, 3, Down(93_000, uptally.Status, ""), Down(124_000, uptally.NoReply, ""), Up(155_000, 1), Up(31_000, 7))}, false)
	other := Up(0, 1)
	other.Check++
	Append(t, s, []ledger.Incoming{Batch(t, 1, 4, other)}, false)
	SealDay(t, s, 7, false) // late results stay late, whatever the seal is called
	wantOpen(t, s)
	want := []ledger.Reseal{
		{Series: Series()[0], Day: Day, At: 7, Rev: 3, Was: was, Is: headDigest(t, s, Check), Results: 3, Downs: 1},
		{Series: ledger.Series{Check: other.Check, Site: Site}, Day: Day, At: 7, Rev: 3, Is: headDigest(t, s, other.Check), Results: 1},
	}
	wantReseals(t, s, want...)
	if got, err := s.Reseals(t.Context(), Day+1, Day+9); len(got) > 0 || err != nil {
		t.Errorf("of other days: got %v, %v, want none", got, err)
	}
}

// Series are those of the stories that name no other.
func Series() []ledger.Series { return []ledger.Series{{Check: Check, Site: Site}} }

func headDigest(t testing.TB, s ledger.Store, check uptally.ID) [32]byte {
	t.Helper()
	heads, err := Heads(t.Context(), s, check, Site, Day, Day+1)
	if err != nil || len(heads) != 1 {
		t.Fatalf("got %d heads, %v, want one", len(heads), err)
	}
	return heads[0].Digest
}

func wantReseals(t testing.TB, s ledger.Store, want ...ledger.Reseal) {
	t.Helper()
	got, err := s.Reseals(t.Context(), Day, Day+1)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("sealed again: %v %s", err, diff)
	}
}

func wantTaken(t testing.TB, s ledger.Store, epoch uint64, want ...[2]uint64) {
	t.Helper()
	got, err := s.Taken(t.Context(), 1, epoch)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("numbers of epoch %d: got %v, %v, want %v", epoch, got, err, want)
	}
}

func wantLog(t testing.TB, s ledger.Store, want ...ledger.Incoming) {
	t.Helper()
	var got []ledger.Incoming
	err := s.Batches(t.Context(), func(b ledger.Incoming) error {
		b.Data = slices.Clone(b.Data)
		got = append(got, b)
		return nil
	})
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("log: %v %s", err, diff)
	}
}

// SameSeries demands that two stores say the same of series, days from ≤ day < to, down to the bytes.
func SameSeries(t testing.TB, want, got ledger.Store, all []ledger.Series, from, to int32) {
	t.Helper()
	for _, of := range all {
		a, err := ReadSeries(t.Context(), want, of, from, to)
		if err != nil {
			t.Fatal(err)
		}
		b, err := ReadSeries(t.Context(), got, of, from, to)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(a, b); diff != "" {
			t.Errorf("check %v at site %v: %s", of.Check, of.Site, diff)
		}
	}
}

// raceStories are those of seals that meet others.
func raceStories() []Story {
	return []Story{
		{"two sealers", func(t *testing.T, open func(testing.TB) ledger.Store) {
			s := open(t)
			Append(t, s, []ledger.Incoming{Batch(t, 1, 1, Up(0, 10))}, false)
			first, err := s.Unsealed(t.Context(), today())
			if err != nil {
				t.Fatal(err)
			}
			SealDay(t, s, 7, true)
			err = s.Seal(t.Context(), ledger.Seal{SiteDay: today(), From: first, At: 8, Final: true, Chunk: foldedChunk(s)})
			if !errors.Is(err, ledger.ErrStale) {
				t.Errorf("second sealer: got %v, want %v", err, ledger.ErrStale)
			}
			wantDays(t, s, fold(Up(0, 10)))
			u, err := s.Unsealed(t.Context(), today())
			if want := (ledger.Unsealed{Rev: 1, Final: true}); err != nil || !cmp.Equal(u, want) {
				t.Errorf("got %+v, %v, want %+v", u, err, want)
			}
		}},
		{"another seals while chunks are made", func(t *testing.T, open func(testing.TB) ledger.Store) {
			s := open(t)
			Append(t, s, []ledger.Incoming{Batch(t, 1, 1, Up(0, 10))}, false)
			u, err := s.Unsealed(t.Context(), today())
			if err != nil {
				t.Fatal(err)
			}
			err = s.Seal(t.Context(), ledger.Seal{SiteDay: today(), From: u, At: 8, Chunk: func(ctx context.Context, check uptally.ID) (ledger.Chunk, error) {
				Append(t, s, []ledger.Incoming{Batch(t, 1, 2, Up(31_000, 11))}, false)
				SealDay(t, s, 7, true)
				return foldedChunk(s)(ctx, check)
			}})
			if !errors.Is(err, ledger.ErrStale) {
				t.Errorf("got %v, want %v", err, ledger.ErrStale)
			}
			wantDays(t, s, fold(Up(0, 10), Up(31_000, 11)))
			wantReseals(t, s)
			wantOpen(t, s)
		}},
		{"batches come while chunks are made", func(t *testing.T, open func(testing.TB) ledger.Store) {
			s := open(t)
			Append(t, s, []ledger.Incoming{Batch(t, 1, 1, Up(0, 10)), Batch(t, 1, 4, Up(93_000, 10))}, false, false)
			u, err := s.Unsealed(t.Context(), today())
			if err != nil {
				t.Fatal(err)
			}
			between := []ledger.Incoming{Batch(t, 1, 2, Up(31_000, 11)), Batch(t, 1, 5, Down(62_000, uptally.Status, "503"))}
			err = s.Seal(t.Context(), ledger.Seal{SiteDay: today(), From: u, At: 7, Final: true, Chunk: func(ctx context.Context, check uptally.ID) (ledger.Chunk, error) {
				Append(t, s, between, false, false)
				return foldedChunk(s)(ctx, check)
			}})
			if err != nil {
				t.Fatal(err)
			}
			wantLog(t, s, between...)
			for range 2 {
				wantDays(t, s, fold(Up(0, 10), Up(31_000, 11), Down(62_000, uptally.Status, "503"), Up(93_000, 10)))
				wantFailures(t, s, Down(62_000, uptally.Status, "503"))
				if _, err := ledger.SealDay(t.Context(), s, today(), 8, true); err != nil {
					t.Fatal(err)
				}
			}
			wantReseals(t, s)
			wantOpen(t, s)
		}},
		{"a number comes again while chunks are made", func(t *testing.T, open func(testing.TB) ledger.Store) {
			s := open(t)
			Append(t, s, []ledger.Incoming{Batch(t, 1, 1, Up(0, 10))}, false)
			u, err := s.Unsealed(t.Context(), today())
			if err != nil {
				t.Fatal(err)
			}
			err = s.Seal(t.Context(), ledger.Seal{SiteDay: today(), From: u, At: 7, Chunk: func(ctx context.Context, check uptally.ID) (ledger.Chunk, error) {
				c, err := foldedChunk(s)(ctx, check)
				Append(t, s, []ledger.Incoming{Batch(t, 1, 1, Up(31_000, 11))}, false)
				return c, err
			}})
			if err != nil && !errors.Is(err, ledger.ErrStale) {
				t.Fatal(err)
			}
			wantDays(t, s, fold(Up(0, 10), Up(31_000, 11)))
			SealDay(t, s, 8, true)
			wantDays(t, s, fold(Up(0, 10), Up(31_000, 11)))
			wantOpen(t, s)
		}},
		{"chunk that cannot be made", func(t *testing.T, open func(testing.TB) ledger.Store) {
			s := open(t)
			b := Batch(t, 1, 1, Up(0, 10))
			Append(t, s, []ledger.Incoming{b}, false)
			u, err := s.Unsealed(t.Context(), today())
			if err != nil {
				t.Fatal(err)
			}
			broken := errors.New("broken")
			err = s.Seal(t.Context(), ledger.Seal{SiteDay: today(), From: u, At: 7, Chunk: func(context.Context, uptally.ID) (ledger.Chunk, error) {
				return ledger.Chunk{}, broken
			}})
			if !errors.Is(err, broken) {
				t.Errorf("got %v, want %v", err, broken)
			}
			wantLog(t, s, b)
			wantOpen(t, s, ledger.OpenDay{SiteDay: today(), Batches: 1, Results: 1})
		}},
	}
}

// foldedChunk reads chunks with all that is not up, as a copy into another ledger does.
func foldedChunk(s ledger.Store) func(context.Context, uptally.ID) (ledger.Chunk, error) {
	return func(ctx context.Context, check uptally.ID) (ledger.Chunk, error) {
		days, err := s.Days(ctx, check, Site, Day, Day+1)
		if err != nil {
			return ledger.Chunk{}, err
		}
		failures, err := s.Failures(ctx, check, Site, Start, Start+uptally.DayMillis)
		return ledger.Chunk{Day: days[0], Failures: failures}, err
	}
}
