package probes

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/uptally/uptally"
)

// TestRealServersDNS holds the probes against Knot DNS with a signed zone, and against Unbound as a validating resolver that
// speaks UDP, TCP, TLS and HTTPS. It is skipped only where they are not installed and UPTALLY_REQUIRE_PEERS is not set.
func TestRealServersDNS(t *testing.T) {
	ca := newAuthority(t)
	ca.issue("good", "resolver.test", -time.Hour, 100*time.Hour)
	ca.issue("expired", "resolver.test", -48*time.Hour, -24*time.Hour)
	knot := startSignedKnot(t)
	good, expired := startUnbound(t, ca, "good", knot), startUnbound(t, ca, "expired", knot)
	refused := refusedAddress(t)

	reach := Reach{Resolve: map[string]string{"resolver.test": "127.0.0.1", "other.test": "127.0.0.1"}}
	at := func(host, address string) string { return host + ":" + portOfAddress(address) }
	trusted := func() *TLS { return &TLS{CAFile: "ca.pem"} }
	overTLS := func(host, address string, tls *TLS) DNS {
		return DNS{Reach: reach, Transport: "tls", Server: at(host, address), Name: "portal.signed.test", TLS: tls}
	}
	overHTTPS := func(path, method string) DNS {
		return DNS{Reach: reach, Transport: "https", URL: "https://" + at("resolver.test", good.https) + path, Method: method, Name: "portal.signed.test", TLS: trusted()}
	}
	plain := func(server, name, typ string, d DNS) DNS {
		d.Server, d.Name, d.Type = server, name, typ
		return d
	}
	no := new(bool)

	for _, tt := range []struct {
		story string
		d     DNS
		want  uptally.Reason
		has   string // of the detail
	}{
		{"knot: signed, with DO", plain(knot, "portal.signed.test", "A", DNS{DNSSEC: true, Flags: []string{"aa", "!ra", "!ad"}, Answers: []string{"192.0.2.10"}}), uptally.OK, ""},
		{"knot: signatures are there", plain(knot, "portal.signed.test", "RRSIG", DNS{DNSSEC: true, AnswersRegexp: `^A 13 3 60 .* signed\.test\. `}), uptally.OK, ""},
		{"knot: a name that does not exist, proven", plain(knot, "nothing.signed.test", "A", DNS{DNSSEC: true, RCodes: []string{"NXDOMAIN"}, AuthorityRegexp: ` NSEC `}), uptally.OK, ""},
		{"knot: no proof without DO", plain(knot, "nothing.signed.test", "A", DNS{RCodes: []string{"NXDOMAIN"}, AuthorityRegexp: ` NSEC `}), uptally.Authority, "SOA"},
		{"knot: a delegation with its glue", plain(knot, "host.sub.signed.test", "A", DNS{Recursion: no, Flags: []string{"!aa"}, Authority: []string{"sub.signed.test. NS ns.sub.signed.test."}, Additional: []string{"ns.sub.signed.test. A 192.0.2.54"}}), uptally.OK, ""},
		{"knot: a delegation to somebody else", plain(knot, "host.sub.signed.test", "A", DNS{AuthorityContain: []string{"sub.signed.test. NS evil.test."}}), uptally.Authority, "got sub.signed.test. NS ns.sub.signed.test., want"},
		{"knot: too large for UDP", plain(knot, "long.signed.test", "TXT", DNS{DNSSEC: true, AnswersContain: []string{strings.Repeat("y", 200) + "3"}}), uptally.OK, ""},
		{"knot: too large for UDP, and that is down", plain(knot, "long.signed.test", "TXT", DNS{OnTruncation: "down"}), uptally.Truncated, ""},
		{"knot: a small size announced", plain(knot, "long.signed.test", "TXT", DNS{EDNSSize: 512, OnTruncation: "down"}), uptally.Truncated, ""},
		{"knot: on behalf of a network", plain(knot, "portal.signed.test", "A", DNS{ClientSubnet: "198.51.100.0/24"}), uptally.OK, ""},
		{"knot: its version, in class CH", plain(knot, "version.bind", "TXT", DNS{Class: "CH", Answers: []string{"story"}}), uptally.OK, ""},
		{"knot: TTL", plain(knot, "portal.signed.test", "A", DNS{MinTTL: uptally.Minute, MaxTTL: uptally.Minute}), uptally.OK, ""},
		{"knot: TTL too low", plain(knot, "portal.signed.test", "A", DNS{MinTTL: 2 * uptally.Minute}), uptally.TTL, ""},
		{"knot: serial", plain(knot, "signed.test", "SOA", DNS{Serial: &Serial{AtLeast: 2026010100, EqualOn: []string{good.plain}}}), uptally.OK, ""},
		{"knot: serial not dated of late", plain(knot, "old.test", "SOA", DNS{Serial: &Serial{NewerThan: 48 * uptally.Hour}}), uptally.Serial, "got serial 2020010101"},
		{"knot: no zone of that name", plain(knot, "example.org", "A", DNS{}), uptally.RCode, "got REFUSED"},

		{"unbound vouches for a signed zone", plain(good.plain, "portal.signed.test", "A", DNS{Authentic: true, Flags: []string{"ra", "ad", "!aa"}}), uptally.OK, ""},
		{"unbound does not vouch for an unsigned one", plain(good.plain, "portal.old.test", "A", DNS{Authentic: true}), uptally.NotAuthentic, ""},
		// First for the lack of the key, later for the bogus answer that it remembers.
		{"unbound refuses a zone with a wrong key", plain(good.plain, "portal.bogus.test", "A", DNS{}), uptally.RCode, "got SERVFAIL (DN"},
		{"knot itself sees nothing wrong with it", plain(knot, "portal.bogus.test", "A", DNS{}), uptally.OK, ""},
		{"unbound over TCP", plain(good.plain, "portal.signed.test", "A", DNS{Transport: "tcp", Authentic: true}), uptally.OK, ""},

		{"unbound over TLS", overTLS("resolver.test", good.tls, trusted()), uptally.OK, ""},
		{"unbound over TLS, large", func() DNS {
			d := overTLS("resolver.test", good.tls, trusted())
			d.Name, d.Type = "long.signed.test", "TXT"
			return d
		}(), uptally.OK, ""},
		{"unbound over TLS, for another name", overTLS("other.test", good.tls, trusted()), uptally.CertName, ""},
		{"unbound over TLS, of an unknown authority", overTLS("resolver.test", good.tls, nil), uptally.CertUntrusted, ""},
		{"unbound over TLS, expired", overTLS("resolver.test", expired.tls, trusted()), uptally.CertExpired, ""},
		{"unbound over TLS, expiring soon", overTLS("resolver.test", good.tls, &TLS{CAFile: "ca.pem", ExpiresWithin: 101 * uptally.Hour}), uptally.CertExpiring, ""},
		{"TLS to a port that speaks DNS only", overTLS("resolver.test", knot, trusted()), uptally.TLSTimeout, ""},
		{"TLS refused", overTLS("resolver.test", refused, trusted()), uptally.ConnectRefused, ""},
		{"serial over TLS", func() DNS {
			d := overTLS("resolver.test", good.tls, trusted())
			d.Name, d.Type, d.Serial = "signed.test", "SOA", &Serial{EqualOn: []string{at("resolver.test", good.tls)}}
			return d
		}(), uptally.OK, ""},

		{"unbound over HTTPS, POST", overHTTPS("/dns-query", ""), uptally.OK, ""},
		{"unbound over HTTPS, GET", overHTTPS("/dns-query", "GET"), uptally.OK, ""},
		{"unbound over HTTPS vouches", func() DNS { d := overHTTPS("/dns-query", ""); d.Authentic = true; return d }(), uptally.OK, ""},
		{"unbound over HTTPS, bogus", func() DNS { d := overHTTPS("/dns-query", ""); d.Name = "portal.bogus.test"; return d }(), uptally.RCode, "got SERVFAIL (DN"},
		{"unbound over HTTPS at another path", overHTTPS("/elsewhere", ""), uptally.DoHStatus, "got 404 Not Found"},
		{"unbound over HTTPS, expired", func() DNS {
			d := overHTTPS("/dns-query", "")
			d.URL = "https://" + at("resolver.test", expired.https) + "/dns-query"
			return d
		}(), uptally.CertExpired, ""},
	} {
		t.Run(tt.story, func(t *testing.T) {
			bothEngines(t, func(t *testing.T, e *Engine) {
				within := generous
				if tt.want == uptally.TLSTimeout {
					within = brief
				}
				o := observeBy(t, e, &Settings{DNS: &tt.d}, ca.dir, within)
				want(t, o, tt.want)
				if !strings.Contains(o.Detail, tt.has) {
					t.Errorf("got detail %q, want %q in it", o.Detail, tt.has)
				}
			})
		})
	}
}

