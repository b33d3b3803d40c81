package probes

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/uptally/uptally"
)

// overheard passes bytes on to a handler and keeps what the client said first.
func overheard(heard chan<- string, handle func(net.Conn)) func(net.Conn) {
	return func(c net.Conn) {
		buf := make([]byte, 8192)
		n, _ := c.Read(buf)
		heard <- string(buf[:n])
		handle(&replay{c, buf[:n]})
	}
}

// replay is a connection whose first bytes were read already.
type replay struct {
	net.Conn
	first []byte
}

func (r *replay) Read(b []byte) (int, error) {
	if len(r.first) > 0 {
		n := copy(b, r.first)
		r.first = r.first[n:]
		return n, nil
	}
	return r.Conn.Read(b)
}

// TestProxySeesItsOwnSecretsOnly: the proxy is sent its login and the headers of CONNECT, the target its own, in every way of
// going through.
func TestProxySeesItsOwnSecretsOnly(t *testing.T) {
	t.Setenv("UPTALLY_TEST_PASSWORD", "canary-proxy")
	t.Setenv("UPTALLY_TEST_TOKEN", "canary-token")
	t.Setenv("HTTP_PROXY", "http://"+refusedAddress(t))
	login := "Basic " + base64.StdEncoding.EncodeToString([]byte("user:canary-proxy"))
	ca := newAuthority(t)
	cert := ca.issue("good", "portal.test", -time.Hour, time.Hour)
	for _, tt := range []struct {
		story, scheme, resolve string
		proxy                  func(net.Conn)
		socks                  bool
		sent                   string // what the proxy hears first, HOST being the target's address
		absolute               bool   // the proxy hears what the target is told
	}{
		{story: "plain HTTP", scheme: "http", proxy: forwardFor(login), absolute: true,
			sent: "GET http://HOST/path HTTP/1.1\r\nHost: HOST\r\nUser-Agent: uptally\r\nConnection: close\r\nAccept-Encoding: gzip\r\nAuthorization: Bearer canary-token\r\nProxy-Authorization: " + login + "\r\n\r\n"},
		{story: "a tunnel", scheme: "https", proxy: forwardFor(login),
			sent: "CONNECT HOST HTTP/1.1\r\nHost: HOST\r\nUser-Agent: uptally\r\nProxy-Authorization: " + login + "\r\nX-Way: out\r\n\r\n"},
		{story: "plain HTTP, resolved by the agent", scheme: "http", resolve: "agent", proxy: forwardFor(login),
			sent: "CONNECT HOST HTTP/1.1\r\nHost: HOST\r\nUser-Agent: uptally\r\nProxy-Authorization: " + login + "\r\nX-Way: out\r\n\r\n"},
		{story: "SOCKS", scheme: "http", socks: true, proxy: socksServer(0, "user", "canary-proxy"), sent: "\x05\x02\x00\x02"},
	} {
		t.Run(tt.story, func(t *testing.T) {
			toTarget, toProxy := make(chan string, 1), make(chan string, 1)
			target := overheard(toTarget, afterRequest(ok200("ok")))
			h := &HTTP{Bearer: &Secret{Env: "UPTALLY_TEST_TOKEN"}}
			var address string
			if tt.scheme == "https" {
				address = listenTLS(t, &tls.Config{Certificates: []tls.Certificate{cert}}, target)
				h.TLS = &TLS{CAFile: "ca.pem", ServerName: "portal.test"}
			} else {
				address = listenTCP(t, target)
			}
			h.URL = tt.scheme + "://" + address + "/path"
			h.Proxy = &Proxy{URL: "http://" + listenTCP(t, overheard(toProxy, tt.proxy)), User: "user", Password: &Secret{Env: "UPTALLY_TEST_PASSWORD"},
				Resolve: tt.resolve, ConnectHeaders: []Header{{Name: "X-Way", Value: "out"}}}
			if tt.socks {
				h.Proxy.URL = strings.Replace(h.Proxy.URL, "http", "socks5", 1)
			}
			o := observe(t, &Settings{HTTP: h}, ca.dir, generous)
			want(t, o, uptally.OK)
			if got, expected := <-toProxy, strings.ReplaceAll(tt.sent, "HOST", address); got != expected {
				t.Errorf("the proxy heard %q, want %q", got, expected)
			}
			got := <-toTarget
			if !strings.Contains(got, "Authorization: Bearer canary-token\r\n") || strings.Contains(got, "Proxy-Authorization") || strings.Contains(got, "X-Way") {
				t.Errorf("the target heard %q", got)
			}
			if shown := fmt.Sprintf("%+v", o); strings.Contains(shown, "canary") || !strings.Contains(shown, "proxy") {
				t.Errorf("got %s", shown)
			}
		})
	}
}

