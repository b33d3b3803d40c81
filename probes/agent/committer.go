package agent

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/ledger"
)

const (
	// commitAfter and commitAt are when a batch is appended: its oldest result is so old, or so many wait.
	commitAfter = time.Second
	commitAt    = 1_000
	// firstRetry doubles up to lastRetry while Append fails.
	firstRetry, lastRetry = time.Second, 30 * time.Second
	// reserveAfter is how long slots without room gather until they go into a spool's reserve, reserveAt the most at once: they
	// are some bytes each in the worst case.
	reserveAfter = 10 * time.Minute
	reserveAt    = 10_000
)

// committer takes results from the loop and appends them as batches. add and stats are called from anywhere, run once.
type committer struct {
	site         uptally.ID
	agent, epoch uint64
	append       func(context.Context, []byte) error
	spool        Spool // in place of append, where it is not nil
	clock        func() (offset, bound int64)
	log          *slog.Logger
	limit        int

	wake    chan struct{} // something is new
	closing chan struct{} // closed when no more results come
	done    chan struct{} // closed when run is over

	paused atomic.Bool // the process did not run for a while

	mu      sync.Mutex
	loads   []*load // in the order of their first results
	held    int     // results in loads and in the batch being appended
	full    stretches
	filled  bool // results went to full since there was room last
	batches uint64
	failed  uint64
	last    time.Time
	err     error // of the last Append; nil after a good one

	seq uint64 // of run
}

// load is results that will be one batch.
type load struct {
	day     int32
	first   time.Time
	size    int
	results []uptally.Result
}

// A result takes at most resultSize bytes of a batch besides its detail, and a load stays below a batch's limit.
const (
	resultSize = 64
	loadSize   = uptally.MaxBatch - 1<<10
)

func (l *load) takes(r uptally.Result) bool {
	return l.day == uptally.DayOf(r.At) && len(l.results) < commitAt && l.size+resultSize+len(r.Detail) <= loadSize
}

// ripe says that there is nothing to wait for.
func (l *load) ripe(now time.Time) bool {
	return len(l.results) >= commitAt || l.size+resultSize+uptally.MaxDetail > loadSize || now.Sub(l.first) >= commitAfter
}

func newCommitter(o Options) *committer {
	return &committer{
		site: uptally.IDOf(o.Site), agent: o.Agent, epoch: o.Epoch, append: o.Append, spool: o.Spool, clock: o.Clock, limit: o.Waiting,
		log:  o.Log.With("site", o.Site),
		wake: make(chan struct{}, 1), closing: make(chan struct{}), done: make(chan struct{}),
	}
}

// add takes one result. Beyond half of the limit the text of failures is left out; at the limit only the slot is kept.
func (c *committer) add(r uptally.Result) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.held >= c.limit {
		if !c.filled {
			c.filled = true
			c.log.Error("no room for results", "waiting", c.held, "err", c.err)
		}
		c.full.add(r)
		return
	}
	c.filled = false
	if c.held >= c.limit/2 && r.Outcome() == uptally.Down {
		r.Detail = ""
	}
	i := slices.IndexFunc(c.loads, func(l *load) bool { return l.takes(r) })
	if i < 0 {
		i = len(c.loads)
		c.loads = append(c.loads, &load{day: uptally.DayOf(r.At), first: time.Now()})
	}
	l := c.loads[i]
	l.results = append(l.results, r)
	l.size += resultSize + len(r.Detail)
	c.held++
	if len(l.results) == 1 || len(l.results) == commitAt {
		c.poke()
	}
}

