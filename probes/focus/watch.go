package focus

// watch is what a Core keeps beside a suspicion, and for a minute after the focus.
type watch struct {
	state   State
	down    bool // it is probed as Down is, confirmed by a quorum or not
	sparse  bool // the failing sites take turns
	paid    bool // for every probe
	need    int
	from    int64 // the first second whose round counts
	began   int64 // when the focus began
	fell    int64 // when down was set
	next    int64 // the next wake
	mine    bool  // the next wake is to probe
	touched int64 // when it was last written for an event
	sites   []site
}

// watched returns the watch, made where there is none.
func (c *Core) watched() *watch {
	if c.watch == nil {
		c.watch = &watch{sites: make([]site, c.sites())}
		if c.own() {
			c.watch.sites[c.terms.Rank].success = c.success
		}
	}
	c.watch.touched = c.now
	return c.watch
}

// begin leaves Cruise because of a probe sent at an instant. Rounds count from the second after it, in which others that
// heard of it sooner may have probed already.
func (t *turn) begin(sent int64) {
	w := t.watch
	if w.state != Cruise {
		return
	}
	w.need, w.paid, w.sparse, w.down = 1, false, false, false
	if t.now-t.ended <= holdWithin {
		w.need, w.paid = hold, true
	}
	w.from = max(second(sent)+1, second(t.now)-holdWithin/1000)
	w.began = t.now
	t.change(Focus, t.now)
	t.plan()
}

// counts reports whether a site counts in a round.
func (t *turn) counts(i int) bool {
	s := &t.watch.sites[i]
	switch {
	case t.live>>i&1 == 0 || s.void != 0:
		return false
	case i == t.terms.Rank:
		return true
	}
	wait := t.terms.Timeout + quiet
	if t.watch.sparse {
		wait += 2 * int64(t.heardNow()) * mostApart
	}
	return t.now-max(s.heard, t.watch.began) <= wait
}

// tally is the sites at an instant: those that count, those of them that fail for sure, and whether a suspect is waited for.
type tally struct {
	count, down int
	waiting     bool
	back        bool  // a site that had failed for sure no longer does
	since       int64 // the first failure of those that fail for sure
}

func (t *turn) tally() tally {
	y := tally{since: t.now}
	for i := range t.watch.sites {
		s := &t.watch.sites[i]
		if !t.counts(i) {
			continue
		}
		y.count++
		y.waiting = y.waiting || s.suspect != 0 && t.now < s.suspect+patience
		if s.run >= t.terms.Confirm {
			y.down++
			y.since = min(y.since, s.first)
			s.member = true
		} else if s.member {
			y.back = true
		}
	}
	return y
}

// judge applies the rules to what is known now.
func (t *turn) judge() {
	w, y := t.watch, t.tally()
	if y.down > 0 && y.down >= min(t.terms.Quorum, y.count) {
		t.fall(y)
		return
	}
	if w.down {
		t.rise()
	}
	broke := !t.purse.has(t.now, t.terms.Every)
	if w.paid && broke {
		w.need, w.paid = 1, false
	}
	late := broke && t.now-w.began >= holdWithin
	if late || !y.waiting && (y.count == 0 || t.enoughRounds(y.count)) {
		t.leave()
	}
}

// fall is Down, or as much of it as the sites that can be heard allow.
func (t *turn) fall(y tally) {
	w := t.watch
	if !w.down {
		w.down, w.fell = true, t.now
	}
	if y.down >= t.terms.Quorum {
		t.change(Down, y.since)
	}
	if sparse := !y.back || !t.purse.has(t.now, t.terms.Every); sparse != w.sparse {
		w.sparse, w.paid = sparse, !sparse
		t.plan()
	}
}

// rise is Focus after Down. A short Down renews nothing of what is free.
func (t *turn) rise() {
	w := t.watch
	if t.now-w.fell >= holdWithin {
		w.began = t.now
	}
	w.down, w.sparse, w.paid, w.need = false, false, false, t.terms.Recover
	for i := range w.sites {
		w.sites[i].member = false
	}
	t.change(Focus, t.now)
	t.plan()
}

// leave ends the focus.
func (t *turn) leave() {
	w := t.watch
	for i := range w.sites {
		s := &w.sites[i]
		failing := s.run > 0 || s.suspect != 0
		if s.suspect != 0 && i == t.terms.Rank {
			t.rearmed = t.now // it was waited for, and begins no new focus at once
		}
		s.local = s.local || failing && s.success < w.from*1000
		s.suspect, s.member = 0, false
	}
	t.ended = t.now
	t.change(Cruise, t.now)
}

// enoughRounds reports whether as many rounds in a row as are needed had enough successes, and none is known to be bad since.
// Rounds of many seconds are fewer, so that they can be remembered.
func (t *turn) enoughRounds(count int) bool {
	stride := t.stride()
	need := min(t.watch.need, max(1, remembered/2/int(stride)))
	enough := min(t.terms.Sites-t.terms.Quorum+1, count)
	oldest := max(t.watch.from, second(t.now)-remembered+stride)
	for n, at := 0, second(t.now)/stride*stride; at >= oldest; at -= stride {
		switch ok, failed := t.round(at, stride); {
		case ok < enough && failed > count-enough:
			return false
		case ok < enough:
			n = 0
		case n+1 == need:
			return true
		default:
			n++
		}
	}
	return false
}

// round counts the successes and the failures of the round that begins at a second.
func (t *turn) round(at, stride int64) (ok, failed int) {
	for i := range t.watch.sites {
		s := &t.watch.sites[i]
		if !t.counts(i) {
			continue
		}
		var won, lost bool
		for k := at; k < at+stride; k++ {
			won = won || s.sentIn(s.ok, k)
			lost = lost || s.sentIn(s.failed, k)
		}
		if won {
			ok++
		} else if lost {
			failed++
		}
	}
	return ok, failed
}

// stride is how many seconds a full round takes.
func (t *turn) stride() int64 {
	return int64(t.sites()+MostEachSecond-1) / MostEachSecond
}
