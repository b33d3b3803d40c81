package configs

import (
	"math/big"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/agreements"
)

// measured is a contract about one service with the given lines besides.
func measured(t *testing.T, lines string) (agreements.Version, error) {
	t.Helper()
	base := []string{"services: [portal]", "target: 99.9%", `fee: "900.00"`, "credits: [{ below: 99.9%, percent: 10 }]"}
	return contract(t, append(base, strings.Split(lines, "; ")...)...)
}

func TestMeasureWords(t *testing.T) {
	five, err := agreements.ParseShare("5%")
	if err != nil {
		t.Fatal(err)
	}
	none, err := agreements.ParseShare("0%")
	if err != nil {
		t.Fatal(err)
	}
	slots := func(atLeast bool, requests int64, empty agreements.EmptySlot) agreements.MeasureTerms {
		return agreements.MeasureTerms{Errors: &agreements.ErrorSlots{Every: 5 * uptally.Minute, Limit: five, AtLeast: atLeast, Requests: requests, Empty: empty}}
	}
	for _, c := range []struct {
		line string
		want agreements.MeasureTerms
	}{
		{"errors: { every: 5m, over: 5%, empty: up }", slots(false, 1, agreements.EmptyUp)},
		{"errors: { every: 5m, at_least: 5%, requests: 10, empty: down }", slots(true, 10, agreements.EmptyDown)},
		{"errors: { every: 5m, over: 5%, requests: 2000, empty: unknown }", slots(false, 2000, agreements.EmptyUnknown)},
		{"error_mean: { every: 5m, empty: 0% }", agreements.MeasureTerms{ErrorMean: &agreements.ErrorMean{Every: 5 * uptally.Minute, Empty: none}}},
		{"events: ratio", agreements.MeasureTerms{Events: true}},
	} {
		v, err := measured(t, c.line)
		if err != nil || !reflect.DeepEqual(v.MeasureTerms, c.want) {
			t.Errorf("%s: got %+v, %v; want %+v", c.line, v.MeasureTerms, err, c.want)
		}
	}
	if v, err := measured(t, "users: 200"); err != nil || v.Weighing != (agreements.Weighing{Users: 200}) {
		t.Errorf("users: got %+v, %v", v.Weighing, err)
	}
	if v, err := measured(t, "weigh_affected: true"); err != nil || v.Weighing != (agreements.Weighing{Affected: true}) {
		t.Errorf("weigh_affected: got %+v, %v", v.Weighing, err)
	}
}

func TestMeasureProblems(t *testing.T) {
	for _, c := range []struct{ lines, want string }{
		{"errors: { every: 5m, over: 5% }", `:14: versions[0].errors.empty: got nothing, want up, down or unknown`},
		{"errors: { every: 7m, over: 5%, empty: up }", `:14: versions[0].errors.every: got "7m", want a length that divides a day, such as 5m or 1h`},
		{"errors: { every: 5m, empty: up }", `:14: versions[0].errors.over: got nothing, want over: 5% (more than that) or at_least: 5%`},
		{"errors: { every: 5m, over: 5%, at_least: 5%, empty: up }", `:14: versions[0].errors.at_least: got "5%", want one of over (more than that) and at_least (that or more)`},
		{"error_mean: { every: 5m }", `:14: versions[0].error_mean.empty: got nothing, want the error rate of a slot without requests, such as 0%`},
		{"events: all", `:14: versions[0].events: got "all", want ratio`},
		{"users: 0", `:14: versions[0].users: got "0", want a number of users above zero`},
		{"users: 5; weigh_affected: true", `:15: versions[0].weigh_affected: got "true", want one of users and weigh_affected`},
		{"weigh_affected: false", `:14: versions[0].weigh_affected: got "false", want true, or no such key`},
		{"events: ratio; users: 5", `:15: versions[0].users: got "5", want no users or weigh_affected beside another measure than time down`},
		{"events: ratio; error_mean: { every: 5m, empty: 0% }", `:6: versions[0].errors: got nothing, want one of errors, error_mean, events, response_time, packet_loss and restore; each measure is an agreement of its own`},
	} {
		_, err := measured(t, c.lines)
		if err == nil {
			t.Errorf("%s: got no problem", c.lines)
			continue
		}
		if _, got, _ := strings.Cut(err.Error(), "acme.yaml"); got != c.want {
			t.Errorf("%s: got\n%s\nwant\n%s", c.lines, got, c.want)
		}
	}
}

