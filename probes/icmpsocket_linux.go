package probes

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// socketKind is what distinguishes the sockets of a pool: the family, whether raw or datagram, and whether routers must not
// split what it sends.
type socketKind struct{ v6, raw, whole bool }

// echoSocket is one ICMP socket and the requests that are under way on it.
type echoSocket struct {
	kind socketKind
	fd   int
	file *os.File // holds fd for the runtime's poller
	ids  uint16   // the first identifier
	room uint32   // how many requests have a number: identifier and sequence

	payloads *payloads
	readers  sync.WaitGroup
	closing  atomic.Bool

	reading sync.Mutex // of the next six
	message unix.Msghdr
	vector  unix.Iovec
	buffer  []byte
	name    [unix.SizeofSockaddrInet6]byte
	control [256]byte
	lost    uint32        // messages that the kernel dropped because the queue was full
	largest *atomic.Int64 // payload of the pool's probes

	mu     sync.Mutex // of the rest, and of the flights
	table  map[uint32]*request
	next   uint32
	busy   int        // requests promised to flights
	left   *sync.Cond // a flight is over
	closed bool       // flights must leave
	lostAt time.Time  // when lost was last seen to have grown
}

const (
	// idBlock is how many identifiers a raw socket takes: a million requests in flight.
	idBlock = 16
	// queueBytes is asked for as receive buffer: some ten thousand small replies.
	queueBytes = 8 << 20
)

// openEchoSocket opens a socket and its reader. The error is that of the system call; a permission error says that this way
// of ICMP is closed to the process.
func openEchoSocket(kind socketKind, p *payloads, largest *atomic.Int64) (*echoSocket, error) {
	s := &echoSocket{kind: kind, payloads: p, largest: largest, table: map[uint32]*request{}, next: rand.Uint32()}
	s.left = sync.NewCond(&s.mu)
	domain, protocol, way := unix.AF_INET, unix.IPPROTO_ICMP, unix.SOCK_DGRAM
	if kind.v6 {
		domain, protocol = unix.AF_INET6, unix.IPPROTO_ICMPV6
	}
	if kind.raw {
		way = unix.SOCK_RAW
	}
	var err error
	if s.fd, err = unix.Socket(domain, way|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, protocol); err != nil {
		return nil, os.NewSyscallError("open ICMP socket", err)
	}
	if err := s.prepare(); err != nil {
		_ = unix.Close(s.fd) // the first error says more
		return nil, os.NewSyscallError("prepare ICMP socket", err)
	}
	s.file = os.NewFile(uintptr(s.fd), "icmp")
	conn, err := s.file.SyscallConn()
	if err != nil {
		return nil, errors.Join(err, s.file.Close())
	}
	s.readers.Go(func() { s.read(conn) })
	return s, nil
}

func (s *echoSocket) prepare() error {
	errs := []error{stampMessages(s.fd)}
	set := func(level, option, value int) {
		errs = append(errs, unix.SetsockoptInt(s.fd, level, option, value))
	}
	set(unix.SOL_SOCKET, unix.SO_BROADCAST, 1)
	set(unix.SOL_SOCKET, unix.SO_RXQ_OVFL, 1)
	if unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, queueBytes) != nil {
		set(unix.SOL_SOCKET, unix.SO_RCVBUF, queueBytes) // as much as the machine grants
	}
	if s.kind.v6 {
		set(unix.IPPROTO_IPV6, unix.IPV6_RECVHOPLIMIT, 1)
	} else {
		set(unix.IPPROTO_IP, unix.IP_RECVTTL, 1)
	}
	s.setSplitting(set)
	if s.kind.raw {
		s.ids, s.room = uint16(rand.Uint32())&^(idBlock-1), idBlock<<16
		return errors.Join(append(errs, s.filter())...)
	}
	if s.kind.v6 {
		set(unix.IPPROTO_IPV6, unix.IPV6_RECVERR, 1)
	} else {
		set(unix.IPPROTO_IP, unix.IP_RECVERR, 1)
	}
	return errors.Join(append(errs, s.identify())...)
}

