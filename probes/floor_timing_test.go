//go:build linux

package probes

import (
	"net/netip"
	"sync"
	"syscall"
	"testing"
)

// BenchmarkFloor is the least that a TCP connection costs: socket, connect and close, without a runtime that waits. Beside
// BenchmarkProbe in the same run it says what is ours and what is the machine's.
func BenchmarkFloor(b *testing.B) {
	to := netip.MustParseAddrPort(startTarget(b)["http"])
	b.ReportAllocs()
	b.ResetTimer()
	before := cpu(b)
	work := make(chan struct{}, 64)
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() {
			for range work {
				if err := bare(to); err != nil {
					b.Error(err)
				}
			}
		})
	}
	for b.Loop() {
		work <- struct{}{}
	}
	close(work)
	all.Wait()
	b.ReportMetric(float64(cpu(b)-before)/float64(b.N), "cpu-ns/probe")
}

func bare(to netip.AddrPort) error {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	err = syscall.Connect(fd, &syscall.SockaddrInet4{Addr: to.Addr().As4(), Port: int(to.Port())})
	_ = syscall.Close(fd)
	return err
}
