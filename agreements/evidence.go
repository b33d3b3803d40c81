package agreements

import "github.com/uptally/uptally"

// Evidence is what is known of one check: the plans in force and the results of each site as runs, in any order.
// Results of missed slots and of conflicts are no samples; void ones are dropped where rule A1 says so.
type Evidence struct {
	Check string
	// Plans in any order; at an instant the one with the greatest From not after it is in force.
	Plans []uptally.Plan
	Sites []SiteRuns
	// Days are the same results with their response times, where a measure reads these; figures of time never do.
	Days []uptally.Day
}

// SiteRuns is one site's results of a check.
type SiteRuns struct {
	Site string
	Runs []uptally.Run
}

// State is what a timeline says of a service or a site.
type State uint8

const (
	StateUp State = iota + 1
	StateDown
	StateUnknown
)

// Stretch is one row of a timeline.
type Stretch struct {
	Interval
	State State
}

// Timeline is an agreed list of stretches of one service; what no row covers is unknown.
// Overlapping rows that disagree are an error of whoever reads the file.
type Timeline struct {
	Service   string
	Stretches []Stretch
}

// Tracks is the downtime of a check or a service before any contract rule: Certain ⊆ Point ⊆ Possible, and what is
// unknown. All sets may reach to Ever and Forever. Source: docs/measuring.md, A7.
type Tracks struct {
	Certain, Point, Possible, Unknown Set
	// Edges are the outages with their uncertain ends, for people and for `explain`; figures come from the sets.
	Edges []Edge
	// Blind is the longest outage that may have gone unseen, in milliseconds (D_blind); 0 for an agreed timeline.
	Blind int64
	// OneSite says that some plan in force listed a single site, so the service's fault and the site's own look alike.
	OneSite bool
}

// Edge is one outage with the brackets of its two ends: the truth lies in [Start.From, Start.To] and [End.From, End.To].
type Edge struct {
	Check      string // empty for an agreed timeline
	Start, End Interval
	// Sites are the members: the sites whose episodes made the vote, sorted.
	Sites []string
	// Reasons are the distinct reasons of the members' failures, sorted by name.
	Reasons []uptally.Reason
}
