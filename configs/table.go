package configs

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/uptally/uptally"
)

// maxRowProblems ends the reading of a file that is evidently something else.
const maxRowProblems = 1000

// table reads a CSV file with a fixed header, row by row; what is wrong with a row is a problem with its line.
type table struct {
	file     string
	header   []string
	or       []string // another header that the file may have; header once it has
	csv      *csv.Reader
	problems []Problem
}

// rows calls each for every row of the file that has all columns, until the file ends or has too many problems.
func (t *table) rows(each func(line int, row []string)) {
	f, err := os.Open(t.file)
	if err != nil {
		t.wrong(0, "", cause(err), "a file that can be read")
		return
	}
	defer f.Close()
	t.read(f, each)
}

func (t *table) read(r io.Reader, each func(line int, row []string)) {
	t.csv = csv.NewReader(r)
	t.csv.FieldsPerRecord = -1
	t.csv.ReuseRecord = true
	first := true
	for len(t.problems) < maxRowProblems {
		row, err := t.csv.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.broken(err)
			return
		}
		line, _ := t.csv.FieldPos(0)
		if first {
			row[0] = strings.TrimPrefix(row[0], "\ufeff")
		}
		if first && t.or != nil && slices.Equal(row, t.or) {
			t.header = t.or
		}
		switch {
		case first && strings.Join(row, ",") != strings.Join(t.header, ","):
			t.wrong(line, "", shown(strings.Join(row, ",")), "the header "+strings.Join(t.header, ","))
			return
		case first:
		case len(row) != len(t.header):
			t.wrong(line, "", fmt.Sprintf("%d columns", len(row)), fmt.Sprintf("%d columns: %s", len(t.header), strings.Join(t.header, ",")))
		default:
			each(line, row)
		}
		first = false
	}
	switch {
	case first:
		t.wrong(1, "", "", "the header "+strings.Join(t.header, ","))
	case len(t.problems) >= maxRowProblems:
		line, _ := t.csv.FieldPos(0)
		t.wrong(line, "", fmt.Sprintf("%d problems", len(t.problems)), "a file with fewer; the lines after this one were not read")
	}
}

func (t *table) broken(err error) {
	line := 1
	if pe := (*csv.ParseError)(nil); errors.As(err, &pe) {
		line, err = pe.Line, pe.Err
	}
	t.wrong(line, "", err.Error(), "comma-separated values (RFC 4180)")
}

func (t *table) wrong(line int, column, got, want string) {
	t.problems = append(t.problems, Problem{File: t.file, Line: line, Problem: uptally.Problem{Path: column, Got: got, Want: want}})
}

// name returns the name in a column; a bad one is a problem.
func (t *table) name(line int, column, text string) string {
	if !nameForm.MatchString(text) {
		t.wrong(line, column, shown(text), nameWanted)
	}
	return strings.Clone(text)
}

// instant returns the instant in a column, in milliseconds UTC; a bad one is a problem.
func (t *table) instant(line int, column, text string) (int64, bool) {
	var i instant
	if err := i.UnmarshalText([]byte(text)); err != nil {
		t.wrong(line, column, shown(text), wanted(err.Error()))
		return 0, false
	}
	return int64(i), true
}
