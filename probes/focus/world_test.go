package focus

import (
	"math"
	"math/rand/v2"
	"sort"

	"github.com/uptally/uptally/agreements"
)

// world is the truth of a month of 30 days and some hours around it: when the service was down, what befell each site, and
// which packets were lost.
type world struct {
	period   agreements.Interval
	span     agreements.Interval // the month and what lies around it
	outages  []outage
	sites    []weather
	loss     uint64 // a probe is lost where its hash is below
	seed     uint64
	brownout float64 // the part of the probes that fail inside an outage; 0 is all
}

// outage is a stretch in which the service is down; connections are refused at once, or swallowed until the timeout.
type outage struct {
	agreements.Interval
	refused bool
}

// weather is what befalls one site: isolated it reaches nothing, not even the references; without an agent it does not
// probe; a regional fault keeps it from the service alone.
type weather struct {
	isolated, without, regional agreements.Set
}

const (
	hour       = 3_600_000
	roundTrip  = 20 // ms, of a good probe
	refusal    = 20 // ms
	mostSites  = 5  // of which an estimator uses some
	aroundIt   = 3 * hour
	simTimeout = 10_000
)

// april2026 has 30 days in UTC.
var april2026 = agreements.Interval{From: 1_775_001_600_000, To: 1_777_593_600_000}

// newWorld draws a month: outages is how many there are on average. With noise the packets and the sites fail too.
func newWorld(seed uint64, outages float64, noise bool) *world {
	r := rand.New(rand.NewPCG(seed, 0x5ca1ab1e))
	w := &world{period: april2026, seed: seed, sites: make([]weather, mostSites)}
	w.span = agreements.Interval{From: w.period.From - aroundIt, To: w.period.To + aroundIt}
	months := float64(w.span.Len()) / float64(w.period.Len())
	for _, at := range w.draw(r, outages*months, 5_000, 2*hour) {
		w.outages = append(w.outages, outage{at, r.Uint64()&1 == 0})
	}
	if !noise {
		return w
	}
	w.loss = math.MaxUint64 / 1000 * 3
	for i := range w.sites {
		w.sites[i] = weather{
			isolated: w.draw(r, 4*months, 30_000, 20*60_000),
			without:  w.draw(r, 2*months, 60_000, 30*60_000),
			regional: w.draw(r, 4*months, 30_000, 30*60_000),
		}
	}
	return w
}

// draw returns stretches of a Poisson process, their lengths log-uniform.
func (w *world) draw(r *rand.Rand, mean float64, shortest, longest float64) agreements.Set {
	var all []agreements.Interval
	for at := r.ExpFloat64() / mean; at < 1; at += r.ExpFloat64() / mean {
		from := w.span.From + int64(at*float64(w.span.Len()))
		all = append(all, agreements.Interval{From: from, To: from + int64(shortest*math.Pow(longest/shortest, r.Float64()))})
	}
	return agreements.NewSet(all...)
}

// down is the truth.
func (w *world) down() agreements.Set {
	var all []agreements.Interval
	for _, o := range w.outages {
		all = append(all, o.Interval)
	}
	return agreements.NewSet(all...).Clip(w.period)
}

// coincidences are when two of the first three sites had a regional fault.
func (w *world) coincidences() agreements.Set {
	a, b, c := w.sites[0].regional, w.sites[1].regional, w.sites[2].regional
	return agreements.Union(a.Intersect(b), b.Intersect(c), a.Intersect(c)).Clip(w.period)
}

// answer is what a probe sent from a site finds.
func (w *world) answer(site int, sent int64) answer {
	swallowed := answer{took: simTimeout}
	if w.sites[site].isolated.Contains(sent) {
		swallowed.void = w.sites[site].isolated.Contains(sent + simTimeout) // when the references are asked
		return swallowed
	}
	if i := sort.Search(len(w.outages), func(i int) bool { return w.outages[i].To > sent }); i < len(w.outages) && w.outages[i].From <= sent {
		if o := w.outages[i]; w.brownout == 0 || float64(w.hash(site, sent, 2)) < w.brownout*math.MaxUint64 {
			if o.refused {
				return answer{took: refusal}
			}
			return swallowed
		}
	}
	if w.sites[site].regional.Contains(sent) || w.loss > 0 && w.hash(site, sent, 1) < w.loss {
		return swallowed
	}
	return answer{ok: true, took: roundTrip, rtt: roundTrip * 1000}
}

// hash is a random number of a site and an instant, the same whoever asks.
func (w *world) hash(site int, at int64, of uint64) uint64 {
	x := w.seed*0x9e3779b97f4a7c15 + uint64(at)*0xbf58476d1ce4e5b9 + uint64(site)*0x94d049bb133111eb + of
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
