package agreements

import (
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/uptally/uptally"
)

// tinyLog is a random log of a few sites over a fraction of a second, with its plans.
type tinyLog struct {
	plans []uptally.Plan
	shots []shot
	rules Rules
}

// upTo draws 0 … n.
func upTo(t *rapid.T, n int64, what string) int64 { return rapid.Int64Range(0, n).Draw(t, what) }

func drawPlan(t *rapid.T, from int64) uptally.Plan {
	sites := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"A", "B", "C", "D"}), 1, 4, rapid.ID[string]).Draw(t, "sites")
	return uptally.Plan{
		Check: "web", From: from, Sites: sites,
		Quorum:  rapid.IntRange(1, len(sites)).Draw(t, "quorum"),
		Confirm: rapid.IntRange(1, 3).Draw(t, "confirm"),
		Recover: rapid.IntRange(1, 3).Draw(t, "recover"),
		Gap:     rapid.Int64Range(4, 16).Draw(t, "gap"),
		Every:   upTo(t, 9, "every"),
	}
}

// drawLog draws what a service might have been through: stretches in which most probes fail, failures of a single site,
// silences longer than any gap, voids, results that are no samples, late sends, changes of plan.
func drawLog(t *rapid.T) tinyLog {
	base := rapid.Int64Range(-150, 20).Draw(t, "base")
	log := tinyLog{rules: Rules{Bridge: upTo(t, 30, "bridge"), ClockError: upTo(t, 3, "clock error")}}
	from := base - 100
	for range 1 + upTo(t, 2, "changes of plan") {
		log.plans = append(log.plans, drawPlan(t, from))
		from = max(from, base) + 1 + upTo(t, 60, "plan lasts")
	}
	var outages Set
	for at, k := base, upTo(t, 2, "outages"); k >= 0; k-- {
		at += 8 + upTo(t, 40, "up for")
		outages = append(outages, Interval{at, at + 10 + upTo(t, 40, "down for")})
		at = outages[len(outages)-1].To
	}
	for _, site := range []string{"A", "B", "C", "D"}[:4-upTo(t, 3, "sites without a result")] {
		log.shots = append(log.shots, drawShots(t, site, base, outages)...)
	}
	return log
}

func drawShots(t *rapid.T, site string, base int64, outages Set) []shot {
	spacings := []int64{3, 1, 2, 3, 4, 5, 6, 1, 2, 8, 30}
	var shots []shot
	at := base + upTo(t, 12, "first")
	for range 35 - upTo(t, 35, "fewer samples") {
		s := shot{site: site, at: at, reason: drawReason(t, outages.Contains(at))}
		if upTo(t, 5, "late") == 0 {
			s.late = upTo(t, 6, "late by")
			s.at -= s.late
		}
		shots = append(shots, s)
		if s.reason.Outcome() == uptally.Down && upTo(t, 7, "repeat") == 0 { // of another slot, sent at the same instant
			again := rapid.SampledFrom([]uptally.Reason{uptally.Status, uptally.Status, uptally.OK, uptally.Local}).Draw(t, "again")
			shots = append(shots, shot{site, s.at - 1, s.late + 1, again})
		}
		at += rapid.SampledFrom(spacings).Draw(t, "spacing")
	}
	return shots
}

func drawReason(t *rapid.T, down bool) uptally.Reason {
	switch roll := upTo(t, 19, "reason"); {
	case roll == 19:
		return uptally.Local
	case roll == 18:
		return rapid.SampledFrom([]uptally.Reason{uptally.AgentDown, uptally.Conflict}).Draw(t, "no sample")
	case roll == 17:
		return uptally.Status
	case roll >= 14:
		down = !down
	}
	if down {
		return uptally.ConnectTimeout
	}
	return uptally.OK
}

