package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/uptally/uptally"
)

// process is a child that a test started; its log goes to the test when it fails.
type process struct {
	*exec.Cmd
	log bytes.Buffer
}

func startProcess(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{Cmd: uptallyProcess(args...)}
	p.Stderr = &p.log
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Process.Kill()
		p.Wait()
		if t.Failed() {
			t.Logf("uptally %s:\n%s", strings.Join(args, " "), p.log.String())
		}
	})
	return p
}

// end stops a process cleanly.
func (p *process) end(t *testing.T) {
	t.Helper()
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err != nil {
		t.Errorf("stop: %v\n%s", err, p.log.String())
	}
}

// twoSites is an installation whose server measures nothing: its two checks, each second, belong to agents of the sites ams1 and fra1.
type twoSites struct {
	dir, config, pages, agents string
}

func newTwoSites(t *testing.T) *twoSites {
	t.Helper()
	w := &twoSites{dir: t.TempDir(), pages: freeAddress(t), agents: freeAddress(t)}
	w.config = filepath.Join(w.dir, "uptally.yaml")
	w.write(t, fmt.Sprintf(`site: fra1
listen: %s
agents: { listen: %q, names: [127.0.0.1] }
references: []
checks:
  - name: page
    http: { url: "http://%[1]s/healthz", headers: [{ name: X-Token, secret: { file: token } }] }
    every: 1s
    sites: [ams1, fra1]
  - name: nobody
    tcp: { address: %[3]q }
    every: 1s
    sites: [ams1]
services:
  - { name: page, checks: [page] }
agreements: [a.yaml]
`, w.pages, w.agents, freeAddress(t)))
	for name, text := range map[string]string{"token": "canary-5f3a\n", "a.yaml": strings.ReplaceAll(quickAgreement, "SERVICE", "page")} {
		if err := os.WriteFile(filepath.Join(w.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

func (w *twoSites) write(t *testing.T, text string) {
	t.Helper()
	if err := os.WriteFile(w.config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// enrol makes a folder the agent of a site and returns its file.
func (w *twoSites) enrol(t *testing.T, site, listen string) (config string) {
	t.Helper()
	dir := filepath.Join(w.dir, site)
	code, token, errs := command(t, "server", "token", "-c", w.config, "--site", site, "--by", "ana")
	if code != exitDone {
		t.Fatalf("token: got %d: %s", code, errs)
	}
	file := filepath.Join(w.dir, site+".token")
	if err := os.WriteFile(file, []byte(token), 0o600); err != nil {
		t.Fatal(err)
	}
	url := "https://" + w.agents
	if code, _, errs := command(t, "enrol", "--server", url, "--data", filepath.Join(dir, "data"), "--token-file", file); code != exitDone {
		t.Fatalf("enrol: got %d: %s", code, errs)
	}
	config = filepath.Join(dir, "agent.yaml")
	text := fmt.Sprintf("site: %s\nserver: %s\n", site, url)
	if listen != "" {
		text += "listen: " + listen + "\n"
	}
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return config
}

// ups counts the results of a check at a site in the ledger of the installation.
func (w *twoSites) results(t *testing.T, check, site string) (all []uptally.Result) {
	t.Helper()
	store := openToRead(t, w.config)
	defer store.Close()
	today := uptally.DayOf(time.Now().UnixMilli())
	days, err := store.Days(t.Context(), uptally.IDOf(check), uptally.IDOf(site), today-1, today+1)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range days {
		for r := range d.Results() {
			all = append(all, r)
		}
	}
	return all
}

// untilResults waits until the ledger has so many results of a check at a site.
func (w *twoSites) untilResults(t *testing.T, check, site string, n int) {
	t.Helper()
	deadline := time.Now().Add(40 * time.Second)
	for len(w.results(t, check, site)) < n {
		if time.Now().After(deadline) {
			t.Fatalf("%s at %s: got %d results, want %d", check, site, len(w.results(t, check, site)), n)
		}
		if err := sleepUntil(t.Context(), time.Now().Add(100*time.Millisecond)); err != nil {
			t.Fatal(err)
		}
	}
}

// untilLine asks again until a line of the page matches.
func untilLine(t *testing.T, url, pattern string) {
	t.Helper()
	line, deadline := regexp.MustCompile("(?m)"+pattern), time.Now().Add(90*time.Second)
	for {
		_, body := get(t, url)
		if line.MatchString(body) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: got no line of %s in\n%s", url, pattern, body)
		}
		if err := sleepUntil(t.Context(), time.Now().Add(100*time.Millisecond)); err != nil {
			t.Fatal(err)
		}
	}
}

// Real processes: a server, two agents enrolled at it. What they measure reaches the ledger, and a statement is made of it. An agent
// that is stopped and begun again without its server measures on, and delivers later.
func TestAgentsAndServer(t *testing.T) {
	w := newTwoSites(t)
	srv := startProcess(t, "server", "-c", w.config)
	until(t, "http://"+w.pages+"/readyz", "ready\n")
	metrics := freeAddress(t)
	ams, fra := w.enrol(t, "ams1", metrics), w.enrol(t, "fra1", "")
	first, second := startProcess(t, "agent", "-c", ams), startProcess(t, "agent", "-c", fra)
	w.untilResults(t, "page", "ams1", 3)
	w.untilResults(t, "page", "fra1", 3)
	w.untilResults(t, "nobody", "ams1", 3)
	if rs := w.results(t, "nobody", "fra1"); len(rs) > 0 {
		t.Errorf("nobody at fra1: got %d results, want none: it is measured at ams1 alone", len(rs))
	}
	if r := w.results(t, "page", "ams1")[0]; r.Outcome() != uptally.Up {
		t.Errorf("page at ams1: got %v, want up", r)
	}
	until(t, "http://"+metrics+"/metrics", `uptally_check_results_total{check="page",site="ams1",outcome="up",reason="ok"}`)
	until(t, "http://"+metrics+"/readyz", "ready\n")
	for _, page := range []string{metrics, w.pages} { // the agent has the same to say of itself as the server of it
		untilLine(t, "http://"+page+"/metrics", `^uptally_agent_clock_bound_seconds\{agent="[0-9a-f]{16}",site="ams1"\} 0\.\d+$`)
		untilLine(t, "http://"+page+"/metrics", `^uptally_agent_plans_behind\{agent="[0-9a-f]{16}",site="ams1"\} 0$`)
	}
	untilLine(t, "http://"+metrics+"/metrics", `^uptally_agent_spool_left_seconds\{agent="[0-9a-f]{16}",site="ams1"\} [1-9]`)
	until(t, "http://"+w.pages+"/statements/quick?format=text", "UPTIME STATEMENT, IN PROGRESS")
	second.end(t)

	srv.end(t)
	first.end(t)
	before := len(w.results(t, "nobody", "ams1"))
	again := startProcess(t, "agent", "-c", ams)
	until(t, "http://"+metrics+"/metrics", `uptally_check_results_total{check="nobody",site="ams1",outcome="down",reason="connect_refused"} 5`)
	srv = startProcess(t, "server", "-c", w.config)
	w.untilResults(t, "nobody", "ams1", before+5)
	again.end(t)
	srv.end(t)
	for _, log := range []*process{first, second, again, srv} {
		if strings.Contains(log.log.String(), "canary-5f3a") {
			t.Error("a log has the secret of a check")
		}
	}
	file := filepath.Join(w.dir, "ams1", "data", "plans.json")
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("kept plans: got %v, %v, want a file of mode 0600", info, err)
	}
}
