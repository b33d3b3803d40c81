package probes

import (
	"context"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
	"go.uber.org/goleak"

	"github.com/uptally/uptally"
)

// fixture is what the conformance suite needs of a kind: settings that are up, and settings whose target never answers.
// begun tells when the silent target was asked; nil where it cannot know.
type fixture struct {
	up, silent *Settings
	timeout    uptally.Reason
	begun      <-chan struct{}
	engine     *Engine // set by eachKind
}

func (f *fixture) prepared(t testing.TB, s *Settings) *Prober { return preparedBy(t, f.engine, s, "") }

func (f *fixture) observe(t testing.TB, s *Settings, within time.Duration) Observation {
	return observeBy(t, f.engine, s, "", within)
}

// fixtures has one entry a kind. TestEveryKind demands it.
func fixtures(t testing.TB) map[string]fixture {
	mark := func() (chan struct{}, func(net.Conn)) {
		begun := make(chan struct{}, 1000)
		return begun, func(c net.Conn) { begun <- struct{}{}; silence(c) }
	}
	web := listenTCP(t, afterRequest("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
	name := listenDNS(t, func(_ string, q *dns.Msg) []byte {
		return answer(t, q, dns.RcodeSuccess, q.Question[0].Name+" 60 IN A 192.0.2.1")
	})
	webBegun, webSilent := mark()
	tcpBegun, tcpSilent := mark()
	dnsBegun := make(chan struct{}, 1000)
	mute := listenDNS(t, func(string, *dns.Msg) []byte { dnsBegun <- struct{}{}; return nil })
	echoBegun := make(chan struct{}, 1000)
	close(echoBegun)
	return map[string]fixture{
		"http": {
			up:      &Settings{HTTP: &HTTP{URL: "http://" + web, Headers: []Header{{Name: "Accept", Value: "*/*"}}, Status: []string{"200"}, Body: "ok", Reach: Reach{Resolve: map[string]string{"a.test": "127.0.0.1"}}}},
			silent:  &Settings{HTTP: &HTTP{URL: "http://" + listenTCP(t, webSilent)}},
			timeout: uptally.ResponseTimeout, begun: webBegun,
		},
		"tcp": {
			up:      &Settings{TCP: &TCP{Address: web, Steps: []Step{{Send: "GET / HTTP/1.0\r\n\r\n"}, {Expect: "ok"}}}},
			silent:  &Settings{TCP: &TCP{Address: listenTCP(t, tcpSilent), Steps: []Step{{Expect: "hello"}}}},
			timeout: uptally.ReplyTimeout, begun: tcpBegun,
		},
		"icmp": {
			up: &Settings{ICMP: &ICMP{Host: "127.0.0.1", MaxLoss: new(int)}},
			// The broadcast address of loopback: the kernel answers none by default.
			silent:  &Settings{ICMP: &ICMP{Host: "127.255.255.255"}},
			timeout: uptally.NoReply, begun: echoBegun,
		},
		"dns": {
			up:      &Settings{DNS: &DNS{Server: name, Name: "portal.test", Answers: []string{"192.0.2.1"}}},
			silent:  &Settings{DNS: &DNS{Server: mute, Name: "portal.test"}},
			timeout: uptally.QueryTimeout, begun: dnsBegun,
		},
	}
}

// kindNames walks the union: the only list of the kinds.
func kindNames() []string {
	var names []string
	for f := range reflect.TypeFor[Settings]().Fields() {
		names = append(names, f.Tag.Get("yaml"))
	}
	return names
}

// eachKind runs a story for every kind and with both engines, and skips ICMP where the machine grants no socket for it.
func eachKind(t *testing.T, story func(t *testing.T, f fixture)) {
	for _, kind := range kindNames() {
		for name, open := range map[string]func() *Engine{"": NewEngine, " shared": NewShared} {
			t.Run(kind+name, func(t *testing.T) {
				f, ok := fixtures(t)[kind]
				if !ok {
					t.Fatalf("got no fixture for %q", kind)
				}
				if kind == "icmp" {
					needEcho(t)
				}
				f.engine = open()
				story(t, f)
				if err := f.engine.Close(); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

func needEcho(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), generous)
	defer cancel()
	if o := prepared(t, &Settings{ICMP: &ICMP{Host: "127.0.0.1"}}, "").Probe(ctx); o.Reason == uptally.NotPermitted {
		t.Skip(o.Detail)
	}
}

func TestEveryKind(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "docs", "probes.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range kindNames() {
		f, ok := fixtures(t)[kind]
		if !ok {
			t.Errorf("got no fixture for %q", kind)
			continue
		}
		for _, s := range []*Settings{f.up, f.silent} {
			if got := s.Kind(); got != kind || s.Target() == "" {
				t.Errorf("got kind %q and target %q, want %q and a target", got, s.Target(), kind)
			}
			if ps := s.Validate(); len(ps) > 0 {
				t.Errorf("%s: got problems %v", kind, ps)
			}
			if rs := s.Reasons(); len(rs) == 0 || !slices.IsSorted(rs) {
				t.Errorf("%s: got reasons %v", kind, rs)
			}
		}
		for _, name := range []string{kind + ".go", kind + "_test.go"} {
			if _, err := os.Stat(name); err != nil {
				t.Errorf("%s: %v", kind, err)
			}
		}
		if !strings.Contains(string(page), "\n## "+kind+"\n") || !strings.Contains(string(page), kind+": {") {
			t.Errorf("docs/probes.md: got no chapter and example of %q", kind)
		}
	}
}

func TestUpIsUp(t *testing.T) {
	eachKind(t, func(t *testing.T, f fixture) {
		o := f.observe(t, f.up, generous)
		want(t, o, uptally.OK)
		if len(o.Phases) == 0 || len(o.Facts) == 0 {
			t.Errorf("got phases %v and facts %v, want some", o.Phases, o.Facts)
		}
	})
}

func TestDeadlineIsHonoured(t *testing.T) {
	eachKind(t, func(t *testing.T, f fixture) {
		start := time.Now()
		o := f.observe(t, f.silent, brief)
		want(t, o, f.timeout)
		if took := time.Since(start); took < brief {
			t.Errorf("gave up after %v, want the whole of %v", took, brief)
		}
		if o.RTT != 0 {
			t.Errorf("got response time %v without an answer", o.RTT)
		}
	})
}

func TestCancelEndsTheProbe(t *testing.T) {
	eachKind(t, func(t *testing.T, f fixture) {
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			<-f.begun
			cancel()
		}()
		o := f.prepared(t, f.silent).Probe(ctx) // no deadline of its own: ten seconds
		checkObservation(t, f.silent, o)
		want(t, o, uptally.AgentDown)
	})
}

func TestOverBeforeItBegins(t *testing.T) {
	eachKind(t, func(t *testing.T, f fixture) {
		p := f.prepared(t, f.up)
		ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
		defer cancel()
		want(t, p.Probe(ctx), uptally.Overtaken)
		ctx, cancel = context.WithCancel(t.Context())
		cancel()
		want(t, p.Probe(ctx), uptally.AgentDown)
	})
}

func TestNothingIsLeftBehind(t *testing.T) {
	eachKind(t, func(t *testing.T, f fixture) {
		before := goleak.IgnoreCurrent()
		files := openFiles(t)
		for range 5 {
			f.observe(t, f.up, generous)
			f.observe(t, f.silent, brief)
		}
		if err := f.engine.Close(); err != nil {
			t.Error(err)
		}
		goleak.VerifyNone(t, before,
			// The test's own servers notice later that a client left.
			goleak.IgnoreAnyFunction("github.com/uptally/uptally/probes.serve.func1.1"))
		if got := openFiles(t); got > files+10 {
			t.Errorf("got %d open files after ten probes, %d before", got, files)
		}
	})
}

func openFiles(t testing.TB) int {
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip(err)
	}
	return len(list)
}

// TestManyAtOnce runs one prober from many goroutines: settings and prober are read only (with -race, proven).
func TestManyAtOnce(t *testing.T) {
	eachKind(t, func(t *testing.T, f fixture) {
		before := written(t, f.up)
		p := f.prepared(t, f.up)
		var all sync.WaitGroup
		for range 32 {
			all.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), generous)
				defer cancel()
				o := p.Probe(ctx)
				checkObservation(t, f.up, o)
				want(t, o, uptally.OK)
			})
		}
		all.Wait()
		if diff := cmp.Diff(before, written(t, f.up)); diff != "" {
			t.Errorf("settings changed (-before +after):\n%s", diff)
		}
	})
}

