package agreements

import (
	"cmp"
	"math/big"
	"slices"
	"strconv"

	"github.com/uptally/uptally"
)

// ResponseTerms is a limit on response times, in microseconds: of their mean, of a percentile, or of the share of results
// above it. Exactly one of Mean, Percentile and Share says which.
type ResponseTerms struct {
	// Limit is what a mean or a percentile is at most, or what a result must not be over.
	Limit int64
	// Mean limits the plain mean of all answers.
	Mean bool
	// Percentile, such as 95 %, limits the slowest of that part of the results, by exact ranks: of n results in order the
	// one at rank ⌈n × 95 %⌉.
	Percentile *big.Rat
	// Share is the largest share of results that may be over Limit.
	Share *big.Rat
	// FailedOver counts a result without an answer as over any limit; otherwise it is left out. A mean leaves it out.
	FailedOver bool
}

// Reading is what a measure that is kept or missed came to, beside the fraction it is judged by.
type Reading struct {
	// Value and Limit are milliseconds, or shares of one where IsShare. A nil Value is none: nothing was measured, or the
	// rank of a percentile fell on a result without an answer.
	Value, Limit *big.Rat
	IsShare      bool
	// Of is how many results, requests or outages were read; Over how many of them were over the limit or lost.
	Of, Over int64
}

// Target is the availability at which a reading is kept, as a share: what is judged is the part within the limit. It is
// nil where the measure is not a reading.
func (m MeasureTerms) Target() *big.Rat {
	one := big.NewRat(1, 1)
	switch r := m.Response; {
	case r != nil && r.Percentile != nil:
		return r.Percentile
	case r != nil && r.Share != nil:
		return one.Sub(one, r.Share)
	case m.Loss != nil:
		return one.Sub(one, m.Loss)
	case r != nil || m.Restore != 0:
		return one
	}
	return nil
}

// readingFigure judges a reading. A mean or a percentile met has lost nothing.
func (c *computation) readingFigure(a *Account) Figure {
	m := c.terms.MeasureTerms
	if m.Restore != 0 {
		return c.restoreFigure(a)
	}
	r := Reading{IsShare: true, Limit: m.Loss}
	var f Fraction
	if m.Loss != nil {
		r.Over, r.Of = c.unanswered()
		f = fraction(r.Over, r.Of)
		r.Value = ratio(f)
	} else {
		f = m.Response.read(c.answers(m.Response), &r)
	}
	a.Reading = &r
	return Figure{Unit: Events, Certain: f, Point: f, Possible: f, known: f}
}

func ratio(f Fraction) *big.Rat {
	if f.Of.Sign() == 0 {
		return nil
	}
	return new(big.Rat).Quo(f.Lost, f.Of)
}

// noAnswer stands for a result without an answer: later than any.
const noAnswer int64 = 1<<63 - 1

// answers are the response times in microseconds of the results sent in eligible time.
func (c *computation) answers(r *ResponseTerms) []int64 {
	var times []int64
	c.sent(func(result uptally.Result) {
		switch {
		case result.Outcome() == uptally.Up:
			times = append(times, result.RTT)
		case r.FailedOver && !r.Mean:
			times = append(times, noAnswer)
		}
	})
	return times
}

// sent yields the results that prove something and were sent in eligible time.
func (c *computation) sent(yield func(uptally.Result)) {
	for _, s := range c.services {
		for _, day := range c.results[s] {
			for result := range day.Results() {
				if o := result.Outcome(); (o == uptally.Up || o == uptally.Down) && c.eligible.Contains(result.SentAt()) {
					yield(result)
				}
			}
		}
	}
}

// unanswered counts the probes, or else the counted requests, that had no answer.
func (c *computation) unanswered() (lost, of int64) {
	c.sent(func(r uptally.Result) {
		of++
		if r.Outcome() == uptally.Down {
			lost++
		}
	})
	if of > 0 {
		return lost, of
	}
	f, _ := c.events()
	return f.Lost.Num().Int64(), f.Of.Num().Int64()
}

