package history

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// answer is what Prometheus' API says. infos are remarks about the query and no flaw of the answer.
type answer struct {
	Status    string          `json:"status"`
	ErrorType string          `json:"errorType"`
	Error     string          `json:"error"`
	Warnings  []string        `json:"warnings"`
	IsPartial bool            `json:"isPartial"` // VictoriaMetrics
	Data      json.RawMessage `json:"data"`
}

// labels are those of a series, by name.
type labels map[string]string

// matrix is the data of a range of samples.
type matrix struct {
	ResultType string `json:"resultType"`
	Result     []struct {
		Metric labels   `json:"metric"`
		Values []sample `json:"values"`
	} `json:"result"`
}

// sample is a value at an instant in milliseconds UTC, in JSON [1435781430.781,"1"].
type sample struct {
	at    int64
	value float64
}

// maxSeconds bounds instants: the year 9999.
const maxSeconds = 253_402_300_800

// UnmarshalJSON reads a pair of seconds and a number as text.
func (s *sample) UnmarshalJSON(data []byte) error {
	at, value, ok := strings.Cut(strings.Trim(string(data), "[] \n\t\r"), ",")
	seconds, err := strconv.ParseFloat(strings.TrimSpace(at), 64)
	if !ok || err != nil || !(math.Abs(seconds) < maxSeconds) {
		return fmt.Errorf("got the sample %.60s, want an instant in seconds and a number", data)
	}
	text, err := strconv.Unquote(strings.TrimSpace(value))
	if err != nil {
		return fmt.Errorf("got the sample %.60s, want its number as text", data)
	}
	if s.value, err = strconv.ParseFloat(text, 64); err != nil {
		return fmt.Errorf("got the sample %.60s, want a number", data)
	}
	s.at = int64(math.Round(seconds * 1000))
	return nil
}

// decode returns the data of an answer that is whole: a failure, a warning and a part of the truth are errors.
func decode(body []byte, data any) error {
	var a answer
	if err := json.Unmarshal(body, &a); err != nil {
		return fmt.Errorf("got %.80q, want JSON: %w", body, err)
	}
	switch {
	case a.Status != "success":
		return fmt.Errorf("got %q: %s %s", a.Status, a.ErrorType, a.Error)
	case len(a.Warnings) > 0:
		return fmt.Errorf("got a warning, want a whole answer: %s", strings.Join(a.Warnings, "; "))
	case a.IsPartial:
		return fmt.Errorf("got a partial answer, want a whole one")
	}
	if err := json.Unmarshal(a.Data, data); err != nil {
		return fmt.Errorf("read the answer's data: %w", err)
	}
	return nil
}

// decodeMatrix reads the samples of all series by their labels without the name. The same series twice is joined.
func decodeMatrix(body []byte) (map[string]*readSeries, error) {
	var m matrix
	if err := decode(body, &m); err != nil {
		return nil, err
	}
	if m.ResultType != "matrix" {
		return nil, fmt.Errorf("got a %q, want a matrix of samples", m.ResultType)
	}
	all := map[string]*readSeries{}
	for _, r := range m.Result {
		key := r.Metric.key()
		if all[key] == nil {
			all[key] = &readSeries{labels: r.Metric}
		}
		all[key].samples = append(all[key].samples, r.Values...)
	}
	return all, nil
}

// readSeries is the samples of one series.
type readSeries struct {
	labels  labels
	samples []sample
}

// key is a series' labels without its name, in order: {instance="a",job="b"}.
func (l labels) key() string {
	var b strings.Builder
	b.WriteByte('{')
	for _, name := range sortedKeys(l) {
		if name == "__name__" {
			continue
		}
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		b.WriteString(name + "=" + strconv.Quote(l[name]))
	}
	return b.String() + "}"
}
