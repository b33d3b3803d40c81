package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/uptally/uptally"
)

// lossy are ten checks of each kind on the one target, every two seconds.
func (l *lab) lossy() (text string, checks []string) {
	l.t.Helper()
	l.names("target")
	l.page("target")
	text = l.twoReferences() + "\nchecks:\n"
	for _, kind := range []string{
		"tcp: { address: %s:8080 }", "http: { url: http://%s/ }", "icmp: { host: %s }", "dns: { server: %s, name: portal.example }",
	} {
		for range 10 {
			name := fmt.Sprintf("check%d", len(checks))
			text += fmt.Sprintf("  - { name: %s, "+kind+", every: 2s, focus: true }\n", name, l.address("target"))
			checks = append(checks, name)
		}
	}
	return text, checks
}

// page serves one over HTTP.
func (l *lab) page(role string) {
	l.t.Helper()
	l.within(role, func() error {
		listener, err := net.Listen("tcp", net.JoinHostPort(l.address(role), "80"))
		if err != nil {
			return err
		}
		srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "well") })}
		go srv.Serve(listener)
		l.t.Cleanup(func() { srv.Close() })
		return nil
	})
}

// packets are how many the counting rules of the router have seen, in order.
func (l *lab) packets() (seen []int) {
	l.t.Helper()
	text := l.run("", "ip", "netns", "exec", l.space("router"), "nft", "list", "chain", "inet", "lab", "forward")
	for _, m := range regexp.MustCompile(`counter packets (\d+)`).FindAllStringSubmatch(text, -1) {
		n, _ := strconv.Atoi(m[1])
		seen = append(seen, n)
	}
	return seen
}

// loss drops one packet in a hundred, at random, until twenty were dropped at least and a result has failed for it. Three failures
// in a row, which would be an outage, are one in 2,500 of those: each needs one of a question's two packets.
func loss(t *testing.T) {
	l := newLab(t, "l", false)
	l.furnish()
	w := l.watch(l.lossy())
	began := time.Now()
	l.rules("forward counter", "forward numgen random mod 100 < 1 counter drop")
	ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
	defer cancel()
	for sleepUntil(ctx, time.Now().Add(time.Second)) == nil {
		if l.packets()[1] >= 20 && w.since(began).failed > 0 {
			break
		}
	}
	seen := l.packets()
	l.rules()
	ended := time.Now()
	w.recovered(1, ended)
	lost := w.since(began)
	t.Logf("%d of %d packets dropped in %.0f s: of %d results %d failed, %d void, %d were up after 190 ms and more, by a packet sent again",
		seen[1], seen[0], ended.Sub(began).Seconds(), lost.results, lost.failed, lost.void, lost.again)
	if seen[1] < 20 || lost.failed == 0 {
		t.Errorf("got %d packets dropped and %d results failed, want twenty and one", seen[1], lost.failed)
	}
	if at, found := w.log.find("msg=focus .*state=down", began); found {
		t.Errorf("got one declared down at %v, want none", at)
	}
	for _, c := range w.checks {
		if a := w.account(c, began, time.Now()); a.Down.PointMS != 0 || a.Down.CertainMS != 0 {
			t.Errorf("%s: got %d ms down and %d certainly, want no outage", c, a.Down.PointMS, a.Down.CertainMS)
		}
	}
	w.stop()
}

// losses are what became of the results in a stretch of time.
type losses struct{ results, failed, void, again int }

// since counts those of all checks that were sent after an instant.
func (w *watchman) since(began time.Time) (n losses) {
	for _, c := range w.checks {
		for _, r := range w.results(c) {
			if r.SentAt() <= began.UnixMilli() {
				continue
			}
			n.results++
			switch o := r.Outcome(); {
			case o == uptally.Down:
				n.failed++
			case o == uptally.Void:
				n.void++
			case r.RTT >= 190_000: // TCP sends again after 200 ms, or 1 s for a connection
				n.again++
			}
		}
	}
	return n
}
