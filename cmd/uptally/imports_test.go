package main

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/uptally/uptally/agreements"
	"github.com/uptally/uptally/configs"
	"github.com/uptally/uptally/ledger"
	"github.com/uptally/uptally/ledger/history"
	"github.com/uptally/uptally/ledger/ledgertest"
	"github.com/uptally/uptally/statements"
)

// importTime names how long TestImportPrometheus scrapes, such as 20m. Without it that is about a minute; in `make soak`
// 20 minutes.
const importTime = "UPTALLY_IMPORT"

// scripted is a target that is down twice, and an exporter that is away once, at fractions of a length of time.
type scripted struct {
	length, interval time.Duration
	down             atomic.Bool
	// outages are when the target went down and came up.
	outages [][2]int64
}

func newScript(t *testing.T) *scripted {
	s := &scripted{length: 50 * time.Second, interval: time.Second}
	text := os.Getenv(importTime)
	if text == "" && os.Getenv("UPTALLY_SOAK") != "" {
		text = "20m"
	}
	if text != "" {
		var err error
		if s.length, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
		s.interval = s.length / 80 // 15 s of 20 minutes
	}
	return s
}

func (s *scripted) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	if s.down.Load() {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
}

// blackbox is an exporter on a fixed address that can be away.
type blackbox struct {
	file, address string
	cmd           *exec.Cmd
}

func (b *blackbox) start(t *testing.T) {
	t.Helper()
	b.cmd = exec.Command("prometheus-blackbox-exporter", "--config.file", b.file, "--web.listen-address", b.address, "--timeout-offset=0.1")
	if err := b.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	until(t, "http://"+b.address+"/-/healthy", "Healthy")
}

func (b *blackbox) stop() {
	_ = b.cmd.Process.Kill()
	_ = b.cmd.Wait()
}

// play runs the script: down from 20 % to 34 %, the exporter away from 48 % to 56 %, down from 70 % to 84 %.
func (s *scripted) play(t *testing.T, b *blackbox) (from, to time.Time) {
	t.Helper()
	from = time.Now()
	at := func(percent int) {
		if err := sleepUntil(t.Context(), from.Add(s.length*time.Duration(percent)/100)); err != nil {
			t.Fatal(err)
		}
	}
	outage := func(begin, end int) {
		at(begin)
		s.down.Store(true)
		went := time.Now().UnixMilli()
		at(end)
		s.down.Store(false)
		s.outages = append(s.outages, [2]int64{went, time.Now().UnixMilli()})
	}
	outage(20, 34)
	at(48)
	b.stop()
	at(56)
	b.start(t)
	outage(70, 84)
	at(100)
	return from, time.Now()
}

const scrapes = `
global: { scrape_interval: %[1]s, scrape_timeout: %[1]s }
scrape_configs:
  - job_name: blackbox
    metrics_path: /probe
    params: { module: [http_2xx], target: [%[2]q] }
    static_configs: [{ targets: [%[3]q], labels: { service: portal, datacenter: fra1, module: http_2xx, target: %[2]q } }]
  - job_name: node
    static_configs: [{ targets: [%[4]q] }]
`

// database is a program that scrapes, keeps and answers.
type database struct {
	program, ready string
	args           func(config, data, address string) []string
}

func databases() []database {
	return []database{
		{"prometheus", "/-/ready", func(config, data, address string) []string {
			return []string{"--config.file=" + config, "--storage.tsdb.path=" + data, "--web.listen-address=" + address, "--log.level=warn"}
		}},
		{"victoria-metrics", "/health", func(config, data, address string) []string {
			return []string{"-promscrape.config=" + config, "-storageDataPath=" + data, "-httpListenAddr=" + address, "-retentionPeriod=100y", "-loggerLevel=ERROR"}
		}},
	}
}

func needPrograms(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil {
			if os.Getenv("UPTALLY_REQUIRE_PEERS") != "" {
				t.Fatal(err)
			}
			t.Skip(name + " is not installed; set UPTALLY_REQUIRE_PEERS to make this a failure")
		}
	}
}

