package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"
)

const deploy = "../../configs/deploy/"

// unit is a unit of systemd: the values of each key of all sections, in order.
type unit map[string][]string

func readUnit(t *testing.T, file string) unit {
	t.Helper()
	u := unit{}
	for line := range strings.Lines(fileText(t, file)) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(key, "#") {
			u[key] = append(u[key], value)
		}
	}
	return u
}

func (u unit) only(key string) string { return strings.Join(u[key], " and ") }

func fileText(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func unitFiles(t *testing.T, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(deploy + "systemd/" + pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("got %d files %s, %v", len(files), pattern, err)
	}
	return files
}

// wantCommand demands that a command line is one that this program has, with flags that it knows.
func wantCommand(t *testing.T, where string, args []string) {
	t.Helper()
	c, rest, err := rootCommand(streams{strings.NewReader(""), io.Discard, io.Discard}).Find(args)
	if err == nil {
		err = c.ParseFlags(rest)
	}
	if err == nil {
		err = errors.Join(c.ValidateRequiredFlags(), c.Args(c, c.Flags().Args()))
	}
	if err == nil && !c.Runnable() {
		err = errors.New("it only has commands below it")
	}
	if err != nil {
		t.Errorf("%s: uptally %s: %v", where, strings.Join(args, " "), err)
	}
}

// systemd itself finds nothing to say of the units, and little that they may do.
func TestUnitsAsSystemdSeesThem(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil && os.Getenv("UPTALLY_REQUIRE_PEERS") == "" {
		t.Skip("systemd-analyze is not installed (make peers)")
	} else if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	var files, services []string
	for _, file := range slices.Concat(unitFiles(t, "*.service"), unitFiles(t, "*.timer")) {
		text := strings.ReplaceAll(fileText(t, file), "/usr/local/bin/uptally", os.Args[0]) // which must exist
		files = append(files, filepath.Join(dir, filepath.Base(file)))
		if err := os.WriteFile(files[len(files)-1], []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(file, ".service") {
			services = append(services, files[len(files)-1])
		}
	}
	if out, err := exec.Command(analyze, append([]string{"verify", "--man=no"}, files...)...).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
	if help, err := exec.Command(analyze, "--help").Output(); err != nil || !bytes.Contains(help, []byte("--offline=")) {
		t.Logf("systemd-analyze security needs a running systemd before version 250: not asked (%v)", err)
		return
	}
	for _, file := range services { // 1.4 of 10: a program on the network of its machine has no less
		if out, err := exec.Command(analyze, "security", "--offline=true", "--threshold=14", "--no-pager", file).CombinedOutput(); err != nil {
			t.Errorf("systemd-analyze security %s: %v\n%s", filepath.Base(file), err, out)
		}
	}
}

// What the units say of the program is so: its commands, how long it takes to stop, what it needs.
func TestUnitsFitTheProgram(t *testing.T) {
	sandboxes := map[string]string{}
	for _, file := range unitFiles(t, "*.service") {
		name, u := filepath.Base(file), readUnit(t, file)
		_, sandbox, found := strings.Cut(fileText(t, file), "\n# The same in every unit")
		sandbox, _, _ = strings.Cut(sandbox, "\n[")
		if !found {
			t.Errorf("%s: got no sandbox", name)
		}
		sandboxes[strings.TrimSpace(sandbox)] = name
		words := strings.Fields(u.only("ExecStart"))
		if len(words) < 2 || words[0] != "/usr/local/bin/uptally" {
			t.Errorf("%s: got ExecStart=%v, want uptally", name, words)
			continue
		}
		wantCommand(t, name, words[1:])
		if u.only("User") == "" || u.only("StateDirectoryMode") != "0700" || u.only("MemoryMax") == "" {
			t.Errorf("%s: want a user, a folder of its own and a bound of memory, got %v", name, u)
		}
		if u.only("Type") == "oneshot" {
			continue
		}
		if u.only("ExecReload") != "/bin/kill -HUP $MAINPID" || u.only("Restart") != "always" || u.only("StartLimitIntervalSec") != "0" {
			t.Errorf("%s: want a reload by SIGHUP and starts for ever, got %v", name, u)
		}
		if s, err := strconv.Atoi(u.only("TimeoutStopSec")); err != nil || time.Duration(s)*time.Second <= stopBound {
			t.Errorf("%s: got TimeoutStopSec=%s, want more than %v", name, u.only("TimeoutStopSec"), stopBound)
		}
		if u.only("RestartPreventExitStatus") != strconv.Itoa(exitUsage) {
			t.Errorf("%s: got RestartPreventExitStatus=%s, want %d", name, u.only("RestartPreventExitStatus"), exitUsage)
		}
		files, err := strconv.ParseInt(u.only("LimitNOFILE"), 10, 64)
		if probing := words[1] != "server"; err != nil || probing && (limits{files: files}).probes() < 30_000 {
			t.Errorf("%s: got LimitNOFILE=%s, want enough for the 30,000 probes that it names", name, u.only("LimitNOFILE"))
		}
	}
	if len(sandboxes) != 1 {
		t.Errorf("got %d sandboxes, as in %v, want the same in each unit", len(sandboxes), sandboxes)
	}
	users := fileText(t, deploy+"systemd/uptally.sysusers.conf")
	for _, file := range unitFiles(t, "*.service") {
		if user := readUnit(t, file).only("User"); !strings.Contains(users, "\nu "+user+" ") {
			t.Errorf("%s: user %q is not made", filepath.Base(file), user)
		}
	}
}

// The image has nothing but what the last stage copies, and is built as `make build` builds.
func TestDockerfile(t *testing.T) {
	text := fileText(t, "../../Dockerfile")
	_, last, _ := strings.Cut(text, "\nFROM scratch\n")
	if last == "" || strings.Contains(last, "\nRUN ") || strings.Contains(last, "FROM ") || !strings.Contains(last, "\nUSER 65532:65532\n") {
		t.Errorf("want a last stage from scratch, with a user by number and nothing run:\n%s", last)
	}
	for _, flag := range []string{"CGO_ENABLED=0", "-trimpath", "-buildvcs=false", "-s -w -X main.version="} {
		if !strings.Contains(text, flag) {
			t.Errorf("want %s in the build", flag)
		}
	}
	release := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(fileText(t, "../../go.mod"))
	if release == nil || !strings.Contains(text, "FROM golang:"+release[1]+"-") {
		t.Errorf("want the Go release of go.mod, %v", release)
	}
	command := regexp.MustCompile(`(?m)^CMD (\[.*\])$`).FindStringSubmatch(last)
	var args []string
	if command == nil || yaml.Load([]byte(command[1]), &args) != nil {
		t.Fatalf("got CMD %q", command)
	}
	wantCommand(t, "Dockerfile", args)
}

// container is what compose and Kubernetes have in common.
type container struct {
	Image    string
	Command  []string // compose
	Args     []string // Kubernetes
	Volumes  []string
	Sysctls  map[string]string
	User     string
	ReadOnly bool     `yaml:"read_only"`
	CapDrop  []string `yaml:"cap_drop"`
	Security []string `yaml:"security_opt"`
	Grace    string   `yaml:"stop_grace_period"`
	Ulimits  map[string]int
}

// Every service of the compose file is held, and starts with a command that there is and files that are sound.
func TestCompose(t *testing.T) {
	var file struct {
		Name     string
		Services map[string]container
		Volumes  map[string]any
	}
	if err := yaml.Load([]byte(fileText(t, deploy+"compose/compose.yml")), &file); err != nil {
		t.Fatal(err)
	}
	for name, s := range file.Services {
		if !s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"}) || !slices.Equal(s.Security, []string{"no-new-privileges:true"}) {
			t.Errorf("%s: want a read-only root, no capability and no new privileges, got %+v", name, s)
		}
		for _, v := range s.Volumes {
			source, _, _ := strings.Cut(v, ":")
			if _, named := file.Volumes[source]; named {
				continue
			}
			if _, err := os.Stat(filepath.Join(deploy, "compose", source)); err != nil {
				t.Errorf("%s: volume %s: %v", name, v, err)
			}
		}
		if !strings.HasPrefix(s.Image, "uptally:") {
			continue
		}
		if s.User != "65532:65532" || s.Ulimits["core"] != 0 || s.Ulimits["nofile"] == 0 {
			t.Errorf("%s: want a user by number, no core dumps and a bound of files, got %+v", name, s)
		}
		if grace, err := time.ParseDuration(s.Grace); err != nil || grace <= stopBound {
			t.Errorf("%s: got stop_grace_period %s, want more than %v", name, s.Grace, stopBound)
		}
		wantCommand(t, "compose, "+name, s.Command)
	}
	if len(file.Services) != 4 {
		t.Errorf("got %d services, want a server, two agents and Prometheus", len(file.Services))
	}
	if promtool, err := exec.LookPath("promtool"); err == nil {
		// rule_files name a place inside the container
		text := strings.Replace(fileText(t, deploy+"compose/prometheus.yml"), "/etc/prometheus/alerts.yaml", absolute(t, "../../dashboards/alerts.yaml"), 1)
		path := filepath.Join(t.TempDir(), "prometheus.yml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(promtool, "check", "config", path).CombinedOutput(); err != nil {
			t.Errorf("promtool check config: %v\n%s", err, out)
		}
	}
}

func absolute(t *testing.T, path string) string {
	t.Helper()
	abs, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return abs
}
