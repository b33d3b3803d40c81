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

// BenchmarkLargeSite is a site's day of 5,000 checks every 10 s: 43.2 million results, in batches of a second, sixty in one transaction.
// An op is half an hour, in which the log comes to hold about a million, and the seal that then moves them into the
// day; so -benchtime=43x is the whole day, and the last seal is that of a day that is nearly over. Figures are the runs of
// every check, read as a house does each minute, with the minute's batches new; cold is the same in a process that begins.
func BenchmarkLargeSite(b *testing.B) {
	const checks, minutes = 5_000, 33
	dir := b.TempDir()
	s := open(b, dir)
	day := ledger.SiteDay{Site: ledgertest.Site, Day: ledgertest.Day}
	var figures, cold, last time.Duration
	var sealing int64
	k := 0
	for b.Loop() {
		for minute := range minutes {
			var in []ledger.Incoming
			for range 60 {
				in = append(in, largeBatch(b, k, checks))
				k++
			}
			if _, err := s.Append(context.Background(), in); err != nil {
				b.Fatal(err)
			}
			if took := readRuns(b, s, checks); minute > 0 { // the first reads anew what the seal changed
				figures += took
			}
		}
		r, err := ledger.OpenReadOnly(dir)
		if err != nil {
			b.Fatal(err)
		}
		cold += readRuns(b, r, checks)
		if err := r.Close(); err != nil {
			b.Fatal(err)
		}
		begin, cpu := time.Now(), cpuNanos(b)
		if _, err := ledger.SealDay(context.Background(), s, day, 1, false); err != nil {
			b.Fatal(err)
		}
		last = time.Since(begin)
		sealing += cpuNanos(b) - cpu
	}
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	b.ReportMetric(float64(figures.Milliseconds())/float64(b.N*(minutes-1)), "figures-ms/minute")
	b.ReportMetric(float64(cold.Milliseconds())/float64(b.N), "figures-cold-ms")
	b.ReportMetric(float64(sealing)/1e9/float64(b.N), "seal-cpu-s")
	b.ReportMetric(last.Seconds(), "last-seal-s")
	b.ReportMetric(float64(memory.Sys)/1e6, "memory-MB")
}

func readRuns(b *testing.B, s ledger.Store, checks int) time.Duration {
	begin := time.Now()
	for c := range checks {
		days := 0
		err := s.Runs(context.Background(), uptally.ID(c+1), ledgertest.Site, ledgertest.Day, ledgertest.Day+1, func(ledger.Outcomes) error {
			days++
			return nil
		})
		if err != nil || days != 1 {
			b.Fatalf("check %d: got %d days, %v, want one", c, days, err)
		}
	}
	return time.Since(begin)
}
