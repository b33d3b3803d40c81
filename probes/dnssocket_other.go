//go:build !linux

package probes

import (
	"net"
	"net/netip"
)

// dnsSockets are for Linux: elsewhere each question has a socket of its own, and the time is the process's.
type dnsSockets struct{}

func newDNSSockets() *dnsSockets { return nil }

// Close does nothing.
func (*dnsSockets) Close() error { return nil }

func (*dnsSockets) ask(*run, *dnsQuery, netip.AddrPort) (*dnsAnswer, *fault) { return nil, nil }

func stampReplies(*net.UDPConn) {}

func stampIn([]byte) int64 { return 0 }

func receiveLate(*net.UDPConn, []byte, []byte) (n, oobn int, ok bool) { return 0, 0, false }
