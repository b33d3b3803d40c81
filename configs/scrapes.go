package configs

import (
	"cmp"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/uptally/uptally"
	"go.yaml.in/yaml/v4"
)

// LoadScrapeTargets reads what a prober is asked, in one of three forms: a Prometheus configuration, of whose jobs those
// count that name a module or a target of their own (params, relabel_configs), with static_configs and the files of
// file_sd_configs; such a file itself, a list of targets and labels, whose label module or __param_module names the module;
// or a mapping from modules to lists of targets. The remarks say what of a Prometheus configuration was not read. The error
// is a *ProblemsError.
func LoadScrapeTargets(path string) ([]ScrapeTarget, []Remark, error) {
	l := newLoader()
	s := scrapes{l: l, d: open(path)}
	s.d.foreign()
	s.read()
	l.take(s.d)
	if s.d.unread != nil {
		l.problems = s.d.all()
	}
	if err := orNil(l.problems); err != nil {
		return nil, nil, err
	}
	return s.targets, s.remarks, nil
}

// scrapes is a file of targets on its way to them. Of a Prometheus configuration it reads what concerns probes and nothing else,
// so it finds no unknown keys.
type scrapes struct {
	l       *loader
	d       *document
	targets []ScrapeTarget
	remarks []Remark
}

const targetsWanted = "scrape_configs as in a Prometheus configuration, a list of targets with labels, or modules with lists of targets"

func (s *scrapes) read() {
	root := s.d.root
	switch {
	case root == nil:
	case root.Kind == yaml.MappingNode && hasKey(root, "scrape_configs"):
		global := scrapeTimes{every: uptally.Minute, timeout: 10 * uptally.Second}
		global = s.times(child(root, "global"), global)
		for i, job := range elements(child(root, "scrape_configs")) {
			s.job(item("scrape_configs", i), job, global)
		}
		if hasKey(root, "scrape_config_files") {
			s.remark(child(root, "scrape_config_files").Line, "scrape_config_files", "give each of these files by itself")
		}
	case root.Kind == yaml.SequenceNode:
		for i, n := range root.Content {
			s.group(s.d, item("", i), n, jobOfList())
		}
	case root.Kind == yaml.MappingNode:
		s.modules(root)
	default:
		s.d.add(root.Line, "", shown(inner(root)), targetsWanted)
	}
	if len(s.targets) == 0 && len(s.d.problems) == 0 && root != nil {
		s.d.add(root.Line, "", "", "at least one target of a prober: "+targetsWanted)
	}
}

// modules reads a mapping from modules to lists of targets.
func (s *scrapes) modules(root *yaml.Node) {
	for i := 0; i+1 < len(root.Content); i += 2 {
		module, list := root.Content[i], root.Content[i+1]
		if list.Kind != yaml.SequenceNode {
			s.d.add(list.Line, shown(module.Value), "", "a list of targets")
			continue
		}
		for j, n := range list.Content {
			if n.Kind != yaml.ScalarNode {
				s.d.add(n.Line, item(shown(module.Value), j), "", "a target, such as https://portal.example.com/")
				continue
			}
			s.targets = append(s.targets, ScrapeTarget{Module: module.Value, Target: n.Value, File: s.d.file, Line: n.Line})
		}
	}
}

// scrapeTimes are how often and how long a scrape lasts.
type scrapeTimes struct{ every, timeout uptally.Duration }

func (s *scrapes) times(n *yaml.Node, otherwise scrapeTimes) scrapeTimes {
	read := func(key string, otherwise uptally.Duration) uptally.Duration {
		v := child(n, key)
		if v == nil {
			return otherwise
		}
		d, ok := prometheusSpan(v.Value)
		if !ok {
			s.d.add(v.Line, key, shown(v.Value), "a duration such as 30s or 1m30s")
			return otherwise
		}
		return d
	}
	every := read("scrape_interval", otherwise.every)
	return scrapeTimes{every, min(every, read("scrape_timeout", otherwise.timeout))}
}

var spanForm = regexp.MustCompile(`^(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?$`)

// prometheusSpan reads a duration in Prometheus's form: 1d, 1h30m, 500ms; years have 365 days.
func prometheusSpan(text string) (uptally.Duration, bool) {
	m := spanForm.FindStringSubmatch(text)
	if text == "" || m == nil {
		return 0, false
	}
	const day = 24 * uptally.Hour
	var sum uptally.Duration
	for i, unit := range []uptally.Duration{365 * day, 7 * day, day, uptally.Hour, uptally.Minute, uptally.Second, uptally.Millisecond} {
		n, err := strconv.ParseUint(cmp.Or(m[i+1], "0"), 10, 20)
		if err != nil {
			return 0, false
		}
		sum += uptally.Duration(n) * unit
	}
	return sum, sum > 0
}

