package uptally_test

import (
	"math"
	"reflect"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/uptally/uptally"
)

func sketch(vs ...int64) uptally.Sketch {
	var s uptally.Sketch
	for _, v := range vs {
		s.Add(v)
	}
	return s
}

func anyTimes() *rapid.Generator[[]int64] {
	v := rapid.OneOf(rapid.Int64Range(0, 300), rapid.Int64Range(0, 10_000_000), rapid.Int64Range(0, math.MaxInt64))
	return rapid.SliceOfN(v, 1, 50)
}

// The stated error is 0.8 %; half of a bucket is 1/128 = 0.78 %.
func TestSketchRank(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		vs := anyTimes().Draw(t, "times")
		s := sketch(vs...)
		if s.Count() != int64(len(vs)) {
			t.Fatalf("got %d values, want %d", s.Count(), len(vs))
		}
		slices.Sort(vs)
		for i, want := range vs {
			if got := s.Rank(int64(i + 1)); max(got-want, want-got) > want/128 {
				t.Fatalf("rank %d: got %d, want %d", i+1, got, want)
			}
		}
		if got := s.Rank(int64(len(vs) + 1)); got != 0 {
			t.Fatalf("rank past the last: got %d, want 0", got)
		}
	})
}

func TestSketchExactBelow128(t *testing.T) {
	for v := range int64(128) {
		if got := sketch(v).Rank(1); got != v {
			t.Errorf("got %d, want %d", got, v)
		}
	}
	// 300,000 = 146·2^11 + 992 → shift 12: 73·2^12 = 299,008, half a bucket 2,048 more
	if got := sketch(300_000).Rank(1); got != 301_056 {
		t.Errorf("got %d, want 301056", got)
	}
	if got, top := sketch(math.MaxInt64).Rank(1), int64(127)<<56+1<<55; got != top {
		t.Errorf("got %d, want %d", got, top)
	}
}

// The sketch of a month is the sum of its days.
func TestSketchMerge(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := anyTimes().Draw(t, "a"), anyTimes().Draw(t, "b")
		got := sketch(a...)
		got.Merge(sketch(b...))
		if diff := cmp.Diff(sketch(slices.Concat(b, a)...), got, cmp.Exporter(func(reflect.Type) bool { return true })); diff != "" {
			t.Fatal(diff)
		}
	})
}
