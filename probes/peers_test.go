package probes

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/uptally/uptally"
)

// TestRealPeers holds the probes against servers that nobody here wrote: nginx and Knot DNS. It is skipped only where they
// are not installed and UPTALLY_REQUIRE_PEERS is not set.
func TestRealPeers(t *testing.T) {
	ca := newAuthority(t)
	ca.issue("good", "portal.test", -time.Hour, 100*time.Hour)
	ca.issue("expired", "portal.test", -48*time.Hour, -24*time.Hour)
	ca.issue("early", "portal.test", 24*time.Hour, 48*time.Hour)
	ca.issue("other", "elsewhere.test", -time.Hour, 100*time.Hour)
	web := startNginx(t, ca.dir)
	name := startKnot(t)

	plain := func(path string) *HTTP { return &HTTP{URL: "http://" + web.plain + path} }
	secure := func(address string) *HTTP {
		_, port, _ := net.SplitHostPort(address)
		return &HTTP{URL: "https://portal.test:" + port + "/ok", TLS: &TLS{CAFile: "ca.pem"}, Reach: Reach{Resolve: map[string]string{"portal.test": "127.0.0.1"}}}
	}
	with := func(h *HTTP, change func(*HTTP)) *Settings { change(h); return &Settings{HTTP: h} }
	ask := func(d DNS) *Settings {
		d.Server = name
		return &Settings{DNS: &d}
	}
	knotByTCP := func(d DNS) *Settings { d.Transport = "tcp"; return ask(d) }
	refused := refusedAddress(t)

	for _, tt := range []struct {
		story    string
		settings *Settings
		want     uptally.Reason
	}{
		{"nginx answers", with(plain("/ok"), func(h *HTTP) { h.Body = `"ok"` }), uptally.OK},
		{"nginx answers with a redirect that is followed", with(plain("/moved"), func(h *HTTP) { h.Body = `"ok"` }), uptally.OK},
		{"nginx compresses", with(plain("/large.txt"), func(h *HTTP) {
			h.ExpectHeaders = []HeaderRule{{Name: "Content-Encoding", Regexp: "gzip"}}
			h.Body = "xxxx"
		}), uptally.OK},
		{"nginx answers 503", with(plain("/broken"), func(*HTTP) {}), uptally.Status},
		{"503 is the wish", with(plain("/broken"), func(h *HTTP) { h.Status = []string{"503"} }), uptally.OK},
		{"nginx answers without the text", with(plain("/ok"), func(h *HTTP) { h.Body = "fine" }), uptally.Body},
		{"nginx answers with forbidden text", with(plain("/ok"), func(h *HTTP) { h.BodyNotRegexp = "o.\"" }), uptally.Body},
		{"nginx lacks a header", with(plain("/ok"), func(h *HTTP) { h.ExpectHeaders = []HeaderRule{{Name: "X-Missing"}} }), uptally.Header},
		{"nginx leads to another host", with(plain("/away"), func(h *HTTP) { h.Redirects = "same_host" }), uptally.Redirect},
		{"nginx leads in a circle", with(plain("/circle"), func(*HTTP) {}), uptally.Redirect},
		{"the body is above the limit", with(plain("/large.txt"), func(h *HTTP) { h.MaxBodyBytes = 1000 }), uptally.BodyTooLarge},
		{"nginx waits for a backend that never answers", with(plain("/hangs"), func(*HTTP) {}), uptally.ResponseTimeout},
		{"nothing listens for HTTP", &Settings{HTTP: &HTTP{URL: "http://" + refused}}, uptally.ConnectRefused},
		{"the queue of the listener is full", &Settings{HTTP: &HTTP{URL: "http://" + swallowing(t)}}, uptally.ConnectTimeout},

		{"TLS", with(secure(web.good), func(h *HTTP) { h.TLS.ExpiresWithin = 99 * uptally.Hour }), uptally.OK},
		{"TLS expires within the asked time", with(secure(web.good), func(h *HTTP) { h.TLS.ExpiresWithin = 101 * uptally.Hour }), uptally.CertExpiring},
		{"TLS expired", with(secure(web.expired), func(*HTTP) {}), uptally.CertExpired},
		{"TLS expired, and not verified", with(secure(web.expired), func(h *HTTP) { h.TLS = &TLS{SkipVerify: true} }), uptally.OK},
		{"TLS not yet valid", with(secure(web.early), func(*HTTP) {}), uptally.CertNotYetValid},
		{"TLS for another name", with(secure(web.other), func(*HTTP) {}), uptally.CertName},
		{"TLS of an unknown authority", with(secure(web.good), func(h *HTTP) { h.TLS.CAFile = "" }), uptally.CertUntrusted},
		{"TLS in an old version", with(secure(web.good), func(h *HTTP) { h.TLS.MinVersion = "1.3" }), uptally.TLSVersion},
		{"TLS to a port that speaks none", with(secure(web.plain), func(*HTTP) {}), uptally.TLSHandshake},

		{"TLS 1.3 alone", with(secure(web.modern), func(h *HTTP) { h.TLS.MinVersion = "1.3" }), uptally.OK},
		{"TLS 1.3 alone, and a client of 1.2", with(secure(web.modern), func(h *HTTP) { h.TLS.MaxVersion = "1.2" }), uptally.TLSPolicy},
		{"mTLS", with(secure(web.mutual), func(h *HTTP) { h.TLS.CertFile, h.TLS.KeyFile = "good.pem", "good.key" }), uptally.OK},
		{"mTLS over HTTP/2", with(secure(web.mutual), func(h *HTTP) { h.HTTP2, h.TLS.CertFile, h.TLS.KeyFile = "require", "good.pem", "good.key" }), uptally.OK},
		{"mTLS without a certificate", with(secure(web.mutual), func(h *HTTP) {}), uptally.Status},

		{"HTTP/2", with(secure(web.two), func(h *HTTP) { h.HTTP2, h.Versions, h.JSON = "require", []string{"2"}, ".nodes[].up" }), uptally.OK},
		{"HTTP/2, not asked for", with(secure(web.two), func(h *HTTP) { h.Versions = []string{"1.1"} }), uptally.OK},
		{"HTTP/2 where there is none", with(secure(web.good), func(h *HTTP) { h.HTTP2 = "require" }), uptally.Version},
		{"HTTP/2, compressed and large", with(secure(web.two), func(h *HTTP) {
			h.URL, h.HTTP2, h.Body = strings.Replace(h.URL, "/ok", "/large.txt", 1), "require", "xxxx"
			h.ExpectHeaders = []HeaderRule{{Name: "Content-Encoding", Regexp: "gzip"}}
		}), uptally.OK},
		{"HTTP/2, as it is and large", with(secure(web.two), func(h *HTTP) {
			h.URL, h.HTTP2, h.Compression = strings.Replace(h.URL, "/ok", "/large.txt", 1), "require", "none"
			h.ExpectHeaders = []HeaderRule{{Name: "Content-Length", Regexp: "^100000$"}}
		}), uptally.OK},
		{"HTTP/2, a large payload", with(secure(web.two), func(h *HTTP) {
			h.HTTP2, h.Method, h.Payload = "require", "POST", strings.Repeat("x", 500_000)
		}), uptally.OK},
		{"HTTP/2, a payload above nginx's limit", with(secure(web.two), func(h *HTTP) {
			h.HTTP2, h.Method, h.Payload, h.Status = "require", "POST", strings.Repeat("x", 2_000_000), []string{"413"}
		}), uptally.OK},
		{"HTTP/2, and a HEAD", with(secure(web.two), func(h *HTTP) { h.HTTP2, h.Method = "require", "HEAD" }), uptally.OK},
		{"HTTP/2 answers 503", with(secure(web.two), func(h *HTTP) {
			h.URL, h.HTTP2 = strings.Replace(h.URL, "/ok", "/broken", 1), "auto"
		}), uptally.Status},
		{"JSON that is not as it should be", with(secure(web.two), func(h *HTTP) { h.HTTP2, h.JSON = "auto", `.status == "fine"` }), uptally.JSON},
		{"a redirect down to plain HTTP", with(secure(web.two), func(h *HTTP) {
			h.URL, h.Encrypted = strings.Replace(h.URL, "/ok", "/plain", 1), "required"
		}), uptally.TLSPolicy},
		{"a token of nobody", with(secure(web.two), func(h *HTTP) {
			h.OAuth2 = &OAuth2{TokenURL: strings.Replace(h.URL, "/ok", "/broken", 1), ClientID: "me", ClientSecret: &Secret{File: "good.key"}}
		}), uptally.Status},
		{"a proxy that is none", with(secure(web.two), func(h *HTTP) { h.Proxy = &Proxy{URL: "http://" + web.plain} }), uptally.ProxyFailed},
		{"a proxy that is not there", with(secure(web.two), func(h *HTTP) { h.Proxy = &Proxy{URL: "socks5://" + refused} }), uptally.ProxyFailed},

		{"TCP to nginx", &Settings{TCP: &TCP{Address: web.plain}}, uptally.OK},
		{"TCP dialogue", &Settings{TCP: &TCP{Address: web.plain, Steps: []Step{{Send: "HEAD /ok HTTP/1.0\r\n\r\n"}, {ExpectRegexp: `^HTTP/1\.1 200 .*\r\n`}, {Expect: "nginx"}}}}, uptally.OK},
		{"TCP dialogue with TLS", &Settings{TCP: &TCP{Address: web.good, TLS: &TLS{CAFile: "ca.pem", ServerName: "portal.test"}, Steps: []Step{{Send: "HEAD /ok HTTP/1.0\r\n\r\n"}, {Expect: "200"}}}}, uptally.OK},
		{"TCP dialogue, answered wrongly", &Settings{TCP: &TCP{Address: web.plain, Steps: []Step{{Send: "HEAD /broken HTTP/1.0\r\n\r\n"}, {Expect: "HTTP/1.1 200"}}}}, uptally.ReplyMismatch},
		{"TCP dialogue, no answer", &Settings{TCP: &TCP{Address: web.plain, Steps: []Step{{Expect: "220 "}}}}, uptally.ReplyTimeout},
		{"TCP refused", &Settings{TCP: &TCP{Address: refused}}, uptally.ConnectRefused},
		{"TCP refused is the wish", &Settings{TCP: &TCP{Address: refused, Expect: "refused"}}, uptally.OK},
		{"TCP open is not the wish", &Settings{TCP: &TCP{Address: web.plain, Expect: "refused"}}, uptally.UnexpectedOpen},
		{"TCP swallowed", &Settings{TCP: &TCP{Address: swallowing(t)}}, uptally.ConnectTimeout},

		{"knot answers", ask(DNS{Name: "portal.example.test", Answers: []string{"192.0.2.11", "192.0.2.10"}}), uptally.OK},
		{"knot answers over TCP", knotByTCP(DNS{Name: "portal.example.test"}), uptally.OK},
		{"knot answers by an alias", ask(DNS{Name: "www.example.test", AnswersContain: []string{"192.0.2.10"}}), uptally.OK},
		{"knot answers MX", ask(DNS{Name: "example.test", Type: "MX", Answers: []string{"10 Mail.example.test"}}), uptally.OK},
		{"knot answers TXT", ask(DNS{Name: "example.test", Type: "TXT", AnswersRegexp: "^v=spf1 "}), uptally.OK},
		{"knot truncates, asked again over TCP", ask(DNS{Name: "long.example.test", Type: "TXT"}), uptally.OK},
		{"knot truncates", ask(DNS{Name: "long.example.test", Type: "TXT", OnTruncation: "down"}), uptally.Truncated},
		{"a wrong A record", ask(DNS{Name: "portal.example.test", Answers: []string{"192.0.2.10"}}), uptally.Answer},
		{"a missing A record", ask(DNS{Name: "portal.example.test", AnswersContain: []string{"192.0.2.99"}}), uptally.Answer},
		{"NXDOMAIN", ask(DNS{Name: "nothing.example.test"}), uptally.RCode},
		{"NXDOMAIN is the wish", ask(DNS{Name: "nothing.example.test", RCodes: []string{"NXDOMAIN"}}), uptally.OK},
		{"no record of the type", ask(DNS{Name: "portal.example.test", Type: "AAAA"}), uptally.NoAnswer},
		{"REFUSED for a foreign zone", ask(DNS{Name: "example.org"}), uptally.RCode},
		{"SERVFAIL for a broken zone", ask(DNS{Name: "a.broken.test"}), uptally.RCode},
		{"nothing listens for DNS over UDP", &Settings{DNS: &DNS{Server: refused, Name: "example.test"}}, uptally.QueryTimeout},
		{"nothing listens for DNS over TCP", &Settings{DNS: &DNS{Server: refused, Name: "example.test", Transport: "tcp"}}, uptally.ConnectRefused},
		{"DNS server swallows", &Settings{DNS: &DNS{Server: swallowing(t), Name: "example.test", Transport: "tcp"}}, uptally.ConnectTimeout},

		// The resolver of a check is the same knot: names that lead nowhere.
		{"the name does not exist", &Settings{TCP: &TCP{Address: "nothing.example.test:80", Reach: Reach{Resolver: name}}}, uptally.ResolveNXDomain},
		{"the name has no address of the family", &Settings{ICMP: &ICMP{Host: "portal.example.test", Reach: Reach{Resolver: name, Family: "6"}}}, uptally.ResolveNoAddress},
		{"the resolver refuses", &Settings{TCP: &TCP{Address: "a.broken.test:80", Reach: Reach{Resolver: name}}}, uptally.ResolveFailed},
		{"the name leads to loopback", &Settings{HTTP: &HTTP{URL: "http://local.example.test:" + web.plain[len("127.0.0.1:"):] + "/ok", Reach: Reach{Resolver: name}}}, uptally.OK},
	} {
		t.Run(tt.story, func(t *testing.T) {
			within := generous
			switch tt.want {
			case uptally.ResponseTimeout, uptally.ConnectTimeout, uptally.ReplyTimeout, uptally.ReplyMismatch:
				within = brief
			}
			o := observe(t, tt.settings, ca.dir, within)
			want(t, o, tt.want)
			t.Logf("%v(%v) %v %s", o.Outcome(), o.Reason, o.RTT.Round(time.Microsecond), o.Detail)
		})
	}
}

