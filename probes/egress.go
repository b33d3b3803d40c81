package probes

import (
	"net/netip"
	"syscall"
)

// egress is a prepared Reach.Source: an address, an interface, or neither.
type egress struct {
	addr   netip.Addr
	device string
}

func newEgress(text string) egress {
	if addr, err := netip.ParseAddr(text); err == nil {
		return egress{addr: addr.Unmap()}
	}
	return egress{device: text}
}

// control is for net.Dialer: what a socket needs before it connects, or nil if that is nothing.
func (e egress) control() func(network, address string, c syscall.RawConn) error {
	if e == (egress{}) {
		return nil
	}
	return func(_, _ string, c syscall.RawConn) error {
		var err error
		if failed := c.Control(func(fd uintptr) { err = e.apply(int(fd)) }); failed != nil {
			return failed
		}
		return err
	}
}

// networks is a prepared Reach.Deny.
type networks []netip.Prefix

// networks leaves out what validation reports.
func (r *Reach) networks() networks {
	var list networks
	for _, text := range r.Deny {
		if n, err := parseNetwork(text); err == nil {
			list = append(list, n)
		}
	}
	return list
}

// parseNetwork reads a network as an address seen on the wire falls into it: one of IPv4 inside IPv6 is IPv4.
func parseNetwork(text string) (netip.Prefix, error) {
	n, err := netip.ParsePrefix(text)
	if err == nil && n.Addr().Is4In6() && n.Bits() >= 96 {
		n = netip.PrefixFrom(n.Addr().Unmap(), n.Bits()-96)
	}
	return n.Masked(), err
}

// contain reports whether an address is in one of the networks. The kernel takes the unspecified address for loopback, and
// a zone is no part of a network.
func (ns networks) contain(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	if addr == netip.IPv4Unspecified() {
		addr = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	if addr == netip.IPv6Unspecified() {
		addr = netip.IPv6Loopback()
	}
	for _, n := range ns {
		if n.Contains(addr) {
			return true
		}
	}
	return false
}
