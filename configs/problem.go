package configs

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/uptally/uptally"
)

// Problem is one thing wrong with a file, and where. Line counts from 1; it is 0 only where the file as a whole is
// meant, such as one that cannot be read.
type Problem struct {
	File string
	Line int
	uptally.Problem
}

// String returns "file:line: path: got …, want …".
func (p Problem) String() string {
	if p.Line == 0 {
		return fmt.Sprintf("%s: %s", p.File, p.Problem)
	}
	return fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Problem)
}

// ProblemsError is everything that is wrong with the files of one load, sorted by file, line and path; never empty.
type ProblemsError struct {
	Problems []Problem
}

// Error returns one line a problem.
func (e *ProblemsError) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// sorted orders problems by file, line and path and drops what was found twice, as in a file named twice.
func sorted(ps []Problem) []Problem {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Path, b.Path),
			cmp.Compare(a.Got, b.Got), cmp.Compare(a.Want, b.Want))
	})
	return slices.Compact(ps)
}

// orNil returns the problems as an error, or nil where there are none.
func orNil(ps []Problem) error {
	if len(ps) == 0 {
		return nil
	}
	return &ProblemsError{Problems: sorted(ps)}
}
