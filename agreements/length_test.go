package agreements

import (
	"math/big"
	"testing"
	"time"

	"github.com/uptally/uptally"
	"pgregory.net/rapid"
)

// The four readings of "one or more consecutive minutes" over 89, 150, 59 and 300 s of 3 June 2026.
func TestPartialMinutes(t *testing.T) {
	june := map[string]Tracks{"s": exact(
		at("2026-06-03T10:00:30Z", 89*uptally.Second), at("2026-06-03T11:00:30Z", 150*uptally.Second),
		at("2026-06-03T12:00:00Z", 59*uptally.Second), at("2026-06-03T13:00:00Z", 300*uptally.Second))}
	for _, c := range []struct {
		name   string
		length LengthTerms
		want   int64 // seconds
	}{
		{"exact: 89 + 150 + 59 + 300", LengthTerms{}, 598},
		{"each down: 60 + 120 + 0 + 300", LengthTerms{Unit: uptally.Minute}, 480},
		{"each up: 120 + 180 + 60 + 300", LengthTerms{Unit: uptally.Minute, Up: true}, 660},
		{"sum down: 598 → 540", LengthTerms{Unit: uptally.Minute, Sum: true}, 540},
		{"sum up: 598 → 600", LengthTerms{Unit: uptally.Minute, Sum: true, Up: true}, 600},
		{"full clock minutes: none of 10:00:30 to 10:01:59, 11:01 and 11:02, none, 13:00 to 13:04", LengthTerms{Unit: uptally.Minute, Slots: true}, 420},
		{"touched clock minutes: 2 + 3 + 1 + 5", LengthTerms{Unit: uptally.Minute, Slots: true, Up: true}, 660},
	} {
		a := agreement(time.UTC)
		a.Versions[0].Length = c.length
		got := compute(t, a, period(t, "2026-06", time.UTC), june)
		if lost := got.Figure.Point.Lost; lost.Cmp(big.NewRat(c.want*1000, 1)) != 0 {
			t.Errorf("%s: got %v ms, want %d s", c.name, lost, c.want)
		}
		if got.ByClass[ClassDown] != 598_000 {
			t.Errorf("%s: the class is rounded too: %d", c.name, got.ByClass[ClassDown])
		}
	}
}

