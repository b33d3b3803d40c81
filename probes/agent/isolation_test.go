package agent

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/probes"
)

// road is a stretch of time in which a reference does not answer, and what it says then.
type road struct {
	from, to int64
	reason   uptally.Reason
}

// site drives an isolation by itself: its references answer after 20 ms, or not within 2 s while one of their roads is cut.
type site struct {
	t     *testing.T
	s     *isolation
	names []string
	cuts  map[string][]road
	now   int64
	said  []hearing // on their way, with the instant in observation.RTT as milliseconds
	at    []int64
	done  []held
	began []int64
}

func newSite(t *testing.T, refs []Reference, cuts map[string][]road) *site {
	w := &site{t: t, s: newIsolation(refs), cuts: cuts}
	for _, r := range refs {
		w.names = append(w.names, r.Name)
	}
	return w
}

func two() []Reference {
	return []Reference{
		{Name: "tcp://192.0.2.1:53", Votes: true}, {Name: "icmp://198.51.100.1", Votes: true},
		{Name: "gateway", Part: Gateway}, {Name: "resolver", Part: Resolver},
	}
}

// until passes the time up to an instant, event by event.
func (w *site) until(end int64) {
	for {
		at := w.s.next()
		for _, a := range w.at {
			at = min(at, a)
		}
		if at = max(at, w.now); at > end {
			break
		}
		w.now = at
		for i := 0; i < len(w.at); i++ {
			if w.at[i] <= w.now {
				h := w.said[i]
				w.at, w.said = slices.Delete(w.at, i, i+1), slices.Delete(w.said, i, i+1)
				w.s.heard(w.now, h.ref, h.round, h.observation)
				i--
			}
		}
		if w.s.tick(w.now) {
			w.began = append(w.began, w.now)
			for i, name := range w.names {
				h, after := hearing{ref: i, round: w.s.round}, int64(20)
				for _, c := range w.cuts[name] {
					switch {
					case w.now < c.from || w.now >= c.to:
					case w.now+1_000 >= c.to && c.reason == tmo:
						after = 1_020 // TCP asks again after a second
					default:
						h.observation, after = probes.Observation{Reason: c.reason}, 2_000
					}
				}
				w.said, w.at = append(w.said, h), append(w.at, w.now+after)
			}
		}
		w.done = append(w.done, w.s.judged()...)
	}
	w.now = end
}

// fail is a probe that was sent at one instant and failed at another; check numbers it.
func (w *site) fail(check uptally.ID, sent, ended int64, reason uptally.Reason) {
	w.until(ended)
	named := reason == uptally.ResolveTimeout
	w.s.fail(held{ended: ended, named: named, result: uptally.Result{Slot: uptally.Slot{Check: check, At: sent}, Reason: reason, Detail: "the probe's own"}})
	w.done = append(w.done, w.s.judged()...)
}

// verdicts are what became of the failures, by their numbers.
func (w *site) verdicts() string {
	slices.SortFunc(w.done, func(a, b held) int { return int(a.result.Check) - int(b.result.Check) })
	var words []string
	for _, h := range w.done {
		words = append(words, fmt.Sprintf("%d:%v", h.result.Check, h.result.Reason))
	}
	return strings.Join(words, " ")
}

const tmo = uptally.ConnectTimeout

