//go:build linux

package probes

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/uptally/uptally"
)

// BenchmarkHonestICMP shows how far the round trip is from the truth, against the load of this process: probes in flight, and
// goroutines that keep its cores busy. The target, a process of its own behind a TUN device, answers after 5 ms, and keeps the
// instant of each reply; the truth is the time from the send instant to it. Reported is what an observation says; process is
// what the clock of this process alone would have said, on the same probes. It needs root, for a network namespace.
func BenchmarkHonestICMP(b *testing.B) {
	for _, busy := range []int{0, 2, 4} {
		for _, flying := range []int{16, 64, 256} {
			b.Run(fmt.Sprintf("busy=%d/in_flight=%d", busy, flying), func(b *testing.B) {
				runtime.LockOSThread() // and never unlocked: the thread, and its namespace, end with this goroutine
				if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
					b.Skip(err)
				}
				honestICMP(b, busy, flying)
			})
		}
	}
}

func honestICMP(b *testing.B, busy, flying int) {
	stop := startPatientEcho(b)
	e := NewShared()
	probers, seen := make([]*Prober, flying), make([][]Observation, flying)
	for i := range probers {
		probers[i] = preparedBy(b, e, &Settings{ICMP: &ICMP{Host: patientAddress(i), Privileged: "always"}}, "")
	}
	seen[0] = []Observation{probers[0].Probe(b.Context())} // here, so that the socket is of this namespace
	rest := keepBusy(busy)
	work := make(chan struct{}, flying)
	var all sync.WaitGroup
	for i, p := range probers {
		all.Go(func() {
			for range work {
				ctx, cancel := context.WithTimeout(b.Context(), generous)
				seen[i] = append(seen[i], p.Probe(ctx))
				cancel()
			}
		})
	}
	for b.Loop() {
		work <- struct{}{}
	}
	close(work)
	all.Wait()
	rest()
	if err := e.Close(); err != nil {
		b.Error(err)
	}
	reportErrors(b, seen, stop())
}

func reportErrors(b *testing.B, seen [][]Observation, replied map[string][]int64) {
	var process, reported []time.Duration
	for i, list := range seen {
		at := replied[patientAddress(i)]
		if len(at) != len(list) {
			b.Fatalf("got %d probes, the target answered %d", len(list), len(at))
		}
		for j, o := range list {
			if o.Reason != uptally.OK {
				b.Fatalf("got %v %s", o.Reason, o.Detail)
			}
			took := time.Duration(at[j] - o.SentAt.UnixNano())
			reported = append(reported, (o.RTT - took).Abs())
			process = append(process, (o.RTT + o.Delay - took).Abs())
		}
	}
	b.ReportMetric(0, "ns/op")
	for name, ds := range map[string][]time.Duration{"process": process, "reported": reported} {
		slices.Sort(ds)
		for _, q := range []int{50, 99} {
			b.ReportMetric(float64(ds[(len(ds)-1)*q/100].Microseconds())/1000, fmt.Sprintf("%s-p%d-ms", name, q))
		}
	}
}

func patientAddress(worker int) string { return fmt.Sprintf("10.78.%d.%d", 1+worker/200, 1+worker%200) }

const patientEcho = "UPTALLY_PATIENT_ECHO"

// startPatientEcho runs the target in the namespace of this thread. stop ends it and returns the instants of its replies by
// the address that was asked, in nanoseconds of the wall clock.
func startPatientEcho(b *testing.B) (stop func() map[string][]int64) {
	cmd := exec.Command(os.Args[0], "-test.run=^TestPatientEcho$")
	cmd.Env = append(os.Environ(), patientEcho+"=1")
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	lines := json.NewDecoder(out)
	ready := false
	if err := lines.Decode(&ready); err != nil {
		b.Fatal(err)
	}
	return func() map[string][]int64 {
		replied := map[string][]int64{}
		_ = in.Close()
		if err := lines.Decode(&replied); err != nil {
			b.Fatal(err)
		}
		_ = cmd.Wait() // it has said what it knows
		return replied
	}
}

// TestPatientEcho is the other process of BenchmarkHonestICMP, and nothing else.
func TestPatientEcho(t *testing.T) {
	if os.Getenv(patientEcho) == "" {
		t.Skip("runs inside the benchmark only")
	}
	_ = syscall.Setpriority(syscall.PRIO_PROCESS, 0, -20) // without the right to it, it is only later itself
	var mu sync.Mutex
	replies := map[string][]int64{}
	openWire(t, "10.78.0.1/16", func(w *wire, request []byte) {
		time.AfterFunc(5*time.Millisecond, func() {
			reply, to := replied(request, nil), netip.AddrFrom4([4]byte(request[16:20])).String()
			mu.Lock()
			defer mu.Unlock()
			replies[to] = append(replies[to], time.Now().UnixNano())
			w.send(reply)
		})
	})
	out := json.NewEncoder(os.Stdout)
	if err := out.Encode(true); err != nil {
		t.Fatal(err)
	}
	_, _ = os.Stdin.Read(make([]byte, 1))
	mu.Lock()
	defer mu.Unlock()
	if err := out.Encode(replies); err != nil {
		t.Fatal(err)
	}
}
