package probes

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/uptally/uptally"
)

const (
	// dnsSocketsAFamily is from how many ports questions are asked at once: which of them a question leaves from is drawn,
	// so that a forger has to guess it.
	dnsSocketsAFamily = 4
	// dnsSocketAge is after how long a socket, and with it its port, is replaced.
	dnsSocketAge = time.Minute
	// dnsQueue is asked for as buffers, in bytes: some thousand replies.
	dnsQueue = 4 << 20
)

// dnsSockets are the UDP sockets that the questions of one engine share. They are opened when one is needed.
type dnsSockets struct {
	readers sync.WaitGroup
	mu      sync.Mutex // of the rest
	closed  bool
	four    [dnsSocketsAFamily]*dnsSocket
	six     [dnsSocketsAFamily]*dnsSocket
	old     map[*dnsSocket]bool // replaced, with questions under way
}

func newDNSSockets() *dnsSockets { return &dnsSockets{old: map[*dnsSocket]bool{}} }

// errSocketsClosed is what a question meets whose engine was closed.
func errSocketsClosed() error { return faultf(uptally.AgentDown, "the agent is stopping") }

// Close ends all questions under way, and returns when the readers have.
func (p *dnsSockets) Close() error {
	p.mu.Lock()
	p.closed = true
	open := p.old
	for i := range dnsSocketsAFamily {
		for _, s := range []*dnsSocket{p.four[i], p.six[i]} {
			if s != nil {
				open[s] = true
			}
		}
	}
	p.old, p.four, p.six = nil, [dnsSocketsAFamily]*dnsSocket{}, [dnsSocketsAFamily]*dnsSocket{}
	p.mu.Unlock()
	var errs []error
	for s := range open {
		errs = append(errs, s.close())
	}
	p.readers.Wait()
	return errors.Join(errs...)
}

// begin puts a question under way on one of the sockets of the server's family.
func (p *dnsSockets) begin(q *dnsQuery, to netip.AddrPort, now time.Time) (*dnsWait, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, errSocketsClosed()
	}
	row := &p.four
	if to.Addr().Is6() {
		row = &p.six
	}
	i := rand.IntN(dnsSocketsAFamily)
	if s := row[i]; s != nil && now.Sub(s.opened) > dnsSocketAge {
		row[i] = nil
		p.retire(s)
	}
	if row[i] == nil {
		s, err := openDNSSocket(to.Addr().Is6(), now)
		if err != nil {
			return nil, err
		}
		row[i] = s
		p.readers.Go(s.read)
	}
	return row[i].begin(q, to, now)
}

// retire closes a socket as soon as nothing is under way on it. p.mu is held.
func (p *dnsSockets) retire(s *dnsSocket) {
	if s.idle() {
		_ = s.close() // a socket that only received; an error at its end says nothing
		return
	}
	p.old[s] = true
}

// end takes a question off its socket, and closes the socket if it was its last.
func (p *dnsSockets) end(w *dnsWait) {
	if !w.socket.end(w) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.old[w.socket] {
		delete(p.old, w.socket)
		_ = w.socket.close() // as in retire
	}
}

// dnsKey is what tells the questions of one socket apart.
type dnsKey struct {
	server netip.AddrPort // without a zone: the kernel names the interface in a way of its own
	id     uint16
}

// dnsWait is a question under way.
type dnsWait struct {
	asked
	socket *dnsSocket
	key    dnsKey
	begun  time.Time     // what was dropped since may have been its reply
	over   chan struct{} // receives one value when the question is over

	// Of the socket's mutex until then.
	reply   []byte
	read    time.Time
	stamp   int64
	err     error
	note    string // what a router said
	strays  int    // of the server, when the question was sent; later, since then
	dropped bool   // the kernel dropped messages meanwhile
}

// dnsPeer counts, of a server address, the questions under way and the messages that answered none of them.
type dnsPeer struct{ waiting, strays int }

// dnsSocket is one unconnected socket and the questions under way on it.
type dnsSocket struct {
	conn   *net.UDPConn
	raw    syscall.RawConn
	opened time.Time

	mu        sync.Mutex // of the rest
	closed    bool
	waiting   map[dnsKey]*dnsWait
	peers     map[netip.Addr]dnsPeer
	drops     uint32 // as the kernel counts
	droppedAt time.Time
}

