package probes

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// socket is a TCP connection that tells its probe how late it was: net.Conn hides what the kernel knows. The runtime waits for
// it as for any file.
type socket struct {
	run  *run
	to   netip.AddrPort
	file *os.File
	raw  syscall.RawConn
	read func(fd uintptr) bool // receives into the fields below

	acted   time.Time // when the probe last did something that the other side may answer
	writes  int
	buf     []byte
	n       int
	stamp   int64 // when the kernel had what was received, or 0
	err     error
	control [64]byte
}

// openSocket connects. stamped says whether what comes back will be read, and its arrival is to be known.
func openSocket(r *run, to netip.AddrPort, from egress, stamped bool) (*link, error) {
	sa, family := sockaddr(to), syscall.AF_INET
	if to.Addr().Is6() {
		family = syscall.AF_INET6
	}
	fd, err := syscall.Socket(family, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, dialError(to, os.NewSyscallError("socket", err))
	}
	if err = from.apply(fd); err != nil {
		_ = syscall.Close(fd) // nothing is lost with it
		return nil, dialError(to, err)
	}
	if stamped {
		_ = stampMessages(fd) // without it, times are the process's
	}
	r.first()
	s, began := &socket{to: to}, time.Now()
	err = syscall.Connect(fd, sa)
	s.file = os.NewFile(uintptr(fd), "") // takes over the descriptor
	s.raw, _ = s.file.SyscallConn()      // fails for a nil file only
	l := r.bind(s)
	s.acted = began
	if err = s.connected(err, sa); err != nil {
		_ = l.Close() // the error before it counts
		return nil, dialError(to, err)
	}
	return l, nil
}

func dialError(to netip.AddrPort, err error) error {
	return &net.OpError{Op: "dial", Net: "tcp", Addr: net.TCPAddrFromAddrPort(to), Err: err}
}

// connected waits until the other side has answered, given how connecting began.
func (s *socket) connected(err error, sa syscall.Sockaddr) error {
	if pending(err) {
		waited := s.raw.Write(func(fd uintptr) bool {
			err = syscall.Connect(int(fd), sa) // says how the first one went
			return !pending(err)
		})
		if waited != nil && !s.inTime(sa) {
			return waited
		}
	}
	if err != nil && err != syscall.EISCONN && !pending(err) {
		return os.NewSyscallError("connect", err)
	}
	s.lateToConnect(time.Now())
	return s.notItself()
}

func pending(err error) bool {
	return err == syscall.EINPROGRESS || err == syscall.EALREADY || err == syscall.EINTR
}

// lateToConnect compares the time that connecting took for the process with the round trip that the kernel measured. Where
// a SYN was sent again that round trip is not the whole, and nothing is known.
func (s *socket) lateToConnect(now time.Time) {
	took := now.Sub(s.acted)
	if took < lateness {
		return
	}
	rtt, again, ok := s.handshake()
	if again > 0 && s.writes == 0 {
		s.run.fact("syn sent again", strconv.Itoa(again))
	}
	if late := took - rtt; ok && again == 0 && late >= lateness {
		s.run.late = late
	}
}

// handshake is what the kernel knows of the way to the other side: its first round trip, and how many segments it sent again.
func (s *socket) handshake() (rtt time.Duration, again int, ok bool) {
	var info *unix.TCPInfo
	var err error
	if e := s.raw.Control(func(fd uintptr) { info, err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO) }); e != nil || err != nil {
		return 0, 0, false
	}
	return time.Duration(info.Rtt) * time.Microsecond, int(info.Total_retrans), info.Rtt > 0
}

// inTime reports whether the connection was there before the deadline, which this process noticed too late.
func (s *socket) inTime(sa syscall.Sockaddr) bool {
	s.run.overslept()
	deadline, _ := s.run.ctx.Deadline()
	there := false
	if e := s.raw.Control(func(fd uintptr) {
		err := syscall.Connect(int(fd), sa)
		there = err == nil || err == syscall.EISCONN
	}); e != nil || !there {
		return false
	}
	rtt, again, ok := s.handshake()
	return ok && again == 0 && s.acted.Add(rtt).Before(deadline)
}

// notItself refuses a connection that met itself: to a port of this machine where nothing listens the kernel can choose that
// very port to connect from (simultaneous open). Ports below 1024 are not chosen.
func (s *socket) notItself() error {
	if s.to.Port() < 1024 {
		return nil
	}
	if local, ok := s.LocalAddr().(*net.TCPAddr); ok && local.AddrPort() == s.to {
		return os.NewSyscallError("connect", syscall.ECONNREFUSED)
	}
	return nil
}

