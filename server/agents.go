package server

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/ledger"
	"github.com/uptally/uptally/ledger/delivery"
)

// AgentStore is what Agents needs of a ledger; every engine has it.
type AgentStore interface {
	ledger.Admitter
	Taken(ctx context.Context, agent, epoch uint64) ([][2]uint64, error)
	// Holds reports whether the ledger took all of some batches of an agent at a site.
	Holds(ctx context.Context, site uptally.ID, agent uint64, numbers []ledger.Number) (bool, error)
	// Reused returns the numbers, both ends included, under which the log has more than one batch.
	Reused(ctx context.Context, d ledger.SiteDay, agent, epoch, from, to uint64) ([]uint64, error)
}

// AgentsOptions are what Agents needs.
type AgentsOptions struct {
	Store  AgentStore
	Intake *Intake
	// Authority signs the agents' certificates. Nil: a proxy ends TLS, and agents show bearer tokens.
	Authority *Authority
	// Plans returns what the agent of a site measures, and a version that changes with it. It is called from many
	// goroutines, once a request.
	Plans func(site string) (version string, data []byte)
	// Relay passes on what sites say of their probes. Nil: each site is alone.
	Relay *Relay
	// Now is the server's clock.
	Now func() time.Time
	Log *slog.Logger
}

// Agents is the agents' other end over HTTP: a handler of a fixed table of routes, each with who may use it and how much it
// takes. What is not in the table is refused before anything of it is read.
//
//  1. Who asks is looked up at each request, so that a revocation ends a connection that is open already.
//  2. Room for a request is reserved before its body is read.
//  3. A batch is stored when it is the agent's own; its verdict goes out after the commit.
//  4. An acknowledgement that the agent remembers and the ledger lacks gives the ledger a new name: every agent
//     then asks what it has and sends the rest.
type Agents struct {
	o       AgentsOptions
	framing *delivery.Framing
	shares  shares
	tries   tries

	mu    sync.Mutex
	stats AgentsStats
	seen  map[uint64]*presence
}

// presence is what is known of an agent that spoke since the start.
type presence struct {
	AgentState
	twins
	told    time.Time              // when people heard of twins
	renamed time.Time              // when what this agent said last gave the ledger a new name
	gone    map[delivery.ID]uint64 // how many batches of an epoch neither the agent nor the ledger has
	foreign source                 // of the last batch that was not its own
	lacking bool                   // the ledger lacked what the agent remembered, and has no new name for it yet
}

// AgentState is an agent as it last spoke.
type AgentState struct {
	ID   uint64
	Site string
	// SeenAt is the instant of its last request, in milliseconds UTC, Until when its certificate ends, 0 for never.
	SeenAt, Until int64
	// Clock is what it knows of its clock.
	Clock delivery.Clock
	// State is how it said that it stands, its zero value before its first batches; NewestAt is the newest send instant among the
	// results that were stored since the start, in milliseconds UTC, 0 for none.
	State    delivery.State
	NewestAt int64
	// Version is that of its program, told at its start.
	Version string
	// Twins counts the signs that another agent delivers under the same identity.
	Twins uint64
	// Gone are the batches that neither the ledger has nor the agent can give any more, as it last said: damage to its spool, or more than
	// its keeping time went by before a ledger was restored. Their slots are unknown.
	Gone uint64
}

// AgentsStats are counters since the start.
type AgentsStats struct {
	// Requests are those that were answered with success. The others were refused: Anonymous without an identity that is known,
	// Denied with one that was revoked or has ended, Malformed for what they say, TooLarge for their size, Busy for want of room
	// or because the ledger takes nothing, Stray for route or method.
	Requests, Anonymous, Denied, Malformed, TooLarge, Busy, Stray uint64
	// Damaged, Foreign, Reused and Newer are the batches with that verdict.
	Damaged, Foreign, Reused, Newer uint64
	// Incarnations counts the names that the ledger got because an agent remembered more than it has.
	Incarnations uint64
	// Agents are those that spoke, by ID.
	Agents []AgentState
}

