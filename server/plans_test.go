package server_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/ledger"
	"github.com/uptally/uptally/ledger/ledgertest"
	"github.com/uptally/uptally/server"
)

// at is an instant after which every plan may begin.
func at(now int64) func(uptally.Plan) int64 { return func(uptally.Plan) int64 { return now } }

func TestDatePlans(t *testing.T) {
	ctx := t.Context()
	store := &ledger.Memory{}
	dated := func(now int64, want ...uptally.Plan) []uptally.Plan {
		t.Helper()
		got, fresh, err := server.DatePlans(ctx, store, at(now), want)
		if err != nil {
			t.Fatal(err)
		}
		if err := store.AddPlans(ctx, fresh...); err != nil {
			t.Fatal(err)
		}
		return got
	}
	from := func(p uptally.Plan, at int64) []uptally.Plan { p.From = at; return []uptally.Plan{p} }
	check := func(name string, want, got []uptally.Plan) {
		t.Helper()
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}

	p := ledgertest.Plan(12345) // From is ignored; phase 1929 of 31,000
	check("new", from(p, 32_929), dated(1_929, p))
	check("the same later", from(p, 32_929), dated(99_000, p))

	longer := p
	longer.Timeout = 20_000
	check("changed", from(longer, 125_929), dated(99_000, longer)) // 1929 + 4·31000
	check("changed back", from(p, 156_929), dated(99_000, p))      // the other is not in force yet, but stands there
	check("back again", from(longer, 187_929), dated(99_000, longer))

	cron := p
	cron.Check, cron.Every, cron.Cron = "portal-dns", 0, "*/5 * * * *"
	check("cron", from(cron, 99_001), dated(99_000, cron))

	stored, err := store.Plans(ctx, p.Check)
	if err != nil || len(stored) != 4 {
		t.Errorf("got %d plans, %v, want 4", len(stored), err)
	}
	names, err := store.Names(ctx, "check")
	if diff := cmp.Diff([]string{"portal-dns", "portal-home"}, names); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	sites, err := store.Names(ctx, "site")
	if diff := cmp.Diff([]string{"fra1"}, sites); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
}

func TestDatePlansRefuses(t *testing.T) {
	bad := ledgertest.Plan(0)
	bad.Quorum = 2
	_, _, err := server.DatePlans(t.Context(), &ledger.Memory{}, at(0), []uptally.Plan{bad})
	if want := `plan check "portal-home": quorum: got "2", want 1 to 1, the number of sites`; err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

// From is a slot of some site, after now, and no site has a slot between.
func TestDatePlansFirstSlot(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p := ledgertest.Plan(0)
		p.Sites = []string{"a", "b", "c", "d", "e"}[:rapid.IntRange(1, 5).Draw(rt, "sites")]
		p.Every = rapid.Int64Range(2, 200).Draw(rt, "every")
		p.Timeout = 1
		p.Gap = 1_000
		now := rapid.Int64Range(-1_000, 1_000).Draw(rt, "now")
		got, _, err := server.DatePlans(t.Context(), &ledger.Memory{}, at(now), []uptally.Plan{p})
		if err != nil {
			rt.Fatal(err)
		}
		slot := func(at int64) bool {
			for rank := range p.Sites {
				if (at-p.Phase(rank))%p.Every == 0 {
					return true
				}
			}
			return false
		}
		for at := now + 1; at < got[0].From; at++ {
			if slot(at) {
				rt.Fatalf("got %d, want %d", got[0].From, at)
			}
		}
		if got[0].From <= now || !slot(got[0].From) {
			rt.Fatalf("got %d after %d, want a slot", got[0].From, now)
		}
	})
}