func TestLoadCounts(t *testing.T) {
	file := filepath.Join(t.TempDir(), "requests.csv")
	text := "service,from,to,requests,errors\nportal,1970-01-01T00:05:00Z,1970-01-01T00:10:00Z,200,11\nportal,1970-01-01T00:00:00Z,1970-01-01T00:05:00Z,0,0\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := LoadCounts(file)
	want := []agreements.Count{
		{Service: "portal", Interval: agreements.Interval{From: 0, To: 300_000}},
		{Service: "portal", Interval: agreements.Interval{From: 300_000, To: 600_000}, Requests: 200, Errors: 11},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
}

// A measure with a limit of its own is the promise: there is no target, and a row pays when it is missed.
func TestReadingWords(t *testing.T) {
	share := func(text string) *big.Rat {
		r, err := agreements.ParseShare(text)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	base := []string{"services: [portal]", `fee: "900.00"`, "credits: [{ missed: true, percent: 10 }]"}
	for _, c := range []struct {
		line, target string
		want         agreements.MeasureTerms
	}{
		{"response_time: { mean: 45ms }", "100%", agreements.MeasureTerms{Response: &agreements.ResponseTerms{Limit: 45_000, Mean: true}}},
		{"response_time: { over: 300ms, at_most: 1%, failed: over }", "99%", agreements.MeasureTerms{Response: &agreements.ResponseTerms{Limit: 300_000, Share: share("1%"), FailedOver: true}}},
		{"response_time: { percentile: 95, at_most: 300ms, failed: left_out }", "95%", agreements.MeasureTerms{Response: &agreements.ResponseTerms{Limit: 300_000, Percentile: share("95%")}}},
		{"packet_loss: { at_most: 0.1% }", "99.9%", agreements.MeasureTerms{Loss: share("0.1%")}},
		{"restore: { within: 4h }", "100%", agreements.MeasureTerms{Restore: 4 * uptally.Hour}},
	} {
		v, err := contract(t, append(base, c.line)...)
		if err != nil || !reflect.DeepEqual(v.MeasureTerms, c.want) || v.Target.Cmp(share(c.target)) != 0 || v.Ladder[0].Words() != "< "+c.target {
			t.Errorf("%s: got %+v, target %v, %v; want %+v, %s", c.line, v.MeasureTerms, v.Target, err, c.want, c.target)
		}
	}
}

func TestReadingProblems(t *testing.T) {
	base := []string{"services: [portal]", `fee: "900.00"`, "credits: [{ missed: true, percent: 10 }]"}
	for _, c := range []struct{ lines, want string }{
		{"response_time: { over: 300ms, at_most: 1% }", `:13: versions[0].response_time.failed: got nothing, want over or left_out`},
		{"response_time: { over: 300ms, at_most: 45ms }", `:13: versions[0].response_time: got "{over: 300ms, at_most: 45ms}", want { mean: 45ms }, { over: 300ms, at_most: 1% } or { percentile: 95, at_most: 300ms }`},
		{"packet_loss: { at_most: 0.1% }; target: 99%", `:14: versions[0].target: got "99%", want no target beside a measure with a limit of its own`},
		{"restore: { within: 4h }; services: [portal, mail]", `:14: versions[0].services: got "services", want each key once; it is on line 10 already`},
	} {
		_, err := contract(t, append(base, strings.Split(c.lines, "; ")...)...)
		if err == nil {
			t.Errorf("%s: got no problem", c.lines)
			continue
		}
		if _, got, _ := strings.Cut(err.Error(), "acme.yaml"); got != c.want {
			t.Errorf("%s: got\n%s\nwant\n%s", c.lines, got, c.want)
		}
	}
}

// Recorded results come as days too, with their response times.
func TestLoadResultsKeepsResponseTimes(t *testing.T) {
	file := filepath.Join(t.TempDir(), "results.csv")
	text := "check,site,at,outcome,response_us,detail\nhome,fra1,1970-01-02T00:00:00Z,up,45000,\nhome,fra1,1970-01-01T23:59:00Z,up,44000,\nhome,ams1,1970-01-01T23:59:30Z,down,0,\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := LoadResults(file)
	if err != nil || len(got) != 1 {
		t.Fatalf("got %v, %v", got, err)
	}
	var times []int64
	for _, d := range got[0].Days {
		times = append(times, d.RTT...)
	}
	if want := []int64{0, 44_000, 45_000}; !reflect.DeepEqual(times, want) || len(got[0].Days) != 3 {
		t.Errorf("got %v in %d days, want %v in 3", times, len(got[0].Days), want)
	}
}

// What uptally export results writes keeps what the other form cannot say: lateness, and that a slot has two results.
func TestLoadExportedResults(t *testing.T) {
	file := filepath.Join(t.TempDir(), "results.csv")
	text := "check,site,at,late_ms,sent,outcome,reason,response_us,detail\n" +
		"home,fra1,1970-01-01T00:00:00.000Z,0,1970-01-01T00:00:00.000Z,up,ok,45000,\n" +
		"home,fra1,1970-01-01T00:01:00.000Z,1250,1970-01-01T00:01:01.250Z,down,connect_refused,0,\"dial tcp, refused\"\n" +
		"home,fra1,1970-01-01T00:02:00.000Z,0,1970-01-01T00:02:00.000Z,unknown,conflict,0,\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := LoadResults(file)
	if err != nil || len(got) != 1 {
		t.Fatalf("got %v, %v", got, err)
	}
	want := []uptally.Run{{N: 1}, {At: 60_000, N: 1, Late: 1_250, Reason: uptally.ConnectRefused}, {At: 120_000, N: 1, Reason: uptally.Conflict}}
	if !reflect.DeepEqual(got[0].Sites[0].Runs, want) || !reflect.DeepEqual(got[0].Days[0].Runs, want) {
		t.Errorf("got %v and %v, want %v", got[0].Sites[0].Runs, got[0].Days[0].Runs, want)
	}
}
