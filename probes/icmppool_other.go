//go:build !linux

package probes

import (
	"errors"
	"net/netip"
)

// echoPool is for Linux; elsewhere each probe has a socket of its own.
type echoPool struct{ payloads *payloads }

func newEchoPool(bool) *echoPool { return &echoPool{newPayloads()} }

// Close has nothing to close.
func (*echoPool) Close() error { return nil }

func (*echoPool) ping(*run, *icmpProbe, netip.Addr, bool) (*tally, error) {
	return nil, errors.ErrUnsupported
}
