package configs

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/agreements"
)

// maxRTT is the longest response time of a result, in microseconds: a day.
const maxRTT = uptally.DayMillis * 1000

// resultRow is a row of recorded results with its line.
type resultRow struct {
	check, site string
	at          int64
	reason      uptally.Reason
	rtt         int64
	line        int
}

// LoadResults reads recorded results: CSV with the header "check,site,at,outcome,response_us,detail", one row a slot, in
// any order. The evidence comes sorted by check, site and instant, and in days with the response times; it has no plans, since the file knows none.
//
// A detail that is a reason of the outcome, alone or before a semicolon, is the result's reason; a failure without one is
// unstated, and void and missed rows need one. Two rows about one slot are a problem, whether they agree or not. The
// error is a *ProblemsError.
func LoadResults(path string) ([]agreements.Evidence, error) {
	t := &table{file: path, header: []string{"check", "site", "at", "outcome", "response_us", "detail"}}
	var rows []resultRow
	t.rows(func(line int, row []string) {
		if r, ok := t.resultRow(line, row); ok {
			rows = append(rows, r)
		}
	})
	evidence := t.evidence(rows)
	if err := orNil(t.problems); err != nil {
		return nil, err
	}
	return evidence, nil
}

func (t *table) resultRow(line int, row []string) (resultRow, bool) {
	r := resultRow{line: line, check: t.name(line, "check", row[0]), site: t.name(line, "site", row[1])}
	at, ok := t.instant(line, "at", row[2])
	r.at = at
	r.reason = t.reason(line, row[3], row[5])
	us, err := strconv.ParseUint(row[4], 10, 63)
	r.rtt = int64(us)
	if err != nil || us > maxRTT {
		t.wrong(line, "response_us", shown(row[4]), "microseconds as a whole number, 0 where there was no response")
	}
	return r, ok
}

// reason joins an outcome and the detail beside it.
func (t *table) reason(line int, outcome, detail string) uptally.Reason {
	outcomes := []uptally.Outcome{uptally.Up, uptally.Down, uptally.Void, uptally.Missed}
	i := slices.IndexFunc(outcomes, func(o uptally.Outcome) bool { return o.String() == outcome })
	if i < 0 {
		t.wrong(line, "outcome", shown(outcome), "up, down, void or missed")
		return uptally.OK
	}
	word, _, _ := strings.Cut(detail, ";")
	reason, err := uptally.ParseReason(word)
	switch {
	case outcomes[i] == uptally.Up:
		return uptally.OK
	case err == nil && reason.Outcome() == outcomes[i]:
		return reason
	case outcomes[i] == uptally.Down:
		return uptally.Unstated
	}
	var words []string
	for _, r := range uptally.Reasons(outcomes[i]) {
		words = append(words, r.String())
	}
	t.wrong(line, "detail", shown(detail), "first the reason: "+oneOf(words))
	return uptally.OK
}

// evidence groups rows by check and site. A result is a run of its own; folding them is the ledger's work.
func (t *table) evidence(rows []resultRow) []agreements.Evidence {
	slices.SortStableFunc(rows, func(a, b resultRow) int {
		return cmp.Or(cmp.Compare(a.check, b.check), cmp.Compare(a.site, b.site), cmp.Compare(a.at, b.at), cmp.Compare(a.line, b.line))
	})
	var all []agreements.Evidence
	var last resultRow
	var day []uptally.Result // of the check and site of last
	fold := func() {
		if len(day) > 0 {
			e, d := &all[len(all)-1], day[0]
			e.Days = append(e.Days, uptally.FoldDay(d.Check, d.Site, uptally.DayOf(d.At), day))
			day = day[:0]
		}
	}
	for i, r := range rows {
		newCheck := i == 0 || r.check != last.check
		newSite := newCheck || r.site != last.site
		if !newSite && r.at == last.at {
			t.wrong(r.line, "at", utc(r.at), fmt.Sprintf("one row a slot; line %d has this one", last.line))
			continue
		}
		if newSite || uptally.DayOf(r.at) != uptally.DayOf(last.at) {
			fold()
		}
		if newCheck {
			all = append(all, agreements.Evidence{Check: r.check})
		}
		e := &all[len(all)-1]
		if newSite {
			e.Sites = append(e.Sites, agreements.SiteRuns{Site: r.site})
		}
		s := &e.Sites[len(e.Sites)-1]
		s.Runs = append(s.Runs, uptally.Run{At: r.at, N: 1, Reason: r.reason})
		day = append(day, uptally.Result{Slot: uptally.Slot{Check: uptally.IDOf(r.check), Site: uptally.IDOf(r.site), At: r.at}, Reason: r.reason, RTT: r.rtt})
		last = r
	}
	fold()
	return all
}
