package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/configs"
	"github.com/uptally/uptally/ledger"
	"github.com/uptally/uptally/probes"
	"github.com/uptally/uptally/probes/agent"
	"github.com/uptally/uptally/probes/agent/plans"
	"github.com/uptally/uptally/statements"
)

// planned is a server and the agents of its sites in virtual time: real plans, handouts, books, agents, intake and accounts, and probes that are
// always up.
type plannedWorld struct {
	t      *testing.T
	config string
	house  *house
	sites  map[string]*plannedSite
}

type plannedSite struct {
	name, dir string
	book      *plans.Book
	agent     *agent.Agent
	stop      context.CancelFunc
	ended     chan error
}

const plannedText = `site: ams1
references: []
checks:
  - name: web
    tcp: { address: "192.0.2.1:443" }
    every: %s
    sites: [%s]
services:
  - { name: web, checks: [web] }
agreements: [a.yaml]
`

func (w *plannedWorld) write(every, sites string) {
	w.t.Helper()
	if err := os.WriteFile(w.config, fmt.Appendf(nil, plannedText, every, sites), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

// newPlannedWorld begins with a check at sites; an agent of each site named in all is enrolled and hears its plans at once.
func newPlannedWorld(t *testing.T, every, sites string, all ...string) *plannedWorld {
	t.Helper()
	dir := t.TempDir()
	w := &plannedWorld{t: t, config: filepath.Join(dir, "uptally.yaml"), sites: map[string]*plannedSite{}}
	terms := strings.NewReplacer("SERVICE", "web", "2026-01-01", "1999-01-01").Replace(quickAgreement)
	if err := os.WriteFile(filepath.Join(dir, "a.yaml"), []byte(terms), 0o644); err != nil {
		t.Fatal(err)
	}
	w.write(every, sites)
	cfg, err := configs.Load(w.config)
	if err != nil {
		t.Fatal(err)
	}
	store := &ledger.Memory{}
	w.house = newCentre(cfg, slog.New(slog.DiscardHandler))
	w.house.store = store
	if err := w.house.startPlanning(t.Context()); err != nil { // before anybody is enrolled: from the next slot on
		t.Fatal(err)
	}
	if err := w.house.openIntake(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i, name := range all {
		id := uint64(i + 1)
		err := store.Admit(t.Context(), ledger.Admission{Kind: ledger.Joined, Subject: id, Digest: []byte{byte(i)}}, ledger.Admission{Agent: id, Kind: ledger.Enrolled, Site: name})
		if err != nil {
			t.Fatal(err)
		}
		w.sites[name] = &plannedSite{name: name, dir: filepath.Join(dir, name), book: &plans.Book{}}
		if err := os.Mkdir(w.sites[name].dir, 0o755); err != nil {
			t.Fatal(err)
		}
		w.hear(name)
		w.start(name, id)
	}
	return w
}

// hear gives a site what the server hands out, as a follower does.
func (w *plannedWorld) hear(site string) {
	w.t.Helper()
	s := w.sites[site]
	_, data := w.house.plansOf(site)
	page, err := plans.Read(data, site)
	if err != nil {
		w.t.Fatal(err)
	}
	now := time.Now().UnixMilli()
	s.book = s.book.With(page, now)
	if err := s.book.Save(s.dir); err != nil {
		w.t.Fatal(err)
	}
	if s.agent == nil {
		return
	}
	if err := s.agent.SetPlans(w.plans(s), now); err != nil {
		w.t.Fatal(err)
	}
}

func (w *plannedWorld) plans(s *plannedSite) (all []uptally.Plan) {
	w.t.Helper()
	tasks, err := s.book.Tasks(time.Now().UnixMilli())
	if err != nil {
		w.t.Fatal(err)
	}
	for _, task := range tasks {
		all = append(all, task.Plan)
	}
	return all
}

func (w *plannedWorld) start(site string, id uint64) {
	w.t.Helper()
	s := w.sites[site]
	up := func(*uptally.Plan) func(context.Context) probes.Observation {
		return func(context.Context) probes.Observation {
			o := probes.Observation{SentAt: time.Now().Round(0), RTT: 20 * time.Millisecond}
			<-time.After(o.RTT)
			return o
		}
	}
	a, err := agent.New(agent.Options{Site: site, Plans: w.plans(s), Agent: id, Epoch: uint64(time.Now().UnixNano()), Probe: up, Append: w.house.append})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(w.t.Context())
	s.agent, s.stop, s.ended = a, stop, make(chan error, 1)
	go func() { s.ended <- a.Run(ctx) }()
}

func (w *plannedWorld) end(site string) {
	w.t.Helper()
	s := w.sites[site]
	s.stop()
	if err := <-s.ended; err != nil {
		w.t.Error(err)
	}
	s.agent = nil
}

// restart ends an agent between two slots and begins it again with what its folder has.
func (w *plannedWorld) restart(site string, id uint64) {
	w.t.Helper()
	w.end(site)
	book, err := plans.Open(w.sites[site].dir)
	if err != nil {
		w.t.Fatal(err)
	}
	w.sites[site].book = book
	w.start(site, id)
}

// reload changes the installation; each site hears of it after so many seconds, nobody later than an agent that is idle.
func (w *plannedWorld) reload(every, sites string, after map[string]int) {
	w.t.Helper()
	w.write(every, sites)
	if err := w.house.reload(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	for second := range 31 {
		for site, n := range after {
			if n == second {
				w.hear(site)
			}
		}
		<-time.After(time.Second)
	}
}

// settle ends everything, and demands of the account of minutes 2 to 28 that so many milliseconds are unknown and all others up, and that every
// planned slot was probed, with so many results of a site beyond. It returns how many were planned, by site.
func (w *plannedWorld) settle(unknown int64, beyond map[string]int64) map[string]int64 {
	w.t.Helper()
	for site := range w.sites {
		w.end(site)
	}
	w.house.intake.Close()
	req, err := request(w.house.cfg(), "quick", "2000-01-01T00:02:00Z/2000-01-01T00:28:00Z", "", time.Now().UnixMilli())
	if err != nil {
		w.t.Fatal(err)
	}
	req.Ledger = w.house.store
	st, err := statements.Compute(w.t.Context(), req)
	if err != nil {
		w.t.Fatal(err)
	}
	if a := st.Accounts[0]; a.UnknownMS != unknown || a.EligibleMS != 26*60_000 || a.Down.CertainMS != 0 || a.Down.PossibleMS != unknown {
		w.t.Errorf("got %d ms unknown of %d and %d possibly down, want %d unknown of 26 minutes, and the rest up", a.UnknownMS, a.EligibleMS, a.Down.PossibleMS, unknown)
	}
	planned := map[string]int64{}
	for _, c := range st.Evidence.Checks {
		for _, s := range c.Sites {
			planned[s.Site] += s.Slots.Planned
			if s.Slots.Planned != s.Slots.Probed || len(s.Slots.Lost) > 0 || s.Results.Up != s.Slots.Probed+beyond[s.Site] {
				w.t.Errorf("%s at %s: got %+v of slots and %+v of results, want each slot probed, and %d results beyond", c.Check, s.Site, s.Slots, s.Results, beyond[s.Site])
			}
		}
	}
	return planned
}

// What is measured changes while it is measured, ten minutes after the beginning, and agents hear of it up to half a minute later: the account
// has every slot of every plan. No second is unknown but where the only site of a check is another one from a slot on.
func TestPlanChangesLoseNoSlot(t *testing.T) {
	all := []string{"ams1", "fra1", "lon1"}
	late := map[string]int{"ams1": 1, "fra1": 16, "lon1": 30}
	for _, c := range []struct {
		story                         string
		every, sites, next, nextSites string
		unknown                       int64
	}{
		{"a site comes", "31s", "ams1, fra1", "31s", "ams1, fra1, lon1", 0},
		{"a site goes", "31s", "ams1, fra1, lon1", "31s", "ams1, lon1", 0},
		{"a check moves", "31s", "ams1", "31s", "fra1", 31_000}, // from the last slot there to the first one here nobody looks
		{"a shorter interval", "31s", "ams1, fra1", "7s", "ams1, fra1", 0},
		{"a longer interval", "10s", "ams1, fra1", "61s", "ams1, fra1", 0},
		{"all at once", "31s", "ams1, fra1", "10s", "lon1, ams1", 0},
	} {
		t.Run(c.story, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newPlannedWorld(t, c.every, c.sites, all...)
				<-time.After(10 * time.Minute)
				w.reload(c.next, c.nextSites, late)
				<-time.After(20 * time.Minute)
				planned := w.settle(c.unknown, nil)
				for _, site := range strings.Split(c.sites+", "+c.nextSites, ", ") {
					if planned[site] < 10 {
						t.Errorf("%s: got %d slots, want more", site, planned[site])
					}
				}
			})
		})
	}
}

// A check moves by way of both sites: then no second is unknown either.
func TestPlanChangesInTwoSteps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newPlannedWorld(t, "31s", "ams1", "ams1", "fra1")
		<-time.After(5 * time.Minute)
		w.reload("31s", "ams1, fra1", map[string]int{"ams1": 3, "fra1": 29})
		<-time.After(5 * time.Minute)
		w.reload("31s", "fra1", map[string]int{"ams1": 30, "fra1": 1})
		<-time.After(20 * time.Minute)
		w.settle(0, nil)
	})
}

