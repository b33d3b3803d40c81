package probes

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/uptally/uptally"
)

// bothEngines runs a story with a socket a question and with shared ones.
func bothEngines(t *testing.T, story func(t *testing.T, e *Engine)) {
	for name, open := range map[string]func() *Engine{"own socket": NewEngine, "shared sockets": NewShared} {
		t.Run(name, func(t *testing.T) {
			e := open()
			story(t, e)
			if err := e.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func askBy(t testing.TB, e *Engine, d DNS, within time.Duration) Observation {
	t.Helper()
	s := &Settings{DNS: &d}
	p, err := e.Prepare(s, "")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	o := p.Probe(ctx)
	checkObservation(t, s, o)
	return o
}

// listenUDP hands each question to handle, one after the other.
func listenUDP(t testing.TB, handle func(u *net.UDPConn, from netip.AddrPort, q *dns.Msg)) string {
	t.Helper()
	u, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	var open sync.WaitGroup
	open.Go(func() {
		buf := make([]byte, maxDatagram)
		for {
			n, from, err := u.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			q := new(dns.Msg)
			if q.Unpack(buf[:n]) == nil {
				handle(u, from, q)
			}
		}
	})
	t.Cleanup(func() { _ = u.Close(); open.Wait() })
	return u.LocalAddr().String()
}

func sendFrom(t testing.TB, u *net.UDPConn, b []byte, to netip.AddrPort) {
	if _, err := u.WriteToUDPAddrPort(b, to); err != nil && !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}

// TestForgedReplies: what an attacker, or a confused server, may send before the true reply. None of it counts, and the true
// reply does.
func TestForgedReplies(t *testing.T) {
	stranger := func(t *testing.T, address string) *net.UDPConn {
		u, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.ParseIP(address)})
		if err != nil {
			t.Skip(err)
		}
		t.Cleanup(func() { _ = u.Close() })
		return u
	}
	forged := func(q *dns.Msg, change func(q *dns.Msg)) *dns.Msg {
		f := q.Copy()
		if change != nil {
			change(f)
		}
		return f
	}
	for _, tt := range []struct {
		story string
		from  string // empty: the server itself
		forge func(q *dns.Msg)
		own   bool // counted with a socket of its own, which takes messages of the server's address and port only
		share bool // counted with shared sockets, which know the address that a probe waits for
	}{
		{"wrong identifier", "", func(q *dns.Msg) { q.Id++ }, true, true},
		{"wrong name", "", func(q *dns.Msg) { q.Question[0].Name = "q" + q.Question[0].Name }, true, true},
		{"wrong type", "", func(q *dns.Msg) { q.Question[0].Qtype = dns.TypeAAAA }, true, true},
		{"wrong class", "", func(q *dns.Msg) { q.Question[0].Qclass = dns.ClassCHAOS }, true, true},
		{"wrong port", "127.0.0.1", nil, false, true},
		{"wrong address", "127.0.0.2", nil, false, false},
	} {
		t.Run(tt.story, func(t *testing.T) {
			bothEngines(t, func(t *testing.T, e *Engine) {
				for _, truth := range []bool{true, false} {
					server := listenUDP(t, func(u *net.UDPConn, from netip.AddrPort, q *dns.Msg) {
						by := u
						if tt.from != "" {
							by = stranger(t, tt.from)
						}
						for range 3 {
							sendFrom(t, by, answer(t, forged(q, tt.forge), dns.RcodeSuccess, "portal.test. 60 IN A 192.0.2.66"), from)
						}
						if truth {
							sendFrom(t, u, answer(t, q, dns.RcodeSuccess, "portal.test. 60 IN A 192.0.2.1"), from)
						}
					})
					d := DNS{Server: server, Name: "portal.test", Answers: []string{"192.0.2.1"}}
					if truth {
						want(t, askBy(t, e, d, generous), uptally.OK)
						continue
					}
					o := askBy(t, e, d, brief)
					want(t, o, uptally.QueryTimeout)
					if counted := strings.HasSuffix(o.Detail, "(3 replies to other questions)"); counted != (tt.own && !e.shared || tt.share && e.shared) {
						t.Errorf("got detail %q", o.Detail)
					}
				}
			})
		})
	}
}

// TestLateDuplicateReply: the second copy of a reply arrives in the next probe, and is not its answer.
func TestLateDuplicateReply(t *testing.T) {
	bothEngines(t, func(t *testing.T, e *Engine) {
		var before []byte
		n := 0
		server := listenUDP(t, func(u *net.UDPConn, from netip.AddrPort, q *dns.Msg) {
			n++
			if before != nil {
				sendFrom(t, u, before, from)
			}
			before = answer(t, q, dns.RcodeSuccess, fmt.Sprintf("portal.test. 60 IN A 192.0.2.%d", n))
			sendFrom(t, u, before, from)
			sendFrom(t, u, before, from)
		})
		for i := 1; i <= 20; i++ {
			want(t, askBy(t, e, DNS{Server: server, Name: "portal.test", Answers: []string{fmt.Sprintf("192.0.2.%d", i)}}, generous), uptally.OK)
		}
	})
}

// TestReplyToAnEarlierProbe: a server slower than the deadline answers the first probe while the second waits.
func TestReplyToAnEarlierProbe(t *testing.T) {
	bothEngines(t, func(t *testing.T, e *Engine) {
		var first []byte
		server := listenUDP(t, func(u *net.UDPConn, from netip.AddrPort, q *dns.Msg) {
			if first == nil {
				first = answer(t, q, dns.RcodeSuccess, "portal.test. 60 IN A 192.0.2.66")
				return
			}
			sendFrom(t, u, first, from)
			sendFrom(t, u, answer(t, q, dns.RcodeSuccess, "portal.test. 60 IN A 192.0.2.1"), from)
		})
		d := DNS{Server: server, Name: "portal.test", Answers: []string{"192.0.2.1"}}
		want(t, askBy(t, e, d, brief), uptally.QueryTimeout)
		want(t, askBy(t, e, d, generous), uptally.OK)
	})
}

// TestForgersMustGuess: identifiers, and with shared sockets ports, differ from probe to probe.
func TestForgersMustGuess(t *testing.T) {
	bothEngines(t, func(t *testing.T, e *Engine) {
		ids, ports := map[uint16]bool{}, map[uint16]bool{}
		var mu sync.Mutex
		server := listenUDP(t, func(u *net.UDPConn, from netip.AddrPort, q *dns.Msg) {
			mu.Lock()
			defer mu.Unlock()
			ids[q.Id], ports[from.Port()] = true, true
			sendFrom(t, u, answer(t, q, dns.RcodeSuccess, "portal.test. 60 IN A 192.0.2.1"), from)
		})
		const n = 100
		for range n {
			want(t, askBy(t, e, DNS{Server: server, Name: "portal.test"}, generous), uptally.OK)
		}
		mu.Lock()
		defer mu.Unlock()
		// Of 4 ports, one is missed by 100 questions once in 10^12 runs; six equal pairs of identifiers are as rare.
		if len(ids) < n-5 || len(ports) < 4 {
			t.Errorf("got %d identifiers and %d ports, want nearly %d, and at least 4", len(ids), len(ports), n)
		}
	})
}

// FuzzReply: whatever arrives, a reply is ours only with identifier and question, and judging it ends in a listed reason.
func FuzzReply(f *testing.F) {
	settings := &DNS{
		Server: "192.0.2.53", Name: "portal.test", Type: "SOA", RCodes: []string{"NOERROR", "NXDOMAIN", "BADVERS"},
		AnswersRegexp: ".", AuthorityNotRegexp: "evil", AdditionalNotRegexp: "evil", MinTTL: uptally.Second, Flags: []string{"!tc"},
		Serial: &Serial{AtLeast: 1, NewerThan: uptally.Hour},
	}
	q, err := newDNSQuery(settings)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(q.wire)
	f.Add([]byte{0, 0, 0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0})
	f.Add(answer(f, new(dns.Msg).SetQuestion("other.test.", dns.TypeA), dns.RcodeSuccess))
	reply := answer(f, new(dns.Msg).SetQuestion("portal.test.", dns.TypeSOA), dns.RcodeSuccess, "portal.test. 60 IN SOA a. b. 2026112201 1 1 1 1", "portal.test. 60 IN CNAME portal.test.")
	reply[0], reply[1] = 0, 0
	f.Add(reply)
	f.Fuzz(func(t *testing.T, b []byte) {
		a := q.ask(0)
		checkReply(t, settings, q, &a, b, nil)
	})
}
