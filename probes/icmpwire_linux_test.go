package probes

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/uptally/uptally"
)

// wire is a network device whose other end is a function of the test: a target that answers as no real one would.
type wire struct {
	file   *os.File
	answer func(w *wire, request []byte)
	end    sync.WaitGroup
}

// openWire makes a TUN device with the first address; what is sent to the network goes to answer, packet by packet.
func openWire(t testing.TB, address string, answer func(*wire, []byte)) *wire {
	t.Helper()
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	var ifr struct {
		name  [unix.IFNAMSIZ]byte
		flags uint16
		_     [22]byte
	}
	copy(ifr.name[:], "wire")
	ifr.flags = unix.IFF_TUN | unix.IFF_NO_PI
	if _, _, no := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.TUNSETIFF, uintptr(unsafe.Pointer(&ifr))); no != 0 {
		t.Fatal(no)
	}
	w := &wire{file: os.NewFile(uintptr(fd), "wire"), answer: answer}
	for _, args := range [][]string{{"addr", "add", address, "dev", "wire"}, {"link", "set", "wire", "up"}} {
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	w.end.Go(w.serve)
	t.Cleanup(func() {
		_ = w.file.Close()
		w.end.Wait()
	})
	return w
}

func (w *wire) serve() {
	b := make([]byte, 1<<16)
	for {
		n, err := w.file.Read(b)
		if err != nil {
			return
		}
		if n > ip4HeaderLen && b[0]>>4 == 4 && b[9] == protocolICMP4 {
			w.answer(w, bytes.Clone(b[:n]))
		}
	}
}

func (w *wire) send(packets ...[]byte) {
	for _, p := range packets {
		_, _ = w.file.Write(p) // the device closes with the test
	}
}

// replied is the reply to a request, from its target unless change says otherwise; checksums are right.
func replied(request []byte, change func(packet []byte)) []byte {
	b := bytes.Clone(request)
	copy(b[12:16], request[16:20])
	copy(b[16:20], request[12:16])
	b[ip4HeaderLen] = echoReply4
	if change != nil {
		change(b)
	}
	return summed(b)
}

// summed puts right checksums into a packet without options.
func summed(b []byte) []byte {
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	for _, at := range []int{10, ip4HeaderLen + 2} {
		b[at], b[at+1] = 0, 0
	}
	binary.BigEndian.PutUint16(b[10:], checksum(0, b[:ip4HeaderLen]))
	binary.BigEndian.PutUint16(b[ip4HeaderLen+2:], checksum(0, b[ip4HeaderLen:]))
	return b
}

// refusal4 is a router's complaint about the first n bytes of a request.
func refusal4(request []byte, n int) []byte {
	return packet4("198.51.100.1", "10.78.0.1", nil, complaint4(3, 1, 0, request[:n]))
}

const (
	insideWire = "UPTALLY_INSIDE_WIRE"
	lonely     = `set -e
ip netns add $N-site; ip -n $N-site link set lo up
ip netns exec $N-site sysctl -qw net.ipv4.ping_group_range="0 2147483647" net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0`
)

