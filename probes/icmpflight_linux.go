package probes

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/uptally/uptally"
)

// flight is a probe while its requests are under way on a shared socket.
type flight struct {
	socket  *echoSocket
	to      syscall.Sockaddr
	from    egress
	options []byte
	packet  []byte
	rest    uint32 // the sum of the payload after the cookie

	target   netip.Addr // as replies name it
	deadline time.Time
	wake     chan struct{}
	sent     int
	late     time.Duration // how much later than the deadline this goroutine ran

	// What the reader writes too is guarded by the socket's mutex.
	requests []request
	begun    int // requests sent, or tried
	open     int // of them, those still waited for
	over     bool
	tally    tally

	// Room for what nearly every flight is: one small request.
	one    [1]request
	rtt    [1]time.Duration
	small  [64]byte
	beside [96]byte
}

// request is one echo request.
type request struct {
	flight *flight
	state  requestState
	number uint32
	nonce  uint64
	sent   time.Time
	sends  int
	fault  *fault // what is known to be wrong; counts unless a reply comes
}

type requestState int

const (
	waiting requestState = iota
	again                // to be sent once more, because a link of the path has turned out to be narrower
	answered
	refused
)

// maxSends bounds what one request may cost where links get narrower and narrower.
const maxSends = 4

func newFlight(r *run, p *icmpProbe, addr netip.Addr, s *echoSocket) (*flight, error) {
	if addr.IsUnspecified() { // which the kernel takes for loopback, and answers from there
		addr = map[bool]netip.Addr{false: netip.AddrFrom4([4]byte{127, 0, 0, 1}), true: netip.IPv6Loopback()}[addr.Is6()]
	}
	f := &flight{
		socket: s, target: addr.WithZone(""), wake: make(chan struct{}, 1), to: sockaddr(netip.AddrPortFrom(addr, 0)),
		from: p.route.source, rest: p.sum,
	}
	f.requests, f.tally.rtts = f.one[:], f.rtt[:0]
	if n := p.settings.Count; n > 1 {
		f.requests = make([]request, n)
	}
	f.deadline, _ = r.ctx.Deadline()
	f.packet = append(f.small[:echoHeaderLen+cookieLen], s.payloads.rest(p.settings.Size)...)
	var err error
	f.options, err = s.options(f.beside[:0], p.settings.TTL, p.settings.TrafficClass, p.route.source)
	return f, err
}

// fly sends the requests and waits for what becomes of them.
func (f *flight) fly(r *run, p *icmpProbe) {
	var next <-chan time.Time
	if len(f.requests) > 1 {
		t := time.NewTicker(p.interval(r))
		defer t.Stop()
		next = t.C
	}
	f.send(r, f.begin())
	for f.waits() {
		select {
		case <-f.wake:
			f.repeat(r)
		case <-next:
			if q := f.begin(); q != nil {
				f.send(r, q)
			}
		case <-r.ctx.Done():
			if errors.Is(r.ctx.Err(), context.DeadlineExceeded) {
				f.late = time.Since(f.deadline)
				f.socket.settle()
			}
			return
		}
	}
}

// begin takes the next request, nil after the last.
func (f *flight) begin() *request {
	f.socket.mu.Lock()
	defer f.socket.mu.Unlock()
	if f.begun == len(f.requests) || f.over {
		return nil
	}
	q := &f.requests[f.begun]
	q.flight, q.nonce = f, rand.Uint64()
	q.number = f.socket.number(q)
	f.begun++
	f.open++
	return q
}

// number gives a request one that is free. The socket's mutex is held.
func (s *echoSocket) number(q *request) uint32 {
	for {
		n := s.next % s.room
		s.next++
		if s.table[n] == nil {
			s.table[n] = q
			return n
		}
	}
}

// waits reports whether anything is left to send or to wait for.
func (f *flight) waits() bool {
	f.socket.mu.Lock()
	defer f.socket.mu.Unlock()
	return !f.over && !f.socket.closed && (f.open > 0 || f.begun < len(f.requests))
}

// repeat sends what a narrower path than known swallowed.
func (f *flight) repeat(r *run) {
	for i := range f.requests {
		q := &f.requests[i]
		f.socket.mu.Lock()
		once := q.state == again
		if once {
			q.state = waiting
		}
		f.socket.mu.Unlock()
		if once {
			f.send(r, q)
		}
	}
}

