package probes

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"path/filepath"
	"testing"
	"time"

	"github.com/uptally/uptally"
)

func opensslRows(t *testing.T, certs string) *rows {
	rs := &rows{}
	pair, err := tls.LoadX509KeyPair(filepath.Join(certs, "good.pem"), filepath.Join(certs, "good.key"))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(pair.Leaf.RawSubjectPublicKeyInfo)
	key := base64.StdEncoding.EncodeToString(sum[:])
	rs.names = append(rs.names, key, "(the sum of its key)")
	for _, tt := range []struct {
		story  string
		server []string
		client TLS
		want   uptally.Reason
	}{
		{"TLS 1.3 only", []string{"-tls1_3"}, TLS{}, uptally.OK},
		{"TLS 1.3 only, and 1.2 at most is offered", []string{"-tls1_3"}, TLS{MaxVersion: "1.2"}, uptally.TLSPolicy},
		{"TLS 1.2 only, and 1.3 is demanded", []string{"-tls1_2"}, TLS{MinVersion: "1.3"}, uptally.TLSVersion},
		{"ALPN taken", []string{"-alpn", "h2,http/1.1"}, TLS{ALPN: []string{"http/1.1"}}, uptally.OK},
		{"ALPN without a common protocol", []string{"-alpn", "h2"}, TLS{ALPN: []string{"imap"}}, uptally.TLSPolicy},
		{"no ALPN", nil, TLS{ALPN: []string{"h2"}}, uptally.TLSPolicy},
		{"pinned", nil, TLS{Pins: []string{key}}, uptally.OK},
		{"pinned to another", nil, TLS{Pins: []string{noPin}}, uptally.CertPin},
		{"classic key exchange", []string{"-groups", "X25519"}, TLS{KeyExchange: "classic"}, uptally.OK},
		{"a key exchange that is not offered", []string{"-groups", "X448"}, TLS{}, uptally.TLSHandshake},
		{"client certificate shown", []string{"-Verify", "1", "-CAfile", filepath.Join(certs, "ca.pem")}, TLS{CertFile: "good.pem", KeyFile: "good.key"}, uptally.OK},
		{"client certificate missing, in TLS 1.2", []string{"-Verify", "1", "-tls1_2"}, TLS{}, uptally.TLSHandshake},
	} {
		address := startOpenSSL(t, certs, tt.server...)
		rs.named(address, "openssl")
		tt.client.CAFile, tt.client.ServerName = "ca.pem", "portal.test"
		rs.tcp(tt.story, TCP{Address: address, TLS: &tt.client}, tt.want)
	}
	// TLS 1.3 lets the client finish first: what the server says of the certificate comes as the first answer.
	address := startOpenSSL(t, certs, "-Verify", "1", "-tls1_3")
	rs.named(address, "openssl")
	rs.tcp("client certificate missing, in TLS 1.3", TCP{Address: address, TLS: &TLS{CAFile: "ca.pem", ServerName: "portal.test"}, Steps: []Step{{Expect: "x"}}}, uptally.TLSHandshake)
	return rs
}

