package server

import (
	"fmt"
	"log/slog"
	"testing"

	"github.com/uptally/uptally"
)

// BenchmarkLive takes a result of each of 2,000 checks from each of 50 sites, three sites a check, in batches of 100: all well, and all
// failing, when each is judged by the account's rules. Then it says what there is to say of all.
func BenchmarkLive(b *testing.B) {
	for _, reason := range []uptally.Reason{uptally.OK, uptally.ConnectRefused} {
		b.Run(reason.String(), func(b *testing.B) {
			l, plans := NewLive(slog.New(slog.DiscardHandler)), manyPlans()
			l.SetPlans(plans, 0)
			at, results := int64(30_000), 0
			for b.Loop() {
				at += 30_000
				results = takeAll(l, plans, at, reason)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(results), "ns/result")
		})
		b.Run(reason.String()+"/say", func(b *testing.B) {
			l, plans := NewLive(slog.New(slog.DiscardHandler)), manyPlans()
			l.SetPlans(plans, 0)
			for k := range int64(40) {
				takeAll(l, plans, (k+1)*30_000, reason)
			}
			for b.Loop() {
				for i := range plans {
					l.Check(plans[i].Check, 40*30_000+1)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(plans)), "ns/check")
		})
	}
}

// manyPlans are 33,333 checks of three of fifty sites each.
func manyPlans() (plans []uptally.Plan) {
	for i := range 33_333 {
		p := livePlan
		p.Check, p.Every, p.Gap = fmt.Sprint("check-", i), 30_000, 75_000
		p.Sites = []string{fmt.Sprint("s", i%50), fmt.Sprint("s", (i+1)%50), fmt.Sprint("s", (i+2)%50)}
		plans = append(plans, p)
	}
	return plans
}

func takeAll(l *Live, plans []uptally.Plan, at int64, reason uptally.Reason) (results int) {
	bySite := map[string][]uptally.Result{}
	for i := range plans {
		for rank, site := range plans[i].Sites {
			bySite[site] = append(bySite[site], uptally.Result{Slot: uptally.Slot{Check: uptally.IDOf(plans[i].Check), Site: uptally.IDOf(site), At: at + int64(rank)}, Reason: reason})
		}
	}
	for site, rs := range bySite {
		for len(rs) > 0 {
			n := min(100, len(rs))
			l.Take(&uptally.Batch{Site: uptally.IDOf(site), Results: rs[:n]}, at)
			rs, results = rs[n:], results+n
		}
	}
	return results
}
