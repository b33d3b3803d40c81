package probes

import (
	"net"
	"net/url"
)

// Host returns the host that a probe goes to first, a name or an address, and the settings by which it becomes an address. It
// is empty with a kind that has none, such as one to be added.
func (s *Settings) Host() (host string, by Reach) {
	switch {
	case s.HTTP != nil:
		if u, err := url.Parse(s.HTTP.URL); err == nil {
			host = u.Hostname()
		}
		by = s.HTTP.Reach
	case s.TCP != nil:
		host, by = hostOf(s.TCP.Address), s.TCP.Reach
	case s.ICMP != nil:
		host, by = s.ICMP.Host, s.ICMP.Reach
	case s.DNS != nil:
		host, by = hostOf(withPort(s.DNS.Server, "53")), s.DNS.Reach
	}
	return host, by
}

func hostOf(address string) string {
	host, _, _ := net.SplitHostPort(address)
	return host
}
