package probes

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/uptally/uptally"
)

// TestEchoes asks ordinary targets with both engines and with pro-bing, which must agree.
func TestEchoes(t *testing.T) {
	needEcho(t)
	all := new(int)
	shared := NewShared()
	for _, tt := range []struct {
		story    string
		settings ICMP
		want     uptally.Reason
		replies  int
	}{
		{"one", ICMP{Host: "127.0.0.1"}, uptally.OK, 1},
		{"one over IPv6", ICMP{Host: "::1"}, uptally.OK, 1},
		{"three, all of them", ICMP{Host: "127.0.0.1", Count: 3, Interval: 10, MaxLoss: all}, uptally.OK, 3},
		{"three over IPv6, all of them", ICMP{Host: "::1", Count: 3, Interval: 10, MaxLoss: all}, uptally.OK, 3},
		{"a large one", ICMP{Host: "127.0.0.1", Size: 65507, TTL: 1}, uptally.OK, 1},
		{"a large one over IPv6", ICMP{Host: "::1", Size: 65487}, uptally.OK, 1},
		{"an odd one, whole", ICMP{Host: "127.0.0.1", Size: 1001, DontFragment: true}, uptally.OK, 1},
		{"in another class", ICMP{Host: "127.0.0.1", TrafficClass: 0xb8}, uptally.OK, 1},
		{"another loopback address, from a third", ICMP{Host: "127.0.0.2", Reach: Reach{Source: "127.0.0.3"}}, uptally.OK, 1},
		{"faster than a minute", ICMP{Host: "127.0.0.1", MaxRTT: uptally.Minute, MaxRTTOf: "maximum"}, uptally.OK, 1},
		{"by name", ICMP{Host: "portal.test", Reach: Reach{Resolve: map[string]string{"Portal.test": "127.0.0.1"}}}, uptally.OK, 1},
		{"nobody in particular", ICMP{Host: "0.0.0.0"}, uptally.OK, 1},
		{"nobody answers a broadcast", ICMP{Host: "127.255.255.255", Count: 2, Interval: 10}, uptally.NoReply, 0},
	} {
		t.Run(tt.story, func(t *testing.T) {
			within := generous
			if tt.want == uptally.NoReply {
				within = brief
			}
			s := &Settings{ICMP: &tt.settings}
			for name, o := range map[string]Observation{
				"one-shot": observe(t, s, "", within), "shared": observeBy(t, shared, s, "", within), "pro-bing": byOracle(t, s, within),
			} {
				if got := fact(o, "received"); o.Reason != tt.want || got != strconv.Itoa(tt.replies) {
					t.Errorf("%s: got %v (%s) with %s replies, want %v with %d", name, o.Reason, o.Detail, got, tt.want, tt.replies)
				}
			}
		})
	}
	if err := shared.Close(); err != nil {
		t.Error(err)
	}
}

func byOracle(t *testing.T, s *Settings, within time.Duration) Observation {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	return byProBing(t, s.ICMP)(ctx)
}

// byProBing lets pro-bing send over a raw socket of its own, or over a datagram one where the process may use no other.
func byProBing(t testing.TB, i *ICMP) func(context.Context) Observation {
	t.Helper()
	m, err := i.prepare(NewEngine(), nil)
	if err != nil {
		t.Fatal(err)
	}
	p := m.attempt.(*icmpProbe)
	m.attempt = probeFunc(func(r *run) *fault {
		addr, f := p.route.address(r, i.Host)
		if f != nil {
			return f
		}
		got, err := p.send(r, addr, true)
		if permission(err) {
			got, err = p.send(r, addr, false)
		}
		if err != nil {
			return faultf(uptally.Unstated, "%v", err)
		}
		got.report(r)
		return p.judge(r, got)
	})
	return m.ready()
}

// probeFunc is a probe without settings.
type probeFunc func(*run) *fault

func (f probeFunc) probe(r *run) *fault { return f(r) }

func fact(o Observation, key string) string {
	for _, f := range o.Facts {
		if f.Key == key {
			return f.Value
		}
	}
	return ""
}

// TestNoReplyIsLost: thousands of echoes, hundreds of them at once, and each of them comes back.
func TestNoReplyIsLost(t *testing.T) {
	needEcho(t)
	for name, open := range map[string]func() *Engine{"one-shot": NewEngine, "shared": NewShared} {
		t.Run(name, func(t *testing.T) {
			e := open()
			p := preparedBy(t, e, &Settings{ICMP: &ICMP{Host: "127.0.0.1"}}, "")
			work := make(chan struct{}, 5000)
			for range cap(work) {
				work <- struct{}{}
			}
			close(work)
			var all sync.WaitGroup
			for range 256 {
				all.Go(func() {
					for range work {
						ctx, cancel := context.WithTimeout(t.Context(), generous)
						want(t, p.Probe(ctx), uptally.OK)
						cancel()
					}
				})
			}
			all.Wait()
			if err := e.Close(); err != nil {
				t.Error(err)
			}
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
		{"mean of 1, 2 and 6 is 3", ICMP{Count: 3, MaxRTT: 2, MaxRTTOf: "mean"}, tally{rtts: ms(1, 2, 6)}, uptally.TooSlow, "got a mean round trip of 3ms, want at most 2ms"},
		{"exactly the bound is not slow", ICMP{Count: 3, MaxRTT: 3, MaxRTTOf: "mean"}, tally{rtts: ms(1, 2, 6)}, uptally.OK, ""},
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
