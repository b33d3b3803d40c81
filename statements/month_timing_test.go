package statements

import (
	"context"
	"crypto/sha256"
	"testing"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/ledger"
	"github.com/uptally/uptally/ledger/ledgertest"
)

// monthLedger holds the heads of a realistic month in memory: what is measured is everything but reading them.
type monthLedger struct {
	fakeLedger
	heads map[[2]uptally.ID][]uptally.Head
}

func (l *monthLedger) Runs(_ context.Context, check, site uptally.ID, from, to int32, f func(ledger.Outcomes) error) error {
	for _, h := range l.heads[[2]uptally.ID{check, site}] {
		if h.Day.Day < from || h.Day.Day >= to {
			continue
		}
		if err := f(ledger.Outcomes{Day: h.Day, Digest: h.Digest}); err != nil {
			return err
		}
	}
	return nil
}

func (l *monthLedger) Failures(context.Context, uptally.ID, uptally.ID, int64, int64) ([]uptally.Result, error) {
	return nil, nil
}

// BenchmarkMonth is one agreement over a realistic October of five checks at five sites every 30 s, 2.2 million results and what focus
// adds: its accounts, and its statement with the digest and the coverage. A hundred of them are 216 million results.
func BenchmarkMonth(b *testing.B) {
	w := ledgertest.World{Seed: 1, Sites: 5, Checks: 5, Every: 30_000, Between: 30}
	first, last := uptally.DayOf(at("2026-09-30T00:00:00Z")), uptally.DayOf(at("2026-11-01T00:00:00Z"))
	l := &monthLedger{heads: map[[2]uptally.ID][]uptally.Head{}}
	a := acme(b)
	in := Request{
		Agreement: a, Services: map[string][]string{}, Period: october(b, a), PeriodText: "2026-10",
		AsOf: at(issued), Now: at(issued), Ledger: l, Slots: worldSlots,
	}
	results := 0
	for check := range w.Checks {
		l.plans = append(l.plans, w.Plan(check, first))
		in.Services["portal"] = append(in.Services["portal"], w.Check(check))
		for site := range w.Sites {
			key := [2]uptally.ID{uptally.IDOf(w.Check(check)), uptally.IDOf(w.Site(site))}
			for day := first; day < last; day++ {
				h, err := w.Chunk(site, check, day).Day.Head()
				if err != nil {
					b.Fatal(err)
				}
				l.heads[key] = append(l.heads[key], h)
				results += h.Day.Len()
			}
		}
	}
	b.Run("accounts", func(b *testing.B) {
		for b.Loop() {
			if _, err := Accounts(context.Background(), in, in.Period); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*results), "ns/result")
	})
	b.Run("statement", func(b *testing.B) {
		for b.Loop() {
			s, err := Compute(context.Background(), in)
			if err != nil {
				b.Fatal(err)
			}
			if len(s.Evidence.Digest) != 2*sha256.Size {
				b.Fatal("got no digest")
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*results), "ns/result")
	})
}

// worldSlots is the grid of a plan without its stagger: as many slots.
func worldSlots(p uptally.Plan, _ string) (func(int64) int64, error) {
	return func(after int64) int64 { return (after/p.Every + 1) * p.Every }, nil
}
