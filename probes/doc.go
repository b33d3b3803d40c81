// Package probes measures: one file a kind (http.go, tcp.go, icmp.go, dns.go) with its settings, their validation and the
// probe itself.
//
// The life of a check's probe:
//
//  1. A file decodes into Settings, a union with one field a kind. Settings are text and numbers only, never written again.
//  2. Settings.Validate names everything wrong with them. It is pure: no network, no file, no rights.
//  3. Engine.Prepare reads the files and secrets they refer to and returns a Prober, which is immutable.
//  4. Prober.Probe measures once, from any number of goroutines, and returns an Observation with exactly one reason of the
//     closed list. There are no retries: every attempt is a result.
//
// A failed probe is no error but an observation. What the agent itself lacks (descriptors, ports, memory, a right) is
// never down. Every option and reason is described in docs/probes.md.
package probes
