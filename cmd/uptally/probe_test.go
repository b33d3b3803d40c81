package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/uptally/uptally/configs"
)

// site answers 200 at /, 503 at /down, and sends from /moved to /.
func site(t *testing.T) string {
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { w.Header().Set("X-Token", r.Header.Get("Authorization")) })
	mux.HandleFunc("/down", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	mux.HandleFunc("/moved", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/", http.StatusFound) })
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

func TestProbeExitCodes(t *testing.T) {
	url := site(t)
	t.Setenv("NO_COLOR", "")
	config := filepath.Join(t.TempDir(), "uptally.yaml")
	text := "site: here\nchecks:\n  - name: home\n    http: { url: \"" + url + "/down\", status: [503] }\n    every: 31s\n"
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		story string
		args  []string
		code  int
	}{
		{"up", []string{"http", url}, exitDone},
		{"down", []string{"http", url + "/down"}, exitFailed},
		{"down is the wish", []string{"http", url + "/down", "-w", "status: [503]"}, exitDone},
		{"two lists: the later one holds", []string{"http", url + "/down", "-w", "status: [200]", "--with", "status: [503]\nbody_not: x"}, exitDone},
		{"a redirect is not followed", []string{"http", url + "/moved", "-w", "redirects: none", "-w", "status: [302]"}, exitDone},
		{"all of three are up", []string{"http", url, "--count", "3", "--every", "10ms"}, exitDone},
		{"none of three is up", []string{"http", url + "/down", "--count", "3", "--every", "10ms", "--format", "json"}, exitFailed},
		{"a configured check", []string{"check", "home", "-c", config}, exitDone},
		{"a configured check, otherwise", []string{"check", "home", "-c", config, "-w", "status: [200]"}, exitFailed},
		{"no such check", []string{"check", "away", "-c", config}, exitUsage},
		{"no such installation", []string{"check", "home", "-c", config + "x"}, exitUsage},
		{"an unknown setting", []string{"http", url, "-w", "stauts: [503]"}, exitUsage},
		{"a secret that is not there", []string{"http", url, "-w", "bearer: { env: UPTALLY_NO_SUCH_SECRET }"}, exitUsage},
		{"both families", []string{"http", url, "-4", "-6"}, exitUsage},
		{"a format that does not exist", []string{"http", url, "--format", "xml"}, exitUsage},
		{"a colour that does not exist", []string{"http", url, "--color", "red"}, exitUsage},
		{"no times", []string{"http", url, "--count", "0"}, exitUsage},
		{"no time", []string{"http", url, "--timeout", "0s"}, exitUsage},
		{"no interval", []string{"http", url, "--every", "1ms"}, exitUsage},
	} {
		t.Run(tt.story, func(t *testing.T) {
			code, out, stderr := command(t, append([]string{"probe"}, tt.args...)...)
			if code != tt.code || (code == exitUsage) != (out == "" && stderr != "") {
				t.Errorf("got %d, want %d:\n%s%s", code, tt.code, out, stderr)
			}
			if strings.Contains(out, "\x1b") {
				t.Errorf("got control codes where there is no terminal: %q", out)
			}
		})
	}
}

// Everything that is wrong comes at once, and a secret that was written in the place of its reference is not repeated.
func TestProbeWrongSettings(t *testing.T) {
	for _, tt := range []struct {
		args   []string
		stderr string
	}{
		{[]string{"icmp", "192.0.2.1", "-w", "count: 1000", "-w", "size: 1"}, "uptally: probe: icmp.count: got \"1000\", want a number from 1 to 100\n  icmp.size: got \"1\", want a number from 24 to 65507\n"},
		{[]string{"http", "https://a.test/", "-w", "bearer: hunter2"}, "uptally: probe: --with: http.bearer: got \"…\", want a mapping with the keys env, file\n"},
		{[]string{"dns", "example.com"}, "uptally: probe: dns.server: got nothing, want a host with or without a port, such as 192.0.2.53:53\n"},
		{[]string{"tcp", "a.test:1", "--as-check", "--every", "5s", "--timeout", "5s"}, "uptally: probe: check: timeout: got \"5s\", want more than 0 and less than the interval\n"},
	} {
		code, _, stderr := command(t, append([]string{"probe"}, tt.args...)...)
		if diff := cmp.Diff(tt.stderr, stderr); code != exitUsage || diff != "" {
			t.Errorf("%v: got %d (-want +got):\n%s", tt.args, code, diff)
		}
	}
}

// A secret goes to the target and nowhere else, also where the target repeats it.
func TestProbeHidesSecrets(t *testing.T) {
	t.Setenv("UPTALLY_TEST_TOKEN", "hunter2")
	code, out, stderr := command(t, "probe", "http", site(t), "-w", "bearer: { env: UPTALLY_TEST_TOKEN }", "-w", "expect_headers: [{ name: X-Token, regexp: nothing }]", "--format", "json")
	var o probeJSON
	if err := json.Unmarshal([]byte(out), &o); err != nil || code != exitFailed || o.Reason != "header" || strings.Contains(out+stderr, "hunter2") {
		t.Errorf("got %d, %v: %s%s", code, err, out, stderr)
	}
}

// What --as-check prints stands under checks: as it is, is sound, and probes the same.
func TestProbeAsCheck(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"http", "https://Portal.example.com:8443/a%20b/health?x=1", "-w", "status: [200, 301]", "-w", "tls: { min_version: 1.3 }", "-4"}, `
  - name: http-portal.example.com-8443-a-b-health
    http:
      url: "https://Portal.example.com:8443/a%20b/health?x=1"
      tls: { min_version: "1.3" }
      status: [200, 301]
      family: 4
    every: 31s
`},
		{[]string{"tcp", "mail.example.com:25", "-w", `steps: [{ expect: "220 " }, { send: "QUIT\r\n" }]`, "--every", "5s", "--timeout", "2s"}, `
  - name: tcp-mail.example.com-25
    tcp: { address: "mail.example.com:25", steps: [{ expect: "220 " }, { send: "QUIT\r\n" }] }
    every: 5s
    timeout: 2s
`},
		{[]string{"icmp", "2001:db8::1", "-w", "max_loss: 0"}, `
  - name: icmp-2001-db8--1
    icmp: { host: "2001:db8::1", max_loss: 0 }
    every: 31s
`},
		{[]string{"dns", "example.com/MX@[2001:db8::53]:5353"}, `
  - name: dns-example.com-mx
    dns: { server: "[2001:db8::53]:5353", name: example.com, type: MX }
    every: 31s
`},
	} {
		code, out, stderr := command(t, append([]string{"probe", "--as-check"}, tt.args...)...)
		if code != exitDone {
			t.Fatalf("%v: got %d: %s", tt.args, code, stderr)
		}
		if diff := cmp.Diff(strings.TrimPrefix(tt.want, "\n"), out); diff != "" {
			t.Errorf("%v (-want +got):\n%s", tt.args, diff)
		}
		path := filepath.Join(t.TempDir(), "uptally.yaml")
		if err := os.WriteFile(path, []byte("site: here\nchecks:\n"+out), 0o644); err != nil {
			t.Fatal(err)
		}
		cfg, err := configs.Load(path)
		if err != nil {
			t.Fatalf("%v:\n%s", err, out)
		}
		// Asked for again, the check prints itself.
		_, again, stderr := command(t, "probe", "check", cfg.Checks[0].Plan.Check, "-c", path, "--as-check")
		if again != out {
			t.Errorf("got %s\n%s\nwant\n%s", stderr, again, out)
		}
	}
}

