package ledger

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/uptally/uptally"
)

// The days of the stories are 20 to 22 November 2026; instants are written "21 23:58:00".
const storyDay int32 = 20_778 // the 21st

func storyAt(t testing.TB, text string) int64 {
	at, err := time.Parse("2006-01 02 15:04:05", "2026-11 "+text)
	if err != nil {
		t.Fatal(err)
	}
	return at.UnixMilli()
}

func storyText(at int64) string { return time.UnixMilli(at).UTC().Format("02 15:04:05") }

// beat is an event at an instant and what the core then does: an action, or until when it waits.
type beat struct {
	at   string
	ev   sealEvent
	want string
}

func dayListed(open ...OpenDay) sealEvent { return sealEvent{what: sealListed, open: open} }

// openDay is a day of the one site of the stories.
func openDay(day int32, results int, rev int64, final bool) OpenDay {
	return OpenDay{SiteDay{1, day}, results / 100, results, rev, final}
}

func (a sealAction) text(c *sealCore) string {
	switch {
	case a.what == sealList:
		return "list"
	case a.what == sealDay && a.final:
		return fmt.Sprintf("seal the %s for good", storyText(int64(a.Day) * uptally.DayMillis)[:2])
	case a.what == sealDay:
		return fmt.Sprintf("seal the %s so far", storyText(int64(a.Day) * uptally.DayMillis)[:2])
	case c.Next() == sealNever:
		return "wait for the end of it"
	}
	return "wait until " + storyText(c.Next())
}

