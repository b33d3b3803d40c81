package focus

import "github.com/uptally/uptally/agreements"

// The three estimators that are common. All of them date by send instants, which is more than most tools do, and take a
// state to hold until the next check. Source: docs/measuring.md, "How well it does".

const commonInterval = 30_000

// count takes every failed check of one site for an interval of downtime.
func (w *world) count() measured {
	return w.checks(func(m *measured, at int64) bool { return w.failsAt(m, 0, at) })
}

// secondOpinion checks from one of three sites in turn. The next one checks a failure as soon as it is known, and only if
// both fail the service is down, until a check succeeds.
func (w *world) secondOpinion() measured {
	var turn int64
	down := false
	return w.checks(func(m *measured, at int64) bool {
		first := w.running(turn%3, at)
		turn++
		if !w.failsAt(m, first, at) {
			down = false
		} else if !down {
			known := at + w.answer(first, at).took
			down = w.failsAt(m, w.running(int64(first)+1, known), known)
		}
		return down
	})
}

// inPhase checks from three sites at once; any success is up.
func (w *world) inPhase() measured {
	return w.checks(func(m *measured, at int64) bool {
		failed, ran := 0, 0
		for site := range 3 {
			if w.sites[site].without.Contains(at) {
				continue
			}
			if ran++; w.failsAt(m, site, at) {
				failed++
			}
		}
		return ran > 0 && failed == ran
	})
}

// checks asks every 30 s of the month whether the service is down.
func (w *world) checks(down func(m *measured, at int64) bool) measured {
	var m measured
	var all []agreements.Interval
	start := w.period.From + int64(w.hash(0, 0, 4)%commonInterval)
	for at := start; at < w.period.To; at += commonInterval {
		if down(&m, at) {
			all = append(all, agreements.Interval{From: at, To: min(at+commonInterval, w.period.To)})
		}
	}
	m.point = agreements.NewSet(all...)
	return m
}

func (w *world) failsAt(m *measured, site int, at int64) bool {
	if w.sites[site].without.Contains(at) {
		return false
	}
	m.probes++
	return !w.answer(site, at).ok
}

// running returns the first of three sites, from one on, that has an agent.
func (w *world) running(site, at int64) int {
	for k := range int64(3) {
		if i := int((site + k) % 3); !w.sites[i].without.Contains(at) {
			return i
		}
	}
	return int(site % 3)
}
