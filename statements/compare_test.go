package statements

import (
	"bytes"
	"strings"
	"testing"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/agreements"
)

// again is the measured month of October, after something changed in its ledger, its agreement or its request.
func again(t *testing.T, change func(l *fakeLedger, in *Request)) *Statement {
	t.Helper()
	l := threeSites()
	in := portalRequest(t, l, issued)
	change(l, &in)
	s, err := Compute(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	return &s
}

// lateDowns makes the results of ams1 and fra1 from 03:10:00 to 03:14:59 on 8 October down, ten a site. The outage ends when ams1
// recovers, between 03:14:30 and 03:15:00: from 03:09:55 to 03:14:45 it is 290 s longer.
func lateDowns(l *fakeLedger, _ *Request) {
	for _, site := range []string{"ams1", "fra1"} {
		for i := range l.days[uptally.IDOf(site)] {
			d := &l.days[uptally.IDOf(site)][i]
			var results []uptally.Result
			for r := range d.Results() {
				if r.At >= at("2026-10-08T03:10:00Z") && r.At < at("2026-10-08T03:15:00Z") {
					r.Reason = uptally.Status
				}
				results = append(results, r)
			}
			*d = uptally.FoldDay(d.Check, d.Site, d.Day, results)
		}
	}
}

// The stories of uptally compare, each against the measured month, in text; the first of them in JSON too.
func TestGoldenComparisons(t *testing.T) {
	for name, change := range map[string]func(*fakeLedger, *Request){
		"same": func(*fakeLedger, *Request) {},
		"late": lateDowns,
		"gone": func(l *fakeLedger, _ *Request) {
			for site, days := range l.days {
				l.days[site] = append(days[:5:5], days[6:]...)
			}
		},
		"terms": func(_ *fakeLedger, in *Request) {
			in.Agreement.Versions[0].Target = pct("99.99%")
			in.Agreement.Versions[0].Outage.Deductible = 5 * uptally.Minute
		},
		"entries": func(l *fakeLedger, in *Request) {
			l.entries = append(l.entries, entry(1, agreements.KindExclusion, "2026-10-09T02:00:00Z", agreements.EntryText{
				From: at("2026-10-08T03:00:00Z"), To: at("2026-10-08T04:00:00Z"), Cause: "force majeure", Reason: "flood in the cable duct"}))
		},
		"plans": func(l *fakeLedger, in *Request) {
			l.plans[0].Quorum = 3
		},
	} {
		t.Run(name, func(t *testing.T) {
			before, after := measured(t), again(t, change)
			after.GeneratedAt += 3_600_000
			c, err := Compare(&before, after)
			if err != nil {
				t.Fatal(err)
			}
			var text bytes.Buffer
			if err := c.Text(&text); err != nil {
				t.Fatal(err)
			}
			golden(t, "compare-"+name+".txt", text.Bytes())
			if same := name == "same" || name == "plans"; c.Same() != same {
				t.Errorf("got same %v, want %v", c.Same(), same)
			}
			if name == "late" {
				data, err := c.JSON()
				if err != nil {
					t.Fatal(err)
				}
				golden(t, "compare-late.json", data)
			}
		})
	}
}

// Nothing that the documents name: the figure itself was computed otherwise.
func TestComparePlainlySuspectsTheProgram(t *testing.T) {
	before, after := measured(t), measured(t)
	after.Accounts[0].Credit.Charged.Amount.Text = "CNY 1.00"
	c, err := Compare(&before, &after)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"The evidence is the same, but the figures differ.", "Nothing that the documents name explains it: the later one was computed by another version of the program."}
	if strings.Join(c.Words, "|") != strings.Join(want, "|") || c.SameFigures || !c.SameEvidence {
		t.Errorf("got %q, want %q", c.Words, want)
	}
}

// A statement of a version that named no days, one out of another file, and ones that are not to be compared.
func TestCompareOtherKinds(t *testing.T) {
	before, after := measured(t), measured(t)
	before.Evidence.Digest = ""
	c, err := Compare(&before, &after)
	if err != nil || c.SameEvidence || c.Words[0] != "Not both name days with a digest of their evidence, so their evidence cannot be compared; the figures are the same." {
		t.Errorf("got %q, %v", c.Words, err)
	}
	before, after = outages(t), outages(t)
	if c, err = Compare(&before, &after); err != nil || !c.Same() {
		t.Errorf("got %q, %v of the same file", c.Words, err)
	}
	after.Evidence.Files = []File{{"portal.csv", strings.Repeat("1", 64)}}
	if c, err = Compare(&before, &after); err != nil || c.Words[0] != "The files of evidence differ; the figures are the same." {
		t.Errorf("got %q, %v of another file", c.Words, err)
	}
	after.Period.At.To++
	if _, err = Compare(&before, &after); err == nil || err.Error() != "compare statements: got the periods 2026-09-30T16:00:00Z to 2026-10-31T16:00:00Z and 2026-09-30T16:00:00Z to 2026-10-31T16:00:00.001Z, want two of one period" {
		t.Errorf("got %v", err)
	}
	after.Agreement = "acme-mail"
	if _, err = Compare(&before, &after); err == nil || err.Error() != `compare statements: got agreements "acme-portal" and "acme-mail", want two of one agreement` {
		t.Errorf("got %v", err)
	}
}

// Days beside the period differ only where both read them and they were over for both.
func TestCompareDaysBesideThePeriod(t *testing.T) {
	monthUTC := func(now string) func(*fakeLedger, *Request) {
		return func(_ *fakeLedger, in *Request) {
			in.Period = agreements.Interval{From: at("2026-10-01T00:00:00Z"), To: at("2026-11-01T00:00:00Z")}
			in.Now, in.AsOf = at(now), at(now)
		}
	}
	soon, later := again(t, monthUTC("2026-11-01T00:00:40Z")), again(t, monthUTC("2026-11-03T00:00:00Z"))
	c, err := Compare(soon, later)
	if err != nil || !c.SameEvidence || len(c.Days) != 0 {
		t.Errorf("got %+v, %v, want the day that was not over passed by", c.Days, err)
	}
	changed := again(t, func(l *fakeLedger, in *Request) {
		monthUTC("2026-11-03T00:00:00Z")(l, in)
		l.days[uptally.IDOf("fra1")][1].Runs[0].Reason = uptally.Status
	})
	c, err = Compare(soon, changed)
	if err != nil || c.SameEvidence || len(c.Days) != 1 || !c.Days[0].Beyond || c.Days[0].Downs != 2880 || c.Days[0].Results != 0 {
		t.Errorf("got %+v, %v, want 30 September at fra1 down", c.Days, err)
	}
}
