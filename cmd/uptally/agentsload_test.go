package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/configs"
	"github.com/uptally/uptally/ledger"
	"github.com/uptally/uptally/ledger/delivery"
	"github.com/uptally/uptally/ledger/postgrestest"
	"github.com/uptally/uptally/probes/agent/identity"
)

// TestAgentsLoad lets many agents deliver into one real server: at their rate, ever more until something gives, and with a backlog of hours
// beside it. All that was appended has to be in the ledger, once, and live data never to be older than a minute beside the
// backlog. What it costs is printed, not judged.
//
// The short form is small. UPTALLY_LOAD=1m, or `make soak`, is fifty agents of 2,000 checks every 30 s and a backlog of 28.8 million
// results; each part is measured so long.
func TestAgentsLoad(t *testing.T) {
	shape := agentsLoad{agents: 4, checks: 60, backlog: 300, length: 2 * time.Second, steps: 1}
	if text := os.Getenv(loadTime); text != "" || os.Getenv("UPTALLY_SOAK") != "" {
		shape = agentsLoad{agents: 50, checks: 2_000, backlog: 8_640, length: 20 * time.Second, steps: 12}
		if length, err := time.ParseDuration(text); err == nil {
			shape.length = length
		}
	}
	t.Run("SQLite", func(t *testing.T) { shape.run(t, nil) })
	t.Run("PostgreSQL", func(t *testing.T) {
		c, err := postgrestest.Start()
		if err != nil {
			postgrestest.Skip(t, err)
		}
		t.Cleanup(func() {
			if err := c.Stop(); err != nil {
				t.Error(err)
			}
		})
		shape.run(t, c)
	})
}

// agentsLoad is the shape of a load; each agent has backlog batches of a second each.
type agentsLoad struct {
	agents, checks, backlog int
	length                  time.Duration
	steps                   int
}

// secondOf is how many results an agent has in a second, where its checks are every 30 s.
func (l agentsLoad) secondOf() int { return (l.checks + 29) / 30 }

func (l agentsLoad) run(t *testing.T, c *postgrestest.Cluster) {
	w := l.installation(t, c)
	w.process = startProcess(t, "server", "-c", w.config)
	w.untilReady(t)
	w.enrol(t)

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var wg sync.WaitGroup
	start := func() {
		for i, a := range w.agents {
			wg.Go(func() { a.run(ctx, time.Duration(i)*time.Second/time.Duration(len(w.agents))) })
		}
	}
	end := func() {
		stop()
		wg.Wait()
		ctx, stop = context.WithCancel(t.Context())
	}
	start()
	l.pass(t, 2*time.Second)
	w.measure(t, fmt.Sprintf("live, %d results/s", l.agents*l.secondOf()), func() { l.pass(t, l.length) })
	l.stepUp(t, w)
	w.rate(l.secondOf(), time.Second)
	w.drain(t, 2*l.agents)
	end()
	for _, a := range w.agents {
		a.hoard(l.backlog, time.Now())
	}
	start()
	backlog := w.measure(t, fmt.Sprintf("a backlog of %d results beside it", l.agents*l.backlog*l.secondOf()), func() { w.drain(t, 2*l.agents) })
	if late := percentile(backlog.took, 1000); late > time.Minute {
		t.Errorf("got live data %v old beside a backlog, want at most a minute", late)
	}
	w.rate(1, time.Hour)
	w.drain(t, 0)
	end()
	w.process.end(t)
	w.sealFirst(t)
	w.account(t)
}

// stepUp doubles the rate until batches wait for more than three seconds, or no more are made.
func (l agentsLoad) stepUp(t *testing.T, w *loadCenter) {
	results, every := l.secondOf(), time.Second
	for range l.steps {
		if results *= 2; results > 1_000 { // an agent's batch is no longer
			results, every = results/2, every/2
		}
		w.rate(l.secondOf(), time.Second)
		w.drain(t, 2*l.agents)
		w.rate(results, every)
		second := int(float64(l.agents) / every.Seconds())
		made, _ := w.progress()
		w.measure(t, fmt.Sprintf("%d results/s", second*results), func() { l.pass(t, l.length) })
		after, waiting := w.progress()
		switch {
		case waiting > 3*second:
			t.Logf("that is where it breaks: %d batches wait, %d are made in a second", waiting, second)
			return
		case float64(after-made) < 0.8*float64(second)*l.length.Seconds():
			t.Logf("that is all that this machine makes: %d batches in %v, want %d in a second", after-made, l.length, second)
			return
		}
	}
}

func (l agentsLoad) pass(t *testing.T, d time.Duration) {
	t.Helper()
	if err := sleepUntil(t.Context(), time.Now().Add(d)); err != nil {
		t.Fatal(err)
	}
}

// loadCenter is the installation with its server, and the agents.
type loadCenter struct {
	dir, config, pages, port string
	sites, checks            []string
	process                  *process
	cluster                  *postgrestest.Cluster
	agents                   []*loadAgent
	perSecond                int
}

