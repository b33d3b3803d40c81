package probes

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/miekg/dns"

	"github.com/uptally/uptally"
)

// nameServer answers every name with the addresses.
func nameServer(t testing.TB, addresses ...string) string {
	return listenDNS(t, func(_ string, q *dns.Msg) []byte {
		m := new(dns.Msg)
		m.SetReply(q)
		m.RecursionAvailable, m.Compress = true, true
		for _, a := range addresses {
			h := dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 60}
			switch v6 := strings.Contains(a, ":"); {
			case v6 && q.Question[0].Qtype == dns.TypeAAAA:
				h.Rrtype = dns.TypeAAAA
				m.Answer = append(m.Answer, &dns.AAAA{Hdr: h, AAAA: net.ParseIP(a)})
			case !v6 && q.Question[0].Qtype == dns.TypeA:
				m.Answer = append(m.Answer, &dns.A{Hdr: h, A: net.ParseIP(a)})
			}
		}
		b, err := m.Pack()
		if err != nil {
			t.Error(err)
		}
		return b
	})
}

// listenAt serves at an address of loopback with the port of another listener.
func listenAt(t testing.TB, host, like string, handle func(net.Conn)) {
	t.Helper()
	_, port, _ := net.SplitHostPort(like)
	l, err := net.Listen("tcp", net.JoinHostPort(host, port))
	if err != nil {
		t.Fatal(err)
	}
	serve(t, l, handle)
}

// says greets and leaves.
func says(text string) func(net.Conn) {
	return func(c net.Conn) { _, _ = io.WriteString(c, text); silence(c) }
}

// TestEveryAddress: one probe of all the addresses behind a name, and the one outcome it has.
func TestEveryAddress(t *testing.T) {
	one := listenTCP(t, says("good\n"))
	_, port, _ := net.SplitHostPort(one)
	listenAt(t, "127.0.0.2", one, says("good\n"))
	listenAt(t, "127.0.0.3", one, says("bad\n"))
	listenAt(t, "127.0.0.4", one, silence)
	// Nothing listens at 127.0.0.5.
	for _, tt := range []struct {
		story     string
		addresses []string
		deny      []string
		want      uptally.Reason
		detail    string
		seen      string
	}{
		{"both are up", []string{"127.0.0.2", "127.0.0.1"}, nil, uptally.OK, "", "127.0.0.1 up, 127.0.0.2 up"},
		{"an address given twice is one", []string{"127.0.0.2", "127.0.0.2"}, nil, uptally.OK, "", "127.0.0.2 up"},
		{"one of two is down", []string{"127.0.0.1", "127.0.0.5"}, nil, uptally.ConnectRefused, "127.0.0.5: dial tcp 127.0.0.5:" + port + ": connection refused", "127.0.0.1 up, 127.0.0.5 connect_refused"},
		{"of two that are down the first by address", []string{"127.0.0.5", "127.0.0.3"}, nil, uptally.ReplyMismatch, `127.0.0.3: steps[0]: got 4 bytes without "good": "bad\n"`, "127.0.0.3 reply_mismatch, 127.0.0.5 connect_refused"},
		{"one that waits until the deadline hides none", []string{"127.0.0.4", "127.0.0.1"}, nil, uptally.ReplyTimeout, "", "127.0.0.1 up, 127.0.0.4 reply_timeout"},
		{"one that may not be asked is missed", []string{"127.0.0.1", "127.0.0.9"}, []string{"127.0.0.8/29"}, uptally.NotPermitted, "127.0.0.9: got the address 127.0.0.9, which deny forbids", "127.0.0.1 up, 127.0.0.9 not_permitted"},
		{"and is no excuse for one that is down", []string{"127.0.0.5", "127.0.0.9"}, []string{"127.0.0.8/29"}, uptally.ConnectRefused, "", "127.0.0.5 connect_refused, 127.0.0.9 not_permitted"},
	} {
		t.Run(tt.story, func(t *testing.T) {
			within := generous
			if tt.want == uptally.ReplyTimeout || tt.want == uptally.ReplyMismatch {
				within = brief
			}
			o := observe(t, &Settings{TCP: &TCP{
				Reach:   Reach{Addresses: "all", Resolver: nameServer(t, tt.addresses...), Deny: tt.deny},
				Address: "portal.test:" + port, Steps: []Step{{Expect: "good"}},
			}}, "", within)
			want(t, o, tt.want)
			if tt.detail != "" && o.Detail != tt.detail {
				t.Errorf("got detail %q, want %q", o.Detail, tt.detail)
			}
			if got := factOf(o, "addresses"); got != tt.seen {
				t.Errorf("got %q, want %q", got, tt.seen)
			}
			if o.Phases[0].Name != "resolve" {
				t.Errorf("got phases %v, want resolve first", o.Phases)
			}
		})
	}
}

