package agreements

import (
	"math/big"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/uptally/uptally"
)

// hit is an entry of the kind affected about every service.
func hit(id int64, at Interval, users int64, share string) Recorded {
	return Recorded{uptally.Entry{ID: id, Kind: KindAffected}, EntryText{From: at.From, To: at.To, Users: users, Share: share}}
}

func TestDowntimeWeighedByUsers(t *testing.T) {
	first, second := at("2026-06-04T09:00:00Z", uptally.Hour), at("2026-06-18T09:00:00Z", 30*uptally.Minute)
	down := map[string]Tracks{"s": exact(first, second)}
	for _, c := range []struct {
		name         string
		weighing     Weighing
		entries      []Recorded
		lost         string // milliseconds
		availability string
	}{
		// (60 × 50 + 30 × 200)/200 = 45 min of 43,200
		{"50 of 200 for an hour, all for half", Weighing{Users: 200}, []Recorded{hit(1, first, 50, ""), hit(2, second, 200, "")}, "2700000", "959/960"},
		{"an outage without an entry hit everybody", Weighing{Users: 200}, []Recorded{hit(1, first, 50, "")}, "2700000", "959/960"},
		{"entries about time that was not down move nothing", Weighing{Users: 200}, []Recorded{hit(1, first, 50, ""), hit(3, at("2026-06-20T00:00:00Z", uptally.Hour), 200, "")}, "2700000", "959/960"},
		// 60 × 25 % + 30 = 45
		{"shares", Weighing{Affected: true}, []Recorded{hit(1, first, 0, "25%")}, "2700000", "959/960"},
		// 60 × (150 + 100, at most 200)/200 + 30 × 1/4 = 67.5 min
		{"overlapping incidents add up, at most to all", Weighing{Users: 200}, []Recorded{hit(1, first, 150, ""), hit(2, first, 100, ""), hit(3, second, 0, "25%")}, "4050000", "639/640"},
		// 20 min 50 + 20 min 150 + 20 min 100 of 200 = 30 min, and 30
		{"in part", Weighing{Users: 200}, []Recorded{hit(1, at("2026-06-04T09:00:00Z", 40*uptally.Minute), 50, ""), hit(2, at("2026-06-04T09:20:00Z", 40*uptally.Minute), 100, "")}, "3600000", "719/720"},
		// 60 × 1/3 + 30 = 50 min; the third has no end in decimals, the availability is exact
		{"a third", Weighing{Users: 3}, []Recorded{hit(1, first, 1, "")}, "3000000", "863/864"},
		{"nothing is weighed unless the version says so", Weighing{}, []Recorded{hit(1, first, 50, "")}, "5400000", "479/480"},
	} {
		a := agreement(time.UTC)
		a.Versions[0].Weighing = c.weighing
		got := compute(t, a, period(t, "2026-06", time.UTC), down, c.entries...)
		if f := got.Figure.Point; f.Lost.RatString() != c.lost || got.Availability.Point.String() != c.availability {
			t.Errorf("%s: got %s ms lost, %v; want %s, %s", c.name, f.Lost.RatString(), got.Availability.Point, c.lost, c.availability)
		}
		if got.Point.Millis() != 90*60_000 {
			t.Errorf("%s: the classes have %d ms down, want all 90 minutes", c.name, got.Point.Millis())
		}
	}
}

func TestUsersCannotBeWeighedByShareAlone(t *testing.T) {
	a := agreement(time.UTC)
	a.Versions[0].Affected = true
	_, err := Compute(Input{Agreement: a, Period: Interval{0, hourMS}, Services: map[string]Tracks{"s": {}}, Entries: []Recorded{hit(7, Interval{0, 1000}, 50, "")}})
	const want = `compute account of "acme-portal": weigh entry 7: got 50 users and weigh_affected, want a share, or users in the version`
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

// Whatever shares are recorded and whatever is unknown, the point figure lies between its bounds, and a weighed length
// is the sum over its milliseconds.
func TestWeighedBoundsStayInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tr, _ := drawTracks(t)
		var entries []Recorded
		for i := range rapid.IntRange(0, 4).Draw(t, "entries") {
			from := rapid.Int64Range(0, 39).Draw(t, "from")
			entries = append(entries, hit(int64(i+1), Interval{from, from + rapid.Int64Range(1, 20).Draw(t, "length")}, rapid.Int64Range(0, 9).Draw(t, "users"), ""))
		}
		a := agreement(time.UTC)
		a.Versions[0].Users = 10
		accounts, err := Compute(Input{Agreement: a, Period: Interval{0, 40}, Services: map[string]Tracks{"s": tr}, Entries: entries})
		if err != nil {
			t.Fatal(err)
		}
		got := accounts[0]
		checkAccount(t, got)
		sum := new(big.Rat)
		for at := int64(0); at < 40; at++ {
			hits, some := int64(0), false
			for _, e := range entries {
				if e.From <= at && at < e.To {
					hits, some = min(10, hits+e.Users), true
				}
			}
			if !some {
				hits = 10
			}
			if got.Point.Contains(at) {
				sum.Add(sum, big.NewRat(hits, 10))
			}
		}
		if got.Figure.Point.Lost.Cmp(sum) != 0 {
			t.Fatalf("got %v lost, want %v", got.Figure.Point.Lost, sum)
		}
	})
}
