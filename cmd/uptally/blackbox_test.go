package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/uptally/uptally/configs"
)

// probing is a module of blackbox_exporter and a target in some state; up is its verdict there. Where ours is another one,
// differs says why.
type probing struct {
	module, state, target string
	up                    bool
	differs               string
}

// TestBlackboxVerdicts holds imported checks against the program that they come from: Debian's blackbox_exporter and its own
// example modules, beside modules for the keys that those leave out, each with the same targets in good and bad states, at
// the same time. What is not the same is listed with its reason, and must still differ.
func TestBlackboxVerdicts(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for many deadlines")
	}
	const examples = "/usr/share/doc/prometheus-blackbox-exporter/examples/"
	if _, err := exec.LookPath("prometheus-blackbox-exporter"); err != nil {
		if os.Getenv("UPTALLY_REQUIRE_PEERS") != "" {
			t.Fatal(err)
		}
		t.Skip("prometheus-blackbox-exporter is not installed; set UPTALLY_REQUIRE_PEERS to make this a failure")
	}
	w := newWorld(t)
	var all []*verdict
	for _, f := range []struct {
		name string
		text string
		rows []probing
	}{
		{"example.yml", w.adjusted(t, examples+"example.yml"), w.examples(t)},
		{"blackbox.yml", w.adjusted(t, examples+"blackbox.yml"), w.packaged(t)},
		{"further.yml", w.replace(furtherModules), w.further(t)},
	} {
		t.Run(f.name, func(t *testing.T) {
			file := filepath.Join(w.dir, f.name)
			if err := os.WriteFile(file, []byte(f.text), 0o600); err != nil {
				t.Fatal(err)
			}
			v := verdicts(t, w, file, f.rows)
			everyModule(t, file, f.rows)
			all = append(all, v...)
		})
	}
	table := verdictTable(all)
	t.Log("\n" + table)
	if !t.Failed() {
		inManual(t, table)
	}
}