func (l agentsLoad) installation(t *testing.T, c *postgrestest.Cluster) *loadCenter {
	t.Helper()
	w := &loadCenter{dir: t.TempDir(), pages: freeAddress(t), port: freeAddress(t), cluster: c, perSecond: l.secondOf()}
	w.config = filepath.Join(w.dir, "uptally.yaml")
	var b strings.Builder
	fmt.Fprintf(&b, "site: home\nlisten: %s\nagents: { listen: %q, names: [127.0.0.1] }\nreferences: []\n", w.pages, w.port)
	if c != nil {
		fmt.Fprintf(&b, "ledger: { postgres: %q, password: { file: secret } }\n", c.Guarded(t, "canary"))
		if err := os.WriteFile(filepath.Join(w.dir, "secret"), []byte("canary\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for i := range l.agents {
		w.sites = append(w.sites, fmt.Sprintf("site-%02d", i))
	}
	b.WriteString("checks:\n")
	for i := range l.checks {
		w.checks = append(w.checks, fmt.Sprintf("check-%04d", i))
		fmt.Fprintf(&b, "  - { name: check-%04d, every: 30s, tcp: { address: \"192.0.2.1:%d\" }, sites: [%s] }\n", i, 1_000+i, strings.Join(w.sites, ", "))
	}
	if err := os.WriteFile(w.config, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return w
}

// untilReady waits for the server: its plans are dated at the first start, one after the other.
func (w *loadCenter) untilReady(t *testing.T) {
	t.Helper()
	began := time.Now()
	for {
		_, body := get(t, "http://"+w.pages+"/readyz")
		if strings.Contains(body, "ready\n") {
			t.Logf("ready %v after its start", time.Since(began).Round(100*time.Millisecond))
			return
		}
		if time.Since(began) > 5*time.Minute {
			t.Fatalf("got %s, want a server that is ready", body)
		}
		if err := sleepUntil(t.Context(), time.Now().Add(50*time.Millisecond)); err != nil {
			t.Fatal(err)
		}
	}
}

// enrol makes the agents.
func (w *loadCenter) enrol(t *testing.T) {
	t.Helper()
	framing := delivery.NewFraming()
	ids := make([]uptally.ID, len(w.checks))
	for i, name := range w.checks {
		ids[i] = uptally.IDOf(name)
	}
	for _, site := range w.sites {
		code, token, errs := command(t, "server", "token", "-c", w.config, "--site", site, "--by", "ana")
		if code != exitDone {
			t.Fatalf("token: got %d: %s", code, errs)
		}
		id, err := identity.Enrol(t.Context(), identity.EnrolOptions{
			Dir: filepath.Join(w.dir, site), Server: "https://" + w.port, Token: delivery.SecretOf(strings.TrimSpace(token)), Now: time.Now(),
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(id.Close)
		a := newLoadAgent(id, rand.Uint64(), slices.Clone(ids), framing)
		a.rate(w.perSecond, time.Second)
		w.agents = append(w.agents, a)
	}
}

// rate changes what all agents make.
func (w *loadCenter) rate(results int, every time.Duration) {
	for _, a := range w.agents {
		a.rate(results, every)
	}
}

// progress counts the batches that were made, and those that wait.
func (w *loadCenter) progress() (made, waiting int) {
	for _, a := range w.agents {
		a.mu.Lock()
		made += len(a.made)
		waiting += len(a.made) - a.settled
		a.mu.Unlock()
	}
	return made, waiting
}

// drain waits until at most so many batches wait.
func (w *loadCenter) drain(t *testing.T, most int) {
	t.Helper()
	const bound = 20 * time.Minute
	began := time.Now()
	for {
		_, waiting := w.progress()
		if waiting <= most {
			return
		}
		if time.Since(began) > bound {
			t.Fatalf("got %d batches that wait after %v, want at most %d", waiting, bound, most)
		}
		if err := sleepUntil(t.Context(), time.Now().Add(50*time.Millisecond)); err != nil {
			t.Fatal(err)
		}
	}
}

// spent is processor time since a start.
type spent struct{ server, database, generator, idle, all time.Duration }

func (w *loadCenter) spent(t *testing.T) (s spent) {
	t.Helper()
	var self syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &self); err != nil {
		t.Fatal(err)
	}
	s.generator = time.Duration(self.Utime.Nano() + self.Stime.Nano())
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", w.process.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	s.server = ticks(t, strings.Fields(rest)[11:13]...)
	if w.cluster != nil {
		s.database = w.cluster.CPU()
	}
	text, err = os.ReadFile("/proc/stat")
	if err != nil {
		t.Fatal(err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	fields := strings.Fields(line)[1:9]
	s.idle, s.all = ticks(t, fields[3:5]...), ticks(t, fields...)
	return s
}

// ticks adds hundredths of a second.
func ticks(t *testing.T, texts ...string) (sum time.Duration) {
	t.Helper()
	for _, text := range texts {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		sum += time.Duration(n) * 10 * time.Millisecond
	}
	return sum
}

// measure prints what a part of the load did and cost.
func (w *loadCenter) measure(t *testing.T, what string, part func()) (sum loadTally) {
	t.Helper()
	for _, a := range w.agents {
		a.take()
	}
	before, began := w.spent(t), time.Now()
	part()
	took, after := time.Since(began), w.spent(t)
	for _, a := range w.agents {
		d := a.take()
		sum.acknowledged += d.acknowledged
		sum.results += d.results
		sum.failures += d.failures
		sum.bytes += d.bytes
		sum.took = append(sum.took, d.took...)
	}
	slices.Sort(sum.took)
	cores := func(a, b time.Duration) float64 { return (b - a).Seconds() / took.Seconds() }
	memory := processStatus(t, w.process.Process.Pid)
	t.Logf("%s: %d results in %d batches acknowledged in %v, %.0f results/s, %.1f MB sent, %d requests failed", what, sum.results, sum.acknowledged,
		took.Round(time.Millisecond), float64(sum.results)/took.Seconds(), float64(sum.bytes)/1e6, sum.failures)
	t.Logf("  acknowledgement of live batches p50 %v, p99 %v, worst %v of %d", percentile(sum.took, 500), percentile(sum.took, 990), percentile(sum.took, 1000), len(sum.took))
	t.Logf("  cores: server %.2f, database %.2f, generator %.2f, idle or waiting for the disk %.2f, others %.2f; server's RSS %s, at its peak %s",
		cores(before.server, after.server), cores(before.database, after.database), cores(before.generator, after.generator), cores(before.idle, after.idle),
		cores(before.all-before.idle-before.server-before.database-before.generator, after.all-after.idle-after.server-after.database-after.generator),
		memory["VmRSS"], memory["VmHWM"])
	return sum
}

// percentile is that of ascending durations, in thousandths.
func percentile(ds []time.Duration, perMille int) time.Duration {
	if len(ds) == 0 {
		return 0
	}
	return ds[max(0, len(ds)*perMille/1000-1)]
}

// sealFirst seals a day that is not over, as the server does with those whose log is full: in the short form none is.
func (w *loadCenter) sealFirst(t *testing.T) {
	t.Helper()
	cfg, err := configs.Load(w.config)
	if err != nil {
		t.Fatal(err)
	}
	store, err := openLedger(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	open, err := store.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if done, err := ledger.SealDay(t.Context(), store, open[0].SiteDay, time.Now().UnixMilli(), false); err != nil || !done {
		t.Fatalf("seal: got %v, %v, want it done", done, err)
	}
}

// account demands that the ledger has all that was made, wherever it lies: a day whose log is full is sealed, which takes its batches
// out of the log. What is made never has a slot twice, so that the ledger's days, which have each slot once, can be counted.
func (w *loadCenter) account(t *testing.T) {
	t.Helper()
	began := time.Now()
	store := openToRead(t, w.config)
	defer store.Close()
	var batches, results, inLog, sealed int
	err := store.Snapshot(t.Context(), func(snap ledger.Carrier) error {
		for _, a := range w.agents {
			n, err := a.account(t, snap)
			if err != nil {
				return err
			}
			batches, results = batches+len(a.made), results+n
		}
		series, err := snap.Series(t.Context())
		if want := len(w.agents) * len(w.checks); err == nil && len(series) != want {
			t.Errorf("got %d series, want %d", len(series), want)
		}
		open, more := snap.Open(t.Context())
		for _, d := range open {
			inLog += d.Results
			sealed += int(min(d.Rev, 1))
		}
		return errors.Join(err, more)
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d batches were made; the ledger has %d results, %d of them in the log, the others in %d days that were sealed (counted in %v)",
		batches, results, inLog, sealed, time.Since(began).Round(time.Millisecond))
}

// account demands that the ledger took every number of the agent, and has as many results of each check as it made, none of them
// contested by another. It returns how many those are.
func (a *loadAgent) account(t *testing.T, store ledger.Store) (results int, err error) {
	t.Helper()
	taken, err := store.Taken(t.Context(), a.id.Agent(), a.epoch)
	if err != nil {
		return 0, err
	}
	if n := uint64(len(a.made)); !slices.Equal(taken, [][2]uint64{{1, n}}) {
		t.Errorf("agent of %s: got %v, want 1 to %d", a.id.Site(), taken, n)
	}
	lost, double := 0, 0
	for k, want := range a.perCheck() {
		up, contested := 0, 0
		err := store.Runs(t.Context(), a.checks[k], a.site, math.MinInt32, math.MaxInt32, func(d ledger.Outcomes) error {
			for _, r := range d.Runs {
				if r.Reason == uptally.OK {
					up += int(r.N)
				} else {
					contested += int(r.N)
				}
			}
			return nil
		})
		if err != nil {
			return 0, err
		}
		results, lost, double = results+up, lost+max(want-up-contested, 0), double+contested+max(up-want, 0)
	}
	if lost > 0 || double > 0 {
		t.Errorf("agent of %s: got %d results in the ledger, lost %d, double %d, want all that it made, once", a.id.Site(), results, lost, double)
	}
	return results, nil
}
