package probes

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v4"

	"github.com/uptally/uptally"
)

// TestValidate compares every problem of settings as people write them.
func TestValidate(t *testing.T) {
	for _, tt := range []struct{ story, text, want string }{
		{"the example of the design", `http: { url: "https://portal.example.com/health", status: [200], body: '"ok"' }`, ""},
		{"and its second", `dns: { server: "192.0.2.53:53", name: portal.example.com, type: A, answers: ["192.0.2.10"] }`, ""},
		{"nothing", `{}`, `got nothing, want exactly one of http, tcp, icmp and dns`},
		{"two kinds", `{ tcp: { address: "a.test:1" }, icmp: { host: a.test } }`, `got "tcp, icmp", want exactly one of http, tcp, icmp and dns`},
		{"other schemes", `http: { url: "file:///etc/passwd" }`, `http.url: got "file:///etc/passwd", want an http or https URL, such as https://portal.example.com/health`},
		{"a host alone", `http: { url: "portal.example.com" }`, `http.url: got "portal.example.com", want an http or https URL, such as https://portal.example.com/health`},
		{"a port of six digits", `http: { url: "http://a.test:123456" }`, `http.url: got "http://a.test:123456", want a URL with a host, such as https://portal.example.com/health`},
		{"a password in the URL, which is not repeated", `http: { url: "http://u:canary@a.test" }`, `http.url: got "http://u:xxxxx@a.test", want a URL without user and password; they go to basic`},
		{"a password in a URL that cannot be read", `http: { url: "http://u:can%ary@a.test" }`, `http.url: got "a URL that cannot be read", want an http or https URL, such as https://portal.example.com/health`},
		{"everything at once", `http: { url: "http://a.test", method: get, status: [2x, 600], redirects: all, family: 5, max_response_time: -1s, body_regexp: "(", headers: [{name: "a b", value: x}, {name: Authorization, value: canary}, {name: X, value: y, secret: {file: z}}, {name: Host, value: b.test}], basic: {user: a, password: {}}, bearer: {file: a, env: b}, resolve: {a.test: nowhere}, max_body_bytes: -1}`, `
http.family: got "5", want one of 4, 6, any
http.max_response_time: got "-1s", want a duration above zero, such as 500ms
http.resolve.a.test: got "nowhere", want an address of the family, such as 192.0.2.10
http.method: got "get", want an HTTP method in capitals, such as GET or POST
http.bearer: got "basic and bearer", want one of basic and bearer
http.basic.password: got nothing, want a reference, {file: path} or {env: NAME}
http.bearer: got "file and env", want one of file and env
http.headers[0].name: got "a b", want a header name, such as Accept
http.headers[1].value: got "a literal", want a secret, such as secret: {file: token}
http.headers[2].value: got "value and secret", want one of value and secret
http.headers[3].name: got "Host", want the setting host instead of a header
http.redirects: got "all", want one of follow, same_host, none
http.status[0]: got "2x", want a status such as 200 or a class such as 2xx
http.status[1]: got "600", want a status such as 200 or a class such as 2xx
http.body_regexp: got "(", want a regular expression (RE2 syntax)
http.max_body_bytes: got "-1", want a number from 1 to 67108864`},
		{"how it is reached", `tcp: { address: "10.1.2.3:25", family: 4, source: "::1", addresses: some, deny: [10.0.0.0/8, 10.0.0.0, a.test] }`, `
tcp.addresses: got "some", want one of first, all
tcp.source: got "::1", want an address of family 4
tcp.deny[1]: got "10.0.0.0", want a network, such as 10.0.0.0/8 or fd00::/8
tcp.deny[2]: got "a.test", want a network, such as 10.0.0.0/8 or fd00::/8
tcp.address: got "10.1.2.3", want an address that deny allows`},
		{"a source is an address or an interface", `icmp: { host: a.test, source: "eth 0/1" }`, `icmp.source: got "eth 0/1", want an address of this machine or the name of an interface, such as 192.0.2.7 or eth1`},
		{"a source decides the family", `icmp: { host: "2001:db8::1", source: 192.0.2.7 }`, `icmp.host: got "2001:db8::1", want an address of family 4`},
		{"http, the way", `http: { url: "http://a.test", method: POST, payload: a, payload_file: b, compression: br, headers: [{name: accept-encoding, value: gzip}], http2: require, redirects: none, versions: ["1.1", "3"], encrypted: maybe, reuse: true, addresses: all, json: "(", expect_headers: [{name: X, optional: true}, {name: X, absent: true, optional: true}], proxy: {url: "ftp://p.test", user: u, resolve: me, no_proxy: [a b], connect_headers: [{name: Cookie, value: a}], environment: true}, oauth2: {token_url: "x", client_secret: {}, scopes: [""], params: {scope: a}, auth: form}, bearer: {file: a}}`, `
http.payload_file: got "b", want one of payload and payload_file
http.compression: got "br", want one of gzip, none
http.compression: got "br", want no compression beside a header Accept-Encoding
http.oauth2: got "oauth2 beside basic or bearer", want one of basic, bearer and oauth2
http.oauth2.token_url: got "x", want an http or https URL, such as https://portal.example.com/health
http.oauth2.client_id: got nothing, want the name of the client
http.oauth2.client_secret: got nothing, want a reference, {file: path} or {env: NAME}
http.oauth2.scopes[0]: got nothing, want one scope, without blanks
http.oauth2.params: got "scope", want a parameter that has no setting of its own
http.oauth2.auth: got "form", want one of basic, post
http.encrypted: got "maybe", want one of required, forbidden
http.versions[1]: got "3", want one of 1.0, 1.1, 2
http.http2: got "require", want off or auto where 2 is none of the versions
http.http2: got "require", want an https URL: HTTP/2 is agreed on by TLS
http.reuse: got "POST", want a method that may be repeated, such as GET: a server closes a kept connection when it likes
http.reuse: got "reuse and addresses: all", want one of them
http.proxy.url: got "url and environment", want one of url and environment
http.proxy.user: got "u", want a user name without a colon, and password, together
http.proxy.environment: got "environment and user, password or no_proxy", want the environment's own
http.proxy.connect_headers[0].value: got "a literal", want a secret, such as secret: {file: token}
http.proxy.no_proxy[0]: got "a b", want a name, an address or a network, such as example.com or 10.0.0.0/8
http.proxy.resolve: got "me", want one of proxy, agent
http.proxy.resolve: got "me", want agent, because addresses and deny are about what the name leads to
http.expect_headers[0].optional: got "optional without an expression", want an expression that it must match if it is there
http.expect_headers[1].optional: got "absent and optional", want one of absent and optional
http.json: got "(", want a jq program: unexpected EOF`},
		{"a proxy with a password in its URL, which is not repeated", `http: { url: "http://a.test", proxy: { url: "http://u:canary@p.test" } }`, `http.proxy.url: got "http://u:xxxxx@p.test", want a URL without user and password; they have keys of their own`},
		{"ALPN against http2", `http: { url: "https://a.test", tls: { alpn: [h2, spdy/3] } }`, `
http.tls.alpn[0]: got "h2", want http/1.1, or h2 where http2 is auto or require
http.tls.alpn[1]: got "spdy/3", want http/1.1, or h2 where http2 is auto or require`},
		{"HTTP/2 without its ALPN", `http: { url: "https://a.test", http2: require, tls: { alpn: [http/1.1] } }`, `http.http2: got "require", want off or auto where h2 is not in tls.alpn`},
		{"only HTTP/2, and never asked for", `http: { url: "https://a.test", versions: ["2"] }`, `http.http2: got nothing, want auto or require where 2 is the only version`},
		{"tcp", `tcp: { address: "a.test", expect: shut, steps: [{send: a, expect: b}, {}], tls: {cert_file: a.pem, min_version: 3, ca_file: b.pem, skip_verify: true, max_version: TLS1.2, alpn: [h2, ""], key_exchange: quantum, pins: [abc=]} }`, `
tcp.address: got "a.test", want host:port, such as portal.example.com:443 or [2001:db8::1]:443
tcp.tls.key_file: got nothing, want cert_file and key_file together
tcp.tls.skip_verify: got "true", want no ca_file where nothing is verified
tcp.tls.min_version: got "3", want one of 1.0, 1.1, 1.2, 1.3
tcp.tls.max_version: got "TLS1.2", want one of 1.0, 1.1, 1.2, 1.3
tcp.tls.alpn[1]: got nothing, want the name of a protocol, such as h2 or http/1.1
tcp.tls.key_exchange: got "quantum", want one of default, classic
tcp.tls.pins[0]: got "abc=", want the SHA-256 of a public key in base64, 44 characters
tcp.expect: got "shut", want one of open, refused
tcp.steps[0]: got "2 of them", want exactly one of send, send_hex, send_groups, expect, expect_hex, expect_regexp and starttls
tcp.steps[1]: got "0 of them", want exactly one of send, send_hex, send_groups, expect, expect_hex, expect_regexp and starttls`},
		{"no version is left", `tcp: { address: "a.test:22", tls: {max_version: "1.1"} }`, `tcp.tls.max_version: got "1.1", want at least min_version, which is 1.2`},
		{"a dialogue", `tcp: { address: "a.test:25", starttls: telnet, steps: [{expect_regexp: "^PING (?P<id>.*)"}, {send_groups: "${0} ${1} ${id} $$"}, {send_groups: "PONG ${2}"}, {send_groups: "${no}"}, {send_hex: "16 03 0"}, {expect_hex: " "}, {starttls: true}, {expect_regexp: "a"}, {send_groups: "${id}"}] }`, `
tcp.starttls: got "telnet", want one of ftp, imap, ldap, pop3, postgres, smtp, xmpp
tcp.steps: got "TLS begun twice", want one starttls
tcp.steps[2].send_groups: got "${2}", want a group of the last expect_regexp before it, such as ${1}
tcp.steps[3].send_groups: got "${no}", want a group of the last expect_regexp before it, such as ${1}
tcp.steps[4].send_hex: got "16 03 0", want bytes in hexadecimal, such as 16 03 01
tcp.steps[5].expect_hex: got " ", want bytes in hexadecimal, such as 16 03 01
tcp.steps[8].send_groups: got "${id}", want a group of the last expect_regexp before it, such as ${1}`},
		{"a shut port has no dialogue", `tcp: { address: "a.test:22", expect: refused, tls: {} }`, `tcp.expect: got "refused", want open where there is tls, starttls or a step`},
		{"icmp", `icmp: { host: "2001:db8::1", family: 4, count: 101, interval: 1ms, size: 8, max_loss: 100, privileged: maybe }`, `
icmp.host: got "2001:db8::1", want an address of family 4
icmp.count: got "101", want a number from 1 to 100
icmp.interval: got "1ms", want at least 10ms
icmp.size: got "8", want a number from 24 to 65507
icmp.max_loss: got "100", want whole percent from 0 to 99
icmp.privileged: got "maybe", want one of auto, never, always`},
		{"dns", `dns: { server: "a b", name: "a b", type: X, transport: pigeon, rcodes: [OK], edns_size: 1, on_truncation: up }`, `
dns.server: got "a b", want a host with or without a port, such as 192.0.2.53:53
dns.name: got "a b", want a domain name, such as portal.example.com
dns.type: got "X", want a record type, such as A, AAAA or MX
dns.transport: got "pigeon", want one of udp, tcp, tls, https
dns.on_truncation: got "up", want one of tcp, down
dns.edns_size: got "1", want a number from 512 to 4096
dns.rcodes[0]: got "OK", want a response code, such as NOERROR or NXDOMAIN`},
		{"dns over https", `dns: { transport: https, server: a.test, url: "https://u:canary@a.test/q", name: a.test, tls: {min_version: 9} }`, `
dns.tls.min_version: got "9", want one of 1.0, 1.1, 1.2, 1.3
dns.server: got "a.test", want url instead of server with transport https
dns.url: got "https://u:xxxxx@a.test/q", want a URL without user and password`},
		{"dns over plain http", `dns: { transport: https, url: "http://a.test/q", method: PUT, name: a.test }`, `
dns.method: got "PUT", want one of POST, GET
dns.url: got "http://a.test/q", want an https URL, such as https://dns.example.com/dns-query`},
		{"dns settings of another transport", `dns: { server: 192.0.2.53, url: "https://a.test/q", tls: {}, name: a.test }`, `
dns.transport: got "udp", want tls or https where there is tls
dns.transport: got "udp", want https where there is url or method`},
		{"dns wishes", `dns: { server: 192.0.2.53, name: a.test, class: XX, client_subnet: 192.0.2.1/24, flags: [aa, "!xx"], min_ttl: 1500ms, max_ttl: -1s, authority: [nothing], additional_regexp: "(", answers_not_regexp: ")", serial: {} }`, `
dns.class: got "XX", want a class, such as IN or CH
dns.client_subnet: got "192.0.2.1/24", want a network, such as 192.0.2.0/24 or 2001:db8::/56
dns.flags[1]: got "!xx", want a flag, aa, tc, rd, ra, ad or cd, or one that must be off, such as !tc
dns.min_ttl: got "1.5s", want whole seconds, such as 60s
dns.max_ttl: got "-1s", want whole seconds, such as 60s
dns.answers_not_regexp: got ")", want a regular expression (RE2 syntax)
dns.authority[0]: got "nothing", want a record as in a zone file, such as example.com. NS ns1.example.com.
dns.additional_regexp: got "(", want a regular expression (RE2 syntax)
dns.serial: got "type A", want type SOA where there is a serial
dns.serial: got "nothing", want at_least, newer_than or equal_on`},
		{"dns serials", `dns: { server: 192.0.2.53, name: a.test, type: SOA, min_ttl: 2m, max_ttl: 1m, serial: { at_least: 4294967296, newer_than: -1h, equal_on: [192.0.2.54, "a b"] } }`, `
dns.max_ttl: got "1m", want at least min_ttl, 2m
dns.serial.at_least: got "4294967296", want a serial, from 1 to 4294967295
dns.serial.newer_than: got "-1h", want a duration above zero, such as 500ms
dns.serial.equal_on[1]: got "a b", want a host with or without a port, such as 192.0.2.53:53`},
		{"dns serials over https", `dns: { transport: https, url: "https://a.test/q", name: a.test, type: SOA, serial: { equal_on: [192.0.2.54] } }`, `dns.serial.equal_on: got "192.0.2.54", want a transport other than https`},
		{"dns answers of the type", `dns: { server: "2001:db8::53", name: a.test, type: AAAA, answers: [192.0.2.1], answers_contain: ["2001:db8::1"] }`, `dns.answers[0]: got "192.0.2.1", want the data of a AAAA record as in a zone file`},
	} {
		t.Run(tt.story, func(t *testing.T) {
			s := decode(t, tt.text)
			before := written(t, s)
			var lines []string
			for _, p := range s.Validate() {
				lines = append(lines, p.String())
			}
			if diff := cmp.Diff(strings.TrimPrefix(tt.want, "\n"), strings.Join(lines, "\n")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if before != written(t, s) {
				t.Error("validation changed the settings")
			}
			if _, err := NewEngine().Prepare(s, t.TempDir()); (err != nil) != (tt.want != "") {
				t.Errorf("prepare: got %v", err)
			}
		})
	}
}

func decode(t testing.TB, text string) *Settings {
	t.Helper()
	var s Settings
	if err := yaml.Load([]byte(text), &s, yaml.WithKnownFields(true)); err != nil {
		t.Fatal(err)
	}
	return &s
}

// TestTargets: what is measured, without anything that may be secret.
func TestTargets(t *testing.T) {
	for _, tt := range []struct {
		settings Settings
		want     string
	}{
		{Settings{HTTP: &HTTP{URL: "https://u:canary@portal.test:8443/a/b?token=canary#canary"}}, "https://portal.test:8443/a/b?…"},
		{Settings{HTTP: &HTTP{URL: "https://portal.test"}}, "https://portal.test"},
		{Settings{TCP: &TCP{Address: "[2001:db8::1]:443"}}, "[2001:db8::1]:443"},
		{Settings{ICMP: &ICMP{Host: "portal.test"}}, "portal.test"},
		{Settings{DNS: &DNS{Server: "192.0.2.53", Name: "portal.test"}}, "portal.test A @192.0.2.53"},
		{Settings{}, ""},
	} {
		if got := tt.settings.Target(); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}

// TestSecretsAreNeverShown: neither settings nor prober nor errors show a secret in any way of printing.
func TestSecretsAreNeverShown(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "token"), "canary\n")
	t.Setenv("UPTALLY_TEST_TOKEN", "canary")
	s := &Settings{HTTP: &HTTP{
		URL: "https://portal.test", Bearer: &Secret{File: "token"},
		Headers: []Header{{Name: "X-Key", Secret: &Secret{Env: "UPTALLY_TEST_TOKEN"}}},
	}}
	p := prepared(t, s, dir)
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("prepared", "settings", s, "prober", p)
	slog.New(slog.NewTextHandler(&log, nil)).Info("prepared", "settings", s, "prober", p)
	shown := fmt.Sprintf("%v %+v %#v %v %+v %#v", s, s, s, p, p, p) + log.String() + written(t, s)
	if strings.Contains(shown, "canary") {
		t.Errorf("got a secret in %s", shown)
	}
}

