package probes

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/uptally/uptally"
)

func knotRows(t *testing.T, _ string) *rows {
	rs, knot := &rows{}, startKnot(t)
	rs.named(knot, "knot")
	refused, swallowed := refusedAddress(t), swallowing(t)
	rs.named(refused, "nobody")
	rs.named(swallowed, "full")
	ask := func(story, name, typ string, d DNS, want uptally.Reason, has string) {
		d.Server, d.Name, d.Type = knot, name, typ
		rs.dns(story, d, want, has)
	}
	ask("good", "portal.example.test", "", DNS{Answers: []string{"192.0.2.11", "192.0.2.10"}}, uptally.OK, "")
	ask("good over TCP", "portal.example.test", "", DNS{Transport: "tcp"}, uptally.OK, "")
	ask("good by an alias", "www.example.test", "", DNS{AnswersContain: []string{"192.0.2.10"}}, uptally.OK, "")
	ask("good for MX", "example.test", "MX", DNS{Answers: []string{"10 Mail.example.test"}}, uptally.OK, "")
	ask("good for TXT", "example.test", "TXT", DNS{AnswersRegexp: "^v=spf1 "}, uptally.OK, "")
	ask("truncated, and asked again over TCP", "long.example.test", "TXT", DNS{}, uptally.OK, "")
	ask("truncated, and that is down", "long.example.test", "TXT", DNS{OnTruncation: "down"}, uptally.Truncated, "")
	ask("truncated by the size announced", "long.signed.test", "TXT", DNS{EDNSSize: 512, OnTruncation: "down"}, uptally.Truncated, "")
	ask("NXDOMAIN is the wish", "nothing.example.test", "", DNS{RCodes: []string{"NXDOMAIN"}}, uptally.OK, "")

	rs.knotStates(t, knot, refused, swallowed)

	ask("wrong record", "portal.example.test", "", DNS{Answers: []string{"192.0.2.10"}}, uptally.Answer, "")
	ask("a missing record", "portal.example.test", "", DNS{AnswersContain: []string{"192.0.2.99"}}, uptally.Answer, "")
	ask("no record of the type", "portal.example.test", "AAAA", DNS{}, uptally.NoAnswer, "")
	ask("wrong rcode: NXDOMAIN", "nothing.example.test", "", DNS{}, uptally.RCode, "got NXDOMAIN")
	ask("wrong rcode: REFUSED for a foreign zone", "example.org", "", DNS{}, uptally.RCode, "got REFUSED")
	ask("wrong rcode: SERVFAIL for a zone without records", "a.broken.test", "", DNS{}, uptally.RCode, "got SERVFAIL")
	ask("wrong flag", "portal.example.test", "", DNS{Flags: []string{"ra"}}, uptally.Flag, "")
	ask("TTL", "portal.signed.test", "", DNS{MinTTL: uptally.Minute, MaxTTL: uptally.Minute}, uptally.OK, "")
	ask("TTL too low", "portal.signed.test", "", DNS{MinTTL: 2 * uptally.Minute}, uptally.TTL, "")
	ask("serial not dated of late", "old.test", "SOA", DNS{Serial: &Serial{NewerThan: 48 * uptally.Hour}}, uptally.Serial, "got serial 2020010101")
	ask("on behalf of a network", "portal.signed.test", "", DNS{ClientSubnet: "198.51.100.0/24"}, uptally.OK, "")
	ask("its version, in class CH", "version.bind", "TXT", DNS{Class: "CH", Answers: []string{"story"}}, uptally.OK, "")

	ask("signed, with DO", "portal.signed.test", "", DNS{DNSSEC: true, Flags: []string{"aa", "!ra", "!ad"}, Answers: []string{"192.0.2.10"}}, uptally.OK, "")
	ask("signatures are there", "portal.signed.test", "RRSIG", DNS{DNSSEC: true, AnswersRegexp: `^A 13 3 60 .* signed\.test\. `}, uptally.OK, "")
	ask("a name that does not exist, proven", "nothing.signed.test", "", DNS{DNSSEC: true, RCodes: []string{"NXDOMAIN"}, AuthorityRegexp: ` NSEC `}, uptally.OK, "")
	ask("no proof without DO", "nothing.signed.test", "", DNS{RCodes: []string{"NXDOMAIN"}, AuthorityRegexp: ` NSEC `}, uptally.Authority, "SOA")
	ask("a delegation with its glue", "host.sub.signed.test", "", DNS{Recursion: new(bool), Flags: []string{"!aa"}, Authority: []string{"sub.signed.test. NS ns.sub.signed.test."}, Additional: []string{"ns.sub.signed.test. A 192.0.2.54"}}, uptally.OK, "")
	ask("a delegation to somebody else", "host.sub.signed.test", "", DNS{AuthorityContain: []string{"sub.signed.test. NS evil.test."}}, uptally.Authority, "got sub.signed.test. NS ns.sub.signed.test., want")
	ask("a delegation with other glue", "host.sub.signed.test", "", DNS{AdditionalContain: []string{"ns.sub.signed.test. A 192.0.2.55"}}, uptally.Additional, "")
	ask("signed, and too large for UDP", "long.signed.test", "TXT", DNS{DNSSEC: true, AnswersContain: []string{strings.Repeat("y", 200) + "3"}}, uptally.OK, "")
	ask("bogus: Knot itself sees nothing wrong", "portal.bogus.test", "", DNS{}, uptally.OK, "")
	return rs
}

