package probes

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/uptally/uptally"
)

// routes is a network of three machines: a site, a router and what lies behind it. The link behind the router takes 1,280
// bytes; the router treats each address behind it as its nftables say.
const routes = `
set -e
ip netns add $N-site; ip netns add $N-router; ip netns add $N-far
ip -n $N-site link add name s0 type veth peer name r0 netns $N-router
ip -n $N-router link add name r1 type veth peer name f0 netns $N-far
for n in site router far; do
  ip -n $N-$n link set lo up
  ip netns exec $N-$n sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0 net.ipv4.ping_group_range="0 2147483647"
done
ip netns exec $N-router sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv4.icmp_ratemask=0 net.ipv6.icmp.ratelimit=0
ip -n $N-router link set r1 mtu 1280; ip -n $N-far link set f0 mtu 1280
ip -n $N-site link set s0 up; ip -n $N-router link set r0 up; ip -n $N-router link set r1 up; ip -n $N-far link set f0 up
ip -n $N-site addr add 10.77.1.2/24 dev s0; ip -n $N-site addr add 10.77.1.9/24 dev s0
ip -n $N-router addr add 10.77.1.1/24 dev r0; ip -n $N-router addr add 10.77.2.1/24 dev r1
ip -n $N-site addr add fd77:1::2/64 dev s0 nodad; ip -n $N-router addr add fd77:1::1/64 dev r0 nodad
ip -n $N-router addr add fd77:2::1/64 dev r1 nodad
for i in 2 20 21 22 23 24 25 26 27 30 31 40 50; do
  ip -n $N-far addr add 10.77.2.$i/24 dev f0
  ip -n $N-far addr add fd77:2::$i/64 dev f0 nodad
done
ip -n $N-site route add 10.77.2.0/24 via 10.77.1.1; ip -n $N-far route add 10.77.1.0/24 via 10.77.2.1
ip -n $N-site route add fd77:2::/64 via fd77:1::1; ip -n $N-far route add fd77:1::/64 via fd77:2::1
ip netns exec $N-router nft -f - <<'X'
table ip four { chain way { type filter hook forward priority 0;
  ip daddr 10.77.2.20 drop
  ip daddr 10.77.2.21 reject with icmp type host-unreachable
  ip daddr 10.77.2.22 reject with icmp type net-unreachable
  ip daddr 10.77.2.23 reject with icmp type port-unreachable
  ip daddr 10.77.2.24 reject with icmp type prot-unreachable
  ip daddr 10.77.2.25 reject with icmp type admin-prohibited
  ip daddr 10.77.2.26 reject with icmp type net-prohibited
  ip daddr 10.77.2.27 reject with icmp type host-prohibited
  ip daddr 10.77.2.30 ip saddr != 10.77.1.9 drop
  ip daddr 10.77.2.31 ip dscp != ef drop
  ip saddr 10.77.2.50 icmp type echo-reply dup to 10.77.1.2
}
}
table ip6 six { chain way { type filter hook forward priority 0;
  ip6 daddr fd77:2::20 drop
  ip6 daddr fd77:2::21 reject with icmpv6 type addr-unreachable
  ip6 daddr fd77:2::22 reject with icmpv6 type no-route
  ip6 daddr fd77:2::23 reject with icmpv6 type port-unreachable
  ip6 daddr fd77:2::25 reject with icmpv6 type admin-prohibited
  ip6 daddr fd77:2::31 ip6 dscp != ef drop
}
}
X
ip netns exec $N-site nft -f - <<'X'
table inet own { chain way { type filter hook output priority 0;
  ip daddr 10.77.2.40 drop
  ip6 daddr fd77:2::40 drop
}
}
X
`

const insideRoutes = "UPTALLY_INSIDE_ROUTES"

