package agreements

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"slices"
	"strings"

	"github.com/uptally/uptally"
)

// Kinds of entries. A cause is information beside an outage, as a report is unless the agreement's clock starts with it;
// affected says whom an outage hit, in_service when a service was in use. A withdrawal takes back the entry it replaces.
const (
	KindMaintenance = "maintenance"
	KindExclusion   = "exclusion"
	KindCause       = "cause"
	KindReport      = "report"
	KindAffected    = "affected"
	KindInService   = "in_service"
	KindWithdrawal  = "withdrawal"
)

// Kinds returns the kinds of entries that people record, in the order of the manual.
func Kinds() []string {
	return []string{KindMaintenance, KindExclusion, KindCause, KindReport, KindAffected, KindInService, KindWithdrawal}
}

// ClassEmergency is the class of maintenance that could not wait for its notice.
const ClassEmergency = "emergency"

// EntryText is what a person recorded, decoded from an Entry's JSON. Instants are milliseconds UTC, 0 where not given.
type EntryText struct {
	// Agreement limits it to one agreement, Services to some services; empty means all.
	Agreement string   `json:"agreement,omitempty"`
	Services  []string `json:"services,omitempty"`
	// From and To bound it. A service that is still in use has Forever, one that always was has Ever.
	From int64 `json:"from"`
	To   int64 `json:"to"`
	// Announced is when the customer was told; 0 is the instant of recording.
	Announced int64 `json:"announced,omitempty"`
	// Cause is the excluded cause of an exclusion; Reason is free text.
	Cause  string `json:"cause,omitempty"`
	Reason string `json:"reason,omitempty"`
	// Class is the class of maintenance, such as ClassEmergency; empty is ordinary work.
	Class string `json:"class,omitempty"`
	// AcceptedBy names who accepted an exclusion for the customer, Evidence what proves it.
	AcceptedBy string `json:"accepted_by,omitempty"`
	Evidence   string `json:"evidence,omitempty"`
	// Reported, Opened and Closed are of a report: when the customer told of the outage, when its ticket was opened and closed.
	Reported int64 `json:"reported,omitempty"`
	Opened   int64 `json:"opened,omitempty"`
	Closed   int64 `json:"closed,omitempty"`
	// Users and Share are whom an outage hit: a number, or decimal text such as "25%".
	Users int64  `json:"users,omitempty"`
	Share string `json:"share,omitempty"`
	// Replaces is the entry that this one corrects or, being a withdrawal, takes back; 0 is none.
	Replaces int64 `json:"replaces,omitempty"`
}

// Recorded is an entry with its text decoded.
type Recorded struct {
	uptally.Entry
	EntryText
}

// EncodeEntry returns the JSON that an Entry's Data holds: fields in the order of EntryText, empty ones left out.
func EncodeEntry(t EntryText) []byte {
	data, err := json.Marshal(t)
	if err != nil {
		panic("BUG: encode entry: " + err.Error()) // strings and integers only
	}
	return data
}

// DecodeEntry reads an entry's text. It is strict: an unknown kind or field, text after the object, an end that is not
// after the start, a field of another kind and a kind without what it is for are errors that name the entry.
// An entry of KindImport is read as DecodeImport reads it, and has no text of a person.
func DecodeEntry(e uptally.Entry) (Recorded, error) {
	r := Recorded{Entry: e}
	if e.Kind == KindImport {
		_, err := DecodeImport(e)
		return r, err
	}
	d := json.NewDecoder(bytes.NewReader(e.Data))
	d.DisallowUnknownFields()
	if err := d.Decode(&r.EntryText); err != nil {
		return Recorded{}, fmt.Errorf("decode entry %d: %w", e.ID, err)
	}
	if _, err := d.Token(); err != io.EOF {
		return Recorded{}, fmt.Errorf("decode entry %d: got text after the object, want one object", e.ID)
	}
	for _, p := range r.Problems(e.Kind) {
		return Recorded{}, fmt.Errorf("decode entry %d: got %s, want %s", e.ID, p.Got, p.Want)
	}
	return r, nil
}

