package probes

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/uptally/uptally"
)

// late is how much later than it could a test does something.
const late = 30 * time.Millisecond

// beginRun is a run with a deadline, as Probe makes it.
func beginRun(t testing.TB, within time.Duration) *run {
	ctx, cancel := context.WithTimeout(t.Context(), within)
	t.Cleanup(cancel)
	r := &run{ctx: ctx}
	r.start()
	return r
}

func dialed(t testing.TB, r *run, address string) *link {
	t.Helper()
	l, f := (&Reach{}).route().connect(r, netip.MustParseAddrPort(address))
	if f != nil {
		t.Fatal(f)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// stamping has the kernel stamp what comes: it begins with the first socket that asks for it, a moment later.
func stamping(t testing.TB) {
	t.Helper()
	address := listenTCP(t, func(c net.Conn) { _, _ = io.Copy(c, c) })
	r := beginRun(t, generous)
	l := dialed(t, r, address)
	s, ok := l.Conn.(*socket)
	if !ok {
		t.Skip("the kernel's stamps are read on Linux only")
	}
	for range 1000 {
		if _, err := l.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		if s.stamp != 0 {
			return
		}
	}
	t.Skip("the kernel stamps nothing")
}

// TestLateToRead: an answer that lay in the kernel is as old as it is, and the time that the agent was late is its own.
func TestLateToRead(t *testing.T) {
	stamping(t)
	sent := make(chan struct{})
	address := listenTCP(t, func(c net.Conn) {
		_, _ = c.Read(make([]byte, 1))
		_, _ = io.WriteString(c, "answer")
		sent <- struct{}{}
		_, _ = c.Read(make([]byte, 1))
		_, _ = io.WriteString(c, "second")
		sent <- struct{}{}
		silence(c)
	})
	r := beginRun(t, generous)
	l := dialed(t, r, address)
	for _, want := range []string{"answer", "second"} {
		if _, err := io.WriteString(l, "?"); err != nil {
			t.Fatal(err)
		}
		<-sent
		<-time.After(late) // as a process whose core is busy
		b := make([]byte, 10)
		if n, err := l.Read(b); err != nil || string(b[:n]) != want {
			t.Fatalf("got %q, %v", b[:n], err)
		}
		r.end("step")
	}
	r.answered()
	o := r.observation(nil)
	// Late twice, once before each action: 60 ms in all. What is left is the answers' own time.
	if o.Delay < 2*late || o.RTT > late || o.Delay+o.RTT < 2*late {
		t.Errorf("got a response time of %v and a delay of %v, late by %v", o.RTT, o.Delay, 2*late)
	}
	for _, p := range o.Phases {
		if p.D > late {
			t.Errorf("got phases %v, want them without the delay", o.Phases)
		}
	}
}

// TestLateButInTurn: what was read late and answered by nobody delayed nothing; what comes after it counts from its own
// arrival.
func TestLateButInTurn(t *testing.T) {
	stamping(t)
	sent := make(chan struct{})
	more := make(chan struct{})
	address := listenTCP(t, func(c net.Conn) {
		_, _ = io.WriteString(c, "first")
		close(sent)
		<-more
		_, _ = io.WriteString(c, "last")
		silence(c)
	})
	r := beginRun(t, generous)
	l := dialed(t, r, address)
	<-sent
	<-time.After(late)
	b := make([]byte, 10)
	if _, err := l.Read(b); err != nil {
		t.Fatal(err)
	}
	if r.late < late {
		t.Errorf("late by %v to the first word, want %v", r.late, late)
	}
	close(more)
	if _, err := l.Read(b); err != nil {
		t.Fatal(err)
	}
	r.answered()
	// The last word came after the first was read: the 30 ms are the server's.
	if o := r.observation(nil); o.RTT < late {
		t.Errorf("got a response time of %v, shorter than the truth, %v", o.RTT, late)
	}
}

// TestStaleAnswer: what had come before the probe asked is no answer that the agent was late to.
func TestStaleAnswer(t *testing.T) {
	stamping(t)
	sent := make(chan struct{})
	address := listenTCP(t, func(c net.Conn) { _, _ = io.WriteString(c, "early"); close(sent); silence(c) })
	r := beginRun(t, generous)
	l := dialed(t, r, address)
	<-sent
	<-time.After(late)
	if _, err := io.WriteString(l, "?"); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Read(make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	if r.late > late/2 {
		t.Errorf("late by %v, want next to nothing", r.late)
	}
}

// TestInTime: an answer that the kernel had before the deadline counts, however late the process looks; a later one does
// not.
func TestInTime(t *testing.T) {
	stamping(t)
	sent := make(chan struct{})
	early := listenTCP(t, func(c net.Conn) {
		_, _ = c.Read(make([]byte, 1))
		_, _ = io.WriteString(c, "answer")
		close(sent)
		silence(c)
	})
	r := beginRun(t, brief)
	l := dialed(t, r, early)
	_, _ = io.WriteString(l, "?")
	<-sent
	<-r.ctx.Done()
	<-time.After(late)
	b := make([]byte, 10)
	n, err := l.Read(b)
	if err != nil || string(b[:n]) != "answer" {
		t.Fatalf("got %q, %v, want the answer that was there", b[:n], err)
	}
	r.answered()
	if o := r.observation(nil); o.RTT >= brief || o.Delay < late {
		t.Errorf("got a response time of %v and a delay of %v", o.RTT, o.Delay)
	}

	tooLate := make(chan struct{})
	slow := listenTCP(t, func(c net.Conn) { <-tooLate; _, _ = io.WriteString(c, "answer"); tooLate <- struct{}{}; silence(c) })
	r = beginRun(t, brief)
	l = dialed(t, r, slow)
	<-r.ctx.Done()
	tooLate <- struct{}{}
	<-tooLate
	_, err = l.Read(b)
	if f := r.classify(err, listening); f.reason != uptally.ReplyTimeout {
		t.Errorf("got %v, want a timeout", f)
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) || r.late <= 0 {
		t.Errorf("got %v, late by %v to notice", err, r.late)
	}
}

// TestCancelledIsNotLate: a probe that is cancelled does not look again.
func TestCancelledIsNotLate(t *testing.T) {
	address := listenTCP(t, silence)
	ctx, cancel := context.WithTimeout(t.Context(), generous)
	r := &run{ctx: ctx}
	r.start()
	l := dialed(t, r, address)
	r.late = 0 // a busy machine may have been late to the connection
	cancel()
	_, err := l.Read(make([]byte, 1))
	if f := r.classify(err, listening); f.reason != uptally.AgentDown || r.late != 0 {
		t.Errorf("got %v, late by %v", f, r.late)
	}
}

// TestLateToConnect: the time of a connection is the kernel's where the process came late to see it.
func TestLateToConnect(t *testing.T) {
	r := beginRun(t, generous)
	s, ok := dialed(t, r, listenTCP(t, silence)).Conn.(*socket)
	if !ok {
		t.Skip("TCP_INFO is read on Linux only")
	}
	r.late = 0
	s.lateToConnect(s.acted.Add(late))
	// A round trip on loopback is far below the 1 ms that is granted here.
	if r.late < late-time.Millisecond || r.late >= late {
		t.Errorf("late by %v, want %v less a round trip", r.late, late)
	}
	r.late = 0
	if s.lateToConnect(s.acted.Add(lateness - 1)); r.late != 0 {
		t.Errorf("late by %v, want nothing below %v", r.late, lateness)
	}
}

// TestSYNSentAgain: a second that a lost SYN cost is the network's, and is kept.
func TestSYNSentAgain(t *testing.T) {
	address, fd := crowded(t)
	begun := make(chan Observation)
	go func() { begun <- observe(t, &Settings{TCP: &TCP{Address: address}}, "", generous) }()
	// The first SYN is dropped; accepting all makes room for the second, about a second later.
	<-time.After(late)
	for range 2 {
		if c, _, err := syscall.Accept(fd); err == nil {
			_ = syscall.Close(c)
		}
	}
	o := <-begun
	want(t, o, uptally.OK)
	if o.RTT < 500*time.Millisecond {
		t.Errorf("got a response time of %v, want the second that it took", o.RTT)
	}
	if again := factOf(o, "syn sent again"); again == "" || o.Delay != 0 {
		t.Errorf("got syn sent again %q and a delay of %v", again, o.Delay)
	}
}

// TestNotItself: a socket that met itself is no open port.
func TestNotItself(t *testing.T) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	self, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Connect(fd, self); err != nil {
		t.Fatal(err)
	}
	s := &socket{to: netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(self.(*syscall.SockaddrInet4).Port)), file: os.NewFile(uintptr(fd), "")}
	defer s.Close()
	if s.raw, err = s.file.SyscallConn(); err != nil {
		t.Fatal(err)
	}
	if err := s.notItself(); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("got %v, want a refused connection", err)
	}
}
