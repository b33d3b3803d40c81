package configs

import (
	"cmp"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// kind is what a YAML file is for. Its keys tell kinds apart; Validate reads installations first, so that what they name
// is judged in their light.
type kind struct {
	name string
	keys []string
	// file is of the type that reads it.
	file any
	read func(*loader, *document)
}

// kinds in the order in which Validate reads them, and in which their keys are looked for.
func kinds() []kind {
	return []kind{
		{"agent", []string{"server", "spool"}, agentFile{}, func(l *loader, d *document) { l.agent(d) }},
		{"installation", []string{"checks", "site", "listen", "data"}, installationFile{}, func(l *loader, d *document) { l.installation(d) }},
		{"agreement", []string{"agreement", "versions", "customer"}, agreementFile{}, func(l *loader, d *document) { l.agreement(d, surroundings{}) }},
		{"calendar", []string{"calendar", "weekly", "dates"}, calendarFile{}, func(l *loader, d *document) { l.calendar(d) }},
		{"holidays", []string{"holidays", "closed", "worked"}, holidayFile{}, func(_ *loader, d *document) { d.holidays() }},
		{"facts", []string{"maintenance", "exclusions", "causes", "reports", "affected", "in_service", "withdrawals"}, factsFile{}, func(_ *loader, d *document) { d.facts() }},
	}
}

// Validate returns every problem of the files, sorted: installations, agreements, calendars and facts, told apart by their
// top-level keys, with whatever files they name. A file that one of the others names is judged where it is named. The notes
// are remarks about what is no problem, one line each.
func Validate(paths ...string) (problems []Problem, notes []string) {
	type work struct {
		d    *document
		rank int
	}
	l := newLoader()
	var all []work
	for _, p := range paths {
		d := open(filepath.Clean(p))
		all = append(all, work{d, d.rank()})
	}
	slices.SortStableFunc(all, func(a, b work) int { return cmp.Compare(a.rank, b.rank) })
	for _, w := range all {
		if l.seen[w.d.file] {
			continue
		}
		if w.rank >= 0 {
			kinds()[w.rank].read(l, w.d)
		}
		l.take(w.d)
	}
	return sorted(l.problems), l.notes
}

// rank returns the place of the file's kind, or -1 for a file that is none, which is then a problem.
func (d *document) rank() int {
	if d.root == nil {
		return -1
	}
	var firsts []string
	for i, k := range kinds() {
		for _, key := range k.keys {
			if d.root.Kind == yaml.MappingNode && hasKey(d.root, key) {
				return i
			}
		}
		firsts = append(firsts, strings.Join(k.keys[:1], ""))
	}
	d.add(d.root.Line, "", d.got(&place{node: d.root}), "a file with the key "+oneOf(firsts)+" at its top")
	return -1
}

func hasKey(n *yaml.Node, key string) bool {
	for i := 0; i < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return true
		}
	}
	return false
}
