//go:build linux

package probes

import (
	"os/exec"
	"strconv"
	"syscall"
	"testing"

	"golang.org/x/net/ipv4"

	"github.com/uptally/uptally"
)

// BenchmarkICMP is the client's CPU a probe on loopback, the kernel's echo replies included, beside pro-bing and fping in the
// same run. What shares sockets has 64 in flight; pro-bing goes one by one, because a raw socket that waits for a processor is
// filled by the echoes of the others.
func BenchmarkICMP(b *testing.B) {
	needEcho(b)
	for _, way := range []struct {
		name, privileged string
		open             func() *Engine
		flying           int
	}{
		{"shared raw", "always", NewShared, 64},
		{"shared datagram", "never", NewShared, 64},
		{"one-shot raw", "always", NewEngine, 1},
	} {
		b.Run(way.name, func(b *testing.B) {
			e := way.open()
			p := preparedBy(b, e, &Settings{ICMP: &ICMP{Host: "127.0.0.1", Privileged: way.privileged}}, "")
			if o := p.Probe(b.Context()); o.Reason == uptally.NotPermitted {
				b.Skip(o.Detail)
			}
			benchProbe(b, p, way.flying)
			if err := e.Close(); err != nil {
				b.Error(err)
			}
		})
	}
	b.Run("floor", floorICMP)
	b.Run("pro-bing", func(b *testing.B) {
		benchProbe(b, &Prober{probe: byProBing(b, &ICMP{Host: "127.0.0.1"})}, 1)
	})
	b.Run("fping", func(b *testing.B) {
		program(b, "fping", func(n int) *exec.Cmd {
			return exec.Command("fping", "-q", "-i1", "-p1", "-c", strconv.Itoa(n), "127.0.0.1")
		})
	})
}

func benchProbe(b *testing.B, p *Prober, flying int) {
	b.ReportAllocs()
	b.ResetTimer()
	before := cpu(b)
	inFlight(b, p, flying)
	b.ReportMetric(float64(cpu(b)-before)/float64(b.N), "cpu-ns/probe")
}

// floorICMP is the least that an echo costs: a send and a receive on one raw socket, without a runtime that waits.
func floorICMP(b *testing.B) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_RAW|syscall.SOCK_CLOEXEC, syscall.IPPROTO_ICMP)
	if err != nil {
		b.Skip(err)
	}
	if err := syscall.SetsockoptInt(fd, syscall.SOL_RAW, 1, ^1); err != nil { // ICMP_FILTER: replies alone
		b.Fatal(err)
	}
	request := marshalEcho(b, ipv4.ICMPTypeEcho, 1, 1, make([]byte, minEcho))
	to, reply := &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}, make([]byte, 128)
	b.ResetTimer()
	before := cpu(b)
	for b.Loop() {
		if err := syscall.Sendto(fd, request, 0, to); err != nil {
			b.Fatal(err)
		}
		if _, err := syscall.Read(fd, reply); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(cpu(b)-before)/float64(b.N), "cpu-ns/probe")
	if err := syscall.Close(fd); err != nil {
		b.Fatal(err)
	}
}
