package probes

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"regexp"

	"github.com/uptally/uptally"
)

// defaultMaxReply bounds the answer to one step of a dialogue, in bytes.
const defaultMaxReply = 64 << 10

// TCP is the settings of the tcp kind: a connection, TLS on it where asked for, and a dialogue.
type TCP struct {
	Reach `yaml:",inline"`
	// Address is host:port.
	Address string `yaml:"address"`
	// TLS begins with the first byte where the block is given, even if empty.
	TLS *TLS `yaml:"tls"`
	// Expect is open (default) or refused, for a port that must stay shut.
	Expect string `yaml:"expect"`
	// Steps are done in order after connecting.
	Steps []Step `yaml:"steps"`
}

// Step sends text, or reads until what came contains Expect or matches ExpectRegexp; exactly one of the three.
type Step struct {
	Send         string `yaml:"send"`
	Expect       string `yaml:"expect"`
	ExpectRegexp string `yaml:"expect_regexp"`
	// MaxBytes bounds what is read for one expectation (64 KiB).
	MaxBytes int `yaml:"max_bytes"`
}

func (t *TCP) target() string { return t.Address }

func (t *TCP) validate(p *problems) {
	t.Reach.validate(p)
	if host, ok := p.hostPort("address", t.Address, ""); ok {
		t.Reach.validateHost(p, "address", host)
	}
	if t.TLS != nil {
		t.TLS.validate(p.at("tls"))
	}
	p.word("expect", t.Expect, "open", "refused")
	if t.Expect == "refused" && (t.TLS != nil || len(t.Steps) > 0) {
		p.add("expect", t.Expect, "open where there is tls or a step")
	}
	for i, s := range t.Steps {
		s.validate(p.at(fmt.Sprintf("steps[%d]", i)))
	}
}

func (s Step) validate(p *problems) {
	given := 0
	for _, text := range []string{s.Send, s.Expect, s.ExpectRegexp} {
		if text != "" {
			given++
		}
	}
	if given != 1 {
		p.add("", fmt.Sprintf("%d of them", given), "exactly one of send, expect and expect_regexp")
	}
	p.expression("expect_regexp", s.ExpectRegexp)
	p.between("max_bytes", s.MaxBytes, 1, 1<<20)
}

func (t *TCP) reasons() []uptally.Reason {
	return concat(reachReasons(), connectReasons(), tlsReasons(), []uptally.Reason{
		uptally.WriteFailed, uptally.ReplyTimeout, uptally.ConnectionClosed, uptally.ReplyMismatch,
		uptally.ReplyTooLarge, uptally.UnexpectedOpen,
	})
}

// hostPort demands host:port; where port is given it is the default and may be missing.
func (p *problems) hostPort(name, got, port string) (host string, ok bool) {
	host, given, err := net.SplitHostPort(withPort(got, port))
	if err != nil || !validHost(host) || !validPort(given) {
		want := "host:port, such as portal.example.com:443 or [2001:db8::1]:443"
		if port != "" {
			want = "a host with or without a port, such as 192.0.2.53:" + port
		}
		p.add(name, got, want)
		return "", false
	}
	return host, true
}

// tcpProbe is a prepared TCP. It is never written again.
type tcpProbe struct {
	route      *route
	host, port string
	trust      *trust // nil without TLS
	refused    bool
	steps      []step
}

// step is a prepared Step: one of the three.
type step struct {
	send   string
	expect []byte
	match  *regexp.Regexp
	limit  int
}

func (t *TCP) prepare(_ *Engine, dir string) (*measure, error) {
	host, port, err := net.SplitHostPort(t.Address)
	if err != nil {
		return nil, fmt.Errorf("parse address: %w", err)
	}
	p := &tcpProbe{route: t.Reach.route(), host: host, port: port, refused: t.Expect == "refused"}
	if t.TLS != nil {
		if p.trust, err = t.TLS.prepare(dir); err != nil {
			return nil, err
		}
	}
	for _, s := range t.Steps {
		p.steps = append(p.steps, step{send: s.Send, expect: []byte(s.Expect), match: compile(s.ExpectRegexp), limit: orNumber(s.MaxBytes, defaultMaxReply)})
	}
	return &measure{probe: p.probe, route: p.route, host: p.host, slow: t.MaxResponseTime.Std()}, nil
}