// peer starts a program with the test and waits until it accepts connections.
func peer(t *testing.T, address, name string, args ...string) {
	t.Helper()
	peerAs(t, nil, address, name, args...)
}

// peerAs does so as another user.
func peerAs(t *testing.T, as *syscall.SysProcAttr, address, name string, args ...string) {
	t.Helper()
	path, err := exec.LookPath(name)
	for _, sbin := range []string{"/usr/sbin/", "/usr/local/sbin/"} {
		if err != nil {
			path, err = exec.LookPath(sbin + name)
		}
	}
	if err != nil {
		if os.Getenv("UPTALLY_REQUIRE_PEERS") == "" {
			t.Skipf("%s is not installed; set UPTALLY_REQUIRE_PEERS to make this a failure", name)
		}
		t.Fatal(err)
	}
	var log strings.Builder
	cmd := exec.Command(path, args...)
	cmd.Stderr, cmd.Stdout, cmd.SysProcAttr = &log, &log, as
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s: %s", name, log.String())
		}
	})
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for range 1000 {
		if c, err := net.Dial("tcp", address); err == nil {
			_ = c.Close()
			return
		}
		<-again.C
	}
	t.Fatalf("%s does not listen at %s", name, address)
}

// site is the addresses of one nginx.
type site struct{ plain, good, expired, early, other, two, modern, mutual string }

