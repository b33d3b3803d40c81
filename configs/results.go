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
	late        int32
	reason      uptally.Reason
	rtt         int64
	detail      string
	line        int
}

// Records are the recorded results of one check at one site, ascending, one an instant, as a file has them.
type Records struct {
	Check, Site string
	Results     []uptally.Result
}

// LoadResults reads recorded results: CSV with the header "check,site,at,outcome,response_us,detail", one row a slot, in
// any order. The evidence comes sorted by check, site and instant, and in days with the response times; it has no plans, since the file knows none.
//
// A detail that is a reason of the outcome, alone or before a semicolon, is the result's reason; a failure without one is
// unstated, and void and missed rows need one. Two rows about one slot are a problem, whether they agree or not. The
// error is a *ProblemsError.
//
// What `uptally export results` writes is read too: its columns late_ms and reason speak for themselves, and a slot that is
// unknown for a conflict stays so.
func LoadResults(path string) ([]agreements.Evidence, error) {
	t, rows := readResults(path)
	evidence := t.evidence(rows)
	if err := orNil(t.problems); err != nil {
		return nil, err
	}
	return evidence, nil
}

func resultsTable(path string) *table {
	return &table{
		file: path, header: []string{"check", "site", "at", "outcome", "response_us", "detail"},
		or: []string{"check", "site", "at", "late_ms", "sent", "outcome", "reason", "response_us", "detail"},
	}
}

// LoadRecords reads the same file as LoadResults, with the details. The series come sorted by check and site. Slots in
// conflict are left out: there is no one result of theirs.
func LoadRecords(path string) ([]Records, error) {
	t, rows := readResults(path)
	all := t.records(rows)
	if err := orNil(t.problems); err != nil {
		return nil, err
	}
	return all, nil
}

func readResults(path string) (*table, []resultRow) {
	t := resultsTable(path)
	var rows []resultRow
	t.rows(func(line int, row []string) {
		if r, ok := t.resultRow(line, row); ok {
			rows = append(rows, r)
		}
	})
	return t, t.slots(rows)
}

func (t *table) resultRow(line int, row []string) (resultRow, bool) {
	if len(row) == len(t.or) {
		return t.exportedRow(line, row)
	}
	r := resultRow{line: line, check: t.name(line, "check", row[0]), site: t.name(line, "site", row[1])}
	at, ok := t.instant(line, "at", row[2])
	r.at = at
	r.reason, r.detail = t.reason(line, row[3], row[5])
	r.rtt = t.responseTime(line, row[4])
	return r, ok
}

// exportedRow reads a row as package ledger/export writes it.
func (t *table) exportedRow(line int, row []string) (resultRow, bool) {
	r := resultRow{line: line, check: t.name(line, "check", row[0]), site: t.name(line, "site", row[1])}
	at, ok := t.instant(line, "at", row[2])
	sent, okSent := t.instant(line, "sent", row[4])
	late, err := strconv.ParseUint(row[3], 10, 31)
	if err != nil || ok && okSent && sent-at != int64(late) {
		t.wrong(line, "late_ms", shown(row[3]), "whole milliseconds, those from at to sent")
	}
	r.at, r.late = at, int32(late)
	r.reason, err = uptally.ParseReason(row[6])
	if o := r.reason.Outcome(); err != nil || o.String() != row[5] || o == uptally.Unknown && r.reason != uptally.Conflict {
		t.wrong(line, "reason", shown(row[6]), "a reason of the outcome beside it, such as connect_refused of down; of unknown, conflict")
	}
	r.rtt, r.detail = t.responseTime(line, row[7]), detailText(withoutApostrophe(row[8]))
	return r, ok && okSent
}

// withoutApostrophe takes back what the export puts before a text that a spreadsheet would take for a formula.
func withoutApostrophe(text string) string {
	if len(text) > 1 && text[0] == '\'' && strings.IndexByte("=+-@\t\r", text[1]) >= 0 {
		return text[1:]
	}
	return text
}

