package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/probes"
)

// tally counts repeated probes.
type tally struct {
	probes   int
	outcomes map[uptally.Outcome]int
	reasons  map[uptally.Reason]int // those that are not ok
	times    []time.Duration        // of every answer, ascending
}

func newTally() *tally {
	return &tally{outcomes: map[uptally.Outcome]int{}, reasons: map[uptally.Reason]int{}}
}

func (t *tally) add(o probes.Observation) {
	t.probes++
	t.outcomes[o.Outcome()]++
	if o.Reason != uptally.OK {
		t.reasons[o.Reason]++
	}
	if o.RTT > 0 {
		at, _ := slices.BinarySearch(t.times, o.RTT)
		t.times = slices.Insert(t.times, at, o.RTT)
	}
}

// allUp reports whether there were probes and every one was up.
func (t *tally) allUp() bool { return t.probes > 0 && t.outcomes[uptally.Up] == t.probes }

// percentile returns the least of the times that so many per cent of them do not exceed (nearest rank). There is one.
func (t *tally) percentile(percent int) time.Duration {
	rank := (percent*len(t.times) + 99) / 100
	return t.times[max(rank, 1)-1]
}

// counts says how many probes there were of each outcome, and why: "5 probes: 4 up, 1 down (20.00 %): status 1".
func (t *tally) counts() string {
	s := fmt.Sprintf("%d probes: %d up", t.probes, t.outcomes[uptally.Up])
	if t.probes == 1 {
		s = fmt.Sprintf("1 probe: %d up", t.outcomes[uptally.Up])
	}
	judged := t.outcomes[uptally.Up] + t.outcomes[uptally.Down]
	s += fmt.Sprintf(", %d down", t.outcomes[uptally.Down])
	if judged > 0 {
		share := (t.outcomes[uptally.Down]*20000 + judged) / (2 * judged) // in hundredths of a per cent, rounded
		s += fmt.Sprintf(" (%d.%02d %%)", share/100, share%100)
	}
	for _, o := range []uptally.Outcome{uptally.Void, uptally.Missed} {
		if n := t.outcomes[o]; n > 0 {
			s += fmt.Sprintf(", %d %v", n, o)
		}
	}
	var why []string
	for _, r := range slices.Sorted(maps.Keys(t.reasons)) {
		why = append(why, fmt.Sprintf("%v %d", r, t.reasons[r]))
	}
	if len(why) > 0 {
		s += ": " + strings.Join(why, ", ")
	}
	return s
}

// spread is the percentiles of the response time: "min 1.204  p50 …  ms".
func (t *tally) spread() string {
	if len(t.times) == 0 {
		return "no answer"
	}
	var parts []string
	for _, p := range []struct {
		name    string
		percent int
	}{{"min", 0}, {"p50", 50}, {"p90", 90}, {"p99", 99}, {"max", 100}} {
		parts = append(parts, p.name+" "+strings.TrimSuffix(milliseconds(t.percentile(p.percent)), " ms"))
	}
	return strings.Join(parts, "  ") + " ms"
}