func sshRows(t *testing.T, _ string) *rows {
	rs, address := &rows{}, startSSHD(t)
	rs.named(address, "sshd")
	banner := func(address string) TCP {
		return TCP{Address: address, Steps: []Step{{ExpectRegexp: `^SSH-2\.0-OpenSSH_.* story\r\n`}}}
	}
	flawed := func(f flaw, name string) TCP {
		flawedAddress := through(t, address, f)
		rs.named(flawedAddress, name)
		return banner(flawedAddress)
	}
	refused := refusedAddress(t)
	rs.named(refused, "nobody")
	rs.tcp("good", banner(address), uptally.OK)
	rs.tcp("good, and the version sent back", TCP{Address: address, Steps: []Step{{ExpectRegexp: `^SSH-(2\.0)-.*\r\n`}, {SendGroups: "SSH-${1}-uptally\r\n"}, {Expect: "curve25519"}}}, uptally.OK)
	rs.tcp("refused: nothing listens", banner(refused), uptally.ConnectRefused)
	// The server speaks first: the client must have seen that it is connected before.
	const seen = 150 * time.Millisecond
	rs.tcp("reset at the first byte", flawed(flaw{delay: seen, then: resets}, "reset"), uptally.ConnectReset)
	rs.tcp("reset in the banner", flawed(flaw{delay: seen, passed: 5, then: resets}, "reset"), uptally.ReplyMismatch)
	rs.tcp("closed at the first byte", flawed(flaw{then: closes}, "closed"), uptally.ConnectionClosed)
	rs.tcp("closed in the banner", flawed(flaw{passed: 5, then: closes}, "closed"), uptally.ReplyMismatch)
	rs.tcp("stalled", flawed(flaw{then: stalls}, "stalled"), uptally.ReplyTimeout)
	rs.tcp("stalled in the banner", flawed(flaw{passed: 5, then: stalls}, "stalled"), uptally.ReplyMismatch)
	rs.atDeadline()
	slow := flawed(flaw{delay: 60 * time.Millisecond}, "slow")
	rs.tcp("late, and nobody minds", slow, uptally.OK)
	slow.MaxResponseTime = 30 * uptally.Millisecond
	rs.tcp("slow", slow, uptally.TooSlow)
	rs.tcp("wrong banner", TCP{Address: address, Steps: []Step{{Expect: "SSH-1.99"}}}, uptally.ReplyMismatch)
	rs.atDeadline()
	rs.tcp("more than wanted before it", TCP{Address: address, Steps: []Step{{Expect: "SSH-1.99", MaxBytes: 8}}}, uptally.ReplyTooLarge)
	rs.tcp("it speaks no TLS", TCP{Address: address, TLS: &TLS{}}, uptally.TLSHandshake)
	rs.tcp("it speaks no SMTP", TCP{Address: address, StartTLS: "smtp"}, uptally.ReplyMismatch)
	return rs
}

