package focus

const (
	mostApart   = 10_000 // the widest ticks of Down
	widens      = 300    // they are this part of the time since its first failure
	savingShare = 10     // a focus probe costs as much as so many intervals
	mostSaved   = 30 * 86_400_000
)

// plan sets the next wake after now.
func (t *turn) plan() { t.planAfter(second(t.now)) }

// planAfter sets the next wake after a second.
func (t *turn) planAfter(last int64) {
	w := t.watch
	w.mine = t.own()
	if !w.sparse {
		w.next = (last + 1) * 1000
		if stride := t.stride(); t.own() {
			rank := int64(t.terms.Rank) % stride
			w.next += ((rank-(last+1))%stride + stride) % stride * 1000
		}
		return
	}
	place, all := t.place()
	apart := min(max((last*1000-t.since())/widens/1000, 1), mostApart/1000)
	k := last/apart + 1
	if place < 0 {
		w.mine, w.next = false, k*apart*1000
		return
	}
	w.next = (k + ((place-k)%all+all)%all) * apart * 1000
}

// since is the first failure of the runs in progress.
func (t *turn) since() int64 {
	since := t.now
	for i := range t.watch.sites {
		if s := &t.watch.sites[i]; s.run > 0 && t.counts(i) {
			since = min(since, s.first)
		}
	}
	return since
}

// place returns the own turn among the sites that fail, from 0, and how many these are; -1 where the own site has no turn.
func (t *turn) place() (place, all int64) {
	place = -1
	for i := range t.watch.sites {
		if t.watch.sites[i].run == 0 || !t.counts(i) {
			continue
		}
		if i == t.terms.Rank {
			place = all
		}
		all++
	}
	return place, all
}

// probe sends the probe that is due, the last one only where the process woke late.
func (t *turn) probe() {
	w := t.watch
	if w.state == Cruise || t.now < w.next {
		return
	}
	at := second(t.now)
	if w.mine {
		t.acts = append(t.acts, Action{Kind: Probe, At: at * 1000})
		if !w.sparse && (w.paid || t.now-w.began >= holdWithin) {
			t.purse.pay(t.now, t.terms.Every)
		}
	}
	t.planAfter(at)
}

// purse is what a process may spend on focus probes, in milliseconds of cruise: it earns as time passes.
type purse struct{ left, at int64 }

func (p *purse) earn(now int64) {
	if p.at != 0 {
		p.left = min(mostSaved, p.left+max(0, now-p.at))
	}
	p.at = now
}

// has reports whether one more probe can be paid.
func (p *purse) has(now, every int64) bool {
	p.earn(now)
	return p.left >= every*savingShare
}

func (p *purse) pay(now, every int64) {
	p.earn(now)
	p.left = max(0, p.left-every*savingShare)
}

// quantile follows the 95th percentile of response times in microseconds: what lies above moves it up by nineteen steps,
// what lies below down by one, so that it rests where one in twenty lies above. The first ones move it faster.
type quantile struct {
	value int64
	seen  uint8
}

func (q *quantile) add(rtt int64) {
	if q.seen == 0 {
		q.value = rtt
	}
	part := int64(512)
	if q.seen < 64 {
		q.seen++
		part = 64
	}
	step := q.value/part + 1
	if rtt > q.value {
		q.value = min(rtt, q.value+19*step)
	} else if rtt < q.value {
		q.value = max(rtt, q.value-step)
	}
}

// millis rounds up.
func (q *quantile) millis() int64 { return (q.value + 999) / 1000 }
