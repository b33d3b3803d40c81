package simulator

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/agreements"
	"github.com/uptally/uptally/ledger"
	"github.com/uptally/uptally/ledger/delivery"
)

// judgeResult holds a result against the truth when it is made: I2 and I3. sent is the true instant.
func (w *World) judgeResult(m *machine, r uptally.Result, check int, sent int64) {
	fails, own := w.truth.fails(check, m.place, sent), w.truth.own(check, m.place, sent)
	slot := [2]uint64{uint64(r.Check), uint64(r.At)}
	switch {
	case r.Outcome() == uptally.Up && (fails || own):
		w.violate("I2", "a result is up, and nothing could answer", slot)
	case r.Outcome() == uptally.Down && !fails:
		w.violate("I3", "a result is down, and the target was up", slot)
	}
}

// judgeReason is I12: what says nothing about the target has the reason of a fault that there was.
func (w *World) judgeReason(m *machine, r uptally.Result) {
	explained := true
	switch r.Reason {
	case uptally.Local:
		explained = near(w.truth.places[m.place].cut, r.SentAt(), 2*minute) || near(w.truth.places[m.place].nameless, r.SentAt(), 2*minute)
	case uptally.Clock:
		explained = w.clocks
	case uptally.Paused, uptally.AgentDelay, uptally.StillRunning:
		explained = near(agreements.NewSet(m.slept...), r.At, 30*second)
	case uptally.SpoolFull:
		explained = w.bound < 1<<20 || m.fullUntil > 0
	default:
		explained = r.Outcome() == uptally.Up || r.Outcome() == uptally.Down
	}
	if !explained {
		w.violate("I12", fmt.Sprintf("%v at %s, and nothing happened that explains it", r.Reason, w.names[m.place]), [2]uint64{uint64(r.Check), uint64(r.At)})
	}
}

// mustBeDrained is I8.
func (w *World) mustBeDrained() {
	for _, m := range w.machines {
		if m.gone {
			continue
		}
		if n, _ := m.proc.sender.Waiting(); n > 0 {
			w.violate("I8", fmt.Sprintf("%s: %d batches still wait after %v of calm", whoIs(m.index), n, time.Duration(drainWithin)*time.Millisecond))
		}
		if n := len(m.proc.spooler.loads) + len(m.proc.spooler.full); n > 0 {
			w.violate("I8", fmt.Sprintf("%s: %d loads were not appended", whoIs(m.index), n))
		}
	}
}

// judge compares what the ledger holds with what the world knows.
func (w *World) judge() {
	have := w.read()
	w.judgeBatches(have)
	w.judgeNaive(have)
	w.judgeSlots(have)
	w.judgeGaps()
	w.judgeAccounts(have)
	for _, b := range w.batches {
		if b.inLedger {
			w.counts.Taken++
		}
		if b.lost {
			w.counts.Lost++
		}
	}
}

// found is what the ledger has of a slot.
type found struct {
	uptally.Result
	times int // it counts
}

// days are those that the world has.
func (w *World) days() (from, to int32) {
	return uptally.DayOf(w.begin) - 3, uptally.DayOf(w.now) + 3
}

// read returns every slot of the ledger.
func (w *World) read() map[uptally.Slot]found {
	all := map[uptally.Slot]found{}
	from, to := w.days()
	for _, p := range w.plans {
		for _, site := range w.places {
			days, err := w.server.disk.store.Days(context.Background(), uptally.IDOf(p.Check), site, from, to)
			if err != nil {
				panic("BUG: " + err.Error())
			}
			for _, d := range days {
				for r := range d.Results() {
					f := all[r.Slot]
					all[r.Slot] = found{r, f.times + 1}
				}
			}
		}
	}
	if w.bug == NoNaturalKey {
		for b, n := range w.server.disk.counted {
			for _, r := range b.results {
				f := all[r.Slot]
				f.times += n - 1
				all[r.Slot] = f
			}
		}
	}
	return all
}

// same says whether the ledger has a result; details are not in its days.
func same(a, b uptally.Result) bool {
	a.Detail, b.Detail = "", ""
	return a == b
}

