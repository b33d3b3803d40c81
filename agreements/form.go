package agreements

import (
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/uptally/uptally"
)

// form is one way to reckon a credit: the ladder, blocks, a multiple of lost time and so on. Forms are small values, one
// file a family.
type form interface {
	// pay reckons the credit of one track. Share is set where the form is a part of the fee, Exact where it is money.
	pay(l loss) CreditPart
	// Words says the form aloud, as one sentence without its point.
	Words(c Currency) string
	// eachOutage reports whether outages are counted, rounded or capped one by one. Then two short outages can pay more
	// than the one that joins them, and less downtime more than more.
	eachOutage(t *CreditTerms) bool
	validate(p *problems, path string, v *Version)
}

// CreditPart is what one form pays, with the numbers it was reckoned from.
type CreditPart struct {
	// Form is the key of the agreement file, such as "credit_blocks"; the ladder is "credits".
	Form string
	// Rule says in words what holds, Numbers the sum by which Share or Exact can be checked by hand.
	Rule, Numbers string
	// Share is the part of the fee; nil where the form is reckoned in money of its own.
	Share *big.Rat
	// Exact is the credit in minor units, unrounded, after the cap of each outage; Uncapped is before it.
	Exact, Uncapped *big.Rat
	// Figures are the counts and spans behind the numbers, such as "blocks" and "excess_seconds".
	Figures []CreditFigure

	used Set    // the downtime it pays for
	tier string // of the ladder, the row as figures
}

// CreditFigure is a number that a form came by, exact. At is the stretch it is of; empty for the whole period.
type CreditFigure struct {
	Name  string
	At    Interval
	Value *big.Rat
}

func (p *CreditPart) figure(name string, at Interval, value *big.Rat) {
	p.Figures = append(p.Figures, CreditFigure{name, at, value})
}

// loss is what a form reckons with: one track of an account after the contract rules.
type loss struct {
	outages []lostOutage // in order of time
	down    *big.Rat     // milliseconds, of all outages
	// denominator is what the track's availability divides by, eligible the eligible time, both in milliseconds.
	denominator          *big.Rat
	eligible             int64
	availability, target *big.Rat
	fee                  *big.Rat // minor units
	period               Interval
	zone                 *time.Location
	currency             Currency
	// affected are the recorded shares of those whom an outage hit; time without one hit all.
	affected weights
	// capPerOutage is the most that an outage pays as a share of the fee; nil is no cap.
	capPerOutage *big.Rat
}

// lostOutage is one outage: the time of it that counts.
type lostOutage struct {
	part   Set
	millis *big.Rat
}

// at is the stretch from the first to the last counted instant.
func (o lostOutage) at() Interval { return Interval{o.part[0].From, o.part[len(o.part)-1].To} }

// set is all downtime that counts.
func (l loss) set() Set {
	var sets []Set
	for _, o := range l.outages {
		sets = append(sets, o.part)
	}
	return Union(sets...)
}

// allowance is the downtime that the target allows, in milliseconds.
func (l loss) allowance() *big.Rat { return allowance(l.target, l.denominator) }

// days is the number of calendar days of the period.
func (l loss) days() int64 { return calendarDays(l.period, l.zone) }

// calendarDays counts the local days that share an instant with a period.
func calendarDays(p Interval, zone *time.Location) int64 {
	var n int64
	for range dates(zone, p) {
		n++
	}
	return n
}

// without is the loss with the time of a set no longer counted. A form that used it has paid for it.
func (l loss) without(used Set) loss {
	if len(used) == 0 {
		return l
	}
	before := l.outages
	l.outages, l.down = nil, new(big.Rat)
	for _, o := range before {
		whole := o.part.Millis()
		left := o.part.Subtract(used)
		if len(left) == 0 {
			continue
		}
		// A rounded or weighted length is spread evenly over the outage.
		millis := new(big.Rat).Mul(o.millis, share(left.Millis(), whole))
		l.outages = append(l.outages, lostOutage{left, millis})
		l.down.Add(l.down, millis)
	}
	l.availability = Fraction{l.down, l.denominator}.Availability()
	return l
}

// capped is a share at most as large as an outage may pay, and whether the cap took some.
func (l loss) capped(s *big.Rat) (*big.Rat, bool) {
	if l.capPerOutage != nil && s.Cmp(l.capPerOutage) > 0 {
		return l.capPerOutage, true
	}
	return s, false
}

func whole(n int64) *big.Rat { return new(big.Rat).SetInt64(n) }

func times(a, b *big.Rat) *big.Rat { return new(big.Rat).Mul(a, b) }

// countOf is how many times each fits into r: the full times, or the started ones too.
func countOf(r, each *big.Rat, full bool) int64 {
	q := new(big.Rat).Quo(r, each)
	if full {
		return floor(q)
	}
	return -floor(q.Neg(q))
}

// positive is r, or zero where it is negative.
func positive(r *big.Rat) *big.Rat {
	if r.Sign() < 0 {
		return new(big.Rat)
	}
	return r
}

// spelled is how many parts of a sum are written out; of a longer one the number of its parts is.
const spelled = 6

// secondsWords writes milliseconds as exact seconds: "1860 s"; as a fraction where the decimals do not end.
func secondsWords(ms *big.Rat) string {
	s := new(big.Rat).Quo(ms, whole(1000))
	return exactWords(s) + " s"
}

// exactWords writes a number with its decimals where they end, as a fraction where they do not.
func exactWords(r *big.Rat) string {
	if digits, exact := r.FloatPrec(); exact {
		return r.FloatString(digits)
	}
	return r.RatString()
}

// feeWords writes a share of the fee: "25% of the fee", or as a fraction where the decimals do not end.
func feeWords(s *big.Rat) string { return shareWords(s) + " of the fee" }

func shareWords(s *big.Rat) string {
	if _, exact := new(big.Rat).Mul(s, whole(100)).FloatPrec(); exact {
		return FormatShare(s)
	}
	return s.RatString()
}

// moneyWords writes an exact amount in minor units in major units with its code.
func moneyWords(minor *big.Rat, c Currency) string {
	major := new(big.Rat).Quo(minor, new(big.Rat).SetInt(power10(c.Digits)))
	text := exactWords(major)
	if whole, decimals, _ := strings.Cut(text, "."); len(decimals) < c.Digits && !strings.Contains(text, "/") {
		text = whole + "." + decimals + strings.Repeat("0", c.Digits-len(decimals))
	}
	return c.Code + " " + text
}

func plural(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func startedOrFull(full bool) string {
	if full {
		return "full"
	}
	return "started"
}

func spanWords(d uptally.Duration) string { return secondsWords(whole(int64(d))) }
