package agreements

import (
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/uptally/uptally"
)

// agreement is a small contract: 24x7, 99.9 %, a fee of 1000.00, the ladder below; tests change what they are about.
func agreement(z *time.Location) *Agreement {
	return &Agreement{
		Name: "acme-portal", Customer: "acme", Zone: z, ZoneName: z.String(), Currency: eur,
		Versions: []Version{{
			From: Date{1960, 1, 1}, Period: Month, Services: []string{"s"}, Window: Calendar{Name: "24x7", Always: true},
			Maintenance: Maintenance{Cap: noCap}, Unknown: UnknownExclude, Insufficient: pct("5%"), Target: pct("99.9%"), Fee: 100000,
			Ladder: []Tier{below("99.9%", "10%"), below("99.0%", "25%"), below("95.0%", "100%")}, Charge: ChargeProven,
		}},
	}
}

func below(share, percent string) Tier {
	return Tier{Upper: Bound{Share: pct(share), Text: share}, Percent: pct(percent)}
}

// exact is downtime that everybody agrees on.
func exact(is ...Interval) Tracks {
	s := NewSet(is...)
	return Tracks{Certain: s, Point: s, Possible: s}
}

// at is a stretch from an RFC 3339 instant.
func at(from string, length uptally.Duration) Interval {
	return Interval{ms(from), ms(from) + int64(length)}
}

// compute returns the one account of the agreement and checks what holds for every account.
func compute(t *testing.T, a *Agreement, p Interval, services map[string]Tracks, entries ...Recorded) Account {
	t.Helper()
	accounts, err := Compute(Input{Agreement: a, Period: p, Services: services, Entries: entries})
	if err != nil {
		t.Fatal(err)
	}
	if len(accounts) != 1 {
		t.Fatalf("got %d accounts, want 1", len(accounts))
	}
	checkAccount(t, accounts[0])
	return accounts[0]
}

// checkAccount holds an account against what must hold for any: every millisecond in exactly one class, nested tracks,
// ordered bounds, parts that add up.
func checkAccount(t interface {
	Helper()
	Errorf(string, ...any)
}, a Account) {
	t.Helper()
	end, sums := a.Period.From, [ClassUnknown + 1]int64{}
	for _, p := range a.Pieces {
		if p.From != end || p.Empty() {
			t.Errorf("piece %v after %d", p, end)
		}
		end = p.To
		sums[p.Class] += p.Len()
	}
	if end != a.Period.To || sums != a.ByClass {
		t.Errorf("pieces end at %d with sums %v; want %d and %v", end, sums, a.Period.To, a.ByClass)
	}
	var rules, counted int64
	for _, r := range a.Rules {
		rules += r.Millis
	}
	for _, o := range a.Outages {
		counted += o.Counted
	}
	var applied int64
	for _, p := range a.Applied {
		applied += p.Counted
	}
	if excluded := a.ByClass[ClassExcluded]; rules != excluded || applied != excluded {
		t.Errorf("rules sum to %d and applied to %d, want %d", rules, applied, excluded)
	}
	if counted != a.Point.Millis() || a.ByClass[ClassDown] != counted {
		t.Errorf("outages count %d, class down %d, point track %d", counted, a.ByClass[ClassDown], a.Point.Millis())
	}
	if !a.Certain.Within(a.Point) || !a.Point.Within(a.Possible) {
		t.Errorf("tracks are not nested: %v %v %v", a.Certain, a.Point, a.Possible)
	}
	if b := a.Availability; b.Low != nil && (b.Low.Sign() < 0 || b.Low.Cmp(b.High) > 0 || b.High.Cmp(big.NewRat(1, 1)) > 0) {
		t.Errorf("bounds %v", b)
	}
	if b := a.Availability; b.Point != nil && (b.Low.Cmp(b.Point) > 0 || b.Point.Cmp(b.High) > 0) {
		t.Errorf("point outside its bounds: %v", b)
	}
	if k := a.Credit; k.Proven.Exact.Cmp(k.Point.Exact) > 0 || k.Point.Exact.Cmp(k.Max.Exact) > 0 {
		t.Errorf("credits are not ordered: %v %v %v", k.Proven.Exact, k.Point.Exact, k.Max.Exact)
	}
}

