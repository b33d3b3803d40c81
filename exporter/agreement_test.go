package exporter

import (
	"testing"

	"github.com/uptally/uptally/agreements"
)

func standing(service, goal string, denominator, down int64) Standing {
	s := Standing{}
	s.Service, s.Terms, s.Denominator = service, &agreements.Version{Target: rat(goal)}, denominator
	set := agreements.NewSet(agreements.Interval{From: 0, To: down})
	s.Certain, s.Point, s.Possible = set, set, set
	return s
}

func TestBudget(t *testing.T) {
	for _, c := range []struct {
		story string
		s     Standing
		want  []string
	}{
		// 0.1 % of 1,000,000 ms is 1,000 ms; 1,000 down: met, nothing left
		{"exactly on the target", standing("p", "0.999", 1_000_000, 1_000), []string{
			`uptally_agreement_budget_left_seconds{agreement="acme-portal",service="p",track="certain"} 0`,
			`uptally_agreement_budget_left_seconds{agreement="acme-portal",service="p",track="point"} 0`,
			`uptally_agreement_budget_left_seconds{agreement="acme-portal",service="p",track="possible"} 0`}},
		// 0.1 % of 2,999 ms is 2.999 ms, cut off to 2; 5 down: 3 ms overspent
		{"an allowance that is no whole millisecond, overspent", standing("p", "0.999", 2_999, 5), []string{
			`uptally_agreement_budget_left_seconds{agreement="acme-portal",service="p",track="certain"} -0.003`,
			`uptally_agreement_budget_left_seconds{agreement="acme-portal",service="p",track="point"} -0.003`,
			`uptally_agreement_budget_left_seconds{agreement="acme-portal",service="p",track="possible"} -0.003`}},
	} {
		t.Run(c.story, func(t *testing.T) {
			e := New(Options{})
			if err := e.SetAgreement(acme(), noon, []Standing{c.s}); err != nil {
				t.Fatal(err)
			}
			wantLines(t, e, "uptally_agreement_budget_left", c.want...)
		})
	}
}

func TestAgreementIsReplacedAndRemoved(t *testing.T) {
	e := New(Options{})
	set := func(at int64, s ...Standing) {
		t.Helper()
		if err := e.SetAgreement(acme(), at, s); err != nil {
			t.Fatal(err)
		}
	}
	set(noon, standing("a", "0.999", 1000, 0), standing("b", "0.99", 1000, 0))
	set(noon+60_000, standing("b", "0.995", 1000, 0))
	wantLines(t, e, "uptally_agreement_target", `uptally_agreement_target_ratio{agreement="acme-portal",service="b"} 0.995`)
	wantLines(t, e, "uptally_agreement_computed", `uptally_agreement_computed_timestamp_seconds{agreement="acme-portal"} 1795348860`)
	// Nothing was eligible, so there is no availability to show.
	wantLines(t, e, "uptally_agreement_availability")
	e.RemoveAgreement("acme-portal")
	wantLines(t, e, "uptally_agreement")
}

// An availability exactly on its target must not be shown below it: 999/1000 and "0.999" are one float.
func TestEqualSharesAreEqualFloats(t *testing.T) {
	if a, b := float(rat("999/1000")), float(rat("0.999")); a < b {
		t.Errorf("got %v < %v", a, b)
	}
}

func TestCreditHasTheCurrencysDecimals(t *testing.T) {
	for code, digits := range map[string]int{"JPY": 0, "EUR": 2, "KWD": 3} {
		a, s := acme(), standing("p", "0.999", 1000, 0)
		a.Currency = agreements.Currency{Code: code, Digits: digits}
		s.Credit.Proven.Minor = 120_050
		e := New(Options{})
		if err := e.SetAgreement(a, noon, []Standing{s}); err != nil {
			t.Fatal(err)
		}
		want := map[string]string{"JPY": "120050", "EUR": "1200.5", "KWD": "120.05"}[code]
		name := `uptally_agreement_credit{agreement="acme-portal",service="p",currency="` + code + `",bound="proven"} `
		wantLines(t, e, name, name+want)
	}
}

func TestSetAgreementRefuses(t *testing.T) {
	twice := standing("p", "0.999", 1000, 0)
	for _, c := range []struct {
		story, name string
		s           []Standing
		want        string
	}{
		{"no name", "", nil, `set agreement: label agreement: got "", want a name in UTF-8`},
		{"a service without a name", "a", []Standing{standing("", "1", 1, 0)}, `set agreement "a": label service: got "", want a name in UTF-8`},
		{"a service twice", "a", []Standing{twice, twice}, `set agreement "a": service "p": got it twice or without terms, want it once with terms`},
		{"no terms", "a", []Standing{{Account: agreements.Account{Service: "p"}}}, `set agreement "a": service "p": got it twice or without terms, want it once with terms`},
	} {
		t.Run(c.story, func(t *testing.T) {
			e := New(Options{})
			err := e.SetAgreement(&agreements.Agreement{Name: c.name}, noon, c.s)
			if err == nil || err.Error() != c.want {
				t.Errorf("got %v, want %s", err, c.want)
			}
			wantLines(t, e, "uptally_agreement")
		})
	}
}
