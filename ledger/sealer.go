package ledger

import (
	"context"
	"errors"
	"sync"
	"time"
)

// SealerOptions are what a Sealer needs.
type SealerOptions struct {
	Store Store
	// Server tells the servers of one ledger apart, so that they rarely do the same work at once; 0 is one that is alone. It
	// decides nothing: where two have the same the ledger is the same.
	Server uint64
	// Observe is told of each seal, and of each that failed, by the one goroutine that seals; nil is nobody.
	Observe func(SealReport)
}

// SealReport is what became of one site's day. Days without anything to seal are not reported.
type SealReport struct {
	SiteDay
	// Final is false for a seal of a day that is not over. Again says that the day had been sealed for good before.
	Final, Again bool
	// Results is how many were in the log when the day was listed: about what the seal folded.
	Results int
	Took    time.Duration
	// Late are the series that late results changed, by check.
	Late []Reseal
	// Err is why the day is not sealed: it wraps ErrStale where somebody else sealed it first. It is tried again.
	Err error
}

// SealerStats are counters since the start, and what waits.
type SealerStats struct {
	// Provisional, Final and Again are seals of days that are not over, that are, and that late results came to.
	Provisional, Final, Again uint64
	// Results were folded, about; Took is the time that all tries took; Late counts the series' days that late results changed.
	Results uint64
	Took    time.Duration
	Late    uint64
	// Stale were lost to another server; Failed are errors of the store, of listing too, and LastError the newest of them.
	Stale, Failed uint64
	LastError     error
	// Waiting site days are over and not sealed, Since when the first of them has waited, in milliseconds UTC: the end of the
	// day, or when late results were first seen. Since is 0 where none waits.
	Waiting int
	Since   int64
}

// Sealer seals the days of a ledger when they are over, and again when late results came to them. Any number of
// them may work on one ledger.
//
//  1. Ten minutes after midnight UTC each site's day is sealed for good.
//  2. Days that are not over are sealed where their log grows large, so that reading them stays cheap.
//  3. Late results wait for five minutes without another, thirty at most, or for Ask.
//  4. What the store cannot do now is tried again for ever, ever more rarely.
type Sealer struct {
	o     SealerOptions
	core  *sealCore
	asked chan struct{}
	stop  context.CancelFunc // ends the work after what is under way
	abort context.CancelFunc // ends what is under way too
	done  chan struct{}

	mu    sync.Mutex
	stats SealerStats
}

// NewSealer starts a sealer; Close ends it. The store is closed after it.
func NewSealer(o SealerOptions) *Sealer {
	s := &Sealer{o: o, core: newSealCore(o.Server, nowMillis()), asked: make(chan struct{}, 1), done: make(chan struct{})}
	work, abort := context.WithCancel(context.Background())
	ctx, stop := context.WithCancel(work)
	s.stop, s.abort = stop, abort
	go s.run(ctx, work)
	return s
}

// SealTurns is a Sealer without a goroutine and a clock of its own: simulations and tests say what time it is.
type SealTurns struct{ s *Sealer }

// NewSealTurns returns one that begins at an instant, in milliseconds UTC.
func NewSealTurns(o SealerOptions, now int64) *SealTurns {
	return &SealTurns{&Sealer{o: o, core: newSealCore(o.Server, now)}}
}

// Turn does all that is due at an instant and returns the one at which it wants to be called again.
func (t *SealTurns) Turn(ctx context.Context, now int64) (next int64) {
	for ev := (sealEvent{}); ; {
		switch act := t.s.core.Step(now, ev); act.what {
		case sealList:
			ev = t.s.list(ctx)
		case sealDay:
			ev = t.s.seal(ctx, act, now)
		default:
			return t.s.core.Next()
		}
	}
}

func nowMillis() int64 { return time.Now().UnixMilli() }

// Ask has everything that is over sealed at once, late results too, what has failed before included. It does not wait.
func (s *Sealer) Ask() {
	select {
	case s.asked <- struct{}{}:
	default: // somebody has asked already and was not heard yet
	}
}