// The real program, piped: no control code, whatever NO_COLOR says; colour where it is asked for.
func TestProbePiped(t *testing.T) {
	url := site(t)
	for _, tt := range []struct {
		env   string
		args  []string
		color bool
	}{
		{"NO_COLOR=", []string{"probe", "http", url}, false},
		{"NO_COLOR=1", []string{"probe", "http", url, "--count", "2", "--every", "10ms"}, false},
		{"NO_COLOR=", []string{"probe", "http", url, "--color", "always"}, true},
	} {
		c := uptallyProcess(tt.args...)
		c.Env = append(c.Env, tt.env, "LC_ALL=C")
		out, err := c.Output()
		if err != nil {
			t.Fatalf("%v: %v", tt.args, err)
		}
		if got := strings.Contains(string(out), "\x1b["); got != tt.color {
			t.Errorf("%s %v: got control codes %v, want %v", tt.env, tt.args, got, tt.color)
		}
		if strings.ContainsFunc(string(out), func(r rune) bool { return r > 126 }) {
			t.Errorf("got %q, want ASCII in the locale C", out)
		}
	}
}

func TestLook(t *testing.T) {
	for _, tt := range []struct {
		story string
		env   map[string]string
		want  bool
	}{
		{"no locale", nil, false},
		{"UTF-8", map[string]string{"LANG": "de_DE.UTF-8"}, true},
		{"written otherwise", map[string]string{"LANG": "C.utf8"}, true},
		{"the first that is set", map[string]string{"LC_ALL": "C", "LANG": "de_DE.UTF-8"}, false},
		{"an empty one is not set", map[string]string{"LC_ALL": "", "LC_CTYPE": "C.UTF-8", "LANG": "C"}, true},
	} {
		got, err := lookOf(&strings.Builder{}, "auto", func(name string) string { return tt.env[name] })
		if err != nil || got.unicode != tt.want || got.color || got.live || got.width != plainWidth {
			t.Errorf("%s: got %+v, %v", tt.story, got, err)
		}
	}
}

// In a locale without UTF-8 units stay readable.
func TestSayInASCII(t *testing.T) {
	const text = "mean 67.2µs → 2.3 ms… späť"
	if got, want := (look{}).say(text), "mean 67.2us -> 2.3 ms... sp??"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := (look{unicode: true}).say(text); got != text {
		t.Errorf("got %q, want %q", got, text)
	}
}

// A bar is as long as it says, to an eighth of a cell, and never beyond the end of the axis.
func TestBar(t *testing.T) {
	u, a := look{unicode: true}, look{}
	for _, tt := range []struct {
		look           look
		start, d, span float64
		want           string
	}{
		{u, 0, 10, 10, "████████"},
		{u, 0, 5, 10, "████"},
		{u, 5, 5, 10, "    ████"},
		{u, 0, 1.25, 10, "█"},
		{u, 0, 0.7, 10, "▌"},              // 0.56 cells: four eighths and a half
		{u, 9.999, 0.001, 10, "       ▏"}, // what is there is seen
		{u, 5, 0, 10, ""},
		{u, 0, 0, 0, ""},
		{a, 0, 10, 10, "########"},
		{a, 0, 0.7, 10, "#"},
		{a, 0, 0.1, 10, "|"},
	} {
		if got := tt.look.bar(ms(tt.start), ms(tt.d), ms(tt.span), 8); got != tt.want {
			t.Errorf("%v+%v of %v: got %q, want %q", tt.start, tt.d, tt.span, got, tt.want)
		}
	}
}