func startNginx(t *testing.T, certs string) site {
	t.Helper()
	dir := t.TempDir()
	free := func() string { return refusedAddress(t) }
	s := site{plain: free(), good: free(), expired: free(), early: free(), other: free(), two: free(), modern: free(), mutual: free()}
	silent := listenTCP(t, silence)
	secure := ""
	for name, address := range map[string]string{"good": s.good, "expired": s.expired, "early": s.early, "other": s.other} {
		secure += fmt.Sprintf("server { listen %s ssl; ssl_protocols TLSv1.2; ssl_certificate %s/%s.pem; ssl_certificate_key %s/%s.key; location / { return 200 'ok'; } }\n", address, certs, name, certs, name)
	}
	for _, more := range []struct{ address, how, settings string }{
		{s.two, "ssl http2", "ssl_protocols TLSv1.2 TLSv1.3;"}, {s.modern, "ssl", "ssl_protocols TLSv1.3;"},
		{s.mutual, "ssl http2", "ssl_verify_client on; ssl_client_certificate " + certs + "/ca.pem;"},
	} {
		secure += fmt.Sprintf(`server { listen %s %s; %s root %s; ssl_certificate %s/good.pem; ssl_certificate_key %s/good.key;
  location = /ok { return 200 '{"status":"ok","nodes":[{"up":true},{"up":true}]}'; }
  location = /broken { return 503 'broken'; }
  location = /plain { return 302 http://%s/ok; } }
`, more.address, more.how, more.settings, dir, certs, certs, s.plain)
	}
	conf := fmt.Sprintf(`daemon off; master_process off; pid %[1]s/pid; error_log stderr warn;
events {}
http {
  access_log off; gzip on; gzip_types *; default_type text/plain;
  client_body_temp_path %[1]s/a; proxy_temp_path %[1]s/b; fastcgi_temp_path %[1]s/c; uwsgi_temp_path %[1]s/d; scgi_temp_path %[1]s/e;
  server {
    listen %[2]s; root %[1]s;
    location = /ok { return 200 '{"status":"ok"}'; }
    location = /broken { return 503 'broken'; }
    location = /moved { return 301 /ok; }
    location = /away { return 302 http://elsewhere.test/; }
    location = /circle { return 302 /circle; }
    location = /hangs { proxy_pass http://%[3]s; }
  }
  %[4]s
}
`, dir, s.plain, silent, secure)
	writeFile(t, filepath.Join(dir, "nginx.conf"), conf)
	writeFile(t, filepath.Join(dir, "large.txt"), strings.Repeat("x", 100_000))
	peer(t, s.plain, "nginx", "-c", filepath.Join(dir, "nginx.conf"), "-p", dir, "-e", "stderr")
	return s
}

