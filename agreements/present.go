package agreements

import "fmt"

// Present is what is thought of a check or a service now. It is told to people, and never counted.
type Present uint8

const (
	// PresentUnknown: too few sites are known.
	PresentUnknown Present = iota
	// PresentUp and PresentDown are what an account would most likely say.
	PresentUp
	// PresentSuspected: it may be down, and an account could still say either.
	PresentSuspected
	PresentDown
)

// String returns the word of pages and logs.
func (p Present) String() string { return [...]string{"unknown", "up", "suspected", "down"}[p] }

// Provisional is Measure for what is still going on: each site's last sample stands for a next one like it until its plan's gap is
// over. It is the same algorithm, vote, common cause and all; what it says of the time since the last samples, later ones may change.
//
// The errors are those of Measure.
func Provisional(ev Evidence) (Tracks, error) {
	t, err := measure(ev, Rules{}, true)
	if err != nil {
		return Tracks{}, fmt.Errorf("measure check %q: %w", ev.Check, err)
	}
	return t, nil
}

// At returns the state at an instant, and the outage that is going on then, if one is.
func (t Tracks) At(at int64) (Present, *Edge) {
	switch {
	case t.Certain.Contains(at):
		for i := range t.Edges {
			if e := &t.Edges[i]; e.Start.From <= at && at < e.End.To {
				return PresentDown, e
			}
		}
		return PresentDown, nil
	case t.Unknown.Contains(at):
		return PresentUnknown, nil
	case t.Possible.Contains(at):
		return PresentSuspected, nil
	}
	return PresentUp, nil
}
