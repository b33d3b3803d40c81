package agent

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/probes"
)

// ten is an agent with one check due every ten seconds and one due each second; failing says whether its probes fail.
func ten(t *testing.T, took time.Duration, s *shelf, o Options) (*Agent, []uptally.Plan) {
	plans := []uptally.Plan{onGrid("ten", 10*time.Second), onGrid("second", time.Second)}
	o.Plans, o.Append = plans, s.append
	if o.Probe == nil {
		o.Probe = always(up(took))
	}
	return start(t, o), plans
}

// between returns d from one instant after now until another, and 0 otherwise.
func between(from, to, d time.Duration) func() time.Duration {
	began := time.Now()
	return func() time.Duration {
		if since := time.Since(began); since >= from && since < to {
			return d
		}
		return 0
	}
}

const forever = 1_000 * time.Hour

// The machine sleeps for ten minutes after 25 s: the monotonic clock stands still, CLOCK_BOOTTIME and the wall clock go on. The
// slots of the sleep are paused and the grid goes on.
func TestSleepOfTheMachineIsAPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{t: t}
		a, plans := ten(t, 0, s, Options{})
		slept := between(25*time.Second+time.Millisecond, forever, 10*time.Minute)
		a.clock.asleep = func() time.Duration { return 3*time.Hour + slept() }
		a.clock.wall = func() time.Time { return time.Now().Add(slept()) }
		from, to := runFor(t, a, 45*time.Second+2*time.Millisecond)
		got := s.want(from, to.Add(slept()), plans...)
		// paused: ten 30…620 s are 60, second 26…625 s are 600; up: 2 + 2 (630, 640) of ten, 25 + 20 of second
		if want := map[string]int{"ok": 4 + 45, "paused": 660}; !equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		if off := a.Stats().ClockOff; off != 0 {
			t.Errorf("got the wall clock %v off, want none: a sleep is no step", off)
		}
	})
}

// The process is stopped for twenty seconds (here: its loop is held up), as by SIGSTOP or a starved machine.
func TestWakeFarTooLateIsAPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{t: t}
		held := false
		a, plans := ten(t, 0, s, Options{Observe: func(r uptally.Result) {
			if !held && r.At%60_000 == 25_000 {
				held = true
				<-time.After(20*time.Second + time.Millisecond)
			}
		}})
		from, to := runFor(t, a, time.Minute+time.Millisecond)
		got := s.want(from, to, plans...)
		// paused: second 26…45 s are 20, ten 30 and 40 s
		if want := map[string]int{"ok": 40 + 4, "paused": 22}; !equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		if st := a.Stats(); st.Pauses != 1 || st.PausedMillis < 20_000 || st.PausedMillis > 21_001 || st.Missed[uptally.Paused] != 22 {
			t.Errorf("got %d pauses of %d ms, want one of about 20 s", st.Pauses, st.PausedMillis)
		}
	})
}

// A machine that did not run may have been copied meanwhile: after a pause numbers are those of another epoch.
func TestPauseBeginsAnEpoch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		spool, held := &narrow{}, false
		a, _ := ten(t, 0, &shelf{t: t}, Options{Spool: spool, Observe: func(r uptally.Result) {
			if !held && r.At%60_000 == 25_000 {
				held = true
				<-time.After(20*time.Second + time.Millisecond)
			}
		}})
		runFor(t, a, time.Minute+time.Millisecond)
		var epochs []uint64
		for _, b := range spool.batches {
			epochs = append(epochs, b.Epoch)
		}
		if epochs = slices.Compact(epochs); !slices.Equal(epochs, []uint64{8, 9}) {
			t.Errorf("got epochs %v, want 8, then 9", epochs)
		}
	})
}

// The loop is held up for 3.2 s, which is no pause: slots of one second are overtaken but for the last, which begins late.
func TestLateWakeIsOvertaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{t: t}
		held := false
		a, plans := ten(t, 0, s, Options{Observe: func(r uptally.Result) {
			if !held && r.At%60_000 == 5_000 {
				held = true
				<-time.After(3*time.Second + 200*time.Millisecond)
			}
		}})
		from, to := runFor(t, a, 20*time.Second+time.Millisecond)
		got := s.want(from, to, plans...)
		if want := map[string]int{"ok": 18 + 2, "overtaken": 2}; !equal(got, want) { // 6 s and 7 s
			t.Errorf("got %v, want %v", got, want)
		}
		if st := a.Stats(); st.LateMillis != 200 {
			t.Errorf("got %d ms late, want 200, those of the slot at 8 s", st.LateMillis)
		}
	})
}