// Close waits for the seal under way and ends. Where ctx ends first it gives the seal up, which changes nothing.
func (s *Sealer) Close(ctx context.Context) {
	defer s.abort()
	s.stop()
	select {
	case <-s.done:
	case <-ctx.Done():
		s.abort()
		<-s.done
	}
}

// Stats returns the counters.
func (s *Sealer) Stats() SealerStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats
}

// run does what the core says, one thing after the other, until ctx ends; work is the context of what is under way.
func (s *Sealer) run(ctx, work context.Context) {
	defer close(s.done)
	for ev := (sealEvent{}); ctx.Err() == nil; {
		act := s.core.Step(nowMillis(), ev)
		s.count(func(st *SealerStats) { st.waiting(s.core) })
		switch act.what {
		case sealList:
			ev = s.list(work)
		case sealDay:
			ev = s.seal(work, act, nowMillis())
		default:
			ev = s.wait(ctx)
		}
	}
}

// wait returns what ends it.
func (s *Sealer) wait(ctx context.Context) sealEvent {
	timer := time.NewTimer(time.Duration(s.core.Next()-nowMillis()) * time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.asked:
		return sealEvent{what: sealAsked}
	case <-ctx.Done():
	}
	return sealEvent{}
}

func (s *Sealer) list(ctx context.Context) sealEvent {
	open, err := s.o.Store.Open(ctx)
	if err != nil {
		s.failed(err)
		return sealEvent{what: sealFailed}
	}
	return sealEvent{what: sealListed, open: open}
}

// seal seals a day at an instant and reports it.
func (s *Sealer) seal(ctx context.Context, act sealAction, at int64) sealEvent {
	open := s.core.days[act.SiteDay].open
	r := SealReport{SiteDay: act.SiteDay, Final: act.final, Again: open.Final, Results: open.Results}
	begin := time.Now()
	done, err := SealDay(ctx, s.o.Store, act.SiteDay, at, act.final)
	if err == nil && done && open.Final {
		r.Late, err = s.late(ctx, act.SiteDay, at)
	}
	r.Took, r.Err = time.Since(begin), err
	s.count(func(st *SealerStats) { st.Took += r.Took })
	if ctx.Err() != nil {
		return sealEvent{what: sealFailed} // given up at the end
	}
	ev := s.judge(done, r)
	if s.o.Observe != nil && (done || err != nil) {
		s.o.Observe(r)
	}
	return ev
}

// late returns what the seal at an instant changed of a day that had been sealed for good.
func (s *Sealer) late(ctx context.Context, d SiteDay, at int64) ([]Reseal, error) {
	all, err := s.o.Store.Reseals(ctx, d.Day, d.Day+1)
	if err != nil {
		return nil, err
	}
	var late []Reseal
	for _, r := range all {
		if r.Site == d.Site && r.At == at {
			late = append(late, r)
		}
	}
	return late, nil
}

// judge counts what became of a seal and tells the core.
func (s *Sealer) judge(done bool, r SealReport) sealEvent {
	switch {
	case errors.Is(r.Err, ErrStale):
		s.count(func(st *SealerStats) { st.Stale++ })
		return sealEvent{what: sealStale}
	case r.Err != nil:
		s.failed(r.Err)
		return sealEvent{what: sealFailed}
	}
	if done {
		s.count(func(st *SealerStats) { st.add(r) })
	}
	return sealEvent{what: sealDone}
}

func (s *Sealer) failed(err error) {
	s.count(func(st *SealerStats) {
		st.Failed++
		st.LastError = err
	})
}

func (s *Sealer) count(f func(*SealerStats)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.stats)
}

func (st *SealerStats) add(r SealReport) {
	switch {
	case r.Again:
		st.Again++
	case r.Final:
		st.Final++
	default:
		st.Provisional++
	}
	st.Results += uint64(r.Results)
	st.Late += uint64(len(r.Late))
}

func (st *SealerStats) waiting(c *sealCore) {
	st.Waiting, st.Since = c.waiting()
	if st.Waiting == 0 {
		st.Since = 0
	}
}