func TestSealingStories(t *testing.T) {
	tick, done, stale, failed, asked := sealEvent{}, sealEvent{what: sealDone}, sealEvent{what: sealStale}, sealEvent{what: sealFailed}, sealEvent{what: sealAsked}
	few := func(rev int64) OpenDay { return openDay(storyDay, 900, rev, false) }
	late := func(results int) OpenDay { return openDay(storyDay-1, results, 4, true) }
	for _, s := range []struct {
		name  string
		beats []beat
	}{
		{"a day is sealed ten minutes after its end", []beat{
			{"21 23:59:00", tick, "list"},
			{"21 23:59:01", dayListed(few(0)), "wait until 22 00:01:01"},
			{"22 00:09:30", tick, "list"},
			{"22 00:09:31", dayListed(few(0)), "wait until 22 00:10:00"},
			{"22 00:10:00", tick, "seal the 21 for good"},
			{"22 00:10:05", tick, "wait for the end of it"},
			{"22 00:10:06", done, "wait until 22 00:11:31"},
		}},
		{"a day that was over before the start gathers for five minutes", []beat{
			{"22 09:00:00", tick, "list"},
			{"22 09:00:01", dayListed(few(0)), "wait until 22 09:02:01"},
			{"22 09:02:01", tick, "list"},
			{"22 09:02:02", dayListed(few(0)), "wait until 22 09:04:02"},
			{"22 09:05:01", tick, "list"},
			{"22 09:05:02", dayListed(few(0)), "seal the 21 for good"},
		}},
		{"a full log is sealed before its day is over, and the rest again", []beat{
			{"21 08:00:00", tick, "list"},
			{"21 08:00:00", dayListed(openDay(storyDay, 999_999, 0, false)), "wait until 21 08:02:00"},
			{"21 08:02:00", tick, "list"},
			{"21 08:02:00", dayListed(openDay(storyDay, 1_000_000, 0, false)), "seal the 21 so far"},
			{"21 08:02:09", done, "wait until 21 08:04:00"},
			{"21 08:04:00", tick, "list"},
			{"21 08:04:00", dayListed(openDay(storyDay, 90, 1, false)), "wait until 21 08:06:00"},
		}},
		{"half a log is sealed at noon, a little of one is not, and none shortly before the end", []beat{
			{"21 11:59:30", tick, "list"},
			{"21 11:59:30", dayListed(openDay(storyDay, 100_000, 0, false), openDay(storyDay+1, 99_999, 0, false)), "wait until 21 12:00:00"},
			{"21 12:00:00", tick, "seal the 21 so far"},
			{"21 12:00:01", done, "wait until 21 12:01:30"},
			{"21 17:59:59", tick, "list"},
			{"21 17:59:59", dayListed(openDay(storyDay, 100_000, 1, false)), "wait until 21 18:00:00"},
			{"21 18:00:00", tick, "seal the 21 so far"},
			{"21 18:00:01", done, "wait until 21 18:01:59"},
			{"21 23:59:58", tick, "list"},
			{"21 23:59:58", dayListed(openDay(storyDay, 100_000, 2, false)), "wait until 22 00:01:58"},
		}},
		{"a day sealed before its end, with nothing after it, is sealed for good too", []beat{
			{"22 00:10:00", tick, "list"},
			{"22 00:10:00", dayListed(few(1)), "wait until 22 00:12:00"},
			{"22 00:15:00", tick, "list"},
			{"22 00:15:00", dayListed(openDay(storyDay, 0, 1, false)), "wait until 22 00:17:00"},
			{"22 00:20:00", tick, "list"},
			{"22 00:20:00", dayListed(openDay(storyDay, 0, 1, false)), "seal the 21 for good"},
		}},
		{"late results wait until none came for five minutes", []beat{
			{"21 10:00:00", tick, "list"},
			{"21 10:00:00", dayListed(late(100)), "wait until 21 10:02:00"},
			{"21 10:04:00", tick, "list"},
			{"21 10:04:00", dayListed(late(200)), "wait until 21 10:06:00"},
			{"21 10:08:30", tick, "list"},
			{"21 10:08:30", dayListed(late(200)), "wait until 21 10:09:00"},
			{"21 10:09:00", tick, "seal the 20 for good"},
			{"21 10:09:03", done, "wait until 21 10:10:30"},
		}},
		{"a trickle of late results is sealed after half an hour", []beat{
			{"21 10:00:00", tick, "list"},
			{"21 10:00:00", dayListed(late(100)), "wait until 21 10:02:00"},
			{"21 10:10:00", tick, "list"}, // it was due at 10:05, but is listed first and has grown
			{"21 10:10:00", dayListed(late(200)), "wait until 21 10:12:00"},
			{"21 10:20:00", tick, "list"},
			{"21 10:20:00", dayListed(late(300)), "wait until 21 10:22:00"},
			{"21 10:29:00", tick, "list"},
			{"21 10:29:00", dayListed(late(400)), "wait until 21 10:30:00"},
			{"21 10:30:00", tick, "seal the 20 for good"},
			{"21 10:30:01", done, "wait until 21 10:31:00"},
			{"21 10:31:00", tick, "list"},
			{"21 10:31:00", dayListed(late(100)), "wait until 21 10:33:00"},
		}},
		{"so many late results that they fill the log do not wait", []beat{
			{"21 10:00:00", tick, "list"},
			{"21 10:00:00", dayListed(late(1_000_000)), "seal the 20 for good"},
		}},
		{"asked, it lists and seals what is over at once, and today not", []beat{
			{"21 10:00:00", tick, "list"},
			{"21 10:00:00", dayListed(late(100), few(0)), "wait until 21 10:02:00"},
			{"21 10:00:10", asked, "list"},
			{"21 10:00:10", dayListed(late(150), few(0)), "seal the 20 for good"},
			{"21 10:00:11", done, "wait until 21 10:02:10"},
		}},
		{"asked during a list, it lists again", []beat{
			{"21 10:00:00", tick, "list"},
			{"21 10:00:01", asked, "wait for the end of it"},
			{"21 10:00:02", dayListed(late(100)), "list"},
			{"21 10:00:03", dayListed(late(100)), "seal the 20 for good"},
		}},
		{"asked, it tries at once what failed, and remembers it over a list that fails", []beat{
			{"21 10:00:00", asked, "list"},
			{"21 10:00:00", failed, "wait until 21 10:00:10"},
			{"21 10:00:10", tick, "list"},
			{"21 10:00:10", dayListed(late(100)), "seal the 20 for good"},
			{"21 10:00:11", failed, "wait until 21 10:00:21"},
			{"21 10:00:12", asked, "list"},
			{"21 10:00:12", dayListed(late(100)), "seal the 20 for good"},
		}},
		{"a seal that another server was faster with is tried again at once, then ever later", []beat{
			{"21 10:00:00", asked, "list"},
			{"21 10:00:00", dayListed(late(100)), "seal the 20 for good"},
			{"21 10:00:01", stale, "seal the 20 for good"},
			{"21 10:00:02", stale, "seal the 20 for good"},
			{"21 10:00:03", stale, "seal the 20 for good"},
			{"21 10:00:04", stale, "wait until 21 10:00:14"},
			{"21 10:00:14", tick, "seal the 20 for good"},
			{"21 10:00:15", stale, "wait until 21 10:00:35"},
			{"21 10:00:35", tick, "seal the 20 for good"},
			{"21 10:00:36", done, "wait until 21 10:02:00"},
		}},
		{"a store that does not answer is asked ever more rarely, never not", []beat{
			{"21 10:00:00", tick, "list"},
			{"21 10:00:00", failed, "wait until 21 10:00:10"},
			{"21 10:00:10", tick, "list"},
			{"21 10:00:10", failed, "wait until 21 10:00:30"},
			{"21 10:00:30", tick, "list"},
			{"21 10:00:30", failed, "wait until 21 10:01:10"},
			{"21 10:01:10", tick, "list"},
			{"21 10:01:10", failed, "wait until 21 10:02:30"},
			{"21 10:02:30", tick, "list"},
			{"21 10:02:30", failed, "wait until 21 10:04:30"}, // every two minutes from here on
			{"21 10:04:30", tick, "list"},
			{"21 10:04:30", failed, "wait until 21 10:06:30"},
		}},
		{"a day that fails does not keep the next from being sealed", []beat{
			{"22 10:00:00", asked, "list"},
			{"22 10:00:00", dayListed(late(100), openDay(storyDay, 100, 4, true)), "seal the 20 for good"},
			{"22 10:00:00", failed, "wait until 22 10:00:01"},
			{"22 10:00:01", tick, "seal the 21 for good"},
			{"22 10:00:02", done, "wait until 22 10:00:10"},
			{"22 10:00:10", tick, "seal the 20 for good"},
			{"22 10:00:10", failed, "wait until 22 10:00:30"},
		}},
		{"a clock that was a year ahead and is set right puts nothing off", []beat{
			{"22 10:00:00", tick, "list"},
			{"22 10:00:00", dayListed(late(100)), "wait until 22 10:02:00"},
			{"21 10:00:00", tick, "list"},
			{"21 10:00:00", dayListed(late(100)), "wait until 21 10:02:00"},
			{"21 10:05:00", tick, "list"},
			{"21 10:05:00", dayListed(late(100)), "seal the 20 for good"},
		}},
	} {
		t.Run(s.name, func(t *testing.T) {
			c := newSealCore(0, storyAt(t, s.beats[0].at))
			for i, b := range s.beats {
				if got := c.Step(storyAt(t, b.at), b.ev).text(c); got != b.want {
					t.Fatalf("beat %d, at %s: got %q, want %q", i, b.at, got, b.want)
				}
			}
		})
	}
}

