package statements

import (
	"context"
	"testing"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/agreements"
)

// portalPlan: three sites, every 30 s, two decide.
func portalPlan() uptally.Plan {
	return uptally.Plan{
		Check: "portal-home", From: at("2026-09-01T00:00:00Z"), Sites: []string{"ams1", "fra1", "sin1"}, Every: 30_000, Timeout: 10_000,
		Quorum: 2, Confirm: 1, Recover: 1, Gap: 75_000, Kind: "http", Target: "https://portal.example.com/health",
	}
}

// grid is the plan's slots: site i of 3 at i·10 s after each half minute.
func grid(p uptally.Plan, site string) (func(int64) int64, error) {
	phase := map[string]int64{"ams1": 0, "fra1": 10_000, "sin1": 20_000}[site]
	return func(after int64) int64 { return (after-phase)/p.Every*p.Every + p.Every + phase }, nil
}

// threeSites: all up but for an outage that ams1 sees first at 03:00:00 and fra1, sin1 in their next slots, until
// 03:10:00; sin1 is down by itself (void) for an hour on the 20th.
func threeSites() *fakeLedger {
	l := &fakeLedger{plans: []uptally.Plan{portalPlan()}, days: map[uptally.ID][]uptally.Day{}}
	l.add("portal-home", "ams1",
		samples{"2026-09-29T00:00:00Z", "2026-10-08T02:59:30Z", 30_000, uptally.OK},
		samples{"2026-10-08T03:00:00Z", "2026-10-08T03:09:30Z", 30_000, uptally.Status},
		samples{"2026-10-08T03:10:00Z", "2026-11-02T00:00:00Z", 30_000, uptally.OK})
	l.add("portal-home", "fra1",
		samples{"2026-09-29T00:00:10Z", "2026-10-08T02:59:40Z", 30_000, uptally.OK},
		samples{"2026-10-08T03:00:10Z", "2026-10-08T03:09:40Z", 30_000, uptally.Status},
		samples{"2026-10-08T03:10:10Z", "2026-11-02T00:00:10Z", 30_000, uptally.OK})
	l.add("portal-home", "sin1",
		samples{"2026-09-29T00:00:20Z", "2026-10-08T02:59:50Z", 30_000, uptally.OK},
		samples{"2026-10-08T03:00:20Z", "2026-10-08T03:09:50Z", 30_000, uptally.ResponseTimeout},
		samples{"2026-10-08T03:10:20Z", "2026-10-20T00:00:20Z", 30_000, uptally.OK},
		samples{"2026-10-20T00:00:50Z", "2026-10-20T01:00:20Z", 30_000, uptally.Local},
		samples{"2026-10-20T01:00:50Z", "2026-10-25T11:00:20Z", 30_000, uptally.OK},
		samples{"2026-10-25T12:00:50Z", "2026-11-02T00:00:20Z", 30_000, uptally.OK})
	return l
}

func portalRequest(t *testing.T, l Ledger, now string) Request {
	a := acme(t)
	return Request{
		Agreement: a, Services: map[string][]string{"portal": {"portal-home"}}, Period: october(t, a), PeriodText: "2026-10",
		AsOf: at(now), Now: at(now), Slots: grid, Ledger: l,
	}
}

