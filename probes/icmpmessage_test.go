package probes

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"testing"

	"golang.org/x/net/bpf"
	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"

	"github.com/uptally/uptally"
)

// marshalEcho is an echo message, of either family, as x/net writes it, which is no code of ours.
func marshalEcho(t testing.TB, typ icmp.Type, id, seq int, data []byte) []byte {
	t.Helper()
	b, err := (&icmp.Message{Type: typ, Body: &icmp.Echo{ID: id, Seq: seq, Data: data}}).Marshal(nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// packet4 puts an IPv4 header, with options of whole words, before what it carries.
func packet4(src, dst string, options, body []byte) []byte {
	n := ip4HeaderLen + len(options)
	b := make([]byte, n, n+len(body))
	b[0], b[8], b[9] = 4<<4|byte(n/4), 64, protocolICMP4
	binary.BigEndian.PutUint16(b[2:], uint16(n+len(body)))
	copy(b[12:], netip.MustParseAddr(src).AsSlice())
	copy(b[16:], netip.MustParseAddr(dst).AsSlice())
	copy(b[ip4HeaderLen:], options)
	binary.BigEndian.PutUint16(b[10:], checksum(0, b))
	return append(b, body...)
}

// packet6 puts an IPv6 header before what it carries.
func packet6(src, dst string, next byte, body []byte) []byte {
	b := make([]byte, ip6HeaderLen)
	b[0], b[6], b[7] = 6<<4, next, 64
	binary.BigEndian.PutUint16(b[4:], uint16(len(body)))
	copy(b[8:], netip.MustParseAddr(src).AsSlice())
	copy(b[24:], netip.MustParseAddr(dst).AsSlice())
	return append(b, body...)
}

// complaint4 is an error message about the packet it repeats; info is its second word.
func complaint4(kind, code byte, info uint32, repeated []byte) []byte {
	b := append([]byte{kind, code, 0, 0}, binary.BigEndian.AppendUint32(nil, info)...)
	b = append(b, repeated...)
	binary.BigEndian.PutUint16(b[2:], checksum(0, b))
	return b
}

var (
	nops = []byte{1, 1, 1, 1, 1, 1, 1, 0} // options of IPv4 that do nothing
	data = bytes.Repeat([]byte("payload"), 5)
)

func TestEchoMessages4(t *testing.T) {
	request := marshalEcho(t, ipv4.ICMPTypeEcho, 0x1234, 0x5678, data)
	reply := marshalEcho(t, ipv4.ICMPTypeEchoReply, 0x1234, 0x5678, data)
	sent := packet4("192.0.2.9", "192.0.2.1", nil, request)
	long := packet4("192.0.2.9", "192.0.2.1", nops, request)
	wrong := bytes.Clone(reply)
	wrong[30] ^= 1
	later := bytes.Clone(sent)
	later[7] = 8 // an offset: no first fragment
	for _, tt := range []struct {
		story  string
		packet []byte
		ok     bool
		reason uptally.Reason
		detail string
	}{
		{"a reply", packet4("192.0.2.1", "192.0.2.9", nil, reply), true, uptally.OK, ""},
		{"a reply with options", packet4("192.0.2.1", "192.0.2.9", nops, reply), true, uptally.OK, ""},
		{"a request of somebody", packet4("192.0.2.1", "192.0.2.9", nil, request), false, 0, ""},
		{"a reply that was changed on the way", packet4("192.0.2.1", "192.0.2.9", nil, wrong), false, 0, ""},
		{"a reply without a header", packet4("192.0.2.1", "192.0.2.9", nil, reply[:7]), false, 0, ""},
		{"host unreachable", packet4("198.51.100.1", "192.0.2.9", nil, complaint4(3, 1, 0, sent)), true, uptally.Unreachable, "198.51.100.1 answered: host unreachable"},
		{"with options in both headers", packet4("198.51.100.1", "192.0.2.9", nops, complaint4(3, 13, 0, long)), true, uptally.Unreachable, "198.51.100.1 answered: communication administratively prohibited"},
		{"an unknown code", packet4("198.51.100.1", "192.0.2.9", nil, complaint4(3, 99, 0, sent)), true, uptally.Unreachable, "198.51.100.1 answered: unreachable, code 99"},
		{"too big", packet4("198.51.100.1", "192.0.2.9", nil, complaint4(3, 4, 1280, sent)), true, uptally.TooBig, "198.51.100.1 answered: too big for a link of 1280 bytes"},
		{"hop limit", packet4("198.51.100.1", "192.0.2.9", nil, complaint4(11, 0, 0, sent)), true, uptally.TTLExceeded, "198.51.100.1 answered: hop limit reached"},
		{"parameter problem", packet4("198.51.100.1", "192.0.2.9", nil, complaint4(12, 0, 0, sent)), true, uptally.Unreachable, "198.51.100.1 answered: parameter problem"},
		{"fragments are missing", packet4("192.0.2.1", "192.0.2.9", nil, complaint4(11, 1, 0, sent)), true, uptally.OK, ""},
		{"only eight bytes repeated", packet4("198.51.100.1", "192.0.2.9", nil, complaint4(3, 1, 0, sent[:28])), true, uptally.Unreachable, "198.51.100.1 answered: host unreachable"},
		{"seven bytes repeated", packet4("198.51.100.1", "192.0.2.9", nil, complaint4(3, 1, 0, sent[:27])), false, 0, ""},
		{"about a later fragment", packet4("198.51.100.1", "192.0.2.9", nil, complaint4(3, 1, 0, later)), false, 0, ""},
		{"about a reply", packet4("198.51.100.1", "192.0.2.9", nil, complaint4(3, 1, 0, packet4("192.0.2.9", "192.0.2.1", nil, reply))), false, 0, ""},
		{"a redirect", packet4("198.51.100.1", "192.0.2.9", nil, complaint4(5, 1, 0, sent)), false, 0, ""},
		{"nothing", nil, false, 0, ""},
	} {
		t.Run(tt.story, func(t *testing.T) {
			m, ok := parseRaw4(tt.packet)
			if ok != tt.ok {
				t.Fatalf("got %v %v", m, ok)
			}
			if !ok {
				return
			}
			checkMessage(t, m, "192.0.2.1", false, tt.reason, tt.detail)
			if m.ttl != 64 {
				t.Errorf("got ttl %d, want 64", m.ttl)
			}
		})
	}
}

func checkMessage(t *testing.T, m echoMessage, target string, v6 bool, reason uptally.Reason, detail string) {
	t.Helper()
	if m.id != 0x1234 || m.seq != 0x5678 || !bytes.HasPrefix(data, m.data) {
		t.Errorf("got %x %x %q", m.id, m.seq, m.data)
	}
	if !m.complaint {
		if detail != "" || len(m.data) != len(data) {
			t.Errorf("got a reply of %d bytes, want %q", len(m.data), detail)
		}
		return
	}
	if m.target.String() != target {
		t.Errorf("got target %s, want %s", m.target, target)
	}
	router := map[bool]string{false: "198.51.100.1", true: "2001:db8::ff"}[v6]
	got := m.fault(netip.MustParseAddr(router), v6)
	if (got == nil) != (detail == "") || got != nil && (got.reason != reason || got.detail != detail) {
		t.Errorf("got %v, want %v: %s", got, reason, detail)
	}
}

func TestEchoMessages6(t *testing.T) {
	request := marshalEcho(t, ipv6.ICMPTypeEchoRequest, 0x1234, 0x5678, data)
	sent := packet6("2001:db8::9", "2001:db8::1", protocolICMP6, request)
	fragment := packet6("2001:db8::9", "2001:db8::1", nextFragment, append([]byte{protocolICMP6, 0, 0, 1, 0, 0, 0, 7}, request...))
	later := packet6("2001:db8::9", "2001:db8::1", nextFragment, append([]byte{protocolICMP6, 0, 4, 1, 0, 0, 0, 7}, request...))
	for _, tt := range []struct {
		story  string
		packet []byte
		ok     bool
		reason uptally.Reason
		detail string
	}{
		{"a reply", marshalEcho(t, ipv6.ICMPTypeEchoReply, 0x1234, 0x5678, data), true, uptally.OK, ""},
		{"a request of somebody", request, false, 0, ""},
		{"no route", complaint4(1, 0, 0, sent), true, uptally.Unreachable, "2001:db8::ff answered: no route"},
		{"a reject route", complaint4(1, 6, 0, sent), true, uptally.Unreachable, "2001:db8::ff answered: reject route"},
		{"too big, of the first fragment", complaint4(2, 0, 1280, fragment), true, uptally.TooBig, "2001:db8::ff answered: too big for a link of 1280 bytes"},
		{"too big, of a later fragment", complaint4(2, 0, 1280, later), false, 0, ""},
		{"hop limit", complaint4(3, 0, 0, sent), true, uptally.TTLExceeded, "2001:db8::ff answered: hop limit reached"},
		{"fragments are missing", complaint4(3, 1, 0, sent), true, uptally.OK, ""},
		{"parameter problem", complaint4(4, 1, 40, sent), true, uptally.Unreachable, "2001:db8::ff answered: parameter problem"},
		{"about something else", complaint4(1, 0, 0, packet6("2001:db8::9", "2001:db8::1", 17, request)), false, 0, ""},
		{"a header that ends early", complaint4(1, 0, 0, sent[:39]), false, 0, ""},
		{"a fragment header that ends early", complaint4(1, 0, 0, fragment[:47]), false, 0, ""},
		{"nothing", nil, false, 0, ""},
	} {
		t.Run(tt.story, func(t *testing.T) {
			m, ok := parseICMP6(tt.packet)
			if ok != tt.ok {
				t.Fatalf("got %v %v", m, ok)
			}
			if ok {
				checkMessage(t, m, "2001:db8::1", true, tt.reason, tt.detail)
			}
		})
	}
}

// TestEchoFilters runs the programs of the raw sockets: what the parser makes sense of passes when the identifier is of the
// block, and else does not.
func TestEchoFilters(t *testing.T) {
	const block, mask = 0x1230, 0xfff0
	for _, id := range []int{0x1230, 0x123f, 0x1240, 0x122f} {
		ours := id&mask == block
		request4, reply4 := marshalEcho(t, ipv4.ICMPTypeEcho, id, 1, data), marshalEcho(t, ipv4.ICMPTypeEchoReply, id, 1, data)
		request6, reply6 := marshalEcho(t, ipv6.ICMPTypeEchoRequest, id, 1, data), marshalEcho(t, ipv6.ICMPTypeEchoReply, id, 1, data)
		sent4 := packet4("192.0.2.9", "192.0.2.1", nops, request4)
		sent6 := packet6("2001:db8::9", "2001:db8::1", protocolICMP6, request6)
		part6 := packet6("2001:db8::9", "2001:db8::1", nextFragment, append([]byte{protocolICMP6, 0, 0, 1, 0, 0, 0, 7}, request6...))
		from4 := func(b []byte) []byte { return packet4("192.0.2.1", "192.0.2.9", nops, b) }
		for _, tt := range []struct {
			story   string
			program []bpf.Instruction
			packet  []byte
			want    bool
		}{
			{"reply", echoFilter4(block, mask), from4(reply4), ours},
			{"request", echoFilter4(block, mask), from4(request4), false},
			{"unreachable", echoFilter4(block, mask), from4(complaint4(3, 1, 0, sent4)), ours},
			{"exceeded", echoFilter4(block, mask), from4(complaint4(11, 0, 0, sent4)), ours},
			{"parameter", echoFilter4(block, mask), from4(complaint4(12, 0, 0, sent4)), ours},
			{"redirect", echoFilter4(block, mask), from4(complaint4(5, 1, 0, sent4)), false},
			{"about a reply", echoFilter4(block, mask), from4(complaint4(3, 1, 0, packet4("192.0.2.9", "192.0.2.1", nil, reply4))), false},
			{"cut off", echoFilter4(block, mask), from4(complaint4(3, 1, 0, sent4[:24])), false},
			{"reply over IPv6", echoFilter6(block, mask), reply6, ours},
			{"request over IPv6", echoFilter6(block, mask), request6, false},
			{"unreachable over IPv6", echoFilter6(block, mask), complaint4(1, 0, 0, sent6), ours},
			{"too big over IPv6", echoFilter6(block, mask), complaint4(2, 0, 1280, part6), ours},
			{"neighbour solicitation", echoFilter6(block, mask), complaint4(135, 0, 0, sent6), false},
			{"about UDP over IPv6", echoFilter6(block, mask), complaint4(1, 0, 0, packet6("2001:db8::9", "2001:db8::1", 17, request6)), false},
			{"cut off over IPv6", echoFilter6(block, mask), complaint4(1, 0, 0, sent6[:44]), false},
		} {
			vm, err := bpf.NewVM(tt.program)
			if err != nil {
				t.Fatal(err)
			}
			if n, err := vm.Run(tt.packet); err != nil || (n >= len(tt.packet)) != tt.want {
				t.Errorf("%s of %#x: got %d of %d bytes, %v; want %v", tt.story, id, n, len(tt.packet), err, tt.want)
			}
		}
	}
}

// TestPayloads: the payload sent is recognised, and each other kind is told from it.
func TestPayloads(t *testing.T) {
	p, stranger := newPayloads(), newPayloads()
	write := func(by *payloads, nonce uint64, size int) []byte {
		b := make([]byte, cookieLen)
		by.cookie(b, nonce)
		return append(b, by.rest(size)...)
	}
	changed, cut := write(p, 7, 64), write(p, 7, 64)
	changed[40] ^= 1
	for _, tt := range []struct {
		story string
		data  []byte
		whole bool
		want  likeness
		at    int
	}{
		{"as sent", write(p, 7, 64), true, same, 0},
		{"that of an earlier request", write(p, 6, 64), true, older, 0},
		{"that of another process", write(stranger, 6, 64), true, other, 7}, // the nonces differ in their eighth byte
		{"a changed byte", changed, true, other, 40},
		{"a byte short", write(p, 7, 63), true, other, 63},
		{"a byte long", append(write(p, 7, 64), 0), true, other, 64},
		{"empty", nil, true, other, 0},
		{"repeated in part", cut[:16], false, same, 0},
		{"repeated too little", cut[:15], false, short, 0},
		{"repeated, of an earlier request", write(p, 6, 64), false, older, 0},
		{"repeated, and not ours", write(stranger, 7, 64), false, other, -1},
	} {
		got, at := p.compare(tt.data, 7, 64, tt.whole)
		if got != tt.want || tt.at >= 0 && at != tt.at {
			t.Errorf("%s: got %v at %d, want %v at %d", tt.story, got, at, tt.want, tt.at)
		}
	}
}

// TestEchoHeader: our header and payload are, byte for byte, what x/net writes for the same request, at sizes even and odd.
func TestEchoHeader(t *testing.T) {
	p := newPayloads()
	for _, size := range []int{minEcho, 25, 1472, maxEcho} {
		got := make([]byte, echoHeaderLen+cookieLen)
		p.cookie(got[echoHeaderLen:], 42)
		header(got, echoRequest4, 0x1234, 0xfffe, got[echoHeaderLen:], sum(0, p.rest(size)))
		got = append(got, p.rest(size)...)
		if want := marshalEcho(t, ipv4.ICMPTypeEcho, 0x1234, 0xfffe, got[echoHeaderLen:]); !bytes.Equal(got, want) {
			t.Errorf("size %d: got header %x, want %x", size, got[:8], want[:8])
		}
	}
}

// FuzzEchoMessage feeds the parsers: none panics, what they return lies inside what they were given, and a complaint that
// means anything is down and names a target.
func FuzzEchoMessage(f *testing.F) {
	request := marshalEcho(f, ipv4.ICMPTypeEcho, 0x1234, 0x5678, data)
	f.Add(packet4("192.0.2.1", "192.0.2.9", nops, marshalEcho(f, ipv4.ICMPTypeEchoReply, 0x1234, 0x5678, data)))
	f.Add(packet4("198.51.100.1", "192.0.2.9", nil, complaint4(3, 4, 1280, packet4("192.0.2.9", "192.0.2.1", nops, request))))
	f.Add(marshalEcho(f, ipv6.ICMPTypeEchoReply, 0x1234, 0x5678, data))
	f.Add(complaint4(2, 0, 1280, packet6("2001:db8::9", "2001:db8::1", nextFragment, append([]byte{58, 0, 0, 1, 0, 0, 0, 7}, request...))))
	for _, text := range []string{"", "45", "4500001c00000000400100000000000000000000", "6000", "0000ffff12345678"} {
		b, err := hex.DecodeString(text)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	p, router := newPayloads(), netip.MustParseAddr("198.51.100.1")
	f.Fuzz(func(t *testing.T, b []byte) {
		for i, parse := range []func([]byte) (echoMessage, bool){parseRaw4, parseICMP4, parseICMP6} {
			m, ok := parse(b)
			if !ok {
				continue
			}
			if len(m.data) > len(b)-echoHeaderLen || !bytes.HasSuffix(b, m.data) {
				t.Fatalf("got %d bytes of data from %d", len(m.data), len(b))
			}
			if m.complaint {
				if why := m.fault(router, i == 2); why != nil && why.reason.Outcome() != uptally.Down || !m.target.IsValid() {
					t.Fatalf("got %v about %v", why, m.target)
				}
			}
			p.compare(m.data, 7, minEcho, !m.complaint)
		}
	})
}
