package focus

import (
	"testing"
	"unsafe"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/agreements"
	"pgregory.net/rapid"
)

// drawSet draws stretches inside twenty minutes.
func drawSet(t *rapid.T, name string) agreements.Set {
	var all []agreements.Interval
	for range rapid.IntRange(0, 3).Draw(t, name) {
		from := rapid.Int64Range(0, 1_200_000).Draw(t, name+" from")
		all = append(all, agreements.Interval{From: from, To: from + rapid.Int64Range(1, 400_000).Draw(t, name+" for")})
	}
	return agreements.NewSet(all...)
}

// Whatever befell a check and its messages: focus probes are on whole seconds, at most one a second at a site, and once the
// service is good every site comes to rest and stays there.
func TestEveryFocusEnds(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		const calm, end = 1_700_000, 3_600_000
		sites := rapid.SampledFrom([]int{1, 2, 3, 5, 7, 12, 31}).Draw(rt, "sites")
		down, errors := drawSet(rt, "down"), rapid.Uint64Range(0, 100).Draw(rt, "percent")
		w := &world{seed: rapid.Uint64().Draw(rt, "seed"), sites: make([]weather, sites), span: agreements.Interval{To: end}}
		for i := range w.sites {
			w.sites[i] = weather{drawSet(rt, "isolated"), drawSet(rt, "without"), drawSet(rt, "regional")}
		}
		f := newField(t, planOf("any", sites, rapid.SampledFrom([]int64{5_000, 31_000, 60_000}).Draw(rt, "every")), 0, func(site int, sent int64) answer {
			a := w.answer(site, sent)
			if down.Contains(sent) && w.hash(site, sent, 7)%100 < errors {
				a.ok, a.took = false, int64(w.hash(0, sent/60_000, 8)%2)*int64(w.hash(0, sent, 12)%4_000)
			}
			return a
		})
		lost, slow := rapid.Uint64Range(0, 100).Draw(rt, "lost"), rapid.Uint64Range(1, 20_000).Draw(rt, "slow")
		f.delay = func(from, to int, at int64) int64 {
			if w.hash(from, at, 9)%100 < lost {
				return -1
			}
			return int64(w.hash(to, at, 10) % slow)
		}
		f.again = func(from, to int, at int64) int64 { return int64(w.hash(to, at, 11) % 30_000) }
		for i := range f.posts {
			f.befall(w, i, rapid.Bool().Draw(rt, "live is told"))
			if rapid.Bool().Draw(rt, "poor") {
				f.posts[i].core.purse.left = 0
			}
		}
		f.run(end)
		for i, p := range f.posts {
			for k, at := range p.probes {
				if at%1000 != 0 || k > 0 && at <= p.probes[k-1] {
					rt.Fatalf("site %d: got a focus probe at %d after %d, want whole seconds, each once", i, at, p.probes[max(0, k-1)])
				}
			}
			if n := len(p.probes); n > 0 && p.probes[n-1] > calm+400_000 || p.core.State() != Cruise {
				rt.Fatalf("site %d: got state %v and its last focus probe at %d, want it to come to rest after %d", i, p.core.State(), p.probes[n-1], calm)
			}
		}
	})
}

// Any events at all, in any order, from any site and about any instant.
func TestAnyEventsDoNoHarm(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		terms := Terms{
			Sites: rapid.SampledFrom([]int{1, 2, 3, 9, 70}).Draw(rt, "sites"), Rank: rapid.IntRange(-1, 9).Draw(rt, "rank"),
			Confirm: rapid.IntRange(1, 4).Draw(rt, "confirm"), Recover: rapid.IntRange(1, 4).Draw(rt, "recover"),
			Every: 31_000, Timeout: 10_000,
		}
		terms.Quorum = rapid.IntRange(1, terms.Sites).Draw(rt, "quorum")
		c := New(terms)
		site := rapid.OneOf(rapid.IntRange(-1, terms.Sites), rapid.IntRange(-9, 99), rapid.Just(terms.Rank))
		now, last := int64(1_000_000), int64(-1)
		for range rapid.IntRange(1, 300).Draw(rt, "events") {
			sent := now - rapid.SampledFrom([]int64{0, 20, 1_000, 3_000, 10_050, 25_000, 90_000, -30_000, 1 << 60, -1 << 60}).Draw(rt, "ago")
			i := site.Draw(rt, "site")
			kind := rapid.SampledFrom([]Kind{Outstanding, Suspected, Succeeded, Failed, Voided, "?"}).Draw(rt, "kind")
			ev := rapid.SampledFrom([]Event{
				Tick(), Begun(i, sent), Failing(i, sent), Verdict(i, sent, uptally.Up, 20_000), Verdict(i, sent, uptally.Down, 0),
				Verdict(i, sent, uptally.Void, 0), Verdict(i, sent, uptally.Missed, 0), Live(i, true), Live(i, false),
				Heard(Message{kind, i, sent, 0}), Heard(Message{kind, i, sent, sent - 5_000}),
			}).Draw(rt, "event")
			for _, a := range c.Step(now, ev, nil) {
				if a.Kind != Probe {
					continue
				}
				if a.At%1000 != 0 || a.At <= last || a.At > now || a.At <= now-1000 {
					rt.Fatalf("at %d: got a probe at %d after %d, want the whole second that has just begun, once", now, a.At, last)
				}
				last = a.At
			}
			next := c.Next()
			if next <= now && ev.kind != tick {
				c.Step(now, Tick(), nil)
			}
			switch rapid.IntRange(0, 5).Draw(rt, "pass") {
			case 0:
				now += rapid.Int64Range(-2_000, 4_000_000).Draw(rt, "jump")
			case 1:
				now += rapid.Int64Range(0, 900).Draw(rt, "some")
			case 2, 3:
				if next := c.Next(); next != Never {
					now = max(now, next)
				}
			}
		}
		// With no more news, wakes are finitely many a second.
		for range 50 {
			next := c.Next()
			if next == Never {
				return
			}
			now = max(now, next)
			c.Step(now, Tick(), nil)
			if c.Next() <= now {
				rt.Fatalf("at %d: got the next wake at %d, want one to come", now, c.Next())
			}
		}
	})
}

// An idle check costs no more than 300 bytes beside its plan.
func TestIdleCoreIsSmall(t *testing.T) {
	if got := unsafe.Sizeof(Core{}); got > 300 {
		t.Errorf("got %d bytes, want at most 300", got)
	}
	c := New(of3)
	for at := int64(30_000); at < 600_000; at += 30_000 {
		c.Step(at, Begun(0, at), nil)
		c.Step(at+20, Verdict(0, at, uptally.Up, 20_000), nil)
	}
	if c.watch != nil {
		t.Error("got a watch beside a good check, want none")
	}
}