// A millisecond that two neighbouring months share would be counted twice.
func TestOutageAcrossMonthsIsCountedOnce(t *testing.T) {
	berlin := zone(t, "Europe/Berlin")
	a := agreement(berlin)
	outage := map[string]Tracks{"s": exact(Interval{ms("2026-09-30T23:59:59.999+02:00"), ms("2026-11-01T00:00:00.001+01:00")})}
	var total int64
	for _, text := range []string{"2026-09", "2026-10", "2026-11"} {
		total += compute(t, a, period(t, text, berlin), outage).ByClass[ClassDown]
	}
	if want := 745*hourMS + 2; total != want {
		t.Errorf("got %d ms, want %d", total, want)
	}
}

func TestNothingEligible(t *testing.T) {
	p := Interval{0, 300_000}
	entry := func(id, from, to int64) Recorded {
		return Recorded{uptally.Entry{ID: id, Kind: KindMaintenance}, EntryText{From: from, To: to}}
	}
	got := compute(t, agreement(time.UTC), p, map[string]Tracks{"s": exact(p)}, entry(1, -10_000, 180_000), entry(2, 120_000, 300_000))
	if got.Eligible != 0 || got.Availability != (Bounds{}) || got.Credit.Max.Minor != 0 || !got.Credit.Determined || got.Insufficient {
		t.Errorf("got %+v", got)
	}
	if why := got.Outages[0].Why; why != "5m maintenance" {
		t.Errorf("why %q", why)
	}
	if why := got.Applied[1].Why; why != "1m already excluded" {
		t.Errorf("why %q", why)
	}
}

func TestUnknownTerms(t *testing.T) {
	// 100 s: 10 s down, 20 s unknown inside the possible track, 5 s unknown that is no outage by the minimum of 8 s
	tracks := Tracks{
		Certain: Set{{10_000, 20_000}}, Point: Set{{10_000, 20_000}}, Possible: Set{{10_000, 20_000}, {40_000, 60_000}, {80_000, 85_000}},
		Unknown: Set{{40_000, 60_000}, {80_000, 85_000}},
	}
	for _, c := range []struct {
		term             UnknownTerm
		point            string
		leftOut          int64
		down, up, nobody int64
	}{
		{UnknownExclude, "7/8", 20_000, 10_000, 65_000, 25_000}, // 1 − 10/(100 − 20)
		{UnknownUp, "9/10", 0, 10_000, 65_000, 25_000},          // 1 − 10/100
		{UnknownDown, "7/10", 0, 30_000, 65_000, 5_000},         // 1 − (10 + 20)/100
	} {
		a := agreement(time.UTC)
		a.Versions[0].Unknown, a.Versions[0].Outage.Minimum = c.term, 8*uptally.Second
		got := compute(t, a, Interval{0, 100_000}, map[string]Tracks{"s": tracks})
		if got.Availability.Point.String() != c.point || got.LeftOut != c.leftOut || got.Unknown != 25_000 {
			t.Errorf("term %d: point %v, left out %d, unknown %d", c.term, got.Availability.Point, got.LeftOut, got.Unknown)
		}
		if want := [...]int64{ClassUp: c.up, ClassDown: c.down, ClassUnknown: c.nobody}; got.ByClass != want {
			t.Errorf("term %d: classes %v, want %v", c.term, got.ByClass, want)
		}
		if got.Availability.Low.String() != "7/10" || got.Availability.High.String() != "9/10" {
			t.Errorf("term %d: bounds %v; the term moves the point figure only", c.term, got.Availability)
		}
	}
}

// A bridged hole of 20 s in an outage of 50 s that is too short, inside 80 s that are possible: what was measured does
// not count, what is unknown does, where unknown counts as down; no second twice.
func TestUnknownAsDownInADroppedOutage(t *testing.T) {
	a := agreement(time.UTC)
	a.Versions[0].Unknown, a.Versions[0].Outage.Minimum = UnknownDown, uptally.Minute
	got := compute(t, a, Interval{0, 1000_000}, map[string]Tracks{"s": {Point: Set{{0, 50_000}}, Possible: Set{{0, 80_000}}, Unknown: Set{{20_000, 40_000}}}})
	if len(got.Outages) != 2 || got.Outages[0].Counted != 0 || got.Outages[1].Counted != 20_000 {
		t.Errorf("got %+v", got.Outages)
	}
	if why := got.Outages[1].Why; why != "nothing is known; the agreement counts unknown as down" {
		t.Errorf("why %q", why)
	}
}