func (t *table) responseTime(line int, text string) int64 {
	us, err := strconv.ParseUint(text, 10, 63)
	if err != nil || us > maxRTT {
		t.wrong(line, "response_us", shown(text), "microseconds as a whole number, 0 where there was no response")
	}
	return int64(us)
}

// reason joins an outcome and the detail beside it. What is left of a detail after its reason is text for people.
func (t *table) reason(line int, outcome, detail string) (uptally.Reason, string) {
	outcomes := []uptally.Outcome{uptally.Up, uptally.Down, uptally.Void, uptally.Missed}
	i := slices.IndexFunc(outcomes, func(o uptally.Outcome) bool { return o.String() == outcome })
	if i < 0 {
		t.wrong(line, "outcome", shown(outcome), "up, down, void or missed")
		return uptally.OK, ""
	}
	word, rest, _ := strings.Cut(detail, ";")
	reason, err := uptally.ParseReason(word)
	switch {
	case outcomes[i] == uptally.Up:
		return uptally.OK, ""
	case err == nil && reason.Outcome() == outcomes[i]:
		return reason, detailText(rest)
	case outcomes[i] == uptally.Down:
		return uptally.Unstated, detailText(detail)
	}
	var words []string
	for _, r := range uptally.Reasons(outcomes[i]) {
		words = append(words, r.String())
	}
	t.wrong(line, "detail", shown(detail), "first the reason: "+oneOf(words))
	return uptally.OK, ""
}

// detailText is a detail as results hold it, cut at a rune border.
func detailText(text string) string {
	text = strings.ToValidUTF8(strings.TrimSpace(text), "\ufffd")
	if len(text) > uptally.MaxDetail {
		text = strings.ToValidUTF8(text[:uptally.MaxDetail], "")
	}
	return strings.Clone(text)
}

// slots sorts rows by check, site and instant, and returns one of each.
func (t *table) slots(rows []resultRow) []resultRow {
	slices.SortStableFunc(rows, func(a, b resultRow) int {
		return cmp.Or(cmp.Compare(a.check, b.check), cmp.Compare(a.site, b.site), cmp.Compare(a.at, b.at), cmp.Compare(a.line, b.line))
	})
	kept := rows[:0]
	for i, r := range rows {
		if n := len(kept); i > 0 && r.check == kept[n-1].check && r.site == kept[n-1].site && r.at == kept[n-1].at {
			t.wrong(r.line, "at", utc(r.at), fmt.Sprintf("one row a slot; line %d has this one", kept[n-1].line))
			continue
		}
		kept = append(kept, r)
	}
	return kept
}

// records groups sorted rows by check and site.
func (t *table) records(rows []resultRow) []Records {
	var all []Records
	for _, r := range rows {
		if r.reason == uptally.Conflict {
			continue
		}
		if n := len(all); n == 0 || all[n-1].Check != r.check || all[n-1].Site != r.site {
			all = append(all, Records{Check: r.check, Site: r.site})
		}
		s := &all[len(all)-1]
		result := r.result()
		if result.Reason != uptally.OK {
			result.Detail = r.detail
		}
		s.Results = append(s.Results, result)
	}
	return all
}

func (r resultRow) result() uptally.Result {
	return uptally.Result{Slot: uptally.Slot{Check: uptally.IDOf(r.check), Site: uptally.IDOf(r.site), At: r.at}, Late: r.late, Reason: r.reason, RTT: r.rtt}
}

// evidence groups sorted rows by check and site. A result is a run of its own; folding them is the ledger's work.
func (t *table) evidence(rows []resultRow) []agreements.Evidence {
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
		s.Runs = append(s.Runs, uptally.Run{At: r.at, N: 1, Late: r.late, Reason: r.reason})
		day = append(day, r.result())
		last = r
	}
	fold()
	return all
}