func (c *committer) poke() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// run appends until closing and everything is acknowledged, or until ctx is cancelled.
func (c *committer) run(ctx context.Context) {
	defer close(c.done)
	for closing := false; ctx.Err() == nil; {
		l, wait := c.take(closing)
		if l != nil {
			c.commit(ctx, l)
			continue
		}
		if closing {
			return
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-c.wake:
		case <-c.closing:
			closing = true
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// take returns a load that is to be appended now, or how long to wait for one.
func (c *committer) take(closing bool) (*load, time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now, wait := time.Now(), time.Hour
	for i, l := range c.loads {
		if closing || l.ripe(now) {
			c.loads = slices.Delete(c.loads, i, i+1)
			return l, 0
		}
		wait = min(wait, commitAfter-now.Sub(l.first))
	}
	if rs := c.full.take(commitAt, c.site); len(rs) > 0 {
		c.held += len(rs)
		return &load{day: uptally.DayOf(rs[0].At), results: rs}, 0
	}
	return nil, wait
}

// commit offers a load under the next number until it is acknowledged.
func (c *committer) commit(ctx context.Context, l *load) {
	c.seq++
	slices.SortFunc(l.results, uptally.Result.Compare)
	full := time.Now() // when what found no room was last put into the reserve
	for retry := firstRetry; ; retry = min(2*retry, lastRetry) {
		err := c.store(ctx, l)
		c.told(len(l.results), err)
		if errors.Is(err, ledger.ErrSpoolFull) && (time.Since(full) >= reserveAfter || c.ending()) {
			full = time.Now()
			c.reserve(ctx)
		}
		if err == nil || !c.pause(ctx, retry) {
			return
		}
	}
}

// store appends a load. The same bytes come again after an error, but for their number and the clock's
// offset where a spool gives the number.
func (c *committer) store(ctx context.Context, l *load) error {
	if c.spool == nil {
		return c.append(ctx, c.frame(ledger.Number{Epoch: c.epoch, Seq: c.seq}, l))
	}
	if c.paused.Swap(false) {
		c.spool.BeginEpoch()
	}
	_, err := c.spool.Append(ctx, func(n ledger.Number) []byte { return c.frame(n, l) })
	return err
}

func (c *committer) frame(n ledger.Number, l *load) []byte {
	b := uptally.Batch{Agent: c.agent, Epoch: n.Epoch, Seq: n.Seq, Site: c.site, Day: l.day, Results: l.results}
	if c.spool != nil && c.clock != nil {
		b.ClockOffset, b.ClockBound = c.clock()
	}
	data, err := b.AppendBinary(nil)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return data
}

// reserve puts the slots that found no room into the spool's reserve. Those of ten minutes take as much of it as those of one
// would, and a byte each; what is not there when the process dies is unknown all the same, but without its reason.
func (c *committer) reserve(ctx context.Context) {
	for {
		c.mu.Lock()
		rs := c.full.take(reserveAt, c.site)
		c.mu.Unlock()
		if len(rs) == 0 {
			return
		}
		slices.SortFunc(rs, uptally.Result.Compare)
		l := &load{day: uptally.DayOf(rs[0].At), results: rs}
		_, err := c.spool.AppendReserve(ctx, func(n ledger.Number) []byte { return c.frame(n, l) })
		c.mu.Lock()
		if err != nil {
			for _, r := range rs {
				c.full.add(r)
			}
			c.mu.Unlock()
			return
		}
		c.batches++
		c.last = time.Now()
		c.mu.Unlock()
	}
}

// ending says that no more results come.
func (c *committer) ending() bool {
	select {
	case <-c.closing:
		return true
	default:
		return false
	}
}

// told notes the answer of Append for n results.
func (c *committer) told(n int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if (err == nil) != (c.err == nil) {
		c.log.Warn("append", "waiting", c.held, "err", err)
	}
	if c.err = err; err != nil {
		c.failed++
		return
	}
	c.held -= n
	c.batches++
	c.last = time.Now()
}

// pause waits before a retry, at the end of the agent not longer than a moment; false means that there is none.
func (c *committer) pause(ctx context.Context, retry time.Duration) bool {
	closing := c.closing
	if c.ending() {
		closing, retry = nil, firstRetry/4
	}
	timer := time.NewTimer(retry)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-closing:
	case <-ctx.Done():
		return false
	}
	return true
}

// left returns how many results are not acknowledged, and why.
func (c *committer) left() (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		return c.held + c.full.n, errors.New("the append did not return in time")
	}
	return c.held + c.full.n, c.err
}
