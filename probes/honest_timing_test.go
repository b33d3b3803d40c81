//go:build linux

package probes

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/uptally/uptally"
)

// patience is how long the target of BenchmarkHonestTime takes to answer at least.
const patience = 5 * time.Millisecond

const patientProcess = "UPTALLY_PATIENT_PROCESS"

// BenchmarkHonestTime shows how far the response time is from the truth, against the load of this process: probes in
// flight, and goroutines that keep its cores busy. The target, a process of its own, answers after 5 ms; on a busy machine it
// is late itself, so it keeps how long it really took, from the instant when its kernel had the request to the answer. An
// error is the distance from that. Reported is what an observation says; process is what the clock of this process alone
// would have said, on the same probes.
func BenchmarkHonestTime(b *testing.B) {
	address := startProcess(b, "TestPatientProcess", patientProcess)
	settings := map[string]func(worker string) *Settings{
		"tcp": func(worker string) *Settings {
			return &Settings{TCP: &TCP{Address: address["target"], Steps: []Step{{Send: "GET " + worker + " \n"}, {Expect: "HTTP/1.1 200 OK"}}}}
		},
		"http": func(worker string) *Settings {
			return &Settings{HTTP: &HTTP{URL: "http://" + address["target"] + worker}}
		},
	}
	for _, kind := range []string{"tcp", "http"} {
		for _, busy := range []int{0, 2, 4} {
			for _, flying := range []int{16, 64, 256} {
				name := fmt.Sprintf("%s/busy=%d/in_flight=%d", kind, busy, flying)
				b.Run(name, func(b *testing.B) { honestTime(b, name, address["truth"], settings[kind], busy, flying) })
			}
		}
	}
}

func honestTime(b *testing.B, name, truth string, settings func(worker string) *Settings, busy, flying int) {
	name = fmt.Sprintf("/%s/%d", name, b.N)
	probers := make([]*Prober, flying)
	for i := range probers {
		probers[i] = prepared(b, settings(fmt.Sprintf("%s/%d", name, i)), "")
	}
	stop := keepBusy(busy)
	seen := observeMany(b, probers)
	stop()
	var process, reported []time.Duration
	for i, took := range truths(b, truth, name, flying) {
		if len(took) != len(seen[i]) {
			b.Fatalf("got %d probes, the target saw %d", len(seen[i]), len(took))
		}
		for j, o := range seen[i] {
			reported = append(reported, (o.RTT - took[j]).Abs())
			process = append(process, (o.RTT + o.Delay - took[j]).Abs())
		}
	}
	b.ReportMetric(0, "ns/op")
	for q, label := range map[int]string{50: "p50", 99: "p99"} {
		b.ReportMetric(percentile(process, q), "process-"+label+"-ms")
		b.ReportMetric(percentile(reported, q), "reported-"+label+"-ms")
	}
}

// observeMany has each prober run one probe after the other, all at once, b.N in all.
func observeMany(b *testing.B, probers []*Prober) [][]Observation {
	seen := make([][]Observation, len(probers))
	work := make(chan struct{}, len(probers))
	var all sync.WaitGroup
	for i, p := range probers {
		all.Go(func() {
			for range work {
				ctx, cancel := context.WithTimeout(b.Context(), generous)
				o := p.Probe(ctx)
				cancel()
				if o.Reason != uptally.OK {
					b.Errorf("got %v %s", o.Reason, o.Detail)
				}
				seen[i] = append(seen[i], o)
			}
		})
	}
	for b.Loop() {
		work <- struct{}{}
	}
	close(work)
	all.Wait()
	return seen
}

// truths asks the target how long it took, by worker and in their order.
func truths(b *testing.B, address, name string, flying int) [][]time.Duration {
	c, err := net.Dial("tcp", address)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	all := map[string][]time.Duration{}
	if err := json.NewDecoder(c).Decode(&all); err != nil {
		b.Fatal(err)
	}
	list := make([][]time.Duration, flying)
	for i := range list {
		list[i] = all[fmt.Sprintf("%s/%d", name, i)]
	}
	return list
}

func percentile(ds []time.Duration, q int) float64 {
	slices.Sort(ds)
	return float64(ds[(len(ds)-1)*q/100].Microseconds()) / 1000
}

// keepBusy has n goroutines compute without a pause.
func keepBusy(n int) (stop func()) {
	var over atomic.Bool
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			for x := uint64(1); !over.Load(); x = x*6364136223846793005 + 1 {
			}
		})
	}
	return func() { over.Store(true); all.Wait() }
}

// TestPatientProcess is the other process of BenchmarkHonestTime, and nothing else.
func TestPatientProcess(t *testing.T) {
	if os.Getenv(patientProcess) == "" {
		t.Skip("runs inside the benchmark only")
	}
	_ = syscall.Setpriority(syscall.PRIO_PROCESS, 0, -20) // without the right to it, it is only later itself
	var mu sync.Mutex
	took := map[string][]time.Duration{}
	stamped := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error { // connections inherit it
		return c.Control(func(fd uintptr) { _ = stampMessages(int(fd)) })
	}}
	target, err := stamped.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serve(t, target, func(c net.Conn) {
		request, stamp := receiveStamped(c)
		words := bytes.Fields(request)
		if len(words) < 2 {
			return
		}
		<-time.After(patience)
		mu.Lock()
		name := string(words[1])
		took[name] = append(took[name], time.Duration(time.Now().UnixNano()-stamp))
		mu.Unlock()
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	})
	truth := listenTCP(t, func(c net.Conn) {
		mu.Lock()
		defer mu.Unlock()
		_ = json.NewEncoder(c).Encode(took)
	})
	if _, err := os.Stdout.WriteString("target=" + target.Addr().String() + " truth=" + truth + "\n"); err != nil {
		t.Fatal(err)
	}
	_, _ = os.Stdin.Read(make([]byte, 1))
}

// receiveStamped reads a request in one piece, and when the kernel had it.
func receiveStamped(c net.Conn) (request []byte, stamp int64) {
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		return nil, 0
	}
	buf, oob := make([]byte, 4096), make([]byte, 64)
	var n, oobn int
	_ = raw.Read(func(fd uintptr) bool {
		n, oobn, _, _, err = unix.RecvmsgBuffers(int(fd), [][]byte{buf}, oob, 0)
		return err != unix.EAGAIN
	})
	if err != nil {
		return nil, 0
	}
	stamp = time.Now().UnixNano()
	eachControl(oob[:oobn], func(level, kind int32, data []byte) {
		if at := stampOf(level, kind, data); at != 0 {
			stamp = at
		}
	})
	return buf[:n], stamp
}
