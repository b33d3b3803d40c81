package probes

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"time"

	"github.com/uptally/uptally"
)

// DNS is the settings of the dns kind: one question to one server, and what its reply must look like.
type DNS struct {
	Reach `yaml:",inline"`
	// Server is host:port; the port is 53 unless given.
	Server string `yaml:"server"`
	// Name and Type are the question; the type is A unless given.
	Name string `yaml:"name"`
	Type string `yaml:"type"`
	// Transport is udp (default) or tcp.
	Transport string `yaml:"transport"`
	// Recursion asks the server to recurse; on unless given.
	Recursion *bool `yaml:"recursion"`
	// EDNSSize is the announced UDP size in bytes (1232).
	EDNSSize int `yaml:"edns_size"`
	// OnTruncation is what a truncated UDP reply leads to: tcp (default: ask again over TCP) or down.
	OnTruncation string `yaml:"on_truncation"`
	// RCodes lists the accepted response codes (NOERROR).
	RCodes []string `yaml:"rcodes"`
	// Answers is the exact set of records of the type, AnswersContain a subset, AnswersRegexp an expression that at least
	// one must match; as in a zone file, order and TTL do not matter.
	Answers        []string `yaml:"answers"`
	AnswersContain []string `yaml:"answers_contain"`
	AnswersRegexp  string   `yaml:"answers_regexp"`
}

func (d *DNS) target() string {
	return fmt.Sprintf("%s %s @%s", d.Name, d.recordType(), d.Server)
}

func (d *DNS) recordType() string {
	if d.Type == "" {
		return "A"
	}
	return d.Type
}

func (d *DNS) validate(p *problems) {
	d.Reach.validate(p)
	if host, ok := p.hostPort("server", d.Server, "53"); ok {
		d.Reach.validateHost(p, "server", host)
	}
	if !validQueryName(d.Name) {
		p.add("name", d.Name, "a domain name, such as portal.example.com")
	}
	known := validQueryType(d.recordType())
	if !known {
		p.add("type", d.Type, "a record type, such as A, AAAA or MX")
	}
	p.word("transport", d.Transport, "udp", "tcp")
	p.word("on_truncation", d.OnTruncation, "tcp", "down")
	p.between("edns_size", d.EDNSSize, 512, 4096)
	for i, rc := range d.RCodes {
		if !validRCode(rc) {
			p.add(fmt.Sprintf("rcodes[%d]", i), rc, "a response code, such as NOERROR or NXDOMAIN")
		}
	}
	if known {
		d.validateAnswers(p, "answers", d.Answers)
		d.validateAnswers(p, "answers_contain", d.AnswersContain)
	}
	p.expression("answers_regexp", d.AnswersRegexp)
}

func (d *DNS) validateAnswers(p *problems, name string, answers []string) {
	for i, a := range answers {
		if _, err := canonicalAnswer(d.recordType(), a); err != nil {
			p.add(fmt.Sprintf("%s[%d]", name, i), a, "the data of a "+d.recordType()+" record as in a zone file")
		}
	}
}

func (d *DNS) reasons() []uptally.Reason {
	return concat(reachReasons(), connectReasons(), []uptally.Reason{
		uptally.QueryTimeout, uptally.ReplyMalformed, uptally.RCode, uptally.NoAnswer, uptally.Answer, uptally.Truncated,
	})
}

// dnsProbe is a prepared DNS. It is never written again.
type dnsProbe struct {
	route      *route
	host, port string
	tcp        bool // ask over TCP from the start
	fallback   bool // ask again over TCP when truncated
	query      *dnsQuery
}

func (d *DNS) prepare(*Engine, string) (*measure, error) {
	host, port, err := net.SplitHostPort(withPort(d.Server, "53"))
	if err != nil {
		return nil, fmt.Errorf("parse server: %w", err)
	}
	q, err := newDNSQuery(d)
	if err != nil {
		return nil, err
	}
	p := &dnsProbe{route: d.Reach.route(), host: host, port: port, tcp: d.Transport == "tcp", fallback: d.OnTruncation != "down", query: q}
	return &measure{probe: p.probe, route: p.route, host: p.host, slow: d.MaxResponseTime.Std()}, nil
}

