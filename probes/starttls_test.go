package probes

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/uptally/uptally"
)

// script is a server's part before TLS: what it says, and what it waits for in between. Lines that begin with > are waited
// for up to their end.
func script(t testing.TB, c net.Conn, text string) bool {
	in := bufio.NewReader(c)
	for part := range strings.SplitSeq(text, "|") {
		awaited, isAwaited := strings.CutPrefix(part, ">")
		if !isAwaited {
			_, _ = io.WriteString(c, part)
			continue
		}
		got := make([]byte, len(awaited))
		if n, err := io.ReadFull(in, got); err != nil || string(got) != awaited {
			if n > 0 {
				t.Errorf("the server got %q (%v), want %q", got[:n], err, awaited)
			}
			return false
		}
	}
	return true
}

const (
	ldapAsks   = "\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037"
	ldapAgrees = "\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00"
	xmppOpens  = "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0' to='portal.test'>"
	xmppHead   = "<?xml version='1.0'?><stream:stream from='portal.test' id='1' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"
	xmppOffers = "<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls></stream:features>"
	xmppAsks   = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
)

// TestStartTLS: each protocol, agreed to, refused, and answered wrongly. The servers greet once more inside TLS.
func TestStartTLS(t *testing.T) {
	ca := newAuthority(t)
	cert := ca.issue("good", "portal.test", -time.Hour, 100*time.Hour)
	ehlo, sslRequest := ">EHLO [127.0.0.1]\r\n|", ">\x00\x00\x00\x08\x04\xd2\x16\x2f|"
	for _, tt := range []struct {
		preset, story, server string
		want                  uptally.Reason
		detail                string
	}{
		{"smtp", "agreed", "220 mail ESMTP\r\n|" + ehlo + "250-mail\r\n250-SIZE 10\r\n250-StartTLS\r\n250 8BITMIME\r\n|>STARTTLS\r\n|220 go\r\n", uptally.OK, ""},
		{"smtp", "a greeting of several lines", "220-mail\r\n220 ESMTP\r\n|" + ehlo + "250 STARTTLS\r\n|>STARTTLS\r\n|220\r\n", uptally.OK, ""},
		{"smtp", "not offered", "220 mail\r\n|" + ehlo + "250-mail\r\n250 SIZE 10\r\n|", uptally.StartTLSRefused, `got "250-mail", want 250 and the offer of STARTTLS`},
		{"smtp", "a server that knows no EHLO", "220 mail\r\n|" + ehlo + "502 what\r\n|", uptally.StartTLSRefused, `got "502 what", want 250 and the offer of STARTTLS`},
		{"smtp", "offered and then not available", "220 mail\r\n|" + ehlo + "250 STARTTLS\r\n|>STARTTLS\r\n|454 later\r\n", uptally.StartTLSRefused, `got "454 later", want 220`},
		{"smtp", "no service", "554 go away\r\n", uptally.ReplyMismatch, `got "554 go away", want a greeting with 220`},
		{"smtp", "not SMTP", "SSH-2.0-OpenSSH\r\n", uptally.ReplyMismatch, `got "SSH-2.0-OpenSSH", want a line with a code`},
		{"smtp", "text that is injected before TLS", "220 mail\r\n|" + ehlo + "250 STARTTLS\r\n|>STARTTLS\r\n|220 go\r\n250 injected\r\n", uptally.TLSHandshake, `got 14 bytes in plain text before TLS that were not expected: "250 injected\r\n"`},
		{"smtp", "an answer without end", "220 mail\r\n|" + ehlo + strings.Repeat("250-more\r\n", 7000), uptally.ReplyTooLarge, ""},
		{"imap", "agreed", "* OK [CAPABILITY STARTTLS] ready\r\n|>a1 STARTTLS\r\n|* CAPABILITY IMAP4\r\na1 OK begin\r\n", uptally.OK, ""},
		{"imap", "refused", "* OK ready\r\n|>a1 STARTTLS\r\n|a1 BAD unknown\r\n", uptally.StartTLSRefused, `got "a1 BAD unknown", want OK`},
		{"imap", "logged in already", "* PREAUTH welcome\r\n", uptally.StartTLSRefused, `got "* PREAUTH welcome", want a greeting with OK`},
		{"imap", "too many connections", "* BYE busy\r\n", uptally.ReplyMismatch, `got "* BYE busy", want a greeting with OK`},
		{"imap", "injected", "* OK ready\r\n|>a1 STARTTLS\r\n|a1 OK begin\r\n* BYE\r\n", uptally.TLSHandshake, ""},
		{"pop3", "agreed", "+OK ready\r\n|>STLS\r\n|+OK begin\r\n", uptally.OK, ""},
		{"pop3", "refused", "+OK ready\r\n|>STLS\r\n|-ERR unknown\r\n", uptally.StartTLSRefused, `got "-ERR unknown", want +OK`},
		{"pop3", "not POP3", "220 mail\r\n", uptally.ReplyMismatch, `got "220 mail", want a greeting with +OK`},
		{"ftp", "agreed", "220-welcome\r\n  free text 220 of any kind\r\n220 ready\r\n|>AUTH TLS\r\n|234 go\r\n", uptally.OK, ""},
		{"ftp", "ready in a while", "120 wait\r\n220 ready\r\n|>AUTH TLS\r\n|234 go\r\n", uptally.OK, ""},
		{"ftp", "refused", "220 ready\r\n|>AUTH TLS\r\n|530 log in\r\n", uptally.StartTLSRefused, `got "530 log in", want 234`},
		{"ldap", "agreed", ">" + ldapAsks + "|" + ldapAgrees, uptally.OK, ""},
		{"ldap", "refused", ">" + ldapAsks + "|\x30\x81\x11\x02\x01\x01\x78\x0c\x0a\x01\x02\x04\x00\x04\x05no tl", uptally.StartTLSRefused, `got the result code 2 "no tl", want 0`},
		{"ldap", "a notice that the server hangs up", ">" + ldapAsks + "|\x30\x0c\x02\x01\x00\x78\x07\x0a\x01\x34\x04\x00\x04\x00", uptally.StartTLSRefused, `got the result code 52 "", want 0`},
		{"ldap", "another answer", ">" + ldapAsks + "|\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00\x04\x00", uptally.ReplyMismatch, `got "0\f\x02\x01\x01a\a\n\x01\x00\x04\x00\x04\x00": got an element 0x61, want 0x78`},
		{"ldap", "injected", ">" + ldapAsks + "|" + ldapAgrees + "x", uptally.TLSHandshake, ""},
		{"postgres", "agreed", sslRequest + "S", uptally.OK, ""},
		{"postgres", "refused", sslRequest + "N", uptally.StartTLSRefused, `got "N", want "S"`},
		{"postgres", "another answer", sslRequest + "HTTP/1.0", uptally.ReplyMismatch, `got "H", want an answer to SSLRequest`},
		{"postgres", "injected", sslRequest + "SR", uptally.TLSHandshake, ""},
		{"xmpp", "agreed", ">" + xmppOpens + "|" + xmppHead + xmppOffers + "|>" + xmppAsks + "|<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", uptally.OK, ""},
		{"xmpp", "agreed at length", ">" + xmppOpens + "|" + xmppHead + xmppOffers + "|>" + xmppAsks + "|<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'></proceed>", uptally.OK, ""},
		{"xmpp", "not offered", ">" + xmppOpens + "|" + xmppHead + "<stream:features><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></stream:features>", uptally.StartTLSRefused, "got features without starttls"},
		{"xmpp", "refused", ">" + xmppOpens + "|" + xmppHead + xmppOffers + "|>" + xmppAsks + "|<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:stream>", uptally.StartTLSRefused, `got an element "failure", want proceed`},
		{"xmpp", "a stream error", ">" + xmppOpens + "|" + xmppHead + "<stream:error><host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>", uptally.ReplyMismatch, `got an element "error", want features`},
		{"xmpp", "not XMPP", ">" + xmppOpens + "|HTTP/1.0 400 Bad\r\n", uptally.ReplyMismatch, `got "HTTP/1.0 400 Bad\r\n", want an answer of XMPP`},
		{"xmpp", "cut", ">" + xmppOpens + "|" + xmppHead[:60], uptally.ReplyMismatch, `got "<?xml version='1.0'?><stream:stream from='portal.test' id='1", want an answer of XMPP`},
		{"xmpp", "injected", ">" + xmppOpens + "|" + xmppHead + xmppOffers + "|>" + xmppAsks + "|<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/><message/>", uptally.TLSHandshake, ""},
	} {
		t.Run(tt.preset+" "+tt.story, func(t *testing.T) {
			address := listenTCP(t, func(c net.Conn) {
				if !script(t, c, tt.server) {
					return
				}
				if tt.want == uptally.OK {
					c = tls.Server(c, &tls.Config{Certificates: []tls.Certificate{cert}})
					_, _ = io.WriteString(c, "inside")
				}
				silence(c)
			})
			within := generous
			if tt.preset == "xmpp" && tt.want == uptally.ReplyMismatch {
				within = brief
			}
			o := observe(t, &Settings{TCP: &TCP{
				Address: address, StartTLS: tt.preset, TLS: &TLS{CAFile: "ca.pem", ServerName: "portal.test"}, Steps: []Step{{Expect: "inside"}},
			}}, ca.dir, within)
			want(t, o, tt.want)
			if tt.detail != "" && o.Detail != tt.detail {
				t.Errorf("got detail %q, want %q", o.Detail, tt.detail)
			}
			failed := map[uptally.Reason]string{uptally.OK: "", uptally.TLSHandshake: "tls"}
			if phase, ok := failed[tt.want]; ok && o.FailedIn != phase || !ok && o.FailedIn != "starttls" {
				t.Errorf("failed in %q", o.FailedIn)
			}
		})
	}
}

