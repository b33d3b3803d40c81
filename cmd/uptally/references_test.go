package main

import (
	"testing"

	"github.com/uptally/uptally/configs"
	"github.com/uptally/uptally/probes"
)

// What of the site's network can make a check fail.
func TestDependsOn(t *testing.T) {
	refs := []configs.Reference{{Text: "tcp://192.0.2.1:53", Probe: probes.Settings{TCP: &probes.TCP{Address: "192.0.2.1:53"}}}}
	tcp := func(address string, by probes.Reach) probes.Settings {
		return probes.Settings{TCP: &probes.TCP{Reach: by, Address: address}}
	}
	for _, c := range []struct {
		story            string
		probe            probes.Settings
		uplink, resolver bool
	}{
		{"a name", probes.Settings{HTTP: &probes.HTTP{URL: "https://portal.example.com/"}}, true, true},
		{"an address, which a redirect may leave for a name", probes.Settings{HTTP: &probes.HTTP{URL: "http://192.0.2.7/"}}, true, true},
		{"a resolver of its own", tcp("portal.example.com:443", probes.Reach{Resolver: "192.0.2.53"}), true, false},
		{"this machine by address", tcp("127.0.0.1:80", probes.Reach{}), false, false},
		{"this machine by name", tcp("LOCALHOST.:80", probes.Reach{}), false, false},
		{"a name that is fixed to this machine", tcp("portal.example.com:443", probes.Reach{Resolve: map[string]string{"portal.example.com": "::1"}}), false, false},
		{"the reference's own host", probes.Settings{ICMP: &probes.ICMP{Host: "192.0.2.1"}}, false, false},
		{"a DNS server without a port", probes.Settings{DNS: &probes.DNS{Server: "192.0.2.1", Name: "example.com"}}, false, false},
		{"another DNS server", probes.Settings{DNS: &probes.DNS{Server: "192.0.2.53:53", Name: "example.com"}}, true, true},
	} {
		check := configs.Check{Probe: c.probe}
		if uplink, resolver := dependsOn(&check.Probe, refs); uplink != c.uplink || resolver != c.resolver {
			t.Errorf("%s: got uplink %v, resolver %v, want %v, %v", c.story, uplink, resolver, c.uplink, c.resolver)
		}
	}
}