// Complete gives an entry the ends that follow from its kind: a report is about the stretch from its first instant until it
// was closed, or about that instant alone; a service without an end is still in use, one without a start always was.
func (t *EntryText) Complete(kind string) {
	switch kind {
	case KindReport:
		if t.From == 0 {
			t.From = earliest(t.Reported, t.Opened)
		}
		if t.To == 0 && t.From != 0 {
			t.To = max(t.Closed, t.From+1)
		}
	case KindInService:
		if t.From == 0 {
			t.From = Ever
		}
		if t.To == 0 {
			t.To = Forever
		}
	}
}

// earliest is the first of two instants of which 0 is none.
func earliest(a, b int64) int64 {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// Problems returns what is wrong with the text of an entry of a kind. Paths are the names of its fields.
func (t EntryText) Problems(kind string) []uptally.Problem {
	if !slices.Contains(Kinds(), kind) {
		return []uptally.Problem{{Path: "kind", Got: fmt.Sprintf("kind %q", kind), Want: list(Kinds())}}
	}
	p := &problems{}
	t.bounds(p, kind)
	t.strangers(p, kind)
	share, err := ParseShare(t.Share)
	switch kind {
	case KindExclusion:
		p.want(t.Cause != "", "cause", "an exclusion without a cause", "a cause of the agreement")
	case KindReport:
		p.want(t.Reported != 0 || t.Opened != 0, "reported", "a report without an instant", "reported or opened")
		p.want(t.Closed == 0 || t.Closed >= max(t.Reported, t.Opened), "closed", fmt.Sprintf("closed %d before reported or opened", t.Closed), "an instant after them")
	case KindAffected:
		p.want((t.Users == 0) != (t.Share == ""), "users", fmt.Sprintf("users %d and share %q", t.Users, t.Share), "users or share")
		p.want(t.Users >= 0, "users", fmt.Sprintf("users %d", t.Users), "a number above zero")
		p.want(t.Share == "" || err == nil && share.Sign() > 0 && share.Cmp(big.NewRat(1, 1)) <= 0, "share", fmt.Sprintf("share %q", t.Share), "a share above 0% and up to 100%, such as 25%")
	case KindWithdrawal:
		p.want(t.Replaces != 0, "replaces", "a withdrawal without an entry", "the number of the entry it takes back")
	}
	p.want(t.Replaces >= 0, "replaces", fmt.Sprintf("replaces %d", t.Replaces), "the number of an entry")
	return p.list
}

// bounds wants an interval of everything but a withdrawal, and instants.
func (t EntryText) bounds(p *problems, kind string) {
	if kind == KindWithdrawal || kind == KindReport && t.Reported == 0 && t.Opened == 0 {
		return // there are none, or they follow from what is missing
	}
	p.want(t.From < t.To, "to", fmt.Sprintf("from %d and to %d", t.From, t.To), "the end after the start")
	outside := func(at int64) bool { return at < Ever || at > Forever }
	p.want(!slices.ContainsFunc([]int64{t.From, t.To, t.Announced, t.Reported, t.Opened, t.Closed}, outside), "from",
		fmt.Sprintf("from %d, to %d, announced %d", t.From, t.To, t.Announced), "instants in milliseconds")
}

// strangers wants no field that the kind has no use for: it would be a mistake that moves no figure, unseen.
func (t EntryText) strangers(p *problems, kind string) {
	for _, f := range []struct {
		name  string
		given bool
		kinds []string
	}{
		{"from", t.From != 0 || t.To != 0, Kinds()[:6]},
		{"class", t.Class != "", []string{KindMaintenance}},
		{"accepted_by", t.AcceptedBy != "", []string{KindExclusion}},
		{"evidence", t.Evidence != "", []string{KindExclusion, KindCause, KindReport, KindAffected}},
		{"reported", t.Reported != 0, []string{KindReport}},
		{"opened", t.Opened != 0, []string{KindReport}},
		{"closed", t.Closed != 0, []string{KindReport}},
		{"users", t.Users != 0, []string{KindAffected}},
		{"share", t.Share != "", []string{KindAffected}},
	} {
		p.want(!f.given || slices.Contains(f.kinds, kind), f.name, fmt.Sprintf("%s of the kind %s", f.name, kind), "this field only of "+list(f.kinds))
	}
}

// list names alternatives: "a, b or c".
func list(words []string) string {
	n := len(words)
	if n == 1 {
		return words[0]
	}
	return strings.Join(words[:n-1], ", ") + " or " + words[n-1]
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
