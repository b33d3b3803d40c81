package statements

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"slices"

	"github.com/uptally/uptally/agreements"
)

// EntryEvidence is an entry that speaks of the agreement and the period, whether it moved a figure or not: enough to tell
// whether two computations knew the same.
type EntryEvidence struct {
	Entry      int64   `json:"entry"`
	RecordedAt Instant `json:"recorded_at"`
	By         string  `json:"by"`
	Kind       string  `json:"kind"`
	// SHA256 is over what was recorded, the entry's own JSON.
	SHA256 string `json:"sha256"`
}

// entriesOf are the entries of the draft that concern its agreement and overlap its period, and those that replace one of
// these, in order of recording.
func entriesOf(d draft) []EntryEvidence {
	var services []string
	for _, a := range d.accounts {
		services = append(services, a.Terms.Services...)
	}
	var found []EntryEvidence
	recorded := slices.SortedStableFunc(slices.Values(d.entries), func(a, b agreements.Recorded) int {
		return cmp.Or(cmp.Compare(a.RecordedAt, b.RecordedAt), cmp.Compare(a.ID, b.ID))
	})
	for _, r := range recorded {
		about := len(r.Services) == 0 || slices.ContainsFunc(r.Services, func(s string) bool { return slices.Contains(services, s) })
		about = about && (r.Agreement == "" || r.Agreement == d.agreement.Name) && r.From < d.period.To && d.period.From < r.To
		replaces := r.Replaces != 0 && slices.ContainsFunc(found, func(e EntryEvidence) bool { return e.Entry == r.Replaces })
		if about || replaces {
			found = append(found, newEntryEvidence(r))
		}
	}
	return found
}

func newEntryEvidence(r agreements.Recorded) EntryEvidence {
	sum := sha256.Sum256(r.Data)
	return EntryEvidence{r.ID, Instant(r.RecordedAt), r.By, r.Kind, hex.EncodeToString(sum[:])}
}