func TestSlotsOfTheLocalClock(t *testing.T) {
	hour := LengthTerms{Unit: uptally.Hour, Slots: true, Up: true}
	for _, c := range []struct {
		name, zone string
		down       Set
		want       uptally.Duration
	}{
		{"two outages in one slot", "UTC", NewSet(at("2026-06-01T10:05:00Z", uptally.Minute), at("2026-06-01T10:50:00Z", uptally.Minute)), uptally.Hour},
		{"Kathmandu's hours begin at a quarter past", "Asia/Kathmandu", NewSet(at("2026-06-01T10:00:00Z", 30*uptally.Minute)), 2 * uptally.Hour},
		{"from 01:30 over the missing hour to 03:30 in Berlin", "Europe/Berlin", NewSet(at("2026-03-29T00:30:00Z", uptally.Hour)), 2 * uptally.Hour},
		{"both passes of 02:30 in Berlin", "Europe/Berlin", NewSet(at("2026-10-25T00:30:00Z", uptally.Minute), at("2026-10-25T01:30:00Z", uptally.Minute)), 2 * uptally.Hour},
		// The clock of Lord Howe is put on by half an hour at 02:00: its slot from 02:30 has half an hour.
		{"half an hour in Lord Howe", "Australia/Lord_Howe", NewSet(at("2026-10-03T15:35:00Z", uptally.Minute)), 30 * uptally.Minute},
	} {
		if got := uptally.Duration(hour.Of(c.down, zone(t, c.zone))); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}

// Two pieces of a second are two minutes, and the one outage that joins them is one: there the bounds are the least and the
// greatest of the three figures.
func TestRoundingEachOutageUp(t *testing.T) {
	a := agreement(time.UTC)
	a.Versions[0].Length = LengthTerms{Unit: uptally.Minute, Up: true}
	from := ms("2026-06-01T00:00:00Z")
	certain := NewSet(Interval{from, from + 1000}, Interval{from + 5000, from + 6000})
	possible := NewSet(Interval{from, from + 6000})
	got := compute(t, a, period(t, "2026-06", time.UTC), map[string]Tracks{"s": {Certain: certain, Point: certain, Possible: possible}})
	// 30 days are 43,200 minutes
	if b := got.Availability; !got.Extremes || b.Low.RatString() != "21599/21600" || b.Point.RatString() != "21599/21600" || b.High.RatString() != "43199/43200" {
		t.Errorf("got %v %v %v, extremes %v", b.Low, b.Point, b.High, got.Extremes)
	}
}

// Ten seconds down and twenty unknown in one minute touch the same slot: the likely figure divides the same minute by less
// than the low bound does, and is the least of the three.
func TestTouchedSlotBesideTheUnknown(t *testing.T) {
	a := agreement(time.UTC)
	a.Versions[0].Length = LengthTerms{Unit: uptally.Minute, Slots: true, Up: true}
	from := ms("2026-06-01T00:00:00Z")
	down, unknown := NewSet(Interval{from, from + 10_000}), NewSet(Interval{from + 10_000, from + 30_000})
	got := compute(t, a, period(t, "2026-06", time.UTC), map[string]Tracks{"s": {Certain: down, Point: down, Possible: Union(down, unknown), Unknown: unknown}})
	// 1 − 60/2,591,980 and 1 − 60/2,592,000
	if b := got.Availability; b.Low.RatString() != "129596/129599" || b.Point != b.Low || b.High.RatString() != "43199/43200" {
		t.Errorf("got %v %v %v", b.Low, b.Point, b.High)
	}
}

func TestJudging(t *testing.T) {
	for _, c := range []struct {
		figure string
		judge  JudgeTerms
		want   string
	}{
		{"959/960", JudgeTerms{}, "959/960"},                                   // 99.8958…
		{"959/960", JudgeTerms{2, RoundHalfUp}, "999/1000"},                    // 99.90
		{"959/960", JudgeTerms{2, RoundDown}, "9989/10000"},                    // 99.89
		{"998950/1000000", JudgeTerms{2, RoundHalfUp}, "999/1000"},             // 99.895: half, up
		{"998950/1000000", JudgeTerms{2, RoundHalfEven}, "999/1000"},           // 99.895: 99.90 is even
		{"998850/1000000", JudgeTerms{2, RoundHalfEven}, "2497/2500"},          // 99.885: 99.88 is even
		{"998850/1000000", JudgeTerms{2, RoundHalfUp}, "9989/10000"},           // 99.885: half, up
		{"9988500001/10000000000", JudgeTerms{2, RoundHalfEven}, "9989/10000"}, // more than half
		{"999999/1000000", JudgeTerms{0, RoundHalfUp}, "1"},
	} {
		r, _ := new(big.Rat).SetString(c.figure)
		if got := c.judge.Of(r).RatString(); got != c.want {
			t.Errorf("%s judged by %v: got %s, want %s", c.figure, c.judge, got, c.want)
		}
	}
	// 960 h less an hour is 99.8958 %: the target of 99.9 % is met after rounding, missed before it.
	for judge, credit := range map[JudgeTerms]int64{{}: 10000, {2, RoundHalfUp}: 0, {2, RoundDown}: 10000} {
		a := agreement(time.UTC)
		a.Versions[0].Judge = judge
		from := ms("2026-06-01T00:00:00Z")
		got := compute(t, a, Interval{from, from + 960*hourMS}, map[string]Tracks{"s": exact(Interval{from, from + hourMS})})
		if got.Credit.Charged.Minor != credit {
			t.Errorf("judged by %v: got %d, want %d", judge, got.Credit.Charged.Minor, credit)
		}
	}
}

// The least figure that still meets a share meets it, and the next smaller one does not (half to even: it does where the
// half goes up).
func TestLeastOfAJudgement(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		j := JudgeTerms{rapid.IntRange(0, 4).Draw(t, "places"), Rounding(rapid.IntRange(1, 3).Draw(t, "round"))}
		p := big.NewRat(rapid.Int64Range(1, 100_000).Draw(t, "share"), 100_000)
		tiny := big.NewRat(1, 1_000_000_000)
		least := j.Least(p)
		if above := new(big.Rat).Add(least, tiny); j.Of(above).Cmp(p) < 0 {
			t.Errorf("%v judged is %v, want at least %v", above, j.Of(above), p)
		}
		if under := new(big.Rat).Sub(least, tiny); j.Of(under).Cmp(p) >= 0 {
			t.Errorf("%v judged is %v, want less than %v", under, j.Of(under), p)
		}
	})
}

// More than 720 h down of a fixed 720 h is no availability below zero.
func TestFixedDenominator(t *testing.T) {
	a := agreement(time.UTC)
	a.Versions[0].Denominator = 720 * uptally.Hour
	for text, want := range map[string]string{"2026-02": "1/15", "2026-07": "0"} {
		p := period(t, text, time.UTC)
		// February: 672 h down of 720; July: 744
		if got := compute(t, a, p, map[string]Tracks{"s": exact(p)}); got.Availability.Point.RatString() != want || got.Denominator != 720*hourMS {
			t.Errorf("%s: got %v of %d h, want %s", text, got.Availability.Point, got.Denominator/hourMS, want)
		}
	}
}
