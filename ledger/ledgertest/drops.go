package ledgertest

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/ledger"
)

// dropStories are those of Drop, and of a ledger that is made of chunks.
func dropStories() []Story {
	return []Story{
		{"drop", dropped},
		{"drop of response times", droppedBodies},
		{"copy through chunks", func(t *testing.T, open func(testing.TB) ledger.Store) {
			s, into := open(t), open(t)
			conflict := []ledger.Incoming{Batch(t, 1, 1, Up(0, 10), Down(31_000, uptally.Status, "503")), Batch(t, 2, 1, Up(31_000, 7), Down(62_000, uptally.Paused, ""))}
			Append(t, s, conflict, false, false)
			SealDay(t, s, 7, true)
			err := into.Seal(t.Context(), ledger.Seal{SiteDay: today(), From: ledger.Unsealed{Checks: []uptally.ID{Check}}, At: 8, Final: true, Chunk: foldedChunk(s)})
			if err != nil {
				t.Fatal(err)
			}
			SameSeries(t, s, into, Series(), Day, Day+1)
			wantOpen(t, into)
			wantReseals(t, into)
			// and it goes on like the original
			for _, s := range []ledger.Store{s, into} {
				Append(t, s, []ledger.Incoming{Batch(t, 3, 1, Up(0, 11), Down(62_000, uptally.Paused, ""))}, false)
				SealDay(t, s, 9, true)
			}
			SameSeries(t, s, into, Series(), Day, Day+1)
		}},
	}
}

func dropped(t *testing.T, open func(testing.TB) ledger.Store) {
	s := open(t)
	d := ledger.Drop{Before: Day + 1, At: 99, By: "ana", Why: "retention of 13 months"}
	next := Down(uptally.DayMillis, uptally.Status, "next day")
	held := Batch(t, 1, 2, Up(31_000, 9))
	held.Held = "check is not known here"
	Append(t, s, []ledger.Incoming{Batch(t, 1, 1, Up(0, 10), Down(31_000, uptally.Status, "503")), held, Batch(t, 1, 3, next)}, false, false, false)
	if err := s.Drop(t.Context(), d); err == nil {
		t.Fatal("drop of what is not sealed: got no error, want one")
	}
	wantDays(t, s, fold(Up(0, 10), Down(31_000, uptally.Status, "503")), fold(next))
	SealDay(t, s, 7, true)
	Append(t, s, []ledger.Incoming{Batch(t, 1, 4, Up(62_000, 10))}, false)
	SealDay(t, s, 8, true)
	if err := s.Drop(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	wantDays(t, s, fold(next))
	wantFailures(t, s)
	wantReseals(t, s)
	wantLog(t, s, Batch(t, 1, 3, next))
	wantTaken(t, s, 1, [2]uint64{1, 4})
	drops, err := s.Drops(t.Context())
	if diff := cmp.Diff([]ledger.Drop{d}, drops); err != nil || diff != "" {
		t.Errorf("drops: %v %s", err, diff)
	}
	// what comes after all begins the day anew
	Append(t, s, []ledger.Incoming{Batch(t, 2, 1, Up(0, 12))}, false)
	SealDay(t, s, 100, true)
	wantDays(t, s, fold(Up(0, 12)), fold(next))
}

func droppedBodies(t *testing.T, open func(testing.TB) ledger.Store) {
	s := open(t)
	if _, memory := s.(*ledger.Memory); memory {
		t.Skip("memory keeps response times with the outcomes")
	}
	Append(t, s, []ledger.Incoming{Batch(t, 1, 1, Up(0, 10), Down(31_000, uptally.Status, "503"))}, false)
	SealDay(t, s, 7, true)
	runs, err := Runs(t.Context(), s, Check, Site, Day, Day+1)
	if err != nil {
		t.Fatal(err)
	}
	digest := headDigest(t, s, Check)
	if len(runs) != 1 || runs[0].Digest != digest {
		t.Errorf("got %v, want a sealed day with digest %x", runs, digest)
	}
	if err := s.Drop(t.Context(), ledger.Drop{Before: Day + 1, BodiesOnly: true, At: 99, By: "ana", Why: "room"}); err != nil {
		t.Fatal(err)
	}
	again, err := Runs(t.Context(), s, Check, Site, Day, Day+1)
	if diff := cmp.Diff(runs, again); err != nil || diff != "" {
		t.Errorf("runs: %v %s", err, diff)
	}
	if got := headDigest(t, s, Check); got != digest {
		t.Errorf("got digest %x, want %x", got, digest)
	}
	wantFailures(t, s, Down(31_000, uptally.Status, "503"))
	want := "read check " + Check.String() + " at site " + Site.String() +
		`: got no response times of day 20423: those before day 20424 were dropped at 99 by "ana": room`
	if _, err := s.Days(t.Context(), Check, Site, Day, Day+1); err == nil || err.Error() != want || errors.Is(err, uptally.ErrDamaged) {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}
