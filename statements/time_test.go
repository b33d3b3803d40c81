package statements

import (
	"bytes"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/agreements"
)

// downFrom is a timeline of October 2026 in Shanghai, up but for outages given as instant and length.
func downFrom(t *testing.T, p agreements.Interval, outages ...agreements.Interval) agreements.Timeline {
	t.Helper()
	down := agreements.NewSet(outages...)
	tl := agreements.Timeline{Service: "portal"}
	for _, i := range down {
		tl.Stretches = append(tl.Stretches, agreements.Stretch{Interval: i, State: agreements.StateDown})
	}
	for _, i := range agreements.NewSet(agreements.Interval{From: p.From - uptally.DayMillis, To: p.To + uptally.DayMillis}).Subtract(down) {
		tl.Stretches = append(tl.Stretches, agreements.Stretch{Interval: i, State: agreements.StateUp})
	}
	return tl
}

// ofTime is the statement of October 2026 under acme's terms as changed: two outages of 89 s and 5 min.
func ofTime(t *testing.T, change func(*agreements.Agreement), entries ...uptally.Entry) Statement {
	t.Helper()
	a := acme(t)
	v := &a.Versions[0]
	v.Window, v.Outage, v.Maintenance = agreements.Calendar{Name: "24x7", Always: true}, agreements.OutageTerms{}, agreements.Maintenance{}
	change(a)
	p := october(t, a)
	at := func(text string, length uptally.Duration) agreements.Interval {
		from, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return agreements.Interval{From: from.UnixMilli(), To: from.UnixMilli() + int64(length)}
	}
	outages := []agreements.Interval{at("2026-10-05T10:00:30+08:00", 89*uptally.Second), at("2026-10-20T10:00:00+08:00", 5*uptally.Minute)}
	s, err := FromTimelines(Files{Agreement: a, Period: p, PeriodText: "2026-10", Now: p.To, Entries: entries}, []agreements.Timeline{downFrom(t, p, outages...)})
	if err != nil {
		t.Fatal(err)
	}
	data, err := s.JSON()
	if err != nil {
		t.Fatal(err)
	}
	if again, err := Decode(data); err != nil || len(again.Accounts) != len(s.Accounts) {
		t.Fatalf("decode what was written: %v", err)
	}
	for name, render := range map[string]func(*bytes.Buffer) error{"text": func(b *bytes.Buffer) error { return s.Text(b) }, "html": func(b *bytes.Buffer) error { return s.HTML(b) }} {
		var b bytes.Buffer
		if err := render(&b); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	return s
}

// stepOf is a step of the way to the money as one line.
func stepOf(a *Account, what string) string {
	for _, s := range a.Steps {
		if s.What == what {
			return s.Rule + " | " + s.Numbers + " | " + s.Result
		}
	}
	return ""
}

// 389 s of downtime in the 2,678,400 s of October, in the steps of each term about time.
func TestStepsOfTime(t *testing.T) {
	used := func(from, to string) uptally.Entry {
		f, _ := time.Parse(time.RFC3339, from)
		u, _ := time.Parse(time.RFC3339, to)
		return uptally.Entry{ID: 1, Kind: agreements.KindInService, By: "am", Data: agreements.EncodeEntry(agreements.EntryText{From: f.UnixMilli(), To: u.UnixMilli()})}
	}
	half := used("2026-10-16T00:00:00+08:00", "2026-11-01T00:00:00+08:00") // 16 of 31 days
	for _, c := range []struct {
		name, what, want string
		change           func(*agreements.Version)
		entries          []uptally.Entry
	}{
		{"each up", "Counted downtime", "each stretch is rounded up to a multiple of 1m | 89 s → 120 s; 300 s → 300 s | 420 s",
			func(v *agreements.Version) { v.Length = agreements.LengthTerms{Unit: uptally.Minute, Up: true} }, nil},
		{"each up", "Availability", "1 − likely downtime ÷ (D − U′), cut off, never rounded up | 1 − 420 ÷ 2,678,400 | 99.984318%",
			func(v *agreements.Version) { v.Length = agreements.LengthTerms{Unit: uptally.Minute, Up: true} }, nil},
		{"sum down", "Counted downtime", "the sum is rounded down to a multiple of 1m | 389 s | 360 s",
			func(v *agreements.Version) { v.Length = agreements.LengthTerms{Unit: uptally.Minute, Sum: true} }, nil},
		{"full slots", "Counted downtime", "only slots of 1m of the clock that are down throughout count | 5 slots of 1m | 300 s",
			func(v *agreements.Version) { v.Length = agreements.LengthTerms{Unit: uptally.Minute, Slots: true} }, nil},
		{"judged", "Judged availability", "rounded half up to 2 decimals of a per cent | 99.985476% | 99.99%",
			func(v *agreements.Version) { v.Judge = agreements.JudgeTerms{Places: 2, Round: agreements.RoundHalfUp} }, nil},
		{"judged", "Allowed downtime", "99.895% leaves 0.105% of D | 2,678,400 s × 0.105% | 2,812.32 s",
			func(v *agreements.Version) { v.Judge = agreements.JudgeTerms{Places: 2, Round: agreements.RoundHalfUp} }, nil},
		{"fixed", "Denominator (D)", "the agreement divides by 720h, whatever the period |  | 2,592,000 s",
			func(v *agreements.Version) { v.Denominator = 720 * uptally.Hour }, nil},
		{"deductible", "Likely downtime", "Every outage counts; the first 1m of each are free | 29 s + 240 s | 269 s",
			func(v *agreements.Version) { v.Outage.Deductible = uptally.Minute }, nil},
		{"deployed", "Eligible time (T)", "not in service | 2,678,400 s − 1,296,000 s | 1,382,400 s",
			func(v *agreements.Version) { v.PartUse = agreements.UseDeployed }, []uptally.Entry{half}},
		{"period", "Denominator (D)", "the time without service, as the rest of the period, stays in what is divided by | 1,382,400 s + 1,296,000 s | 2,678,400 s",
			func(v *agreements.Version) { v.PartUse = agreements.UsePeriod }, []uptally.Entry{half}},
		{"up before", "Denominator (D)", "the time before the first use, as time up, stays in what is divided by | 1,382,400 s + 1,296,000 s | 2,678,400 s",
			func(v *agreements.Version) { v.PartUse = agreements.UseUpBefore }, []uptally.Entry{half}},
		{"scaled", "Scaled up", "in service for a part of the period; its downtime stands for the whole, in the same proportion | 300 s × 31/16 | 581.25 s",
			func(v *agreements.Version) { v.PartUse = agreements.UseScaled }, []uptally.Entry{half}},
		{"not judged", "Eligible time (T)", "not judged: in service for a part of the period | 2,678,400 s − 2,678,400 s | 0 s",
			func(v *agreements.Version) { v.PartUse = agreements.UseNotJudged }, []uptally.Entry{half}},
	} {
		s := ofTime(t, func(a *agreements.Agreement) { c.change(&a.Versions[0]) }, c.entries...)
		if got := stepOf(&s.Accounts[0], c.what); got != c.want {
			t.Errorf("%s: got\n%s\nwant\n%s", c.name, got, c.want)
		}
	}
}

// October with a version from the 11th: two accounts, two lots of terms, 10 and 21 days of the fee of 12,000.00.
func TestStatementOfASplitPeriod(t *testing.T) {
	s := split(t)
	if len(s.Accounts) != 2 || len(s.Further) != 1 || s.Version.From == s.Further[0].From || s.Version.Terms.FeeMinor != s.Further[0].Terms.FeeMinor {
		t.Fatalf("got %d accounts and %d further versions", len(s.Accounts), len(s.Further))
	}
	for i, want := range []string{
		"the fee by days, rounded half up | CNY 12000.00 × 10 ÷ 31 days | CNY 3870.97",
		"the fee by days, rounded half up | CNY 12000.00 × 21 ÷ 31 days | CNY 8129.03",
	} {
		if got := stepOf(&s.Accounts[i], "Fee of the part"); got != want {
			t.Errorf("part %d: got %s, want %s", i, got, want)
		}
	}
	var text bytes.Buffer
	if err := s.Text(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Terms of the version from 2026-01-01", "Terms of the version from 2026-10-11", "portal, version from 2026-10-11", "the part that the version from 2026-10-11 judges"} {
		if !strings.Contains(strings.Join(strings.Fields(text.String()), " "), want) {
			t.Errorf("the text lacks %q", want)
		}
	}
	if got := fmt.Sprint(s.Accounts[0].Classes.Sum()+s.Accounts[1].Classes.Sum(), s.Total.Fee.Text); got != "2678400000CNY 12000.00" {
		t.Errorf("the parts make %s", got)
	}
}

func split(t *testing.T) Statement {
	t.Helper()
	return ofTime(t, func(a *agreements.Agreement) {
		later := a.Versions[0]
		later.From, later.Change, later.Target = agreements.Date{Year: 2026, Month: time.October, Day: 11}, agreements.ChangeSplit, big.NewRat(99, 100)
		a.Versions = append(a.Versions, later)
	})
}

func everyTimeTerm(t *testing.T) Statement {
	t.Helper()
	return ofTime(t, func(a *agreements.Agreement) {
		v := &a.Versions[0]
		v.Period, v.PeriodCount, v.PeriodFrom = agreements.EveryMonths, 1, agreements.Date{Year: 2026, Month: time.January, Day: 1}
		v.Outage = agreements.OutageTerms{
			Merge: uptally.Minute, MergeUpTo: true, GapUp: true, Deductible: uptally.Second,
			Clock: agreements.ClockReported, Unreported: agreements.UnreportedCounts,
		}
		v.Length = agreements.LengthTerms{Unit: uptally.Minute, Up: true}
		v.PartUse, v.Denominator = agreements.UseDays, 700*uptally.Hour
		v.Judge = agreements.JudgeTerms{Places: 2, Round: agreements.RoundHalfUp}
	})
}
