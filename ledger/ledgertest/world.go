package ledgertest

import (
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/ledger"
)

// World is made-up evidence of a realistic shape, for benchmarks. All of it follows from its fields.
//
//   - Sites take turns at each check, which has one slot in Every ms.
//   - Outages of a check are shared by its sites: one in Between days (Poisson; 0 is never), 5 s to 2 h (log-uniform), each with one
//     reason and text.
//   - Three probes in a thousand are lost, one in ten of these for want of the site's own network.
//   - Each site focuses by itself, as docs/measuring.md says: after a failure each second until one is up, or three in a row have
//     failed; then ever more rarely, up to each 10 s; after that each second until three in a row are up.
//   - A response time is a base of the series (2 to 200 ms, log-uniform) with a daily swing (2 to 12 %), log-normal noise (2 to 8 %), and
//     in two probes of a thousand 2 to 10 times that.
//   - 985 of 1,000 probes are sent on time, 14 late by 1 to 4 ms, one by 5 to 69 ms.
type World struct {
	Seed          uint64
	Sites, Checks int
	Every         int64
	Between       float64
}

// Site returns the name of a site.
func (w World) Site(i int) string { return fmt.Sprintf("site-%02d", i) }

// Check returns the name of a check.
func (w World) Check(i int) string { return fmt.Sprintf("check-%03d", i) }

// Series returns all series, in the order of their names.
func (w World) Series() []ledger.Series {
	var all []ledger.Series
	for site := range w.Sites {
		for check := range w.Checks {
			all = append(all, ledger.Series{Check: uptally.IDOf(w.Check(check)), Site: uptally.IDOf(w.Site(site))})
		}
	}
	return all
}

// Plan returns the plan of a check in force from the start of a day on.
func (w World) Plan(check int, day int32) uptally.Plan {
	p := uptally.Plan{
		Check: w.Check(check), From: int64(day) * uptally.DayMillis, Every: w.Every, Timeout: 10_000,
		Quorum: min(2, w.Sites), Confirm: 3, Recover: 3, Gap: w.Every * 5 / 2, Focus: true, Kind: "tcp", Target: w.target(check),
	}
	for i := range w.Sites {
		p.Sites = append(p.Sites, w.Site(i))
	}
	return p
}

func (w World) target(check int) string { return fmt.Sprintf("192.0.2.%d:443", check%250) }

// rand returns the source of one thing in the world.
func (w World) rand(what ...int) *rand.Rand {
	h := uint64(14695981039346656037)
	for _, v := range what {
		h = (h ^ uint64(v)) * 1099511628211
		h ^= h >> 29
	}
	return rand.New(rand.NewPCG(w.Seed, h))
}

// outage is a stretch of a check's failure, its reason, and the text beside it.
type outage struct {
	from, to int64
	fault
}

type fault struct {
	why  uptally.Reason
	rtt  int64 // where it is not that of an answer
	text string
}

// The parts of the random sources.
const (
	ofOutages = iota
	ofSeries
	ofResults
)

// outages returns those that reach into a day.
func (w World) outages(check int, day int32) []outage {
	var all []outage
	for d := day - 1; d <= day; d++ {
		r := w.rand(ofOutages, check, int(d))
		at := int64(d) * uptally.DayMillis
		for w.Between > 0 {
			at += int64(w.Between * uptally.DayMillis * r.ExpFloat64())
			if uptally.DayOf(at) != d {
				break
			}
			length := 5_000 * math.Pow(7_200.0/5, r.Float64())
			faults := []fault{
				{uptally.ConnectRefused, 0, "dial tcp " + w.target(check) + ": connection refused"},
				{uptally.ConnectTimeout, 10_000_000, "dial tcp " + w.target(check) + ": i/o timeout"},
				{uptally.Status, 0, "got 503, want 200"},
			}
			all = append(all, outage{at, at + int64(length), faults[r.IntN(len(faults))]})
		}
	}
	return all
}

// Results appends a day of a series, ascending.
func (w World) Results(dst []uptally.Result, site, check int, day int32) []uptally.Result {
	s := w.seriesDay(site, check, day)
	for at := s.first(); at < s.end; {
		r := s.result(at)
		dst = append(dst, r)
		at = s.next(at, r.Reason == uptally.OK)
	}
	return dst
}