// An agent is stopped and begun again when it has heard of a plan that is not in force yet: it goes on under the old one until then.
func TestPlanChangesOutliveARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newPlannedWorld(t, "31s", "ams1", "ams1")
		<-time.After(10 * time.Minute)
		w.reload("10s", "ams1", map[string]int{"ams1": 2})
		next := w.plans(w.sites["ams1"])
		from := next[len(next)-1].From
		if now := time.Now().UnixMilli(); from <= now+20_000 || len(next) != 2 {
			t.Fatalf("got plans %+v at %d, want the old one and one that begins later", next, now)
		}
		w.restart("ams1", 1)
		<-time.After(20 * time.Minute)
		w.settle(0, nil)
	})
}

// An agent that cannot reach its server for a quarter of an hour measures on by the plans that it has. What it measured is evidence, and
// outside the new plan's slots; the other site's slots are all there.
func TestPlanChangesWithoutTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newPlannedWorld(t, "31s", "ams1, fra1", "ams1", "fra1")
		<-time.After(10 * time.Minute)
		w.reload("31s", "ams1", map[string]int{"ams1": 5})
		<-time.After(15 * time.Minute)
		w.hear("fra1")
		<-time.After(5 * time.Minute)
		w.settle(0, map[string]int64{"fra1": 28}) // from the new plan's begin, a minute after the reload, until 15 min 31 s after it, every 31 s
	})
}