// TestICMPRoutes sends through a router that drops, rejects in every way, counts hops and has a narrow link behind it. It
// needs root for the network namespaces, and is skipped without unless UPTALLY_REQUIRE_PEERS is set.
func TestICMPRoutes(t *testing.T) {
	if os.Getenv(insideRoutes) == "" {
		insideNamespace(t, routes, "site", insideRoutes, "TestICMPRoutes")
		return
	}
	for _, way := range []struct {
		name, privileged string
		open             func() *Engine
	}{
		{"raw, shared", "always", NewShared},
		{"datagram, shared", "never", NewShared},
		{"raw, one by one", "always", NewEngine},
	} {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			e := way.open()
			t.Cleanup(func() {
				if err := e.Close(); err != nil {
					t.Error(err)
				}
			})
			// The router drops most of a long packet for a neighbour that it does not know yet.
			for _, host := range []string{"10.77.2.2", "fd77:2::2"} {
				want(t, observeBy(t, e, &Settings{ICMP: &ICMP{Host: host, Privileged: way.privileged}}, "", generous), uptally.OK)
			}
			t.Run("duplicates", func(t *testing.T) { routeDuplicates(t, e, way.privileged) })
			t.Run("complaints of others", func(t *testing.T) { routeComplaints(t, e, way.privileged) })
			for _, tt := range routeStories() {
				t.Run(tt.story, func(t *testing.T) {
					t.Parallel()
					within := generous
					if tt.want == uptally.NoReply {
						within = brief
					}
					tt.settings.Privileged = way.privileged
					if way.privileged == "never" && tt.want == uptally.NotPermitted && strings.Contains(tt.settings.Host, ":") {
						// The kernel keeps to itself that a rule dropped what an IPv6 datagram socket sent.
						tt.want, tt.detail, within = uptally.NoReply, "got 0 of 1 replies", brief
					}
					o := observeBy(t, e, &Settings{ICMP: &tt.settings}, "", within)
					want(t, o, tt.want)
					if o.Detail != tt.detail {
						t.Errorf("got %q, want %q", o.Detail, tt.detail)
					}
				})
			}
		})
	}
}

type routeStory struct {
	story    string
	settings ICMP
	want     uptally.Reason
	detail   string
}

