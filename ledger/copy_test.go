package ledger_test

import (
	"context"
	"testing"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/ledger"
	"github.com/uptally/uptally/ledger/ledgertest"
)

// verified demands a ledger without problems and returns what it says.
func verified(t *testing.T, s ledger.Carrier) ledger.Inventory {
	t.Helper()
	v, err := ledger.Verify(context.Background(), s, func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// Three series of 288 slots a day over three days, less two last slots, and a late one beside the slots: 3 · 3 · 288 − 2 + 1. Down are
// 7 a day in each series, void 3 a day in both series at fra1; the late result, and the two sides of the conflict.
func TestInventory(t *testing.T) {
	s := &ledger.Memory{}
	ledgertest.Small(t, s)
	v := verified(t, s)
	got := map[string]int{
		"series": v.Series, "results": v.Results, "days": v.Days.N, "times": v.Times.N, "failures": v.Failures.N, "batches": v.Batches.N,
		"plans": v.Plans.N, "names": v.Names.N, "entries": v.Entries.N, "reseals": v.Reseals.N, "drops": v.Drops.N, "taken": v.Taken.N,
	}
	want := map[string]int{
		"series": 3, "results": 2_591, "days": 9, "times": 9, "failures": 3*3*7 + 2*3*3 + 1 + 2, "batches": 7, // ams1's open day, two late, one held
		"plans": 3, "names": 5, "entries": 2, "reseals": 1, "drops": 0, "taken": 3,
	}
	for what, n := range want {
		if got[what] != n {
			t.Errorf("%s: got %d, want %d", what, got[what], n)
		}
	}
}

func TestCopy(t *testing.T) {
	from, to := &ledger.Memory{}, &ledger.Memory{}
	ledgertest.Small(t, from)
	v, err := ledger.Copy(context.Background(), from, to, ledger.CopyOptions{At: 7})
	if err != nil {
		t.Fatal(err)
	}
	if err := verified(t, to).Compare(v); err != nil {
		t.Error(err)
	}
	want := "copy ledger: got a target that has something in it, want an empty one"
	if _, err := ledger.Copy(context.Background(), from, to, ledger.CopyOptions{}); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	// What is new on either side is found.
	ledgertest.Append(t, to, []ledger.Incoming{ledgertest.Batch(t, 5, 1, ledgertest.Up(2*uptally.DayMillis+7, 1))}, false)
	want = "compare ledgers: got other days of the same number, 9; got other response times of the same number, 9; " +
		"got 8 batches, want 7; got 4 numbers of batches, want 3"
	if err := verified(t, to).Compare(v); err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestCopyRefusesLateBatches(t *testing.T) {
	from := &ledger.Memory{}
	ledgertest.Small(t, from)
	ledgertest.Append(t, from, []ledger.Incoming{ledgertest.Batch(t, 5, 1, ledgertest.Up(7, 1))}, false)
	want := "copy ledger: got 1 batches of day 20423 of site 68bdb695919ddcfa that came after it was sealed, want them sealed too"
	if _, err := ledger.Copy(context.Background(), from, &ledger.Memory{}, ledger.CopyOptions{}); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
