package agreements

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"

	"github.com/uptally/uptally"
)

// KindImport is the entry that an import leaves beside the results it stored: results that nobody here measured. It is
// written by the program, moves no figure and cannot be replaced or withdrawn; statements over such results name it.
const KindImport = "import"

// Sources of imports.
const (
	ImportCSV        = "csv"
	ImportPrometheus = "prometheus"
)

// Import is what was imported, the JSON of an Entry of KindImport. When and by whom are the entry's own.
type Import struct {
	// Agent is the ID that the batches carry, sixteen hexadecimal digits: an import is an agent of its own.
	Agent string `json:"agent"`
	// Kind is csv or prometheus, Source the file's name or the server's address, without secrets; Query is what the server was
	// asked, empty for a file.
	Kind   string `json:"kind"`
	Source string `json:"source"`
	Query  string `json:"query,omitempty"`
	// From and To bound the scheduled instants of what was imported, in milliseconds UTC, half open.
	From int64 `json:"from"`
	To   int64 `json:"to"`
	// SHA256 is over what was read, in hexadecimal digits.
	SHA256 string `json:"sha256"`
	// Series are what the results belong to, at least one.
	Series []ImportSeries `json:"series"`
}

// ImportSeries is a check at a site, both by name, and how many results of it were read.
type ImportSeries struct {
	Check   string `json:"check"`
	Site    string `json:"site"`
	Results int64  `json:"results"`
}

// EncodeImport returns the JSON that the Entry's Data holds.
func EncodeImport(i Import) []byte {
	data, err := json.Marshal(i)
	if err != nil {
		panic("BUG: encode import: " + err.Error()) // strings and integers only
	}
	return data
}

// DecodeImport reads an entry of KindImport. It is as strict as DecodeEntry, and its errors name the entry too.
func DecodeImport(e uptally.Entry) (Import, error) {
	var i Import
	d := json.NewDecoder(bytes.NewReader(e.Data))
	d.DisallowUnknownFields()
	if err := d.Decode(&i); err != nil {
		return Import{}, fmt.Errorf("decode entry %d: %w", e.ID, err)
	}
	if _, err := d.Token(); err != io.EOF {
		return Import{}, fmt.Errorf("decode entry %d: got text after the object, want one object", e.ID)
	}
	for _, p := range i.Problems() {
		return Import{}, fmt.Errorf("decode entry %d: got %s, want %s", e.ID, p.Got, p.Want)
	}
	return i, nil
}

// Problems returns what is wrong with i. Paths are the names of its fields.
func (i Import) Problems() []uptally.Problem {
	p := &problems{}
	p.want(isHex(i.Agent, 8), "agent", fmt.Sprintf("agent %q", i.Agent), "sixteen hexadecimal digits")
	p.want(i.Kind == ImportCSV || i.Kind == ImportPrometheus, "kind", fmt.Sprintf("an import of the kind %q", i.Kind), ImportCSV+" or "+ImportPrometheus)
	p.want(i.Source != "", "source", "an import without a source", "the file or the server it is from")
	p.want(isHex(i.SHA256, 32), "sha256", fmt.Sprintf("sha256 %q", i.SHA256), "64 hexadecimal digits")
	p.want(Ever <= i.From && i.From < i.To && i.To <= Forever, "to", fmt.Sprintf("from %d and to %d", i.From, i.To), "instants in milliseconds, the end after the start")
	p.want(len(i.Series) > 0, "series", "an import without series", "at least one check at a site")
	seen := map[ImportSeries]bool{}
	for k, s := range i.Series {
		p.want(s.Check != "" && s.Site != "" && s.Results > 0, fmt.Sprintf("series[%d]", k),
			fmt.Sprintf("%d results of check %q at site %q", s.Results, s.Check, s.Site), "the names of both and at least one result")
		s.Results = 0
		p.want(!seen[s], fmt.Sprintf("series[%d]", k), fmt.Sprintf("check %q at site %q twice", s.Check, s.Site), "each series once")
		seen[s] = true
	}
	return p.list
}

// isHex reports whether text is n bytes in small hexadecimal digits.
func isHex(text string, n int) bool {
	b, err := hex.DecodeString(text)
	return err == nil && len(b) == n && hex.EncodeToString(b) == text
}