func (d database) start(t *testing.T, config string) string {
	t.Helper()
	address := freeAddress(t)
	p := exec.Command(d.program, d.args(config, t.TempDir(), address)...)
	var log bytes.Buffer
	p.Stdout, p.Stderr = &log, &log
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = p.Process.Kill()
		_ = p.Wait()
		if t.Failed() {
			t.Logf("%.4000s", log.String())
		}
	})
	base, deadline := "http://"+address, time.Now().Add(30*time.Second)
	for {
		if code, _ := get(t, base+d.ready); code == http.StatusOK {
			return base
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s is not ready: %s", d.program, log.String())
		}
	}
}

// A real blackbox_exporter, scraped by a real Prometheus and a real VictoriaMetrics while its target is down twice on a script and it
// is away once. What is imported says both outages to within the spacing, nothing of the time in between is down, and the
// same import again changes neither the ledger nor the statement.
func TestImportPrometheus(t *testing.T) {
	needPrograms(t, "prometheus", "victoria-metrics", "prometheus-blackbox-exporter")
	if testing.Short() {
		t.Skip("scrapes for a minute")
	}
	t.Parallel()
	s, dir := newScript(t), t.TempDir()
	target := listening(t, s)
	b := &blackbox{filepath.Join(dir, "blackbox.yml"), freeAddress(t), nil}
	config := filepath.Join(dir, "prometheus.yml")
	writeFiles(t, map[string]string{
		b.file: "modules:\n  http_2xx: { prober: http, http: { preferred_ip_protocol: ip4 } }\n",
		config: fmt.Sprintf(scrapes, s.interval, target, b.address, freeAddress(t)),
	})
	b.start(t)
	t.Cleanup(func() { b.stop() })
	bases := map[string]string{}
	for _, d := range databases() {
		bases[d.program] = d.start(t, config)
		ask := history.Prometheus{URL: bases[d.program], Client: http.DefaultClient, CheckLabel: "service", Site: "fra1"}
		shown(t, &ask, time.Now().Add(-time.Minute), time.Now().Add(time.Minute))
	}
	from, to := s.play(t, b)
	for _, d := range databases() {
		t.Run(d.program, func(t *testing.T) { s.check(t, bases[d.program], from, to) })
	}
}

// listening serves a handler on loopback until the test ends.
func listening(t *testing.T, h http.Handler) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: h}
	go srv.Serve(l)
	t.Cleanup(func() { srv.Close() })
	return "http://" + l.Addr().String() + "/"
}

