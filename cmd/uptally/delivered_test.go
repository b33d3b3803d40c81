package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/statements"
)

// delivered is a server and an agent, real processes, with a faulty proxy between them, for tests that do them harm. The
// agent measures many checks that are always up, and one that is always down.
type delivered struct {
	t      *testing.T
	random *rand.Rand
	proxy  *faultyProxy
	dir    string // of the configurations
	// serverData and agentData are the data folders, metrics the address of the agent's.
	serverData, agentData, pages, metrics string
	server, agent                         *child
}

// upChecks is how many checks there are that are always up, each every second.
const upChecks = 200

// deliveredIn makes the installation with its data in two folders, enrols the agent and starts both.
func deliveredIn(t *testing.T, serverDisk, agentDisk string) *delivered {
	t.Helper()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	d := &delivered{
		t: t, random: rand.New(rand.NewPCG(seed, 1)), dir: t.TempDir(), pages: freeAddress(t), metrics: freeAddress(t),
		serverData: filepath.Join(serverDisk, "server"), agentData: filepath.Join(agentDisk, "agent"),
	}
	agents := freeAddress(t)
	d.proxy = startProxy(t, agents, rand.New(rand.NewPCG(seed, 2)))
	config, agentConfig := filepath.Join(d.dir, "uptally.yaml"), filepath.Join(d.dir, "agent.yaml")
	var text strings.Builder
	fmt.Fprintf(&text, "site: centre\ndata: %s\nlisten: %s\nagents: { listen: %q, behind_proxy: true }\nreferences: []\nagreements: [a.yaml]\nchecks:\n",
		d.serverData, d.pages, agents)
	target := openPort(t)
	var ups []string
	for i := range upChecks {
		ups = append(ups, fmt.Sprintf("up-%03d", i))
		fmt.Fprintf(&text, "  - { name: %s, tcp: { address: %q }, every: 1s, sites: [fra1] }\n", ups[i], target)
	}
	fmt.Fprintf(&text, "  - { name: down, tcp: { address: %q }, every: 1s, sites: [fra1] }\nservices:\n  - { name: page, checks: [%s] }\n",
		freeAddress(t), strings.Join(ups, ", "))
	for file, text := range map[string]string{
		config: text.String(), filepath.Join(d.dir, "a.yaml"): strings.ReplaceAll(quickAgreement, "SERVICE", "page"),
		agentConfig: fmt.Sprintf("site: fra1\nserver: %s\ndata: %s\nlisten: %s\nreferences: []\n", d.proxy.url, d.agentData, d.metrics),
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d.server, d.agent = newChild(t, "server", "-c", config), newChild(t, "agent", "-c", agentConfig)
	d.server.start()
	until(t, "http://"+d.pages+"/readyz", "ready\n")
	code, token, errs := command(t, "server", "token", "-c", config, "--site", "fra1", "--behind-proxy", "--by", "ana")
	if code != exitDone {
		t.Fatalf("token: got %d: %s", code, errs)
	}
	file := filepath.Join(d.dir, "token")
	if err := os.WriteFile(file, []byte(token), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := command(t, "enrol", "--server", d.proxy.url, "--data", d.agentData, "--token-file", file); code != exitDone {
		t.Fatalf("enrol: got %d: %s", code, errs)
	}
	d.agent.start()
	d.untilBatches(1)
	return d
}

// openPort is a TCP port that takes every connection and hangs up.
func openPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", freeAddress(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				c.Close()
			}
		}
	}()
	return l.Addr().String()
}

// child is a process that is started, killed and started again; what it logs is told where the test fails.
type child struct {
	t    *testing.T
	args []string
	cmd  *exec.Cmd
	log  *os.File
	// starts counts its lives.
	starts int
}

func newChild(t *testing.T, args ...string) *child {
	t.Helper()
	log, err := os.Create(filepath.Join(t.TempDir(), args[0]+".log"))
	if err != nil {
		t.Fatal(err)
	}
	c := &child{t: t, args: args, log: log}
	t.Cleanup(func() {
		if c.cmd != nil {
			c.kill()
		}
		if t.Failed() {
			text, _ := os.ReadFile(log.Name())
			t.Logf("uptally %s, the end of its log:\n%s", args[0], text[max(0, len(text)-6_000):])
		}
		log.Close()
	})
	return c
}