func openDNSSocket(six bool, now time.Time) (*dnsSocket, error) {
	network := "udp4"
	if six {
		network = "udp6"
	}
	conn, err := net.ListenUDP(network, nil)
	if err != nil {
		return nil, err
	}
	raw, err := conn.SyscallConn()
	if err == nil {
		failed := raw.Control(func(fd uintptr) { err = prepareDNSSocket(int(fd), six) })
		err = errors.Join(err, failed)
	}
	if err != nil {
		_ = conn.Close() // the first error says more
		return nil, err
	}
	return &dnsSocket{conn: conn, raw: raw, opened: now, waiting: map[dnsKey]*dnsWait{}, peers: map[netip.Addr]dnsPeer{}}, nil
}

func (s *dnsSocket) close() error {
	err := s.conn.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, w := range s.waiting {
		s.finish(w, func() { w.err = errSocketsClosed() })
	}
	return err
}

func (s *dnsSocket) idle() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.waiting) == 0
}

// maxDraws bounds the search for an identifier that is free: with half of them taken, one question in 2^64 finds none.
const maxDraws = 64

func (s *dnsSocket) begin(q *dnsQuery, to netip.AddrPort, now time.Time) (*dnsWait, error) {
	w := &dnsWait{asked: q.ask(0), socket: s, begun: now, over: make(chan struct{}, 1)}
	w.key.server = netip.AddrPortFrom(to.Addr().WithZone(""), to.Port())
	s.mu.Lock()
	defer s.mu.Unlock()
	for range maxDraws {
		w.key.id = newID()
		if s.waiting[w.key] == nil {
			w.setID(w.key.id)
			s.waiting[w.key] = w
			p := s.peers[w.key.server.Addr()]
			w.strays = p.strays
			p.waiting++
			s.peers[w.key.server.Addr()] = p
			return w, nil
		}
	}
	return nil, faultf(uptally.Resource, "got no free identifier for %s", to)
}

// finish takes a question off the table, once, and wakes who asked it. s.mu is held.
func (s *dnsSocket) finish(w *dnsWait, result func()) {
	if s.waiting[w.key] != w {
		return
	}
	delete(s.waiting, w.key)
	p := s.peers[w.key.server.Addr()]
	w.strays = p.strays - w.strays
	w.dropped = s.droppedAt.After(w.begun)
	if p.waiting--; p.waiting == 0 {
		delete(s.peers, w.key.server.Addr())
	} else {
		s.peers[w.key.server.Addr()] = p
	}
	result()
	w.over <- struct{}{}
}

// end takes a question off the table if it is still there; last says that it was the only one.
func (s *dnsSocket) end(w *dnsWait) (last bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.finish(w, func() {})
	return len(s.waiting) == 0
}

// pollAgainDNS is the pause of a reader whose poller refuses to wait.
const pollAgainDNS = 10 * time.Millisecond

// read hands over what arrives until the socket is closed. While nothing does, it costs nothing.
func (s *dnsSocket) read() {
	buf, oob := make([]byte, maxDatagram+1), make([]byte, 256)
	for {
		n, oobn, _, from, err := s.conn.ReadMsgUDPAddrPort(buf, oob)
		switch {
		case err == nil:
			s.take(buf[:n], oob[:oobn], from)
		case errors.Is(err, net.ErrClosed):
			return
		default:
			// An error that somebody's network reported stands in the error queue with its details.
			if s.readErrors() == 0 {
				time.Sleep(pollAgainDNS)
			}
		}
	}
}

// take gives a message to the question that it answers.
func (s *dnsSocket) take(b, oob []byte, from netip.AddrPort) {
	read := time.Now()
	if len(b) < dnsHeader {
		return
	}
	key := dnsKey{netip.AddrPortFrom(from.Addr().WithZone(""), from.Port()), uint16(b[0])<<8 | uint16(b[1])}
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.waiting[key]
	if w == nil || !w.answeredBy(b) {
		if p, ok := s.peers[key.server.Addr()]; ok {
			p.strays++
			s.peers[key.server.Addr()] = p
		}
		return
	}
	s.finish(w, func() { w.reply, w.read, w.stamp = slices.Clone(b), read, stampIn(oob) })
}

