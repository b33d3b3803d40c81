// Package probes measures: each kind (http.go, tcp.go, icmp.go, dns.go) has settings, their validation, and the probe itself.
//
// The life of a check's probe:
//
//  1. A file decodes into Settings, a union with one field a kind. Settings are text and numbers only, never written again.
//  2. Settings.Validate names everything wrong with them. It is pure: no network, no file, no rights.
//  3. Engine.Prepare reads the files and secrets they refer to and returns a Prober, which is immutable.
//  4. Prober.Probe measures once, from any number of goroutines, and returns an Observation with exactly one reason of the
//     closed list. There are no retries: every attempt is a result.
//
// # Where what lies
//
//   - All kinds: settings.go (the union), prober.go and observation.go (one probe, and what it saw), reach.go, dial.go,
//     egress.go, everywhere.go and socket_linux.go (from a name to a connection, at what cost and instant), tls.go,
//     classify.go (from an error to a reason), meaning.go (what each reason means), secret.go and cover.go, late.go and
//     stamp.go (what of a time was the agent's own).
//   - http: http.go, hop.go (redirects), channel.go, exchange.go (HTTP/1.1), http2.go, kept.go (reuse), proxy.go, socks.go,
//     oauth.go, wish.go and jq.go (assertions).
//   - tcp: tcp.go, dialogue.go, step.go, starttls.go, startldap.go.
//   - icmp: icmp.go, echo.go (pro-bing, one probe), icmppool, icmpsocket and icmpflight (sockets that checks share),
//     icmpmessage.go, icmpfilter.go.
//   - dns: dns.go, dnsprobe.go, dnsmessage.go (miekg/dns), dnssection.go, dnsserial.go and dnswish.go (assertions),
//     dnsudp.go, dnssocket and dnssockets (sockets that checks share), dnshttps.go.
//
// A failed probe is no error but an observation. What the agent itself lacks (descriptors, ports, memory, a right) is
// never down. Every option and reason is described in docs/probes.md.
package probes
