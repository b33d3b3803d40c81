package probes

import (
	"fmt"
	"slices"
	"strings"

	"github.com/uptally/uptally"
)

// problems collects what is wrong below one path.
type problems struct {
	path string
	list *[]uptally.Problem
}

// at returns a collector for a value below this one; both write to the same list.
func (p *problems) at(name string) *problems {
	if p.list == nil {
		p.list = new([]uptally.Problem)
	}
	return &problems{path: p.join(name), list: p.list}
}

func (p *problems) join(name string) string {
	switch {
	case p.path == "":
		return name
	case name == "":
		return p.path
	}
	return p.path + "." + name
}

func (p *problems) add(name, got, want string) {
	if p.list == nil {
		p.list = new([]uptally.Problem)
	}
	*p.list = append(*p.list, uptally.Problem{Path: p.join(name), Got: got, Want: want})
}

func (p *problems) all() []uptally.Problem {
	if p.list == nil {
		return nil
	}
	return *p.list
}

// word demands one of several words; empty means the default and is fine.
func (p *problems) word(name, got string, words ...string) {
	if got != "" && !slices.Contains(words, got) {
		p.add(name, got, "one of "+strings.Join(words, ", "))
	}
}

// between demands a number in a range; 0 means the default and is fine.
func (p *problems) between(name string, got, low, high int) {
	if got != 0 && (got < low || got > high) {
		p.add(name, fmt.Sprint(got), fmt.Sprintf("a number from %d to %d", low, high))
	}
}

// span demands that a duration is not negative; 0 means the default and is fine.
func (p *problems) span(name string, got uptally.Duration) {
	if got < 0 {
		p.add(name, got.String(), "a duration above zero, such as 500ms")
	}
}

// join writes words as a list for people.
func join(words []string) string { return strings.Join(words, ", ") }
