package configs

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/uptally/uptally"
	"github.com/uptally/uptally/agreements"
)

// The recorded history: every service of the agreement that ships for it, and the outage of himawari to the second.
func TestRecordedHistory(t *testing.T) {
	timelines, err := LoadTimeline("testdata/history/sites-2025.timeline.csv")
	if err != nil {
		t.Fatal(err)
	}
	a, err := LoadAgreement("agreements/history.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var services []string
	for _, tl := range timelines {
		services = append(services, tl.Service)
	}
	if diff := cmp.Diff(a.Versions[0].Services, services); diff != "" {
		t.Error(diff)
	}
	var down agreements.Set
	for _, s := range timelines[2].Stretches {
		if s.State == agreements.StateDown {
			down = append(down, s.Interval)
		}
	}
	// 2025-02-05 02:06:51 to 04:54:17
	if got, want := fmt.Sprint(timelines[2].Service, down, down.Millis()), "himawari[{1738721211000 1738731257000}] 10046000"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestRecordedResults(t *testing.T) {
	evidence, err := LoadResults("testdata/history/sites-2025.results.csv")
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]map[uptally.Reason]int{}
	for _, e := range evidence {
		counts[e.Check] = map[uptally.Reason]int{}
		if len(e.Sites) != 1 || e.Sites[0].Site != "runner" || e.Plans != nil {
			t.Errorf("%s: got sites %v and plans %v, want runner and none", e.Check, e.Sites, e.Plans)
		}
		for i, r := range e.Sites[0].Runs {
			counts[e.Check][r.Reason]++
			if i > 0 && e.Sites[0].Runs[i-1].At >= r.At {
				t.Errorf("%s: run %d is not after the one before", e.Check, i)
			}
		}
	}
	// counted in the file by hand: sort | uniq -c
	if diff := cmp.Diff(map[uptally.Reason]int{uptally.OK: 29, uptally.Unstated: 7}, counts["shenjumiaosuan"]); diff != "" {
		t.Error(diff)
	}
	if got, want := len(counts), 13; got != want {
		t.Errorf("checks: got %d, want %d", got, want)
	}
}

func TestReasonsOfResults(t *testing.T) {
	for _, c := range []struct {
		outcome, detail string
		want            uptally.Reason
		text            string
	}{
		{"up", "anything", uptally.OK, ""},
		{"down", "connect_refused; connection refused", uptally.ConnectRefused, "connection refused"},
		{"down", "connect_refused", uptally.ConnectRefused, ""},
		{"down", "status 404", uptally.Unstated, "status 404"},
		{"down", "local; a void reason is none of down", uptally.Unstated, "local; a void reason is none of down"},
		{"down", strings.Repeat("é", 300), uptally.Unstated, strings.Repeat("é", 256)},
		{"down", "\xff", uptally.Unstated, "\ufffd"},
		{"void", "local; connect_timeout", uptally.Local, "connect_timeout"},
		{"missed", "agent_down", uptally.AgentDown, ""},
	} {
		tb := &table{file: "r.csv"}
		if got, text := tb.reason(2, c.outcome, c.detail); got != c.want || text != c.text || len(tb.problems) > 0 {
			t.Errorf("%s, %q: got %v, %q and %v, want %v and %q", c.outcome, c.detail, got, text, tb.problems, c.want, c.text)
		}
	}
}

// A file that is something else ends after a thousand problems and says so.
func TestManyBadRows(t *testing.T) {
	text := "service,site,state,from,to\n" + strings.Repeat("a,b\n", 5000)
	tb := &table{file: "t.csv", header: []string{"service", "site", "state", "from", "to"}}
	tb.read(strings.NewReader(text), func(int, []string) { t.Error("got a row, want none") })
	if got, want := len(tb.problems), maxRowProblems+1; got != want {
		t.Fatalf("got %d problems, want %d", got, want)
	}
	want := `t.csv:1001: got "1000 problems", want a file with fewer; the lines after this one were not read`
	if got := tb.problems[maxRowProblems].String(); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestTimelineInAnyOrder(t *testing.T) {
	dir := write(t, map[string]string{"t.csv": "\ufeffservice,site,state,from,to\r\n" +
		"b,x,down,2026-10-02T00:00:00+08:00,2026-10-02T00:00:01.500+08:00\r\n" +
		"a,y,unknown,2026-10-01T00:00:00Z,2026-10-02T00:00:00Z\r\n" +
		"b,x,up,2026-10-01T00:00:00Z,2026-10-01T16:00:00Z\r\n"})
	got, err := LoadTimeline(dir + "/t.csv")
	if err != nil {
		t.Fatal(err)
	}
	const day = 1_790_812_800_000 // 2026-10-01 00:00 UTC; midnight in Shanghai is 16:00 the day before
	want := []agreements.Timeline{
		{Service: "a", Stretches: []agreements.Stretch{{Interval: agreements.Interval{From: day, To: day + 86_400_000}, State: agreements.StateUnknown}}},
		{Service: "b", Stretches: []agreements.Stretch{
			{Interval: agreements.Interval{From: day, To: day + 57_600_000}, State: agreements.StateUp},
			{Interval: agreements.Interval{From: day + 57_600_000, To: day + 57_601_500}, State: agreements.StateDown},
		}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