// TestProxyThatRepeatsSecrets: what a proxy says of the login it was sent is not shown, and nobody else is sent it.
func TestProxyThatRepeatsSecrets(t *testing.T) {
	t.Setenv("UPTALLY_TEST_PASSWORD", "canary")
	careless := func(c net.Conn) {
		req, err := http.ReadRequest(bufio.NewReader(c))
		if err != nil {
			return
		}
		login := req.Header.Get("Proxy-Authorization")
		plain, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(login, "Basic "))
		text := login + " " + string(plain)
		_, _ = fmt.Fprintf(c, "HTTP/1.1 500 %s\r\nX: %s\r\nContent-Length: %d\r\n\r\n%s", text, text, len(text), text)
	}
	for _, u := range []string{"http://a.test/", "https://a.test/"} {
		o := observe(t, &Settings{HTTP: &HTTP{URL: u, Proxy: &Proxy{URL: "http://" + listenTCP(t, careless), User: "user", Password: &Secret{Env: "UPTALLY_TEST_PASSWORD"}}}}, "", generous)
		shown := fmt.Sprintf("%+v", o)
		if o.Reason == uptally.OK || strings.Contains(shown, "canary") || strings.Contains(shown, base64.StdEncoding.EncodeToString([]byte("user:canary"))) {
			t.Errorf("%s: got %s", u, shown)
		}
	}
}

// TestProxyOverTLS: the proxy's certificate is verified, and neither its expiry nor its pins are the target's.
func TestProxyOverTLS(t *testing.T) {
	ca := newAuthority(t)
	mine := ca.issue("proxy", "proxy.test", -time.Hour, time.Hour)
	target := ca.issue("target", "portal.test", -time.Hour, 50*time.Hour)
	address := listenTLS(t, &tls.Config{Certificates: []tls.Certificate{target}}, afterRequest(ok200("ok")))
	proxy := listenTLS(t, &tls.Config{Certificates: []tls.Certificate{mine}}, forward)
	_, port, _ := net.SplitHostPort(proxy)
	h := &HTTP{
		URL: "https://" + address, TLS: &TLS{CAFile: "ca.pem", ServerName: "portal.test", ExpiresWithin: 2 * uptally.Hour},
		Proxy: &Proxy{URL: "https://proxy.test:" + port}, Reach: Reach{Resolve: map[string]string{"proxy.test": "127.0.0.1"}},
	}
	o := observe(t, &Settings{HTTP: h}, ca.dir, generous)
	want(t, o, uptally.OK)
	if left := time.Until(o.CertExpiry); left < 40*time.Hour {
		t.Errorf("got the expiry of the proxy, %v", o.CertExpiry)
	}
	var names []string
	for _, p := range o.Phases {
		names = append(names, p.Name)
	}
	if got := strings.Join(names, " "); got != "connect proxy tls write first_byte body" {
		t.Errorf("got phases %q", got)
	}
	h.Proxy.URL = "https://other.test:" + port
	h.Resolve["other.test"] = "127.0.0.1"
	o = observe(t, &Settings{HTTP: h}, ca.dir, generous)
	want(t, o, uptally.ProxyFailed)
	if !strings.HasPrefix(o.Detail, "proxy: cert_name: ") || o.FailedIn != "proxy" || !o.CertExpiry.IsZero() {
		t.Errorf("got %q in %q, expiry %v", o.Detail, o.FailedIn, o.CertExpiry)
	}
}

// TestWhoResolves: a name that only the proxy knows, and one that only the agent knows.
func TestWhoResolves(t *testing.T) {
	heard := make(chan string, 2)
	proxy := listenTCP(t, overheard(heard, afterRequest(ok200("ok"))))
	h := &HTTP{URL: "http://inside.test/", Proxy: &Proxy{URL: "http://" + proxy}}
	want(t, observe(t, &Settings{HTTP: h}, "", generous), uptally.OK)
	if got := <-heard; !strings.HasPrefix(got, "GET http://inside.test/ HTTP/1.1\r\n") {
		t.Errorf("got %q", got)
	}
	h.Proxy.Resolve = "agent"
	h.Resolve = map[string]string{"inside.test": "192.0.2.7"}
	h.Deny = []string{"192.0.2.0/24"}
	o := observe(t, &Settings{HTTP: h}, "", generous)
	want(t, o, uptally.NotPermitted)
	h.Deny = nil
	observe(t, &Settings{HTTP: h}, "", generous)
	if got := <-heard; !strings.HasPrefix(got, "CONNECT 192.0.2.7:80 HTTP/1.1\r\n") {
		t.Errorf("got %q", got)
	}
}

