package agreements

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/uptally/uptally"
)

const fiveMinutes = 5 * uptally.Minute

// slotRow counts one slot of five minutes, the nth of the period from 0.
func slotRow(n, requests, errors int64) Count {
	return Count{"s", Interval{n * int64(fiveMinutes), (n + 1) * int64(fiveMinutes)}, requests, errors}
}

// hourOf computes the account of an hour, twelve slots, out of counts.
func hourOf(t *testing.T, m MeasureTerms, counts ...Count) Account {
	t.Helper()
	a := agreement(time.UTC)
	a.Versions[0].MeasureTerms, a.Versions[0].Bridge = m, 0
	accounts, err := Compute(Input{Agreement: a, Period: Interval{0, hourMS}, Counts: counts})
	if err != nil {
		t.Fatal(err)
	}
	checkAccount(t, accounts[0])
	return accounts[0]
}

func TestSlotsAreDownAsAWhole(t *testing.T) {
	over := func(change func(*ErrorSlots)) MeasureTerms {
		e := &ErrorSlots{Every: fiveMinutes, Limit: pct("5%"), Requests: 1, Empty: EmptyUp}
		if change != nil {
			change(e)
		}
		return MeasureTerms{Errors: e}
	}
	rows := func(special ...Count) []Count {
		var all []Count
		for n := range int64(12) {
			all = append(all, slotRow(n, 200, 0))
		}
		for _, s := range special {
			all[s.From/int64(fiveMinutes)] = s
		}
		return all
	}
	for _, c := range []struct {
		name          string
		terms         MeasureTerms
		counts        []Count
		down, unknown int64 // slots
	}{
		{"over is strict: 11 of 200 is down, 10 is not", over(nil), rows(slotRow(1, 200, 10), slotRow(3, 200, 11)), 1, 0},
		{"at least is not", over(func(e *ErrorSlots) { e.AtLeast = true }), rows(slotRow(1, 200, 10), slotRow(3, 200, 11)), 2, 0},
		{"no requests", over(nil), rows(slotRow(4, 0, 0)), 0, 0},
		{"no requests count as down", over(func(e *ErrorSlots) { e.Empty = EmptyDown }), rows(slotRow(4, 0, 0)), 1, 0},
		{"no requests are unknown", over(func(e *ErrorSlots) { e.Empty = EmptyUnknown }), rows(slotRow(4, 0, 0)), 0, 1},
		{"fewer than ten are not judged", over(func(e *ErrorSlots) { e.Requests = 10 }), rows(slotRow(4, 9, 9), slotRow(6, 10, 9)), 1, 0},
		{"a slot without a row is unknown", over(nil), rows()[:11], 0, 1},
		{"a slot that rows cover in part is unknown", over(nil), append(rows()[:11], Count{"s", Interval{55 * 60_000, 59 * 60_000}, 9, 9}), 0, 1},
		// 2 of 40 and 1 of 19: 3 of 59 is over 5 %
		{"rows of a slot add up", over(nil), append(rows()[:11], Count{"s", Interval{55 * 60_000, 59 * 60_000}, 40, 2}, Count{"s", Interval{59 * 60_000, hourMS}, 19, 1}), 1, 0},
		{"another service's rows are not ours", over(nil), append(rows(), Count{"other", Interval{0, 1}, 1, 1}), 0, 0},
	} {
		got := hourOf(t, c.terms, c.counts...)
		slot := int64(fiveMinutes)
		if got.ByClass[ClassDown] != c.down*slot || got.ByClass[ClassUnknown] != c.unknown*slot {
			t.Errorf("%s: got %d ms down and %d unknown, want %d and %d slots", c.name, got.ByClass[ClassDown], got.ByClass[ClassUnknown], c.down, c.unknown)
		}
	}
}

