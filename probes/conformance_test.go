package probes

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/uptally/uptally"
)

// TestProbeConformance is what every kind owes, in every way that it can be carried, with both engines where that makes a difference.
func TestProbeConformance(t *testing.T) {
	t.Run("every kind has its files, its page and its variants", everyKind)
	for _, story := range []struct {
		name string
		tell func(t *testing.T, f *fixture)
	}{
		{"up is up", upIsUp},
		{"the deadline is honoured", deadlineIsHonoured},
		{"a cancelled probe ends", cancelEndsTheProbe},
		{"nothing is begun after the deadline", overBeforeItBegins},
		{"a slow answer is too slow", slowIsTooSlow},
		{"garbage leads to one reason", garbageLeadsToOneReason},
		{"many at once change nothing", manyAtOnce},
		{"nothing is left behind", nothingIsLeftBehind},
		{noDescriptors, noDescriptorsIsVoid},
	} {
		t.Run(story.name, func(t *testing.T) {
			if story.name == noDescriptors && os.Getenv(noDescriptorsChild) == "" {
				inOwnProcess(t)
				return
			}
			eachVariant(t, story.tell)
		})
	}
	t.Run("nothing is left behind by very many", veryMany)
}

// kindNames walks the union: the only list of the kinds.
func kindNames() []string {
	var names []string
	for f := range reflect.TypeFor[Settings]().Fields() {
		names = append(names, f.Tag.Get("yaml"))
	}
	return names
}

