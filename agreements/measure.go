package agreements

import (
	"fmt"
	"math/big"

	"github.com/uptally/uptally"
)

// MeasureTerms is what a version judges instead of the time that its services were down. At most one of its fields is set; the
// zero value is time down.
type MeasureTerms struct {
	// Errors and ErrorMean are computed from counts and are still about time: each slot is up, down or unknown.
	Errors    *ErrorSlots
	ErrorMean *ErrorMean
	// Events: the availability is the part of all counted requests that were good.
	Events bool
	// Response, Loss and Restore give a reading, which keeps a limit or misses it; credits are rows that pay for a miss.
	Response *ResponseTerms
	// Loss is the largest share of probes, or of counted requests, that may go without an answer.
	Loss *big.Rat
	// Restore is the longest that an outage may last, in service time, to have been restored in time.
	Restore uptally.Duration
}

// IsReading reports whether the measure is a reading, kept or missed, and not an availability.
func (m MeasureTerms) IsReading() bool { return m.Response != nil || m.Loss != nil || m.Restore != 0 }

// counts reports whether the measure's tracks come from counts.
func (m MeasureTerms) counts() bool { return m.Errors != nil || m.ErrorMean != nil }

// validateMeasure checks the measure and what stands beside it; path ends with a point.
func (v *Version) validateMeasure(p *problems, path string) {
	m := v.MeasureTerms
	set := 0
	for _, is := range []bool{m.Errors != nil, m.ErrorMean != nil, m.Events, m.Response != nil, m.Loss != nil, m.Restore != 0} {
		if is {
			set++
		}
	}
	p.want(set <= 1, path+"errors", "", "one of errors, error_mean, events, response_time, packet_loss and restore; each measure is an agreement of its own")
	switch {
	case m.Errors != nil:
		m.Errors.validate(p, path+"errors.")
	case m.ErrorMean != nil:
		m.ErrorMean.validate(p, path+"error_mean.")
		p.want(v.Outage == OutageTerms{}, path+"outage", "", "no outage rules beside error_mean, which counts every slot by its rate")
	case m.Response != nil:
		m.Response.validate(p, path+"response_time.")
	case m.Loss != nil:
		p.share(m.Loss, path+"packet_loss.at_most")
	case m.Restore != 0:
		p.want(m.Restore > 0, path+"restore.within", m.Restore.String(), "a length above zero, such as 4h")
	}
	alone := len(v.Services) <= 1 || v.Each
	p.want(!m.IsReading() || v.Target == nil || v.Target.Cmp(m.Target()) == 0, path+"target", shareText(v.Target), "no target beside a measure with a limit of its own")
	p.want(alone || !m.IsReading(), path+"services", "", "one service, or each: service, beside a measure that is kept or missed")
	p.want(alone || m.ErrorMean == nil && !m.Events || v.Figure != FigureTogether, path+"figure", "", "sum, mean, worst or weighted, or each: service, since rates of several services are no timeline")
	v.Weighing.validate(p, path)
	p.want(!v.weighs() || set == 0, path+"users", "", "no users or weigh_affected beside another measure than time down")
}

// ratedTracks are the tracks of a service and, where the measure is their mean, the error rates of its slots.
type ratedTracks struct {
	Tracks
	rates weights
}

// tracksOf returns the tracks of a service: those given, or what the counts say. The error names the service without
// tracks or the count that cannot be read.
func (in Input) tracksOf(v *Version, service string, period Interval) (t ratedTracks, err error) {
	given, ok := in.Services[service]
	switch {
	case v.MeasureTerms.counts():
		return v.countedTracks(in.Counts, service, period, int64(v.Bridge))
	case (v.Events || v.Response != nil || v.Loss != nil) && !ok:
		t.Tracks, err = coverTracks(in.Counts, service)
		return t, err
	case !ok:
		return t, fmt.Errorf("got no tracks of service %q", service)
	}
	return ratedTracks{Tracks: given}, nil
}

// weigh finds out by what downtime is weighed. The error names the entry that cannot be weighed.
func (c *computation) weigh() (err error) {
	if c.terms.ErrorMean != nil {
		if c.weights = nil; c.single {
			c.weights = append(weights{}, c.rates[0]...)
		}
		return nil
	}
	if c.weights, err = c.terms.affected(c.entries, c.agreement.Name, c.services); err != nil {
		return fmt.Errorf("compute account of %q: %w", c.agreement.Name, err)
	}
	return nil
}

// weighedFigure weighs downtime, and the unknown time that leaves the point figure's denominator: of an hour that may
// have hit a quarter of the users a quarter is in doubt. So the bounds stay in order. A fixed denominator may be shorter
// than the downtime, which then fills it.
func (c *computation) weighedFigure(a *Account) Figure {
	over := func(down Set, of *big.Rat) Fraction {
		lost := c.weights.of(down)
		if of.Sign() > 0 && lost.Cmp(of) > 0 {
			lost = of
		}
		return Fraction{lost, of}
	}
	whole := big.NewRat(a.Denominator, 1)
	return Figure{
		Certain:  over(a.Certain, whole),
		Point:    over(a.Point, new(big.Rat).Sub(whole, c.weights.of(c.leftOut))),
		Possible: over(a.Possible, whole),
		known:    over(a.Possible.Subtract(c.unknown), whole),
	}
}

// eventFigure divides what was counted; time has no part in it, so nothing is in doubt but what was not counted.
func (c *computation) eventFigure(a *Account) Figure {
	f, beside := c.events()
	a.Beside = beside
	return Figure{Unit: Events, Certain: f, Point: f, Possible: f, known: f}
}
