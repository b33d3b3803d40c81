package focus

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/uptally/uptally"
)

// story is the life of one Core, told by events at instants in milliseconds; what it wants is kept as words.
type story struct {
	t    *testing.T
	core *Core
	said []string
}

// of3 is a check of three sites every 30 s, seen from the first.
var of3 = Terms{Sites: 3, Rank: 0, Quorum: 2, Confirm: 3, Recover: 3, Every: 30_000, Timeout: 10_000}

func tell(t *testing.T, terms Terms, live ...int) *story {
	s := &story{t: t, core: New(terms)}
	for _, site := range live {
		s.step(0, Live(site, true))
	}
	return s
}

func (s *story) step(now int64, ev Event) {
	for _, a := range s.core.Step(now, ev, nil) {
		s.said = append(s.said, wordOf(a))
		if a.Kind == Probe {
			s.step(now, Begun(s.core.terms.Rank, now))
		}
	}
}

func wordOf(a Action) string {
	switch a.Kind {
	case Probe:
		return fmt.Sprintf("probe %gs", float64(a.At)/1000)
	case Tell:
		return fmt.Sprintf("tell %s %gs", a.Message.Kind, float64(a.Message.Sent)/1000)
	}
	return fmt.Sprintf("%v since %gs", a.State, float64(a.At)/1000)
}

func (s *story) up(site int, sent, now int64) { s.step(now, Verdict(site, sent, uptally.Up, 20_000)) }

func (s *story) down(site int, sent, now int64) {
	s.step(now, Verdict(site, sent, uptally.Down, 0))
}

func (s *story) void(site int, sent, now int64) {
	s.step(now, Verdict(site, sent, uptally.Void, 0))
}

// pass lets time pass, by the wakes that the core asks for, up to an instant.
func (s *story) pass(to int64) {
	s.t.Helper()
	for next := s.core.Next(); next <= to; next = s.core.Next() {
		s.step(next, Tick())
		if s.core.Next() <= next {
			s.t.Fatalf("at %d: got the next wake at %d, want one to come", next, s.core.Next())
		}
	}
}

func (s *story) want(words ...string) {
	s.t.Helper()
	if !slices.Equal(s.said, words) {
		s.t.Errorf("got  %s\nwant %s", strings.Join(s.said, ", "), strings.Join(words, ", "))
	}
	s.said = nil
}

func TestFocusStories(t *testing.T) {
	for name, f := range map[string]func(*testing.T){
		"a good check wants nothing":                                             storyGood,
		"a lost packet costs one round":                                          storyLostPacket,
		"an outage is down after three failures at two sites":                    storyOutage,
		"down grows sparse, and the failing sites take turns":                    storyTurns,
		"a slow probe is suspected after a second, and by its habits":            storySlow,
		"a timeout that ends after the recovery counts for nothing":              storyLateTimeout,
		"a site that fails alone is local, and begins nothing until it succeeds": storyLocal,
		"a site that is cut off proves nothing and begins nothing":               storyCutOff,
		"a site alone goes through it all by itself":                             storyAlone,
		"the only site of a check is its own quorum":                             storyOnlySite,
		"a relapse on the way up is down again":                                  storyRelapse,
		"suspicion that returns within a minute is held for ten rounds":          storyHold,
		"an empty purse ends a hold":                                             storyPurse,
		"an undecided focus spends what there is, then ends":                     storyUndecided,
		"down stays sparse where nothing can be paid":                            storyPoorDown,
		"after a long down the rounds of the recovery are free":                  storyFreeRecovery,
		"a site that succeeded in the focus is not local":                        storyNotLocal,
		"what is older than the timeout and 15 s begins nothing":                 storyStale,
		"a good round before a bad one ends nothing":                             storyGoodThenBad,
		"a site that falls silent counts no longer":                              storySilent,
		"a pause is one late wake, and suspects nobody":                          storyPause,
		"messages twice, late and in the wrong order do no harm":                 storyMessages,
		"what is outstanding when a focus ends is suspicious still":              storyOutstanding,
		"a site that has failed is waited for no longer":                         storyAnswered,
		"the only site, cut off, ends its focus by the void":                     storyOnlyCutOff,
		"nine sites share five probes a second":                                  storyNine,
		"a process without a site listens":                                       storyListener,
	} {
		t.Run(name, f)
	}
}

