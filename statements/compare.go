package statements

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/uptally/uptally"
)

// ComparisonFormat names the form of a Comparison's JSON.
const ComparisonFormat = "uptally-comparison/1"

// Comparison is what differs between two statements of one agreement and period: the evidence day by day, what else they
// rest on, and the figures.
type Comparison struct {
	Format    string   `json:"format"`
	Agreement string   `json:"agreement"`
	Period    Interval `json:"period"`
	Before    Compared `json:"before"`
	After     Compared `json:"after"`
	// SameEvidence: both rest on the same results, or on the same files. SameFigures: no figure of any account differs.
	SameEvidence bool `json:"same_evidence"`
	SameFigures  bool `json:"same_figures"`
	// Words say both, and what explains a difference.
	Words []string    `json:"words"`
	Days  []DayChange `json:"days"`
	// Late is what late results changed between the two, where the later one was computed just now.
	Late    []LateDay      `json:"late,omitempty"`
	Further []Change       `json:"further"`
	Figures []FigureChange `json:"figures"`
	doc     *Statement
}

// Compared is one of the two. Digest is empty where it names no digest of its evidence.
type Compared struct {
	GeneratedAt Instant `json:"generated_at"`
	EntriesAsOf Instant `json:"entries_as_of"`
	Digest      string  `json:"digest,omitempty"`
}

// DayChange is a day of a check at a site that differs. Was is nil where it is new, Is where it is gone; both have counts.
type DayChange struct {
	Check string       `json:"check"`
	Site  string       `json:"site"`
	Was   *DayEvidence `json:"was,omitempty"`
	Is    *DayEvidence `json:"is,omitempty"`
	// Results and Downs are how many results, and how many of them down, there are more.
	Results int64 `json:"results_more"`
	Downs   int64 `json:"downs_more"`
	// Beyond: the day lies beside the period, where an outage or a rule reaches across its edge.
	Beyond bool `json:"beyond,omitempty"`
}

// Change is something else that the two rest on, such as a plan: What names it, Was and Is are empty where it is not there.
type Change struct {
	What string `json:"what"`
	Was  string `json:"was,omitempty"`
	Is   string `json:"is,omitempty"`
}

// FigureChange is a figure of an account before and after, as both documents print it.
type FigureChange struct {
	Account string `json:"account"`
	Figure  string `json:"figure"`
	Was     string `json:"was"`
	Is      string `json:"is"`
}

// Compare returns what differs from before to after. The error says that they are not of one agreement and period.
func Compare(before, after *Statement) (Comparison, error) {
	c := Comparison{
		Format: ComparisonFormat, Agreement: after.Agreement, Period: after.Period.At, Before: compared(before), After: compared(after),
		Days: []DayChange{}, Further: []Change{}, Figures: []FigureChange{}, doc: after,
	}
	if before.Agreement != after.Agreement {
		return c, fmt.Errorf("compare statements: got agreements %q and %q, want two of one agreement", before.Agreement, after.Agreement)
	}
	if before.Period.At != after.Period.At {
		return c, fmt.Errorf("compare statements: got the periods %s to %s and %s to %s, want two of one period",
			before.Period.At.From, before.Period.At.To, after.Period.At.From, after.Period.At.To)
	}
	c.days(before, after)
	known := (before.Evidence.Digest == "") == (after.Evidence.Digest == "") && before.Evidence.Kind == after.Evidence.Kind
	c.SameEvidence = known && len(c.Days) == 0 && slices.Equal(before.Evidence.Files, after.Evidence.Files)
	for _, d := range after.Late {
		if d.At > before.GeneratedAt {
			c.Late = append(c.Late, d)
		}
	}
	c.further(before, after)
	c.figures(before, after)
	c.SameFigures = len(c.Figures) == 0
	c.Words = c.conclude(known)
	return c, nil
}

