package main

import (
	"fmt"
	"slices"
	"testing"
)

func TestWorkersFollowTheMachine(t *testing.T) {
	for _, c := range []struct {
		story string
		l     limits
		need  map[string]int
		want  map[string]int
	}{
		{"a small site keeps the default", limits{files: 20_000, memory: 8 << 30}, map[string]int{"http": 3, "icmp": 1}, map[string]int{"http": 500, "icmp": 500}},
		// 10,000 checks, 10 s apart, timeout 5 s: 5,000 at once; twice that.
		{"a data centre gets what its outage needs", limits{files: 1 << 20, memory: 16 << 30}, map[string]int{"http": 5_000}, map[string]int{"http": 10_000}},
		// (1,024 − 256) / 2 = 384 probes for 10,000 + 500 workers: × 384/10,500
		{"few descriptors", limits{files: 1024, memory: 16 << 30}, map[string]int{"http": 5_000, "dns": 1}, map[string]int{"http": 365, "dns": 18}},
		// half of 64 MiB in pieces of 128 KiB: 256
		{"little memory", limits{files: 20_000, memory: 64 << 20}, map[string]int{"tcp": 10}, map[string]int{"tcp": 256}},
		{"nothing is known", limits{}, map[string]int{"tcp": 10}, map[string]int{"tcp": 500}},
	} {
		if got := c.l.workers(c.need); fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%s: got %v, want %v", c.story, got, c.want)
		}
	}
}

func TestMemoryFiles(t *testing.T) {
	got := memoryFiles("4:memory:/docker/abc\n1:name=systemd:/x\n0::/system.slice/uptally.service\n")
	want := []string{
		"/sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", "/sys/fs/cgroup/memory/docker/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.limit_in_bytes",
		"/sys/fs/cgroup/system.slice/uptally.service/memory.max", "/sys/fs/cgroup/system.slice/memory.max", "/sys/fs/cgroup/memory.max",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// Tables as the kernel writes them: a route of a network before the default one.
func TestDefaultGateway(t *testing.T) {
	const head = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
	v4 := head + "eth0\t00004D0A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\neth0\t00000000\t01004D0A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
	if got := gateway4(v4); got != "10.77.0.1" {
		t.Errorf("got %q, want 10.77.0.1", got)
	}
	if got := gateway4(head); got != "" {
		t.Errorf("got %q, want none", got)
	}
	const zero = "00000000000000000000000000000000"
	route := func(gateway, link string) string {
		return zero + " 00 " + zero + " 00 " + gateway + " 00000400 00000001 00000000 00000003 " + link + "\n"
	}
	for _, c := range []struct{ story, table, want string }{
		{"none", route(zero, "lo"), ""},
		{"a global one", route(zero, "lo") + route("20010db8000000000000000000000001", "eth1"), "2001:db8::1"},
		{"one of the local link, as routers announce it", route("fe800000000000000000000000000001", "eth0"), "fe80::1%eth0"},
	} {
		if got := gateway6(c.table); got != c.want {
			t.Errorf("%s: got %q, want %q", c.story, got, c.want)
		}
	}
}
