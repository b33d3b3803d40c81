package probes

import "time"

// How late the agent itself was. What the probe waits for is there when the kernel has it; what lies between that and the
// instant when the probe's goroutine runs is the agent's own share. The lateness of the last wait is pending until the
// probe acts on what it got: only then did it delay anything, since what follows may have come in the meantime.

// act counts the lateness of the last wait: the probe now answers to what it got.
func (r *run) act() {
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
	return max(time.Since(began)-r.lateBy(), 0)
}