// NewAgents returns a handler. It names a ledger that has no name yet.
func NewAgents(ctx context.Context, o AgentsOptions) (*Agents, error) {
	id, err := o.Store.Incarnation(ctx)
	if err == nil && id == 0 {
		_, err = o.Store.Reincarnate(ctx, 0, "made")
	}
	if err != nil {
		return nil, fmt.Errorf("serve agents: %w", err)
	}
	if o.Relay == nil {
		nobody := SharingOf(nil)
		o.Relay = NewRelay(func() *Sharing { return nobody })
	}
	return &Agents{o: o, framing: delivery.NewFraming(), seen: map[uint64]*presence{}}, nil
}

// Server returns an HTTP server for the handler with the limits of time: 5 s for the header, 60 s for the whole. tls of Authority.TLS
// goes to its listener.
func (a *Agents) Server() *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	srv := &http.Server{
		Handler: a, Protocols: protocols, MaxHeaderBytes: 16 << 10, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 60 * time.Second,
		WriteTimeout: 60 * time.Second, IdleTimeout: 2 * time.Minute,
		ErrorLog: slog.NewLogLogger(a.o.Log.Handler(), slog.LevelDebug), // handshakes of strangers
	}
	srv.RegisterOnShutdown(a.o.Relay.Close)
	return srv
}

// Stats returns the counters and the agents.
func (a *Agents) Stats() AgentsStats {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.stats
	for _, p := range a.seen {
		s.Agents = append(s.Agents, p.AgentState)
	}
	slices.SortFunc(s.Agents, func(a, b AgentState) int {
		if a.ID < b.ID {
			return -1
		}
		return 1
	})
	return s
}

func (a *Agents) count(f func(*AgentsStats)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f(&a.stats)
}

// present calls f with what is known of an agent, under the lock.
func (a *Agents) present(who Agent, f func(*presence)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	p := a.seen[who.ID]
	if p == nil {
		p = &presence{}
		a.seen[who.ID] = p
	}
	p.ID, p.Site, p.Until, p.SeenAt = who.ID, who.Site, who.Until, a.o.Now().UnixMilli()
	f(p)
}

// noticeTwin tells people, once an hour an agent.
func (a *Agents) noticeTwin(who Agent, sign string) {
	tell := false
	a.present(who, func(p *presence) {
		p.Twins++
		if now := a.o.Now(); now.Sub(p.told) >= time.Hour {
			tell, p.told = true, now
		}
	})
	if tell {
		a.o.Log.Error("two agents deliver under one identity", "agent", delivery.ID(who.ID).String(), "site", who.Site, "sign", sign)
	}
}

// hello answers an agent that starts: what the ledger has of each of its epochs.
func (a *Agents) hello(ctx context.Context, who Agent, h delivery.Hello, r *delivery.Reply) error {
	if h.Site != who.Site {
		return refusal{http.StatusForbidden, fmt.Sprintf("got site %q, want %q, for which this agent was enrolled", h.Site, who.Site)}
	}
	if len(h.Epochs) > mostEpochs {
		return refusal{http.StatusBadRequest, fmt.Sprintf("got %d epochs, want at most %d", len(h.Epochs), mostEpochs)}
	}
	if len(h.Version) > 64 || strings.ContainsFunc(h.Version, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return refusal{http.StatusBadRequest, "got a version that is none, want at most 64 bytes of text"}
	}
	a.present(who, func(p *presence) { p.Version, p.Clock, p.lacking = h.Version, h.Clock, false })
	for i, held := range h.Epochs {
		taken, err := a.o.Store.Taken(ctx, who.ID, uint64(held.Epoch))
		if err != nil {
			return err
		}
		t := delivery.Taken{Epoch: held.Epoch}
		for _, rg := range taken {
			t.Ranges = append(t.Ranges, delivery.Range{From: rg[0], To: rg[1]})
		}
		r.Taken = append(r.Taken, t)
		a.gone(who, held, t.Ranges)
		if n := len(t.Ranges); i == len(h.Epochs)-1 && n > 0 && t.Ranges[n-1].To > held.Last {
			a.noticeTwin(who, "the ledger has later numbers of its epoch than it gave")
		}
	}
	if n := len(h.Epochs); n > 0 {
		a.epoch(who, h.Epochs[n-1].Epoch)
	}
	return nil
}

