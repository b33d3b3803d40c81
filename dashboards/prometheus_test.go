package dashboards

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// peer finds a program of Debian's packages, or skips where the peers are not demanded.
func peer(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err == nil {
		return path
	}
	if os.Getenv("UPTALLY_REQUIRE_PEERS") != "" {
		t.Fatalf("find %s: %v", name, err)
	}
	t.Skipf("%s is not installed (make peers)", name)
	return ""
}

// prometheus is a running Prometheus, by the base of its API.
type prometheus struct{ api string }

const scrapeConfig = `
global: { scrape_interval: 1s, evaluation_interval: 1s }
rule_files: [%q]
scrape_configs:
  - job_name: uptally
    static_configs: [{ targets: [%q] }]
`

// startPrometheus runs one on loopback that scrapes target each second and has the alerts loaded; it ends with the test.
func startPrometheus(t *testing.T, target string) *prometheus {
	t.Helper()
	binary, dir, listen := peer(t, "prometheus"), t.TempDir(), freeAddress(t)
	rules, err := filepath.Abs("alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(config, fmt.Appendf(nil, scrapeConfig, rules, target), 0o600); err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, "--config.file="+config, "--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address="+listen, "--log.level=warn")
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			text, _ := os.ReadFile(log.Name())
			t.Errorf("prometheus ended: %v\n%s", err, text)
		}
		log.Close()
	})
	return &prometheus{"http://" + listen + "/api/v1/"}
}

// freeAddress is one on loopback that nobody listened on a moment ago.
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

// waitForScrapes polls until n scrapes are stored that Prometheus could parse (up is 1).
func (p *prometheus) waitForScrapes(t *testing.T, n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	var last string
	for {
		select {
		case <-ctx.Done():
			t.Fatalf("wait for %d scrapes: got %s", n, last)
		case <-tick.C:
		}
		vs, err := p.ask(fmt.Sprintf("sum_over_time(up[5m]) >= %d and up == 1", n))
		if err == nil && len(vs) > 0 {
			return
		}
		last = fmt.Sprint(vs, err)
	}
}

// query returns the numbers that an expression has now; those that are no number are left out, as on a panel.
func (p *prometheus) query(t *testing.T, expr string) []string {
	t.Helper()
	vs, err := p.ask(expr)
	if err != nil {
		t.Errorf("query %s: %v", expr, err)
	}
	return vs
}

func (p *prometheus) ask(expr string) ([]string, error) {
	var data struct {
		Result []struct{ Value [2]any }
	}
	if err := p.get("query?query="+url.QueryEscape(expr), &data); err != nil {
		return nil, err
	}
	var vs []string
	for _, r := range data.Result {
		if v := fmt.Sprint(r.Value[1]); v != "NaN" && !strings.HasSuffix(v, "Inf") {
			vs = append(vs, v)
		}
	}
	return vs, nil
}

// values runs Grafana's label_values(selector, label) as Grafana does.
func (p *prometheus) values(t *testing.T, definition string) []string {
	t.Helper()
	inner, ok := strings.CutPrefix(strings.TrimSuffix(definition, ")"), "label_values(")
	i := strings.LastIndex(inner, ", ")
	if !ok || i < 0 {
		t.Fatalf("got %q, want label_values(…, …)", definition)
	}
	selector, label := substitute(t, inner[:i], "check=.*"), inner[i+2:]
	var vs []string
	if err := p.get("label/"+label+"/values?match[]="+url.QueryEscape(selector), &vs); err != nil {
		t.Errorf("values of %s: %v", definition, err)
	}
	return vs
}

// get decodes the data of an answer whose status is success.
func (p *prometheus) get(path string, data any) error {
	resp, err := http.Get(p.api + path)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var body struct {
		Status, Error string
		Data          json.RawMessage
	}
	if err := json.NewDecoder(resp.Body).Decode(&body); err != nil {
		return err
	}
	if body.Status != "success" {
		return fmt.Errorf("got status %s: %s", body.Status, body.Error)
	}
	return json.Unmarshal(body.Data, data)
}