// Rounds begin at 0 (the survey), then beside failures.
func TestIsolationStories(t *testing.T) {
	everyone := func(from, to int64) map[string][]road {
		cuts := map[string][]road{}
		for _, r := range two() {
			cuts[r.Name] = []road{{from, to, tmo}}
		}
		return cuts
	}
	for _, c := range []struct {
		name string
		cuts map[string][]road
		fail func(w *site)
		want string
	}{
		{"one target is down: the references answer", nil, func(w *site) { w.fail(1, 10_000, 11_000, tmo) }, "1:connect_timeout"},
		{"the uplink is cut for as long as the probe waits and longer", everyone(9_000, 30_000), func(w *site) { w.fail(1, 10_000, 11_000, tmo) }, "1:local"},
		// The first failure's round is at 11,000; that of the second begins at 12,000 or later. Recovery at 20,000: a probe sent at
		// 19,950 failed although the network worked when it gave up; the first round that is answered is at 21,000 or so, and what
		// was sent before it proves nothing.
		{"sent just before the recovery", everyone(9_000, 20_000), func(w *site) {
			w.fail(1, 10_000, 11_000, tmo)
			w.fail(2, 19_950, 20_950, tmo)
			w.fail(3, 29_000, 30_000, tmo)
		}, "1:local 2:local 3:connect_timeout"},
		// The round of the first began at 11,000 and the second attempt of its references, at 12,000, was answered: that proves nothing
		// for an echo sent at 11,300.
		{"a reference answers only when asked again", everyone(9_000, 11_500), func(w *site) {
			w.fail(1, 10_000, 11_000, tmo)
			w.fail(2, 11_300, 12_300, uptally.NoReply)
			w.fail(3, 12_100, 13_100, uptally.NoReply)
		}, "1:local 2:local 3:no_reply"},
		{"cut after the send, until the verdict", everyone(10_500, 12_000), func(w *site) { w.fail(1, 10_000, 11_000, tmo) }, "1:local"},
		// A probe of ten seconds was suspicious after one: the round then was silent, the one at its end is answered.
		{"cut and well again while the probe waited", everyone(9_900, 14_000), func(w *site) {
			w.until(11_000)
			w.s.suspect()
			w.fail(1, 10_000, 20_000, tmo)
		}, "1:local"},
		{"one reference of two answers", map[string][]road{"tcp://192.0.2.1:53": {{5_000, never, tmo}}},
			func(w *site) { w.fail(1, 10_000, 11_000, tmo) }, "1:connect_timeout"},
		{"gateway and resolver have no vote", map[string][]road{"gateway": {{0, never, tmo}}, "resolver": {{0, never, tmo}}},
			func(w *site) { w.fail(1, 10_000, 11_000, tmo) }, "1:connect_timeout"},
		{"the resolver alone is cut: names are void, addresses are not", map[string][]road{"resolver": {{5_000, never, uptally.ResolveTimeout}}}, func(w *site) {
			w.fail(1, 10_000, 11_000, uptally.ResolveTimeout)
			w.fail(2, 10_000, 11_000, tmo)
		}, "1:local 2:connect_timeout"},
		// Suspended between the send and the verdict of the references: the round in the air is asked anew.
		{"a pause in the round", nil, func(w *site) {
			w.fail(1, 10_000, 11_000, tmo)
			w.said, w.at = nil, nil // their answers came too late to be heard
			w.s.paused(20_000)
		}, "1:connect_timeout"},
		{"a reference that never answered counts until something else has", map[string][]road{"tcp://192.0.2.1:53": {{0, never, tmo}}, "icmp://198.51.100.1": {{0, never, uptally.NoReply}}}, func(w *site) {
			w.fail(1, 10_000, 11_000, tmo)
			w.until(15_000)
			w.s.prove()
			w.fail(2, 30_000, 31_000, tmo)
		}, "1:local 2:connect_timeout"},
		{"a reference that may not be asked is neither answer nor silence", map[string][]road{"tcp://192.0.2.1:53": {{0, never, uptally.NotPermitted}}, "icmp://198.51.100.1": {{5_000, never, uptally.NoReply}}},
			func(w *site) { w.fail(1, 10_000, 11_000, tmo) }, "1:local"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newSite(t, two(), c.cuts)
			c.fail(w)
			w.until(w.now + 5_000)
			if got := w.verdicts(); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// The text of a void begins with the reason it would have been, and names the part at fault and every answer.
func TestIsolationDetail(t *testing.T) {
	uplink := map[string][]road{"tcp://192.0.2.1:53": {{5_000, never, tmo}}, "icmp://198.51.100.1": {{5_000, never, uptally.NoReply}}, "resolver": {{5_000, never, uptally.ResolveTimeout}}}
	gateway := map[string][]road{"gateway": {{5_000, never, uptally.NoReply}}}
	for name, r := range uplink {
		gateway[name] = r
	}
	for _, c := range []struct {
		cuts   map[string][]road
		reason uptally.Reason
		want   string
	}{
		{uplink, tmo, "connect_timeout; uplink; tcp://192.0.2.1:53 connect_timeout, icmp://198.51.100.1 no_reply, gateway answered, resolver resolve_timeout; the probe's own"},
		{gateway, tmo, "connect_timeout; gateway; tcp://192.0.2.1:53 connect_timeout, icmp://198.51.100.1 no_reply, gateway no_reply, resolver resolve_timeout; the probe's own"},
		{map[string][]road{"resolver": {{5_000, never, uptally.ResolveFailed}}}, uptally.ResolveTimeout,
			"resolve_timeout; resolver; tcp://192.0.2.1:53 answered, icmp://198.51.100.1 answered, gateway answered, resolver resolve_failed; the probe's own"},
	} {
		w := newSite(t, two(), c.cuts)
		w.fail(1, 10_000, 11_000, c.reason)
		w.until(20_000)
		if len(w.done) != 1 || w.done[0].result.Detail != c.want {
			t.Errorf("got  %+v\nwant %s", w.done, c.want)
		}
	}
}

// A thousand failures of one second share a round, and so do those of the next.
func TestRoundsAreShared(t *testing.T) {
	w := newSite(t, two(), nil)
	w.until(9_999)
	for i := range 3_000 {
		at := int64(10_000 + i)
		w.fail(uptally.ID(i+1), at-5, at, uptally.ConnectRefused)
	}
	w.until(20_000)
	// The survey at 0; the first failure at 10,000 at once; then one a second: 11,000, 12,000, 13,000 for those up to 12,999.
	if want := []int64{0, 10_000, 11_000, 12_000, 13_000}; !slices.Equal(w.began, want) || len(w.done) != 3_000 {
		t.Errorf("got rounds at %v and %d verdicts, want %v and 3000", w.began, len(w.done), want)
	}
}

// While nobody answers the references are asked on, each second at first: 60 s after the cut began every second, after ten minutes
// every ten. Without a failure they are asked once an hour.
func TestPaceOfRounds(t *testing.T) {
	cuts := map[string][]road{"tcp://192.0.2.1:53": {{5_000, 1_205_000, tmo}}, "icmp://198.51.100.1": {{5_000, 1_205_000, tmo}}}
	w := newSite(t, two(), cuts)
	w.fail(1, 10_000, 11_000, tmo)
	w.until(1_300_000)
	if w.s.network.cut() || w.s.network.since > 1_215_000 {
		t.Errorf("got %+v, want the end seen within ten seconds", w.s.network)
	}
	if n := len(w.began); n < 100 || n > 350 {
		t.Errorf("got %d rounds in twenty minutes, want one in 1 s to 10 s", n)
	}
	before := len(w.began)
	w.until(1_300_000 + 10*3_600_000)
	if n := len(w.began) - before; n != 10 && n != 9 {
		t.Errorf("got %d rounds in ten quiet hours, want one an hour", n)
	}
}

// Whatever is cut and whatever fails: each failure has one verdict within four seconds and a bit; a failure whose whole life and
// three seconds more lie in a working network is believed, one whose life lies in a cut is not.
func TestIsolationHolds(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		from := rapid.Int64Range(3_000, 60_000).Draw(rt, "from")
		to := from + rapid.Int64Range(2_500, 60_000).Draw(rt, "length")
		cuts := map[string][]road{"tcp://192.0.2.1:53": {{from, to, tmo}}, "icmp://198.51.100.1": {{from, to, uptally.NoReply}}}
		w := newSite(t, two(), cuts)
		ended := rapid.SliceOfN(rapid.Int64Range(2_500, 150_000), 1, 40).Draw(rt, "ended")
		slices.Sort(ended)
		life := map[uptally.ID][2]int64{}
		for i, e := range ended {
			sent := max(2_100, e-rapid.Int64Range(0, 2_000).Draw(rt, "took"))
			life[uptally.ID(i+1)] = [2]int64{sent, e}
			w.fail(uptally.ID(i+1), sent, e, tmo)
		}
		w.until(w.now + 4_300)
		if len(w.done) != len(ended) {
			rt.Fatalf("got %d verdicts of %d failures", len(w.done), len(ended))
		}
		for _, h := range w.done {
			l, void := life[h.result.Check], h.result.Reason == uptally.Local
			if inside := l[0] >= from && l[1] <= to-2_000-2_250; inside && !void {
				rt.Fatalf("sent and failed at %v inside the cut from %d to %d, and believed", l, from, to)
			}
			if outside := l[1]+4_300 < from || l[0] > to+10_000+2_250; outside && void {
				rt.Fatalf("sent and failed at %v outside the cut from %d to %d, and void", l, from, to)
			}
		}
		for i := 1; i < len(w.began); i++ {
			if w.began[i]-w.began[i-1] < roundEvery {
				rt.Fatalf("got rounds at %v, want a second between them", w.began)
			}
		}
	})
}
