package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/ledger/delivery"
	"github.com/uptally/uptally/probes/agent/identity"
)

// loadAgent delivers as an agent does, by the real sender over the real identity, what nobody measured: its batches are made when
// they are sent, so that its spool costs nothing. One goroutine runs it.
type loadAgent struct {
	id      *identity.Identity
	epoch   uint64
	site    uptally.ID
	checks  []uptally.ID // ascending
	framing *delivery.Framing
	client  *http.Client
	sender  *delivery.Sender
	turns   chan func()
	flying  sync.WaitGroup

	mu       sync.Mutex  // guards all below
	made     []loadBatch // by number, from 1 on
	instants map[int64]bool
	tally    loadTally
	settled  int // batches that were acknowledged since the start
	perBatch int
	every    time.Duration
	last     time.Time // of the newest live batch, when it was due
}

// loadBatch is what a batch is made of: checks from ≤ i < to, at an instant.
type loadBatch struct {
	at       int64
	from, to int
	live     bool
	done     bool // acknowledged
}

// loadTally is what became of an agent's batches since it was emptied last.
type loadTally struct {
	acknowledged, results, failures int
	bytes                           int             // sent
	took                            []time.Duration // from the append of a live batch to its acknowledgement
}

func newLoadAgent(id *identity.Identity, epoch uint64, checks []uptally.ID, framing *delivery.Framing) *loadAgent {
	slices.Sort(checks)
	return &loadAgent{
		id: id, epoch: epoch, site: uptally.IDOf(id.Site()), checks: checks, framing: framing,
		client: &http.Client{Transport: id, Timeout: time.Minute}, every: time.Second, instants: map[int64]bool{},
	}
}

// run delivers until ctx ends.
func (a *loadAgent) run(ctx context.Context, after time.Duration) {
	a.turns = make(chan func())
	a.sender = delivery.NewSender(time.Now().UnixMilli(), 0, func(n int64) int64 { return n / 2 })
	a.step(ctx, a.pending(0))
	a.begin(time.Now().Add(after))
	for ctx.Err() == nil {
		wake := a.next()
		if at := time.UnixMilli(a.sender.Next()); a.sender.Next() != delivery.Never && at.Before(wake) {
			wake = at
		}
		timer := time.NewTimer(time.Until(wake))
		select {
		case <-timer.C:
			a.appendDue(ctx)
			a.step(ctx, delivery.Tick())
		case do := <-a.turns:
			do()
		case <-ctx.Done():
		}
		timer.Stop()
	}
	go func() { a.flying.Wait(); close(a.turns) }()
	for range a.turns {
	}
}

// begin has the first live batch made at an instant.
func (a *loadAgent) begin(at time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.last = at.Add(-a.every)
}

// next is when the next live batch is due.
func (a *loadAgent) next() time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.last.Add(a.every)
}

// rate changes what comes from now on, the batch that is next included: so many results in each, a batch each so often.
func (a *loadAgent) rate(results int, every time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.perBatch, a.every = results, every
}

// hoard makes a backlog: a batch of each second before now. It is called before run.
func (a *loadAgent) hoard(batches int, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := range batches {
		a.put(now.Add(time.Duration(i-batches)*time.Second), false)
	}
}

// put makes a batch of the checks that are due next. a.mu is held.
func (a *loadAgent) put(at time.Time, live bool) {
	from := 0
	if n := len(a.made); n > 0 {
		from = a.made[n-1].to % len(a.checks)
	}
	a.made = append(a.made, loadBatch{at: a.instant(at.UnixMilli()), from: from, to: min(from+a.perBatch, len(a.checks)), live: live})
}

// instant returns the next one that no batch has; what is due in the second before it is of the same day. No two results have one slot.
func (a *loadAgent) instant(at int64) int64 {
	at = max(at, int64(uptally.DayOf(at))*uptally.DayMillis+999)
	for a.instants[at] {
		at++
	}
	a.instants[at] = true
	return at
}

// perCheck counts the results that were made, in the order of checks.
func (a *loadAgent) perCheck() []int {
	counts := make([]int, len(a.checks))
	for _, m := range a.made {
		for k := m.from; k < m.to; k++ {
			counts[k]++
		}
	}
	return counts
}

// appendDue makes the next live batch where it is due.
func (a *loadAgent) appendDue(ctx context.Context) {
	a.mu.Lock()
	due := !time.Now().Before(a.last.Add(a.every))
	if due {
		a.put(time.Now(), true)
		a.last = a.last.Add(a.every)
	}
	a.mu.Unlock()
	if due {
		a.step(ctx, a.pending(len(a.made)-1))
	}
}

