package main

import (
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/configs"
	"github.com/uptally/uptally/probes"
)

var update = flag.Bool("update", false, "write the golden files anew")

// sent is when the observations of the goldens were made.
var sent = time.Date(2026, 11, 22, 5, 13, 0, 123_456_000, time.UTC)

func ms(n float64) time.Duration { return time.Duration(n * float64(time.Millisecond)) }

func phases(pairs ...any) (ps []probes.Phase) {
	for i := 0; i < len(pairs); i += 2 {
		ps = append(ps, probes.Phase{Name: pairs[i].(string), D: ms(pairs[i+1].(float64))})
	}
	return ps
}

func facts(pairs ...string) (fs []probes.Fact) {
	for i := 0; i < len(pairs); i += 2 {
		fs = append(fs, probes.Fact{Key: pairs[i], Value: pairs[i+1]})
	}
	return fs
}

// story is an observation and what was asked for.
type story struct {
	name     string
	settings probes.Settings
	check    string
	o        probes.Observation
}

func httpTo(url string) probes.Settings { return probes.Settings{HTTP: &probes.HTTP{URL: url}} }

func probeStories() []story {
	expiry := time.Date(2027, 1, 3, 11, 0, 0, 0, time.UTC) // 42 days and 5:47 h after sent
	expired := time.Date(2026, 11, 10, 0, 0, 0, 0, time.UTC)
	return []story{
		{"up", httpTo("https://portal.example.com/health"), "portal-home", probes.Observation{
			SentAt: sent, RTT: ms(70.309), CertExpiry: expiry,
			Phases: phases("resolve", 1.204, "connect", 12.31, "tls", 25.002, "write", 0.051, "first_byte", 31.442, "body", 0.3),
			Facts:  facts("address", "192.0.2.10:443", "tls", "TLS 1.3", "certificate until", "2027-01-03T11:00:00Z", "status", "200 OK", "protocol", "HTTP/1.1", "body", "512 bytes"),
		}},
		{"redirect", httpTo("http://example.com/"), "", probes.Observation{
			SentAt: sent, RTT: ms(112.5), CertExpiry: expiry, Reason: uptally.Status, FailedIn: "body", Detail: `got 503 Service Unavailable, want 2xx; "Wartung – bitte später"`,
			Phases: phases("resolve", 2.0, "connect", 10.0, "write", 0.1, "first_byte", 12.0, "resolve", 3.0, "connect", 11.0, "tls", 24.4, "write", 0.2, "first_byte", 40.8, "body", 9.0),
			Facts: facts("address", "192.0.2.10:80", "status", "301 Moved Permanently", "redirect", "https://www.example.com/",
				"address", "192.0.2.11:443", "tls", "TLS 1.2", "certificate until", "2027-01-03T11:00:00Z", "status", "503 Service Unavailable", "protocol", "HTTP/1.1", "body", "1048576 bytes"),
		}},
		{"expired", httpTo("https://old.example.com/"), "", probes.Observation{
			SentAt: sent, CertExpiry: expired, Reason: uptally.CertExpired, FailedIn: "tls", Detail: "x509: certificate has expired or is not yet valid: current time 2026-11-22T05:13:00Z is after 2026-11-10T00:00:00Z",
			Phases: phases("resolve", 0.4, "connect", 9.9, "tls", 21.7), Facts: facts("address", "[2001:db8::10]:443"),
		}},
		{"timeout", probes.Settings{TCP: &probes.TCP{Address: "db.example.com:5432"}}, "", probes.Observation{
			SentAt: sent, Reason: uptally.ConnectTimeout, FailedIn: "connect", Detail: "dial tcp 192.0.2.20:5432: i/o timeout", Delay: ms(3.5),
			Phases: phases("resolve", 0.9, "connect", 9999.1), Facts: facts("address", "192.0.2.20:5432"),
		}},
		{"dns", probes.Settings{DNS: &probes.DNS{Name: "example.com", Type: "MX", Server: "192.0.2.53"}}, "", probes.Observation{
			SentAt: sent, RTT: ms(4.2), Phases: phases("query", 4.2),
			Facts: facts("address", "192.0.2.53:53 udp", "rcode", "NOERROR", "flags", "rd ra",
				"answer", "example.com. 300 IN MX 10 mail.example.com.", "answer", "example.com. 300 IN MX 20 "+strings.Repeat("a-very-long-label-of-a-name.", 5)),
		}},
	}
}

