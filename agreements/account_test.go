package agreements

import (
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/uptally/uptally"
	"pgregory.net/rapid"
)

// cell is the grain of a drawn world: ten minutes.
const cell = int64(10 * uptally.Minute)

// world is a random agreement and history around a clock change, all on the grid of cells counted from origin.
type world struct {
	agreement *Agreement
	period    Interval
	tracks    Tracks
	entries   []Recorded
	from, to  int64 // of the history, beyond the period at both ends
}

func drawWorld(t *rapid.T, z *time.Location) world {
	change := rapid.SampledFrom([]string{"2026-03-29T00:00:00+01:00", "2026-10-25T00:00:00+02:00"}).Draw(t, "around")
	origin := ms(change)
	w := world{agreement: agreement(z), from: origin - 300*cell, to: origin + 700*cell}
	w.period.From = origin + rapid.Int64Range(-150, 0).Draw(t, "period from")*cell
	w.period.To = w.period.From + rapid.Int64Range(1, 500).Draw(t, "period length")*cell
	v := &w.agreement.Versions[0]
	if rapid.Bool().Draw(t, "weekly") {
		v.Window = drawCalendarBesideTheChange(t)
	}
	v.Exclusions = ExclusionTerms{Causes: []string{"customer"}, Keep: rapid.Bool().Draw(t, "keep causes")}
	v.Maintenance = Maintenance{
		Notice: 24 * uptally.Hour, Keep: rapid.Bool().Draw(t, "keep planned"),
		Cap: uptally.Duration(rapid.Int64Range(-1, 60).Draw(t, "cap") * cell),
	}
	v.Outage = OutageTerms{
		Minimum: uptally.Duration(rapid.Int64Range(0, 6).Draw(t, "minimum") * cell), LongerThan: rapid.Bool().Draw(t, "longer than"),
		OfPart: rapid.Bool().Draw(t, "of part"), Merge: uptally.Duration(rapid.Int64Range(0, 5).Draw(t, "merge") * cell),
	}
	v.Unknown = rapid.SampledFrom([]UnknownTerm{UnknownExclude, UnknownUp, UnknownDown}).Draw(t, "unknown")
	w.tracks = w.drawTracks(t)
	for id := range rapid.Int64Range(0, 8).Draw(t, "entries") {
		w.entries = append(w.entries, w.drawEntry(t, id+1))
	}
	return w
}

// drawCalendarBesideTheChange has no end between 2 and 3, so that a cell's own clock says whether it is open.
func drawCalendarBesideTheChange(t *rapid.T) Calendar {
	c := Calendar{Name: "drawn"}
	ends := []float64{0, 1, 4, 6.5, 9, 12, 13.5, 18, 24}
	for d := range c.Weekly {
		for range rapid.IntRange(0, 2).Draw(t, "spans") {
			i := rapid.IntRange(0, len(ends)-2).Draw(t, "opens")
			c.Weekly[d] = append(c.Weekly[d], hours(ends[i], ends[rapid.IntRange(i+1, len(ends)-1).Draw(t, "closes")]))
		}
	}
	return c
}

func (w world) drawSet(t *rapid.T, label string, most int) Set {
	var is []Interval
	for range rapid.IntRange(0, most).Draw(t, label) {
		from := rapid.Int64Range(w.from/cell, w.to/cell-1).Draw(t, "from") * cell
		is = append(is, Interval{from, min(w.to, from+rapid.Int64Range(1, 30).Draw(t, "length")*cell)})
	}
	return NewSet(is...)
}

func (w world) drawTracks(t *rapid.T) Tracks {
	certain := w.drawSet(t, "certain", 12)
	point := Union(certain, w.drawSet(t, "point", 6))
	unknown := w.drawSet(t, "unknown", 4)
	if rapid.Bool().Draw(t, "log ends") {
		unknown = Union(unknown, Set{{w.to - 450*cell, Forever}})
	}
	unknown = unknown.Subtract(certain)
	return Tracks{Certain: certain, Point: point, Possible: Union(point, unknown, w.drawSet(t, "possible", 6)), Unknown: unknown}
}

func (w world) drawEntry(t *rapid.T, id int64) Recorded {
	from := rapid.Int64Range(w.from/cell, w.to/cell-1).Draw(t, "entry from") * cell
	r := Recorded{
		uptally.Entry{ID: id, Kind: rapid.SampledFrom([]string{KindMaintenance, KindExclusion, KindCause}).Draw(t, "kind")},
		EntryText{From: from, To: from + rapid.Int64Range(1, 60).Draw(t, "entry length")*cell},
	}
	r.RecordedAt = from - rapid.SampledFrom([]int64{24, 23, -5}).Draw(t, "notice")*hourMS
	if r.Kind != KindMaintenance {
		r.Cause = rapid.SampledFrom([]string{"customer", "weather"}).Draw(t, "cause")
	}
	return r
}

func (w world) account(t *rapid.T) Account {
	as, err := Compute(Input{Agreement: w.agreement, Period: w.period, Services: map[string]Tracks{"s": w.tracks}, Entries: w.entries})
	if err != nil {
		t.Fatal(err)
	}
	return as[0]
}

// The printed formula, evaluated with the printed spans, gives the printed figure.
func TestFigureFollowsFromItsSpans(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := drawWorld(t, time.UTC).account(t)
		one := big.NewRat(1, 1)
		formula := func(down, denominator int64) *big.Rat { return new(big.Rat).Sub(one, big.NewRat(down, denominator)) }
		if a.Denominator > 0 && (a.Availability.High.Cmp(formula(a.Certain.Millis(), a.Denominator)) != 0 || a.Availability.Low.Cmp(formula(a.Possible.Millis(), a.Denominator)) != 0) {
			t.Errorf("bounds %v", a.Availability)
		}
		if left := a.Denominator - a.LeftOut; left > 0 && a.Availability.Point.Cmp(formula(a.Point.Millis(), left)) != 0 {
			t.Errorf("point %v", a.Availability.Point)
		}
	})
}

// The order of entries and of rows in the ladder never matters.
func TestOrderOfInputDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t, time.UTC)
		first := w.account(t)
		w.entries = rapid.Permutation(w.entries).Draw(t, "entries")
		w.agreement.Versions[0].Ladder = rapid.Permutation(w.agreement.Versions[0].Ladder).Draw(t, "ladder")
		again := w.account(t)
		if !slices.Equal(first.Pieces, again.Pieces) || !slices.Equal(first.Applied, again.Applied) || !slices.Equal(first.Rules, again.Rules) ||
			first.Credit.Max.Minor != again.Credit.Max.Minor || first.Credit.Proven.Tier != again.Credit.Proven.Tier {
			t.Errorf("got %+v\nthen %+v", first, again)
		}
	})
}
