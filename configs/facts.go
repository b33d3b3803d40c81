package configs

import (
	"cmp"
	"slices"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/agreements"
)

type factsFile struct {
	Maintenance []factFile `yaml:"maintenance"`
	Exclusions  []factFile `yaml:"exclusions"`
	Causes      []factFile `yaml:"causes"`
}

type factFile struct {
	Agreement string   `yaml:"agreement"`
	Services  []string `yaml:"services"`
	From      *instant `yaml:"from"`
	To        *instant `yaml:"to"`
	Announced *instant `yaml:"announced"`
	By        string   `yaml:"by"`
	Cause     string   `yaml:"cause"`
	Reason    string   `yaml:"reason"`
}

// LoadFacts reads the maintenance, exclusions and causes that `uptally evaluate` takes beside a timeline, as the ledger
// would have kept them: numbered from 1 in order of their instants, and recorded when they were announced, or else at
// their start. The error is a *ProblemsError.
func LoadFacts(path string) ([]agreements.Recorded, error) {
	d := open(path)
	facts := d.facts()
	if err := orNil(d.all()); err != nil {
		return nil, err
	}
	return facts, nil
}

func (d *document) facts() []agreements.Recorded {
	var f factsFile
	d.decode(&f)
	var facts []agreements.Recorded
	for _, list := range []struct {
		key, kind string
		facts     []factFile
	}{{"maintenance", agreements.KindMaintenance, f.Maintenance}, {"exclusions", agreements.KindExclusion, f.Exclusions}, {"causes", agreements.KindCause, f.Causes}} {
		for i, fact := range list.facts {
			facts = append(facts, d.fact(item(list.key, i), list.kind, fact))
		}
	}
	slices.SortStableFunc(facts, func(a, b agreements.Recorded) int {
		return cmp.Or(cmp.Compare(a.RecordedAt, b.RecordedAt), cmp.Compare(a.From, b.From))
	})
	for i := range facts {
		facts[i].ID = int64(i + 1)
	}
	return facts
}

func (d *document) fact(path, kind string, f factFile) agreements.Recorded {
	text := agreements.EntryText{
		Agreement: f.Agreement, Services: f.Services, From: int64(or(f.From, 0)), To: int64(or(f.To, 0)),
		Announced: int64(or(f.Announced, 0)), Cause: f.Cause, Reason: f.Reason,
	}
	for _, end := range []struct {
		key string
		at  *instant
	}{{"from", f.From}, {"to", f.To}} {
		if end.at == nil {
			d.complain(join(path, end.key), "an instant such as 2026-10-04T02:00:00Z")
		}
	}
	if f.From != nil && f.To != nil && text.From >= text.To {
		d.complain(join(path, "to"), "an instant after from")
	}
	switch {
	case kind == agreements.KindMaintenance && f.Announced == nil:
		d.complain(join(path, "announced"), "the instant at which the customer was told, such as 2026-10-01T09:00:00Z")
	case kind == agreements.KindMaintenance && f.Cause != "":
		d.complain(join(path, "cause"), "no cause for maintenance; give a reason")
	case kind != agreements.KindMaintenance && f.Cause == "":
		d.complain(join(path, "cause"), "a cause, such as force majeure")
	}
	entry := uptally.Entry{RecordedAt: cmp.Or(text.Announced, text.From), By: f.By, Kind: kind, Data: agreements.EncodeEntry(text)}
	return agreements.Recorded{Entry: entry, EntryText: text}
}
