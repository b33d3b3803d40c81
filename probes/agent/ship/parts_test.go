package ship

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/uptally/uptally/ledger/delivery"
)

// Whatever a spool lost, each hello is one that a server takes, and together they name every epoch and all that was lost, once.
func TestParts(t *testing.T) {
	const longest = math.MaxUint64
	epochs := func(n int, lost ...int) []delivery.Held {
		all := make([]delivery.Held, n)
		for i := range all {
			all[i] = delivery.Held{Epoch: delivery.ID(longest - uint64(i)), First: longest, Last: longest}
			if i < len(lost) {
				all[i].Lost = make(delivery.Ranges, lost[i])
				for j := range all[i].Lost {
					seq := longest - 2*uint64(lost[i]-j)
					all[i].Lost[j] = delivery.Range{From: seq, To: seq}
				}
			}
		}
		return all
	}
	for _, c := range []struct {
		name  string
		all   []delivery.Held
		parts int
	}{
		{"a new agent", epochs(1), 1},
		{"many epochs", epochs(4_001), 2}, // 2,000 and the present one; 2,000 and the present one
		{"just as many lost as one hello names", epochs(2, 6_000, 4_000), 1},
		{"one more", epochs(2, 6_000, 4_001), 2},
		{"the epoch before lost many", epochs(2, 25_000, 3), 3}, // 10,000; 10,000; 5,000 and 3
		{"the present one did", epochs(2, 3, 25_000), 3},
		{"all epochs did", epochs(5, 10_000, 1, 9_999, 20_000, 2), 5}, // 10,000; 1 and 9,999; 10,000; 10,000; 2
	} {
		parts := inParts(c.all)
		if len(parts) != c.parts {
			t.Errorf("%s: got %d parts, want %d", c.name, len(parts), c.parts)
		}
		var got []delivery.Held
		at := map[delivery.ID]int{}
		for _, part := range parts {
			body, err := json.Marshal(delivery.Hello{Version: string(make([]byte, 64)), Epochs: part})
			if err != nil || len(body) > 1_000_000 {
				t.Errorf("%s: got a hello of %d bytes, %v", c.name, len(body), err)
			}
			if last := part[len(part)-1].Epoch; last != c.all[len(c.all)-1].Epoch {
				t.Errorf("%s: got %v last, want the present epoch", c.name, last)
			}
			for _, h := range part {
				i, known := at[h.Epoch]
				if known != h.More {
					t.Errorf("%s: got epoch %v with more %v, want %v", c.name, h.Epoch, h.More, known)
				}
				if !known {
					at[h.Epoch] = len(got)
					got = append(got, h)
					continue
				}
				got[i].Lost = append(got[i].Lost, h.Lost...)
			}
		}
		for _, want := range c.all {
			if diff := cmp.Diff(want, got[at[want.Epoch]]); diff != "" {
				t.Errorf("%s: %s", c.name, diff)
			}
		}
	}
}
