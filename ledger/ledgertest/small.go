package ledgertest

import (
	"context"
	"fmt"
	"testing"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/ledger"
)

// SmallEvery is the interval of the checks of Small in milliseconds.
const SmallEvery = 300_000

// Small fills an empty ledger with one of everything: portal-home at fra1 and ams1 and portal-dns at fra1, a result every
// five minutes of three days from Start. The first day is sealed for good; so is the second, and sealed again with late results
// and a conflict; the third is sealed in part. There are outages on each day, an own fault of a site, a batch that is held, plans
// of two dates, and entries.
func Small(t testing.TB, s ledger.Store) {
	t.Helper()
	ctx := context.Background()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(s.AddPlans(ctx, smallPlan("portal-home", Start-uptally.DayMillis, "fra1", "ams1"), smallPlan("portal-dns", Start-uptally.DayMillis, "fra1")))
	later := smallPlan("portal-dns", Start+2*uptally.DayMillis, "fra1")
	later.Timeout = 9_000
	must(s.AddPlans(ctx, later))
	must(s.AddName(ctx, "agent", "agent of fra1"))
	for i, e := range []struct{ kind, data string }{
		{"maintenance", fmt.Sprintf(`{"from":%d,"to":%d,"announced":%d,"reason":"database upgrade"}`, Start+3*3_600_000, Start+4*3_600_000, Start-20*uptally.DayMillis)},
		{"cause", fmt.Sprintf(`{"from":%d,"to":%d,"reason":"failed load balancer"}`, Start+12*3_600_000, Start+13*3_600_000)},
	} {
		_, err := s.Record(ctx, uptally.Entry{RecordedAt: Start + int64(i), By: "ana", Kind: e.kind, Data: []byte(e.data)})
		must(err)
	}
	for day := range int32(3) {
		appendSmall(t, s, day)
	}
	for _, site := range []uptally.ID{Site, uptally.IDOf("ams1")} {
		must(sealSmall(ctx, s, ledger.SiteDay{Site: site, Day: Day}, true))
		must(sealSmall(ctx, s, ledger.SiteDay{Site: site, Day: Day + 1}, true))
	}
	// late: a slot that was not there, one that was, equal, and one that was, otherwise
	late := func(at int64, r uptally.Result) uptally.Result {
		r.At = Start + uptally.DayMillis + at
		return r
	}
	Append(t, s, []ledger.Incoming{Batch(t, 9, 1,
		late(1_000, Down(0, uptally.ConnectTimeout, "dial tcp 192.0.2.1:443: no answer")),
		smallResult(Check, Site, 1, 5),
		late(SmallEvery*40, Down(0, uptally.Status, "got 502, want 200")),
	)}, false)
	must(sealSmall(ctx, s, ledger.SiteDay{Site: Site, Day: Day + 1}, true))
	must(sealSmall(ctx, s, ledger.SiteDay{Site: Site, Day: Day + 2}, false))
	Append(t, s, []ledger.Incoming{Batch(t, 9, 2, smallResult(Check, Site, 2, 287)), Batch(t, 9, 3, smallResult(Check, Site, 2, 5))}, false, false)
	held := Batch(t, 9, 4, smallResult(Check, Site, 2, 100))
	held.Held = "check is not known here"
	Append(t, s, []ledger.Incoming{held}, false)
}

func smallPlan(check string, from int64, sites ...string) uptally.Plan {
	p := Plan(from)
	p.Check, p.Sites, p.Every, p.Gap = check, sites, SmallEvery, 2*SmallEvery+SmallEvery/2
	return p
}

func sealSmall(ctx context.Context, s ledger.Store, d ledger.SiteDay, final bool) error {
	done, err := ledger.SealDay(ctx, s, d, (int64(d.Day)+1)*uptally.DayMillis+600_000, final)
	if err == nil && !done {
		err = fmt.Errorf("seal day %d: got nothing to do", d.Day)
	}
	return err
}

// appendSmall appends a day in batches of six hours; of the last day all but the last slot.
func appendSmall(t testing.TB, s ledger.Store, day int32) {
	const quarter = 72
	home, dns, ams := Check, uptally.IDOf("portal-dns"), uptally.IDOf("ams1")
	for q := range 4 {
		var fra, other []uptally.Result
		for slot := q * quarter; slot < (q+1)*quarter; slot++ {
			if day == 2 && slot == 287 {
				continue
			}
			fra = append(fra, smallResult(home, Site, day, slot), smallResult(dns, Site, day, slot))
			other = append(other, smallResult(home, ams, day, slot))
		}
		Append(t, s, []ledger.Incoming{Batch(t, 1, uint64(int(day)*8+2*q+1), fra...), Batch(t, 2, uint64(int(day)*8+2*q+1), other...)}, false, false)
	}
}

// smallResult is the result of a slot: down for some slots of each day, a site's own fault beside them, otherwise up.
func smallResult(check, site uptally.ID, day int32, slot int) uptally.Result {
	r := uptally.Result{Slot: uptally.Slot{Check: check, Site: site, At: Start + int64(day)*uptally.DayMillis + int64(slot)*SmallEvery}}
	hash := uint64(r.At/SmallEvery)*0x9e3779b97f4a7c15 ^ uint64(check) ^ uint64(site)
	r.RTT = 12_000 + int64(hash>>40%4_000)
	switch first := 100 + 20*int(day); {
	case slot >= first && slot < first+7:
		r.Reason, r.Detail = uptally.Status, fmt.Sprintf("got 503, want 200: request %d", hash%1_000)
	case site == Site && slot >= 200 && slot < 203:
		r.Reason, r.RTT, r.Detail = uptally.Local, 0, "connect_timeout; tcp://192.0.2.53:53 connect_timeout"
	case slot == 50:
		r.Late = 17
	}
	return r
}
