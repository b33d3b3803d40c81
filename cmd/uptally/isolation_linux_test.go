package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/configs"
	"github.com/uptally/uptally/ledger"
	"github.com/uptally/uptally/statements"
)

// isolationChecks are measured each five seconds: by address, by name, by echo, and a neighbour that never fails.
var isolationChecks = []string{"addr", "name", "echo", "steady"}

// isolationConfig measures them, with what stands before the checks.
func (l *lab) isolationConfig(head string) string {
	at := func(role, port string) string { return net.JoinHostPort(l.address(role), port) }
	return fmt.Sprintf(`%s
checks:
  - { name: addr, tcp: { address: "%s" }, every: 5s, timeout: 1s, gap: 7s }
  - { name: name, tcp: { address: "portal.example:8080" }, every: 5s, timeout: 1s, gap: 7s }
  - { name: echo, icmp: { host: "%s" }, every: 5s, timeout: 1s, gap: 7s }
  - { name: steady, tcp: { address: "%s" }, every: 5s, timeout: 1s, gap: 7s }
`, head, at("target", "8080"), l.address("target"), at("steady", "8080"))
}

// installation writes a site with a service and an agreement for each check.
func (l *lab) installation(text string, checks []string) (config string) {
	l.t.Helper()
	dir := l.t.TempDir()
	text = "site: here\n" + text + "services:\n"
	files := map[string]string{}
	agreements := "agreements: ["
	for _, c := range checks {
		text += fmt.Sprintf("  - { name: %s, checks: [%[1]s] }\n", c)
		files[c+".yaml"] = strings.NewReplacer("agreement: quick", "agreement: "+c, "SERVICE", c).Replace(quickAgreement)
		agreements += c + ".yaml, "
	}
	files["uptally.yaml"] = text + strings.TrimSuffix(agreements, ", ") + "]\n"
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			l.t.Fatal(err)
		}
	}
	return filepath.Join(dir, "uptally.yaml")
}

// journal is what a process wrote to its log.
type journal struct {
	mu sync.Mutex
	bytes.Buffer
}

// Write appends to it.
func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.Buffer.Write(b)
}

// find returns the instant of the first line that matches after an instant.
func (j *journal) find(pattern string, after time.Time) (time.Time, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, m := range regexp.MustCompile(`(?m)^time=(\S+) .*`+pattern+`.*$`).FindAllStringSubmatch(j.String(), -1) {
		if at, err := time.Parse(time.RFC3339Nano, m[1]); err == nil && at.After(after) {
			return at, true
		}
	}
	return time.Time{}, false
}

// watchman reads what a running process has in its ledger and says in its log.
type watchman struct {
	t       *testing.T
	config  string
	checks  []string
	log     *journal
	process *exec.Cmd
	started time.Time
}

// watch runs an installation at the site until everything was up once.
func (l *lab) watch(text string, checks []string) *watchman {
	l.t.Helper()
	w := &watchman{t: l.t, config: l.installation(text, checks), checks: checks, log: &journal{}}
	p := uptallyProcess("run", "-c", w.config)
	p.Path, p.Args = mustFind(l.t, "ip"), append([]string{"ip", "netns", "exec", l.space("site")}, p.Args...)
	p.Stderr = w.log
	if err := p.Start(); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { p.Process.Kill() })
	w.process, w.started = p, time.Now()
	w.recovered(1, w.started)
	return w
}

// stop asks the process to end, which it does cleanly.
func (w *watchman) stop() {
	w.t.Helper()
	if err := w.process.Process.Signal(syscall.SIGTERM); err != nil {
		w.t.Fatal(err)
	}
	if err := w.process.Wait(); err != nil {
		w.t.Errorf("stop: %v\n%s", err, w.log.String())
	}
}

// results are those of a check in order.
func (w *watchman) results(check string) []uptally.Result {
	store, err := ledger.OpenReadOnly(filepath.Join(filepath.Dir(w.config), "data"))
	if err != nil {
		return nil // not there yet
	}
	defer store.Close()
	today := uptally.DayOf(time.Now().UnixMilli())
	days, err := store.Days(w.t.Context(), uptally.IDOf(check), uptally.IDOf("here"), today-1, today+2)
	if err != nil {
		w.t.Fatal(err)
	}
	var all []uptally.Result
	for _, d := range days {
		for r := range d.Results() {
			all = append(all, r)
		}
	}
	return all
}