// judgeBatches is I4 and I5: what an append returned for, and no fault destroyed, is in the ledger; nothing counts twice.
func (w *World) judgeBatches(have map[uptally.Slot]found) {
	for _, b := range w.batches {
		if b.lost {
			continue
		}
		for _, r := range b.results {
			f, ok := have[r.Slot]
			name := [2]uint64{b.Epoch, b.Seq}
			switch {
			case !ok && b.inLedger:
				w.violate("I5", fmt.Sprintf("batch %v was committed, and the ledger has nothing of slot %d", b.Number, r.At), name)
			case !ok:
				w.violate("I4", fmt.Sprintf("batch %v was appended, and the ledger has nothing of slot %d", b.Number, r.At), name)
			case !same(f.Result, r) && f.Reason != uptally.Conflict:
				w.violate("I2", fmt.Sprintf("batch %v has %v of slot %d, the ledger %v", b.Number, r, r.At, f.Result), name)
			case f.times > 1:
				w.violate("I1", fmt.Sprintf("slot %d of batch %v counts %d times", r.At, b.Number, f.times), name)
			default:
				continue
			}
			break
		}
	}
}

// judgeNaive is I7: the ledger's days are the fold of the batches that it took, in whatever order and however they were sealed.
func (w *World) judgeNaive(have map[uptally.Slot]found) {
	naive := map[uptally.Slot]uptally.Result{}
	for _, b := range w.server.disk.taken {
		for _, r := range b.results {
			was, twice := naive[r.Slot]
			if twice && was != r {
				if w.bug == FirstWins {
					continue
				}
				r = uptally.Result{Slot: r.Slot, Reason: uptally.Conflict}
			}
			naive[r.Slot] = r
		}
	}
	if len(naive) != len(have) {
		w.violate("I7", fmt.Sprintf("the ledger has %d slots, the batches that it took %d", len(have), len(naive)))
	}
	for slot, r := range naive {
		if !same(have[slot].Result, r) {
			w.violate("I7", fmt.Sprintf("the ledger has %v, the batches that it took %v", have[slot].Result, r))
			return
		}
	}
}

// judgeSlots is I1 and I12: a planned slot has a result, or a fault explains why it has none.
func (w *World) judgeSlots(have map[uptally.Slot]found) {
	lost := map[uptally.Slot]bool{}
	for _, b := range w.batches {
		if b.lost {
			for _, r := range b.results {
				lost[r.Slot] = true
			}
		}
	}
	for place := range w.places {
		ran := w.ran(place)
		for check, s := range w.slots[place] {
			for at := s.Next(w.begin); at < w.lastSlot; at = s.Next(at) {
				slot := uptally.Slot{Check: uptally.IDOf(w.plans[check].Check), Site: w.places[place], At: at}
				if _, ok := have[slot]; !ok && !lost[slot] && !w.excused[slot] && ran.Contains(at) {
					w.violate("I1", fmt.Sprintf("slot %d of %s at %s has no result, and no fault explains it", at, w.plans[check].Check, w.names[place]), [2]uint64{uint64(slot.Check), uint64(at)})
				}
			}
		}
	}
}

// ran is when a process surely ran at a place.
func (w *World) ran(place int) agreements.Set {
	edge := int64(1)
	if w.clocks {
		edge = 20 * second
	}
	var all []agreements.Interval
	for _, m := range w.machines {
		if m.place != place {
			continue
		}
		for _, i := range m.ran {
			if i.To = min(i.To, w.lastSlot) - edge; i.From+edge < i.To {
				all = append(all, agreements.Interval{From: i.From + edge, To: i.To})
			}
		}
	}
	return agreements.NewSet(all...)
}

