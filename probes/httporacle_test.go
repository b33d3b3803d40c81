package probes

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/uptally/uptally"
)

// behaviour is how a server acts, the reason it leads to, and why net/http may see it otherwise.
type behaviour struct {
	story   string
	scheme  string // http, https, or h2 for https with HTTP/2 agreed on
	method  string
	serve   func(net.Conn)
	want    uptally.Reason
	differs string // why the oracle's verdict is the opposite; "" where it must be the same
	proxy   func(net.Conn)
	socks   bool
}

func ok200(body string) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

// thenStall writes after the request and says nothing more.
func thenStall(text string) func(net.Conn) {
	return func(c net.Conn) { readRequest(c); _, _ = io.WriteString(c, text); silence(c) }
}

// thenReset writes after the request and resets the connection.
func thenReset(text string) func(net.Conn) {
	return func(c net.Conn) {
		readRequest(c)
		_, _ = io.WriteString(c, text)
		reset(plainConn(c))
	}
}

func readRequest(c net.Conn) *http.Request {
	req, err := http.ReadRequest(bufio.NewReader(c))
	if err == nil {
		_, _ = io.Copy(io.Discard, req.Body)
	}
	return req
}

// plainBehaviours are those of HTTP/1.1 without TLS.
func plainBehaviours(t *testing.T) []behaviour {
	say := func(story, text string, want uptally.Reason) behaviour {
		return behaviour{story: story, serve: afterRequest(text), want: want}
	}
	zip := gzipped(t, "ok")
	long := strings.Repeat("x", 1<<20)
	chunked := "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	list := []behaviour{
		say("good", ok200("ok"), uptally.OK),
		say("empty", ok200(""), uptally.OK),
		say("ended by closing", "HTTP/1.1 200 OK\r\n\r\nok", uptally.OK),
		say("HTTP/1.0", "HTTP/1.0 200 OK\r\n\r\nok", uptally.OK),
		say("chunked", chunked+"2\r\nok\r\n0\r\n\r\n", uptally.OK),
		say("chunked with extensions", chunked+"2;a=b\r\nok\r\n0\r\n\r\n", uptally.OK),
		say("chunked with trailers", "HTTP/1.1 200 OK\r\nTrailer: X\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX: y\r\n\r\n", uptally.OK),
		say("chunked, a chunk without end", chunked+"2\r\nok", uptally.BodyTruncated),
		say("chunked, no last chunk", chunked+"2\r\nok\r\n", uptally.BodyTruncated),
		say("chunked, a length that is none", chunked+"zz\r\nok\r\n0\r\n\r\n", uptally.ResponseMalformed),
		say("chunked, a length above all", chunked+"fffffffffffffffff\r\nok\r\n0\r\n\r\n", uptally.ResponseMalformed),
		say("truncated by length", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", uptally.BodyTruncated),
		say("more than the length", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokay", uptally.OK),
		say("no content", "HTTP/1.1 204 No Content\r\n\r\n", uptally.OK),
		say("no content, with a length", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", uptally.OK),
		say("not modified", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", uptally.Status),
		say("a client's error", "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno", uptally.Status),
		say("a server's error", "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2\r\n\r\nno", uptally.Status),
		say("a status of its own", "HTTP/1.1 299 Fine\r\nContent-Length: 0\r\n\r\n", uptally.OK),
		say("continue, then good", "HTTP/1.1 100 Continue\r\n\r\n"+ok200("ok"), uptally.OK),
		say("early hints, then good", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"+ok200("ok"), uptally.OK),
		say("switching protocols", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n", uptally.Status),
		say("length twice, the same", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok", uptally.OK),
		say("length twice, not the same", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok", uptally.ResponseMalformed),
		say("a length below zero", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", uptally.ResponseMalformed),
		say("length and chunks", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", uptally.OK),
		say("an unknown coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: cloth\r\n\r\nok", uptally.ResponseMalformed),
		say("no status", "HTTP/1.1\r\n\r\n", uptally.ResponseMalformed),
		say("a status that is no number", "HTTP/1.1 abc OK\r\n\r\n", uptally.ResponseMalformed),
		say("a header without a colon", "HTTP/1.1 200 OK\r\nnothing\r\n\r\n", uptally.ResponseMalformed),
		say("another protocol", "220 mail.test ESMTP\r\n", uptally.ResponseMalformed),
		say("HTTP/2 unasked", "\x00\x00\x00\x04\x00\x00\x00\x00\x00\n\n", uptally.ResponseMalformed),
		say("a giant header", "HTTP/1.1 200 OK\r\nX: "+strings.Repeat("y", 70_000)+"\r\n\r\n", uptally.ResponseMalformed),
		say("a large header", "HTTP/1.1 200 OK\r\nX: "+strings.Repeat("y", 60_000)+"\r\nContent-Length: 0\r\n\r\n", uptally.OK),
		say("cut in the status line", "HTTP/1.1 2", uptally.ConnectionClosed),
		say("cut in the header", "HTTP/1.1 200 OK\r\nX: y", uptally.ConnectionClosed),
		say("closed without a word", "", uptally.ConnectionClosed),
		say("compressed", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n"+zip, uptally.OK),
		say("compressed, cut", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n"+zip[:len(zip)-6], uptally.BodyTruncated),
		say("compressed, wrong sum", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n"+zip[:len(zip)-8]+"12345678", uptally.ResponseMalformed),
		say("said to be compressed, and is not", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\nplain text here", uptally.ResponseMalformed),
		say("the largest body", ok200(long), uptally.OK),
		say("a body too large", ok200(long+"x"), uptally.BodyTooLarge),
		say("a body too large in chunks", chunked+"100001\r\n"+long+"x\r\n0\r\n\r\n", uptally.BodyTooLarge),
		say("a redirect without a place", "HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n", uptally.Status),
		say("a redirect to itself", "HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n", uptally.Redirect),
		say("a redirect to a file", "HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n", uptally.Redirect),
		say("a redirect to where nothing listens", "HTTP/1.1 302 Found\r\nLocation: http://"+refusedAddress(t)+"/\r\nContent-Length: 0\r\n\r\n", uptally.ConnectRefused),
		{story: "a head", method: "HEAD", serve: afterRequest("HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n"), want: uptally.OK},
		{story: "a head of an error", method: "HEAD", serve: afterRequest("HTTP/1.1 500 Oh\r\nContent-Length: 5\r\n\r\n"), want: uptally.Status},
		{story: "stalled before the answer", serve: silence, want: uptally.ResponseTimeout},
		{story: "stalled in the status line", serve: thenStall("HTTP/1.1 2"), want: uptally.ResponseTimeout},
		{story: "stalled in the header", serve: thenStall("HTTP/1.1 200 OK\r\nX: "), want: uptally.ResponseTimeout},
		{story: "stalled after early hints", serve: thenStall("HTTP/1.1 103 Early Hints\r\n\r\n"), want: uptally.ResponseTimeout},
		{story: "stalled in the body", serve: thenStall("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok"), want: uptally.BodyTimeout},
		{story: "stalled in a chunk", serve: thenStall(chunked + "ff\r\nok"), want: uptally.BodyTimeout},
		{story: "reset before the answer", serve: thenReset(""), want: uptally.ConnectReset},
		{story: "reset in the body", serve: thenReset("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok"), want: uptally.BodyTruncated},
	}
	list = append(list, behaviour{story: "early hints without end", serve: afterRequest(strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 6) + ok200("ok")),
		want: uptally.ResponseMalformed, differs: "net/http bounds informational responses by their bytes, we by their number"})
	return list
}

// secureBehaviours are those of TLS and HTTP/2.
func secureBehaviours(t *testing.T) []behaviour {
	two := func(story string, want uptally.Reason, act func(*twoPeer)) behaviour {
		return behaviour{story: "HTTP/2: " + story, scheme: "h2", want: want, serve: func(c net.Conn) { newTwoPeer(c).run(act) }}
	}
	return []behaviour{
		{story: "TLS: good", scheme: "https", serve: afterRequest(ok200("ok")), want: uptally.OK},
		{story: "TLS: truncated", scheme: "https", serve: afterRequest("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok"), want: uptally.BodyTruncated},
		{story: "TLS: stalled in the body", scheme: "https", serve: thenStall("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok"), want: uptally.BodyTimeout},
		two("good", uptally.OK, func(p *twoPeer) { p.head(200, false); p.data("ok", true) }),
		two("good, and no body", uptally.OK, func(p *twoPeer) { p.head(200, true) }),
		two("good, in many frames", uptally.OK, func(p *twoPeer) {
			p.head(200, false, "content-length", "1000")
			for i := range 1000 {
				p.data("x", i == 999)
			}
		}),
		two("a large body", uptally.OK, func(p *twoPeer) {
			p.head(200, false)
			for i := range 64 { // 1 MiB
				p.data(strings.Repeat("x", 16<<10), i == 63)
			}
		}),
		two("a body too large", uptally.BodyTooLarge, func(p *twoPeer) {
			p.head(200, false)
			for i := range 65 {
				p.data(strings.Repeat("x", 16<<10), i == 64)
			}
		}),
		two("trailers", uptally.OK, func(p *twoPeer) { p.head(200, false); p.data("ok", false); p.trailers("x", "y") }),
		two("early hints, then good", uptally.OK, func(p *twoPeer) { p.head(103, false); p.head(200, true) }),
		two("pings and settings between", uptally.OK, func(p *twoPeer) {
			p.write(p.fr.WritePing(false, [8]byte{1}))
			p.head(200, false)
			p.write(p.fr.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 20}))
			p.data("ok", true)
		}),
		two("a header in two frames", uptally.OK, func(p *twoPeer) {
			b := p.block(":status", "200", "x", "y")
			p.write(p.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: b[:2], EndStream: true}))
			p.write(p.fr.WriteContinuation(1, true, b[2:]))
		}),
		two("a server's error", uptally.Status, func(p *twoPeer) { p.head(503, true) }),
		two("truncated", uptally.BodyTruncated, func(p *twoPeer) { p.head(200, false, "content-length", "9"); p.data("ok", true) }),
		two("longer than announced", uptally.ResponseMalformed, func(p *twoPeer) { p.head(200, false, "content-length", "1"); p.data("ok", true) }),
		two("closed before the answer", uptally.ConnectionClosed, func(p *twoPeer) { p.close() }),
		two("closed in the body", uptally.BodyTruncated, func(p *twoPeer) { p.head(200, false); p.data("ok", false); p.close() }),
		two("RST_STREAM before the answer", uptally.ConnectionClosed, func(p *twoPeer) { p.write(p.fr.WriteRSTStream(1, http2.ErrCodeInternal)) }),
		two("RST_STREAM in the body", uptally.BodyTruncated, func(p *twoPeer) { p.head(200, false); p.write(p.fr.WriteRSTStream(1, http2.ErrCodeInternal)) }),
		two("GOAWAY before the answer", uptally.ConnectionClosed, func(p *twoPeer) { p.write(p.fr.WriteGoAway(0, http2.ErrCodeInternal, nil)) }),
		two("GOAWAY, and the answer all the same", uptally.OK, func(p *twoPeer) { p.write(p.fr.WriteGoAway(1, http2.ErrCodeNo, nil)); p.head(200, true) }),
		two("stalled before the answer", uptally.ResponseTimeout, func(p *twoPeer) {}),
		two("stalled in the body", uptally.BodyTimeout, func(p *twoPeer) { p.head(200, false); p.data("ok", false) }),
		two("DATA before HEADERS", uptally.ResponseMalformed, func(p *twoPeer) { p.data("ok", true) }),
		two("HEADERS of another stream", uptally.ResponseMalformed, func(p *twoPeer) {
			p.write(p.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 2, BlockFragment: p.block(":status", "200"), EndStream: true, EndHeaders: true}))
			p.close()
		}),
		two("no status", uptally.ResponseMalformed, func(p *twoPeer) { p.headers(true, "x", "y") }),
		two("a status that is none", uptally.ResponseMalformed, func(p *twoPeer) { p.headers(true, ":status", "abc") }),
		two("a header name in capitals", uptally.ResponseMalformed, func(p *twoPeer) { p.headers(true, ":status", "200", "X-Y", "z") }),
		two("a compression that is none", uptally.ResponseMalformed, func(p *twoPeer) {
			p.write(p.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, EndStream: true, EndHeaders: true}))
		}),
		two("a giant header", uptally.ResponseMalformed, func(p *twoPeer) { p.headers(true, ":status", "200", "x", strings.Repeat("y", 70_000)) }),
		two("PUSH_PROMISE", uptally.ResponseMalformed, func(p *twoPeer) {
			p.write(p.fr.WritePushPromise(http2.PushPromiseParam{StreamID: 1, PromiseID: 2, BlockFragment: p.block(":method", "GET"), EndHeaders: true}))
		}),
		two("a frame above the limit", uptally.ResponseMalformed, func(p *twoPeer) { p.write(p.fr.WriteRawFrame(http2.FrameData, 0, 1, make([]byte, 2<<20))) }),
		two("a window above all", uptally.ResponseMalformed, func(p *twoPeer) { p.write(p.fr.WriteWindowUpdate(0, 1<<31-1)) }),
		{story: "HTTP/2: another protocol", scheme: "h2", serve: afterRequest("HTTP/1.1 400 Bad Request\r\n\r\n"), want: uptally.ResponseMalformed},
		{story: "HTTP/2: a server without SETTINGS", scheme: "h2", want: uptally.ResponseMalformed, serve: func(c net.Conn) {
			p := newTwoPeer(c)
			p.silent = true
			p.run(func(p *twoPeer) { p.head(200, true) })
		}},
	}
}

// proxyBehaviours are those of what stands between.
func proxyBehaviours() []behaviour {
	good := afterRequest(ok200("ok"))
	refuse := func(text string) func(net.Conn) { return afterRequest(text) }
	list := []behaviour{
		{story: "proxy: plain HTTP", proxy: forward, want: uptally.OK},
		{story: "proxy: a tunnel", scheme: "https", proxy: forward, want: uptally.OK},
		{story: "proxy: 407 to a tunnel", scheme: "https", proxy: refuse("HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n"), want: uptally.ProxyFailed},
		{story: "proxy: 407 to plain HTTP", proxy: refuse("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"), want: uptally.ProxyFailed},
		{story: "proxy: 502 to a tunnel", scheme: "https", proxy: refuse("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 2\r\n\r\nno"), want: uptally.ProxyFailed},
		{story: "proxy: 502 to plain HTTP", proxy: refuse("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 2\r\n\r\nno"), want: uptally.Status},
		{story: "proxy: another protocol", scheme: "https", proxy: refuse("SSH-2.0-x\r\n"), want: uptally.ProxyFailed},
		{story: "proxy: closes", scheme: "https", proxy: refuse(""), want: uptally.ProxyFailed},
		{story: "proxy: stalls", scheme: "https", proxy: silence, want: uptally.ProxyFailed},
		{story: "proxy: stalls in the header", scheme: "https", proxy: thenStall("HTTP/1.1 200 OK\r\nX"), want: uptally.ProxyFailed},
		{story: "proxy: stalls in the tunnel", scheme: "https", proxy: thenStall("HTTP/1.1 200 OK\r\n\r\n"), want: uptally.TLSTimeout},
		{story: "SOCKS: plain HTTP", socks: true, proxy: socksServer(0, "", ""), want: uptally.OK},
		{story: "SOCKS: a tunnel", socks: true, scheme: "https", proxy: socksServer(0, "", ""), want: uptally.OK},
		{story: "SOCKS: refused", socks: true, proxy: socksServer(5, "", ""), want: uptally.ProxyFailed},
		{story: "SOCKS: a log-in that we have not", socks: true, proxy: socksServer(0, "user", "pass"), want: uptally.ProxyFailed},
		{story: "SOCKS: another protocol", socks: true, proxy: func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 400 Bad\r\n\r\n") }, want: uptally.ProxyFailed},
		{story: "SOCKS: stalls", socks: true, proxy: silence, want: uptally.ProxyFailed},
	}
	for i := range list {
		list[i].serve = good
	}
	return list
}

// TestOracle holds the engine's verdict on many behaviours against that of net/http: up, down, or too late.
func TestOracle(t *testing.T) {
	ca := newAuthority(t)
	cert := ca.issue("good", "portal.test", -generous, 1000*generous)
	var all []behaviour
	all = append(all, plainBehaviours(t)...)
	all = append(all, secureBehaviours(t)...)
	all = append(all, proxyBehaviours()...)
	before, files := goleak.IgnoreCurrent(), openByKind(t)
	t.Run("behaviours", func(t *testing.T) {
		for _, b := range all {
			b.compare(t, ca.dir, cert)
		}
	})
	goleak.VerifyNone(t, before)
	settle(t, func() string { return moreOpen(t, files) })
	t.Logf("%d behaviours", len(all))
}

// compare probes once by the engine and once by net/http.
func (b behaviour) compare(t *testing.T, dir string, cert tls.Certificate) {
	t.Run(b.story, func(t *testing.T) {
		t.Parallel()
		s := b.settings(t, cert)
		within := generous
		stalls := strings.HasSuffix(b.want.String(), "timeout") || strings.Contains(b.story, "stalls")
		if stalls {
			within = brief
		}
		o := observe(t, &Settings{HTTP: s}, dir, within)
		want(t, o, b.want)
		mine := "down"
		switch {
		case o.Reason == uptally.OK:
			mine = "up"
		case stalls:
			mine = "late"
		}
		their, err := oracle(t, s, within)
		if (their != mine) != (b.differs != "") {
			t.Errorf("got %s (%s), net/http %s (%v)", mine, o.Detail, their, err)
		}
	})
}

func (b behaviour) settings(t *testing.T, cert tls.Certificate) *HTTP {
	h := &HTTP{Method: b.method}
	config := &tls.Config{Certificates: []tls.Certificate{cert}}
	switch b.scheme {
	case "h2":
		config.NextProtos = []string{"h2"}
		h.HTTP2 = "auto"
		fallthrough
	case "https":
		h.URL = "https://" + listenTLS(t, config, b.serve)
		h.TLS = &TLS{CAFile: "ca.pem", ServerName: "portal.test"}
	default:
		h.URL = "http://" + listenTCP(t, b.serve)
	}
	if b.proxy != nil {
		h.Proxy = &Proxy{URL: "http://" + listenTCP(t, b.proxy)}
		if b.socks {
			h.Proxy.URL = strings.Replace(h.Proxy.URL, "http", "socks5", 1)
		}
	}
	return h
}

// oracle asks by net/http with the same limits and the default wishes.
func oracle(t *testing.T, h *HTTP, within time.Duration) (string, error) {
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	tr := &http.Transport{DisableKeepAlives: true, MaxResponseHeaderBytes: defaultMaxHeader, ForceAttemptHTTP2: h.HTTP2 != "",
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	defer tr.CloseIdleConnections()
	if h.Proxy != nil {
		u, err := url.Parse(h.Proxy.URL)
		if err != nil {
			t.Fatal(err)
		}
		tr.Proxy = http.ProxyURL(u)
	}
	req, err := http.NewRequestWithContext(ctx, orText(h.Method, "GET"), h.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = func() error {
		resp, err := (&http.Client{Transport: tr}).Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		n, err := io.Copy(io.Discard, io.LimitReader(resp.Body, defaultMaxBody+1))
		if err == nil && (resp.StatusCode > 299 || resp.StatusCode < 200 || n > defaultMaxBody) {
			err = errors.New("not as wished")
		}
		return err
	}()
	switch {
	case err == nil:
		return "up", nil
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return "late", err
	}
	return "down", err
}

// twoPeer is a server of HTTP/2 that does what a test tells it, frame by frame.
type twoPeer struct {
	c      net.Conn
	fr     *http2.Framer
	silent bool // sends no settings
}

func newTwoPeer(c net.Conn) *twoPeer {
	return &twoPeer{c: c, fr: http2.NewFramer(c, c)}
}

// run reads up to the first request, acts, and then reads until the other side leaves.
func (p *twoPeer) run(act func(*twoPeer)) {
	if _, err := io.ReadFull(p.c, make([]byte, len(http2.ClientPreface))); err != nil {
		return
	}
	if !p.silent {
		p.write(p.fr.WriteSettings())
	}
	for acted := false; ; {
		f, err := p.fr.ReadFrame()
		if err != nil {
			return
		}
		if h, ok := f.(*http2.HeadersFrame); ok && h.StreamEnded() && !acted {
			acted = true
			act(p)
		}
	}
}

// write takes the outcome of a write: that the client has left already is its right.
func (p *twoPeer) write(error) {}

func (p *twoPeer) close() { _ = p.c.Close() }

func (p *twoPeer) block(pairs ...string) []byte {
	var b bytes.Buffer
	enc := hpack.NewEncoder(&b)
	for i := 0; i < len(pairs); i += 2 {
		_ = enc.WriteField(hpack.HeaderField{Name: pairs[i], Value: pairs[i+1]})
	}
	return b.Bytes()
}

func (p *twoPeer) headers(end bool, pairs ...string) {
	b := p.block(pairs...)
	first := b[:min(len(b), 16<<10)]
	p.write(p.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: first, EndStream: end, EndHeaders: len(first) == len(b)}))
	for b = b[len(first):]; len(b) > 0; {
		part := b[:min(len(b), 16<<10)]
		b = b[len(part):]
		p.write(p.fr.WriteContinuation(1, len(b) == 0, part))
	}
}

func (p *twoPeer) head(status int, end bool, pairs ...string) {
	p.headers(end, append([]string{":status", fmt.Sprint(status)}, pairs...)...)
}

func (p *twoPeer) trailers(pairs ...string) { p.headers(true, pairs...) }

func (p *twoPeer) data(text string, end bool) { p.write(p.fr.WriteData(1, end, []byte(text))) }
