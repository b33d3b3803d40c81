package focus

import "testing"

// The stories of what a focus costs, and of what it leaves behind.

const probePrice = 10 * 30_000 // of a check every 30 s

func storyUndecided(t *testing.T) {
	s := tell(t, of3, 1, 2)
	s.core.purse = purse{left: 3*probePrice - 60_000} // three probes: a minute earns the rest
	s.down(1, 29_900, 30_000)
	s.step(30_000, Verdict(2, 29_900, 0, 0)) // heard of, but it has nothing to say
	for at := int64(31_000); s.core.State() == Focus && at < 200_000; at += 1000 {
		s.pass(at)
		s.up(0, at, at+20)   // one success,
		s.down(1, at, at+30) // one failure,
		s.step(at+40, Live(2, true))
	}
	// and two successes are wanted. 60 s from 30 s on are free; 90, 91 and 92 s are paid.
	if got := s.said[len(s.said)-2:]; got[0] != "probe 92s" || got[1] != "cruise since 92s" {
		s.said = got
		s.want("probe 92s", "cruise since 92s")
	}
	if !s.core.watch.sites[1].local || s.core.watch.sites[0].local {
		t.Errorf("got %+v, want the failing site local and the other not", s.core.watch.sites)
	}
}

func storyPoorDown(t *testing.T) {
	s := fallen(t, of3) // since 100 s; site a has the ticks that 3 divides
	s.core.purse.left = 0
	s.up(1, 103_500, 103_600) // its first success; two failing sites are a quorum still, and now take turns
	s.pass(111_000)
	s.want("probe 105s", "probe 106s", "probe 108s", "probe 110s") // every other second from 105 s on, as planned before
}

func storyFreeRecovery(t *testing.T) {
	for _, c := range []struct {
		name string
		long int64
		want State
	}{{"59 s of down", 59_000, Cruise}, {"10 minutes of down", 600_000, Focus}} {
		s := fallen(t, of3)
		at := s.core.watch.fell + c.long
		s.core.purse, s.core.now = purse{left: 0, at: at}, at
		for site := range 3 {
			s.up(site, at-500+int64(site), at)
		}
		if got := s.core.State(); got != c.want {
			t.Errorf("%s: got %v after one success each and an empty purse, want %v", c.name, got, c.want)
		}
	}
}

func storyNotLocal(t *testing.T) {
	s := tell(t, of3, 1, 2)
	s.down(1, 30_000, 30_300)
	s.pass(31_000)
	s.up(0, 31_000, 31_020)
	s.pass(32_000)
	s.down(0, 32_000, 32_050)
	s.pass(33_000)
	s.up(1, 33_000, 33_300)
	s.up(2, 33_000, 33_300)
	s.said = nil
	s.down(0, 60_000, 60_050) // it succeeded at 31 s, in that focus: what fails since is news
	s.want("tell failed 60s", "focus since 60.05s")
}

func storyStale(t *testing.T) {
	s := tell(t, of3, 1, 2)
	s.step(100_000, Heard(Message{Failed, 1, 74_999, 0}))
	s.want()
	s.step(100_000, Heard(Message{Failed, 1, 75_000, 0}))
	s.want("focus since 100s")
}

func storyGoodThenBad(t *testing.T) {
	s := tell(t, of3, 1, 2)
	s.step(30_000, Heard(Message{Suspected, 2, 29_900, 0})) // waited for until 33 s
	s.pass(31_000)
	s.up(0, 31_000, 31_020)
	s.up(1, 31_000, 31_030) // good
	s.pass(32_000)
	s.down(0, 32_000, 32_020)
	s.down(1, 32_000, 32_030) // bad, and later
	s.pass(33_500)
	s.want("focus since 30s", "probe 31s", "tell succeeded 31s", "probe 32s", "tell failed 32s", "probe 33s")
}

func TestPurseSavesNoMoreThanAMonth(t *testing.T) {
	p := purse{left: mostSaved, at: 1}
	p.pay(1_000, 30_000)
	if p.left != mostSaved-probePrice {
		t.Errorf("got %d ms left, want %d", p.left, mostSaved-probePrice)
	}
	if p.earn(1 << 60); p.left != mostSaved {
		t.Errorf("got %d ms saved, want %d", p.left, int64(mostSaved))
	}
}

// What was heard is forgotten a minute after the last focus, with the first own success then.
func TestWatchIsForgotten(t *testing.T) {
	s := tell(t, of3, 1, 2)
	s.step(30_000, Begun(0, 30_000))
	s.pass(32_000)
	s.up(0, 32_000, 32_020)
	s.up(1, 32_000, 32_300)
	for _, at := range []int64{60_000, 90_000, 120_000} {
		s.step(at, Begun(0, at))
		s.up(0, at, at+20)
		if got, want := s.core.watch != nil, at < 92_300; got != want {
			t.Errorf("at %d: got a watch %v, want %v", at, got, want)
		}
	}
}
