package probes

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/uptally/uptally"
)

// Reach is the settings that every kind offers: how the name becomes an address, from where it is reached, and how slow is
// too slow. A probe goes to one address and tries once, so that a target that is half up does not look whole; or to all of
// them, each once.
type Reach struct {
	// Family is 4, 6 or any (default).
	Family string `yaml:"family"`
	// Resolver is a DNS server, host:port with an address as host, asked instead of the system's.
	Resolver string `yaml:"resolver"`
	// Resolve maps names to fixed addresses, leaving Host and SNI as they are.
	Resolve map[string]string `yaml:"resolve"`
	// Source is an address of this machine, or the name of an interface, that packets leave from.
	Source string `yaml:"source"`
	// Addresses is first (default), or all: every address behind the name in one probe, at once; the worst outcome counts.
	Addresses string `yaml:"addresses"`
	// Deny lists networks (CIDR) that no probe of the check may touch, whatever a name or a redirect leads to.
	Deny []string `yaml:"deny"`
	// MaxResponseTime is the slowest response that is still up; 0 is off.
	MaxResponseTime uptally.Duration `yaml:"max_response_time"`
}

func (r *Reach) validate(p *problems) {
	p.word("family", r.Family, "4", "6", "any")
	p.word("addresses", r.Addresses, "first", "all")
	p.span("max_response_time", r.MaxResponseTime)
	r.validateSource(p)
	for i, text := range r.Deny {
		if _, err := parseNetwork(text); err != nil {
			p.add(fmt.Sprintf("deny[%d]", i), text, "a network, such as 10.0.0.0/8 or fd00::/8")
		}
	}
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

// validateSource demands an address of the family or what may be the name of an interface; whether the machine has it is
// known only when the probe runs.
func (r *Reach) validateSource(p *problems) {
	addr, err := netip.ParseAddr(r.Source)
	switch {
	case r.Source == "":
	case err == nil && (addr.IsUnspecified() || addr.IsMulticast()), err != nil && !validInterface(r.Source):
		p.add("source", r.Source, "an address of this machine or the name of an interface, such as 192.0.2.7 or eth1")
	case err == nil && r.Family != "" && r.Family != "any" && r.Family != familyOf(addr):
		p.add("source", r.Source, "an address of family "+r.Family)
	}
}

// validInterface accepts the names that the kernel does: at most 15 bytes without blanks and slashes.
func validInterface(name string) bool {
	return len(name) <= 15 && !strings.ContainsAny(name, "/:% \t\r\n\x00") && name != "." && name != ".."
}

// validateHost refuses a host that is an address of the other family, or of a network that is denied.
func (r *Reach) validateHost(p *problems, name, host string) {
	addr, err := netip.ParseAddr(host)
	switch {
	case err != nil:
	case !r.admits(addr):
		p.add(name, host, "an address of family "+r.family())
	case r.networks().contain(addr):
		p.add(name, host, "an address that deny allows")
	}
}

// family is 4 or 6 where the settings leave one only, be it by the address of the source; else any.
func (r *Reach) family() string {
	if r.Family == "4" || r.Family == "6" {
		return r.Family
	}
	if addr, err := netip.ParseAddr(r.Source); err == nil {
		return familyOf(addr)
	}
	return "any"
}

func familyOf(addr netip.Addr) string {
	if addr.Unmap().Is4() {
		return "4"
	}
	return "6"
}

// admits reports whether the family allows an address.
func (r *Reach) admits(addr netip.Addr) bool {
	switch r.family() {
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
