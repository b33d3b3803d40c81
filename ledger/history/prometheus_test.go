package history

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/uptally/uptally"
)

// fake answers as Prometheus does from samples by series, such as up{instance="a"}.
type fake map[string][]sample

func (f fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	var result []any
	if strings.HasSuffix(r.URL.Path, "/series") {
		for name := range f {
			if strings.HasPrefix(name, q.Get("match[]")+"{") {
				result = append(result, labelsOf(name))
			}
		}
		json.NewEncoder(w).Encode(map[string]any{"status": "success", "data": result})
		return
	}
	metric, _, _ := strings.Cut(q.Get("query"), "[")
	var length, at int64
	var seconds float64
	fmt.Sscanf(strings.TrimPrefix(q.Get("query"), metric), "[%dms]", &length)
	seconds, _ = strconv.ParseFloat(q.Get("time"), 64)
	at = int64(seconds*1000 + 0.5)
	result = []any{}
	for name, samples := range f {
		if !strings.HasPrefix(name, metric+"{") {
			continue
		}
		values := [][2]any{}
		for _, s := range samples {
			if s.at >= at-length && s.at <= at {
				values = append(values, [2]any{float64(s.at) / 1000, fmt.Sprint(s.value)})
			}
		}
		result = append(result, map[string]any{"metric": labelsOf(name), "values": values})
	}
	json.NewEncoder(w).Encode(map[string]any{"status": "success", "data": map[string]any{"resultType": "matrix", "result": result}})
}

func labelsOf(name string) map[string]string {
	metric, rest, _ := strings.Cut(strings.TrimSuffix(name, "}"), "{")
	l := map[string]string{"__name__": metric}
	for pair := range strings.SplitSeq(rest, ",") {
		k, v, _ := strings.Cut(pair, "=")
		l[k] = strings.Trim(v, `"`)
	}
	return l
}

func asking(t *testing.T, h http.Handler) *Prometheus {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return &Prometheus{URL: srv.URL, Client: srv.Client(), CheckLabel: "check", Site: "fra1"}
}

