package probes

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sys/unix"

	"github.com/uptally/uptally"
)

func shared(t testing.TB) *Engine {
	e := NewShared()
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// TestSharedSocketsCarryMany: 3,000 questions, 100 at once, some to a shut port, whose errors are told to the sockets that the
// others use. Every one gets its own answer, and no more sockets are open than the family has.
func TestSharedSocketsCarryMany(t *testing.T) {
	server := listenDNS(t, func(_ string, q *dns.Msg) []byte {
		name := q.Question[0].Name
		return answer(t, q, dns.RcodeSuccess, strings.ToLower(name)+" 60 IN TXT "+strings.ToLower(strings.Split(name, ".")[0]))
	})
	e, shut := shared(t), refusedAddress(t)
	before := openFiles(t)
	var all sync.WaitGroup
	var asked atomic.Int32
	for range 100 {
		all.Go(func() {
			for n := asked.Add(1); n <= 3000; n = asked.Add(1) {
				if n%16 == 0 {
					o := askBy(t, e, DNS{Server: shut, Name: "portal.test"}, generous)
					if o.Reason != uptally.QueryTimeout || !strings.HasSuffix(o.Detail, "connection refused") {
						t.Errorf("got %v %s", o.Reason, o.Detail)
					}
					continue
				}
				word := "n" + strings.Repeat("x", int(n%40))
				want(t, askBy(t, e, DNS{Server: server, Name: word + ".portal.test", Type: "TXT", Answers: []string{word}}, generous), uptally.OK)
			}
		})
	}
	all.Wait()
	if got := openFiles(t) - before; got > dnsSocketsAFamily {
		t.Errorf("got %d more open files, want at most %d", got, dnsSocketsAFamily)
	}
	for _, s := range e.questions.four {
		if s != nil && (len(s.waiting) > 0 || len(s.peers) > 0) {
			t.Errorf("got %d questions and %d peers left", len(s.waiting), len(s.peers))
		}
	}
}

func TestSharedSocketsOverIPv6(t *testing.T) {
	u, err := net.ListenPacket("udp6", "[::1]:0")
	if err != nil {
		t.Skip(err)
	}
	defer u.Close()
	go func() {
		buf := make([]byte, 512)
		for {
			n, from, err := u.ReadFrom(buf)
			q := new(dns.Msg)
			if err != nil || q.Unpack(buf[:n]) != nil {
				return
			}
			_, _ = u.WriteTo(answer(t, q, dns.RcodeSuccess, "portal.test. 60 IN A 192.0.2.1"), from)
		}
	}()
	e := shared(t)
	o := askBy(t, e, DNS{Server: u.LocalAddr().String(), Name: "portal.test"}, generous)
	want(t, o, uptally.OK)
	o = askBy(t, e, DNS{Server: "[::1]:" + portOfAddress(refusedAddress(t)), Name: "portal.test"}, generous)
	if want(t, o, uptally.QueryTimeout); !strings.HasSuffix(o.Detail, "connection refused") {
		t.Errorf("got %s", o.Detail)
	}
}

// TestSharedSocketsAreReplaced: an old socket gives way to a new one, is closed once its last question is over, and serves
// those under way until then.
func TestSharedSocketsAreReplaced(t *testing.T) {
	held := make(chan struct{})
	var ports sync.Map
	server := listenUDP(t, func(u *net.UDPConn, from netip.AddrPort, q *dns.Msg) {
		ports.Store(from.Port(), true)
		b := answer(t, q, dns.RcodeSuccess, strings.ToLower(q.Question[0].Name)+" 60 IN A 192.0.2.1")
		if strings.EqualFold(q.Question[0].Name, "slow.test.") {
			go func() { <-held; sendFrom(t, u, b, from) }()
			return
		}
		sendFrom(t, u, b, from)
	})
	e := shared(t)
	p := e.questions
	var slow sync.WaitGroup
	slow.Go(func() { want(t, askBy(t, e, DNS{Server: server, Name: "slow.test"}, generous), uptally.OK) })
	for i := range 4 * dnsSocketsAFamily {
		want(t, askBy(t, e, DNS{Server: server, Name: "portal.test"}, generous), uptally.OK)
		p.mu.Lock()
		if i%dnsSocketsAFamily == 0 {
			for _, s := range p.four {
				if s != nil {
					s.opened = s.opened.Add(-2 * dnsSocketAge)
				}
			}
		}
		p.mu.Unlock()
	}
	n := 0
	ports.Range(func(any, any) bool { n++; return true })
	if n <= dnsSocketsAFamily {
		t.Errorf("got questions from %d ports, want more than %d", n, dnsSocketsAFamily)
	}
	close(held)
	slow.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.old) > 0 {
		t.Errorf("got %d replaced sockets left open", len(p.old))
	}
}