func startKnot(t *testing.T) string {
	t.Helper()
	dir, address := t.TempDir(), refusedAddress(t)
	host, port, _ := net.SplitHostPort(address)
	writeFile(t, filepath.Join(dir, "knot.conf"), fmt.Sprintf(`
server:
    rundir: %[1]q
    listen: %[2]s@%[3]s
database:
    storage: %[1]q
log:
  - target: stderr
    any: warning
template:
  - id: default
    storage: %[1]q
    file: "%%s.zone"
zone:
  - domain: example.test
  - domain: broken.test
`, dir, host, port))
	long := strings.Repeat("long.example.test. 60 IN TXT \""+strings.Repeat("y", 200)+"%d\"\n", 10)
	writeFile(t, filepath.Join(dir, "example.test.zone"), `
$ORIGIN example.test.
$TTL 60
@ SOA ns hostmaster 1 3600 600 86400 60
@ NS ns
ns A 127.0.0.1
@ MX 10 mail
@ TXT "v=spf1 " "-all"
portal A 192.0.2.10
portal A 192.0.2.11
www CNAME portal
local A 127.0.0.1
`+fmt.Sprintf(long, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9))
	peer(t, address, "knotd", "-c", filepath.Join(dir, "knot.conf"))
	return address
}

func writeFile(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
