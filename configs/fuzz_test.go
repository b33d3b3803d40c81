package configs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/uptally/uptally"
)

// seeds adds every shipped and every defective file that matches.
func seeds(f *testing.F, patterns ...string) {
	for _, pattern := range patterns {
		files, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			if len(data) < 8<<10 { // a flood of aliases is read in a fraction of a second, too slow for here
				f.Add(data)
			}
		}
	}
}

// Whatever the bytes, each kind of file reads or has problems; every problem has the file, a line of it, and something
// that was wanted. Reading again gives the same.
func FuzzYAML(f *testing.F) {
	seeds(f, "*.yaml", "agreements/*.yaml", "calendars/*.yaml", "testdata/*.yaml")
	f.Add([]byte("a: &a [*a]\n"))
	f.Add([]byte("<<: {checks: []}\nsite: {\"a[9999999]\": }\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, k := range kinds() {
			var texts [2]string
			for i := range texts {
				l := newLoader()
				d := parse("f.yaml", data)
				k.read(l, d)
				l.take(d)
				for _, p := range sorted(l.problems) {
					if p.File == "f.yaml" && (p.Line < 1 || p.Line > 1+strings.Count(string(data), "\n")+strings.Count(string(data), "\r")) {
						t.Errorf("got line %d, want one of the file: %v", p.Line, p)
					}
					if p.Want == "" {
						t.Errorf("got nothing wanted: %v", p)
					}
					texts[i] += p.String() + "\n"
				}
				if d.root == nil && len(d.problems) == 0 {
					t.Error("got no document and no problem")
				}
			}
			if texts[0] != texts[1] {
				t.Errorf("got\n%sthen\n%s", texts[0], texts[1])
			}
		}
	})
}

// Whatever the bytes, a table reads or has problems.
func FuzzTables(f *testing.F) {
	seeds(f, "testdata/*.csv")
	f.Fuzz(func(t *testing.T, data []byte) {
		tl := &table{file: "t.csv", header: []string{"service", "site", "state", "from", "to"}}
		var rows []timelineRow
		tl.read(strings.NewReader(string(data)), func(line int, row []string) {
			if r, ok := tl.timelineRow(line, row); ok {
				rows = append(rows, r)
			}
		})
		timelines := tl.timelines(rows)
		if len(tl.problems) == 0 {
			for _, line := range timelines {
				if _, err := line.Tracks(0); err != nil {
					t.Errorf("got a timeline that cannot be read: %v", err)
				}
			}
		}
		rs := resultsTable("r.csv")
		var results []resultRow
		rs.read(strings.NewReader(string(data)), func(line int, row []string) {
			if r, ok := rs.resultRow(line, row); ok {
				results = append(results, r)
			}
		})
		results = rs.slots(results)
		rs.evidence(results)
		for _, r := range rs.records(results) {
			if len(rs.problems) > 0 {
				break
			}
			for i := range r.Results {
				one := uptally.Batch{Seq: 1, Site: r.Results[i].Site, Day: uptally.DayOf(r.Results[i].At), Results: r.Results[i : i+1]}
				if _, err := one.AppendBinary(nil); err != nil {
					t.Errorf("got a result that no batch holds: %v", err)
				}
			}
		}
		cs := &table{file: "c.csv", header: []string{"service", "from", "to", "requests", "errors"}}
		var counts []countRow
		cs.read(strings.NewReader(string(data)), func(line int, row []string) {
			if r, ok := cs.countRow(line, row); ok {
				counts = append(counts, r)
			}
		})
		sorted := cs.counts(counts)
		for i, c := range sorted {
			if next := i + 1; len(cs.problems) == 0 && next < len(sorted) && sorted[next].Service == c.Service && sorted[next].From < c.To {
				t.Errorf("got two rows about one time: %v and %v", c, sorted[next])
			}
		}
	})
}
