package probes

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/uptally/uptally"
)

// overHTTPS serves net/http with HTTP/2 and without.
func overHTTPS(t *testing.T, story func(t *testing.T, serve func(h http.HandlerFunc) DNS)) {
	for _, two := range []bool{true, false} {
		name := map[bool]string{true: "HTTP/2", false: "HTTP/1.1"}[two]
		t.Run(name, func(t *testing.T) {
			story(t, func(h http.HandlerFunc) DNS {
				server := httptest.NewUnstartedServer(h)
				server.EnableHTTP2 = two
				server.StartTLS()
				t.Cleanup(server.Close)
				return DNS{Transport: "https", URL: server.URL + "/dns-query", Name: "portal.test", TLS: &TLS{SkipVerify: true}}
			})
		})
	}
}

// TestDNSOverHTTPS: what arrives at the server is what RFC 8484 says, and what comes back is judged like any reply.
func TestDNSOverHTTPS(t *testing.T) {
	overHTTPS(t, func(t *testing.T, serve func(http.HandlerFunc) DNS) {
		for _, method := range []string{"", "GET"} {
			d := serve(func(w http.ResponseWriter, req *http.Request) {
				var b []byte
				if req.Method == http.MethodPost {
					b, _ = io.ReadAll(req.Body)
				} else {
					b, _ = base64.RawURLEncoding.DecodeString(req.URL.Query().Get("dns"))
				}
				q := new(dns.Msg)
				if err := q.Unpack(b); err != nil || q.Id != 0 || req.Header.Get("Accept") != dnsMedia || req.URL.Query().Get("token") != "a" ||
					req.Method == http.MethodPost && req.Header.Get("Content-Type") != dnsMedia {
					t.Errorf("got %s %s %v %v: %v", req.Method, req.URL, req.Header, q, err)
				}
				w.Header().Set("Content-Type", dnsMedia+"; charset=x")
				_, _ = w.Write(answer(t, q, dns.RcodeSuccess, "portal.test. 60 IN A 192.0.2.1"))
			})
			d.URL += "?token=a"
			d.Method, d.Answers = method, []string{"192.0.2.1"}
			o := observe(t, &Settings{DNS: &d}, "", generous)
			want(t, o, uptally.OK)
			if target := (&Settings{DNS: &d}).Target(); strings.Contains(target, "token") {
				t.Errorf("got target %q, want no query", target)
			}
			if !slices.ContainsFunc(o.Phases, func(p Phase) bool { return p.Name == "tls" }) {
				t.Errorf("got phases %v, want tls among them", o.Phases)
			}
		}
	})
}

