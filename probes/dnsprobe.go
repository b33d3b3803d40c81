package probes

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"

	"github.com/uptally/uptally"
)

// dnsProbe is a prepared DNS. It is never written again.
type dnsProbe struct {
	route     *route
	transport string
	server    dnsServer
	others    []dnsServer // whose serial must be the same
	trust     *trust      // of tls
	doh       *dnsHTTPS   // of https
	fallback  bool        // ask again over TCP when truncated
	query     *dnsQuery
	sockets   *dnsSockets // of the engine; nil: each question has its own
}

type dnsServer struct{ host, port string }

func (s dnsServer) String() string { return net.JoinHostPort(s.host, s.port) }

func (d *DNS) prepare(e *Engine, from Source) (*measure, error) {
	q, err := newDNSQuery(d)
	if err != nil {
		return nil, err
	}
	q.recite = !e.shared
	p := &dnsProbe{route: d.Reach.route(), transport: orText(d.Transport, "udp"), fallback: d.OnTruncation != "down", query: q, sockets: e.questions}
	if p.transport == "https" {
		if p.doh, err = d.prepareHTTPS(p.route, from); err != nil {
			return nil, err
		}
		return &measure{attempt: p, route: p.route, host: p.doh.url.Hostname(), slow: d.MaxResponseTime.Std()}, nil
	}
	if p.server, err = d.server(d.Server); err != nil {
		return nil, err
	}
	if d.Serial != nil {
		for _, text := range d.Serial.EqualOn {
			other, err := d.server(text)
			if err != nil {
				return nil, err
			}
			p.others = append(p.others, other)
		}
	}
	if p.transport == "tls" {
		if p.trust, err = d.TLS.prepare(from); err != nil {
			return nil, err
		}
	}
	return &measure{attempt: p, route: p.route, host: p.server.host, slow: d.MaxResponseTime.Std()}, nil
}

func (d *DNS) server(text string) (dnsServer, error) {
	host, port, err := net.SplitHostPort(withPort(text, d.port()))
	if err != nil {
		return dnsServer{}, fmt.Errorf("parse server: %w", err)
	}
	return dnsServer{host, port}, nil
}

func (p *dnsProbe) probe(r *run) *fault {
	var a *dnsAnswer
	var f *fault
	if p.doh != nil {
		a, f = p.doh.ask(r, p.query)
	} else {
		a, f = p.askServer(r, p.server)
	}
	if f != nil {
		return f
	}
	r.obs.RTT = a.took
	if f = r.wrong(p.query.judge(r, a.reply, time.Now())); f != nil {
		return f
	}
	return p.equal(r, a.reply)
}

// dnsAnswer is a reply and how long it took: from the first packet to the server, resolving the server's name not counted.
type dnsAnswer struct {
	reply *dnsReply
	took  time.Duration
}

func (p *dnsProbe) askServer(r *run, server dnsServer) (*dnsAnswer, *fault) {
	addr, f := p.route.address(r, server.host)
	if f != nil {
		return nil, f
	}
	to, began := addrPort(addr, server.port), r.begin
	if p.transport != "udp" {
		return p.askStream(r, to, server.host, began)
	}
	a, f := p.askUDP(r, to)
	switch {
	case f != nil || !a.reply.truncated():
		return a, f
	case !p.fallback:
		return nil, faultf(uptally.Truncated, "got a truncated reply over udp")
	}
	r.fact("truncated", "asked again over tcp")
	return p.askStream(r, to, server.host, began)
}

// What errors mean while a reply is awaited. A TCP server that hangs up has no reason of its own: the connection is lost.
var (
	asking    = stage{timeout: uptally.QueryTimeout, closed: uptally.ConnectReset, reset: uptally.ConnectReset, other: uptally.QueryTimeout}
	askingCut = stage{timeout: uptally.QueryTimeout, closed: uptally.ReplyMalformed, reset: uptally.ConnectReset, other: uptally.ReplyMalformed}
)

// askStream asks over a new connection, with TLS where that is the transport; each message is preceded by its length (RFC
// 7766, 7858).
func (p *dnsProbe) askStream(r *run, to netip.AddrPort, host string, began time.Time) (*dnsAnswer, *fault) {
	l, f := p.route.connect(r, to)
	if f != nil {
		return nil, f
	}
	defer func() { _ = l.Close() }() // the verdict is out; an error at the end says nothing
	var c net.Conn = l
	if p.trust != nil {
		if c, f = p.trust.handshake(r, l, host); f != nil {
			return nil, f
		}
	}
	defer r.end("query")
	q := p.query.ask(newID())
	if _, err := c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(q.wire))), q.wire...)); err != nil {
		return nil, r.classify(err, asking)
	}
	b, f := readMessage(r, c)
	if f != nil {
		return nil, f
	}
	reply, err := q.reply(b)
	if err != nil {
		return nil, faultf(uptally.ReplyMalformed, "%v", err)
	}
	return &dnsAnswer{reply, r.took(began)}, nil
}

// readMessage reads one message behind its length, which is at most 65,535.
func readMessage(r *run, c io.Reader) ([]byte, *fault) {
	var size [2]byte
	if _, err := io.ReadFull(c, size[:]); err != nil {
		return nil, r.classify(err, asking)
	}
	b := make([]byte, binary.BigEndian.Uint16(size[:]))
	if _, err := io.ReadFull(c, b); err != nil {
		return nil, r.classify(err, askingCut)
	}
	return b, nil
}
