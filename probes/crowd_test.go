package probes

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/uptally/uptally"
)

// veryMany probes in every variant and with both engines, of which one in seven fails in one of three ways, and looks at what
// the process holds before and after: goroutines, descriptors of each kind, and memory.
func veryMany(t *testing.T) {
	total := 10_000
	switch {
	case os.Getenv("UPTALLY_SOAK") != "":
		total = 100_000
	case testing.Short():
		total = 2_000
	}
	ca := newAuthority(t)
	cert := ca.issue("good", "portal.test", -time.Hour, 100*time.Hour)
	engines := []*Engine{NewEngine(), NewShared()}
	c := &crowd{reasons: map[uptally.Reason]int{}}
	for _, v := range variants(t, ca, cert) {
		f := v.open(t, ca.dir, nil)
		for _, e := range engines {
			f.engine = e
			c.add(t, f)
		}
	}
	before, ignored := weigh(t), goleak.IgnoreCurrent()
	c.probe(t, total/2)
	half := weigh(t)
	c.probe(t, total-total/2)
	full := weigh(t)
	for _, e := range engines {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}
	settle(t, func() string { return moreOpen(t, before.files) })
	goleak.VerifyNone(t, ignored)
	after := weigh(t)
	t.Logf("%d probes: %s\nbefore %v\nhalf   %v\nfull   %v\nclosed %v", total, c, before, half, full, after)
	// What each probe left would be there fifty thousand times in a soak.
	if grown := full.heap - half.heap; grown > 4<<20 {
		t.Errorf("the heap grew by %d bytes in %d probes", grown, total/2)
	}
}

// crowd is probers of each variant and engine, and what their probes came to.
type crowd struct {
	members []member
	next    atomic.Int64
	mu      sync.Mutex
	reasons map[uptally.Reason]int
}

// member is one of them: a target that is up, and three that are not.
type member struct {
	name                  string
	up, silent, shut, odd *Prober
	settings              *Settings
}

func (c *crowd) add(t *testing.T, f *fixture) {
	shut := f.silent
	if f.name != "icmp" {
		shut = f.settings(refusedAddress(t))
	}
	c.members = append(c.members, member{
		name: f.name, settings: f.up,
		up: f.prepared(t, f.up), silent: f.prepared(t, f.silent), shut: f.prepared(t, shut), odd: f.prepared(t, f.settings(f.garbage(t, 3))),
	})
}

// probe makes n of them, 64 at a time.
func (c *crowd) probe(t *testing.T, n int) {
	last := c.next.Load() + int64(n)
	var all sync.WaitGroup
	for range 64 {
		all.Go(func() {
			for i := c.next.Add(1); i <= last; i = c.next.Add(1) {
				m := &c.members[i%int64(len(c.members))]
				c.one(t, m, i/int64(len(c.members)))
			}
		})
	}
	all.Wait()
	c.next.Store(last)
}

func (c *crowd) one(t *testing.T, m *member, round int64) {
	p, within := m.up, generous
	switch round % 21 {
	case 0:
		p, within = m.silent, 50*time.Millisecond
	case 7:
		p, within = m.shut, 50*time.Millisecond
	case 14:
		p, within = m.odd, 50*time.Millisecond
	}
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	o := p.Probe(ctx)
	checkObservation(t, m.settings, o)
	if p == m.up && o.Reason != uptally.OK {
		t.Errorf("%s: got %v (%s), want up", m.name, o.Reason, o.Detail)
	}
	c.mu.Lock()
	c.reasons[o.Reason]++
	c.mu.Unlock()
}

// String counts the reasons.
func (c *crowd) String() string {
	var parts []string
	for _, r := range slices.SortedFunc(maps.Keys(c.reasons), func(a, b uptally.Reason) int { return cmp.Compare(a, b) }) {
		parts = append(parts, fmt.Sprintf("%v %d", r, c.reasons[r]))
	}
	return strings.Join(parts, ", ")
}

// weight is what the process holds.
type weight struct {
	goroutines int
	files      map[string]int
	heap       int64  // bytes in use after collecting
	rss        string // as the kernel counts it
}

func weigh(t testing.TB) weight {
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	w := weight{goroutines: runtime.NumGoroutine(), files: openByKind(t), heap: int64(m.HeapAlloc)}
	status, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(status)) {
		if text, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			w.rss = strings.TrimSpace(text)
		}
	}
	return w
}

// String is one line of figures.
func (w weight) String() string {
	return fmt.Sprintf("%d goroutines, descriptors %v, heap %d kB, RSS %s", w.goroutines, w.files, w.heap>>10, w.rss)
}

// openByKind counts the open descriptors: files, pipes, epoll and the like by their name, sockets by family and type.
func openByKind(t testing.TB) map[string]int {
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip(err)
	}
	kinds := map[string]int{}
	for _, entry := range list {
		name, err := os.Readlink("/proc/self/fd/" + entry.Name())
		if err != nil {
			continue // the folder itself, or gone
		}
		kind, _, special := strings.Cut(name, ":[")
		var fd int
		if _, err := fmt.Sscan(entry.Name(), &fd); err == nil && kind == "socket" {
			kind = socketName(fd)
		} else if !special {
			kind = "file"
		}
		kinds[kind]++
	}
	return kinds
}

func socketName(fd int) string {
	const domain = 39 // SO_DOMAIN
	family, _ := syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, domain)
	typ, _ := syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_TYPE)
	names := map[[2]int]string{
		{syscall.AF_INET, syscall.SOCK_STREAM}: "tcp4", {syscall.AF_INET, syscall.SOCK_DGRAM}: "udp4", {syscall.AF_INET, syscall.SOCK_RAW}: "raw4",
		{syscall.AF_INET6, syscall.SOCK_STREAM}: "tcp6", {syscall.AF_INET6, syscall.SOCK_DGRAM}: "udp6", {syscall.AF_INET6, syscall.SOCK_RAW}: "raw6",
	}
	if name, ok := names[[2]int{family, typ}]; ok {
		return name
	}
	return fmt.Sprintf("socket %d/%d", family, typ)
}

// moreOpen says what is open besides what was, but for pipes: those are what io.Copy of the test's own proxies keeps.
func moreOpen(t testing.TB, before map[string]int) string {
	t.Helper()
	now := openByKind(t)
	delete(now, "pipe")
	if n := before["pipe"]; n > 0 {
		now["pipe"] = n
	}
	return gocmp.Diff(before, now)
}

// settle waits until nothing differs: the test's own servers notice later that a client left.
func settle(t testing.TB, differs func() string) {
	t.Helper()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for range 1000 {
		if differs() == "" {
			return
		}
		<-again.C
	}
	t.Errorf("left behind (-before +after):\n%s", differs())
}
