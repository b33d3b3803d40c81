package history

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/uptally/uptally"
)

// scrapes are the samples of one series of a day: those of one scrape have the same instant.
type scrapes struct{ success, duration, up, status, regex []sample }

// dayOf are the samples, by metric and series, that belong to one.
func dayOf(d map[string]map[string]*readSeries, key string) scrapes {
	of := func(metric string) []sample {
		if s := d[metric][key]; s != nil {
			return s.samples
		}
		return nil
	}
	return scrapes{of(metricSuccess), of(metricDuration), of(metricUp), of(metricStatus), of(metricRegex)}
}

// results are what the scrapes left: each probe_success is a result, and each scrape that failed (up is 0) is one that the
// agent missed, since nobody asked the target. A scrape that never was leaves nothing.
func (s scrapes) results() []uptally.Result {
	var rs []uptally.Result
	for _, x := range s.success {
		r := uptally.Result{Slot: uptally.Slot{At: x.at}}
		if x.value == 0 {
			r.Reason, r.Detail = s.why(x.at)
		}
		if r.Reason == uptally.OK || r.Reason == uptally.Status || r.Reason == uptally.Body {
			r.RTT = micros(at(s.duration, x.at))
		}
		rs = append(rs, r)
	}
	for _, x := range s.up {
		if _, probed := slices.BinarySearchFunc(s.success, x.at, byInstant); x.value == 0 && !probed {
			rs = append(rs, uptally.Result{Slot: uptally.Slot{At: x.at}, Reason: uptally.AgentDown, Detail: "the scrape of the exporter failed"})
		}
	}
	slices.SortFunc(rs, uptally.Result.Compare)
	return rs
}

// why is what a failed probe says of its reason.
func (s scrapes) why(instant int64) (uptally.Reason, string) {
	status, regex := at(s.status, instant), at(s.regex, instant)
	switch answered := status >= 100 && status <= 999; {
	case regex == 1:
		return uptally.Body, "probe_failed_due_to_regex"
	case answered && (status < 200 || status > 299):
		return uptally.Status, fmt.Sprintf("status %d", int(status))
	case answered:
		return uptally.Unstated, fmt.Sprintf("status %d", int(status))
	}
	return uptally.Unstated, ""
}

func byInstant(s sample, at int64) int { return cmp.Compare(s.at, at) }

// at is the value at an instant, or 0.
func at(samples []sample, instant int64) float64 {
	if i, ok := slices.BinarySearchFunc(samples, instant, byInstant); ok {
		return samples[i].value
	}
	return 0
}

// micros turns seconds into microseconds; what is no response time within a day is none.
func micros(seconds float64) int64 {
	if !(seconds > 0 && seconds < 86_400) {
		return 0
	}
	return int64(math.Round(seconds * 1e6))
}
