package ledger_test

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/ledger"
	"github.com/uptally/uptally/ledger/ledgertest"
)

// largeBatch is second k of a site that probes checks every ten seconds: a tenth of them, one result each.
func largeBatch(b *testing.B, k, checks int) ledger.Incoming {
	batch := uptally.Batch{Agent: 1, Epoch: 1, Seq: uint64(k + 1), Site: ledgertest.Site, Day: ledgertest.Day}
	for c := k % 10; c < checks; c += 10 {
		n := k*checks + c
		r := uptally.Result{Slot: uptally.Slot{Check: uptally.ID(c + 1), Site: ledgertest.Site, At: ledgertest.Start + int64(k)*1_000}, RTT: 20_000 + int64(c%50)*1_000 + int64(n*7919%1500)}
		if n%997 == 0 {
			r.Reason, r.Detail = uptally.ConnectTimeout, "dial tcp 192.0.2.1:443: i/o timeout"
		}
		batch.Results = append(batch.Results, r)
	}
	data, err := batch.AppendBinary(nil)
	if err != nil {
		b.Fatal(err)
	}
	return ledger.Incoming{Batch: batch, Data: data}
}

// BenchmarkLargeSite is a site's day of 5,000 checks every 10 s, 43.2 million results, in 1 s batches of 500: an op is the time until
// the log holds a million, and the seal that then moves them into the day. Figures are the runs of every check, as a house
// reads them each minute, with the minute's batches new; cold is the same in a process that begins. The last seal
// is that of an op in which the day holds as many millions as there were ops.
func BenchmarkLargeSite(b *testing.B) {
	const checks, seconds = 5_000, 2_000
	dir := b.TempDir()
	s := open(b, dir)
	var appends, figures, cold, last time.Duration
	appended, read := 0, 0
	var peak runtime.MemStats
	for k, op := 0, 0; b.Loop(); op++ {
		for range seconds {
			in := largeBatch(b, k, checks)
			begin := time.Now()
			if _, err := s.Append(context.Background(), []ledger.Incoming{in}); err != nil {
				b.Fatal(err)
			}
			appends += time.Since(begin)
			appended += len(in.Batch.Results)
			if k++; k%60 == 0 {
				figures += readRuns(b, s, checks)
				read++
			}
		}
		r, err := ledger.OpenReadOnly(dir)
		if err != nil {
			b.Fatal(err)
		}
		cold += readRuns(b, r, checks)
		r.Close()
		begin := time.Now()
		if _, err := ledger.SealDay(context.Background(), s, ledger.SiteDay{Site: ledgertest.Site, Day: ledgertest.Day}, 1, false); err != nil {
			b.Fatal(err)
		}
		last = time.Since(begin)
		runtime.ReadMemStats(&peak)
	}
	b.ReportMetric(float64(appends.Nanoseconds())/float64(appended), "append-ns/result")
	b.ReportMetric(float64(figures.Milliseconds())/float64(max(read, 1)), "figures-ms/minute")
	b.ReportMetric(float64(cold.Milliseconds())/float64(b.N), "figures-cold-ms")
	b.ReportMetric(last.Seconds(), "last-seal-s")
	b.ReportMetric(float64(peak.Sys)/1e6, "sys-MB")
}

func readRuns(b *testing.B, s ledger.Store, checks int) time.Duration {
	begin := time.Now()
	for c := range checks {
		days, err := s.Runs(context.Background(), uptally.ID(c+1), ledgertest.Site, ledgertest.Day, ledgertest.Day+1)
		if err != nil {
			b.Fatal(err)
		}
		if len(days) != 1 {
			b.Fatalf("check %d: got %d days, want one", c, len(days))
		}
	}
	return time.Since(begin)
}