// TestStartTLSSilence: a server that says nothing, or leaves, at each point has a reason.
func TestStartTLSSilence(t *testing.T) {
	for _, preset := range presetNames() {
		o := observe(t, &Settings{TCP: &TCP{Address: listenTCP(t, silence), StartTLS: preset}}, "", brief)
		want(t, o, uptally.ReplyTimeout)
		o = observe(t, &Settings{TCP: &TCP{Address: listenTCP(t, func(c net.Conn) { _ = c.(*net.TCPConn).CloseWrite(); silence(c) }), StartTLS: preset}}, "", generous)
		want(t, o, uptally.ConnectionClosed)
	}
}

// TestStartTLSStep: TLS inside a dialogue, bytes in hexadecimal, and groups.
func TestStartTLSStep(t *testing.T) {
	ca := newAuthority(t)
	cert := ca.issue("good", "portal.test", -time.Hour, 100*time.Hour)
	server := func(before string) string {
		return listenTCP(t, func(c net.Conn) {
			if script(t, c, before) {
				c = tls.Server(c, &tls.Config{Certificates: []tls.Certificate{cert}})
				script(t, c, "PING \x00abc def\n|>PONG def abc.\n|done\n")
			}
			silence(c)
		})
	}
	inside := []Step{{StartTLS: true}, {ExpectRegexp: `PING \x00(?P<first>\w+) (\w+)\n`}, {SendGroups: "PONG ${2} ${first}.\n"}, {ExpectHex: "64 6F 6e65 0a"}}
	for _, tt := range []struct {
		story, before string
		steps         []Step
		want          uptally.Reason
		detail        string
	}{
		{"agreed", "ready\n|>\x01\x02tls\n|go\n", append([]Step{{Expect: "ready\n"}, {SendHex: "01 02 746c73 0a"}, {Expect: "go\n"}}, inside...), uptally.OK, ""},
		{"something is left", "ready\n|>tls\n|go\ninjected\n", append([]Step{{Expect: "ready\n"}, {Send: "tls\n"}, {Expect: "go\n"}}, inside...), uptally.TLSHandshake, `steps[3]: got 9 bytes in plain text before TLS that were not expected: "injected\n"`},
	} {
		t.Run(tt.story, func(t *testing.T) {
			o := observe(t, &Settings{TCP: &TCP{Address: server(tt.before), TLS: &TLS{CAFile: "ca.pem", ServerName: "portal.test"}, Steps: tt.steps}}, ca.dir, generous)
			want(t, o, tt.want)
			if o.Detail != tt.detail {
				t.Errorf("got detail %q, want %q", o.Detail, tt.detail)
			}
		})
	}
}