// send sends one request and notes what keeps it from being sent.
func (f *flight) send(r *run, q *request) {
	s := f.socket
	kind := uint8(echoRequest4)
	if s.kind.v6 {
		kind = echoRequest6
	}
	cookie := f.packet[echoHeaderLen : echoHeaderLen+cookieLen]
	s.payloads.cookie(cookie, q.nonce)
	header(f.packet, kind, s.ids+uint16(q.number>>16), uint16(q.number), cookie, f.rest)
	s.mu.Lock()
	q.sends++
	q.sent = time.Now()
	first := f.begun == 1 && q.sends == 1
	s.mu.Unlock()
	if first && len(r.obs.Phases) == 0 {
		r.obs.SentAt, r.begin = q.sent, q.sent // whatever kept the process busy before it
	}
	if err := f.transmit(); err != nil {
		f.fail(q, sendFault(r, err))
		return
	}
	if q.sends == 1 {
		f.sent++
	}
}

// transmit hands the packet to the kernel. On a datagram socket the first attempts may fail with what routers said about
// earlier requests, each of which is told once.
func (f *flight) transmit() error {
	for try := 0; ; try++ {
		_, err := syscall.SendmsgN(f.socket.fd, f.packet, f.options, f.to, syscall.MSG_NOSIGNAL)
		switch {
		case err == nil:
			return nil
		case err == syscall.EINTR, !f.socket.kind.raw && try < maxStale && err != unix.EAGAIN && err != unix.ENOBUFS && err != unix.EPERM:
			continue
		}
		if from := f.from.addr; from.IsValid() && (err == unix.EINVAL || err == unix.ENETUNREACH) {
			if !f.from.local() {
				return fmt.Errorf("send to %s from %s: %w", f.target, from, unix.EADDRNOTAVAIL)
			}
		}
		return fmt.Errorf("send to %s: %w", f.target, err)
	}
}

// local reports whether this machine has the address. The kernel refuses to send from another one as if there were no route.
func (e egress) local() bool {
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(e.addr, 0)))
	if err != nil {
		return !errors.Is(err, unix.EADDRNOTAVAIL)
	}
	_ = c.Close() // nothing was sent
	return true
}

// maxStale is how many failures of a send are taken for those of other requests.
const maxStale = 8

// fail ends a request that could not be sent. Where the agent itself is at fault the probe is over.
func (f *flight) fail(q *request, why *fault) {
	f.socket.mu.Lock()
	defer f.socket.mu.Unlock()
	q.state, q.fault = refused, why
	f.open--
	f.over = f.over || why.reason.Outcome() != uptally.Down
}

// land takes the requests out of the table and returns what became of them.
func (f *flight) land() *tally {
	s := f.socket
	s.mu.Lock()
	defer s.mu.Unlock()
	t := &f.tally
	t.sent, t.delay = f.sent, max(t.delay, f.late)
	for i := range f.requests[:f.begun] {
		q := &f.requests[i]
		delete(s.table, q.number)
		if q.state != answered && q.fault != nil && (t.failed == nil || q.fault.reason.Outcome() != uptally.Down) {
			t.failed = q.fault
		}
	}
	switch {
	case s.closed:
		t.failed = faultf(uptally.AgentDown, "stopped with %d of %d replies", len(t.rtts), len(f.requests))
	case t.failed == nil && f.open > 0 && s.lostAt.After(f.requests[0].sent):
		t.failed = faultf(uptally.Resource, "got an overflow of the socket's queue while waiting for a reply")
	}
	return t
}

// deliver gives a message to the request that it is about. read is when this process had it.
func (s *echoSocket) deliver(m *echoMessage, a *arrival, read time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	number := uint32(m.id-s.ids)<<16 | uint32(m.seq)
	q := s.table[number]
	if number >= s.room || q == nil {
		return
	}
	if m.complaint {
		q.complaint(m, a.router)
	} else if a.from == q.flight.target {
		q.reply(m, a.stamp, read)
	}
}

