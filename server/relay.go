package server

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/ledger/delivery"
	"github.com/uptally/uptally/probes/focus"
)

const (
	// boxWords is the most words of one site that wait for one listener; the oldest go first.
	boxWords = 4096
	// voiceWords is the most words that one agent may say in a second: two thousand checks that fail at once say four each.
	voiceWords = 8192
	// lapse is how long a listener that has an answer in its hands may take to ask again and still be heard.
	lapse = 5 * time.Second
	// lookAgain is how soon a listener learns that another one came or went.
	lookAgain = time.Second
)

// Relay passes on what a site says of its probes to those other sites of the same check that listen. Nothing is stored: what nobody
// fetches is forgotten. Nobody waits for anybody: each listener has a box for each site, which drops its oldest words.
//
// It belongs to one process. Agents that speak to different servers do not hear each other, and are told so.
type Relay struct {
	sharing func() *Sharing
	closed  chan struct{}
	closing sync.Once

	mu    sync.Mutex
	ears  map[string]map[uint64]*ear // by site and agent
	voice map[uint64]*voice
	stats RelayStats
}

// RelayStats are counters since the start, and the Listeners of now.
type RelayStats struct {
	// Told are the words taken, Passed those fetched, by each listener once. Refused were of other sites' checks, or of no known
	// kind, or too many; Dropped did not fit into a box.
	Told, Passed, Refused, Dropped uint64
	Listeners                      int
}

// ear is an agent that listens.
type ear struct {
	site  string
	boxes map[string][]delivery.Word // by the site that says it
	wake  chan struct{}
	turn  uint64 // of the newest request; an older one is over
	open  bool   // it waits at the server
	left  time.Time
}

// voice counts what an agent said in the current second.
type voice struct {
	second int64
	words  int
}

// NewRelay returns a relay between the sites that share checks. sharing is called for each request.
func NewRelay(sharing func() *Sharing) *Relay {
	return &Relay{sharing: sharing, closed: make(chan struct{}), ears: map[string]map[uint64]*ear{}, voice: map[uint64]*voice{}}
}

// Close lets those that wait go, now and from now on.
func (r *Relay) Close() { r.closing.Do(func() { close(r.closed) }) }

// Stats returns the counters.
func (r *Relay) Stats() RelayStats {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.stats
	for _, ears := range r.ears {
		for _, e := range ears {
			if e.heard(time.Now()) {
				s.Listeners++
			}
		}
	}
	return s
}

// Tell passes on what an agent says for its site, and returns how many words were refused. It never waits.
func (r *Relay) Tell(agent uint64, site string, words []delivery.Word) (refused int) {
	sharing, now := r.sharing(), time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, w := range words {
		sites := sharing.sites[uptally.ID(w.Check)]
		if !slices.Contains(sites, site) || !knownKind(w.Kind) || !r.mayTell(agent, now) {
			refused++
			continue
		}
		w.Site = site
		r.pass(w, sites, now)
	}
	r.stats.Told += uint64(len(words) - refused)
	r.stats.Refused += uint64(refused)
	return refused
}

func knownKind(kind string) bool {
	switch focus.Kind(kind) {
	case focus.Outstanding, focus.Suspected, focus.Succeeded, focus.Failed, focus.Voided:
		return true
	}
	return false
}

func (r *Relay) mayTell(agent uint64, now time.Time) bool {
	v := r.voice[agent]
	if v == nil {
		v = &voice{}
		r.voice[agent] = v
	}
	if second := now.Unix(); second != v.second {
		*v = voice{second: second}
	}
	v.words++
	return v.words <= voiceWords
}

// pass puts a word into the box of everyone who may hear it.
func (r *Relay) pass(w delivery.Word, sites []string, now time.Time) {
	for _, site := range sites {
		if site == w.Site {
			continue
		}
		for agent, e := range r.ears[site] {
			if !e.heard(now) {
				delete(r.ears[site], agent)
				continue
			}
			r.stats.Dropped += e.put(w)
			e.rouse()
		}
	}
}

// put returns how many words it dropped: of a full box an eighth at once, since each time moves all that is left.
func (e *ear) put(w delivery.Word) (dropped uint64) {
	box := e.boxes[w.Site]
	if len(box) == boxWords {
		box, dropped = slices.Delete(box, 0, boxWords/8), boxWords/8
	}
	e.boxes[w.Site] = append(box, w)
	return dropped
}

// rouse lets who waits look.
func (e *ear) rouse() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// take empties the boxes as far as one answer goes, each site its share.
func (e *ear) take() (words []delivery.Word) {
	for left := len(e.boxes); left > 0; left = len(e.boxes) {
		share := max(1, (delivery.MaxWords-len(words))/left)
		for site, box := range e.boxes {
			n := min(share, len(box), delivery.MaxWords-len(words))
			words = append(words, box[:n]...)
			if e.boxes[site] = box[n:]; len(box) == n {
				delete(e.boxes, site)
			}
		}
		if len(words) == delivery.MaxWords {
			break
		}
	}
	return words
}

// heard reports whether what is said now would be fetched soon.
func (e *ear) heard(now time.Time) bool { return e.open || now.Sub(e.left) <= lapse }

// errElsewhere ends a call whose place a newer one took.
var errElsewhere = refusal{http.StatusConflict, "a newer request of this agent listens"}

// Hear waits until there are words for an agent of a site, or others can be heard than known, at most for delivery.HearTime. A newer
// call for the same agent ends it with an error.
func (r *Relay) Hear(ctx context.Context, agent uint64, site string, known []string) (delivery.Heard, error) {
	e, turn := r.listen(agent, site)
	defer r.leave(e, turn)
	end, beat := time.NewTimer(delivery.HearTime), time.NewTicker(lookAgain)
	defer end.Stop()
	defer beat.Stop()
	for {
		h, ours := r.look(e, turn)
		switch {
		case !ours:
			return h, errElsewhere
		case len(h.Words) > 0 || !slices.Equal(h.Sites, known):
			return h, nil
		}
		select {
		case <-e.wake:
		case <-beat.C:
		case <-end.C:
			return h, nil
		case <-r.closed:
			return h, nil
		case <-ctx.Done():
			return h, nil
		}
	}
}

// listen makes a call the one that hears for its agent.
func (r *Relay) listen(agent uint64, site string) (*ear, uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ears[site] == nil {
		r.ears[site] = map[uint64]*ear{}
	}
	e := r.ears[site][agent]
	if e == nil || !e.heard(time.Now()) {
		e = &ear{boxes: map[string][]delivery.Word{}, wake: make(chan struct{}, 1)}
		r.ears[site][agent] = e
	}
	e.turn++
	e.site, e.open = site, true
	e.rouse() // an older call is over
	return e, e.turn
}

func (r *Relay) leave(e *ear, turn uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e.turn == turn {
		e.open, e.left = false, time.Now()
	}
}

// look is what there is to say now, to the newest call alone.
func (r *Relay) look(e *ear, turn uint64) (h delivery.Heard, ours bool) {
	sharing, now := r.sharing(), time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	h.Sites = []string{}
	if e.turn != turn {
		e.rouse() // what woke this one was the newer one's
		return h, false
	}
	for _, site := range sharing.with[e.site] {
		for _, other := range r.ears[site] {
			if other.heard(now) {
				h.Sites = append(h.Sites, site)
				break
			}
		}
	}
	h.Words = e.take()
	r.stats.Passed += uint64(len(h.Words))
	return h, true
}
