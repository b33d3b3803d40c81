package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/configs"
	"github.com/uptally/uptally/statements"
)

// sites of the three, in the order of the plan.
var threeSites = []string{"ams1", "fra1", "lon1"}

// federation is an installation in a lab: a server, and an agent in each of three sites, all behind networks of their own.
type federation struct {
	*lab
	dir, config string
	logs        map[string]*journal
	processes   []*exec.Cmd
}

// threeChecks: two of the target, of which one is a service, and a neighbour that never fails. I = 6 s, n = 3.
const threeChecks = `checks:
  - { name: portal, tcp: { address: "TARGET:8080" }, every: 6s, timeout: 1s, sites: [ams1, fra1, lon1] }
  - { name: echo, icmp: { host: "TARGET" }, every: 6s, timeout: 1s, sites: [ams1, fra1, lon1] }
  - { name: steady, tcp: { address: "STEADY:8080" }, every: 6s, timeout: 1s, sites: [ams1, fra1, lon1] }
services:
  - { name: portal, checks: [portal] }
  - { name: echo, checks: [echo] }
  - { name: steady, checks: [steady] }
agreements: [portal.yaml, echo.yaml, steady.yaml]
`

func newFederation(t *testing.T) *federation {
	t.Helper()
	l := newLabOf(t, "3", false, "ams1", "fra1", "lon1", "ref1", "ref2", "target", "steady", "server")
	l.port("ref1", "53")
	l.port("ref2", "443")
	l.port("target", "8080")
	l.port("steady", "8080")
	f := &federation{lab: l, dir: t.TempDir(), logs: map[string]*journal{}}
	f.config = filepath.Join(f.dir, "uptally.yaml")
	head := fmt.Sprintf("site: centre\nlisten: 127.0.0.1:8080\nagents: { listen: \"%s:8443\", names: [%[1]s] }\n%s\n", l.address("server"), l.twoReferences())
	f.write("uptally.yaml", head+strings.NewReplacer("TARGET", l.address("target"), "STEADY", l.address("steady")).Replace(threeChecks))
	for _, c := range []string{"portal", "echo", "steady"} {
		f.write(c+".yaml", strings.NewReplacer("agreement: quick", "agreement: "+c, "SERVICE", c).Replace(quickAgreement))
	}
	f.launch("server", "server", "-c", f.config)
	f.until("agents are let in", func() bool { _, ok := f.logs["server"].find(`msg="agents let in"`, time.Time{}); return ok })
	for _, site := range threeSites {
		f.enrol(site)
	}
	return f
}

func (f *federation) write(name, text string) {
	f.t.Helper()
	path := filepath.Join(f.dir, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o600)); err != nil {
		f.t.Fatal(err)
	}
}

// in is a command line in the network of a role.
func (f *federation) in(role string, stdout, stderr io.Writer, args ...string) *exec.Cmd {
	p := uptallyProcess(args...)
	p.Path, p.Args = mustFind(f.t, "ip"), append([]string{"ip", "netns", "exec", f.space(role)}, p.Args...)
	p.Stdout, p.Stderr = stdout, stderr
	return p
}

// launch starts a process that stays.
func (f *federation) launch(role string, args ...string) {
	f.t.Helper()
	log := &journal{}
	p := f.in(role, nil, log, args...)
	if err := p.Start(); err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() {
		p.Process.Kill()
		p.Wait()
		if f.t.Failed() {
			log.mu.Lock()
			defer log.mu.Unlock()
			f.t.Logf("%s:\n%s", role, log.String())
		}
	})
	f.logs[role], f.processes = log, append(f.processes, p)
}

// enrol lets the agent of a site in and starts it.
func (f *federation) enrol(site string) {
	f.t.Helper()
	code, token, errs := command(f.t, "server", "token", "-c", f.config, "--site", site, "--by", "ana")
	if code != exitDone {
		f.t.Fatalf("token: got %d: %s", code, errs)
	}
	f.write(site+"/token", token)
	url, data := "https://"+f.address("server")+":8443", filepath.Join(f.dir, site, "data")
	var out bytes.Buffer
	if err := f.in(site, &out, &out, "enrol", "--server", url, "--data", data, "--token-file", filepath.Join(f.dir, site, "token")).Run(); err != nil {
		f.t.Fatalf("enrol %s: %v: %s", site, err, out.String())
	}
	f.write(site+"/agent.yaml", fmt.Sprintf("site: %s\nserver: %s\n", site, url))
	f.launch(site, "agent", "-c", filepath.Join(f.dir, site, "agent.yaml"))
}

// until waits for the thing itself.
func (f *federation) until(what string, holds func() bool) {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), time.Minute)
	defer cancel()
	for !holds() {
		if sleepUntil(ctx, time.Now().Add(200*time.Millisecond)) != nil {
			f.t.Fatalf("wait until %s: it did not come", what)
		}
	}
}

