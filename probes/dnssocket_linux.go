package probes

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// prepareDNSSocket makes the kernel tell when it received what, and what networks report.
func prepareDNSSocket(fd int, six bool) error {
	set := func(level, option, value int) error {
		return os.NewSyscallError("setsockopt", unix.SetsockoptInt(fd, level, option, value))
	}
	for _, o := range []struct{ force, ask int }{{unix.SO_RCVBUFFORCE, unix.SO_RCVBUF}, {unix.SO_SNDBUFFORCE, unix.SO_SNDBUF}} {
		if set(unix.SOL_SOCKET, o.force, dnsQueue) != nil {
			_ = set(unix.SOL_SOCKET, o.ask, dnsQueue) // as much as the machine grants
		}
	}
	level, option := unix.IPPROTO_IP, unix.IP_RECVERR
	if six {
		level, option = unix.IPPROTO_IPV6, unix.IPV6_RECVERR
	}
	return errors.Join(stampMessages(fd), set(level, option, 1))
}

// stampReplies makes the kernel tell when it received a reply. Without it the time is the process's own.
func stampReplies(c *net.UDPConn) {
	if raw, err := c.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { _ = stampMessages(int(fd)) })
	}
}

// stampIn returns the stamp among the control messages of a reply, or 0.
func stampIn(oob []byte) (stamp int64) {
	eachControl(oob, func(level, kind int32, data []byte) { stamp = max(stamp, stampOf(level, kind, data)) })
	return stamp
}

// receiveLate takes a message that arrived before the deadline, and that nobody had read by then.
func receiveLate(c *net.UDPConn, buf, oob []byte) (n, oobn int, ok bool) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, 0, false
	}
	_ = raw.Control(func(fd uintptr) { n, oobn, _, _, err = unix.Recvmsg(int(fd), buf, oob, unix.MSG_DONTWAIT) })
	return n, oobn, err == nil
}

// droppedBy is how many messages the kernel dropped because the socket's queue was full; 0 if it does not say.
func droppedBy(fd int) uint32 {
	var info [unix.SK_MEMINFO_VARS]uint32
	n := uint32(unsafe.Sizeof(info))
	_, _, no := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_MEMINFO, uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&n)), 0)
	if no != 0 {
		return 0
	}
	return info[unix.SK_MEMINFO_DROPS]
}

// complaint is one message of a socket's error queue (ip(7), IP_RECVERR).
type complaint struct {
	server   netip.AddrPort // whom the question was for
	question []byte         // its first bytes, as many as came back
	router   netip.Addr     // who complains
	errno    syscall.Errno
}

func receiveComplaint(fd int) (complaint, bool) {
	buf, oob := make([]byte, 512), make([]byte, 512)
	n, oobn, _, from, err := unix.Recvmsg(fd, buf, oob, unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT)
	if err != nil {
		return complaint{}, false
	}
	c := complaint{server: addrPortOf(from), question: buf[:n]}
	eachControl(oob[:oobn], func(level, kind int32, data []byte) {
		const own = 16 // bytes of struct sock_extended_err; the address of who complains is behind it
		reported := level == unix.IPPROTO_IP && kind == unix.IP_RECVERR || level == unix.IPPROTO_IPV6 && kind == unix.IPV6_RECVERR
		if !reported || len(data) < own+2 {
			return
		}
		c.errno = syscall.Errno(binary.NativeEndian.Uint32(data))
		switch data = data[own:]; binary.NativeEndian.Uint16(data) {
		case unix.AF_INET:
			if len(data) >= 8 {
				c.router = netip.AddrFrom4([4]byte(data[4:8]))
			}
		case unix.AF_INET6:
			if len(data) >= 24 {
				c.router = netip.AddrFrom16([16]byte(data[8:24]))
			}
		}
	})
	return c, true
}

// addrPortOf is the inverse of sockaddr, without a zone.
func addrPortOf(sa unix.Sockaddr) netip.AddrPort {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr), uint16(sa.Port))
	}
	return netip.AddrPort{}
}