func (p *tcpProbe) probe(r *run) *fault {
	l, f := p.route.dial(r, p.host, p.port)
	if f != nil {
		if p.refused && f.reason == uptally.ConnectRefused {
			r.answered()
			return nil
		}
		return f
	}
	defer func() { _ = l.Close() }() // the verdict is out; an error at the end says nothing
	if p.refused {
		r.answered()
		return faultf(uptally.UnexpectedOpen, "got an open port, want refused")
	}
	var c net.Conn = l
	if p.trust != nil {
		if c, f = p.trust.handshake(r, l, p.host); f != nil {
			return f
		}
	}
	d := dialogue{conn: c}
	for i, s := range p.steps {
		f := d.do(r, s)
		r.end(fmt.Sprintf("step %d", i+1))
		if f != nil {
			f.detail = fmt.Sprintf("steps[%d]: %s", i, f.detail)
			return f
		}
	}
	r.answered()
	return nil
}

var (
	speaking  = stage{timeout: uptally.ReplyTimeout, closed: uptally.WriteFailed, reset: uptally.WriteFailed, other: uptally.WriteFailed}
	listening = stage{timeout: uptally.ReplyTimeout, closed: uptally.ConnectionClosed, reset: uptally.ConnectReset, other: uptally.ConnectionClosed}
)

// dialogue keeps what was read and not yet expected.
type dialogue struct {
	conn    net.Conn
	pending []byte
	heard   bool
}

func (d *dialogue) do(r *run, s step) *fault {
	if s.send != "" {
		if _, err := io.WriteString(d.conn, s.send); err != nil {
			return r.classify(err, speaking)
		}
		return nil
	}
	for {
		if end := s.found(d.pending); end >= 0 {
			d.pending = d.pending[end:]
			return nil
		}
		if len(d.pending) >= s.limit {
			return faultf(uptally.ReplyTooLarge, "got %d bytes without %s", len(d.pending), s.want())
		}
		if err := d.read(s.limit - len(d.pending)); err != nil {
			return d.fault(r, s, err)
		}
	}
}

// read adds at most limit bytes. Bytes that come with an error are taken first; the error comes again.
func (d *dialogue) read(limit int) error {
	buf := make([]byte, min(limit, 4096))
	n, err := d.conn.Read(buf)
	d.pending = append(d.pending, buf[:n]...)
	d.heard = d.heard || n > 0
	if n > 0 {
		return nil
	}
	return err
}

// fault tells silence from a wrong answer: bytes that did not match are a mismatch, however the wait for more ended.
func (d *dialogue) fault(r *run, s step, err error) *fault {
	f := r.classify(err, listening)
	if f.reason == uptally.ConnectReset && d.heard {
		f.reason = uptally.ConnectionClosed
	}
	if len(d.pending) > 0 && (f.reason == uptally.ReplyTimeout || f.reason == uptally.ConnectionClosed) {
		return faultf(uptally.ReplyMismatch, "got %d bytes without %s", len(d.pending), s.want())
	}
	return f
}

// found returns where the expected text ends, or -1.
func (s step) found(text []byte) int {
	if s.match != nil {
		if at := s.match.FindIndex(text); at != nil {
			return at[1]
		}
		return -1
	}
	if i := bytes.Index(text, s.expect); i >= 0 {
		return i + len(s.expect)
	}
	return -1
}

func (s step) want() string {
	if s.match != nil {
		return fmt.Sprintf("a match of %q", s.match)
	}
	return fmt.Sprintf("%q", s.expect)
}
