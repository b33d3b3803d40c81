package statements

import (
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/agreements"
	"pgregory.net/rapid"
)

func TestSpansOfTime(t *testing.T) {
	for ms, want := range map[int64][2]string{
		0:              {"0 s", "0 s"},
		1:              {"0.001 s", "0.001 s"},
		40_000:         {"40 s", "40 s"},
		900_500:        {"900.5 s", "15 min 0.5 s"},
		2_678_400_000:  {"2,678,400 s", "31 d"},
		93_784_000:     {"93,784 s", "1 d 2 h 3 min 4 s"},
		-1_337_721_600: {"−1,337,721.6 s", "−15 d 11 h 35 min 21.6 s"},
	} {
		if got := [2]string{seconds(ms), span(ms)}; got != want {
			t.Errorf("%d ms: got %q, want %q", ms, got, want)
		}
	}
}

// A tenth of a per cent of a 31-day month is not whole; a third has no end and says so.
func TestExactSeconds(t *testing.T) {
	for ms, want := range map[*big.Rat]string{
		big.NewRat(2_678_400, 1): "2,678.4 s",
		big.NewRat(1, 8):         "0.000125 s",
		big.NewRat(1000, 3):      "about 0.333333 s",
	} {
		if got := secondsOf(ms); got != want {
			t.Errorf("%s ms: got %q, want %q", ms, got, want)
		}
	}
}

func TestPeriodsInWords(t *testing.T) {
	for text, want := range map[string]string{
		"2026-10": "October 2026", "2026-Q4": "quarter 4 of 2026", "2026": "2026", "2026-13": "2026-13",
		"2026-10-01T00:00:00Z/2026-10-02T00:00:00Z": "2026-10-01T00:00:00Z to 2026-10-02T00:00:00Z",
	} {
		if got := periodText(text); got != want {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
}

func TestIntervalsWithoutAnEnd(t *testing.T) {
	v := Interval{Instant(agreements.Ever), Instant(at("2026-10-01T00:00:00.250Z"))}
	text, err := v.MarshalText()
	if want := "../2026-10-01T00:00:00.250Z"; err != nil || string(text) != want {
		t.Fatalf("got %s, %v, want %s", text, err, want)
	}
	var back Interval
	if err := back.UnmarshalText(text); err != nil || back != v {
		t.Errorf("got %v, %v, want %v", back, err, v)
	}
	for _, bad := range []string{"", "..", "2026-10-01T00:00:00Z", "2026-10-01T00:00:00+00:00/..", "2026-10-01T00:00:00.000Z/.."} {
		if err := back.UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

// October in Berlin has a day of 25 hours and an hour that comes twice: both passes are told apart by their offset.
func TestClockChangeIsShown(t *testing.T) {
	a := acme(t)
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	a.Zone, a.ZoneName = zone, "Europe/Berlin"
	s := fromTimeline(t, a, issued, nil, agreements.Timeline{Service: "portal", Stretches: rows(
		row("2026-09-30T00:00:00Z", "2026-10-25T00:30:00Z", agreements.StateUp),
		row("2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", agreements.StateDown),
		row("2026-10-25T01:30:00Z", "2026-11-01T00:00:00Z", agreements.StateUp))})
	if got := s.Accounts[0].Days[24]; got.Date != "2026-10-25" || got.Sum() != 25*3600_000 || got.Down != 3600_000 {
		t.Errorf("got %+v, want 25 October with 25 h, one of them down", got)
	}
	o := s.OutageRows(&s.Accounts[0])[0]
	if o.Start != "2026-10-25 02:30:00 +02:00" || o.End != "2026-10-25 02:30:00 +01:00" || o.Length != "1 h" {
		t.Errorf("got an outage from %s to %s of %s, want the two half past two", o.Start, o.End, o.Length)
	}
	if got, want := s.ZoneWords(), "Europe/Berlin (UTC+02:00, then UTC+01:00)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := s.Period.Millis; got != (31*24+1)*3600_000 {
		t.Errorf("got a period of %d ms, want 31 days and an hour", got)
	}
}

func TestOneSiteIsSaid(t *testing.T) {
	l := threeSites()
	l.plans[0].Sites, l.plans[0].Quorum = []string{"ams1"}, 1
	s, err := Compute(t.Context(), portalRequest(t, l, issued))
	if err != nil {
		t.Fatal(err)
	}
	if m := s.Accounts[0].Marks; len(m) == 0 || m[0] != (Mark{MarkOneSite, "One site: cannot tell the service's fault from its own."}) {
		t.Errorf("got marks %v, want one site", m)
	}
}

// Whatever the evidence and the terms, every sum of the document closes (build checks them) and the canonical bytes
// come back.
func TestAnyStatementCloses(t *testing.T) {
	a := acme(t)
	month := october(t, a)
	rapid.Check(t, func(t *rapid.T) {
		v := &a.Versions[0]
		v.Unknown = rapid.SampledFrom([]agreements.UnknownTerm{agreements.UnknownExclude, agreements.UnknownUp, agreements.UnknownDown}).Draw(t, "unknown")
		v.Maintenance.Keep, v.Exclusions.Keep = rapid.Bool().Draw(t, "keep"), rapid.Bool().Draw(t, "keep causes")
		v.Outage.Minimum = uptally.Duration(rapid.Int64Range(0, 900_000).Draw(t, "minimum"))
		v.Outage.Merge = uptally.Duration(rapid.Int64Range(0, 900_000).Draw(t, "merge"))
		v.Window, _ = agreements.BuiltinCalendar(rapid.SampledFrom([]string{"24x7", "5x8"}).Draw(t, "window"))
		tl := agreements.Timeline{Service: "portal"}
		at := month.From - 3_600_000
		for at < month.To+3_600_000 {
			to := at + rapid.Int64Range(1, 200_000_000).Draw(t, "length")
			state := rapid.SampledFrom([]agreements.State{agreements.StateUp, agreements.StateUp, agreements.StateDown, agreements.StateUnknown}).Draw(t, "state")
			tl.Stretches = append(tl.Stretches, agreements.Stretch{Interval: agreements.Interval{From: at, To: to}, State: state})
			at = to
		}
		from := rapid.Int64Range(month.From, month.To-1).Draw(t, "work")
		kind := rapid.SampledFrom([]string{agreements.KindMaintenance, agreements.KindExclusion, agreements.KindCause}).Draw(t, "kind")
		s, err := FromTimelines(Files{
			Agreement: a, Period: month, PeriodText: "2026-10", Now: rapid.Int64Range(month.From, month.To*2-month.From).Draw(t, "now"),
			Entries: []uptally.Entry{{ID: 1, Kind: kind, Data: agreements.EncodeEntry(agreements.EntryText{
				From: from, To: from + 7_200_000, Announced: from - 300_000_000, Cause: "force majeure"})}},
		}, []agreements.Timeline{tl})
		if err != nil {
			t.Fatal(err)
		}
		data, err := s.JSON()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Decode(data); err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		if err := s.Text(&b); err != nil {
			t.Fatal(err)
		}
	})
}
