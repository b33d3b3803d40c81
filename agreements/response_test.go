package agreements

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/uptally/uptally"
)

// answered is a day of results of the service s, one a second from the epoch on; 0 is a result without an answer.
func answered(micros ...int64) map[string][]uptally.Day {
	check, site := uptally.IDOf("portal-home"), uptally.IDOf("fra1")
	var results []uptally.Result
	for i, us := range micros {
		r := uptally.Result{Slot: uptally.Slot{Check: check, Site: site, At: int64(i) * 1000}, RTT: us}
		if us == 0 {
			r.Reason = uptally.Unstated
		}
		results = append(results, r)
	}
	return map[string][]uptally.Day{"s": {uptally.FoldDay(check, site, 0, results)}}
}

// read computes the account of an hour by a measure with a limit of its own; a miss pays a tenth of 1000.00.
func read(t *testing.T, m MeasureTerms, in Input) Account {
	t.Helper()
	a := agreement(time.UTC)
	v := &a.Versions[0]
	v.MeasureTerms, v.Target = m, m.Target()
	v.Ladder = []Tier{{Upper: Bound{Share: v.Target, Text: FormatShare(v.Target)}, Percent: pct("10%")}}
	if problems := a.Validate(); len(problems) > 0 {
		t.Fatal(problems)
	}
	in.Agreement, in.Period = a, Interval{0, hourMS}
	if in.Services == nil {
		in.Services = map[string]Tracks{"s": {}}
	}
	accounts, err := Compute(in)
	if err != nil {
		t.Fatal(err)
	}
	checkAccount(t, accounts[0])
	return accounts[0]
}

func TestResponseTimesAreKeptOrMissed(t *testing.T) {
	mean := func(limit int64) *ResponseTerms { return &ResponseTerms{Limit: limit, Mean: true} }
	for _, c := range []struct {
		name   string
		terms  *ResponseTerms
		times  []int64
		value  string // milliseconds, or a share
		missed bool
	}{
		{"a mean at its limit is kept: (40 + 50)/2", mean(45_000), []int64{40_000, 50_000}, "45", false},
		{"a microsecond over three is over", mean(45_000), []int64{40_000, 50_000, 45_001}, "135001/3000", true},
		{"a mean leaves out what had no answer", mean(45_000), []int64{45_000, 0}, "45", false},
		{"1 of 4 over, 25 % allowed", &ResponseTerms{Limit: 300_000, Share: pct("25%")}, []int64{1, 2, 300_000, 300_001}, "1/4", false},
		{"2 of 4 over", &ResponseTerms{Limit: 300_000, Share: pct("25%")}, []int64{1, 2, 300_001, 300_001}, "1/2", true},
		{"failed results are over", &ResponseTerms{Limit: 300_000, Share: pct("25%"), FailedOver: true}, []int64{1, 0, 0, 3}, "1/2", true},
		{"failed results are left out", &ResponseTerms{Limit: 300_000, Share: pct("25%")}, []int64{1, 0, 0, 3}, "0", false},
		// ⌈20 × 95 %⌉ = 19: the nineteenth of twenty
		{"the 95th percentile of twenty is the nineteenth", &ResponseTerms{Limit: 19_000, Percentile: pct("95%")}, oneTo(20), "19", false},
		{"one more than it", &ResponseTerms{Limit: 18_999, Percentile: pct("95%")}, oneTo(20), "19", true},
		// ⌈21 × 95 %⌉ = ⌈19.95⌉ = 20
		{"of twenty-one the twentieth", &ResponseTerms{Limit: 19_000, Percentile: pct("95%")}, oneTo(21), "20", true},
		{"a rank without an answer has no value", &ResponseTerms{Limit: 19_000, Percentile: pct("95%"), FailedOver: true}, []int64{1, 0}, "", true},
		{"nothing measured is kept", mean(1), nil, "", false},
	} {
		got := read(t, MeasureTerms{Response: c.terms}, Input{Results: answered(c.times...)})
		value := ""
		if got.Reading.Value != nil {
			value = got.Reading.Value.RatString()
		}
		if missed := got.Credit.Charged.Minor == 10000; value != c.value || missed != c.missed || !got.Credit.Determined {
			t.Errorf("%s: got %q, missed %v, %v; want %q, %v", c.name, value, missed, got.Availability.Point, c.value, c.missed)
		}
	}
}

