package probes

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/uptally/uptally"
)

// route is a prepared Reach: how a host becomes one address and a connection to it.
type route struct {
	reach    Reach
	network  string // ip, ip4 or ip6
	resolver string // host:port, or empty for the system's
	fixed    map[string]netip.Addr
	source   egress
	deny     networks
	all      bool // every address behind the check's host
	unread   bool // connections are opened and closed, and nothing is read
}

func (r *Reach) route() *route {
	rt := &route{
		reach: Reach{Family: r.family()}, network: "ip", fixed: map[string]netip.Addr{},
		source: newEgress(r.Source), deny: r.networks(), all: r.Addresses == "all",
	}
	if rt.reach.Family != "any" {
		rt.network += rt.reach.Family
	}
	if r.Resolver != "" {
		rt.resolver = withPort(r.Resolver, "53")
	}
	for name, text := range r.Resolve {
		if addr, err := netip.ParseAddr(text); err == nil {
			rt.fixed[hostKey(name)] = addr.Unmap()
		}
	}
	return rt
}

func hostKey(host string) string { return strings.ToLower(strings.TrimSuffix(host, ".")) }

// address returns the address to go to for host: the one the run is pinned to, or the first. Every hop of a probe comes
// through here, so that no denied network is touched.
func (rt *route) address(r *run, host string) (netip.Addr, *fault) {
	if r.pinned.IsValid() && hostKey(host) == r.pinnedHost {
		return rt.permitted(r, r.pinned)
	}
	addrs, f := rt.addresses(r, host)
	if f != nil {
		return netip.Addr{}, f
	}
	return rt.permitted(r, addrs[0])
}

// permitted refuses an address of a denied network: the check must not go there, unless the target sends it there.
func (rt *route) permitted(r *run, addr netip.Addr) (netip.Addr, *fault) {
	switch {
	case !rt.deny.contain(addr):
		return addr, nil
	case r.redirected:
		return addr, faultf(uptally.Redirect, "got a redirect to %s, which deny forbids", addr)
	}
	return addr, faultf(uptally.NotPermitted, "got the address %s, which deny forbids", addr)
}

// addresses returns the addresses of host, at least one. Only a real question to a resolver is a phase.
func (rt *route) addresses(r *run, host string) ([]netip.Addr, *fault) {
	if addr, ok := rt.fixed[hostKey(host)]; ok {
		return []netip.Addr{addr}, nil
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		if !rt.reach.admits(addr) {
			return nil, faultf(uptally.ResolveNoAddress, "got %s, want an address of family %s", host, rt.reach.Family)
		}
		return []netip.Addr{addr.Unmap()}, nil
	}
	q := &question{resolver: rt.resolver}
	res := net.Resolver{PreferGo: true, Dial: q.dial}
	addrs, err := res.LookupNetIP(r.ctx, rt.network, host)
	r.end("resolve")
	switch {
	case err != nil:
		return nil, q.fault(r, host, err)
	case len(addrs) == 0:
		return nil, faultf(uptally.ResolveNoAddress, "resolve %q: no address", host)
	}
	for i := range addrs {
		addrs[i] = addrs[i].Unmap()
	}
	return addrs, nil
}

// question is one use of Go's resolver. It watches the replies, because the resolver reports a name that does not exist
// and one without addresses alike, and keeps only the text of a failed dial.
type question struct {
	resolver string
	exists   atomic.Bool
	dialErr  atomic.Pointer[net.OpError]
}

func (q *question) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if q.resolver != "" {
		address = q.resolver
	}
	var d net.Dialer
	c, err := d.DialContext(ctx, network, address)
	if err != nil {
		var op *net.OpError
		if errors.As(err, &op) {
			q.dialErr.Store(op)
		}
		return nil, err
	}
	if u, ok := c.(*net.UDPConn); ok {
		return &watched{UDPConn: u, exists: &q.exists}, nil
	}
	return c, nil
}

// watched notes replies without an error code: the name exists.
type watched struct {
	*net.UDPConn
	exists *atomic.Bool
}

// Read reads one reply. The code is the low half of the fourth byte (RFC 1035, 4.1.1).
func (w *watched) Read(b []byte) (int, error) {
	n, err := w.UDPConn.Read(b)
	if err == nil && n >= 12 && b[3]&0xf == 0 {
		w.exists.Store(true)
	}
	return n, err
}

func (q *question) fault(r *run, host string, err error) *fault {
	if op := q.dialErr.Load(); op != nil {
		if reason, ok := localReason(op); ok {
			return &fault{reason: reason, detail: describe(op)}
		}
	}
	var d *net.DNSError
	found := errors.As(err, &d)
	reason, cause := uptally.ResolveFailed, err.Error()
	if found {
		cause = d.Err // its Server is the system's, also where another was asked
	}
	switch {
	case errors.Is(r.ctx.Err(), context.Canceled):
		reason = uptally.AgentDown
	case timedOut(err):
		reason = uptally.ResolveTimeout
	case found && d.IsNotFound && q.exists.Load():
		reason, cause = uptally.ResolveNoAddress, "the name has no address of the family"
	case found && d.IsNotFound:
		reason = uptally.ResolveNXDomain
	}
	return faultf(reason, "resolve %q: %s", host, cause)
}

// link is a connection bound to the probe's deadline and to its cancellation.
type link struct {
	net.Conn
	stop func() bool
}

// Close ends the binding too.
func (l *link) Close() error {
	l.stop()
	return l.Conn.Close()
}

// bind sets the one deadline of the probe and wakes the connection when the probe is cancelled.
func (r *run) bind(c net.Conn) *link {
	if s, ok := c.(interface{ serve(*run) }); ok {
		s.serve(r)
	}
	deadline, _ := r.ctx.Deadline()
	// Cannot fail on an open socket; a closed one fails at the next use.
	_ = c.SetDeadline(deadline)
	return &link{Conn: c, stop: context.AfterFunc(r.ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })}
}

var connecting = stage{timeout: uptally.ConnectTimeout, closed: uptally.ConnectReset, reset: uptally.ConnectReset, other: uptally.ConnectUnreachable}

// dial resolves host and connects to its first address over TCP.
func (rt *route) dial(r *run, host, port string) (*link, *fault) {
	addr, f := rt.address(r, host)
	if f != nil {
		return nil, f
	}
	return rt.connect(r, addrPort(addr, port))
}

// connect opens a TCP connection: one address, one attempt, no proxy.
func (rt *route) connect(r *run, to netip.AddrPort) (*link, *fault) {
	r.fact("address", to.String())
	r.act()
	l, err := openSocket(r, to, rt.source, !rt.unread)
	r.end("connect")
	if err != nil {
		return nil, r.classify(err, connecting)
	}
	return l, nil
}

// addrPort joins an address and a valid port.
func addrPort(addr netip.Addr, port string) netip.AddrPort {
	n, _ := strconv.ParseUint(port, 10, 16)
	return netip.AddrPortFrom(addr, uint16(n))
}
