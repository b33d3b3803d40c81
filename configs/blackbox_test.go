package configs

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/uptally/uptally"
)

// imported reads a configuration and takes over one target a module, the first of targets that has the module's prober.
func imported(t testing.TB, text string, targets ...ScrapeTarget) *Imported {
	t.Helper()
	d := parse("blackbox.yml", []byte(text))
	b := blackboxOf(d)
	if err := orNil(d.all()); err != nil {
		t.Fatal(err)
	}
	return b.Import(targets, ImportOptions{Secrets: "secrets"})
}

// said is everything that an import says, as text.
func said(im *Imported) string {
	var b strings.Builder
	for _, r := range im.Remarks {
		fmt.Fprintln(&b, r)
	}
	b.Write(im.Text("here"))
	return b.String()
}

func TestBlackboxProblems(t *testing.T) {
	dir := write(t, map[string]string{"blackbox.yml": `modules:
  web:
    prober: htp
    timeout: five
    http:
      valid_status_code: [200]
      basic_auth: { username: me, password: secret, password_file: also }
      bearer_token: hidden
      bearer_tokn: hidden
      fail_if_body_matches_regexp: ["("]
      fail_if_header_matches: [{ regexp: a }, { header: X }]
      body_size_limit: 10
      body: a
      body_file: b
      tls_config: { min_version: SSL3, cert_file: only.pem }
      oauth2: { scopes: [a] }
  lines:
    prober: tcp
    tcp:
      query_response: [{ expect: "[", send: 1 }, { expect: a, expect_bytes: b }]
  ping:
    prober: icmp
    icmp: { ttl: 300 }
  names:
    prober: dns
    dns: { dns_over_tls: true, transport_protocol: sctp, validate_answer_rrs: { fail_if_matches_regexp: [")"] } }
`})
	_, err := LoadBlackbox(filepath.Join(dir, "blackbox.yml"))
	if err == nil {
		t.Fatal("got no problem")
	}
	want := `:3: modules.web.prober: got "htp", want http, tcp, icmp, dns, grpc, unix or websocket
:4: modules.web.timeout: got "five", want a duration in whole milliseconds, such as 5s
:6: modules.web.http: got "{valid_status_code: …, basic_auth: …, bearer_token: …, beare…", want one of basic_auth, authorization, oauth2, bearer_token and bearer_token_file
:6: modules.web.http.valid_status_code: got "valid_status_code", want a known key, perhaps valid_status_codes
:7: modules.web.http.basic_auth.password: got "…", want one of password, password_file and password_ref
:9: modules.web.http.bearer_tokn: got "bearer_tokn", want a known key, perhaps bearer_token
:10: modules.web.http.fail_if_body_matches_regexp[0]: got "(", want a regular expression (RE2 syntax)
:11: modules.web.http.fail_if_header_matches[0].header: got nothing, want the name of a header
:11: modules.web.http.fail_if_header_matches[1].regexp: got nothing, want a regular expression
:12: modules.web.http.body_size_limit: got "10", want a size with its unit, such as 10MB
:14: modules.web.http.body_file: got "b", want one of body and body_file
:15: modules.web.http.tls_config.key_file: got nothing, want cert_file and key_file together
:15: modules.web.http.tls_config.min_version: got "SSL3", want TLS10, TLS11, TLS12 or TLS13
:16: modules.web.http.oauth2.client_id: got nothing, want the client's name
:16: modules.web.http.oauth2.token_url: got nothing, want the URL of the token endpoint
:20: modules.lines.tcp.query_response[0].expect: got "[", want a regular expression (RE2 syntax)
:20: modules.lines.tcp.query_response[1].expect_bytes: got "b", want one of expect and expect_bytes
:23: modules.ping.icmp.ttl: got "300", want a number from 0 to 255
:26: modules.names.dns.dns_over_tls: got "true", want transport_protocol: tcp beside it; without it blackbox_exporter fails every probe
:26: modules.names.dns.query_name: got nothing, want the name to ask for
:26: modules.names.dns.transport_protocol: got "sctp", want udp or tcp
:26: modules.names.dns.validate_answer_rrs.fail_if_matches_regexp[0]: got ")", want a regular expression (RE2 syntax)
`
	if diff := cmp.Diff(want, strings.ReplaceAll(err.Error(), filepath.Join(dir, "blackbox.yml"), "")+"\n"); diff != "" {
		t.Error(diff)
	}
}