func (p *dnsProbe) probe(r *run) *fault {
	addr, f := p.route.address(r, p.host)
	if f != nil {
		return f
	}
	to, began := addrPort(addr, p.port), r.begin // resolving the server's name is no part of the response time
	var reply *dnsReply
	if p.tcp {
		reply, f = p.askTCP(r, to)
	} else {
		reply, f = p.askUDP(r, to)
		if f == nil && reply.truncated() {
			if !p.fallback {
				return faultf(uptally.Truncated, "got a truncated reply over udp")
			}
			r.fact("truncated", "asked again over tcp")
			reply, f = p.askTCP(r, to)
		}
	}
	if f != nil {
		return f
	}
	r.obs.RTT = time.Since(began)
	return p.query.judge(r, reply)
}

// What errors mean while a reply is awaited. A TCP server that hangs up has no reason of its own: the connection is lost.
var (
	asking    = stage{timeout: uptally.QueryTimeout, closed: uptally.ConnectReset, reset: uptally.ConnectReset, other: uptally.QueryTimeout}
	askingCut = stage{timeout: uptally.QueryTimeout, closed: uptally.ReplyMalformed, reset: uptally.ConnectReset, other: uptally.ReplyMalformed}
)

// maxDatagram is the largest reply over UDP: the largest edns_size.
const maxDatagram = 4096

// askUDP asks over a connected socket: the kernel hands over what comes from the server's address and port only.
func (p *dnsProbe) askUDP(r *run, to netip.AddrPort) (*dnsReply, *fault) {
	r.fact("address", to.String()+" udp")
	d := net.Dialer{Control: p.route.source.control()}
	c, err := d.DialContext(r.ctx, "udp", to.String())
	if err != nil {
		return nil, p.udpFault(r, err, 0)
	}
	l := r.bind(c)
	defer func() { _ = l.Close() }() // the verdict is out; an error at the end says nothing
	id, wire := p.query.packed()
	if _, err = l.Write(wire); err != nil {
		return nil, p.udpFault(r, err, 0)
	}
	defer r.end("query")
	buf := make([]byte, maxDatagram)
	for foreign := 0; ; foreign++ {
		n, err := l.Read(buf)
		if err != nil {
			return nil, p.udpFault(r, err, foreign)
		}
		reply, err := p.query.reply(id, buf[:n])
		switch {
		case err == nil:
			return reply, nil
		case !errors.Is(err, errForeign):
			return nil, faultf(uptally.ReplyMalformed, "%v", err)
		}
	}
}

// udpFault knows no reasons of a connection: over UDP a port that is shut and a host that cannot be reached are seen by
// chance only, so both are what they would be without that chance, a query without an answer.
func (p *dnsProbe) udpFault(r *run, err error, foreign int) *fault {
	f := r.classify(err, asking)
	switch f.reason {
	case uptally.ConnectRefused, uptally.ConnectUnreachable, uptally.ConnectReset:
		f.reason = uptally.QueryTimeout
	}
	if foreign > 0 {
		f.detail += fmt.Sprintf(" (%d replies to other questions)", foreign)
	}
	return f
}

// askTCP asks over a new connection; each message is preceded by its length (RFC 7766).
func (p *dnsProbe) askTCP(r *run, to netip.AddrPort) (*dnsReply, *fault) {
	l, f := p.route.connect(r, to)
	if f != nil {
		return nil, f
	}
	defer func() { _ = l.Close() }() // the verdict is out; an error at the end says nothing
	defer r.end("query")
	id, wire := p.query.packed()
	if _, err := l.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(wire))), wire...)); err != nil {
		return nil, r.classify(err, asking)
	}
	var size [2]byte
	if _, err := io.ReadFull(l, size[:]); err != nil {
		return nil, r.classify(err, asking)
	}
	buf := make([]byte, binary.BigEndian.Uint16(size[:]))
	if _, err := io.ReadFull(l, buf); err != nil {
		return nil, r.classify(err, askingCut)
	}
	reply, err := p.query.reply(id, buf)
	if err != nil {
		return nil, faultf(uptally.ReplyMalformed, "%v", err)
	}
	return reply, nil
}

// newID draws a query identifier that cannot be guessed.
func newID() uint16 { return uint16(rand.Uint32()) }