func writeFiles(t *testing.T, files map[string]string) {
	t.Helper()
	for name, text := range files {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// shown waits until a database shows a result between two instants.
func shown(t *testing.T, ask *history.Prometheus, from, to time.Time) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for {
		found := false
		if _, err := ask.Read(ctx, from.UnixMilli(), to.UnixMilli(), func(int32, []history.Series) error {
			found = true
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if found {
			return
		}
		if err := sleepUntil(ctx, time.Now().Add(100*time.Millisecond)); err != nil {
			t.Fatalf("%s shows nothing from %s on", ask.URL, from)
		}
	}
}

// check imports from one database, and looks at the statement.
func (s *scripted) check(t *testing.T, base string, from, to time.Time) {
	ask := history.Prometheus{URL: base, Client: http.DefaultClient, CheckLabel: "service", Site: "fra1"}
	// VictoriaMetrics shows what it took in a second or two later, and not all of it in order.
	shown(t, &ask, to.Add(5*time.Second), to.Add(time.Hour))
	config := historyOf(t, "portal")
	args := []string{"import", "prometheus", "-c", config, "--url", base, "--match", `job="blackbox"`, "--check-label", "service", "--site-label", "datacenter",
		"--from", instantText(from.UnixMilli()), "--to", instantText(to.UnixMilli()), "--by", "ann"}
	code, out, stderr := command(t, args...)
	if code != exitDone || !strings.HasPrefix(out, "entry 1: ") {
		t.Fatalf("import: got %d %q %s", code, out, stderr)
	}
	t.Log(out)
	now := time.Now().UnixMilli()
	before, st := s.state(t, config, from, to, now)
	s.compare(t, st)
	code, out, stderr = command(t, args...)
	if want := "nothing new: entry 1 is this import, and the ledger has all of its results\n"; code != exitDone || out != want {
		t.Errorf("import again: got %d %q %s, want %q", code, out, stderr, want)
	}
	if after, _ := s.state(t, config, from, to, now); after != before {
		t.Errorf("after the second import: got\n%s\nwant\n%s", after, before)
	}
}

// historyOf writes an installation with a check that is only history, sold as a service of its own name.
func historyOf(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	text := "site: here\nchecks:\n  - { name: own, tcp: { address: \"127.0.0.1:1\" }, every: 31s }\nhistory: [" + strings.Join(names, ", ") + "]\nservices:\n"
	for _, name := range names {
		text += "  - { name: " + name + ", checks: [" + name + "] }\n"
	}
	config := filepath.Join(dir, "uptally.yaml")
	writeFiles(t, map[string]string{
		config:                       text + "agreements: [a.yaml]\n",
		filepath.Join(dir, "a.yaml"): strings.ReplaceAll(strings.Replace(quickAgreement, "2026-01-01", "2020-01-01", 1), "[SERVICE]", "["+strings.Join(names, ", ")+"]\n    each: service"),
	})
	return config
}

// state is what must not change: the ledger's inventory with its digests, and the bytes of the statement.
func (s *scripted) state(t *testing.T, config string, from, to time.Time, now int64) (string, statements.Statement) {
	t.Helper()
	period := instantText(from.UnixMilli()) + "/" + instantText(to.UnixMilli())
	return stateOf(t, config, period, now)
}

func stateOf(t *testing.T, config, period string, now int64) (string, statements.Statement) {
	t.Helper()
	cfg, err := configs.Load(config)
	if err != nil {
		t.Fatal(err)
	}
	store, err := ledger.OpenReadOnly(cfg.Data)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	inventory := contents(t, store)
	req, err := request(cfg, "quick", period, "", now)
	if err != nil {
		t.Fatal(err)
	}
	req.Ledger = store
	st, err := statements.Compute(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	text, err := st.JSON()
	if err != nil {
		t.Fatal(err)
	}
	return inventory + string(text), st
}

// contents is all that a ledger holds, with the digests of its days.
func contents(t *testing.T, store ledger.Store) string {
	t.Helper()
	var b strings.Builder
	note := func(what any, err error) {
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%+v\n", what)
	}
	checks, err := store.Names(t.Context(), "check")
	note(checks, err)
	for _, check := range checks {
		plans, err := store.Plans(t.Context(), check)
		note(plans, err)
	}
	entries, err := store.Entries(t.Context(), math.MaxInt64)
	note(entries, err)
	series, err := store.Series(t.Context())
	note(series, err)
	for _, s := range series {
		heads, err := ledgertest.Heads(t.Context(), store, s.Check, s.Site, math.MinInt32, math.MaxInt32)
		note(heads, err)
	}
	open, err := store.Open(t.Context())
	note(open, err)
	return b.String()
}

// compare holds the statement's outages to the script.
func (s *scripted) compare(t *testing.T, st statements.Statement) {
	t.Helper()
	a, limit := st.Accounts[0], s.interval.Milliseconds()
	if len(a.Outages) != len(s.outages) {
		t.Fatalf("got outages %+v, want %d", a.Outages, len(s.outages))
	}
	for i, o := range a.Outages {
		for k, got := range []int64{int64(o.At.From), int64(o.At.To)} {
			off := got - s.outages[i][k]
			t.Logf("outage %d, end %d: %d ms from the script", i, k, off)
			if max(off, -off) > limit {
				t.Errorf("outage %d, end %d: got %s, %d ms from the script, want at most %d", i, k, instantText(got), off, limit)
			}
		}
		if !slices.Equal(o.Reasons, []string{"status"}) {
			t.Errorf("outage %d: got reasons %v, want status", i, o.Reasons)
		}
	}
	site := st.Evidence.Checks[0].Sites[0]
	if away := int64(s.length * 8 / 100 / s.interval); site.Results.Missed < away-1 || site.Results.Missed > away+2 || len(site.Reasons) != 2 {
		t.Errorf("the exporter was away for about %d scrapes: got %+v of %+v", away, site.Reasons, site.Results)
	}
	if len(st.Evidence.Imports) != 1 || st.Evidence.Imports[0].Kind != agreements.ImportPrometheus {
		t.Errorf("got imports %+v, want the one", st.Evidence.Imports)
	}
}