// eachVariant runs a story for every variant, with both engines where they differ for it, and skips ICMP where the machine grants no socket for it.
func eachVariant(t *testing.T, tell func(t *testing.T, f *fixture)) {
	ca := newAuthority(t)
	cert := ca.issue("good", "portal.test", -time.Hour, 100*time.Hour)
	for i, v := range variants(t, ca, cert) {
		engines := map[string]func() *Engine{"": NewEngine}
		if v.shares {
			engines[" shared"] = NewShared
		}
		for name, open := range engines {
			t.Run(v.name+name, func(t *testing.T) {
				// Anew, for what a variant starts ends with its story.
				f := variants(t, ca, cert)[i].open(t, ca.dir, open())
				tell(t, f)
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

// everyKind walks the union of the kinds and the settings of each.
func everyKind(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "docs", "probes.md"))
	if err != nil {
		t.Fatal(err)
	}
	given := map[string]map[string]bool{} // kind, field
	ca := newAuthority(t)
	for _, v := range variants(t, ca, ca.issue("good", "portal.test", -time.Hour, time.Hour)) {
		s := v.settings("127.0.0.1:9")
		if s.ICMP != nil {
			s = v.settings("127.0.0.1")
		}
		kind, k := s.one()
		if ps := s.Validate(); len(ps) > 0 || !strings.HasPrefix(v.name, kind) || s.Target() == "" {
			t.Errorf("%s: got kind %q, target %q and problems %v", v.name, kind, s.Target(), ps)
		}
		if rs := s.Reasons(); len(rs) == 0 || !slices.IsSorted(rs) {
			t.Errorf("%s: got reasons %v", v.name, rs)
		}
		if given[kind] == nil {
			given[kind] = map[string]bool{}
		}
		for _, name := range carriers(reflect.TypeOf(k).Elem()) {
			given[kind][name] = given[kind][name] || !reflect.ValueOf(k).Elem().FieldByName(name).IsZero()
		}
	}
	for _, kind := range kindNames() {
		if given[kind] == nil {
			t.Errorf("got no variant of %q", kind)
		}
		for name, ok := range given[kind] {
			if !ok {
				t.Errorf("%s: got no variant with %s", kind, name)
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

func upIsUp(t *testing.T, f *fixture) {
	o := f.observe(t, f.up, generous)
	want(t, o, uptally.OK)
	if len(o.Phases) == 0 || len(o.Facts) == 0 {
		t.Errorf("got phases %v and facts %v, want some", o.Phases, o.Facts)
	}
}

func deadlineIsHonoured(t *testing.T, f *fixture) {
	start := time.Now()
	const within = 400 * time.Millisecond // enough for a handshake before the silence
	o := f.observe(t, f.silent, within)
	want(t, o, f.timeout)
	if took := time.Since(start); took < within {
		t.Errorf("gave up after %v, want the whole of %v", took, within)
	}
	if o.RTT != 0 {
		t.Errorf("got response time %v without an answer", o.RTT)
	}
	if o.FailedIn != f.phase {
		t.Errorf("failed in %q, want %q", o.FailedIn, f.phase)
	}
}

func cancelEndsTheProbe(t *testing.T, f *fixture) {
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-f.begun
		cancel()
	}()
	o := f.prepared(t, f.silent).Probe(ctx) // no deadline of its own: ten seconds
	checkObservation(t, f.silent, o)
	want(t, o, uptally.AgentDown)
}

func overBeforeItBegins(t *testing.T, f *fixture) {
	p := f.prepared(t, f.silent)
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	want(t, p.Probe(ctx), uptally.Overtaken)
	ctx, cancel = context.WithCancel(t.Context())
	cancel()
	want(t, p.Probe(ctx), uptally.AgentDown)
	// A probe that is asked for now arrives, and none came before it.
	ctx, cancel = context.WithTimeout(t.Context(), brief)
	defer cancel()
	checkObservation(t, f.silent, p.Probe(ctx))
	if n := len(f.begun); n > 1 {
		t.Errorf("the target was asked %d times, want once", n)
	}
}

// slowIsTooSlow: a response that is right and late is too_slow, with its response time.
func slowIsTooSlow(t *testing.T, f *fixture) {
	_, k := f.up.one()
	m, err := k.prepare(f.engine, Folder(f.dir))
	if err != nil {
		t.Fatal(err)
	}
	m.slow = 1 // one nanosecond
	ctx, cancel := context.WithTimeout(t.Context(), generous)
	defer cancel()
	o := m.ready()(ctx)
	checkObservation(t, f.up, o)
	want(t, o, uptally.TooSlow)
	if o.RTT <= 0 {
		t.Errorf("got response time %v", o.RTT)
	}
}

// garbageLeadsToOneReason: whatever a server says, the probe ends without a panic, with a reason of its list and the phase
// that failed; checkObservation looks.
func garbageLeadsToOneReason(t *testing.T, f *fixture) {
	n := 120
	if testing.Short() {
		n = 24
	}
	places := make(chan struct{}, 16)
	var all sync.WaitGroup
	for i := range n {
		places <- struct{}{}
		all.Go(func() {
			f.observe(t, f.settings(f.garbage(t, i)), brief)
			<-places
		})
	}
	all.Wait()
	want(t, f.observe(t, f.up, generous), uptally.OK)
}

// manyAtOnce runs one prober from many goroutines: settings and prober are read only (with -race, proven).
func manyAtOnce(t *testing.T, f *fixture) {
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
}

// written is everything in the settings as text.
func written(t testing.TB, s *Settings) string {
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func nothingIsLeftBehind(t *testing.T, f *fixture) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // the collector closes what was forgotten
	before, files := goleak.IgnoreCurrent(), openByKind(t)
	var all sync.WaitGroup
	for range 5 {
		all.Go(func() { f.observe(t, f.up, generous) })
		all.Go(func() { f.observe(t, f.silent, brief) })
	}
	all.Wait()
	if err := f.engine.Close(); err != nil {
		t.Error(err)
	}
	settle(t, func() string { return moreOpen(t, files) })
	goleak.VerifyNone(t, before)
}

const (
	noDescriptors      = "without descriptors a probe is void"
	noDescriptorsChild = "UPTALLY_NO_DESCRIPTORS"
)

// inOwnProcess runs the story in a process of its own, whose limit of open files is what it has open.
func inOwnProcess(t *testing.T) {
	cmd := exec.Command(os.Args[0], "-test.run=^TestProbeConformance$/^"+strings.ReplaceAll(noDescriptors, " ", "_")+"$", "-test.v")
	cmd.Env = append(os.Environ(), noDescriptorsChild+"=1")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "/dns_over_HTTPS") {
		t.Fatalf("%v: %s", err, out)
	}
}

func noDescriptorsIsVoid(t *testing.T, f *fixture) {
	targets := []*Settings{f.up}
	if f.name == "tcp" {
		targets = append(targets, f.settings("portal.test:80")) // the resolver's socket
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

func openFiles(t testing.TB) int {
	n := 0
	for _, of := range openByKind(t) {
		n += of
	}
	return n
}