func storyGood(t *testing.T) {
	s := tell(t, of3, 1, 2)
	for at := int64(30_000); at < 600_000; at += 30_000 {
		s.step(at, Begun(0, at))
		s.up(0, at, at+20)
	}
	s.want()
	if got := s.core.Next(); got != Never {
		t.Errorf("got a wake at %d, want none", got)
	}
}

func storyLostPacket(t *testing.T) {
	s := tell(t, of3, 1, 2)
	s.step(30_000, Begun(0, 30_000))
	s.pass(32_000) // outstanding for h = 1 s, so focus at 31 s; its first second is the next
	s.want("tell outstanding 30s", "focus since 31s", "probe 32s")
	s.up(0, 32_000, 32_020)
	s.up(1, 32_000, 32_300) // two of three: more than n - q = 1
	s.want("tell succeeded 32s", "cruise since 32.3s")
	s.up(2, 32_000, 32_400)
	s.step(40_000, Failing(0, 30_000)) // its timeout
	s.down(0, 30_000, 40_050)          // a success was sent later
	s.want()
}

func storyOutage(t *testing.T) {
	s := tell(t, of3, 1, 2)
	s.step(30_000, Begun(0, 30_000))
	s.step(30_005, Failing(0, 30_000)) // refused: focus at once, while the references are asked
	s.down(0, 30_000, 30_050)
	s.want("tell suspected 30s", "focus since 30.005s", "tell failed 30s")
	s.pass(31_000)
	s.down(0, 31_000, 31_050)
	s.down(1, 31_000, 31_300)
	s.pass(32_000)
	s.down(0, 32_000, 32_050) // the third of site a: one site is no quorum
	s.down(1, 32_000, 32_300)
	s.pass(33_000)
	s.want("probe 31s", "tell failed 31s", "probe 32s", "tell failed 32s", "probe 33s")
	s.down(1, 33_000, 33_300) // the third of site b
	s.want("down since 30s")
}

// fallen is a check whose sites have all failed from the second at 0 s on, three times, when 3 s have passed.
func fallen(t *testing.T, terms Terms) *story {
	s := tell(t, terms, 1, 2)
	for at := int64(100_000); at < 103_000; at += 1000 {
		for site := range 3 {
			s.down(site, at, at+300)
		}
	}
	s.pass(103_000)
	s.said = nil
	return s
}

func storyTurns(t *testing.T) {
	s := fallen(t, of3) // since 100 s; site a has the ticks that 3 divides
	pass := func(from, to int64) []string {
		s.said = nil
		for at := from; at <= to; at += 5_000 {
			s.pass(at)
			s.down(1, at, at) // the others are heard of
			s.down(2, at, at)
		}
		s.said = slices.DeleteFunc(s.said, func(word string) bool { return word == "tell outstanding 104s" })
		return s.said
	}
	pass(105_000, 110_000)
	s.want("probe 105s", "probe 108s")
	pass(115_000, 700_000)
	pass(705_000, 720_000) // 600 s later the ticks are 2 s apart, and 6 s those of a site
	s.want("probe 702s", "probe 708s", "probe 714s", "probe 720s")
	pass(725_000, 9_000_000)
	pass(9_005_000, 9_090_000) // from 3,000 s on 10 s, no more, and 30 s those of a site
	s.want("probe 9030s", "probe 9060s", "probe 9090s")
	// The first success brings full rounds; two failing sites are a quorum still.
	s.up(1, 9_091_000, 9_091_300)
	s.pass(9_093_000)
	s.want("probe 9092s", "probe 9093s")
	s.up(2, 9_092_000, 9_093_300) // fewer than the quorum: focus, for r = 3 rounds
	s.up(1, 9_092_000, 9_093_310)
	s.up(0, 9_093_000, 9_093_320)
	s.up(1, 9_093_000, 9_093_330)
	s.want("focus since 9093.3s", "tell succeeded 9093s")
	s.pass(9_094_000)
	s.up(0, 9_094_000, 9_094_020)
	s.up(1, 9_094_000, 9_094_320) // the rounds of 9092, 9093 and 9094 s
	s.want("probe 9094s", "tell succeeded 9094s", "cruise since 9094.32s")
}