// seriesDay makes the results of one series and day, one after the other.
type seriesDay struct {
	*rand.Rand
	slot             uptally.Slot
	start, end       int64
	every, phase     int64
	base             float64
	swing, noise, at float64 // at: where the day's swing is at its mean
	expected         float64 // what is made new every few results
	made             int
	outages          []outage
	lost, cut        fault
	focus
	sent int64 // the last one
}

func (w World) seriesDay(site, check int, day int32) *seriesDay {
	r := w.rand(ofSeries, site, check)
	s := &seriesDay{
		slot:  uptally.Slot{Check: uptally.IDOf(w.Check(check)), Site: uptally.IDOf(w.Site(site))},
		start: int64(day) * uptally.DayMillis, every: w.Every,
		base: 2_000 * math.Pow(100, r.Float64()), swing: 0.02 + 0.1*r.Float64(), noise: 0.02 + 0.06*r.Float64(), at: r.Float64(),
		outages: w.outages(check, day),
		lost:    fault{uptally.ConnectTimeout, 10_000_000, "dial tcp " + w.target(check) + ": i/o timeout"},
		cut:     fault{uptally.Local, 10_000_000, "connect_timeout; tcp://192.0.2.1:53 connect_timeout, tcp://198.51.100.1:443 connect_timeout"},
	}
	s.end = s.start + uptally.DayMillis
	s.phase = (int64(uint64(s.slot.Check)%uint64(w.Every)) + int64(site)*w.Every/int64(w.Sites)) % w.Every
	s.Rand = w.rand(ofResults, site, check, int(day))
	return s
}

// first returns the first slot of the day.
func (s *seriesDay) first() int64 { return s.start + (s.phase-s.start%s.every+s.every)%s.every }

// next returns when the next probe is due: in focus on a whole second, unless a slot comes first.
func (s *seriesDay) next(at int64, up bool) int64 {
	slot := at + s.every - ((at-s.phase)%s.every+s.every)%s.every
	if wait := s.focus.learn(at, up); wait > 0 {
		return min(slot, (at+wait)/1_000*1_000)
	}
	return slot
}

// focus is how a site looks at a failure.
type focus struct {
	fails, ups, need int   // in a row; how many ups end it, 0 in cruise
	down             int64 // since when
}

// learn takes in a result and returns how many ms to wait for the next, 0 for the next slot.
func (f *focus) learn(at int64, up bool) int64 {
	switch {
	case up && f.need == 0:
		return 0
	case up:
		f.fails, f.ups = 0, f.ups+1
		if f.ups >= f.need {
			*f = focus{}
			return 0
		}
		return 1_000
	}
	f.fails, f.ups, f.need = f.fails+1, 0, max(f.need, 1)
	if f.fails == 3 && f.need == 1 {
		f.need, f.down = 3, at
	}
	if f.need == 1 {
		return 1_000
	}
	return min(max((at-f.down)/300, 1_000), 10_000)
}

func (s *seriesDay) result(at int64) uptally.Result {
	dice := s.Uint64() // four throws of 16 bits: cheaper than four numbers
	r := uptally.Result{Slot: s.slot, Late: late(dice & 0xffff)}
	r.At = at
	if s.sent >= r.SentAt() { // one after the other: an account takes no two of an instant
		r.Late = int32(s.sent + 1 - at)
	}
	s.sent = r.SentAt()
	if s.made%32 == 0 {
		s.expected = s.base * (1 + s.swing*math.Sin(2*math.Pi*(s.at+float64(at-s.start)/float64(uptally.DayMillis))))
	}
	s.made++
	x := s.noise * s.NormFloat64()
	v := s.expected * (1 + x*(1+x*(1./2+x*(1./6)))) // e^x
	if dice>>16&0xffff < thousandths(2) {
		v *= 2 + 8*s.Float64()
	}
	r.RTT = int64(v)
	for _, o := range s.outages {
		if at >= o.from && at < o.to {
			return s.failed(r, o.fault)
		}
	}
	switch n := dice >> 32 & 0xffff; {
	case n < thousandths(3)/10:
		return s.failed(r, s.cut)
	case n < thousandths(3):
		return s.failed(r, s.lost)
	}
	return r
}

