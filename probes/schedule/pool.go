package schedule

// pool is the workers of one kind of probe and the line of slots that wait for one.
type pool struct {
	kind string
	size int
	free int
	lent int // to probes that are no slots
	line []place
	head int
}

// place is a slot in the line. It is void once the check no longer waits with that slot.
type place struct {
	check int32
	at    int64
}

func (c *Core) pool(kind string) *pool {
	for _, p := range c.pools {
		if p.kind == kind {
			return p
		}
	}
	n := c.size(kind)
	p := &pool{kind: kind, size: n, free: n}
	c.pools = append(c.pools, p)
	return p
}

func (c *Core) size(kind string) int {
	if n := c.workers[kind]; n > 0 {
		return n
	}
	return DefaultWorkers
}

// setWorkers may leave a pool with less than nothing free.
func (c *Core) setWorkers(workers map[string]int, acts []Action) []Action {
	c.workers = workers
	for _, p := range c.pools {
		n := c.size(p.kind)
		p.free, p.size = p.free+n-p.size, n
		acts = c.hand(p, acts)
	}
	return acts
}

func (p *pool) push(check int32, at int64) {
	if p.head > 64 && p.head > len(p.line)/2 {
		p.line = p.line[:copy(p.line, p.line[p.head:])]
		p.head = 0
	}
	p.line = append(p.line, place{check, at})
}

// trim drops void places from the front and reports whether one is left. No place stays longer than MaxWait behind one
// that still waits, which bounds the line.
func (p *pool) trim(checks []check) bool {
	for p.head < len(p.line) {
		w := p.line[p.head]
		if ch := &checks[w.check]; ch.state == waiting && ch.held.Slot.At == w.at {
			return true
		}
		p.head++
	}
	p.line, p.head = p.line[:0], 0
	return false
}

// pop takes the check at the front of the line, which trim has found to wait.
func (p *pool) pop() int32 {
	p.head++
	return p.line[p.head-1].check
}