// Each story in every form: 80 and 120 columns, ASCII, with colours, JSON. Without colour no control code is in it, and no
// line is wider than asked.
func TestProbeReport(t *testing.T) {
	for _, s := range probeStories() {
		t.Run(s.name, func(t *testing.T) {
			task := probeTask{settings: &s.settings}
			if s.check != "" {
				task.check = &configs.Check{Plan: uptally.Plan{Check: s.check}}
			}
			var b strings.Builder
			for _, form := range []struct {
				name string
				look look
			}{
				{"80 columns", look{width: 80, unicode: true}},
				{"120 columns", look{width: 120, unicode: true}},
				{"ASCII", look{width: 80}},
				{"40 columns", look{width: 40, unicode: true}},
			} {
				text := form.look.report(task.title(), s.o, nil)
				for line := range strings.Lines(text) {
					line = strings.TrimSuffix(line, "\n")
					if n := utf8.RuneCountInString(line); n > form.look.width || strings.HasSuffix(line, " ") || strings.Contains(line, "\x1b") {
						t.Errorf("%s: got %d columns: %q", form.name, n, line)
					}
					if !form.look.unicode && strings.ContainsFunc(line, func(r rune) bool { return r >= utf8.RuneSelf }) {
						t.Errorf("got %q, want ASCII", line)
					}
				}
				b.WriteString("=== " + form.name + "\n" + text)
			}
			colored := look{width: 80, unicode: true, color: true}.report(task.title(), s.o, nil)
			b.WriteString("=== colour\n" + strings.ReplaceAll(colored, "\x1b", "␛"))
			b.WriteString("=== JSON\n")
			if err := printJSON(&b, newProbeJSON(task, 0, s.o)); err != nil {
				t.Fatal(err)
			}
			golden(t, filepath.Join("testdata", "probe", s.name+".txt"), b.String())
		})
	}
}

// Commands stand on lines of their own, unbroken, so that they can be copied.
func TestPingHints(t *testing.T) {
	for _, tt := range []struct{ open, want string }{
		{"1\t0\n", `
  hint: no group may ping, and this process has
        group 1000; either let it, as root:
    sysctl -w net.ipv4.ping_group_range="1000 1000"
  hint: or give the program the capability, as root:
    setcap cap_net_raw+ep bin/uptally
`},
		{"0\t999\n", `
  hint: groups 0 to 999 may ping, and this process
        has group 1000; either let it, as root:
    sysctl -w net.ipv4.ping_group_range="1000 1000"
  hint: or give the program the capability, as root:
    setcap cap_net_raw+ep bin/uptally
`},
	} {
		var b strings.Builder
		look{width: 52}.hints(&b, pingHints(tt.open, 1000, "bin/uptally"))
		if diff := cmp.Diff(strings.TrimPrefix(tt.want, "\n"), b.String()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

// golden compares with a committed file, which -update writes.
func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

// docs/probes.md shows what the command prints, and names every field of its JSON.
func TestManualOfProbe(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "probes.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "\n## The command uptally probe\n")
	section, _, _ = strings.Cut(section, "\n## ")
	for _, file := range []string{"redirect.txt", "timeout.txt", "repeat-piped.txt"} {
		text, err := os.ReadFile(filepath.Join("testdata", "probe", file))
		if err != nil {
			t.Fatal(err)
		}
		shown := string(text)
		switch file {
		case "redirect.txt":
			shown, _, _ = strings.Cut(strings.TrimPrefix(shown, "=== 80 columns\n"), "=== ")
		case "timeout.txt":
			_, shown, _ = strings.Cut(shown, "=== JSON\n")
		}
		if !strings.Contains(section, "\n"+shown+"```\n") {
			t.Errorf("docs/probes.md: got no block with the text of %s:\n%s", file, shown)
		}
	}
	for _, object := range []any{probeJSON{}, phaseJSON{}, factJSON{}, summaryJSON{}, percentilesJSON{}} {
		for f := range reflect.TypeOf(object).Fields() {
			if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); !strings.Contains(section, "`"+name+"`") {
				t.Errorf("docs/probes.md: got no field %q", name)
			}
		}
	}
	for _, flag := range regexp.MustCompile("--[a-z-]+ ").FindAllString(probeCommand(streams{}).PersistentFlags().FlagUsages(), -1) {
		flag = strings.TrimSpace(flag)
		if flag != "--ipv4" && flag != "--ipv6" && !strings.Contains(section, "`"+flag+"`") {
			t.Errorf("docs/probes.md: got no flag %s", flag)
		}
	}
}