// knotStates are the ways in which a question gets no answer, or a bad one.
func (rs *rows) knotStates(t *testing.T, knot, refused, swallowed string) {
	ask := func(story, transport, server string, want uptally.Reason) {
		rs.dns(story, DNS{Server: server, Transport: transport, Name: "portal.example.test"}, want, "")
	}
	byUDP := func(name string, delay time.Duration, change func(reply []byte) [][]byte) string {
		address := throughUDP(t, knot, delay, change)
		rs.named(address, name)
		return address
	}
	same := func(reply []byte) [][]byte { return [][]byte{reply} }
	cut := func(at int) func([]byte) [][]byte {
		return func(reply []byte) [][]byte { return [][]byte{reply[:min(at, len(reply))]} }
	}
	foreign := func(reply []byte) []byte { return append([]byte{^reply[0]}, reply[1:]...) }

	ask("UDP: nothing listens", "udp", refused, uptally.QueryTimeout)
	ask("UDP: stalled", "udp", byUDP("stalled", 0, func([]byte) [][]byte { return nil }), uptally.QueryTimeout)
	ask("UDP: each reply twice", "udp", byUDP("twice", 0, func(b []byte) [][]byte { return [][]byte{b, b} }), uptally.OK)
	ask("UDP: a reply to another question first", "udp", byUDP("twice", 0, func(b []byte) [][]byte { return [][]byte{foreign(b), b} }), uptally.OK)
	ask("UDP: only replies to other questions", "udp", byUDP("foreign", 0, func(b []byte) [][]byte { return [][]byte{foreign(b)} }), uptally.QueryTimeout)
	ask("UDP: a reply cut in the header", "udp", byUDP("cut", 0, cut(8)), uptally.QueryTimeout)
	ask("UDP: a reply cut in the answer", "udp", byUDP("cut", 0, cut(45)), uptally.ReplyMalformed)
	late := DNS{Server: byUDP("slow", 60*time.Millisecond, same), Name: "portal.example.test"}
	rs.dns("UDP: late, and nobody minds", late, uptally.OK, "")
	late.MaxResponseTime = 30 * uptally.Millisecond
	rs.dns("UDP: slow", late, uptally.TooSlow, "")

	byTCP := func(name string, f flaw) string {
		address := through(t, knot, f)
		rs.named(address, name)
		return address
	}
	ask("TCP: refused, nothing listens", "tcp", refused, uptally.ConnectRefused)
	ask("TCP: the queue of the listener is full", "tcp", swallowed, uptally.ConnectTimeout)
	ask("TCP: reset at the first byte", "tcp", byTCP("reset", flaw{then: resets}), uptally.ConnectReset)
	ask("TCP: reset in the reply", "tcp", byTCP("reset", flaw{passed: 20, then: resets}), uptally.ConnectReset)
	ask("TCP: closed at the first byte", "tcp", byTCP("closed", flaw{then: closes}), uptally.ConnectReset)
	ask("TCP: closed in the reply", "tcp", byTCP("closed", flaw{passed: 20, then: closes}), uptally.ReplyMalformed)
	ask("TCP: stalled", "tcp", byTCP("stalled", flaw{then: stalls}), uptally.QueryTimeout)
	ask("TCP: stalled in the reply", "tcp", byTCP("stalled", flaw{passed: 20, then: stalls}), uptally.QueryTimeout)
	ask("TCP: a wrong identifier", "tcp", byTCP("garbled", flaw{passed: 2, then: garbles}), uptally.ReplyMalformed)
	late = DNS{Server: byTCP("slow", flaw{delay: 60 * time.Millisecond}), Transport: "tcp", Name: "portal.example.test", Reach: Reach{MaxResponseTime: 30 * uptally.Millisecond}}
	rs.dns("TCP: slow", late, uptally.TooSlow, "")
}

