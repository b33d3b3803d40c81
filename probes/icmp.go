package probes

import (
	"context"
	"errors"
	"fmt"
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
		uptally.NoReply, uptally.Loss, uptally.Unreachable, uptally.TooBig, uptally.NoWorker,
	})
}

// icmpProbe is a prepared ICMP. It is never written again.
type icmpProbe struct {
	echoes   *echoes
	route    *route
	settings ICMP
	modes    []bool // privileged or not, in the order tried
}

func (i *ICMP) prepare(e *Engine, _ string) (*measure, error) {
	s := *i
	s.Count, s.Size, s.TTL = orNumber(i.Count, 1), orNumber(i.Size, 24), orNumber(i.TTL, 64)
	if i.MaxLoss != nil {
		s.MaxLoss = new(*i.MaxLoss)
	}
	p := &icmpProbe{echoes: e.echoes, route: i.Reach.route(), settings: s}
	switch i.Privileged {
	case "never":
		p.modes = []bool{false}
	case "always":
		p.modes = []bool{true}
	default:
		p.modes = []bool{false, true}
	}
	return &measure{probe: p.probe, route: p.route, host: i.Host, slow: i.MaxResponseTime.Std()}, nil
}

func (p *icmpProbe) probe(r *run) *fault {
	addr, f := p.route.address(r, p.settings.Host)
	if f != nil {
		return f
	}
	r.fact("address", addr.String())
	for _, privileged := range p.modes {
		e, err := p.send(r, addr, privileged)
		var refused *fault
		switch {
		case errors.As(err, &refused):
			return refused
		case err != nil && !e.open && permission(err):
			continue
		}
		r.end("echo")
		e.report(r)
		return p.judge(r, e, err)
	}
	return faultf(uptally.NotPermitted, "%s", p.missing())
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

func (p *icmpProbe) judge(r *run, e *echo, err error) *fault {
	want, got := p.settings.Count, len(e.rtts)
	if got == want {
		return p.judgeTime(e)
	}
	if f := p.sendFault(r, e, err); f != nil && (got == 0 || f.reason.Outcome() != uptally.Down) {
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
	return p.judgeTime(e)
}

// sendFault classifies what kept requests from being sent; nil if nothing did.
func (p *icmpProbe) sendFault(r *run, e *echo, err error) *fault {
	if e.sendErr != nil {
		err = e.sendErr
	}
	if err == nil || timedOut(err) {
		return nil
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

func (p *icmpProbe) judgeTime(e *echo) *fault {
	limit := p.settings.MaxRTT.Std()
	if limit == 0 {
		return nil
	}
	low, mean, high, _ := spread(e.rtts)
	of, got := orText(p.settings.MaxRTTOf, "mean"), mean
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