func (s *seriesDay) failed(r uptally.Result, f fault) uptally.Result {
	r.Reason, r.Detail = f.why, f.text
	if f.rtt > 0 {
		r.RTT = f.rtt + s.Int64N(800)
	}
	return r
}

// late is how late a throw of 16 bits is.
func late(n uint64) int32 {
	switch {
	case n < thousandths(1):
		return 5 + int32(n)
	case n < thousandths(15):
		return 1 + int32(n)%4
	}
	return 0
}

// thousandths is the part of 16 bits that n in a thousand throws stay below.
func thousandths(n uint64) uint64 { return n << 16 / 1_000 }

// Chunk returns a day of a series as a copy from another ledger brings it.
func (w World) Chunk(site, check int, day int32) ledger.Chunk {
	rs := w.Results(nil, site, check, day)
	c := ledger.Chunk{Day: uptally.FoldDay(uptally.IDOf(w.Check(check)), uptally.IDOf(w.Site(site)), day, rs)}
	for _, r := range rs {
		if r.Reason != uptally.OK {
			c.Failures = append(c.Failures, r)
		}
	}
	return c
}

// Batches yields a day of a site in batches of about n results each, as its one agent appends them. The batch is the
// caller's.
func (w World) Batches(site int, day int32, n int) iter.Seq[ledger.Incoming] {
	window := max(1, int64(n)*w.Every/int64(w.Checks))
	return func(yield func(ledger.Incoming) bool) {
		rest := w.siteDay(site, day, 0, uptally.DayMillis)
		seq := uint64(0)
		for from := int64(0); from < uptally.DayMillis; from += window {
			seq++
			b, some := w.batch(rest, site, day, from+window, uint64(day)<<32|seq)
			if some && !yield(b) {
				return
			}
		}
	}
}

// Seconds yields the batches of all sites, each an agent that commits every second in which it has a result, joined second
// by second from ≤ t < to, in ms of the day.
func (w World) Seconds(day int32, from, to int64) iter.Seq[[]ledger.Incoming] {
	return func(yield func([]ledger.Incoming) bool) {
		var sites [][][]uptally.Result
		for site := range w.Sites {
			sites = append(sites, w.siteDay(site, day, from, to))
		}
		for t := from; t < to; t += 1_000 {
			var joined []ledger.Incoming
			for site, rest := range sites {
				if b, some := w.batch(rest, site, day, t+1_000, uint64(day)<<32|uint64(t/1_000+1)); some {
					joined = append(joined, b)
				}
			}
			if len(joined) > 0 && !yield(joined) {
				return
			}
		}
	}
}

// siteDay returns the results of each check of a site, checks ascending by ID, from ≤ t < to in ms of the day.
func (w World) siteDay(site int, day int32, from, to int64) [][]uptally.Result {
	var all [][]uptally.Result
	var rs []uptally.Result
	for check := range w.Checks {
		rs = w.Results(rs[:0], site, check, day)
		start := int64(day) * uptally.DayMillis
		part := rs[before(rs, start+from):before(rs, start+to)]
		all = append(all, slices.Clone(part))
	}
	slices.SortFunc(all, func(a, b []uptally.Result) int { return slices.CompareFunc(a, b, uptally.Result.Compare) })
	return all
}

// before counts the results of a series before an instant.
func before(rs []uptally.Result, at int64) int {
	i, _ := slices.BinarySearchFunc(rs, at, func(r uptally.Result, at int64) int { return int(r.At - at) })
	return i
}

// batch takes the results before an instant, in ms of the day, off rest.
func (w World) batch(rest [][]uptally.Result, site int, day int32, to int64, seq uint64) (in ledger.Incoming, some bool) {
	b := uptally.Batch{Agent: uint64(site + 1), Epoch: 1, Seq: seq, Site: uptally.IDOf(w.Site(site)), Day: day}
	for i, rs := range rest {
		n := before(rs, int64(day)*uptally.DayMillis+to)
		b.Results = append(b.Results, rs[:n]...)
		rest[i] = rs[n:]
	}
	if len(b.Results) == 0 {
		return in, false
	}
	data, err := b.AppendBinary(nil)
	if err != nil {
		panic("BUG: encode a batch of the world: " + err.Error())
	}
	return ledger.Incoming{Batch: b, Data: data}, true
}
