package probes

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/uptally/uptally"
)

// ICMP is the settings of the icmp kind: echo requests to one address.
type ICMP struct {
	Reach `yaml:",inline"`
	// Host is a name or an address.
	Host string `yaml:"host"`
	// Count is the number of echo requests, 1 unless given, at most 100.
	Count int `yaml:"count"`
	// Interval lies between them: 1 s, or a fifth of the timeout if that is less.
	Interval uptally.Duration `yaml:"interval"`
	// Size is the payload in bytes, 24 (default) to 65,507.
	Size int `yaml:"size"`
	// TTL is the hop limit of the requests (64).
	TTL int `yaml:"ttl"`
	// DontFragment forbids routers to split the request; TrafficClass is the TOS or traffic class byte.
	DontFragment bool `yaml:"dont_fragment"`
	TrafficClass int  `yaml:"traffic_class"`
	// MaxLoss is the accepted loss in whole percent; unless given, one reply is enough.
	MaxLoss *int `yaml:"max_loss"`
	// MaxRTT bounds the round-trip time, of MaxRTTOf: minimum, mean (default) or maximum.
	MaxRTT   uptally.Duration `yaml:"max_rtt"`
	MaxRTTOf string           `yaml:"max_rtt_of"`
	// Privileged is auto (default: datagram socket first, then raw), never (datagram only) or always (raw only).
	Privileged string `yaml:"privileged"`
}

func (i *ICMP) target() string { return i.Host }

func (i *ICMP) validate(p *problems) {
	i.Reach.validate(p)
	if !validHost(i.Host) {
		p.add("host", i.Host, "a name or an address, such as 192.0.2.1")
	} else {
		i.Reach.validateHost(p, "host", i.Host)
	}
	p.between("count", i.Count, 1, 100)
	p.span("interval", i.Interval)
	if i.Interval > 0 && i.Interval < 10*uptally.Millisecond {
		p.add("interval", i.Interval.String(), "at least 10ms")
	}
	p.between("size", i.Size, 24, 65507)
	p.between("ttl", i.TTL, 1, 255)
	p.between("traffic_class", i.TrafficClass, 0, 255)
	if i.MaxLoss != nil && (*i.MaxLoss < 0 || *i.MaxLoss > 99) {
		p.add("max_loss", fmt.Sprint(*i.MaxLoss), "whole percent from 0 to 99")
	}
	p.span("max_rtt", i.MaxRTT)
	p.word("max_rtt_of", i.MaxRTTOf, "minimum", "mean", "maximum")
	p.word("privileged", i.Privileged, "auto", "never", "always")
}

func (i *ICMP) reasons() []uptally.Reason {
	return concat(reachReasons(), []uptally.Reason{
		uptally.NoReply, uptally.Loss, uptally.Unreachable, uptally.TTLExceeded, uptally.TooBig, uptally.PayloadMismatch,
	})
}

// icmpProbe is a prepared ICMP. It is never written again.
type icmpProbe struct {
	pool     *echoPool
	shared   bool // scheduled: its requests go over the pool's sockets also where the process may use datagram ones
	route    *route
	settings ICMP
	sum      uint32 // of the payload's pattern
	raws     []bool // over a raw socket or not, in the order tried
}

func (i *ICMP) prepare(e *Engine, _ Source) (*measure, error) {
	s := *i
	s.Count, s.Size, s.TTL = orNumber(i.Count, 1), orNumber(i.Size, minEcho), orNumber(i.TTL, 64)
	s.MaxRTTOf, s.Privileged = orText(i.MaxRTTOf, "mean"), orText(i.Privileged, "auto")
	if i.MaxLoss != nil {
		s.MaxLoss = new(*i.MaxLoss)
	}
	p := &icmpProbe{pool: e.pool, shared: e.shared, route: i.Reach.route(), settings: s, sum: sum(0, e.pool.payloads.rest(s.Size))}
	switch i.Privileged {
	case "never":
		p.raws = []bool{false}
	case "always":
		p.raws = []bool{true}
	default:
		p.raws = []bool{false, true}
	}
	return &measure{attempt: p, route: p.route, host: i.Host, slow: i.MaxResponseTime.Std()}, nil
}

func (p *icmpProbe) probe(r *run) *fault {
	addr, f := p.route.address(r, p.settings.Host)
	if f != nil {
		return f
	}
	r.fact("address", addr.String())
	for _, raw := range p.raws {
		t, err := p.ping(r, addr, raw)
		if t == nil && permission(err) {
			continue
		}
		r.end("echo")
		if t == nil {
			return r.classify(err, failing)
		}
		t.report(r)
		return p.judge(r, t)
	}
	return faultf(uptally.NotPermitted, "%s", p.missing())
}