func storySlow(t *testing.T) {
	s := tell(t, of3, 1, 2)
	for k := range int64(200) { // 400 ms each time: p95 = 400 ms, h = 1.6 s
		s.step(k*30_000, Begun(0, k*30_000))
		s.step(k*30_000+400, Verdict(0, k*30_000, uptally.Up, 400_000))
	}
	s.want()
	s.step(6_000_000, Begun(0, 6_000_000))
	s.pass(6_001_599)
	s.want()
	s.pass(6_001_700) // the estimate hovers a few milliseconds about the true value
	s.want("tell outstanding 6000s", "focus since 6001.6s")
	s.step(6_001_800, Verdict(0, 6_000_000, uptally.Up, 1_800_000)) // slow, not failing: but no round yet
	s.want("tell succeeded 6000s")
	s.pass(6_002_000)
	s.up(0, 6_002_000, 6_002_400)
	s.up(2, 6_002_000, 6_002_500)
	s.want("probe 6002s", "tell succeeded 6002s", "cruise since 6002.5s")
}

func storyLateTimeout(t *testing.T) {
	s := tell(t, of3, 1, 2)
	s.step(30_000, Begun(0, 30_000))
	s.pass(34_000) // 31 s: focus; probes at 32, 33 and 34 s are swallowed too
	s.up(0, 34_000, 34_020)
	s.up(1, 34_000, 34_300)
	s.want("tell outstanding 30s", "focus since 31s", "probe 32s", "probe 33s", "probe 34s", "tell succeeded 34s", "cruise since 34.3s")
	for _, sent := range []int64{30_000, 32_000, 33_000} { // their timeouts, up to 9 s after the success
		s.step(sent+10_000, Failing(0, sent))
		s.down(0, sent, sent+10_050)
	}
	s.want()
}

func storyLocal(t *testing.T) {
	s := tell(t, of3, 1, 2)
	s.step(30_000, Begun(0, 30_000))
	s.down(0, 30_000, 30_050)
	s.pass(31_000)
	s.down(0, 31_000, 31_050)
	s.up(1, 31_000, 31_300)
	s.up(2, 31_000, 31_400) // two successes; site a has answered, and none was its own
	s.want("tell failed 30s", "focus since 30.05s", "probe 31s", "tell failed 31s", "cruise since 31.4s")
	for at := int64(60_000); at < 7*86_400_000; at += 30_000 { // a week of it costs nothing more
		s.step(at, Begun(0, at))
		s.pass(at + 5_000)
		s.step(at+10_000, Failing(0, at))
		s.down(0, at, at+10_050)
	}
	s.want()
	s.up(0, 604_800_000, 604_800_020)
	s.want("tell succeeded 604800s")
	s.down(0, 604_830_000, 604_830_050)
	s.want("tell failed 604830s", "focus since 604830.05s")
}

func storyCutOff(t *testing.T) {
	s := tell(t, of3, 1, 2)
	s.step(30_000, Begun(0, 30_000))
	s.step(30_005, Failing(0, 30_000))
	s.pass(32_000)
	s.void(0, 30_000, 32_005) // the references failed as well
	s.up(1, 31_000, 32_100)
	s.up(2, 31_000, 32_200)
	s.want("tell suspected 30s", "focus since 30.005s", "probe 31s", "probe 32s", "tell voided 30s", "cruise since 32.2s")
	s.step(60_000, Begun(0, 60_000))
	s.step(60_005, Failing(0, 60_000)) // dark: suspicion begins nothing
	s.void(0, 60_000, 62_005)
	s.want()
	s.step(90_000, Begun(0, 90_000))
	s.step(90_005, Failing(0, 90_000))
	s.down(0, 90_000, 90_050) // the references answer again: this is the target
	s.want("tell failed 90s", "focus since 90.05s")
}