// recorded is a connection whose other side has said everything already.
type recorded struct {
	net.Conn
	text  *bytes.Reader
	chunk int
}

func (c *recorded) Read(b []byte) (int, error)  { return c.text.Read(b[:min(len(b), c.chunk)]) }
func (c *recorded) Write(b []byte) (int, error) { return len(b), nil }
func (c *recorded) LocalAddr() net.Addr         { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1)} }

// FuzzStartTLS: whatever a server says, each preset ends, with a reason of the list, however the text is cut.
func FuzzStartTLS(f *testing.F) {
	f.Add([]byte("220 a\r\n250-a\r\n250 STARTTLS\r\n220 go\r\n"), 3)
	f.Add([]byte("* OK\r\n* x\r\na1 OK\r\n"), 1)
	f.Add([]byte("+OK\r\n-ERR\r\n"), 100)
	f.Add([]byte(ldapAgrees), 2)
	f.Add([]byte("\x30\x84\xff\xff\xff\xff\x02\x01\x01"), 9)
	f.Add([]byte(xmppHead+xmppOffers+"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"), 7)
	f.Add([]byte("S"), 1)
	reasons := (&TCP{}).reasons()
	f.Fuzz(func(t *testing.T, text []byte, chunk int) {
		chunk = 1 + int(uint(chunk)%8192)
		for name, preset := range presets() {
			r := &run{ctx: t.Context()}
			r.start()
			conn := &recorded{text: bytes.NewReader(text), chunk: chunk}
			d := &dialogue{conn: conn, host: "portal.test", trust: &trust{}}
			fault := preset(d, r)
			if fault == nil && conn.text.Len() == len(text) {
				t.Errorf("%s agreed without an answer", name)
			}
			if fault != nil {
				listed := false
				for _, reason := range reasons {
					listed = listed || reason == fault.reason
				}
				if !listed {
					t.Errorf("%s: got %v", name, fault)
				}
			}
		}
	})
}

