package export

import (
	"context"
	"fmt"
	"testing"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/ledger"
	"github.com/uptally/uptally/ledger/ledgertest"
)

// folded is a ledger in memory that costs nothing to read, so that what is measured is the writing.
type folded struct {
	ledger.Memory
	days map[ledger.Series][]uptally.Day
}

func (f *folded) Series(context.Context) ([]ledger.Series, error) {
	var all []ledger.Series
	for s := range f.days {
		all = append(all, s)
	}
	return all, nil
}

func (f *folded) Days(_ context.Context, check, site uptally.ID, from, to int32) ([]uptally.Day, error) {
	var found []uptally.Day
	for _, d := range f.days[ledger.Series{Check: check, Site: site}] {
		if d.Day >= from && d.Day < to {
			found = append(found, d)
		}
	}
	return found, nil
}

// a month of 10 checks every 30 s at one site, with some noise: 864,000 results. One in a hundred is late.
func month() *folded {
	f := folded{days: map[ledger.Series][]uptally.Day{}}
	noise := uint64(1)
	for c := range 10 {
		s := ledger.Series{Check: uptally.IDOf(fmt.Sprintf("check-%d", c)), Site: ledgertest.Site}
		for day := range int32(30) {
			rs := make([]uptally.Result, 0, uptally.DayMillis/30_000)
			for at := int64(day) * uptally.DayMillis; at < int64(day+1)*uptally.DayMillis; at += 30_000 {
				noise = noise*6364136223846793005 + 1442695040888963407
				r := uptally.Result{Slot: uptally.Slot{Check: s.Check, Site: s.Site, At: at}, RTT: 20_000 + int64(noise>>40)%2_000}
				if noise>>32%100 == 0 {
					r.Late = int32(noise >> 45 % 50)
				}
				rs = append(rs, r)
			}
			f.days[s] = append(f.days[s], uptally.FoldDay(s.Check, s.Site, day, rs))
		}
	}
	return &f
}

// counter counts bytes.
type counter int

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

// BenchmarkResults is the writing of 864,000 results that are up.
func BenchmarkResults(b *testing.B) {
	m := month()
	for _, f := range []Format{CSV, Parquet} {
		b.Run(string(f), func(b *testing.B) {
			b.ReportAllocs()
			var size counter
			for b.Loop() {
				size = 0
				if err := Results(b.Context(), m, Selection{From: 0, To: 30}, f, &size); err != nil {
					b.Fatal(err)
				}
			}
			const results = 10 * 30 * uptally.DayMillis / 30_000
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/results, "ns/result")
			b.ReportMetric(float64(size)/results, "B/result")
		})
	}
}
