package configs

import (
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
