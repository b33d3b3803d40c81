package main

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"

	"golang.org/x/net/dns/dnsmessage"
)

// dnsAnswer decides what an answerer says to a question: an address, a response code other than success, or silence.
type dnsAnswer func(name string) (addr netip.Addr, code dnsmessage.RCode, silent bool)

// answerDNS answers A questions on a UDP address until the returned function is called. It is the health page of an
// installation in the words of DNS, and the little DNS service of the demo; it resolves nothing.
func answerDNS(listen string, answer dnsAnswer, log *slog.Logger) (addr net.Addr, stop func() error, err error) {
	conn, err := net.ListenPacket("udp", listen)
	if err != nil {
		return nil, nil, fmt.Errorf("listen for dns on %q: %w", listen, err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return // closed by stop
			}
			reply, ok := replyTo(buf[:n], answer)
			if !ok {
				continue
			}
			if _, err := conn.WriteTo(reply, from); err != nil {
				log.Warn("dns answer not sent", "err", err)
			}
		}
	}()
	return conn.LocalAddr(), func() error {
		err := conn.Close()
		<-done
		return err
	}, nil
}

// ownHealth answers every name with 127.0.0.1: whoever hears it knows that the process answers and the path to it works.
func ownHealth(string) (netip.Addr, dnsmessage.RCode, bool) {
	return netip.AddrFrom4([4]byte{127, 0, 0, 1}), dnsmessage.RCodeSuccess, false
}

// replyTo packs the answer to one query; not ok where there is nothing to say, as to a packet that is no query.
func replyTo(query []byte, answer dnsAnswer) (reply []byte, ok bool) {
	var p dnsmessage.Parser
	h, err := p.Start(query)
	if err != nil || h.Response {
		return nil, false
	}
	q, err := p.Question()
	if err != nil {
		return nil, false
	}
	addr, code, silent := answer(q.Name.String())
	if silent {
		return nil, false
	}
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: h.ID, Response: true, Authoritative: true, RecursionDesired: h.RecursionDesired, RCode: code},
		Questions: []dnsmessage.Question{q},
	}
	if code == dnsmessage.RCodeSuccess && q.Type == dnsmessage.TypeA && addr.Is4() {
		m.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 1},
			Body:   &dnsmessage.AResource{A: addr.As4()},
		}}
	}
	reply, err = m.Pack()
	return reply, err == nil
}
