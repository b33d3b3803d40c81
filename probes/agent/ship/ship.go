package ship

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/uptally/uptally/ledger"
	"github.com/uptally/uptally/ledger/delivery"
)

const (
	// lastTry is how long a shipper that is stopped goes on sending what waits.
	lastTry = 5 * time.Second
	// look is how often the spool's own state is looked at.
	look = time.Minute
)

// Identity shows the server who the agent is; *identity.Identity is one.
type Identity interface {
	http.RoundTripper
	// Server is the URL of the server without a slash at its end, Site the name of the agent's place, Agent its number.
	Server() string
	Site() string
	Agent() uint64
	// Renew exchanges what is shown. RenewAt is when it is due.
	Renew(ctx context.Context, now time.Time) error
	RenewAt() time.Time
}

// Options are what New takes. Open and Identity must be given.
type Options struct {
	// Open opens the spool. Run calls it once and closes what it returned; it may take its time.
	Open     func() (*ledger.Spool, error)
	Identity Identity
	// Version is that of the program.
	Version string
	// Now is the agent's wall clock, time.Now by default; Random returns 0 ≤ x < n; both are called from many goroutines.
	Now    func() time.Time
	Random func(n int64) int64
	// Plans, if not nil, returns the version of the plans that the agent measures by.
	Plans func() string
	// OnReply, if not nil, sees each reply after it was acted upon. It must not block.
	OnReply func(delivery.Reply)
	// Log takes one line a change of state; nil is silence.
	Log *slog.Logger
}

// Shipper sends what the spool holds. Make it with New, run it once. Its other methods are safe for concurrent use.
type Shipper struct {
	o       Options
	client  *http.Client
	framing *delivery.Framing
	start   time.Time

	opened  chan struct{} // closed when spool is there, or openErr
	spool   *ledger.Spool
	openErr error

	turns chan func()   // what is to be done on the loop
	wake  chan struct{} // appended has something
	renew chan struct{} // the identity is to be renewed now

	// The loop's own: the sender, how many requests are in flight, what it last saw of the spool's damage.
	sender          *delivery.Sender
	flying          int
	aside, replaced int
	looked          delivery.State

	acts sync.WaitGroup // what runs beside the loop

	mu       sync.Mutex // guards all below
	appended []delivery.Spooled
	clock    clock
	stats    Stats
	trouble  string // the failure that was logged last, empty while all is well
}

// New returns a shipper that has not begun.
func New(o Options) *Shipper {
	if o.Open == nil || o.Identity == nil {
		panic("BUG: a shipper without Open or Identity")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Random == nil {
		o.Random = rand.Int64N
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Shipper{
		o: o, framing: delivery.NewFraming(), start: o.Now(),
		client: &http.Client{Transport: o.Identity, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
		opened: make(chan struct{}), turns: make(chan func()), wake: make(chan struct{}, 1), renew: make(chan struct{}, 1),
		stats: Stats{Opening: true},
	}
}

// Run opens the spool, sends until ctx is cancelled, then tries for five seconds more to send what waits, and closes the spool: stop the
// agent that appends to it first. The error is that of opening or closing the spool; no answer of a server is any.
func (s *Shipper) Run(ctx context.Context) error {
	spool, err := s.o.Open()
	s.spool, s.openErr = spool, err
	s.tell(func(st *Stats) { st.Opening = false })
	close(s.opened)
	if err != nil {
		return fmt.Errorf("ship: %w", err)
	}
	sending, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.acts.Go(func() { s.keepRenewed(sending) })
	s.runLoop(ctx, sending)
	stop()
	s.drain()
	if err := spool.Close(); err != nil {
		return fmt.Errorf("ship: %w", err)
	}
	return nil
}

// drain waits until nothing of the shipper runs; what wants a turn gets none any more.
func (s *Shipper) drain() {
	done := make(chan struct{})
	go func() {
		s.acts.Wait()
		close(done)
	}()
	for {
		select {
		case <-s.turns:
		case <-done:
			return
		}
	}
}

// runLoop is the one goroutine that has the sender.
func (s *Shipper) runLoop(ctx, sending context.Context) {
	s.sender = delivery.NewSender(s.count(), s.spool.Incarnation(), s.o.Random)
	s.step(sending, delivery.Pending(s.known(s.spool.Pending(ledger.Number{}, everything))...))
	s.lookAtSpool()
	looks := time.NewTicker(look)
	defer looks.Stop()
	var bound <-chan time.Time
	done := ctx.Done()
	for done != nil || !s.idle() {
		timer := time.NewTimer(s.wait())
		select {
		case <-timer.C:
			s.step(sending, delivery.Tick())
		case <-s.wake:
			s.step(sending, delivery.Pending(s.takeAppended()...))
		case do := <-s.turns:
			do()
		case <-looks.C:
			s.lookAtSpool()
		case <-done:
			done, bound = nil, time.After(lastTry)
			s.step(sending, delivery.Pending(s.takeAppended()...))
		case <-bound:
			return
		}
		timer.Stop()
	}
}

// everything is a limit that is none.
const everything = 1 << 40

// idle says that there is nothing to do now, or that it would not help.
func (s *Shipper) idle() bool {
	n, _ := s.sender.Waiting()
	return s.flying == 0 && (n == 0 || s.sender.Next() > s.count())
}

// wait is how long the sender wants nothing.
func (s *Shipper) wait() time.Duration {
	next := s.sender.Next()
	if next == delivery.Never {
		return time.Hour
	}
	return time.Duration(max(0, next-s.count())) * time.Millisecond
}

// count is the sender's time in milliseconds: the wall clock at the start and what has passed since, whatever became of the wall clock.
func (s *Shipper) count() int64 { return s.countOf(s.o.Now()) }

func (s *Shipper) countOf(t time.Time) int64 {
	return s.start.UnixMilli() + t.Sub(s.start).Milliseconds()
}

// known translates what the spool says into the sender's words and time.
func (s *Shipper) known(bs []ledger.Spooled) []delivery.Spooled {
	now := s.o.Now()
	count := s.countOf(now)
	ahead := count - now.UnixMilli()
	all := make([]delivery.Spooled, len(bs))
	for i, b := range bs {
		all[i] = delivery.Spooled{Number: delivery.Number(b.Number), Bytes: b.Bytes, At: min(b.At+ahead, count)}
	}
	return all
}

// turn has something done on the loop.
func (s *Shipper) turn(do func()) { s.turns <- do }

// step tells the sender and does what it says.
func (s *Shipper) step(ctx context.Context, ev delivery.Event) {
	for _, act := range s.sender.Step(s.count(), ev, nil) {
		s.do(ctx, act)
	}
}
