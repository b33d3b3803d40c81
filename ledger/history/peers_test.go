package history

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/uptally/uptally"
)

// midnight is 2026-02-03T00:00:00Z, in milliseconds.
const midnight = 20487 * int64(uptally.DayMillis)

// written is what both servers are given: samples just before, on and just after each midnight, and one that a range closed on the
// left would have twice.
func written() []sample {
	var all []sample
	for d := range int64(3) {
		for i, at := range []int64{-1000, -1, 0, 1, 1000, 43_200_000} {
			all = append(all, sample{midnight + d*uptally.DayMillis + at, float64((int(d) + i) % 2)})
		}
	}
	return all
}

// peer is a real server that holds written as probe_success of instance="a" and one other series.
type peer struct {
	name  string
	start func(t *testing.T) string
}

func peers() []peer {
	return []peer{{"prometheus", startPrometheus}, {"victoria-metrics", startVictoria}}
}

// Each sample is read exactly once, wherever the days end and wherever a range is cut: Prometheus before 3 closes its ranges on
// the left, VictoriaMetrics does not. The same range read twice is the same batches; a day by itself is the batches that it is
// in a longer range.
func TestReadOnMidnight(t *testing.T) {
	for _, p := range peers() {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			ask := Prometheus{URL: p.start(t), Client: http.DefaultClient, Match: `instance="a"`, Check: "a", Site: "s"}
			want := written()
			first, last := want[0].at, want[len(want)-1].at
			waitFor(t, func() bool { return len(readAll(t, ask, first, last+1)) == len(want) })
			for _, cut := range []int64{first, midnight - 1, midnight, midnight + 1, midnight + 1000, midnight + 2*uptally.DayMillis, last, last + 1} {
				got := append(readAll(t, ask, first, cut), readAll(t, ask, cut, last+1)...)
				if !reflect.DeepEqual(got, want) {
					t.Errorf("cut at %s: got %v, want %v", utc(cut), got, want)
				}
			}
			one, sumOne := importOf(t, ask, first, last+1)
			two, sumTwo := importOf(t, ask, first, last+1)
			if sumOne != sumTwo || !reflect.DeepEqual(one.Batches, two.Batches) {
				t.Errorf("got %s and %s, want the same batches twice", sumOne, sumTwo)
			}
			short, _ := importOf(t, ask, midnight, midnight+uptally.DayMillis)
			if len(short.Batches) != 1 || !slices.ContainsFunc(one.Batches, func(b Batch) bool { return bytes.Equal(b.Data, short.Batches[0].Data) }) {
				t.Error("a day by itself: got another batch than in the longer range")
			}
		})
	}
}

func importOf(t *testing.T, ask Prometheus, from, to int64) (*Import, string) {
	t.Helper()
	b := NewBuilder(AgentOf("prometheus", "test", ask.Query()), Terms{})
	sum, err := ask.Read(t.Context(), from, to, b.Add)
	if err != nil {
		t.Fatal(err)
	}
	im, err := b.Done()
	if err != nil {
		t.Fatal(err)
	}
	return im, sum
}

// readAll returns what a range reads, as samples.
func readAll(t *testing.T, ask Prometheus, from, to int64) []sample {
	t.Helper()
	var all []sample
	_, err := ask.Read(t.Context(), from, to, func(day int32, series []Series) error {
		for _, s := range series {
			for _, r := range s.Results {
				if uptally.DayOf(r.At) != day {
					t.Errorf("got %s in day %d", utc(r.At), day)
				}
				value := 0.0
				if r.Reason == uptally.OK {
					value = 1
				}
				all = append(all, sample{r.At, value})
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func program(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err == nil {
		return path
	}
	if os.Getenv("UPTALLY_REQUIRE_PEERS") != "" {
		t.Fatalf("find %s: %v", name, err)
	}
	t.Skipf("%s is not installed; set UPTALLY_REQUIRE_PEERS to make this a failure", name)
	return ""
}

// Its port lies below those that the kernel gives to outgoing connections, of which other tests make many meanwhile.
func freeAddress(t *testing.T) string {
	t.Helper()
	for range 100 {
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 12_000+rand.IntN(20_000))); err == nil {
			defer l.Close()
			return l.Addr().String()
		}
	}
	t.Fatal("got no free port below 32000")
	return ""
}

// serve runs a server until the test ends and returns its base once ready answers.
func serve(t *testing.T, address, ready string, cmd *exec.Cmd) string {
	t.Helper()
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(log.String())
		}
	})
	waitFor(t, func() bool {
		resp, err := http.Get("http://" + address + ready)
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	return "http://" + address
}

// waitFor asks again until something holds, or for half a minute.
func waitFor(t *testing.T, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-ctx.Done():
			t.Fatal("waited half a minute in vain")
		case <-tick.C:
		}
	}
}

// startPrometheus has the samples in blocks of its database.
func startPrometheus(t *testing.T) string {
	tool, dir, address := program(t, "promtool"), t.TempDir(), freeAddress(t)
	var text strings.Builder
	text.WriteString("# TYPE probe_success gauge\n")
	for _, s := range written() {
		fmt.Fprintf(&text, "probe_success{instance=\"a\"} %v %d.%03d\n", s.value, s.at/1000, s.at%1000)
	}
	fmt.Fprintf(&text, "probe_success{instance=\"a\"} NaN %d.500\n", midnight/1000) // no number: no result
	fmt.Fprintf(&text, "probe_success{instance=\"b\"} 1 %d\n# EOF\n", midnight/1000)
	file, data := filepath.Join(dir, "samples"), filepath.Join(dir, "data")
	for _, f := range []struct{ name, text string }{{file, text.String()}, {filepath.Join(dir, "prometheus.yml"), "{}\n"}} {
		if err := os.WriteFile(f.name, []byte(f.text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command(tool, "tsdb", "create-blocks-from", "openmetrics", file, data).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return serve(t, address, "/-/ready", exec.Command(program(t, "prometheus"), "--config.file="+filepath.Join(dir, "prometheus.yml"),
		"--storage.tsdb.path="+data, "--storage.tsdb.retention.time=100y", "--web.listen-address="+address, "--log.level=warn"))
}

// startVictoria is given the samples by its API.
func startVictoria(t *testing.T) string {
	address := freeAddress(t)
	base := serve(t, address, "/health", exec.Command(program(t, "victoria-metrics"), "-storageDataPath="+t.TempDir(),
		"-httpListenAddr="+address, "-retentionPeriod=100y", "-loggerLevel=WARN"))
	var text strings.Builder
	for _, s := range written() {
		fmt.Fprintf(&text, "probe_success{instance=\"a\"} %v %d\n", s.value, s.at)
	}
	fmt.Fprintf(&text, "probe_success{instance=\"a\"} NaN %d\nprobe_success{instance=\"b\"} 1 %d\n", midnight+500, midnight)
	resp, err := http.Post(base+"/api/v1/import/prometheus", "text/plain", strings.NewReader(text.String()))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusNoContent {
		t.Fatalf("import: got %s: %s", resp.Status, body)
	}
	return base
}