func (c *child) start() {
	c.t.Helper()
	c.cmd = uptallyProcess(c.args...)
	c.cmd.Stdout, c.cmd.Stderr = c.log, c.log
	if err := c.cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	c.starts++
}

// kill ends the process as a broken machine would.
func (c *child) kill() {
	c.cmd.Process.Kill()
	if err := c.cmd.Wait(); c.cmd.ProcessState.ExitCode() >= 0 {
		c.t.Errorf("uptally %s ended by itself before it was killed: %v", c.args[0], err)
	}
	c.cmd = nil
}

// stop ends it cleanly.
func (c *child) stop() {
	c.t.Helper()
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		c.t.Fatal(err)
	}
	if err := c.cmd.Wait(); err != nil {
		c.t.Errorf("stop uptally %s: %v", c.args[0], err)
	}
	c.cmd = nil
}

var batchesLine = regexp.MustCompile(`(?m)^uptally_ledger_batches_appended_total (\d+)$`)

// appended is how many batches the agent's process says that it has made durable; 0 where it says nothing yet.
func (d *delivered) appended() int {
	d.t.Helper()
	_, page := get(d.t, "http://"+d.metrics+"/metrics")
	m := batchesLine.FindStringSubmatch(page)
	if m == nil {
		return 0
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		d.t.Fatal(err)
	}
	return n
}

// untilBatches waits until the agent's process has made so many durable.
func (d *delivered) untilBatches(n int) {
	d.t.Helper()
	d.until(fmt.Sprintf("%d batches of the agent", n), func() bool { return d.appended() >= n })
}

// until asks ten times a second, for a minute.
func (d *delivered) until(what string, holds func() bool) {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), time.Minute)
	defer cancel()
	for !holds() {
		if sleepUntil(ctx, time.Now().Add(100*time.Millisecond)) != nil {
			d.t.Fatalf("waited a minute for %s", what)
		}
	}
}

// slot is the key of a result at the one site that there is.
type slot struct {
	check uptally.ID
	at    int64
}

// evidenceOf is what is stored: each result by its slot, with the texts left out, and how often a slot is there.
type evidenceOf struct {
	results map[slot]uptally.Result
	batches int
	epochs  map[uint64]bool
}

// spooled reads the spool of an agent that is dead: a copy of its file and of the log beside it, by nothing but SQLite.
func (d *delivered) spooled() evidenceOf {
	d.t.Helper()
	dir := d.t.TempDir()
	for _, name := range []string{"spool.db", "spool.db-wal"} {
		if err := copyTo(filepath.Join(dir, name), filepath.Join(d.agentData, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			d.t.Fatal(err)
		}
	}
	e := evidenceOf{results: map[slot]uptally.Result{}, epochs: map[uint64]bool{}}
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "spool.db"))
	if err != nil {
		d.t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.Query(`SELECT data FROM log`)
	if err != nil {
		d.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var data []byte
		if err := rows.Scan(&data); err != nil {
			d.t.Fatal(err)
		}
		b, err := uptally.DecodeBatch(data)
		if err != nil {
			d.t.Fatal(err)
		}
		e.batches++
		e.epochs[b.Epoch] = true
		for _, r := range b.Results {
			r.Detail = ""
			if old, twice := e.results[slot{r.Check, r.At}]; twice && old != r {
				d.t.Errorf("the agent has two results of one slot: %v and %v", old, r)
			}
			e.results[slot{r.Check, r.At}] = r
		}
	}
	if err := rows.Err(); err != nil {
		d.t.Fatal(err)
	}
	return e
}

