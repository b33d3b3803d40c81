package uptally_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/uptally/uptally"
)

func TestDayOf(t *testing.T) {
	for at, want := range map[int64]int32{0: 0, 86_399_999: 0, 86_400_000: 1, -1: -1, -86_400_000: -1, -86_400_001: -2, start: day} {
		if got := uptally.DayOf(at); got != want {
			t.Errorf("%d: got day %d, want %d", at, got, want)
		}
	}
}

// Compare orders all results, and equal means equal in every field; so does the digest.
func TestResultCompare(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := anyResult().Draw(t, "a"), anyResult().Draw(t, "b"), anyResult().Draw(t, "c")
		if rapid.Bool().Draw(t, "same slot") {
			b.Slot = a.Slot
		}
		if (a.Compare(b) == 0) != (a == b) || a.Compare(b) != -b.Compare(a) || (a.Digest() == b.Digest()) != (a == b) {
			t.Fatalf("a to b %d, b to a %d, equal %v", a.Compare(b), b.Compare(a), a == b)
		}
		if a.Compare(b) <= 0 && b.Compare(c) <= 0 && a.Compare(c) > 0 {
			t.Fatal("not transitive")
		}
	})
}

// Part of the format: the key of table fail. SHA-256 of aa×8, 11×8, zigzag of the instant, 02, 05, ac02, 07, text.
func TestResultDigest(t *testing.T) {
	r := result(home1, 63_000, 2, uptally.ConnectRefused, 300, "refused")
	if got, want := r.Digest(), uint64(0x16eea39189336f97); got != want {
		t.Errorf("got %#x, want %#x", got, want)
	}
}
