package agreements

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"github.com/uptally/uptally"
)

// Kinds of entries. A cause is information beside an outage; it moves no figure.
const (
	KindMaintenance = "maintenance"
	KindExclusion   = "exclusion"
	KindCause       = "cause"
)

// EncodeEntry returns the JSON that an Entry's Data holds: fields in the order of EntryText, empty ones left out.
func EncodeEntry(t EntryText) []byte {
	data, err := json.Marshal(t)
	if err != nil {
		panic("BUG: encode entry: " + err.Error()) // strings and integers only
	}
	return data
}

// DecodeEntry reads an entry's text. It is strict: an unknown kind or field, text after the object, an end that is not
// after the start, and an exclusion without a cause are errors that name the entry.
func DecodeEntry(e uptally.Entry) (Recorded, error) {
	r := Recorded{Entry: e}
	d := json.NewDecoder(bytes.NewReader(e.Data))
	d.DisallowUnknownFields()
	if err := d.Decode(&r.EntryText); err != nil {
		return Recorded{}, fmt.Errorf("decode entry %d: %w", e.ID, err)
	}
	if _, err := d.Token(); err != io.EOF {
		return Recorded{}, fmt.Errorf("decode entry %d: got text after the object, want one object", e.ID)
	}
	switch {
	case !slices.Contains([]string{KindMaintenance, KindExclusion, KindCause}, e.Kind):
		return Recorded{}, fmt.Errorf("decode entry %d: got kind %q, want maintenance, exclusion or cause", e.ID, e.Kind)
	case r.From >= r.To:
		return Recorded{}, fmt.Errorf("decode entry %d: got from %d and to %d, want the end after the start", e.ID, r.From, r.To)
	case r.From < Ever || r.To > Forever || r.Announced < Ever || r.Announced > Forever:
		return Recorded{}, fmt.Errorf("decode entry %d: got from %d, to %d, announced %d, want instants in milliseconds", e.ID, r.From, r.To, r.Announced)
	case e.Kind == KindExclusion && r.Cause == "":
		return Recorded{}, fmt.Errorf("decode entry %d: got an exclusion without a cause, want a cause of the agreement", e.ID)
	}
	return r, nil
}

// interval is the time that the entry covers.
func (r Recorded) interval() Interval { return Interval{r.From, r.To} }

// concerns reports whether the entry speaks of the agreement and of at least one of the services.
func (r Recorded) concerns(agreement string, services []string) bool {
	return (r.Agreement == "" || r.Agreement == agreement) &&
		(len(r.Services) == 0 || slices.ContainsFunc(services, func(s string) bool { return slices.Contains(r.Services, s) }))
}

// announced is when the customer was told, in milliseconds UTC.
func (r Recorded) announced() int64 {
	if r.Announced != 0 {
		return r.Announced
	}
	return r.RecordedAt
}

// label names the entry in words: its kind and what it is about, such as "exclusion: force majeure".
func (r Recorded) label() string {
	about := r.Reason
	if r.Cause != "" {
		about = r.Cause
	}
	if about == "" {
		return r.Kind
	}
	return r.Kind + ": " + about
}
