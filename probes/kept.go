package probes

import (
	"net/http"
	"sync"
	"time"

	"github.com/uptally/uptally"
)

// keepFor is how long a connection without a request is kept: less than what forgets it on the way.
const keepFor = 90 * time.Second

// keepAtMost is how long a connection is used at all: then the name, the address and the certificate are looked at again.
const keepAtMost = 10 * time.Minute

// keeper holds at most one channel for each probe between two of its runs.
type keeper struct {
	mu     sync.Mutex
	idle   map[*httpProbe]*idleChannel
	closed bool
}

type idleChannel struct {
	ch   *channel
	over *time.Timer
}

func newKeeper() *keeper { return &keeper{idle: map[*httpProbe]*idleChannel{}} }

// take returns the probe's channel, which is then the caller's; nil where none is kept, or one whose certificate a new
// handshake would refuse by now.
func (k *keeper) take(p *httpProbe) *channel {
	ch := k.release(p, nil)
	if ch != nil && !ch.expiry.IsZero() && !p.trust.lasts(ch.expiry) {
		ch.close()
		return nil
	}
	return ch
}

// release forgets the probe's channel, or only this one where it is given.
func (k *keeper) release(p *httpProbe, only *channel) *channel {
	k.mu.Lock()
	defer k.mu.Unlock()
	i := k.idle[p]
	if i == nil || only != nil && i.ch != only {
		return nil
	}
	i.over.Stop()
	delete(k.idle, p)
	return i.ch
}

// put keeps a channel. It is closed instead where it is old, the probe has one already, or the engine is closed.
func (k *keeper) put(p *httpProbe, ch *channel) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed || k.idle[p] != nil || time.Since(ch.born) > keepAtMost {
		ch.close()
		return
	}
	k.idle[p] = &idleChannel{ch: ch, over: time.AfterFunc(keepFor, func() { k.release(p, ch).close() })}
}

// Close closes what is kept, and everything that is brought later.
func (k *keeper) Close() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.closed = true
	for p, i := range k.idle {
		i.over.Stop()
		i.ch.close()
		delete(k.idle, p)
	}
	return nil
}

// lasts reports whether a certificate until an instant would still pass.
func (tr *trust) lasts(until time.Time) bool {
	left := time.Until(until)
	return left > max(tr.within, 0) || tr.within == 0 && tr.config.InsecureSkipVerify
}

// askAgain asks over the channel that was kept, if any. A server may close that one at any time without being down: where it
// did so before a word of its answer, the probe begins anew over a new connection, and that is all it is judged by.
func (h *httpProbe) askAgain(r *run, req *http.Request) (*exchange, *fault) {
	ch := h.keeper.take(h)
	if ch == nil {
		return h.ask(r, req, h.trust)
	}
	before := r.obs
	ch.resume(r)
	x := h.exchange(ch, req)
	f := x.roundTrip(r, req)
	if f == nil || x.heard || !leftAlone(f.reason) {
		return x, f
	}
	x.close()
	r.obs = before
	r.start()
	if req.GetBody != nil {
		req.Body, _ = req.GetBody() // of a text: never fails
	}
	return h.ask(r, req, h.trust)
}

// leftAlone tells the reasons of a connection that the other side had closed.
func leftAlone(reason uptally.Reason) bool {
	return reason == uptally.WriteFailed || reason == uptally.ConnectionClosed || reason == uptally.ConnectReset
}
