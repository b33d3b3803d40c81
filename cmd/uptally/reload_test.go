package main

import (
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/probes/schedule"
)

// edit replaces text in a file, which must hold it.
func edit(t *testing.T, file, old, new string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), old) {
		t.Fatalf("%s: got no %q", file, old)
	}
	if err := os.WriteFile(file, []byte(strings.Replace(string(text), old, new, 1)), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (p *process) hup(t *testing.T) {
	t.Helper()
	if err := p.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
}

// A running process reads its files anew: an interval changes, a check comes, a service and its agreement go on, and no slot is lost: the
// results are the slots of the plans, one after the other. A file with a mistake, one that is gone, and one that would need a restart
// change nothing, and the log and the metrics say so.
func TestReload(t *testing.T) {
	config, listen := installation(t)
	p := startProcess(t, "run", "-c", config)
	page := "http://" + listen + "/metrics"
	until(t, page, `uptally_check_results_total{check="own-page",site="here",outcome="up",reason="ok"} 2`)
	edit(t, config, "every: 1s", "every: 2s")
	edit(t, config, "checks:\n", "checks:\n  - name: port\n    tcp: { address: \""+listen+"\" }\n    every: 1s\n")
	p.hup(t)
	until(t, page, `uptally_reloads_total{result="done"} 1`)
	until(t, page, `uptally_check_results_total{check="port",site="here",outcome="up",reason="ok"} 3`)
	for i, x := range []struct{ old, new, log string }{
		{"every: 2s", "every: 2", "checks[1].every"},
		{"listen: " + listen, "listen: 127.0.0.1:1", "got another listen than the process has: restart it"},
		{"url: ", "bearer: { file: absent }, url: ", `open `},
	} {
		edit(t, config, x.old, x.new)
		p.hup(t)
		until(t, page, `uptally_reloads_total{result="refused"} `+string(rune('1'+i)))
		until(t, page, "uptally_reload_refused 1")
		edit(t, config, x.new, x.old)
	}
	for range 20 { // a storm
		p.hup(t)
	}
	until(t, page, "uptally_reload_refused 0")
	p.end(t)
	for _, want := range []string{"checks[1].every", "got another listen than the process has: restart it", "absent: no such file"} {
		if !strings.Contains(p.log.String(), "reload refused, nothing has changed") || !strings.Contains(p.log.String(), want) {
			t.Errorf("log: got no word of %q", want)
		}
	}
	for _, check := range []string{"own-page", "nobody", "port"} {
		plannedOnce(t, config, check, "here")
	}
}

// plannedOnce demands that the results of a check at a site are the slots of its plans, each in force until the next one is, from the
// first result on and without a hole or a double; probes beside the slots do not count. It returns how many there are.
func plannedOnce(t *testing.T, config, check, site string) (n int) {
	t.Helper()
	store := openToRead(t, config)
	defer store.Close()
	plans, err := store.Plans(t.Context(), check)
	if err != nil || len(plans) == 0 {
		t.Fatalf("plans of %q: got %v, %v, want some", check, plans, err)
	}
	first := uptally.DayOf(plans[0].From)
	days, err := store.Days(t.Context(), uptally.IDOf(check), uptally.IDOf(site), first, first+3)
	if err != nil {
		t.Fatal(err)
	}
	var got []int64
	for _, d := range days {
		for r := range d.Results() {
			got = append(got, r.At)
		}
	}
	if len(got) < 3 {
		t.Fatalf("%s at %s: got %d results, want at least 3", check, site, len(got))
	}
	want := slotsBetween(t, plans, site, got[0], got[len(got)-1])
	for i, at := range want {
		if i >= len(got) || got[i] != at {
			t.Fatalf("%s at %s: got %v, want %v", check, site, got, want)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%s at %s: got %d results, want %d", check, site, len(got), len(want))
	}
	return len(got)
}

// slotsBetween are the slots of dated plans at a site, both instants included.
func slotsBetween(t *testing.T, plans []uptally.Plan, site string, from, to int64) (all []int64) {
	t.Helper()
	for i, p := range plans {
		slots, err := schedule.NewSlots(p, site)
		if err != nil {
			t.Fatal(err)
		}
		end := to + 1
		if i+1 < len(plans) {
			end = min(end, plans[i+1].From)
		}
		for at := slots.Next(from - 1); at < end; at = slots.Next(at) {
			all = append(all, at)
		}
	}
	return all
}

// A server reads its file anew: its agent hears of it and changes over at the stated slot, and no slot is lost. The agent's own file is
// read anew, too, and one with a mistake changes nothing.
func TestReloadReachesAgents(t *testing.T) {
	if testing.Short() {
		t.Skip("a changed plan begins a minute ahead")
	}
	t.Parallel()
	w := newTwoSites(t)
	srv := startProcess(t, "server", "-c", w.config)
	until(t, "http://"+w.pages+"/readyz", "ready\n")
	metrics := freeAddress(t)
	file := w.enrol(t, "ams1", metrics)
	agent := startProcess(t, "agent", "-c", file)
	w.untilResults(t, "nobody", "ams1", 3)

	edit(t, w.config, "every: 1s\n    sites: [ams1]\n", "every: 2s\n    sites: [ams1]\n")
	srv.hup(t)
	until(t, "http://"+w.pages+"/metrics", `uptally_reloads_total{result="done"} 1`)
	edit(t, file, "site:", "references: [nonsense]\nsite:")
	agent.hup(t)
	until(t, "http://"+metrics+"/metrics", "uptally_reload_refused 1")
	edit(t, file, "nonsense", "\"tcp://"+w.pages+"\"")
	agent.hup(t)
	until(t, "http://"+metrics+"/metrics", "uptally_reload_refused 0")
	until(t, "http://"+metrics+"/metrics", `uptally_reference_up{reference="tcp://`+w.pages+`"} 1`)

	from := w.newestPlan(t, "nobody").From
	for rs := []uptally.Result(nil); len(rs) == 0 || rs[len(rs)-1].At < from+6_000; rs = w.results(t, "nobody", "ams1") {
		if err := sleepUntil(t.Context(), time.Now().Add(500*time.Millisecond)); err != nil {
			t.Fatal(err)
		}
	}
	agent.end(t)
	srv.end(t)
	if n := plannedOnce(t, w.config, "nobody", "ams1"); n < 60 {
		t.Errorf("got %d results, want those of the minute before and some after", n)
	}
	plannedOnce(t, w.config, "page", "ams1")
	if !strings.Contains(agent.log.String(), "plans in force") {
		t.Error("the agent's log has no word of new plans")
	}
}

func (w *twoSites) newestPlan(t *testing.T, check string) uptally.Plan {
	t.Helper()
	store := openToRead(t, w.config)
	defer store.Close()
	plans, err := store.Plans(t.Context(), check)
	if err != nil || len(plans) < 2 {
		t.Fatalf("plans of %q: got %v, %v, want two", check, plans, err)
	}
	return plans[len(plans)-1]
}
