package dashboards

import (
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v4"

	"github.com/uptally/uptally/exporter"
)

// dashboard is what the tests read of Grafana's format.
type dashboard struct {
	Title         string
	SchemaVersion int
	Templating    struct{ List []variable }
	Panels        []panel
}

type variable struct{ Name, Definition string }

type panel struct {
	ID                       int
	Type, Title, Description string
	GridPos                  struct{ X, Y, W, H int }
	Datasource               struct{ UID string }
	FieldConfig              struct{ Defaults struct{ Unit string } }
	Targets                  []struct {
		RefID string
		Expr  string
	}
}

func loadDashboard(t *testing.T) dashboard {
	t.Helper()
	data, err := os.ReadFile("uptally.json")
	if err != nil {
		t.Fatal(err)
	}
	var d dashboard
	if err := json.Unmarshal(data, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

type alert struct {
	Alert, Expr, For    string
	Labels, Annotations map[string]string
}

func loadAlerts(t *testing.T) []alert {
	t.Helper()
	data, err := os.ReadFile("alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Name  string
			Rules []alert
		}
	}
	if err := yaml.Load(data, &file, yaml.WithKnownFields()); err != nil {
		t.Fatal(err)
	}
	var as []alert
	for _, g := range file.Groups {
		as = append(as, g.Rules...)
	}
	return as
}

// The grid is 24 wide; two panels in one cell hide each other.
func TestPanelsDoNotOverlap(t *testing.T) {
	cells := map[[2]int]string{}
	for _, p := range loadDashboard(t).Panels {
		g := p.GridPos
		if g.X < 0 || g.W < 1 || g.X+g.W > 24 || g.H < 1 {
			t.Errorf("panel %q: got %+v, want it inside 24 columns", p.Title, g)
		}
		for x := g.X; x < g.X+g.W; x++ {
			for y := g.Y; y < g.Y+g.H; y++ {
				if other, taken := cells[[2]int{x, y}]; taken {
					t.Fatalf("panels %q and %q overlap at column %d, row %d", other, p.Title, x, y)
				}
				cells[[2]int{x, y}] = p.Title
			}
		}
	}
}

func TestPanelsAreComplete(t *testing.T) {
	d := loadDashboard(t)
	if d.SchemaVersion < 41 {
		t.Errorf("got schema version %d, want 41 (Grafana 12) or later", d.SchemaVersion)
	}
	ids := map[int]bool{}
	for _, p := range d.Panels {
		if ids[p.ID] || p.Title == "" {
			t.Errorf("panel %d %q: got an ID twice or no title", p.ID, p.Title)
		}
		ids[p.ID] = true
		if p.Type == "row" {
			continue
		}
		if p.Description == "" || p.Datasource.UID != "${datasource}" || p.FieldConfig.Defaults.Unit == "" || len(p.Targets) == 0 {
			t.Errorf("panel %q: want a description, the chosen data source, a unit and a query", p.Title)
		}
		refs := map[string]bool{}
		for _, target := range p.Targets {
			if refs[target.RefID] {
				t.Errorf("panel %q: got two queries %s", p.Title, target.RefID)
			}
			refs[target.RefID] = true
		}
	}
}

// Every metric that the files name is one that the exporter has, and every metric of the exporter is shown or watched.
func TestMetricsAreThoseOfTheExporter(t *testing.T) {
	var texts []string
	for _, file := range []string{"uptally.json", "alerts.yaml"} {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(data))
	}
	used := map[string]bool{}
	for _, name := range regexp.MustCompile(`\buptally_[a-z_]+`).FindAllString(strings.Join(texts, "\n"), -1) {
		used[name] = true
	}
	for _, m := range exporter.Metrics() {
		names := []string{m.Name}
		if m.Type == "histogram" {
			names = []string{m.Name + "_bucket", m.Name + "_count", m.Name + "_sum"}
		}
		if !slices.ContainsFunc(names, func(n string) bool { return used[n] }) {
			t.Errorf("%s is on no panel and in no alert", m.Name)
		}
		for _, n := range names {
			delete(used, n)
		}
	}
	for name := range used {
		t.Errorf("%s is no metric of the exporter", name)
	}
}

func TestAlertsAreComplete(t *testing.T) {
	seen := map[string]bool{}
	for _, a := range loadAlerts(t) {
		if seen[a.Alert] || !strings.HasPrefix(a.Alert, "Uptally") {
			t.Errorf("alert %q: want a name of its own that begins with Uptally", a.Alert)
		}
		seen[a.Alert] = true
		if s := a.Labels["severity"]; s != "warning" && s != "critical" || a.Annotations["summary"] == "" {
			t.Errorf("alert %s: got severity %q and summary %q", a.Alert, s, a.Annotations["summary"])
		}
	}
	if out, err := exec.Command(peer(t, "promtool"), "check", "rules", "alerts.yaml").CombinedOutput(); err != nil {
		t.Errorf("promtool check rules: %v\n%s", err, out)
	}
}