func routeStories() []routeStory {
	four, six := func(i int) string { return fmt.Sprintf("10.77.2.%d", i) }, func(i int) string { return fmt.Sprintf("fd77:2::%d", i) }
	from := func(s string) Reach { return Reach{Source: s} }
	return []routeStory{
		{"answered", ICMP{Host: four(2)}, uptally.OK, ""},
		{"answered over IPv6", ICMP{Host: six(2)}, uptally.OK, ""},
		{"three, all of them", ICMP{Host: four(2), Count: 3, Interval: 10, MaxLoss: new(int)}, uptally.OK, ""},
		{"three over IPv6, all of them", ICMP{Host: six(2), Count: 3, Interval: 10, MaxLoss: new(int)}, uptally.OK, ""},
		{"dropped", ICMP{Host: four(20)}, uptally.NoReply, "got 0 of 1 replies"},
		{"dropped over IPv6", ICMP{Host: six(20)}, uptally.NoReply, "got 0 of 1 replies"},
		{"host unreachable", ICMP{Host: four(21)}, uptally.Unreachable, "10.77.1.1 answered: host unreachable"},
		{"network unreachable", ICMP{Host: four(22)}, uptally.Unreachable, "10.77.1.1 answered: network unreachable"},
		{"port unreachable", ICMP{Host: four(23)}, uptally.Unreachable, "10.77.1.1 answered: port unreachable"},
		{"protocol unreachable", ICMP{Host: four(24)}, uptally.Unreachable, "10.77.1.1 answered: protocol unreachable"},
		{"prohibited", ICMP{Host: four(25)}, uptally.Unreachable, "10.77.1.1 answered: communication administratively prohibited"},
		{"network prohibited", ICMP{Host: four(26)}, uptally.Unreachable, "10.77.1.1 answered: network administratively prohibited"},
		{"host prohibited", ICMP{Host: four(27), Count: 2, Interval: 10}, uptally.Unreachable, "10.77.1.1 answered: host administratively prohibited"},
		{"address unreachable over IPv6", ICMP{Host: six(21)}, uptally.Unreachable, "fd77:1::1 answered: address unreachable"},
		{"no route over IPv6", ICMP{Host: six(22)}, uptally.Unreachable, "fd77:1::1 answered: no route"},
		{"port unreachable over IPv6", ICMP{Host: six(23)}, uptally.Unreachable, "fd77:1::1 answered: port unreachable"},
		{"prohibited over IPv6", ICMP{Host: six(25)}, uptally.Unreachable, "fd77:1::1 answered: administratively prohibited"},
		{"nobody has the address", ICMP{Host: "10.77.1.77"}, uptally.Unreachable, "10.77.1.2 answered: host unreachable"},
		{"no route from here", ICMP{Host: "198.51.100.1"}, uptally.Unreachable, "send to 198.51.100.1: network is unreachable"},
		{"one hop is not enough", ICMP{Host: four(2), TTL: 1}, uptally.TTLExceeded, "10.77.1.1 answered: hop limit reached"},
		{"one hop is not enough over IPv6", ICMP{Host: six(2), TTL: 1}, uptally.TTLExceeded, "fd77:1::1 answered: hop limit reached"},
		{"two hops are", ICMP{Host: four(2), TTL: 2}, uptally.OK, ""},
		// 1252 + 8 + 20 = 1280 bytes; over IPv6 1232 + 8 + 40.
		{"just fits whole", ICMP{Host: four(2), Size: 1252, DontFragment: true}, uptally.OK, ""},
		{"just does not fit whole", ICMP{Host: four(2), Size: 1253, DontFragment: true}, uptally.TooBig, "10.77.1.1 answered: too big for a link of 1280 bytes"},
		{"may be split", ICMP{Host: four(2), Size: 1253}, uptally.OK, ""},
		{"may be split often", ICMP{Host: four(2), Size: 65507}, uptally.OK, ""},
		{"just fits whole over IPv6", ICMP{Host: six(2), Size: 1232, DontFragment: true}, uptally.OK, ""},
		{"just does not fit whole over IPv6", ICMP{Host: six(2), Size: 1233, DontFragment: true}, uptally.TooBig, "fd77:1::1 answered: too big for a link of 1280 bytes"},
		{"may be split over IPv6", ICMP{Host: six(2), Size: 1233}, uptally.OK, ""},
		{"may be split often over IPv6", ICMP{Host: six(2), Size: 60000}, uptally.OK, ""},
		{"above the first link", ICMP{Host: four(2), Size: 1500, DontFragment: true}, uptally.TooBig, "send to 10.77.2.2: message too long"},
		{"above the first link over IPv6", ICMP{Host: six(2), Size: 1500, DontFragment: true}, uptally.TooBig, "send to fd77:2::2: message too long"},
		{"from the address that may", ICMP{Host: four(30), Reach: from("10.77.1.9")}, uptally.OK, ""},
		{"from the address that may not", ICMP{Host: four(30), Reach: from("10.77.1.2")}, uptally.NoReply, "got 0 of 1 replies"},
		{"from an interface", ICMP{Host: four(2), Reach: from("s0")}, uptally.OK, ""},
		{"from an interface over IPv6", ICMP{Host: six(2), Reach: from("s0")}, uptally.OK, ""},
		{"from an address over IPv6", ICMP{Host: six(2), Reach: from("fd77:1::2")}, uptally.OK, ""},
		{"from another machine's address", ICMP{Host: four(2), Reach: from("10.77.1.8")}, uptally.Resource, "send to 10.77.2.2 from 10.77.1.8: cannot assign requested address"},
		{"from another machine's address over IPv6", ICMP{Host: six(2), Reach: from("fd77:1::8")}, uptally.Resource, "send to fd77:2::2 from fd77:1::8: cannot assign requested address"},
		{"from an interface that is not there", ICMP{Host: four(2), Reach: from("eth99")}, uptally.Resource, "find interface eth99: no such device"},
		{"in the class that may", ICMP{Host: four(31), TrafficClass: 0xb8}, uptally.OK, ""},
		{"in a class that may not", ICMP{Host: four(31)}, uptally.NoReply, "got 0 of 1 replies"},
		{"in the class that may over IPv6", ICMP{Host: six(31), TrafficClass: 0xb8}, uptally.OK, ""},
		{"in a class that may not over IPv6", ICMP{Host: six(31)}, uptally.NoReply, "got 0 of 1 replies"},
		{"a rule of this machine forbids it", ICMP{Host: four(40)}, uptally.NotPermitted, "send to 10.77.2.40: operation not permitted"},
		{"a rule of this machine forbids it over IPv6", ICMP{Host: six(40)}, uptally.NotPermitted, "send to fd77:2::40: operation not permitted"},
	}
}