func compared(s *Statement) Compared {
	return Compared{s.GeneratedAt, s.EntriesAsOf, s.Evidence.Digest}
}

// Same reports whether the evidence and the figures are the same.
func (c *Comparison) Same() bool { return c.SameEvidence && c.SameFigures }

// dayName is a day of a check at a site.
type dayName struct {
	check, site string
	day         int32
}

func (ev *Evidence) byDay(beyond bool) map[dayName]DayEvidence {
	days := map[dayName]DayEvidence{}
	for _, c := range ev.Checks {
		for _, s := range c.Sites {
			of := s.Days
			if beyond {
				of = s.Beyond
			}
			for _, d := range of {
				days[dayName{c.Check, s.Site, d.Day}] = d
			}
		}
	}
	return days
}

// days lists the days of the period that differ, and those beside it that both read and that were over when both were
// computed: one that is read by one of them alone says nothing, since reading goes on only as far as it must.
func (c *Comparison) days(before, after *Statement) {
	was, is := before.Evidence.byDay(false), after.Evidence.byDay(false)
	for name, d := range was {
		if now, ok := is[name]; !ok {
			c.day(name, &d, nil, false)
		} else if now.Digest != d.Digest {
			c.day(name, &d, &now, false)
		}
	}
	for name, d := range is {
		if _, ok := was[name]; !ok {
			c.day(name, nil, &d, false)
		}
	}
	over := min(before.GeneratedAt, after.GeneratedAt)
	is = after.Evidence.byDay(true)
	for name, d := range before.Evidence.byDay(true) {
		now, ok := is[name]
		if ok && now.Digest != d.Digest && Instant(name.day+1)*uptally.DayMillis <= over {
			c.day(name, &d, &now, true)
		}
	}
	slices.SortFunc(c.Days, func(a, b DayChange) int {
		return slices.Compare([]string{a.Check, a.Site, date(a.number())}, []string{b.Check, b.Site, date(b.number())})
	})
}

func (c *Comparison) day(name dayName, was, is *DayEvidence, beyond bool) {
	change := DayChange{Check: name.check, Site: name.site, Was: was, Is: is, Beyond: beyond}
	if is != nil {
		change.Results, change.Downs = is.Sum(), is.Down
	}
	if was != nil {
		change.Results, change.Downs = change.Results-was.Sum(), change.Downs-was.Down
	}
	c.Days = append(c.Days, change)
}

// number is the day.
func (d DayChange) number() int32 {
	if d.Is != nil {
		return d.Is.Day
	}
	return d.Was.Day
}

// further lists what else differs that the figures rest on.
func (c *Comparison) further(before, after *Statement) {
	add := func(what string, was, is map[string]string) {
		for _, name := range slices.Sorted(maps.Keys(was)) {
			if is[name] != was[name] {
				c.Further = append(c.Further, Change{what + " " + name, was[name], is[name]})
			}
		}
		for _, name := range slices.Sorted(maps.Keys(is)) {
			if _, ok := was[name]; !ok {
				c.Further = append(c.Further, Change{what + " " + name, "", is[name]})
			}
		}
	}
	add("terms", before.termsByVersion(after), after.termsByVersion(before))
	add("plan", before.Evidence.plans(), after.Evidence.plans())
	add("entry", before.Evidence.entries(), after.Evidence.entries())
	add("import", before.Evidence.importsByEntry(), after.Evidence.importsByEntry())
	add("file", before.Evidence.filesByName(), after.Evidence.filesByName())
	add("evidence", map[string]string{"kind": before.Evidence.Kind}, map[string]string{"kind": after.Evidence.Kind})
	add("zone", map[string]string{"data": before.Period.ZoneData}, map[string]string{"data": after.Period.ZoneData})
}

