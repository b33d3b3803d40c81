package probes

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/uptally/uptally"
)

// Prober is a check's probe, ready to run: immutable, safe for any number of goroutines. It holds secrets in closures
// only, so that no way of printing it shows them.
type Prober struct {
	kind, target string
	probe        func(ctx context.Context) Observation
}

// Kind returns the kind: http, tcp, icmp or dns.
func (p *Prober) Kind() string { return p.kind }

// Target returns what is measured, for people, as Settings.Target does.
func (p *Prober) Target() string { return p.target }

// Probe measures once and returns at the deadline of ctx at the latest, also when a library is still busy. A ctx without a
// deadline is given ten seconds; one that is already over leaves overtaken. Cancelling ctx ends the probe with agent_down,
// since it proves nothing.
func (p *Prober) Probe(ctx context.Context) Observation { return p.probe(ctx) }

// attempt is the settings of a kind, prepared: its fields hold what is meant where the settings say nothing.
type attempt interface {
	// probe returns nil for up. It reports phases, facts and the response time to the run.
	probe(r *run) *fault
}

// measure is a prepared kind, and what all kinds have in common.
type measure struct {
	attempt
	// route and host are what Reach.Addresses is about: the host of the check, as the probe will ask the route for it.
	route *route
	host  string
	// slow is the slowest response time that is up; 0 is off.
	slow time.Duration
	// secrets are taken out of every detail and fact.
	secrets []string
}

// ready turns a measure into the function of a Prober.
func (m *measure) ready() func(context.Context) Observation {
	probe, hide := m.judged, newCover(m.secrets)
	if m.route != nil && m.route.all {
		probe = m.everywhere
	}
	return func(ctx context.Context) Observation {
		ctx, cancel := bounded(ctx)
		defer cancel()
		r := &run{ctx: ctx, hide: hide}
		r.start()
		f := r.begun()
		if f == nil {
			f = probe(r)
		}
		return r.observation(f)
	}
}

// judged is the probe, and whether its answer was slow.
func (m *measure) judged(r *run) *fault {
	f := m.probe(r)
	if f == nil && m.slow > 0 && r.obs.RTT > m.slow {
		f = r.wrong(faultf(uptally.TooSlow, "got %v, want at most %v", r.obs.RTT.Round(time.Microsecond), m.slow))
	}
	return f
}

func bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, noDeadline)
}

// run is one probe while it lasts. It belongs to one goroutine.
type run struct {
	ctx   context.Context
	obs   Observation
	begin time.Time // of the current phase

	late        time.Duration // of the last wait, see act
	heard       time.Time     // when that ended, see linger
	lateAtBegin time.Duration // of the current phase
	hide        *cover

	// A probe of every address has a run for each, pinned to it wherever the check's host is meant.
	pinned     netip.Addr
	pinnedHost string
	redirected bool // the target sent it on to where it goes now
}

// start dates the probe; called again when the agent itself made it wait.
func (r *run) start() {
	r.obs.SentAt = time.Now()
	r.begin = r.obs.SentAt
}

// aside is a run for something on the way that is not what the probe measures: under the same deadline, its phases and
// facts its own.
func (r *run) aside() *run {
	cp := *r
	cp.obs = Observation{SentAt: r.obs.SentAt}
	return &cp
}

// begun refuses a probe that is over before its first packet.
func (r *run) begun() *fault {
	switch err := r.ctx.Err(); {
	case errors.Is(err, context.Canceled):
		return faultf(uptally.AgentDown, "cancelled before the first packet")
	case err != nil:
		return faultf(uptally.Overtaken, "deadline passed before the first packet")
	}
	return nil
}

// end closes a phase and begins the next.
func (r *run) end(phase string) {
	now := time.Now()
	r.linger(now)
	late := r.lateBy()
	r.obs.Phases = append(r.obs.Phases, Phase{Name: phase, D: now.Sub(r.begin) - (late - r.lateAtBegin)})
	r.begin, r.lateAtBegin = now, late
	// What came while the phase before was still going on takes from that one: together they are what was not late.
	for i := len(r.obs.Phases) - 1; i > 0 && r.obs.Phases[i].D < 0; i-- {
		r.obs.Phases[i-1].D += r.obs.Phases[i].D
		r.obs.Phases[i].D = 0
	}
}

// answered takes the response time: the answer is complete.
func (r *run) answered() { r.obs.RTT = r.took(r.obs.SentAt) }

// wrong says of a fault, if there is one, that it lies in the answer and in no phase.
func (r *run) wrong(f *fault) *fault {
	if f != nil {
		r.obs.FailedIn = Answer
	}
	return f
}

func (r *run) fact(key, value string) {
	r.obs.Facts = append(r.obs.Facts, Fact{Key: key, Value: value})
}

// maxFact is the longest value of a fact in bytes.
const maxFact = 256

func (r *run) observation(f *fault) Observation {
	r.act()
	o := r.obs
	o.SentAt = o.SentAt.Round(0)
	if f != nil {
		if n := len(o.Phases); n > 0 && o.FailedIn == "" {
			o.FailedIn = o.Phases[n-1].Name
		}
		o.Reason, o.Detail = f.reason, clean(r.hide.hide(f.detail), uptally.MaxDetail)
	}
	for i := range o.Facts {
		o.Facts[i].Value = clean(r.hide.hide(o.Facts[i].Value), maxFact)
	}
	return o
}

// fault is why a probe is not up.
type fault struct {
	reason uptally.Reason
	detail string
}

// Error makes a fault fit to pass through libraries that take errors.
func (f *fault) Error() string { return fmt.Sprintf("%v: %s", f.reason, f.detail) }

func faultf(reason uptally.Reason, format string, args ...any) *fault {
	return &fault{reason: reason, detail: fmt.Sprintf(format, args...)}
}