// TestCloseEndsQuestions: those under way and all later ones prove nothing.
func TestCloseEndsQuestions(t *testing.T) {
	begun := make(chan struct{}, 10)
	server := listenUDP(t, func(*net.UDPConn, netip.AddrPort, *dns.Msg) { begun <- struct{}{} })
	e := NewShared()
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			want(t, askBy(t, e, DNS{Server: server, Name: "portal.test"}, generous), uptally.AgentDown)
		})
	}
	for range 3 {
		<-begun
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	all.Wait()
	want(t, askBy(t, e, DNS{Server: server, Name: "portal.test"}, generous), uptally.AgentDown)
	if err := e.Close(); err != nil {
		t.Error(err)
	}
}

// deaf is an engine whose sockets nobody reads, as if the process got no processor.
func deaf(t *testing.T, prepare func(fd int)) *Engine {
	e := shared(t)
	for i := range e.questions.four {
		s, err := openDNSSocket(false, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if err := s.raw.Control(func(fd uintptr) { prepare(int(fd)) }); err != nil {
			t.Fatal(err)
		}
		e.questions.four[i] = s
	}
	return e
}

// TestReplyInTimeReadLate: the reply was in the kernel before the deadline, and the process read it after. It counts, with the
// time at which the kernel had it; the rest is the agent's own delay.
func TestReplyInTimeReadLate(t *testing.T) {
	server := listenDNS(t, func(_ string, q *dns.Msg) []byte {
		return answer(t, q, dns.RcodeSuccess, "portal.test. 60 IN A 192.0.2.1")
	})
	e := deaf(t, func(int) {})
	o := askBy(t, e, DNS{Server: server, Name: "portal.test", Reach: Reach{MaxResponseTime: uptally.Duration(brief)}}, 2*brief)
	want(t, o, uptally.OK)
	if o.RTT > brief || o.RTT+o.Delay < 2*brief {
		t.Errorf("got response time %v and delay %v, want a small one, and both together above %v", o.RTT, o.Delay, 2*brief)
	}
	if last := o.Phases[len(o.Phases)-1]; last.Name != "query" || last.D != o.RTT {
		t.Errorf("got phase %v, want the query in %v", last, o.RTT)
	}
}

// TestReplyAfterTheDeadline: here the kernel had it too late, and it was read all the same.
func TestReplyAfterTheDeadline(t *testing.T) {
	r := &run{}
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Millisecond))
	defer cancel()
	r.ctx = ctx
	sent := time.Now().Add(-time.Second)
	q, err := newDNSQuery(&DNS{Server: "192.0.2.53", Name: "portal.test"})
	if err != nil {
		t.Fatal(err)
	}
	a := q.ask(7)
	_, f := r.queried(&a, a.wire, sent, time.Now(), time.Now().UnixNano()-1)
	if f == nil || f.reason != uptally.QueryTimeout {
		t.Errorf("got %v, want %v", f, uptally.QueryTimeout)
	}
}

// TestFullQueueIsVoid: the kernel dropped messages, the reply perhaps among them. Nothing is proven of the server.
func TestFullQueueIsVoid(t *testing.T) {
	server := listenUDP(t, func(u *net.UDPConn, from netip.AddrPort, q *dns.Msg) {
		for range 200 {
			sendFrom(t, u, make([]byte, dnsHeader), from)
		}
		sendFrom(t, u, answer(t, q, dns.RcodeSuccess, "portal.test. 60 IN A 192.0.2.1"), from)
	})
	e := deaf(t, func(fd int) {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 4096); err != nil {
			t.Fatal(err)
		}
	})
	d := DNS{Server: server, Name: "portal.test"}
	want(t, askBy(t, e, d, brief), uptally.Resource)
	// What was dropped before a probe began says nothing about that probe.
	quiet := listenUDP(t, func(*net.UDPConn, netip.AddrPort, *dns.Msg) {})
	for _, s := range e.questions.four {
		_ = s.raw.Control(func(fd uintptr) { s.drops = droppedBy(int(fd)) })
	}
	want(t, askBy(t, e, DNS{Server: quiet, Name: "portal.test"}, brief), uptally.QueryTimeout)
}
