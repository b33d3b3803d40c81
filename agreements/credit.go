package agreements

import (
	"cmp"
	"math/big"
	"slices"
)

// credit is rule A10: the row and the money of each track, compared exactly and rounded once.
func (c *computation) credit(a *Account) Credit {
	v := c.terms
	certain := v.owed(c.lossOf(a, a.Figure.Certain, (*Account).certain))
	point := v.owed(c.lossOf(a, a.Figure.Point, (*Account).point))
	possible := v.owed(c.lossOf(a, a.Figure.Possible, (*Account).possible))
	rows := []CreditRow{certain, point, possible}
	k := Credit{Point: point, EachOutage: v.EachOutage()}
	// Where the rows leave a hole or a form counts each outage, less downtime can pay more, so the least and the greatest
	// of the three are the bounds.
	slices.SortStableFunc(rows, func(x, y CreditRow) int { return cmp.Or(x.Exact.Cmp(y.Exact), x.Percent.Cmp(y.Percent)) })
	k.Proven, k.Max = rows[0], rows[2]
	k.Determined = k.Proven.same(k.Max)
	if !k.Determined {
		known := v.owed(c.lossOf(a, a.Figure.known, func(p *Account) (Set, Set) { return p.whole.Possible, p.Possible.Subtract(p.unknown) }))
		k.OnlyUnknown = known.same(certain)
		k.Steps = v.steps(a)
	}
	switch v.Charge {
	case ChargePoint:
		k.Charged = k.Point
	case ChargeMax:
		k.Charged = k.Max
	default:
		k.Charged = k.Proven
	}
	return k
}

// same reports whether two rows owe the same, also where no fee turns a percentage into money.
func (r CreditRow) same(o CreditRow) bool {
	return r.Exact.Cmp(o.Exact) == 0 && (r.Percent.Cmp(o.Percent) == 0 || r.Capped && o.Capped || r.Withheld && o.Withheld)
}

// certain, point and possible are a track of an account: the outages before any cut, and what of them counts.
func (a *Account) certain() (outages, counted Set)  { return a.whole.Certain, a.Certain }
func (a *Account) point() (outages, counted Set)    { return a.whole.Point, a.Point }
func (a *Account) possible() (outages, counted Set) { return a.whole.Possible, a.Possible }

// lossOf is what the forms reckon with: a track's fraction, and its outages, each with the part of it that counts; those
// of every service where the figure is made of the services' own.
func (c *computation) lossOf(a *Account, f Fraction, track func(*Account) (outages, counted Set)) loss {
	v := c.terms
	l := loss{
		availability: v.Judge.Of(f.Availability()), denominator: whole(a.Denominator), eligible: a.Eligible, target: v.Target,
		fee: whole(v.feeOf(a.Service)), period: c.period, zone: c.agreement.Zone, currency: c.agreement.Currency, capPerOutage: v.Credits.CapPerOutage,
	}
	if len(a.Figure.Parts) == 0 {
		l.outages = c.each(track(a))
	}
	for i := range a.Figure.Parts {
		l.outages = append(l.outages, c.each(track(&a.Figure.Parts[i].Account))...)
	}
	slices.SortStableFunc(l.outages, func(x, y lostOutage) int { return cmp.Compare(x.part[0].From, y.part[0].From) })
	l.affected = c.hits
	l.down = new(big.Rat)
	for _, o := range l.outages {
		l.down.Add(l.down, o.millis)
	}
	if a.Figure.Unit == Milliseconds {
		l.down, l.denominator = f.Lost, f.Of
	}
	return l
}

// each cuts what counts of a track into its outages. What is in none of them is unknown time that the version counts as
// down; each stretch of it is an outage.
func (c *computation) each(outages, counted Set) []lostOutage {
	var each []lostOutage
	length := c.terms.Length
	if length.Sum {
		length = LengthTerms{} // only their sum is rounded
	}
	add := func(part Set) {
		if len(part) > 0 {
			millis := whole(length.Of(part, c.agreement.Zone))
			if c.weights != nil {
				millis = c.weights.of(part)
			}
			each = append(each, lostOutage{part, millis})
		}
	}
	joined := c.terms.Outage.join(outages)
	for _, at := range joined {
		add(counted.Clip(at))
	}
	for _, at := range counted.Subtract(joined) {
		add(Set{at})
	}
	return each
}

