package probes

import (
	"bufio"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"reflect"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/uptally/uptally"
)

// variant is a kind in one of the ways in which it can be carried, and a server of it that does as the story needs.
type variant struct {
	name string
	// listen serves the kind's own protocol, once TLS and whatever else lies before it are done.
	listen func(t testing.TB, handle func(net.Conn)) (address string)
	// good answers as the settings demand.
	good func(net.Conn)
	// settings are those of a check of an address.
	settings func(address string) *Settings
	// timeout and phase are what a server that never answers leads to.
	timeout uptally.Reason
	phase   string
	// shares says that it uses what the probes of an engine share.
	shares bool
}

// fixture is a variant with its servers, for one story.
type fixture struct {
	variant
	dir        string
	engine     *Engine
	up, silent *Settings
	// begun tells when the silent target was asked; closed where it cannot know.
	begun chan struct{}
	// garbage returns an address that answers as nobody should, each number otherwise.
	garbage func(t testing.TB, n int) string
}

func (f *fixture) prepared(t testing.TB, s *Settings) *Prober {
	return preparedBy(t, f.engine, s, f.dir)
}

func (f *fixture) observe(t testing.TB, s *Settings, within time.Duration) Observation {
	return observeBy(t, f.engine, s, f.dir, within)
}

// variants are all of them. The story of the kinds demands one for each kind, and for each way in which one can be carried.
func variants(t testing.TB, ca *authority, cert tls.Certificate) []variant {
	plain := listenTCP
	secure := func(protocols ...string) func(testing.TB, func(net.Conn)) string {
		return func(t testing.TB, handle func(net.Conn)) string {
			return listenTLS(t, &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: protocols}, handle)
		}
	}
	block := func() *TLS { return &TLS{CAFile: "ca.pem", ServerName: "portal.test"} }
	web := func(scheme string, change func(*HTTP)) func(string) *Settings {
		return func(address string) *Settings {
			h := &HTTP{URL: scheme + "://" + address, Headers: []Header{{Name: "Accept", Value: "*/*"}}, Body: "ok", Reach: Reach{Resolve: map[string]string{"a.test": "127.0.0.1"}}}
			if scheme == "https" {
				h.TLS = block()
			}
			if change != nil {
				change(h)
			}
			return &Settings{HTTP: h}
		}
	}
	proxy := ""
	throughProxy := func(h *HTTP) {
		if proxy == "" {
			proxy = listenTCP(t, forward)
		}
		h.Proxy = &Proxy{URL: "http://" + proxy}
	}
	talk := func(change func(*TCP)) func(string) *Settings {
		return func(address string) *Settings {
			c := &TCP{Address: address, Steps: []Step{{Send: "hello\r\n"}, {Expect: "ok"}}}
			if change != nil {
				change(c)
			}
			return &Settings{TCP: c}
		}
	}
	ask := func(transport string) func(string) *Settings {
		return func(address string) *Settings {
			d := &DNS{Transport: transport, Server: address, Name: "portal.test", Answers: []string{"192.0.2.1"}}
			if transport == "https" {
				d.Server, d.URL = "", "https://"+address+"/dns-query"
			}
			if transport == "tls" || transport == "https" {
				d.TLS = block()
			}
			return &Settings{DNS: d}
		}
	}
	return []variant{
		{"http", plain, webServer, web("http", nil), uptally.ResponseTimeout, "first_byte", false},
		{"http over TLS", secure(), webServer, web("https", nil), uptally.ResponseTimeout, "first_byte", false},
		{"http over HTTP/2", secure("h2"), twoServer, web("https", func(h *HTTP) { h.HTTP2 = "require" }), uptally.ResponseTimeout, "first_byte", false},
		{"http through a proxy", plain, webServer, web("http", throughProxy), uptally.ResponseTimeout, "first_byte", false},
		{"http over TLS through a proxy", secure(), webServer, web("https", throughProxy), uptally.ResponseTimeout, "first_byte", false},
		{"http over a kept connection", plain, webServer, web("http", func(h *HTTP) { h.Reuse = true }), uptally.ResponseTimeout, "first_byte", true},
		{"tcp", plain, echoServer, talk(nil), uptally.ReplyTimeout, "step 2", false},
		{"tcp over TLS", secure(), echoServer, talk(func(c *TCP) { c.TLS = block() }), uptally.ReplyTimeout, "step 2", false},
		{"tcp with STARTTLS", mailListener(cert), echoServer, talk(func(c *TCP) { c.StartTLS, c.TLS = "smtp", block() }), uptally.ReplyTimeout, "step 2", false},
		{"icmp", nil, nil, func(address string) *Settings { return &Settings{ICMP: &ICMP{Host: address, MaxLoss: new(int)}} }, uptally.NoReply, "echo", true},
		{"dns", nil, nil, ask("udp"), uptally.QueryTimeout, "query", true},
		{"dns over TCP", plain, nameConn, ask("tcp"), uptally.QueryTimeout, "query", false},
		{"dns over TLS", secure(), nameConn, ask("tls"), uptally.QueryTimeout, "query", false},
		{"dns over HTTPS", secure("http/1.1"), nameWeb, ask("https"), uptally.QueryTimeout, "first_byte", false},
	}
}

