package agent

import "time"

// clock is the agent's count of time in UTC. It belongs to the loop.
type clock struct {
	wall   func() time.Time     // the wall clock, which may step
	asleep func() time.Duration // how long the machine has slept since it was booted

	start  time.Time     // its monotonic reading is the origin of the count
	base   int64         // the wall clock at start, nanoseconds since 1970
	awake  time.Duration // asleep at start
	slept  time.Duration // since start
	skew   time.Duration // how far the count has followed the wall clock
	passed time.Duration // since start, by the monotonic clock, at the last read
	off    time.Duration // wall clock − count at the last read
}

const (
	// leastSleep is the shortest sleep of the machine that is taken as one: the two clocks are not read at one instant.
	leastSleep = time.Second
	// mostFollowed is the largest difference that the count makes up for.
	mostFollowed = 15 * time.Second
	// slewing is the share of the passing time, one part in slewing, by which the count follows the wall clock.
	slewing = 100
)

func newClock() *clock { return &clock{wall: time.Now, asleep: asleep} }

func (c *clock) begin() {
	c.start = time.Now()
	c.base = c.wall().UnixNano()
	c.awake = c.asleep()
}

// read returns the count in milliseconds since 1970. It never goes backwards, because following is slower than passing.
func (c *clock) read() int64 {
	passed := time.Since(c.start)
	if slept := c.asleep() - c.awake; slept >= c.slept+leastSleep {
		c.slept = slept
	}
	c.off = time.Duration(c.wall().UnixNano() - c.at(passed))
	if c.off.Abs() <= mostFollowed {
		step := (passed - c.passed) / slewing
		follow := min(max(c.off, -step), step)
		c.skew += follow
		c.off -= follow
	}
	c.passed = passed
	return c.at(passed) / int64(time.Millisecond)
}

// at is the count in nanoseconds when so much has passed since start.
func (c *clock) at(passed time.Duration) int64 { return c.base + int64(passed+c.slept+c.skew) }

// zero is the count in nanoseconds at start as seen from now. A probe adds the time that passed since start to date itself
// without the clock.
func (c *clock) zero() int64 { return c.at(0) }

// until is how long it takes until the count is at an instant in milliseconds.
func (c *clock) until(at int64) time.Duration {
	return time.Duration(at*int64(time.Millisecond) - c.at(time.Since(c.start)))
}
