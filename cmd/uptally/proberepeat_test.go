package main

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/probes"
)

// answers are those of seven probes. The fourth, which begins at 3 s, takes 2.5 s, so that the instants at 4 s and 5 s are
// left out.
func answers() func(context.Context) probes.Observation {
	n := 0
	return func(ctx context.Context) probes.Observation {
		n++
		o := probes.Observation{SentAt: time.Now(), RTT: ms(12.5)}
		took := o.RTT
		switch n {
		case 2:
			o.RTT, took = ms(31.25), ms(31.25)
		case 3:
			o.Reason, o.Detail = uptally.Status, "got 503 Service Unavailable, want 2xx"
		case 4:
			o.RTT, took = 0, ms(2500)
			o.Reason, o.Detail, o.FailedIn = uptally.ConnectTimeout, "dial tcp 192.0.2.10:443: i/o timeout", "connect"
		case 5:
			o.RTT, took = ms(480), ms(480)
		case 6:
			o.RTT, took = 0, 0
			o.Reason = uptally.AgentDelay
		}
		select {
		case <-time.After(took):
		case <-ctx.Done():
			return probes.Observation{SentAt: o.SentAt, Reason: uptally.AgentDown}
		}
		return o
	}
}

// The same seven probes in every form. Response times, ascending: 12.5, 12.5, 12.5, 31.25, 480: p50 is the third, p90 the
// fifth. Two of six that count are down: 33.33 %.
func TestProbeRepeat(t *testing.T) {
	settings := httpTo("https://portal.example.com/health")
	for _, form := range []struct {
		name string
		look look
		json bool
	}{
		{"piped", look{width: 80, unicode: true}, false},
		{"wide", look{width: 120, unicode: true}, false},
		{"ascii", look{width: 80}, false},
		{"live", look{width: 80, unicode: true, color: true, live: true}, false},
		{"json", look{width: 80}, true},
	} {
		t.Run(form.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var out strings.Builder
				r := repeat{look: form.look, out: &out, task: probeTask{settings: &settings}, json: form.json, every: time.Second, count: 7}
				if err := r.run(t.Context(), answers()); !errors.Is(err, errProblems) {
					t.Errorf("got %v, want the exit code of probes that were not up", err)
				}
				golden(t, filepath.Join("testdata", "probe", "repeat-"+form.name+".txt"), strings.ReplaceAll(strings.ReplaceAll(out.String(), "\x1b", "␛"), "\r", "␍"))
			})
		})
	}
}

// An interrupt ends it with the summary of what was complete; the probe in flight does not count.
func TestProbeRepeatInterrupted(t *testing.T) {
	settings := httpTo("https://portal.example.com/health")
	for _, tt := range []struct {
		story string
		after time.Duration
		want  string
	}{
		{"between two probes", 1500 * time.Millisecond, "2 probes: 2 up, 0 down (0.00 %)"},
		{"in the fourth", 4 * time.Second, "3 probes: 2 up, 1 down (33.33 %): status 1"},
		{"before the first answer", time.Millisecond, "0 probes: 0 up, 0 down"},
	} {
		t.Run(tt.story, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, interrupt := context.WithCancel(t.Context())
				time.AfterFunc(tt.after, interrupt)
				var out strings.Builder
				r := repeat{look: look{width: 80}, out: &out, task: probeTask{settings: &settings}, every: time.Second}
				err := r.run(ctx, answers())
				if wantErr := !strings.HasPrefix(tt.want, "2 probes"); (err != nil) != wantErr {
					t.Errorf("got %v", err)
				}
				lines := strings.Split(strings.TrimSpace(out.String()), "\n")
				if got := lines[len(lines)-2]; got != tt.want {
					t.Errorf("got %q, want %q", got, tt.want)
				}
			})
		})
	}
}

// A percentile is one of the times, at least so many per cent of them do not exceed it, and no smaller one has that.
func TestPercentile(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tally := newTally()
		times := rapid.SliceOfN(rapid.IntRange(1, 50), 1, 200).Draw(t, "times")
		for _, us := range times {
			tally.add(probes.Observation{RTT: time.Duration(us) * time.Microsecond})
		}
		percent := rapid.IntRange(1, 100).Draw(t, "percent")
		got := int(tally.percentile(percent) / time.Microsecond)
		within, below := 0, 0
		for _, us := range times {
			if us <= got {
				within++
			}
			if us < got {
				below++
			}
		}
		if within*100 < percent*len(times) || below*100 >= percent*len(times) {
			t.Fatalf("got %d: %d of %d are within, %d below", got, within, len(times), below)
		}
	})
}

// Every line of JSON is an object of one of the two formats.
func TestProbeRepeatJSON(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		settings := httpTo("https://portal.example.com/health")
		var out strings.Builder
		r := repeat{out: &out, task: probeTask{settings: &settings}, json: true, every: time.Second, count: 3}
		_ = r.run(t.Context(), answers()) // one of them is down
		formats := map[string]int{}
		for line := range strings.Lines(out.String()) {
			var o struct {
				Format string `json:"format"`
			}
			if err := json.Unmarshal([]byte(line), &o); err != nil {
				t.Fatal(err)
			}
			formats[o.Format]++
		}
		if formats[probeFormat] != 3 || formats[summaryFormat] != 1 || len(formats) != 2 {
			t.Errorf("got %v", formats)
		}
	})
}
