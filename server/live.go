package server

import (
	"log/slog"
	"math"
	"slices"
	"sync"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/agreements"
)

// fewShots is how many samples of a site are kept while its check is not well, beside those that open and close an episode; of a longer
// outage the newest tell enough. A longer brownout, in which a site neither fails for sure again nor succeeds, is forgotten.
const fewShots = 32

// Live is what the newest results say of every check, by the rules of the account: quorum, common cause, and no word of a site that
// was cut off. It is provisional, and kept in memory: after a start a check is unknown until its sites have delivered. Late results
// count as soon as they come.
//
// It belongs to one process: behind several servers of one database, each knows what reached it.
type Live struct {
	log *slog.Logger

	mu     sync.Mutex
	checks map[uptally.ID]*liveCheck
}

// liveCheck is one check.
type liveCheck struct {
	plans []uptally.Plan // in force and to come
	sites []liveSite
	// state is as it was judged last, since the start of the outage that is going on; it holds from judged until the next instant at which
	// time alone may change it.
	state         agreements.Present
	since         int64
	judged, until int64
	well          bool // no site had a failure among its last samples when it was judged
}

// liveSite is what one site delivered: the newest result, and the samples that still matter.
type liveSite struct {
	site   string
	id     uptally.ID
	newest uptally.Result
	shots  []shot
}

// shot is a sample.
type shot struct {
	at     int64
	reason uptally.Reason
}

// CheckState is what Live says of a check.
type CheckState struct {
	State agreements.Present
	// Since is when an outage that is going on began, the middle of what is known of it, in milliseconds UTC; 0 for none.
	Since int64
	// Sites are those of the plan in force, in its order.
	Sites []SiteResult
}

// SiteResult is the newest result of a site; a zero Result says that there is none.
type SiteResult struct {
	Site   string
	Result uptally.Result
}

// NewLive knows nothing yet. log takes a line a change of state.
func NewLive(log *slog.Logger) *Live {
	return &Live{log: log, checks: map[uptally.ID]*liveCheck{}}
}

// SetPlans says which checks there are, each by its plan in force and those to come. Of a check that stays, what is known stays.
func (l *Live) SetPlans(plans []uptally.Plan, now int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	checks := map[uptally.ID]*liveCheck{}
	for _, p := range plans {
		id := uptally.IDOf(p.Check)
		c := checks[id]
		if c == nil {
			c = &liveCheck{}
			if old := l.checks[id]; old != nil {
				*c = *old
				c.plans = slices.Clone(old.plans)
			}
			checks[id] = c
		}
		c.plan(p, now)
		c.until = 0 // by another plan it may be judged otherwise
	}
	l.checks = checks
}

// plan adds a plan, and drops those that are over.
func (c *liveCheck) plan(p uptally.Plan, now int64) {
	c.plans = slices.DeleteFunc(c.plans, func(old uptally.Plan) bool { return old.From >= p.From })
	c.plans = append(c.plans, p)
	for len(c.plans) > 1 && c.plans[1].From <= now-c.plans[0].Gap {
		c.plans = c.plans[1:]
	}
	c.sites = slices.DeleteFunc(c.sites, func(s liveSite) bool {
		return !slices.ContainsFunc(c.plans, func(p uptally.Plan) bool { return p.Rank(s.site) >= 0 })
	})
	for _, site := range p.Sites {
		if !slices.ContainsFunc(c.sites, func(s liveSite) bool { return s.site == site }) {
			c.sites = append(c.sites, liveSite{site: site, id: uptally.IDOf(site)})
		}
	}
}

// inForce is the plan at an instant; the first one before it begins.
func (c *liveCheck) inForce(at int64) *uptally.Plan {
	p := &c.plans[0]
	for i := range c.plans {
		if c.plans[i].From <= at {
			p = &c.plans[i]
		}
	}
	return p
}

// Take takes the results of a batch that is in the ledger. Its own site's checks are judged anew at the instant now.
func (l *Live) Take(b *uptally.Batch, now int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	touched := map[*liveCheck]bool{}
	for _, r := range b.Results {
		c := l.checks[r.Check]
		if c == nil {
			continue
		}
		i := slices.IndexFunc(c.sites, func(s liveSite) bool { return s.id == r.Site })
		if i >= 0 && c.sites[i].take(r, &c.plans[0]) && !c.stays(r, now) {
			touched[c] = true
		}
	}
	for c := range touched {
		l.judge(c, now)
	}
}