// startSignedKnot serves signed.test and bogus.test, both signed, and old.test, which is not.
func startSignedKnot(t *testing.T) string {
	t.Helper()
	dir, address := t.TempDir(), refusedAddress(t)
	writeFile(t, filepath.Join(dir, "knot.conf"), fmt.Sprintf(`
server:
    rundir: %[1]q
    listen: 127.0.0.1@%[2]s
    version: "story"
database:
    storage: %[1]q
log:
  - target: stderr
    any: warning
template:
  - id: default
    storage: %[1]q
    file: "%%s.zone"
zone:
  - domain: signed.test
    dnssec-signing: on
  - domain: bogus.test
    dnssec-signing: on
  - domain: old.test
`, dir, portOfAddress(address)))
	records := `@ NS ns
ns A 127.0.0.1
portal A 192.0.2.10
sub NS ns.sub
ns.sub A 192.0.2.54
`
	for i := range 10 {
		records += fmt.Sprintf("long TXT %q\n", strings.Repeat("y", 200)+fmt.Sprint(i))
	}
	for zone, serial := range map[string]string{"signed.test": "2026112201", "bogus.test": "2026112201", "old.test": "2020010101"} {
		writeFile(t, filepath.Join(dir, zone+".zone"), "$ORIGIN "+zone+".\n$TTL 60\n@ SOA ns hostmaster "+serial+" 3600 600 864000 60\n"+records)
	}
	peer(t, address, "knotd", "-c", filepath.Join(dir, "knot.conf"))
	return address
}

