//go:build !linux

package probes

import (
	"net"
	"net/netip"
)

// openSocket connects by net.Dialer: what the kernel knows of the time is read on Linux only. DialContext and not DialTCP,
// which binds a port of its own even without a source: such a port serves one connection at a time, whereas one that
// connect chooses serves one to each target.
func openSocket(r *run, to netip.AddrPort, from egress, _ bool) (*link, error) {
	d := net.Dialer{KeepAlive: -1, Control: from.control()}
	c, err := d.DialContext(r.ctx, "tcp", to.String())
	if err != nil {
		return nil, err
	}
	return r.bind(c), nil
}