// take keeps a result and reports whether it is a sample that may matter.
func (s *liveSite) take(r uptally.Result, first *uptally.Plan) bool {
	if r.SentAt() >= s.newest.SentAt() {
		s.newest = r
	}
	sent := r.SentAt()
	if o := r.Outcome(); o != uptally.Up && o != uptally.Down || sent < first.From {
		return false
	}
	i, found := slices.BinarySearchFunc(s.shots, sent, func(a shot, at int64) int { return int(min(max(a.at-at, -1), 1)) })
	if found || i == 0 && len(s.shots) > 0 {
		return false // a repeat, or older than what is kept
	}
	s.shots = slices.Insert(s.shots, i, shot{sent, r.Reason})
	if over := len(s.shots) - fewShots - first.Confirm - first.Recover; over > 0 {
		s.shots = slices.Delete(s.shots, 0, over)
	}
	return true
}

// calm reports whether a site's last n samples were up.
func (s *liveSite) calm(n int) bool {
	if len(s.shots) < n {
		return false
	}
	for _, a := range s.shots[len(s.shots)-n:] {
		if a.reason != uptally.OK {
			return false
		}
	}
	return true
}

// stays reports whether a sample need not be judged at once: one more that is up, where no site has another. That is what nearly all are, of
// fifty sites as of one. A check that is not up, since sites are silent or have yet to deliver, is judged again after a second, or
// when somebody asks.
func (c *liveCheck) stays(r uptally.Result, now int64) bool {
	switch {
	case !c.well || r.Outcome() != uptally.Up:
		return false
	case c.state == agreements.PresentUp:
		return now < c.until
	case now < c.judged+1_000:
		c.until = min(c.until, now)
		return true
	}
	return false
}

// judge logs a change, and forgets what no longer matters.
func (l *Live) judge(c *liveCheck, now int64) {
	plan, was := c.inForce(now), c.state
	c.judge(plan, now)
	if c.state != was && c.state+was != agreements.PresentUnknown+agreements.PresentUp { // a silent agent is one alarm, not one a check
		l.log.Info("check is", "check", plan.Check, "state", c.state.String(), "was", was.String(), "since_ms", c.since)
	}
	c.well = true
	for i := range c.sites {
		s := &c.sites[i]
		c.well = c.well && s.calm(min(len(s.shots), plan.Recover))
	}
	for i := range c.sites {
		if s := &c.sites[i]; c.well && len(s.shots) > plan.Recover {
			s.shots = slices.Delete(s.shots, 0, len(s.shots)-plan.Recover)
		}
	}
}

// judge finds the state at an instant. Where every site is well it is up without further ado.
func (c *liveCheck) judge(plan *uptally.Plan, now int64) {
	c.judged, c.until = now, math.MaxInt64
	if next := c.plans[len(c.plans)-1].From; next > now {
		c.until = next
	}
	well := 0
	for i := range c.sites {
		s := &c.sites[i]
		n := len(s.shots)
		if n == 0 || plan.Rank(s.site) < 0 {
			continue
		}
		if silent := s.shots[n-1].at + plan.Gap; now < silent {
			c.until = min(c.until, silent)
			if s.calm(min(n, plan.Recover)) {
				well++
			}
		}
	}
	if well == len(plan.Sites) {
		c.state, c.since = agreements.PresentUp, 0
		return
	}
	c.vote(now)
}

// vote asks the rules of the account.
func (c *liveCheck) vote(now int64) {
	tracks, err := c.tracks()
	if err != nil {
		c.state, c.since = agreements.PresentUnknown, 0 // of samples that contradict each other
		return
	}
	state, outage := tracks.At(now)
	since := int64(0)
	if outage != nil {
		if since = (outage.Start.From + outage.Start.To) / 2; c.since != 0 {
			since = min(since, c.since) // the first samples of a long one are gone
		}
	}
	c.state, c.since = state, since
}

func (c *liveCheck) tracks() (agreements.Tracks, error) {
	ev := agreements.Evidence{Check: c.plans[0].Check, Plans: c.plans}
	for i := range c.sites {
		s := &c.sites[i]
		runs := make([]uptally.Run, len(s.shots))
		for k, a := range s.shots {
			runs[k] = uptally.Run{At: a.at, N: 1, Reason: a.reason}
		}
		ev.Sites = append(ev.Sites, agreements.SiteRuns{Site: s.site, Runs: runs})
	}
	return agreements.Provisional(ev)
}

// Check returns the state of a check at an instant; false for one that is not planned.
func (l *Live) Check(check string, now int64) (CheckState, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.checks[uptally.IDOf(check)]
	if c == nil {
		return CheckState{}, false
	}
	plan := c.inForce(now)
	if now < c.judged || now >= c.until {
		l.judge(c, now)
	}
	st := CheckState{State: c.state, Since: c.since, Sites: make([]SiteResult, len(plan.Sites))}
	for rank, site := range plan.Sites {
		st.Sites[rank].Site = site
		if i := slices.IndexFunc(c.sites, func(s liveSite) bool { return s.site == site }); i >= 0 {
			st.Sites[rank].Result = c.sites[i].newest
		}
	}
	return st, true
}
