package configs

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"github.com/uptally/uptally/agreements"
)

// maxRequests is the most requests of a row, so that no sum of a file overflows.
const maxRequests = 1_000_000_000_000

// countRow is a row of counts with its line.
type countRow struct {
	agreements.Count
	line int
}

// LoadCounts reads how many requests services had and how many failed: CSV with the header
// "service,from,to,requests,errors", half-open stretches between RFC 3339 instants, in any order. The counts come sorted
// by service and instant. Two rows about the same time of a service are a problem, and so are more errors than requests.
// The error is a *ProblemsError.
func LoadCounts(path string) ([]agreements.Count, error) {
	t := &table{file: path, header: []string{"service", "from", "to", "requests", "errors"}}
	var rows []countRow
	t.rows(func(line int, row []string) {
		if r, ok := t.countRow(line, row); ok {
			rows = append(rows, r)
		}
	})
	counts := t.counts(rows)
	if err := orNil(t.problems); err != nil {
		return nil, err
	}
	return counts, nil
}

func (t *table) countRow(line int, row []string) (countRow, bool) {
	r := countRow{line: line}
	r.Service = t.name(line, "service", row[0])
	var okFrom, okTo, okRequests, okErrors bool
	r.From, okFrom = t.instant(line, "from", row[1])
	r.To, okTo = t.instant(line, "to", row[2])
	if okFrom && okTo && r.From >= r.To {
		t.wrong(line, "to", row[2], "an instant after from, "+row[1])
		return r, false
	}
	r.Requests, okRequests = t.number(line, "requests", row[3])
	r.Errors, okErrors = t.number(line, "errors", row[4])
	if okRequests && okErrors && r.Errors > r.Requests {
		t.wrong(line, "errors", row[4], "at most "+row[3]+", the requests")
		return r, false
	}
	return r, okFrom && okTo && okRequests && okErrors
}

// number returns the whole number in a column; a bad one is a problem.
func (t *table) number(line int, column, text string) (int64, bool) {
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil || n > maxRequests {
		t.wrong(line, column, shown(text), "a whole number from 0 to 1000000000000")
		return 0, false
	}
	return int64(n), true
}

// counts sorts rows and finds those that overlap.
func (t *table) counts(rows []countRow) []agreements.Count {
	slices.SortStableFunc(rows, func(a, b countRow) int {
		return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.From, b.From), cmp.Compare(a.line, b.line))
	})
	var counts []agreements.Count
	var last countRow
	for i, r := range rows {
		if i > 0 && r.Service == last.Service && r.From < last.To {
			t.wrong(r.line, "from", utc(r.From), fmt.Sprintf("an instant no earlier than %s, where line %d ends", utc(last.To), last.line))
		}
		if i == 0 || r.Service != last.Service || r.To > last.To {
			last = r
		}
		counts = append(counts, r.Count)
	}
	return counts
}