// read sets what the response times came to and returns what is judged.
func (r *ResponseTerms) read(times []int64, into *Reading) Fraction {
	*into = Reading{Limit: big.NewRat(r.Limit, 1000), Of: int64(len(times))}
	sum := new(big.Rat)
	for _, t := range times {
		if t > r.Limit {
			into.Over++
		}
		if r.Mean {
			sum.Add(sum, big.NewRat(t, 1))
		}
	}
	if len(times) == 0 {
		return fraction(0, 0)
	}
	switch {
	case r.Mean:
		into.Value = new(big.Rat).Quo(sum, big.NewRat(1000*into.Of, 1))
		return overMean(into)
	case r.Percentile != nil:
		slices.Sort(times)
		if at := times[r.rank(into.Of)-1]; at != noAnswer {
			into.Value = big.NewRat(at, 1000)
		}
	default:
		into.IsShare, into.Limit, into.Value = true, r.Share, big.NewRat(into.Over, into.Of)
	}
	return fraction(into.Over, into.Of)
}

// rank is ⌈n × percentile⌉, from 1 to n. At most n − rank results are over the limit where the percentile is within it,
// and n − rank = ⌊n × (1 − percentile)⌋: so the part within the limit is at least the percentile, exactly.
func (r *ResponseTerms) rank(n int64) int64 {
	least := new(big.Rat).Mul(r.Percentile, big.NewRat(n, 1))
	return max(1, -floor(least.Neg(least)))
}

// overMean is the part of the mean that is over the limit.
func overMean(r *Reading) Fraction {
	over := new(big.Rat).Sub(r.Value, r.Limit)
	if over.Sign() <= 0 {
		return fraction(0, 1)
	}
	return Fraction{over, r.Value}
}

// restoreFigure judges how long each outage that began in the period lasted, in service time and without what is
// excused: of the outages, those that lasted longer than agreed are lost. The bounds are those of the three tracks.
func (c *computation) restoreFigure(a *Account) Figure {
	limit := int64(c.terms.Restore)
	read := func(track Set) (f Fraction, longest int64) {
		var late, all int64
		for _, at := range c.terms.Outage.join(track) {
			if at.From < c.period.From || at.From >= c.period.To || !c.terms.Outage.counts(at.Len()) {
				continue
			}
			all++
			length := c.repair(at)
			if longest = max(longest, length); length > limit {
				late++
			}
		}
		return fraction(late, all), longest
	}
	figure := Figure{Unit: Events}
	var longest int64
	figure.Certain, _ = read(a.whole.Certain)
	figure.Point, longest = read(a.whole.Point)
	figure.Possible, _ = read(a.whole.Possible)
	figure.known = figure.Possible
	a.Extremes = true
	a.Reading = &Reading{Limit: big.NewRat(limit, 1), Of: figure.Point.Of.Num().Int64(), Over: figure.Point.Lost.Num().Int64()}
	if a.Reading.Of > 0 {
		a.Reading.Value = big.NewRat(longest, 1)
	}
	return figure
}

// repair is how long an outage lasted in service time; one without an end lasts as long as time does.
func (c *computation) repair(at Interval) int64 {
	if at.From < Ever/2 || at.To > Forever/2 {
		return Forever
	}
	return c.terms.Window.Open(c.agreement.Zone, at).Millis()
}

func (r *ResponseTerms) validate(p *problems, path string) {
	p.want(r.Limit > 0, path+"at_most", strconv.FormatInt(r.Limit, 10), "a length above zero, such as 300ms")
	one := 0
	for _, is := range []bool{r.Mean, r.Percentile != nil, r.Share != nil} {
		if is {
			one++
		}
	}
	p.want(one == 1, path+"mean", "", "{ mean: 45ms }, { over: 300ms, at_most: 1% } or { percentile: 95%, at_most: 300ms }")
	p.share(cmp.Or(r.Percentile, r.Share), path+"at_most")
	p.want(r.Percentile == nil || r.Percentile.Sign() > 0, path+"percentile", shareText(r.Percentile), "a share above 0%, such as 95%")
}
