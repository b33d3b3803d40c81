package agreements

import (
	"math/big"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/uptally/uptally"
)

// sites is the contract of two-of-three-sites: three places, a fee of 900.00, rows at 99.9, 99.0 and 95.0.
func sites() (*Agreement, map[string]Tracks) {
	a := agreement(time.UTC)
	v := &a.Versions[0]
	v.Services, v.Fee = []string{"a", "b", "c"}, 90000
	return a, map[string]Tracks{
		"a": exact(at("2026-06-11T10:00:00Z", 2*uptally.Hour)),
		"b": exact(at("2026-06-11T11:00:00Z", 2*uptally.Hour)),
		"c": {},
	}
}

func TestSeveralServicesAsOne(t *testing.T) {
	for _, c := range []struct {
		name         string
		when         DownWhen
		availability string
		credit       int64
	}{
		{"two of three: 11:00 to 12:00, 1 − 1/720", DownWhen{AtLeast: 2}, "719/720", 9000},
		{"51 % of three are two", DownWhen{Share: pct("51%")}, "719/720", 9000},
		{"any: 10:00 to 13:00, 1 − 3/720", DownWhen{}, "239/240", 9000},
		{"all: never", DownWhen{All: true}, "1/1", 0},
		{"three of three are all", DownWhen{AtLeast: 3}, "1/1", 0},
		{"a third of three is one", DownWhen{Share: pct("33%")}, "239/240", 9000},
	} {
		a, services := sites()
		a.Versions[0].DownWhen = c.when
		got := compute(t, a, period(t, "2026-06", time.UTC), services)
		if got.Availability.Point.String() != c.availability || got.Credit.Charged.Minor != c.credit {
			t.Errorf("%s: got %v and %d, want %s and %d", c.name, got.Availability.Point, got.Credit.Charged.Minor, c.availability, c.credit)
		}
	}
}

func TestOneFigureOfSeveral(t *testing.T) {
	for _, c := range []struct {
		name         string
		rule         FigureRule
		weights      map[string]*big.Rat
		availability string
	}{
		{"sum: 1 − (2 + 2 + 0)/(3 × 720)", FigureSum, nil, "539/540"},
		{"mean: (359/360 + 359/360 + 1)/3", FigureMean, nil, "539/540"},
		{"worst: 1 − 2/720", FigureWorst, nil, "359/360"},
		{"weighted 2:1:1: 1 − (2×2 + 2)/(4×720)", FigureWeighted, map[string]*big.Rat{"a": big.NewRat(2, 1), "b": big.NewRat(1, 1), "c": big.NewRat(1, 1)}, "479/480"},
	} {
		a, services := sites()
		a.Versions[0].Figure, a.Versions[0].Weights = c.rule, c.weights
		got := compute(t, a, period(t, "2026-06", time.UTC), services)
		if got.Availability.Point.String() != c.availability || got.Experienced.Point.String() != c.availability {
			t.Errorf("%s: got %v, as experienced %v; want %s", c.name, got.Availability.Point, got.Experienced.Point, c.availability)
		}
		if got.Credit.Charged.Minor != 9000 || got.Point.Millis() != 3*hourMS || len(got.Figure.Parts) != 3 {
			t.Errorf("%s: credit %d, one timeline %d h, %d parts; want 9000, 3 h, 3 parts", c.name, got.Credit.Charged.Minor, got.Point.Millis()/hourMS, len(got.Figure.Parts))
		}
	}
}

// The case several-resources: db3 exists for the last ten days only (here: the first twenty are excluded for it).
func TestSeveralResources(t *testing.T) {
	june := period(t, "2026-06", time.UTC)
	services := map[string]Tracks{
		"db1": {}, "db2": exact(at("2026-06-02T00:00:00Z", 15*uptally.Minute)), "db3": exact(at("2026-06-25T00:00:00Z", 10*uptally.Minute)),
	}
	absent := Recorded{uptally.Entry{ID: 1, Kind: KindMaintenance}, EntryText{Services: []string{"db3"}, From: june.From, To: ms("2026-06-21T00:00:00Z")}}
	for _, c := range []struct {
		name         string
		rule         FigureRule
		byFee        bool
		availability string
	}{
		{"sum: 1 − 1500/(2592000 + 2592000 + 864000)", FigureSum, false, "4031/4032"},
		{"mean: 1 − (0 + 900/2592000 + 600/864000)/3", FigureMean, false, "2879/2880"},
		{"worst: 1 − 600/864000", FigureWorst, false, "1439/1440"},
		{"by fee: 1 − (200 × 900/2592000 + 200 × 600/864000)/700", FigureWeighted, true, "3359/3360"},
	} {
		a := agreement(time.UTC)
		v := &a.Versions[0]
		v.Services, v.Figure, v.WeighByFee, v.Fee = []string{"db1", "db2", "db3"}, c.rule, c.byFee, 70000
		v.FeeFor = map[string]int64{"db1": 30000, "db2": 20000, "db3": 20000}
		v.Target = pct("99.99%")
		v.Ladder = []Tier{below("99.99%", "10%"), below("99.0%", "25%"), below("95.0%", "100%")}
		got := compute(t, a, june, services, absent)
		if got.Availability.Point.String() != c.availability || got.Credit.Charged.Minor != 7000 {
			t.Errorf("%s: got %v and %d, want %s and 7000", c.name, got.Availability.Point, got.Credit.Charged.Minor, c.availability)
		}
		if f := got.Figure.Certain; c.rule == FigureSum && (f.Lost.RatString() != "1500000" || f.Of.RatString() != "6048000000") {
			t.Errorf("%s: got %v of %v ms, want 1500000 of 6048000000", c.name, f.Lost, f.Of)
		}
	}
}

// Whatever the services truly were between their bounds, the combination is between its own: certain ⊆ truth ⊆ possible.
func TestCombinationIsSound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 5).Draw(t, "services")
		k := rapid.IntRange(1, n).Draw(t, "k")
		var ts []Tracks
		var truths []Set
		for range n {
			tr, truth := drawTracks(t)
			ts, truths = append(ts, tr), append(truths, truth)
		}
		got := DownOf(k, ts...)
		if !got.Certain.Within(got.Point) || !got.Point.Within(got.Possible) || !got.Unknown.Within(got.Possible) {
			t.Fatalf("not nested: %+v", got)
		}
		for at := int64(0); at < 40; at++ {
			down := 0
			for _, truth := range truths {
				if truth.Contains(at) {
					down++
				}
			}
			if got.Certain.Contains(at) && down < k || down >= k && !got.Possible.Contains(at) {
				t.Fatalf("at %d %d of %d are down, want %d: certain %v, possible %v", at, down, n, k, got.Certain.Contains(at), got.Possible.Contains(at))
			}
		}
	})
}

// drawTracks returns nested tracks over [0, 40) and a truth between them; what is unknown is possible.
func drawTracks(t *rapid.T) (Tracks, Set) {
	set := func(name string) Set {
		var is []Interval
		for range rapid.IntRange(0, 4).Draw(t, name) {
			from := rapid.Int64Range(0, 39).Draw(t, "from")
			is = append(is, Interval{from, from + rapid.Int64Range(1, 12).Draw(t, "length")})
		}
		return NewSet(is...).Clip(Interval{0, 40})
	}
	tr := Tracks{Certain: set("certain")}
	tr.Point = Union(tr.Certain, set("point"))
	tr.Unknown = set("unknown").Subtract(tr.Certain)
	tr.Possible = Union(tr.Point, tr.Unknown, set("possible"))
	return tr, Union(tr.Certain, tr.Possible.Intersect(set("truth")))
}
