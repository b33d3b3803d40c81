package probes

import (
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/uptally/uptally"
)

// Reach is the settings that every kind offers: how the name becomes one address, and how slow is too slow. A probe goes
// to one address and tries once, so that a target that is half up does not look whole.
type Reach struct {
	// Family is 4, 6 or any (default).
	Family string `yaml:"family"`
	// Resolver is a DNS server, host:port with an address as host, asked instead of the system's.
	Resolver string `yaml:"resolver"`
	// Resolve maps names to fixed addresses, leaving Host and SNI as they are.
	Resolve map[string]string `yaml:"resolve"`
	// MaxResponseTime is the slowest response that is still up; 0 is off.
	MaxResponseTime uptally.Duration `yaml:"max_response_time"`
}

func (r *Reach) validate(p *problems) {
	p.word("family", r.Family, "4", "6", "any")
	p.span("max_response_time", r.MaxResponseTime)
	if r.Resolver != "" {
		host, port, err := net.SplitHostPort(withPort(r.Resolver, "53"))
		if _, addrErr := netip.ParseAddr(host); err != nil || addrErr != nil || !validPort(port) {
			p.add("resolver", r.Resolver, "the address of a DNS server, such as 192.0.2.53 or 192.0.2.53:53")
		}
	}
	names := make([]string, 0, len(r.Resolve))
	for name := range r.Resolve {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		at := p.at("resolve")
		addr, err := netip.ParseAddr(r.Resolve[name])
		switch {
		case !validHost(name):
			at.add(name, name, "a host name, such as portal.example.com")
		case err != nil || !r.admits(addr):
			at.add(name, r.Resolve[name], "an address of the family, such as 192.0.2.10")
		}
	}
}

// validateHost refuses a host that is an address of the other family.
func (r *Reach) validateHost(p *problems, name, host string) {
	if addr, err := netip.ParseAddr(host); err == nil && !r.admits(addr) {
		p.add(name, host, "an address of family "+r.Family)
	}
}

// admits reports whether the family allows an address.
func (r *Reach) admits(addr netip.Addr) bool {
	switch r.Family {
	case "4":
		return addr.Unmap().Is4()
	case "6":
		return addr.Is6() && !addr.Is4In6()
	}
	return true
}

// withPort adds a default port to a host that has none; an empty port adds nothing.
func withPort(s, port string) string {
	if port == "" {
		return s
	}
	if _, _, err := net.SplitHostPort(s); err == nil {
		return s
	}
	return net.JoinHostPort(strings.Trim(s, "[]"), port)
}

func validPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0
}

// reachReasons are those every kind can return: the name, the time, and what the agent itself lacks.
func reachReasons() []uptally.Reason {
	return []uptally.Reason{
		uptally.ResolveNXDomain, uptally.ResolveNoAddress, uptally.ResolveFailed, uptally.ResolveTimeout,
		uptally.TooSlow, uptally.Resource, uptally.AgentDown, uptally.Overtaken, uptally.NotPermitted,
	}
}

func connectReasons() []uptally.Reason {
	return []uptally.Reason{uptally.ConnectRefused, uptally.ConnectUnreachable, uptally.ConnectReset, uptally.ConnectTimeout}
}

// concat joins lists of reasons in the order of their numbers, without doubles.
func concat(lists ...[]uptally.Reason) []uptally.Reason {
	rs := slices.Concat(lists...)
	slices.Sort(rs)
	return slices.Compact(rs)
}
