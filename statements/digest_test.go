package statements

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/agreements"
)

// The digest as somebody else would compute it: 32 UTC days, 30 September to 31 October, of three sites, a line each.
func TestEvidenceDigestFromItsDescription(t *testing.T) {
	l := threeSites()
	var lines strings.Builder
	for _, site := range []string{"ams1", "fra1", "sin1"} {
		days, err := l.Days(t.Context(), uptally.IDOf("portal-home"), uptally.IDOf(site), 20_726, 20_758)
		if err != nil || len(days) != 32 {
			t.Fatalf("got %d days of %s, %v, want 32", len(days), site, err)
		}
		for _, d := range days {
			d.RTT = make([]int64, d.Len())
			h, err := d.Head()
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&lines, "[\"portal-home\",%q,%q,\"%x\"]\n", site, date(d.Day), h.Digest)
		}
	}
	want := fmt.Sprintf("%x", sha256.Sum256([]byte(lines.String())))
	if got := measured(t).Evidence.Digest; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if first := strings.SplitN(lines.String(), ",", 4)[2]; first != `"2026-09-30"` {
		t.Errorf("got first day %s, want the UTC day in which October begins in Shanghai", first)
	}
}

// A period in UTC reads the first minutes of November too; they are named beside the period and are no part of its digest, so
// that another computation a week later has the same digest.
func TestDaysBesideThePeriodAreNoPartOfTheDigest(t *testing.T) {
	digestOf := func(in Request) (string, []DayEvidence) {
		s, err := Compute(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		site := s.Evidence.Checks[0].Sites[0]
		return s.Evidence.Digest, site.Beyond
	}
	in := portalRequest(t, threeSites(), "2026-11-01T00:00:30Z")
	in.Period = agreements.Interval{From: at("2026-10-01T00:00:00Z"), To: at("2026-11-01T00:00:00Z")}
	soon, beside := digestOf(in)
	if len(beside) != 2 || date(beside[0].Day) != "2026-09-30" || date(beside[1].Day) != "2026-11-01" || beside[1].Up != 1 {
		t.Errorf("got %v beside the period, want the day before and the one result after it", beside)
	}
	in.Now = at("2026-11-08T00:00:00Z")
	if later, _ := digestOf(in); later != soon {
		t.Errorf("got %s a week later, want %s", later, soon)
	}
}

// What was sent after now is no part of a day, whether the ledger holds it already or not.
func TestDigestIsOfWhatWasMeasuredByNow(t *testing.T) {
	const now = "2026-10-08T03:05:00Z"
	whole := threeSites()
	until := &fakeLedger{plans: whole.plans, days: map[uptally.ID][]uptally.Day{}, failures: whole.failures}
	for site, days := range whole.days {
		for _, d := range days {
			if d = sentBefore(d, at(now)); len(d.Runs) > 0 {
				until.days[site] = append(until.days[site], d)
			}
		}
	}
	for _, times := range []bool{false, true} {
		var digests []string
		for _, l := range []*fakeLedger{whole, until} {
			in := portalRequest(t, l.withTimes(), now)
			if times {
				in.Agreement.Versions[0].Response = &agreements.ResponseTerms{Limit: 300_000, Mean: true}
			}
			g, err := Gather(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			ev, err := summary(g.checks, in.Services, in.Period, in.Now, nil)
			if err != nil {
				t.Fatal(err)
			}
			g.describe(&ev)
			digests = append(digests, ev.Digest)
		}
		if digests[0] != digests[1] {
			t.Errorf("got %s of the whole ledger, want %s", digests[0], digests[1])
		}
	}
}

// withTimes gives every day the response times that its head has.
func (l *fakeLedger) withTimes() *fakeLedger {
	for _, days := range l.days {
		for i := range days {
			days[i].RTT = make([]int64, days[i].Len())
		}
	}
	return l
}

// An edge that asks for more does not ask for the same again: the outage of 40 days reads back in steps, every day once.
func TestDaysAreReadOnce(t *testing.T) {
	l := &fakeLedger{plans: []uptally.Plan{portalPlan()}, days: map[uptally.ID][]uptally.Day{}}
	l.plans[0].From, l.plans[0].Sites, l.plans[0].Quorum = at("2026-01-01T00:00:00Z"), []string{"ams1"}, 1
	l.add("portal-home", "ams1",
		samples{"2026-08-01T00:00:00Z", "2026-08-20T23:59:00Z", 30_000, uptally.OK},
		samples{"2026-08-21T00:00:00Z", "2026-11-01T00:00:00Z", 30_000, uptally.ConnectRefused})
	s, err := Compute(t.Context(), portalRequest(t, l, issued))
	if err != nil {
		t.Fatal(err)
	}
	if site := s.Evidence.Checks[0].Sites[0]; date(site.Days[0].Day) != "2026-09-30" || date(site.Beyond[0].Day) > "2026-08-20" {
		t.Errorf("got days from %s and beside them from %s, want 30 September and before the outage", date(site.Days[0].Day), date(site.Beyond[0].Day))
	}
	seen := map[int64]int{}
	for _, v := range l.asked {
		for d := v.From; d < v.To; d++ {
			seen[d]++
		}
	}
	for d, n := range seen {
		if n > 1 {
			t.Errorf("day %s was read %d times", date(int32(d)), n)
		}
	}
	if len(l.asked) < 4 {
		t.Errorf("got %d reads, want several steps", len(l.asked))
	}
}

func TestDayEvidenceText(t *testing.T) {
	digest := strings.Repeat("0f", 32)
	for _, text := range []string{
		"2026-10-05 up=2880 " + digest,
		"2026-10-05 up=1 down=2 void=3 missed=4 unknown=5 " + digest,
		"1969-12-31 missed=1 " + digest,
	} {
		var d DayEvidence
		if err := d.UnmarshalText([]byte(text)); err != nil {
			t.Error(err)
		}
		if again, _ := d.MarshalText(); string(again) != text {
			t.Errorf("got %s, want %s", again, text)
		}
	}
	for _, text := range []string{
		"", "2026-10-05 " + digest, "2026-10-05 up=0 " + digest, "2026-10-05 up=-1 " + digest, "2026-10-05 up=01 " + digest,
		"2026-10-05 down=1 up=1 " + digest, "2026-10-05 up=1 up=1 " + digest, "2026-02-30 up=1 " + digest, "2026-10-05 up=1 0f",
		"2026-10-05 up=1  " + digest, "2026-10-05 up=1 " + strings.ToUpper(digest), "2026-10-05 late=1 " + digest,
	} {
		var d DayEvidence
		if err := d.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q: got %+v, want an error", text, d)
		}
	}
}

func FuzzDayEvidence(f *testing.F) {
	f.Add("2026-10-05 up=2870 down=10 " + strings.Repeat("0f", 32))
	f.Add("0000-01-01 void=9223372036854775807 " + strings.Repeat("00", 32))
	f.Fuzz(func(t *testing.T, text string) {
		var d DayEvidence
		if d.UnmarshalText([]byte(text)) != nil {
			return
		}
		if again, _ := d.MarshalText(); string(again) != text || d.Sum() < 1 {
			t.Fatalf("%q became %q", text, again)
		}
	})
}

// One digit of one day's digest, or two days in another order, and the document is refused.
func TestDecodeComputesTheDigestAgain(t *testing.T) {
	s := measured(t)
	data, err := s.JSON()
	if err != nil {
		t.Fatal(err)
	}
	day := s.Evidence.Checks[0].Sites[1].Days[7]
	old := fmt.Sprintf("%x", day.Digest)
	changed := strings.Replace(string(data), old, "00"+old[2:], 1)
	if _, err := Decode([]byte(changed)); err == nil || !strings.HasPrefix(err.Error(), "decode statement: got evidence digest ") {
		t.Errorf("got %v, want the digest refused", err)
	}
	days := s.Evidence.Checks[0].Sites[1].Days
	slices.Reverse(days)
	if err := s.check(); err == nil || err.Error() != `the days of "portal-home" at "fra1" are not ascending` {
		t.Errorf("got %v", err)
	}
}

// 30 days × 5 sites × 10 checks: what the document says of days stays below 200 kB.
func TestDaysOfALargeStatementAreCompact(t *testing.T) {
	ctx := context.Background()
	l := &fakeLedger{days: map[uptally.ID][]uptally.Day{}}
	in := portalRequest(t, l, issued)
	in.Services["portal"] = nil
	for c := range 10 {
		p := portalPlan()
		p.Check, p.Sites = fmt.Sprintf("check-%d", c), []string{"ams1", "fra1", "sin1", "syd1", "iad1"}
		l.plans = append(l.plans, p)
		in.Services["portal"] = append(in.Services["portal"], p.Check)
	}
	for _, site := range l.plans[0].Sites {
		l.add("portal-home", site, samples{"2026-09-30T00:00:00Z", "2026-10-29T23:59:30Z", 30_000, uptally.OK})
	}
	s, err := Compute(ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	with, err := s.JSON()
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	for c := range s.Evidence.Checks {
		for k := range s.Evidence.Checks[c].Sites {
			rows += len(s.Evidence.Checks[c].Sites[k].Days)
			s.Evidence.Checks[c].Sites[k].Days = nil
		}
	}
	without, err := s.JSON()
	if err != nil {
		t.Fatal(err)
	}
	if size := len(with) - len(without); rows != 1500 || size > 200_000 {
		t.Errorf("got %d bytes for %d days, want 1500 days in 200,000 bytes", size, rows)
	}
}
