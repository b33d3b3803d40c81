package server_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/ledger/delivery"
	"github.com/uptally/uptally/probes"
	"github.com/uptally/uptally/probes/agent"
	"github.com/uptally/uptally/probes/agent/relay"
	"github.com/uptally/uptally/server"
)

// watched is a plan of three sites, each thirty seconds; the name is chosen so that the first site's slots are at a phase that will do.
func watched(from int, will func(phase int64) bool) uptally.Plan {
	for i := from; ; i++ {
		p := uptally.Plan{Check: fmt.Sprintf("web-%d", i), Sites: []string{"fra1", "ams1", "lon1"}, Every: 30_000, Timeout: 5_000, Quorum: 2,
			Confirm: 3, Recover: 3, Gap: 75_000, Kind: "tcp", Target: "192.0.2.1:443", Focus: true}
		if will(p.Phase(0)) {
			return p
		}
	}
}

// post is an agent with its end of the relay, and when it probed.
type post struct {
	site  string
	relay *relay.Relay
	agent *agent.Agent

	mu     sync.Mutex
	probed map[string][]time.Time
	cancel context.CancelFunc
	ended  sync.WaitGroup
}

// newPost starts an agent whose probes fail while down says so.
func newPost(t *testing.T, site string, wire relay.Wire, plans []uptally.Plan, down func() bool) *post {
	t.Helper()
	p := &post{site: site, relay: relay.New(wire, slog.New(slog.DiscardHandler)), probed: map[string][]time.Time{}}
	var err error
	p.agent, err = agent.New(agent.Options{
		Site: site, Plans: plans, Agent: 1, Epoch: 1, Tell: p.relay.Tell,
		Append: func(context.Context, []byte) error { return nil },
		Probe: func(plan *uptally.Plan) func(context.Context) probes.Observation {
			return func(context.Context) probes.Observation {
				o := probes.Observation{SentAt: time.Now(), RTT: time.Millisecond}
				p.mu.Lock()
				p.probed[plan.Check] = append(p.probed[plan.Check], o.SentAt)
				p.mu.Unlock()
				if down() {
					o.Reason = uptally.ConnectRefused
				}
				return o
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel = cancel
	p.ended.Go(func() {
		if err := p.agent.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	p.ended.Go(func() { p.relay.Run(ctx, p.agent) })
	return p
}

func (p *post) stop() {
	p.cancel()
	p.ended.Wait()
}

// after lists when a check was probed from an instant on, in seconds after another.
func (p *post) after(check string, from, zero time.Time) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var words []string
	for _, at := range p.probed[check] {
		if !at.Before(from) {
			words = append(words, fmt.Sprintf("%g", at.Sub(zero).Seconds()))
		}
	}
	return strings.Join(words, " ")
}

// direct is a wire without a network, which can be cut.
type direct struct {
	relay *server.Relay
	agent uint64
	site  string
	cut   atomic.Bool
}

func (d *direct) Tell(_ context.Context, t delivery.Telling) (delivery.Told, error) {
	if d.cut.Load() {
		return delivery.Told{}, errors.New("cut")
	}
	return delivery.Told{Refused: d.relay.Tell(d.agent, d.site, t.Words)}, nil
}

func (d *direct) Hear(ctx context.Context, h delivery.Hearing) (delivery.Heard, error) {
	if d.cut.Load() {
		return delivery.Heard{}, errors.New("cut")
	}
	heard, err := d.relay.Hear(ctx, d.agent, d.site, h.Sites)
	if d.cut.Load() {
		return delivery.Heard{}, errors.New("cut")
	}
	return heard, err
}

// Three sites, thirty seconds. An outage from 60 s to 66.5 s, of which fra1's slot at 60.3 s is the first to know: all look from
// 61 s on, take turns when three failures of a quorum have made it down, and from the first success, ams1's at 67 s, all look until three
// rounds are good. Then ams1 is cut off from the server, and an outage from 120 s to 124.5 s is looked at by fra1 and lon1 together. ams1's
// own slot at 160.3 s falls into a third, until 162.5 s: it focuses alone, at once.
func TestSitesFocusTogetherAndAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now() // midnight, on the grid
		plan := watched(0, func(phase int64) bool { return phase == 300 })
		plan.From = 1
		all := server.SharingOf([]uptally.Plan{plan})
		r := server.NewRelay(func() *server.Sharing { return all })
		outages := [][2]time.Duration{{60 * time.Second, 66500 * time.Millisecond}, {120 * time.Second, 124500 * time.Millisecond}, {160 * time.Second, 162500 * time.Millisecond}}
		down := func() bool {
			past := time.Since(start)
			return slices.ContainsFunc(outages, func(o [2]time.Duration) bool { return past >= o[0] && past < o[1] })
		}
		var wires []*direct
		var posts []*post
		for i, site := range plan.Sites {
			wires = append(wires, &direct{relay: r, agent: uint64(i + 1), site: site})
			posts = append(posts, newPost(t, site, wires[i], []uptally.Plan{plan}, down))
		}
		<-time.After(100 * time.Second)
		wires[1].cut.Store(true)
		<-time.After(85 * time.Second)
		for i, want := range []string{
			"60.3 61 62 63 66 68 69 70 90.3 120.3 121 122 123 124 126 127 128 150.3 180.3",
			"61 62 63 64 67 68 69 70 70.3 100.3 130.3 160.3 161 162 163 164 165",
			"61 62 63 65 68 69 70 80.3 110.3 121 122 123 125 126 127 128 140.3 170.3",
		} {
			if got := posts[i].after(plan.Check, start.Add(60*time.Second), start); got != want {
				t.Errorf("%s: got  %s\nwant %s", plan.Sites[i], got, want)
			}
		}
		for _, p := range posts {
			p.stop()
		}
	})
}

// Over TLS on loopback, with enrolled identities, and with bearer tokens through nginx as it is when nobody sets anything: three checks
// fail in fra1's slots, at 50 to 750 ms of a second. ams1, whose own slots are ten seconds later, looks at each within a second.
func TestFocusCrossesSitesWithinASecond(t *testing.T) {
	t.Parallel()
	t.Run("TLS", func(t *testing.T) { t.Parallel(); crossSites(t, newHall(t, true)) })
	t.Run("nginx", func(t *testing.T) {
		t.Parallel()
		h := newHall(t, false)
		h.url = throughNginx(t, h.url)
		h.now = time.Now()
		crossSites(t, h)
	})
}

func crossSites(t *testing.T, h *hall) {
	soon := time.Now().Add(2 * time.Second).UnixMilli()
	var plans []uptally.Plan
	for i := range 3 {
		plans = append(plans, watched(i*1_000, func(phase int64) bool {
			past := phase % 1_000
			return (phase-soon%30_000+30_000)%30_000 < 4_000 && past >= 50 && past < 750
		}))
	}
	all := server.SharingOf(plans)
	h.relay = server.NewRelay(func() *server.Sharing { return all })
	h.start(h.store)
	var posts []*post
	for _, site := range []string{"ams1", "fra1"} {
		i, err := enrolHere(h, t.TempDir(), h.token(site))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(i.Close)
		p := newPost(t, site, relay.OverHTTP(i.Server(), i), plans, func() bool { return true })
		defer p.stop()
		posts = append(posts, p)
	}
	for _, plan := range plans {
		began, joined := posts[1].first(t, plan.Check), posts[0].first(t, plan.Check)
		if took := joined.Sub(began); took < 0 || took > time.Second {
			t.Errorf("%s failed at %s, and ams1 looked at %s: %v later, want a second at most", plan.Check,
				began.Format("05.000"), joined.Format("05.000"), took)
		} else {
			t.Logf("failed at %s, ams1 looked at %s: %v later", began.Format("05.000"), joined.Format("05.000"), took.Round(time.Millisecond))
		}
	}
	if a, b := posts[1].relay.Stats(), posts[0].relay.Stats(); a.Told == 0 || b.Heard == 0 || a.Refused+a.Dropped+b.Refused+b.Dropped != 0 || !slices.Equal(b.Sites, []string{"fra1"}) {
		t.Errorf("got %+v and %+v", a, b)
	}
}

// throughNginx starts one before a server, and returns its URL.
func throughNginx(t *testing.T, backend string) string {
	t.Helper()
	path, err := exec.LookPath("nginx")
	if err != nil {
		path = "/usr/sbin/nginx"
		_, err = os.Stat(path)
	}
	if err != nil && os.Getenv("UPTALLY_REQUIRE_PEERS") == "" {
		t.Skip("this machine has no nginx (set UPTALLY_REQUIRE_PEERS to make this a failure)")
	} else if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	socket := filepath.Join(dir, "socket")
	conf := fmt.Sprintf(`daemon off; pid %[1]s/pid; error_log stderr; worker_processes 1; user root;
events {}
http {
  access_log off;
  client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
  server { listen unix:%[2]s; location / { proxy_pass %[3]s; } }
}
`, dir, socket, backend)
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	c := exec.Command(path, "-c", file, "-e", "stderr")
	c.Stderr = &log
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Process.Signal(syscall.SIGTERM) // its worker ends with it
		c.Wait()
		if t.Failed() {
			t.Logf("nginx: %s", log.String())
		}
	})
	return toSocket(t, socket)
}