// evidence returns the log as runs, taken greedily by scheduled instant as days take them.
func (log tinyLog) evidence() Evidence {
	ev := Evidence{Check: "web", Plans: slices.Clone(log.plans)}
	shots := slices.Clone(log.shots)
	slices.SortStableFunc(shots, func(a, b shot) int { return int(a.at - b.at) })
	for _, s := range shots {
		k := slices.IndexFunc(ev.Sites, func(r SiteRuns) bool { return r.Site == s.site })
		if k < 0 {
			k = len(ev.Sites)
			ev.Sites = append(ev.Sites, SiteRuns{Site: s.site})
		}
		ev.Sites[k].Runs = appended(ev.Sites[k].Runs, s)
	}
	return ev
}

// appended lets s go on with the last run where it fits.
func appended(runs []uptally.Run, s shot) []uptally.Run {
	if n := len(runs); n > 0 {
		r := &runs[n-1]
		step := s.at - r.End()
		if int64(r.Late) == s.late && r.Reason == s.reason && step > 0 && step <= math.MaxInt32 && (r.N == 1 || step == int64(r.Step)) {
			r.Step, r.N = int32(step), r.N+1
			return runs
		}
	}
	return append(runs, uptally.Run{At: s.at, N: 1, Late: int32(s.late), Reason: s.reason})
}

// disturbed returns the same samples otherwise: runs shuffled, split, repeated and spread over entries of one site, plans
// shuffled and repeated.
func disturbed(t *rapid.T, ev Evidence) Evidence {
	out := Evidence{Check: ev.Check, Plans: rapid.Permutation(append(slices.Clone(ev.Plans), ev.Plans[0])).Draw(t, "plans")}
	for _, s := range ev.Sites {
		for _, r := range rapid.Permutation(s.Runs).Draw(t, "runs") {
			for range 1 + upTo(t, 1, "repeats") {
				for _, part := range splitRun(t, r) {
					out.Sites = append(out.Sites, SiteRuns{s.Site, []uptally.Run{part}})
				}
			}
		}
	}
	if len(out.Sites) > 0 {
		out.Sites = rapid.Permutation(out.Sites).Draw(t, "entries")
	}
	return out
}

// splitRun cuts r somewhere, into neighbours or into two combs that interlock.
func splitRun(t *rapid.T, r uptally.Run) []uptally.Run {
	if r.N < 2 {
		return []uptally.Run{r}
	}
	a, b := r, r
	if rapid.Bool().Draw(t, "comb") {
		a.N, b.N = (r.N+1)/2, r.N/2
		a.Step, b.Step, b.At = 2*r.Step, 2*r.Step, r.At+int64(r.Step)
	} else {
		a.N = rapid.Int32Range(1, r.N-1).Draw(t, "split")
		b.N, b.At = r.N-a.N, r.At+int64(a.N)*int64(r.Step)
	}
	for _, p := range []*uptally.Run{&a, &b} {
		if p.N == 1 {
			p.Step = 0
		}
	}
	return []uptally.Run{a, b}
}

func measured(t interface{ Fatal(...any) }, ev Evidence, r Rules) Tracks {
	got, err := Measure(ev, r)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// logsPerCheck makes rapid's 100 checks into 3,000 logs.
const logsPerCheck = 30

func TestMeasureAgreesCellByCell(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		for range logsPerCheck {
			log := drawLog(t)
			want := naiveTracks("web", log.plans, log.shots, log.rules)
			if d := cmp.Diff(want, measured(t, log.evidence(), log.rules)); d != "" {
				t.Fatalf("(-cell by cell +Measure):\n%s", d)
			}
		}
	})
}

func TestMeasureIgnoresOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		log := drawLog(t)
		ev := log.evidence()
		if d := cmp.Diff(measured(t, ev, log.rules), measured(t, disturbed(t, ev), log.rules)); d != "" {
			t.Fatalf("(-in order +shuffled, split, repeated):\n%s", d)
		}
	})
}

