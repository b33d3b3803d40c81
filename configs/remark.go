package configs

import (
	"cmp"
	"fmt"
	"slices"
)

// RemarkKind says what a remark is about.
type RemarkKind string

// The kinds of remarks, the gravest first.
const (
	// LeftOut is a target that got no check.
	LeftOut RemarkKind = "left out"
	// NotCarried is a setting that no check can express: the check is weaker, or stricter, without it.
	NotCarried RemarkKind = "not carried"
	// Differs is a setting that means something else here.
	Differs RemarkKind = "differs"
	// Needs is something that a person has to do before the checks can run.
	Needs RemarkKind = "needs"
)

// Remark is something about an import that a person should know, and where it comes from. Path is the key in the file; it
// is empty where the line says all.
type Remark struct {
	File string
	Line int
	Path string
	Kind RemarkKind
	Text string
}

// String returns "file:line: path: kind: text".
func (r Remark) String() string {
	at := ""
	if r.Path != "" {
		at = r.Path + ": "
	}
	if r.File == "" {
		return fmt.Sprintf("%s%s: %s", at, r.Kind, r.Text)
	}
	return fmt.Sprintf("%s:%d: %s%s: %s", r.File, r.Line, at, r.Kind, r.Text)
}

// sortedRemarks orders remarks by file and line and drops what was said twice, as of a module with several targets.
func sortedRemarks(rs []Remark) []Remark {
	rs = slices.Clone(rs)
	slices.SortStableFunc(rs, func(a, b Remark) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Path, b.Path))
	})
	seen := map[Remark]bool{}
	return slices.DeleteFunc(rs, func(r Remark) bool {
		twice := seen[r]
		seen[r] = true
		return twice
	})
}
