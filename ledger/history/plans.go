package history

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/uptally/uptally"
)

// Terms are how imported checks are judged. What is zero has a default: all sites that were read, more than half of them as
// the quorum, 1 failure and 1 success in a row, a gap of two and a half spacings.
type Terms struct {
	// Sites are the sites of each check in order; more may be named than this import has results of.
	Sites            []string
	Quorum           int
	Confirm, Recover int
	Gap              int64 // ms
}

// lone is the spacing, in milliseconds, of a check that left a single result.
const lone = 60_000

// checkDays is what plans are made of: for each day of a check, how often each spacing was seen.
type checkDays struct {
	kind, target string
	sites        []string
	days         []spacings
}

// spacings are those of one day. Spacings between days are left out, so that a day says the same whatever was read beside it.
type spacings struct {
	day   int32
	first int64
	seen  map[int64]int
}

func (im *Import) check(s *Series) *checkDays {
	c := im.checks[s.Check]
	if c == nil {
		c = &checkDays{kind: s.Kind, target: s.Target}
		im.checks[s.Check] = c
	}
	return c
}

func (c *checkDays) add(day int32, s *Series) {
	if !slices.Contains(c.sites, s.Site) {
		c.sites = append(c.sites, s.Site)
	}
	first := s.Results[0].At
	if n := len(c.days); n == 0 || c.days[n-1].day != day {
		c.days = append(c.days, spacings{day: day, first: first, seen: map[int64]int{}})
	}
	d := &c.days[len(c.days)-1]
	d.first = min(d.first, first)
	for i, r := range s.Results[1:] {
		if step := r.At - s.Results[i].At; step > 0 {
			d.seen[step]++
		}
	}
}

// mostly is the spacing seen most, of several the shortest; 0 where there is none.
func (s spacings) mostly() int64 {
	every := int64(0)
	for _, step := range slices.Sorted(maps.Keys(s.seen)) {
		if s.seen[step] > s.seen[every] {
			every = step
		}
	}
	return every
}

// wanted are the plans of one check as the import alone would have them: a plan from its first instant, and another from the
// first instant of each day whose spacing is another.
func (c *checkDays) wanted(check string, t Terms) []uptally.Plan {
	sites := t.Sites
	if len(sites) == 0 {
		sites = slices.Sorted(slices.Values(c.sites))
	}
	var ps []uptally.Plan
	for i, d := range c.days {
		every := d.mostly()
		switch {
		case every == 0 && i > 0, i > 0 && len(ps) > 0 && alike(every, ps[len(ps)-1].Every):
			continue
		case every == 0:
			every = lone
		}
		ps = append(ps, t.plan(uptally.Plan{Check: check, From: d.first, Sites: sites, Every: every, Kind: c.kind, Target: c.target}))
	}
	return ps
}

// plan gives p the rest of its terms.
func (t Terms) plan(p uptally.Plan) uptally.Plan {
	p.Imported = true
	p.Timeout = max(1, min(10_000, p.Every/10*9+p.Every%10*9/10))
	p.Quorum = cmp.Or(t.Quorum, len(p.Sites)/2+1)
	p.Confirm, p.Recover = cmp.Or(t.Confirm, 1), cmp.Or(t.Recover, 1)
	p.Gap = cmp.Or(t.Gap, p.Every/2*5+p.Every%2*5/2)
	return p
}

// alike reports whether two spacings differ by no more than a scraper's jitter: a hundredth.
func alike(a, b int64) bool { return max(a, b)-min(a, b) <= max(a, b)/100 }

// Plans returns the plans that a check lacks for what was imported: stored are those that the ledger has, in order of From. A plan that
// stands and names the site is kept as it is. The error names a plan by which the check was measured here: imported
// results would be judged by it, and count beside those measured.
func (im *Import) Plans(check string, stored []uptally.Plan) ([]uptally.Plan, error) {
	c := im.checks[check]
	if c == nil {
		return nil, nil
	}
	wanted, sites := c.wanted(check, im.terms), c.sites
	if i := slices.IndexFunc(sites, func(s string) bool { return wanted[0].Rank(s) < 0 }); i >= 0 {
		return nil, fmt.Errorf("plan check %q: got results of the site %q, want only the sites named: %q", check, sites[i], im.terms.Sites)
	}
	for _, p := range wanted {
		if ps := p.Validate(); len(ps) > 0 {
			return nil, fmt.Errorf("plan check %q: %v", check, ps[0])
		}
	}
	d := dating{stored: stored, sites: sites, terms: im.terms}
	for i, w := range wanted {
		end := im.To
		if i+1 < len(wanted) {
			end = wanted[i+1].From
		}
		if err := d.cover(w, end); err != nil {
			return nil, fmt.Errorf("plan check %q: %w", check, err)
		}
	}
	d.giveBack(im.To)
	return d.fresh, nil
}

// dating puts plans beside those that stand.
type dating struct {
	stored, fresh []uptally.Plan
	sites         []string // that have results
	terms         Terms
}

// at returns the plan in force at an instant, fresh ones included, and whether there is one.
func (d *dating) at(instant int64) (p uptally.Plan, ok bool) {
	for _, q := range slices.Concat(d.stored, d.fresh) {
		if q.From <= instant && (!ok || q.From > p.From) {
			p, ok = q, true
		}
	}
	return p, ok
}

// cover sees to it that from w.From to end every instant has an imported plan that names the sites and has about the spacing
// of w. A plan that does not do is followed by one that adds w's sites to its own: as plans are never altered, one
// millisecond later where it begins at that instant.
func (d *dating) cover(w uptally.Plan, end int64) error {
	points := []int64{w.From}
	for _, p := range d.stored {
		if p.From > w.From && p.From < end {
			points = append(points, p.From)
		}
	}
	for _, at := range points {
		p, ok := d.at(at)
		switch {
		case !ok:
			d.fresh = append(d.fresh, dated(w, at))
			continue
		case !p.Imported:
			return fmt.Errorf("it is measured here since %s: import what was recorded before, or under another name", utc(p.From))
		case d.does(p, w):
			continue
		}
		n := w
		n.Sites = slices.Clone(p.Sites)
		for _, s := range w.Sites {
			if !slices.Contains(n.Sites, s) {
				n.Sites = append(n.Sites, s)
			}
		}
		if p.From == at {
			at++
		}
		if next, _ := d.at(at); next.From == at && at > p.From {
			continue // a stored plan begins there, and is looked at by itself
		}
		d.fresh = append(d.fresh, dated(d.terms.plan(n), at))
	}
	return nil
}

// does reports whether a plan that stands does for what w is wanted for.
func (d *dating) does(p, w uptally.Plan) bool {
	named := !slices.ContainsFunc(d.sites, func(s string) bool { return p.Rank(s) < 0 })
	return named && alike(p.Every, w.Every)
}

// giveBack ends what was added to plans that stood: from end on the one is in force again that was.
func (d *dating) giveBack(end int64) {
	before := dating{stored: d.stored}
	was, ok := before.at(end)
	now, _ := d.at(end)
	if ok && now.From > was.From {
		d.fresh = append(d.fresh, dated(was, end))
	}
}

func dated(p uptally.Plan, from int64) uptally.Plan {
	p.From = from
	return p
}

func utc(at int64) string { return time.UnixMilli(at).UTC().Format(time.RFC3339Nano) }

func compareCounts(a, b Count) int {
	return cmp.Or(cmp.Compare(a.Check, b.Check), cmp.Compare(a.Site, b.Site))
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
