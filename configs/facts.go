package configs

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/agreements"
)

type factsFile struct {
	Maintenance []factFile `yaml:"maintenance"`
	Exclusions  []factFile `yaml:"exclusions"`
	Causes      []factFile `yaml:"causes"`
	Reports     []factFile `yaml:"reports"`
	Affected    []factFile `yaml:"affected"`
	InService   []factFile `yaml:"in_service"`
	Withdrawals []factFile `yaml:"withdrawals"`
}

type factFile struct {
	ID         int64    `yaml:"id"`
	Agreement  string   `yaml:"agreement"`
	Services   []string `yaml:"services"`
	From       *instant `yaml:"from"`
	To         *instant `yaml:"to"`
	Announced  *instant `yaml:"announced"`
	Recorded   *instant `yaml:"recorded"`
	By         string   `yaml:"by"`
	Cause      string   `yaml:"cause"`
	Reason     string   `yaml:"reason"`
	Class      string   `yaml:"class"`
	AcceptedBy string   `yaml:"accepted_by"`
	Evidence   string   `yaml:"evidence"`
	Reported   *instant `yaml:"reported"`
	Opened     *instant `yaml:"opened"`
	Closed     *instant `yaml:"closed"`
	Users      int64    `yaml:"users"`
	Share      string   `yaml:"share"`
	Replaces   int64    `yaml:"replaces"`
	// Ical is a file of planned work; TimeZone is that of its days and of its times without a zone.
	Ical     string `yaml:"ical"`
	TimeZone string `yaml:"time_zone"`
}

// LoadFacts reads the entries that `uptally evaluate` takes beside a timeline, as the ledger would have kept them: in
// order of recording, with the numbers that they name themselves or else the first free ones. Without `recorded` an
// entry was recorded when it was announced, or else at its start. The order of the file changes nothing. The error is a
// *ProblemsError.
func LoadFacts(path string) ([]agreements.Recorded, error) {
	d := open(path)
	facts := d.facts()
	if err := orNil(d.all()); err != nil {
		return nil, err
	}
	return facts, nil
}

// factCompiler turns the lists of a facts file into entries.
type factCompiler struct {
	*document
	facts []agreements.Recorded
	// paths are where the numbers stand that facts give themselves, corrections the facts that name another.
	paths       map[int64]string
	corrections []correction
}

// correction is a fact that names the one it replaces.
type correction struct {
	path string
	agreements.Recorded
}

func (d *document) facts() []agreements.Recorded {
	var f factsFile
	d.decode(&f)
	c := factCompiler{document: d, paths: map[int64]string{}}
	for _, list := range []struct {
		key, kind string
		facts     []factFile
	}{
		{"maintenance", agreements.KindMaintenance, f.Maintenance}, {"exclusions", agreements.KindExclusion, f.Exclusions},
		{"causes", agreements.KindCause, f.Causes}, {"reports", agreements.KindReport, f.Reports},
		{"affected", agreements.KindAffected, f.Affected}, {"in_service", agreements.KindInService, f.InService},
		{"withdrawals", agreements.KindWithdrawal, f.Withdrawals},
	} {
		for i, fact := range list.facts {
			for _, one := range c.imported(item(list.key, i), list.kind, fact) {
				c.add(item(list.key, i), list.kind, one)
			}
		}
	}
	c.number()
	c.replaced()
	return c.facts
}

// add takes one fact and its number.
func (c *factCompiler) add(path, kind string, f factFile) {
	r := c.fact(path, kind, f)
	c.facts = append(c.facts, r)
	if f.Replaces != 0 {
		c.corrections = append(c.corrections, correction{path, r})
	}
	switch first, twice := c.paths[f.ID]; {
	case f.ID == 0:
	case f.ID < 0:
		c.complain(join(path, "id"), "a number above zero")
	case twice:
		c.complain(join(path, "id"), "another number; "+first+" has this one")
	default:
		c.paths[f.ID] = path
	}
}

