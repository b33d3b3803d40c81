package ledger

import (
	"encoding/binary"
	"hash/fnv"
	"math"

	"github.com/uptally/uptally"
)

// The rules of when a site's day is sealed, in milliseconds.
const (
	// sealAfter: a day is sealed for good this long after its end, when what was under way at midnight has come.
	sealAfter = 10 * 60_000
	// sealListEvery: the store is asked this often what is unsealed, whoever appended it.
	sealListEvery = 2 * 60_000
	// sealGather and sealGatherMost: results of a day that is over already are sealed when none came for the one, at the
	// latest after the other, so that a site that delivers a backlog seals its days a few times and not each second.
	sealGather, sealGatherMost = 5 * 60_000, 30 * 60_000
	// sealFull is how many results the log of a site's day holds at most, about.
	sealFull = 1_000_000
	// sealMark: a day that is not over is sealed at 06:00, 12:00 and 18:00 UTC where its log holds sealMarkResults.
	sealMark, sealMarkResults = 6 * 3_600_000, 100_000
	// sealSpread: several servers each wait a part of it of their own, so that mostly one of them does the work.
	sealSpread = 5 * 60_000
	// sealLosses: a day that others sealed meanwhile is tried again at once, so many times.
	sealLosses = 3
	// A day, or the list, that failed is tried again after sealRetry, doubling up to sealRetryMost; after any failure
	// nothing at all is tried for sealPause, doubling up to sealPauseMost until something succeeds.
	sealRetry, sealRetryMost = 10_000, 10 * 60_000
	sealPause, sealPauseMost = 1_000, 1 * 60_000

	sealNever = math.MaxInt64
)

// sealEvent is what happened, for Step. What succeeded or failed is what the last action told to do.
type sealEvent struct {
	what sealHappening
	open []OpenDay // of sealListed
}

type sealHappening uint8

const (
	sealTick   sealHappening = iota // the passing of time
	sealListed                      // Store.Open returned
	sealDone                        // the day is sealed, or there was nothing to do
	sealStale                       // somebody else sealed it meanwhile
	sealFailed                      // the store could not list, or seal
	sealAsked                       // somebody wants everything sealed that is over, now
)

// sealAction is the one thing to do next; the event that says what became of it must follow.
type sealAction struct {
	what sealDeed
	SiteDay
	final bool
}

type sealDeed uint8

const (
	sealWait sealDeed = iota // until Next
	sealList                 // ask Store.Open
	sealDay                  // seal SiteDay, for good where final
)

// sealCore decides when a site's day is sealed. It is a plain value for one goroutine; make it with newSealCore. One thing is
// under way at a time.
//
//  1. A day is sealed for good ten minutes after its end. One that is first seen after that has gathered first.
//  2. A day that is not over is sealed provisionally when its log is full, and every six hours where that is worth it.
//  3. Late results of a day that was sealed for good are gathered, then it is sealed again.
//  4. Asked, it seals all that is over at once.
type sealCore struct {
	server   uint64
	now      int64
	nextList int64
	listLost int // lists that failed in a row
	pause    int64
	failures int  // of anything, in a row
	asked    bool // since the last list began
	listing  bool // the list under way was asked for
	under    sealAction
	days     map[SiteDay]*unsealedDay
}

// unsealedDay is what is known of a site's day that wants sealing.
type unsealedDay struct {
	open OpenDay
	// stale: it was sealed, or tried, since it was listed; what there is to do the next list says.
	stale bool
	// seen is when it was first listed; marked the same or when it was last sealed; first and changed when the batches that wait
	// were first seen, and when they last became others.
	seen, marked, first, changed int64
	asked                        bool
	losses, failures             int
	notBefore                    int64
	rank                         uint64 // this server's own order of days
}

// newSealCore returns a core that begins with a list. server tells servers of one ledger apart; 0 is one that is alone.
func newSealCore(server uint64, now int64) *sealCore {
	return &sealCore{server: server, now: now, nextList: now, days: map[SiteDay]*unsealedDay{}}
}

// Step takes an event at the instant now and returns what to do.
func (c *sealCore) Step(now int64, ev sealEvent) sealAction {
	if now < c.now {
		c.setBack(now)
	}
	c.now = now
	c.take(ev)
	if c.under.what == sealWait {
		c.under = c.choose()
		return c.under
	}
	return sealAction{}
}

// Next returns the instant at which Step wants to be called again; while something is under way its event comes first.
func (c *sealCore) Next() int64 {
	if c.under.what != sealWait {
		return sealNever
	}
	_, at := c.first()
	return max(min(at, c.nextList), c.pause)
}

// setBack keeps a clock that was set back from putting everything off.
func (c *sealCore) setBack(now int64) {
	c.nextList, c.pause = min(c.nextList, now), min(c.pause, now)
	for _, d := range c.days {
		d.seen, d.marked, d.first, d.changed = min(d.seen, now), min(d.marked, now), min(d.first, now), min(d.changed, now)
		d.notBefore = min(d.notBefore, now)
	}
}