// TestDNSOverHTTPSFails: each way of answering wrongly, and its reason.
func TestDNSOverHTTPSFails(t *testing.T) {
	good := func(t *testing.T, req *http.Request) []byte {
		q := new(dns.Msg)
		b, _ := io.ReadAll(req.Body)
		_ = q.Unpack(b)
		return answer(t, q, dns.RcodeSuccess, "portal.test. 60 IN A 192.0.2.1")
	}
	dnsType := func(w http.ResponseWriter) { w.Header().Set("Content-Type", dnsMedia) }
	for _, tt := range []struct {
		story  string
		handle func(t *testing.T, w http.ResponseWriter, req *http.Request)
		want   uptally.Reason
	}{
		{"another status", func(t *testing.T, w http.ResponseWriter, req *http.Request) {
			dnsType(w)
			w.WriteHeader(http.StatusBadGateway)
			_, _ = w.Write(good(t, req))
		}, uptally.DoHStatus},
		{"a redirect is not followed", func(_ *testing.T, w http.ResponseWriter, req *http.Request) {
			http.Redirect(w, req, "/elsewhere", http.StatusTemporaryRedirect)
		}, uptally.DoHStatus},
		{"another content type", func(t *testing.T, w http.ResponseWriter, req *http.Request) {
			w.Header().Set("Content-Type", "application/dns-json")
			_, _ = w.Write(good(t, req))
		}, uptally.DoHStatus},
		{"a body that is no message", func(_ *testing.T, w http.ResponseWriter, _ *http.Request) {
			dnsType(w)
			_, _ = io.WriteString(w, "hello")
		}, uptally.ReplyMalformed},
		{"no body", func(_ *testing.T, w http.ResponseWriter, _ *http.Request) { dnsType(w) }, uptally.ReplyMalformed},
		{"a message cut off", func(t *testing.T, w http.ResponseWriter, req *http.Request) {
			dnsType(w)
			b := good(t, req)
			_, _ = w.Write(b[:len(b)-2])
		}, uptally.ReplyMalformed},
		{"a body above the largest message", func(_ *testing.T, w http.ResponseWriter, _ *http.Request) {
			dnsType(w)
			_, _ = w.Write(make([]byte, maxMessage+1))
		}, uptally.ReplyMalformed},
		{"a body shorter than announced", func(t *testing.T, w http.ResponseWriter, req *http.Request) {
			dnsType(w)
			w.Header().Set("Content-Length", "500")
			_, _ = w.Write(good(t, req))
		}, uptally.ReplyMalformed},
		{"another question's reply", func(t *testing.T, w http.ResponseWriter, _ *http.Request) {
			dnsType(w)
			_, _ = w.Write(answer(t, new(dns.Msg).SetQuestion("other.test.", dns.TypeA), dns.RcodeSuccess))
		}, uptally.ReplyMalformed},
		{"no answer", func(_ *testing.T, _ http.ResponseWriter, req *http.Request) {
			_, _ = io.Copy(io.Discard, req.Body) // only then does the server see the client leave
			<-req.Context().Done()
		}, uptally.QueryTimeout},
		{"the server gives up", func(*testing.T, http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, uptally.ConnectReset},
	} {
		t.Run(tt.story, func(t *testing.T) {
			overHTTPS(t, func(t *testing.T, serve func(http.HandlerFunc) DNS) {
				d, within := serve(func(w http.ResponseWriter, req *http.Request) { tt.handle(t, w, req) }), generous
				if tt.want == uptally.QueryTimeout {
					within = brief
				}
				want(t, observe(t, &Settings{DNS: &d}, "", within), tt.want)
			})
		})
	}
}

// TestDNSOverTLSFails: what a server of DNS over TLS can do wrong once the handshake is done.
func TestDNSOverTLSFails(t *testing.T) {
	ca := newAuthority(t)
	config := &tls.Config{Certificates: []tls.Certificate{ca.issue("good", "resolver.test", -generous, 1000*generous)}}
	for _, tt := range []struct {
		story  string
		handle func(c net.Conn)
		want   uptally.Reason
	}{
		{"silent", silence, uptally.QueryTimeout},
		{"hangs up at once", func(net.Conn) {}, uptally.ConnectReset},
		{"hangs up in the length", func(c net.Conn) { _, _ = c.Write([]byte{0}) }, uptally.ConnectReset},
		{"hangs up in the message", func(c net.Conn) { _, _ = c.Write([]byte{0, 99, 1, 2, 3}) }, uptally.ReplyMalformed},
		{"a message of no length", func(c net.Conn) { _, _ = c.Write([]byte{0, 0}) }, uptally.ReplyMalformed},
		{"something else", func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n"+strings.Repeat("x", 1<<16))
		}, uptally.ReplyMalformed},
		{"another question's reply", func(c net.Conn) {
			b := answer(t, new(dns.Msg).SetQuestion("other.test.", dns.TypeA), dns.RcodeSuccess)
			_, _ = c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...))
		}, uptally.ReplyMalformed},
	} {
		t.Run(tt.story, func(t *testing.T) {
			server := listenTLS(t, config, func(c net.Conn) {
				if _, err := c.Read(make([]byte, 512)); err == nil {
					tt.handle(c)
				}
			})
			within := generous
			if tt.want == uptally.QueryTimeout {
				within = brief
			}
			d := DNS{Transport: "tls", Server: server, Name: "portal.test", TLS: &TLS{CAFile: "ca.pem", ServerName: "resolver.test"}}
			want(t, observe(t, &Settings{DNS: &d}, ca.dir, within), tt.want)
		})
	}
}

// FuzzDNSStream: whatever comes over a connection, the probe ends with a reply that is ours or with a listed reason.
func FuzzDNSStream(f *testing.F) {
	settings := &DNS{Server: "192.0.2.53", Name: "portal.test", Transport: "tcp"}
	q, err := newDNSQuery(settings)
	if err != nil {
		f.Fatal(err)
	}
	reply := slices.Clone(q.wire)
	reply[2] |= 0x80
	f.Add(append([]byte{0, byte(len(reply))}, reply...))
	f.Add([]byte{0})
	f.Add([]byte{0, 0})
	f.Add([]byte{255, 255, 0, 0, 128})
	f.Fuzz(func(t *testing.T, b []byte) {
		r := &run{ctx: t.Context()}
		b, fault := readMessage(r, strings.NewReader(string(b)))
		a := q.ask(0)
		checkReply(t, settings, q, &a, b, fault)
	})
}

// FuzzDNSOverHTTPS: the same for the bytes of an HTTP response.
func FuzzDNSOverHTTPS(f *testing.F) {
	settings := &DNS{Transport: "https", URL: "https://192.0.2.53/dns-query", Name: "portal.test"}
	q, err := newDNSQuery(settings)
	if err != nil {
		f.Fatal(err)
	}
	reply := slices.Clone(q.wire)
	reply[2] |= 0x80
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Type: application/dns-message\r\n\r\n" + string(reply)))
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Type: application/dns-message\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(b)), nil)
		if err != nil {
			return // the http kind's own parser is fuzzed there
		}
		x := &exchange{resp: resp}
		body, fault := x.message(&run{ctx: t.Context()})
		if fault != nil {
			fault = httpsFault(fault)
		}
		a := q.ask(0)
		checkReply(t, settings, q, &a, body, fault)
	})
}

// checkReply reads and judges what came, unless there is a fault already, and holds the reason to the kind's list.
func checkReply(t *testing.T, settings *DNS, q *dnsQuery, a *asked, b []byte, f *fault) {
	if f == nil {
		reply, err := a.reply(b)
		if err != nil {
			return
		}
		if reply.msg.Id != 0 || !strings.EqualFold(reply.msg.Question[0].Name, q.question.Name) {
			t.Errorf("got %v for a reply to %v", &reply.msg, q.question)
		}
		f = q.judge(&run{ctx: t.Context()}, reply, time.Unix(0, 0))
	}
	if f != nil && !slices.Contains(settings.reasons(), f.reason) {
		t.Errorf("got %v", f)
	}
}
