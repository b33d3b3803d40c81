package statements

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/agreements"
)

// everyRule is a statement under every term of maintenance. The outages are 89 s on 5 October at 10:00:30 and 5 min on the
// 20th at 10:00, in Shanghai; the corrected work lies over the second, the flood's exclusion from 09:00 to 10:01 over a
// minute of it.
func everyRule(t *testing.T) Statement {
	t.Helper()
	recorded := "2026-10-01T00:00:00Z"
	work := func(id int64, class, from, to string, replaces int64) uptally.Entry {
		return entry(id, agreements.KindMaintenance, recorded, agreements.EntryText{Class: class, From: at(from), To: at(to), Replaces: replaces})
	}
	bank, _ := agreements.BuiltinCalendar("5x8")
	return ofTime(t, func(a *agreements.Agreement) {
		v := &a.Versions[0]
		v.Maintenance = agreements.Maintenance{
			NoticeDays: 3, BusinessDays: bank, Hours: []agreements.WorkHours{{On: []time.Weekday{time.Tuesday, time.Sunday}, At: 10 * uptally.Hour, For: 2 * uptally.Hour}},
			Times: 2, Cap: 3 * uptally.Hour, CapYear: 10 * uptally.Hour, Emergency: agreements.EmergencyCounted, RepeatedHour: agreements.RepeatedBoth,
			Classes: []agreements.WorkClass{{Name: "migration", WorkRules: agreements.WorkRules{Notice: 168 * uptally.Hour, Times: 1}, Cap: 2 * uptally.Hour}},
			Keep:    true, AddBack: agreements.AddBackAll,
		}
		v.Exclusions = agreements.ExclusionTerms{Causes: []string{"flood"}, Keep: true, AddBack: agreements.AddBackDown}
	},
		work(1, "", "2026-10-20T09:30:00+08:00", "2026-10-20T10:30:00+08:00", 0),
		work(2, "", "2026-10-20T10:02:00+08:00", "2026-10-20T10:30:00+08:00", 1),
		work(3, agreements.ClassEmergency, "2026-10-05T10:00:00+08:00", "2026-10-05T11:00:00+08:00", 0),
		work(4, "migration", "2026-10-11T10:00:00+08:00", "2026-10-11T13:00:00+08:00", 0),
		entry(5, agreements.KindExclusion, "2026-10-21T00:00:00Z", agreements.EntryText{
			From: at("2026-10-20T09:00:00+08:00"), To: at("2026-10-20T10:01:00+08:00"), Cause: "flood", AcceptedBy: "Li Na of Acme", Evidence: "mail of 20 October", Reason: "the river",
		}))
}

func TestMaintenanceOnTheStatement(t *testing.T) {
	s := everyRule(t)
	wantWords := []string{
		"Planned maintenance is excluded when at least 3 business days of 5x8 lie between the day of its announcement and that of its start, " +
			"as far as it lies in the hours from 10:00 for 2h on Tuesday, Sunday, at most 2 works a month, up to 3h a month, up to 10h a calendar year; " +
			"it stays in the time that the figure is divided by, and all of it is added back: (A − B + C) ÷ A, at most 100%.",
		"Maintenance of the class migration is excluded when announced at least 168h before it starts, at most 1 work a month, up to 2h a month.",
		"Emergency maintenance is not excluded: downtime in it counts.",
		"Where the clock repeats an hour, hours for maintenance are open in both passes.",
		"Excluded causes, when recorded: flood; such time stays in the time that the figure is divided by, and downtime in it is added back: (A − B + C) ÷ A.",
	}
	if got := s.Version.Words[2:7]; !slices.Equal(got, wantWords) {
		t.Error(cmp.Diff(wantWords, got))
	}
	a := &s.Accounts[0]
	var got []string
	for _, r := range s.AppliedRows(a) {
		got = append(got, r.Counted+" | "+r.Why+" | "+r.Record)
	}
	const by = " by li.wei, recorded 2026-10-01 08:00:00"
	want := []string{
		"0 s | the agreement counts emergency work | entry 3" + by + ", class emergency",
		"7,200 s | 1h over the cap of 2h of the class migration | entry 4" + by + ", class migration",
		"0 s | replaced by entry 2 | entry 1" + by,
		"1,680 s | applied in full | entry 2" + by + ", replaces entry 1",
		"3,660 s | applied in full | entry 5 by li.wei, recorded 2026-10-21 08:00:00, accepted by Li Na of Acme, evidence mail of 20 October: the river",
	}
	if !slices.Equal(got, want) {
		t.Error(cmp.Diff(want, got))
	}
	// B = 89 s + 1 min between flood and work (10:01 to 10:02) = 149 s, and 3 min in the work; C = 1,680 + 7,200
	step := stepOf(a, "Downtime less what is added back (B − C)")
	const wantStep = "the agreement computes (A − B + C) ÷ A: A is D, B all downtime, C all excluded time | " +
		"B = 149 s + 180 s excluded; C = 8,880 s; (A − B + C) ÷ A = 2686951/2678400, cut off at 100% | 0 s"
	if step != wantStep {
		t.Errorf("got  %s\nwant %s", step, wantStep)
	}
	if a.Availability.Point.Exact != "1" {
		t.Errorf("got %s, want 1", a.Availability.Point.Exact)
	}
	var text strings.Builder
	if err := s.Text(&text); err != nil || !strings.Contains(strings.Join(strings.Fields(text.String()), " "), "accepted by Li Na of Acme") {
		t.Errorf("the text does not name who accepted: %v", err)
	}
}

// What was recorded after the date that is asked for is not there; the account is that of the date.
func TestFilesAsKnown(t *testing.T) {
	a := acme(t)
	p := october(t, a)
	down := downFrom(t, p, agreements.Interval{From: at("2026-10-20T00:00:00Z"), To: at("2026-10-20T02:00:00Z")})
	entries := []uptally.Entry{
		entry(1, agreements.KindExclusion, "2026-10-21T00:00:00Z", agreements.EntryText{From: at("2026-10-20T00:00:00Z"), To: at("2026-10-20T02:00:00Z"), Cause: "force majeure"}),
		entry(2, agreements.KindWithdrawal, "2026-10-25T00:00:00Z", agreements.EntryText{Replaces: 1}),
	}
	for asOf, want := range map[string]int64{"2026-10-20T23:59:59Z": 7_200_000, "2026-10-21T00:00:00Z": 0, "2026-10-25T00:00:00Z": 7_200_000} {
		s, err := FromTimelines(Files{Agreement: a, Period: p, PeriodText: "2026-10", Now: p.To, AsOf: at(asOf), Entries: entries}, []agreements.Timeline{down})
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Accounts[0].Down.PointMS; got != want || int64(s.EntriesAsOf) != at(asOf) {
			t.Errorf("as known on %s: got %d ms down as of %s, want %d ms", asOf, got, s.EntriesAsOf, want)
		}
	}
}
