package agreements

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/uptally/uptally"
)

func TestNeeded(t *testing.T) {
	berlin := zone(t, "Europe/Berlin")
	now := ms("2026-11-22T12:00:00Z")
	for _, c := range []struct {
		name   string
		change func(*Version)
		times  bool
		from   string
		why    string
	}{
		{"no claims: 13 months", func(*Version) {}, false, "2025-10-22T00:00:00Z", "results are kept for 13 months"},
		{"the open year begins later than that", func(v *Version) { v.Period = Year }, false, "2025-10-22T00:00:00Z", "results are kept for 13 months"},
		{"a year to claim: 2025 until the end of 2026, and a week before its edge", func(v *Version) {
			v.Period, v.Credits.Claim = Year, &ClaimTerms{Months: 12, Of: ClaimPeriodEnd}
		}, false, "2024-12-25T00:00:00+01:00", "credits for the period from 2025-01-01 may be claimed until 2026-12-31"},
		{"what lies before the edge is longer for outages of a day, joined over an hour, and bridged holes", func(v *Version) {
			v.Period, v.Credits.Claim = Year, &ClaimTerms{Months: 12, Of: ClaimIncident}
			v.Outage.Minimum, v.Outage.Merge, v.Bridge = dayClock, uptally.Hour, 2*uptally.Hour
		}, false, "2024-12-23T21:00:00+01:00", "credits for the period from 2025-01-01 may be claimed until 2026-12-31"},
		{"automatic credits are not claimed", func(v *Version) {
			v.Period, v.Credits.Claim = Year, &ClaimTerms{Automatic: true}
		}, false, "2025-10-22T00:00:00Z", "results are kept for 13 months"},
		{"a ticket may be closed 13 months later: September until the end of November", func(v *Version) {
			v.Credits.Claim = &ClaimTerms{Within: 30 * dayClock, Of: ClaimTicketClosed}
		}, false, "2025-08-25T00:00:00+02:00", "credits for the period from 2025-09-01 may be claimed until 2026-11-30"},
		{"the mean of 24 months looks back to December 2024", func(v *Version) {
			v.Credits.Rights = []Right{{"terminate", RightWhen{MeanBelow: pct("99%"), Periods: 24}}}
		}, false, "2024-11-24T00:00:00+01:00", "the period from 2026-11-01 is open, and its rights look back to 2024-12-01"},
		{"no response times are needed", func(*Version) {}, true, "2026-11-22T12:00:00Z", "no agreement is judged by response times"},
		{"those of the open month are", func(v *Version) { v.Response = &ResponseTerms{Limit: 1, Mean: true} }, true, "2026-10-25T01:00:00+02:00", "the period from 2026-11-01 is open"},
		{"30 days that roll, ten to claim: the last ended with 12 November", func(v *Version) {
			v.Response, v.Period, v.PeriodCount = &ResponseTerms{Limit: 1, Mean: true}, RollingDays, 30
			v.Credits.Claim = &ClaimTerms{Within: 10 * dayClock, Of: ClaimPeriodEnd}
		}, true, "2026-10-07T00:00:00+02:00", "credits for the period from 2026-10-14 may be claimed until 2026-11-22"},
		{"an agreement that begins next year needs nothing", func(v *Version) {
			v.From = Date{2027, 1, 1}
			v.Response = &ResponseTerms{Limit: 1, Mean: true}
		}, true, "2026-11-22T12:00:00Z", "no agreement is judged by response times"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := agreement(berlin)
			c.change(&a.Versions[0])
			got := Needed([]Agreement{*a}, now, c.times)
			if got.From != ms(c.from) || got.Why != c.why {
				t.Errorf("got %s (%s), want %s (%s)", time.UnixMilli(got.From).In(berlin).Format(time.RFC3339), got.Why, c.from, c.why)
			}
		})
	}
}

// Of several agreements the one that reaches back the furthest decides, and is named.
func TestNeededNamesTheAgreement(t *testing.T) {
	a, b := agreement(time.UTC), agreement(time.UTC)
	b.Name, b.Versions[0].Period = "acme-mail", Year
	b.Versions[0].Credits.Claim = &ClaimTerms{Months: 18, Of: ClaimPeriodEnd}
	want := Need{ms("2023-12-25T00:00:00Z"), "acme-mail", "credits for the period from 2024-01-01 may be claimed until 2026-06-30"}
	for _, as := range [][]Agreement{{*a, *b}, {*b, *a}} {
		if got := Needed(as, ms("2026-06-22T12:00:00Z"), false); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
}

// Whatever the terms: a claim that an account lists and that is still in time has its results kept, with those before the
// edge.
func TestNeededCoversEveryClaim(t *testing.T) {
	inTime := 0
	rapid.Check(t, func(rt *rapid.T) {
		a := agreement(time.UTC)
		v := &a.Versions[0]
		v.From = Date{2024, 1, 1}
		v.Period = rapid.SampledFrom([]PeriodKind{Month, Quarter, Year, EveryDays, RollingDays}).Draw(rt, "period")
		v.PeriodCount, v.PeriodFrom = rapid.IntRange(1, 90).Draw(rt, "days"), v.From
		n := rapid.IntRange(1, 24).Draw(rt, "length")
		claim := ClaimTerms{Of: rapid.SampledFrom([]ClaimOf{ClaimPeriodEnd, ClaimIncident}).Draw(rt, "of")}
		switch rapid.SampledFrom([]string{"days", "hours", "months", "business days", "cycles"}).Draw(rt, "unit") {
		case "days":
			claim.Within = uptally.Duration(n) * 30 * dayClock
		case "hours":
			claim.Within = uptally.Duration(n) * uptally.Hour
		case "months":
			claim.Months = n
		case "business days":
			claim.BusinessDays = n
		case "cycles":
			if v.Period == RollingDays {
				return
			}
			claim.Cycles = n % 4
		}
		v.Credits.Claim = &claim
		p, err := a.PeriodOf(Date{2025, 1, 1}.AddDays(rapid.IntRange(0, 700).Draw(rt, "day")))
		if err != nil {
			rt.Fatal(err)
		}
		down := p.From + rapid.Int64Range(0, p.Len()-1).Draw(rt, "down")
		account := compute(t, a, p, map[string]Tracks{"s": exact(Interval{down, min(p.To, down+3_600_000)})})
		now := p.From + rapid.Int64Range(0, 800*uptally.DayMillis).Draw(rt, "now")
		need := Needed([]Agreement{*a}, now, false)
		for _, c := range account.Claims {
			if c.Until > now {
				inTime++
				if need.From > p.From-edgeDays*uptally.DayMillis {
					rt.Errorf("got %+v at %d, want the period %v with a claim until %d kept", need, now, p, c.Until)
				}
			}
		}
	})
	if inTime == 0 {
		t.Error("got no claim that was in time")
	}
}
