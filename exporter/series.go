package exporter

import (
	"math"
	"sync"

	"github.com/VictoriaMetrics/metrics"

	"github.com/uptally/uptally"
)

// Series is a check at a site, by their names.
type Series struct {
	Check, Site string
}

// series is what the page says of one Series. Its handles are kept: finding a line by its name costs more than the
// whole update.
type series struct {
	Series
	duration histogram

	mu sync.Mutex // guards what follows
	// last and decided are the scheduled instants behind checkLast and checkUp: results of a site that was cut off come
	// late, and an old one must not pass for the present.
	last, decided int64
	sent          int64 // milliseconds
	up            *metrics.Counter
	results       []reasonCount
	certificate   int64 // milliseconds
	lines         block
}

// reasonCount is the counter of one reason; a series has few, so a list is found through faster than a map.
type reasonCount struct {
	reason uptally.Reason
	n      *metrics.Counter
}

func newSeries(k Series) *series {
	s := &series{Series: k, last: math.MinInt64, decided: math.MinInt64}
	s.duration.add(&s.lines, checkDuration, k.Check, k.Site)
	return s
}

// add takes one result whose reason is known to be valid.
func (s *series) add(r uptally.Result) {
	decided := r.Outcome() == uptally.Up || r.Outcome() == uptally.Down
	if decided && r.RTT > 0 {
		s.duration.observe(r.RTT)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counter(r.Reason).Inc()
	if r.At >= s.last {
		if s.last == math.MinInt64 {
			s.instant(checkLast, &s.sent)
		}
		s.last, s.sent = r.At, r.SentAt()
	}
	if decided && r.At >= s.decided {
		s.decided = r.At
		s.state(r.Outcome())
	}
}

// state notes what the last decided result was. The counter is used as a gauge.
func (s *series) state(o uptally.Outcome) {
	if s.up == nil {
		s.up = s.lines.of(checkUp).NewCounter(checkUp.line(s.Check, s.Site))
	}
	if o == uptally.Up {
		s.up.Set(1)
	} else {
		s.up.Set(0)
	}
}

// counter returns the counter of a reason; its line appears with its first result.
func (s *series) counter(reason uptally.Reason) *metrics.Counter {
	for _, c := range s.results {
		if c.reason == reason {
			return c.n
		}
	}
	name := checkResults.line(s.Check, s.Site, reason.Outcome().String(), reason.String())
	n := s.lines.of(checkResults).NewCounter(name)
	s.results = append(s.results, reasonCount{reason, n})
	return n
}

// expires notes when a certificate ends, in milliseconds UTC.
func (s *series) expires(at int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.certificate == 0 {
		s.instant(checkCertificate, &s.certificate)
	}
	s.certificate = at
}

// instant adds a line that shows *at, which mu guards, in seconds.
func (s *series) instant(f family, at *int64) {
	s.lines.of(f).NewGauge(f.line(s.Check, s.Site), func() float64 {
		s.mu.Lock()
		defer s.mu.Unlock()
		return seconds(*at)
	})
}

// block returns the lines there are; later ones do not change the slice returned.
func (s *series) block() block {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lines
}

// seconds turns milliseconds into the page's unit.
func seconds(millis int64) float64 { return float64(millis) / 1000 }