// Nothing is known from 20 s before the period's end on: the part inside is shorter than the minimum, the stretch is not.
func TestUnknownWithoutEndPassesAMinimumOfThePart(t *testing.T) {
	a := agreement(time.UTC)
	a.Versions[0].Outage = OutageTerms{Minimum: uptally.Minute, OfPart: true}
	s := Set{{980_000, Forever}}
	if got := compute(t, a, Interval{0, 1000_000}, map[string]Tracks{"s": {Possible: s, Unknown: s}}); got.LeftOut != 20_000 {
		t.Errorf("left out %d ms, want 20000", got.LeftOut)
	}
}

func TestInsufficientIsMoreThanTheShare(t *testing.T) {
	for unknown, want := range map[int64]bool{5000: false, 5001: true} {
		s := Set{{0, unknown}}
		got := compute(t, agreement(time.UTC), Interval{0, 100_000}, map[string]Tracks{"s": {Possible: s, Unknown: s}})
		if got.Insufficient != want {
			t.Errorf("%d ms of 100 s unknown: insufficient %v", unknown, got.Insufficient)
		}
	}
}

func TestLengthOfAnOutage(t *testing.T) {
	whole := OutageTerms{Minimum: 60 * uptally.Second}
	for _, c := range []struct {
		name  string
		terms OutageTerms
		down  []Interval // in seconds
		want  int64
		why   string
	}{
		{"exactly the minimum counts", whole, []Interval{{100, 160}}, 60, ""},
		{"a second less does not", whole, []Interval{{100, 159}}, 0, "59s in an outage shorter than 1m"},
		{"longer than: exactly does not", OutageTerms{Minimum: 60 * uptally.Second, LongerThan: true}, []Interval{{100, 160}}, 0, "1m in an outage not longer than 1m"},
		{"the whole outage, although 50 s are inside the period", whole, []Interval{{-10, 50}}, 50, "10s outside the period"},
		{"the part inside the period", OutageTerms{Minimum: 60 * uptally.Second, OfPart: true}, []Interval{{-10, 50}}, 0, "10s outside the period; 50s in eligible time, shorter than 1m"},
		{"the part, which maintenance splits", OutageTerms{Minimum: 60 * uptally.Second, OfPart: true}, []Interval{{460, 580}}, 60, "1m maintenance"},
		{"the part, longer than", OutageTerms{Minimum: 60 * uptally.Second, OfPart: true, LongerThan: true}, []Interval{{460, 580}}, 0, "1m maintenance; 1m in eligible time, not longer than 1m"},
		{"joined: 29 s apart", OutageTerms{Minimum: 60 * uptally.Second, Merge: 30 * uptally.Second}, []Interval{{100, 120}, {149, 160}}, 60, "29s of short recoveries count as down"},
		{"not joined: exactly merge apart", OutageTerms{Minimum: 60 * uptally.Second, Merge: 30 * uptally.Second}, []Interval{{100, 120}, {150, 161}}, 0, "20s in an outage shorter than 1m"},
		{"a joined recovery in maintenance is no downtime", OutageTerms{Merge: 61 * uptally.Second}, []Interval{{480, 490}, {550, 560}}, 20, "1m maintenance"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := agreement(time.UTC)
			a.Versions[0].Outage = c.terms
			var down []Interval
			for _, i := range c.down {
				down = append(down, Interval{i.From * 1000, i.To * 1000})
			}
			got := compute(t, a, Interval{0, 1000_000}, map[string]Tracks{"s": exact(down...)},
				Recorded{uptally.Entry{ID: 1, Kind: KindMaintenance}, EntryText{From: 490_000, To: 550_000}})
			if got.Point.Millis() != c.want*1000 || got.Outages[0].Why != c.why {
				t.Errorf("got %d s, %q; want %d s, %q", got.Point.Millis()/1000, got.Outages[0].Why, c.want, c.why)
			}
		})
	}
}