func TestSecretReferences(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "unix"), "value\n")
	writeFile(t, filepath.Join(dir, "dos"), "value\r\n")
	writeFile(t, filepath.Join(dir, "lines"), "one\ntwo\n")
	writeFile(t, filepath.Join(dir, "empty"), "\n")
	writeFile(t, filepath.Join(dir, "huge"), strings.Repeat("x", maxSecret+1))
	t.Setenv("UPTALLY_TEST_TOKEN", "value")
	for _, tt := range []struct {
		secret    Secret
		want, err string
	}{
		{Secret{File: "unix"}, "value", ""},
		{Secret{File: filepath.Join(dir, "dos")}, "value", ""},
		{Secret{File: "lines"}, "one\ntwo", ""},
		{Secret{Env: "UPTALLY_TEST_TOKEN"}, "value", ""},
		{Secret{File: "empty"}, "", `read secret: file "empty" is empty`},
		{Secret{File: "huge"}, "", `read secret: file "huge" is longer than 65536 bytes`},
		{Secret{Env: "UPTALLY_TEST_ABSENT"}, "", `read secret: environment variable "UPTALLY_TEST_ABSENT" is not set`},
	} {
		got, err := tt.secret.Read(dir)
		text := ""
		if err != nil {
			text = err.Error()
		}
		if got != tt.want || text != tt.err {
			t.Errorf("%+v: got %q %q, want %q %q", tt.secret, got, text, tt.want, tt.err)
		}
	}
	_, err := NewEngine().Prepare(&Settings{HTTP: &HTTP{URL: "http://a.test", Bearer: &Secret{File: "absent"}}}, dir)
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want a file that does not exist", err)
	}
	_, err = NewEngine().Prepare(&Settings{HTTP: &HTTP{URL: "http://a.test", Bearer: &Secret{File: "lines"}}}, dir)
	if err == nil || err.Error() != "prepare http probe: bearer: read secret: got control characters, want one line" {
		t.Errorf("got %v", err)
	}
}