// failures are the results of a check after an instant that are not up, with their details.
func (w *watchman) failures(check string, after time.Time) []uptally.Result {
	w.t.Helper()
	store, err := ledger.OpenReadOnly(filepath.Join(filepath.Dir(w.config), "data"))
	if err != nil {
		w.t.Fatal(err)
	}
	defer store.Close()
	rs, err := store.Failures(w.t.Context(), uptally.IDOf(check), uptally.IDOf("here"), after.UnixMilli(), time.Now().UnixMilli())
	if err != nil || len(rs) == 0 {
		w.t.Errorf("failures of %s: got %d, %v, want some", check, len(rs), err)
	}
	return rs
}

// count is how many results of a check with an outcome were sent after an instant.
func (w *watchman) count(check string, o uptally.Outcome, after time.Time) (n int) {
	for _, r := range w.results(check) {
		if r.Outcome() == o && r.SentAt() > after.UnixMilli() {
			n++
		}
	}
	return n
}

// until waits for the thing itself.
func (w *watchman) until(what string, holds func() bool) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 30*time.Second)
	defer cancel()
	for !holds() {
		if sleepUntil(ctx, time.Now().Add(100*time.Millisecond)) != nil {
			w.log.mu.Lock()
			defer w.log.mu.Unlock()
			w.t.Fatalf("wait for %s: it did not come\n%s", what, w.log.String())
		}
	}
}

// recovered waits until each check was up n times after an instant.
func (w *watchman) recovered(n int, after time.Time) {
	w.t.Helper()
	w.until("every check up again", func() bool {
		for _, c := range w.checks {
			if w.count(c, uptally.Up, after) < n {
				return false
			}
		}
		return true
	})
}

// down is what the account of a service says of a stretch of time.
func (w *watchman) account(service string, from, to time.Time) *statements.Account {
	w.t.Helper()
	cfg, err := configs.Load(w.config)
	if err != nil {
		w.t.Fatal(err)
	}
	period := from.UTC().Truncate(time.Second).Format(time.RFC3339) + "/" + to.UTC().Truncate(time.Second).Format(time.RFC3339)
	req, err := request(cfg, service, period, "", time.Now().UnixMilli())
	if err != nil {
		w.t.Fatal(err)
	}
	store, err := ledger.OpenReadOnly(cfg.Data)
	if err != nil {
		w.t.Fatal(err)
	}
	defer store.Close()
	req.Ledger = store
	st, err := statements.Compute(w.t.Context(), req)
	if err != nil {
		w.t.Fatal(err)
	}
	return &st.Accounts[0]
}

// phase is a stretch in which the router breaks something.
type phase struct {
	name  string
	rules []string
	// void are the checks whose failures must prove nothing, with cause in their details; the others stay up.
	void  []string
	cause string
}

// TestIsolation: real processes in networks of namespaces. Where the site's uplink, its resolver or its gateway is cut, or one
// direction of the uplink, nothing is down and the account knows nothing; a target that is cut is down soon; one packet in a
// hundred lost is no outage. Without references, gateway and resolver decide.
func TestIsolation(t *testing.T) {
	if testing.Short() {
		t.Skip("outages take a minute and a half")
	}
	t.Parallel()
	t.Run("the site at fault, and a target", func(t *testing.T) { t.Parallel(); faults(t) })
	t.Run("one packet in a hundred lost", func(t *testing.T) { t.Parallel(); loss(t) })
	t.Run("no references written", func(t *testing.T) { t.Parallel(); defaults(t) })
}

// furnish lets everyone answer.
func (l *lab) furnish() {
	l.t.Helper()
	l.port("ref1", "53")
	l.port("ref2", "443")
	l.port("target", "8080")
	l.port("steady", "8080")
	l.resolver()
}

// twoReferences are written in the configuration.
func (l *lab) twoReferences() string {
	return fmt.Sprintf(`references: ["tcp://%s:53", "tcp://%s:443"]`, l.address("ref1"), l.address("ref2"))
}

func faults(t *testing.T) {
	l := newLab(t, "", false)
	l.furnish()
	w := l.watch(l.isolationConfig(l.twoReferences()), isolationChecks)
	for _, ph := range []phase{
		{"uplink cut", []string{`forward iifname "r-site" drop`, `forward oifname "r-site" drop`}, isolationChecks, "; uplink; "},
		{"resolver cut", []string{"forward ip daddr " + l.address("resolver") + " drop"}, []string{"name"}, "; resolver; "},
		{"gateway cut", []string{`pre iifname "r-site" drop`}, isolationChecks, "; gateway; "},
		{"uplink cut one way", []string{`forward oifname "r-site" drop`}, isolationChecks, "; uplink; "},
	} {
		w.provesNothing(l, ph)
	}
	w.trueOutage(l)
	w.stop()
	if a := w.account("steady", w.started.Add(6*time.Second), time.Now()); a.Down.PointMS != 0 || a.Down.CertainMS != 0 {
		t.Errorf("the neighbour: got %d ms down and %d certainly, want none in the whole test", a.Down.PointMS, a.Down.CertainMS)
	}
}