// resolver is the addresses of one Unbound.
type resolver struct{ plain, tls, https string }

// startUnbound resolves Knot's zones: it trusts the key of signed.test, and another key than that of bogus.test.
func startUnbound(t *testing.T, ca *authority, cert, knot string) resolver {
	t.Helper()
	u, dir := resolver{refusedAddress(t), refusedAddress(t), refusedAddress(t)}, t.TempDir()
	conf := fmt.Sprintf(`
server:
  do-daemonize: no
  chroot: ""
  username: ""
  directory: %[1]q
  pidfile: ""
  use-syslog: no
  logfile: ""
  num-threads: 1
  interface: 127.0.0.1@%[2]s
  interface: 127.0.0.1@%[3]s
  interface: 127.0.0.1@%[4]s
  tls-port: %[3]s
  https-port: %[4]s
  tls-service-key: "%[5]s/%[6]s.key"
  tls-service-pem: "%[5]s/%[6]s.pem"
  module-config: "validator iterator"
  do-not-query-localhost: no
  ede: yes
  local-zone: "test." nodefault
  trust-anchor: "%[7]s"
  trust-anchor: "bogus.test. DS 1 13 2 0000000000000000000000000000000000000000000000000000000000000000"
remote-control:
  control-enable: no
`, dir, portOfAddress(u.plain), portOfAddress(u.tls), portOfAddress(u.https), ca.dir, cert, signingKey(t, knot))
	for _, zone := range []string{"signed.test", "bogus.test", "old.test"} {
		conf += fmt.Sprintf("stub-zone:\n  name: %q\n  stub-addr: 127.0.0.1@%s\n", zone, portOfAddress(knot))
	}
	writeFile(t, filepath.Join(dir, "unbound.conf"), conf)
	peer(t, u.https, "unbound", "-d", "-c", filepath.Join(dir, "unbound.conf"))
	return u
}

// signingKey asks Knot for the key that signs the keys of signed.test.
func signingKey(t *testing.T, server string) string {
	t.Helper()
	c := dns.Client{Net: "tcp", Timeout: generous}
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for range 500 { // Knot listens before it has signed
		m, _, err := c.Exchange(new(dns.Msg).SetQuestion("signed.test.", dns.TypeDNSKEY), server)
		if err != nil {
			t.Fatal(err)
		}
		for _, rr := range m.Answer {
			if key, ok := rr.(*dns.DNSKEY); ok && key.Flags == 257 {
				return strings.Join(strings.Fields(key.String()), " ")
			}
		}
		<-again.C
	}
	t.Fatal("got no key of signed.test")
	return ""
}