func copyTo(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// stored reads the ledger, beside the server or without it.
func (d *delivered) stored() evidenceOf {
	d.t.Helper()
	store := openToRead(d.t, d.server.args[2])
	defer store.Close()
	names, err := store.Names(d.t.Context(), "check")
	if err != nil {
		d.t.Fatal(err)
	}
	e := evidenceOf{results: map[slot]uptally.Result{}}
	for _, name := range names {
		days, err := store.Days(d.t.Context(), uptally.IDOf(name), uptally.IDOf("fra1"), math.MinInt32, math.MaxInt32)
		if err != nil {
			d.t.Fatal(err)
		}
		for _, day := range days {
			for r := range day.Results() {
				r.Check, r.Site, r.Detail = uptally.IDOf(name), uptally.IDOf("fra1"), ""
				if _, twice := e.results[slot{r.Check, r.At}]; twice {
					d.t.Errorf("%s: the ledger has slot %d twice", name, r.At)
				}
				e.results[slot{r.Check, r.At}] = r
			}
		}
	}
	return e
}

// missing counts the results that are not in the other evidence as they are here.
func (e evidenceOf) missing(in evidenceOf) (lost, other int) {
	for key, r := range e.results {
		if got, found := in.results[key]; !found {
			lost++
		} else if got != r {
			other++
		}
	}
	return lost, other
}

// wrong counts the results that say what was not so, and the slots with two of them.
func (e evidenceOf) wrong() (untrue, double int) {
	down := uptally.IDOf("down")
	for key, r := range e.results {
		switch o := r.Outcome(); {
		case r.Reason == uptally.Conflict:
			double++
		case key.check != down && o == uptally.Down, key.check == down && o == uptally.Up:
			untrue++
		}
	}
	return untrue, double
}

// damage is what a ledger lacks or has too much of, beside what the agent had appended.
type damage struct {
	results, lost, altered, double, invented int
	// untrue are results of which the target knows better, downMS the certain and likely downtime of a service that never was down.
	untrue int
	downMS int64
}

func (v damage) String() string {
	return fmt.Sprintf("%d results whose append returned: lost %d, altered %d, double %d, never appended %d, untrue %d, invented downtime %d ms",
		v.results, v.lost, v.altered, v.double, v.invented, v.untrue, v.downMS)
}

// settle ends the faults, lets a fresh agent deliver all that waits, ends both processes and demands that the ledger says what the spool
// says and nothing else, and that nothing in it is untrue.
func (d *delivered) settle() damage {
	d.t.Helper()
	d.proxy.mend()
	for _, c := range []*child{d.server, d.agent} {
		if c.cmd != nil {
			c.kill()
		}
	}
	have := d.spooled()
	d.server.start()
	until(d.t, "http://"+d.pages+"/readyz", "ready\n")
	d.agent.start()
	d.until(fmt.Sprintf("%d results in the ledger", len(have.results)), func() bool {
		lost, _ := have.missing(d.stored())
		return lost == 0
	})
	d.untilBatches(1) // it can take a signal
	d.agent.stop()
	d.server.stop()
	have, got := d.spooled(), d.stored()
	v := damage{results: len(have.results)}
	v.lost, v.altered = have.missing(got)
	v.invented, _ = got.missing(have)
	v.untrue, v.double = got.wrong()
	v.downMS = d.downMS()
	if v != (damage{results: v.results}) || v.results == 0 {
		d.t.Errorf("got %v, want none of it", v)
	}
	if code, out, errs := command(d.t, "ledger", "verify", "-c", d.server.args[2]); code != exitDone {
		d.t.Errorf("verify: got %d: %s%s", code, out, errs)
	}
	return v
}

// downMS is how long the service was down that never was, as its statement has it.
func (d *delivered) downMS() (ms int64) {
	d.t.Helper()
	code, out, errs := command(d.t, "statement", "quick", "-c", d.server.args[2], "--period", time.Now().UTC().Format("2006-01"), "--format", "json")
	if code != exitDone {
		d.t.Fatalf("statement: got %d: %s", code, errs)
	}
	st, err := statements.Decode([]byte(out))
	if err != nil {
		d.t.Fatal(err)
	}
	for _, a := range st.Accounts {
		ms += a.Down.CertainMS + a.Down.PointMS
	}
	return ms
}
