package server_test

import (
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/ledger"
	"github.com/uptally/uptally/ledger/delivery"
	"github.com/uptally/uptally/ledger/ledgertest"
	"github.com/uptally/uptally/server"
)

// BenchmarkDeliver is fifty agents that each send a batch of 66 results as soon as the one before is acknowledged, over TLS and
// kept connections, into SQLite: what 2,000 checks every 30 s of each make in a second. cpu-µs/req has both ends, with their handshakes.
func BenchmarkDeliver(b *testing.B) {
	const agents, results = 50, 66
	now := time.UnixMilli(ledgertest.Start + 3_600_000)
	store, err := ledger.Open(b.TempDir(), ledger.Options{Now: now.UnixMilli})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { store.Close() })
	ca, err := server.OpenAuthority(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	h := hallOver(b, store, ca, time.Now())
	var members [agents]*member
	for i := range members {
		members[i] = h.enrol("fra1")
	}
	var next atomic.Int64
	var used [2]syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &used[0])
	b.SetParallelism(agents / 2) // times GOMAXPROCS, which is 2 where this is measured
	b.RunParallel(func(pb *testing.PB) {
		m := members[next.Add(1)%agents]
		for seq := uint64(1); pb.Next(); seq++ {
			batch := m.batch(m.id, seq, func(x *uptally.Batch) {
				first := x.Results[0]
				x.Results = x.Results[:0]
				for i := range results {
					first.At = ledgertest.Start + int64(seq*results+uint64(i))%uptally.DayMillis
					x.Results = append(x.Results, first)
				}
			})
			if r, code, text := m.deliver(delivery.Header{Epoch: delivery.ID(m.id)}, batch); code != 200 || len(r.Accepted) != 1 {
				b.Errorf("got %d %s", code, text)
				return
			}
		}
	})
	syscall.Getrusage(syscall.RUSAGE_SELF, &used[1])
	spent := func(u syscall.Rusage) int64 { return u.Utime.Nano() + u.Stime.Nano() }
	b.ReportMetric(float64(spent(used[1])-spent(used[0]))/float64(b.N)/1e3, "cpu-µs/req")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "req/s")
	b.ReportMetric(float64(b.N)*results/b.Elapsed().Seconds(), "results/s")
}
