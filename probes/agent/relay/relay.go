package relay

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/ledger/delivery"
	"github.com/uptally/uptally/probes/focus"
)

const (
	// mostWaiting is the most words that wait to be told; the oldest go first.
	mostWaiting = 4 * delivery.MaxWords
	// soon and late are the first and the longest pause after a failure, and banned that after one of the agent's own right.
	soon   = 250 * time.Millisecond
	late   = 5 * time.Second
	banned = time.Minute
)

// Listener takes what other sites say; *agent.Agent is one.
type Listener interface {
	Hear(check uptally.ID, site string, m focus.Message)
	HearSites(sites []string)
}

// Relay is the agent's end. Make it with New, run it once; its Tell is agent.Options.Tell.
type Relay struct {
	wire Wire
	log  *slog.Logger
	wake chan struct{}

	mu      sync.Mutex
	waiting []said
	stats   Stats
}

// said is a word and when it was said.
type said struct {
	delivery.Word
	at time.Time
}

// Stats are numbers since the start.
type Stats struct {
	// Told and Heard are words; Refused those that the server would not take, Dropped those that grew old or too many before it could
	// be told.
	Told, Heard, Refused, Dropped uint64
	// Failures are the requests that failed. Connected says that the last one that listens did not, and Sites who is heard.
	Failures  uint64
	Connected bool
	Sites     []string
}

// New returns a relay over a wire. log takes a line when the agent hears of others and when it no longer does.
func New(wire Wire, log *slog.Logger) *Relay {
	return &Relay{wire: wire, log: log, wake: make(chan struct{}, 1)}
}

// Stats returns the numbers of now.
func (r *Relay) Stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.stats
	s.Sites = slices.Clone(s.Sites)
	return s
}

// Tell sends what the focus of a check says, soon and from another goroutine. It never waits.
func (r *Relay) Tell(plan *uptally.Plan, m focus.Message) {
	w := delivery.Word{Check: delivery.ID(uptally.IDOf(plan.Check)), Kind: string(m.Kind), Sent: m.Sent, Success: m.Success}
	r.mu.Lock()
	if over := len(r.waiting) - mostWaiting + 1; over > 0 {
		r.waiting = slices.Delete(r.waiting, 0, max(over, mostWaiting/8))
		r.stats.Dropped += uint64(max(over, mostWaiting/8))
	}
	r.waiting = append(r.waiting, said{w, time.Now()})
	r.mu.Unlock()
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Run tells and listens until ctx ends. Then the listener hears nobody.
func (r *Relay) Run(ctx context.Context, l Listener) {
	var wg sync.WaitGroup
	wg.Go(func() { r.tell(ctx) })
	wg.Go(func() { r.listen(ctx, l) })
	wg.Wait()
	l.HearSites(nil)
}

// tell sends what waits, all that there is in one request.
func (r *Relay) tell(ctx context.Context) {
	var batch []said
	for failures := 0; ; {
		if batch = r.fill(batch); len(batch) == 0 {
			select {
			case <-r.wake:
				continue
			case <-ctx.Done():
				return
			}
		}
		told, err := r.wire.Tell(ctx, telling(batch))
		if err == nil {
			failures = 0
			r.count(func(s *Stats) {
				s.Told, s.Refused = s.Told+uint64(len(batch)-told.Refused), s.Refused+uint64(told.Refused)
			})
			batch = batch[:0]
			continue
		}
		failures++
		r.count(func(s *Stats) { s.Failures++ })
		if !pause(ctx, failures, err) {
			return
		}
	}
}

// fill drops of a batch what is no longer worth telling and fills it up with what waits.
func (r *Relay) fill(batch []said) []said {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := min(len(r.waiting), delivery.MaxWords-len(batch))
	all := append(batch, r.waiting[:n]...)
	r.waiting = slices.Delete(r.waiting, 0, n)
	fresh := slices.DeleteFunc(all, func(s said) bool { return time.Since(s.at) > delivery.WordLife })
	r.stats.Dropped += uint64(len(all) - len(fresh))
	return fresh
}

func telling(batch []said) (t delivery.Telling) {
	for _, s := range batch {
		t.Words = append(t.Words, s.Word)
	}
	return t
}

func (r *Relay) count(f func(*Stats)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f(&r.stats)
}

// listen asks on and on. While it gets no answer the agent hears nobody.
func (r *Relay) listen(ctx context.Context, l Listener) {
	sites := []string{}
	for failures := 0; ctx.Err() == nil; {
		asked := time.Now()
		h, err := r.wire.Hear(ctx, delivery.Hearing{Sites: sites})
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			h = delivery.Heard{}
		}
		same := slices.Equal(h.Sites, sites)
		if !same {
			sites = append([]string{}, h.Sites...)
			l.HearSites(sites)
			r.note(sites, err)
		}
		r.hear(l, h, err)
		// an answer that says nothing and came at once is as good as none
		if idle := len(h.Words) == 0 && same && time.Since(asked) < delivery.HearTime/2; err != nil || idle {
			failures++
			pause(ctx, failures, err)
			continue
		}
		failures = 0
	}
}

// note logs who is heard from now on.
func (r *Relay) note(sites []string, err error) {
	if err != nil {
		r.log.Warn("sites heard", "sites", sites, "err", err)
		return
	}
	r.log.Info("sites heard", "sites", sites)
}

// hear passes on what an answer says.
func (r *Relay) hear(l Listener, h delivery.Heard, err error) {
	r.count(func(s *Stats) {
		s.Connected, s.Sites = err == nil, h.Sites
		s.Heard += uint64(len(h.Words))
		if err != nil {
			s.Failures++
		}
	})
	for _, w := range h.Words {
		l.Hear(uptally.ID(w.Check), w.Site, focus.Message{Kind: focus.Kind(w.Kind), Sent: w.Sent, Success: w.Success})
	}
}

// pause waits after a failure, longer each time and never as long as others do; false says that ctx has ended.
func pause(ctx context.Context, failures int, err error) bool {
	most := min(soon<<min(failures-1, 10), late)
	var r refused
	if errors.As(err, &r) && (r.code == http.StatusUnauthorized || r.code == http.StatusForbidden || r.code == http.StatusNotFound) {
		most = banned
	}
	timer := time.NewTimer(most/2 + rand.N(most/2))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
