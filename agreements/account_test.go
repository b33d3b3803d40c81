package agreements

import (
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/uptally/uptally"
	"pgregory.net/rapid"
)

// cell is the grain of the second evaluator: ten minutes.
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

// cells is one bit a cell from world.from to world.to.
type cells []bool

func (w world) cells(f func(at int64) bool) cells {
	var cs cells
	for at := w.from; at < w.to; at += cell {
		cs = append(cs, f(at))
	}
	return cs
}

func (cs cells) millis() int64 {
	var n int64
	for _, c := range cs {
		if c {
			n += cell
		}
	}
	return n
}

// minus and and work cell by cell.
func (cs cells) minus(o cells) cells {
	r := slices.Clone(cs)
	for i := range r {
		r[i] = r[i] && !o[i]
	}
	return r
}

func (cs cells) and(o cells) cells {
	r := slices.Clone(cs)
	for i := range r {
		r[i] = r[i] && o[i]
	}
	return r
}

// countCells is the second evaluator: the rules once more, cell by cell, with a wall clock for the window.
func (w world) countCells(z *time.Location) (classes [ClassUnknown + 1]int64, certain, point, possible, unknown, leftOut int64) {
	v := w.agreement.Versions[0]
	open := w.cells(func(at int64) bool { return w.period.From <= at && at < w.period.To && opensAt(v.Window, z, at) })
	covered := func(kind string) cells {
		return w.cells(func(at int64) bool {
			return slices.ContainsFunc(w.entries, func(r Recorded) bool {
				ok := r.Cause == "customer"
				if kind == KindMaintenance {
					ok = r.From-r.RecordedAt >= 24*hourMS
				}
				return r.Kind == kind && ok && r.From <= at && at < r.To
			})
		})
	}
	planned, causes := covered(KindMaintenance).and(open), covered(KindExclusion)
	if left := int64(v.Maintenance.Cap); left >= 0 {
		for i := range planned {
			if planned[i] {
				planned[i] = left > 0
				left -= cell
			}
		}
	}
	eligible := open.minus(planned).minus(causes)
	judge := func(s Set) cells {
		endless := s.Contains(w.to) && !slices.ContainsFunc(w.entries, func(r Recorded) bool { return r.Kind == KindExclusion && r.Cause == "customer" && r.To > w.to })
		return judgeCells(w.cells(s.Contains).minus(causes), eligible, v.Outage, endless)
	}
	c, p, q := judge(w.tracks.Certain), judge(w.tracks.Point), judge(w.tracks.Possible)
	u := w.cells(w.tracks.Unknown.Contains).and(eligible)
	undecided := u.and(q).minus(p)
	switch v.Unknown {
	case UnknownExclude:
		leftOut = undecided.millis()
	case UnknownDown:
		for i := range p {
			p[i] = p[i] || undecided[i]
		}
	}
	classes[ClassDown], classes[ClassUnknown] = p.millis(), u.minus(p).millis()
	classes[ClassUp] = eligible.minus(p).minus(u).millis()
	classes[ClassExcluded] = open.minus(eligible).millis()
	classes[ClassOutside] = w.period.Len() - open.millis()
	return classes, c.millis(), p.millis(), q.millis(), u.millis(), leftOut
}

func opensAt(c Calendar, z *time.Location, at int64) bool {
	local := time.UnixMilli(at).In(z)
	clock := uptally.Duration(local.Hour())*uptally.Hour + uptally.Duration(local.Minute())*uptally.Minute
	return c.Always || slices.ContainsFunc(c.Weekly[local.Weekday()], func(s ClockSpan) bool { return s.From <= clock && clock < s.To })
}

// judgeCells fills short gaps, then drops short runs; a run that reaches the end of an endless history passes.
func judgeCells(down, eligible cells, o OutageTerms, endless bool) cells {
	down = slices.Clone(down)
	last := -1
	for i := range down {
		if !down[i] {
			continue
		}
		if last >= 0 && int64(i-last-1)*cell < int64(o.Merge) {
			for k := last; k < i; k++ {
				down[k] = true
			}
		}
		last = i
	}
	for i := 0; i < len(down); i++ {
		end := i
		for end < len(down) && down[end] {
			end++
		}
		length := int64(end-i) * cell
		if o.OfPart {
			length = eligible[i:end].millis()
		}
		short := length < int64(o.Minimum) || o.LongerThan && length == int64(o.Minimum)
		if short && !(endless && end == len(down)) {
			clear(down[i:end])
		}
		i = end
	}
	return down.and(eligible)
}

// Random windows × maintenance × causes × outages around both clock changes: every class as the cells say it, none
// negative, the sum exact.
func TestTwoEvaluatorsAgree(t *testing.T) {
	berlin := zone(t, "Europe/Berlin")
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t, berlin)
		got := w.account(t)
		checkAccount(t, got)
		classes, certain, point, possible, unknown, leftOut := w.countCells(berlin)
		if got.ByClass != classes {
			t.Errorf("classes %v, want %v", got.ByClass, classes)
		}
		have := [...]int64{got.Certain.Millis(), got.Point.Millis(), got.Possible.Millis(), got.Unknown, got.LeftOut}
		if want := [...]int64{certain, point, possible, unknown, leftOut}; have != want {
			t.Errorf("certain, point, possible, unknown, left out %v, want %v", have, want)
		}
	})
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

// Excusing one of two services never takes time from the base and never adds downtime.
func TestExcusingAMemberNeverLowersTheGroup(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t, time.UTC)
		w.agreement.Versions[0].Services = []string{"s", "other"}
		w.agreement.Versions[0].Maintenance.Cap = noCap
		services := map[string]Tracks{"s": w.tracks, "other": w.drawTracks(t)}
		run := func(entries []Recorded) Account {
			as, err := Compute(Input{Agreement: w.agreement, Period: w.period, Services: services, Entries: entries})
			if err != nil {
				t.Fatal(err)
			}
			checkAccount(t, as[0])
			return as[0]
		}
		before := run(w.entries)
		one := w.drawEntry(t, 99)
		one.Kind, one.Services, one.RecordedAt = KindMaintenance, []string{"other"}, one.From-24*hourMS
		after := run(append(slices.Clone(w.entries), one))
		if after.Eligible != before.Eligible {
			t.Errorf("eligible %d, was %d", after.Eligible, before.Eligible)
		}
		if !after.Certain.Within(before.Certain) || !after.Possible.Within(before.Possible) {
			t.Errorf("downtime grew: %v was %v, %v was %v", after.Certain, before.Certain, after.Possible, before.Possible)
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