// termsByVersion are the digests of the terms, each with the words that another statement does not have.
func (s *Statement) termsByVersion(other *Statement) map[string]string {
	var known []string
	for _, v := range other.Versions() {
		known = append(known, v.Words...)
	}
	m := map[string]string{}
	for _, v := range s.Versions() {
		var own []string
		for _, w := range v.Words {
			if !slices.Contains(known, w) {
				own = append(own, w)
			}
		}
		m["of the version from "+v.From] = strings.Join(append(own, "SHA-256 "+v.SHA256), " ")
	}
	return m
}

func (ev *Evidence) plans() map[string]string {
	m := map[string]string{}
	for _, c := range ev.Checks {
		for _, p := range c.Plans {
			text := p.Text()
			if p.Digest != "" {
				text += " (" + p.Digest + ")"
			}
			m["of "+c.Check+" from "+p.From.String()] = text
		}
	}
	return m
}

func (ev *Evidence) entries() map[string]string {
	m := map[string]string{}
	for _, e := range ev.Entries {
		m[fmt.Sprint(e.Entry)] = fmt.Sprintf("%s by %s, recorded %s, sha256 %s", e.Kind, e.By, e.RecordedAt, e.SHA256)
	}
	return m
}

func (ev *Evidence) importsByEntry() map[string]string {
	m := map[string]string{}
	for _, i := range ev.Imports {
		m[fmt.Sprintf("of entry %d", i.Entry)] = fmt.Sprintf("%s results from %s %s by %s, recorded %s, sha256 %s", thousands(i.Results), i.Kind, i.Source, i.By, i.RecordedAt, i.SHA256)
	}
	return m
}

func (ev *Evidence) filesByName() map[string]string {
	m := map[string]string{}
	for _, f := range ev.Files {
		m[f.Name] = "sha256 " + f.SHA256
	}
	return m
}

// conclude says in words what the lists say, and plainly so where the same evidence gave other figures.
func (c *Comparison) conclude(known bool) []string {
	figures := map[bool]string{true: "the figures are the same", false: "the figures differ"}[c.SameFigures]
	switch {
	case !known:
		return []string{"Not both name days with a digest of their evidence, so their evidence cannot be compared; " + figures + "."}
	case !c.SameEvidence && len(c.Days) == 0:
		return []string{"The files of evidence differ; " + figures + "."}
	case !c.SameEvidence:
		return []string{fmt.Sprintf("The evidence differs in %s; %s.", count(len(c.Days), "day", "days"), figures)}
	case c.SameFigures && len(c.Further) > 0:
		return []string{"The evidence is the same, and so are the figures.", "What differs besides moved none of them: " + strings.Join(c.kinds(), ", ") + "."}
	case c.SameFigures:
		return []string{"The evidence is the same, and so are the figures."}
	}
	why := "Nothing that the documents name explains it: the later one was computed by another version of the program."
	if kinds := c.kinds(); len(kinds) > 0 {
		why = "What differs besides: " + strings.Join(kinds, ", ") + "."
	} else if c.Before.GeneratedAt != c.After.GeneratedAt || c.Before.EntriesAsOf != c.After.EntriesAsOf {
		why = "Nothing else that the documents name explains it but when they were computed: time that lay ahead, entries up to another instant, or another version of the program."
	}
	return []string{"The evidence is the same, but the figures differ.", why}
}

// kinds are the kinds of further changes, each once.
func (c *Comparison) kinds() []string {
	var kinds []string
	for _, f := range c.Further {
		kind, _, _ := strings.Cut(f.What, " ")
		if kind = map[string]string{"plan": "plans", "entry": "entries", "import": "imports", "file": "files", "zone": "zone data"}[kind]; kind == "" {
			kind = "terms"
		}
		if !slices.Contains(kinds, kind) {
			kinds = append(kinds, kind)
		}
	}
	return kinds
}

// JSON returns the comparison with two spaces of indent.
func (c *Comparison) JSON() ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(c); err != nil {
		return nil, fmt.Errorf("encode comparison: %w", err)
	}
	return b.Bytes(), nil
}
