package probes

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"net/netip"

	"github.com/uptally/uptally"
)

// Types of ICMP and ICMPv6 messages (RFC 792, RFC 4443).
const (
	echoReply4, unreachable4, echoRequest4, exceeded4, parameter4       = 0, 3, 8, 11, 12
	unreachable6, tooBig6, exceeded6, parameter6, echoRequest6, reply6  = 1, 2, 3, 4, 128, 129
	protocolICMP4, protocolICMP6, nextFragment                          = 1, 58, 44
	echoHeaderLen, ip4HeaderLen, ip6HeaderLen, fragmentLen, maxIPHeader = 8, 20, 40, 8, 60
)

// echoMessage is what a received message says about one echo request: a reply, or the complaint of a router or of the
// target about it.
type echoMessage struct {
	// complaint is false for a reply; kind, code and mtu are those of the complaint.
	complaint  bool
	kind, code uint8
	mtu        uint32
	// id and seq name the request, target is where it went; invalid where the message does not say.
	id, seq uint16
	target  netip.Addr
	// data is the payload: in a reply the whole, in a complaint as much of the request's as it repeats.
	data []byte
	// ttl is the hop limit that was left; 0 where it comes beside the message.
	ttl int
}

// parseRaw4 reads an IPv4 packet with its header, as raw sockets deliver it: reassembled, and before the kernel looked at
// the ICMP checksum.
func parseRaw4(b []byte) (echoMessage, bool) {
	if len(b) < ip4HeaderLen || b[0]>>4 != 4 {
		return echoMessage{}, false
	}
	n := int(b[0]&0xf) * 4
	if n < ip4HeaderLen || len(b) < n || b[9] != protocolICMP4 || checksum(0, b[n:]) != 0 {
		return echoMessage{}, false
	}
	m, ok := parseICMP4(b[n:])
	m.ttl = int(b[8])
	return m, ok
}

// parseICMP4 reads an ICMP message.
func parseICMP4(b []byte) (echoMessage, bool) {
	if len(b) < echoHeaderLen {
		return echoMessage{}, false
	}
	switch b[0] {
	case echoReply4:
		return parseEcho(b, echoReply4)
	case unreachable4, exceeded4, parameter4:
		m, ok := parseRepeated4(b[echoHeaderLen:])
		m.complaint, m.kind, m.code = true, b[0], b[1]
		m.mtu = uint32(binary.BigEndian.Uint16(b[6:])) // RFC 1191
		return m, ok
	}
	return echoMessage{}, false
}

// parseRepeated4 reads the beginning of our request inside a complaint.
func parseRepeated4(b []byte) (echoMessage, bool) {
	if len(b) < ip4HeaderLen || b[0]>>4 != 4 {
		return echoMessage{}, false
	}
	n := int(b[0]&0xf) * 4
	first := binary.BigEndian.Uint16(b[6:])&0x1fff == 0 // of the fragments
	if n < ip4HeaderLen || len(b) < n || b[9] != protocolICMP4 || !first {
		return echoMessage{}, false
	}
	m, ok := parseEcho(b[n:], echoRequest4)
	m.target = netip.AddrFrom4([4]byte(b[16:20]))
	return m, ok
}

// parseICMP6 reads an ICMPv6 message; its checksum is the kernel's business.
func parseICMP6(b []byte) (echoMessage, bool) {
	if len(b) < echoHeaderLen {
		return echoMessage{}, false
	}
	switch b[0] {
	case reply6:
		return parseEcho(b, reply6)
	case unreachable6, tooBig6, exceeded6, parameter6:
		m, ok := parseRepeated6(b[echoHeaderLen:])
		m.complaint, m.kind, m.code = true, b[0], b[1]
		m.mtu = binary.BigEndian.Uint32(b[4:])
		return m, ok
	}
	return echoMessage{}, false
}

func parseRepeated6(b []byte) (echoMessage, bool) {
	if len(b) < ip6HeaderLen || b[0]>>4 != 6 {
		return echoMessage{}, false
	}
	next, rest := b[6], b[ip6HeaderLen:]
	if next == nextFragment {
		if len(rest) < fragmentLen || binary.BigEndian.Uint16(rest[2:])>>3 != 0 {
			return echoMessage{}, false
		}
		next, rest = rest[0], rest[fragmentLen:]
	}
	if next != protocolICMP6 {
		return echoMessage{}, false
	}
	m, ok := parseEcho(rest, echoRequest6)
	m.target = netip.AddrFrom16([16]byte(b[24:40]))
	return m, ok
}

// parseEcho reads an echo request or reply.
func parseEcho(b []byte, kind uint8) (echoMessage, bool) {
	if len(b) < echoHeaderLen || b[0] != kind || b[1] != 0 {
		return echoMessage{}, false
	}
	return echoMessage{id: binary.BigEndian.Uint16(b[4:]), seq: binary.BigEndian.Uint16(b[6:]), data: b[echoHeaderLen:]}, true
}

// complaints of code 0, 1, 2…
var (
	unreachable4Texts = []string{
		"network unreachable", "host unreachable", "protocol unreachable", "port unreachable", "fragmentation needed",
		"source route failed", "network unknown", "host unknown", "source host isolated", "network administratively prohibited",
		"host administratively prohibited", "network unreachable for the type of service", "host unreachable for the type of service",
		"communication administratively prohibited", "host precedence violation", "precedence cut off",
	}
	unreachable6Texts = []string{
		"no route", "administratively prohibited", "beyond the scope of the source address", "address unreachable",
		"port unreachable", "source address refused", "reject route", "source route failed",
	}
)

