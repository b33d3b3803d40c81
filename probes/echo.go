package probes

import (
	"errors"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"

	probing "github.com/prometheus-community/pro-bing"
)

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

// send runs one pinger, over a socket of its own, until every reply came or the deadline is over, whatever pro-bing is still
// doing: it may need another 100 ms to notice that it is done. An error says that there is no socket.
func (p *icmpProbe) send(r *run, addr netip.Addr, raw bool) (*tally, error) {
	e := &echo{sent: map[int]time.Time{}, full: make(chan struct{})}
	pinger := probing.New("")
	p.configure(r, pinger, addr, raw)
	e.watch(pinger, p.settings.Count)
	done := make(chan error, 1)
	go func() { done <- pinger.RunWithContext(r.ctx) }()
	var err error
	select {
	case <-e.full:
	case err = <-done:
	case <-r.ctx.Done():
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.open && permission(err) {
		return nil, err
	}
	return e.tally(r, err), nil
}

// configure sets every limit: pro-bing's own are endless, and its timeout looks like success.
func (p *icmpProbe) configure(r *run, pinger *probing.Pinger, addr netip.Addr, raw bool) {
	s := p.settings
	deadline, _ := r.ctx.Deadline()
	left := max(time.Until(deadline), time.Millisecond)
	pinger.SetIPAddr(&net.IPAddr{IP: addr.AsSlice(), Zone: addr.Zone()})
	pinger.InterfaceName = p.route.source.device
	if from := p.route.source.addr; from.IsValid() {
		pinger.Source = from.String()
	}
	pinger.SetPrivileged(raw)
	pinger.Count, pinger.Interval, pinger.Timeout = s.Count, p.interval(r), left
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
			e.rtts = append(e.rtts, longer(pk.Rtt, now.Sub(e.sent[pk.Seq])))
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

// tally is what is known by now; the pinger may still write to e.
func (e *echo) tally(r *run, err error) *tally {
	t := &tally{sent: len(e.sent), rtts: slices.Clone(e.rtts), duplicates: e.duplicates, ttl: e.ttl}
	if e.sendErr != nil {
		err = e.sendErr
	}
	if err != nil && !timedOut(err) {
		t.failed = sendFault(r, err)
	}
	return t
}

// longer chooses between two clocks. pro-bing's begins before the send, but is wall-clock time; ours is monotonic and
// begins after it. Where they agree the longer one is true, else the wall clock was moved.
func longer(wall, mono time.Duration) time.Duration {
	if d := wall - mono; d >= 0 && d <= maxDisagreement {
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