func (c *sealCore) take(ev sealEvent) {
	did := c.under
	switch ev.what {
	case sealTick:
		return
	case sealAsked:
		c.asked, c.nextList, c.pause = true, c.now, c.now
		return
	case sealListed:
		c.list(ev.open)
	case sealDone:
		c.sealed(did)
	case sealStale:
		c.lost(c.days[did.SiteDay])
	case sealFailed:
		c.fail(did)
	}
	c.under = sealAction{}
	if ev.what == sealListed || ev.what == sealDone {
		c.failures = 0
	}
}

// list replaces what is known by what the store says.
func (c *sealCore) list(open []OpenDay) {
	days := make(map[SiteDay]*unsealedDay, len(open))
	for _, o := range open {
		d := c.days[o.SiteDay]
		if d == nil {
			d = &unsealedDay{stale: true, seen: c.now, marked: c.now, rank: c.rank(o.SiteDay)}
		}
		if d.stale {
			d.first, d.changed = c.now, c.now
		} else if d.open != o {
			d.changed = c.now
		}
		if d.open, d.stale = o, false; c.listing && c.now >= sealableAt(o.Day) {
			d.asked, d.notBefore = true, 0
		}
		days[o.SiteDay] = d
	}
	c.days, c.listing, c.listLost = days, false, 0
	if c.nextList = c.now + sealListEvery; c.asked {
		c.nextList = c.now
	}
}

func (c *sealCore) sealed(did sealAction) {
	if did.final {
		delete(c.days, did.SiteDay)
		return
	}
	d := c.days[did.SiteDay]
	d.stale, d.asked, d.marked, d.losses, d.failures = true, false, c.now, 0, 0
}

func (c *sealCore) lost(d *unsealedDay) {
	if d.losses++; d.losses > sealLosses {
		d.notBefore = c.now + backOff(sealRetry, sealRetryMost, d.losses-sealLosses)
	}
}

func (c *sealCore) fail(did sealAction) {
	c.failures++
	c.pause = c.now + backOff(sealPause, sealPauseMost, c.failures)
	if did.what == sealList {
		c.listLost++
		c.asked, c.listing = c.asked || c.listing, false
		c.nextList = c.now + backOff(sealRetry, sealListEvery, c.listLost)
		return
	}
	d := c.days[did.SiteDay]
	d.failures++
	d.notBefore = c.now + backOff(sealRetry, sealRetryMost, d.failures)
}

// backOff doubles from least with each time after the first, up to most.
func backOff(least, most int64, times int) int64 {
	return min(least<<min(times-1, 16), most)
}

func (c *sealCore) choose() sealAction {
	switch d, at := c.first(); {
	case c.now < c.pause:
	case c.now >= c.nextList:
		c.listing, c.asked = c.asked, false
		return sealAction{what: sealList}
	case at <= c.now:
		return sealAction{what: sealDay, SiteDay: d, final: c.now >= sealableAt(d.Day)}
	}
	return sealAction{}
}

// first returns the day that is due first; of those due at once each server has its own order.
func (c *sealCore) first() (first SiteDay, at int64) {
	at = sealNever
	rank := uint64(0)
	for k, d := range c.days {
		if due := max(c.due(d), d.notBefore); due < at || due == at && at < sealNever && d.rank < rank {
			first, at, rank = k, due, d.rank
		}
	}
	return first, at
}

// due is when the rules want a day sealed next.
func (c *sealCore) due(d *unsealedDay) int64 {
	over := sealableAt(d.open.Day)
	at := over
	switch {
	case d.stale:
		return sealNever
	case d.asked:
		return c.now
	case d.open.Final || d.seen >= over:
		at = min(d.changed+sealGather, d.first+sealGatherMost)
	case d.open.Results >= sealMarkResults:
		if mark := (d.marked/sealMark + 1) * sealMark; mark < over-sealAfter {
			at = max(mark, d.first)
		}
	}
	if d.open.Results >= sealFull {
		at = min(at, d.first)
	}
	if c.server != 0 {
		at += int64(d.rank % sealSpread)
	}
	return at
}

// sealableAt is when a day is sealed for good.
func sealableAt(day int32) int64 { return (int64(day)+1)*uptally.DayMillis + sealAfter }

// rank is a number of a site's day that differs from server to server.
func (c *sealCore) rank(d SiteDay) uint64 {
	h := fnv.New64a()
	b := binary.BigEndian.AppendUint64(nil, c.server)
	b = binary.BigEndian.AppendUint64(b, uint64(d.Site))
	h.Write(binary.BigEndian.AppendUint32(b, uint32(d.Day)))
	return h.Sum64()
}

// waiting returns how many site days are over and wait to be sealed, and since when the first of them has: a day that never
// was sealed for good since its end, late results since they were seen.
func (c *sealCore) waiting() (n int, since int64) {
	since = sealNever
	for _, d := range c.days {
		at := (int64(d.open.Day) + 1) * uptally.DayMillis
		if d.open.Final {
			at = d.first
		}
		if at <= c.now {
			n, since = n+1, min(since, at)
		}
	}
	return n, since
}