func TestMeanOfErrorRates(t *testing.T) {
	mean := MeasureTerms{ErrorMean: &ErrorMean{Every: 30 * uptally.Minute, Empty: pct("0%")}}
	half := func(n, requests, errors int64) Count {
		return Count{"s", Interval{n * hourMS / 2, (n + 1) * hourMS / 2}, requests, errors}
	}
	// (1/10 + 1/1000)/2 = 101/2000, whereas 2 of 1,010 requests failed
	if got := hourOf(t, mean, half(0, 10, 1), half(1, 1000, 1)); got.Availability.Point.String() != "1899/2000" || got.ByClass[ClassDown] != hourMS {
		t.Errorf("got %v with %d ms of slots with errors, want 1899/2000 and all", got.Availability.Point, got.ByClass[ClassDown])
	}
	// an empty slot has 0 % errors: 1/10/2
	if got := hourOf(t, mean, half(0, 10, 1), half(1, 0, 0)); got.Availability.Point.String() != "19/20" {
		t.Errorf("empty: got %v, want 19/20", got.Availability.Point)
	}
	mean.ErrorMean.Empty = pct("100%")
	if got := hourOf(t, mean, half(0, 10, 1), half(1, 0, 0)); got.Availability.Point.String() != "9/20" {
		t.Errorf("empty as failed: got %v, want 9/20", got.Availability.Point)
	}
	// half the slots are unknown: between 1 − 1/20 and 1 − 1/20 − 1/2, likely 9/10 of what is known
	got := hourOf(t, mean, half(0, 10, 1))
	if b := got.Availability; b.Low.String() != "9/20" || b.Point.String() != "9/10" || b.High.String() != "19/20" {
		t.Errorf("unknown: got %v, want 9/20, 9/10 and 19/20", b)
	}
}

func TestRatioOfEvents(t *testing.T) {
	got := hourOf(t, MeasureTerms{Events: true}, Count{"s", Interval{0, hourMS / 2}, 600, 1}, Count{"s", Interval{hourMS / 2, hourMS}, 400, 0},
		Count{"s", Interval{hourMS, 2 * hourMS}, 1000, 1000}, Count{"other", Interval{0, hourMS}, 10, 10})
	if got.Availability.Point.String() != "999/1000" || got.Figure.Unit != Events || got.ByClass[ClassUp] != hourMS || got.Credit.Charged.Minor != 0 {
		t.Errorf("got %v in %v, %d ms up, credit %d; want 999/1000 of events, an hour, nothing", got.Availability.Point, got.Figure.Unit, got.ByClass[ClassUp], got.Credit.Charged.Minor)
	}
	if got := hourOf(t, MeasureTerms{Events: true}); got.Availability.Point != nil || got.ByClass[ClassUnknown] != hourMS {
		t.Errorf("without counts: got %v, want no figure", got.Availability.Point)
	}
}

func TestCountsThatCannotBeRead(t *testing.T) {
	for _, c := range []struct {
		count Count
		want  string
	}{
		{Count{"s", Interval{60_000, 360_000}, 1, 0}, `compute account of "acme-portal": count "s" from 1970-01-01T00:01:00.000Z to 1970-01-01T00:06:00.000Z: want rows inside one slot of 5m each, counted from the beginning of the period`},
		{slotRow(0, 1, 2), `compute account of "acme-portal": count "s" from 1970-01-01T00:00:00.000Z: got 2 errors of 1 requests, want no more errors than requests and an end after the start`},
		{Count{"s", Interval{600_000, 660_001}, 1, 0}, `compute account of "acme-portal": count "s" from 1970-01-01T00:11:00.000Z: got two rows about one time, want one`},
	} {
		a := agreement(time.UTC)
		a.Versions[0].Errors = &ErrorSlots{Every: fiveMinutes, Limit: pct("5%"), Empty: EmptyUp}
		_, err := Compute(Input{Agreement: a, Period: Interval{0, hourMS}, Counts: []Count{c.count, {"s", Interval{660_000, 720_000}, 1, 0}}})
		if err == nil || err.Error() != c.want {
			t.Errorf("got  %v\nwant %s", err, c.want)
		}
	}
}

// The rate of a mean is that of the requests where all slots have the same number, and the order of rows never matters.
func TestMeanOfEqualSlotsIsTheRatio(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var counts []Count
		var errors int64
		for n := range int64(12) {
			e := rapid.Int64Range(0, 7).Draw(t, "errors")
			errors += e
			counts = append(counts, slotRow(n, 7, e))
		}
		counts = rapid.Permutation(counts).Draw(t, "order")
		a := agreement(time.UTC)
		a.Versions[0].ErrorMean = &ErrorMean{Every: fiveMinutes, Empty: pct("0%")}
		accounts, err := Compute(Input{Agreement: a, Period: Interval{0, hourMS}, Counts: counts})
		if err != nil {
			t.Fatal(err)
		}
		checkAccount(t, accounts[0])
		if got, want := accounts[0].Availability.Point, fraction(errors, 84).Availability(); got.Cmp(want) != 0 {
			t.Fatalf("got %v, want %v", got, want)
		}
	})
}
