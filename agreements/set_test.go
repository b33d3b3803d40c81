package agreements

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// bitmap is a set of the instants -32 … 31, one bit each: what a Set must agree with.
type bitmap uint64

func (b bitmap) has(at int64) bool { return b>>(at+32)&1 == 1 }

func bitmapOf(is []Interval) bitmap {
	var b bitmap
	for _, i := range is {
		for at := i.From; at < i.To; at++ {
			b |= 1 << (at + 32)
		}
	}
	return b
}

// set returns the one canonical Set of the bits.
func (b bitmap) set() Set {
	var s Set
	for at := int64(-32); at < 32; at++ {
		switch n := len(s); {
		case !b.has(at):
		case n > 0 && s[n-1].To == at:
			s[n-1].To++
		default:
			s = append(s, Interval{at, at + 1})
		}
	}
	return s
}

// drawIntervals draws up to six intervals, in any order, overlapping, touching and empty ones too.
func drawIntervals(t *rapid.T) []Interval {
	var is []Interval
	for range upTo(t, 6, "intervals") {
		from := rapid.Int64Range(-32, 31).Draw(t, "from")
		is = append(is, Interval{from, min(32, from+upTo(t, 10, "length")-1)})
	}
	return is
}

func TestSetAgreesWithBitmap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		is, os := drawIntervals(t), drawIntervals(t)
		a, b := bitmapOf(is), bitmapOf(os)
		s, o := NewSet(is...), NewSet(os...)
		clip := Interval{rapid.Int64Range(-32, 32).Draw(t, "clip from"), rapid.Int64Range(-32, 32).Draw(t, "clip to")}
		for _, x := range []struct {
			name string
			got  Set
			want bitmap
		}{
			{"new", s, a}, {"union", Union(s, o), a | b}, {"intersect", s.Intersect(o), a & b}, {"subtract", s.Subtract(o), a &^ b},
			{"clip", s.Clip(clip), a & bitmapOf([]Interval{clip})}, {"operand", s, a}, {"operand", o, b},
		} {
			if d := cmp.Diff(x.want.set(), x.got); d != "" {
				t.Fatalf("%s of %v and %v (-want +got):\n%s", x.name, is, os, d)
			}
		}
		checkQuestions(t, s, o, a, b)
	})
}

// checkQuestions compares what a Set is asked: length, membership, inclusion.
func checkQuestions(t *rapid.T, s, o Set, a, b bitmap) {
	var n int64
	for at := int64(-32); at < 32; at++ {
		if a.has(at) {
			n++
		}
		if s.Contains(at) != a.has(at) {
			t.Fatalf("contains %d: got %v, want %v", at, s.Contains(at), a.has(at))
		}
	}
	if s.Millis() != n {
		t.Fatalf("millis: got %d, want %d", s.Millis(), n)
	}
	if want := a&^b == 0; s.Within(o) != want {
		t.Fatalf("within: got %v, want %v", s.Within(o), want)
	}
}
