package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"time"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/ledger"
)

const (
	// joinFor and joinResults bound what is joined into one transaction: an fsync for each small batch is the cost to avoid.
	joinFor     = 20 * time.Millisecond
	joinResults = 5_000

	// MaxAhead is how far, in milliseconds, a result may lie ahead of the server's clock and still be counted at once.
	MaxAhead = 10 * 60 * 1000
)

// ErrClosed is returned by Accept after Close: nothing was stored, the agent keeps the batch and sends it again.
var ErrClosed = errors.New("intake is closed")

// Appender is the one thing that Intake does to a ledger; ledger.Store has it.
type Appender interface {
	Append(ctx context.Context, in []ledger.Incoming) (dup []bool, err error)
}

// Options are what an Intake needs.
type Options struct {
	Store Appender
	// Known reports whether a check was ever planned at a site. Batches of others are held. It asks the ledger's plans rather
	// than today's configuration, so that the last results of a check that was removed still count. It is called from many
	// goroutines.
	Known func(check, site uptally.ID) bool
	// Now is the server's clock in milliseconds UTC.
	Now func() int64
	// Stored, if not nil, is called with each batch that is new and counted, once it is on stable storage. It delays the next ones.
	Stored func(*uptally.Batch)
	Log    *slog.Logger
}

// Receipt says what became of a batch that is now on stable storage.
type Receipt struct {
	// Dup says that the batch was there already.
	Dup bool
	// Held says in words why the batch is kept but not counted; empty where it counts.
	Held string
}

// Stats are counters since the start.
type Stats struct {
	// Batches and Results were accepted, duplicates and held ones included; Duplicates and Held are the batches among them.
	Batches, Results, Duplicates, Held uint64
	// Refused are batches whose bytes could not be read. Failed are batches that the ledger could not store.
	Refused, Failed uint64
	// Commits are the transactions that stored Batches, Took the time that these and failed ones took; the last one ended at LastAt, in
	// milliseconds UTC, 0 before the first.
	Commits uint64
	Took    time.Duration
	LastAt  int64
}

// Intake takes batches from many callers and joins them into the transactions of one writer.
//
//  1. Accept checks length, CRC and canonical form, and judges what can be counted now.
//  2. One goroutine joins what arrives within 20 ms, or 5,000 results, and appends it.
//  3. Accept returns after that commit: its return without error is the acknowledgement.
type Intake struct {
	o       Options
	queue   chan request
	fresh   chan request // is taken before queue
	closing chan struct{}
	done    chan struct{}

	lastHeld string // the writer's own

	mu    sync.Mutex
	stats Stats
}

// request is a batch on its way to the writer; reply has room for one answer, so the writer never waits for its caller.
type request struct {
	in    ledger.Incoming
	reply chan answer
}

type answer struct {
	dup bool
	err error
}

// New starts an intake; Close ends it.
func New(o Options) *Intake {
	in := &Intake{o: o, queue: make(chan request), fresh: make(chan request), closing: make(chan struct{}), done: make(chan struct{})}
	go in.write()
	return in
}

// Accept stores the canonical bytes of one batch. It returns after the transaction is on stable storage, or an error after
// which the agent sends the same bytes again; when ctx ended first the batch may have been stored, and will then be
// a duplicate. data must not be changed before the return; after an end of ctx, never.
// The error wraps uptally.ErrDamaged when the bytes are not what the agent wrote.
func (in *Intake) Accept(ctx context.Context, data []byte) (Receipt, error) {
	b, err := uptally.DecodeBatch(data)
	if err != nil {
		in.refuse()
		return Receipt{}, fmt.Errorf("accept batch: %w", err)
	}
	return in.accept(ctx, b, data)
}

func (in *Intake) refuse() { in.count(func(s *Stats) { s.Refused++ }) }

// accept is Accept of bytes that were decoded.
func (in *Intake) accept(ctx context.Context, b uptally.Batch, data []byte) (Receipt, error) {
	r := request{in: ledger.Incoming{Batch: b, Data: data, Held: in.judge(b)}, reply: make(chan answer, 1)}
	queue := in.queue
	if in.isFresh(b) {
		queue = in.fresh
	}
	select {
	case queue <- r:
	case <-in.closing:
		return Receipt{}, fmt.Errorf("accept batch: %w", ErrClosed)
	case <-ctx.Done():
		return Receipt{}, fmt.Errorf("accept batch: %w", ctx.Err())
	}
	select {
	case a := <-r.reply:
		if a.err != nil {
			return Receipt{}, fmt.Errorf("accept batch: %w", a.err)
		}
		return Receipt{Dup: a.dup, Held: r.in.Held}, nil
	case <-ctx.Done():
		return Receipt{}, fmt.Errorf("accept batch: %w", ctx.Err())
	}
}

