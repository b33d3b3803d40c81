package agreements

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestTimelineTracks(t *testing.T) {
	row := func(from, to int64, s State) Stretch { return Stretch{Interval{from, to}, s} }
	exact := func(from, to int64) Edge {
		return Edge{Start: Interval{from, from}, End: Interval{to, to}}
	}
	for _, c := range []struct {
		name   string
		bridge int64
		rows   []Stretch
		want   Tracks
	}{
		{"nothing agreed", 0, nil, Tracks{Possible: Set{{Ever, Forever}}, Unknown: Set{{Ever, Forever}}}},
		{"exact edges; what no row covers is unknown", 0,
			[]Stretch{row(0, 10, StateUp), row(10, 14, StateDown), row(14, 20, StateUp)},
			Tracks{
				Certain: Set{{10, 14}}, Point: Set{{10, 14}}, Possible: Set{{Ever, 0}, {10, 14}, {20, Forever}},
				Unknown: Set{{Ever, 0}, {20, Forever}}, Edges: []Edge{exact(10, 14)},
			}},
		// 12-15 is 3, as long as the bridge; 18-20 unknown and 20-22 uncovered are one hole of 4
		{"holes around bridge", 3,
			[]Stretch{row(22, 30, StateDown), row(0, 10, StateUp), row(10, 12, StateDown), row(15, 18, StateDown), row(18, 20, StateUnknown), row(30, 40, StateUp)},
			Tracks{
				Certain: Set{{10, 12}, {15, 18}, {22, 30}}, Point: Set{{10, 18}, {22, 30}}, Possible: Set{{Ever, 0}, {10, 30}, {40, Forever}},
				Unknown: Set{{Ever, 0}, {12, 15}, {18, 22}, {40, Forever}}, Edges: []Edge{exact(10, 30)},
			}},
		{"unknown beside an outage is possible, not down", 100,
			[]Stretch{row(0, 10, StateUp), row(10, 12, StateUnknown), row(12, 15, StateDown), row(15, 20, StateUp)},
			Tracks{
				Certain: Set{{12, 15}}, Point: Set{{12, 15}}, Possible: Set{{Ever, 0}, {10, 15}, {20, Forever}},
				Unknown: Set{{Ever, 0}, {10, 12}, {20, Forever}}, Edges: []Edge{exact(12, 15)},
			}},
		{"rows that repeat, overlap in agreement or are empty", 0,
			[]Stretch{row(0, 10, StateUp), row(0, 10, StateUp), row(5, 12, StateUp), row(3, 3, StateDown), row(12, 13, StateUnknown), row(12, 13, StateUnknown)},
			Tracks{Possible: Set{{Ever, 0}, {12, Forever}}, Unknown: Set{{Ever, 0}, {12, Forever}}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Timeline{Service: "portal", Stretches: c.rows}.Tracks(c.bridge)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

func TestTimelineRefuses(t *testing.T) {
	for _, c := range []struct {
		name string
		rows []Stretch
		want string
	}{
		{"up and down", []Stretch{{Interval{0, 10}, StateUp}, {Interval{9, 12}, StateDown}},
			`read timeline "portal": got two states at 1970-01-01T00:00:00.009Z, want one`},
		{"unknown inside up", []Stretch{{Interval{4, 5}, StateUnknown}, {Interval{0, 10}, StateUp}},
			`read timeline "portal": got two states at 1970-01-01T00:00:00.004Z, want one`},
		{"up inside unknown", []Stretch{{Interval{4, 5}, StateUp}, {Interval{0, 10}, StateUnknown}},
			`read timeline "portal": got two states at 1970-01-01T00:00:00.004Z, want one`},
		{"no state", []Stretch{{Interval{4, 5}, 0}},
			`read timeline "portal": row from 1970-01-01T00:00:00.004Z: got state 0, want up, down or unknown`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Timeline{Service: "portal", Stretches: c.rows}.Tracks(0)
			if err == nil || err.Error() != c.want {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}

// A timeline drawn millisecond by millisecond, cut into rows in any order, gives its states back; the tracks are nested.
func TestTimelineInstantByInstant(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		states := rapid.SliceOfN(rapid.SampledFrom([]State{StateUp, StateDown, StateUnknown, 0}), 0, 30).Draw(t, "states")
		var tl Timeline
		for at, s := range states {
			if s != 0 {
				tl.Stretches = append(tl.Stretches, Stretch{Interval{int64(at), int64(at) + 1}, s})
			}
		}
		if len(tl.Stretches) > 0 {
			tl.Stretches = rapid.Permutation(tl.Stretches).Draw(t, "rows")
		}
		bridge := upTo(t, 4, "bridge")
		got, err := tl.Tracks(bridge)
		if err != nil {
			t.Fatal(err)
		}
		checkNested(t, got)
		for at := int64(-1); at <= int64(len(states)); at++ {
			s := StateUnknown
			if at >= 0 && at < int64(len(states)) && states[at] != 0 {
				s = states[at]
			}
			want := []bool{s == StateDown, s == StateDown || bridged(states, at, bridge), s != StateUp, s == StateUnknown}
			if got := []bool{got.Certain.Contains(at), got.Point.Contains(at), got.Possible.Contains(at), got.Unknown.Contains(at)}; !slices.Equal(got, want) {
				t.Fatalf("at %d of %v: got certain, point, possible, unknown %v, want %v", at, states, got, want)
			}
		}
	})
}

// bridged says that at lies between two downs with nothing but up to bridge unknown milliseconds between them.
func bridged(states []State, at, bridge int64) bool {
	if at < 0 || at >= int64(len(states)) {
		return false
	}
	i, j := at, at
	for ; i >= 0 && states[i] != StateUp && states[i] != StateDown; i-- {
	}
	for ; j < int64(len(states)) && states[j] != StateUp && states[j] != StateDown; j++ {
	}
	return i >= 0 && j < int64(len(states)) && states[i] == StateDown && states[j] == StateDown && j-i-1 <= bridge
}
