package statements

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"math/big"
	"strings"

	"github.com/uptally/uptally/agreements"
)

// FiguresSchema is the JSON Schema (2020-12) of an Evaluation. It refers to Schema for the statement in it.
//
//go:embed figures.schema.json
var FiguresSchema []byte

// Evaluation is what `uptally evaluate --format json` prints: the statement, and its figures once more in the words of a
// dispute. Times are seconds as exact decimal text, money is decimal text in major units with the currency's decimals,
// and what is "exact" is a reduced fraction n/d.
type Evaluation struct {
	Statement *Statement   `json:"statement"`
	Figures   []Figures    `json:"figures"`
	Total     TotalFigures `json:"total"`
}

// Figures are those of one account. Downtime and availability are the likeliest (the statement has the bounds); tier and
// credit are the charged ones.
type Figures struct {
	Service     string `json:"service"`
	Period      string `json:"period_seconds"`
	Window      string `json:"window_seconds"`
	Maintenance string `json:"excluded_maintenance_seconds"`
	Eligible    string `json:"eligible_seconds"`
	// Denominator is what the availability divides by, which differs from Eligible where planned time stays below the
	// line, unknown time is left out, or the contract fixes it.
	Denominator string `json:"denominator_seconds"`
	Down        string `json:"downtime_seconds"`
	// Availability and Percent are empty where there is none. Percent is cut off, without its sign.
	Availability string `json:"availability_exact"`
	Percent      string `json:"availability_percent"`
	// Uncut is the availability before it is cut off at 100 %; only where all excluded time is added back. Down is then
	// less what was added back.
	Uncut string `json:"uncut_exact,omitempty"`
	// Judged is the percentage as the contract rounds it before judging; only where it does.
	Judged string `json:"judged_percent,omitempty"`
	Fee    string `json:"fee"`
	// Tier is the row of the ladder in words; nil where none holds.
	Tier *string `json:"tier"`
	// UserMinutes are the users' minutes in the denominator and, of them, those lost; only where downtime is weighed by users.
	UserMinutes     string `json:"user_minutes,omitempty"`
	UserMinutesDown string `json:"user_minutes_down,omitempty"`
	CreditPercent   string `json:"credit_percent"`
	CreditExact     string `json:"credit_exact"`
	Credit          string `json:"credit"`
	CreditFigures
}

// TotalFigures add the accounts up.
type TotalFigures struct {
	Fee    string `json:"fee"`
	Credit string `json:"credit"`
}

// Evaluation returns the statement with its figures. The error quotes a figure of the statement that cannot be read.
func (s *Statement) Evaluation() (Evaluation, error) {
	e := Evaluation{Statement: s, Figures: []Figures{}, Total: TotalFigures{amount(s.Total.Fee), amount(s.Total.Charged)}}
	for i := range s.Accounts {
		f, err := s.figures(&s.Accounts[i])
		if err != nil {
			return Evaluation{}, fmt.Errorf("read the figures of %q: %w", s.Accounts[i].Service, err)
		}
		e.Figures = append(e.Figures, f)
	}
	return e, nil
}