// settled waits until the ledger has two results of each check, and of each site, that are up and were sent after an instant.
func (f *federation) settled(after time.Time) {
	f.t.Helper()
	today := uptally.DayOf(after.UnixMilli())
	f.until("everything is up and delivered", func() bool {
		store := openToRead(f.t, f.config)
		defer store.Close()
		for _, check := range []string{"portal", "echo", "steady"} {
			for _, site := range threeSites {
				days, err := store.Days(f.t.Context(), uptally.IDOf(check), uptally.IDOf(site), today, today+2)
				if err != nil {
					f.t.Fatal(err)
				}
				n := 0
				for _, d := range days {
					for r := range d.Results() {
						if r.SentAt() > after.UnixMilli() && r.Outcome() == uptally.Up {
							n++
						}
					}
				}
				if n < 2 {
					return false
				}
			}
		}
		return true
	})
}

// together waits until each agent hears both others, by the last that its log says.
func (f *federation) together() {
	f.t.Helper()
	f.until("each site hears both others", func() bool {
		for i, site := range threeSites {
			others := threeSites[(i+1)%3] + " " + threeSites[(i+2)%3]
			if i == 1 {
				others = "ams1 lon1"
			}
			log := f.logs[site]
			log.mu.Lock()
			text := log.String()
			log.mu.Unlock()
			at := strings.LastIndex(text, `msg="sites heard"`)
			if at < 0 || !strings.HasPrefix(text[at:], `msg="sites heard" sites="[`+others+`]"`) {
				return false
			}
		}
		return true
	})
}

// account is what the account of a service says of a stretch of time.
func (f *federation) account(service string, from, to time.Time) *statements.Account {
	f.t.Helper()
	cfg, err := configs.Load(f.config)
	if err != nil {
		f.t.Fatal(err)
	}
	period := from.UTC().Truncate(time.Second).Format(time.RFC3339) + "/" + to.UTC().Truncate(time.Second).Format(time.RFC3339)
	req, err := request(cfg, service, period, "", time.Now().UnixMilli())
	if err != nil {
		f.t.Fatal(err)
	}
	store := openToRead(f.t, f.config)
	defer store.Close()
	req.Ledger = store
	st, err := statements.Compute(f.t.Context(), req)
	if err != nil {
		f.t.Fatal(err)
	}
	return &st.Accounts[0]
}

// says is what the server's metrics say of a service now, as uptally_service_state has it.
func (f *federation) says(service string) (state string) {
	f.t.Helper()
	f.within("server", func() error {
		c, err := net.Dial("tcp", "127.0.0.1:8080") // by this thread: a client's are in any network
		if err != nil {
			return err
		}
		defer c.Close()
		if _, err := io.WriteString(c, "GET /metrics HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n"); err != nil {
			return err
		}
		r, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			return err
		}
		defer r.Body.Close()
		page, err := io.ReadAll(r.Body)
		_, rest, _ := strings.Cut(string(page), `uptally_service_state{service="`+service+`"} `)
		state, _, _ = strings.Cut(rest, "\n")
		return err
	})
	return state
}

// cut drops everything between two roles, both ways; "" is everybody.
func (f *federation) cut(a, b string) []string {
	if b == "" {
		return []string{"forward iifname r-" + a + " drop", "forward oifname r-" + a + " drop"}
	}
	return []string{fmt.Sprintf("forward iifname r-%s oifname r-%s drop", a, b), fmt.Sprintf("forward iifname r-%s oifname r-%s drop", b, a)}
}

