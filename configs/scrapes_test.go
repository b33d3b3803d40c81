package configs

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// scraped reads targets and writes one a line.
func scraped(t *testing.T, files map[string]string) (targets, remarks string) {
	t.Helper()
	dir := write(t, files)
	list, said, err := LoadScrapeTargets(filepath.Join(dir, "targets.yml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range list {
		targets += fmt.Sprintf("%s:%d %s %s %s %s %s\n", filepath.Base(s.File), s.Line, s.Module, s.Target, s.Hostname, s.Every, s.Timeout)
	}
	for _, r := range said {
		remarks += strings.ReplaceAll(r.String(), dir+"/", "") + "\n"
	}
	return targets, remarks
}

// The usual jobs of a Prometheus configuration: relabelled targets, a module by label, files, and what is not of a prober.
func TestScrapeTargetsOfPrometheus(t *testing.T) {
	targets, remarks := scraped(t, map[string]string{
		"targets.yml": `global: { scrape_interval: 15s, external_labels: { a: b } }
rule_files: [rules.yml]
scrape_configs:
  - job_name: prometheus
    static_configs: [{ targets: ["localhost:9090"] }]
  - job_name: web
    metrics_path: /probe
    scrape_interval: 1m30s
    scrape_timeout: 20s
    params: { module: [http_2xx, other] }
    static_configs:
      - targets:
          - https://a.example.com
          - b.example.com
    relabel_configs: &usual
      - { source_labels: [__address__], target_label: __param_target }
      - { source_labels: [__param_target], target_label: instance }
      - { target_label: __address__, replacement: "127.0.0.1:9115" }
  - job_name: by-label
    file_sd_configs: [{ files: ["more/*.yml"] }]
    consul_sd_configs: [{ server: localhost }]
    relabel_configs:
      - { source_labels: [drop], regex: "yes", action: drop }
      - { source_labels: [module], target_label: __param_module }
      - { source_labels: [__address__, port], separator: ":", regex: "(.*):([0-9]+)", target_label: __param_target, replacement: "${1}:$2" }
      - { source_labels: [host], target_label: __param_hostname, action: uppercase }
  - job_name: nothing
    params: { module: [icmp] }
    static_configs: [{ targets: [c] }]
`,
		"more/a.yml": `- targets: [d.example.com, e.example.com]
  labels: { module: tcp_connect, port: "25", host: mail }
- targets: [f]
  labels: { drop: "yes" }
`})
	want := `targets.yml:13 http_2xx https://a.example.com  1m30s 20s
targets.yml:14 http_2xx b.example.com  1m30s 20s
a.yml:1 tcp_connect d.example.com:25 MAIL 15s 10s
a.yml:1 tcp_connect e.example.com:25 MAIL 15s 10s
`
	if diff := cmp.Diff(want, targets); diff != "" {
		t.Error(diff)
	}
	want = `targets.yml:21: scrape_configs[2].consul_sd_configs: not carried: targets that are found at run time; give them in a file of targets
targets.yml:29: left out: job "nothing" asks for no target: no __param_target
`
	if diff := cmp.Diff(want, remarks); diff != "" {
		t.Error(diff)
	}
}

func TestScrapeTargetsOfLists(t *testing.T) {
	targets, _ := scraped(t, map[string]string{"targets.yml": `[{"targets": ["a", "b"], "labels": {"module": "icmp"}}, {"targets": ["c"], "labels": {"__param_module": "ssh"}}, {"targets": ["d"]}]`})
	if diff := cmp.Diff("targets.yml:1 icmp a  0s 0s\ntargets.yml:1 icmp b  0s 0s\ntargets.yml:1 ssh c  0s 0s\ntargets.yml:1 http_2xx d  0s 0s\n", targets); diff != "" {
		t.Error(diff)
	}
	targets, _ = scraped(t, map[string]string{"targets.yml": "icmp: [a, b]\nssh:\n  - c:22\n"})
	if diff := cmp.Diff("targets.yml:1 icmp a  0s 0s\ntargets.yml:1 icmp b  0s 0s\ntargets.yml:3 ssh c:22  0s 0s\n", targets); diff != "" {
		t.Error(diff)
	}
}

func TestScrapeTargetsProblems(t *testing.T) {
	for text, want := range map[string]string{
		"just text":                `:1: got "just text", want scrape_configs as in a Prometheus configuration, a list of targets with labels, or modules with lists of targets`,
		"icmp: a\nssh: [{ a: b }]": ":1: icmp: got nothing, want a list of targets\n:2: ssh[0]: got nothing, want a target, such as https://portal.example.com/",
		"scrape_configs:\n  - scrape_interval: often\n    params: { module: [a] }\n    relabel_configs: [{ action: turn }]": ":2: scrape_interval: got \"often\", want a duration such as 30s or 1m30s\n" +
			":4: scrape_configs[0].relabel_configs[0]: got nothing, want the action replace, keep, drop, keepequal, dropequal, lowercase, uppercase, hashmod, labelmap, labeldrop or labelkeep",
		"- targets: a": ":1: [0].targets: got nothing, want a list of targets",
	} {
		file := filepath.Join(write(t, map[string]string{"t.yml": text}), "t.yml")
		_, _, err := LoadScrapeTargets(file)
		if err == nil {
			t.Errorf("%q: got no problem", text)
			continue
		}
		if diff := cmp.Diff(want, strings.ReplaceAll(err.Error(), file, "")); diff != "" {
			t.Error(diff)
		}
	}
}

// Each action does what Prometheus says it does.
func TestRelabel(t *testing.T) {
	for _, s := range []struct{ story, step, want string }{
		{"replace", "{ source_labels: [a, b], regex: \"(.);(.)\", target_label: c, replacement: \"$2-$1\" }", "map[a:1 b:2 c:2-1]"},
		{"replace without a match", "{ source_labels: [a], regex: 2, target_label: c }", "map[a:1 b:2]"},
		{"replace by nothing", "{ target_label: a, replacement: \"\" }", "map[b:2]"},
		{"replace with the name from the match", "{ source_labels: [a], regex: \"(.)\", target_label: \"x$1\" }", "map[a:1 b:2 x1:1]"},
		{"keep", "{ source_labels: [a], regex: 1, action: keep }", "map[a:1 b:2]"},
		{"keep another", "{ source_labels: [a], regex: 2, action: keep }", "dropped"},
		{"drop", "{ source_labels: [a], regex: 1, action: drop }", "dropped"},
		{"keepequal", "{ source_labels: [a], target_label: b, action: keepequal }", "dropped"},
		{"dropequal", "{ source_labels: [a], target_label: b, action: dropequal }", "map[a:1 b:2]"},
		{"hashmod", "{ source_labels: [a], target_label: c, modulus: 8, action: hashmod }", "map[a:1 b:2 c:3]"},
		{"labelmap", "{ regex: \"(.)\", replacement: \"x_$1\", action: labelmap }", "map[a:1 b:2 x_a:1 x_b:2]"},
		{"labeldrop", "{ regex: a, action: labeldrop }", "map[b:2]"},
		{"labelkeep", "{ regex: a, action: labelkeep }", "map[a:1]"},
	} {
		t.Run(s.story, func(t *testing.T) {
			r, err := relabelOf(parse("r.yml", []byte(s.step)).root)
			if err != nil {
				t.Fatal(err)
			}
			labels := map[string]string{"a": "1", "b": "2"}
			got := "dropped"
			if r.apply(labels) {
				got = fmt.Sprint(labels)
			}
			if got != s.want {
				t.Errorf("got %s, want %s", got, s.want)
			}
		})
	}
}