// reply judges an echo reply from the target.
func (q *request) reply(m *echoMessage, stamp int64, read time.Time) {
	f := q.flight
	size := len(f.packet) - echoHeaderLen
	switch like, at := f.socket.payloads.compare(m.data, q.nonce, size, true); {
	case like == older:
		return
	case like == other:
		if q.fault == nil {
			q.fault = mismatch(len(m.data), size, at)
		}
		return
	case q.state == answered:
		f.tally.duplicates++
		return
	}
	rtt, delay := roundTrip(q.sent, read, stamp)
	if q.sent.Add(rtt).After(f.deadline) {
		return
	}
	if q.state != refused {
		f.open--
	}
	q.state = answered
	f.tally.rtts = append(f.tally.rtts, max(rtt, 1))
	f.tally.delay = max(f.tally.delay, delay)
	f.tally.ttl = m.ttl
	f.signal()
}

func mismatch(got, sent, at int) *fault {
	if got > sent {
		return faultf(uptally.PayloadMismatch, "got a reply longer than the %d bytes sent", sent)
	}
	return faultf(uptally.PayloadMismatch, "got a reply of %d bytes, which differs from the %d sent at byte %d", got, sent, at)
}

// complaint judges what a router or the target says about a request. One that repeats the cookie has seen it, and nothing
// more will come; one that repeats too little is believed only if no reply comes.
func (q *request) complaint(m *echoMessage, router netip.Addr) {
	f := q.flight
	why := m.fault(router, f.socket.kind.v6)
	if why == nil || m.target != f.target || q.state != waiting {
		return
	}
	like, _ := f.socket.payloads.compare(m.data, q.nonce, 0, false)
	switch {
	case like == short && q.fault == nil:
		q.fault = why
		return
	case like != same:
		return
	case f.socket.kind.v6 && !f.socket.kind.whole && why.reason == uptally.TooBig && q.sends < maxSends:
		// Over IPv6 the sender splits, and has just learnt how small (RFC 8201): part of sending, not another attempt.
		q.state = again
	default:
		q.state, q.fault = refused, why
		f.open--
	}
	f.signal()
}

// signal wakes the flight. The socket's mutex is held.
func (f *flight) signal() {
	select {
	case f.wake <- struct{}{}:
	default: // awake already
	}
}

// options adds to b what a request says beside its packet: hop limit, traffic class and where it leaves from.
func (s *echoSocket) options(b []byte, ttl, class int, from egress) ([]byte, error) {
	index := 0
	if from.device != "" {
		ifr, err := unix.NewIfreq(from.device)
		if err == nil {
			err = unix.IoctlIfreq(s.fd, unix.SIOCGIFINDEX, ifr)
		}
		if err != nil {
			return nil, os.NewSyscallError("find interface "+from.device, err)
		}
		index = int(ifr.Uint32())
	}
	if s.kind.v6 {
		b = appendNumber(b, unix.IPPROTO_IPV6, unix.IPV6_HOPLIMIT, ttl)
		b = appendNumber(b, unix.IPPROTO_IPV6, unix.IPV6_TCLASS, class)
		if from != (egress{}) {
			var info []byte
			b, info = appendControl(b, unix.IPPROTO_IPV6, unix.IPV6_PKTINFO, unix.SizeofInet6Pktinfo)
			copy(info, from.addr.AsSlice())
			binary.NativeEndian.PutUint32(info[16:], uint32(index))
		}
		return b, nil
	}
	b = appendNumber(b, unix.IPPROTO_IP, unix.IP_TTL, ttl)
	b = appendNumber(b, unix.IPPROTO_IP, unix.IP_TOS, class)
	if from != (egress{}) {
		var info []byte
		b, info = appendControl(b, unix.IPPROTO_IP, unix.IP_PKTINFO, unix.SizeofInet4Pktinfo)
		binary.NativeEndian.PutUint32(info, uint32(index))
		copy(info[4:], from.addr.AsSlice())
	}
	return b, nil
}

func appendNumber(b []byte, level, kind, n int) []byte {
	b, data := appendControl(b, level, kind, 4)
	binary.NativeEndian.PutUint32(data, uint32(n))
	return b
}

// appendControl adds a control message of n bytes of data, which the caller fills in (cmsg(3)).
func appendControl(b []byte, level, kind, n int) (all, data []byte) {
	at := len(b)
	b = append(b, make([]byte, unix.CmsgSpace(n))...)
	h := (*unix.Cmsghdr)(unsafe.Pointer(&b[at]))
	h.Level, h.Type = int32(level), int32(kind)
	h.SetLen(unix.CmsgLen(n))
	return b, b[at+unix.CmsgLen(0):][:n]
}