// number sorts the facts as they were recorded and gives those without a number the first free ones.
func (c *factCompiler) number() {
	slices.SortFunc(c.facts, func(a, b agreements.Recorded) int {
		return cmp.Or(cmp.Compare(a.RecordedAt, b.RecordedAt), cmp.Compare(a.From, b.From), cmp.Compare(a.Kind, b.Kind),
			cmp.Compare(a.ID, b.ID), bytes.Compare(a.Data, b.Data), cmp.Compare(a.By, b.By))
	})
	next := int64(1)
	for i := range c.facts {
		for ; c.facts[i].ID == 0; next++ {
			if c.paths[next] == "" {
				c.facts[i].ID = next
			}
		}
	}
}

// replaced wants every correction to name a fact that was recorded before it.
func (c *factCompiler) replaced() {
	for _, r := range c.corrections {
		path := join(r.path, "replaces")
		i := slices.IndexFunc(c.facts, func(f agreements.Recorded) bool { return f.ID == r.Replaces })
		switch {
		case i < 0 || c.paths[r.Replaces] == "":
			c.complain(path, "the id that a fact of this file gives itself")
		case c.facts[i].RecordedAt > r.RecordedAt || c.paths[r.Replaces] == r.path:
			c.complain(path, "the id of a fact that was recorded before this one")
		}
	}
}

func (c *factCompiler) fact(path, kind string, f factFile) agreements.Recorded {
	at := func(i *instant) int64 { return int64(or(i, 0)) }
	text := agreements.EntryText{
		Agreement: f.Agreement, Services: f.Services, From: at(f.From), To: at(f.To), Announced: at(f.Announced),
		Cause: f.Cause, Reason: f.Reason, Class: f.Class, AcceptedBy: f.AcceptedBy, Evidence: f.Evidence,
		Reported: at(f.Reported), Opened: at(f.Opened), Closed: at(f.Closed), Users: f.Users, Share: f.Share, Replaces: f.Replaces,
	}
	text.Complete(kind)
	c.bounds(path, kind, f, text)
	switch {
	case kind == agreements.KindMaintenance && f.Announced == nil:
		c.complain(join(path, "announced"), "the instant at which the customer was told, such as 2026-10-01T09:00:00Z")
	case kind == agreements.KindMaintenance && f.Cause != "":
		c.complain(join(path, "cause"), "no cause for maintenance; give a reason")
	case (kind == agreements.KindCause || kind == agreements.KindExclusion) && f.Cause == "":
		c.complain(join(path, "cause"), "a cause, such as force majeure")
	case f.Announced != nil && f.Recorded != nil && *f.Announced > *f.Recorded:
		c.complain(join(path, "announced"), "an instant not after recorded")
	}
	for _, p := range text.Problems(kind) {
		if p.Path != "from" && p.Path != "to" {
			c.further(uptally.Problem{Path: join(path, p.Path), Want: p.Want})
		}
	}
	entry := uptally.Entry{ID: f.ID, RecordedAt: cmp.Or(at(f.Recorded), text.Announced, text.From), By: f.By, Kind: kind, Data: agreements.EncodeEntry(text)}
	return agreements.Recorded{Entry: entry, EntryText: text}
}

// factBounds wants the ends that the kind needs.
func (c *factCompiler) bounds(path, kind string, f factFile, text agreements.EntryText) {
	if kind == agreements.KindWithdrawal {
		if f.From != nil || f.To != nil {
			c.complain(path, "a withdrawal without from and to: it takes back the whole entry")
		}
		return
	}
	if kind == agreements.KindReport && text.From == 0 {
		return // its instants are missing
	}
	for _, end := range []struct {
		key     string
		written *instant
		at      int64
	}{{"from", f.From, text.From}, {"to", f.To, text.To}} {
		if end.written == nil && end.at == 0 {
			c.complain(join(path, end.key), "an instant such as 2026-10-04T02:00:00Z")
		}
	}
	if f.From != nil && f.To != nil && text.From >= text.To {
		c.complain(join(path, "to"), "an instant after from")
	}
}
