package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/ledger/postgrestest"
	"github.com/uptally/uptally/probes/schedule"
)

// freeAddress is a loopback address nobody listened on a moment ago.
// Its port lies below those that the kernel gives to outgoing connections, of which other tests make many meanwhile.
func freeAddress(t *testing.T) string {
	t.Helper()
	for range 100 {
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 12_000+rand.IntN(20_000))); err == nil {
			defer l.Close()
			return l.Addr().String()
		}
	}
	t.Fatal("got no free port below 32000")
	return ""
}

// installation writes a small installation that checks its own page each second, and returns its file and its address.
func installation(t *testing.T) (config, listen string) {
	t.Helper()
	dir := t.TempDir()
	listen = freeAddress(t)
	text := fmt.Sprintf("site: here\nlisten: %s\nchecks:\n  - name: own-page\n    http: { url: \"http://%[1]s/healthz\" }\n    every: 1s\n"+
		"  - name: nobody\n    tcp: { address: \"%s\" }\n    every: 1s\n"+
		"services:\n  - { name: page, checks: [own-page] }\nagreements: [a.yaml]\n", listen, freeAddress(t))
	config = filepath.Join(dir, "uptally.yaml")
	for name, text := range map[string]string{"uptally.yaml": text, "a.yaml": strings.ReplaceAll(quickAgreement, "SERVICE", "page")} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return config, listen
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// until asks again until the page says what is wanted.
func until(t *testing.T, url, want string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for {
		_, body := get(t, url)
		if strings.Contains(body, want) {
			return
		}
		if err := sleepUntil(ctx, time.Now().Add(50*time.Millisecond)); err != nil {
			t.Fatalf("%s: got %s, want %q in it", url, body, want)
		}
	}
}

// A real process measures, takes an entry beside it, shows a statement, and stops cleanly on SIGTERM: exit 0, and in the
// ledger every slot from the first to the last one that came due has exactly one result.
func TestRunLifeCycle(t *testing.T) {
	t.Run("embedded", func(t *testing.T) {
		config, listen := installation(t)
		lifeCycle(t, config, listen)
	})
	t.Run("postgres", func(t *testing.T) {
		config, listen := installation(t)
		keepInPostgres(t, config)
		lifeCycle(t, config, listen)
		if _, err := os.Stat(filepath.Join(filepath.Dir(config), "data", "ledger.db")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the embedded ledger: got %v, want none", err)
		}
	})
}

// keepInPostgres starts a server with the test, has the installation keep its ledger there, and demands that nothing
// repeats the password.
func keepInPostgres(t *testing.T, config string) {
	t.Helper()
	c, err := postgrestest.Start()
	if err != nil {
		postgrestest.Skip(t, err)
	}
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	text = fmt.Appendf(text, "ledger: { postgres: %q, password: { file: secret } }\n", c.Guarded(t, "canary"))
	for name, text := range map[string]string{"uptally.yaml": string(text), "secret": "cuckoo\n"} {
		if err := os.WriteFile(filepath.Join(filepath.Dir(config), name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want := `password authentication failed for user "guarded"`
	if code, _, stderr := command(t, "run", "-c", config); code != exitFailed || !strings.Contains(stderr, want) || strings.Contains(stderr, "cuckoo") || strings.Count(stderr, "\n") > 9 {
		t.Errorf("a wrong password: got %d %s, want %s", code, stderr, want)
	}
	if err := os.WriteFile(filepath.Join(filepath.Dir(config), "secret"), []byte("canary\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

func lifeCycle(t *testing.T, config, listen string) {
	t.Helper()
	p := uptallyProcess("run", "-c", config)
	var log bytes.Buffer
	p.Stderr = &log
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Process.Kill() })
	until(t, "http://"+listen+"/metrics", `uptally_check_results_total{check="nobody",site="here",outcome="down",reason="connect_refused"} 3`)
	until(t, "http://"+listen+"/metrics", `uptally_check_results_total{check="own-page",site="here",outcome="up",reason="ok"} 3`)
	until(t, "http://"+listen+"/readyz", "ready")
	until(t, "http://"+listen+"/", "down: connect_refused")
	until(t, "http://"+listen+"/statements/quick?format=text", "UPTIME STATEMENT, IN PROGRESS")
	if code, _ := get(t, "http://"+listen+"/statements/other"); code != http.StatusNotFound {
		t.Errorf("an agreement that does not exist: got %d, want 404", code)
	}
	if code, body := get(t, "http://"+listen+"/statements/quick/2026-99"); code != http.StatusBadRequest {
		t.Errorf("a period that does not exist: got %d %s, want 400", code, body)
	}
	code, out, stderr := command(t, "record", "maintenance", "-c", config, "--from", "2026-12-05T22:00:00Z", "--to", "2026-12-05T23:00:00Z", "--by", "ann", "--reason", "disks")
	if want := "entry 1: maintenance from 2026-12-05T22:00:00Z to 2026-12-05T23:00:00Z, recorded by ann\n"; code != exitDone || out != want {
		t.Errorf("record beside the process: got %d %q %s, want %q", code, out, stderr, want)
	}
	if code, out, _ := command(t, "statement", "quick", "-c", config, "--period", "2026-12"); code != exitDone || !strings.Contains(out, "disks") {
		t.Errorf("statement beside the process: got %d and no word of the maintenance:\n%s", code, out)
	}
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err != nil {
		t.Fatalf("stop: %v\n%s", err, log.String())
	}
	for _, check := range []string{"own-page", "nobody"} {
		everySlotOnce(t, config, check)
	}
}

// everySlotOnce demands that the results of a check are its plan's slots, from the first one on, without a hole or a double.
func everySlotOnce(t *testing.T, config, check string) {
	t.Helper()
	store := openToRead(t, config)
	defer store.Close()
	plans, err := store.Plans(t.Context(), check)
	if err != nil || len(plans) != 1 {
		t.Fatalf("plans of %q: got %v, %v, want one", check, plans, err)
	}
	slots, err := schedule.NewSlots(plans[0], "here")
	if err != nil {
		t.Fatal(err)
	}
	today := uptally.DayOf(plans[0].From)
	days, err := store.Days(t.Context(), uptally.IDOf(check), uptally.IDOf("here"), today, today+2)
	if err != nil {
		t.Fatal(err)
	}
	// The plan is dated before the scheduler starts; what came due in between has no result, as while a process is down.
	due, n := int64(0), 0
	for _, d := range days {
		for r := range d.Results() {
			if n == 0 {
				due = slots.Next(r.At - 1)
			}
			if r.At != due {
				t.Fatalf("%s: result %d: got slot %d, want %d", check, n, r.At, due)
			}
			due = slots.Next(due)
			n++
		}
	}
	if n < 3 {
		t.Errorf("%s: got %d results, want at least 3", check, n)
	}
}

// Nothing starts on a file with mistakes.
func TestRunRefusesMistakes(t *testing.T) {
	const file = "../../configs/testdata/seven-mistakes.yaml"
	code, out, _ := command(t, "validate", file)
	if n := strings.Count(out, "\n"); code != exitFailed || n != 7 {
		t.Errorf("validate: got %d and %d lines, want 1 and 7:\n%s", code, n, out)
	}
	code, _, stderr := command(t, "run", "-c", file)
	if n := strings.Count(stderr, "\n"); code != exitFailed || n != 7 {
		t.Errorf("run: got %d and %d lines, want 1 and 7:\n%s", code, n, stderr)
	}
}

// The demo's own comparison must find each service inside its bounds and within an interval an edge.
func TestDemo(t *testing.T) {
	if testing.Short() {
		t.Skip("the script takes a minute")
	}
	t.Parallel()
	p := uptallyProcess("demo", "--listen", "127.0.0.1:0")
	out, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	p.Stderr = &log
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Process.Kill() })
	verdicts := map[string]string{}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		line := lines.Text()
		if f := strings.Fields(line); len(f) > 6 && f[4] == "to" {
			verdicts[f[0]] = strings.Join(f[6:], " ")
			t.Log(line)
		}
		if strings.HasPrefix(line, "The statement:") {
			break
		}
	}
	for _, s := range []string{"shop", "mail", "names"} {
		if verdicts[s] != "inside the bounds" {
			t.Errorf("%s: got %q, want %q\n%s", s, verdicts[s], "inside the bounds", log.String())
		}
	}
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err != nil {
		t.Errorf("stop: %v", err)
	}
}
