package ledgertest

import (
	"bytes"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/uptally/uptally"
)

// The world is what it says, and the same each time. 3 sites × 4 checks × 40 days have 1,382,400 slots.
func TestWorld(t *testing.T) {
	w := World{Seed: 1, Sites: 3, Checks: 4, Every: 30_000, Between: 10}
	slots, results, lost, late, down := 0, 0, 0, 0, map[uptally.Reason]int{}
	for day := Day; day < Day+40; day++ {
		for site := range w.Sites {
			for check := range w.Checks {
				rs := w.Results(nil, site, check, day)
				if !slices.IsSortedFunc(rs, uptally.Result.Compare) || uptally.DayOf(rs[0].At) != day || uptally.DayOf(rs[len(rs)-1].At) != day {
					t.Fatalf("site %d, check %d, day %d: got results out of order or day", site, check, day)
				}
				phase := w.Plan(check, day).Phase(site)
				for i, r := range rs {
					if r.At%w.Every == phase {
						slots++
					} else if r.At%1_000 != 0 {
						t.Fatalf("got a result at %d, want it on a slot or, in focus, a whole second", r.At)
					}
					if i > 0 && r.SentAt() <= rs[i-1].SentAt() {
						t.Fatalf("got results sent at %d and %d, want them one after the other", rs[i-1].SentAt(), r.SentAt())
					}
					if r.Late > 0 {
						late++
					}
					down[r.Reason]++
					alone := i > 0 && i+1 < len(rs) && rs[i-1].Reason == uptally.OK && rs[i+1].Reason == uptally.OK
					if r.Reason != uptally.OK && alone {
						lost++
					}
				}
				results += len(rs)
			}
		}
	}
	if slots != 40*12*2_880 {
		t.Errorf("got %d slots with a result, want %d", slots, 40*12*2_880)
	}
	for _, c := range []struct {
		what            string
		got, least, mst float64
	}{
		{"results in focus a slot", float64(results)/float64(slots) - 1, 0.01, 0.03}, // 1 a loss, and beside 16 outages
		{"losses alone", float64(lost) / float64(results), 0.0027, 0.0032},
		{"late", float64(late) / float64(results), 0.0145, 0.0155},
		{"of the site's own", float64(down[uptally.Local]) / float64(results), 0.00027, 0.00033},
	} {
		if c.got < c.least || c.got > c.mst {
			t.Errorf("%s: got %v, want %v to %v", c.what, c.got, c.least, c.mst)
		}
	}
	if diff := cmp.Diff(w.Chunk(1, 2, Day), w.Chunk(1, 2, Day)); diff != "" {
		t.Error(diff)
	}
}

// Both streams of batches hold the results of the day, each once.
func TestWorldBatches(t *testing.T) {
	w := World{Seed: 1, Sites: 2, Checks: 3, Every: 30_000, Between: 10}
	var want, large, small []uptally.Result
	for site := range w.Sites {
		for check := range w.Checks {
			want = w.Results(want, site, check, Day)
		}
		for in := range w.Batches(site, Day, 1_000) {
			large = append(large, in.Batch.Results...)
			if b, err := uptally.DecodeBatch(in.Data); err != nil || !bytes.Equal(in.Data, encode(t, b)) {
				t.Fatal(err)
			}
		}
	}
	for joined := range w.Seconds(Day, 0, uptally.DayMillis) {
		for _, in := range joined {
			small = append(small, in.Batch.Results...)
		}
	}
	slices.SortFunc(want, uptally.Result.Compare)
	for name, got := range map[string][]uptally.Result{"batches": large, "seconds": small} {
		slices.SortFunc(got, uptally.Result.Compare)
		if !slices.Equal(want, got) {
			t.Errorf("%s: got %d results, want %d", name, len(got), len(want))
		}
	}
}

func encode(t *testing.T, b uptally.Batch) []byte {
	data, err := b.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