// owed is the credit of one track: what each form pays, their sum or the best, the caps, the smallest credit, and one
// rounding.
func (v *Version) owed(l loss) CreditRow {
	r := CreditRow{Percent: new(big.Rat), Exact: new(big.Rat), Uncapped: new(big.Rat)}
	for _, f := range v.forms() {
		p := f.pay(l)
		p.Form = f.key
		p.price(l.fee)
		if f.key == "credits" {
			r.Tier = p.tier
		}
		r.Parts = append(r.Parts, p)
		if v.Credits.NoDoubleUse {
			l = l.without(p.used)
		}
	}
	r.gather(v.Credits.BestOf)
	v.limit(&r, l)
	r.Minor = roundHalfUp(r.Exact)
	return r
}

// price turns a share of the fee into money, or money into a share where there is a fee.
func (p *CreditPart) price(fee *big.Rat) {
	switch {
	case p.Share != nil:
		p.Exact, p.Uncapped = times(p.Share, fee), times(p.Uncapped, fee)
	case fee.Sign() > 0:
		p.Share, p.Uncapped = new(big.Rat).Quo(p.Exact, fee), p.Exact
	default:
		p.Share, p.Uncapped = new(big.Rat), p.Exact
	}
}

// gather adds the parts up, or takes the best of them.
func (r *CreditRow) gather(best bool) {
	for i, p := range r.Parts {
		if best && cmp.Or(p.Exact.Cmp(r.Exact), p.Share.Cmp(r.Percent)) > 0 {
			r.Percent, r.Exact, r.Uncapped, r.Best = p.Share, p.Exact, p.Uncapped, i
		} else if !best {
			r.Percent = new(big.Rat).Add(r.Percent, p.Share)
			r.Exact = new(big.Rat).Add(r.Exact, p.Exact)
			r.Uncapped = new(big.Rat).Add(r.Uncapped, p.Uncapped)
		}
	}
}

// limit applies the cap of the period and the smallest credit, and says what is given in the agreed form.
func (v *Version) limit(r *CreditRow, l loss) {
	given := r.Percent
	if limit := v.creditCap(l.fee); limit != nil && r.Percent.Cmp(limit) > 0 {
		given, r.Capped = limit, true
		r.Exact = times(limit, l.fee)
	}
	r.Before = r.Exact
	if s := v.Credits.Smallest; s != nil && r.Exact.Cmp(s) <= 0 && r.Exact.Sign() > 0 {
		given, r.Withheld = new(big.Rat), true
		r.Exact = new(big.Rat)
	}
	switch v.Credits.Form {
	case CreditDays:
		r.Given = times(given, whole(l.days()))
	case CreditPoints:
		r.Given, r.Exact, r.Before, r.Uncapped = times(given, whole(100)), new(big.Rat), new(big.Rat), new(big.Rat)
	}
}

// feeOf is the fee base of an account in minor units.
func (v *Version) feeOf(service string) int64 {
	if fee, ok := v.FeeFor[service]; ok && v.Each {
		return fee
	}
	return v.Fee
}

// creditCap is the largest credit as a share of the fee; nil where the only credits are hours with a fee of their own.
func (v *Version) creditCap(fee *big.Rat) *big.Rat {
	switch {
	case v.Cap != nil:
		return v.Cap
	case fee.Sign() == 0 && v.Credits.FreeHours != nil:
		return nil
	}
	return whole(1)
}

// roundHalfUp returns the nearest integer, the greater of two.
func roundHalfUp(r *big.Rat) int64 { return floor(new(big.Rat).Add(r, big.NewRat(1, 2))) }

// floor rounds toward −∞.
func floor(r *big.Rat) int64 { return new(big.Int).Div(r.Num(), r.Denom()).Int64() }

// steps returns the rows that the possible downtime reaches and the certain does not, best first, with the room that
// each track has.
func (v *Version) steps(a *Account) []TierStep {
	if a.Figure.Unit != Milliseconds {
		return nil // no room in seconds
	}
	high, low := cut{a.Judged.High, false}, cut{a.Judged.Low, false}
	var steps []TierStep
	for _, i := range v.order() {
		t := v.Ladder[i]
		upper := t.upperCut()
		if high.compare(upper) < 0 || low.compare(upper) >= 0 {
			continue
		}
		f, limit := a.Figure, v.Judge.Least(t.Upper.Share)
		steps = append(steps, TierStep{
			Tier: t.Words(), Allowed: floor(allowance(limit, f.Certain.Of)),
			Certain: f.Certain.room(limit), Point: f.Point.room(limit), Possible: f.Possible.room(limit),
		})
	}
	return steps
}

// allowance is the downtime that a share of a denominator allows.
func allowance(p, denominator *big.Rat) *big.Rat {
	r := new(big.Rat).Sub(big.NewRat(1, 1), p)
	return r.Mul(r, denominator)
}

// room is what is left of the allowance of a share, rounded toward −∞.
func (f Fraction) room(p *big.Rat) int64 {
	r := allowance(p, f.Of)
	return floor(r.Sub(r, f.Lost))
}
