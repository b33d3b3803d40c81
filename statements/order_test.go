package statements

import (
	"bytes"
	"context"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/agreements"
	"github.com/uptally/uptally/ledger"
)

// The same results, shuffled, cut into other batches, sent again in part and as a whole, fold into the same days, and every
// byte of the statement stays as it was.
func TestArrivalMovesNoByte(t *testing.T) {
	outages := 0
	for seed := range uint64(100) {
		r := rand.New(rand.NewPCG(seed, 2026))
		results := eightHours(r)
		want := delivered(t, inOrder(results))
		if got := delivered(t, disturbed(r, results)); !bytes.Equal(got, want) {
			t.Fatalf("seed %d: got\n%s\nwant\n%s", seed, got, want)
		}
		if bytes.Contains(want, []byte(`"class": "down"`)) {
			outages++
		}
	}
	if outages < 50 {
		t.Errorf("got %d statements with downtime, want half of them", outages)
	}
}

// eightHours is what three sites see of a random service around midnight UTC: up and down in stretches, a site that is cut
// off, late sends, slots not probed, and now and then two different results of one slot.
func eightHours(r *rand.Rand) []uptally.Result {
	var results []uptally.Result
	start := at("2026-10-07T20:00:00Z")
	truth := make([]bool, 480) // down, by the minute
	for k := range truth {
		truth[k] = k > 0 && truth[k-1] != (r.IntN(30) == 0)
	}
	for rank, site := range portalPlan().Sites {
		cut := r.IntN(480)
		for slot := int64(rank) * 10_000; slot < 480*60_000; slot += 30_000 {
			minute := int(slot / 60_000)
			res := uptally.Result{Slot: uptally.Slot{Check: uptally.IDOf("portal-home"), Site: uptally.IDOf(site), At: start + slot}, RTT: int64(r.IntN(90_000))}
			switch {
			case minute >= cut && minute < cut+40:
				res.Reason, res.Detail = uptally.Local, "status; reference connect_timeout"
			case truth[minute]:
				res.Reason, res.Detail = uptally.Status, "got status 503, want 200"
			case r.IntN(200) == 0:
				res.Reason = uptally.AgentDown
			}
			if r.IntN(20) == 0 {
				res.Late = int32(r.IntN(3000))
			}
			results = append(results, res)
			if r.IntN(300) == 0 {
				res.Reason, res.Detail = uptally.ConnectRefused, ""
				results = append(results, res)
			}
		}
	}
	return results
}

// inOrder is a batch for each site and day.
func inOrder(results []uptally.Result) []uptally.Batch {
	var all []uptally.Batch
	for _, r := range results {
		last := len(all) - 1
		if last < 0 || all[last].Site != r.Site || all[last].Day != uptally.DayOf(r.At) {
			all = append(all, uptally.Batch{Agent: 1, Epoch: 1, Seq: uint64(len(all) + 1), Site: r.Site, Day: uptally.DayOf(r.At)})
			last++
		}
		all[last].Results = append(all[last].Results, r)
	}
	return all
}

// disturbed sends a third of the results twice, in batches of up to fifty from several starts of the agents, in any order,
// some of them again.
func disturbed(r *rand.Rand, results []uptally.Result) []uptally.Batch {
	shuffled := slices.Clone(results)
	for _, k := range r.Perm(len(results))[:len(results)/3] {
		shuffled = append(shuffled, results[k])
	}
	r.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	var batches []uptally.Batch
	for _, whole := range inOrder(slices.SortedStableFunc(slices.Values(shuffled), func(a, b uptally.Result) int {
		if a.Site != b.Site {
			return bytes.Compare([]byte(a.Site.String()), []byte(b.Site.String()))
		}
		return int(uptally.DayOf(a.At)) - int(uptally.DayOf(b.At))
	})) {
		for rest := whole.Results; len(rest) > 0; {
			n := min(len(rest), 1+r.IntN(50))
			b := whole
			b.Epoch, b.Seq, b.Results = uint64(r.IntN(3)), uint64(len(batches)+1), rest[:n:n]
			batches, rest = append(batches, b), rest[n:]
		}
	}
	for _, k := range r.Perm(len(batches))[:len(batches)/4] {
		batches = append(batches, batches[k])
	}
	r.Shuffle(len(batches), func(i, j int) { batches[i], batches[j] = batches[j], batches[i] })
	return batches
}

// delivered is the statement of what the ledger made of the batches, as its canonical bytes.
func delivered(t *testing.T, batches []uptally.Batch) []byte {
	t.Helper()
	ctx, l := context.Background(), &ledger.Memory{}
	if err := l.AddPlans(ctx, portalPlan()); err != nil {
		t.Fatal(err)
	}
	for _, b := range batches {
		b.Results = slices.Compact(slices.SortedFunc(slices.Values(b.Results), uptally.Result.Compare))
		data, err := b.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := l.Append(ctx, []ledger.Incoming{{Batch: b, Data: data}}); err != nil {
			t.Fatal(err)
		}
	}
	in := portalRequest(t, l, issued)
	in.Period, in.PeriodText = agreements.Interval{From: at("2026-10-07T21:00:00Z"), To: at("2026-10-08T03:00:00Z")}, "2026-10-07T21:00:00Z/2026-10-08T03:00:00Z"
	s, err := Compute(ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	data, err := s.JSON()
	if err != nil {
		t.Fatal(err)
	}
	return data
}
