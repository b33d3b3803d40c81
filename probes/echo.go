package probes

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"

	probing "github.com/prometheus-community/pro-bing"

	"github.com/uptally/uptally"
)

// maxRaw is how many raw sockets are open at once: the kernel clones each echo for every raw socket before any filter
// runs, so that many of them slow each other down.
const maxRaw = 64

// echoes is what ICMP probes share: the places for raw sockets, and the identifiers in use on them. pro-bing draws
// identifiers at random, so that two of a hundred collide often.
type echoes struct {
	raw  chan struct{}
	mu   sync.Mutex
	next uint16
	used map[uint16]bool
}

func newEchoes() *echoes {
	// A random start keeps out of the way of another process that counts from 1.
	return &echoes{raw: make(chan struct{}, maxRaw), next: uint16(rand.Uint32()), used: map[uint16]bool{}}
}

// take waits for a place and allocates an identifier that no other probe uses. waited says whether it had to.
func (e *echoes) take(ctx context.Context) (id uint16, waited bool, err error) {
	select {
	case e.raw <- struct{}{}:
	default:
		waited = true
		select {
		case e.raw <- struct{}{}:
		case <-ctx.Done():
			return 0, true, ctx.Err()
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for e.used[e.next] {
		e.next++
	}
	id = e.next
	e.used[id] = true
	e.next++
	return id, waited, nil
}

func (e *echoes) release(id uint16) {
	e.mu.Lock()
	delete(e.used, id)
	e.mu.Unlock()
	<-e.raw
}

// echo is what became of the requests. pro-bing writes it from a goroutine of its own.
type echo struct {
	mu         sync.Mutex
	open       bool // the socket was granted
	sent       map[int]time.Time
	rtts       []time.Duration
	duplicates int
	ttl        int
	sendErr    error
	complaints int
	full       chan struct{} // closed when every reply came
}

// send runs one pinger until every reply came or the deadline is over, whatever pro-bing is still doing: it may need
// another 100 ms to notice that it is done.
func (p *icmpProbe) send(r *run, addr netip.Addr, privileged bool) (*echo, error) {
	e := &echo{sent: map[int]time.Time{}, full: make(chan struct{})}
	release := func() {}
	pinger := probing.New("")
	if privileged {
		id, waited, err := p.echoes.take(r.ctx)
		if errors.Is(err, context.Canceled) {
			return e, faultf(uptally.AgentDown, "cancelled while waiting for a raw socket")
		}
		if err != nil {
			return e, faultf(uptally.NoWorker, "waited for one of %d raw sockets until the deadline", maxRaw)
		}
		if waited {
			r.start() // waiting inside the agent is lateness, never response time
		}
		pinger.SetID(int(id))
		release = func() { p.echoes.release(id) }
	}
	p.configure(r, pinger, addr, privileged)
	e.watch(pinger, p.settings.Count)
	done := make(chan error, 1)
	go func() {
		defer release()
		done <- pinger.RunWithContext(r.ctx)
	}()
	var err error
	select {
	case <-e.full:
	case err = <-done:
	case <-r.ctx.Done():
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.copy(), err
}

// configure sets every limit: pro-bing's own are endless, and its timeout looks like success.
func (p *icmpProbe) configure(r *run, pinger *probing.Pinger, addr netip.Addr, privileged bool) {
	s := p.settings
	deadline, _ := r.ctx.Deadline()
	left := max(time.Until(deadline), time.Millisecond)
	interval := s.Interval.Std()
	if interval == 0 {
		interval = max(min(time.Second, left/5), time.Millisecond)
	}
	pinger.SetIPAddr(&net.IPAddr{IP: addr.AsSlice(), Zone: addr.Zone()})
	pinger.InterfaceName = p.route.source.device
	if from := p.route.source.addr; from.IsValid() {
		pinger.Source = from.String()
	}
	pinger.SetPrivileged(privileged)
	pinger.Count, pinger.Interval, pinger.Timeout = s.Count, interval, left
	pinger.Size, pinger.TTL = s.Size, s.TTL
	pinger.RecordRtts, pinger.RecordTTLs = false, false
	pinger.SetDoNotFragment(s.DontFragment)
	pinger.SetTrafficClass(uint8(s.TrafficClass))
}

// watch hooks e into the pinger.
func (e *echo) watch(pinger *probing.Pinger, count int) {
	pinger.OnSetup = func() { e.locked(func() { e.open = true }) }
	pinger.OnSend = func(pk *probing.Packet) { e.locked(func() { e.sent[pk.Seq] = time.Now() }) }
	pinger.OnRecv = func(pk *probing.Packet) {
		now := time.Now()
		e.locked(func() {
			e.rtts = append(e.rtts, roundTrip(pk.Rtt, now.Sub(e.sent[pk.Seq])))
			e.ttl = pk.TTL
			if len(e.rtts) == count {
				close(e.full)
			}
		})
	}
	pinger.OnDuplicateRecv = func(*probing.Packet) { e.locked(func() { e.duplicates++ }) }
	pinger.OnSendError = func(_ *probing.Packet, err error) {
		e.locked(func() { e.sendErr = err })
		if errors.Is(err, syscall.ENOBUFS) {
			runtime.Goexit() // pro-bing would try again without end or pause
		}
	}
	pinger.SetLogger(quiet{e})
}

func (e *echo) locked(f func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f()
}

// copy is what is known by now; the pinger may still write to the original.
func (e *echo) copy() *echo {
	return &echo{open: e.open, sent: maps.Clone(e.sent), rtts: slices.Clone(e.rtts), duplicates: e.duplicates, ttl: e.ttl, sendErr: e.sendErr}
}

// roundTrip chooses between two clocks. pro-bing's begins before the send, but is wall-clock time; ours is monotonic and
// begins after it. Where they agree within 1 ms the longer one is true, else the wall clock was moved.
func roundTrip(wall, mono time.Duration) time.Duration {
	if d := wall - mono; d >= 0 && d <= time.Millisecond {
		return wall
	}
	return mono
}

// quiet keeps pro-bing from writing to the process's log, and stops it where it would try a forbidden send for ever.
type quiet struct{ e *echo }

// maxComplaints is above the one notice of a broadcast address.
const maxComplaints = 2

func (q quiet) Infof(string, ...any) {
	stop := false
	q.e.locked(func() {
		q.e.complaints++
		if stop = q.e.complaints > maxComplaints; stop {
			q.e.sendErr = syscall.EACCES
		}
	})
	if stop {
		runtime.Goexit()
	}
}
func (quiet) Fatalf(string, ...any) {}
func (quiet) Errorf(string, ...any) {}
func (quiet) Warnf(string, ...any)  {}
func (quiet) Debugf(string, ...any) {}

// spread returns minimum, mean, maximum and standard deviation.
func spread(ds []time.Duration) (low, mean, high, dev time.Duration) {
	if len(ds) == 0 {
		return 0, 0, 0, 0
	}
	var sum, squares float64
	for _, d := range ds {
		sum += float64(d)
	}
	m := sum / float64(len(ds))
	for _, d := range ds {
		squares += (float64(d) - m) * (float64(d) - m)
	}
	return slices.Min(ds), time.Duration(m), slices.Max(ds), time.Duration(math.Sqrt(squares / float64(len(ds))))
}

func (e *echo) report(r *run) {
	low, mean, high, dev := spread(e.rtts)
	r.obs.RTT = mean
	r.fact("sent", fmt.Sprint(len(e.sent)))
	r.fact("received", fmt.Sprint(len(e.rtts)))
	if e.duplicates > 0 {
		r.fact("duplicates", fmt.Sprint(e.duplicates))
	}
	if len(e.rtts) > 0 {
		r.fact("round trip", fmt.Sprintf("minimum %v, mean %v, maximum %v, deviation %v", low, mean, high, dev))
		r.fact("reply ttl", fmt.Sprint(e.ttl))
	}
}