// Servers differ in when they seal a day and in the order of days that are due at once, so that mostly one does the work.
func TestServersSpread(t *testing.T) {
	now := storyAt(t, "22 00:00:00")
	var open []OpenDay
	for site := range 40 {
		open = append(open, OpenDay{SiteDay{uptally.ID(site), storyDay}, 1, 1, 0, false})
	}
	order := func(server uint64) (first []SiteDay, last int64) {
		c := newSealCore(server, now)
		at := now
		act := c.Step(at, sealEvent{})
		for len(first) < len(open) {
			switch act.what {
			case sealList:
				var rest []OpenDay
				for _, o := range open {
					if !slices.Contains(first, o.SiteDay) {
						rest = append(rest, o)
					}
				}
				act = c.Step(at, dayListed(rest...))
			case sealDay:
				first, last = append(first, act.SiteDay), at
				act = c.Step(at, sealEvent{what: sealDone})
			default:
				at = c.Next()
				act = c.Step(at, sealEvent{})
			}
		}
		return first, last
	}
	one, end := order(1)
	other, _ := order(2)
	if end <= storyAt(t, "22 00:10:00") || end > storyAt(t, "22 00:15:00") {
		t.Errorf("the last day of server 1: got %s, want 22 00:10:00 < at <= 22 00:15:00", storyText(end))
	}
	same := 0
	for i := range one {
		if one[i] == other[i] {
			same++
		}
	}
	if same > 8 { // one of forty is expected
		t.Errorf("got %d of 40 days at the same place in the orders of two servers", same)
	}
	if again, _ := order(1); !slices.Equal(one, again) {
		t.Error("got two orders of one server")
	}
}

