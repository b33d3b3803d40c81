package probes

import "time"

// How late the agent itself was. What the probe waits for is there when the kernel has it; what lies between that and the
// instant when the probe's goroutine runs is the agent's own share. The lateness of the last wait is pending until the
// probe acts on what it got: only then did it delay anything, since what follows may have come in the meantime.

// first dates the probe at its first packet, which leaves now: making the socket may have taken a busy process long. Where
// a name was resolved, or another address is asked at the same time, the first packet was another.
func (r *run) first() {
	if len(r.obs.Phases) == 0 && !r.pinned.IsValid() {
		r.start()
	}
}

// linger adds to the lateness of the last wait what the probe has spent since on what it got, if that is worth a word: a
// process whose cores are busy may be interrupted there too.
func (r *run) linger(now time.Time) {
	if spent := now.Sub(r.heard); !r.heard.IsZero() && spent >= lateness {
		r.late += spent
	}
	r.heard = time.Time{}
}

// lateness is the least that is asked after where it is not known without asking.
const lateness = time.Millisecond

// act counts the lateness of the last wait: the probe now answers to what it got.
func (r *run) act() {
	r.linger(time.Now())
	r.obs.Delay += r.late
	r.late = 0
}

// overslept counts how much later than the deadline the probe came to notice it, and returns the present.
func (r *run) overslept() time.Time {
	now := time.Now()
	if deadline, ok := r.ctx.Deadline(); ok && now.After(deadline) {
		r.late = max(r.late, now.Sub(deadline))
	}
	return now
}

// lateBy is all the lateness known by now.
func (r *run) lateBy() time.Duration { return r.obs.Delay + r.late }

// took is the time since an instant of this probe before which nothing was late, without the agent's share.
func (r *run) took(began time.Time) time.Duration {
	now := time.Now()
	r.linger(now)
	return max(now.Sub(began)-r.lateBy(), 0)
}
