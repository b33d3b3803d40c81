package main

import (
	"encoding/hex"
	"net/netip"
	"os"
	"slices"
	"strings"
)

// hasRoutes reports whether this system tells its routes.
func hasRoutes() bool { return true }

// defaultGateway is the address of the default gateway now, IPv4 before IPv6, with its link where it is of the link alone; empty
// where there is none.
func defaultGateway() string {
	v4, _ := os.ReadFile("/proc/net/route")
	v6, _ := os.ReadFile("/proc/net/ipv6_route")
	if g := gateway4(string(v4)); g != "" {
		return g
	}
	return gateway6(string(v6))
}

// gateway4 reads /proc/net/route: interface, destination, gateway…, in hexadecimal of the machine's byte order, which is little
// endian wherever this is built.
func gateway4(table string) string {
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) < 8 || f[1] != "00000000" || f[7] != "00000000" || f[2] == "00000000" {
			continue
		}
		if b, err := hex.DecodeString(f[2]); err == nil && len(b) == 4 {
			slices.Reverse(b)
			return netip.AddrFrom4([4]byte(b)).String()
		}
	}
	return ""
}

// gateway6 reads /proc/net/ipv6_route: destination, its length, source, its length, next hop, four numbers, interface.
func gateway6(table string) string {
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) < 10 || f[1] != "00" || strings.Trim(f[0], "0") != "" || strings.Trim(f[4], "0") == "" {
			continue
		}
		b, err := hex.DecodeString(f[4])
		if err != nil || len(b) != 16 {
			continue
		}
		a := netip.AddrFrom16([16]byte(b))
		if a.IsLinkLocalUnicast() {
			a = a.WithZone(f[9])
		}
		return a.String()
	}
	return ""
}

// resolvesHere reports whether all of the machine's name servers are its own: such a one answers from its memory while the
// network is cut.
func resolvesHere() bool {
	text, _ := os.ReadFile("/etc/resolv.conf")
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) < 2 || f[0] != "nameserver" {
			continue
		}
		if a, err := netip.ParseAddr(f[1]); err == nil && !a.IsLoopback() {
			return false
		}
	}
	return true
}