// TestThreeSites: real processes. Three agents and a server in networks of namespaces, and a script that cuts each link for a while: a site from
// the target, from everybody, from the server; the server from everybody; each reference. None of it is an outage, and nothing of it
// is unknown, since two sites of three always know. Then the target is cut from everybody, once. The account of the whole script has that
// outage and no other, begun within I/n + 1 s and ended within 2 s of what it says.
func TestThreeSites(t *testing.T) {
	if testing.Short() {
		t.Skip("a script of four minutes")
	}
	t.Parallel()
	f := newFederation(t)
	started := time.Now()
	f.settled(started)
	f.together()
	began := time.Now()
	const lasts = 14 * time.Second
	for _, step := range []struct {
		name  string
		rules []string
	}{
		{"ams1 cut from the target", f.cut("ams1", "target")},
		{"fra1 cut from everybody", f.cut("fra1", "")},
		{"lon1 cut from the server", f.cut("lon1", "server")},
		{"the server cut from everybody", f.cut("server", "")},
		{"a reference cut", f.cut("ref1", "")},
		{"the other reference cut", f.cut("ref2", "")},
	} {
		at := time.Now()
		f.rules(step.rules...)
		if err := sleepUntil(t.Context(), at.Add(lasts)); err != nil {
			t.Fatal(err)
		}
		for _, c := range []string{"portal", "echo", "steady"} {
			if got := f.says(c); got == "2" || got == "" {
				t.Errorf("%s: %s: got state %q, want anything but down", step.name, c, got)
			}
		}
		f.rules()
		ended := time.Now()
		f.settled(ended)
		if got := f.says("portal") + f.says("echo") + f.says("steady"); got != "000" {
			t.Errorf("after %s: got states %s, want all up", step.name, got)
		}
		t.Logf("%-30s %4.1f s, all up and delivered %4.1f s later", step.name, ended.Sub(at).Seconds(), time.Since(ended).Seconds())
	}
	f.together()
	quiet := time.Now().Add(-3 * time.Second) // the outage may have begun after the last success
	truth := f.outage(20 * time.Second)
	end := truth[3].Add(6 * time.Second)
	f.settled(end) // what is later is unknown
	for _, site := range threeSites {
		if at, found := f.logs[site].find("msg=focus .*state=down", began); found && at.Before(truth[0]) {
			t.Errorf("%s: got a check declared down at %v, before the outage", site, at)
		}
	}
	if a := f.account("steady", began, end); a.Down.PossibleMS != 0 || a.UnknownMS != 0 {
		t.Errorf("steady: got %d ms possibly down and %d unknown, want none", a.Down.PossibleMS, a.UnknownMS)
	}
	for _, c := range []string{"portal", "echo"} {
		if a := f.account(c, began, quiet); a.Down.PossibleMS != 0 || a.UnknownMS != 0 {
			t.Errorf("%s, before the outage: got %d ms possibly down and %d unknown, want none", c, a.Down.PossibleMS, a.UnknownMS)
		}
		f.judge(c, f.account(c, began, end), truth)
	}
	f.stop()
}

// outage cuts the target for a while. It returns between which instants it began, and between which it ended.
func (f *federation) outage(lasts time.Duration) (truth [4]time.Time) {
	f.t.Helper()
	truth[0] = time.Now()
	f.rules(f.cut("target", "")...)
	truth[1] = time.Now()
	if err := sleepUntil(f.t.Context(), truth[0].Add(lasts)); err != nil {
		f.t.Fatal(err)
	}
	if got := f.says("portal") + f.says("echo") + f.says("steady"); got != "220" {
		f.t.Errorf("in the outage: got states %s, want portal and echo down", got)
	}
	truth[2] = time.Now()
	f.rules()
	truth[3] = time.Now()
	return truth
}

// judge holds an account against the one outage that there was.
func (f *federation) judge(check string, a *statements.Account, truth [4]time.Time) {
	f.t.Helper()
	if len(a.Outages) != 1 || a.UnknownMS != 0 {
		f.t.Errorf("%s: got outages %+v and %d ms unknown, want one and none", check, a.Outages, a.UnknownMS)
		return
	}
	o := a.Outages[0]
	for _, edge := range []struct {
		name     string
		got      statements.Interval
		from, to time.Time
		within   int64
	}{
		{"start", o.Start, truth[0], truth[1], 6_000/3 + 1_000},
		{"end", o.End, truth[2], truth[3], 2_000},
	} {
		from, to := int64(edge.got.From), int64(edge.got.To)
		// what was under way while the rules were changed may have met either
		const passing = 20
		if from > edge.to.UnixMilli()+passing || to < edge.from.UnixMilli()-passing || to-from > edge.within {
			f.t.Errorf("%s: got the %s within [%d, %d], %d ms, want it to hold [%d, %d] within %d ms", check, edge.name, from, to, to-from,
				edge.from.UnixMilli(), edge.to.UnixMilli(), edge.within)
		}
		f.t.Logf("%s: the %s is known to %d ms", check, edge.name, to-from)
	}
	lasted := truth[2].Sub(truth[0])
	f.t.Logf("%s: truth %d ms, account %d ms, between %d and %d; seen by %v", check, lasted.Milliseconds(), a.Down.PointMS, a.Down.CertainMS, a.Down.PossibleMS, o.Sites)
	if a.Down.CertainMS > truth[3].Sub(truth[0]).Milliseconds() || a.Down.PossibleMS < truth[2].Sub(truth[1]).Milliseconds() {
		f.t.Errorf("%s: got between %d and %d ms down, want %d between them", check, a.Down.CertainMS, a.Down.PossibleMS, lasted.Milliseconds())
	}
}

// stop ends agents and server, cleanly.
func (f *federation) stop() {
	f.t.Helper()
	for i := len(f.processes) - 1; i >= 0; i-- {
		if err := f.processes[i].Process.Signal(syscall.SIGTERM); err != nil {
			f.t.Fatal(err)
		}
		if err := f.processes[i].Wait(); err != nil {
			f.t.Errorf("stop: %v", err)
		}
	}
}