// Read reads what came and keeps when it had come.
func (s *socket) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	if s.read == nil {
		s.read = s.receive
	}
	s.buf, s.stamp = b, 0
	err := s.raw.Read(s.read)
	s.buf = nil
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return s.lastLook(b, err)
	}
	if err == nil && s.err != nil {
		err = os.NewSyscallError("read", s.err)
	}
	if err != nil {
		return 0, s.opError("read", err)
	}
	now := time.Now()
	_, s.run.late = roundTrip(s.acted, now, s.stamp)
	s.run.heard = now
	if s.n == 0 {
		return 0, io.EOF
	}
	return s.n, nil
}

// receive is false where nothing has come yet.
func (s *socket) receive(fd uintptr) bool {
	var oobn int
	for {
		s.n, oobn, _, _, s.err = unix.RecvmsgBuffers(int(fd), [][]byte{s.buf}, s.control[:], 0)
		if s.err != syscall.EINTR {
			break
		}
	}
	if s.err == syscall.EAGAIN {
		return false
	}
	if s.err == nil && oobn > 0 {
		eachControl(s.control[:oobn], func(level, kind int32, data []byte) {
			if stamp := stampOf(level, kind, data); stamp != 0 {
				s.stamp = stamp
			}
		})
	}
	return true
}

// lastLook takes what had come before the deadline, when this process was too late to see it.
func (s *socket) lastLook(b []byte, timeout error) (int, error) {
	deadline, _ := s.run.ctx.Deadline()
	now := s.run.overslept()
	if !now.Before(deadline) {
		s.buf, s.stamp = b, 0
		came := false
		if e := s.raw.Control(func(fd uintptr) { came = s.receive(fd) }); e == nil && came && s.err == nil && s.n > 0 {
			if _, late := roundTrip(s.acted, now, s.stamp); late > now.Sub(deadline) {
				s.run.late = late
				return s.n, nil
			}
		}
		s.buf = nil
	}
	return 0, s.opError("read", timeout)
}

// Write writes all of b.
func (s *socket) Write(b []byte) (int, error) {
	if s.writes++; s.writes == 1 && s.read == nil {
		s.lateToConnect(time.Now()) // by now
	}
	s.run.act()
	if s.writes == 2 {
		// The first segment is sent at once anyway; later ones must not wait for its receipt.
		_ = s.raw.Control(func(fd uintptr) { _ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1) })
	}
	s.acted = time.Now()
	n, err := s.file.Write(b)
	if len(b) > maxAtOnce {
		s.acted = time.Now() // it may have waited for the other side
	}
	if err == nil {
		return n, nil
	}
	var p *os.PathError
	if errors.As(err, &p) {
		err = p.Err
		if no, ok := err.(syscall.Errno); ok {
			err = os.NewSyscallError("write", no)
		}
	}
	return n, s.opError("write", err)
}

// maxAtOnce fits into the kernel's buffer of a new connection.
const maxAtOnce = 16 << 10

func (s *socket) opError(op string, err error) error {
	if errors.Is(err, os.ErrClosed) {
		err = net.ErrClosed
	}
	return &net.OpError{Op: op, Net: "tcp", Addr: net.TCPAddrFromAddrPort(s.to), Err: err}
}

// Close closes the connection.
func (s *socket) Close() error { return s.file.Close() }

// LocalAddr returns the own end, or nil where the kernel does not tell.
func (s *socket) LocalAddr() net.Addr {
	var sa syscall.Sockaddr
	if e := s.raw.Control(func(fd uintptr) { sa, _ = syscall.Getsockname(int(fd)) }); e != nil {
		return nil
	}
	switch sa := sa.(type) {
	case *syscall.SockaddrInet4:
		return &net.TCPAddr{IP: sa.Addr[:], Port: sa.Port}
	case *syscall.SockaddrInet6:
		return &net.TCPAddr{IP: sa.Addr[:], Port: sa.Port, Zone: s.to.Addr().Zone()}
	}
	return nil
}

// RemoteAddr returns the other end.
func (s *socket) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(s.to) }

// SetDeadline bounds all that follows; an instant that is past ends what waits.
func (s *socket) SetDeadline(t time.Time) error { return s.file.SetDeadline(t) }

// SetReadDeadline is there for net.Conn.
func (s *socket) SetReadDeadline(t time.Time) error { return s.file.SetReadDeadline(t) }

// SetWriteDeadline is there for net.Conn.
func (s *socket) SetWriteDeadline(t time.Time) error { return s.file.SetWriteDeadline(t) }

// serve makes the socket one of another probe.
func (s *socket) serve(r *run) { s.run, s.acted = r, time.Now() }
