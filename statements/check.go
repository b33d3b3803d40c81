package statements

import (
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"time"

	"github.com/uptally/uptally/agreements"
)

// check adds everything up again: nothing is printed whose sums do not close.
func (s *Statement) check() error {
	p := s.Period
	if p.At.open() || p.At.To <= p.At.From || p.Millis != p.At.Millis() {
		return fmt.Errorf("got a period of %d ms, want %d ms", p.Millis, p.At.Millis())
	}
	if err := checkOffsets(p.Offsets); err != nil {
		return err
	}
	if err := s.Evidence.check(); err != nil {
		return err
	}
	var t Total
	for i := range s.Accounts {
		a := &s.Accounts[i]
		if err := errors.Join(a.check(p), a.checkParts(s.termsOf(a).rule())); err != nil {
			return fmt.Errorf("account %q: %w", a.Service, err)
		}
		t.Fee.Minor += a.Credit.Fee.Minor
		t.Proven.Minor += a.Credit.Proven.Amount.Minor
		t.Point.Minor += a.Credit.Point.Amount.Minor
		t.Max.Minor += a.Credit.Max.Amount.Minor
		t.Charged.Minor += a.Credit.Charged.Amount.Minor
	}
	w := s.Total
	if t.Fee.Minor != w.Fee.Minor || t.Proven.Minor != w.Proven.Minor || t.Point.Minor != w.Point.Minor ||
		t.Max.Minor != w.Max.Minor || t.Charged.Minor != w.Charged.Minor {
		return fmt.Errorf("the totals are not the sums of the accounts")
	}
	return nil
}

func checkOffsets(os []Offset) error {
	if len(os) == 0 {
		return fmt.Errorf("got no offset of the zone, want at least one")
	}
	for i, o := range os {
		if _, err := parseOffset(o.Offset); err != nil {
			return err
		}
		if i > 0 && o.From <= os[i-1].From {
			return fmt.Errorf("the offsets of the zone are not in order of time")
		}
	}
	return nil
}

func (a *Account) check(p Period) error {
	if part := a.Part; part != nil {
		if part.At.open() || part.At.From < p.At.From || part.At.To > p.At.To || part.At.To <= part.At.From {
			return fmt.Errorf("got the part %s, want a stretch of the period", part.At)
		}
		p.At, p.Millis = part.At, part.At.Millis()
	}
	if got := a.Classes.Sum(); got != p.Millis {
		return fmt.Errorf("the classes add up to %d ms, want %d ms", got, p.Millis)
	}
	if err := a.checkPieces(p); err != nil {
		return err
	}
	var byDay Classes
	for _, d := range a.Days {
		byDay = sum(byDay, d.Classes)
		if _, err := time.Parse(time.DateOnly, d.Date); err != nil || d.Sum() <= 0 {
			return fmt.Errorf("got day %q of %d ms, want a date such as 2026-10-01 and its length", d.Date, d.Sum())
		}
	}
	if byDay != a.Classes {
		return fmt.Errorf("the days do not add up to the classes")
	}
	var byRule int64
	for _, r := range a.Rules {
		byRule += r.Millis
	}
	if byRule != a.Classes.Excluded {
		return fmt.Errorf("the rules exclude %d ms, want %d ms", byRule, a.Classes.Excluded)
	}
	return a.checkDown()
}

func (a *Account) checkPieces(p Period) error {
	var c Classes
	at := p.At.From
	for _, piece := range a.Pieces {
		if piece.At.From != at || piece.At.To <= at {
			return fmt.Errorf("got a piece at %s, want it to start at %s", piece.At.From, at)
		}
		c.add(piece.Class, piece.At.Millis())
		at = piece.At.To
	}
	if at != p.At.To || c != a.Classes {
		return fmt.Errorf("the pieces do not add up to the classes")
	}
	return nil
}

func (a *Account) checkDown() error {
	d := a.Down
	for _, t := range []struct {
		name string
		ms   int64
		in   []Interval
	}{{"certain", d.CertainMS, d.Certain}, {"point", d.PointMS, d.Point}, {"possible", d.PossibleMS, d.Possible}} {
		var n int64
		for _, v := range t.in {
			n += v.Millis()
		}
		if n != t.ms {
			return fmt.Errorf("the %s downtime adds up to %d ms, want %d ms", t.name, n, t.ms)
		}
	}
	if d.PointMS != a.Classes.Down {
		return fmt.Errorf("got %d ms of likely downtime, want the %d ms of the class", d.PointMS, a.Classes.Down)
	}
	if d.CertainMS > d.PointMS || d.PointMS > d.PossibleMS {
		return fmt.Errorf("got downtime %d, %d and %d ms, want certain ≤ point ≤ possible", d.CertainMS, d.PointMS, d.PossibleMS)
	}
	if err := a.AddedBack.check(); err != nil {
		return err
	}
	return a.checkFormulas()
}

// checkFormulas evaluates what the steps print.
func (a *Account) checkFormulas() error {
	fs := a.fractions()
	lines := []struct {
		name  string
		f     Fraction
		share Share
	}{{"low", fs.Possible, a.Availability.Low}, {"point", fs.Point, a.Availability.Point}, {"high", fs.Certain, a.Availability.High}}
	got := map[string]*big.Rat{}
	for _, l := range lines {
		r, err := l.f.availability()
		if err != nil {
			return fmt.Errorf("read the %s availability: %w", l.name, err)
		}
		got[l.name] = r
	}
	if fs.Extremes {
		order(got)
	}
	for _, l := range lines {
		if text := ratText(got[l.name]); text != l.share.Exact {
			return fmt.Errorf("got %s availability %q, want 1 − %s/%s = %q", l.name, l.share.Exact, l.f.Lost, l.f.Of, text)
		}
	}
	if target, ok := parseExact(a.Target.Exact); !ok || target.Sign() < 0 {
		return fmt.Errorf("got target %q, want an exact fraction", a.Target.Exact)
	}
	return nil
}

// fractions are those that the document states, or the tracks over D.
func (a *Account) fractions() Fractions {
	if a.Fractions != nil {
		return *a.Fractions
	}
	of := func(down, of int64) Fraction { return Fraction{strconv.FormatInt(down, 10), strconv.FormatInt(of, 10)} }
	return Fractions{
		Unit: agreements.Milliseconds.String(), Certain: of(a.Down.CertainMS, a.DenominatorMS),
		Point: of(a.Down.PointMS, a.DenominatorMS-a.LeftOutMS), Possible: of(a.Down.PossibleMS, a.DenominatorMS),
	}
}

// availability is 1 − lost ÷ of, or nil without anything to divide by.
func (f Fraction) availability() (*big.Rat, error) {
	lost, okLost := parseExact(f.Lost)
	of, okOf := parseExact(f.Of)
	if !okLost || !okOf {
		return nil, fmt.Errorf("got %q of %q, want two exact fractions", f.Lost, f.Of)
	}
	return agreements.Fraction{Lost: lost, Of: of}.Availability(), nil
}

// order makes the least of the figures the low and the greatest the high bound.
func order(by map[string]*big.Rat) {
	for _, r := range []*big.Rat{by["low"], by["point"], by["high"]} {
		if r != nil && r.Cmp(by["low"]) < 0 {
			by["low"] = r
		}
		if r != nil && r.Cmp(by["high"]) > 0 {
			by["high"] = r
		}
	}
}

func sum(a, b Classes) Classes {
	return Classes{a.Up + b.Up, a.Down + b.Down, a.Excluded + b.Excluded, a.Outside + b.Outside, a.Unknown + b.Unknown}
}