// FuzzDialogue: what a step takes ends in what it expected, what follows is kept, and nothing is lost.
func FuzzDialogue(f *testing.F) {
	f.Add([]byte("220 ready\r\n250 ok\r\n"), "ready", "(?P<a>2.0) ", 4, 100)
	f.Add([]byte("aaaa"), "aa", "a$", 1, 3)
	f.Fuzz(func(t *testing.T, text []byte, expect, expression string, chunk, limit int) {
		chunk, limit = 1+int(uint(chunk)%64), 1+int(uint(limit)%4096)
		steps := []Step{{Expect: expect, MaxBytes: limit}, {ExpectRegexp: expression, MaxBytes: limit}, {SendGroups: "${0}"}}
		s := &TCP{Address: "a.test:1", Steps: steps}
		if ps := (&Settings{TCP: s}).Validate(); len(ps) > 0 {
			return
		}
		r := &run{ctx: t.Context()}
		r.start()
		conn := &recorded{text: bytes.NewReader(text), chunk: chunk}
		d := &dialogue{conn: conn}
		for i, step := range steps[:2] {
			p := step.prepare(i)
			before := len(text) - conn.text.Len() - len(d.pending)
			fault := d.do(r, &p)
			taken := text[before : len(text)-conn.text.Len()-len(d.pending)]
			if fault != nil {
				if len(d.pending) > max(limit, chunk) {
					t.Errorf("read %d bytes, want at most %d", len(d.pending), limit)
				}
				return
			}
			if p.match == nil && !bytes.HasSuffix(taken, p.expect) {
				t.Errorf("took %q for %q", taken, p.expect)
			}
			if !bytes.HasSuffix(text[:len(text)-conn.text.Len()], d.pending) {
				t.Errorf("kept %q", d.pending)
			}
		}
		last := steps[2].prepare(2)
		if f := d.do(r, &last); f != nil {
			t.Errorf("got %v", f)
		}
	})
}

// FuzzExtendedResponse: an answer of LDAP, whole or cut, is read or refused, and never beyond its end.
func FuzzExtendedResponse(f *testing.F) {
	f.Add([]byte(ldapAgrees))
	f.Add([]byte("\x30\x84\x00\x00\x00\x0c\x02\x01\x01\x78\x07\x0a\x01\x35\x04\x00\x04\x00"))
	f.Add(binary.BigEndian.AppendUint32([]byte{0x30, 0x84}, 1<<31))
	f.Fuzz(func(t *testing.T, text []byte) {
		end := element{}.end(text)
		if end > len(text) {
			t.Fatalf("got an end at %d of %d", end, len(text))
		}
		if end < 0 {
			return
		}
		if code, _, err := parseExtendedResponse(text[:end]); err == nil && (code < 0 || code > 255) {
			t.Errorf("got the code %d", code)
		}
	})
}