// webServer answers one request after the other.
func webServer(c net.Conn) {
	for in := bufio.NewReader(c); ; {
		req, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, req.Body)
		if _, err := io.WriteString(c, ok200("ok")); err != nil || req.Close {
			return
		}
	}
}

func twoServer(c net.Conn) {
	newTwoPeer(c).run(func(p *twoPeer) { p.head(200, false); p.data("ok", true) })
}

func echoServer(c net.Conn) {
	if _, err := bufio.NewReader(c).ReadString('\n'); err == nil {
		_, _ = io.WriteString(c, "ok\r\n")
	}
	silence(c)
}

// mailListener agrees to STARTTLS and serves inside it.
func mailListener(cert tls.Certificate) func(testing.TB, func(net.Conn)) string {
	return func(t testing.TB, handle func(net.Conn)) string {
		return listenTCP(t, func(c net.Conn) {
			in := bufio.NewReader(c)
			for _, text := range []string{"220 mail ESMTP\r\n", "250 STARTTLS\r\n", "220 go\r\n"} {
				if _, err := io.WriteString(c, text); err != nil {
					return
				}
				if text == "220 go\r\n" {
					break
				}
				if _, err := in.ReadString('\n'); err != nil {
					return
				}
			}
			conn := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{cert}})
			if conn.Handshake() == nil {
				handle(conn)
			}
		})
	}
}

// portalReply answers a question with 192.0.2.1.
func portalReply(question []byte) []byte {
	q := new(dns.Msg)
	if q.Unpack(question) != nil || len(q.Question) != 1 {
		return nil
	}
	m := new(dns.Msg)
	m.SetReply(q)
	m.Answer = []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 60}, A: net.IPv4(192, 0, 2, 1)}}
	b, _ := m.Pack() // of a question that could be unpacked
	return b
}

// nameConn answers a question over a stream.
func nameConn(c net.Conn) {
	var size [2]byte
	if _, err := io.ReadFull(c, size[:]); err != nil {
		return
	}
	question := make([]byte, binary.BigEndian.Uint16(size[:]))
	if _, err := io.ReadFull(c, question); err != nil {
		return
	}
	b := portalReply(question)
	_, _ = c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...))
	silence(c)
}

// nameWeb answers a question over HTTP.
func nameWeb(c net.Conn) {
	req, err := http.ReadRequest(bufio.NewReader(c))
	if err != nil {
		return
	}
	question, _ := io.ReadAll(req.Body)
	b := portalReply(question)
	_, _ = fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", dnsMedia, len(b), b)
}

// open starts the servers of a variant.
func (v variant) open(t testing.TB, dir string, e *Engine) *fixture {
	f := &fixture{variant: v, dir: dir, engine: e, begun: make(chan struct{}, 100)}
	note := func() {
		select {
		case f.begun <- struct{}{}:
		default: // enough of them
		}
	}
	switch v.name {
	case "icmp":
		needEcho(t)
		// The broadcast address of loopback: the kernel answers none by default.
		f.up, f.silent = v.settings("127.0.0.1"), v.settings("127.255.255.255")
		close(f.begun)
		f.garbage = echoGarbage
	case "dns":
		server := listenDatagrams(t, portalReply)
		f.up, f.silent = v.settings(server), v.settings(listenDatagrams(t, func([]byte) []byte { note(); return nil }))
		f.garbage = func(t testing.TB, n int) string { return datagramGarbage(t, server, n) }
	default:
		server := v.listen(t, v.good)
		f.up, f.silent = v.settings(server), v.settings(v.listen(t, func(c net.Conn) { note(); silence(c) }))
		f.garbage = func(t testing.TB, n int) string { return v.streamGarbage(t, server, n) }
	}
	return f
}