// written is everything in the settings as text.
func written(t testing.TB, s *Settings) string {
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestNoDescriptorsIsVoid runs in a process of its own, whose limit of open files is what it has open.
func TestNoDescriptorsIsVoid(t *testing.T) {
	const child = "UPTALLY_NO_DESCRIPTORS"
	if os.Getenv(child) == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestNoDescriptorsIsVoid$", "-test.v")
		cmd.Env = append(os.Environ(), child+"=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return
	}
	eachKind(t, func(t *testing.T, f fixture) {
		targets := []*Settings{f.up}
		if f.up.DNS != nil {
			byTCP := *f.up.DNS
			byTCP.Transport = "tcp"
			targets = append(targets, &Settings{DNS: &byTCP})
		}
		if f.up.TCP != nil {
			targets = append(targets, &Settings{TCP: &TCP{Address: "portal.test:80"}}) // the resolver's socket
		}
		for _, s := range targets {
			p := f.prepared(t, s)
			restore := exhaust(t)
			ctx, cancel := context.WithTimeout(t.Context(), generous)
			o := p.Probe(ctx)
			cancel()
			restore()
			checkObservation(t, s, o)
			want(t, o, uptally.Resource)
		}
	})
}

// exhaust lowers the limit of open files to what is open.
func exhaust(t testing.TB) (restore func()) {
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	low := old
	low.Cur = 3
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &low); err != nil {
		t.Skip(err)
	}
	return func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &old); err != nil {
			t.Fatal(err)
		}
	}
}

// TestSlow: a response that is right and late is too_slow, with its response time.
func TestSlow(t *testing.T) {
	eachKind(t, func(t *testing.T, f fixture) {
		m, err := func() (*measure, error) { _, k := f.up.one(); return k.prepare(f.engine, "") }()
		if err != nil {
			t.Fatal(err)
		}
		m.slow = 1 // one nanosecond
		ctx, cancel := context.WithTimeout(t.Context(), generous)
		defer cancel()
		o := m.ready()(ctx)
		want(t, o, uptally.TooSlow)
		if o.RTT <= 0 {
			t.Errorf("got response time %v", o.RTT)
		}
	})
}