// TestICMPWire asks targets that answer wrongly, twice, in another's name or too late. Each has an address of its own.
func TestICMPWire(t *testing.T) {
	if os.Getenv(insideWire) == "" {
		insideNamespace(t, lonely, "site", insideWire, "TestICMPWire")
		return
	}
	last := map[byte][]byte{} // the last request to each address; only the wire's goroutine uses it
	stories := wireStories(last)
	openWire(t, "10.78.0.1/24", func(w *wire, request []byte) {
		if i := int(request[19]) - 2; i >= 0 {
			stories[i%len(stories)].answer(w, request)
			last[request[19]] = request
		}
	})
	host := 2
	for name, privileged := range map[string]string{"raw": "always", "datagram": "never"} {
		e := NewShared()
		for _, tt := range stories {
			s := &Settings{ICMP: &ICMP{Host: fmt.Sprintf("10.78.0.%d", host), Privileged: privileged}}
			host++
			t.Run(name+", "+tt.story, func(t *testing.T) {
				within := generous
				if tt.waits {
					within = brief
				}
				for range max(1, tt.times) {
					o := observeBy(t, e, s, "", within)
					want(t, o, tt.want)
					if o.Detail != tt.detail {
						t.Errorf("got %q, want %q", o.Detail, tt.detail)
					}
				}
			})
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}
}

type wireStory struct {
	story  string
	answer func(w *wire, request []byte)
	want   uptally.Reason
	detail string
	waits  bool // until the deadline
	times  int
}

func wireStories(last map[byte][]byte) []wireStory {
	const none = "got 0 of 1 replies"
	const differs = "got a reply of 24 bytes, which differs from the 24 sent at byte 20"
	const refusal = "198.51.100.1 answered: host unreachable"
	change := func(b []byte) { b[ip4HeaderLen+echoHeaderLen+20] ^= 0x80 }
	return []wireStory{
		{"a proper reply", func(w *wire, q []byte) { w.send(replied(q, nil)) }, uptally.OK, "", false, 1},
		{"twice", func(w *wire, q []byte) { w.send(replied(q, nil), replied(q, nil)) }, uptally.OK, "", false, 20},
		{"a changed payload", func(w *wire, q []byte) { w.send(replied(q, change)) }, uptally.PayloadMismatch, differs, true, 1},
		{"a changed payload, then a proper reply", func(w *wire, q []byte) { w.send(replied(q, change), replied(q, nil)) }, uptally.OK, "", false, 1},
		{"a payload that is cut off", func(w *wire, q []byte) { w.send(summed(replied(q, nil)[:40])) }, uptally.PayloadMismatch, "got a reply of 12 bytes, which differs from the 24 sent at byte 12", true, 1},
		{"a payload that is too long", func(w *wire, q []byte) { w.send(summed(append(replied(q, nil), 0, 0))) }, uptally.PayloadMismatch, "got a reply longer than the 24 bytes sent", true, 1},
		{"a payload far too long", func(w *wire, q []byte) { w.send(summed(append(replied(q, nil), make([]byte, 1200)...))) }, uptally.PayloadMismatch, "got a reply longer than the 24 bytes sent", true, 1},
		{"a broken checksum", func(w *wire, q []byte) { b := replied(q, nil); b[50] ^= 1; w.send(b) }, uptally.NoReply, none, true, 1},
		{"from another address", func(w *wire, q []byte) { w.send(replied(q, func(b []byte) { b[15] = 99 })) }, uptally.NoReply, none, true, 1},
		{"for another sequence", func(w *wire, q []byte) { w.send(replied(q, func(b []byte) { b[27]++ })) }, uptally.NoReply, none, true, 1},
		{"for another identifier", func(w *wire, q []byte) { w.send(replied(q, func(b []byte) { b[24] ^= 0x80 })) }, uptally.NoReply, none, true, 1},
		{"with the payload of the request before, then a proper one", func(w *wire, q []byte) {
			if before := last[q[19]]; before != nil {
				w.send(replied(q, func(b []byte) { copy(b[28:], before[28:]) }))
			}
			w.send(replied(q, nil))
		}, uptally.OK, "", false, 5},
		{"with the payload of the request before", func(w *wire, q []byte) {
			if before := last[q[19]]; before != nil {
				w.send(replied(q, func(b []byte) { copy(b[28:], before[28:]) }))
			}
		}, uptally.NoReply, none, true, 2},
		{"refused", func(w *wire, q []byte) { w.send(refusal4(q, len(q))) }, uptally.Unreachable, refusal, false, 1},
		{"refused without proof", func(w *wire, q []byte) { w.send(refusal4(q, 28)) }, uptally.Unreachable, refusal, true, 1},
		{"refused without proof, then answered", func(w *wire, q []byte) { w.send(refusal4(q, 28), replied(q, nil)) }, uptally.OK, "", false, 1},
		{"refused by somebody who did not see the request", func(w *wire, q []byte) {
			b := bytes.Clone(q)
			b[30] ^= 1
			w.send(refusal4(b, len(b)), replied(q, nil))
		}, uptally.OK, "", false, 1},
		{"refused for another target", func(w *wire, q []byte) {
			b := bytes.Clone(q)
			b[19] = 250
			w.send(refusal4(b, len(b)), replied(q, nil))
		}, uptally.OK, "", false, 1},
		{"a request instead of a reply", func(w *wire, q []byte) { w.send(replied(q, func(b []byte) { b[20] = echoRequest4 })) }, uptally.NoReply, none, true, 1},
	}
}

// TestLateReader: the agent is held up until after the deadline, the reply was there in time: up, with the kernel's time and
// the delay.
func TestLateReader(t *testing.T) {
	needEcho(t)
	e := NewShared()
	s := &Settings{ICMP: &ICMP{Host: "127.0.0.1"}}
	want(t, observeBy(t, e, s, "", generous), uptally.OK)
	socket := onlySocket(t, e)
	holdUp := func(d, within time.Duration) Observation {
		socket.reading.Lock()
		time.AfterFunc(d, socket.reading.Unlock)
		return observeBy(t, e, s, "", within)
	}
	// The kernel begins to stamp a moment after it was asked to.
	for tries := 0; holdUp(2*time.Millisecond, generous).Delay < time.Millisecond; tries++ {
		if tries == 1000 {
			t.Fatal("got no stamp from the kernel")
		}
	}
	o := holdUp(2*brief, brief)
	want(t, o, uptally.OK)
	if o.RTT > brief/2 || o.Delay < brief {
		t.Errorf("got %v with a delay of %v, want less than %v and more than %v", o.RTT, o.Delay, brief/2, brief)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
}

func onlySocket(t *testing.T, e *Engine) *echoSocket {
	t.Helper()
	for _, list := range e.pool.sockets {
		if len(e.pool.sockets) == 1 && len(list) == 1 {
			return list[0]
		}
	}
	t.Fatalf("got sockets %v, want one", e.pool.sockets)
	return nil
}

// TestOverflow: replies that the kernel had to drop because the agent did not read prove nothing about the target.
func TestOverflow(t *testing.T) {
	needEcho(t)
	e := NewShared()
	s := &Settings{ICMP: &ICMP{Host: "127.0.0.1"}}
	want(t, observeBy(t, e, s, "", generous), uptally.OK)
	socket := onlySocket(t, e)
	if err := unix.SetsockoptInt(socket.fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 1); err != nil {
		t.Fatal(err)
	}
	socket.reading.Lock()
	time.AfterFunc(brief/2, socket.reading.Unlock)
	var all sync.WaitGroup
	var mu sync.Mutex
	got := map[uptally.Reason]int{}
	for range 100 {
		all.Go(func() {
			o := observeBy(t, e, s, "", brief)
			mu.Lock()
			defer mu.Unlock()
			got[o.Reason]++
		})
	}
	all.Wait()
	if got[uptally.Resource] == 0 || got[uptally.OK]+got[uptally.Resource] != 100 {
		t.Errorf("got %v, want some up and the rest resource", got)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
}

// TestClose: probes in flight end with agent_down, later ones too, and nothing is left.
func TestClose(t *testing.T) {
	needEcho(t)
	files := openFiles(t)
	e := NewShared()
	p := preparedBy(t, e, &Settings{ICMP: &ICMP{Host: "127.255.255.255"}}, "")
	seen := make(chan Observation, 50)
	for range 50 {
		go func() { seen <- p.Probe(t.Context()) }()
	}
	for flying := 0; flying < 50; {
		e.pool.mu.Lock()
		for _, list := range e.pool.sockets {
			list[0].mu.Lock()
			flying = len(list[0].table)
			list[0].mu.Unlock()
		}
		e.pool.mu.Unlock()
	}
	for range 2 {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}
	for range 50 {
		want(t, <-seen, uptally.AgentDown)
	}
	want(t, p.Probe(t.Context()), uptally.AgentDown)
	if got := openFiles(t); got > files {
		t.Errorf("got %d open files, want the %d of before", got, files)
	}
}

// TestNumbers: requests under way never share a number, one that is free again is not taken soon, and a socket promises no
// more than half of its numbers.
func TestNumbers(t *testing.T) {
	s := &echoSocket{room: 1 << 16, next: 1<<32 - 100, table: map[uint32]*request{}} // about to wrap
	s.left = sync.NewCond(&s.mu)
	if !s.reserve(1<<15) || s.reserve(1) {
		t.Fatal("got another promise than half of the numbers")
	}
	q := &request{}
	for range 1 << 15 {
		s.number(q)
	}
	if len(s.table) != 1<<15 {
		t.Errorf("got %d numbers, want 32768", len(s.table))
	}
	freed := s.number(q)
	delete(s.table, freed)
	for range 1<<15 - 1 { // every other number that is free
		if n := s.number(q); n == freed {
			t.Fatal("got the number just freed")
		} else {
			delete(s.table, n)
		}
	}
	s.release(1 << 15)
	if !s.reserve(1) {
		t.Error("got no promise after all were given back")
	}
}

// TestRoundTrip: the kernel's stamp is used where both clocks bear it out.
func TestRoundTrip(t *testing.T) {
	const ms = time.Millisecond
	for _, tt := range []struct {
		story                             string
		process, wall, kernel, rtt, delay time.Duration
	}{
		{"read 45 ms late", 50 * ms, 50 * ms, 5 * ms, 5 * ms, 45 * ms},
		{"read 45 ms late, the clock a little fast", 50 * ms, 51 * ms, 5 * ms, 5 * ms, 45 * ms},
		{"the clock was put forward", 50 * ms, 3650 * ms, 3605 * ms, 50 * ms, 0},
		{"the clock was put back", 50 * ms, -3550 * ms, -3595 * ms, 50 * ms, 0},
		{"and by 2 ms only", 50 * ms, 52 * ms, 5 * ms, 50 * ms, 0},
		{"no stamp", 50 * ms, 50 * ms, -1 << 62, 50 * ms, 0},
		{"stamped after it was read", 50 * ms, 50 * ms, 51 * ms, 50 * ms, 0},
		{"never longer than the process's own", 50 * ms, 51 * ms, 50*ms + 1, 50 * ms, 0},
	} {
		rtt, delay := corrected(tt.process, tt.wall, tt.kernel)
		if rtt != tt.rtt || delay != tt.delay {
			t.Errorf("%s: got %v and %v, want %v and %v", tt.story, rtt, delay, tt.rtt, tt.delay)
		}
	}
}
