package probes

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/uptally/uptally"
)

func TestEchoes(t *testing.T) {
	needEcho(t)
	all := new(int)
	for _, tt := range []struct {
		story    string
		settings ICMP
		want     uptally.Reason
	}{
		{"three, all of them", ICMP{Host: "127.0.0.1", Count: 3, Interval: 10, MaxLoss: all}, uptally.OK},
		{"a large one", ICMP{Host: "127.0.0.1", Size: 65507, TTL: 1}, uptally.OK},
		{"faster than a minute", ICMP{Host: "127.0.0.1", MaxRTT: uptally.Minute, MaxRTTOf: "maximum"}, uptally.OK},
		{"by name", ICMP{Host: "portal.test", Reach: Reach{Resolve: map[string]string{"Portal.test": "127.0.0.1"}}}, uptally.OK},
		{"nobody answers a broadcast", ICMP{Host: "127.255.255.255", Count: 2, Interval: 10}, uptally.NoReply},
	} {
		t.Run(tt.story, func(t *testing.T) {
			within := generous
			if tt.want == uptally.NoReply {
				within = brief
			}
			o := observe(t, &Settings{ICMP: &tt.settings}, "", within)
			want(t, o, tt.want)
		})
	}
}

// TestVerdicts judges what became of the requests without sending any.
func TestVerdicts(t *testing.T) {
	ms := func(ds ...int) (rtts []time.Duration) {
		for _, d := range ds {
			rtts = append(rtts, time.Duration(d)*time.Millisecond)
		}
		return rtts
	}
	percent := func(n int) *int { return &n }
	for _, tt := range []struct {
		story    string
		settings ICMP
		tally    tally
		want     uptally.Reason
		detail   string
	}{
		{"one of five is enough by default", ICMP{Count: 5}, tally{rtts: ms(1)}, uptally.OK, ""},
		{"one of five lost is 20 %, which is accepted", ICMP{Count: 5, MaxLoss: percent(20)}, tally{rtts: ms(1, 1, 1, 1)}, uptally.OK, ""},
		{"two of five lost are 40 %", ICMP{Count: 5, MaxLoss: percent(39)}, tally{rtts: ms(1, 1, 1)}, uptally.Loss, "got 3 of 5 replies, want a loss of at most 39 %"},
		{"none of five", ICMP{Count: 5, MaxLoss: percent(99)}, tally{}, uptally.NoReply, "got 0 of 5 replies"},
		{"mean of 1, 2 and 6 is 3", ICMP{Count: 3, MaxRTT: 2}, tally{rtts: ms(1, 2, 6)}, uptally.TooSlow, "got a mean round trip of 3ms, want at most 2ms"},
		{"exactly the bound is not slow", ICMP{Count: 3, MaxRTT: 3}, tally{rtts: ms(1, 2, 6)}, uptally.OK, ""},
		{"minimum", ICMP{Count: 3, MaxRTT: 1, MaxRTTOf: "minimum"}, tally{rtts: ms(1, 2, 6)}, uptally.OK, ""},
		{"maximum", ICMP{Count: 3, MaxRTT: 5, MaxRTTOf: "maximum"}, tally{rtts: ms(1, 2, 6)}, uptally.TooSlow, "got a maximum round trip of 6ms, want at most 5ms"},
		{"nothing else is known than that a router refused", ICMP{Count: 2}, tally{failed: faultf(uptally.Unreachable, "192.0.2.1 answered: host unreachable")}, uptally.Unreachable, "192.0.2.1 answered: host unreachable"},
		{"the second was refused, the first was answered", ICMP{Count: 2}, tally{rtts: ms(1), failed: faultf(uptally.Unreachable, "no route")}, uptally.OK, ""},
		{"the second was refused, which is a loss of 50 %", ICMP{Count: 2, MaxLoss: percent(49)}, tally{rtts: ms(1), failed: faultf(uptally.Unreachable, "no route")}, uptally.Loss, "got 1 of 2 replies, want a loss of at most 49 %"},
		{"the agent itself lacked something for the second", ICMP{Count: 2}, tally{rtts: ms(1), failed: faultf(uptally.Resource, "no buffer space available")}, uptally.Resource, "no buffer space available"},
	} {
		t.Run(tt.story, func(t *testing.T) {
			p := &icmpProbe{settings: tt.settings}
			r := &run{ctx: t.Context()}
			got := p.judge(r, &tt.tally)
			reason, detail := uptally.OK, ""
			if got != nil {
				reason, detail = got.reason, got.detail
			}
			if reason != tt.want || detail != tt.detail {
				t.Errorf("got %v %q, want %v %q", reason, detail, tt.want, tt.detail)
			}
		})
	}
}

// TestSendFaults: what keeps a request from being sent is down where the path is at fault, and never where the agent is.
func TestSendFaults(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want uptally.Reason
	}{
		{syscall.EMSGSIZE, uptally.TooBig},
		{syscall.EHOSTUNREACH, uptally.Unreachable},
		{syscall.ENETUNREACH, uptally.Unreachable},
		{syscall.ENOBUFS, uptally.Resource},
		{syscall.EAGAIN, uptally.Resource},
		{syscall.EADDRNOTAVAIL, uptally.Resource},
		{syscall.EPERM, uptally.NotPermitted},
	} {
		if got := sendFault(&run{ctx: t.Context()}, fmt.Errorf("send to 192.0.2.1: %w", tt.err)); got.reason != tt.want {
			t.Errorf("%v: got %v (%s), want %v", tt.err, got.reason, got.detail, tt.want)
		}
	}
}

// TestMissingRight names the sysctl and the capability. Where unprivileged sockets are closed, a probe that may not use
// raw ones is missed, never down.
func TestMissingRight(t *testing.T) {
	for privileged, text := range map[string]string{
		"":       "got no ICMP socket, want the process's group inside the sysctl net.ipv4.ping_group_range or the capability CAP_NET_RAW",
		"never":  "got no ICMP socket, want the process's group inside the sysctl net.ipv4.ping_group_range",
		"always": "got no ICMP socket, want the capability CAP_NET_RAW",
	} {
		p := &icmpProbe{settings: ICMP{Privileged: privileged}}
		if got := p.missing(); got != text {
			t.Errorf("got %q, want %q", got, text)
		}
	}
	o := observe(t, &Settings{ICMP: &ICMP{Host: "127.0.0.1", Privileged: "never"}}, "", generous)
	if o.Reason != uptally.NotPermitted && o.Reason != uptally.OK {
		t.Errorf("got %v (%s), want up or not_permitted", o.Reason, o.Detail)
	}
}

func TestLongerOfTwoClocks(t *testing.T) {
	for _, tt := range []struct{ wall, mono, want time.Duration }{
		{10 * time.Millisecond, 9999 * time.Microsecond, 10 * time.Millisecond}, // began before the send
		{3610 * time.Second, 10 * time.Millisecond, 10 * time.Millisecond},      // the clock was put forward
		{-3590 * time.Second, 10 * time.Millisecond, 10 * time.Millisecond},     // and back
	} {
		if got := longer(tt.wall, tt.mono); got != tt.want {
			t.Errorf("got %v, want %v", got, tt.want)
		}
	}
}