// Two runs that begin together, one every 10 s and one every 20 s: only the first sample is a repeat. Without the one at
// 20 the spacing from 10 to 40 would be more than gap.
func TestMeasureUnitesRunsOfTwoSpacings(t *testing.T) {
	wide := uptally.Run{At: 0, Step: 20_000, N: 3}
	for _, runs := range [][]uptally.Run{{every10s(0, 2, uptally.OK), wide}, {wide, every10s(0, 2, uptally.OK)}} {
		got := measured(t, Evidence{Plans: []uptally.Plan{onePlan(1, "A")}, Sites: []SiteRuns{{"A", runs}}}, Rules{}).Unknown
		if want := (Set{{Ever, 0}, {40_000, Forever}}); !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	}
}

// checkNested reports where the tracks are not one inside the other, or their sets not canonical.
func checkNested(t *rapid.T, tr Tracks) {
	if !tr.Certain.Within(tr.Point) || !tr.Point.Within(tr.Possible) {
		t.Fatalf("want certain ⊆ point ⊆ possible, got\n%v\n%v\n%v", tr.Certain, tr.Point, tr.Possible)
	}
	if in := tr.Certain.Intersect(tr.Unknown); in != nil {
		t.Fatalf("got %v certain and unknown", in)
	}
	for _, s := range []Set{tr.Certain, tr.Point, tr.Possible, tr.Unknown} {
		if d := cmp.Diff(NewSet(s...), s); d != "" {
			t.Fatalf("set is not canonical (-want +got):\n%s", d)
		}
	}
	for _, e := range tr.Edges {
		if e.Start.From > e.Start.To || e.End.From > e.End.To || e.Start.From >= e.End.To {
			t.Fatalf("got an edge out of order: %v", e)
		}
	}
}

func TestTracksAreNested(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var ts []Tracks
		for range logsPerCheck {
			log := drawLog(t)
			ts = append(ts, measured(t, log.evidence(), log.rules))
			checkNested(t, ts[len(ts)-1])
		}
		k := upTo(t, 4, "checks")
		checkNested(t, AllUp(ts[:k]...))
	})
}

// A service's state at an instant is that of its worst check; knowing that one is down settles what the others leave open.
func TestAllUpInstantByInstant(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ts := []Tracks{}
		for range upTo(t, 3, "checks") {
			log := drawLog(t)
			ts = append(ts, measured(t, log.evidence(), log.rules))
		}
		all := AllUp(ts...)
		for _, at := range []int64{Ever, Forever - 1, rapid.Int64Range(-200, 200).Draw(t, "at")} {
			var certain, point, possible, unknown bool
			for _, tr := range ts {
				certain, point = certain || tr.Certain.Contains(at), point || tr.Point.Contains(at)
				possible, unknown = possible || tr.Possible.Contains(at), unknown || tr.Unknown.Contains(at)
			}
			want := []bool{certain, point, possible, unknown && !certain}
			got := []bool{all.Certain.Contains(at), all.Point.Contains(at), all.Possible.Contains(at), all.Unknown.Contains(at)}
			if !slices.Equal(got, want) {
				t.Fatalf("at %d: got %v, want %v", at, got, want)
			}
		}
	})
}

// onePlan is a plan in force from long before 0: every site at 10 s, gap 25 s, m = r = 2.
func onePlan(quorum int, sites ...string) uptally.Plan {
	return uptally.Plan{Check: "web", From: -1_000_000, Sites: sites, Every: 10_000, Quorum: quorum, Confirm: 2, Recover: 2, Gap: 25_000}
}

// every10s returns n results from second from on, 10 s apart.
func every10s(from int64, n int32, reason uptally.Reason) uptally.Run {
	r := uptally.Run{At: from * 1000, Step: 10_000, N: n, Reason: reason}
	if n == 1 {
		r.Step = 0
	}
	return r
}