// listenDatagrams answers each datagram; a nil reply is silence.
func listenDatagrams(t testing.TB, reply func([]byte) []byte) string {
	t.Helper()
	u, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 65535)
		for {
			n, from, err := u.ReadFrom(buf)
			if err != nil {
				return
			}
			if b := reply(buf[:n]); b != nil {
				_, _ = u.WriteTo(b, from)
			}
		}
	}()
	t.Cleanup(func() { _ = u.Close(); <-done })
	return u.LocalAddr().String()
}

// words are what garbage is made of besides random bytes, so that it gets past the first look.
var words = []string{
	"HTTP/1.1 200 OK\r\n", "HTTP/1.1 ", "302", "Content-Length: ", "Transfer-Encoding: chunked\r\n", "Location: /\r\n", "Content-Encoding: gzip\r\n",
	"Content-Type: application/dns-message\r\n", "\r\n", "\r\n\r\n", "0", "ffffffff", "99999999999999999999", "ok", "220 ", "250-STARTTLS\r\n", "220 go\r\n", "\x1f\x8b\x08",
	"\x00\x00\x00\x04\x00\x00\x00\x00\x00", "\x00\x00\x01\x01\x05\x00\x00\x00\x01\x88", "\x00\x00\x02\x00\x01\x00\x00\x00\x01ok", "\x16\x03\x03\x00\x40", "\x15\x03\x03\x00\x02\x02\x46", "\xff\xff", "\xc0\x0c",
}

func gibberish(r *rand.Rand) (text []byte) {
	for range r.IntN(12) {
		if r.IntN(3) > 0 {
			text = append(text, words[r.IntN(len(words))]...)
			continue
		}
		for range r.IntN(40) {
			text = append(text, byte(r.Uint32()))
		}
	}
	return text
}

// streamGarbage is a good server behind a flaw at a random place, or one that says gibberish, before or inside of TLS.
func (v variant) streamGarbage(t testing.TB, server string, n int) string {
	r := rand.New(rand.NewPCG(uint64(n), 1))
	text, end := gibberish(r), ending(1+r.IntN(4))
	say := func(c net.Conn) {
		_, _ = c.Write(text)
		if end == stalls {
			silence(c)
		}
	}
	switch n % 3 {
	case 0:
		return through(t, server, flaw{passed: r.IntN(200), then: end})
	case 1:
		return listenTCP(t, say)
	}
	return v.listen(t, say)
}

// datagramGarbage changes the replies of a good server.
func datagramGarbage(t testing.TB, server string, n int) string {
	r := rand.New(rand.NewPCG(uint64(n), 1))
	at, text := r.IntN(60), gibberish(r)
	return throughUDP(t, server, 0, func(b []byte) [][]byte {
		changed := append([]byte{}, b...)
		changed[at%len(b)] ^= byte(1 + n)
		return [][]byte{text, append(b[:2:2], text...), b[:at%len(b)], changed, append(changed, text...)}
	})
}

// echoGarbage sends ICMP messages that nobody asked for, while the address is probed.
func echoGarbage(t testing.TB, n int) string {
	c, err := net.ListenPacket("ip4:icmp", "127.0.0.1")
	if err != nil {
		return "127.0.0.1" // no right: the probe may have one of another kind
	}
	r, over := rand.New(rand.NewPCG(uint64(n), 1)), make(chan struct{})
	var done = make(chan struct{})
	go func() {
		defer close(done)
		for range 500 {
			b := make([]byte, r.IntN(80))
			for i := range b {
				b[i] = byte(r.Uint32())
			}
			if len(b) > 2 {
				b[0], b[1] = []byte{0, 3, 5, 11, 12}[r.IntN(5)], byte(r.IntN(3))
			}
			select {
			case <-over:
				return
			default:
				_, _ = c.WriteTo(b, &net.IPAddr{IP: net.IPv4(127, 0, 0, 1)})
			}
		}
	}()
	t.Cleanup(func() { close(over); <-done; _ = c.Close() })
	return "127.0.0.1"
}

// carriers are the fields of a kind that decide how it is carried: each needs a variant in which it is given.
func carriers(k reflect.Type) (names []string) {
	for f := range k.Fields() {
		if f.Type == reflect.TypeFor[*TLS]() || f.Type == reflect.TypeFor[*Proxy]() {
			names = append(names, f.Name)
		}
		switch f.Name {
		case "StartTLS", "HTTP2", "Reuse", "Transport":
			names = append(names, f.Name)
		}
	}
	return names
}
