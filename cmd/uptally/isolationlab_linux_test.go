package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
	"golang.org/x/sys/unix"
)

// lab is a site behind a router, and behind that each of the others on a network of its own. The router's rules cut what a
// phase cuts.
type lab struct {
	t    *testing.T
	name string
	six  bool // IPv6 alone, and the router known by its link-local address
	// roles in the order of their networks: 10.77.<place>.0/24, the router at .1, or fd77:<place>::/64.
	roles []string
}

func (l *lab) space(role string) string { return l.name + "-" + role }

func (l *lab) address(role string) string {
	i := slices.Index(l.roles, role)
	if l.six {
		return fmt.Sprintf("fd77:%d::2", i+1)
	}
	return fmt.Sprintf("10.77.%d.2", i)
}

func (l *lab) run(stdin string, args ...string) string {
	l.t.Helper()
	c := exec.Command(args[0], args[1:]...)
	c.Stdin = strings.NewReader(stdin)
	out, err := c.CombinedOutput()
	if err != nil {
		l.t.Fatalf("%s: %v: %s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// newLab is a lab of one site.
func newLab(t *testing.T, mark string, six bool) *lab {
	return newLabOf(t, mark, six, "site", "ref1", "ref2", "target", "steady", "resolver")
}

// newLabOf needs root and Debian's iproute2 and nftables. The mark tells labs that stand at the same time apart.
func newLabOf(t *testing.T, mark string, six bool, roles ...string) *lab {
	t.Helper()
	var lacks []string
	for _, program := range []string{"ip", "nft"} {
		if _, err := exec.LookPath(program); err != nil {
			lacks = append(lacks, program)
		}
	}
	l := &lab{t: t, name: fmt.Sprintf("upt%d%s", os.Getpid(), mark), six: six, roles: roles}
	if err := exec.Command("ip", "netns", "add", l.space("router")).Run(); err != nil {
		lacks = append(lacks, "the right to make network namespaces")
	}
	if lacks != nil && os.Getenv("UPTALLY_REQUIRE_PEERS") == "" {
		t.Skipf("this machine has not %s", strings.Join(lacks, ", "))
	} else if lacks != nil {
		t.Fatalf("this machine has not %s", strings.Join(lacks, ", "))
	}
	router := l.space("router")
	t.Cleanup(func() { exec.Command("ip", "netns", "del", router).Run() })
	l.sysctl("router", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1", "net.ipv6.conf.all.accept_dad=0", "net.ipv6.conf.default.accept_dad=0")
	for i, role := range roles {
		space := l.space(role)
		l.run("", "ip", "netns", "add", space)
		t.Cleanup(func() { exec.Command("ip", "netns", "del", space).Run() })
		l.sysctl(role, "net.ipv6.conf.all.accept_dad=0", "net.ipv6.conf.default.accept_dad=0")
		l.run("", "ip", "-n", router, "link", "add", "r-"+role, "type", "veth", "peer", "name", "eth0", "netns", space)
		gateway, size := fmt.Sprintf("10.77.%d.1", i), "/24"
		if six {
			gateway, size = "fe80::1", "/64"
			l.run("", "ip", "-n", router, "addr", "add", fmt.Sprintf("fd77:%d::1/64", i+1), "dev", "r-"+role)
		}
		l.run("", "ip", "-n", router, "addr", "add", gateway+size, "dev", "r-"+role)
		l.run("", "ip", "-n", router, "link", "set", "r-"+role, "up")
		l.run("", "ip", "-n", space, "addr", "add", l.address(role)+size, "dev", "eth0")
		l.run("", "ip", "-n", space, "link", "set", "lo", "up")
		l.run("", "ip", "-n", space, "link", "set", "eth0", "up")
		l.run("", "ip", "-n", space, "route", "add", "default", "via", gateway, "dev", "eth0")
	}
	l.run("table inet lab {\n chain pre { type filter hook prerouting priority -300; }\n chain forward { type filter hook forward priority 0; }\n}\n",
		"ip", "netns", "exec", router, "nft", "-f", "-")
	return l
}

func (l *lab) sysctl(role string, settings ...string) {
	l.t.Helper()
	l.run("", append([]string{"ip", "netns", "exec", l.space(role), "sysctl", "-qw"}, settings...)...)
}

// rules replaces what the router does to packets.
func (l *lab) rules(rules ...string) {
	l.t.Helper()
	script := "flush chain inet lab pre\nflush chain inet lab forward\n"
	for _, r := range rules {
		script += "add rule inet lab " + r + "\n"
	}
	l.run(script, "ip", "netns", "exec", l.space("router"), "nft", "-f", "-")
}

// within runs f on a thread inside the namespace of a role; what it opens stays there.
func (l *lab) within(role string, f func() error) {
	l.t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		space, err := os.Open("/run/netns/" + l.space(role))
		if err == nil {
			defer space.Close()
			err = unix.Setns(int(space.Fd()), unix.CLONE_NEWNET)
		}
		if err == nil {
			err = f()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		l.t.Fatalf("in %s: %v", role, err)
	}
}

// port opens a TCP port that hangs up on everyone.
func (l *lab) port(role, port string) {
	l.t.Helper()
	l.within(role, func() error {
		listener, err := net.Listen("tcp", net.JoinHostPort(l.address(role), port))
		if err != nil {
			return err
		}
		l.t.Cleanup(func() { listener.Close() })
		go func() {
			for {
				c, err := listener.Accept()
				if err != nil {
					return
				}
				c.Close()
			}
		}()
		return nil
	})
}

// names answers every question for an address with the target's.
func (l *lab) names(role string) {
	l.t.Helper()
	target := netip.MustParseAddr(l.address("target")).AsSlice()
	answer := func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		head := dns.RR_Header{Name: q.Question[0].Name, Rrtype: q.Question[0].Qtype, Class: dns.ClassINET, Ttl: 1}
		switch {
		case head.Rrtype == dns.TypeA && !l.six:
			m.Answer = append(m.Answer, &dns.A{Hdr: head, A: target})
		case head.Rrtype == dns.TypeAAAA && l.six:
			m.Answer = append(m.Answer, &dns.AAAA{Hdr: head, AAAA: target})
		}
		_ = w.WriteMsg(m) // whoever asked is gone
	}
	l.within(role, func() error {
		c, err := net.ListenPacket("udp", net.JoinHostPort(l.address(role), "53"))
		if err != nil {
			return err
		}
		srv := &dns.Server{PacketConn: c, Handler: dns.HandlerFunc(answer)}
		go srv.ActivateAndServe()
		l.t.Cleanup(func() { srv.Shutdown() })
		return nil
	})
}

// resolver is that of the site: where ip netns exec takes its resolv.conf from.
func (l *lab) resolver() {
	l.t.Helper()
	l.names("resolver")
	dir := "/etc/netns/" + l.space("site")
	if err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, "resolv.conf"), []byte("nameserver "+l.address("resolver")+"\n"), 0o644)); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { os.RemoveAll(dir) })
}