func mailRows(t *testing.T, certs string) *rows {
	rs, mail := &rows{}, startPostfix(t, certs)
	for name, address := range map[string]string{
		"postfix": mail.good, "plain": mail.plain, "expired": mail.expired, "early": mail.early, "tls1.2": mail.old, "tls1.3": mail.modern, "mutual": mail.mutual,
	} {
		rs.named(address, name)
	}
	refused := refusedAddress(t)
	rs.named(refused, "nobody")
	at := func(address string, change func(*TLS), steps ...Step) TCP {
		block := &TLS{CAFile: "ca.pem", ServerName: "portal.test"}
		if change != nil {
			change(block)
		}
		return TCP{Address: address, StartTLS: "smtp", TLS: block, Steps: steps}
	}
	flawed := func(f flaw, name string) TCP {
		address := through(t, mail.good, f)
		rs.named(address, name)
		return at(address, nil)
	}
	hello := []Step{{Send: "EHLO a.test\r\n"}, {ExpectRegexp: `(?s)^250-.*\r\n250 [^\r]*\r\n`}}

	rs.tcp("good", at(mail.good, nil), uptally.OK)
	rs.tcp("good, and it speaks inside", at(mail.good, nil, append(hello, Step{Send: "QUIT\r\n"}, Step{Expect: "221 "})...), uptally.OK)
	rs.tcp("good, by steps of the check's own", TCP{Address: mail.good, TLS: &TLS{CAFile: "ca.pem", ServerName: "portal.test"}, Steps: []Step{
		{ExpectRegexp: `^220 .*\r\n`}, {Send: "EHLO a.test\r\n"}, {ExpectRegexp: `(?s)^250-.*STARTTLS.*\r\n250 [^\r]*\r\n`}, {Send: "STARTTLS\r\n"}, {ExpectRegexp: `^220 .*\r\n`},
		{StartTLS: true}, {Send: "NOOP\r\n"}, {Expect: "250 "},
	}}, uptally.OK)
	rs.tcp("good, with a client certificate", at(mail.mutual, func(b *TLS) { b.CertFile, b.KeyFile = "good.pem", "good.key" }, hello...), uptally.OK)
	rs.tcp("TLS 1.2 only, and any from 1.2 is fine", at(mail.old, nil), uptally.OK)
	rs.tcp("TLS 1.3 only, and any from 1.2 is fine", at(mail.modern, nil), uptally.OK)

	rs.tcp("refused: nothing listens", at(refused, nil), uptally.ConnectRefused)
	const seen = 150 * time.Millisecond // as with OpenSSH
	rs.tcp("reset at the first byte", flawed(flaw{delay: seen, then: resets}, "reset"), uptally.ConnectReset)
	rs.tcp("reset in the greeting", flawed(flaw{delay: seen, passed: 4, then: resets}, "reset"), uptally.ReplyMismatch)
	rs.tcp("reset in the handshake", flawed(flaw{passed: 350, then: resets}, "reset"), uptally.ConnectReset)
	rs.tcp("closed at the first byte", flawed(flaw{then: closes}, "closed"), uptally.ConnectionClosed)
	rs.tcp("closed in the handshake", flawed(flaw{passed: 350, then: closes}, "closed"), uptally.TLSHandshake)
	rs.tcp("stalled", flawed(flaw{then: stalls}, "stalled"), uptally.ReplyTimeout)
	rs.tcp("stalled after the greeting", flawed(flaw{passed: len("220 portal.test ESMTP Postfix\r\n"), then: stalls}, "stalled"), uptally.ReplyTimeout)
	rs.tcp("stalled in the handshake", flawed(flaw{passed: 350, then: stalls}, "stalled"), uptally.TLSTimeout)
	slow := flawed(flaw{delay: 120 * time.Millisecond}, "slow")
	slow.MaxResponseTime = 60 * uptally.Millisecond
	rs.tcp("slow", slow, uptally.TooSlow)
	rs.tcp("wrong: it is no POP3", TCP{Address: mail.good, StartTLS: "pop3"}, uptally.ReplyMismatch)
	rs.tcp("wrong: no TLS from the first byte", TCP{Address: mail.good, TLS: &TLS{}}, uptally.TLSHandshake)
	rs.tcp("wrong: no TLS offered", at(mail.plain, nil), uptally.StartTLSRefused)
	rs.tcp("wrong answer inside TLS", at(mail.good, nil, Step{Send: "HELP\r\n"}, Step{ExpectRegexp: `^250 `}), uptally.ReplyMismatch)
	rs.atDeadline()

	rs.tcp("certificate expired", at(mail.expired, nil), uptally.CertExpired)
	rs.tcp("certificate not yet valid", at(mail.early, nil), uptally.CertNotYetValid)
	rs.tcp("certificate for another name", at(mail.good, func(b *TLS) { b.ServerName = "elsewhere.test" }), uptally.CertName)
	rs.tcp("certificate of an unknown authority", at(mail.good, func(b *TLS) { b.CAFile = "" }), uptally.CertUntrusted)
	rs.tcp("certificate that expires within the asked time", at(mail.good, func(b *TLS) { b.ExpiresWithin = 101 * uptally.Hour }), uptally.CertExpiring)
	rs.tcp("version too low: Postfix speaks 1.2 only", at(mail.old, func(b *TLS) { b.MinVersion = "1.3" }), uptally.TLSVersion)
	rs.tcp("version too high: Postfix speaks 1.3 only", at(mail.modern, func(b *TLS) { b.MaxVersion = "1.2" }), uptally.TLSPolicy)
	rs.tcp("client certificate missing: Postfix says so inside TLS", at(mail.mutual, nil, hello...), uptally.ReplyMismatch)
	return rs
}

func databaseRows(t *testing.T, certs string) *rows {
	rs, secure, plain := &rows{}, startPostgreSQL(t, certs), startPostgreSQL(t, "")
	rs.named(secure, "postgres")
	rs.named(plain, "plain")
	at := func(address, name string) TCP {
		return TCP{Address: address, StartTLS: "postgres", TLS: &TLS{CAFile: "ca.pem", ServerName: name}}
	}
	flawed := func(f flaw, name string) TCP {
		address := through(t, secure, f)
		rs.named(address, name)
		return at(address, "portal.test")
	}
	rs.tcp("good", at(secure, "portal.test"), uptally.OK)
	rs.tcp("reset at the first byte", flawed(flaw{then: resets}, "reset"), uptally.ConnectReset)
	rs.tcp("stalled", flawed(flaw{then: stalls}, "stalled"), uptally.ReplyTimeout)
	rs.tcp("stalled in the handshake", flawed(flaw{passed: 60, then: stalls}, "stalled"), uptally.TLSTimeout)
	rs.tcp("wrong: another answer", flawed(flaw{then: garbles}, "garbled"), uptally.ReplyMismatch)
	rs.tcp("wrong: no TLS offered", at(plain, "portal.test"), uptally.StartTLSRefused)
	rs.tcp("certificate for another name", at(secure, "elsewhere.test"), uptally.CertName)
	return rs
}