// isFresh says that a batch is of the last minute: those go before what agents have to make up for, so that the state of now does not
// wait for the past.
func (in *Intake) isFresh(b uptally.Batch) bool {
	newest := int64(math.MinInt64)
	for i := range b.Results {
		newest = max(newest, b.Results[i].SentAt())
	}
	return newest >= in.o.Now()-time.Minute.Milliseconds()
}

func (in *Intake) judge(b uptally.Batch) string { return Judge(b, in.o.Known, in.o.Now()) }

// Judge says in words why a batch cannot be counted at the instant now, in milliseconds UTC, or nothing where it counts. known is as in
// Options.
func Judge(b uptally.Batch, known func(check, site uptally.ID) bool, now int64) string {
	latest := now + MaxAhead
	for i, r := range b.Results {
		if (i == 0 || b.Results[i-1].Check != r.Check) && !known(r.Check, b.Site) {
			return fmt.Sprintf("check %v at site %v was never planned here", r.Check, b.Site)
		}
		if r.SentAt() > latest {
			return fmt.Sprintf("result of %s is more than 10m ahead of the server's clock", time.UnixMilli(r.SentAt()).UTC().Format("2006-01-02T15:04:05.000Z"))
		}
	}
	return ""
}

// write is the one writer.
func (in *Intake) write() {
	defer close(in.done)
	for {
		first, ok := in.take(nil)
		if !ok {
			return
		}
		in.commit(in.join(first))
	}
}

// take returns the next batch, a fresh one if there is any; false when there is none before until, or no more.
func (in *Intake) take(until <-chan time.Time) (r request, ok bool) {
	select {
	case r = <-in.fresh:
		return r, true
	default:
	}
	select {
	case r = <-in.fresh:
	case r = <-in.queue:
	case <-until:
		return r, false
	case <-in.closing:
		return r, false
	}
	return r, true
}

// join collects what arrives soon after the first.
func (in *Intake) join(first request) []request {
	group, results := []request{first}, len(first.in.Batch.Results)
	timer := time.NewTimer(joinFor)
	defer timer.Stop()
	for results < joinResults {
		r, ok := in.take(timer.C)
		if !ok {
			break
		}
		group = append(group, r)
		results += len(r.in.Batch.Results)
	}
	return group
}

// commit appends a group and answers each caller.
func (in *Intake) commit(group []request) {
	batches := make([]ledger.Incoming, len(group))
	for i, r := range group {
		batches[i] = r.in
	}
	begin := time.Now()
	dup, err := in.o.Store.Append(context.Background(), batches)
	in.count(func(s *Stats) {
		s.Took += time.Since(begin)
		if err != nil {
			s.Failed += uint64(len(group))
			return
		}
		s.Commits++
		s.LastAt = in.o.Now()
		for i, b := range batches {
			s.add(b, dup[i])
		}
	})
	for i, r := range group {
		a := answer{err: err}
		if err == nil {
			a.dup = dup[i]
			in.logHeld(r.in, a.dup)
			in.tell(&batches[i], a.dup)
		}
		r.reply <- a
	}
}

func (s *Stats) add(in ledger.Incoming, dup bool) {
	s.Batches++
	s.Results += uint64(len(in.Batch.Results))
	if dup {
		s.Duplicates++
	}
	if in.Held != "" {
		s.Held++
	}
}

// tell says that a batch counts.
func (in *Intake) tell(b *ledger.Incoming, dup bool) {
	if in.o.Stored != nil && b.Held == "" && !dup {
		in.o.Stored(&b.Batch)
	}
}

// logHeld writes one line a new reason, not one a batch: an agent of another server would fill the log.
func (in *Intake) logHeld(b ledger.Incoming, dup bool) {
	if b.Held == "" || dup || b.Held == in.lastHeld {
		return
	}
	in.lastHeld = b.Held
	in.o.Log.Warn("batch held", "agent", fmt.Sprintf("%016x", b.Batch.Agent), "site", b.Batch.Site.String(), "held", b.Held)
}

func (in *Intake) count(f func(*Stats)) {
	in.mu.Lock()
	defer in.mu.Unlock()
	f(&in.stats)
}

// Stats returns the counters.
func (in *Intake) Stats() Stats {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.stats
}

// Close takes no more, waits for the transaction under way and returns. The ledger stays open. It is called once.
func (in *Intake) Close() {
	close(in.closing)
	<-in.done
}
