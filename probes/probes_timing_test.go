package probes

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/miekg/dns"

	"github.com/uptally/uptally"
)

// BenchmarkProbe measures the client's CPU a probe, user and system, on loopback with 64 in flight; of ICMP one by one,
// because a raw socket that waits for a processor is filled by the echoes of the others. The target runs in a process of its own so
// that its work does not count; echo replies are the kernel's and do.
func BenchmarkProbe(b *testing.B) {
	address := startTarget(b)
	for name, s := range map[string]*Settings{
		"http":       {HTTP: &HTTP{URL: "http://" + address["http"], Body: "ok"}},
		"https":      {HTTP: &HTTP{URL: "https://" + address["https"], Body: "ok", TLS: &TLS{SkipVerify: true}}},
		"tcp":        {TCP: &TCP{Address: address["http"]}},
		"dns":        {DNS: &DNS{Server: address["dns"], Name: "portal.test", Answers: []string{"192.0.2.1"}}},
		"dns shared": {DNS: &DNS{Server: address["dns"], Name: "portal.test", Answers: []string{"192.0.2.1"}}},
		"icmp":       {ICMP: &ICMP{Host: "127.0.0.1", Privileged: "always"}},
	} {
		b.Run(name, func(b *testing.B) {
			n, e := 64, NewEngine()
			switch name {
			case "icmp":
				needEcho(b)
				n = 1
			case "dns shared":
				e = NewShared()
			}
			defer e.Close()
			p := preparedBy(b, e, s, "")
			b.ReportAllocs()
			b.ResetTimer()
			before := cpu(b)
			inFlight(b, p, n)
			b.ReportMetric(float64(cpu(b)-before)/float64(b.N), "cpu-ns/probe")
		})
	}
}

func inFlight(b *testing.B, p *Prober, n int) {
	work := make(chan struct{}, n)
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			for range work {
				ctx, cancel := context.WithTimeout(b.Context(), generous)
				if o := p.Probe(ctx); o.Reason != 0 {
					b.Errorf("got %v %s", o.Reason, o.Detail)
				}
				cancel()
			}
		})
	}
	for b.Loop() {
		work <- struct{}{}
	}
	close(work)
	all.Wait()
}

// cpu is what this process has used, in nanoseconds.
func cpu(b *testing.B) int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

const targetProcess = "UPTALLY_TARGET_PROCESS"

// startTarget runs this test binary again as the servers, until its standard input closes.
func startTarget(b *testing.B) map[string]string {
	return startProcess(b, "TestTargetProcess", targetProcess)
}

// startProcess runs one test of this binary in a process of its own, where a variable tells it so, until its standard input
// closes. The test writes the addresses that it serves in one line: kind=address and so on.
func startProcess(b *testing.B, test, variable string) map[string]string {
	cmd := exec.Command(os.Args[0], "-test.run=^"+test+"$")
	cmd.Env = append(os.Environ(), variable+"=1")
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = in.Close(); _ = cmd.Wait() })
	buf := make([]byte, 4096)
	n, err := out.Read(buf)
	if err != nil {
		b.Fatal(err)
	}
	addresses := map[string]string{}
	for _, pair := range strings.Fields(string(buf[:n])) {
		kind, address, _ := strings.Cut(pair, "=")
		addresses[kind] = address
	}
	return addresses
}

// TestTargetProcess is the other process of BenchmarkProbe, and nothing else.
func TestTargetProcess(t *testing.T) {
	if os.Getenv(targetProcess) == "" {
		t.Skip("runs inside the benchmark only")
	}
	reply := afterRequest("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	ca := newAuthority(t)
	cert := ca.issue("good", "portal.test", -generous, 1000*generous)
	name := listenDNS(t, func(_ string, q *dns.Msg) []byte {
		return answer(t, q, dns.RcodeSuccess, "portal.test. 60 IN A 192.0.2.1")
	})
	line := "http=" + listenTCP(t, reply) + " https=" + listenTLS(t, &tls.Config{Certificates: []tls.Certificate{cert}}, reply) + " dns=" + name + "\n"
	if _, err := os.Stdout.WriteString(line); err != nil {
		t.Fatal(err)
	}
	_, _ = os.Stdin.Read(make([]byte, 1))
}

// BenchmarkLibrary does the same work with the usual libraries, for the ratio: absolute figures are the machine's.
func BenchmarkLibrary(b *testing.B) {
	address := startTarget(b)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for name, probe := range map[string]func() error{
		"http": func() error {
			resp, err := client.Get("http://" + address["http"])
			if err != nil {
				return err
			}
			_, err = io.Copy(io.Discard, resp.Body)
			return errors.Join(err, resp.Body.Close())
		},
		"tcp": func() error {
			c, err := net.DialTimeout("tcp", address["http"], generous)
			if err != nil {
				return err
			}
			return c.Close()
		},
		"dns": func() error {
			c := dns.Client{Timeout: generous}
			_, _, err := c.Exchange(new(dns.Msg).SetQuestion("portal.test.", dns.TypeA), address["dns"])
			return err
		},
	} {
		b.Run(name, func(b *testing.B) {
			p := &Prober{probe: func(context.Context) Observation {
				if err := probe(); err != nil {
					return Observation{Reason: uptally.Unstated, Detail: err.Error()}
				}
				return Observation{}
			}}
			b.ReportAllocs()
			b.ResetTimer()
			before := cpu(b)
			inFlight(b, p, 64)
			b.ReportMetric(float64(cpu(b)-before)/float64(b.N), "cpu-ns/probe")
		})
	}
}