func factOf(o Observation, key string) string {
	for _, f := range o.Facts {
		if f.Key == key {
			return f.Value
		}
	}
	return ""
}

// TestEveryAddressOfEveryKind: the option is around the kind, not in it.
func TestEveryAddressOfEveryKind(t *testing.T) {
	resolver := nameServer(t, "127.0.0.1", "127.0.0.2")
	reach := Reach{Addresses: "all", Resolver: resolver}
	web := listenTCP(t, afterRequest("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
	_, port, _ := net.SplitHostPort(web)
	listenAt(t, "127.0.0.2", web, afterRequest("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"))
	_, dnsPort, _ := net.SplitHostPort(resolver) // listens at 127.0.0.1 only
	for kind, tt := range map[string]struct {
		settings *Settings
		want     uptally.Reason
	}{
		"http": {&Settings{HTTP: &HTTP{Reach: reach, URL: "http://portal.test:" + port}}, uptally.Status},
		"tcp":  {&Settings{TCP: &TCP{Reach: reach, Address: "portal.test:" + port}}, uptally.OK},
		"icmp": {&Settings{ICMP: &ICMP{Reach: reach, Host: "portal.test"}}, uptally.OK},
		"dns":  {&Settings{DNS: &DNS{Reach: reach, Server: "portal.test:" + dnsPort, Name: "a.test"}}, uptally.QueryTimeout},
	} {
		t.Run(kind, func(t *testing.T) {
			if kind == "icmp" {
				needEcho(t)
			}
			o := observe(t, tt.settings, "", generous)
			want(t, o, tt.want)
			if got := factOf(o, "addresses"); !strings.HasPrefix(got, "127.0.0.1 up, 127.0.0.2 ") {
				t.Errorf("got addresses %q", got)
			}
		})
	}
}

// TestTooManyAddresses: a name server cannot make the agent open any number of sockets.
func TestTooManyAddresses(t *testing.T) {
	var many []string
	for i := range maxAddresses + 1 {
		many = append(many, fmt.Sprintf("127.0.1.%d", i))
	}
	o := observe(t, &Settings{TCP: &TCP{Reach: Reach{Addresses: "all", Resolver: nameServer(t, many...)}, Address: "portal.test:1"}}, "", generous)
	want(t, o, uptally.ResolveFailed)
}

// TestDenied: no packet goes to a denied network, by whatever way it was named.
func TestDenied(t *testing.T) {
	var touched atomic.Bool
	touch := func(net.Conn) { touched.Store(true) }
	inner := listenTCP(t, touch)
	listenAt(t, "127.0.0.7", inner, touch)
	_, port, _ := net.SplitHostPort(inner)
	loopback := []string{"127.0.0.0/8", "::1/128"}
	leading := func(to string) string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		serve(t, l, func(c net.Conn) {
			if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
				_, _ = fmt.Fprintf(c, "HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n", to)
			}
		})
		return l.Addr().String()
	}
	for _, tt := range []struct {
		story    string
		settings *Settings
		want     uptally.Reason
	}{
		{"a name", &Settings{TCP: &TCP{Reach: Reach{Deny: loopback, Resolver: nameServer(t, "127.0.0.1")}, Address: "portal.test:" + port}}, uptally.NotPermitted},
		{"a name of an unspecified address, which leads to this machine", &Settings{TCP: &TCP{Reach: Reach{Deny: loopback, Resolver: nameServer(t, "0.0.0.0")}, Address: "portal.test:" + port}}, uptally.NotPermitted},
		{"the same for IPv6", &Settings{TCP: &TCP{Reach: Reach{Deny: loopback, Resolver: nameServer(t, "::")}, Address: "portal.test:" + port}}, uptally.NotPermitted},
		{"IPv4 inside IPv6", &Settings{TCP: &TCP{Reach: Reach{Deny: loopback, Resolver: nameServer(t, "::ffff:127.0.0.1")}, Address: "portal.test:" + port}}, uptally.NotPermitted},
		{"a fixed address", &Settings{TCP: &TCP{Reach: Reach{Deny: loopback, Resolve: map[string]string{"portal.test": "127.0.0.1"}}, Address: "portal.test:" + port}}, uptally.NotPermitted},
		{"a redirect to an address", &Settings{HTTP: &HTTP{Reach: Reach{Deny: []string{"127.0.0.7/32"}}, URL: "http://" + leading("http://127.0.0.7:"+port)}}, uptally.Redirect},
		{"a redirect to a name", &Settings{HTTP: &HTTP{Reach: Reach{Deny: []string{"127.0.0.7/32"}, Resolver: nameServer(t, "127.0.0.7")}, URL: "http://" + leading("http://inner.test:"+port)}}, uptally.Redirect},
		{"elsewhere is fine", &Settings{TCP: &TCP{Reach: Reach{Deny: []string{"10.0.0.0/8"}}, Address: leading("")}}, uptally.OK},
	} {
		t.Run(tt.story, func(t *testing.T) { want(t, observe(t, tt.settings, "", generous), tt.want) })
	}
	if touched.Load() {
		t.Error("a denied address was connected to")
	}
}