// ask asks over a shared socket. The kernel's stamp decides whether a reply came in time, not how far the reader came.
func (p *dnsSockets) ask(r *run, q *dnsQuery, to netip.AddrPort) (*dnsAnswer, *fault) {
	w, err := p.begin(q, to, r.begin)
	if err != nil {
		return nil, r.unasked(err)
	}
	defer p.end(w)
	r.first()
	sent := time.Now()
	if err := w.socket.send(w.wire, to); err != nil {
		return nil, r.unasked(err)
	}
	select {
	case <-w.over:
	case <-r.ctx.Done():
		w.socket.settle(w)
		<-w.over
	}
	switch {
	case w.err != nil:
		r.end("query")
		return nil, udpFault(r, w.err, w.strays)
	case w.reply != nil:
		return r.queried(&w.asked, w.reply, sent, w.read, w.stamp)
	case w.dropped && r.ctx.Err() == context.DeadlineExceeded:
		r.end("query")
		return nil, faultf(uptally.Resource, "the socket's queue was full, so that a reply may have been lost")
	}
	f := r.unanswered(r.ctx.Err(), w.strays)
	if w.note != "" {
		f.detail += "; " + w.note
	}
	return nil, f
}

// settle reads all that has arrived and ends the question.
func (s *dnsSocket) settle(w *dnsWait) {
	buf, oob := make([]byte, maxDatagram+1), make([]byte, 256)
	_ = s.raw.Control(func(fd uintptr) { // fails on a closed socket only, whose questions are over
		for {
			n, oobn, _, from, err := unix.Recvmsg(int(fd), buf, oob, unix.MSG_DONTWAIT)
			if err != nil {
				break
			}
			s.take(buf[:n], oob[:oobn], addrPortOf(from))
		}
		drops := droppedBy(int(fd))
		s.mu.Lock()
		defer s.mu.Unlock()
		if drops != s.drops {
			s.drops, s.droppedAt = drops, time.Now()
		}
	})
	_ = s.readErrors()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.finish(w, func() {})
}

// maxPending is how often a send is tried that was told of an error. One that was reported for an earlier question is told
// once, to whoever comes next; one of the send's own is told each time.
const maxPending = 64

// send sends at once or not at all: a queue that is full because some network takes nothing must not hold up the others.
func (s *dnsSocket) send(wire []byte, to netip.AddrPort) error {
	sa := sockaddr(to)
	var err error
	for range maxPending {
		failed := s.raw.Control(func(fd uintptr) { err = syscall.Sendto(int(fd), wire, unix.MSG_DONTWAIT, sa) })
		switch {
		case failed != nil:
			return errSocketsClosed()
		case err == nil:
			return nil
		case err == syscall.EAGAIN:
			return faultf(uptally.Resource, "the socket's send buffer is full")
		}
		// The details may be read by the reader already, so that none left here says nothing.
		_ = s.readErrors()
	}
	return &net.OpError{Op: "write", Net: "udp", Addr: net.UDPAddrFromAddrPort(to), Err: err}
}

// readErrors reads what networks reported about questions, and returns how many reports there were.
func (s *dnsSocket) readErrors() (n int) {
	_ = s.raw.Control(func(fd uintptr) { // fails on a closed socket only
		for {
			c, ok := receiveComplaint(int(fd))
			if !ok {
				return
			}
			n++
			s.complain(c)
		}
	})
	return n
}

// complain tells a question what a network reported about it. The report repeats the question as far as the router
// kept it. Only a shut port ends the wait: the rest may pass.
func (s *dnsSocket) complain(c complaint) {
	if len(c.question) < dnsHeader {
		return
	}
	key := dnsKey{netip.AddrPortFrom(c.server.Addr().WithZone(""), c.server.Port()), uint16(c.question[0])<<8 | uint16(c.question[1])}
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.waiting[key]
	if w == nil || len(c.question) > len(w.wire) || string(c.question) != string(w.wire[:len(c.question)]) {
		return
	}
	if c.errno == syscall.ECONNREFUSED {
		s.finish(w, func() {
			w.err = &net.OpError{Op: "read", Net: "udp", Addr: net.UDPAddrFromAddrPort(c.server), Err: c.errno}
		})
		return
	}
	w.note = fmt.Sprintf("%s says: %v", c.router, c.errno)
}