// inManual demands that docs/blackbox.md shows the table, which -update writes.
func inManual(t *testing.T, table string) {
	t.Helper()
	const path, begin, end = "../../docs/blackbox.md", "<!-- begin of the verdicts -->\n", "<!-- end of the verdicts -->\n"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(text), begin)
	shown, after, foundEnd := strings.Cut(rest, end)
	if !found || !foundEnd {
		t.Fatalf("%s: got no marks %q and %q", path, begin, end)
	}
	if *update {
		if err := os.WriteFile(path, []byte(before+begin+table+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	// Which reason a failure has may depend on how busy the machine is; the verdict may not.
	reason := regexp.MustCompile("down `[a-z_]+`")
	plain := func(s string) string { return reason.ReplaceAllString(s, "down") }
	if diff := cmp.Diff(plain(shown), plain(table)); diff != "" {
		t.Errorf("%s shows another table; go test -run TestBlackboxVerdicts -update writes this one:\n%s", path, diff)
	}
}

// everyModule demands a row for each module of a file.
func everyModule(t *testing.T, file string, rows []probing) {
	t.Helper()
	b, err := configs.LoadBlackbox(file)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, r := range rows {
		seen[r.module] = true
	}
	for _, m := range b.Modules() {
		if !seen[m] {
			t.Errorf("module %q has no row", m)
		}
	}
}

// verdict is what both programs said.
type verdict struct {
	probing
	file         string
	there        bool
	here, reason string
	log          strings.Builder
	err          error
}

func verdicts(t *testing.T, w *world, file string, rows []probing) []*verdict {
	t.Helper()
	exporter := w.exporter(t, file)
	list := make([]*verdict, len(rows))
	var all errgroup.Group
	all.SetLimit(12) // most of them wait for their deadline
	for i, row := range rows {
		v := &verdict{probing: row, file: filepath.Base(file)}
		list[i] = v
		all.Go(func() error {
			v.askExporter(t, exporter)
			v.askOurs(t, w, file)
			return nil
		})
	}
	_ = all.Wait() // what failed is in the verdicts
	for _, v := range list {
		t.Run(v.module+" "+v.state, v.check)
	}
	return list
}

// check says what is not as it should be.
func (v *verdict) check(t *testing.T) {
	t.Log(v.log.String())
	if v.err != nil {
		t.Fatal(v.err)
	}
	if v.there != v.up {
		t.Errorf("blackbox_exporter: got success %v, want %v", v.there, v.up)
	}
	switch same := (v.here == "up") == v.up; {
	case v.differs == "" && !same:
		t.Errorf("uptally: got %s %s, want success %v", v.here, v.reason, v.up)
	case v.differs != "" && same:
		t.Errorf("uptally: got %s %s as blackbox_exporter does, want the difference: %s", v.here, v.reason, v.differs)
	}
}

// within is the deadline of a probe, there and here: an answer that is right is waited for on a busy machine too.
func (p probing) within() time.Duration {
	if p.up {
		return 10 * time.Second
	}
	return 2 * time.Second
}

var successLine = regexp.MustCompile(`(?m)^probe_success ([01])$`)

func (v *verdict) askExporter(t *testing.T, exporter string) {
	fail := func(err error) { v.err = errors.Join(v.err, err) }
	query := url.Values{"module": {v.module}, "target": {v.target}, "debug": {"true"}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, exporter+"/probe?"+query.Encode(), nil)
	if err != nil {
		fail(err)
		return
	}
	req.Header.Set("X-Prometheus-Scrape-Timeout-Seconds", fmt.Sprint((v.within() + 500*time.Millisecond).Seconds()))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		fail(err)
		return
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	v.log.Write(body)
	m := successLine.FindSubmatch(body)
	if err != nil || m == nil {
		fail(fmt.Errorf("blackbox_exporter: got %s %v, want probe_success", resp.Status, err))
		return
	}
	v.there = m[1][0] == '1'
}

// askOurs imports one target of one module and runs the probe of each check that it became.
func (v *verdict) askOurs(t *testing.T, w *world, file string) {
	fail := func(err error) { v.err = errors.Join(v.err, err) }
	dir, err := os.MkdirTemp(w.dir, "row")
	if err != nil {
		fail(err)
		return
	}
	config := filepath.Join(dir, "uptally.yaml")
	code, _, said := command(t, "import", "blackbox-config", file, "--target", v.module+"="+v.target, "-o", config, "--secrets-dir", filepath.Join(dir, "secrets"))
	v.log.WriteString(said)
	if strings.Contains(said, ": left out: ") {
		v.here = "left out"
		return
	}
	cfg, err := configs.Load(config)
	if code != exitDone || err != nil {
		fail(fmt.Errorf("import: got %d, %w", code, err))
		return
	}
	for _, c := range cfg.Checks {
		p := uptallyProcess("probe", "check", c.Plan.Check, "-c", config, "--timeout", v.within().String(), "--format", "json")
		p.Env = append(p.Env, "SSL_CERT_FILE="+w.trusted.file)
		out, failed := p.Output()
		v.log.Write(out)
		var o probeJSON
		if err := json.Unmarshal(out, &o); err != nil {
			fail(fmt.Errorf("probe: got %w without an observation: %w", failed, err))
			return
		}
		if v.here, v.reason = o.Outcome, o.Reason; (failed == nil) != (v.here == "up") {
			fail(fmt.Errorf("probe: got %w beside %s", failed, v.here))
		}
		if v.here != "up" {
			return
		}
	}
}

// verdictTable writes the verdicts side by side.
func verdictTable(all []*verdict) string {
	var b strings.Builder
	b.WriteString("| module | target | blackbox_exporter | uptally | why they differ |\n|---|---|---|---|---|\n")
	for _, v := range all {
		there := "down"
		if v.there {
			there = "up"
		}
		here := v.here
		if v.reason != "" && v.reason != "ok" {
			here += " `" + v.reason + "`"
		}
		fmt.Fprintf(&b, "| %s `%s` | %s | %s | %s | %s |\n", v.file, v.module, v.state, there, here, v.differs)
	}
	return b.String()
}