// resolverRows lead names to where they should not go.
func resolverRows(t *testing.T, certs string) *rows {
	rs, knot, web := &rows{}, startKnot(t), startNginx(t, certs)
	rs.named(knot, "knot")
	rs.named(web.plain, "nginx")
	silent := throughUDP(t, knot, 0, func([]byte) [][]byte { return nil })
	rs.named(silent, "stalled")
	by := func(resolver string) Reach { return Reach{Resolver: resolver} }
	rs.http("the name leads to loopback", HTTP{URL: "http://local.example.test:" + portOfAddress(web.plain) + "/ok", Reach: by(knot)}, uptally.OK)
	rs.tcp("the name does not exist", TCP{Address: "nothing.example.test:80", Reach: by(knot)}, uptally.ResolveNXDomain)
	rs.tcp("the resolver fails", TCP{Address: "a.broken.test:80", Reach: by(knot)}, uptally.ResolveFailed)
	rs.tcp("the resolver refuses", TCP{Address: "example.org:80", Reach: by(knot)}, uptally.ResolveFailed)
	rs.tcp("the resolver does not answer", TCP{Address: "portal.example.test:80", Reach: by(silent)}, uptally.ResolveTimeout)
	rs.atDeadline()
	rs.list = append(rs.list, row{story: "the name has no address of the family", s: Settings{ICMP: &ICMP{Host: "portal.example.test", Reach: Reach{Resolver: knot, Family: "6"}}}, want: uptally.ResolveNoAddress})
	return rs
}

func unboundRows(t *testing.T, certs string) *rows {
	rs, knot := &rows{}, startKnot(t)
	writeFile(t, filepath.Join(certs, "old.cnf"), "openssl_conf = a\n[a]\nssl_conf = b\n[b]\nsystem_default = c\n[c]\nMaxProtocol = TLSv1.2\n")
	good, expired, early := startUnbound(t, certs, "good", knot), startUnbound(t, certs, "expired", knot), startUnbound(t, certs, "early", knot)
	old := startUnbound(t, certs, "good", knot, "OPENSSL_CONF="+filepath.Join(certs, "old.cnf"))
	rs.named(knot, "knot")
	for name, u := range map[string]resolver{"": good, "-expired": expired, "-early": early, "-1.2": old} {
		rs.named(u.plain, "unbound"+name)
		rs.named(u.tls, "dot"+name)
		rs.named(u.https, "doh"+name)
	}
	refused := refusedAddress(t)
	rs.named(refused, "nobody")
	ask := func(story, name, typ string, d DNS, want uptally.Reason, has string) {
		d.Server, d.Name, d.Type = good.plain, name, typ
		rs.dns(story, d, want, has)
	}
	ask("good: it vouches for a signed zone", "portal.signed.test", "", DNS{Authentic: true, Flags: []string{"ra", "ad", "!aa"}}, uptally.OK, "")
	ask("good over TCP", "portal.signed.test", "", DNS{Transport: "tcp", Authentic: true}, uptally.OK, "")
	ask("it does not vouch for an unsigned zone", "portal.old.test", "", DNS{Authentic: true}, uptally.NotAuthentic, "")
	// First for the lack of the key, later for the bogus answer that it remembers.
	ask("it refuses a zone with a wrong key", "portal.bogus.test", "", DNS{}, uptally.RCode, "got SERVFAIL (DN")
	ask("serial, and the same at Knot", "signed.test", "SOA", DNS{Serial: &Serial{AtLeast: 2026010100, EqualOn: []string{knot}}}, uptally.OK, "")

	both := map[string]func(address string) DNS{
		"TLS: ": func(address string) DNS {
			return DNS{Transport: "tls", Server: "portal.test:" + portOfAddress(address)}
		},
		"HTTPS: ": func(address string) DNS {
			return DNS{Transport: "https", URL: "https://portal.test:" + portOfAddress(address) + "/dns-query"}
		},
	}
	rs.everySecureQuestion(t, "TLS: ", both["TLS: "], []string{good.tls, expired.tls, early.tls, old.tls, refused})
	rs.everySecureQuestion(t, "HTTPS: ", both["HTTPS: "], []string{good.https, expired.https, early.https, old.https, refused})
	rs.secureQuestions(good, knot)
	return rs
}

