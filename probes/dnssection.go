package probes

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/uptally/uptally"
)

// section is the settings of one section of a reply, by the name that its keys begin with.
type section struct {
	name           string
	reason         uptally.Reason
	exact, contain []string
	one, none, all string
}

func (d *DNS) sections() []section {
	return []section{
		{"answers", uptally.Answer, d.Answers, d.AnswersContain, d.AnswersRegexp, d.AnswersNotRegexp, d.AnswersAllRegexp},
		{"authority", uptally.Authority, d.Authority, d.AuthorityContain, d.AuthorityRegexp, d.AuthorityNotRegexp, d.AuthorityAllRegexp},
		{"additional", uptally.Additional, d.Additional, d.AdditionalContain, d.AdditionalRegexp, d.AdditionalNotRegexp, d.AdditionalAllRegexp},
	}
}

func (s section) empty() bool {
	return len(s.exact) == 0 && len(s.contain) == 0 && s.one == "" && s.none == "" && s.all == ""
}

// canonical writes a record of the settings as comparable text: of the answers the data alone.
func (s section) canonical(typ, text string) (string, error) {
	if s.name == "answers" {
		return canonicalAnswer(typ, text)
	}
	return canonicalRecord(text)
}

func (s section) validate(p *problems, typ string) {
	want := "the data of a " + typ + " record as in a zone file"
	if s.name != "answers" {
		want = "a record as in a zone file, such as example.com. NS ns1.example.com."
	}
	each := func(name string, list []string) {
		for i, text := range list {
			if _, err := s.canonical(typ, text); err != nil {
				p.add(fmt.Sprintf("%s[%d]", name, i), text, want)
			}
		}
	}
	each(s.name, s.exact)
	each(s.name+"_contain", s.contain)
	p.expression(s.name+"_regexp", s.one)
	p.expression(s.name+"_not_regexp", s.none)
	p.expression(s.name+"_all_regexp", s.all)
}

// sectionWish is a prepared section. It is never written again.
type sectionWish struct {
	reason         uptally.Reason
	exact, contain []string // exact is sorted, without doubles, and nil where any records will do
	one, none, all *regexp.Regexp
}

// wish returns nil where nothing is asked of the section.
func (s section) wish(typ string) (*sectionWish, error) {
	if s.empty() {
		return nil, nil
	}
	w := &sectionWish{reason: s.reason, one: compile(s.one), none: compile(s.none), all: compile(s.all)}
	var err error
	if w.exact, err = s.canonicals(typ, s.exact); err != nil {
		return nil, err
	}
	slices.Sort(w.exact)
	w.exact = slices.Compact(w.exact)
	w.contain, err = s.canonicals(typ, s.contain)
	return w, err
}

func (s section) canonicals(typ string, list []string) (texts []string, err error) {
	for _, text := range list {
		c, err := s.canonical(typ, text)
		if err != nil {
			return nil, fmt.Errorf("parse record %q of %s: %w", text, s.name, err)
		}
		texts = append(texts, c)
	}
	return texts, nil
}

// judge holds the records of the section, sorted and without doubles, to the wish.
func (w *sectionWish) judge(got []string) *fault {
	if w == nil {
		return nil
	}
	fault := func(format string, args ...any) *fault {
		list := strings.Join(got, ", ")
		if list == "" {
			list = "nothing"
		}
		return faultf(w.reason, "got %s, want %s", list, fmt.Sprintf(format, args...))
	}
	if w.exact != nil && !slices.Equal(got, w.exact) {
		return fault("%s", strings.Join(w.exact, ", "))
	}
	for _, text := range w.contain {
		if !slices.Contains(got, text) {
			return fault("%s among them", text)
		}
	}
	switch {
	case w.one != nil && !slices.ContainsFunc(got, w.one.MatchString):
		return fault("a match of %q", w.one)
	case w.none != nil && slices.ContainsFunc(got, w.none.MatchString):
		return fault("no match of %q", w.none)
	case w.all != nil && slices.ContainsFunc(got, func(s string) bool { return !w.all.MatchString(s) }):
		return fault("each to match %q", w.all)
	}
	return nil
}
