package plans

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/uptally/uptally/ledger/delivery"
)

// FollowerOptions are what a Follower needs.
type FollowerOptions struct {
	// Transport shows the agent's identity to the server, whose URL has no slash at its end.
	Transport http.RoundTripper
	Server    string
	// Version is what the agent has.
	Version string
	// Take puts a set in force. A set with an error is asked for again after five minutes: it may have been the disk that refused it.
	Take func(data []byte) error
	Log  *slog.Logger
}

// Follower fetches the plans that the server has. Make it with NewFollower and run it once.
type Follower struct {
	o      FollowerOptions
	wanted chan string // the version of the newest reply; the last one counts

	mu    sync.Mutex
	stats FollowerStats
}

// FollowerStats are what became of the plans.
type FollowerStats struct {
	// Taken are the sets put in force since the start, Refused those that could not be.
	Taken, Refused uint64
	// Behind says that the server has other plans than the agent measures by, Why in words what is wrong with them where that is known.
	Behind bool
	Why    string
}

// NewFollower returns a follower that has not begun.
func NewFollower(o FollowerOptions) *Follower {
	return &Follower{o: o, wanted: make(chan string, 1)}
}

// Told takes the version that a reply names. It does not block.
func (f *Follower) Told(version string) {
	for version != "" {
		select {
		case f.wanted <- version:
			return
		default:
		}
		select { // what waits is older
		case <-f.wanted:
		default:
		}
	}
}

// Stats returns the numbers of now.
func (f *Follower) Stats() FollowerStats {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.stats
}

const (
	fetchTime = time.Minute
	// fetchAgain is the least time between two requests that failed.
	fetchAgain = 5 * time.Second
	// takeAgain is the least time between two tries of a set that could not be put in force.
	takeAgain = 5 * time.Minute
)

// Run fetches until ctx ends.
func (f *Follower) Run(ctx context.Context) {
	refused, until := "", time.Time{}
	for {
		var want string
		select {
		case want = <-f.wanted:
		case <-ctx.Done():
			return
		}
		if want == f.o.Version {
			f.caughtUp() // the server may have gone back to it
			continue
		}
		if want == refused && time.Now().Before(until) {
			continue
		}
		data, err := f.fetch(ctx)
		if err != nil {
			f.note(false, err)
			if !sleep(ctx, fetchAgain) {
				return
			}
			continue
		}
		got := delivery.PlansVersion(data)
		if err := f.o.Take(data); err != nil {
			refused, until = got, time.Now().Add(takeAgain)
			f.note(true, err)
			continue
		}
		f.o.Version = got
		f.note(false, nil)
	}
}

func (f *Follower) caughtUp() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stats.Behind, f.stats.Why = false, ""
}

// note keeps and logs how a try ended.
func (f *Follower) note(refused bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case err == nil:
		f.stats.Taken++
		f.stats.Behind, f.stats.Why = false, ""
		return
	case refused:
		f.stats.Refused++
	}
	if f.stats.Why != err.Error() {
		f.o.Log.Error("new plans not in force: those before go on", "err", err)
	}
	f.stats.Behind, f.stats.Why = true, err.Error()
}

func (f *Follower) fetch(ctx context.Context) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTime)
	defer cancel()
	rq, err := http.NewRequestWithContext(ctx, http.MethodGet, f.o.Server+"/agent/plans", nil)
	if err != nil {
		return nil, fmt.Errorf("fetch plans: %w", err)
	}
	c := http.Client{Transport: f.o.Transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	r, err := c.Do(rq)
	if err != nil {
		return nil, fmt.Errorf("fetch plans: %w", err)
	}
	defer r.Body.Close()
	data, err := io.ReadAll(io.LimitReader(r.Body, delivery.MaxPlans+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("fetch plans: %w", err)
	case r.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("fetch plans: got %s", r.Status)
	case len(data) > delivery.MaxPlans:
		return nil, fmt.Errorf("fetch plans: got more than %d bytes", delivery.MaxPlans)
	}
	return data, nil
}

// sleep returns false where ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
