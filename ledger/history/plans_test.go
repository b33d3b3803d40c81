package history

import (
	"context"
	"reflect"
	"testing"

	"github.com/uptally/uptally"
)

// importing makes an import of check "a" at a site: n results from an instant on, evenly spaced.
func importing(t *testing.T, terms Terms, site string, from, every int64, n int) *Import {
	t.Helper()
	b := NewBuilder(7, terms)
	byDay := map[int32][]uptally.Result{}
	for i := range int64(n) {
		at := from + i*every
		byDay[uptally.DayOf(at)] = append(byDay[uptally.DayOf(at)], uptally.Result{Slot: slotOf("a", site, at)})
	}
	for day := uptally.DayOf(from); day <= uptally.DayOf(from+int64(n)*every); day++ {
		if err := b.Add(day, []Series{{Check: "a", Site: site, Kind: "http", Target: "t", Results: byDay[day]}}); err != nil {
			t.Fatal(err)
		}
	}
	im, err := b.Done()
	if err != nil {
		t.Fatal(err)
	}
	return im
}

func planOf(from, every int64, quorum int, sites ...string) uptally.Plan {
	return uptally.Plan{
		Check: "a", From: from, Sites: sites, Every: every, Timeout: min(10_000, every*9/10), Quorum: quorum, Confirm: 1, Recover: 1,
		Gap: every * 5 / 2, Kind: "http", Target: "t", Imported: true,
	}
}

func TestPlans(t *testing.T) {
	const day = int64(uptally.DayMillis)
	measured := planOf(midnight+5*day, 30_000, 1, "x")
	measured.Imported = false
	jan := planOf(midnight, 30_000, 1, "x")
	for _, c := range []struct {
		name   string
		stored []uptally.Plan
		im     *Import
		want   []uptally.Plan
		err    string
	}{
		{"the first import", nil, importing(t, Terms{}, "x", midnight, 30_000, 100), []uptally.Plan{jan}, ""},
		{"the same again", []uptally.Plan{jan}, importing(t, Terms{}, "x", midnight, 30_000, 100), nil, ""},
		{"what follows", []uptally.Plan{jan}, importing(t, Terms{}, "x", midnight+3*day, 30_000, 100), nil, ""},
		{"a jitter of 200 ms", []uptally.Plan{jan}, importing(t, Terms{}, "x", midnight+3*day, 30_200, 100), nil, ""},
		{"what was before", []uptally.Plan{jan}, importing(t, Terms{}, "x", midnight-3*day, 30_000, 100), []uptally.Plan{planOf(midnight-3*day, 30_000, 1, "x")}, ""},
		{"another spacing from the second day on", nil, func() *Import {
			im := importing(t, Terms{}, "x", midnight, 60_000, 1440)
			im.checks["a"].days = append(im.checks["a"].days, importing(t, Terms{}, "x", midnight+day, 15_000, 10).checks["a"].days...)
			return im
		}(), []uptally.Plan{planOf(midnight, 60_000, 1, "x"), planOf(midnight+day, 15_000, 1, "x")}, ""},
		// The second site is named while it has results, and then the plan is in force again that was.
		{"another site, for a while", []uptally.Plan{jan}, importing(t, Terms{}, "y", midnight+day, 30_000, 100),
			[]uptally.Plan{planOf(midnight+day, 30_000, 2, "x", "y"), planOf(midnight+day+99*30_000+1, 30_000, 1, "x")}, ""},
		{"another site from the same instant", []uptally.Plan{jan}, importing(t, Terms{}, "y", midnight, 30_000, 100),
			[]uptally.Plan{planOf(midnight+1, 30_000, 2, "x", "y"), planOf(midnight+99*30_000+1, 30_000, 1, "x")}, ""},
		{"sites named beforehand", nil, importing(t, Terms{Sites: []string{"x", "y", "z"}}, "y", midnight, 30_000, 100), []uptally.Plan{planOf(midnight, 30_000, 2, "x", "y", "z")}, ""},
		{"a site that is not named", nil, importing(t, Terms{Sites: []string{"x"}}, "y", midnight, 30_000, 100), nil, `plan check "a": got results of the site "y", want only the sites named: ["x"]`},
		{"one result", nil, importing(t, Terms{}, "x", midnight, 30_000, 1), []uptally.Plan{planOf(midnight, 60_000, 1, "x")}, ""},
		{"before what is measured", []uptally.Plan{measured}, importing(t, Terms{}, "x", midnight, 30_000, 100), []uptally.Plan{jan}, ""},
		{"into what is measured", []uptally.Plan{measured}, importing(t, Terms{}, "x", midnight+5*day-30_000, 30_000, 3), nil,
			`plan check "a": it is measured here since 2026-02-08T00:00:00Z: import what was recorded before, or under another name`},
		{"a quorum that no sites give", nil, importing(t, Terms{Quorum: 2}, "x", midnight, 30_000, 3), nil, `plan check "a": quorum: got "2", want 1 to 1, the number of sites`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := c.im.Plans("a", c.stored)
			if text := ""; err != nil {
				if text = err.Error(); text != c.err {
					t.Errorf("got %s, want %s", text, c.err)
				}
				return
			} else if c.err != "" {
				t.Fatalf("got no error, want %s", c.err)
			}
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("got  %+v\nwant %+v", got, c.want)
			}
			all := append(append([]uptally.Plan(nil), c.stored...), got...)
			if again, err := c.im.Plans("a", all); err != nil || len(again) > 0 {
				t.Errorf("imported again: got %+v, %v, want no plan more", again, err)
			}
		})
	}
}

// taken is a ledger's memory of numbers.
type taken map[uint64][][2]uint64

func (t taken) Taken(_ context.Context, _, epoch uint64) ([][2]uint64, error) { return t[epoch], nil }

func TestMissing(t *testing.T) {
	im := importing(t, Terms{}, "x", midnight, 1000, 30_000) // three batches of a day
	epoch := im.Batches[0].Epoch
	if len(im.Batches) != 3 {
		t.Fatalf("got %d batches, want 3", len(im.Batches))
	}
	for _, c := range []struct {
		ranges [][2]uint64
		want   int
	}{{nil, 3}, {[][2]uint64{{1, 3}}, 0}, {[][2]uint64{{1, 1}, {3, 3}}, 1}, {[][2]uint64{{2, 9}}, 1}} {
		got, err := im.Missing(t.Context(), taken{epoch: c.ranges})
		if err != nil || len(got) != c.want {
			t.Errorf("taken %v: got %d batches missing, %v, want %d", c.ranges, len(got), err, c.want)
		}
	}
}
