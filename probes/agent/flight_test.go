package agent

import (
	"strings"
	"testing"
	"time"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/probes"
	"github.com/uptally/uptally/probes/schedule"
)

// A slot at 100,000 ms whose probe may begin up to 105,000 ms, with a timeout of 4 s: 400 ms of grace.
func TestResultOf(t *testing.T) {
	p := plan("web", 10*time.Second)
	p.Timeout = 4_000
	slot := uptally.Slot{Check: 1, Site: 2, At: 100_000}
	begun := time.Now()
	wall := begun.Round(0) // as probes give it
	long := strings.Repeat("ä", 300)
	for _, c := range []struct {
		name string
		at   time.Duration // of the beginning, after the slot
		o    probes.Observation
		took time.Duration
		want uptally.Result
	}{
		{"up: late is cut off to whole milliseconds", 1_999 * time.Microsecond,
			probes.Observation{SentAt: wall, RTT: 1_234_567 * time.Nanosecond}, time.Second, uptally.Result{Slot: slot, Late: 1, RTT: 1_234}},
		{"resolving took 30 ms before the first packet", 0,
			probes.Observation{SentAt: wall.Add(30 * time.Millisecond), RTT: time.Millisecond}, time.Second, uptally.Result{Slot: slot, Late: 30, RTT: 1_000}},
		{"the wall clock stepped forward before the send: no longer than the probe took", 0,
			probes.Observation{SentAt: wall.Add(time.Hour), RTT: time.Millisecond}, 2 * time.Second, uptally.Result{Slot: slot, Late: 2_000, RTT: 1_000}},
		{"the wall clock stepped back", time.Millisecond,
			probes.Observation{SentAt: wall.Add(-time.Hour)}, time.Second, uptally.Result{Slot: slot, Late: 1}},
		{"no send instant: the beginning", 7 * time.Millisecond,
			probes.Observation{Reason: uptally.ResolveFailed, Detail: "no server"}, time.Second, uptally.Result{Slot: slot, Late: 7, Reason: uptally.ResolveFailed, Detail: "no server"}},
		{"up has no detail", 0,
			probes.Observation{SentAt: wall, Detail: "all well"}, 0, uptally.Result{Slot: slot}},
		{"a timeout seen at once is the target's", 0,
			probes.Observation{SentAt: wall, Reason: uptally.ConnectTimeout}, 4_400 * time.Millisecond, uptally.Result{Slot: slot, Reason: uptally.ConnectTimeout}},
		{"a timeout seen 401 ms late is the agent's", 0,
			probes.Observation{SentAt: wall, Reason: uptally.ConnectTimeout, Detail: "no answer"}, 4_401 * time.Millisecond,
			uptally.Result{Slot: slot, Reason: uptally.AgentDelay, Detail: "connect_timeout; the probe returned 401ms after its deadline; no answer"}},
		{"up is up however late it is told", 0,
			probes.Observation{SentAt: wall, RTT: time.Second}, time.Minute, uptally.Result{Slot: slot, RTT: 1_000_000}},
		{"sent after the latest instant, for lack of a socket", 0,
			probes.Observation{SentAt: wall.Add(5_001 * time.Millisecond)}, 6 * time.Second, uptally.Result{Slot: slot, Reason: uptally.Overtaken}},
		{"not permitted: no probe, no lateness", time.Second,
			probes.Observation{SentAt: wall, Reason: uptally.NotPermitted, Detail: "needs CAP_NET_RAW"}, time.Second,
			uptally.Result{Slot: slot, Reason: uptally.NotPermitted, Detail: "needs CAP_NET_RAW"}},
		{"a void of the probe stands", 0,
			probes.Observation{SentAt: wall, Reason: uptally.Resource, Detail: "too many open files"}, time.Minute,
			uptally.Result{Slot: slot, Reason: uptally.Resource, Detail: "too many open files"}},
		{"a reason that no probe gives", 0,
			probes.Observation{SentAt: wall, Reason: uptally.Conflict}, 0,
			uptally.Result{Slot: slot, Reason: uptally.Resource, Detail: "conflict; BUG: no reason that a probe gives"}},
		{"text is cut at a rune border", 0,
			probes.Observation{SentAt: wall, Reason: uptally.Status, Detail: "x" + long}, 0,
			uptally.Result{Slot: slot, Reason: uptally.Status, Detail: "x" + long[:510]}},
	} {
		t.Run(c.name, func(t *testing.T) {
			act := schedule.Action{Slot: slot, Latest: 105_000, Plan: &p}
			at := slot.At*int64(time.Millisecond) + int64(c.at)
			if got := resultOf(act, c.o, at, begun, c.took); got != c.want {
				t.Errorf("got  %+v\nwant %+v", got, c.want)
			}
		})
	}
}
