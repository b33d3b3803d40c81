package statements

import (
	"errors"

	"github.com/uptally/uptally/agreements"
)

// look computes the accounts of the earlier periods that the chronic rules look back over, as far as versions cover them and
// their days were not dropped.
func (d *draft) look() error {
	n := 0
	for _, a := range d.accounts {
		n = max(n, a.Terms.RightPeriods())
	}
	p := d.period
	for range n {
		_, before, err := d.agreement.PeriodAt(p.From - 1)
		if terms := (*agreements.TermsError)(nil); errors.As(err, &terms) {
			return nil // there was no agreement yet
		}
		if err != nil {
			return err
		}
		accounts, err := d.earlier(before)
		if dropped := (*DroppedError)(nil); errors.As(err, &dropped) {
			return nil // rights say that they looked at fewer periods
		}
		if err != nil {
			return err
		}
		d.history, p = append(accounts, d.history...), before
	}
	return nil
}

// rights evaluates the chronic rules of an account over those of its service before it.
func (d *draft) rights(a *agreements.Account) []agreements.HeldRight {
	if len(a.Terms.Credits.Rights) == 0 {
		return nil
	}
	var own []agreements.Account
	for _, list := range [][]agreements.Account{d.history, d.accounts} {
		for _, o := range list {
			if o.Service == a.Service && o.Period.To <= a.Period.From {
				own = append(own, o)
			}
		}
	}
	return agreements.Rights(append(own, *a))
}
