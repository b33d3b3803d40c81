package agent

import (
	"context"
	"fmt"
	"math"
	"runtime/debug"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/probes"
	"github.com/uptally/uptally/probes/schedule"
)

// grace is how much later than its deadline, in milliseconds, a probe may return and be believed: a tenth of the timeout
// and at least 250 ms. Beyond it the agent was late, and the failure proves nothing.
// Source: docs/probes.md, "Reasons".
func grace(timeout int64) int64 { return max(timeout/10, 250) }

// fly probes one slot. zero is the agent's count at the start of its clock, in nanoseconds.
func (a *Agent) fly(act schedule.Action, extra int32, zero int64) {
	begun := time.Now()
	at := zero + int64(begun.Sub(a.clock.start))
	r := uptally.Result{Slot: act.Slot, Reason: uptally.Overtaken}
	if at/int64(time.Millisecond) <= act.Latest {
		o := a.probe(act.Plan.Check, time.Duration(act.Plan.Timeout)*time.Millisecond, a.opts.Probe(act.Plan))
		r = resultOf(act, o, at, begun, time.Since(begun))
	}
	select {
	case a.ended <- ending{act.Check, extra, r}:
	case <-a.gone:
	}
}

// probe measures once, with the deadline counted from now. name is that of the check or the reference.
func (a *Agent) probe(name string, timeout time.Duration, probe func(context.Context) probes.Observation) (o probes.Observation) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			a.opts.Log.Error("probe panicked", "site", a.opts.Site, "check", name, "err", p, "stack", string(debug.Stack()))
			o = probes.Observation{Reason: uptally.Resource, Detail: fmt.Sprintf("the probe panicked: %v", p)}
		}
	}()
	return probe(ctx)
}

// resultOf makes an observation the result of its slot. at is the agent's count in nanoseconds when the probe began, begun
// the same instant by the process's clocks, took how long the probe lasted.
func resultOf(act schedule.Action, o probes.Observation, at int64, begun time.Time, took time.Duration) uptally.Result {
	sent := time.Duration(0)
	if !o.SentAt.IsZero() {
		// SentAt is of the wall clock. Only its distance from the beginning counts, and no step of the clock leads it astray.
		sent = min(max(0, o.SentAt.Sub(begun.Round(0))), took)
	}
	sentAt := (at + int64(sent)) / int64(time.Millisecond)
	r := uptally.Result{
		Slot:   act.Slot,
		Late:   int32(min(max(0, sentAt-act.Slot.At), math.MaxInt32)),
		Reason: o.Reason,
		RTT:    max(0, o.RTT.Microseconds()),
		Detail: fit(o.Detail, uptally.MaxDetail),
	}
	timeout := time.Duration(act.Plan.Timeout) * time.Millisecond
	behind, least := took-timeout, time.Duration(grace(act.Plan.Timeout))*time.Millisecond
	switch outcome := o.Reason.Outcome(); {
	case outcome == uptally.Missed:
		return uptally.Result{Slot: act.Slot, Reason: o.Reason, Detail: r.Detail}
	case sentAt > act.Latest:
		return uptally.Result{Slot: act.Slot, Reason: uptally.Overtaken}
	case outcome == uptally.Up:
		r.Detail = ""
	case outcome == uptally.Down && behind > least:
		r = voided(r, uptally.AgentDelay, fmt.Sprintf("the probe returned %v after its deadline", behind.Round(time.Millisecond)))
	case outcome == uptally.Down && behind >= 0 && o.Delay > least:
		r = voided(r, uptally.AgentDelay, fmt.Sprintf("the agent itself ran %v late", o.Delay.Round(time.Millisecond)))
	case outcome != uptally.Down && outcome != uptally.Void:
		r = voided(r, uptally.Resource, "BUG: no reason that a probe gives")
	}
	return r
}

// voided says that a result proves nothing. What it would have been stays readable at the front of the detail.
func voided(r uptally.Result, reason uptally.Reason, why string) uptally.Result {
	detail := r.Reason.String() + "; " + why
	if r.Detail != "" {
		detail += "; " + r.Detail
	}
	r.Reason, r.Detail = reason, fit(detail, uptally.MaxDetail)
	return r
}

// fit makes text fit for a result: UTF-8 of at most most bytes, cut at a rune border.
func fit(s string, most int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= most {
		return s
	}
	end := most
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end]
}