// job is what all targets of a scrape configuration share.
type job struct {
	name    string
	labels  map[string]string
	steps   []relabel
	times   scrapeTimes
	probing bool // of a prober; others are passed over in silence
}

// jobOfList is the job of a list of targets that no Prometheus configuration names.
func jobOfList() job {
	module, _ := relabelOf(&yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{
		scalar("source_labels"), scalar("module"), scalar("regex"), scalar("(.+)"), scalar("target_label"), scalar("__param_module"),
	}})
	return job{labels: map[string]string{}, steps: []relabel{module}, probing: true}
}

func scalar(text string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Value: text} }

func (s *scrapes) job(path string, n *yaml.Node, global scrapeTimes) {
	j := job{labels: map[string]string{}, times: s.times(n, global)}
	if name := child(n, "job_name"); name != nil {
		j.name = name.Value
		j.labels["job"] = name.Value
	}
	params := child(n, "params")
	for i := 0; params != nil && i+1 < len(params.Content); i += 2 {
		if values := scalars(params.Content[i+1]); len(values) > 0 {
			j.labels["__param_"+params.Content[i].Value] = values[0]
		}
	}
	if path := child(n, "metrics_path"); path != nil {
		j.labels["__metrics_path__"] = path.Value
	}
	for i, step := range elements(child(n, "relabel_configs")) {
		r, err := relabelOf(step)
		if err != nil {
			s.d.add(step.Line, item(join(path, "relabel_configs"), i), "", wanted(err.Error()))
			return
		}
		j.probing = j.probing || strings.HasPrefix(r.target, "__param_")
		j.steps = append(j.steps, r)
	}
	if j.probing = j.probing || j.labels["__param_module"] != "" || j.labels["__param_target"] != ""; !j.probing {
		return
	}
	for i, g := range elements(child(n, "static_configs")) {
		s.group(s.d, item(join(path, "static_configs"), i), g, j)
	}
	s.discovery(path, n, j)
}

// discovery reads files of targets; other kinds of discovery need the network and are remarked on.
func (s *scrapes) discovery(path string, n *yaml.Node, j job) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		switch {
		case key.Value == "file_sd_configs":
			for k, sd := range elements(value) {
				for _, pattern := range scalars(child(sd, "files")) {
					s.files(item(join(path, key.Value), k), sd, pattern, j)
				}
			}
		case strings.HasSuffix(key.Value, "_sd_configs"):
			s.remark(key.Line, join(path, key.Value), "targets that are found at run time; give them in a file of targets")
		}
	}
}

func (s *scrapes) files(path string, n *yaml.Node, pattern string, j job) {
	names, err := filepath.Glob(relative(s.d.file, pattern))
	if err != nil || len(names) == 0 {
		s.remark(n.Line, path, fmt.Sprintf("no file is called %q", pattern))
	}
	for _, name := range names {
		d := open(name)
		d.foreign()
		for i, g := range elements(d.root) {
			s.group(d, item("", i), g, j)
		}
		s.l.problems = append(s.l.problems, d.all()...)
	}
}

// group reads targets that share labels and takes each through the job's steps.
func (s *scrapes) group(d *document, path string, n *yaml.Node, j job) {
	list := child(n, "targets")
	if list == nil || list.Kind != yaml.SequenceNode {
		d.add(n.Line, join(path, "targets"), "", "a list of targets")
		return
	}
	labels := maps.Clone(j.labels)
	more := child(n, "labels")
	for i := 0; more != nil && i+1 < len(more.Content); i += 2 {
		setLabel(labels, more.Content[i].Value, more.Content[i+1].Value)
	}
	for _, t := range list.Content {
		s.target(d, t, maps.Clone(labels), j)
	}
}

func (s *scrapes) target(d *document, n *yaml.Node, labels map[string]string, j job) {
	labels["__address__"] = n.Value
	for _, step := range j.steps {
		if !step.apply(labels) {
			return
		}
	}
	t := ScrapeTarget{
		Module: cmp.Or(labels["__param_module"], "http_2xx"), Target: labels["__param_target"], Hostname: labels["__param_hostname"],
		Every: j.times.every, Timeout: j.times.timeout, File: d.file, Line: n.Line,
	}
	if j.name == "" && t.Target == "" {
		t.Target = n.Value // a bare list: nobody relabels it
	}
	if t.Target == "" {
		s.remarks = append(s.remarks, Remark{d.file, n.Line, "", LeftOut, fmt.Sprintf("job %q asks for no target: no __param_target", j.name)})
		return
	}
	s.targets = append(s.targets, t)
}

func (s *scrapes) remark(line int, path, text string) {
	s.remarks = append(s.remarks, Remark{s.d.file, line, path, NotCarried, text})
}

// elements are those of a list.
func elements(n *yaml.Node) []*yaml.Node {
	if n == nil || n.Kind != yaml.SequenceNode {
		return nil
	}
	return slices.Clip(n.Content)
}
