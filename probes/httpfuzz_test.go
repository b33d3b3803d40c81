package probes

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// monologue is a connection whose other side says what is written here and then closes, whatever it hears.
type monologue struct{ says *bytes.Reader }

func newMonologue(b []byte) *link {
	return &link{Conn: monologue{bytes.NewReader(b)}, stop: func() bool { return true }}
}

func (s monologue) Read(b []byte) (int, error)       { return s.says.Read(b) }
func (s monologue) Write(b []byte) (int, error)      { return len(b), nil }
func (s monologue) Close() error                     { return nil }
func (s monologue) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (s monologue) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (s monologue) SetDeadline(time.Time) error      { return nil }
func (s monologue) SetReadDeadline(time.Time) error  { return nil }
func (s monologue) SetWriteDeadline(time.Time) error { return nil }

// checkExchange reads a response out of raw bytes as a probe does, and holds the outcome to what it must be.
func checkExchange(t *testing.T, h *HTTP, ch *channel, body string) {
	const limit = 4096
	p := &httpProbe{maxHeader: 2048, maxBody: limit, method: "POST", body: body, plain: http.Header{"Accept-Encoding": {"gzip"}}}
	r := &run{ctx: t.Context(), hide: newCover([]string{"canary"})}
	r.start()
	at := hop{url: &url.URL{Scheme: "http", Host: "portal.test", Path: "/"}, method: "POST", body: body, trusted: true}
	req := p.request(at, &cookies{})
	x := p.exchange(ch, req)
	f := x.roundTrip(r, req)
	var got []byte
	if f == nil {
		got, f = x.body(r, limit)
	}
	if len(got) > limit {
		t.Errorf("got %d bytes, want at most %d", len(got), limit)
	}
	if f == nil {
		w, err := h.wish()
		if err != nil {
			t.Fatal(err)
		}
		_, _ = p.follow(at, x.resp)
		f = w.judge(r, at, x.resp, got).quoting(r.hide, got)
		_ = x.finished()
	}
	o := r.observation(f)
	if f != nil && (!slices.Contains(h.reasons(), o.Reason) || o.Detail == "" || bytes.Contains([]byte(o.Detail), []byte("canary"))) {
		t.Errorf("got %v %q", o.Reason, o.Detail)
	}
}

// FuzzExchange: whatever a server of HTTP/1.1 says, the exchange ends with one listed reason, within its limits, and shows no
// secret.
func FuzzExchange(f *testing.F) {
	for _, text := range []string{
		ok200(`{"a":"canary"}`), "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.0 500 canary\r\n\r\ncanary",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX: y\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzipped(f, `{"a":1}`),
		"HTTP/1.1 302 Found\r\nLocation: //u:p@a.test:99999/\r\nSet-Cookie: a=b\r\n\r\n", "HTTP/1.1 200\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
	} {
		f.Add([]byte(text))
	}
	settings := &HTTP{Body: "a", JSON: ".a == 1", ExpectHeaders: []HeaderRule{{Name: "X", Regexp: "y", Optional: true}}}
	f.Fuzz(func(t *testing.T, b []byte) {
		l := newMonologue(b)
		checkExchange(t, settings, newChannel(l, l), "payload")
	})
}

// FuzzTwoExchange: the same of HTTP/2.
func FuzzTwoExchange(f *testing.F) {
	frames := func(write func(p *twoPeer)) {
		var b bytes.Buffer
		p := &twoPeer{fr: http2.NewFramer(&b, nil)}
		p.write(p.fr.WriteSettings())
		write(p)
		f.Add(b.Bytes())
	}
	frames(func(p *twoPeer) { p.head(200, false, "content-encoding", "gzip"); p.data(gzipped(f, `{"a":1}`), true) })
	frames(func(p *twoPeer) {
		p.head(103, false)
		p.head(500, false)
		p.data("canary", false)
		p.trailers("x", "y")
	})
	frames(func(p *twoPeer) { p.write(p.fr.WriteGoAway(0, http2.ErrCodeInternal, []byte("canary"))) })
	frames(func(p *twoPeer) {
		p.write(p.fr.WriteRSTStream(1, http2.ErrCodeHTTP11Required))
		p.write(p.fr.WritePing(false, [8]byte{}))
	})
	frames(func(p *twoPeer) {
		p.write(p.fr.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 3}, http2.Setting{ID: http2.SettingMaxFrameSize, Val: 1 << 14}))
		p.write(p.fr.WriteWindowUpdate(1, 5))
	})
	settings := &HTTP{Body: "a", JSON: ".a == 1"}
	f.Fuzz(func(t *testing.T, b []byte) {
		l := newMonologue(b)
		checkExchange(t, settings, &channel{link: l, conn: l, two: newTwoConn(l, 2048)}, string(make([]byte, 70_000)))
	})
}

// FuzzProxyAnswer: whatever a proxy says, CONNECT and SOCKS end with a listed reason and leave nothing unread behind them.
func FuzzProxyAnswer(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\n\r\n"), false)
	f.Add([]byte("HTTP/1.1 407 canary\r\nContent-Length: 3\r\n\r\nabc"), false)
	f.Add([]byte{5, 0, 5, 0, 0, 1, 1, 2, 3, 4, 5, 6}, true)
	f.Add([]byte{5, 2, 1, 0, 5, 4, 0, 3, 1, 'a', 0, 1}, true)
	f.Fuzz(func(t *testing.T, b []byte, bySocks bool) {
		r := &run{ctx: t.Context()}
		r.start()
		c := newMonologue(b)
		ps := &proxies{headers: http.Header{}}
		user, to := url.UserPassword("user", "canary"), &url.URL{Scheme: "https", Host: "portal.test"}
		var got *fault
		if bySocks {
			got = socks(r, c, user, to)
		} else if got = ps.connect(r, c, user, to, 2048); got == nil {
			if rest, _ := io.ReadAll(c); len(rest) > 0 {
				t.Errorf("got %d bytes unread, which the limit of the reader cannot explain", len(rest))
			}
		}
		if got = ofProxy(got); got != nil && !slices.Contains((&HTTP{}).reasons(), got.reason) {
			t.Errorf("got %v", got)
		}
	})
}

// FuzzToken: what is not a token is refused, and what is can be sent.
func FuzzToken(f *testing.F) {
	f.Add([]byte(`{"access_token":"a","token_type":"Bearer","expires_in":3600}`))
	f.Add([]byte(`{"access_token":"a\r\nb","token_type":"Bearer","expires_in":"1e99"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		now := time.Now()
		got, fault := (&tokens{}).parse(b, now)
		if fault != nil {
			return
		}
		if got.text == "" || bytes.ContainsAny([]byte(got.text), "\r\n\x00") || got.until.Sub(now) > 24*time.Hour || got.until.Before(now) {
			t.Errorf("got %q until %v", got.text, got.until)
		}
	})
}
