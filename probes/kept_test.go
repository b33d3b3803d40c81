package probes

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/uptally/uptally"
)

// counting counts the connections of a server.
func counting(s *httptest.Server) *atomic.Int64 {
	n := new(atomic.Int64)
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			n.Add(1)
		}
	}
	return n
}

func isReused(o Observation) bool {
	for _, f := range o.Facts {
		if f.Key == "connection" && f.Value == "reused" {
			return true
		}
	}
	return false
}

// TestReuse: the second probe and all later ones go over the connection of the first, over each version of HTTP.
func TestReuse(t *testing.T) {
	hello := http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		_, _ = w.Write(append([]byte("hello "), body...))
	})
	for _, tt := range []struct {
		story, two, phases string
		start              func(*httptest.Server)
	}{
		{"plain", "", "write first_byte body", (*httptest.Server).Start},
		{"TLS", "", "write first_byte body", (*httptest.Server).StartTLS},
		{"HTTP/2", "require", "write first_byte body", func(s *httptest.Server) { s.EnableHTTP2 = true; s.StartTLS() }},
	} {
		t.Run(tt.story, func(t *testing.T) {
			server := httptest.NewUnstartedServer(hello)
			n := counting(server)
			tt.start(server)
			defer server.Close()
			e := NewEngine()
			h := &HTTP{URL: server.URL, Method: "PUT", Payload: "payload", Body: "hello payload", HTTP2: tt.two, Reuse: true, TLS: &TLS{SkipVerify: true}}
			p, err := e.Prepare(&Settings{HTTP: h}, "")
			if err != nil {
				t.Fatal(err)
			}
			first := probeWith(t, p)
			want(t, first, uptally.OK)
			for range 5 {
				o := probeWith(t, p)
				want(t, o, uptally.OK)
				if !isReused(o) || phaseNames(o) != tt.phases || !o.CertExpiry.Equal(first.CertExpiry) {
					t.Errorf("got phases %q and facts %v", phaseNames(o), o.Facts)
				}
			}
			if isReused(first) || n.Load() != 1 {
				t.Errorf("got %d connections", n.Load())
			}
			if err := e.Close(); err != nil || len(e.keeper.idle) != 0 {
				t.Errorf("got %v and %d kept", err, len(e.keeper.idle))
			}
			want(t, probeWith(t, p), uptally.OK)
			if len(e.keeper.idle) != 0 {
				t.Error("a closed engine keeps a connection")
			}
		})
	}
}

func phaseNames(o Observation) string {
	var names []string
	for _, p := range o.Phases {
		names = append(names, p.Name)
	}
	return strings.Join(names, " ")
}

// TestReuseOfWhatTheServerClosed: a kept connection that is gone is no failure, and what is seen is the new one's.
func TestReuseOfWhatTheServerClosed(t *testing.T) {
	once := func(c net.Conn) { // one request, then the connection is closed without saying so
		if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
			_, _ = io.WriteString(c, ok200("ok"))
		}
	}
	thenResets := func(c net.Conn) {
		once(c)
		buf := make([]byte, 1)
		_, _ = c.Read(buf)
		reset(c)
	}
	for story, serve := range map[string]func(net.Conn){"closed": once, "reset at the next request": thenResets} {
		p := prepared(t, &Settings{HTTP: &HTTP{URL: "http://" + listenTCP(t, serve), Reuse: true}}, "")
		for range 3 {
			o := probeWith(t, p)
			want(t, o, uptally.OK)
			if isReused(o) || phaseNames(o) != "connect write first_byte body" {
				t.Errorf("%s: got %q %v", story, phaseNames(o), o.Facts)
			}
		}
	}
}

// TestReuseAfterGoodbye: a server that closes its kept connections in its own good order, by close_notify and GOAWAY.
func TestReuseAfterGoodbye(t *testing.T) {
	for _, two := range []string{"off", "require"} {
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		server.EnableHTTP2 = two == "require"
		server.StartTLS()
		defer server.Close()
		p := prepared(t, &Settings{HTTP: &HTTP{URL: server.URL, HTTP2: two, Reuse: true, TLS: &TLS{SkipVerify: true}}}, "")
		for range 3 {
			o := probeWith(t, p)
			want(t, o, uptally.OK)
			if isReused(o) {
				t.Errorf("http2 %s: got %v", two, o.Facts)
			}
			server.CloseClientConnections()
		}
	}
}