func TestMeasureEdges(t *testing.T) {
	// A: up until 90, refused 100, timing out 110 to 150, up from 160. B: the same, 5 s later. Start between B's success
	// at 95 and A's failure at 100, end between B's failure at 155 and A's success at 160; the clock is good to 1 s.
	failing := func(site string, late int32) SiteRuns {
		runs := []uptally.Run{every10s(0, 10, uptally.OK), every10s(100, 1, uptally.ConnectRefused), every10s(110, 5, uptally.ConnectTimeout), every10s(160, 10, uptally.OK)}
		for k := range runs {
			runs[k].Late = late
		}
		return SiteRuns{site, runs}
	}
	ev := Evidence{Check: "web", Plans: []uptally.Plan{onePlan(2, "A", "B")}, Sites: []SiteRuns{failing("B", 5000), failing("A", 0)}}
	unknown := Set{{Ever, 0}, {255_000, Forever}} // the last result is B's at 255
	want := Tracks{
		Certain:  Set{{101_000, 154_000}},
		Point:    Set{{97_500, 157_500}},
		Possible: Set{{Ever, 1000}, {94_000, 161_000}, {254_000, Forever}},
		Unknown:  unknown,
		Edges: []Edge{{
			Check: "web", Start: Interval{94_000, 101_000}, End: Interval{154_000, 161_000},
			Sites: []string{"A", "B"}, Reasons: []uptally.Reason{uptally.ConnectRefused, uptally.ConnectTimeout},
		}},
		Blind: 10_000 + 10_000, // two failures at both sites
	}
	if d := cmp.Diff(want, measured(t, ev, Rules{ClockError: 1000})); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// A spacing of exactly gap still serves as a bracket (A1). A fails until 150 and succeeds at 175, B until 155 and at 180:
// the vote puts the end between 150 and 175, common cause between B's failure at 155 and A's success at 175.
func TestBracketOfExactlyGap(t *testing.T) {
	ev := Evidence{Plans: []uptally.Plan{onePlan(2, "A", "B")}, Sites: []SiteRuns{
		{"A", []uptally.Run{every10s(0, 10, uptally.OK), every10s(100, 6, uptally.Status), every10s(175, 10, uptally.OK)}},
		{"B", []uptally.Run{every10s(5, 10, uptally.OK), every10s(105, 6, uptally.Status), every10s(180, 10, uptally.OK)}},
	}}
	want := Set{{100_000, 155_000}}
	if got := measured(t, ev, Rules{}).Certain; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestBlindIsTheWidestInForce(t *testing.T) {
	old, cron, later := onePlan(1, "A"), onePlan(1, "A", "B"), onePlan(1, "A", "B")
	cron.From, cron.Every, cron.Gap = -100_000, 0, 750_000 // every 300 s, both sites at once: 300 + 1 + 2
	later.From = 50_000                                    // every 10 s: 5 + 1 + 2
	old.Focus, cron.Focus, later.Focus = true, true, true
	for _, c := range []struct {
		name    string
		samples uptally.Run
		blind   int64
		one     bool
	}{
		{"cron, then grid", every10s(0, 10, uptally.OK), 303_000, false},
		{"grid alone", every10s(50, 10, uptally.OK), 8000, false},
		{"a single site before", every10s(-110, 10, uptally.OK), 303_000, true},
		{"nothing measured", every10s(0, 10, uptally.AgentDown), 303_000, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := measured(t, Evidence{Plans: []uptally.Plan{later, old, cron}, Sites: []SiteRuns{{"A", []uptally.Run{c.samples}}}}, Rules{})
			if got.Blind != c.blind || got.OneSite != c.one {
				t.Errorf("got %d ms, one site %v, want %d ms, %v", got.Blind, got.OneSite, c.blind, c.one)
			}
		})
	}
}

func TestBlindSaysWhatFocusIsWorth(t *testing.T) {
	plan := func(sites, quorum, m int, every int64) uptally.Plan {
		return uptally.Plan{Sites: make([]string, sites), Quorum: quorum, Confirm: m, Every: every, Gap: every * 5 / 2}
	}
	cron := func(p uptally.Plan) uptally.Plan {
		p.Every = 0
		return p
	}
	for _, c := range []struct {
		name            string
		plan            uptally.Plan
		with, otherwise int64
	}{
		{"31 s, 2 of 3 sites, 3 failures: 10.334 + 2 + 2; 2 × 31 + 2/3 × 31", plan(3, 2, 3, 31_000), 14_334, 82_667},
		{"30 s, 3 of 5 sites, 3 failures: 6 + 2 + 2; 2 × 30 + 3/5 × 30", plan(5, 3, 3, 30_000), 10_000, 78_000},
		{"30 s, one site, one failure: 30 + 0 + 2; 30", plan(1, 1, 1, 30_000), 32_000, 30_000},
		{"30 s, all of 3 sites, one failure: 10 + 0 + 2; 30", plan(3, 3, 1, 30_000), 12_000, 30_000},
		{"cron every 60 s, 2 of 3 sites at once, 3 failures: 60 + 2 + 2; 3 × 60", cron(plan(3, 2, 3, 60_000)), 64_000, 180_000},
	} {
		if got := blind(c.plan); got != c.otherwise {
			t.Errorf("%s: got %d ms without focus, want %d", c.name, got, c.otherwise)
		}
		if c.plan.Focus = true; blind(c.plan) != c.with {
			t.Errorf("%s: got %d ms with focus, want %d", c.name, blind(c.plan), c.with)
		}
	}
}

func TestMeasureRefuses(t *testing.T) {
	plan := func(change func(*uptally.Plan)) []uptally.Plan {
		p := onePlan(2, "A", "B")
		change(&p)
		return []uptally.Plan{p}
	}
	same := plan(func(*uptally.Plan) {})
	for _, c := range []struct {
		name  string
		plans []uptally.Plan
		runs  []uptally.Run
		want  string
	}{
		{"no plan yet", plan(func(p *uptally.Plan) { p.From = 1 }), []uptally.Run{every10s(0, 5, uptally.OK)},
			`measure check "web": site "A": got up sent at 1970-01-01T00:00:00.000Z, want a plan in force then`},
		{"no plan at all", nil, []uptally.Run{every10s(0, 5, uptally.Status)},
			`measure check "web": site "A": got down sent at 1970-01-01T00:00:00.000Z, want a plan in force then`},
		{"two plans at once", append(plan(func(p *uptally.Plan) { p.Gap++ }), same...), nil,
			`measure check "web": plan from 1969-12-31T23:43:20.000Z: got two different plans, want one`},
		{"no sites", plan(func(p *uptally.Plan) { p.Sites = nil }), nil,
			`measure check "web": plan from 1969-12-31T23:43:20.000Z: got no sites, want at least one`},
		{"quorum out of reach", plan(func(p *uptally.Plan) { p.Quorum = 3 }), nil,
			`measure check "web": plan from 1969-12-31T23:43:20.000Z: got quorum 3, want 1 to 2`},
		{"no quorum", plan(func(p *uptally.Plan) { p.Quorum = 0 }), nil,
			`measure check "web": plan from 1969-12-31T23:43:20.000Z: got quorum 0, want 1 to 2`},
		{"no m", plan(func(p *uptally.Plan) { p.Confirm = 0 }), nil,
			`measure check "web": plan from 1969-12-31T23:43:20.000Z: got confirm 0 and recover 2, want at least 1`},
		{"no gap", plan(func(p *uptally.Plan) { p.Gap = 0 }), nil,
			`measure check "web": plan from 1969-12-31T23:43:20.000Z: got gap 0 ms, want at least 1`},
		{"a site twice", plan(func(p *uptally.Plan) { p.Sites = []string{"A", "A"} }), nil,
			`measure check "web": plan from 1969-12-31T23:43:20.000Z: got site "A" twice, want each once`},
		{"an empty run", same, []uptally.Run{{At: 7, Step: 1}},
			`measure check "web": site "A": got a run of 0 results from 7 every 1 ms with ok, want at least one, ascending, within bounds, with a reason of the closed list`},
		{"a run on the spot", same, []uptally.Run{{At: 7, N: 2}},
			`measure check "web": site "A": got a run of 2 results from 7 every 0 ms with ok, want at least one, ascending, within bounds, with a reason of the closed list`},
		{"a run out of bounds", same, []uptally.Run{{At: Forever - 5, N: 3, Step: 3}},
			`measure check "web": site "A": got a run of 3 results from 2305843009213693946 every 3 ms with ok, want at least one, ascending, within bounds, with a reason of the closed list`},
		{"a reason that nobody knows", same, []uptally.Run{{At: 7, N: 1, Reason: 255}},
			`measure check "web": site "A": got a run of 1 results from 7 every 0 ms with reason(255), want at least one, ascending, within bounds, with a reason of the closed list`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Measure(Evidence{Check: "web", Plans: c.plans, Sites: []SiteRuns{{"A", c.runs}}}, Rules{})
			if err == nil || err.Error() != c.want {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}

// What is no sample asks for no plan, and is nothing beside what is one.
func TestMeasureIgnoresWhatIsNoSample(t *testing.T) {
	none := []uptally.Run{every10s(0, 9, uptally.AgentDown), every10s(0, 9, uptally.Conflict), every10s(5, 9, uptally.Local)}
	got := measured(t, Evidence{Sites: []SiteRuns{{"A", none}}}, Rules{Bridge: 1})
	if d := cmp.Diff(Tracks{Possible: Set{{Ever, Forever}}, Unknown: Set{{Ever, Forever}}}, got); d != "" {
		t.Errorf("without a plan (-want +got):\n%s", d)
	}
	plans := []uptally.Plan{onePlan(1, "A")}
	up := []uptally.Run{every10s(0, 9, uptally.OK)}
	alone := measured(t, Evidence{Plans: plans, Sites: []SiteRuns{{"A", up}}}, Rules{})
	beside := measured(t, Evidence{Plans: plans, Sites: []SiteRuns{{"A", append(up, none...)}}}, Rules{})
	if d := cmp.Diff(alone, beside); d != "" {
		t.Errorf("beside samples (-alone +beside):\n%s", d)
	}
}

// An agent whose clock was set back between two lives may leave two samples of one instant. Up and down at 30 s contradict each other:
// the account is that of a log that has neither, in whatever order the runs come.
func TestContradictionIsNoSample(t *testing.T) {
	measured := func(runs ...uptally.Run) Tracks {
		tr, err := Measure(Evidence{Check: "web", Plans: []uptally.Plan{onePlan(1, "A")}, Sites: []SiteRuns{{Site: "A", Runs: runs}}}, Rules{})
		if err != nil {
			t.Fatal(err)
		}
		return tr
	}
	// Down from 20 to 60 s by m = 2: without 30 s the failures are at 20 and 40.
	good, bad, again := every10s(0, 2, uptally.OK), every10s(20, 5, uptally.Status), every10s(70, 4, uptally.OK)
	without := []uptally.Run{good, every10s(20, 1, uptally.Status), every10s(40, 3, uptally.Status), again}
	want := measured(without...)
	if want.Certain.Millis() == 0 {
		t.Fatal("got no certain downtime, want some")
	}
	for _, other := range []uptally.Reason{uptally.OK, uptally.Local} {
		for _, runs := range [][]uptally.Run{{good, bad, again, every10s(30, 1, other)}, {every10s(30, 1, other), again, bad, good}, {good, every10s(30, 1, uptally.Status), every10s(30, 1, other), bad, again}} {
			if diff := cmp.Diff(want, measured(runs...)); diff != "" {
				t.Errorf("%v beside status: %s", other, diff)
			}
		}
	}
}
