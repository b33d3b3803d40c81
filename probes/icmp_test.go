package probes

import (
	"context"
	"errors"
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
		echo     *echo
		err      error
		want     uptally.Reason
		detail   string
	}{
		{"one of five is enough by default", ICMP{Count: 5}, &echo{rtts: ms(1)}, nil, uptally.OK, ""},
		{"one of five lost is 20 %, which is accepted", ICMP{Count: 5, MaxLoss: percent(20)}, &echo{rtts: ms(1, 1, 1, 1)}, nil, uptally.OK, ""},
		{"two of five lost are 40 %", ICMP{Count: 5, MaxLoss: percent(39)}, &echo{rtts: ms(1, 1, 1)}, nil, uptally.Loss, "got 3 of 5 replies, want a loss of at most 39 %"},
		{"none of five", ICMP{Count: 5, MaxLoss: percent(99)}, &echo{}, nil, uptally.NoReply, "got 0 of 5 replies"},
		{"mean of 1, 2 and 6 is 3", ICMP{Count: 3, MaxRTT: 2}, &echo{rtts: ms(1, 2, 6)}, nil, uptally.TooSlow, "got a mean round trip of 3ms, want at most 2ms"},
		{"exactly the bound is not slow", ICMP{Count: 3, MaxRTT: 3}, &echo{rtts: ms(1, 2, 6)}, nil, uptally.OK, ""},
		{"minimum", ICMP{Count: 3, MaxRTT: 1, MaxRTTOf: "minimum"}, &echo{rtts: ms(1, 2, 6)}, nil, uptally.OK, ""},
		{"maximum", ICMP{Count: 3, MaxRTT: 5, MaxRTTOf: "maximum"}, &echo{rtts: ms(1, 2, 6)}, nil, uptally.TooSlow, "got a maximum round trip of 6ms, want at most 5ms"},
		{"above the path's size", ICMP{Count: 1}, &echo{}, syscall.EMSGSIZE, uptally.TooBig, "message too long"},
		{"no route", ICMP{Count: 1}, &echo{}, syscall.EHOSTUNREACH, uptally.Unreachable, "no route to host"},
		{"buffers are full", ICMP{Count: 2}, &echo{rtts: ms(1), sendErr: syscall.ENOBUFS}, nil, uptally.Resource, "no buffer space available"},
		{"a local rule forbids it", ICMP{Count: 1}, &echo{open: true}, syscall.EPERM, uptally.NotPermitted, "operation not permitted"},
		{"the second send failed, the first was answered", ICMP{Count: 2}, &echo{rtts: ms(1), sendErr: syscall.EHOSTUNREACH}, nil, uptally.OK, ""},
	} {
		t.Run(tt.story, func(t *testing.T) {
			p := &icmpProbe{settings: tt.settings}
			r := &run{ctx: t.Context()}
			got := p.judge(r, tt.echo, tt.err)
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

// TestRawPlaces: 64 at once with 64 identifiers; the next waits, is late, and does not run past its deadline.
func TestRawPlaces(t *testing.T) {
	e := newEchoes()
	ids := map[uint16]bool{}
	for range maxRaw {
		id, waited, err := e.take(t.Context())
		if err != nil || waited || ids[id] {
			t.Fatalf("got %d %v %v, want a new identifier at once", id, waited, err)
		}
		ids[id] = true
	}
	ctx, cancel := context.WithTimeout(t.Context(), brief)
	defer cancel()
	p := &icmpProbe{echoes: e, settings: ICMP{Host: "127.0.0.1", Count: 1}, modes: []bool{true}, route: (&Reach{}).route()}
	m := measure{probe: p.probe}
	want(t, m.ready()(ctx), uptally.NoWorker)
	if _, _, err := e.take(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the deadline", err)
	}
	for id := range ids {
		e.release(id)
	}
	if id, waited, err := e.take(t.Context()); err != nil || waited || len(e.used) != 1 {
		t.Errorf("got %d %v %v with %d in use", id, waited, err, len(e.used))
	}
}

func TestRoundTripOfTwoClocks(t *testing.T) {
	for _, tt := range []struct{ wall, mono, want time.Duration }{
		{10 * time.Millisecond, 9999 * time.Microsecond, 10 * time.Millisecond}, // began before the send
		{3610 * time.Second, 10 * time.Millisecond, 10 * time.Millisecond},      // the clock was put forward
		{-3590 * time.Second, 10 * time.Millisecond, 10 * time.Millisecond},     // and back
	} {
		if got := roundTrip(tt.wall, tt.mono); got != tt.want {
			t.Errorf("got %v, want %v", got, tt.want)
		}
	}
}