// setSplitting decides who may split a request. Where nobody may, the kernel's memory of earlier complaints is left aside
// (PROBE): each probe tries the path anew. Else over IPv4 routers may (DONT: the default forbids it to them, and the
// first large request is lost), and over IPv6, where only the sender can, the kernel does what it has learnt.
func (s *echoSocket) setSplitting(set func(level, option, value int)) {
	switch {
	case s.kind.v6 && s.kind.whole:
		set(unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_PROBE)
		set(unix.IPPROTO_IPV6, unix.IPV6_DONTFRAG, 1)
	case s.kind.v6:
		set(unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_WANT)
	case s.kind.whole:
		set(unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_PROBE)
	default:
		set(unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_DONT)
	}
}

// filter lets a raw socket queue nothing but what is about its own requests.
func (s *echoSocket) filter() error {
	program := echoFilter4(s.ids, ^uint16(idBlock-1))
	if s.kind.v6 {
		program = echoFilter6(s.ids, ^uint16(idBlock-1))
	}
	raw, err := bpf.Assemble(program)
	if err != nil {
		return err
	}
	list := make([]unix.SockFilter, len(raw))
	for i, in := range raw {
		list[i] = unix.SockFilter{Code: in.Op, Jt: in.Jt, Jf: in.Jf, K: in.K}
	}
	return unix.SetsockoptSockFprog(s.fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(list)), Filter: &list[0]})
}

// identify lets the kernel choose the one identifier of a datagram socket.
func (s *echoSocket) identify() error {
	var any unix.Sockaddr = &unix.SockaddrInet4{}
	if s.kind.v6 {
		any = &unix.SockaddrInet6{}
	}
	if err := unix.Bind(s.fd, any); err != nil {
		return err
	}
	name, err := unix.Getsockname(s.fd)
	switch name := name.(type) {
	case *unix.SockaddrInet4:
		s.ids = uint16(name.Port)
	case *unix.SockaddrInet6:
		s.ids = uint16(name.Port)
	}
	s.room = 1 << 16
	return err
}

// close ends the reader and closes the socket.
func (s *echoSocket) close() error {
	s.closing.Store(true)
	err := s.file.Close()
	s.readers.Wait()
	return err
}

// pollAgain is the pause of a reader whose poller refuses to wait.
const pollAgain = 10 * time.Millisecond

// read hands over what arrives until the socket is closed. While nothing does, it costs nothing.
func (s *echoSocket) read(conn syscall.RawConn) {
	for {
		// The function asks to be called again at the next event, so that Read returns when the socket is closed. Else it
		// does where an error came while there was no room to write, which the runtime's poller takes for a socket that
		// cannot be waited for; the next event ends that.
		_ = conn.Read(func(uintptr) bool { s.drain(); return false })
		if s.closing.Load() {
			return
		}
		time.Sleep(pollAgain)
	}
}

// maxQueued is above what the receive buffer holds: so many reads empty it even where as much keeps coming.
const maxQueued = queueBytes / 256

// drain hands over everything that was queued when it was called.
func (s *echoSocket) drain() {
	for range maxQueued {
		if !s.receive(0) {
			break
		}
	}
	for range maxQueued {
		if s.kind.raw || !s.receive(unix.MSG_ERRQUEUE) {
			return
		}
	}
}

// arrival is what came beside a message.
type arrival struct {
	stamp int64 // see roundTrip
	from  netip.Addr
	ttl   int
	lost  uint32
	// Of the error queue: who complained, and of what.
	router           netip.Addr
	kind, code       uint8
	mtu              uint32
	complaint, local bool
}

// receive takes one message from a queue; false where it is empty.
func (s *echoSocket) receive(queue int) bool {
	s.reading.Lock()
	defer s.reading.Unlock()
	if need := maxIPHeader + echoHeaderLen + int(s.largest.Load()) + 1; len(s.buffer) < need {
		s.buffer = make([]byte, need) // a byte more than a reply has: a longer one is seen
	}
	s.vector.Base = &s.buffer[0]
	s.vector.SetLen(len(s.buffer))
	s.message = unix.Msghdr{Name: &s.name[0], Namelen: uint32(len(s.name)), Iov: &s.vector, Control: &s.control[0]}
	s.message.SetIovlen(1)
	s.message.SetControllen(len(s.control))
	// The library's Recvmsg asks the kernel what kind of socket it is, for each message.
	n, _, no := unix.Syscall(unix.SYS_RECVMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&s.message)), uintptr(queue))
	if no != 0 {
		// A pending error of a datagram socket is told here too, once; its details are in the error queue.
		return no != unix.EAGAIN && no != unix.EBADF
	}
	read := time.Now()
	a := arrival{from: addrOf(s.name[:s.message.Namelen])}
	eachControl(s.control[:s.message.Controllen], a.note)
	s.overflow(a.lost, read)
	if m, ok := s.parse(s.buffer[:n], &a); ok {
		s.deliver(&m, &a, read)
	}
	return true
}

