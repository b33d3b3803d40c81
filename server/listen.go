package server

import (
	"crypto/tls"
	"fmt"
	"net"
)

// Listen opens the agents' port. With an authority it speaks TLS under names. Without one, where a proxy ends TLS, it has to be on
// loopback: insecure allows any address, and whoever is on the way can then read and alter everything.
func Listen(address string, authority *Authority, names []string, insecure bool) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen for agents on %q: %w", address, err)
	}
	if authority != nil {
		return tls.NewListener(l, authority.TLS(names)), nil
	}
	if at, ok := l.Addr().(*net.TCPAddr); !insecure && !(ok && at.IP.IsLoopback()) {
		l.Close()
		return nil, fmt.Errorf("listen for agents on %q: got an address beyond loopback, want one on it where there is no TLS", address)
	}
	return l, nil
}