// gone notes what an agent cannot give any more of an epoch and the ledger has not. What the ledger has is not lost, whatever an agent says.
func (a *Agents) gone(who Agent, h delivery.Held, taken delivery.Ranges) {
	lost := h.Gone(taken)
	n, news := lost.Len(), false
	a.present(who, func(p *presence) {
		was := p.gone[h.Epoch]
		if h.More {
			n += was
		}
		if n == was || was == 0 && len(p.gone) >= mostEpochs { // an agent that makes epochs up is none to be remembered
			return
		}
		news = n > was
		if p.gone == nil {
			p.gone = map[delivery.ID]uint64{}
		}
		p.gone[h.Epoch] = n
		p.Gone += n - was
	})
	if news {
		a.o.Log.Error("batches are lost: neither the agent nor the ledger has them", "agent", delivery.ID(who.ID).String(), "site", who.Site,
			"epoch", h.Epoch.String(), "batches", n, "numbers", rangesText(lost))
	}
}

// rangesText is the first few ranges.
func rangesText(rs delivery.Ranges) string {
	var b strings.Builder
	for i, r := range rs {
		if i == 10 {
			b.WriteString("…")
			break
		}
		fmt.Fprintf(&b, "%d-%d ", r.From, r.To)
	}
	return strings.TrimSpace(b.String())
}

const (
	// mostEpochs bounds a hello: an agent that restarts every minute of the keeping time has as many.
	mostEpochs = 5_000
	// mostAcknowledged bounds what an agent remembers: one batch a lane.
	mostAcknowledged = 8
	// atOnce is how many batches of one request wait for the writer at a time.
	atOnce = 256
)

// epoch notes in which epoch an agent gives numbers.
func (a *Agents) epoch(who Agent, epoch delivery.ID) {
	var twin bool
	a.present(who, func(p *presence) { twin = p.speaks(epoch) })
	if twin {
		a.noticeTwin(who, "two epochs in turn")
	}
}

// remembers compares the newest acknowledgements that an agent remembers with the ledger, at each request and after what it brought was
// stored: a ledger that was set back in between would else take what comes after a hole, and nobody would ask for the hole. An
// agent that knows another name than the ledger's will ask anyway.
func (a *Agents) remembers(ctx context.Context, who Agent, h delivery.Header, incarnation uint64) (uint64, error) {
	if len(h.Acknowledged) == 0 || uint64(h.Incarnation) != incarnation {
		return incarnation, nil
	}
	var numbers []ledger.Number
	for _, n := range h.Acknowledged {
		numbers = append(numbers, ledger.Number{Epoch: uint64(n.Epoch), Seq: n.Seq})
	}
	all, err := a.o.Store.Holds(ctx, uptally.IDOf(who.Site), who.ID, numbers)
	if err != nil {
		return 0, err
	}
	rename := false
	a.present(who, func(p *presence) {
		p.lacking = p.lacking || !all
		// An agent that goes wrong must not have all others send again for ever. What it said is not forgotten meanwhile.
		rename = p.lacking && a.o.Now().Sub(p.renamed) >= 10*time.Minute
	})
	if !rename {
		return incarnation, nil
	}
	now, err := a.o.Store.Reincarnate(ctx, incarnation, fmt.Sprintf("agent %016x remembers %v", who.ID, numbers))
	if err != nil {
		return 0, err
	}
	a.present(who, func(p *presence) { p.renamed, p.lacking = a.o.Now(), false })
	a.count(func(s *AgentsStats) { s.Incarnations++ })
	a.o.Log.Error("the ledger lacks what it had acknowledged: agents send again", "agent", delivery.ID(who.ID).String(), "site", who.Site,
		"batches", fmt.Sprint(numbers))
	return now, nil
}

