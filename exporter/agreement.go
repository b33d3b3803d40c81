package exporter

import (
	"fmt"
	"math"
	"math/big"

	"github.com/uptally/uptally/agreements"
)

// Standing is an account to date, and what is left of its period.
type Standing struct {
	// Account is that of the period's part gone by: its Period ends at the instant it was computed.
	agreements.Account
	// Whole is the denominator of the whole period in milliseconds, which the error budget is a share of; 0 takes the
	// account's own.
	Whole int64
}

// SetAgreement replaces what the page says of an agreement by its accounts as of the instant at, in milliseconds UTC.
// It is called at most once a minute, never in a scrape. The error names a service given twice, without terms, or
// with a name that cannot be a label value; the page is then as before.
func (e *Exporter) SetAgreement(a *agreements.Agreement, at int64, standings []Standing) error {
	if err := checkLabel("agreement", a.Name); err != nil {
		return fmt.Errorf("set agreement: %w", err)
	}
	var b block
	b.gauge(computed, seconds(at), a.Name)
	seen := map[string]bool{}
	for i := range standings {
		s := &standings[i]
		if err := checkLabel("service", s.Service); err != nil {
			return fmt.Errorf("set agreement %q: %w", a.Name, err)
		}
		if seen[s.Service] || s.Terms == nil {
			return fmt.Errorf("set agreement %q: service %q: got it twice or without terms, want it once with terms", a.Name, s.Service)
		}
		seen[s.Service] = true
		s.add(&b, a)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.agreements[a.Name] = b
	return nil
}

// RemoveAgreement takes an agreement off the page; an unknown name changes nothing.
func (e *Exporter) RemoveAgreement(name string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.agreements, name)
}

func (s *Standing) add(b *block, a *agreements.Agreement) {
	share := func(f family, r *big.Rat, values ...string) {
		if r != nil {
			b.gauge(f, float(r), values...)
		}
	}
	share(availability, s.Availability.Low, a.Name, s.Service, "low")
	share(availability, s.Availability.Point, a.Name, s.Service, "point")
	share(availability, s.Availability.High, a.Name, s.Service, "high")
	share(target, s.Terms.Target, a.Name, s.Service)
	for c := agreements.ClassUp; c <= agreements.ClassUnknown; c++ {
		b.gauge(classTime, seconds(s.ByClass[c]), a.Name, s.Service, c.String())
	}
	s.addBudget(b, a)
	s.addCredit(b, a)
	flag := 0.0
	if s.Insufficient {
		flag = 1
	}
	b.gauge(insufficient, flag, a.Name, s.Service)
}

// addBudget works in whole milliseconds, the allowance cut off, and divides in the last line.
func (s *Standing) addBudget(b *block, a *agreements.Agreement) {
	if s.Terms.Target == nil {
		return
	}
	whole := s.Whole
	if whole == 0 {
		whole = s.Denominator
	}
	rest := new(big.Rat).Sub(big.NewRat(1, 1), s.Terms.Target)
	rest.Mul(rest, new(big.Rat).SetInt64(whole))
	allowed := new(big.Int).Quo(rest.Num(), rest.Denom()).Int64()
	b.gauge(budget, seconds(allowed), a.Name, s.Service)
	b.gauge(budgetLeft, seconds(allowed-s.Certain.Millis()), a.Name, s.Service, "certain")
	b.gauge(budgetLeft, seconds(allowed-s.Point.Millis()), a.Name, s.Service, "point")
	b.gauge(budgetLeft, seconds(allowed-s.Possible.Millis()), a.Name, s.Service, "possible")
}

func (s *Standing) addCredit(b *block, a *agreements.Agreement) {
	major := math.Pow10(a.Currency.Digits)
	row := func(minor int64, bound string) {
		b.gauge(credit, float64(minor)/major, a.Name, s.Service, a.Currency.Code, bound)
	}
	row(s.Credit.Proven.Minor, "proven")
	row(s.Credit.Point.Minor, "point")
	row(s.Credit.Max.Minor, "max")
}

// float is the nearest one. Equal fractions stay equal, so a figure exactly on the target does not fall below it.
func float(r *big.Rat) float64 {
	f, _ := r.Float64()
	return f
}
