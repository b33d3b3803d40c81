package probes

import (
	"encoding/binary"
	"strings"
	"testing"
	"unicode"

	"github.com/miekg/dns"

	"github.com/uptally/uptally"
)

// TestReplies: what a server sends, and the one reason it leads to.
func TestReplies(t *testing.T) {
	const record = "portal.test. 60 IN A 192.0.2.1"
	good := func(q *dns.Msg) []byte { return answer(t, q, dns.RcodeSuccess, record) }
	for _, tt := range []struct {
		story     string
		transport string
		reply     func(q *dns.Msg) []byte
		want      uptally.Reason
	}{
		{"as asked", "udp", good, uptally.OK},
		{"over TCP", "tcp", good, uptally.OK},
		{"the name in other letters", "udp", func(q *dns.Msg) []byte {
			q.Question[0].Name = otherCase(q.Question[0].Name)
			return good(q)
		}, uptally.OK},
		{"the name in other letters over TCP", "tcp", func(q *dns.Msg) []byte {
			q.Question[0].Name = otherCase(q.Question[0].Name)
			return good(q)
		}, uptally.OK},
		{"another identifier", "udp", func(q *dns.Msg) []byte { q.Id++; return good(q) }, uptally.QueryTimeout},
		{"another question", "udp", func(q *dns.Msg) []byte {
			q.Question[0].Name = "other.test."
			return good(q)
		}, uptally.QueryTimeout},
		{"another type", "udp", func(q *dns.Msg) []byte { q.Question[0].Qtype = dns.TypeMX; return good(q) }, uptally.QueryTimeout},
		{"a question instead of a reply", "udp", func(q *dns.Msg) []byte { b, _ := q.Pack(); return b }, uptally.QueryTimeout},
		{"three bytes", "udp", func(*dns.Msg) []byte { return []byte{1, 2, 3} }, uptally.QueryTimeout},
		{"broken behind the question", "udp", func(q *dns.Msg) []byte { b := good(q); return b[:len(b)-2] }, uptally.ReplyMalformed},
		{"a header that promises a question", "udp", func(q *dns.Msg) []byte { return good(q)[:12] }, uptally.QueryTimeout},
		{"cut in the question", "udp", func(q *dns.Msg) []byte { return good(q)[:14] }, uptally.QueryTimeout},
		{"broken over TCP", "tcp", func(q *dns.Msg) []byte { return good(q)[:14] }, uptally.ReplyMalformed},
		{"another identifier over TCP", "tcp", func(q *dns.Msg) []byte { q.Id++; return good(q) }, uptally.ReplyMalformed},
		{"SERVFAIL", "udp", func(q *dns.Msg) []byte { return answer(t, q, dns.RcodeServerFailure) }, uptally.RCode},
		{"no record", "udp", func(q *dns.Msg) []byte { return answer(t, q, dns.RcodeSuccess) }, uptally.NoAnswer},
		{"an alias only", "udp", func(q *dns.Msg) []byte { return answer(t, q, dns.RcodeSuccess, "portal.test. 60 IN CNAME a.test.") }, uptally.NoAnswer},
		{"another address", "udp", func(q *dns.Msg) []byte { return answer(t, q, dns.RcodeSuccess, "portal.test. 60 IN A 192.0.2.2") }, uptally.Answer},
	} {
		t.Run(tt.story, func(t *testing.T) {
			within := generous
			if tt.want == uptally.QueryTimeout {
				within = brief
			}
			server := listenDNS(t, func(_ string, q *dns.Msg) []byte { return tt.reply(q) })
			s := &Settings{DNS: &DNS{Server: server, Name: "portal.test", Transport: tt.transport, Answers: []string{"192.0.2.1"}}}
			want(t, observe(t, s, "", within), tt.want)
		})
	}
}

// otherCase turns small letters into large ones and back.
func otherCase(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) {
			r ^= 0x20
		}
		return r
	}, s)
}

// TestTruncationFallsBackWithinTheDeadline: truncated over UDP, silent over TCP.
func TestTruncationFallsBackWithinTheDeadline(t *testing.T) {
	server := listenDNS(t, func(network string, q *dns.Msg) []byte {
		if network == "tcp" {
			return nil
		}
		b := answer(t, q, dns.RcodeSuccess)
		b[2] |= 2 // TC
		return b
	})
	want(t, observe(t, &Settings{DNS: &DNS{Server: server, Name: "portal.test"}}, "", brief), uptally.QueryTimeout)
	want(t, observe(t, &Settings{DNS: &DNS{Server: server, Name: "portal.test", OnTruncation: "down"}}, "", brief), uptally.Truncated)
}

// TestQuestion: what is asked.
func TestQuestion(t *testing.T) {
	for _, tt := range []struct {
		settings  DNS
		size      uint16
		recursion bool
	}{
		{DNS{Name: "portal.test"}, 1232, true},
		{DNS{Name: "portal.test.", Type: "AAAA", Recursion: new(bool), EDNSSize: 4096}, 4096, false},
	} {
		q, err := newDNSQuery(&tt.settings)
		if err != nil {
			t.Fatal(err)
		}
		id := newID()
		wire := q.ask(id).wire
		var m dns.Msg
		if err := m.Unpack(wire); err != nil {
			t.Fatal(err)
		}
		if m.Id != id || m.RecursionDesired != tt.recursion || m.IsEdns0().UDPSize() != tt.size || !strings.EqualFold(m.Question[0].Name, "portal.test.") {
			t.Errorf("got %v", &m)
		}
		if binary.BigEndian.Uint16(q.wire) != 0 {
			t.Error("the prepared question was written to")
		}
	}
}

func TestCanonicalAnswers(t *testing.T) {
	for _, tt := range []struct{ typ, data, want string }{
		{"A", "192.0.2.1", "192.0.2.1"},
		{"AAAA", "2001:DB8:0::1", "2001:db8::1"},
		{"MX", "10 Mail.Example.test", "10 mail.example.test."},
		{"CNAME", "a.test", "a.test."},
		{"TXT", "v=spf1 -all", "v=spf1 -all"},
		{"TXT", `"v=spf1 " "-all"`, "v=spf1 -all"},
		{"CAA", `0 issue "ca.test"`, `0 issue "ca.test"`},
	} {
		got, err := canonicalAnswer(tt.typ, tt.data)
		if err != nil || got != tt.want {
			t.Errorf("%s %s: got %q %v, want %q", tt.typ, tt.data, got, err, tt.want)
		}
	}
}
