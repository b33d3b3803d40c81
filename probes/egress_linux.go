package probes

import (
	"net"
	"net/netip"
	"os"
	"strconv"
	"syscall"
)

// ipBindAddressNoPort leaves the port to connect, so that one local port can serve a connection to each target.
// Source: ip(7), IP_BIND_ADDRESS_NO_PORT; it holds for IPv6 sockets too.
const ipBindAddressNoPort = 24

// apply binds a socket, before it connects, to the source.
func (e egress) apply(fd int) error {
	if e.device != "" {
		if err := syscall.SetsockoptString(fd, syscall.SOL_SOCKET, syscall.SO_BINDTODEVICE, e.device); err != nil {
			return os.NewSyscallError("bind to "+e.device, err)
		}
	}
	if !e.addr.IsValid() {
		return nil
	}
	_ = syscall.SetsockoptInt(fd, syscall.IPPROTO_IP, ipBindAddressNoPort, 1) // without it, ports are only scarcer
	return os.NewSyscallError("bind to "+e.addr.String(), syscall.Bind(fd, sockaddr(netip.AddrPortFrom(e.addr, 0))))
}

// sockaddr is an address as the kernel takes it. The zone of a link-local address is the name or number of an interface;
// one that does not exist leads nowhere, as it should.
func sockaddr(a netip.AddrPort) syscall.Sockaddr {
	if a.Addr().Is4() {
		return &syscall.SockaddrInet4{Addr: a.Addr().As4(), Port: int(a.Port())}
	}
	sa := &syscall.SockaddrInet6{Addr: a.Addr().As16(), Port: int(a.Port())}
	if zone := a.Addr().Zone(); zone != "" {
		if i, err := net.InterfaceByName(zone); err == nil {
			sa.ZoneId = uint32(i.Index)
		} else if n, err := strconv.ParseUint(zone, 10, 32); err == nil {
			sa.ZoneId = uint32(n)
		}
	}
	return sa
}