func mustFind(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// provesNothing plays a phase in which the site itself is at fault.
func (w *watchman) provesNothing(l *lab, ph phase) {
	w.t.Helper()
	began := time.Now()
	l.rules(ph.rules...)
	w.until(ph.name+": a void of each", func() bool {
		for _, c := range ph.void {
			if w.count(c, uptally.Void, began) == 0 {
				return false
			}
		}
		return true
	})
	l.rules()
	ended := time.Now()
	w.recovered(1, ended)
	settled := time.Now()
	for _, c := range isolationChecks {
		if n := w.count(c, uptally.Down, began); n != 0 {
			w.t.Errorf("%s: %s: got %d down, want none", ph.name, c, n)
		}
		if a := w.account(c, began, settled); a.Down.PointMS != 0 || a.Down.CertainMS != 0 {
			w.t.Errorf("%s: %s: got %d ms down and %d certainly, want none", ph.name, c, a.Down.PointMS, a.Down.CertainMS)
		}
	}
	for _, c := range ph.void {
		if a := w.account(c, began, settled); a.UnknownMS == 0 {
			w.t.Errorf("%s: %s: got nothing unknown, want what the voids left", ph.name, c)
		}
		found := false
		for _, r := range w.failures(c, began) {
			// Where a reference answered after all, the cut ended while it was asked: the failure proves nothing, nor says what was cut.
			named := strings.Contains(r.Detail, ph.cause)
			if r.Reason != uptally.Local || !named && !strings.Contains(r.Detail, "answered late") {
				w.t.Errorf("%s: %s: got %v %q, want local with %q", ph.name, c, r.Reason, r.Detail, ph.cause)
			}
			found = found || named
		}
		if !found {
			w.t.Errorf("%s: %s: got no failure with %q, want one", ph.name, c, ph.cause)
		}
	}
	w.t.Logf("%-20s %4.1f s cut, 0 s down, unknown %4.1f s (%s)", ph.name, ended.Sub(began).Seconds(), float64(w.account(ph.void[0], began, settled).UnknownMS)/1000, ph.void[0])
}

// trueOutage cuts the target off: declared within I/n + timeout + 6 s, and in the account with the precision of its edges.
func (w *watchman) trueOutage(l *lab) {
	w.t.Helper()
	const declaredWithin = (5 + 1 + 6) * time.Second
	began := time.Now()
	l.rules("forward ip daddr " + l.address("target") + " drop")
	for _, c := range []string{"addr", "name", "echo"} {
		var at time.Time
		w.until(c+" declared down", func() (ok bool) {
			at, ok = w.log.find("msg=focus check="+c+" .*state=down", began)
			return ok
		})
		if took := at.Sub(began); took > declaredWithin {
			w.t.Errorf("%s: declared down after %v, want %v at most", c, took, declaredWithin)
		} else {
			w.t.Logf("target cut: %s declared down after %v", c, took.Round(time.Millisecond))
		}
	}
	l.rules()
	ended := time.Now()
	w.recovered(3, ended)
	for _, c := range []string{"addr", "name", "echo"} {
		a := w.account(c, began.Add(-5*time.Second), time.Now())
		truth, point := ended.Sub(began), time.Duration(a.Down.PointMS)*time.Millisecond
		// The start lies within an interval before the first failure, the end within two seconds: midpoints halve both.
		if a.Down.CertainMS == 0 || time.Duration(a.Down.CertainMS)*time.Millisecond > truth || time.Duration(a.Down.PossibleMS)*time.Millisecond < truth ||
			(point-truth).Abs() > 3500*time.Millisecond {
			w.t.Errorf("%s: got %d, %d and %d ms down, want certain ≤ %v ≤ possible and the point near it", c, a.Down.CertainMS, a.Down.PointMS, a.Down.PossibleMS, truth)
		}
		w.t.Logf("target cut: %s: truth %v, account %v", c, truth.Round(time.Millisecond), point)
	}
}