// TestProxyOfTheEnvironment: asked for, it is the environment as it was at the start; not asked for, it is nothing.
func TestProxyOfTheEnvironment(t *testing.T) {
	proxy := listenTCP(t, forwardFor("Basic "+base64.StdEncoding.EncodeToString([]byte("user:canary"))))
	t.Setenv("HTTP_PROXY", "http://user:canary@"+proxy)
	t.Setenv("http_proxy", "http://user:canary@"+proxy)
	t.Setenv("NO_PROXY", "outside.test")
	t.Setenv("no_proxy", "outside.test")
	target := listenTCP(t, afterRequest(ok200("ok")))
	_, port, _ := net.SplitHostPort(target)
	through := func(u string) *Settings {
		return &Settings{HTTP: &HTTP{URL: u, Proxy: &Proxy{Environment: true}, Reach: Reach{Resolve: map[string]string{"outside.test": "127.0.0.1"}}}}
	}
	o := observe(t, through("http://localhost:"+port), "", generous) // never through a proxy of the environment
	want(t, o, uptally.OK)
	o = observe(t, through("http://outside.test:"+port), "", generous)
	want(t, o, uptally.OK)
	o = observe(t, through("http://nowhere.invalid:"+port), "", generous)
	want(t, o, uptally.Status)
	if o.Detail != "got 502 Bad Gateway, want 2xx" || strings.Contains(fmt.Sprintf("%+v", o), "canary") {
		t.Errorf("got %+v", o)
	}
}

func TestExemptions(t *testing.T) {
	for _, tt := range []struct {
		entry    string
		exempt   string
		prefixed string // separated by blanks, like exempt: URLs that are not
	}{
		{"example.test", "http://example.test http://a.example.test https://A.B.Example.Test:8443", "http://badexample.test http://test"},
		{".example.test", "http://a.example.test", "http://example.test"},
		{"*.example.test", "http://a.example.test", "http://example.test"},
		{"example.test:8080", "http://example.test:8080", "http://example.test https://example.test"},
		{"10.0.0.0/8", "http://10.1.2.3", "http://11.1.2.3 http://ten.test"},
		{"192.0.2.1", "http://192.0.2.1 http://192.0.2.1:81", "http://192.0.2.2"},
		{"[2001:db8::1]:443", "https://[2001:db8::1]", "http://[2001:db8::1] https://[2001:db8::2]"},
		{"2001:db8::1", "https://[2001:db8::1] http://[2001:db8::1]:81", "https://[2001:db8::2]"},
		{"*", "http://a.test http://192.0.2.1", ""},
	} {
		e, ok := parseExemption(tt.entry)
		if !ok {
			t.Errorf("%q: not read", tt.entry)
		}
		for list, expected := range map[string]bool{tt.exempt: true, tt.prefixed: false} {
			for _, text := range strings.Fields(list) {
				u, err := url.Parse(text)
				if err != nil {
					t.Fatal(err)
				}
				if got := e.covers(hostKey(u.Hostname()), portOf(u)); got != expected {
					t.Errorf("%q and %s: got %v", tt.entry, text, got)
				}
			}
		}
	}
	for _, text := range []string{"", "a b", "http://a.test", ".", "10.0.0.0/99"} {
		if e, ok := parseExemption(text); ok {
			t.Errorf("%q: got %+v", text, e)
		}
	}
}

// TestProxySpeaksTooEarly: bytes after the consent would be read as the target's.
func TestProxySpeaksTooEarly(t *testing.T) {
	proxy := listenTCP(t, func(c net.Conn) {
		readRequest(c)
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n"+ok200("ok"))
		silence(c)
	})
	o := observe(t, &Settings{HTTP: &HTTP{URL: "http://192.0.2.1/", Proxy: &Proxy{URL: "http://" + proxy, Resolve: "agent"}}}, "", generous)
	want(t, o, uptally.ProxyFailed)
	if o.Detail != "proxy: response_malformed: got bytes after the answer to CONNECT" {
		t.Errorf("got %q", o.Detail)
	}
}
