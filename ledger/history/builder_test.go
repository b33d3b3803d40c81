package history

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/uptally/uptally"
	"pgregory.net/rapid"
)

func slotOf(check, site string, at int64) uptally.Slot {
	return uptally.Slot{Check: uptally.IDOf(check), Site: uptally.IDOf(site), At: at}
}

// decoded reads every batch of an import again.
func decoded(t *testing.T, im *Import) []uptally.Batch {
	t.Helper()
	var all []uptally.Batch
	for _, data := range im.Batches {
		b, err := uptally.DecodeBatch(data.Data)
		if err != nil || b.Epoch != data.Epoch || b.Seq != data.Seq || b.Agent != im.Agent {
			t.Fatalf("got %v and epoch %x, seq %d of agent %x, want %x, %d of %x", err, b.Epoch, b.Seq, b.Agent, data.Epoch, data.Seq, im.Agent)
		}
		all = append(all, b)
	}
	return all
}

// Whatever is imported comes out of the batches again, sorted and once; batches are within bounds; and a day's batches do not depend
// on the days beside it.
func TestBatchesHoldWhatWasRead(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		type named struct{ check, site string }
		days := map[int32]map[named][]uptally.Result{}
		for range rapid.IntRange(1, 60).Draw(rt, "results") {
			day := rapid.Int32Range(20487, 20489).Draw(rt, "day")
			n := named{rapid.SampledFrom([]string{"a", "b"}).Draw(rt, "check"), rapid.SampledFrom([]string{"x", "y"}).Draw(rt, "site")}
			r := uptally.Result{
				Slot:   slotOf(n.check, n.site, int64(day)*uptally.DayMillis+rapid.Int64Range(0, 5).Draw(rt, "at")*1000),
				Reason: rapid.SampledFrom([]uptally.Reason{uptally.OK, uptally.Unstated}).Draw(rt, "reason"),
			}
			if r.Reason != uptally.OK {
				r.Detail = strings.Repeat("x", rapid.SampledFrom([]int{0, 512}).Draw(rt, "detail"))
			}
			if days[day] == nil {
				days[day] = map[named][]uptally.Result{}
			}
			days[day][n] = append(days[day][n], r)
		}
		build := func(only ...int32) *Import {
			b := NewBuilder(7, Terms{})
			for _, day := range only {
				var series []Series
				for n, rs := range days[day] {
					rs = slices.Clone(rs)
					slices.SortFunc(rs, uptally.Result.Compare)
					series = append(series, Series{Check: n.check, Site: n.site, Kind: "http", Target: "t", Results: rs})
				}
				if err := b.Add(day, series); err != nil {
					rt.Fatal(err)
				}
			}
			im, err := b.Done()
			if err != nil {
				rt.Fatal(err)
			}
			return im
		}
		var all []int32
		var want []uptally.Result
		for _, day := range []int32{20487, 20488, 20489} {
			if len(days[day]) > 0 {
				all = append(all, day)
			}
			for _, rs := range days[day] {
				want = append(want, rs...)
			}
		}
		slices.SortFunc(want, uptally.Result.Compare)
		want = slices.Compact(want)
		im := build(all...)
		var got []uptally.Result
		for _, b := range decoded(t, im) {
			got = append(got, b.Results...)
		}
		slices.SortFunc(got, uptally.Result.Compare)
		if !reflect.DeepEqual(got, want) {
			rt.Errorf("got %v, want %v", got, want)
		}
		total := int64(0)
		for _, c := range im.Of {
			total += c.Results
		}
		if total != int64(len(want)) {
			rt.Errorf("got %d results counted, want %d", total, len(want))
		}
		var alone []Batch
		for _, day := range all {
			alone = append(alone, build(day).Batches...)
		}
		if !reflect.DeepEqual(im.Batches, alone) {
			rt.Error("got other batches together than day by day")
		}
	})
}