// needsFragmentation is the code of unreachable4 that reports the size of the path.
const needsFragmentation = 4

// fault says what a complaint means, in the name of the router. It is nil for one that proves nothing about the way: a
// target that could not put the fragments together lacks a part of the request, which was lost as any may be.
func (m *echoMessage) fault(router netip.Addr, v6 bool) *fault {
	says := func(reason uptally.Reason, text string) *fault {
		return faultf(reason, "%s answered: %s", router, text)
	}
	tooBig := func() *fault {
		return says(uptally.TooBig, fmt.Sprintf("too big for a link of %d bytes", m.mtu))
	}
	switch {
	case !v6 && m.kind == unreachable4 && m.code == needsFragmentation, v6 && m.kind == tooBig6:
		return tooBig()
	case !v6 && m.kind == unreachable4:
		return says(uptally.Unreachable, textOf(unreachable4Texts, m.code))
	case v6 && m.kind == unreachable6:
		return says(uptally.Unreachable, textOf(unreachable6Texts, m.code))
	case !v6 && m.kind == parameter4, v6 && m.kind == parameter6:
		return says(uptally.Unreachable, "parameter problem")
	case m.code == 0: // exceeded4, exceeded6
		return says(uptally.TTLExceeded, "hop limit reached")
	}
	return nil
}

func textOf(texts []string, code uint8) string {
	if int(code) < len(texts) {
		return texts[code]
	}
	return fmt.Sprintf("unreachable, code %d", code)
}

// minEcho is the smallest payload; cookieLen of it name the request.
const (
	minEcho   = 24
	maxEcho   = 65507
	cookieLen = 16
)

// payloads writes and recognises the payloads of one pool's requests: a cookie, then a fixed pattern. The cookie is a
// number that nobody can guess and the pool's own hash of it, so that a late reply to an earlier request with the same
// identifier and sequence is told from one that was changed on the way.
type payloads struct {
	seed    maphash.Seed
	pattern []byte
}

func newPayloads() *payloads {
	p := &payloads{seed: maphash.MakeSeed(), pattern: make([]byte, maxEcho)}
	for i := range p.pattern {
		p.pattern[i] = byte(i)
	}
	return p
}

// cookie writes the beginning of the payload of the request with this nonce.
func (p *payloads) cookie(b []byte, nonce uint64) {
	binary.BigEndian.PutUint64(b, nonce)
	binary.BigEndian.PutUint64(b[8:], maphash.Comparable(p.seed, nonce))
}

// rest is what follows the cookie in a payload of size bytes.
func (p *payloads) rest(size int) []byte { return p.pattern[cookieLen:size] }

// likeness is how a received payload compares with the one sent.
type likeness int

const (
	same  likeness = iota // all of it, or of a complaint a beginning with the cookie
	short                 // a complaint that repeats too little to prove that it saw the request
	older                 // that of another request of the pool
	other
)

// compare tells a payload of size bytes with this nonce from others; whole is false in a complaint, which repeats a
// beginning. For other, at is the first byte that differs.
func (p *payloads) compare(data []byte, nonce uint64, size int, whole bool) (l likeness, at int) {
	if len(data) < cookieLen {
		if whole {
			return other, len(data)
		}
		return short, 0
	}
	var cookie [cookieLen]byte
	p.cookie(cookie[:], nonce)
	if [cookieLen]byte(data) != cookie {
		if their := binary.BigEndian.Uint64(data); their != nonce && binary.BigEndian.Uint64(data[8:]) == maphash.Comparable(p.seed, their) {
			return older, 0
		}
		return other, differ(data, cookie[:])
	}
	if !whole {
		return same, 0
	}
	if rest := p.rest(size); !bytes.Equal(data[cookieLen:], rest) {
		return other, cookieLen + differ(data[cookieLen:], rest)
	}
	return same, 0
}

// differ returns the index of the first byte in which a and b, which are not equal, differ.
func differ(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

// header writes the eight bytes before the payload of an echo request, with the checksum of it and of what follows: the
// kernel computes it over IPv6 and for datagram sockets only.
func header(b []byte, kind uint8, id, seq uint16, cookie []byte, rest uint32) {
	b[0], b[1], b[2], b[3] = kind, 0, 0, 0
	binary.BigEndian.PutUint16(b[4:], id)
	binary.BigEndian.PutUint16(b[6:], seq)
	binary.BigEndian.PutUint16(b[2:], checksum(sum(sum(rest, cookie), b[:4]), b[4:echoHeaderLen]))
}

// sum adds b, in two-byte words, to s (RFC 1071); only the last part of a message may be odd. It cannot overflow below
// 128 KiB.
func sum(s uint32, b []byte) uint32 {
	for ; len(b) >= 2; b = b[2:] {
		s += uint32(b[0])<<8 | uint32(b[1])
	}
	if len(b) == 1 {
		s += uint32(b[0]) << 8
	}
	return s
}

// checksum ends a sum. Over a message that holds its own checksum it is 0.
func checksum(s uint32, b []byte) uint16 {
	s = sum(s, b)
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return ^uint16(s)
}