// TestReuseHidesNoFailure: what fails after the first byte of an answer, or by the deadline, stands.
func TestReuseHidesNoFailure(t *testing.T) {
	second := func(then func(net.Conn)) func(net.Conn) {
		return func(c net.Conn) {
			buf := bufio.NewReader(c)
			if _, err := http.ReadRequest(buf); err != nil {
				return
			}
			_, _ = io.WriteString(c, ok200("ok"))
			if _, err := http.ReadRequest(buf); err == nil {
				then(c)
			}
		}
	}
	for _, tt := range []struct {
		then func(net.Conn)
		want uptally.Reason
	}{
		{func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n") }, uptally.ConnectionClosed},
		{func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n") }, uptally.Status},
		{silence, uptally.ResponseTimeout},
	} {
		p := prepared(t, &Settings{HTTP: &HTTP{URL: "http://" + listenTCP(t, second(tt.then)), Reuse: true}}, "")
		want(t, probeWith(t, p), uptally.OK)
		ctx, cancel := context.WithTimeout(t.Context(), brief)
		o := p.Probe(ctx)
		cancel()
		want(t, o, tt.want)
	}
}

// TestNotKept: a connection that is in doubt is closed.
func TestNotKept(t *testing.T) {
	for story, text := range map[string]string{
		"the server says so":     "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
		"HTTP/1.0":               "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
		"bytes after the answer": ok200("ok") + "more",
		"ended by closing":       "HTTP/1.1 200 OK\r\n\r\nok",
		"a redirect":             "HTTP/1.1 302 Found\r\nLocation: http://192.0.2.1:1/\r\nContent-Length: 0\r\n\r\n",
		"too large":              "HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n",
	} {
		e := NewEngine()
		p, err := e.Prepare(&Settings{HTTP: &HTTP{URL: "http://" + listenTCP(t, afterRequest(text)), Reuse: true, Redirects: "same_host"}}, "")
		if err != nil {
			t.Fatal(err)
		}
		probeWith(t, p)
		if len(e.keeper.idle) != 0 {
			t.Errorf("%s: kept", story)
		}
	}
}

// TestReuseVerifies: a connection whose certificate would be refused by now is not used again.
func TestReuseVerifies(t *testing.T) {
	now := time.Now()
	for _, tt := range []struct {
		tr   trust
		left time.Duration
		want bool
	}{
		{trust{config: &tls.Config{}}, time.Hour, true},
		{trust{config: &tls.Config{}}, -time.Second, false},
		{trust{config: &tls.Config{}, within: 2 * time.Hour}, time.Hour, false},
		{trust{config: &tls.Config{InsecureSkipVerify: true}}, -time.Hour, true},
		{trust{config: &tls.Config{InsecureSkipVerify: true}, within: time.Hour}, -time.Hour, false},
	} {
		if got := tt.tr.lasts(now.Add(tt.left)); got != tt.want {
			t.Errorf("%v with %v left: got %v", tt.tr, tt.left, got)
		}
	}
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	e := NewEngine()
	p, err := e.Prepare(&Settings{HTTP: &HTTP{URL: server.URL, Reuse: true, Status: []string{"404"}, TLS: &TLS{SkipVerify: true, ExpiresWithin: uptally.Hour}}}, "")
	if err != nil {
		t.Fatal(err)
	}
	want(t, probeWith(t, p), uptally.OK)
	for _, i := range e.keeper.idle {
		i.ch.expiry = now.Add(time.Minute)
	}
	if o := probeWith(t, p); o.Reason != uptally.OK || isReused(o) {
		t.Errorf("got %v over %v", o.Reason, o.Facts)
	}
}

// TestReuseEnds: after ten minutes the name and the certificate are looked at again.
func TestReuseEnds(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	e := NewEngine()
	p, err := e.Prepare(&Settings{HTTP: &HTTP{URL: server.URL, Reuse: true}}, "")
	if err != nil {
		t.Fatal(err)
	}
	want(t, probeWith(t, p), uptally.OK)
	for _, i := range e.keeper.idle {
		i.ch.born = i.ch.born.Add(-keepAtMost)
	}
	if o := probeWith(t, p); !isReused(o) || len(e.keeper.idle) != 0 {
		t.Errorf("got %v, and %d kept", o.Facts, len(e.keeper.idle))
	}
}

// TestReuseAtOnce: probes at the same time have a connection each, and one of them is kept.
func TestReuseAtOnce(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	e := NewEngine()
	p, err := e.Prepare(&Settings{HTTP: &HTTP{URL: server.URL, Reuse: true}}, "")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for range 10 {
				if o := probeWith(t, p); o.Reason != uptally.OK {
					t.Error(o.Detail)
				}
			}
		})
	}
	all.Wait()
	if len(e.keeper.idle) != 1 {
		t.Errorf("got %d kept", len(e.keeper.idle))
	}
	_ = e.Close()
}

