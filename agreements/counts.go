package agreements

import (
	"cmp"
	"fmt"
	"math/big"
	"slices"
	"strconv"

	"github.com/uptally/uptally"
)

// Count is how many requests of a service there were in a stretch of time, and how many of them failed.
type Count struct {
	Service string
	Interval
	Requests, Errors int64
}

// EmptySlot says what a slot with too few requests is.
type EmptySlot uint8

const (
	EmptyUp EmptySlot = iota + 1
	EmptyDown
	EmptyUnknown
)

// ErrorSlots is the measure of a version whose slots are down as a whole when too many of their requests failed. Slots
// of length Every follow one another from the beginning of the period. Source: docs/agreements.md.
type ErrorSlots struct {
	Every uptally.Duration
	// Limit of errors/requests: above it a slot is down; with AtLeast also at it.
	Limit   *big.Rat
	AtLeast bool
	// Requests is the smallest number that makes a slot worth judging, at least 1; Empty says what one with fewer is.
	Requests int64
	Empty    EmptySlot
}

// ErrorMean is the measure of a version whose availability is 100 % less the plain mean of its slots' error rates. A
// slot that is in part outside eligible time weighs as much as its part inside.
type ErrorMean struct {
	Every uptally.Duration
	// Empty is the rate of a slot without requests.
	Empty *big.Rat
}

// counted is one slot of a service with what was counted in it.
type counted struct {
	Interval
	requests, errors int64
	covered          int64 // milliseconds that rows speak of
}

// slotsOf adds the rows of a service up by slot, in order of time. The error names a row that lies in two slots, or two
// rows about one instant.
func slotsOf(rows []Count, service string, every, anchor int64) ([]counted, error) {
	rows = slices.DeleteFunc(slices.Clone(rows), func(r Count) bool { return r.Service != service })
	slices.SortFunc(rows, func(a, b Count) int { return cmp.Compare(a.From, b.From) })
	var slots []counted
	for i, r := range rows {
		from := anchor + floorDiv(r.From-anchor, every)*every
		switch {
		case r.Empty() || r.Requests < 0 || r.Errors < 0 || r.Errors > r.Requests:
			return nil, fmt.Errorf("count %q from %s: got %d errors of %d requests, want no more errors than requests and an end after the start", service, instant(r.From), r.Errors, r.Requests)
		case r.To > from+every:
			return nil, fmt.Errorf("count %q from %s to %s: want rows inside one slot of %s each, counted from the beginning of the period", service, instant(r.From), instant(r.To), uptally.Duration(every))
		case i > 0 && r.From < rows[i-1].To:
			return nil, fmt.Errorf("count %q from %s: got two rows about one time, want one", service, instant(r.From))
		}
		if n := len(slots); n == 0 || slots[n-1].From != from {
			slots = append(slots, counted{Interval: Interval{from, from + every}})
		}
		s := &slots[len(slots)-1]
		s.requests, s.errors, s.covered = s.requests+r.Requests, s.errors+r.Errors, s.covered+r.Len()
	}
	return slots, nil
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// known reports whether rows speak of all of a slot, or of all of it that is in the period.
func (s counted) known(period Interval) bool {
	inside := Set{s.Interval}.Clip(period).Millis()
	return s.covered >= s.Len() || inside > 0 && s.covered >= inside
}

func (s counted) rate() *big.Rat { return big.NewRat(s.errors, s.requests) }

// state is what a slot is: too many errors make it down as a whole. One that rows do not cover is unknown.
func (e ErrorSlots) state(s counted, period Interval) State {
	switch {
	case !s.known(period):
		return StateUnknown
	case s.requests < e.least():
		return [...]State{EmptyUp: StateUp, EmptyDown: StateDown, EmptyUnknown: StateUnknown}[e.Empty]
	}
	switch c := s.rate().Cmp(e.Limit); {
	case c > 0 || c == 0 && e.AtLeast:
		return StateDown
	}
	return StateUp
}

func (e ErrorSlots) least() int64 { return max(1, e.Requests) }

// rate is a slot's part in the mean.
func (e ErrorMean) rate(s counted) *big.Rat {
	if s.requests == 0 {
		return e.Empty
	}
	return s.rate()
}

// countedTracks are the tracks of a service out of counts: what is down is certain with the edges of its slots.
// Its rates are those of the slots that are down, where the version takes their mean.
func (m MeasureTerms) countedTracks(rows []Count, service string, period Interval, bridge int64) (t ratedTracks, err error) {
	slots, err := slotsOf(rows, service, int64(m.every()), period.From)
	if err != nil {
		return t, err
	}
	if m.ErrorMean != nil {
		bridge = 0 // a hole has no rate
	}
	tl := Timeline{Service: service}
	for _, s := range slots {
		state := StateUnknown
		switch {
		case m.Errors != nil:
			state = m.Errors.state(s, period)
		case !s.known(period):
		case m.ErrorMean.rate(s).Sign() > 0:
			state = StateDown
			t.rates = append(t.rates, Weight{s.Interval, m.ErrorMean.rate(s)})
		default:
			state = StateUp
		}
		tl.Stretches = append(tl.Stretches, Stretch{s.Interval, state})
	}
	t.Tracks, err = tl.Tracks(bridge)
	return t, err
}

// coverTracks are the tracks of a service whose counts say nothing of time: where they speak it counts as up.
func coverTracks(rows []Count, service string) (Tracks, error) {
	tl := Timeline{Service: service}
	for _, r := range rows {
		if r.Service == service {
			tl.Stretches = append(tl.Stretches, Stretch{r.Interval, StateUp})
		}
	}
	return tl.Tracks(0)
}

// every is the length of a slot.
func (m MeasureTerms) every() uptally.Duration {
	if m.Errors != nil {
		return m.Errors.Every
	}
	return m.ErrorMean.Every
}

// events adds up the requests and errors of the rows that lie in eligible time altogether.
func (c *computation) events() (f Fraction, beside int64) {
	var requests, errors int64
	for _, r := range c.counts {
		switch inside := c.eligible.Clip(r.Interval).Millis(); {
		case !slices.Contains(c.services, r.Service) || inside == 0:
		case inside < r.Len():
			beside += r.Requests
		default:
			requests, errors = requests+r.Requests, errors+r.Errors
		}
	}
	return fraction(errors, requests), beside
}

func (e ErrorSlots) validate(p *problems, path string) {
	slotLength(p, path+"every", e.Every)
	key := "over"
	if e.AtLeast {
		key = "at_least"
	}
	p.want(e.Limit != nil, path+"over", "", "over: 5% (more than that) or at_least: 5%")
	p.share(e.Limit, path+key)
	p.want(e.Requests >= 0, path+"requests", strconv.FormatInt(e.Requests, 10), "a smallest number of requests of zero or more")
	p.want(e.Empty >= EmptyUp && e.Empty <= EmptyUnknown, path+"empty", "", "up, down or unknown: what a slot with fewer requests is")
}

func (e ErrorMean) validate(p *problems, path string) {
	slotLength(p, path+"every", e.Every)
	p.want(e.Empty != nil, path+"empty", "", "the error rate of a slot without requests, such as 0%")
	p.share(e.Empty, path+"empty")
}

// slotLength wants a length of which a whole number makes a day.
func slotLength(p *problems, path string, every uptally.Duration) {
	p.want(every > 0 && dayClock%every == 0, path, every.String(), "a length that divides a day, such as 5m or 1h")
}