// sealWorld is a store as the core sees it: days with results that wait, and what goes wrong with it.
type sealWorld struct {
	now  int64
	days map[SiteDay]OpenDay
}

func (w *sealWorld) list() []OpenDay {
	var open []OpenDay
	for _, o := range w.days {
		if o.Batches > 0 || o.Rev > 0 && !o.Final {
			open = append(open, o)
		}
	}
	return open
}

func (w *sealWorld) seal(a sealAction) {
	o := w.days[a.SiteDay]
	w.days[a.SiteDay] = OpenDay{a.SiteDay, 0, 0, o.Rev + 1, o.Final || a.final}
}

// Whatever arrives whenever, whatever fails and whoever is faster: one thing is under way at a time, the core never asks to
// be called again at once without having told something to do, and an hour after the last mishap everything that is over is
// sealed, and what was not over is not sealed for good.
func TestEveryDayIsSealed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		start := int64(storyDay)*uptally.DayMillis + rapid.Int64Range(0, uptally.DayMillis-1).Draw(t, "start")
		w := &sealWorld{now: start, days: map[SiteDay]OpenDay{}}
		c := newSealCore(rapid.Uint64Range(0, 3).Draw(t, "server"), start)
		act := c.Step(w.now, sealEvent{})
		for range rapid.IntRange(1, 60).Draw(t, "mishaps") {
			w.arrive(t)
			act = w.answer(t, c, act, rapid.SampledFrom([]sealHappening{sealDone, sealDone, sealStale, sealFailed}).Draw(t, "answer"))
			w.now += rapid.Int64Range(0, 3*3_600_000).Draw(t, "passes") * rapid.Int64Range(0, 1).Draw(t, "or not")
		}
		calm, steps := w.now, 0
		for w.now < calm+3_600_000 {
			if act = w.answer(t, c, act, sealDone); act.what == sealWait {
				w.now = min(max(w.now, c.Next()), calm+3_600_000)
			}
			if steps++; steps > 500 { // 31 lists, 20 days sealed about twice each, and the waits between them
				t.Fatalf("got more than %d steps in an hour", steps)
			}
		}
		for d, o := range w.days {
			over := w.now-3_600_000 >= sealableAt(d.Day)
			if over && (!o.Final || o.Batches > 0) {
				t.Errorf("day %d of site %v, an hour after it was to be sealed: got %+v", d.Day, d.Site, o)
			}
		}
	})
}

// arrive puts results into some days, now and then many.
func (w *sealWorld) arrive(t *rapid.T) {
	for range rapid.IntRange(0, 3).Draw(t, "arrivals") {
		d := SiteDay{rapid.SampledFrom([]uptally.ID{1, 2}).Draw(t, "site"), uptally.DayOf(w.now) - rapid.Int32Range(0, 9).Draw(t, "days ago")}
		o := w.days[d]
		w.days[d] = OpenDay{d, o.Batches + 1, o.Results + rapid.SampledFrom([]int{1, 200_000, 2_000_000}).Draw(t, "results"), o.Rev, o.Final}
	}
}

// answer does what the core wants, or fails to in a way, and returns what it wants next.
func (w *sealWorld) answer(t *rapid.T, c *sealCore, act sealAction, how sealHappening) sealAction {
	if act.what == sealWait {
		if next := c.Next(); next <= w.now && c.Step(w.now, sealEvent{}).what == sealWait {
			t.Fatalf("got nothing to do at %d and %d to be called again", w.now, next)
		} else if next <= w.now {
			return c.under
		}
		return c.Step(w.now, sealEvent{})
	}
	if during := c.Step(w.now, sealEvent{}); during.what != sealWait || c.Next() != sealNever {
		t.Fatalf("got %+v while %+v is under way", during, act)
	}
	ev := sealEvent{what: how}
	switch {
	case act.what == sealList && how != sealFailed:
		ev = dayListed(w.list()...)
	case act.what == sealDay && act.final && w.now < sealableAt(act.Day):
		t.Fatalf("got day %d sealed for good at %d", act.Day, w.now)
	case act.what == sealDay && how == sealDone:
		w.seal(act)
	}
	return c.Step(w.now, ev)
}
