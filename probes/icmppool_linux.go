package probes

import (
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/uptally/uptally"
)

// echoPool is the engine's own ICMP: one socket a family and way for all of its probes, one more of each where requests must
// not be split. A raw socket for each probe would make the kernel clone every echo for every probe under way.
type echoPool struct {
	keep     bool // sockets stay open until close; else until no probe uses them
	payloads *payloads
	largest  atomic.Int64

	mu      sync.Mutex
	sockets map[socketKind][]*echoSocket
	refused map[socketKind]refusal
	closed  bool
}

// refusal is a socket that was not permitted. Rights change seldom, so that the kernel is not asked for each probe.
type refusal struct {
	err error
	at  time.Time
}

const askAgain = time.Minute

func newEchoPool(keep bool) *echoPool {
	return &echoPool{keep: keep, payloads: newPayloads(), sockets: map[socketKind][]*echoSocket{}, refused: map[socketKind]refusal{}}
}

// Close closes the sockets, waits for their readers, and ends what is in flight.
func (p *echoPool) Close() error {
	p.mu.Lock()
	p.closed = true
	var all []*echoSocket
	for _, list := range p.sockets {
		all = append(all, list...)
	}
	clear(p.sockets)
	p.mu.Unlock()
	var errs []error
	for _, s := range all {
		s.abandon()
		errs = append(errs, s.close())
	}
	return errors.Join(errs...)
}

// maxSockets bounds the datagram sockets of a kind, each of which has one identifier.
const maxSockets = 16

// take returns a socket with room for n requests, which is opened if need be. give returns it.
func (p *echoPool) take(kind socketKind, n int) (*echoSocket, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, faultf(uptally.AgentDown, "the agent is stopping")
	}
	for _, s := range p.sockets[kind] {
		if s.reserve(n) {
			return s, nil
		}
	}
	if no := p.refused[kind]; no.err != nil && time.Since(no.at) < askAgain {
		return nil, no.err
	}
	if len(p.sockets[kind]) == maxSockets {
		return nil, faultf(uptally.Resource, "got %d ICMP sockets full of requests", maxSockets)
	}
	s, err := openEchoSocket(kind, p.payloads, &p.largest)
	if permission(err) && p.keep {
		p.refused[kind] = refusal{err, time.Now()}
	}
	if err != nil {
		return nil, err
	}
	s.reserve(n)
	p.sockets[kind] = append(p.sockets[kind], s)
	return s, nil
}

// give ends a take. The last use of a socket that is not kept closes it.
func (p *echoPool) give(s *echoSocket, n int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.release(n) > 0 || p.keep || p.closed {
		return nil
	}
	list := p.sockets[s.kind]
	for i := range list {
		if list[i] == s {
			p.sockets[s.kind] = append(list[:i:i], list[i+1:]...)
		}
	}
	return s.close()
}

// reserve promises numbers to n requests, as long as half of them are free: so a number that is used again was out of use for
// long, and the next free one is near.
func (s *echoSocket) reserve(n int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy+n > int(s.room/2) {
		return false
	}
	s.busy += n
	return true
}

func (s *echoSocket) release(n int) (left int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy -= n
	s.left.Broadcast()
	return s.busy
}

// abandon ends the flights on a socket that will be closed, and waits until they have left it.
func (s *echoSocket) abandon() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, q := range s.table {
		q.flight.signal()
	}
	for s.busy > 0 {
		s.left.Wait()
	}
}

// ping sends the requests of a probe and waits until each was answered or refused, until its deadline at the latest. An error
// says that there is no socket, one of permission that this way is closed to the process.
func (p *echoPool) ping(r *run, to *icmpProbe, addr netip.Addr, raw bool) (*tally, error) {
	n := to.settings.Count
	for size := int64(to.settings.Size); ; {
		if known := p.largest.Load(); known >= size || p.largest.CompareAndSwap(known, size) {
			break
		}
	}
	s, err := p.take(socketKind{v6: addr.Is6(), raw: raw, whole: to.settings.DontFragment}, n)
	if err != nil {
		return nil, err
	}
	t, err := s.ping(r, to, addr)
	return t, errors.Join(err, p.give(s, n))
}

func (s *echoSocket) ping(r *run, to *icmpProbe, addr netip.Addr) (*tally, error) {
	f, err := newFlight(r, to, addr, s)
	if err != nil {
		return nil, err
	}
	f.fly(r, to)
	return f.land(), nil
}