// Certain 55 s, point 60.5 s, possible 66 s against a minimum of 60 s: each track is judged alone.
func TestMinimumShowsInTheBounds(t *testing.T) {
	a := agreement(time.UTC)
	a.Versions[0].Outage.Minimum = uptally.Minute
	got := compute(t, a, Interval{0, 3600_000}, map[string]Tracks{"s": {
		Certain: Set{{1020_000, 1075_000}}, Point: Set{{1015_000, 1075_500}}, Possible: Set{{1010_000, 1076_000}},
		Edges: []Edge{{Check: "web", Start: Interval{1010_000, 1020_000}, End: Interval{1075_000, 1076_000}, Sites: []string{"A", "B"}, Reasons: []uptally.Reason{uptally.ConnectRefused}}},
	}})
	if got.Certain != nil || got.Point.Millis() != 60_500 || got.Possible.Millis() != 66_000 {
		t.Errorf("tracks %v %v %v", got.Certain, got.Point, got.Possible)
	}
	k := got.Credit
	if k.Determined || k.OnlyUnknown || k.Proven.Minor != 0 || k.Point.Minor != 25000 || k.Max.Minor != 25000 || k.Charged.Minor != 0 {
		t.Errorf("credit %+v", k)
	}
	// 0.1 % of 3600 s is 3.6 s, 1 % is 36 s
	want := []TierStep{{"< 99.9%", 3600, 3600, 3600 - 60_500, 3600 - 66_000}, {"< 99.0%", 36_000, 36_000, 36_000 - 60_500, 36_000 - 66_000}}
	if !slices.Equal(k.Steps, want) {
		t.Errorf("steps %v, want %v", k.Steps, want)
	}
	o := got.Outages[0]
	if o.Check != "web" || o.Start != (Interval{1010_000, 1020_000}) || o.End != (Interval{1075_000, 1076_000}) || len(o.Parts) != 1 {
		t.Errorf("outage %+v", o)
	}
}

func TestOutagesOfTwoChecksAreOne(t *testing.T) {
	web := Edge{Check: "web", Start: Interval{90, 110}, End: Interval{190, 210}, Sites: []string{"B", "A"}, Reasons: []uptally.Reason{uptally.Status}}
	dns := Edge{Check: "dns", Start: Interval{140, 160}, End: Interval{290, 310}, Sites: []string{"A"}, Reasons: []uptally.Reason{uptally.QueryTimeout, uptally.Status}}
	tracks := exact(Interval{100, 300})
	tracks.Edges = []Edge{dns, web}
	got := compute(t, agreement(time.UTC), Interval{0, 1000}, map[string]Tracks{"s": tracks}, Recorded{
		uptally.Entry{ID: 7, Kind: KindCause}, EntryText{From: 50, To: 120, Reason: "power cut"},
	}).Outages
	if len(got) != 1 {
		t.Fatalf("got %d outages", len(got))
	}
	o := got[0]
	if o.Check != "" || o.Start != (Interval{90, 110}) || o.End != (Interval{290, 310}) || len(o.Parts) != 2 || o.Parts[0].Check != "web" {
		t.Errorf("got %+v", o)
	}
	if strings.Join(o.Sites, " ") != "A B" || !slices.Equal(o.Reasons, []uptally.Reason{uptally.QueryTimeout, uptally.Status}) {
		t.Errorf("sites %v, reasons %v", o.Sites, o.Reasons)
	}
	if !slices.Equal(o.Causes, []string{"cause: power cut"}) || o.Counted != 200 {
		t.Errorf("causes %q, counted %d", o.Causes, o.Counted)
	}
}

// A hole longer than the bridge splits the point track; the inner ends are then as exact as the hole.
func TestHoleMakesExactEnds(t *testing.T) {
	tracks := Tracks{
		Certain: Set{{100, 200}, {500, 600}}, Point: Set{{90, 200}, {500, 610}}, Possible: Set{{80, 620}}, Unknown: Set{{200, 500}},
		Edges: []Edge{{Check: "web", Start: Interval{80, 100}, End: Interval{600, 620}}},
	}
	got := compute(t, agreement(time.UTC), Interval{0, 1000}, map[string]Tracks{"s": tracks}).Outages
	if len(got) != 2 || got[0].Start != (Interval{80, 100}) || got[0].End != (Interval{200, 200}) || got[1].Start != (Interval{500, 500}) || got[1].End != (Interval{600, 620}) {
		t.Errorf("got %+v", got)
	}
}