func measured(t *testing.T) Statement {
	t.Helper()
	s, err := Compute(context.Background(), portalRequest(t, threeSites(), issued))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestComputeMeasuresThreeSites(t *testing.T) {
	s := measured(t)
	a := s.Accounts[0]
	// The last success was sent at 02:59:50, the first failure at 03:00:00; the last failure at 03:09:50, the first
	// success at 03:10:00: from the middle of each bracket 600 s down, at most 610 s.
	if got := a.Down; got.PointMS != 600_000 || got.PossibleMS < 600_000 || got.PossibleMS > 620_000 {
		t.Errorf("got %d ms likely and %d ms possible downtime, want 600000 and up to 620000", got.PointMS, got.PossibleMS)
	}
	// 31 × 86,400 s / 30 s = 89,280 slots a site; sin1 lost the 120 of the hour from 11:00:50 on the 25th.
	slots := s.Evidence.Slots
	if slots.Planned != 3*89_280 || slots.Probed != 3*89_280-120 {
		t.Errorf("got %d of %d slots probed, want %d of %d", slots.Probed, slots.Planned, 3*89_280-120, 3*89_280)
	}
	if len(slots.Lost) != 1 || slots.Lost[0] != (ReasonCount{"unknown", "no_data", 120}) {
		t.Errorf("got lost slots %v, want 120 without data", slots.Lost)
	}
	sin := s.Evidence.Checks[0].Sites[2].Results
	if want := (Counts{Up: 89_280 - 120 - 120 - 20, Down: 20, Void: 120}); sin != want {
		t.Errorf("got results of sin1 %+v, want %+v", sin, want)
	}
	want := Failure{"portal-home", "ams1", Instant(at("2026-10-08T03:00:00Z")), 0, "status", "got status 503, want 200"}
	if first := a.Outages[0].First; len(first) == 0 || first[0] != want {
		t.Errorf("got first failures %+v, want %+v", first, want)
	}
}

// A period that is not over: what lies after Now is unknown even where the ledger already holds results of it.
func TestComputeKnowsNothingAfterNow(t *testing.T) {
	s, err := Compute(context.Background(), portalRequest(t, threeSites(), "2026-10-16T04:00:00Z"))
	if err != nil {
		t.Fatal(err)
	}
	a := s.Accounts[0]
	ahead := at(monthEnd) - at("2026-10-16T04:00:00Z")
	// The last samples were sent at 03:59:50; from there on nothing is known.
	if !s.InProgress || s.AheadMS != ahead || a.UnknownMS < ahead || a.UnknownMS > ahead+60_000 {
		t.Errorf("got in progress %v, %d ms ahead, %d ms unknown; want %d ms ahead and a little more unknown", s.InProgress, s.AheadMS, a.UnknownMS, ahead)
	}
	for _, m := range a.Marks {
		if m.Code == MarkInsufficient {
			t.Errorf("got %q for time that lies ahead", m.Text)
		}
	}
}

// An outage that began 40 days before the period and ends inside: the lead-in grows until the sites agreed on up.
func TestComputeReadsBackToTheStartOfAnOutage(t *testing.T) {
	l := &fakeLedger{plans: []uptally.Plan{portalPlan()}, days: map[uptally.ID][]uptally.Day{}}
	l.plans[0].From = at("2026-01-01T00:00:00Z")
	for i, site := range []string{"ams1", "fra1", "sin1"} {
		s := []string{"00", "10", "20"}[i]
		l.add("portal-home", site,
			samples{"2026-08-01T00:00:" + s + "Z", "2026-08-20T23:59:" + s + "Z", 30_000, uptally.OK},
			samples{"2026-08-21T00:00:" + s + "Z", "2026-10-01T00:59:" + s + "Z", 30_000, uptally.ConnectRefused},
			samples{"2026-10-01T01:00:" + s + "Z", "2026-11-02T00:00:" + s + "Z", 30_000, uptally.OK})
	}
	s, err := Compute(context.Background(), portalRequest(t, l, issued))
	if err != nil {
		t.Fatal(err)
	}
	o := s.Accounts[0].Outages
	if len(o) != 1 || o[0].Start.From < Instant(at("2026-08-20T23:59:00Z")) || o[0].Start.To > Instant(at("2026-08-21T00:00:30Z")) {
		t.Fatalf("got outages %+v, want one that began at midnight of 21 August", o)
	}
	// From midnight in Shanghai, 16:00Z, to 01:00Z: nine hours.
	if got := s.Accounts[0].Down.PointMS; got < 9*3600_000-30_000 || got > 9*3600_000+30_000 {
		t.Errorf("got %d ms down, want about nine hours", got)
	}
}

// The month to date has the same downtime as the whole month in progress, and nothing ahead to be unknown.
func TestAccountsToDate(t *testing.T) {
	in := portalRequest(t, threeSites(), "2026-10-16T04:00:00Z")
	as, err := Accounts(context.Background(), in, agreements.Interval{From: in.Period.From, To: in.Now})
	if err != nil {
		t.Fatal(err)
	}
	if a := as[0]; a.Point.Millis() != 600_000 || a.Unknown > 60_000 || a.Eligible != in.Now-in.Period.From {
		t.Errorf("got %d ms down, %d ms unknown of %d ms, want 600000, at most a gap, of %d", a.Point.Millis(), a.Unknown, a.Eligible, in.Now-in.Period.From)
	}
}

func TestComputeNeedsChecks(t *testing.T) {
	in := portalRequest(t, threeSites(), issued)
	in.Services = nil
	_, err := Compute(context.Background(), in)
	if want := `combine service "portal": got no check, want at least one`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// Late data after Now must not reach the account through a run that began before.
func TestUntilCutsRuns(t *testing.T) {
	run := uptally.Run{At: 1000, Step: 100, N: 5, Late: 7}
	for now, want := range map[int64]int32{1007: 0, 1008: 1, 1107: 1, 1108: 2, 1408: 5, 9999: 5} {
		if got := until(run, now); got.N != want || (got.N == 1) != (got.Step == 0) {
			t.Errorf("until %d: got %+v, want %d results", now, got, want)
		}
	}
}

func TestFromResultsIsComputeWithoutALedger(t *testing.T) {
	l := threeSites()
	a := acme(t)
	ev := agreements.Evidence{Check: "portal-home", Plans: l.plans}
	for _, site := range l.plans[0].Sites {
		s := agreements.SiteRuns{Site: site}
		for _, d := range l.days[uptally.IDOf(site)] {
			s.Runs = append(s.Runs, d.Runs...)
		}
		ev.Sites = append(ev.Sites, s)
	}
	s, err := FromResults(Files{Agreement: a, Period: october(t, a), PeriodText: "2026-10", Now: at(issued)},
		map[string][]string{"portal": {"portal-home"}}, []agreements.Evidence{ev})
	if err != nil {
		t.Fatal(err)
	}
	want := measured(t).Accounts[0]
	if got := s.Accounts[0]; got.Down.PointMS != want.Down.PointMS || got.Availability != want.Availability || !got.Credit.Charged.same(want.Credit.Charged) {
		t.Errorf("got %v and %v, want %v and %v", got.Availability, got.Credit.Charged, want.Availability, want.Credit.Charged)
	}
}