// TestNetworks: what a written network contains.
func TestNetworks(t *testing.T) {
	for _, tt := range []struct {
		network, addr string
		want          bool
	}{
		{"10.1.2.3/8", "10.255.0.1", true},
		{"10.0.0.0/8", "11.0.0.1", false},
		{"::ffff:10.0.0.0/104", "10.0.0.1", true},
		{"10.0.0.0/8", "::ffff:10.0.0.1", true},
		{"fe80::/10", "fe80::1%eth0", true},
		{"127.0.0.0/8", "0.0.0.0", true},
		{"::1/128", "::", true},
		{"::/0", "192.0.2.1", false},
	} {
		if got := (&Reach{Deny: []string{tt.network}}).networks().contain(netip.MustParseAddr(tt.addr)); got != tt.want {
			t.Errorf("%s in %s: got %v", tt.addr, tt.network, got)
		}
	}
}

// TestSource: the other side sees the address that was asked for; one that this machine lacks is the agent's fault.
func TestSource(t *testing.T) {
	seen := make(chan string, 100)
	see := func(c net.Conn) {
		host, _, _ := net.SplitHostPort(c.RemoteAddr().String())
		seen <- host
		_, _ = io.WriteString(c, "x")
	}
	address := listenTCP(t, see)
	probe := func(source string) Observation {
		return observe(t, &Settings{TCP: &TCP{Reach: Reach{Source: source}, Address: address, Steps: []Step{{Expect: "x"}}}}, "", generous)
	}
	for _, tt := range []struct {
		source string
		want   uptally.Reason
		seen   string
	}{
		{"127.0.0.7", uptally.OK, "127.0.0.7"},
		{"lo", uptally.OK, "127.0.0.1"},
		{"192.0.2.77", uptally.Resource, ""},
		{"nosuch0", uptally.Resource, ""},
	} {
		want(t, probe(tt.source), tt.want)
		if tt.seen != "" {
			if got := <-seen; got != tt.seen {
				t.Errorf("source %s: the target saw %s, want %s", tt.source, got, tt.seen)
			}
		}
	}
}

// TestSourceOfQuestions: datagrams leave from the source too, and it decides the family.
func TestSourceOfQuestions(t *testing.T) {
	u, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = u.Close() })
	from := make(chan string, 1)
	go func() {
		if _, addr, err := u.ReadFrom(make([]byte, 512)); err == nil {
			from <- addr.(*net.UDPAddr).IP.String()
		}
		close(from)
	}()
	want(t, observe(t, &Settings{DNS: &DNS{Reach: Reach{Source: "127.0.0.7"}, Server: u.LocalAddr().String(), Name: "a.test"}}, "", brief), uptally.QueryTimeout)
	if got := <-from; got != "127.0.0.7" {
		t.Errorf("got a question from %q, want 127.0.0.7", got)
	}
	o := observe(t, &Settings{TCP: &TCP{Reach: Reach{Source: "127.0.0.7", Resolver: nameServer(t, "::1")}, Address: "portal.test:1"}}, "", generous)
	want(t, o, uptally.ResolveNoAddress)
}
