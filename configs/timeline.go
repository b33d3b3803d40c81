package configs

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/uptally/uptally/agreements"
)

// timelineRow is a row of a timeline with its line.
type timelineRow struct {
	agreements.Stretch
	service, site string
	line          int
}

// LoadTimeline reads a timeline: CSV with the header "service,site,state,from,to", states up, down and unknown, half-open
// stretches between RFC 3339 instants. Rows may come in any order; the timelines come sorted by service, their stretches
// by instant. Two rows about the same time of a service are a problem, whether they agree or not. The error is a
// *ProblemsError.
func LoadTimeline(path string) ([]agreements.Timeline, error) {
	t := &table{file: path, header: []string{"service", "site", "state", "from", "to"}}
	var rows []timelineRow
	t.rows(func(line int, row []string) {
		if r, ok := t.timelineRow(line, row); ok {
			rows = append(rows, r)
		}
	})
	timelines := t.timelines(rows)
	if err := orNil(t.problems); err != nil {
		return nil, err
	}
	return timelines, nil
}

func (t *table) timelineRow(line int, row []string) (timelineRow, bool) {
	r := timelineRow{line: line, service: t.name(line, "service", row[0]), site: t.name(line, "site", row[1])}
	switch row[2] {
	case "up":
		r.State = agreements.StateUp
	case "down":
		r.State = agreements.StateDown
	case "unknown":
		r.State = agreements.StateUnknown
	default:
		t.wrong(line, "state", shown(row[2]), "up, down or unknown")
	}
	var okFrom, okTo bool
	r.From, okFrom = t.instant(line, "from", row[3])
	r.To, okTo = t.instant(line, "to", row[4])
	if okFrom && okTo && r.From >= r.To {
		t.wrong(line, "to", row[4], "an instant after from, "+row[3])
		return r, false
	}
	return r, okFrom && okTo
}

// timelines groups rows by service.
func (t *table) timelines(rows []timelineRow) []agreements.Timeline {
	slices.SortStableFunc(rows, func(a, b timelineRow) int {
		return cmp.Or(cmp.Compare(a.service, b.service), cmp.Compare(a.From, b.From), cmp.Compare(a.line, b.line))
	})
	var all []agreements.Timeline
	var last timelineRow
	for i, r := range rows {
		if i == 0 || r.service != last.service {
			all = append(all, agreements.Timeline{Service: r.service})
			last = r
		}
		switch {
		case r.site != last.site:
			t.wrong(r.line, "site", r.site, fmt.Sprintf("one site a service (line %d has %s): keep the rows of one, or give every site's results instead of a timeline", last.line, last.site))
			continue
		case i > 0 && r.line != last.line && r.From < last.To:
			t.wrong(r.line, "from", utc(r.From), fmt.Sprintf("an instant no earlier than %s, where line %d ends", utc(last.To), last.line))
		}
		if r.To > last.To || r.line == last.line {
			last = r
		}
		tl := &all[len(all)-1]
		tl.Stretches = append(tl.Stretches, r.Stretch)
	}
	return all
}

// utc writes an instant as files do.
func utc(at int64) string { return time.UnixMilli(at).UTC().Format(time.RFC3339Nano) }
