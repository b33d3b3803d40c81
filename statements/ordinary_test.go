package statements

import (
	"context"
	"math/big"
	"testing"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/agreements"
)

// focused is a ledger of one site for October, every 30 s at 100 ms: on the 8th, an hour of focus each second at 900 ms, of
// which every tenth probe fails, slots among them. The slots keep their 100 ms.
func focused(plan uptally.Plan, slot func(at int64) bool) *fakeLedger {
	plan.Sites, plan.Quorum = []string{"ams1"}, 1
	l := &fakeLedger{plans: []uptally.Plan{plan}, days: map[uptally.ID][]uptally.Day{}}
	site, check := uptally.IDOf("ams1"), uptally.IDOf(plan.Check)
	for day := uptally.DayOf(at("2026-09-30T00:00:00Z")); day <= uptally.DayOf(at("2026-11-01T00:00:00Z")); day++ {
		var results []uptally.Result
		add := func(at, micros int64, reason uptally.Reason) {
			results = append(results, uptally.Result{Slot: uptally.Slot{Check: check, Site: site, At: at}, RTT: micros, Reason: reason})
		}
		start := int64(day) * uptally.DayMillis
		for at := start; at < start+uptally.DayMillis; at += 1000 {
			if slot(at) {
				add(at, 100_000, uptally.OK)
			}
		}
		if start == at("2026-10-08T00:00:00Z") {
			for k := range int64(3600) {
				if tick := at("2026-10-08T03:00:00Z") + k*1000; !slot(tick) {
					reason := uptally.OK
					if k%10 == 7 {
						reason = uptally.ResponseTimeout
					}
					add(tick, 900_000, reason)
				}
			}
		}
		l.days[site] = append(l.days[site], uptally.FoldDay(check, site, day, results))
	}
	return l
}

// reading computes October's account of a measure over the ledger.
func reading(t *testing.T, l Ledger, m agreements.MeasureTerms, slots SlotsFunc) Reading {
	t.Helper()
	in := portalRequest(t, l, issued)
	v := &in.Agreement.Versions[0]
	v.MeasureTerms, v.Target, in.Slots = m, m.Target(), slots
	v.Ladder = []agreements.Tier{{Upper: agreements.Bound{Share: v.Target, Text: agreements.FormatShare(v.Target)}, Percent: pct("10%")}}
	s, err := Compute(context.Background(), in)
	if err != nil {
		t.Fatal(err)
	}
	if s.Accounts[0].Reading == nil {
		t.Fatal("got no reading")
	}
	return *s.Accounts[0].Reading
}

// October in Shanghai is 31 × 86,400 s: 89,280 slots of 30 s, all at 100 ms.
func TestResponseTimesOutOfTheLedgerAreThoseOfSlots(t *testing.T) {
	mean := agreements.MeasureTerms{Response: &agreements.ResponseTerms{Limit: 150_000, Mean: true}}
	lost := agreements.MeasureTerms{Loss: big.NewRat(1, 1000)}
	halfMinute := func(at int64) bool { return at%30_000 == 0 }
	everyMinute := func(at int64) bool { return at%60_000 == 0 }
	cron := func(uptally.Plan, string) (func(int64) int64, error) {
		return func(after int64) int64 { return after/60_000*60_000 + 60_000 }, nil
	}
	focus, none := portalPlan(), portalPlan()
	focus.Focus, focus.Confirm, focus.Recover = true, 3, 3
	cronPlan := focus
	cronPlan.Every, cronPlan.Cron, cronPlan.Gap = 0, "* * * * *", 150_000
	for _, c := range []struct {
		name  string
		plan  uptally.Plan
		slot  func(int64) bool
		slots SlotsFunc
		terms agreements.MeasureTerms
		want  Reading
	}{
		{"mean", focus, halfMinute, grid, mean, Reading{Unit: "ms", Value: "100", Limit: "150", Of: 89_280}},
		{"loss", focus, halfMinute, grid, lost, Reading{Unit: "share", Value: "0", Limit: "1/1000", Of: 89_280}},
		{"mean by cron", cronPlan, everyMinute, cron, mean, Reading{Unit: "ms", Value: "100", Limit: "150", Of: 44_640}},
		// A plan without focus has no probes but its slots: what is there counts. 3,480 more of them, 360 of which failed and
		// have no response time: (89,280 × 100 + 3,120 × 900) / 92,400.
		{"loss without focus", none, halfMinute, grid, lost, Reading{Unit: "share", Value: "3/773", Limit: "1/1000", Of: 92_760, Over: 360}},
		{"mean without focus", none, halfMinute, grid, mean, Reading{Unit: "ms", Value: ratText(big.NewRat(8_928_000+3_120*900, 92_400)), Limit: "150", Of: 92_400, Over: 3_120}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := reading(t, focused(c.plan, c.slot), c.terms, c.slots); got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

// Focus probes change neither how many slots were planned nor how many were probed.
func TestCoverageCountsSlotsAlone(t *testing.T) {
	plan := portalPlan()
	plan.Focus = true
	s, err := Compute(context.Background(), portalRequest(t, focused(plan, func(at int64) bool { return at%30_000 == 0 }), issued))
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Evidence.Slots; got.Planned != 89_280 || got.Probed != 89_280 || len(got.Lost) != 0 {
		t.Errorf("got %d of %d slots probed, lost %v; want all 89280", got.Probed, got.Planned, got.Lost)
	}
	if got := s.Evidence.Checks[0].Sites[0].Results; got != (Counts{Up: 89_280 + 3_120, Down: 360}) {
		t.Errorf("got results %+v, want 92400 up and 360 down", got)
	}
}