// oneTo is 1 ms to n ms, the slowest first.
func oneTo(n int64) []int64 {
	var times []int64
	for i := n; i > 0; i-- {
		times = append(times, i*1000)
	}
	return times
}

// Only what was sent in eligible time is read: the window of 5x8 is shut on the epoch's Thursday night.
func TestResponseTimesOutsideTheWindowAreNotRead(t *testing.T) {
	a := agreement(time.UTC)
	v := &a.Versions[0]
	v.Window, v.Response, v.Target, v.Ladder = builtin(t, "5x8"), &ResponseTerms{Limit: 1, Mean: true}, pct("100%"), nil
	accounts, err := Compute(Input{Agreement: a, Period: Interval{0, 24 * hourMS}, Services: map[string]Tracks{"s": {}}, Results: answered(5, 5, 5)})
	if err != nil || accounts[0].Reading.Of != 0 {
		t.Errorf("got %+v, %v; want nothing read", accounts[0].Reading, err)
	}
}

func TestLossOfPackets(t *testing.T) {
	loss := MeasureTerms{Loss: pct("0.1%")}
	row := func(lost int64) []Count { return []Count{{"s", Interval{0, hourMS}, 1000, lost}} }
	if got := read(t, loss, Input{Counts: row(1)}); got.Reading.Value.RatString() != "1/1000" || got.Credit.Charged.Minor != 0 {
		t.Errorf("at the limit: got %v and credit %d", got.Reading.Value, got.Credit.Charged.Minor)
	}
	if got := read(t, loss, Input{Counts: row(2)}); got.Reading.Value.RatString() != "1/500" || got.Credit.Charged.Minor != 10000 {
		t.Errorf("over it: got %v and credit %d", got.Reading.Value, got.Credit.Charged.Minor)
	}
	if got := read(t, loss, Input{Results: answered(5, 0, 5, 5)}); got.Reading.Value.RatString() != "1/4" || got.Credit.Charged.Minor != 10000 {
		t.Errorf("of probes: got %v and credit %d", got.Reading.Value, got.Credit.Charged.Minor)
	}
}

func TestTimeToRestore(t *testing.T) {
	within := MeasureTerms{Restore: 10 * uptally.Minute}
	minute := int64(uptally.Minute)
	for _, c := range []struct {
		name   string
		tracks Tracks
		late   int64
		proven int64
		most   int64
	}{
		{"ten minutes are in time, a millisecond more is not", exact(Interval{0, 10 * minute}, Interval{20 * minute, 30*minute + 1}), 1, 10000, 10000},
		{"an outage from the period before is that period's", exact(Interval{-60 * minute, 10 * minute}), 0, 0, 0},
		{"one into the next is judged whole, here", exact(Interval{55 * minute, 66 * minute}), 1, 10000, 10000},
		{"possibly late", Tracks{Certain: Set{{0, 9 * minute}}, Point: Set{{0, 10 * minute}}, Possible: Set{{0, 11 * minute}}}, 0, 0, 10000},
		{"none", Tracks{}, 0, 0, 0},
	} {
		got := read(t, within, Input{Services: map[string]Tracks{"s": c.tracks}})
		if got.Reading.Over != c.late || got.Credit.Proven.Minor != c.proven || got.Credit.Max.Minor != c.most {
			t.Errorf("%s: got %d late, credit %d to %d; want %d, %d to %d", c.name, got.Reading.Over, got.Credit.Proven.Minor, got.Credit.Max.Minor, c.late, c.proven, c.most)
		}
	}
}

// A percentile is within its limit exactly where the part of the results within the limit is at least the percentile.
func TestPercentileAgreesWithItsShare(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		times := rapid.SliceOfN(rapid.Int64Range(1, 30), 1, 60).Draw(t, "times")
		r := ResponseTerms{Limit: rapid.Int64Range(1, 30).Draw(t, "limit"), Percentile: pct(rapid.SampledFrom([]string{"1%", "50%", "90%", "95%", "99%", "99.9%", "100%"}).Draw(t, "percentile"))}
		var into Reading
		f := r.read(slices.Clone(times), &into)
		kept := f.Availability().Cmp(r.Percentile) >= 0
		if within := into.Value.Cmp(into.Limit) <= 0; within != kept {
			t.Fatalf("value %v, limit %v, part within %v of %v", into.Value, into.Limit, f.Availability(), r.Percentile)
		}
	})
}