// Aliases, merges and empty keys are common in these files; a key written out wins over a merged one.
func TestBlackboxUnderstandsYAML(t *testing.T) {
	im := imported(t, `modules:
  web: &web
    prober: http
    timeout: 5s
    http: &http
      method: POST
      headers: { A: one }
      tls_config:
  other:
    <<: *web
    http:
      <<: [*http, { body: text }]
      headers: { B: two }
`, ScrapeTarget{Module: "other", Target: "https://a.example.com"})
	want := `site: here
checks:
  # blackbox.yml:9 module other, target https://a.example.com
  - name: a.example.com-other
    http:
      url: "https://a.example.com"
      method: POST
      headers: [{ name: B, value: two }]
      payload: text
      max_body_bytes: 67108864
    every: 31s
    timeout: 5s
`
	got := string(im.Text("here"))
	_, got, _ = strings.Cut(got, "\n") // what holds for all
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// No secret is shown: not in the checks, not in a remark, not in a problem.
func TestBlackboxShowsNoSecret(t *testing.T) {
	im := imported(t, `modules:
  a: { prober: http, http: { basic_auth: { username: me, password: hidden1 }, headers: { X-Api-Key: hidden2 }, proxy_url: "http://p:hidden3@proxy:1" } }
  b: { prober: http, http: { authorization: { type: Key, credentials: hidden4 }, tls_config: { ca: hidden5 } } }
  c: { prober: http }
`, ScrapeTarget{Module: "a", Target: "https://a.example.com"}, ScrapeTarget{Module: "b", Target: "https://a.example.com"},
		ScrapeTarget{Module: "c", Target: "https://me:hidden6@a.example.com/?key=hidden7"})
	text := said(im)
	url := "https://a.example.com/?key=hidden7" // a part of the URL, which has to be written
	if strings.Contains(strings.ReplaceAll(text, url, ""), "hidden") {
		t.Error(text)
	}
	want := map[string]string{
		"a.basic_auth.password": "hidden1", "a.headers.x-api-key": "hidden2", "a.proxy_url": "hidden3",
		"b.authorization.credentials": "Key hidden4", "b.tls_config.ca": "hidden5", "c.https-a.example.com-.password": "hidden6",
	}
	got := map[string]string{}
	for _, s := range im.Secrets {
		got[s.Name] = string(s.Bytes())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// The interval and the timeout are those of the scrape, within what blackbox_exporter would have had.
func TestBlackboxTimes(t *testing.T) {
	const text = "modules:\n  quick: { prober: icmp, timeout: 2s }\n  slow: { prober: icmp, timeout: 30s }\n  open: { prober: icmp }\n"
	for _, s := range []struct {
		story          string
		target         ScrapeTarget
		every, timeout uptally.Duration
	}{
		{"the module's own", ScrapeTarget{Module: "quick", Every: 15 * uptally.Second, Timeout: 10 * uptally.Second}, 15 * uptally.Second, 2 * uptally.Second},
		{"what the scrape leaves, less the answer's half second", ScrapeTarget{Module: "slow", Every: 15 * uptally.Second, Timeout: 10 * uptally.Second}, 15 * uptally.Second, 9500},
		{"nothing said by the module", ScrapeTarget{Module: "open", Every: uptally.Minute, Timeout: 5 * uptally.Second}, uptally.Minute, 4500},
		{"nothing said at all", ScrapeTarget{Module: "open"}, DefaultEvery, 0},
		{"longer than the interval", ScrapeTarget{Module: "slow", Every: 15 * uptally.Second}, 15 * uptally.Second, 0},
	} {
		t.Run(s.story, func(t *testing.T) {
			s.target.Target = "192.0.2.1"
			im := imported(t, text, s.target)
			p := im.Checks[0].Plan
			if p.Every != int64(s.every) || p.Timeout != int64(s.timeout) {
				t.Errorf("got %d and %d ms, want %d and %d", p.Every, p.Timeout, s.every, s.timeout)
			}
		})
	}
}

// What one check cannot say, several do, in one service; an installation of it has no problem.
func TestBlackboxSeveralChecks(t *testing.T) {
	im := imported(t, `modules:
  two: { prober: http, http: { fail_if_body_not_matches_regexp: [one, two], fail_if_body_matches_regexp: [a, "b|c"] } }
`, ScrapeTarget{Module: "two", Target: "http://a.example.com/x?y=z"}, ScrapeTarget{Module: "two", Target: "http://a.example.com/x?y=z"}, ScrapeTarget{Module: "two", Target: "http://a.example.com/x?y=w"})
	want := `site: here
checks:
  # blackbox.yml:2 module two, target http://a.example.com/x?…
  # the checks below were one module: all of them must be up, as in a service that holds them
  - name: a.example.com-x-two-1
    http:
      url: "http://a.example.com/x?y=z"
      body_regexp: one
      body_not_regexp: "(?:a)|(?:b|c)"
      max_body_bytes: 67108864
    every: 31s
  - name: a.example.com-x-two-2
    http:
      url: "http://a.example.com/x?y=z"
      body_regexp: two
      body_not_regexp: "(?:a)|(?:b|c)"
      max_body_bytes: 67108864
    every: 31s

  # blackbox.yml:2 module two, target http://a.example.com/x?…
  # the checks below were one module: all of them must be up, as in a service that holds them
  - name: a.example.com-x-two.2-1
    http:
      url: "http://a.example.com/x?y=w"
      body_regexp: one
      body_not_regexp: "(?:a)|(?:b|c)"
      max_body_bytes: 67108864
    every: 31s
  - name: a.example.com-x-two.2-2
    http:
      url: "http://a.example.com/x?y=w"
      body_regexp: two
      body_not_regexp: "(?:a)|(?:b|c)"
      max_body_bytes: 67108864
    every: 31s

# Checks that were one module: all of them must be up.
services:
  - { name: a.example.com-x-two, checks: [a.example.com-x-two-1, a.example.com-x-two-2] }
  - { name: a.example.com-x-two.2, checks: [a.example.com-x-two.2-1, a.example.com-x-two.2-2] }
`
	got := string(im.Text("here"))
	_, body, _ := strings.Cut(got, "\n") // what holds for all
	if diff := cmp.Diff(want, body); diff != "" {
		t.Error(diff)
	}
	sound(t, got)
}

// sound demands that a text is an installation without a problem.
func sound(t interface {
	Helper()
	Fatalf(string, ...any)
}, text string) {
	t.Helper()
	l, d := newLoader(), parse("out.yaml", []byte(text))
	l.installation(d)
	l.take(d)
	if err := orNil(l.problems); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
}

// Whatever the bytes, a configuration reads or has problems, and what is taken over from it has none.
func FuzzBlackbox(f *testing.F) {
	f.Add([]byte("modules: { a: { prober: http, http: { fail_if_body_not_matches_regexp: [a, b], basic_auth: { username: u, password: p } } } }"), "https://a:b@example.com:1/x")
	f.Add([]byte("modules: { a: { prober: tcp, tcp: { query_response: [{ expect: '(a)', send: '${1}$$' }, { starttls: true }] } } }"), "a:1")
	f.Add([]byte("modules: { a: { prober: dns, dns: { query_name: a, validate_answer_rrs: { fail_if_not_matches_regexp: [\"a\\t1\\tIN\\tA\\tb\", c] } } } }"), "[::1]:53")
	f.Add([]byte("modules: { a: &a { prober: icmp, icmp: { ttl: 3 } }, b: { <<: *a } }"), "a")
	f.Fuzz(func(t *testing.T, data []byte, target string) {
		d := parse("f.yml", data)
		b := blackboxOf(d)
		if len(d.all()) > 0 {
			return
		}
		var targets []ScrapeTarget
		for _, m := range b.Modules() {
			targets = append(targets, ScrapeTarget{Module: m, Target: target}, ScrapeTarget{Module: m, Target: "example.com:80"})
		}
		im := b.Import(targets, ImportOptions{Secrets: "s"})
		if im.Carried+im.Missing < len(b.Modules()) {
			t.Errorf("got %d and %d of %d targets", im.Carried, im.Missing, len(targets))
		}
		if len(im.Checks) > 0 {
			sound(t, string(im.Text("here")))
		}
	})
}
