package schedule

import (
	"fmt"
	"strings"

	"github.com/uptally/uptally"
)

// MaxWait is the longest, in milliseconds, that a probe may begin after its slot; half the interval where that is less. The
// interval of a cron check at a slot is the spacing to the next.
const MaxWait = 15_000

// Slots are the scheduled instants of one plan at one site, from the plan's From on. They are immutable.
type Slots struct {
	plan        uptally.Plan
	check, site uptally.ID
	here        bool
	phase       int64
	cron        CronSchedule
}

// NewSlots reads a plan as a site sees it. The error names the check and every problem of the plan. A plan that does
// not name the site has no slot there, and an imported one has none at all.
func NewSlots(p uptally.Plan, site string) (Slots, error) {
	s := Slots{plan: p, check: uptally.IDOf(p.Check), site: uptally.IDOf(site)}
	var wrong []string
	for _, problem := range p.Validate() {
		wrong = append(wrong, problem.String())
	}
	if p.Cron != "" && len(wrong) == 0 {
		var err error
		if s.cron, err = ParseCron(p.Cron); err != nil {
			wrong = append(wrong, "cron: "+err.Error())
		}
	}
	if len(wrong) > 0 {
		return Slots{}, fmt.Errorf("schedule check %q: %s", p.Check, strings.Join(wrong, "; "))
	}
	if rank := p.Rank(site); rank >= 0 && !p.Imported {
		s.here, s.phase = true, p.Phase(rank)
	}
	return s, nil
}

// Next returns the first slot after an instant, both in milliseconds UTC, or Never.
//
// The slots of an interval I are the instants t with t mod I = Plan.Phase; those of a cron expression are its instants
// plus Plan.Spread.
func (s *Slots) Next(after int64) int64 {
	after = max(after, s.plan.From-1)
	if !s.here {
		return Never
	}
	if every := s.plan.Every; every > 0 {
		past := (after - s.phase) % every
		if past < 0 {
			past += every
		}
		return after - past + every
	}
	if next := s.cron.Next(after - s.plan.Spread); next != Never {
		return next + s.plan.Spread
	}
	return Never
}
