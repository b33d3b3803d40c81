package probes

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/uptally/uptally"
)

// BenchmarkPeer does the work of BenchmarkProbe with the programs that people use for it, against the same targets, and
// reports the CPU of that program alone: blackbox_exporter as a server that is asked for each probe, which is how it runs;
// fping and dnsperf as one process for all of them. What is not installed is left out.
func BenchmarkPeer(b *testing.B) {
	address := startTarget(b)
	b.Run("blackbox_exporter", func(b *testing.B) {
		bb := startBlackbox(b)
		for name, target := range map[string]string{
			"http": "http://" + address["http"], "https": "https://" + address["https"], "tcp": address["http"],
			"dns": address["dns"], "icmp": "127.0.0.1",
		} {
			b.Run(name, func(b *testing.B) { bb.bench(b, name, target) })
		}
	})
	b.Run("fping", func(b *testing.B) {
		program(b, "fping", func(n int) *exec.Cmd {
			return exec.Command("fping", "-q", "-i1", "-p1", "-c", strconv.Itoa(n), "127.0.0.1")
		})
	})
	b.Run("dnsperf", func(b *testing.B) {
		host, port, _ := net.SplitHostPort(address["dns"])
		file := filepath.Join(b.TempDir(), "queries")
		writeFile(b, file, "portal.test A\n")
		program(b, "dnsperf", func(n int) *exec.Cmd {
			return exec.Command("dnsperf", "-s", host, "-p", port, "-d", file, "-n", strconv.Itoa(n), "-q", "64")
		})
	})
}

// program runs one process for many probes, and reports its CPU a probe.
func program(b *testing.B, name string, command func(n int) *exec.Cmd) {
	const n = 2000
	if _, err := exec.LookPath(name); err != nil {
		b.Skip(err)
	}
	spent := int64(0)
	for b.Loop() {
		c := command(n)
		if out, err := c.CombinedOutput(); err != nil {
			b.Fatalf("%v: %s", err, out)
		}
		u := c.ProcessState.SysUsage().(*syscall.Rusage)
		spent += u.Utime.Nano() + u.Stime.Nano()
	}
	b.ReportMetric(float64(spent)/float64(b.N)/n, "cpu-ns/probe")
}

// blackbox is a running blackbox_exporter.
type blackbox struct {
	pid     int
	address string
}

const blackboxModules = `modules:
  http: { prober: http, timeout: 9s, http: { preferred_ip_protocol: ip4, fail_if_body_not_matches_regexp: [ok] } }
  https: { prober: http, timeout: 9s, http: { preferred_ip_protocol: ip4, fail_if_body_not_matches_regexp: [ok], tls_config: { insecure_skip_verify: true } } }
  tcp: { prober: tcp, timeout: 9s, tcp: { preferred_ip_protocol: ip4 } }
  icmp: { prober: icmp, timeout: 9s, icmp: { preferred_ip_protocol: ip4 } }
  dns: { prober: dns, timeout: 9s, dns: { preferred_ip_protocol: ip4, query_name: portal.test, query_type: A, validate_answer_rrs: { fail_if_not_matches_regexp: ['192\.0\.2\.1'] } } }
`

func startBlackbox(b *testing.B) blackbox {
	const name = "prometheus-blackbox-exporter"
	if _, err := exec.LookPath(name); err != nil {
		b.Skip(err)
	}
	config := filepath.Join(b.TempDir(), "blackbox.yml")
	writeFile(b, config, blackboxModules)
	address := refusedAddress(b)
	c := exec.Command(name, "--config.file="+config, "--web.listen-address="+address, "--log.level=error")
	if err := c.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	ctx, cancel := context.WithTimeout(b.Context(), generous)
	defer cancel()
	for {
		if conn, err := net.Dial("tcp", address); err == nil {
			_ = conn.Close()
			return blackbox{c.Process.Pid, address}
		}
		select {
		case <-ctx.Done():
			b.Fatal("blackbox_exporter did not begin to listen")
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (bb blackbox) bench(b *testing.B, module, target string) {
	ask := "http://" + bb.address + "/probe?module=" + module + "&target=" + url.QueryEscape(target)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	p := &Prober{probe: func(context.Context) Observation {
		resp, err := client.Get(ask)
		if err != nil {
			return Observation{Reason: uptally.Unstated, Detail: err.Error()}
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil || !bytes.Contains(body, []byte("\nprobe_success 1\n")) {
			return Observation{Reason: uptally.Unstated, Detail: string(body[max(0, len(body)-500):])}
		}
		return Observation{}
	}}
	n := 64
	if module == "icmp" {
		n = 1
	}
	before := ticks(b, bb.pid)
	inFlight(b, p, n)
	b.ReportMetric(float64(ticks(b, bb.pid)-before)/float64(b.N), "cpu-ns/probe")
}

// ticks is what another process has used, in nanoseconds, to the hundredth of a second.
func ticks(b *testing.B, pid int) int64 {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(data), ") ")
	fields := strings.Fields(rest)
	user, err1 := strconv.ParseInt(fields[11], 10, 64)
	system, err2 := strconv.ParseInt(fields[12], 10, 64)
	if err1 != nil || err2 != nil {
		b.Fatalf("read /proc/%d/stat: got %q", pid, rest)
	}
	return (user + system) * 10_000_000
}
