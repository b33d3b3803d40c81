package agreements

import (
	"fmt"
	"strings"
	"testing"

	"github.com/uptally/uptally"
)

// letters writes one site's samples a second: + up, - down, ? void, a blank for none.
func letters(site, text string) SiteRuns {
	s := SiteRuns{Site: site}
	for i, c := range text {
		reason, sampled := map[rune]uptally.Reason{'+': uptally.OK, '-': uptally.ConnectRefused, '?': uptally.Local}[c]
		if sampled {
			s.Runs = append(s.Runs, uptally.Run{At: int64(i) * 1000, N: 1, Reason: reason})
		}
	}
	return s
}

// Three sites, quorum 2, m = r = 3, gap 5 s. Each story is what had been measured until its last second, and the state half a second later.
func TestProvisionally(t *testing.T) {
	for _, c := range []struct {
		name    string
		a, b, c string
		want    string
	}{
		{"nothing yet", "", "", "", "unknown"},
		{"all are well", "+++", "+++", "+++", "up"},
		{"one fails: the others outvote it", "+++---", "++++++", "++++++", "up"},
		{"one fails for sure, another begins to", "+++---", "+++++-", "++++++", "suspected"},
		{"two fail for sure", "+++---", "+++---", "++++++", "down since 2.0-3.0 by a,b"},
		{"common cause: any success proves it", "+  ---", "++ ---", "+++---", "down since 2.0-3.0 by a,b,c"},
		{"one is well again, not yet for sure", "+----++", "+------", "+------", "down since 0.0-1.0 by a,b,c"},
		{"one is well again for sure, which proves it up as long as the others have not looked", "+----+++", "+----   ", "+----   ", "up"},
		{"they have, and fail", "+----+++", "+-------", "+-------", "down since 0.0-1.0 by a,b,c"},
		{"all are well again", "+---+++", "+---+++", "+---+++", "up"},
		{"one is isolated, two are well", "+++????????", "+++++++++++", "+++++++++++", "up"},
		{"one is isolated, one fails: nobody else knows", "+++????????", "+++--------", "+++", "unknown"},
		{"one is isolated, two fail", "+++????????", "+++--------", "+++--------", "down since 2.0-3.0 by b,c"},
		{"all are silent for a gap", "+++         ?", "+++", "+++", "unknown"},
		{"silent in the middle of an outage: unknown, not down", "+++---      ?", "+++---", "+++---", "unknown"},
	} {
		plan := uptally.Plan{Check: "web", Sites: []string{"a", "b", "c"}, Every: 2000, Timeout: 500, Quorum: 2, Confirm: 3, Recover: 3, Gap: 5000, Kind: "tcp", Target: "x"}
		tr, err := Provisional(Evidence{Check: "web", Plans: []uptally.Plan{plan}, Sites: []SiteRuns{letters("a", c.a), letters("b", c.b), letters("c", c.c)}})
		if err != nil {
			t.Fatal(err)
		}
		state, edge := tr.At(int64(max(len(c.a), len(c.b), len(c.c)))*1000 - 500)
		got := state.String()
		if edge != nil {
			got += fmt.Sprintf(" since %.1f-%.1f by %s", float64(edge.Start.From)/1000, float64(edge.Start.To)/1000, strings.Join(edge.Sites, ","))
		}
		if got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}
