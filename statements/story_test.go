package statements

import (
	"context"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/agreements"
	"github.com/uptally/uptally/ledger"
)

// at reads an instant of a story; a bad one is a mistake in the test.
func at(s string) int64 {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		panic(err)
	}
	return t.UnixMilli()
}

func pct(s string) *big.Rat {
	r, err := agreements.ParseShare(s)
	if err != nil {
		panic(err)
	}
	return r
}

// acme is the agreement of the stories: a month at 99.9 % for CNY 12000.00, ladder 10/25/100.
func acme(t testing.TB) *agreements.Agreement {
	t.Helper()
	zone, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		t.Fatal(err)
	}
	row := func(below, pays string) agreements.Tier {
		return agreements.Tier{Upper: agreements.Bound{Share: pct(below), Text: below}, Percent: pct(pays)}
	}
	return &agreements.Agreement{
		Name: "acme-portal", Customer: "Acme Trading", Zone: zone, ZoneName: "Asia/Shanghai", Currency: agreements.Currency{Code: "CNY", Digits: 2},
		Versions: []agreements.Version{{
			From: agreements.Date{Year: 2026, Month: time.January, Day: 1}, Period: agreements.Month, Services: []string{"portal"},
			Window:      agreements.Calendar{Name: "24x7", Always: true},
			Maintenance: agreements.Maintenance{Notice: 72 * uptally.Hour, Cap: 6 * uptally.Hour},
			Exclusions:  agreements.ExclusionTerms{Causes: []string{"force majeure"}},
			Outage:      agreements.OutageTerms{Minimum: uptally.Minute},
			Bridge:      10 * uptally.Minute, Unknown: agreements.UnknownExclude, Insufficient: pct("5%"), Target: pct("99.9%"),
			Fee: 1_200_000, Ladder: []agreements.Tier{row("99.9%", "10%"), row("99.0%", "25%"), row("95.0%", "100%")}, Charge: agreements.ChargeProven,
		}},
	}
}

func october(t testing.TB, a *agreements.Agreement) agreements.Interval {
	t.Helper()
	p, err := agreements.ParsePeriod("2026-10", a.Zone)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func rows(rs ...agreements.Stretch) []agreements.Stretch { return rs }

func row(from, to string, s agreements.State) agreements.Stretch {
	return agreements.Stretch{Interval: agreements.Interval{From: at(from), To: at(to)}, State: s}
}

// entry is a record by a person, as the ledger keeps it.
func entry(id int64, kind, recorded string, text agreements.EntryText) uptally.Entry {
	return uptally.Entry{ID: id, RecordedAt: at(recorded), By: "li.wei", Kind: kind, Data: agreements.EncodeEntry(text)}
}

// fakeLedger keeps days and failures in memory.
type fakeLedger struct {
	plans    []uptally.Plan
	days     map[uptally.ID][]uptally.Day // by site
	failures []uptally.Result
	entries  []uptally.Entry
	reseals  []ledger.Reseal
	asked    []agreements.Interval // days read
}

func (l *fakeLedger) Plans(_ context.Context, check string) ([]uptally.Plan, error) {
	return slices.DeleteFunc(slices.Clone(l.plans), func(p uptally.Plan) bool { return p.Check != check }), nil
}

func (l *fakeLedger) Days(_ context.Context, _, site uptally.ID, from, to int32) ([]uptally.Day, error) {
	l.asked = append(l.asked, agreements.Interval{From: int64(from), To: int64(to)})
	return slices.DeleteFunc(slices.Clone(l.days[site]), func(d uptally.Day) bool { return d.Day < from || d.Day >= to }), nil
}

// Runs has the digest that a day has with response times of zero where it was added without.
func (l *fakeLedger) Runs(ctx context.Context, check, site uptally.ID, from, to int32, f func(ledger.Outcomes) error) error {
	days, err := l.Days(ctx, check, site, from, to)
	for i := 0; i < len(days) && err == nil; i++ {
		d := days[i]
		if d.RTT == nil {
			d.RTT = make([]int64, d.Len())
		}
		var h uptally.Head
		if h, err = d.Head(); err == nil {
			err = f(ledger.Outcomes{Day: h.Day, Digest: h.Digest})
		}
	}
	return err
}

func (l *fakeLedger) Failures(_ context.Context, _, site uptally.ID, from, to int64) ([]uptally.Result, error) {
	return slices.DeleteFunc(slices.Clone(l.failures), func(r uptally.Result) bool { return r.Site != site || r.At < from || r.At >= to }), nil
}

func (l *fakeLedger) Entries(_ context.Context, asOf int64) ([]uptally.Entry, error) {
	return slices.DeleteFunc(slices.Clone(l.entries), func(e uptally.Entry) bool { return e.RecordedAt > asOf }), nil
}

func (l *fakeLedger) Reseals(_ context.Context, from, to int32) ([]ledger.Reseal, error) {
	return slices.DeleteFunc(slices.Clone(l.reseals), func(r ledger.Reseal) bool { return r.Day < from || r.Day >= to }), nil
}

func (l *fakeLedger) Drops(context.Context) ([]ledger.Drop, error) { return nil, nil }

// span of samples at one site: from the first to the last instant, every step.
type samples struct {
	from, to string
	step     int64
	reason   uptally.Reason
}

// add folds samples into days of a site.
func (l *fakeLedger) add(check, site string, ss ...samples) {
	id := uptally.IDOf(site)
	byDay := map[int32][]uptally.Run{}
	for _, s := range ss {
		for i, end := at(s.from), at(s.to); i <= end; i += s.step {
			day := uptally.DayOf(i)
			r := uptally.Run{At: i, Step: int32(s.step), N: 1, Reason: s.reason}
			for ; i+s.step <= end && uptally.DayOf(i+s.step) == day; i += s.step {
				r.N++
			}
			if r.N == 1 {
				r.Step = 0
			}
			byDay[day] = append(byDay[day], r)
		}
		if s.reason != uptally.OK {
			l.failures = append(l.failures, uptally.Result{
				Slot:   uptally.Slot{Check: uptally.IDOf(check), Site: id, At: at(s.from)},
				Reason: s.reason, Detail: "got status 503, want 200",
			})
		}
	}
	for day, runs := range byDay {
		slices.SortFunc(runs, func(a, b uptally.Run) int { return int(a.At - b.At) })
		l.days[id] = append(l.days[id], uptally.Day{Check: uptally.IDOf(check), Site: id, Day: day, Runs: runs})
	}
	slices.SortFunc(l.days[id], func(a, b uptally.Day) int { return int(a.Day - b.Day) })
}
