package statements

import (
	"bytes"
	"flag"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/agreements"
)

// The golden statements, in text, JSON and HTML: go test ./statements -update
var update = flag.Bool("update", false, "write the golden files anew")

// stories are the statements of the golden files.
func stories(t *testing.T) map[string]Statement {
	t.Helper()
	return map[string]Statement{
		"clean":        clean(t),
		"outages":      outages(t),
		"insufficient": insufficient(t),
		"progress":     progress(t),
		"measured":     measured(t),
		"imported":     imported(t),
		"services":     services(t),
		"forms":        forms(t),
		"weighed":      weighed(t),
		"loss":         loss(t),
	}
}

const (
	monthStart = "2026-09-30T16:00:00Z" // 1 October in Shanghai
	monthEnd   = "2026-10-31T16:00:00Z"
	issued     = "2026-11-02T01:30:00Z"
)

func fromTimeline(t *testing.T, a *agreements.Agreement, now string, entries []uptally.Entry, tls ...agreements.Timeline) Statement {
	t.Helper()
	s, err := FromTimelines(Files{
		Agreement: a, Period: october(t, a), PeriodText: "2026-10", Now: at(now), Entries: entries,
		Evidence: []File{{"portal.csv", strings.Repeat("0123456789abcdef", 4)}},
	}, tls)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// 2,678,400 s of October, all of them up.
func clean(t *testing.T) Statement {
	return fromTimeline(t, acme(t), issued, nil, agreements.Timeline{Service: "portal", Stretches: rows(
		row("2026-09-30T00:00:00Z", "2026-11-01T00:00:00Z", agreements.StateUp))})
}

// 2,678,400 s − 7,200 s maintenance − 3,600 s force majeure = 2,667,600 s eligible. Down 2,700 s on the 7th, 900.5 s on
// the 14th, 40 s on the 20th (too short), the hour of the 22nd is force majeure: 3,600.5 s, allowed 2,667.6 s: 10 %.
func outages(t *testing.T) Statement {
	entries := []uptally.Entry{
		entry(1, agreements.KindMaintenance, "2026-10-08T02:00:00Z", agreements.EntryText{
			From: at("2026-10-17T17:00:00Z"), To: at("2026-10-17T19:00:00Z"), Announced: at("2026-10-08T03:00:00Z"), Reason: "database upgrade"}),
		entry(2, agreements.KindMaintenance, "2026-10-19T02:00:00Z", agreements.EntryText{
			From: at("2026-10-20T02:00:00Z"), To: at("2026-10-20T03:00:00Z"), Reason: "certificate change"}),
		entry(3, agreements.KindExclusion, "2026-10-23T02:00:00Z", agreements.EntryText{
			From: at("2026-10-22T06:00:00Z"), To: at("2026-10-22T07:00:00Z"), Cause: "force majeure", Reason: "flood in the cable duct"}),
		entry(4, agreements.KindCause, "2026-10-07T09:00:00Z", agreements.EntryText{
			From: at("2026-10-07T06:10:00Z"), To: at("2026-10-07T06:55:00Z"), Reason: "failed load balancer"}),
	}
	return fromTimeline(t, acme(t), issued, entries, agreements.Timeline{Service: "portal", Stretches: rows(
		row("2026-09-30T00:00:00Z", "2026-10-07T06:10:00Z", agreements.StateUp),
		row("2026-10-07T06:10:00Z", "2026-10-07T06:55:00Z", agreements.StateDown),
		row("2026-10-07T06:55:00Z", "2026-10-14T22:00:00Z", agreements.StateUp),
		row("2026-10-14T22:00:00Z", "2026-10-14T22:15:00.5Z", agreements.StateDown),
		row("2026-10-14T22:15:00.5Z", "2026-10-17T17:10:00Z", agreements.StateUp),
		row("2026-10-17T17:10:00Z", "2026-10-17T18:20:00Z", agreements.StateDown),
		row("2026-10-17T18:20:00Z", "2026-10-20T02:05:00Z", agreements.StateUp),
		row("2026-10-20T02:05:00Z", "2026-10-20T02:05:40Z", agreements.StateDown),
		row("2026-10-20T02:05:40Z", "2026-10-22T06:00:00Z", agreements.StateUp),
		row("2026-10-22T06:00:00Z", "2026-10-22T07:00:00Z", agreements.StateDown),
		row("2026-10-22T07:00:00Z", "2026-11-01T00:00:00Z", agreements.StateUp))})
}

// Recorded until the 23rd, 00:00 in Shanghai: 9 of 31 days are unknown.
func insufficient(t *testing.T) Statement {
	return fromTimeline(t, acme(t), issued, nil, agreements.Timeline{Service: "portal", Stretches: rows(
		row("2026-09-30T00:00:00Z", "2026-10-05T01:00:00Z", agreements.StateUp),
		row("2026-10-05T01:00:00Z", "2026-10-05T01:20:00Z", agreements.StateDown),
		row("2026-10-05T01:20:00Z", "2026-10-22T16:00:00Z", agreements.StateUp))})
}

// The same up to the 16th at noon: the rest lies ahead.
func progress(t *testing.T) Statement {
	return fromTimeline(t, acme(t), "2026-10-16T04:00:00Z", nil, agreements.Timeline{Service: "portal", Stretches: rows(
		row("2026-09-30T00:00:00Z", "2026-10-05T01:00:00Z", agreements.StateUp),
		row("2026-10-05T01:00:00Z", "2026-10-05T01:20:00Z", agreements.StateDown),
		row("2026-10-05T01:20:00Z", "2026-10-16T04:00:00Z", agreements.StateUp))})
}

// Two services with an account each: mail has working hours in which the outage of the 10th, a Saturday, does not lie.
func services(t *testing.T) Statement {
	a := acme(t)
	v := &a.Versions[0]
	v.Services, v.Each, v.FeeFor = []string{"portal", "mail"}, true, map[string]int64{"mail": 300_050}
	v.Window, _ = agreements.BuiltinCalendar("5x9")
	return fromTimeline(t, a, issued, nil,
		agreements.Timeline{Service: "portal", Stretches: rows(
			row("2026-09-30T00:00:00Z", "2026-10-12T02:00:00Z", agreements.StateUp),
			row("2026-10-12T02:00:00Z", "2026-10-12T05:00:00Z", agreements.StateDown),
			row("2026-10-12T05:00:00Z", "2026-11-01T00:00:00Z", agreements.StateUp))},
		agreements.Timeline{Service: "mail", Stretches: rows(
			row("2026-09-30T00:00:00Z", "2026-10-10T02:00:00Z", agreements.StateUp),
			row("2026-10-10T02:00:00Z", "2026-10-10T08:00:00Z", agreements.StateDown),
			row("2026-10-10T08:00:00Z", "2026-11-01T00:00:00Z", agreements.StateUp))})
}

// One figure of two services, portal three parts and mail one, of whose 400 users the outage of the 20th hit 100. Portal:
// 10,800 s × 1/4 = 2,700 s of 2,678,400 s. Mail: an hour for all. 1 − (3 × 2,700 + 3,600)/(4 × 2,678,400) = 99.890 %: 10 %.
func weighed(t *testing.T) Statement {
	a := acme(t)
	v := &a.Versions[0]
	v.Services, v.Users = []string{"portal", "mail"}, 400
	v.Figure, v.Weights = agreements.FigureWeighted, map[string]*big.Rat{"portal": big.NewRat(3, 1), "mail": big.NewRat(1, 1)}
	entries := []uptally.Entry{entry(1, agreements.KindAffected, "2026-10-20T09:00:00Z", agreements.EntryText{
		Services: []string{"portal"}, From: at("2026-10-20T02:00:00Z"), To: at("2026-10-20T06:00:00Z"), Users: 100})}
	return fromTimeline(t, a, issued, entries,
		agreements.Timeline{Service: "portal", Stretches: rows(
			row("2026-09-30T00:00:00Z", "2026-10-20T02:00:00Z", agreements.StateUp),
			row("2026-10-20T02:00:00Z", "2026-10-20T05:00:00Z", agreements.StateDown),
			row("2026-10-20T05:00:00Z", "2026-11-01T00:00:00Z", agreements.StateUp))},
		agreements.Timeline{Service: "mail", Stretches: rows(
			row("2026-09-30T00:00:00Z", "2026-10-10T02:00:00Z", agreements.StateUp),
			row("2026-10-10T02:00:00Z", "2026-10-10T03:00:00Z", agreements.StateDown),
			row("2026-10-10T03:00:00Z", "2026-11-01T00:00:00Z", agreements.StateUp))})
}

// Outages of 20, 40 and 31 minutes: 1 + 2 + 2 started half hours at 5 % are 25 %, one hour of the clock has more than 30
// minutes down: CNY 10.00. Together CNY 3,010.00 of 12,000.00, at most 20 %: CNY 2,400.00. Three outages in a period give
// the right to terminate, and a claim has 30 days from the end of October.
func forms(t *testing.T) Statement {
	a := acme(t)
	v := &a.Versions[0]
	v.Ladder, v.Cap = nil, pct("20%")
	v.Credits = agreements.CreditTerms{
		Blocks:    &agreements.Blocks{Each: 30 * uptally.Minute, Percent: pct("5%"), OnOutage: true},
		FreeHours: &agreements.FreeHours{Over: 30 * uptally.Minute, Fee: big.NewRat(1000, 1)},
		Smallest:  big.NewRat(100, 1), Form: agreements.CreditVoucher,
		Claim: &agreements.ClaimTerms{Within: 30 * 24 * uptally.Hour, Of: agreements.ClaimPeriodEnd, Evidence: []string{"dates and times"}},
		Rights: []agreements.Right{
			{Name: "terminate", When: agreements.RightWhen{Outages: 3, Minimum: 15 * uptally.Minute}},
			{Name: "new terms", When: agreements.RightWhen{Below: pct("99.9%"), Periods: 2, InARow: true}},
		},
	}
	return fromTimeline(t, a, issued, nil, agreements.Timeline{Service: "portal", Stretches: rows(
		row("2026-08-31T00:00:00Z", "2026-10-05T10:00:00Z", agreements.StateUp),
		row("2026-10-05T10:00:00Z", "2026-10-05T10:20:00Z", agreements.StateDown),
		row("2026-10-05T10:20:00Z", "2026-10-12T10:00:00Z", agreements.StateUp),
		row("2026-10-12T10:00:00Z", "2026-10-12T10:40:00Z", agreements.StateDown),
		row("2026-10-12T10:40:00Z", "2026-10-19T10:45:00Z", agreements.StateUp),
		row("2026-10-19T10:45:00Z", "2026-10-19T11:16:00Z", agreements.StateDown),
		row("2026-10-19T11:16:00Z", "2026-11-01T00:00:00Z", agreements.StateUp))})
}

// 2,678,400 probes of which 5,000 had no answer: 0.186 % where 0.1 % may be lost. A row pays for a miss.
func loss(t *testing.T) Statement {
	t.Helper()
	a := acme(t)
	v := &a.Versions[0]
	v.Loss, v.Ladder = pct("0.1%"), []agreements.Tier{{Upper: agreements.Bound{Share: pct("99.9%"), Text: "99.9%"}, Percent: pct("5%")}}
	s, err := FromCounts(Files{
		Agreement: a, Period: october(t, a), PeriodText: "2026-10", Now: at(issued),
		Counts:   []agreements.Count{{Service: "portal", Interval: october(t, a), Requests: 2_678_400, Errors: 5_000}},
		Evidence: []File{{"probes.csv", strings.Repeat("0123456789abcdef", 4)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestGoldenStatements(t *testing.T) {
	for name, s := range stories(t) {
		t.Run(name, func(t *testing.T) {
			var text, html bytes.Buffer
			if err := s.Text(&text); err != nil {
				t.Fatal(err)
			}
			if err := s.HTML(&html); err != nil {
				t.Fatal(err)
			}
			data, err := s.JSON()
			if err != nil {
				t.Fatal(err)
			}
			golden(t, name+".txt", text.Bytes())
			golden(t, name+".html", html.Bytes())
			golden(t, name+".json", data)
		})
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want := readGolden(t, name)
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs (-want +got):\n%s", name, diff)
	}
}

func readGolden(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}
