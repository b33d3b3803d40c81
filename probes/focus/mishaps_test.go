package focus

import "testing"

// The stories of sites, messages and processes that fail, and of many sites.

func storySilent(t *testing.T) {
	s := tell(t, of3, 1, 2)
	s.down(0, 30_000, 30_050)
	s.step(30_500, Live(2, false)) // site c is gone; b can be heard, but says nothing
	s.pass(31_000)
	s.up(0, 31_000, 31_020) // one success, and two are wanted of two
	s.pass(45_000)
	if s.core.State() != Focus {
		t.Errorf("got %v, want focus while site b may still answer", s.core.State())
	}
	s.said = nil
	for at := int64(45_000); s.core.State() == Focus && at < 60_000; at += 1000 { // 15 s after the focus began at 30.05 s
		s.pass(at)
		s.up(0, at, at+20)
	}
	s.want("tell succeeded 45s", "cruise since 46s")
}

func storyPause(t *testing.T) {
	s := tell(t, of3, 1, 2)
	s.step(30_000, Begun(0, 30_000))
	s.step(930_000, Tick()) // 15 minutes instead of 1 s: the process did not run
	s.want()
	s.void(0, 30_000, 930_010)
	if got := s.core.Next(); got != Never {
		t.Errorf("got a wake at %d, want none", got)
	}
	s.up(0, 960_000, 960_020)
	s = fallen(t, of3)
	s.step(8_000_500, Tick()) // two hours of down slept through: one probe, not two thousand
	s.want("probe 8000s")
	if got := s.core.Next(); got <= 8_000_500 {
		t.Errorf("got a wake at %d, want one to come", got)
	}
}

func storyMessages(t *testing.T) {
	s := tell(t, of3, 1, 2)
	lost := Message{Outstanding, 1, 40_000, 10_000}
	found := Message{Succeeded, 1, 42_000, 42_000}
	s.step(42_300, Heard(found)) // before the suspicion that it answers
	s.step(42_400, Heard(lost))
	s.want()
	for range 5 { // one failure, five times, and a success before it
		s.step(50_000, Heard(Message{Failed, 2, 49_000, 0}))
	}
	s.step(50_010, Heard(Message{Succeeded, 2, 48_000, 48_000}))
	if got := s.core.watch.sites[2].run; got != 1 {
		t.Errorf("got a run of %d, want 1", got)
	}
	s.step(50_020, Heard(Message{Failed, 2, 47_000, 0})) // sent before that success
	if got := s.core.watch.sites[2].run; got != 1 {
		t.Errorf("got a run of %d, want 1", got)
	}
	s.want("focus since 50s")
	for _, m := range []Message{{Failed, 7, 50_000, 0}, {Failed, -1, 50_000, 0}, {Failed, 1, 1 << 60, 1 << 60}, {Failed, 1, -1 << 60, 0}, {"?", 1, 50_000, 0}} {
		s.step(50_030, Heard(m))
	}
	s.want()
}

func storyOutstanding(t *testing.T) {
	s := tell(t, of3, 1, 2)
	s.step(30_000, Begun(0, 30_000))
	s.pass(33_000) // probes at 32 and 33 s
	s.up(0, 32_000, 33_010)
	s.up(1, 32_000, 33_300) // a good round; the probe of 33 s has its second
	s.want("tell outstanding 30s", "focus since 31s", "probe 32s", "probe 33s", "tell succeeded 32s", "cruise since 33.3s")
	s.pass(34_100)
	s.want("tell outstanding 33s", "focus since 34s")
}

func storyAnswered(t *testing.T) {
	s := tell(t, of3, 1, 2)
	s.step(30_000, Begun(0, 30_000))
	s.pass(32_000)
	s.step(32_400, Failing(0, 30_000))
	s.down(0, 30_000, 32_450) // its answer: it fails
	s.pass(33_500)            // the probe of 32 s is outstanding for more than a second, and no suspicion any more
	s.up(1, 33_000, 33_600)
	s.up(2, 33_000, 33_700)
	s.want("tell outstanding 30s", "focus since 31s", "probe 32s", "tell failed 30s", "probe 33s", "cruise since 33.7s")
}

func storyOnlyCutOff(t *testing.T) {
	s := tell(t, Terms{Sites: 1, Quorum: 1, Confirm: 3, Recover: 3, Every: 30_000, Timeout: 10_000})
	s.step(30_000, Begun(0, 30_000))
	s.step(30_005, Failing(0, 30_000))
	s.pass(32_000)
	s.void(0, 30_000, 32_005)
	s.want("focus since 30.005s", "probe 31s", "probe 32s", "cruise since 32.005s")
}

func storyNine(t *testing.T) {
	nine := Terms{Sites: 9, Rank: 3, Quorum: 5, Confirm: 3, Recover: 3, Every: 30_000, Timeout: 10_000}
	s := tell(t, nine, 0, 1, 2, 4, 5, 6, 7, 8)
	s.down(0, 30_000, 30_300)
	s.pass(37_000)
	// Two seconds a round: even ranks have the even seconds, five of them, odd ones the odd.
	s.want("focus since 30.3s", "probe 31s", "tell outstanding 31s", "probe 33s", "probe 35s", "probe 37s")
	for site := range 5 { // more than n - q = 4
		s.up(site, 36_000+int64(site%2)*1000, 37_100)
	}
	s.want("tell succeeded 37s", "cruise since 37.1s")
}

func storyListener(t *testing.T) {
	s := tell(t, Terms{Sites: 3, Rank: -1, Quorum: 2, Confirm: 3, Recover: 3, Every: 30_000, Timeout: 10_000}, 0, 1, 2)
	for at := int64(30_000); at < 33_000; at += 1000 {
		s.step(at+100, Heard(Message{Failed, 0, at, 0}))
		s.step(at+200, Heard(Message{Failed, 2, at, 0}))
		s.pass(at + 999)
	}
	s.want("focus since 30.1s", "down since 30s")
}