// TestTwoUploads: a large body goes out as the other side lets it, and an answer before its end counts.
func TestTwoUploads(t *testing.T) {
	payload := strings.Repeat("0123456789abcdef", 1<<16) // 1 MiB
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		switch req.URL.Path {
		case "/echo":
			_, _ = io.Copy(w, req.Body)
		case "/count":
			n, _ := io.Copy(io.Discard, req.Body)
			_, _ = fmt.Fprint(w, n)
		default:
			w.WriteHeader(http.StatusRequestEntityTooLarge)
		}
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	for path, tt := range map[string]struct{ status, body string }{"/count": {"200", "1048576"}, "/echo": {"200", payload[:64]}, "/no": {"413", ""}} {
		h := &HTTP{URL: server.URL + path, Method: "POST", Payload: payload, HTTP2: "require", Versions: []string{"2"}, Status: []string{tt.status}, Body: tt.body, TLS: &TLS{SkipVerify: true}}
		want(t, observe(t, &Settings{HTTP: h}, "", generous), uptally.OK)
	}
}

// TestTwoIsDemanded: who demands HTTP/2 is told when there is none, and who does not takes what there is.
func TestTwoIsDemanded(t *testing.T) {
	one := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer one.Close()
	ask := func(change func(*HTTP)) Observation {
		h := &HTTP{URL: one.URL, TLS: &TLS{SkipVerify: true}}
		change(h)
		return observe(t, &Settings{HTTP: h}, "", generous)
	}
	want(t, ask(func(h *HTTP) { h.HTTP2 = "auto" }), uptally.OK)
	o := ask(func(h *HTTP) { h.HTTP2 = "require" })
	want(t, o, uptally.Version)
	if o.Detail != "got a server that does not speak HTTP/2" {
		t.Errorf("got %q", o.Detail)
	}
	o = ask(func(h *HTTP) { h.HTTP2, h.Versions = "auto", []string{"2"} })
	want(t, o, uptally.Version)
	if o.Detail != "got HTTP/1.1, want 2" {
		t.Errorf("got %q", o.Detail)
	}
	want(t, ask(func(h *HTTP) { h.Versions = []string{"1.0", "1.1"} }), uptally.OK)
	want(t, ask(func(h *HTTP) { h.Encrypted = "required" }), uptally.OK)
	o = ask(func(h *HTTP) { h.Encrypted = "forbidden" })
	want(t, o, uptally.TLSPolicy)
	down := httptest.NewServer(http.RedirectHandler(one.URL, http.StatusFound))
	defer down.Close()
	want(t, observe(t, &Settings{HTTP: &HTTP{URL: down.URL, Encrypted: "required", TLS: &TLS{SkipVerify: true}}}, "", generous), uptally.OK)
	plain := listenTCP(t, afterRequest(ok200("ok")))
	o = observe(t, &Settings{HTTP: &HTTP{URL: "http://" + plain, Encrypted: "required"}}, "", generous)
	want(t, o, uptally.TLSPolicy)
	if o.Detail != "got a response without TLS, want it encrypted; the response begins: ok" {
		t.Errorf("got %q", o.Detail)
	}
}
