package agreements

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
)

// replacement is an entry that another one corrects or takes back.
type replacement struct {
	Recorded
	by Recorded
}

// why says what became of the entry.
func (r replacement) why() string {
	if r.by.Kind == KindWithdrawal {
		return fmt.Sprintf("withdrawn by entry %d", r.by.ID)
	}
	return fmt.Sprintf("replaced by entry %d", r.by.ID)
}

// inForce returns the entries that hold, in order of recording whatever order they came in, and those that a later one
// replaces. Imports are passed over. A correction that is replaced itself does not bring back what it corrected: whoever wants that records it anew.
func inForce(entries []Recorded) (held []Recorded, replaced []replacement) {
	entries = slices.DeleteFunc(slices.Clone(entries), func(r Recorded) bool { return r.Kind == KindImport })
	slices.SortStableFunc(entries, func(a, b Recorded) int {
		return cmp.Or(cmp.Compare(a.RecordedAt, b.RecordedAt), cmp.Compare(a.ID, b.ID), cmp.Compare(a.Kind, b.Kind),
			cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To), bytes.Compare(EncodeEntry(a.EntryText), EncodeEntry(b.EntryText)))
	})
	for i, e := range entries {
		k := slices.IndexFunc(entries[i+1:], func(later Recorded) bool { return later.Replaces == e.ID && e.ID != 0 })
		switch {
		case k >= 0:
			replaced = append(replaced, replacement{e, entries[i+1+k]})
		case e.Kind != KindWithdrawal:
			held = append(held, e)
		}
	}
	return held, replaced
}
