package agreements

import (
	"math/big"
	"testing"
	"time"

	"github.com/uptally/uptally"
)

// Maintenance 02:00–04:00, outage 03:30–05:00 in July 2026, of 2,678,400 s: four readings of the same facts.
func TestMaintenanceOverlapsOutage(t *testing.T) {
	for _, c := range []struct {
		name string
		m    Maintenance
		want *big.Rat
	}{
		{"subtract: 1 − 3,600/2,671,200", Maintenance{Cap: noCap}, big.NewRat(741, 742)},
		{"keep: 1 − 3,600/2,678,400", Maintenance{Cap: noCap, Keep: true}, big.NewRat(743, 744)},
		{"add_back: B = 5,400, C = 1,800", Maintenance{Cap: noCap, Keep: true, AddBack: AddBackDown}, big.NewRat(743, 744)},
		{"add_back_all: B = 5,400, C = 7,200, cut off", Maintenance{Cap: noCap, Keep: true, AddBack: AddBackAll}, big.NewRat(1, 1)},
	} {
		a := agreement(time.UTC)
		a.Versions[0].Maintenance = c.m
		got := compute(t, a, period(t, "2026-07", time.UTC), map[string]Tracks{"s": exact(at("2026-07-19T03:30:00Z", 90*uptally.Minute))},
			planned(1, "2026-07-19T02:00:00Z", 2*uptally.Hour, 0))
		if got.Availability.Point.Cmp(c.want) != 0 || got.Point.Millis() != hourMS || got.ByClass[ClassExcluded] != 2*hourMS {
			t.Errorf("%s: got %v, %v", c.name, got.Availability.Point, got.ByClass)
		}
		if c.m.AddBack != AddBackAll {
			continue
		}
		if uncut := got.AddedBack.Uncut(got.Point.Millis(), got.Denominator); uncut.Cmp(big.NewRat(1489, 1488)) != 0 {
			t.Errorf("uncut: got %v, want 1489/1488", uncut)
		}
	}
}

// June has 2,592,000 s. Down certainly for 4 h, possibly for 6 h, of which the last hour lies in 2 h of force majeure; C
// is 2 h. Certain: B = 5 h with 1 h excluded, less 2 h = 3 h. Possible: B = 7 h with 2 h excluded, less 2 h = 5 h.
func TestExclusionsAddedBackForEachTrack(t *testing.T) {
	a := agreement(time.UTC)
	a.Versions[0].Exclusions = ExclusionTerms{Causes: []string{"force majeure"}, Keep: true, AddBack: AddBackAll}
	certain, possible := NewSet(at("2026-06-10T02:00:00Z", 5*uptally.Hour)), NewSet(at("2026-06-10T01:00:00Z", 7*uptally.Hour))
	got := compute(t, a, period(t, "2026-06", time.UTC), map[string]Tracks{"s": {Certain: certain, Point: certain, Possible: possible}},
		excluded(1, "2026-06-10T06:00:00Z", 2*uptally.Hour, "force majeure"))
	for _, c := range []struct {
		name  string
		got   *big.Rat
		hours int64
	}{{"low", got.Availability.Low, 5}, {"point", got.Availability.Point, 3}, {"high", got.Availability.High, 3}} {
		if want := big.NewRat(720-c.hours, 720); c.got.Cmp(want) != 0 {
			t.Errorf("%s: got %v, want %v", c.name, c.got, want)
		}
	}
}
