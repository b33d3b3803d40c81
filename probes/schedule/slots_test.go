package schedule

import (
	"testing"

	"github.com/uptally/uptally"
)

// every returns a plan that can be scheduled, at sites a, b and c from 1970 on.
func every(check string, interval int64) uptally.Plan {
	return uptally.Plan{Check: check, Sites: []string{"a", "b", "c"}, Every: interval, Timeout: max(1, interval/4), Quorum: 2,
		Confirm: 1, Recover: 1, Gap: 2 * interval, Kind: "tcp", Target: "192.0.2.1:443"}
}

func byCron(check, expr string) uptally.Plan {
	p := every(check, 60_000)
	p.Every, p.Cron = 0, expr
	return p
}

func slotsOf(t testing.TB, p uptally.Plan, site string) Slots {
	t.Helper()
	s, err := NewSlots(p, site)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// The ID of "portal" mod 31,000 is 24,912 ms. b, the second of three sites, adds 31,000/3 = 10,333 ms and comes round to
// 4,245; c adds 20,666 and comes round to 14,578.
func TestGridIsAnchoredAndStaggered(t *testing.T) {
	for site, phase := range map[string]int64{"a": 24_912, "b": 4_245, "c": 14_578} {
		p := every("portal", 31_000)
		p.From = -62_000
		s := slotsOf(t, p, site)
		for _, c := range []struct{ after, want int64 }{
			{phase - 31_001, phase - 31_000}, {phase - 31_000, phase}, {0, phase}, {phase - 1, phase}, {phase, phase + 31_000},
			{phase + 57_000_000*31_000 - 1, phase + 57_000_000*31_000},
		} {
			if got := s.Next(c.after); got != c.want {
				t.Errorf("site %s after %d: got %d, want %d", site, c.after, got, c.want)
			}
		}
	}
}

func TestSlotsBeginWithThePlan(t *testing.T) {
	p := every("portal", 31_000)
	p.From = 24_912 + 31_000
	s := slotsOf(t, p, "a")
	if got := s.Next(0); got != p.From {
		t.Errorf("got %d, want the slot on From itself, %d", got, p.From)
	}
}

func TestSlotsOfAnotherSiteNeverCome(t *testing.T) {
	s := slotsOf(t, every("portal", 31_000), "elsewhere")
	if got := s.Next(0); got != Never {
		t.Errorf("got %d, want Never", got)
	}
}

// A cron check keeps its minute at every site; the spread is part of the scheduled instant.
func TestCronSlotsKeepTheirMinuteAndSpread(t *testing.T) {
	p := byCron("portal", "*/5 * * * *")
	p.Spread = 2_000
	for _, site := range p.Sites {
		s := slotsOf(t, p, site)
		at := s.Next(ms(t, "2026-11-22T10:00:01.999Z"))
		if got := utc(at); got != "2026-11-22T10:00:02Z" {
			t.Errorf("site %s: got %s, want 10:00:02", site, got)
		}
		if got := utc(s.Next(at)); got != "2026-11-22T10:05:02Z" {
			t.Errorf("site %s: got %s, want 10:05:02", site, got)
		}
	}
}

func TestNewSlotsNamesEveryProblem(t *testing.T) {
	p := every("portal", 1_000)
	p.Timeout, p.Quorum = 1_000, 4
	_, err := NewSlots(p, "a")
	want := `schedule check "portal": timeout_ms: got "1000", want more than 0 and less than the interval; ` +
		`quorum: got "4", want 1 to 3, the number of sites`
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	_, err = NewSlots(byCron("portal", "0 0 31 2 *"), "a")
	want = `schedule check "portal": cron: got "0 0 31 2 *", want five cron fields in UTC, such as */5 * * * *: this date never comes`
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}
