package probes

import (
	"bytes"
	"compress/gzip"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/uptally/uptally"
)

func gzipped(t testing.TB, text string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := io.WriteString(z, text); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestResponses: what the server writes after the request, to the byte, and the one reason it leads to.
func TestResponses(t *testing.T) {
	zip := func(text string) string {
		body := gzipped(t, text)
		return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	}
	long := strings.Repeat("x", 1<<20)
	for _, tt := range []struct {
		story, text string
		want        uptally.Reason
		detail      string
	}{
		{"plain", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", uptally.OK, ""},
		{"HTTP/1.0, ended by closing", "HTTP/1.0 200 OK\r\n\r\nok", uptally.OK, ""},
		{"chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", uptally.OK, ""},
		{"no content", "HTTP/1.1 204 No Content\r\n\r\n", uptally.OK, ""},
		{"early hints, then the response", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", uptally.OK, ""},
		{"early hints without end", strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 10), uptally.ResponseMalformed, "got 5 informational responses, want a final one"},
		{"compressed", zip("ok"), uptally.OK, ""},
		{"said to be compressed, and empty", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 0\r\n\r\n", uptally.OK, ""},
		{"said to be compressed, and is not", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 20\r\n\r\nnot compressed at all", uptally.ResponseMalformed, "gzip: invalid header"},
		{"a bomb: 1 MiB and one byte out of a kilobyte", zip(long + "x"), uptally.BodyTooLarge, "got a body above 1048576 bytes"},
		{"exactly 1 MiB", zip(long), uptally.OK, ""},
		{"announced above the limit", "HTTP/1.1 200 OK\r\nContent-Length: 1048577\r\n\r\n", uptally.BodyTooLarge, "got a body of 1048577 bytes, want at most 1048576"},
		{"cut in the body", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nok", uptally.BodyTruncated, "connection closed by the other side"},
		{"cut in a chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nok", uptally.BodyTruncated, "connection closed by the other side"},
		{"cut in the header", "HTTP/1.1 200 OK\r\nContent-", uptally.ConnectionClosed, "connection closed by the other side"},
		{"closed without a word", "", uptally.ConnectionClosed, "connection closed by the other side"},
		{"another protocol", "SSH-2.0-OpenSSH_9.2\r\n", uptally.ResponseMalformed, ""},
		{"headers without end", "HTTP/1.1 200 OK\r\n" + strings.Repeat("X: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n", 1400), uptally.ResponseMalformed, "got a header above 65536 bytes"},
		{"one header line without end", "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("y", 70_000), uptally.ResponseMalformed, "got a header above 65536 bytes"},
		{"an error page", "HTTP/1.1 500 \x1b[31mred\x1b[0m\r\nContent-Length: 0\r\n\r\n", uptally.Status, "got 500 Internal Server Error, want 2xx"},
		{"a redirect without a place", "HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n", uptally.Status, "got 302 Found, want 2xx"},
		{"a redirect to a file", "HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n", uptally.Redirect, "got a redirect to file:///etc/passwd, want an http or https URL, such as https://portal.example.com/health"},
		{"a redirect to gopher", "HTTP/1.1 302 Found\r\nLocation: gopher://127.0.0.1/\r\nContent-Length: 0\r\n\r\n", uptally.Redirect, "got a redirect to gopher://127.0.0.1/, want an http or https URL, such as https://portal.example.com/health"},
	} {
		t.Run(tt.story, func(t *testing.T) {
			o := observe(t, &Settings{HTTP: &HTTP{URL: "http://" + listenTCP(t, afterRequest(tt.text))}}, "", generous)
			want(t, o, tt.want)
			if tt.detail != "" && o.Detail != tt.detail {
				t.Errorf("got detail %q, want %q", o.Detail, tt.detail)
			}
		})
	}
}

// TestHTTPStalls: where the deadline runs out decides the reason.
func TestHTTPStalls(t *testing.T) {
	stall := func(text string) func(net.Conn) {
		return func(c net.Conn) { _, _ = io.WriteString(c, text); silence(c) }
	}
	for _, tt := range []struct {
		story, scheme string
		handle        func(net.Conn)
		want          uptally.Reason
	}{
		{"in the handshake", "https", silence, uptally.TLSTimeout},
		{"before the first byte", "http", silence, uptally.ResponseTimeout},
		{"in the header", "http", stall("HTTP/1.1 200 OK\r\nX: "), uptally.ResponseTimeout},
		{"in the body", "http", stall("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok"), uptally.BodyTimeout},
		{"reset at once", "http", func(c net.Conn) { _, _ = c.Read(make([]byte, 1)); reset(c) }, uptally.ConnectReset},
		{"reset in the handshake", "https", func(c net.Conn) { _, _ = c.Read(make([]byte, 1)); reset(c) }, uptally.ConnectReset},
		{"closed in the handshake", "https", func(c net.Conn) { _, _ = c.Read(make([]byte, 4096)) }, uptally.TLSHandshake},
		{"an alert: no common version", "https", func(c net.Conn) {
			_, _ = c.Read(make([]byte, 4096))
			_, _ = c.Write([]byte{21, 3, 1, 0, 2, 2, 70})
		}, uptally.TLSVersion},
		{"an alert: handshake failure", "https", func(c net.Conn) {
			_, _ = c.Read(make([]byte, 4096))
			_, _ = c.Write([]byte{21, 3, 1, 0, 2, 2, 40})
		}, uptally.TLSHandshake},
	} {
		t.Run(tt.story, func(t *testing.T) {
			within := generous
			if strings.HasSuffix(tt.want.String(), "timeout") {
				within = brief
			}
			want(t, observe(t, &Settings{HTTP: &HTTP{URL: tt.scheme + "://" + listenTCP(t, tt.handle)}}, "", within), tt.want)
		})
	}
}

// TestWriteFails: a payload larger than what the kernel keeps, to a server that hangs up.
func TestWriteFails(t *testing.T) {
	address := listenTCP(t, func(c net.Conn) { _, _ = c.Read(make([]byte, 1)); reset(c) })
	s := &Settings{HTTP: &HTTP{URL: "http://" + address, Method: "POST", Payload: strings.Repeat("x", 16<<20)}}
	want(t, observe(t, s, "", generous), uptally.WriteFailed)
}

// TestSecretsStayAtTheOrigin follows a → b → b′ and a → a: no secret reaches b, the other port, or plain HTTP, and none
// comes back once it was lost.
func TestSecretsStayAtTheOrigin(t *testing.T) {
	t.Setenv("UPTALLY_TEST_TOKEN", "canary-token")
	t.Setenv("UPTALLY_TEST_KEY", "canary-key")
	var seen []string
	record := func(name string, next *string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			seen = append(seen, fmt.Sprintf("%s %s auth=%q key=%q host=%v cert=%v accept=%q", name, req.URL.Path, req.Header.Get("Authorization"),
				req.Header.Get("X-Key"), req.Host == "portal.test", req.TLS != nil && len(req.TLS.PeerCertificates) > 0, req.Header.Get("Accept")))
			switch to := *next; {
			case req.URL.Path == "/end":
			case req.URL.Path == "/start":
				http.Redirect(w, req, "/again", http.StatusFound)
			case to != "":
				http.Redirect(w, req, to, http.StatusTemporaryRedirect)
			}
		})
	}
	ca := newAuthority(t)
	cert := ca.issue("good", "127.0.0.1.test", -time.Hour, time.Hour)
	var afterA, afterB string
	a := httptest.NewUnstartedServer(record("a", &afterA))
	a.TLS = &tls.Config{Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequestClientCert}
	a.StartTLS()
	defer a.Close()
	b := httptest.NewServer(record("b", &afterB))
	defer b.Close()
	afterA = b.URL + "/b"
	afterB = a.URL + "/end"
	o := observe(t, &Settings{HTTP: &HTTP{
		URL: a.URL + "/start", Host: "portal.test", Bearer: &Secret{Env: "UPTALLY_TEST_TOKEN"},
		Headers: []Header{{Name: "X-Key", Secret: &Secret{Env: "UPTALLY_TEST_KEY"}}, {Name: "Accept", Value: "text/plain"}},
		TLS:     &TLS{SkipVerify: true, CertFile: "good.pem", KeyFile: "good.key"},
	}}, ca.dir, generous)
	want(t, o, uptally.OK)
	a.Close() // their handlers are done
	b.Close()
	got := strings.Join(seen, "\n")
	expected := `a /start auth="Bearer canary-token" key="canary-key" host=true cert=true accept="text/plain"
a /again auth="Bearer canary-token" key="canary-key" host=true cert=true accept="text/plain"
b /b auth="" key="" host=false cert=false accept="text/plain"
a /end auth="" key="" host=false cert=false accept="text/plain"`
	if got != expected {
		t.Errorf("got\n%s\nwant\n%s", got, expected)
	}
	shown := fmt.Sprintf("%+v", o)
	if strings.Contains(shown, "canary") {
		t.Errorf("got a secret in %s", shown)
	}
}

// TestTargetThatRepeatsSecrets: a target that answers with what it was sent puts nothing into detail or facts.
func TestTargetThatRepeatsSecrets(t *testing.T) {
	t.Setenv("UPTALLY_TEST_TOKEN", `can"ary`)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		http.Redirect(w, req, "ftp://"+strings.ReplaceAll(req.Header.Get("X-Key"), `"`, "%22")+"/", http.StatusFound)
	}))
	defer server.Close()
	o := observe(t, &Settings{HTTP: &HTTP{URL: server.URL, Headers: []Header{{Name: "X-Key", Secret: &Secret{Env: "UPTALLY_TEST_TOKEN"}}}}}, "", generous)
	want(t, o, uptally.Redirect)
	if strings.Contains(fmt.Sprintf("%+v", o), "ary") {
		t.Errorf("got a secret in %+v", o)
	}
}

// TestRequest: what is sent, to the byte.
func TestRequest(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	t.Setenv("http_proxy", "http://127.0.0.1:1")
	t.Setenv("UPTALLY_TEST_PASSWORD", "pass")
	got := make(chan string, 1)
	address := listenTCP(t, func(c net.Conn) {
		buf := make([]byte, 4096)
		n, _ := c.Read(buf)
		got <- string(buf[:n])
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	})
	o := observe(t, &Settings{HTTP: &HTTP{
		URL: "http://" + address + "/path?q=1#part", Method: "POST", Host: "portal.test", Payload: `{"a":1}`,
		Basic:   &Basic{User: "user", Password: &Secret{Env: "UPTALLY_TEST_PASSWORD"}},
		Headers: []Header{{Name: "x-two", Value: "1"}, {Name: "X-Two", Value: "2"}},
	}}, "", generous)
	want(t, o, uptally.OK)
	expected := "POST /path?q=1 HTTP/1.1\r\nHost: portal.test\r\nUser-Agent: uptally\r\nConnection: close\r\nContent-Length: 7\r\n" +
		"Accept-Encoding: gzip\r\nAuthorization: Basic dXNlcjpwYXNz\r\nX-Two: 1\r\nX-Two: 2\r\n\r\n{\"a\":1}"
	if sent := <-got; sent != expected {
		t.Errorf("got\n%s\nwant\n%s", sent, expected)
	}
}

// TestCookiesLiveForOneProbe: set by the first response, shown to the next, forgotten by the next probe.
func TestCookiesLiveForOneProbe(t *testing.T) {
	var seen []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		seen = append(seen, req.URL.Path+" "+req.Header.Get("Cookie"))
		if req.URL.Path == "/" {
			http.SetCookie(w, &http.Cookie{Name: "s", Value: "1"})
			http.Redirect(w, req, "/in", http.StatusSeeOther)
		}
	}))
	defer server.Close()
	s := &Settings{HTTP: &HTTP{URL: server.URL}}
	want(t, observe(t, s, "", generous), uptally.OK)
	want(t, observe(t, s, "", generous), uptally.OK)
	server.Close() // its handlers are done
	if got := strings.Join(seen, ","); got != "/ ,/in s=1,/ ,/in s=1" {
		t.Errorf("got %q", got)
	}
}

