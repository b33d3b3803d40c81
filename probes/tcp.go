package probes

import (
	"fmt"
	"net"

	"github.com/uptally/uptally"
)

// TCP is the settings of the tcp kind: a connection, TLS on it where asked for, and a dialogue.
type TCP struct {
	Reach `yaml:",inline"`
	// Address is host:port.
	Address string `yaml:"address"`
	// TLS begins with the first byte where the block is given, even if empty; with a starttls, when the server agreed.
	TLS *TLS `yaml:"tls"`
	// StartTLS asks the server for TLS in the words of its protocol: smtp, imap, pop3, ftp, ldap, postgres or xmpp.
	StartTLS string `yaml:"starttls"`
	// Expect is open (default) or refused, for a port that must stay shut.
	Expect string `yaml:"expect"`
	// Steps are done in order after connecting, and after TLS unless one of them begins it.
	Steps []Step `yaml:"steps"`
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
	p.word("starttls", t.StartTLS, presetNames()...)
	if t.Expect == "refused" && (t.TLS != nil || t.StartTLS != "" || len(t.Steps) > 0) {
		p.add("expect", t.Expect, "open where there is tls, starttls or a step")
	}
	t.validateSteps(p)
}

func (t *TCP) reasons() []uptally.Reason {
	return concat(reachReasons(), connectReasons(), tlsReasons(), []uptally.Reason{
		uptally.StartTLSRefused, uptally.WriteFailed, uptally.ReplyTimeout, uptally.ConnectionClosed, uptally.ReplyMismatch,
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
	tlsFirst   bool   // TLS begins with the first byte
	preset     func(*dialogue, *run) *fault
	refused    bool
	steps      []step
}

func (t *TCP) prepare(_ *Engine, from Source) (*measure, error) {
	host, port, err := net.SplitHostPort(t.Address)
	if err != nil {
		return nil, fmt.Errorf("parse address: %w", err)
	}
	p := &tcpProbe{route: t.Reach.route(), host: host, port: port, refused: t.Expect == "refused", preset: presets()[t.StartTLS]}
	later := t.upgrades() > 0 || t.StartTLS != ""
	if p.tlsFirst = t.TLS != nil && !later; t.TLS != nil || later {
		if p.trust, err = t.TLS.prepare(from); err != nil {
			return nil, err
		}
	}
	p.route.unread = p.trust == nil && len(t.Steps) == 0
	for i, s := range t.Steps {
		p.steps = append(p.steps, s.prepare(i))
	}
	return &measure{attempt: p, route: p.route, host: p.host, slow: t.MaxResponseTime.Std()}, nil
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
	d := &dialogue{conn: l, host: p.host, trust: p.trust}
	if f := p.open(d, r); f != nil {
		return f
	}
	for i := range p.steps {
		if f := d.do(r, &p.steps[i]); f != nil {
			f.detail = fmt.Sprintf("steps[%d]: %s", i, f.detail)
			return f
		}
	}
	r.answered()
	return nil
}

// open begins TLS where it comes before the dialogue.
func (p *tcpProbe) open(d *dialogue, r *run) *fault {
	switch {
	case p.preset != nil:
		f := p.preset(d, r)
		r.end("starttls")
		if f != nil {
			return f
		}
		return d.upgrade(r)
	case p.tlsFirst:
		return d.upgrade(r)
	}
	return nil
}