// insideNamespace builds a network, runs a test of this binary in one of its machines, and takes the network down.
func insideNamespace(t *testing.T, network, machine, mark, test string) {
	t.Helper()
	lack := ""
	for _, tool := range []string{"ip", "nft", "bash"} {
		if _, err := exec.LookPath(tool); err != nil {
			lack = err.Error()
		}
	}
	if os.Geteuid() != 0 {
		lack = "not root"
	}
	if lack != "" {
		if os.Getenv("UPTALLY_REQUIRE_PEERS") != "" {
			t.Fatal(lack)
		}
		t.Skip(lack + "; set UPTALLY_REQUIRE_PEERS to make this a failure")
	}
	name := fmt.Sprintf("uptally-%d", os.Getpid())
	script := func(text string) ([]byte, error) {
		cmd := exec.Command("bash", "-c", text)
		cmd.Env = append(os.Environ(), "N="+name)
		return cmd.CombinedOutput()
	}
	t.Cleanup(func() {
		if out, err := script(`for n in $(ip netns list | grep -o "^$N-[a-z]*"); do ip netns del $n; done`); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	})
	if out, err := script(network); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	cmd := exec.Command("ip", "netns", "exec", name+"-"+machine, os.Args[0], "-test.run=^"+test+"$", "-test.v", "-test.parallel=64")
	cmd.Env = append(os.Environ(), mark+"=1")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+test) {
		t.Fatalf("%v: %s", err, out)
	}
	if testing.Verbose() {
		t.Logf("%s", out)
	}
}

// routeDuplicates: the router sends each reply twice. The second of the last one comes too late to be counted.
func routeDuplicates(t *testing.T, e *Engine, privileged string) {
	o := observeBy(t, e, &Settings{ICMP: &ICMP{Host: "10.77.2.50", Count: 3, Interval: 20, MaxLoss: new(int), Privileged: privileged}}, "", generous)
	want(t, o, uptally.OK)
	if got := fact(o, "duplicates"); got != "2" && got != "3" {
		t.Errorf("got %q duplicates, want 2 or 3", got)
	}
	if got := fact(o, "reply ttl"); got != "63" {
		t.Errorf("got a reply ttl of %s, want 63", got)
	}
}

// routeComplaints: what routers say about some probes harms no other on the same socket. On a datagram socket the kernel
// fails the next send, whoever's it is.
func routeComplaints(t *testing.T, e *Engine, privileged string) {
	var all sync.WaitGroup
	for i := range 300 {
		s, reason := &Settings{ICMP: &ICMP{Host: "10.77.2.2", Privileged: privileged}}, uptally.OK
		if i%2 == 0 {
			s, reason = &Settings{ICMP: &ICMP{Host: "10.77.2.21", Privileged: privileged}}, uptally.Unreachable
		}
		all.Go(func() { want(t, observeBy(t, e, s, "", generous), reason) })
	}
	all.Wait()
}