// A scrape each second: up, a status, a body, a failure that nobody explains, a scrape that failed and left a stale marker, a scrape that
// never was, and up again. The up of another job is nobody's result.
func TestScrapesBecomeResults(t *testing.T) {
	at := func(n int64) int64 { return midnight + n*1000 }
	const a = `{check="a",module="http_2xx",target="https://a.example/"}`
	f := fake{
		"probe_success" + a:             {{at(0), 1}, {at(1), 0}, {at(2), 0}, {at(3), 0}, {at(6), 1}},
		"probe_duration_seconds" + a:    {{at(0), 0.0123456}, {at(1), 0.02}, {at(2), 0.03}, {at(3), 9.5}, {at(6), 1e-9}},
		"up" + a:                        {{at(0), 1}, {at(1), 1}, {at(2), 1}, {at(3), 1}, {at(4), 0}, {at(6), 1}},
		"probe_http_status_code" + a:    {{at(0), 200}, {at(1), 503}, {at(2), 200}, {at(3), 0}, {at(6), 200}},
		"probe_failed_due_to_regex" + a: {{at(0), 0}, {at(1), 0}, {at(2), 1}, {at(3), 0}, {at(6), 0}},
		`up{check="node"}`:              {{at(0), 0}},
	}
	var got []Series
	sum, err := asking(t, f).Read(t.Context(), midnight, midnight+uptally.DayMillis, func(day int32, s []Series) error {
		got = append(got, s...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	result := func(n int64, reason uptally.Reason, rtt int64, detail string) uptally.Result {
		return uptally.Result{Slot: uptally.Slot{Check: uptally.IDOf("a"), Site: uptally.IDOf("fra1"), At: at(n)}, Reason: reason, RTT: rtt, Detail: detail}
	}
	want := []Series{{Check: "a", Site: "fra1", Kind: "http", Target: "https://a.example/", Results: []uptally.Result{
		result(0, uptally.OK, 12_346, ""),
		result(1, uptally.Status, 20_000, "status 503"),
		result(2, uptally.Body, 30_000, "probe_failed_due_to_regex"),
		result(3, uptally.Unstated, 0, ""),
		result(4, uptally.AgentDown, 0, "the scrape of the exporter failed"),
		result(6, uptally.OK, 0, ""),
	}}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if len(sum) != 64 {
		t.Errorf("got the digest %q, want 64 hexadecimal digits", sum)
	}
}

// What is not the whole truth, and what cannot be told apart, is an error in one line.
func TestReadRefuses(t *testing.T) {
	answer := func(text string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/series") {
				text := `{"status":"success","data":[{"__name__":"probe_success","check":"a"}]}`
				fmt.Fprint(w, text)
				return
			}
			fmt.Fprint(w, text)
		})
	}
	day := []sample{{midnight, 1}}
	for _, c := range []struct {
		name string
		h    http.Handler
		want string
	}{
		{"a warning", answer(`{"status":"success","warnings":["one store is gone"],"data":{"resultType":"matrix","result":[]}}`),
			`got a warning, want a whole answer: one store is gone`},
		{"a part", answer(`{"status":"success","isPartial":true,"data":{"resultType":"matrix","result":[]}}`), `got a partial answer, want a whole one`},
		{"a failure", answer(`{"status":"error","errorType":"timeout","error":"too slow"}`), `got "error": timeout too slow`},
		{"a vector", answer(`{"status":"success","data":{"resultType":"vector","result":[]}}`), `got a "vector", want a matrix of samples`},
		{"a page", answer(`<html>`), `got "<html>", want JSON: invalid character '<' looking for beginning of value`},
		{"not found", http.NotFoundHandler(), "got 404 Not Found: 404 page not found\n"},
		{"two series of one check", fake{`probe_success{check="a",pod="1"}`: day, `probe_success{check="a",pod="2"}`: day},
			`name the series of check "a" at site "fra1": got {check="a",pod="1"} and {check="a",pod="2"}, want one: narrow --match, or name the check or the site by another label`},
		{"no name", fake{`probe_success{check="https://a/"}`: day},
			`name the check of {check="https://a/"}: got "https://a/" of the label "check", want at most 64 characters a-z, 0-9, '.', '_' and '-', the first a letter or digit: give another --check-label, or --check with a --match for it alone`},
		{"a mean", fake{`probe_success{check="a"}`: {{midnight, 0.5}}}, `read probe_success{check="a"} at 2026-02-03T00:00:00Z: got 0.5, want 0 or 1`},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := asking(t, c.h)
			_, err := p.Read(t.Context(), midnight, midnight+1000, func(int32, []Series) error { return nil })
			if err == nil {
				t.Fatal("got no error")
			}
			got := err.Error()
			for _, asked := range []string{"series probe_success", "probe_success[2000ms]"} {
				got = strings.TrimPrefix(got, fmt.Sprintf("ask %q for %s: ", p.URL, asked))
			}
			if got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// A server that refuses long ranges is asked for halves, and what comes together is the same.
func TestReadInHalves(t *testing.T) {
	f := fake{}
	for n := range int64(24 * 60) {
		f[`probe_success{check="a"}`] = append(f[`probe_success{check="a"}`], sample{midnight + n*60_000, float64(n % 2)})
	}
	refusals := 0
	strict := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var length int64
		if _, after, ok := strings.Cut(r.URL.Query().Get("query"), "["); ok {
			fmt.Sscanf(after, "%dms]", &length)
		}
		if length > uptally.DayMillis/3 {
			refusals++
			w.WriteHeader(http.StatusUnprocessableEntity)
			return
		}
		f.ServeHTTP(w, r)
	})
	read := func(h http.Handler) (rs []uptally.Result, sum string) {
		sum, err := asking(t, h).Read(t.Context(), midnight, midnight+uptally.DayMillis, func(_ int32, s []Series) error {
			rs = append(rs, s[0].Results...)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return rs, sum
	}
	want, sumWant := read(f)
	got, sum := read(strict)
	if !reflect.DeepEqual(got, want) || sum != sumWant || len(want) != 24*60 {
		t.Errorf("got %d results and %s, want %d and %s", len(got), sum, len(want), sumWant)
	}
	if refusals != 5*3 { // five metrics, a day, and its two halves
		t.Errorf("got %d refusals, want 15", refusals)
	}
}

// Whatever a server answers, samples are read or it is an error; and what is read is instants and numbers.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{
		`{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"a":"b"},"values":[[1435781430.781,"1"],[1435781431,"NaN"]]}]}}`,
		`{"status":"success","isPartial":true}`, `{"status":"error","error":"x"}`, `{"status":"success","data":{"resultType":"matrix","result":[{"values":[[1e999,"1"]]}]}}`, `[]`,
		`{"status":"success","data":{"resultType":"matrix","result":[{"values":[[1,"+Inf"],[null,"1"],[1],["1",1]]}]}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		all, err := decodeMatrix(body)
		if err != nil {
			return
		}
		for key, s := range all {
			for _, s := range s.samples {
				if s.at > maxSeconds*1000 || s.at < -maxSeconds*1000 {
					t.Errorf("%s: got the instant %d", key, s.at)
				}
			}
			dayOf(map[string]map[string]*readSeries{metricSuccess: all, metricUp: all, metricDuration: all}, key).results()
		}
	})
}