// 1,000 results with details of 512 bytes are half a megabyte: more than one batch holds.
func TestLongDetailsAreCut(t *testing.T) {
	var rs []uptally.Result
	for n := range int64(1000) {
		rs = append(rs, uptally.Result{Slot: slotOf("a", "x", midnight+n*1000), Reason: uptally.Unstated, Detail: fmt.Sprintf("%512d", n)})
	}
	b := NewBuilder(7, Terms{})
	if err := b.Add(uptally.DayOf(midnight), []Series{{Check: "a", Site: "x", Results: rs}}); err != nil {
		t.Fatal(err)
	}
	im, err := b.Done()
	if err != nil {
		t.Fatal(err)
	}
	var got []uptally.Result
	for i, batch := range decoded(t, im) {
		if batch.Seq != uint64(i+1) || len(im.Batches[i].Data) > uptally.MaxBatch {
			t.Errorf("got batch %d of %d bytes with seq %d", i, len(im.Batches[i].Data), batch.Seq)
		}
		got = append(got, batch.Results...)
	}
	if !reflect.DeepEqual(got, rs) || len(im.Batches) < 2 {
		t.Errorf("got %d results in %d batches, want all in at least 2", len(got), len(im.Batches))
	}
}

func TestBuilderRefuses(t *testing.T) {
	one := []Series{{Check: "a", Site: "x", Results: []uptally.Result{{Slot: slotOf("a", "x", midnight)}}}}
	b := NewBuilder(7, Terms{})
	if _, err := b.Done(); err == nil || err.Error() != "import: got no result, want at least one" {
		t.Errorf("nothing read: got %v", err)
	}
	if err := b.Add(uptally.DayOf(midnight), one); err != nil {
		t.Fatal(err)
	}
	if err := b.Add(uptally.DayOf(midnight), one); err == nil || err.Error() != "add day 20487: got it after day 20487, want days ascending" {
		t.Errorf("a day again: got %v", err)
	}
}

// The log says up at 00:00:00, down at 00:00:03 and up at 00:00:05.5, held up to 00:00:08: every 2 s that is results at 0 and 2, at 3 and 5,
// and at 5.5 and 7.5.
func TestExpandHoldsStates(t *testing.T) {
	log := Changes{Check: "a", Site: "x", Changes: []Change{
		{At: midnight, RTT: 7}, {At: midnight + 3000, Reason: uptally.Unstated, Detail: "status 0"}, {At: midnight + 5500, RTT: 9},
	}}
	var got []uptally.Result
	if err := Expand([]Changes{log}, 2000, midnight+8000, func(_ int32, s []Series) error {
		got = append(got, s[0].Results...)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	want := []uptally.Result{
		{Slot: slotOf("a", "x", midnight), RTT: 7}, {Slot: slotOf("a", "x", midnight+2000), RTT: 7},
		{Slot: slotOf("a", "x", midnight+3000), Reason: uptally.Unstated, Detail: "status 0"}, {Slot: slotOf("a", "x", midnight+5000), Reason: uptally.Unstated},
		{Slot: slotOf("a", "x", midnight+5500), RTT: 9}, {Slot: slotOf("a", "x", midnight+7500), RTT: 9},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	err := Expand([]Changes{log}, 2000, midnight+5500, nil)
	if want := "expand changes: got a change at 2026-02-03T00:00:05.5Z, want all before the end at 2026-02-03T00:00:05.5Z"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// Days do not show: what a log becomes is the same as one loop over it, whatever the spacing.
func TestExpandDayByDay(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		every := rapid.Int64Range(600_000, 50_000_000).Draw(rt, "every")
		var log Changes
		at := midnight - rapid.Int64Range(0, 90_000_000).Draw(rt, "before")
		for range rapid.IntRange(1, 6).Draw(rt, "changes") {
			log.Changes = append(log.Changes, Change{At: at})
			at += rapid.Int64Range(1, 200_000_000).Draw(rt, "held")
		}
		var want, got []int64
		for i, c := range log.Changes {
			end := at
			if i+1 < len(log.Changes) {
				end = log.Changes[i+1].At
			}
			for x := c.At; x < end; x += every {
				want = append(want, x)
			}
		}
		if err := Expand([]Changes{log}, every, at, func(day int32, s []Series) error {
			for _, r := range s[0].Results {
				if uptally.DayOf(r.At) != day {
					rt.Errorf("got %s in day %d", utc(r.At), day)
				}
				got = append(got, r.At)
			}
			return nil
		}); err != nil {
			rt.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			rt.Errorf("got %v, want %v", got, want)
		}
	})
}