// pending are the batches from a place on.
func (a *loadAgent) pending(from int) delivery.Event {
	var all []delivery.Spooled
	for i := from; i < len(a.made); i++ {
		if a.made[i].done {
			continue
		}
		n := delivery.Number{Epoch: a.epoch, Seq: uint64(i + 1)}
		all = append(all, delivery.Spooled{Number: n, Bytes: 60 + 26*(a.made[i].to-a.made[i].from), At: a.made[i].at})
	}
	return delivery.Pending(all...)
}

func (a *loadAgent) step(ctx context.Context, ev delivery.Event) {
	for _, act := range a.sender.Step(time.Now().UnixMilli(), ev, nil) {
		switch act.Deed {
		case delivery.SayHello:
			held := []delivery.Held{{Epoch: delivery.ID(a.epoch), First: min(1, uint64(len(a.made))), Last: uint64(len(a.made))}}
			h := delivery.Hello{Version: "load", Site: a.id.Site(), Incarnation: delivery.ID(a.sender.Incarnation()), Epochs: held}
			body, err := json.Marshal(h)
			a.request(ctx, act.Lane, "/agent/hello", func() ([]byte, error) { return body, err })
		case delivery.Send:
			h := delivery.Header{Incarnation: delivery.ID(a.sender.Incarnation()), Epoch: delivery.ID(a.epoch)}
			for _, n := range a.sender.Acknowledged() {
				h.Acknowledged = append(h.Acknowledged, delivery.Numbered{Epoch: delivery.ID(n.Epoch), Seq: n.Seq})
			}
			a.request(ctx, act.Lane, "/agent/batches", func() ([]byte, error) { return a.frame(h, act.Numbers) })
		case delivery.Mark:
			a.mark(act.Numbers)
		}
	}
}

// request posts what body makes, beside the loop.
func (a *loadAgent) request(ctx context.Context, lane delivery.Lane, path string, body func() ([]byte, error)) {
	a.flying.Go(func() {
		reply, err := a.post(ctx, path, body)
		a.turns <- func() {
			if err == nil {
				a.step(ctx, delivery.Answered(lane, reply))
				return
			}
			a.failed(ctx)
			a.step(ctx, delivery.Failed(lane, delivery.Unreachable, 0))
		}
	})
}

func (a *loadAgent) failed(ctx context.Context) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if ctx.Err() == nil {
		a.tally.failures++
	}
}

func (a *loadAgent) post(ctx context.Context, path string, body func() ([]byte, error)) (reply delivery.Reply, err error) {
	data, err := body()
	if err != nil {
		return reply, err
	}
	a.mu.Lock()
	a.tally.bytes += len(data)
	a.mu.Unlock()
	rq, err := http.NewRequestWithContext(ctx, http.MethodPost, a.id.Server()+path, bytes.NewReader(data))
	if err != nil {
		return reply, err
	}
	r, err := a.client.Do(rq)
	if err != nil {
		return reply, err
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err == nil && r.StatusCode != http.StatusOK {
		err = fmt.Errorf("got %s: %s", r.Status, text)
	}
	if err == nil {
		err = json.Unmarshal(text, &reply)
	}
	return reply, err
}

// frame makes a request.
func (a *loadAgent) frame(h delivery.Header, numbers []delivery.Number) ([]byte, error) {
	batches := make([][]byte, len(numbers))
	var results []uptally.Result
	for i, n := range numbers {
		a.mu.Lock()
		m := a.made[n.Seq-1]
		a.mu.Unlock()
		b := uptally.Batch{Agent: a.id.Agent(), Epoch: a.epoch, Seq: n.Seq, Site: a.site, Day: uptally.DayOf(m.at), Results: results[:0]}
		for k := m.from; k < m.to; k++ {
			at := m.at - int64(k%1_000) // a second's slots lie all over it
			noise := (uint64(k+1)*2654435761 ^ n.Seq*40503) % 4_096
			b.Results = append(b.Results, uptally.Result{Slot: uptally.Slot{Check: a.checks[k], Site: a.site, At: at}, RTT: 20_000 + int64(noise)})
		}
		data, err := b.AppendBinary(nil)
		if err != nil {
			return nil, err
		}
		batches[i], results = data, b.Results
	}
	return a.framing.Append(nil, h, batches)
}

func (a *loadAgent) mark(numbers []delivery.Number) {
	now := time.Now().UnixMilli()
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, n := range numbers {
		m := &a.made[n.Seq-1]
		if m.done {
			continue
		}
		m.done = true
		a.settled++
		a.tally.acknowledged++
		a.tally.results += m.to - m.from
		if m.live {
			d := time.Duration(now-m.at) * time.Millisecond
			a.tally.took = append(a.tally.took, d)
		}
	}
}

// take returns the tally since the last call.
func (a *loadAgent) take() loadTally {
	a.mu.Lock()
	defer a.mu.Unlock()
	t := a.tally
	a.tally = loadTally{}
	return t
}