// toSocket passes connections on to a socket, since a port that is free now may be somebody's when another program opens it.
func toSocket(t *testing.T, socket string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer in.Close()
				out, err := net.Dial("unix", socket)
				for range 100 {
					if err == nil {
						break
					}
					<-time.After(20 * time.Millisecond) // nginx is about to open it
					out, err = net.Dial("unix", socket)
				}
				if err != nil {
					return
				}
				defer out.Close()
				go io.Copy(out, in)
				io.Copy(in, out)
			}()
		}
	}()
	return "http://" + l.Addr().String()
}

// first waits until a check was probed.
func (p *post) first(t *testing.T, check string) time.Time {
	t.Helper()
	for beat := time.NewTicker(20 * time.Millisecond); ; {
		select {
		case <-beat.C:
		case <-t.Context().Done():
			t.Fatal("it was never probed")
		}
		p.mu.Lock()
		at := p.probed[check]
		p.mu.Unlock()
		if len(at) > 0 {
			beat.Stop()
			return at[0]
		}
	}
}

// An agent speaks for its own site and hears of its own checks, whatever it writes; and after its revocation nothing more, though it waited
// already.
func TestWordsAreOfTheOwnSite(t *testing.T) {
	h := newHall(t, false)
	plans := []uptally.Plan{{Check: "web", Focus: true, Sites: []string{"fra1", "ams1"}}, {Check: "mail", Focus: true, Sites: []string{"ams1", "lon1"}}}
	all := server.SharingOf(plans)
	h.relay = server.NewRelay(func() *server.Sharing { return all })
	h.start(h.store)
	a, b, c := h.enrol("fra1"), h.enrol("ams1"), h.enrol("lon1")
	hear := func(m *member, known ...string) string {
		if known == nil {
			known = []string{}
		}
		code, text := m.post("/agent/hear", delivery.Hearing{Sites: known}, new(delivery.Heard))
		return fmt.Sprint(code, " ", text)
	}
	if got := hear(b, "nobody"); got != `200 {"sites":[]}` {
		t.Error(got)
	}
	if got := hear(c); got != `200 {"sites":["ams1"]}` {
		t.Error(got)
	}
	forged := word("web", "suspected", 1)
	forged.Site = "lon1"
	var told delivery.Told
	if code, text := a.post("/agent/tell", delivery.Telling{Words: []delivery.Word{word("mail", "suspected", 1), forged}}, &told); code != 200 || text != `{"refused":1}` {
		t.Errorf("got %d %s, want the word of another's check refused", code, text)
	}
	web := delivery.ID(uptally.IDOf("web"))
	if got, want := hear(b), fmt.Sprintf(`200 {"sites":["lon1"],"words":[{"check":"%v","site":"fra1","kind":"suspected","sent_ms":1}]}`, web); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	waiting := make(chan string)
	go func() { waiting <- hear(c, "ams1") }()
	for h.relay.Stats().Listeners < 2 || !h.relay.Waits(c.id, "lon1") {
		<-time.After(time.Millisecond)
	}
	if err := server.Revoke(t.Context(), h.store, c.id, "ana", "stolen", h.clock()); err != nil {
		t.Fatal(err)
	}
	if code, text := b.post("/agent/tell", delivery.Telling{Words: []delivery.Word{word("mail", "suspected", 1)}}, &told); code != 200 {
		t.Errorf("got %d %s", code, text)
	}
	if got := <-waiting; got != "403 "+problem("this identity was revoked") {
		t.Errorf("got %s, want nothing for who was thrown out", got)
	}
	for _, body := range []string{`{"words":[` + strings.Repeat(`{},`, delivery.MaxWords) + `{}]}`, `{"words":"web"}`, `{"words":[{"check":1}]}`} {
		if r, text := a.do("POST", "/agent/tell", []byte(body)); r.StatusCode != 400 {
			t.Errorf("got %d %s, want 400", r.StatusCode, text)
		}
	}
}