// batches stores what is the agent's own.
func (a *Agents) batches(ctx context.Context, who Agent, h delivery.Header, batches [][]byte, r *delivery.Reply) error {
	a.present(who, func(p *presence) { p.Clock, p.State = h.Clock, h.State })
	a.epoch(who, h.Epoch)
	verdicts, errs := make([]*verdict, len(batches)), make([]error, len(batches))
	var wg sync.WaitGroup
	room := make(chan struct{}, atOnce)
	for i, data := range batches {
		room <- struct{}{}
		wg.Go(func() {
			defer func() { <-room }()
			verdicts[i], errs[i] = a.batch(ctx, who, data)
		})
	}
	wg.Wait()
	verdicts = slices.DeleteFunc(verdicts, func(v *verdict) bool { return v == nil })
	if err := a.reused(ctx, who, verdicts); err != nil {
		return err
	}
	for _, v := range verdicts {
		r.Accepted = append(r.Accepted, v.Verdict)
	}
	if i := slices.IndexFunc(errs, func(err error) bool { return err != nil }); i >= 0 && len(r.Accepted) == 0 {
		return errs[i]
	} else if i >= 0 {
		a.o.Log.Warn("batches not stored", "agent", delivery.ID(who.ID).String(), "site", who.Site, "err", errs[i])
		r.RetryAfter = retryAfter.Milliseconds()
	}
	return nil
}

// verdict is one with what it takes to look for another batch of its number.
type verdict struct {
	delivery.Verdict
	day ledger.SiteDay // zero of a batch that was not stored
	crc uint32
}

// batch stores one batch and says what became of it. An error means that the ledger could not store it.
func (a *Agents) batch(ctx context.Context, who Agent, data []byte) (*verdict, error) {
	b, err := uptally.DecodeBatch(data)
	if err != nil {
		return &verdict{Verdict: a.unread(who, data, err)}, nil
	}
	v := &verdict{Verdict: delivery.Verdict{Epoch: delivery.ID(b.Epoch), Seq: b.Seq}}
	if b.Agent != who.ID || b.Site != uptally.IDOf(who.Site) {
		v.Problem = delivery.Foreign
		a.foreign(who, source{b.Agent, b.Site})
		return v, nil
	}
	if _, err := a.o.Intake.accept(ctx, b, data); err != nil {
		return nil, err
	}
	a.newest(who, b.Results)
	v.day = ledger.SiteDay{Site: b.Site, Day: b.Day}
	v.crc, _ = uptally.CRC(data)
	return v, nil
}

// newest notes how young the results of an agent are.
func (a *Agents) newest(who Agent, rs []uptally.Result) {
	at := int64(0)
	for _, r := range rs {
		at = max(at, r.SentAt())
	}
	a.present(who, func(p *presence) { p.NewestAt = max(p.NewestAt, at) })
}

// reused looks for other batches under the numbers of those that were stored: in the log, which all servers share, and among the
// last that came here, which may be sealed meanwhile or lie in another day.
func (a *Agents) reused(ctx context.Context, who Agent, verdicts []*verdict) error {
	type group struct {
		day   ledger.SiteDay
		epoch delivery.ID
	}
	groups := map[group][2]uint64{}
	for _, v := range verdicts {
		if v.day == (ledger.SiteDay{}) {
			continue
		}
		g := group{v.day, v.Epoch}
		r, found := groups[g]
		if !found {
			r = [2]uint64{v.Seq, v.Seq}
		}
		groups[g] = [2]uint64{min(r[0], v.Seq), max(r[1], v.Seq)}
		a.present(who, func(p *presence) {
			if p.reuses(delivery.Numbered{Epoch: v.Epoch, Seq: v.Seq}, v.crc) {
				v.Problem = delivery.Reused
			}
		})
	}
	for g, r := range groups {
		numbers, err := a.o.Store.Reused(ctx, g.day, who.ID, uint64(g.epoch), r[0], r[1])
		if err != nil {
			return err
		}
		for _, v := range verdicts {
			if v.day == g.day && v.Epoch == g.epoch && slices.Contains(numbers, v.Seq) {
				v.Problem = delivery.Reused
			}
		}
	}
	for _, v := range verdicts {
		if v.Problem == delivery.Reused {
			a.count(func(s *AgentsStats) { s.Reused++ })
			a.noticeTwin(who, "two batches of one number")
		}
	}
	return nil
}