// Of two servers over one ledger one has read its file anew. The other one, to which the agents deliver and which has not, counts what they
// measure by the new plans.
func TestPlanChangesAtAnotherServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newPlannedWorld(t, "31s", "ams1", "ams1", "fra1")
		first := w.house
		w.house = newCentre(first.cfg(), slog.New(slog.DiscardHandler))
		w.house.store = first.store
		if err := w.house.startPlanning(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := w.house.openIntake(t.Context()); err != nil {
			t.Fatal(err)
		}
		<-time.After(10 * time.Minute)
		w.reload("31s", "ams1, fra1", map[string]int{"ams1": 2, "fra1": 16})
		<-time.After(20 * time.Minute)
		if planned := w.settle(0, nil); planned["fra1"] < 10 {
			t.Errorf("got %d slots at fra1, want more", planned["fra1"])
		}
		first.intake.Close()
		if s := first.intake.Stats(); s.Held > 0 || s.Batches == 0 {
			t.Errorf("got %d of %d batches held, want none of some", s.Held, s.Batches)
		}
	})
}

// A site that a check names and that nobody is enrolled for is named in the log, since it may be a mistake; one that the process measures
// itself and one without checks are not.
func TestSitesWithoutAgent(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "uptally.yaml")
	write := func(sites string) {
		text := "site: here\nreferences: []\nchecks:\n  - name: web\n    tcp: { address: \"192.0.2.1:443\" }\n    every: 31s\n    sites: " + sites + "\n"
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("[here, fra1, fra11]")
	cfg, err := configs.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	h := newHouse(cfg, slog.New(slog.NewTextHandler(&log, nil)))
	t.Cleanup(func() { h.site.engine.Close() })
	store := &ledger.Memory{}
	h.store = store
	err = store.Admit(t.Context(), ledger.Admission{Kind: ledger.Joined, Subject: 1, Digest: []byte{1}}, ledger.Admission{Agent: 1, Kind: ledger.Enrolled, Site: "fra1"})
	if err != nil {
		t.Fatal(err)
	}
	said := func() string {
		var all []string
		for line := range strings.Lines(log.String()) {
			if _, text, found := strings.Cut(line, "level=WARN "); found {
				all = append(all, text)
			}
		}
		log.Reset()
		return strings.Join(all, "")
	}
	if err := h.startPlanning(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, want := said(), "msg=\"nobody measures at a site: no agent of it is enrolled\" site=fra11 checks=1\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	write("[here, fra1]")
	if err := h.reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := said(); got != "" {
		t.Errorf("once it is mended: got %q, want nothing", got)
	}
	if err := store.Admit(t.Context(), ledger.Admission{Agent: 1, Kind: ledger.Revoked}); err != nil {
		t.Fatal(err)
	}
	if err := h.reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, want := said(), "msg=\"nobody measures at a site: no agent of it is enrolled\" site=fra1 checks=1\n"; got != want {
		t.Errorf("once its agent is revoked: got %q, want %q", got, want)
	}
}

// namesThen is a ledger beside which something happens while its names are read.
type namesThen struct {
	*ledger.Memory
	then func()
}

func (l namesThen) Names(ctx context.Context, kind string) ([]string, error) {
	names, err := l.Memory.Names(ctx, kind)
	l.then()
	return names, err
}

// A reload puts a check in force while the plans of the ledger are read because of a strange one: the check stays known, or its first
// results would be held for good.
func TestKnownBesideAReload(t *testing.T) {
	strange, fresh := [2]uptally.ID{1, 1}, [2]uptally.ID{2, 2}
	h := &house{log: slog.New(slog.DiscardHandler)}
	h.planning.series.Store(&map[[2]uptally.ID]bool{})
	h.store = namesThen{&ledger.Memory{}, func() { h.planning.series.Store(&map[[2]uptally.ID]bool{fresh: true}) }}
	if h.known(strange[0], strange[1]) {
		t.Error("got a check known that nobody planned")
	}
	if !h.known(fresh[0], fresh[1]) {
		t.Error("got a check strange that a reload put in force")
	}
}

// Plans that cannot be handed out, since a site's payloads are larger than an answer may be, are refused before the ledger hears of them:
// the old files put back change nothing.
func TestRefusedPlansAreNotStored(t *testing.T) {
	dir := t.TempDir()
	text := "site: here\nreferences: []\nchecks:\n"
	for i := range 4 { // 64 MiB as they are, a third more as they are handed out
		name := fmt.Sprint("payload", i)
		if err := errors.Join(os.WriteFile(filepath.Join(dir, name), nil, 0o600), os.Truncate(filepath.Join(dir, name), 16<<20)); err != nil {
			t.Fatal(err)
		}
		text += "  - name: web" + fmt.Sprint(i) + "\n    http: { url: \"http://192.0.2.1/\", method: POST, payload_file: " + name + " }\n    every: 31s\n"
	}
	file := filepath.Join(dir, "uptally.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := configs.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	h, store := newHouse(cfg, slog.New(slog.DiscardHandler)), &ledger.Memory{}
	t.Cleanup(func() { h.site.engine.Close() })
	h.store = store
	err = h.startPlanning(t.Context())
	if err == nil || !strings.HasPrefix(err.Error(), `write plans of site "here": got `) {
		t.Errorf("got %v, want the site and how long its plans are", err)
	}
	for i := range 4 {
		if ps, err := store.Plans(t.Context(), fmt.Sprint("web", i)); err != nil || len(ps) > 0 {
			t.Errorf("got plans %v, %v, want none", ps, err)
		}
	}
}

// A process that measures itself, and has agents, is stopped, and begun again with another interval: until the new plan is in force, a minute
// later, it measures by the old one, as its agents do.
func TestOwnSiteKeepsPlansOverARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "uptally.yaml")
		store := &ledger.Memory{}
		err := store.Admit(t.Context(), ledger.Admission{Kind: ledger.Joined, Subject: 1, Digest: []byte{1}}, ledger.Admission{Agent: 1, Kind: ledger.Enrolled, Site: "fra1"})
		if err != nil {
			t.Fatal(err)
		}
		begin := func(every string) *house {
			text := "site: here\nreferences: []\nchecks:\n  - name: web\n    tcp: { address: \"192.0.2.1:443\" }\n    every: " + every + "\n    sites: [here, fra1]\n"
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			cfg, err := configs.Load(file)
			if err != nil {
				t.Fatal(err)
			}
			h := newHouse(cfg, slog.New(slog.DiscardHandler))
			h.store = store
			if err := h.startPlanning(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := h.site.engine.Close(); err != nil {
				t.Fatal(err)
			}
			return h
		}
		begin("31s")
		<-time.After(10 * time.Minute)
		h, now := begin("7s"), time.Now().UnixMilli()
		ps := h.planning.own.plans
		if len(ps) != 2 || ps[0].Every != 31_000 || ps[0].From > now || ps[1].Every != 7_000 || ps[1].From <= now+planLead.Milliseconds() {
			t.Fatalf("got %+v at %d, want the old plan and one that begins a minute later", ps, now)
		}
		if h.planning.own.of(&ps[0]).prober == nil {
			t.Error("got nothing that measures by the old plan")
		}
	})
}