func (s *echoSocket) parse(b []byte, a *arrival) (m echoMessage, ok bool) {
	switch {
	case a.complaint:
		// The error queue repeats our request from its ICMP header on, and names the target as the sender.
		request := uint8(echoRequest4)
		if s.kind.v6 {
			request = echoRequest6
		}
		m, ok = parseEcho(b, request)
		m.complaint, m.kind, m.code, m.mtu, m.target = true, a.kind, a.code, a.mtu, a.from
		return m, ok && !a.local
	case s.kind.v6:
		m, ok = parseICMP6(b)
	case s.kind.raw:
		m, ok = parseRaw4(b)
	default:
		m, ok = parseICMP4(b)
	}
	a.router = a.from
	if m.ttl == 0 {
		m.ttl = a.ttl
	}
	return m, ok
}

// note reads a control message.
func (a *arrival) note(level, kind int32, data []byte) {
	if stamp := stampOf(level, kind, data); stamp != 0 {
		a.stamp = stamp
		return
	}
	switch {
	case len(data) < 4:
	case level == unix.SOL_SOCKET && kind == unix.SO_RXQ_OVFL:
		a.lost = binary.NativeEndian.Uint32(data)
	case level == unix.IPPROTO_IP && kind == unix.IP_TTL, level == unix.IPPROTO_IPV6 && kind == unix.IPV6_HOPLIMIT:
		a.ttl = int(binary.NativeEndian.Uint32(data))
	case level == unix.IPPROTO_IP && kind == unix.IP_RECVERR, level == unix.IPPROTO_IPV6 && kind == unix.IPV6_RECVERR:
		a.complain(data)
	}
}

// complain reads a struct sock_extended_err and the address behind it (ip(7), IP_RECVERR).
func (a *arrival) complain(data []byte) {
	const own = 16
	if len(data) < own {
		return
	}
	a.complaint, a.kind, a.code, a.mtu = true, data[5], data[6], binary.NativeEndian.Uint32(data[8:])
	a.local = data[4] != unix.SO_EE_ORIGIN_ICMP && data[4] != unix.SO_EE_ORIGIN_ICMP6
	a.router = addrOf(data[own:])
}

// addrOf reads a struct sockaddr_in or sockaddr_in6.
func addrOf(b []byte) netip.Addr {
	if len(b) < 8 {
		return netip.Addr{}
	}
	switch family := binary.NativeEndian.Uint16(b); {
	case family == unix.AF_INET:
		return netip.AddrFrom4([4]byte(b[4:8]))
	case family == unix.AF_INET6 && len(b) >= 24:
		return netip.AddrFrom16([16]byte(b[8:24]))
	}
	return netip.Addr{}
}

// overflow notes that the kernel dropped messages, by its count of them. s.reading is held.
func (s *echoSocket) overflow(lost uint32, now time.Time) {
	if lost == 0 || lost == s.lost {
		return
	}
	s.lost = lost
	s.mu.Lock()
	s.lostAt = now
	s.mu.Unlock()
}

// settle reads all that has arrived, and whether something was dropped meanwhile: a probe whose deadline is over is judged by
// what the kernel received, not by how far the reader came.
func (s *echoSocket) settle() {
	s.drain()
	var info [unix.SK_MEMINFO_VARS]uint32
	n := uint32(unsafe.Sizeof(info))
	if _, _, no := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(s.fd), unix.SOL_SOCKET, unix.SO_MEMINFO, uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&n)), 0); no != 0 {
		return
	}
	s.reading.Lock()
	defer s.reading.Unlock()
	s.overflow(info[unix.SK_MEMINFO_DROPS], time.Now())
}