// Whoever is woken finds what to do: each alert names its heading in the manual, and each heading there is of an alert.
func TestEveryAlertIsExplained(t *testing.T) {
	manual, err := os.ReadFile("../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	var want, got []string
	for _, a := range loadAlerts(t) {
		want = append(want, a.Alert)
		if r := "docs/operating.md#" + strings.ToLower(a.Alert); a.Annotations["runbook"] != r {
			t.Errorf("alert %s: got runbook %q, want %q", a.Alert, a.Annotations["runbook"], r)
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^### (Uptally\w+)\n[^#\n]`).FindAllStringSubmatch(string(manual), -1) {
		got = append(got, m[1])
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("headings of docs/operating.md with words below them (-alerts +headings):\n%s", diff)
	}
	metrics := map[string]bool{}
	for _, m := range exporter.Metrics() {
		metrics[m.Name] = true
	}
	for _, name := range regexp.MustCompile(`\buptally_[a-z_]+`).FindAllString(string(manual), -1) {
		if !metrics[name] {
			t.Errorf("docs/operating.md names %s, which is no metric of the exporter", name)
		}
	}
	for _, name := range regexp.MustCompile(`\bUptally[A-Z][A-Za-z]+`).FindAllString(string(manual), -1) {
		if !slices.Contains(want, name) {
			t.Errorf("docs/operating.md names %s, which is no alert", name)
		}
	}
}

// Each alert has a story in which it alone fires, and there is one in which none does.
func TestAlertStories(t *testing.T) {
	data, err := os.ReadFile("alerts.test.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range loadAlerts(t) {
		if fires := `alertname="` + a.Alert + `",alertstate="firing"`; !strings.Contains(string(data), fires) {
			t.Errorf("alert %s: alerts.test.yaml has no story in which it fires", a.Alert)
		}
	}
	if out, err := exec.Command(peer(t, "promtool"), "test", "rules", "alerts.test.yaml").CombinedOutput(); err != nil {
		t.Errorf("promtool test rules: %v\n%s", err, out)
	}
}

// TestQueries runs every query of the dashboard and of the rules in Prometheus, over what the exporter says.
func TestQueries(t *testing.T) {
	prom := startPrometheus(t, serveSample(t))
	prom.waitForScrapes(t, 5)
	d := loadDashboard(t)
	t.Run("variables", func(t *testing.T) {
		for _, v := range d.Templating.List {
			want, ok := map[string][]string{
				"agreement": {"acme-portal"}, "check": {oddName, "portal-home"}, "site": {"ams1", "fra1"},
			}[v.Name]
			if !ok {
				continue
			}
			if diff := cmp.Diff(want, prom.values(t, v.Definition)); diff != "" {
				t.Errorf("variable %s: %s (-want +got):\n%s", v.Name, v.Definition, diff)
			}
		}
	})
	for name, selected := range map[string]string{
		"all":  `agreement=.* check=.* site=.* __rate_interval=10s __range=1m`,
		"some": `agreement=acme-portal check=(portal-home|odd.*) site=fra1 __rate_interval=1m __range=6h`,
	} {
		t.Run("panels, "+name, func(t *testing.T) {
			for _, p := range d.Panels {
				for _, target := range p.Targets {
					if q := substitute(t, target.Expr, selected); len(prom.query(t, q)) == 0 {
						t.Errorf("panel %q: %s returned nothing", p.Title, q)
					}
				}
			}
		})
	}
	t.Run("alerts", func(t *testing.T) { prom.checkAlerts(t, loadAlerts(t)) })
}

// checkAlerts: the sample has everything go wrong but the scrape itself.
func (p *prometheus) checkAlerts(t *testing.T, all []alert) {
	var got, want []string
	for _, a := range all {
		if a.Alert != "UptallyGone" {
			want = append(want, a.Alert)
		}
		if len(p.query(t, a.Expr)) > 0 {
			got = append(got, a.Alert)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("alerts whose condition holds (-want +got):\n%s", diff)
	}
}

// substitute puts values in the place of Grafana's variables; one that is left would pass unseen in some databases.
func substitute(t *testing.T, expr, selected string) string {
	t.Helper()
	for _, s := range strings.Fields(selected) {
		name, value, _ := strings.Cut(s, "=")
		expr = strings.ReplaceAll(expr, "$"+name, value)
	}
	if strings.Contains(expr, "$") {
		t.Fatalf("got %s, want no variable left", expr)
	}
	return expr
}