func TestEachServiceHasItsAccount(t *testing.T) {
	a := agreement(time.UTC)
	v := &a.Versions[0]
	v.Services, v.Each, v.FeeFor = []string{"web", "api"}, true, map[string]int64{"api": 50000}
	p := period(t, "2026-06", time.UTC)
	services := map[string]Tracks{"web": exact(at("2026-06-10T10:00:00Z", 2*uptally.Hour)), "api": exact(at("2026-06-10T10:00:00Z", 10*uptally.Hour))}
	got, err := Compute(Input{Agreement: a, Period: p, Services: services})
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got[0].Service != "web" || got[1].Service != "api" {
		t.Fatalf("got %+v", got)
	}
	// 10 % of 1000.00 and 25 % of 500.00
	if got[0].Credit.Charged.Minor != 10000 || got[1].Credit.Charged.Minor != 12500 {
		t.Errorf("credits %d and %d", got[0].Credit.Charged.Minor, got[1].Credit.Charged.Minor)
	}
	v.Each = false
	if all := compute(t, a, p, services); all.Service != "web + api" || all.ByClass[ClassDown] != 10*hourMS || all.Credit.Charged.Minor != 25000 {
		t.Errorf("together: %q, %d h down, credit %d", all.Service, all.ByClass[ClassDown]/hourMS, all.Credit.Charged.Minor)
	}
	delete(services, "api")
	_, err = Compute(Input{Agreement: a, Period: p, Services: services})
	if err == nil || err.Error() != `compute account of "acme-portal": got no tracks of service "api"` {
		t.Errorf("missing tracks: %v", err)
	}
}

func TestVersionAt(t *testing.T) {
	shanghai := zone(t, "Asia/Shanghai")
	a := agreement(shanghai)
	a.Versions = append(a.Versions, a.Versions[0])
	a.Versions[0].From, a.Versions[1].From = Date{2026, 3, 1}, Date{2026, 10, 16}
	for _, c := range []struct {
		period string
		want   int
		err    string
	}{
		{"2026-03", 0, ""},
		{"2026-Q3", 0, ""},
		{"2026-11", 1, ""},
		{"2026-10-01T00:00:00+08:00/2026-10-16T00:00:00+08:00", 0, ""}, // up to the change, exclusive
		{"2026-10-16T00:00:00+08:00/2026-11-01T00:00:00+08:00", 1, ""},
		{"2026-02", 0, `find terms of "acme-portal" for 2026-01-31T16:00:00Z/2026-02-28T16:00:00Z: no version covers the whole period`},
		{"2026-Q1", 0, `find terms of "acme-portal" for 2025-12-31T16:00:00Z/2026-03-31T16:00:00Z: no version covers the whole period`},
		{"2026-10", 0, `find terms of "acme-portal" for 2026-09-30T16:00:00Z/2026-10-31T16:00:00Z: more than one version covers the period; the next is from 2026-10-16`},
	} {
		v, err := a.VersionAt(period(t, c.period, shanghai))
		switch {
		case c.err == "" && (err != nil || v != &a.Versions[c.want]):
			t.Errorf("%s: got %p, %v, want version %d", c.period, v, err, c.want)
		case c.err != "" && (err == nil || err.Error() != c.err):
			t.Errorf("%s: got %v, want %s", c.period, err, c.err)
		}
	}
	if _, err := a.VersionAt(Interval{5, 5}); err == nil || !strings.HasSuffix(err.Error(), ": the period is empty") {
		t.Errorf("empty period: %v", err)
	}
	a.Zone = nil
	if _, err := a.VersionAt(Interval{0, 5}); err == nil || !strings.HasSuffix(err.Error(), ": the agreement has no time zone") {
		t.Errorf("no zone: %v", err)
	}
}
