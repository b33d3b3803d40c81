package agent

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/ledger"
	"github.com/uptally/uptally/probes"
	"github.com/uptally/uptally/probes/focus"
	"github.com/uptally/uptally/probes/schedule"
)

// Spool keeps batches until a server has them; *ledger.Spool is one.
type Spool interface {
	// Append stores the batch that frame makes of the number it is given. Its calls never overlap with each other or with
	// AppendReserve's.
	Append(ctx context.Context, frame func(ledger.Number) []byte) (ledger.Spooled, error)
	// AppendReserve is Append for the slots that were missed because the error of Append is ledger.ErrSpoolFull.
	AppendReserve(ctx context.Context, frame func(ledger.Number) []byte) (ledger.Spooled, error)
	// BeginEpoch lets the next append begin another epoch. It is called before the first append after a pause, since a machine
	// that was suspended may have been copied, or set back to a snapshot, and would give numbers once more.
	BeginEpoch()
}

// Options are what New takes. Probe and Append, or Spool in its place, must be given.
type Options struct {
	// Site is the name of the site, Plans are what is measured there and elsewhere.
	Site  string
	Plans []uptally.Plan
	// Workers are the most probes at once of each kind; schedule.DefaultWorkers where a kind is absent. Size them for the
	// outage: probes a second times timeout.
	Workers map[string]int
	// Probe returns the probe of a check under a plan. It is called for each slot, by any goroutine. A panic of the probe
	// becomes void(resource), since the agent is at fault and not the target.
	Probe func(plan *uptally.Plan) func(context.Context) probes.Observation
	// References are asked beside a failure; without any no failure is the site's own. See docs/measuring.md, "Isolation".
	References []Reference
	// Depends says on which parts of the site's network a check hangs: the uplink, and for its names the site's resolver.
	// nil: on both. A check of this very machine hangs on none.
	Depends func(plan *uptally.Plan) (uplink, resolver bool)
	// Tell, if not nil, carries what the focus of a check says to its other sites. It runs on the agent's one loop and must not
	// block. nil: the site tells nobody. What the others say comes by Hear and HearSites.
	Tell func(plan *uptally.Plan, m focus.Message)
	// Append makes the canonical bytes of one batch durable; nil is the acknowledgement. Its calls never overlap. After an
	// error the same bytes come again, so a batch that was stored all the same is a duplicate by its number. It returns soon
	// once its context is cancelled.
	Append func(ctx context.Context, batch []byte) error
	// Spool, if not nil, stands in Append's place, gives the numbers and with them the epochs.
	Spool Spool
	// Clock, if not nil, returns the agent's clock − the server's and how far that may be wrong, in microseconds: they go into each
	// batch of a Spool. It must not block.
	Clock func() (offset, bound int64)
	// Agent and Epoch go into each batch: the identity of the agent, and 64 random bits of this start.
	Agent, Epoch uint64
	// Waiting is the most results kept in memory until they are acknowledged, 100,000 by default. What comes due when
	// it is full is missed(spool_full).
	Waiting int
	// Observe, if not nil, is called with each result at once, before it is durable, and also with those that no longer fit
	// in memory. It runs on the agent's one loop and must not block.
	Observe func(uptally.Result)
	// Log takes one line a change of state; nil is silence.
	Log *slog.Logger
}

// Agent measures at one site. Make it with New; run it once.
type Agent struct {
	opts      Options
	plans     []schedule.Slots
	clock     *clock
	core      *schedule.Core
	committer *committer
	isolation *isolation // nil without references; the loop's own
	counts    counts

	ended  chan ending
	heard  chan hearing
	others chan others   // what other sites say
	gone   chan struct{} // closed when the loop is over, for probes that outlive it

	mu      sync.Mutex
	changes []func() // on their way to the loop
	changed chan struct{}

	loop loop
}

// New checks the plans and returns an Agent that has not begun. The error names the first check whose plan cannot be
// scheduled, and every problem of that plan.
func New(o Options) (*Agent, error) {
	if o.Probe == nil || o.Append == nil && o.Spool == nil {
		panic("BUG: an agent without Probe, or without Append and Spool")
	}
	if o.Waiting <= 0 {
		o.Waiting = 100_000
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	plans, err := read(o.Plans, o.Site)
	if err != nil {
		return nil, err
	}
	return &Agent{
		opts: o, plans: plans, clock: newClock(), committer: newCommitter(o), isolation: newIsolation(o.References),
		ended: make(chan ending, 256), heard: make(chan hearing, 16), others: make(chan others, 256), gone: make(chan struct{}), changed: make(chan struct{}, 1),
	}, nil
}

func read(plans []uptally.Plan, site string) ([]schedule.Slots, error) {
	all := make([]schedule.Slots, len(plans))
	for i, p := range plans {
		var err error
		if all[i], err = schedule.NewSlots(p, site); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// appendBound is how long Run tries to append the last batches after the last probe has ended. An Append that does not return
// when it is then cancelled is left behind after a second.
const appendBound = 5 * time.Second

// Run measures until ctx is cancelled, then stops as the package says. That takes at most the longest timeout of a probe in
// flight, a tenth of it and at least 250 ms, one second for noticing, four for the references, and six for the last batches; usually no longer than the
// probes in flight. The error says how many results were not acknowledged; nil means none.
func (a *Agent) Run(ctx context.Context) error {
	appending, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	defer giveUp()
	go a.committer.run(appending)
	a.runLoop(ctx)
	close(a.gone)
	close(a.committer.closing)
	bound := time.NewTimer(appendBound)
	defer bound.Stop()
	select {
	case <-a.committer.done:
	case <-bound.C:
		giveUp()
		bound.Reset(time.Second)
		select {
		case <-a.committer.done:
		case <-bound.C:
		}
	}
	if n, err := a.committer.left(); n > 0 {
		return fmt.Errorf("append the last %d results: %w", n, err)
	}
	return nil
}