// everySecureQuestion are the rows that are the same over TLS and over HTTPS; at are the servers: good, expired, early, of
// TLS 1.2 only, and none.
func (rs *rows) everySecureQuestion(t *testing.T, way string, to func(address string) DNS, at []string) {
	add := func(story, address string, change func(d *DNS), want uptally.Reason, has string) {
		d := to(address)
		d.Name, d.Reach, d.TLS = "portal.signed.test", secureReach(), &TLS{CAFile: "ca.pem"}
		if change != nil {
			change(&d)
		}
		rs.dns(way+story, d, want, has)
	}
	flawed := func(f flaw, name string) string {
		address := through(t, at[0], f)
		rs.named(address, name)
		return address
	}
	add("good: it vouches", at[0], func(d *DNS) { d.Authentic = true }, uptally.OK, "")
	add("good, and large", at[0], func(d *DNS) { d.Name, d.Type = "long.signed.test", "TXT" }, uptally.OK, "")
	add("refused: nothing listens", at[4], nil, uptally.ConnectRefused, "")
	add("reset at the first byte", flawed(flaw{then: resets}, "reset"), nil, uptally.ConnectReset, "")
	add("closed in the handshake", flawed(flaw{passed: 60, then: closes}, "closed"), nil, uptally.TLSHandshake, "")
	add("stalled at the first byte", flawed(flaw{then: stalls}, "stalled"), nil, uptally.TLSTimeout, "")
	add("stalled in the handshake", flawed(flaw{passed: 60, then: stalls}, "stalled"), nil, uptally.TLSTimeout, "")
	add("slow", flawed(flaw{delay: 120 * time.Millisecond}, "slow"), func(d *DNS) { d.MaxResponseTime = 60 * uptally.Millisecond }, uptally.TooSlow, "")
	add("wrong record", at[0], func(d *DNS) { d.Answers = []string{"192.0.2.11"} }, uptally.Answer, "")
	add("wrong rcode: bogus", at[0], func(d *DNS) { d.Name = "portal.bogus.test" }, uptally.RCode, "got SERVFAIL (DN")
	add("certificate expired", at[1], nil, uptally.CertExpired, "")
	add("certificate not yet valid", at[2], nil, uptally.CertNotYetValid, "")
	add("certificate for another name", at[0], func(d *DNS) { d.TLS.ServerName = "elsewhere.test" }, uptally.CertName, "")
	add("certificate of an unknown authority", at[0], func(d *DNS) { d.TLS.CAFile = "" }, uptally.CertUntrusted, "")
	add("certificate that expires within the asked time", at[0], func(d *DNS) { d.TLS.ExpiresWithin = 101 * uptally.Hour }, uptally.CertExpiring, "")
	add("version too low: Unbound speaks 1.2 only", at[3], func(d *DNS) { d.TLS.MinVersion = "1.3" }, uptally.TLSVersion, "")
	add("TLS 1.2 only, and any from 1.2 is fine", at[3], nil, uptally.OK, "")
}

// secureQuestions are those of one transport alone.
func (rs *rows) secureQuestions(good resolver, knot string) {
	overTLS := func(story, address string, change func(d *DNS), want uptally.Reason) {
		d := DNS{Reach: secureReach(), Transport: "tls", Server: "portal.test:" + portOfAddress(address), Name: "portal.signed.test", TLS: &TLS{CAFile: "ca.pem"}}
		if change != nil {
			change(&d)
		}
		rs.dns("TLS: "+story, d, want, "")
	}
	overTLS("to a port that speaks DNS only: Knot waits and hangs up", knot, nil, uptally.TLSHandshake)
	overTLS("serial, and the same at itself", good.tls, func(d *DNS) {
		d.Name, d.Type, d.Serial = "signed.test", "SOA", &Serial{EqualOn: []string{"portal.test:" + portOfAddress(good.tls)}}
	}, uptally.OK)
	overHTTPS := func(story, path, method string, want uptally.Reason, has string) {
		rs.dns("HTTPS: "+story, DNS{
			Reach: secureReach(), Transport: "https", URL: "https://portal.test:" + portOfAddress(good.https) + path, Method: method,
			Name: "portal.signed.test", TLS: &TLS{CAFile: "ca.pem"},
		}, want, has)
	}
	overHTTPS("good by GET", "/dns-query", "GET", uptally.OK, "")
	overHTTPS("wrong path", "/elsewhere", "", uptally.DoHStatus, "got 404 Not Found")
}