func (s *Statement) figures(a *Account) (Figures, error) {
	var maintenance int64
	for _, r := range a.Rules {
		if name, _, _ := strings.Cut(r.Rule, ":"); name == "maintenance" {
			maintenance += r.Millis
		}
	}
	availability, err := fractionOf(a.Availability.Point.Exact)
	if err != nil {
		return Figures{}, err
	}
	down, denominator, err := a.point()
	if err != nil {
		return Figures{}, err
	}
	terms := s.termsOf(a)
	row := a.Credit.Charged
	exact, err := majorExact(row)
	if err != nil {
		return Figures{}, err
	}
	f := Figures{
		Service: a.Service, Period: decimalSeconds(s.at(a).Millis()), Window: decimalSeconds(s.at(a).Millis() - a.Classes.Outside),
		Maintenance: decimalSeconds(maintenance), Eligible: decimalSeconds(a.EligibleMS), Denominator: denominator,
		Down: down, Availability: availability, Percent: strings.TrimSuffix(a.Availability.Point.Percent, "%"),
		Fee: amount(a.Credit.Fee), CreditPercent: strings.TrimSuffix(row.Percent, "%"), CreditExact: exact, Credit: amount(row.Amount),
		CreditFigures: s.creditFigures(a.Credit, terms),
	}
	if a.AddedBack != nil {
		if f.Uncut, err = fractionOf(a.AddedBack.Uncut.Exact); err != nil {
			return Figures{}, err
		}
	}
	if m := terms.Measure; m != nil && m.Users > 0 {
		f.UserMinutes, f.UserMinutesDown = a.userMinutes(m.Users)
	}
	if row.Tier != "" {
		f.Tier = &row.Tier
	}
	if a.Judged != nil && terms.Time != nil && terms.Time.Judge != nil {
		if r, ok := parseExact(a.Judged.Point.Exact); ok {
			f.Judged = r.Mul(r, big.NewRat(100, 1)).FloatString(terms.Time.Judge.Places)
		}
	}
	return f, nil
}

// termsOf are those of the version that judges an account.
func (s *Statement) termsOf(a *Account) *Terms {
	for i := range s.Further {
		if a.Part != nil && a.Part.VersionFrom == s.Further[i].From {
			return &s.Further[i].Terms
		}
	}
	return &s.Version.Terms
}

// point is the downtime and the denominator of the likely figure in seconds: exact decimal text, or a fraction where
// downtime is weighed. A figure that is not made of time has that of the services as one timeline beside it.
func (a *Account) point() (down, denominator string, err error) {
	f := a.fractions()
	if f.Unit != agreements.Milliseconds.String() {
		return decimalSeconds(a.Down.PointMS), decimalSeconds(a.DenominatorMS - a.LeftOutMS), nil
	}
	lost, okLost := parseExact(f.Point.Lost)
	of, okOf := parseExact(f.Point.Of)
	if !okLost || !okOf {
		return "", "", fmt.Errorf("got %q of %q, want two exact fractions", f.Point.Lost, f.Point.Of)
	}
	return exactSeconds(lost), exactSeconds(of), nil
}

// exactSeconds writes milliseconds as decimal seconds, or as a fraction of seconds where no decimals are exact.
func exactSeconds(ms *big.Rat) string {
	return decimal(new(big.Rat).Quo(ms, big.NewRat(1000, 1)))
}

// decimalSeconds writes milliseconds as decimal seconds without needless zeros.
func decimalSeconds(ms int64) string {
	text := new(big.Rat).SetFrac64(ms, 1000).FloatString(3)
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
}

// fractionOf writes a fraction of the document as n/d; what is empty stays so.
func fractionOf(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		return "", fmt.Errorf("got fraction %q, want n/d", text)
	}
	return r.String(), nil
}

// majorExact is the credit before rounding in major units. The printed amount tells how many decimals these have.
func majorExact(row CreditRow) (string, error) {
	r, ok := new(big.Rat).SetString(row.ExactMinor)
	if !ok {
		return "", fmt.Errorf("got credit %q, want n/d", row.ExactMinor)
	}
	_, decimals, _ := strings.Cut(row.Amount.Text, ".")
	unit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(len(decimals))), nil)
	return r.Quo(r, new(big.Rat).SetInt(unit)).String(), nil
}

// amount is the printed form of money without its currency.
func amount(m Money) string {
	_, number, _ := strings.Cut(m.Text, " ")
	return number
}

// JSON returns the evaluation in the canonical form of statements: fields in the order written, two spaces of indent, LF.
func (e *Evaluation) JSON() ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(e); err != nil {
		return nil, fmt.Errorf("encode evaluation: %w", err)
	}
	return b.Bytes(), nil
}
