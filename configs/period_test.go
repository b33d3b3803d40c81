package configs

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// versionWith writes an agreement of one month version with further lines and loads it.
func versionWith(t *testing.T, lines ...string) (string, error) {
	t.Helper()
	text := `agreement: a
customer: a
time_zone: UTC
currency: EUR
versions:
  - from: 2026-01-01
    services: [a]
    window: 24x7
    unknown: exclude
    target: 99.9%
`
	if !strings.Contains(strings.Join(lines, "\n"), "period:") {
		lines = append([]string{"period: month"}, lines...)
	}
	for _, l := range lines {
		text += "    " + l + "\n"
	}
	dir := write(t, map[string]string{"a.yaml": text})
	a, err := LoadAgreement(filepath.Join(dir, "a.yaml"))
	if err != nil {
		return "", fmt.Errorf("%s", strings.ReplaceAll(err.Error(), dir+string(filepath.Separator), ""))
	}
	v := a.Versions[0]
	return fmt.Sprint(v.Period, v.PeriodCount, " ", v.PeriodFrom, v.Change, v.Outage, v.Length, v.PartUse, v.Denominator, v.Judge), nil
}

func TestWordsAboutTime(t *testing.T) {
	const (
		none   = "{0s false false 0s false false 0s 0 0}"
		noDay  = " -0001-11-30 "
		length = "{0s false false false}"
	)
	for _, c := range []struct{ lines, want string }{
		{"period: { months: 3, from: 2026-02-01 }", "4 3 2026-02-01 0 " + none + " " + length + " 0 0s {0 0}"},
		{"period: { days: 30, from: 2026-01-01 }", "5 30 2026-01-01 0 " + none + " " + length + " 0 0s {0 0}"},
		{"period: { rolling: 30 }", "6 30" + noDay + "0 " + none + " " + length + " 0 0s {0 0}"},
		{"change: split", "1 0" + noDay + "1 " + none + " " + length + " 0 0s {0 0}"},
		{"change: next_period", "1 0" + noDay + "2 " + none + " " + length + " 0 0s {0 0}"},
		{"outage: { merge_up_to: 5m, merged_gap: up, deductible: 15m }", "1 0" + noDay + "0 {0s false false 5m true true 15m 0 0} " + length + " 0 0s {0 0}"},
		{"outage: { merge: 5m, merged_gap: down, clock: detected }", "1 0" + noDay + "0 {0s false false 5m false false 0s 1 0} " + length + " 0 0s {0 0}"},
		{"outage: { clock: reported, unreported: counts }", "1 0" + noDay + "0 {0s false false 0s false false 0s 2 1} " + length + " 0 0s {0 0}"},
		{"outage: { clock: opened, unreported: nothing }", "1 0" + noDay + "0 {0s false false 0s false false 0s 3 2} " + length + " 0 0s {0 0}"},
		{"length: { unit: 60s, round: up, on: sum }", "1 0" + noDay + "0 " + none + " {1m true true false} 0 0s {0 0}"},
		{"length: { slots: 5m, count: touched }", "1 0" + noDay + "0 " + none + " {5m true false true} 0 0s {0 0}"},
		{"part_use: up_before", "1 0" + noDay + "0 " + none + " " + length + " 6 0s {0 0}"},
		{"denominator: 720h", "1 0" + noDay + "0 " + none + " " + length + " 0 720h {0 0}"},
		{"judge: { places: 2, round: half_even }", "1 0" + noDay + "0 " + none + " " + length + " 0 0s {2 3}"},
	} {
		got, err := versionWith(t, c.lines)
		if err != nil {
			t.Errorf("%s: %v", c.lines, err)
		}
		if diff := cmp.Diff(strings.Join(strings.Fields(c.want), " "), strings.Join(strings.Fields(got), " ")); diff != "" {
			t.Errorf("%s: %s", c.lines, diff)
		}
	}
}

// What has no safe default is asked for by its name, and what contradicts itself is said so.
func TestWordsAboutTimeThatDoNotFit(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{"period: { months: 3 }", `a.yaml:11: versions[0].period.from: want the first day of one of the periods, such as 2026-02-01`},
		{"period: { months: 3, days: 30, from: 2026-01-01 }", `a.yaml:11: versions[0].period: got "{months: 3, days: 30, from: 2026-01-01}", want ` + periodWanted},
		{"period: { days: 0, from: 2026-01-01 }", `a.yaml:11: versions[0].period.days: got "0", want a whole number of at least 1`},
		{"period: { rolling: 30, from: 2026-01-01 }", `a.yaml:11: versions[0].period.from: got "2026-01-01", want no such key where the days roll: every day ends a period`},
		{"period: fortnight", `a.yaml:11: versions[0].period: got "fortnight", want ` + periodWanted},
		{"change: later", `a.yaml:12: versions[0].change: got "later", want split or next_period`},
		{"length: { unit: 60s }", "a.yaml:12: versions[0].length.on: want each or sum\na.yaml:12: versions[0].length.round: want down or up"},
		{"length: { slots: 60s }", `a.yaml:12: versions[0].length.count: want full or touched`},
		{"length: { slots: 7m, count: full }", `a.yaml:12: versions[0].length.slots: got "7m", want a length that divides a day, such as 60s or 5m`},
		{"length: { unit: 60s, slots: 60s }", `a.yaml:12: versions[0].length: got "{unit: 60s, slots: 60s}", want either { unit: 60s, round: down, on: each } or { slots: 60s, count: full }`},
		{"length: { slots: 60s, count: full, round: up }", `a.yaml:12: versions[0].length.round: got "up", want no such key beside slots`},
		{"outage: { clock: reported }", `a.yaml:12: versions[0].outage.unreported: want counts or nothing`},
		{"outage: { unreported: counts }", `a.yaml:12: versions[0].outage.unreported: got "counts", want clock: reported or clock: opened beside it`},
		{"outage: { merge: 1m, merge_up_to: 1m }", `a.yaml:12: versions[0].outage.merge_up_to: got "1m", want one of merge (gaps shorter) and merge_up_to (also gaps of exactly that)`},
		{"outage: { merged_gap: up }", `a.yaml:12: versions[0].outage.merged_gap: got "up", want merge or merge_up_to beside it`},
		{"part_use: whole", `a.yaml:12: versions[0].part_use: got "whole", want deployed, days, period, not_judged, scaled or up_before`},
		{"denominator: 0s", `a.yaml:12: versions[0].denominator: got "0s", want a length above zero, such as 60s`},
		{"judge: { round: down }", `a.yaml:12: versions[0].judge.places: want the decimals of the percentage, such as 2`},
		{"judge: { places: 2 }", `a.yaml:12: versions[0].judge.round: want half_up, down or half_even`},
	} {
		_, err := versionWith(t, c.line)
		got := ""
		if err != nil {
			got = strings.ReplaceAll(err.Error(), "got nothing, ", "")
		}
		if got != c.want {
			t.Errorf("%s: got\n%s\nwant\n%s", c.line, got, c.want)
		}
	}
}

// A unit of length would be lost where downtime is weighed: it is refused, not passed over.
func TestLengthBesideAMeasure(t *testing.T) {
	_, err := versionWith(t, "users: 200", "length: { unit: 60s, round: down, on: each }")
	want := `a.yaml:13: versions[0].length: got "{unit: 60s, round: down, on: each}", want no such key beside users, weigh_affected, error_mean or events, which count parts of a length`
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