func storyAlone(t *testing.T) {
	s := tell(t, of3) // two other sites, and none of them can be heard
	s.step(30_000, Begun(0, 30_000))
	s.down(0, 30_000, 30_050)
	s.pass(31_000)
	s.down(0, 31_000, 31_050)
	s.pass(32_000)
	s.said = nil
	s.down(0, 32_000, 32_050) // three in a row, but one site is no quorum of three: never down
	s.pass(35_000)
	s.want("tell failed 32s", "probe 33s", "probe 34s", "probe 35s")
	s.pass(630_000)
	s.said = nil
	s.pass(640_000) // 600 s and more: every 2 s, as in down
	s.want("probe 632s", "probe 634s", "probe 636s", "probe 638s", "probe 640s")
	s.up(0, 640_000, 640_020) // full rounds, and r = 3 of them
	s.pass(641_000)
	s.up(0, 641_000, 641_020)
	s.pass(642_000)
	s.up(0, 642_000, 642_020)
	s.want("tell succeeded 640s", "probe 641s", "tell succeeded 641s", "probe 642s", "tell succeeded 642s", "cruise since 642.02s")
}

func storyOnlySite(t *testing.T) {
	s := tell(t, Terms{Sites: 1, Quorum: 1, Confirm: 3, Recover: 3, Every: 30_000, Timeout: 10_000})
	s.down(0, 30_000, 30_050)
	s.pass(31_000)
	s.down(0, 31_000, 31_050)
	s.pass(32_000)
	s.down(0, 32_000, 32_050)
	s.pass(33_000)
	s.want("focus since 30.05s", "probe 31s", "probe 32s", "down since 30s", "probe 33s") // and tells nobody
	s.up(0, 33_000, 33_020)
	s.pass(34_000)
	s.up(0, 34_000, 34_020)
	s.pass(35_000)
	s.up(0, 35_000, 35_020)
	s.want("focus since 33.02s", "probe 34s", "probe 35s", "cruise since 35.02s")
}

func storyRelapse(t *testing.T) {
	s := fallen(t, of3)
	for site := range 2 {
		s.up(site, 105_000, 105_300)
	}
	s.want("tell succeeded 105s", "focus since 105.3s")
	for at := int64(106_000); at < 109_000; at += 1000 {
		s.pass(at)
		for site := range 2 {
			s.down(site, at, at+300)
		}
	}
	// Site c has failed all the time, but the state is dated by the sites' present runs: c's from 100 s.
	s.want("probe 106s", "tell failed 106s", "probe 107s", "tell failed 107s", "probe 108s", "tell failed 108s", "down since 100s")
}

func storyHold(t *testing.T) {
	s := tell(t, of3, 1, 2)
	round := func(at int64) {
		s.pass(at)
		for site := range 3 {
			s.up(site, at, at+300)
		}
	}
	s.down(0, 30_000, 30_050)
	round(31_000)
	s.want("tell failed 30s", "focus since 30.05s", "probe 31s", "tell succeeded 31s", "cruise since 31.3s")
	s.down(1, 91_000, 91_300) // 60 s after the last one's end, exactly
	for at := int64(92_000); at <= 100_000; at += 1000 {
		round(at)
	}
	if s.core.State() != Focus {
		t.Errorf("got %v after nine rounds, want focus", s.core.State())
	}
	round(101_000)
	if s.core.State() != Cruise {
		t.Errorf("got %v after ten rounds, want cruise", s.core.State())
	}
	s.said = nil
	s.down(1, 171_000, 171_000) // 69.7 s after
	round(172_000)
	s.want("focus since 171s", "probe 172s", "tell succeeded 172s", "cruise since 172.3s")
}

func storyPurse(t *testing.T) {
	s := tell(t, of3, 1, 2)
	s.down(0, 30_000, 30_050)
	s.pass(31_000)
	s.up(0, 31_000, 31_020)
	s.up(1, 31_000, 31_020)
	s.core.purse.left = 5*300_000 - 1_000 // not quite five probes, each of ten intervals of 30 s
	s.down(0, 40_000, 40_000)             // a hold. It earns 1 s a second, so 5 probes and no more
	s.said = nil
	for at := int64(41_000); s.core.State() == Focus && at < 60_000; at += 1000 {
		s.pass(at)
		s.up(0, at, at+20)
		s.up(1, at, at+20)
	}
	s.want("probe 41s", "tell succeeded 41s", "probe 42s", "tell succeeded 42s", "probe 43s", "tell succeeded 43s",
		"probe 44s", "tell succeeded 44s", "probe 45s", "cruise since 45s")
}
