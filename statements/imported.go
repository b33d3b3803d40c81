package statements

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/agreements"
)

// Imported is an import and the entry that it left.
type Imported struct {
	uptally.Entry
	agreements.Import
}

// ImportedEvidence is an import that results of the period came from, or may have: what an import and the agents both saw of
// a slot counts once.
type ImportedEvidence struct {
	Entry      int64   `json:"entry"`
	RecordedAt Instant `json:"recorded_at"`
	By         string  `json:"by"`
	Agent      string  `json:"agent"`
	Kind       string  `json:"kind"`
	Source     string  `json:"source"`
	Query      string  `json:"query,omitempty"`
	SHA256     string  `json:"sha256"`
	// At bounds the import, which may reach beyond the period.
	At Interval `json:"at"`
	// Checks and Sites are those of the statement that it has series of, Results how many results these had in all.
	Checks  []string `json:"checks"`
	Sites   []string `json:"sites"`
	Results int64    `json:"results"`
}

func decodeImports(entries []uptally.Entry) ([]Imported, error) {
	var imports []Imported
	for _, e := range entries {
		if e.Kind != agreements.KindImport {
			continue
		}
		i, err := agreements.DecodeImport(e)
		if err != nil {
			return nil, err
		}
		imports = append(imports, Imported{e, i})
	}
	return imports, nil
}

// importsOf are the imports that overlap the period and have series of the checks, in order of recording.
func importsOf(imports []Imported, checks []CheckEvidence, period agreements.Interval) []ImportedEvidence {
	var found []ImportedEvidence
	for _, i := range imports {
		if i.From >= period.To || i.To <= period.From {
			continue
		}
		e := ImportedEvidence{
			Entry: i.ID, RecordedAt: Instant(i.RecordedAt), By: i.By, Agent: i.Agent, Kind: i.Import.Kind, Source: i.Source, Query: i.Query,
			SHA256: i.SHA256, At: Interval{Instant(i.From), Instant(i.To)}, Checks: []string{}, Sites: []string{},
		}
		for _, s := range i.Series {
			if hasSeries(checks, s.Check, s.Site) {
				e.Checks, e.Sites, e.Results = append(e.Checks, s.Check), append(e.Sites, s.Site), e.Results+s.Results
			}
		}
		for _, names := range []*[]string{&e.Checks, &e.Sites} {
			slices.Sort(*names)
			*names = slices.Compact(*names)
		}
		if e.Results > 0 {
			found = append(found, e)
		}
	}
	slices.SortStableFunc(found, func(a, b ImportedEvidence) int { return cmp.Compare(a.Entry, b.Entry) })
	return found
}

func hasSeries(checks []CheckEvidence, check, site string) bool {
	return slices.ContainsFunc(checks, func(c CheckEvidence) bool {
		return c.Check == check && slices.ContainsFunc(c.Sites, func(s SiteEvidence) bool { return s.Site == site })
	})
}

// ImportText says what was imported, from where, when and by whom.
func (s *Statement) ImportText(i ImportedEvidence) string {
	text := fmt.Sprintf("Computed from imported evidence: %s results of %s at %s, %s to %s, from %s %s", thousands(i.Results), strings.Join(i.Checks, ", "),
		strings.Join(i.Sites, ", "), s.Local(i.At.From), s.Local(i.At.To), i.Kind, i.Source)
	if i.Query != "" {
		text += ", query " + i.Query
	}
	return text + fmt.Sprintf("; SHA-256 of what was read %s; imported %s by %s, entry %d.", i.SHA256, s.Local(i.RecordedAt), i.By, i.Entry)
}

// importMark is the caution beside every figure.
func importMark(imports []ImportedEvidence) string {
	var from []string
	for _, i := range imports {
		from = append(from, i.Kind+" "+i.Source)
	}
	return "Computed from imported evidence, which nobody here measured: " + strings.Join(slices.Compact(from), ", ") + "; see Evidence."
}
