package ledger_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/ledger"
	"github.com/uptally/uptally/ledger/ledgertest"
)

// cpuNanos is the CPU time of this process, user and system.
func cpuNanos(b *testing.B) int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

// realistic is batch k of an agent that probes checks every 31 s, each result with some jitter of its response time; one
// in a thousand fails.
func realistic(b *testing.B, k, checks, perCheck int) ledger.Incoming {
	batch := uptally.Batch{Agent: 1, Epoch: 1, Seq: uint64(k + 1), Site: ledgertest.Site}
	slotsADay := uptally.DayMillis / 31_000
	at := int64(k*perCheck) / int64(slotsADay) * uptally.DayMillis
	first := int64(k*perCheck) % int64(slotsADay)
	for c := range checks {
		for i := range perCheck {
			n := (k*checks+c)*perCheck + i
			r := uptally.Result{Slot: uptally.Slot{Check: uptally.ID(c + 1), Site: ledgertest.Site, At: at + min(first+int64(i), int64(slotsADay)-1)*31_000}}
			r.RTT = 20_000 + int64(c)*1_000 + int64(n*7919%1500)
			if n%1000 == 999 {
				r.Reason, r.Detail = uptally.ConnectTimeout, "dial tcp 192.0.2.1:443: i/o timeout"
			}
			if i > 0 && batch.Results[len(batch.Results)-1].At == r.At {
				continue // the day is over
			}
			batch.Results = append(batch.Results, r)
		}
	}
	batch.Day = uptally.DayOf(batch.Results[0].At)
	data, err := batch.AppendBinary(nil)
	if err != nil {
		b.Fatal(err)
	}
	return ledger.Incoming{Batch: batch, Data: data}
}

// BenchmarkAppend is one durable transaction a batch: CPU and disk of a result, as it rests in the log with its failures.
func BenchmarkAppend(b *testing.B) {
	for _, c := range []struct{ checks, perCheck int }{{100, 10}, {10, 1}, {1, 10}} {
		b.Run(fmt.Sprintf("checks=%d/results=%d", c.checks, c.checks*c.perCheck), func(b *testing.B) {
			dir := b.TempDir()
			s, err := ledger.Open(dir, ledger.Options{})
			if err != nil {
				b.Fatal(err)
			}
			results, cpu, bytes := 0, int64(0), 0
			for k := 0; b.Loop(); k++ {
				b.StopTimer()
				in := realistic(b, k, c.checks, c.perCheck)
				results += len(in.Batch.Results)
				bytes += len(in.Data)
				b.StartTimer()
				before := cpuNanos(b)
				if _, err := s.Append(context.Background(), []ledger.Incoming{in}); err != nil {
					b.Fatal(err)
				}
				cpu += cpuNanos(b) - before
			}
			if err := s.Close(); err != nil {
				b.Fatal(err)
			}
			f, err := os.Stat(filepath.Join(dir, "ledger.db"))
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(cpu)/float64(results), "cpu-ns/result")
			b.ReportMetric(float64(bytes)/float64(results), "payload-B/result")
			b.ReportMetric(float64(f.Size())/float64(results), "disk-B/result")
		})
	}
}

// BenchmarkDays reads a day of each series of a site from the log: in a process that has just begun (cold), again (kept), or after
// each append of a batch that is there (again). Batches of 1 s hold one result of each of 10 checks, large ones
// ten of each of 100.
func BenchmarkDays(b *testing.B) {
	for _, c := range []struct{ checks, perCheck int }{{10, 1}, {100, 10}} {
		dir := b.TempDir()
		w, err := ledger.Open(dir, ledger.Options{})
		if err != nil {
			b.Fatal(err)
		}
		defer w.Close()
		var in []ledger.Incoming
		for k := range uptally.DayMillis / 31_000 / c.perCheck {
			in = append(in, realistic(b, k, c.checks, c.perCheck))
		}
		again := func() {
			if _, err := w.Append(context.Background(), in[:1]); err != nil { // a duplicate: nothing is written
				b.Fatal(err)
			}
		}
		if _, err := w.Append(context.Background(), in); err != nil {
			b.Fatal(err)
		}
		name := fmt.Sprintf("batch=%d/", c.checks*c.perCheck)
		day := func(b *testing.B, s ledger.Store, before func()) {
			n := 0
			for b.Loop() {
				before()
				n += readDays(b, s, c.checks)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/result")
		}
		b.Run(name+"cold", func(b *testing.B) {
			n := 0
			for b.Loop() {
				r, err := ledger.OpenReadOnly(dir)
				if err != nil {
					b.Fatal(err)
				}
				n += readDays(b, r, c.checks)
				r.Close()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/result")
		})
		b.Run(name+"kept", func(b *testing.B) { day(b, w, func() {}) })
		b.Run(name+"again", func(b *testing.B) { day(b, w, again) })
	}
}

// readDays reads the day of every check once and returns how many results there are.
func readDays(b *testing.B, s ledger.Store, checks int) (n int) {
	for check := range checks {
		days, err := s.Days(context.Background(), uptally.ID(check+1), ledgertest.Site, 0, 1)
		if err != nil || len(days) != 1 {
			b.Fatal(days, err)
		}
		n += len(days[0].RTT)
	}
	return n
}
