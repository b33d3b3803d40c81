package delivery

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// set draws numbers from 1 to 40 and the ranges of them, added in any order.
func set(t *rapid.T, label string) (map[uint64]bool, Ranges) {
	has, rs := map[uint64]bool{}, Ranges(nil)
	for _, n := range rapid.SliceOf(rapid.Uint64Range(1, 40)).Draw(t, label) {
		has[n] = true
		rs = rs.Add(n)
	}
	return has, rs
}

func TestRangesAreSets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, ra := set(t, "a")
		b, rb := set(t, "b")
		for name, rs := range map[string]Ranges{"a": ra, "union": ra.Union(rb), "without": ra.Without(rb)} {
			for i, r := range rs {
				if r.From > r.To || i > 0 && rs[i-1].To+1 >= r.From {
					t.Fatalf("%s: got %v, want ascending ranges, apart from each other", name, rs)
				}
			}
		}
		both := 0
		for n := uint64(0); n <= 41; n++ {
			if a[n] != ra.Has(n) || (a[n] || b[n]) != ra.Union(rb).Has(n) || (a[n] && !b[n]) != ra.Without(rb).Has(n) {
				t.Fatalf("number %d: in %v, in %v, union %v, without %v", n, ra, rb, ra.Union(rb), ra.Without(rb))
			}
			if a[n] {
				both++
			}
		}
		if got := ra.Len(); got != uint64(both) {
			t.Fatalf("%v: got length %d, want %d", ra, got, both)
		}
	})
}

func TestGoneNumbers(t *testing.T) {
	for _, test := range []struct {
		name  string
		held  Held
		taken Ranges
		want  Ranges
	}{
		{"nothing was given", Held{}, nil, nil},
		{"all is held", Held{First: 1, Last: 9}, nil, nil},
		{"the beginning was delivered and deleted", Held{First: 4, Last: 9}, Ranges{{1, 5}}, nil},
		{"the beginning was deleted and the ledger set back", Held{First: 4, Last: 9}, Ranges{{1, 2}}, Ranges{{3, 3}}},
		{"two inside are damaged, one of them was delivered", Held{First: 1, Last: 9, Lost: Ranges{{5, 6}}}, Ranges{{1, 5}}, Ranges{{6, 6}}},
		{"the damaged ones go on", Held{First: 3, Last: 9, Lost: Ranges{{1, 1}, {6, 8}}, More: true}, Ranges{{7, 7}}, Ranges{{6, 6}, {8, 8}}},
		{"they go on and the spool holds nothing any more", Held{Last: 9, Lost: Ranges{{6, 8}}, More: true}, nil, nil},
		{"the spool holds nothing any more", Held{Last: 9}, Ranges{{1, 7}}, Ranges{{8, 9}}},
		// The disk went back to a snapshot: the ledger has later numbers, some of them missing. Found by the simulator, seed 7.
		{"the ledger has more than the spool knows", Held{First: 1, Last: 5}, Ranges{{1, 6}, {9, 9}}, Ranges{{7, 8}}},
	} {
		if diff := cmp.Diff(test.want, test.held.Gone(test.taken)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}

func TestIDIsSixteenDigits(t *testing.T) {
	data, err := json.Marshal(Held{Epoch: 0xab, First: 1, Last: 2})
	if want := `{"epoch":"00000000000000ab","first":1,"last":2}`; err != nil || string(data) != want {
		t.Errorf("got %s, %v, want %s", data, err, want)
	}
	for _, text := range []string{`"ab"`, `"00000000000000zz"`, `"00000000000000ab0"`, `""`} {
		if err := json.Unmarshal([]byte(text), new(ID)); err == nil {
			t.Errorf("%s: got no error, want one", text)
		}
	}
}
