package schedule

import (
	"testing"
)

// The last slot of a plan was a slot, also once the next plan's first one is due: a probe beside the slots must not be dated like it.
func TestIsSlotOfAPlanThatIsOver(t *testing.T) {
	p := byCron("web", "* * * * *")
	next := byCron("web", "*/2 * * * *")
	next.From, next.Spread = 130_000, 7_000
	c := New(0, nil)
	c.Step(0, SetPlans([]Slots{slotsOf(t, p, "a"), slotsOf(t, next, "a")}, Never), nil)
	for _, at := range []int64{60_000, 120_000} { // the next slot is at 247 s
		for _, a := range c.Step(at, Tick(), nil) {
			c.Step(at, Finished(a.Check), nil)
		}
	}
	for at, want := range map[int64]bool{120_000: true, 119_000: false, 180_000: false, 247_000: true} {
		if got := c.IsSlot(0, at); got != want {
			t.Errorf("%d: got %t, want %t", at, got, want)
		}
	}
}