func TestClean(t *testing.T) {
	for _, tt := range []struct {
		in    string
		limit int
		want  string
	}{
		{"plain", 5, "plain"},
		{"two\r\nlines\tand \x1b[31mred\x1b[0m\x00", 50, "two  lines and [31mred[0m"},
		{"turned \u202eround", 50, "turned round"},
		{"bad \xff byte", 50, "bad \uFFFD byte"},
		{"ääää", 6, "ä…"}, // 8 bytes; 3 are for the mark, the border of a letter is at 2
	} {
		if got := clean(tt.in, tt.limit); got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.in, got, tt.want)
		}
	}
}

func FuzzClean(f *testing.F) {
	f.Add("two\r\nlines \x1b[31m\xff", 10)
	f.Add("ääää…", 4)
	f.Fuzz(func(t *testing.T, s string, limit int) {
		limit = 3 + int(uint(limit)%uptally.MaxDetail)
		got := clean(s, limit)
		if len(got) > limit || strings.ToValidUTF8(got, "") != got || strings.ContainsAny(got, "\x00\x1b\r\n\u202e") {
			t.Errorf("%q: got %q", s, got)
		}
		if again := clean(got, limit); again != got {
			t.Errorf("%q: got %q, then %q", s, got, again)
		}
	})
}

