package agreements

import (
	"cmp"
	"fmt"
	"slices"
)

// Tracks returns the downtime that an agreed list of intervals states, before any contract rule: what is down is certain
// with exact edges, what is unknown or in no row is UNKNOWN, and a hole inside an outage of up to bridge milliseconds is
// down in the point track.
//
// Rows may come in any order and repeat each other. The error names the service and the first instant at which two rows
// disagree, or a row without a state. Source: docs/measuring.md, A7.
func (tl Timeline) Tracks(bridge int64) (Tracks, error) {
	pieces, err := tl.pieces()
	if err != nil {
		return Tracks{}, fmt.Errorf("read timeline %q: %w", tl.Service, err)
	}
	b := builder{rules: Rules{Bridge: bridge}}
	return b.tracks(pieces), nil
}

// pieces returns the timeline as a vote, from Ever to Forever.
func (tl Timeline) pieces() ([]piece, error) {
	var by [StateUnknown + 1][]Interval
	for _, s := range tl.Stretches {
		if s.State < StateUp || s.State > StateUnknown {
			return nil, fmt.Errorf("row from %s: got state %d, want up, down or unknown", instant(s.From), s.State)
		}
		by[s.State] = append(by[s.State], s.Interval)
	}
	var rows []piece
	for state, is := range by {
		for _, i := range NewSet(is...) {
			rows = append(rows, piece{i, [...]verdict{StateUp: voteUp, StateDown: voteCertain, StateUnknown: voteUnknown}[state]})
		}
	}
	slices.SortFunc(rows, func(a, b piece) int { return cmp.Compare(a.From, b.From) })
	return filled(rows)
}

// filled returns rows with UNKNOWN wherever none says up or down.
func filled(rows []piece) ([]piece, error) {
	var pieces []piece
	end, known := Ever, Ever // of the rows so far, and of those that say up or down
	for _, r := range rows {
		if r.From < end {
			return nil, fmt.Errorf("got two states at %s, want one", instant(r.From))
		}
		end = r.To
		if r.verdict == voteUnknown {
			continue
		}
		if known < r.From {
			pieces = append(pieces, piece{Interval{known, r.From}, voteUnknown})
		}
		pieces = append(pieces, r)
		known = r.To
	}
	if known < Forever {
		pieces = append(pieces, piece{Interval{known, Forever}, voteUnknown})
	}
	return pieces, nil
}