// judgeGaps is I6: the numbers reported as missing are those that no ledger has; only a tail of an epoch that nobody has heard of may go unnoticed.
func (w *World) judgeGaps() {
	type epoch = [2]uint64
	given := map[epoch]delivery.Ranges{}
	var order []epoch
	for _, b := range w.batches {
		e := epoch{b.agent, b.Epoch}
		if given[e] == nil {
			order = append(order, e)
		}
		given[e] = given[e].Add(b.Seq)
	}
	for _, e := range order {
		taken := w.server.taken(e[0], e[1])
		reported := w.server.missing(e[0], e[1])
		missing := given[e].Without(taken)
		if invented := reported.Without(missing); len(invented) > 0 {
			w.violate("I6", fmt.Sprintf("epoch %016x: %v are reported as missing and never were", e[1], invented), [2]uint64{e[1], invented[0].From})
		}
		heard := uint64(0)
		if n := len(taken); n > 0 {
			heard = taken[n-1].To
		}
		silent := missing.Without(reported)
		silent = slices.DeleteFunc(silent, func(r delivery.Range) bool { return r.From > heard })
		if len(silent) > 0 {
			w.violate("I6", fmt.Sprintf("epoch %016x: %v are missing and not reported", e[1], silent), [2]uint64{e[1], silent[0].From})
		}
	}
}

// judgeAccounts is I3 for what a customer sees: downtime that is certain lies within what really failed.
func (w *World) judgeAccounts(have map[uptally.Slot]found) {
	from, to := w.days()
	for check, p := range w.plans {
		ev := agreements.Evidence{Check: p.Check, Plans: []uptally.Plan{p}}
		for i, site := range w.places {
			s := agreements.SiteRuns{Site: w.names[i]}
			err := w.server.disk.store.Runs(context.Background(), uptally.IDOf(p.Check), site, from, to, func(d ledger.Outcomes) error {
				s.Runs = append(s.Runs, d.Runs...)
				return nil
			})
			if err != nil {
				panic("BUG: " + err.Error())
			}
			if w.bug == MissingIsDown {
				s.Runs = append(s.Runs, w.absent(check, i, have)...)
			}
			ev.Sites = append(ev.Sites, s)
		}
		rules := agreements.Rules{}
		if w.clocks {
			rules.ClockError = 30 * second
		}
		tracks, err := agreements.Measure(ev, rules)
		if err != nil {
			w.violate("I7", err.Error())
			continue
		}
		if invented := tracks.Certain.Subtract(w.failed(check)); len(invented) > 0 {
			w.violate("I3", fmt.Sprintf("%s: downtime is certain from %d to %d, and the target was up", p.Check, invented[0].From, invented[0].To))
		}
	}
}

// absent are the slots without a result, as failures: a bug.
func (w *World) absent(check, place int, have map[uptally.Slot]found) []uptally.Run {
	var runs []uptally.Run
	s := w.slots[place][check]
	for at := s.Next(w.begin); at < w.lastSlot; at = s.Next(at) {
		if _, ok := have[uptally.Slot{Check: uptally.IDOf(w.plans[check].Check), Site: w.places[place], At: at}]; !ok {
			runs = append(runs, uptally.Run{At: at, N: 1, Reason: uptally.Unstated})
		}
	}
	return runs
}

// failed is when downtime may be certain by the rules: what is up for less than they want to see of it is down, and a place that could
// not reach the target when its outage began or ended is taken to have seen the outage (A5).
func (w *World) failed(check int) agreements.Set {
	p := w.plans[check]
	least := p.Gap + int64(p.Recover)*p.Every
	failed := w.truth.failing(check, p.Quorum)
	for _, place := range w.truth.places {
		for _, i := range place.apart[check] {
			if len(failed.Clip(agreements.Interval{From: i.From - least, To: i.To + least})) > 0 {
				failed = agreements.Union(failed, agreements.Set{i})
			}
		}
	}
	return joined(failed, least)
}

// joined closes what is shorter than d between two stretches.
func joined(s agreements.Set, d int64) agreements.Set {
	var all []agreements.Interval
	for _, i := range s {
		if n := len(all); n > 0 && i.From-all[n-1].To < d {
			all[n-1].To = i.To
			continue
		}
		all = append(all, i)
	}
	return agreements.NewSet(all...)
}
