package main

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/ledger"
	"github.com/uptally/uptally/probes/schedule"
)

// loadTime names how long TestLoad measures, such as 15m. Without it the test runs in `make soak` only, for a minute.
const loadTime = "UPTALLY_LOAD"

// TestLoad runs a real process with many checks against servers in a process of their own, on loopback, and demands that
// every slot that came due has its one result and that all but a thousandth are up. What it costs is printed, not judged.
func TestLoad(t *testing.T) {
	length := time.Minute
	if text := os.Getenv(loadTime); text != "" {
		var err error
		if length, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	} else if os.Getenv("UPTALLY_SOAK") == "" {
		t.Skip("takes minutes: make soak, or " + loadTime + "=15m")
	}
	for _, load := range []load{
		{name: "5000 checks of four kinds, 10 s", every: 10 * time.Second, kinds: map[string]int{"http": 2000, "tcp": 1500, "dns": 750, "icmp": 750}},
		{name: "50000 checks of tcp and icmp, 60 s", every: time.Minute, kinds: map[string]int{"tcp": 25_000, "icmp": 25_000}},
	} {
		t.Run(load.name, func(t *testing.T) { load.run(t, length) })
	}
}

type load struct {
	name  string
	every time.Duration
	kinds map[string]int
}

func (l load) run(t *testing.T, length time.Duration) {
	config, listen := l.installation(t, loadServers(t))
	p := uptallyProcess("run", "-c", config)
	var log bytes.Buffer
	p.Stderr = &log
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Process.Kill() })
	until(t, "http://"+listen+"/readyz", "ready")
	begin := time.Now()
	if err := sleepUntil(t.Context(), begin.Add(length)); err != nil {
		t.Fatal(err)
	}
	var render []time.Duration
	page := 0
	for range 9 {
		begin := time.Now()
		_, body := get(t, "http://"+listen+"/metrics")
		render = append(render, time.Since(begin))
		page = len(body)
	}
	slices.Sort(render)
	memory := processStatus(t, p.Process.Pid)
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err != nil {
		t.Fatalf("stop: %v\n%s", err, tail(log.String()))
	}
	var use = p.ProcessState.SysUsage().(*syscall.Rusage)
	a := l.account(t, filepath.Join(filepath.Dir(config), "data"))
	cpu := time.Duration(use.Utime.Nano() + use.Stime.Nano())
	t.Logf("%v: %d slots, unaccounted %d, not up %v", length, a.slots, a.unaccounted, a.reasons)
	t.Logf("lateness p50 %d ms, p99 %d ms, p99.9 %d ms, largest %d ms", a.late(500), a.late(990), a.late(999), a.late(1000))
	t.Logf("RSS %s, at its peak %s; CPU %v, %v a result, %.0f %% of one core", memory["VmRSS"], memory["VmHWM"], cpu.Round(time.Millisecond),
		(cpu / time.Duration(a.slots)).Round(100*time.Nanosecond), 100*float64(cpu)/float64(length))
	t.Logf("/metrics: %d kB, answered in %v (median), %v (worst of 9)", page/1000, render[4].Round(100*time.Microsecond), render[8].Round(100*time.Microsecond))
	if a.unaccounted > 0 || a.slots == 0 {
		t.Errorf("got %d slots without a result of %d, want none", a.unaccounted, a.slots)
	}
	if a.slots < 1000*a.notUp() {
		t.Errorf("got %d results that are not up of %d, want at most one in a thousand: %v\n%s", a.notUp(), a.slots, a.reasons, tail(log.String()))
	}
}