// A probe that failed while the machine slept says nothing about its target. The sleep does not use up the deadline of the one
// that is still running when the other ends.
func TestFailureAcrossAPauseIsVoid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{t: t}
		slept := between(10*time.Second+20*time.Millisecond, forever, time.Hour)
		a, _ := ten(t, 0, s, Options{Probe: func(p *uptally.Plan) func(context.Context) probes.Observation {
			return func(context.Context) probes.Observation {
				at := time.Now()
				<-time.After(time.Duration(p.Every/20) * time.Millisecond) // 500 ms, 50 ms
				return probes.Observation{SentAt: at, Reason: uptally.ConnectReset, Detail: "reset by peer"}
			}
		}})
		a.clock.asleep = slept
		a.clock.wall = func() time.Time { return time.Now().Add(slept()) }
		runFor(t, a, 10*time.Second+500*time.Millisecond)
		var voids, downs int
		for slot, r := range s.results {
			switch {
			case r.Reason == uptally.AgentDelay:
				voids++
				if want := "connect_reset; the agent was suspended meanwhile; reset by peer"; r.Detail != want || slot.At%10_000 != 0 {
					t.Errorf("got %q at %d, want %q of the slots at 10 s", r.Detail, slot.At, want)
				}
			case r.Reason == uptally.ConnectReset:
				downs++
			}
		}
		if voids != 2 || downs != 9 {
			t.Errorf("got %d void and %d down, want 2 and 9", voids, downs)
		}
	})
}

// The wall clock steps by an hour or a day, forward or back, for 30 s. Each slot still comes once; results of the time cannot be
// dated and are void(clock).
func TestStepOfTheWallClockMovesNoSlot(t *testing.T) {
	for _, step := range []time.Duration{time.Hour, -time.Hour, 24 * time.Hour, -24 * time.Hour} {
		t.Run(step.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &shelf{t: t}
				a, plans := ten(t, 0, s, Options{})
				stepped := between(15*time.Second+500*time.Millisecond, 45*time.Second+500*time.Millisecond, step)
				a.clock.wall = func() time.Time { return time.Now().Add(stepped()) }
				from, to := runFor(t, a, time.Minute+time.Millisecond)
				got := s.want(from, to, plans...)
				// void: second 16…45 s are 30, ten 20, 30, 40 s
				if want := map[string]int{"ok": 30 + 3, "clock": 33}; !equal(got, want) {
					t.Errorf("got %v, want %v", got, want)
				}
				if st := a.Stats(); st.Void[uptally.Clock] != 33 || st.Pauses != 0 {
					t.Errorf("got %d void and %d pauses counted, want 33 and none: a step is no pause", st.Void[uptally.Clock], st.Pauses)
				}
			})
		})
	}
}

// A correction by two seconds is followed at one part in a hundred: after 200 s the clocks agree again. Until they are 500 ms
// apart, half an interval, the check of one second is void(clock); that takes 150 s.
func TestSmallStepIsFollowedSlowly(t *testing.T) {
	for _, step := range []time.Duration{2 * time.Second, -2 * time.Second} {
		t.Run(step.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &shelf{t: t}
				a, plans := ten(t, 0, s, Options{})
				stepped := between(time.Second/2, forever, step)
				a.clock.wall = func() time.Time { return time.Now().Add(stepped()) }
				from, to := runFor(t, a, 300*time.Second+500*time.Millisecond)
				got := s.want(from, to.Add(step), plans...)
				if n := got["clock"]; n < 147 || n > 152 || got["ok"]+n != len(s.results) {
					t.Errorf("got %v, want about 150 void and the rest up", got)
				}
				if off := a.Stats().ClockOff.Abs(); off > 2*time.Millisecond {
					t.Errorf("got the clocks %v apart, want them together", off)
				}
			})
		})
	}
}
