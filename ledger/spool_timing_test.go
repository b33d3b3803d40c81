package ledger_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/uptally/uptally/ledger"
)

// BenchmarkSpoolAppend is one durable transaction a batch: CPU and disk of a result. 67 results are what 2,000 checks every 30 s
// make in the second that an agent waits.
func BenchmarkSpoolAppend(b *testing.B) {
	for _, c := range []struct{ checks, perCheck int }{{1, 1}, {67, 1}, {100, 10}} {
		b.Run(fmt.Sprintf("results=%d", c.checks*c.perCheck), func(b *testing.B) {
			dir := b.TempDir()
			s, err := ledger.OpenSpool(dir, ledger.SpoolOptions{})
			if err != nil {
				b.Fatal(err)
			}
			in := realistic(b, 0, c.checks, c.perCheck).Batch
			results, k := 0, 0
			cpu := cpuNanos(b)
			for b.Loop() {
				_, err := s.Append(context.Background(), func(n ledger.Number) []byte {
					in.Epoch, in.Seq = n.Epoch, n.Seq
					data, err := in.AppendBinary(nil)
					if err != nil {
						b.Fatal(err)
					}
					return data
				})
				if err != nil {
					b.Fatal(err)
				}
				results += len(in.Results)
				k++
			}
			cpu = cpuNanos(b) - cpu
			if err := s.Close(); err != nil {
				b.Fatal(err)
			}
			info, err := os.Stat(filepath.Join(dir, "spool.db"))
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(cpu)/float64(results), "cpu-ns/result")
			b.ReportMetric(float64(cpu)/float64(k)/1000, "cpu-µs/batch")
			b.ReportMetric(float64(info.Size())/float64(results), "B/result")
		})
	}
}

// BenchmarkOpenSpool is a start on what an agent of 67 results a second keeps of an hour: everything is read and checked.
func BenchmarkOpenSpool(b *testing.B) {
	const batches = 3_600
	dir := b.TempDir()
	s, err := ledger.OpenSpool(dir, ledger.SpoolOptions{})
	if err != nil {
		b.Fatal(err)
	}
	for range batches {
		if _, err := s.Append(context.Background(), frame(20, nil)); err != nil {
			b.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		s, err := ledger.OpenSpool(dir, ledger.SpoolOptions{})
		if err != nil {
			b.Fatal(err)
		}
		if got := s.Stats().Waiting; got != batches {
			b.Fatalf("got %d batches, want %d", got, batches)
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/batches, "µs/batch")
}