// FuzzCheckURL: what is accepted has a host and one of two schemes, and shows no user.
func FuzzCheckURL(f *testing.F) {
	for _, s := range []string{"https://portal.test:443/a?b=c", "http://[2001:db8::1%25eth0]/", "http://u:p@a.test", "javascript:alert(1)", "http:a.test", "//a.test"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, err := url.Parse(s)
		if err != nil || checkURL(u) != "" {
			return
		}
		if u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
			t.Errorf("%q: accepted", s)
		}
		shown, err := url.Parse(showURL(u))
		if err != nil || shown.User != nil || strings.Trim(shown.RawQuery, "…") != "" {
			t.Errorf("%q: got %q", s, showURL(u))
		}
	})
}

// FuzzCanonicalAnswer: canonical text, once made, stays itself.
func FuzzCanonicalAnswer(f *testing.F) {
	f.Add("A", "192.0.2.1")
	f.Add("MX", "10 Mail.Example.test")
	f.Add("TXT", `"a\"b" "c"`)
	f.Add("SOA", "ns.test. host.test. 1 2 3 4 5")
	f.Fuzz(func(t *testing.T, typ, data string) {
		if !validQueryType(typ) {
			return
		}
		text, err := canonicalAnswer(typ, data)
		if err != nil || typ == "TXT" {
			return
		}
		if again, err := canonicalAnswer(typ, text); err == nil && again != text {
			t.Errorf("%s %q: got %q, then %q", typ, data, text, again)
		}
	})
}

func FuzzParseStatus(f *testing.F) {
	f.Add("200")
	f.Add("2xx")
	f.Fuzz(func(t *testing.T, s string) {
		if r, ok := parseStatus(s); ok && (r.low < 100 || r.high > 599 || r.low > r.high) {
			t.Errorf("%q: got %v", s, r)
		}
	})
}