// TestRedirectMethods: 303 and friends become GET without payload, 307 repeats both; ten redirects are followed.
func TestRedirectMethods(t *testing.T) {
	for _, tt := range []struct {
		status int
		method string
		want   string
	}{
		{301, "POST", "GET "}, {302, "POST", "GET "}, {303, "PUT", "GET "}, {307, "POST", "POST pay"}, {308, "PUT", "PUT pay"}, {302, "HEAD", "HEAD "},
	} {
		var last string
		n := 0
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if n++; n <= maxRedirects {
				http.Redirect(w, req, "/", tt.status)
				return
			}
			body, _ := io.ReadAll(req.Body)
			last = req.Method + " " + string(body)
		}))
		payload := "pay"
		if tt.method == "HEAD" {
			payload = ""
		}
		want(t, observe(t, &Settings{HTTP: &HTTP{URL: server.URL, Method: tt.method, Payload: payload}}, "", generous), uptally.OK)
		server.Close() // its handlers are done
		if last != tt.want {
			t.Errorf("%d after %s: got %q, want %q", tt.status, tt.method, last, tt.want)
		}
	}
}

// TestChainExpiry: the earliest end of the whole chain is reported, also of a success and of a refusal.
func TestChainExpiry(t *testing.T) {
	ca := newAuthority(t)
	for _, tt := range []struct {
		story string
		until time.Duration
		want  uptally.Reason
	}{
		{"the leaf ends first", 50 * time.Hour, uptally.OK},
		{"the root ends first", 2000 * time.Hour, uptally.OK},
		{"expired", -time.Hour, uptally.CertExpired},
	} {
		t.Run(tt.story, func(t *testing.T) {
			cert := ca.issue("leaf", "portal.test", -100*time.Hour, tt.until)
			leaf, err := x509.ParseCertificate(cert.Certificate[0])
			if err != nil {
				t.Fatal(err)
			}
			end := leaf.NotAfter
			if ca.cert.NotAfter.Before(end) {
				end = ca.cert.NotAfter
			}
			address := listenTLS(t, &tls.Config{Certificates: []tls.Certificate{cert}}, silence)
			o := observe(t, &Settings{TCP: &TCP{Address: address, TLS: &TLS{CAFile: filepath.Join(ca.dir, "ca.pem"), ServerName: "portal.test"}}}, "", generous)
			want(t, o, tt.want)
			if !o.CertExpiry.Equal(end) {
				t.Errorf("got %v, want %v", o.CertExpiry, end)
			}
		})
	}
}

// TestPhases: each part of an exchange, in order.
func TestPhases(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	o := observe(t, &Settings{HTTP: &HTTP{URL: server.URL, TLS: &TLS{SkipVerify: true}}}, "", generous)
	var names []string
	var sum time.Duration
	for _, p := range o.Phases {
		names = append(names, p.Name)
		sum += p.D
	}
	if got := strings.Join(names, " "); got != "connect tls write first_byte body" {
		t.Errorf("got phases %q", got)
	}
	if sum > o.RTT {
		t.Errorf("got phases of %v in %v", sum, o.RTT)
	}
}