// installation writes as many checks of each kind as the load has, spread over loopback addresses so that no address runs
// out of ports.
func (l load) installation(t *testing.T, ports map[string]string) (config, listen string) {
	t.Helper()
	listen = freeAddress(t)
	dir := t.TempDir()
	var b strings.Builder
	fmt.Fprintf(&b, "site: here\nlisten: %s\nreferences: []\nchecks:\n", listen)
	n := 0
	for _, kind := range []string{"http", "tcp", "dns", "icmp"} {
		for range l.kinds[kind] {
			ip := fmt.Sprintf("127.0.%d.%d", n/250%250+1, n%250+1)
			settings := map[string]string{
				"http": fmt.Sprintf(`{ url: "http://%s:%s/", body: ok }`, ip, ports["http"]),
				"tcp":  fmt.Sprintf(`{ address: "%s:%s" }`, ip, ports["http"]),
				"dns":  fmt.Sprintf(`{ server: "%s:%s", name: health.example.com, answers: ["127.0.0.1"] }`, "127.0.0.1", ports["dns"]),
				"icmp": fmt.Sprintf(`{ host: %s }`, ip),
			}
			fmt.Fprintf(&b, "  - { name: %s-%05d, every: %s, %s: %s }\n", kind, n, l.every, kind, settings[kind])
			n++
		}
	}
	config = filepath.Join(dir, "uptally.yaml")
	if err := os.WriteFile(config, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	return config, listen
}

// accounted is what a load left in the ledger.
type accounted struct {
	slots, unaccounted int
	reasons            map[string]int // of results that are not up
	lates              []int64        // ascending
}

func (a accounted) notUp() (n int) {
	for _, k := range a.reasons {
		n += k
	}
	return n
}

// late returns the lateness that so many of a thousand results do not exceed, in milliseconds.
func (a accounted) late(perMille int) int64 {
	if len(a.lates) == 0 {
		return 0
	}
	return a.lates[max(0, len(a.lates)*perMille/1000-1)]
}

// account holds what the ledger has of every check against its plan: from the first slot after the scheduler's start to
// the last that came due anywhere.
func (l load) account(t *testing.T, data string) accounted {
	t.Helper()
	store, err := ledger.OpenReadOnly(data)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	names, err := store.Names(t.Context(), "check")
	if err != nil {
		t.Fatal(err)
	}
	type series struct {
		slots   schedule.Slots
		results []uptally.Result
	}
	var all []series
	first, last := int64(schedule.Never), int64(0)
	for _, name := range names {
		plans, err := store.Plans(t.Context(), name)
		if err != nil || len(plans) != 1 {
			t.Fatalf("plans of %q: got %v, %v, want one", name, plans, err)
		}
		s := series{}
		if s.slots, err = schedule.NewSlots(plans[0], "here"); err != nil {
			t.Fatal(err)
		}
		day := uptally.DayOf(plans[0].From)
		days, err := store.Days(t.Context(), uptally.IDOf(name), uptally.IDOf("here"), day, day+2)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range days {
			s.results = slices.AppendSeq(s.results, d.Results())
		}
		if len(s.results) > 0 {
			first, last = min(first, s.results[0].At), max(last, s.results[len(s.results)-1].At)
		}
		all = append(all, s)
	}
	a := accounted{reasons: map[string]int{}}
	for _, s := range all {
		rest := s.results
		// A millisecond's slots are appended together, so those at first and at last itself are there or the process had ended.
		for due := s.slots.Next(first); due < last; due = s.slots.Next(due) {
			a.slots++
			for len(rest) > 0 && rest[0].At < due {
				rest = rest[1:]
			}
			if len(rest) == 0 || rest[0].At != due {
				a.unaccounted++
			}
		}
		for _, r := range s.results {
			if r.Reason != uptally.OK {
				a.reasons[r.Reason.String()]++
			}
			if r.Outcome() != uptally.Missed {
				a.lates = append(a.lates, int64(r.Late))
			}
		}
	}
	slices.SortFunc(a.lates, cmp.Compare)
	return a
}

// processStatus reads /proc/PID/status.
func processStatus(t *testing.T, pid int) map[string]string {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	m := map[string]string{}
	for line := range strings.Lines(string(data)) {
		key, value, _ := strings.Cut(line, ":")
		m[key] = strings.TrimSpace(value)
	}
	return m
}

func tail(s string) string { return s[max(0, len(s)-2000):] }

// loadServers starts this test binary again as HTTP and DNS servers at every loopback address, until the test ends.
func loadServers(t *testing.T) map[string]string {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestLoadServers$")
	cmd.Env = append(os.Environ(), "UPTALLY_LOAD_SERVERS=1")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = in.Close(); _ = cmd.Wait() })
	var http, dns string
	if _, err := fmt.Fscanf(out, "http=%s dns=%s\n", &http, &dns); err != nil {
		t.Fatal(err)
	}
	return map[string]string{"http": http, "dns": dns}
}

// TestLoadServers is the other process of TestLoad, and nothing else.
func TestLoadServers(t *testing.T) {
	if os.Getenv("UPTALLY_LOAD_SERVERS") == "" {
		t.Skip("runs inside the load test only")
	}
	l, err := net.Listen("tcp4", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				buf := make([]byte, 2048)
				if n, err := c.Read(buf); err == nil && n > 0 {
					_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
				}
			}()
		}
	}()
	dns, stop, err := answerDNS("127.0.0.1:0", ownHealth, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	fmt.Printf("http=%d dns=%d\n", l.Addr().(*net.TCPAddr).Port, dns.(*net.UDPAddr).Port)
	_, _ = os.Stdin.Read(make([]byte, 1))
}
