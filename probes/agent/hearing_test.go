package agent

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/probes"
	"github.com/uptally/uptally/probes/focus"
)

// Another site suspects an outage at 1.2 s, long before the first own slot, at 20.3 s: the check is looked at from 2 s on, until that site
// has not been heard of for its timeout of 2 s and 5 s more, since one success alone is not enough. What is heard of a check that is not measured here, of one without focus, from a
// site that is not of the plan, or in the own name is nothing.
func TestHearingBeforeTheFirstSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := &shelf{t: t}, plan("web", 30*time.Second)
		p.Sites, p.Quorum, p.Focus = []string{"ams1", "fra1", "lon1"}, 2, true
		p.Timeout = 2_000
		for i := 0; p.Phase(1) != 20_300; i++ {
			p.Check = fmt.Sprintf("web-%d", i)
		}
		plain := plan("plain", 30*time.Second)
		a := start(t, Options{Plans: []uptally.Plan{p, plain}, Append: s.append, Probe: always(func(context.Context) probes.Observation {
			return probes.Observation{SentAt: time.Now(), RTT: time.Millisecond}
		})})
		zero := time.Now().UnixMilli()
		go func() {
			a.HearSites([]string{"ams1", "fra1"})
			<-time.After(1200 * time.Millisecond)
			m := focus.Message{Kind: focus.Suspected, Rank: 1, Sent: zero + 1_200}
			for _, site := range []string{"fra1", "par1"} {
				a.Hear(uptally.IDOf(p.Check), site, m)
			}
			a.Hear(uptally.IDOf("plain"), "ams1", m)
			a.Hear(uptally.IDOf("nowhere"), "ams1", m)
			a.Hear(uptally.IDOf(p.Check), "ams1", m)
		}()
		from, _ := runFor(t, a, 25*time.Second)
		if got, want := s.sent(from, p), "2+ 3+ 4+ 5+ 6+ 7+ 8+ 20.3+"; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		a.Hear(uptally.IDOf(p.Check), "ams1", focus.Message{}) // after the end nobody waits
		for range cap(a.others) + 1 {
			a.HearSites(nil)
		}
	})
}
