package ship

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Of the last eight exchanges the one counts that is least wrong now; an offset ages by half a millisecond a second.
func TestBestExchange(t *testing.T) {
	type best struct {
		Offset, Bound int64
		Known         bool
	}
	const second = 1_000_000
	at := func(now, sent, received, answered, took int64) func(*clock) {
		return func(c *clock) { c.add(now, exchange{sent: sent, received: received, answered: answered, took: took}) }
	}
	for _, x := range []struct {
		name string
		adds []func(*clock)
		now  int64
		wall int64
		want best
	}{
		{"before the first", nil, 0, 0, best{}},
		// there 10 ms, 5 ms of work, back 20 ms, the agent 100 ms ahead: ((965-875) + (1000-880)) / 2 = 105, ± (35-5) / 2
		{"one", []func(*clock){at(1*second, 965_000, 875_000, 880_000, 35_000)}, 1 * second, 0, best{105_000, 15_000, true}},
		{"ten seconds later", []func(*clock){at(1*second, 965_000, 875_000, 880_000, 35_000)}, 11 * second, 0, best{105_000, 20_000, true}},
		{"a step of the wall clock since", []func(*clock){at(1*second, 965_000, 875_000, 880_000, 35_000)}, 1 * second, -3_600 * second, best{105_000 - 3_600*second, 15_000, true}},
		{"the shorter trip", []func(*clock){at(1*second, 965_000, 875_000, 880_000, 35_000), at(2*second, 1_989_000, 1_894_000, 1_895_000, 11_000)}, 2 * second, 0, best{100_000, 5_000, true}},
		{"a long trip later, which is worse", []func(*clock){at(2*second, 1_989_000, 1_894_000, 1_895_000, 11_000), at(3*second, 2_000_000, 2_400_000, 2_400_000, second)}, 3 * second, 0, best{100_000, 5_500, true}},
		{"a server that says that it took longer than we waited", []func(*clock){at(1*second, 965_000, 875_000, 975_000, 35_000)}, 1 * second, 0, best{}},
		{"a server without a clock", []func(*clock){at(1*second, 965_000, 0, 0, 35_000)}, 1 * second, 0, best{}},
	} {
		var c clock
		for _, add := range x.adds {
			add(&c)
		}
		var got best
		got.Offset, got.Bound, got.Known = c.best(x.now, x.wall)
		if diff := cmp.Diff(x.want, got); diff != "" {
			t.Errorf("%s: %s", x.name, diff)
		}
	}
	var c clock
	at(0, 0, 1, 1, 2)(&c) // the best one, until eight came after it
	for i := range int64(8) {
		at(i, i, 5_001, 5_001, 10_000)(&c)
	}
	if _, bound, _ := c.best(8, 0); bound != 5_000 {
		t.Errorf("got ± %d, want 5000: the first exchange is the ninth", bound)
	}
}

// A step of the wall clock is one of the two instants and never both: what is kept by the other one stays.
func TestDates(t *testing.T) {
	const second = 1_000_000
	var c clock
	if earlier, later := c.dates(5*second, 7*second); earlier != 5*second || later != 7*second {
		t.Errorf("before the first exchange: got %d and %d, want the count and the wall clock", earlier, later)
	}
	// The count is 100 s, the wall clock has been stepped to 400 s since the start, the server's clock shows 130 s.
	c.add(100*second, exchange{sent: 400 * second, received: 130 * second, answered: 130 * second})
	// What the server's clock does later is no news: it may jump as well, together with the agent's where they are on one machine.
	c.add(110*second, exchange{sent: 410 * second, received: 9_000 * second, answered: 9_000 * second})
	for _, x := range []struct{ wall, earlier, later int64 }{
		{410, 140, 410},
		{9_000, 140, 9_000},
		{10, 10, 140},
	} {
		if earlier, later := c.dates(110*second, x.wall*second); earlier != x.earlier*second || later != x.later*second {
			t.Errorf("wall clock at %d s: got %d and %d µs, want %d s and %d s", x.wall, earlier, later, x.earlier, x.later)
		}
	}
}
