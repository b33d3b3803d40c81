package probes

import (
	"io"
	"net"
	"net/netip"
	"net/url"

	"github.com/uptally/uptally"
)

// Numbers of SOCKS version 5. Source: RFC 1928, RFC 1929.
const (
	socksVersion  = 5
	socksNoLogin  = 0
	socksPassword = 2
	socksConnect  = 1
	socksIPv4     = 1
	socksName     = 3
	socksIPv6     = 4
)

// socksReplies are what a proxy says when it did not connect.
var socksReplies = [...]string{1: "general failure", 2: "not allowed by its rules", 3: "network unreachable", 4: "host unreachable",
	5: "connection refused", 6: "TTL expired", 7: "command not supported", 8: "address type not supported"}

// socks asks a SOCKS5 proxy for a connection to the host of a URL, by name or by address as it is written there.
func socks(r *run, c net.Conn, user *url.Userinfo, to *url.URL) *fault {
	if f := socksLogin(r, c, user); f != nil {
		return f
	}
	if _, err := c.Write(socksRequest(to)); err != nil {
		return r.classify(err, proxying)
	}
	var head [5]byte // version, reply, reserved, type and first byte of the address
	if _, err := io.ReadFull(c, head[:]); err != nil {
		return r.classify(err, proxying)
	}
	switch code := int(head[1]); {
	case head[0] != socksVersion:
		return faultf(uptally.ResponseMalformed, "got version %d, want SOCKS 5", head[0])
	case code > 0 && code < len(socksReplies):
		return faultf(uptally.ConnectUnreachable, "got %q", socksReplies[code])
	case code != 0:
		return faultf(uptally.ConnectUnreachable, "got reply %d", code)
	}
	rest := map[byte]int{socksIPv4: net.IPv4len + 1, socksIPv6: net.IPv6len + 1, socksName: int(head[4]) + 2}[head[3]]
	if rest == 0 {
		return faultf(uptally.ResponseMalformed, "got address type %d", head[3])
	}
	if _, err := io.ReadFull(c, make([]byte, rest)); err != nil {
		return r.classify(err, proxying)
	}
	return nil
}

// socksLogin agrees on a method and logs in where the proxy wants it.
func socksLogin(r *run, c net.Conn, user *url.Userinfo) *fault {
	hello := []byte{socksVersion, 1, socksNoLogin}
	if user != nil {
		hello = []byte{socksVersion, 2, socksNoLogin, socksPassword}
	}
	var reply [2]byte
	if f := socksTurn(r, c, hello, reply[:]); f != nil {
		return f
	}
	switch {
	case reply[0] != socksVersion:
		return faultf(uptally.ResponseMalformed, "got version %d, want SOCKS 5", reply[0])
	case reply[1] == socksNoLogin:
		return nil
	case reply[1] != socksPassword || user == nil:
		return faultf(uptally.Status, "got no method of log-in that is ours")
	}
	name := user.Username()
	password, _ := user.Password()
	login := append([]byte{1, byte(len(name))}, name...)
	login = append(append(login, byte(len(password))), password...)
	if f := socksTurn(r, c, login, reply[:]); f != nil {
		return f
	}
	if reply[1] != 0 {
		return faultf(uptally.Status, "got a refusal of user and password")
	}
	return nil
}

func socksTurn(r *run, c net.Conn, say, hear []byte) *fault {
	if _, err := c.Write(say); err != nil {
		return r.classify(err, proxying)
	}
	if _, err := io.ReadFull(c, hear); err != nil {
		return r.classify(err, proxying)
	}
	return nil
}

// socksRequest names the target. A name is at most 253 bytes: validHost says so.
func socksRequest(to *url.URL) []byte {
	host := to.Hostname()
	b := []byte{socksVersion, socksConnect, 0}
	switch addr, err := netip.ParseAddr(withoutZone(host)); {
	case err != nil:
		b = append(append(b, socksName, byte(len(host))), host...)
	case addr.Unmap().Is4():
		b = append(append(b, socksIPv4), addr.Unmap().AsSlice()...)
	default:
		b = append(append(b, socksIPv6), addr.AsSlice()...)
	}
	port := addrPort(netip.Addr{}, portOf(to)).Port()
	return append(b, byte(port>>8), byte(port))
}
