package probes

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// startKnot serves example.test, signed.test and bogus.test, which are signed, old.test, which is not, and broken.test, whose
// records it does not have.
func startKnot(t testing.TB) string {
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
  - domain: example.test
  - domain: broken.test
  - domain: signed.test
    dnssec-signing: on
  - domain: bogus.test
    dnssec-signing: on
  - domain: old.test
`, dir, portOfAddress(address)))
	long := ""
	for i := range 10 {
		long += fmt.Sprintf("long TXT %q\n", strings.Repeat("y", 200)+fmt.Sprint(i))
	}
	records := `@ NS ns
ns A 127.0.0.1
portal A 192.0.2.10
sub NS ns.sub
ns.sub A 192.0.2.54
` + long
	zone := func(name, serial, records string) {
		writeFile(t, filepath.Join(dir, name+".zone"), "$ORIGIN "+name+".\n$TTL 60\n@ SOA ns hostmaster "+serial+" 3600 600 864000 60\n"+records)
	}
	zone("signed.test", "2026112201", records)
	zone("bogus.test", "2026112201", records)
	zone("old.test", "2020010101", records)
	zone("example.test", "1", `@ NS ns
ns A 127.0.0.1
@ MX 10 mail
@ TXT "v=spf1 " "-all"
portal A 192.0.2.10
portal A 192.0.2.11
www CNAME portal
local A 127.0.0.1
`+long)
	peer(t, address, "knotd", "-c", filepath.Join(dir, "knot.conf"))
	return address
}

// resolver is the addresses of one Unbound.
type resolver struct{ plain, tls, https string }

// startUnbound resolves Knot's zones: it trusts the key of signed.test, and another key than that of bogus.test. More in the
// environment is for OpenSSL, whose settings decide the versions of TLS.
func startUnbound(t testing.TB, certs, cert, knot string, env ...string) resolver {
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
  incoming-num-tcp: 200
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
`, dir, portOfAddress(u.plain), portOfAddress(u.tls), portOfAddress(u.https), certs, cert, signingKey(t, knot))
	for _, zone := range []string{"signed.test", "bogus.test", "old.test"} {
		conf += fmt.Sprintf("stub-zone:\n  name: %q\n  stub-addr: 127.0.0.1@%s\n", zone, portOfAddress(knot))
	}
	writeFile(t, filepath.Join(dir, "unbound.conf"), conf)
	process{address: u.https, env: env}.start(t, "unbound", "-d", "-c", filepath.Join(dir, "unbound.conf"))
	return u
}

// signingKey asks Knot for the key that signs the keys of signed.test.
func signingKey(t testing.TB, server string) string {
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