// ping sends the requests: a single probe over a socket of its own with pro-bing, scheduled ones and those over raw sockets
// over the engine's. A raw socket hears every echo of the machine, and pro-bing sets its filter late. See docs/decisions.md.
func (p *icmpProbe) ping(r *run, addr netip.Addr, raw bool) (*tally, error) {
	if raw || p.shared {
		t, err := p.pool.ping(r, p, addr, raw)
		if !errors.Is(err, errors.ErrUnsupported) {
			return t, err
		}
	}
	return p.send(r, addr, raw)
}

// interval is the time between two requests.
func (p *icmpProbe) interval(r *run) time.Duration {
	if given := p.settings.Interval.Std(); given > 0 {
		return given
	}
	deadline, _ := r.ctx.Deadline()
	return max(min(time.Second, time.Until(deadline)/5), time.Millisecond)
}

// missing names the right that would let the probe run.
func (p *icmpProbe) missing() string {
	const group = "the process's group inside the sysctl net.ipv4.ping_group_range"
	const raw = "the capability CAP_NET_RAW"
	switch p.settings.Privileged {
	case "never":
		return "got no ICMP socket, want " + group
	case "always":
		return "got no ICMP socket, want " + raw
	}
	return "got no ICMP socket, want " + group + " or " + raw
}

func permission(err error) bool {
	return errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.EPERM)
}

// failing says what an error means that kept a request from being sent.
var failing = stage{timeout: uptally.NoReply, closed: uptally.NoReply, reset: uptally.NoReply, other: uptally.Unreachable}

// tally is what became of the requests of one probe.
type tally struct {
	sent int
	// rtts are the round trips of the replies, delay what this process added to one of them at most, or to the deadline.
	rtts            []time.Duration
	delay           time.Duration
	duplicates, ttl int
	// failed says why replies are missing, where anything does.
	failed *fault
}

func (p *icmpProbe) judge(r *run, t *tally) *fault {
	want, got := p.settings.Count, len(t.rtts)
	if got == want {
		return p.judgeTime(t)
	}
	if f := t.failed; f != nil && (got == 0 || f.reason.Outcome() != uptally.Down) {
		return f
	}
	switch {
	case errors.Is(r.ctx.Err(), context.Canceled):
		return faultf(uptally.AgentDown, "cancelled with %d of %d replies", got, want)
	case got == 0:
		return faultf(uptally.NoReply, "got 0 of %d replies", want)
	case p.settings.MaxLoss != nil && (want-got)*100 > *p.settings.MaxLoss*want:
		return faultf(uptally.Loss, "got %d of %d replies, want a loss of at most %d %%", got, want, *p.settings.MaxLoss)
	}
	return p.judgeTime(t)
}

// sendFault says why a request could not be sent.
func sendFault(r *run, err error) *fault {
	if errors.Is(err, syscall.EAGAIN) { // a full send buffer, which calls itself a timeout
		return faultf(uptally.Resource, "%v", err)
	}
	f := r.classify(err, failing)
	switch {
	case errors.Is(err, syscall.EMSGSIZE):
		f.reason = uptally.TooBig
	case f.reason == uptally.ConnectUnreachable:
		f.reason = uptally.Unreachable
	}
	return f
}

func (p *icmpProbe) judgeTime(t *tally) *fault {
	limit := p.settings.MaxRTT.Std()
	if limit == 0 {
		return nil
	}
	low, mean, high, _ := spread(t.rtts)
	of, got := p.settings.MaxRTTOf, mean
	switch of {
	case "minimum":
		got = low
	case "maximum":
		got = high
	}
	if got > limit {
		return faultf(uptally.TooSlow, "got a %s round trip of %v, want at most %v", of, got.Round(time.Microsecond), limit)
	}
	return nil
}

// spread returns minimum, mean, maximum and standard deviation.
func spread(ds []time.Duration) (low, mean, high, dev time.Duration) {
	if len(ds) == 0 {
		return 0, 0, 0, 0
	}
	var sum, squares float64
	for _, d := range ds {
		sum += float64(d)
	}
	m := sum / float64(len(ds))
	for _, d := range ds {
		squares += (float64(d) - m) * (float64(d) - m)
	}
	return slices.Min(ds), time.Duration(m), slices.Max(ds), time.Duration(math.Sqrt(squares / float64(len(ds))))
}

func (t *tally) report(r *run) {
	low, mean, high, dev := spread(t.rtts)
	r.obs.RTT, r.obs.Delay = mean, t.delay
	r.fact("sent", strconv.Itoa(t.sent))
	r.fact("received", strconv.Itoa(len(t.rtts)))
	if t.duplicates > 0 {
		r.fact("duplicates", strconv.Itoa(t.duplicates))
	}
	if len(t.rtts) > 1 { // of one, the response time says it all
		r.fact("round trip", fmt.Sprintf("minimum %v, mean %v, maximum %v, deviation %v", low, mean, high, dev))
	}
	if len(t.rtts) > 0 {
		r.fact("reply ttl", strconv.Itoa(t.ttl))
	}
}
