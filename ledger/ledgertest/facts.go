package ledgertest

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/ledger"
)

// Plan returns a plan of portal-home from an instant on.
func Plan(from int64) uptally.Plan {
	return uptally.Plan{
		Check: "portal-home", From: from, Sites: []string{"fra1"}, Every: 31_000, Timeout: 10_000, Quorum: 1, Confirm: 1,
		Recover: 1, Gap: 77_500, Kind: "http", Target: "https://portal.example.com/health",
	}
}

// factStories are those of plans, names and entries.
func factStories() []Story {
	ctx := context.Background()
	return []Story{
		{"plans", func(t *testing.T, open func(testing.TB) ledger.Store) {
			s := open(t)
			other := Plan(5)
			other.Check = "portal-dns"
			for _, ps := range [][]uptally.Plan{{Plan(9), Plan(-3), other}, {}, {Plan(5), Plan(9)}} {
				if err := s.AddPlans(ctx, ps...); err != nil {
					t.Fatal(err)
				}
			}
			changed := Plan(9)
			changed.Timeout = 9_000
			if err := s.AddPlans(ctx, Plan(77), changed); err == nil {
				t.Error("another plan of the same slot: got no error, want one")
			}
			got, err := s.Plans(ctx, "portal-home")
			if diff := cmp.Diff([]uptally.Plan{Plan(-3), Plan(5), Plan(9)}, got); err != nil || diff != "" {
				t.Errorf("%v %s", err, diff)
			}
			for kind, want := range map[string][]string{"check": {"portal-dns", "portal-home"}, "site": {"fra1"}} {
				got, err := s.Names(ctx, kind)
				if diff := cmp.Diff(want, got); err != nil || diff != "" {
					t.Errorf("names of the kind %s: %v %s", kind, err, diff)
				}
			}
			if got, err := s.Plans(ctx, "nobody"); len(got) > 0 || err != nil {
				t.Errorf("got %v, %v, want none", got, err)
			}
		}},
		{"names", func(t *testing.T, open func(testing.TB) ledger.Store) {
			s := open(t)
			// a failure gives its series a number, which is no name
			Append(t, s, []ledger.Incoming{Batch(t, 1, 1, Down(0, uptally.Status, ""))}, false)
			for _, n := range [][2]string{{"check", "b"}, {"site", "fra1"}, {"check", "a"}, {"check", "b"}, {"check", "fra1"}} {
				if err := s.AddName(ctx, n[0], n[1]); err != nil {
					t.Fatal(err)
				}
			}
			for kind, want := range map[string][]string{"check": {"a", "b", "fra1"}, "site": {"fra1"}, "agent": nil} {
				got, err := s.Names(ctx, kind)
				if diff := cmp.Diff(want, got); err != nil || diff != "" {
					t.Errorf("%s: %v %s", kind, err, diff)
				}
			}
			for _, n := range [][2]string{{"series", "x"}, {"", "x"}, {"check", ""}} {
				if err := s.AddName(ctx, n[0], n[1]); err == nil {
					t.Errorf("%q: got no error, want one", n)
				}
			}
		}},
		{"entries", func(t *testing.T, open func(testing.TB) ledger.Store) {
			s := open(t)
			var want []uptally.Entry
			for i, at := range []int64{50, 20, 50} {
				e := uptally.Entry{RecordedAt: at, By: "ana", Kind: "maintenance", Data: []byte(`{"n":` + string(rune('0'+i)) + `}`)}
				id, err := s.Record(ctx, e)
				if err != nil {
					t.Fatal(err)
				}
				if e.ID = id; len(want) > 0 && id <= want[len(want)-1].ID {
					t.Errorf("got number %d after %d, want ascending", id, want[len(want)-1].ID)
				}
				want = append(want, e)
			}
			for asOf, want := range map[int64][]uptally.Entry{50: want, 49: want[1:2], 20: want[1:2], 19: nil} {
				got, err := s.Entries(ctx, asOf)
				if diff := cmp.Diff(want, got); err != nil || diff != "" {
					t.Errorf("as of %d: %v %s", asOf, err, diff)
				}
			}
		}},
	}
}
