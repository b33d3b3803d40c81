package probes

import (
	"bufio"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/uptally/uptally"
)

// channel is a connection that carries requests, one after the other: the link itself, or TLS on it, perhaps through a
// proxy.
type channel struct {
	link *link
	conn net.Conn // what is spoken on

	// HTTP/1.1
	source *source
	buf    *bufio.Reader
	// Through a proxy that wants the whole URL in each request, and a login beside it.
	absolute   bool
	proxyLogin string

	two *twoConn // HTTP/2, where TLS agreed on it

	// How old a kept channel is, and what an exchange over it says again.
	born   time.Time
	expiry time.Time
	facts  []Fact
}

// open connects to the host of a URL, through the proxy where there is one for it, and speaks TLS where the URL says so.
// The caller closes the channel if there is one, also after a fault.
func (h *httpProbe) open(r *run, u *url.URL, tr *trust) (*channel, *fault) {
	began := len(r.obs.Facts)
	ch, f := h.carry(r, u)
	if f != nil {
		return ch, f
	}
	if u.Scheme == "https" {
		secure, f := tr.handshake(r, ch.conn, u.Hostname())
		if f != nil {
			return ch, f
		}
		ch.conn, ch.expiry = secure, r.obs.CertExpiry
		if secure.ConnectionState().NegotiatedProtocol == "h2" {
			ch.two = newTwoConn(secure, h.maxHeader)
		} else if h.requireTwo {
			return ch, faultf(uptally.Version, "got a server that does not speak HTTP/2")
		}
	}
	if ch.two == nil {
		ch.speakOne()
	}
	ch.born = time.Now()
	ch.facts = r.obs.Facts[began:len(r.obs.Facts):len(r.obs.Facts)]
	return ch, nil
}

// newChannel is for HTTP/1.1 on a connection.
func newChannel(l *link, c net.Conn) *channel {
	ch := &channel{link: l, conn: c}
	ch.speakOne()
	return ch
}

func (ch *channel) speakOne() {
	ch.source = &source{from: ch.conn}
	ch.buf = bufio.NewReader(ch.source)
}

// carry connects to where requests for a URL go: its own host, or the proxy and through it to the host.
func (h *httpProbe) carry(r *run, u *url.URL) (*channel, *fault) {
	via, f := h.proxies.choose(u)
	switch {
	case f != nil:
		return nil, f
	case via != nil:
		return h.proxies.carry(r, h.route, via, u, h.maxHeader)
	}
	l, f := h.route.dial(r, u.Hostname(), portOf(u))
	if f != nil {
		return nil, f
	}
	return &channel{link: l, conn: l}, nil
}

func (ch *channel) close() {
	if ch != nil && ch.link != nil {
		// Nothing more is expected of the connection: an error at its end says nothing about the target.
		_ = ch.link.Close()
	}
}

// rest takes the deadline off a channel that is kept. It reports whether the probe was still going on.
func (ch *channel) rest() bool {
	return ch.link.stop() && ch.link.SetDeadline(time.Time{}) == nil
}

// resume binds a kept channel to a probe.
func (ch *channel) resume(r *run) {
	ch.link.stop = r.bind(ch.link.Conn).stop
	r.obs.CertExpiry = ch.expiry
	r.obs.Facts = append(r.obs.Facts, ch.facts...)
	r.fact("connection", "reused")
}

// roundTrip sends a request and reads the head of its response.
func (x *exchange) roundTrip(r *run, req *http.Request) *fault {
	if x.ch.two != nil {
		return x.ch.two.roundTrip(r, x, req)
	}
	x.ch.source.left = int64(x.maxHeader)
	return x.send(r, req)
}

// finished reports whether the channel can carry another request: the response was read to its end and nothing follows.
func (x *exchange) finished() bool {
	switch {
	case !x.whole || x.resp.Close:
		return false
	case x.ch.two != nil:
		return !x.ch.two.gone
	}
	return x.resp.ProtoAtLeast(1, 1) && x.ch.buf.Buffered() == 0
}
